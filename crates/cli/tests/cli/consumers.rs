//! Consumers made, changed, shown, read, paused and removed.

use cognate_conformance::wait;

use crate::support::{World, normalise};

/// A world with stream S, three messages and a pull consumer C.
fn with_consumer() -> World {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let publish = ["pub", "s.{{Count}}", "m{{Count}}", "-J", "--count", "3"];
    world.nats(&publish).ok();
    world
        .nats(&["consumer", "add", "S", "C", "--pull", "--defaults"])
        .ok();
    world
}

fn config(world: &World, name: &str) -> serde_json::Value {
    world.nats(&["con", "info", "S", name, "-j"]).ok().json()["config"].take()
}

/// The command fails and says so, once the server answers within its short time.
#[track_caller]
fn says_in_time(world: &World, args: &[&str], text: &str) {
    wait::until(&format!("{text:?} from {args:?}"), || {
        let ended = world.nats(args);
        assert_eq!(ended.code, 1, "{ended:?}");
        ended.stderr.contains(text).then_some(())
    });
}

#[test]
fn a_consumer_is_shown() {
    let world = with_consumer();
    let out = normalise(&world.nats(&["consumer", "info", "S", "C"]).ok().stdout);
    let expected = "\
Information for Consumer S > C created <time>             

Configuration:

                    Name: C
               Pull Mode: true
          Deliver Policy: All
              Ack Policy: Explicit
                Ack Wait: 30s
           Replay Policy: Instant
         Max Ack Pending: 1,000
       Max Waiting Pulls: 512

State:
";
    assert!(out.starts_with(expected), "{out}");
    for row in [
        "Last Delivered Message: Consumer sequence: 0 Stream sequence: 0\n",
        "Acknowledgment Floor: Consumer sequence: 0 Stream sequence: 0\n",
        "Outstanding Acks: 0 out of maximum 1,000\n",
        "Redelivered Messages: 0\n",
        "Unprocessed Messages: 3\n",
        "Waiting Pulls: 0 of maximum 512\n",
    ] {
        assert!(out.contains(row), "{row} is not in {out}");
    }
    let state = world.nats(&["c", "state", "S", "C"]).ok().stdout;
    assert!(state.starts_with("State for Consumer S > C") && !state.contains("Pull Mode"));
    let json = world.nats(&["consumer", "info", "S", "C", "--json"]).ok();
    world.file("info.json", json.stdout.as_bytes());
    let schema = "io.nats.jetstream.api.v1.consumer_info_response";
    world
        .nats(&["schema", "validate", schema, "info.json"])
        .ok();
    world
        .nats(&["consumer", "info", "S", "NOPE"])
        .fails_with("consumer not found (10014)");
    world
        .nats(&["consumer", "info", "S", "--no-select"])
        .fails_with("a consumer name is required");
}

#[test]
fn consumers_are_listed_found_and_reported() {
    let world = with_consumer();
    let push = [
        "consumer",
        "add",
        "S",
        "P",
        "--target",
        "out.p",
        "--defaults",
    ];
    world.nats(&push).ok();
    let out = normalise(&world.nats(&["consumer", "ls", "S"]).ok().stdout);
    let row =
        "│ C    │             │ <time>              │           0 │           3 │ never         │";
    assert!(out.contains("Consumers") && out.contains(row), "{out}");
    assert_eq!(world.nats(&["c", "ls", "S", "-n"]).ok().stdout, "C\nP\n");
    let json = world.nats(&["consumer", "ls", "S", "--json"]).ok().json();
    assert_eq!(json, serde_json::json!(["C", "P"]));
    world
        .nats(&["consumer", "ls", "NOPE"])
        .fails_with("stream not found");
    let find = |args: &[&str]| {
        world
            .nats(&[&["con", "find", "S"], args].concat())
            .ok()
            .stdout
    };
    assert_eq!(find(&["--push"]), "P\n");
    assert_eq!(find(&["--push", "--invert"]), "C\n");
    assert_eq!(find(&["--pending", "3"]), "");
    assert_eq!(find(&["--bound"]), "");
    world
        .nats(&["con", "find", "S", "--expression", "x"])
        .fails_with("there is no \"x\"");
    let out = world.nats(&["consumer", "report", "S"]).ok().stdout;
    let title = "Consumer report for S with 2 consumers";
    assert!(out.contains(title) && out.contains("│ 3 / 100%"), "{out}");
    assert!(out.contains("│ P        │ Push │ None"), "{out}");
    let raw = world.nats(&["consumer", "report", "S", "-r"]).ok().stdout;
    assert!(!raw.contains("100%"), "{raw}");
    world
        .nats(&["consumer", "report", "NOPE"])
        .fails_with("not found");
    let empty = ["stream", "add", "E", "--subjects", "e", "--defaults"];
    world.nats(&empty).ok();
    assert_eq!(
        world.nats(&["con", "ls", "E"]).ok().stdout,
        "No Consumers defined\n"
    );
}

