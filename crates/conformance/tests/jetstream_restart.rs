//! What is still there after the server was stopped (SIGTERM) or killed (-9) and started again on
//! the same directory. What was acknowledged must be there either way.

use std::path::Path;

use cognate_conformance::Server;
use cognate_conformance::jetstream::{JetStream, counts, payloads, server_on};
use serde_json::{Value, json};

/// Both ways to go down.
const WAYS: &[&str] = &["TERM", "KILL"];

/// Without kill -9: nats-server 2.14.5 writes what consumers did a little later, and may forget
/// acknowledgements that it confirmed.
const IN_ORDER: &[&str] = &["TERM"];

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

/// For each way to go down: `before`, the restart, `after` with what `before` returned.
#[track_caller]
fn survives<T>(
    ways: &[&str],
    before: impl Fn(&mut JetStream) -> T,
    after: impl Fn(&mut JetStream, T, &str),
) {
    for way in ways {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (server, mut js) = start(dir.path());
        let kept = before(&mut js);
        drop(js);
        let (_server, mut js) = again(dir.path(), server, way);
        after(&mut js, kept, way);
    }
}

fn without_ts(mut answer: Value) -> Value {
    answer["ts"] = Value::Null;
    answer["cluster"] = Value::Null;
    answer
}

#[test]
fn streams_and_messages() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({
                "name": "S", "subjects": ["s.>"], "max_msgs_per_subject": 2, "metadata": {"a": "b"},
            }));
            js.fill(&["s.1", "s.2", "s.1", "s.1", "s.3"]);
            js.publish("s.4", &[("K", "v")], "six");
            js.ok("STREAM.MSG.DELETE.S", r#"{"seq":5}"#);
            let info = js.ok(
                "STREAM.INFO.S",
                r#"{"subjects_filter":">","deleted_details":true}"#,
            );
            let message = js.ok("STREAM.MSG.GET.S", r#"{"seq":6}"#);
            (without_ts(info), message)
        },
        |js, (info, message), way| {
            let request = r#"{"subjects_filter":">","deleted_details":true}"#;
            assert_eq!(without_ts(js.ok("STREAM.INFO.S", request)), info, "{way}");
            assert_eq!(js.ok("STREAM.MSG.GET.S", r#"{"seq":6}"#), message, "{way}");
            assert_eq!(js.put("s.5", "x"), 7, "{way}");
        },
    );
}

#[test]
fn sequences_of_an_emptied_stream() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s"]}));
            js.fill(&["s", "s", "s"]);
            js.ok("STREAM.PURGE.S", "");
        },
        |js, (), way| {
            let state = js.state("S");
            let seen = (&state["first_seq"], &state["last_seq"]);
            assert_eq!(seen, (&json!(4), &json!(3)), "{way}");
            assert_eq!(js.put("s", "x"), 4, "{way}");
        },
    );
}

#[test]
fn message_ids() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s"]}));
            js.publish("s", &[("Nats-Msg-Id", "a")], "x");
        },
        |js, (), way| {
            assert_eq!(
                js.publish("s", &[("Nats-Msg-Id", "a")], "x"),
                r#"{"stream":"S","seq":1,"duplicate": true}"#,
                "{way}"
            );
        },
    );
}

#[test]
fn consumers_and_their_acks() {
    survives(
        IN_ORDER,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s.>"]}));
            js.fill(&["s.1", "s.2", "s.3", "s.4", "s.5"]);
            js.durable("S", "C");
            let all = js.fetch("S", "C", 4);
            js.ack(&all[0], "");
            js.ack(&all[2], "");
            js.numbers("S", "C")
        },
        |js, numbers, way| {
            assert_eq!(js.numbers("S", "C"), numbers, "{way}");
            let next = js.fetch("S", "C", 1);
            assert_eq!(payloads(&next), ["5"], "{way}");
        },
    );
}

