//! Messages into streams and out of them: publish with acknowledgement, batches, schedules,
//! subscriptions to what is stored.

use crate::support::{World, normalise};

/// A stream, made the way a program would.
fn with_stream(config: &str) -> World {
    let world = World::new();
    let subject = "$JS.API.STREAM.CREATE.S";
    let answer = world.nats(&["req", subject, config, "--raw"]).ok().stdout;
    assert!(answer.contains("\"did_create\":true"), "{answer}");
    world
}

const PLAIN: &str = r#"{"name":"S","subjects":["o.>"],"allow_direct":true,"allow_atomic":true}"#;

#[test]
fn storing_is_acknowledged() {
    let world = with_stream(PLAIN);
    let out = world.nats(&["pub", "o.a", "x", "-J"]).ok().stderr;
    assert_eq!(
        normalise(&out),
        "<clock> Published 1 bytes to \"o.a\"\n<clock> Stored in Stream: S Sequence: 1\n"
    );
    let out = world
        .nats(&[
            "pub",
            "o.a",
            "x",
            "-J",
            "-H",
            "Nats-Msg-Id:1",
            "--count",
            "2",
        ])
        .ok()
        .stderr;
    assert!(out.contains("Sequence: 2 Duplicate: true"), "{out}");
    world
        .nats(&["pub", "nowhere", "x", "-J"])
        .fails_with("no stream stores \"nowhere\"");
}

#[test]
fn batches_are_all_or_nothing() {
    let world = with_stream(PLAIN);
    let out = world
        .nats(&["pub", "o.{{Count}}", "x", "--count", "3", "--atomic"])
        .ok()
        .stderr;
    assert!(
        out.contains("Wrote batch ID: ") && out.contains("Messages: 3 Sequence: 3"),
        "{out}"
    );
    world
        .nats(&[
            "pub",
            "o.a",
            "x",
            "--atomic",
            "--schedule-after",
            "1s",
            "--schedule-dest",
            "o.d",
        ])
        .fails_with("cannot be combined");
    world
        .nats(&["pub", "o.a", "x", "--atomic", "--count", "1001"])
        .fails_with("at most 1000");
}

#[test]
fn schedules_are_checked() {
    let world = with_stream(
        r#"{"name":"S","subjects":["o.>"],"allow_msg_schedules":true,"allow_msg_ttl":true}"#,
    );
    world
        .nats(&[
            "pub",
            "o.s",
            "x",
            "--schedule-after",
            "1h",
            "--schedule-dest",
            "o.d",
        ])
        .ok();
    world
        .nats(&[
            "pub",
            "o.s",
            "x",
            "--schedule-at",
            "2030-01-01T00:00:00Z",
            "--schedule-dest",
            "o.d",
        ])
        .ok();
    // Two days: the server knows no unit that is longer than an hour.
    let often = "pub o.t x --schedule-every 90s --schedule-dest o.d --schedule-ttl 2d";
    world.nats(&often.split(' ').collect::<Vec<_>>()).ok();
    let stored = world.nats(&["stream", "get", "S", "--last-for", "o.t"]);
    let stored = stored.ok().stdout;
    for header in ["Nats-Schedule: @every 90s", "Nats-Schedule-TTL: 172800s"] {
        assert!(stored.contains(header), "{stored}");
    }
    world
        .nats(&["pub", "o.s", "x", "--schedule-after", "1h"])
        .fails_with("--schedule-dest is required");
    world
        .nats(&["pub", "o.s", "x", "--schedule-dest", "o.d"])
        .fails_with("a schedule needs one of");
    world
        .nats(&[
            "pub",
            "o.s",
            "x",
            "--schedule-at",
            "noon",
            "--schedule-dest",
            "o.d",
        ])
        .fails_with("RFC3339");
}

#[test]
fn stored_messages_are_read_back() {
    let world = with_stream(PLAIN);
    world
        .nats(&["pub", "o.{{Count}}", "m{{Count}}", "-J", "--count", "3"])
        .ok();
    let out = normalise(
        &world
            .nats(&["sub", "--stream", "S", "--all", "-T"])
            .ok()
            .stdout,
    );
    let first = "[#1] Received JetStream message: stream: S seq: 1 / pending: 2 / subject: o.1 / time: <time>             \nm1\n\n\n";
    assert!(out.starts_with(first), "{out}");
    let bodies = |args: &[&str]| {
        world
            .nats(&[&["sub"], args, &["-T", "--raw"]].concat())
            .ok()
            .stdout
    };
    assert_eq!(bodies(&["--stream", "S", "--last"]), "m3\n");
    assert_eq!(bodies(&["o.2", "--all"]), "m2\n");
    assert_eq!(
        bodies(&["--stream", "S", "--start-sequence", "2"]),
        "m2\nm3\n"
    );
    assert_eq!(bodies(&["--stream", "S", "--since", "1h"]), "m1\nm2\nm3\n");
    assert_eq!(bodies(&["o.>", "--last-per-subject"]), "m1\nm2\nm3\n");
    assert_eq!(
        bodies(&["--stream", "S", "--last-per-subject"]),
        "m1\nm2\nm3\n"
    );
    assert_eq!(bodies(&["--stream", "S", "--direct"]), "m1\nm2\nm3\n");
    assert_eq!(bodies(&["o.3", "--stream", "S", "--direct"]), "m3\n");
    world
        .nats(&[
            "sub", "--stream", "S", "--all", "--count", "2", "--dump", "out",
        ])
        .ok();
    assert!(world.dir().join("out/2.json").is_file());
}

#[test]
fn a_durable_consumer_remembers() {
    let world = with_stream(PLAIN);
    world
        .nats(&["pub", "o.a", "m{{Count}}", "-J", "--count", "3"])
        .ok();
    let next = || {
        world
            .nats(&[
                "sub",
                "--stream",
                "S",
                "--durable",
                "D",
                "--count",
                "1",
                "--raw",
            ])
            .ok()
            .stdout
    };
    assert_eq!((next(), next()), ("m1\n".to_owned(), "m2\n".to_owned()));
}

#[test]
fn wrong_combinations_are_told() {
    let world = with_stream(PLAIN);
    world
        .nats(&["sub", "nowhere", "--all"])
        .fails_with("no stream found with subject: nowhere");
    world
        .nats(&["sub", "--stream", "NONE"])
        .fails_with("stream not found (10059)");
    world
        .nats(&["sub", "a", "-T"])
        .fails_with("--terminate-at-end is only supported");
    world
        .nats(&["sub", "a", "b", "--all"])
        .fails_with("only 1 subject");
    world
        .nats(&["sub", "--stream", "S", "--durable", "D", "--direct"])
        .fails_with("durable");
    let plain = World::configured("");
    plain
        .nats(&["sub", "--stream", "S"])
        .fails_with("JetStream is not available");
}
