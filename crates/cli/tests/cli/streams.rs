//! Streams made, listed, looked at and searched.

use crate::support::{World, normalise};

/// A world with stream ORDERS and three messages in it.
fn with_orders() -> World {
    let world = World::new();
    let add = ["stream", "add", "ORDERS", "--subjects", "orders.>"];
    world.nats(&[&add[..], &["--defaults"]].concat()).ok();
    let publish = ["pub", "orders.{{Count}}", "m{{Count}}", "-J"];
    world.nats(&[&publish[..], &["--count", "3"]].concat()).ok();
    world
}

/// The issue's own lines, as somebody types them whose programs run already.
#[test]
fn the_lines_people_type_work() {
    let store = tempfile::tempdir().expect("a temporary directory");
    let world = World::configured(&format!(
        "jetstream {{ store_dir: {:?} }}\n\
         authorization {{ users: [{{ user: mtcharge, password: \"654321\" }}] }}",
        store.path()
    ));
    let login = ["--user", "mtcharge", "--password", "654321"];
    let nats = |args: &[&str]| world.nats(&[args, &login[..]].concat());
    assert_eq!(nats(&["str", "ls"]).ok().stdout, "No Streams defined\n");
    let bare = r#"{"name": "CHARGING", "subjects": ["charging.>"], "retention": "limits", "storage": "file", "max_age": 3600000000000}"#;
    let info = format!(
        r#"{{"config": {bare}, "created": "2026-01-01T00:00:00Z", "state": {{"messages": 1}}}}"#
    );
    for description in [bare, &info] {
        world.file("CHARGING.config", description.as_bytes());
        let out = nats(&["str", "add", "CHARGING", "--config", "CHARGING.config"]);
        let out = out.ok().stdout;
        assert!(
            out.starts_with("Stream CHARGING was created\n\nInformation"),
            "{out}"
        );
        assert!(out.contains("Maximum Age: 1h0m0s"), "{out}");
        assert!(
            nats(&["str", "info", "CHARGING"])
                .ok()
                .stdout
                .contains("charging.>")
        );
        assert!(nats(&["str", "ls"]).ok().stdout.contains("│ CHARGING │"));
        nats(&["str", "rm", "CHARGING", "-f"]).ok();
    }
    // What one server says makes the same stream on another.
    nats(&["str", "add", "CHARGING", "--config", "CHARGING.config"]).ok();
    let told = nats(&["str", "info", "CHARGING", "--json"]).ok().stdout;
    world.file("told.json", told.as_bytes());
    nats(&["str", "rm", "CHARGING", "-f"]).ok();
    nats(&["str", "add", "--config", "told.json"]).ok();
    let again = nats(&["str", "info", "CHARGING", "--json"]).ok().json();
    assert_eq!(again["config"]["max_age"], 3_600_000_000_000_i64);
    let wrong = ["str", "ls", "--user", "mtcharge", "--password", "0"];
    world.nats(&wrong).fails_with("uthorization");
}

#[test]
fn streams_are_listed() {
    let world = with_orders();
    world.nats(&["kv", "add", "B"]).ok();
    let table = "\
╭────────────────────────────────────────────────────────────────────────────────╮
│                                     Streams                                    │
├────────┬─────────────┬─────────────────────┬──────────┬───────┬────────────────┤
";
    let out = normalise(&world.nats(&["stream", "ls"]).ok().stdout);
    let head: Vec<&str> = out.lines().take(3).collect();
    assert_eq!(head.len(), table.lines().count());
    assert!(
        out.contains("│ ORDERS │             │ <time>              │        3 │ 120 B │"),
        "{out}"
    );
    assert!(!out.contains("KV_B"), "{out}");
    let names = |args: &[&str]| world.nats(&[&["s", "ls"], args].concat()).ok().stdout;
    assert!(names(&["-a"]).contains("KV_B"));
    assert_eq!(names(&["--names"]), "KV_B\nORDERS\n");
    assert_eq!(names(&["--names", "--subject", "orders.7"]), "ORDERS\n");
    let json = world.nats(&["stream", "ls", "--json"]).ok().json();
    assert_eq!(json, serde_json::json!(["ORDERS"]));
    let empty = World::new();
    assert_eq!(
        empty.nats(&["stream", "ls"]).ok().stdout,
        "No Streams defined\n"
    );
    empty.nats(&["stream", "ls", "extra"]).fails_with("extra");
}