#[test]
fn what_was_not_acked_comes_again() {
    survives(
        IN_ORDER,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s.>"]}));
            js.fill(&["s.1", "s.2", "s.3"]);
            js.consumer(
                "S",
                json!({
                    "name": "C", "durable_name": "C", "ack_policy": "explicit",
                    "ack_wait": 1_000_000_000,
                }),
            );
            let all = js.fetch("S", "C", 3);
            js.ack(&all[1], "");
        },
        |js, (), way| {
            let again = js.fetch("S", "C", 2);
            let seen: Vec<_> = again.iter().map(|d| counts(d)[..2].to_vec()).collect();
            assert_eq!(seen, [[2, 1], [2, 3]], "{way}");
        },
    );
}

#[test]
fn a_work_queue_without_what_was_done() {
    survives(
        IN_ORDER,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s"], "retention": "workqueue"}));
            js.fill(&["s", "s", "s"]);
            js.durable("S", "C");
            let all = js.fetch("S", "C", 2);
            js.ack_all(&all);
            js.until("both to go", |js| {
                (js.state("S")["messages"] == 1).then_some(())
            });
        },
        |js, (), way| {
            assert_eq!(js.state("S")["messages"], 1, "{way}");
            assert_eq!(payloads(&js.drain("S", "C")), ["3"], "{way}");
        },
    );
}

#[test]
fn edits_and_deletions_of_assets() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({"name": "S", "subjects": ["s"]}));
            js.stream(json!({"name": "GONE", "subjects": ["gone"]}));
            js.durable("S", "C");
            js.durable("S", "GONE");
            js.ok(
                "STREAM.UPDATE.S",
                json!({"name": "S", "subjects": ["s", "t"], "max_msgs": 9}),
            );
            js.ok("STREAM.DELETE.GONE", "");
            js.ok("CONSUMER.DELETE.S.GONE", "");
            js.ok(
                "CONSUMER.PAUSE.S.C",
                json!({"pause_until": "2040-01-01T00:00:00Z"}),
            );
            (
                js.ok("STREAM.INFO.S", "")["config"].clone(),
                js.ok("CONSUMER.INFO.S.C", "")["config"].clone(),
            )
        },
        |js, (stream, consumer), way| {
            assert_eq!(js.ok("STREAM.NAMES", "")["streams"], json!(["S"]), "{way}");
            assert_eq!(
                js.ok("CONSUMER.NAMES.S", "")["consumers"],
                json!(["C"]),
                "{way}"
            );
            assert_eq!(js.ok("STREAM.INFO.S", "")["config"], stream, "{way}");
            let info = js.ok("CONSUMER.INFO.S.C", "");
            assert_eq!(
                (&info["config"], &info["paused"]),
                (&consumer, &json!(true)),
                "{way}"
            );
        },
    );
}

#[test]
fn counters_and_ttls() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({"name": "N", "subjects": ["n"], "allow_msg_counter": true}));
            js.publish("n", &[("Nats-Incr", "41")], "");
            js.stream(json!({"name": "T", "subjects": ["t"], "allow_msg_ttl": true}));
            js.publish("t", &[("Nats-TTL", "2s")], "x");
            js.publish("t", &[], "stays");
        },
        |js, (), way| {
            let ack = js.publish("n", &[("Nats-Incr", "1")], "");
            assert_eq!(ack, r#"{"stream":"N","seq":2,"val":"42"}"#, "{way}");
            js.until("the short one to go", |js| {
                let state = js.state("T");
                (state["messages"] == 1 && state["first_seq"] == 2).then_some(())
            });
        },
    );
}

#[test]
fn memory_streams_are_gone() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({"name": "M", "subjects": ["m"], "storage": "memory"}));
            js.fill(&["m", "m"]);
        },
        |js, (), way| {
            assert_eq!(
                js.outcome("STREAM.INFO.M", ""),
                "404 10059 stream not found",
                "{way}"
            );
        },
    );
}

#[test]
fn a_message_that_waits_for_its_time() {
    survives(
        WAYS,
        |js| {
            js.stream(json!({
                "name": "S", "subjects": ["s", "t"], "allow_msg_schedules": true,
                "allow_direct": true,
            }));
            let headers = [
                ("Nats-Schedule", "@every 2s"),
                ("Nats-Schedule-Target", "t"),
            ];
            js.publish("s", &headers, "tick");
        },
        |js, (), way| {
            js.until(way, |js| {
                let message = js.request("$JS.API.DIRECT.GET.S.t", &[], "");
                (message.payload == "tick").then_some(())
            });
        },
    );
}
