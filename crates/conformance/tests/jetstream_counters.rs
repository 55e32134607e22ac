//! Counter streams: increments, totals, and what is refused.

use cognate_conformance::jetstream::{JetStream, check_publishes, server};
use serde_json::json;

fn total(sequence: u64, value: &str) -> String {
    format!(r#"{{"stream":"S","seq":{sequence},"val":"{value}"}}"#)
}

fn refused(error: u16, text: &str) -> String {
    format!(
        r#"{{"error":{{"code":400,"err_code":{error},"description":"{text}"}},"stream":"S","seq":0}}"#
    )
}

#[test]
fn increments_are_answered_with_the_total() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "allow_msg_counter": true}));
    let rows = [
        ("s.1", "1", total(1, "1")),
        ("s.1", "+5", total(2, "6")),
        ("s.1", "-10", total(3, "-4")),
        ("s.2", "7", total(4, "7")),
        ("s.1", "0", total(5, "-4")),
        (
            "s.1",
            "99999999999999999999999",
            total(6, "99999999999999999999995"),
        ),
    ];
    for (subject, delta, expected) in rows {
        assert_eq!(
            js.publish(subject, &[("Nats-Incr", delta)], ""),
            expected,
            "{delta}"
        );
    }
}

#[test]
fn the_total_is_stored_with_its_increment() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s"], "allow_msg_counter": true, "allow_direct": true,
    }));
    js.publish("s", &[("Nats-Incr", "+2")], "");
    js.publish("s", &[("K", "v"), ("Nats-Incr", "3")], "");
    let last = js.request("$JS.API.DIRECT.GET.S.s", &[], "");
    assert_eq!(last.payload, r#"{"val":"5"}"#);
    let block = last.headers.expect("headers");
    assert!(
        block.starts_with("NATS/1.0\r\nK: v\r\nNats-Incr: 3\r\nNats-Stream: S\r\n"),
        "{block}"
    );
}

#[test]
fn what_is_no_increment_is_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s"], "allow_msg_counter": true, "allow_rollup_hdrs": true,
    }));
    let missing = refused(10169, "message counter increment is missing");
    let invalid = refused(10171, "message counter increment is invalid");
    let payload = refused(10170, "message counter has payload");
    check_publishes(
        &mut js,
        &[
            ("s", &[], "", &missing),
            ("s", &[("Nats-Incr", "")], "", &missing),
            ("s", &[("Nats-Incr", "x")], "", &invalid),
            ("s", &[("Nats-Incr", "1.5")], "", &invalid),
            ("s", &[("Nats-Incr", "1")], "payload", &payload),
            (
                "s",
                &[("Nats-Incr", "1"), ("Nats-Rollup", "sub")],
                "",
                &invalid,
            ),
            (
                "s",
                &[("Nats-Incr", "1"), ("Nats-Expected-Last-Sequence", "0")],
                "",
                &invalid,
            ),
            (
                "s",
                &[
                    ("Nats-Incr", "1"),
                    ("Nats-Expected-Last-Subject-Sequence", "0"),
                ],
                "",
                &invalid,
            ),
            (
                "s",
                &[("Nats-Incr", "1"), ("Nats-Msg-Id", "a")],
                "",
                &total(1, "1"),
            ),
        ],
    );
}

#[test]
fn a_repeated_message_id_counts_once() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "allow_msg_counter": true}));
    let headers = [("Nats-Incr", "1"), ("Nats-Msg-Id", "a")];
    assert_eq!(js.publish("s", &headers, ""), total(1, "1"));
    assert_eq!(
        js.publish("s", &headers, ""),
        r#"{"stream":"S","seq":1,"duplicate": true}"#
    );
    assert_eq!(js.publish("s", &[("Nats-Incr", "1")], ""), total(2, "2"));
}

#[test]
fn a_purged_counter_starts_again() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "allow_msg_counter": true}));
    js.publish("s.1", &[("Nats-Incr", "5")], "");
    js.ok("STREAM.PURGE.S", r#"{"filter":"s.1"}"#);
    assert_eq!(js.publish("s.1", &[("Nats-Incr", "2")], ""), total(2, "2"));
}

#[test]
fn counters_of_sources_add_up() {
    let server = server();
    let mut js = JetStream::connect(&server);
    for name in ["A", "B"] {
        js.stream(json!({
            "name": name, "subjects": [format!("{name}.n")], "allow_msg_counter": true,
        }));
    }
    let both = ["A", "B"].map(|name| {
        json!({
            "name": name,
            "subject_transforms": [{"src": format!("{name}.n"), "dest": "sum.n"}],
        })
    });
    js.stream(json!({
        "name": "SUM", "sources": both, "allow_msg_counter": true, "allow_direct": true,
    }));
    js.publish("A.n", &[("Nats-Incr", "3")], "");
    js.publish("B.n", &[("Nats-Incr", "4")], "");
    js.publish("A.n", &[("Nats-Incr", "10")], "");
    let last = js.until("the sum of both", |js| {
        let last = js.request("$JS.API.DIRECT.GET.SUM.sum.n", &[], "");
        (last.payload == r#"{"val":"17"}"#).then_some(last)
    });
    let sources = cognate_conformance::jetstream::header(&last, "Nats-Counter-Sources");
    let parsed: serde_json::Value =
        serde_json::from_str(sources.expect("the header")).expect("JSON");
    assert_eq!(parsed, json!({"A": {"A.n": "13"}, "B": {"B.n": "4"}}));
}