// tidy: long-function: flags with what they become
#[test]
fn flags_become_configuration() {
    let world = with_consumer();
    world
        .nats(&[
            "consumer",
            "add",
            "S",
            "D",
            "--pull",
            "--defaults",
            "--filter",
            "s.1,s.2",
            "--deliver",
            "2",
            "--ack",
            "all",
            "--wait",
            "7s",
            "--max-deliver",
            "9",
            "--max-pending",
            "11",
            "--max-waiting",
            "13",
            "--max-pull-batch",
            "15",
            "--max-pull-expire",
            "17s",
            "--max-pull-bytes",
            "1K",
            "--sample",
            "19",
            "--headers-only",
            "--replay",
            "original",
            "--memory",
            "--description",
            "a consumer",
            "--metadata",
            "a:b",
            "--inactive-threshold",
            "1h",
            "--backoff",
            "linear",
            "--backoff-steps",
            "2",
            "--backoff-min",
            "1s",
            "--backoff-max",
            "2s",
        ])
        .ok();
    let config = config(&world, "D");
    let second = 1_000_000_000_i64;
    let expected = serde_json::json!({
        "durable_name": "D", "filter_subjects": ["s.1", "s.2"],
        "deliver_policy": "by_start_sequence", "opt_start_seq": 2, "ack_policy": "all",
        "max_deliver": 9, "max_ack_pending": 11, "max_waiting": 13, "max_batch": 15,
        "max_expires": 17 * second, "max_bytes": 1024, "sample_freq": "19",
        "headers_only": true, "replay_policy": "original", "mem_storage": true,
        "description": "a consumer", "inactive_threshold": 3600 * second,
        "backoff": [second, 2 * second],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&config[name], value, "{name}");
    }
    let push = [
        "consumer",
        "add",
        "S",
        "P",
        "--target",
        "out",
        "--deliver-group",
        "g",
        "--defaults",
        "--heartbeat",
        "5s",
        "--flow-control",
        "--bps",
        "1024",
        "--deliver",
        "new",
    ];
    world.nats(&push).ok();
    let config = self::config(&world, "P");
    assert_eq!(config["deliver_subject"], "out");
    assert_eq!(config["deliver_group"], "g");
    assert_eq!(config["idle_heartbeat"], 5 * second);
    assert_eq!(
        (&config["flow_control"], &config["rate_limit_bps"]),
        (&true.into(), &1024.into())
    );
    assert_eq!(
        (&config["ack_policy"], &config["deliver_policy"]),
        (&"none".into(), &"new".into())
    );
    // What the official tool has for defaults can be said.
    let ephemeral = [
        "consumer",
        "add",
        "S",
        "--ephemeral",
        "--pull",
        "--defaults",
        "--json",
        "--sample=-1",
        "--wait=-1s",
    ];
    let info = world.nats(&ephemeral).ok().json();
    assert_eq!(info["config"].get("durable_name"), None);
}

#[test]
fn impossible_consumers_are_refused() {
    let world = with_consumer();
    let add =
        |args: &[&str]| world.nats(&[&["consumer", "add", "S"], args, &["--defaults"]].concat());
    add(&["C", "--pull", "--deliver", "new"]).fails_with("could not create Consumer");
    add(&["X", "--pull", "--target", "t"]).fails_with("cannot be used with");
    add(&["X", "--pull", "--bps", "5"]).fails_with("only possible on push consumers");
    add(&["X", "--pull", "--heartbeat", "5s"]).fails_with("idle heartbeats");
    add(&["X", "--pull", "--deliver", "soon"]).fails_with("invalid duration");
    add(&["X", "--pull", "--sample", "101"]).fails_with("101");
    add(&["X.Y", "--pull"]).fails_with("invalid consumer name");
    add(&["X", "--pull", "--config", "missing"]).fails_with("missing");
    world
        .nats(&["consumer", "add", "NOPE", "X", "--pull", "--defaults"])
        .fails_with("stream not found");
    world
        .nats(&["consumer", "add", "S", "X", "--pull"])
        .fails_with("--defaults");
}

