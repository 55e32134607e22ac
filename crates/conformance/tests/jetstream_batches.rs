//! Many messages as one: atomic batches (all or nothing, acknowledged once) and fast ingest
//! (a stream of messages whose reply subject says where each belongs).

use cognate_conformance::jetstream::{JetStream, Subscription, check_json, server};
use serde_json::{Value, json};

/// A batch member: id, sequence, commit mark (empty for none), further headers, expected answer.
type Row<'a> = (&'a str, u64, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// Publishes the rows in order to subject `s` and compares every answer.
#[track_caller]
fn check(js: &mut JetStream, rows: &[Row<'_>]) {
    let mut failures = Vec::new();
    for &(id, sequence, commit, more, expected) in rows {
        let number = sequence.to_string();
        let mut headers = vec![("Nats-Batch-Id", id), ("Nats-Batch-Sequence", &number)];
        if !commit.is_empty() {
            headers.push(("Nats-Batch-Commit", commit));
        }
        headers.extend_from_slice(more);
        let seen = js.publish("s", &headers, "x");
        if seen != expected {
            failures.push(format!(
                "{headers:?}\n    expected {expected}\n    got      {seen}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn refused(error: u16, text: &str) -> String {
    format!(
        r#"{{"error":{{"code":400,"err_code":{error},"description":"{text}"}},"stream":"S","seq":0}}"#
    )
}

fn committed(sequence: u64, id: &str, count: u64) -> String {
    format!(r#"{{"stream":"S","seq":{sequence},"batch":"{id}","count":{count}}}"#)
}

fn atomic(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s"], "allow_atomic": true}));
}

#[test]
fn a_batch_is_stored_with_its_last_message() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    check(&mut js, &[("b", 1, "", &[], ""), ("b", 2, "", &[], "")]);
    assert_eq!(js.state("S")["messages"], 0);
    check(&mut js, &[("b", 3, "1", &[], &committed(3, "b", 3))]);
    assert_eq!(js.state("S")["messages"], 3);
    let stored = js.ok("STREAM.MSG.GET.S", r#"{"seq":1}"#);
    assert_eq!(
        stored["message"]["hdrs"],
        "TkFUUy8xLjANCk5hdHMtQmF0Y2gtSWQ6IGINCk5hdHMtQmF0Y2gtU2VxdWVuY2U6IDENCg0K"
    );
}

#[test]
fn a_batch_can_end_with_a_mark_that_is_not_stored() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    check(
        &mut js,
        &[
            ("b", 1, "", &[], ""),
            ("b", 2, "eob", &[], &committed(1, "b", 1)),
            ("one", 1, "1", &[], &committed(2, "one", 1)),
        ],
    );
    assert_eq!(js.state("S")["last_seq"], 2);
}

#[test]
fn a_gap_ends_a_batch() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    let incomplete = refused(10176, "atomic publish batch is incomplete");
    check(
        &mut js,
        &[
            ("b", 1, "", &[], ""),
            ("b", 3, "", &[], &incomplete),
            ("b", 2, "1", &[], &incomplete),
            ("late", 2, "", &[], &incomplete),
            ("empty", 1, "eob", &[], &incomplete),
        ],
    );
    assert_eq!(js.state("S")["last_seq"], 0);
}

#[test]
fn batch_headers_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    let long = "i".repeat(65);
    check(
        &mut js,
        &[
            (
                &long,
                1,
                "",
                &[],
                &refused(10179, "atomic publish batch ID is invalid"),
            ),
            (&long[1..], 1, "1", &[], &committed(1, &long[1..], 1)),
            (
                "b",
                1,
                "2",
                &[],
                &refused(10200, "atomic publish batch commit is invalid"),
            ),
        ],
    );
    assert_eq!(
        js.publish("s", &[("Nats-Batch-Id", "b")], "x"),
        refused(10175, "atomic publish sequence is missing")
    );
}

#[test]
fn a_batch_with_a_failed_expectation_stores_nothing() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    js.put("s", "x");
    let last = "Nats-Expected-Last-Sequence";
    check(
        &mut js,
        &[
            ("a", 1, "", &[(last, "5")], ""),
            ("a", 2, "1", &[], &refused(10071, "wrong last sequence: 1")),
            ("b", 1, "", &[(last, "1")], ""),
            ("b", 2, "1", &[], &committed(3, "b", 2)),
            (
                "c",
                1,
                "",
                &[("Nats-Expected-Last-Subject-Sequence", "3")],
                "",
            ),
            ("c", 2, "1", &[], &committed(5, "c", 2)),
        ],
    );
    assert_eq!(js.state("S")["last_seq"], 5);
}

#[test]
fn message_ids_work_in_batches() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    let id = "Nats-Msg-Id";
    let duplicate = refused(10201, "atomic publish batch contains duplicate message id");
    check(
        &mut js,
        &[
            ("a", 1, "", &[(id, "1")], ""),
            ("a", 2, "1", &[(id, "1")], &duplicate),
            ("b", 1, "", &[(id, "1")], ""),
            ("b", 2, "1", &[(id, "2")], &committed(2, "b", 2)),
        ],
    );
    assert_eq!(
        js.publish("s", &[(id, "2")], "x"),
        r#"{"stream":"S","seq":2,"duplicate": true}"#
    );
    check(
        &mut js,
        &[
            ("c", 1, "", &[], ""),
            ("c", 2, "1", &[(id, "1")], &duplicate),
        ],
    );
}

#[test]
fn two_batches_do_not_mix() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    check(
        &mut js,
        &[
            ("a", 1, "", &[], ""),
            ("b", 1, "", &[], ""),
            ("b", 2, "1", &[], &committed(2, "b", 2)),
            ("a", 2, "", &[], ""),
            ("a", 3, "1", &[], &committed(5, "a", 3)),
        ],
    );
}