// tidy: long-function: a picture of a page
#[test]
fn a_stream_is_shown() {
    let world = with_orders();
    let out = normalise(&world.nats(&["stream", "info", "ORDERS"]).ok().stdout);
    let expected = "\
Information for Stream ORDERS created <time>             

                     Subjects: orders.>
                     Replicas: 1
                      Storage: File

Options:

                    Retention: Limits
              Acknowledgments: true
               Discard Policy: Old
             Duplicate Window: 2m0s
                   Direct Get: true
  Allows Atomic Batch Publish: false
    Allows Fast Batch Publish: false
              Allows Counters: false
            Allows Msg Delete: true
       Allows Per-Message TTL: false
                 Allows Purge: true
             Allows Schedules: false
               Allows Rollups: false

Limits:

             Maximum Messages: unlimited
          Maximum Per Subject: unlimited
                Maximum Bytes: unlimited
                  Maximum Age: unlimited
         Maximum Message Size: unlimited
            Maximum Consumers: unlimited

State:
";
    assert!(out.starts_with(expected), "{out}");
    let state = out.split("State:\n").nth(1).expect("there is a state");
    for row in [
        "Messages: 3\n",
        "Bytes: 120 B\n",
        "First Sequence: 1 @ <time>",
        "Last Sequence: 3 @ <time>",
        "Active Consumers: 0\n",
        "Number of Subjects: 3\n",
    ] {
        assert!(state.contains(row), "{row} is not in {state}");
    }
    let out = world.nats(&["stream", "state", "ORDERS"]).ok().stdout;
    assert!(out.starts_with("State for Stream ORDERS created ") && !out.contains("Limits:"));
    let info = world.nats(&["stream", "info", "ORDERS", "--state"]).ok();
    assert!(info.stdout.starts_with("State for Stream"));
    let json = world.nats(&["stream", "info", "ORDERS", "--json"]).ok();
    assert_eq!(json.json()["state"]["messages"], 3);
    world.file("info.json", json.stdout.as_bytes());
    let schema = "io.nats.jetstream.api.v1.stream_info_response";
    world
        .nats(&["schema", "validate", schema, "info.json"])
        .ok();
    world
        .nats(&["stream", "info", "NOPE"])
        .fails_with("stream not found (10059)");
    world
        .nats(&["stream", "info", "--no-select"])
        .fails_with("a stream name is required");
    world.nats(&["stream", "info"]).fails_with("as argument");
    world
        .nats(&["stream", "info", "a.b"])
        .fails_with("invalid stream name \"a.b\"");
}

#[test]
fn streams_are_reported_and_found() {
    let world = with_orders();
    let mirror = ["stream", "add", "COPY", "--mirror", "ORDERS", "--defaults"];
    world.nats(&mirror).ok();
    let out = world
        .nats(&["stream", "report", "--dot", "g.dot"])
        .ok()
        .stdout;
    for text in [
        "Stream Report",
        "│ ORDERS │ File    │",
        "Replication Report",
        "│ COPY   │ Mirror │",
    ] {
        assert!(out.contains(text), "{text} is not in {out}");
    }
    let graph = std::fs::read_to_string(world.dir().join("g.dot")).expect("a graph was written");
    assert!(graph.contains("\"ORDERS\" -> \"COPY\""), "{graph}");
    let raw = world.nats(&["stream", "report", "--raw", "-l"]).ok().stdout;
    assert!(raw.contains("│   120 │"), "{raw}");
    let find = |args: &[&str]| {
        let args = [&["stream", "find", "--names"], args].concat();
        world.nats(&args).ok().stdout
    };
    assert_eq!(find(&["--mirrored"]), "COPY\n");
    assert_eq!(find(&["--mirrored", "--invert"]), "ORDERS\n");
    assert_eq!(find(&["--subject", "orders.1"]), "ORDERS\n");
    assert_eq!(find(&["--created", "1h"]), "");
    assert_eq!(
        find(&["--replicas", "1", "--consumers", "1"]),
        "COPY\nORDERS\n"
    );
    world
        .nats(&["stream", "find", "--expression", "x"])
        .fails_with("there is no \"x\"");
    world
        .nats(&["stream", "find", "--server-name", "("])
        .fails_with("regex");
    let plain = World::configured("");
    plain
        .nats(&["stream", "report"])
        .fails_with("JetStream is not available");
}

