//! Streams edited, copied, purged, sealed and removed.

use crate::support::World;

fn with(flags: &[&str]) -> World {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&[&add[..], flags].concat()).ok();
    world
}

fn config(world: &World, name: &str) -> serde_json::Value {
    world.nats(&["stream", "info", name, "-j"]).ok().json()["config"].take()
}

#[test]
fn flags_become_configuration() {
    let world = with(&[
        "--storage",
        "memory",
        "--retention",
        "work",
        "--discard-per-subject",
        "--max-msgs-per-subject",
        "5",
        "--max-bytes",
        "1MiB",
        "--max-age",
        "1d",
        "--max-msg-size",
        "1K",
        "--max-consumers",
        "3",
        "--dupe-window",
        "10s",
        "--description",
        "a stream",
        "--metadata",
        "a:b",
        "--no-ack",
        "--no-allow-direct",
        "--allow-msg-ttl",
        "--allow-rollup",
        "--deny-delete",
        "--first-sequence",
        "7",
        "--transform-source",
        "s.>",
        "--transform-destination",
        "t.>",
        "--republish-source",
        ">",
        "--republish-destination",
        "r.>",
        "--republish-headers",
        "--limit-consumer-inactive",
        "1m",
        "--limit-consumer-max-pending",
        "9",
    ]);
    let config = config(&world, "S");
    let expected = serde_json::json!({
        "storage": "memory", "retention": "workqueue", "discard": "new",
        "discard_new_per_subject": true, "max_msgs_per_subject": 5, "max_bytes": 1 << 20,
        "max_age": 86_400_000_000_000_i64, "max_msg_size": 1024, "max_consumers": 3,
        "duplicate_window": 10_000_000_000_i64, "description": "a stream", "no_ack": true,
        "allow_direct": false, "allow_msg_ttl": true, "allow_rollup_hdrs": true,
        "deny_delete": true, "first_seq": 7, "subject_transform": {"src": "s.>", "dest": "t.>"},
        "republish": {"src": ">", "dest": "r.>", "headers_only": true},
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&config[name], value, "{name}");
    }
    assert_eq!(config["consumer_limits"]["max_ack_pending"], 9);
    assert_eq!(config["metadata"]["a"], "b");
}

#[test]
fn impossible_streams_are_refused() {
    let world = with(&[]);
    let add = |args: &[&str]| world.nats(&[&["stream", "add"], args, &["--defaults"]].concat());
    add(&["S", "--subjects", "other"]).fails_with("could not create Stream");
    add(&["T", "--subjects", "s.x"]).fails_with("overlap");
    add(&["T", "--subjects", "x", "--storage", "tape"]).fails_with("tape");
    add(&["T", "--subjects", "x", "--mirror", "S"]).fails_with("mirrors cannot listen");
    add(&["T", "--subjects", "x", "--metadata", "x"]).fails_with("key:value");
    add(&["T", "--subjects", "x", "--transform-source", "x"]).fails_with("--transform-destination");
    add(&["T T", "--subjects", "x"]).fails_with("invalid stream name");
    add(&["T", "--subjects", "x", "--max-bytes", "many"]).fails_with("invalid size");
    add(&["T", "--config", "missing.json"]).fails_with("missing.json");
    world.file("broken.json", b"[]");
    add(&["T", "--config", "broken.json"]).fails_with("a configuration is a JSON object");
    add(&["T", "--source", "{}"]).fails_with("name is required");
    world
        .nats(&["stream", "add", "T", "--subjects", "x"])
        .fails_with("--defaults");
}

#[test]
fn configurations_are_saved_and_validated() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world
        .nats(&[&add[..], &["--output", "s.json"]].concat())
        .ok();
    world.nats(&["stream", "info", "S"]).fails_with("not found");
    let out = world.nats(&["stream", "add", "--config", "s.json", "--validate"]);
    let out = out.ok().stdout;
    assert!(out.contains("valid Stream matching io.nats.jetstream.api.v1.stream_configuration"));
    world.file("bad.json", br#"{"name": "S", "retention": "forever"}"#);
    world
        .nats(&["stream", "add", "--config", "bad.json", "--validate"])
        .fails_with("Validation Failed: /retention: enum");
    world
        .nats(&["stream", "add", "--config", "s.json", "--json"])
        .ok();
}

