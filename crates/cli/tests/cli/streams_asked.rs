//! Streams at a terminal: questions, choices, pages, charts.

use crate::support::World;
use crate::terminal::Terminal;

#[test]
fn a_stream_is_made_by_questions() {
    let world = World::new();
    let mut terminal = Terminal::start(world.command(&["stream", "add"]));
    for (question, answer) in [
        ("? Stream Name ", "ASKED"),
        ("? Subjects ", "a.>, b"),
        ("? Storage (file) ", "memory"),
        ("? Replication (1) ", ""),
        ("? Retention Policy (Limits) ", "3"),
        ("? Discard Policy (Old) ", ""),
        ("? Stream Messages Limit (-1) ", "many"),
        ("a limit is a number", "100"),
        ("? Per Subject Messages Limit (-1) ", ""),
        ("? Total Stream Size (-1) ", "1MiB"),
        ("? Message TTL (-1) ", "1h"),
        ("? Max Message Size (-1) ", ""),
        ("? Duplicate tracking time window (2m0s) ", "1m"),
        ("? Allow message Roll-ups [y/N] ", ""),
        ("? Allow message deletion [Y/n] ", ""),
        ("? Allow purging subjects or the entire stream [Y/n] ", "n"),
    ] {
        terminal.wait_for(question);
        terminal.answer(answer);
    }
    terminal.wait_for("Stream ASKED was created");
    assert_eq!(terminal.end(), 0);
    let config = world.nats(&["stream", "info", "ASKED", "-j"]).ok().json()["config"].take();
    let expected = serde_json::json!({
        "subjects": ["a.>", "b"], "storage": "memory", "retention": "workqueue",
        "max_msgs": 100, "max_bytes": 1 << 20, "max_age": 3_600_000_000_000_i64,
        "duplicate_window": 60_000_000_000_i64, "allow_rollup_hdrs": false, "deny_purge": true,
        "deny_delete": false,
    });
    for (name, value) in expected.as_object().expect("an object") {
        let given = config.get(name).cloned().unwrap_or(false.into());
        assert_eq!(&given, value, "{name}");
    }
}

#[test]
fn a_mirror_is_asked_about() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let add = [
        "stream",
        "add",
        "M",
        "--mirror",
        "S",
        "--storage",
        "file",
        "--replicas",
        "1",
        "--retention",
        "limits",
        "--discard",
        "old",
        "--max-msgs",
        "-1",
        "--max-bytes",
        "-1",
        "--max-age",
        "-1",
        "--max-msg-size",
        "-1",
        "--no-allow-rollup",
        "--no-deny-delete",
        "--no-deny-purge",
    ];
    let mut terminal = Terminal::start(world.command(&add));
    for (question, answer) in [
        ("? Adjust mirror S start [y/N]", "y"),
        ("? Start Sequence (0)", "5"),
        ("? Adjust mirror S filter and transform [y/N]", "n"),
        ("? Import S from a different JetStream domain [y/N]", ""),
        ("? Import S from a different account [y/N]", ""),
    ] {
        terminal.wait_for(question);
        terminal.answer(answer);
    }
    terminal.wait_for("Mirror: S, Start Seq: 5");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_stream_is_chosen_and_paged_through() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let publish = ["pub", "s.{{Count}}", "body {{Count}}", "-J", "--count", "5"];
    world.nats(&[&publish[..], &["-H", "K:v"]].concat()).ok();
    world.nats(&["stream", "rmm", "S", "2", "-f"]).ok();
    let mut terminal = Terminal::start(world.command(&["stream", "view"]));
    terminal.wait_for("? Select a Stream (S)");
    terminal.answer("");
    terminal.wait_for("Reached apparent end of data");
    assert_eq!(terminal.end(), 0);
    let mut terminal = Terminal::start(world.command(&["stream", "view", "S", "2"]));
    terminal.wait_for("[1] Subject: s.1 Received: ");
    terminal.wait_for("body 3");
    terminal.wait_for("? Next Page? [Y/n]");
    terminal.answer("n");
    assert_eq!(terminal.end(), 0);
    let view = [
        "stream",
        "view",
        "S",
        "--subject",
        "s.4",
        "--raw",
        "--since",
        "1h",
    ];
    let mut terminal = Terminal::start(world.command(&view));
    terminal.wait_for("body 4");
    assert_eq!(terminal.end(), 0);
    let mut terminal = Terminal::start(world.command(&["stream", "graph", "S"]));
    terminal.wait_for("Stream Statistics for S");
    terminal.wait_for("Messages Stored / second");
}

#[test]
fn removal_is_asked_about() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let mut terminal = Terminal::start(world.command(&["stream", "rm", "S"]));
    terminal.wait_for("? Really delete Stream S? [y/N]");
    terminal.answer("");
    assert_eq!(terminal.end(), 1);
    let mut terminal = Terminal::start(world.command(&["stream", "edit", "S", "--max-msgs", "4"]));
    terminal.wait_for("+ max_msgs: 4");
    terminal.wait_for("? Really edit Stream S? [y/N]");
    terminal.answer("y");
    assert_eq!(terminal.end(), 0);
    let mut terminal = Terminal::start(world.command(&["stream", "rm"]));
    terminal.wait_for("? Select a Stream (S)");
    terminal.answer("1");
    terminal.wait_for("? Really delete Stream S? [y/N]");
    terminal.answer("y");
    assert_eq!(terminal.end(), 0);
    assert_eq!(world.nats(&["stream", "ls", "-n"]).ok().stdout, "");
}

#[test]
fn a_backup_draws_its_progress() {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    let publish = ["pub", "s.1", "{{Random 5000 5000}}", "-J", "--count", "20"];
    world.nats(&publish).ok();
    let mut terminal = Terminal::start(world.command(&["stream", "backup", "S", "bk"]));
    terminal.wait_for("backup ██████████████████████████████ 100%");
    assert_eq!(terminal.end(), 0);
    world.nats(&["stream", "rm", "S", "-f"]).ok();
    let mut terminal = Terminal::start(world.command(&["stream", "restore", "bk"]));
    terminal.wait_for("restore ██████████████████████████████ 100%");
    assert_eq!(terminal.end(), 0);
}