#[test]
fn an_abandoned_batch_is_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    let events = js.subscribe("$JS.EVENT.ADVISORY.STREAM.BATCH_ABANDONED.S");
    check(
        &mut js,
        &[
            ("b", 1, "", &[], ""),
            (
                "b",
                3,
                "",
                &[],
                &refused(10176, "atomic publish batch is incomplete"),
            ),
        ],
    );
    let event: Value = serde_json::from_str(&js.next(events).payload).expect("JSON");
    let expected = json!({
        "type": "io.nats.jetstream.advisory.v1.stream_batch_abandoned", "id": "<id>",
        "timestamp": "<time>", "stream": "S", "batch": "b", "reason": "incomplete",
    });
    check_json(&event, &expected);
}

#[test]
fn batches_are_limited_in_size_and_number() {
    let server = server();
    let mut js = JetStream::connect(&server);
    atomic(&mut js);
    let member = |js: &mut JetStream, id: &str, sequence: u64, awaited: bool| {
        let number = sequence.to_string();
        let headers = [("Nats-Batch-Id", id), ("Nats-Batch-Sequence", &*number)];
        if awaited {
            js.publish("s", &headers, "x")
        } else {
            js.send("s", "", &headers, "x");
            String::new()
        }
    };
    for sequence in 1..1000 {
        member(&mut js, "big", sequence, false);
    }
    assert_eq!(member(&mut js, "big", 1000, true), "");
    assert_eq!(
        member(&mut js, "big", 1001, true),
        refused(10199, "atomic publish batch is too large: 1000")
    );
    for number in 0..49 {
        member(&mut js, &format!("id{number}"), 1, false);
    }
    assert_eq!(member(&mut js, "id49", 1, true), "");
    assert_eq!(
        member(&mut js, "id50", 1, true),
        refused(10210, "atomic publish too many inflight").replace("400", "429")
    );
}

/// One publisher of a fast batch: its inbox, batch id, desired flow and what to do about gaps.
struct Fast {
    inbox: String,
    answers: Subscription,
    options: String,
}

impl Fast {
    fn new(js: &mut JetStream, id: &str, flow: u64, gap: &str) -> Self {
        let inbox = format!("fast.{id}");
        let answers = js.subscribe(&format!("{inbox}.>"));
        Self {
            inbox,
            answers,
            options: format!("{id}.{flow}.{gap}"),
        }
    }

    fn send(&self, js: &mut JetStream, sequence: u64, operation: u64, headers: &[(&str, &str)]) {
        let reply = format!("{}.{}.{sequence}.{operation}.$FI", self.inbox, self.options);
        js.send("s", &reply, headers, "x");
    }

    /// The next answer: the sequence and operation it answers, and its text.
    #[track_caller]
    fn expect(&self, js: &mut JetStream, to: &str, text: &str) {
        let answer = js.next(self.answers);
        let subject = format!("{}.{}.{to}.$FI", self.inbox, self.options);
        assert_eq!((&*answer.subject, &*answer.payload), (&*subject, text));
        assert_eq!(answer.headers, None);
    }
}

const START: u64 = 0;
const APPEND: u64 = 1;
const COMMIT: u64 = 2;
const COMMIT_MARK: u64 = 3;
const FLOW_PING: u64 = 4;

fn fast(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s"], "allow_batched": true}));
}

