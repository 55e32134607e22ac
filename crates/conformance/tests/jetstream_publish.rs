//! Publishing: the exact PubAck, message ids, every expectation header, rollups, and what a
//! publisher gets when nobody stores its message.

use cognate_conformance::jetstream::{Headers, JetStream, check_publishes, server, server_with};
use serde_json::json;

const ID: &str = "Nats-Msg-Id";
const LAST: &str = "Nats-Expected-Last-Sequence";
const LAST_ID: &str = "Nats-Expected-Last-Msg-Id";
const LAST_OF_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence";
const OF_SUBJECT: &str = "Nats-Expected-Last-Subject-Sequence-Subject";
const ROLLUP: &str = "Nats-Rollup";

/// The PubAck of stream S that stored at `sequence`.
fn stored(sequence: u64) -> String {
    format!(r#"{{"stream":"S","seq":{sequence}}}"#)
}

/// The PubAck of stream S that refused.
fn refused(code: u16, error: u16, text: &str) -> String {
    format!(
        r#"{{"error":{{"code":{code},"err_code":{error},"description":"{text}"}},"stream":"S","seq":0}}"#
    )
}

fn wrong_last(sequence: u64) -> String {
    refused(400, 10071, &format!("wrong last sequence: {sequence}"))
}

/// Publishes `x` to each subject with headers and compares the answers.
#[track_caller]
fn check(js: &mut JetStream, cases: &[(&str, Headers<'_>, String)]) {
    let rows: Vec<_> = cases
        .iter()
        .map(|(subject, headers, expected)| (*subject, *headers, "x", expected.as_str()))
        .collect();
    check_publishes(js, &rows);
}

#[test]
fn a_stored_message_is_acknowledged_with_its_sequence() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    for sequence in 1..=3 {
        assert_eq!(js.publish("s.1", &[], "x"), stored(sequence));
    }
    js.stream(json!({"name": "M", "subjects": ["m.>"], "storage": "memory"}));
    assert_eq!(js.publish("m.1", &[], "x"), r#"{"stream":"M","seq":1}"#);
}

#[test]
fn where_no_stream_listens_nobody_responds() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.*"]}));
    for subject in ["s", "s.a.b", "t"] {
        let expected = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        assert_eq!(js.publish(subject, &[], "x"), expected);
    }
}

#[test]
fn a_message_without_reply_is_stored_too() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.send("s", "", &[], "x");
    assert_eq!(js.put("s", "y"), 2);
}

#[test]
fn a_stream_that_does_not_ack_is_silent() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "no_ack": true}));
    js.stream(json!({"name": "T", "subjects": ["t"]}));
    let silence = js.subscribe("silence");
    js.send("s", "silence", &[], "x");
    js.until("the message in S", |js| {
        (js.state("S")["messages"] == 1).then_some(())
    });
    assert_eq!(js.put("t", "x"), 1);
    assert_eq!(js.arrived(silence), []);
}

#[test]
fn a_message_id_is_stored_once() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let duplicate = |sequence| format!(r#"{{"stream":"S","seq":{sequence},"duplicate": true}}"#);
    check(
        &mut js,
        &[
            ("s.1", &[(ID, "a")], stored(1)),
            ("s.1", &[(ID, "b")], stored(2)),
            ("s.1", &[(ID, "a")], duplicate(1)),
            ("s.2", &[(ID, "b")], duplicate(2)),
            ("s.1", &[(ID, "")], stored(3)),
            ("s.1", &[(ID, "")], stored(4)),
        ],
    );
    js.ok("STREAM.PURGE.S", "");
    check(&mut js, &[("s.1", &[(ID, "a")], duplicate(1))]);
    assert_eq!(js.state("S")["messages"], 0);
}

#[test]
fn a_message_id_is_forgotten_after_the_window() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "duplicate_window": 100_000_000}));
    check(&mut js, &[("s", &[(ID, "a")], stored(1))]);
    let seen = js.until("the id to be forgotten", |js| {
        let ack = js.publish("s", &[(ID, "a")], "x");
        (!ack.contains("duplicate")).then_some(ack)
    });
    assert_eq!(seen, stored(2));
}

#[test]
fn the_expected_stream_must_match() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let header = "Nats-Expected-Stream";
    check(
        &mut js,
        &[
            (
                "s",
                &[(header, "T")],
                refused(400, 10060, "expected stream does not match"),
            ),
            ("s", &[(header, "S")], stored(1)),
        ],
    );
}

#[test]
fn the_expected_last_sequence_must_match() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    check(
        &mut js,
        &[
            ("s.1", &[(LAST, "1")], wrong_last(0)),
            ("s.1", &[(LAST, "0")], stored(1)),
            ("s.2", &[(LAST, "0")], wrong_last(1)),
            ("s.2", &[(LAST, "1")], stored(2)),
            ("s.2", &[(LAST, "x")], wrong_last(2)),
        ],
    );
}

