//! Benchmarks: each kind once, with few messages; the figures themselves are not judged.

use std::time::Duration;

use crate::support::World;

fn stats(world: &World, args: &[&str]) -> String {
    let out = world
        .nats(&[&["bench"], args, &["--no-progress"]].concat())
        .ok()
        .stdout;
    assert!(
        out.contains("stats: ") && out.contains(" msgs/sec ~ "),
        "{out}"
    );
    out
}

#[test]
fn core_messages_are_counted() {
    let world = World::new();
    let mut sub = world.spawn(&[
        "bench",
        "sub",
        "b",
        "--msgs",
        "2000",
        "--clients",
        "2",
        "--no-progress",
    ]);
    sub.wait_for("[2] Starting Core NATS subscriber, expecting 2,000 messages");
    let out = cognate_conformance::wait::until("the subscribers", || {
        let out = stats(
            &world,
            &[
                "pub",
                "b",
                "--msgs",
                "2000",
                "--csv",
                "b.csv",
                "--histogram",
            ],
        );
        sub.has_ended().then_some(out)
    });
    assert!(
        out.contains("NATS Core NATS publisher stats: ")
            && out.contains("Latencies per operation:"),
        "{out}"
    );
    assert!(sub.wait().contains("aggregated stats"));
    let csv = std::fs::read_to_string(world.dir().join("b.csv")).expect("the file is written");
    let row = csv.lines().nth(1).expect("there is a row per client");
    assert_eq!(
        row.split(',').count(),
        csv.lines()
            .next()
            .expect("there is a header")
            .split(',')
            .count()
    );
    assert_eq!(row.split(',').nth(2), Some("2000"));
}

#[test]
fn services_are_measured() {
    let world = World::new();
    let serve = world.spawn(&["bench", "service", "serve", "svc"]);
    serve.wait_for("Starting Core NATS service server");
    let out = stats(
        &world,
        &[
            "service",
            "request",
            "svc",
            "--msgs",
            "100",
            "--clients",
            "2",
        ],
    );
    assert!(out.contains("latencies per operation min "), "{out}");
    world
        .nats(&["bench", "service", "request", "nobody", "--no-progress"])
        .fails_with("no responders");
}

#[test]
fn streams_are_measured() {
    let world = World::new();
    stats(
        &world,
        &[
            "js",
            "pub",
            "async",
            "js.b",
            "--create",
            "--maxbytes",
            "64MB",
            "--msgs",
            "1000",
            "--batch",
            "100",
            "--dedup",
        ],
    );
    stats(&world, &["js", "pub", "sync", "js.b", "--msgs", "100"]);
    stats(
        &world,
        &[
            "js",
            "pub",
            "atomic",
            "js.b",
            "--create",
            "--maxbytes",
            "64MB",
            "--msgs",
            "100",
            "--batch",
            "10",
        ],
    );
    // Flags that all commands of a group have may come before the command.
    stats(
        &world,
        &["js", "--msgs", "1000", "consume", "--clients", "2"],
    );
    stats(&world, &["js", "consume", "--msgs", "100", "--doubleack"]);
    stats(
        &world,
        &[
            "js", "fetch", "--msgs", "1000", "--batch", "100", "--acks", "all",
        ],
    );
    stats(&world, &["js", "ordered", "--msgs", "1000"]);
    stats(&world, &["js", "get", "sync", "--msgs", "100"]);
    stats(
        &world,
        &["js", "get", "batch", "--msgs", "1000", "--batch", "100"],
    );
    world
        .nats(&["bench", "js", "consume", "--stream", "NONE"])
        .fails_with("stream not found");
    world
        .nats(&["bench", "js", "get", "sync"])
        .fails_with("messages only");
    world
        .nats(&["bench", "js", "pub", "sync", "x", "--stream", "NONE"])
        .fails_with("stream NONE does not exist");
}

#[test]
fn fast_batches_are_measured() {
    let world = World::new();
    let fast = ["js", "pub", "fast", "js.f", "--stream", "F"];
    let with = |more: &[&'static str]| [&fast[..], more].concat();
    let create = ["--create", "--maxbytes", "64MB", "--msgs", "1000"];
    stats(&world, &[&with(&create)[..], &["--batch", "30"]].concat());
    let stored =
        || world.nats(&["stream", "info", "F", "--json"]).ok().json()["state"]["messages"].take();
    assert_eq!(stored(), 1000);
    let many = ["--clients", "7", "--max-outstanding-acks", "3", "--dedup"];
    stats(&world, &[&with(&["--msgs", "1003"])[..], &many].concat());
    assert_eq!(stored(), 2003);
    stats(&world, &with(&["--msgs", "1"]));
    assert_eq!(stored(), 2004);
    let bench = |more: &[&'static str]| world.nats(&[&["bench"], &with(more)[..]].concat());
    bench(&["--batch", "65536"]).fails_with("--batch must be between 1 and 65535");
    bench(&["--max-outstanding-acks", "0"]).fails_with("0 is not in 1..");
    let plain = ["stream", "add", "P", "--subjects", "p", "--defaults"];
    world.nats(&plain).ok();
    let refused = ["bench", "js", "pub", "fast", "p", "--stream", "P"];
    world.nats(&refused).fails_with("(10205)");
}

#[test]
fn publishing_may_be_steady() {
    let world = World::new();
    let rate = ["--throughput", "1000", "--duration", "100ms"];
    let out = world.nats(&[&["bench", "pub", "a", "--clients", "2"], &rate[..]].concat());
    assert!(out.stderr.contains("duration=100ms"), "{out:?}");
    assert!(out.stderr.contains("msgs=100, "), "{out:?}");
    assert!(out.ok().stdout.contains("(50 msgs)"));
    world
        .nats(&["bench", "kv", "put", "--duration", "1s"])
        .fails_with("--duration requires --throughput");
}

#[test]
fn buckets_are_measured() {
    let world = World::new();
    world
        .nats(&["bench", "kv", "get"])
        .fails_with("bucket \"benchbucket\" not found");
    stats(
        &world,
        &["kv", "put", "--msgs", "100", "--maxbytes", "64MB"],
    );
    stats(&world, &["kv", "get", "--msgs", "100", "--clients", "2"]);
    world
        .nats(&["bench", "kv", "get", "--clients", "0"])
        .fails_with("--clients must be between");
}

/// The server delivers a thousand messages without an acknowledgement, and no more: a consumer that
/// acknowledged only at the end of its last request got the rest when the server delivered again, which
/// is after 30 seconds and each time. The wait for its end is shorter than that.
#[test]
fn one_acknowledgement_stands_for_many() {
    let world = World::new();
    let fill = [
        "js",
        "pub",
        "async",
        "js.a",
        "--create",
        "--storage",
        "memory",
    ];
    stats(
        &world,
        &[&fill[..], &["--maxbytes", "64MB", "--msgs", "3000"]].concat(),
    );
    let consume = ["bench", "js", "consume", "--msgs", "3000"];
    let mut consumer = world.spawn(&[&consume[..], &["--acks", "all", "--no-progress"]].concat());
    let out = consumer.wait_within(Duration::from_secs(25));
    assert!(out.contains("stats: "), "{out}");
}