#[test]
fn consumers_are_edited_copied_and_saved() {
    let world = with_consumer();
    let edit = |args: &[&str]| world.nats(&[&["consumer", "edit", "S", "C"], args].concat());
    assert_eq!(edit(&[]).ok().stdout, "No difference in configuration\n");
    let dry = edit(&["--max-deliver", "4", "--dry-run"]);
    assert_eq!(dry.code, 1);
    assert!(dry.stdout.contains("+ max_deliver: 4\n"), "{}", dry.stdout);
    edit(&["--max-deliver", "4"]).fails_with("cannot ask without a terminal");
    edit(&["--max-deliver", "4", "-f"]).ok();
    assert_eq!(config(&world, "C")["max_deliver"], 4);
    edit(&["--target", "x", "-f"]).fails_with("could not edit Consumer S > C");
    let mut command = world.command(&["consumer", "edit", "S", "C", "-i", "-f"]);
    command.env("EDITOR", "sed -i s/.max_deliver.:.4/\\\"max_deliver\\\":5/");
    let output = command.output().expect("nats can be run");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(config(&world, "C")["max_deliver"], 5);
    world
        .nats(&["consumer", "cp", "S", "C", "D", "--max-deliver", "6"])
        .ok();
    assert_eq!(config(&world, "D")["max_deliver"], 6);
    world
        .nats(&["consumer", "cp", "S", "C", "C"])
        .fails_with("cannot be the same");
    world
        .nats(&["consumer", "cp", "S", "NOPE", "E"])
        .fails_with("not found");
    let told = world
        .nats(&["consumer", "info", "S", "D", "-j"])
        .ok()
        .stdout;
    world.file("d.json", told.as_bytes());
    world
        .nats(&["consumer", "add", "S", "E", "--config", "d.json"])
        .ok();
    assert_eq!(config(&world, "E")["max_deliver"], 6);
    let save = [
        "consumer",
        "add",
        "S",
        "F",
        "--pull",
        "--defaults",
        "--output",
        "f.json",
    ];
    world.nats(&save).ok();
    let valid = ["consumer", "add", "S", "--config", "f.json", "--validate"];
    assert!(
        world
            .nats(&valid)
            .ok()
            .stdout
            .contains("is a valid Consumer")
    );
}

#[test]
fn messages_are_read_one_by_one() {
    let world = with_consumer();
    let next = |args: &[&str]| world.nats(&[&["consumer", "next", "S", "C"], args].concat());
    let out = normalise(&next(&[]).ok().stdout);
    let expected = "[<clock>] subj: s.1 / tries: 1 / cons seq: 1 / str seq: 1 / pending: 2\n\nm1\n\nAcknowledged message\n\n";
    assert_eq!(out, expected);
    assert!(
        next(&["--nak"])
            .ok()
            .stdout
            .contains("Negative Acknowledged message")
    );
    let out = next(&["--no-ack", "--count", "2"]).ok().stdout;
    assert!(
        out.contains("tries: 2") && !out.contains("Acknowledged"),
        "{out}"
    );
    world.nats(&["pub", "s.4", "m4", "-J", "-H", "A:b"]).ok();
    let out = next(&["--term"]).ok().stdout;
    assert!(
        out.contains("Headers:\n\n  A: b\n\nData:\n\nm4\n\nTerminated message"),
        "{out}"
    );
    next(&["--timeout", "200ms"]).fails_with("no message arrived in time");
    next(&["--nak", "--term"]).fails_with("cannot be used with");
    world
        .nats(&["consumer", "next", "S", "NOPE"])
        .fails_with("consumer not found");
    let push = [
        "consumer",
        "add",
        "S",
        "P",
        "--target",
        "out.p",
        "--defaults",
    ];
    world.nats(&push).ok();
    let of_push = ["consumer", "next", "S", "P", "--timeout", "200ms"];
    says_in_time(&world, &of_push, "is not a pull consumer");
    let sub = world.spawn(&["consumer", "sub", "S", "P"]);
    let out = sub.wait_for("m4");
    assert!(
        out.contains("Subscribing to topic out.p auto acknowledgment: false"),
        "{out}"
    );
    world
        .nats(&["consumer", "sub", "S", "NOPE"])
        .fails_with("not found");
}