#[test]
fn subjects_and_messages_are_shown() {
    let world = with_orders();
    let out = world
        .nats(&["stream", "subjects", "ORDERS", "--sort", "name"])
        .ok();
    let expected = "\
╭────────────────────────────────────────────────────────╮
│               3 Subjects in stream ORDERS              │
├──────────┬───────┬──────────┬───────┬──────────┬───────┤
│ Subject  │ Count │ Subject  │ Count │ Subject  │ Count │
├──────────┼───────┼──────────┼───────┼──────────┼───────┤
│ orders.1 │     1 │ orders.2 │     1 │ orders.3 │     1 │
╰──────────┴───────┴──────────┴───────┴──────────┴───────╯
";
    assert_eq!(out.stdout, expected);
    let names = ["stream", "subjects", "ORDERS", "orders.2", "--names"];
    assert_eq!(world.nats(&names).ok().stdout, "orders.2\n");
    let json = world.nats(&["stream", "subj", "ORDERS", "-j"]).ok().json();
    assert_eq!(json["orders.3"], 1);
    world
        .nats(&["stream", "subjects", "NOPE"])
        .fails_with("stream not found");
    let out = world.nats(&["stream", "get", "ORDERS", "2"]).ok().stdout;
    assert!(
        out.starts_with("Item: ORDERS#2 received ") && out.ends_with("orders.2\n\nm2\n"),
        "{out}"
    );
    let last = ["stream", "get", "ORDERS", "-S", "orders.3", "--json"];
    assert_eq!(world.nats(&last).ok().json()["seq"], 3);
    world
        .nats(&["stream", "get", "ORDERS", "9"])
        .fails_with("no message found (10037)");
    world
        .nats(&["stream", "get", "ORDERS"])
        .fails_with("cannot ask without a terminal");
    world
        .nats(&["stream", "view", "ORDERS"])
        .fails_with("requires a valid terminal");
    world
        .nats(&["stream", "graph", "ORDERS"])
        .fails_with("interactive terminal");
}

#[test]
fn gaps_are_found() {
    let world = with_orders();
    let out = world.nats(&["stream", "gaps", "ORDERS"]).ok().stdout;
    assert_eq!(out, "No deleted messages in ORDERS\n");
    world.nats(&["stream", "rmm", "ORDERS", "2", "-f"]).ok();
    let expected = "\
╭──────────────────────────────╮
│ 1 gap found in Stream ORDERS │
├───────────────┬──────────────┤
│ First Message │ Last Message │
├───────────────┼──────────────┤
│             2 │            2 │
╰───────────────┴──────────────╯
";
    assert_eq!(
        world.nats(&["stream", "gaps", "ORDERS"]).ok().stdout,
        expected
    );
    let json = world
        .nats(&["stream", "gaps", "ORDERS", "--json"])
        .ok()
        .json();
    assert_eq!(json, serde_json::json!([[2, 2]]));
    world
        .nats(&["stream", "rmm", "ORDERS", "2", "-f"])
        .fails_with("could not remove message 2");
    world
        .nats(&["stream", "gaps", "NOPE"])
        .fails_with("not found");
}

/// A server alone has no leaders and peers, and says so.
#[test]
fn clusters_need_replicas() {
    let world = with_orders();
    for args in [
        &["stream", "cluster", "step-down", "ORDERS"][..],
        &["stream", "cluster", "sd", "ORDERS", "-f"],
        &["stream", "cluster", "peer-remove", "ORDERS", "x", "-f"],
    ] {
        world
            .nats(args)
            .fails_with("stream \"ORDERS\" is not clustered");
    }
    world
        .nats(&["stream", "c", "balance"])
        .fails_with("no clustered streams found");
}
