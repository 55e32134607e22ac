//! Mirrors and sources across a stop, orderly or with kill -9: nothing is lost, doubled or out of
//! order, and what is gone is not taken once more.

use std::path::Path;

use cognate_conformance::Server;
use cognate_conformance::jetstream::{JetStream, counts, header, payloads, server_on};
use serde_json::{Value, json};

/// Both ways to go down.
const WAYS: &[&str] = &["TERM", "KILL"];

#[track_caller]
fn start(dir: &Path) -> (Server, JetStream) {
    let server = server_on(dir);
    let js = JetStream::connect(&server);
    (server, js)
}

#[track_caller]
fn again(dir: &Path, mut server: Server, way: &str) -> (Server, JetStream) {
    server.signal(way);
    let _ = server.wait_exit();
    start(dir)
}

#[track_caller]
fn wait_last(js: &mut JetStream, name: &str, last: u64) -> Value {
    js.until(&format!("sequence {last} in {name}"), |js| {
        let state = js.state(name);
        (state["last_seq"] == last).then_some(state)
    })
}

/// For each message of `name` in order: its sequence, its payload and its sequence at the source.
#[track_caller]
fn all(js: &mut JetStream, name: &str, count: u64) -> Vec<(u64, String, Option<u64>)> {
    let deliver = format!("all.{name}");
    let subscription = js.subscribe(&deliver);
    js.consumer(name, json!({"name": "ALL", "deliver_subject": deliver}));
    let mut found = Vec::new();
    for _ in 0..count {
        let message = js.next(subscription);
        let source = header(&message, "Nats-Stream-Source").map(|source| {
            let number = source.split(' ').nth(1);
            number
                .and_then(|number| number.parse().ok())
                .expect("a number")
        });
        found.push((counts(&message)[1], message.payload, source));
    }
    found
}

#[test]
fn catching_up_survives_kill_9() {
    const COUNT: u64 = 50_000;
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (server, mut js) = start(dir.path());
    js.stream(json!({"name": "O", "subjects": ["o.>"]}));
    let payload = |number: u64| format!("{number}-{}", "x".repeat(200));
    for number in 1..COUNT {
        js.send(&format!("o.{}", number % 7), "", &[], payload(number));
    }
    js.put("o.0", payload(COUNT));
    js.stream(json!({"name": "M", "mirror": {"name": "O"}}));
    js.stream(json!({"name": "S", "sources": [{"name": "O"}]}));
    let mut server = server;
    for (name, round) in [("M", 1), ("S", 2), ("M", 3)] {
        js.until(&format!("{name} to be on its way in round {round}"), |js| {
            (js.state(name)["last_seq"] != 0).then_some(())
        });
        // How often that is in the middle depends on the machine.
        drop(js);
        (server, js) = again(dir.path(), server, "KILL");
    }
    for name in ["M", "S"] {
        wait_last(&mut js, name, COUNT);
        let messages = all(&mut js, name, COUNT);
        for (number, (sequence, held, source)) in (1..).zip(&messages) {
            assert_eq!((*sequence, held), (number, &payload(number)), "{name}");
            assert_eq!(*source, (name == "S").then_some(number), "{name}");
        }
    }
    drop(server);
}

#[test]
fn what_was_consumed_is_not_sourced_once_more() {
    for way in WAYS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, mut js) = start(dir.path());
        js.stream(json!({"name": "O", "subjects": ["o"]}));
        js.stream(json!({"name": "Q", "sources": [{"name": "O"}], "retention": "workqueue"}));
        js.durable("Q", "C");
        for payload in ["1", "2", "3"] {
            js.put("o", payload);
        }
        let messages = js.fetch("Q", "C", 3);
        js.ack_all(&messages);
        js.until("an empty queue", |js| {
            (js.state("Q")["messages"] == 0).then_some(())
        });
        drop(js);
        let (_server, mut js) = again(dir.path(), server, way);
        js.put("o", "4");
        let messages = js.fetch("Q", "C", 1);
        assert_eq!(payloads(&messages), ["4"], "{way}");
        assert_eq!(js.state("Q")["last_seq"], 4, "{way}");
    }
}

#[test]
fn mirrors_and_sources_go_on_after_a_restart() {
    for way in WAYS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, mut js) = start(dir.path());
        js.stream(json!({"name": "O", "subjects": ["o.>"]}));
        js.stream(json!({"name": "M", "mirror": {"name": "O", "filter_subject": "o.a"}}));
        js.stream(json!({"name": "S", "sources": [
            {"name": "O", "filter_subject": "o.b"},
            {"name": "O", "subject_transforms": [{"src": "o.c", "dest": "c"}]},
        ]}));
        for subject in ["o.a", "o.b", "o.c", "o.b"] {
            js.put(subject, "x");
        }
        wait_last(&mut js, "M", 1);
        wait_last(&mut js, "S", 3);
        drop(js);
        let (_server, mut js) = again(dir.path(), server, way);
        for subject in ["o.c", "o.a"] {
            js.put(subject, "y");
        }
        let state = wait_last(&mut js, "M", 6);
        assert_eq!(state["messages"], 2, "{way}");
        let state = wait_last(&mut js, "S", 4);
        assert_eq!(state["messages"], 4, "{way}");
    }
}

#[test]
fn a_work_queue_is_emptied_once() {
    for way in WAYS {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, mut js) = start(dir.path());
        js.stream(json!({"name": "W", "subjects": ["w"], "retention": "workqueue"}));
        js.stream(json!({"name": "S", "sources": [{"name": "W"}]}));
        js.put("w", "1");
        js.put("w", "2");
        wait_last(&mut js, "S", 2);
        drop(js);
        // What was taken may not have been acknowledged yet.
        let (_server, mut js) = again(dir.path(), server, way);
        js.put("w", "3");
        let state = wait_last(&mut js, "S", 3);
        assert_eq!(state["messages"], 3, "{way}");
        js.until("an empty work queue", |js| {
            (js.state("W")["messages"] == 0).then_some(())
        });
        let sources: Vec<_> = all(&mut js, "S", 3).into_iter().map(|one| one.2).collect();
        assert_eq!(sources, [Some(1), Some(2), Some(3)], "{way}");
    }
}