#[test]
fn consumers_pause_and_resume() {
    let world = with_consumer();
    let out = world
        .nats(&["consumer", "pause", "S", "C", "1h", "-f"])
        .ok()
        .stdout;
    assert!(out.starts_with("Paused S > C until "), "{out}");
    let info = world.nats(&["consumer", "info", "S", "C"]).ok().stdout;
    assert!(
        info.contains("Paused Until Deadline: ") && info.contains(" Paused Until: "),
        "{info}"
    );
    let of_paused = ["consumer", "next", "S", "C", "--timeout", "200ms"];
    says_in_time(&world, &of_paused, "paused");
    let out = world
        .nats(&["consumer", "resume", "S", "C", "-f"])
        .ok()
        .stdout;
    assert!(out.starts_with("Consumer S > C was resumed"), "{out}");
    world
        .nats(&["consumer", "resume", "S", "C", "-f"])
        .fails_with("is not paused");
    world
        .nats(&["consumer", "pause", "S", "C", "noon", "-f"])
        .fails_with("invalid time \"noon\"");
    world
        .nats(&["consumer", "pause", "S", "C", "1h"])
        .fails_with("cannot ask without a terminal");
}

#[test]
fn pins_and_positions_are_given_up() {
    let world = with_consumer();
    world
        .nats(&["consumer", "unpin", "S", "C", "g", "-f"])
        .fails_with("is not a pinned priority consumer");
    let add = [
        "consumer",
        "add",
        "S",
        "P",
        "--pull",
        "--defaults",
        "--pinned-groups",
        "g",
        "--pinned-ttl",
        "1m",
    ];
    world.nats(&add).ok();
    world
        .nats(&["consumer", "unpin", "S", "P", "g", "-f"])
        .fails_with("no priority groups have pinned clients");
    let pull = [
        "req",
        "$JS.API.CONSUMER.MSG.NEXT.S.P",
        r#"{"batch":1,"group":"g"}"#,
        "--raw",
    ];
    world.nats(&pull).ok();
    let info = world.nats(&["consumer", "info", "S", "P"]).ok().stdout;
    assert!(
        info.contains("Priority Policy: Pinned Client") && info.contains("g: pinned "),
        "{info}"
    );
    assert_eq!(
        world.nats(&["con", "find", "S", "--pinned"]).ok().stdout,
        "P\n"
    );
    let out = world
        .nats(&["consumer", "unpin", "S", "P", "g", "-f"])
        .ok()
        .stdout;
    assert!(
        out.starts_with("Unpinned client ") && out.contains("S > P > g"),
        "{out}"
    );
    world
        .nats(&["consumer", "next", "S", "C", "--count", "3"])
        .ok();
    world
        .nats(&["consumer", "reset", "S", "C"])
        .fails_with("cannot ask");
    let out = world
        .nats(&["consumer", "reset", "S", "C", "--sequence", "2", "-f"])
        .ok()
        .stdout;
    assert!(out.starts_with("State for Consumer S > C"), "{out}");
    let out = world
        .nats(&["consumer", "next", "S", "C", "--raw"])
        .ok()
        .stdout;
    assert_eq!(out, "m2\n");
    world
        .nats(&["consumer", "reset", "S", "NOPE", "-f"])
        .fails_with("not found");
}

#[test]
fn consumers_are_removed_and_have_no_cluster() {
    let world = with_consumer();
    world
        .nats(&["consumer", "cluster", "step-down", "S", "C"])
        .fails_with("consumer \"S > C\" is not clustered");
    world
        .nats(&["consumer", "c", "balance", "S"])
        .fails_with("no clustered consumers found");
    world
        .nats(&["consumer", "graph", "S", "C"])
        .fails_with("interactive terminal");
    world
        .nats(&["consumer", "rm", "S", "C"])
        .fails_with("cannot ask without a terminal");
    world
        .nats(&["consumer", "rm", "S", "-f"])
        .fails_with("--force requires");
    world.nats(&["consumer", "rm", "S", "C", "-f"]).ok();
    world
        .nats(&["consumer", "rm", "S", "C", "-f"])
        .fails_with("not found");
}