#[test]
fn the_expected_last_sequence_of_the_subject_must_match() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    check(
        &mut js,
        &[
            ("s.1", &[(LAST_OF_SUBJECT, "7")], wrong_last(0)),
            ("s.1", &[(LAST_OF_SUBJECT, "0")], stored(1)),
            ("s.2", &[(LAST_OF_SUBJECT, "0")], stored(2)),
            ("s.1", &[(LAST_OF_SUBJECT, "0")], wrong_last(1)),
            ("s.1", &[(LAST_OF_SUBJECT, "2")], wrong_last(1)),
            ("s.1", &[(LAST_OF_SUBJECT, "1")], stored(3)),
            ("s.1", &[(LAST_OF_SUBJECT, "x")], wrong_last(3)),
        ],
    );
    js.ok("STREAM.PURGE.S", r#"{"filter":"s.1"}"#);
    check(&mut js, &[("s.1", &[(LAST_OF_SUBJECT, "0")], stored(4))]);
}

#[test]
fn the_expectation_can_name_another_subject() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1.a", "s.1.b", "s.2.a"]);
    let missing = refused(
        400,
        10193,
        "missing sequence for expected last sequence per subject",
    );
    check(
        &mut js,
        &[
            ("s.1.c", &[(OF_SUBJECT, "s.1.*")], missing),
            (
                "s.1.c",
                &[(LAST_OF_SUBJECT, "1"), (OF_SUBJECT, "s.1.*")],
                wrong_last(2),
            ),
            (
                "s.1.c",
                &[(LAST_OF_SUBJECT, "2"), (OF_SUBJECT, "s.1.*")],
                stored(4),
            ),
            (
                "s.9",
                &[(LAST_OF_SUBJECT, "0"), (OF_SUBJECT, "s.9.>")],
                stored(5),
            ),
        ],
    );
}

#[test]
fn the_expected_last_message_id_must_match() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let wrong = |id: &str| refused(400, 10070, &format!("wrong last msg ID: {id}"));
    check(
        &mut js,
        &[
            ("s", &[(ID, "a")], stored(1)),
            ("s", &[(LAST_ID, "b")], wrong("a")),
            ("s", &[(LAST_ID, "a"), (ID, "c")], stored(2)),
            ("s", &[(LAST_ID, "c")], stored(3)),
            ("s", &[(LAST_ID, "c")], wrong("")),
        ],
    );
}

#[test]
fn a_failed_expectation_remembers_no_id() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    check(
        &mut js,
        &[
            ("s", &[(LAST, "5"), (ID, "a")], wrong_last(0)),
            ("s", &[(ID, "a")], stored(1)),
        ],
    );
}

/// Expectations of sequences and of the stream come first, that of the last id comes after.
#[test]
fn a_duplicate_must_still_meet_most_expectations() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let duplicate = r#"{"stream":"S","seq":1,"duplicate": true}"#;
    let other_stream = refused(400, 10060, "expected stream does not match");
    check(
        &mut js,
        &[
            ("s", &[(ID, "a"), (LAST, "0")], stored(1)),
            ("s", &[(ID, "a"), (LAST, "0")], wrong_last(1)),
            ("s", &[(ID, "a"), (LAST, "1")], duplicate.to_owned()),
            ("s", &[(ID, "a"), (LAST_OF_SUBJECT, "0")], wrong_last(1)),
            ("s", &[(ID, "a"), (LAST_ID, "other")], duplicate.to_owned()),
            (
                "s",
                &[(ID, "a"), ("Nats-Expected-Stream", "T")],
                other_stream,
            ),
        ],
    );
}

#[test]
fn a_rollup_replaces_a_subject_or_everything() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": true}));
    js.fill(&["s.1", "s.2", "s.1"]);
    check(&mut js, &[("s.1", &[(ROLLUP, "sub")], stored(4))]);
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(info["state"]["subjects"], json!({"s.1": 1, "s.2": 1}));
    check(
        &mut js,
        &[
            (
                "s.1",
                &[(ROLLUP, "bad")],
                refused(500, 10111, r#"rollup value invalid: \"bad\""#),
            ),
            ("s.1", &[(ROLLUP, "ALL")], stored(5)),
        ],
    );
    let state = js.state("S");
    assert_eq!(
        (&state["messages"], &state["first_seq"]),
        (&json!(1), &json!(5))
    );
}

#[test]
fn a_rollup_under_a_subject_with_wildcards_replaces_what_it_matches() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "allow_rollup_hdrs": true}));
    js.fill(&["s.a.1", "s.a.2", "s.b.1", "s.a.1.x"]);
    check(&mut js, &[("s.a.*", &[(ROLLUP, "sub")], stored(5))]);
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(
        info["state"]["subjects"],
        json!({"s.a.*": 1, "s.b.1": 1, "s.a.1.x": 1})
    );
    check(&mut js, &[("s.>", &[(ROLLUP, "sub")], stored(6))]);
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(info["state"]["subjects"], json!({"s.>": 1}));
}