#[test]
fn an_edit_shows_the_difference() {
    let world = with(&[]);
    let edit = |args: &[&str]| world.nats(&[&["stream", "edit", "S"], args].concat());
    assert_eq!(edit(&[]).ok().stdout, "No difference in configuration\n");
    let dry = edit(&["--max-msgs", "10", "--dry-run"]);
    assert_eq!(dry.code, 1);
    assert_eq!(
        dry.stdout,
        "Differences (-old +new):\n- max_msgs: -1\n+ max_msgs: 10\n\n"
    );
    edit(&["--max-msgs", "10"]).fails_with("cannot ask without a terminal");
    let out = edit(&["--max-msgs", "10", "-f"]).ok().stdout;
    assert!(
        out.contains("Stream S was updated\n\nInformation for Stream S"),
        "{out}"
    );
    edit(&["--no-allow-direct", "--allow-batch", "-f"]).ok();
    let config = config(&world, "S");
    assert_eq!(
        (
            &config["max_msgs"],
            &config["allow_direct"],
            &config["allow_atomic"]
        ),
        (&10.into(), &false.into(), &true.into())
    );
    edit(&["--source", "X", "-f"]).fails_with("cannot edit mirrors or sources");
    edit(&["--retention", "work", "-f"]).fails_with("could not edit Stream S");
    world.file(
        "s.json",
        br#"{"name": "S", "subjects": ["s.>"], "max_msgs": 11}"#,
    );
    edit(&["--config", "s.json", "-f"]).ok();
    assert_eq!(self::config(&world, "S")["max_msgs"], 11);
    let mut command = world.command(&["stream", "edit", "S", "-i", "-f", "--json"]);
    command.env("EDITOR", "sed -i s/11/12/");
    let output = command.output().expect("nats can be run");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(self::config(&world, "S")["max_msgs"], 12);
}

#[test]
fn copies_have_their_own_name() {
    let world = with(&["--max-msgs", "3"]);
    let copy = [
        "stream",
        "cp",
        "S",
        "T",
        "--subjects",
        "t.>",
        "--max-age",
        "1h",
    ];
    let out = world.nats(&copy).ok().stdout;
    assert!(out.starts_with("Stream T was created"), "{out}");
    let copied = config(&world, "T");
    assert_eq!(
        (&copied["max_msgs"], &copied["name"]),
        (&3.into(), &"T".into())
    );
    world
        .nats(&["stream", "cp", "S", "S"])
        .fails_with("cannot be the same");
    world
        .nats(&["stream", "cp", "NOPE", "X"])
        .fails_with("not found");
    world
        .nats(&["stream", "cp", "S", "U"])
        .fails_with("could not create Stream");
}

#[test]
fn what_is_destroyed_is_asked_about() {
    let world = with(&[]);
    let publish = ["pub", "s.{{Count}}", "x", "-J", "--count", "5"];
    world.nats(&publish).ok();
    let ask = "cannot ask without a terminal";
    world.nats(&["stream", "purge", "S"]).fails_with(ask);
    world.nats(&["stream", "rm", "S"]).fails_with(ask);
    world.nats(&["stream", "seal", "S"]).fails_with(ask);
    world
        .nats(&["stream", "rm", "-f"])
        .fails_with("--force requires a stream name");
    let purge = |args: &[&str]| world.nats(&[&["stream", "purge", "S", "-f"], args].concat());
    let out = purge(&["--subject", "s.1"]).ok().stdout;
    assert!(
        out.starts_with("Purged 1 messages from S\n\nState for Stream S"),
        "{out}"
    );
    assert!(purge(&["--keep", "3"]).ok().stdout.starts_with("Purged 1 "));
    assert_eq!(
        purge(&["--seq", "4", "-j"]).ok().json()["state"]["messages"],
        2
    );
    purge(&["--seq", "4", "--keep", "1"]).fails_with("--keep");
    let sealed = world.nats(&["stream", "seal", "S", "-f"]).ok().stdout;
    assert!(sealed.contains("Sealed: true"), "{sealed}");
    purge(&[]).fails_with("could not purge Stream");
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    world
        .nats(&["stream", "rm", "S", "-f"])
        .fails_with("not found");
    world.nats(&["kv", "add", "B"]).ok();
    world.nats(&["stream", "rmm", "KV_B", "1"]).fails_with(ask);
}
