//! Consumers at a terminal: questions, choices, charts.

use crate::support::World;
use crate::terminal::Terminal;

fn with_stream() -> World {
    let world = World::new();
    let add = ["stream", "add", "S", "--subjects", "s.>", "--defaults"];
    world.nats(&add).ok();
    world
}

#[test]
fn a_pull_consumer_is_made_by_questions() {
    let world = with_stream();
    let mut terminal = Terminal::start(world.command(&["consumer", "add"]));
    for (question, answer) in [
        ("? Select a Stream (S) ", "S"),
        ("? Consumer name ", "a.b"),
        ("invalid consumer name", "C"),
        ("? Delivery target (empty for Pull Consumers) ", ""),
        (
            "? Start policy (all, new, last, subject, 1h, msg sequence) (all) ",
            "soon",
        ),
        ("invalid duration \"soon\"", "new"),
        ("? Acknowledgment policy (explicit) ", "2"),
        ("? Replay policy (instant) ", ""),
        ("? Filter Stream by subjects (blank for all) ", "s.1 s.2"),
        ("? Maximum Allowed Deliveries (-1) ", ""),
        ("? Maximum Acknowledgments Pending (0) ", "7"),
        ("? Deliver headers only without bodies [y/N] ", "y"),
        ("? Add a Retry Backoff Policy [y/N] ", "y"),
        ("? Minimum retry time (1m) ", "1s"),
        ("? Maximum retry time (10m) ", "3s"),
        ("? Number of steps to generate (20) ", "3"),
    ] {
        terminal.wait_for(question);
        terminal.answer(answer);
    }
    terminal.wait_for("Information for Consumer S > C");
    assert_eq!(terminal.end(), 0);
    let config = world.nats(&["con", "info", "S", "C", "-j"]).ok().json()["config"].take();
    let second = 1_000_000_000_i64;
    let expected = serde_json::json!({
        "deliver_policy": "new", "ack_policy": "all", "filter_subjects": ["s.1", "s.2"],
        "max_ack_pending": 7, "headers_only": true, "max_deliver": 4,
        "backoff": [second, 2 * second, 3 * second],
    });
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&config[name], value, "{name}");
    }
}

#[test]
fn a_push_consumer_is_made_by_questions() {
    let world = with_stream();
    let add = [
        "consumer", "add", "S", "P", "--ack", "none", "--replay", "instant",
    ];
    let mut terminal = Terminal::start(world.command(&add));
    for (question, answer) in [
        ("? Delivery target (empty for Pull Consumers) ", "out.p"),
        ("? Delivery Queue Group ", "g"),
        ("? Start policy ", "all"),
        ("? Filter Stream by subjects (blank for all) ", ""),
        ("? Idle Heartbeat (0s) ", "5s"),
        ("? Enable Flow Control [y/N] ", "y"),
        ("? Deliver headers only without bodies [y/N] ", ""),
    ] {
        terminal.wait_for(question);
        terminal.answer(answer);
    }
    terminal.wait_for("Delivery Subject: out.p");
    terminal.wait_for("Active Interest: No interest");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_consumer_is_chosen_graphed_and_removed() {
    let world = with_stream();
    world
        .nats(&["consumer", "add", "S", "C", "--pull", "--defaults"])
        .ok();
    let mut terminal = Terminal::start(world.command(&["consumer", "graph", "S"]));
    terminal.wait_for("? Select a Consumer (C)");
    terminal.answer("C");
    terminal.wait_for("Consumer Statistics for S > C");
    terminal.wait_for("Messages Acknowledged / second");
    drop(terminal);
    let mut terminal = Terminal::start(world.command(&["consumer", "pause", "S", "C"]));
    terminal.wait_for("? Pause until (time or duration) (1h)");
    terminal.answer("");
    terminal.wait_for("? Really pause Consumer S > C until ");
    terminal.answer("y");
    assert_eq!(terminal.end(), 0);
    let mut terminal = Terminal::start(world.command(&["consumer", "rm", "S", "C"]));
    terminal.wait_for("? Really delete Consumer S > C? [y/N]");
    terminal.answer("y");
    assert_eq!(terminal.end(), 0);
    assert_eq!(world.nats(&["con", "ls", "S", "-n"]).ok().stdout, "");
}