#[test]
fn a_fast_batch_is_acknowledged_at_its_start_and_end() {
    let server = server();
    let mut js = JetStream::connect(&server);
    fast(&mut js);
    let batch = Fast::new(&mut js, "u", 10, "fail");
    batch.send(&mut js, 1, START, &[]);
    batch.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":10}"#);
    batch.send(&mut js, 2, APPEND, &[]);
    batch.send(&mut js, 3, COMMIT, &[]);
    batch.expect(&mut js, "3.2", &committed(3, "u", 3));

    let marked = Fast::new(&mut js, "v", 10, "fail");
    marked.send(&mut js, 1, START, &[]);
    marked.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":10}"#);
    marked.send(&mut js, 2, APPEND, &[]);
    marked.send(&mut js, 3, COMMIT_MARK, &[]);
    marked.expect(&mut js, "3.3", &committed(5, "v", 2));

    let single = Fast::new(&mut js, "w", 10, "fail");
    single.send(&mut js, 1, COMMIT, &[]);
    single.expect(&mut js, "1.2", &committed(6, "w", 1));
}

#[test]
fn a_fast_batch_is_acknowledged_as_often_as_asked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    fast(&mut js);
    let batch = Fast::new(&mut js, "u", 2, "fail");
    batch.send(&mut js, 1, START, &[]);
    batch.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":2}"#);
    for sequence in 2..=5 {
        batch.send(&mut js, sequence, APPEND, &[]);
    }
    batch.expect(&mut js, "2.1", r#"{"type":"ack","seq":2,"msgs":2}"#);
    batch.expect(&mut js, "4.1", r#"{"type":"ack","seq":4,"msgs":2}"#);
    batch.send(&mut js, 5, FLOW_PING, &[]);
    batch.expect(&mut js, "5.4", r#"{"type":"ack","seq":4,"msgs":2}"#);
}

#[test]
fn a_gap_in_a_fast_batch_is_fatal_or_told() {
    let server = server();
    let mut js = JetStream::connect(&server);
    fast(&mut js);
    let strict = Fast::new(&mut js, "u", 10, "fail");
    strict.send(&mut js, 1, START, &[]);
    strict.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":10}"#);
    strict.send(&mut js, 3, APPEND, &[]);
    strict.expect(&mut js, "3.1", r#"{"type":"gap","last_seq":2,"seq":3}"#);
    strict.expect(&mut js, "3.1", &committed(1, "u", 1));
    strict.send(&mut js, 4, APPEND, &[]);
    strict.expect(&mut js, "4.1", &refused(10208, "batch publish ID unknown"));

    let loose = Fast::new(&mut js, "v", 10, "ok");
    loose.send(&mut js, 1, START, &[]);
    loose.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":10}"#);
    loose.send(&mut js, 4, APPEND, &[]);
    loose.expect(&mut js, "4.1", r#"{"type":"gap","last_seq":2,"seq":4}"#);
    loose.send(&mut js, 5, COMMIT, &[]);
    loose.expect(&mut js, "5.2", &committed(4, "v", 5));
}

#[test]
fn a_refused_message_ends_a_fast_batch() {
    let server = server();
    let mut js = JetStream::connect(&server);
    fast(&mut js);
    let batch = Fast::new(&mut js, "u", 10, "fail");
    batch.send(&mut js, 1, START, &[]);
    batch.expect(&mut js, "1.0", r#"{"type":"ack","seq":0,"msgs":10}"#);
    batch.send(&mut js, 2, APPEND, &[("Nats-Expected-Last-Sequence", "7")]);
    batch.expect(
        &mut js,
        "2.1",
        r#"{"type":"err","seq":2,"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"}}"#,
    );
    batch.expect(&mut js, "2.1", &committed(1, "u", 1));
    batch.send(&mut js, 3, COMMIT, &[]);
    batch.expect(&mut js, "3.2", &refused(10208, "batch publish ID unknown"));
}

#[test]
fn the_reply_subject_of_a_fast_batch_is_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    fast(&mut js);
    js.stream(json!({"name": "OFF", "subjects": ["off"]}));
    let pattern = refused(10206, "batch publish pattern is invalid");
    let unknown = refused(10208, "batch publish ID unknown");
    let long = "i".repeat(65);
    for (tail, expected) in [
        ("u.10.fail.0.0.$FI", &pattern),
        ("u.10.fail.x.0.$FI", &pattern),
        ("u.10.fail.1.9.$FI", &pattern),
        ("u.10.maybe.1.0.$FI", &pattern),
        ("u.10.fail.2.1.$FI", &unknown),
        ("u.10.fail.2.2.$FI", &unknown),
        ("u.10.fail.2.4.$FI", &unknown),
        (
            &*format!("{long}.10.fail.1.0.$FI"),
            &refused(10207, "batch publish ID is invalid"),
        ),
    ] {
        let inbox = js.subscribe("bad.>");
        js.send("s", &format!("bad.{tail}"), &[], "x");
        assert_eq!(js.next(inbox).payload, *expected, "{tail}");
        js.unsubscribe(inbox);
    }
    let inbox = js.subscribe("off.inbox.>");
    js.send("off", "off.inbox.u.10.fail.1.0.$FI", &[], "x");
    assert_eq!(
        js.next(inbox).payload,
        refused(10205, "batch publish is disabled").replace("\"S\"", "\"OFF\"")
    );
}