#[test]
fn features_that_are_off_are_refused_by_their_headers() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let schedules = refused(400, 10188, "message schedules is disabled");
    check(
        &mut js,
        &[
            (
                "s",
                &[(ROLLUP, "sub")],
                refused(500, 10111, "rollup not permitted"),
            ),
            (
                "s",
                &[("Nats-TTL", "5")],
                refused(400, 10166, "per-message TTL is disabled"),
            ),
            (
                "s",
                &[("Nats-Incr", "1")],
                refused(400, 10168, "message counters is disabled"),
            ),
            (
                "s",
                &[("Nats-Batch-Id", "b")],
                refused(400, 10174, "atomic publish is disabled"),
            ),
            (
                "s",
                &[("Nats-Schedule", "@at 2030-01-01T00:00:00Z")],
                schedules.clone(),
            ),
            (
                "s",
                &[("Nats-Scheduler", "x"), ("Nats-Schedule-Next", "purge")],
                schedules,
            ),
            ("s", &[("Nats-Schedule-Target", "s")], stored(1)),
        ],
    );
}

#[test]
fn headers_are_stored_as_they_came() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "allow_direct": true}));
    js.publish("s", &[("Some", "thing"), (ID, "7"), ("some", "other")], "x");
    let message = js.request("$JS.API.DIRECT.GET.S", &[], r#"{"seq":1}"#);
    let block = message.headers.expect("headers");
    assert!(
        block.starts_with(
            "NATS/1.0\r\nSome: thing\r\nNats-Msg-Id: 7\r\nsome: other\r\nNats-Stream: S\r\n"
        ),
        "{block}"
    );
}

#[test]
fn headers_are_limited_in_size() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let big = "x".repeat(64 * 1024);
    let refusal = refused(400, 10097, "header size exceeds maximum allowed of 64k");
    check(&mut js, &[("s", &[("Big", &big)], refusal)]);
    assert_eq!(js.put("s", "x"), 1);
}

#[test]
fn a_subject_transform_applies_before_storing() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"],
        "subject_transform": {"src": "s.*", "dest": "kept.{{wildcard(1)}}"},
    }));
    js.put("s.1", "x");
    js.put("s.a.b", "y");
    let info = js.ok("STREAM.INFO.S", r#"{"subjects_filter":">"}"#);
    assert_eq!(info["state"]["subjects"], json!({"kept.1": 1, "s.a.b": 1}));
}

#[test]
fn what_is_republished_carries_where_it_was_stored() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"], "republish": {"src": "s.*", "dest": "copy.{{wildcard(1)}}"},
    }));
    let copies = js.subscribe("copy.>");
    js.put("s.1", "one");
    js.put("s.a.b", "not matched");
    assert_eq!(js.publish("s.1", &[("K", "v")], "two"), stored(3));
    let seen: Vec<String> = js
        .take(copies, 2)
        .into_iter()
        .map(|message| {
            let block = message.headers.expect("headers");
            let lines = block
                .lines()
                .filter(|line| !line.starts_with("Nats-Time-Stamp: 20"));
            format!(
                "{} {:?} {}",
                message.subject,
                lines.collect::<Vec<_>>(),
                message.payload
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"copy.1 ["NATS/1.0", "Nats-Stream: S", "Nats-Subject: s.1", "Nats-Sequence: 1", "Nats-Last-Sequence: 0", ""] one"#,
            r#"copy.1 ["NATS/1.0", "K: v", "Nats-Stream: S", "Nats-Subject: s.1", "Nats-Sequence: 3", "Nats-Last-Sequence: 1", ""] two"#,
        ]
    );
}

#[test]
fn only_headers_are_republished_when_told_so() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s"], "republish": {"src": "s", "dest": "copy", "headers_only": true},
    }));
    let copies = js.subscribe("copy");
    js.put("s", "hello");
    let copy = js.next(copies);
    let block = copy.headers.expect("headers");
    assert!(
        block.ends_with("Nats-Last-Sequence: 0\r\nNats-Msg-Size: 5\r\n\r\n"),
        "{block}"
    );
    assert_eq!(copy.payload, "");
}

#[test]
fn a_publisher_without_permission_does_not_reach_the_stream() {
    let server = server_with(
        r#"
        authorization { users: [
            {user: "all", password: p},
            {user: "some", password: p, permissions: {publish: {deny: ["s.secret"]}}}
        ] }
        "#,
    );
    let mut js = JetStream::login(&server, "all", "p");
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let mut some = JetStream::login(&server, "some", "p");
    some.send("s.secret", "", &[], "x");
    assert_eq!(
        some.client().line(),
        "-ERR 'Permissions Violation for Publish to \"s.secret\"'"
    );
    assert_eq!(some.put("s.open", "x"), 1);
}
