//! Acknowledgements: every kind, their effect on redelivery and on the numbers in info, ack_wait,
//! backoff, max_deliver, and ack policies.

use std::time::{Duration, Instant};

use cognate_conformance::jetstream::{JetStream, counts, payloads, server};
use serde_json::{Value, json};

/// A stream with five messages and a durable C with explicit acks and further settings.
fn filled(js: &mut JetStream, settings: Value) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4", "s.5"]);
    let mut config = json!({"name": "C", "durable_name": "C", "ack_policy": "explicit"});
    for (key, value) in settings.as_object().expect("settings") {
        config[key] = value.clone();
    }
    js.consumer("S", config);
}

#[track_caller]
fn expect_numbers(js: &mut JetStream, expected: &str) {
    assert_eq!(js.numbers("S", "C"), expected);
}

const NS: u64 = 1_000_000;

/// A time that no test waits for.
const HOUR: u64 = 3_600_000 * NS;

#[test]
fn the_numbers_follow_each_step() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    expect_numbers(
        &mut js,
        "delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 5",
    );
    let all = js.fetch("S", "C", 4);
    expect_numbers(
        &mut js,
        "delivered 4/4 floor 0/0 acks 4 redelivered 0 waiting 0 pending 1",
    );
    js.ack(&all[1], "");
    expect_numbers(
        &mut js,
        "delivered 4/4 floor 0/0 acks 3 redelivered 0 waiting 0 pending 1",
    );
    js.ack(&all[0], "+ACK");
    expect_numbers(
        &mut js,
        "delivered 4/4 floor 2/2 acks 2 redelivered 0 waiting 0 pending 1",
    );
    js.ack(&all[2], "-NAK");
    let again = js.fetch("S", "C", 1).remove(0);
    assert_eq!(counts(&again), [2, 3, 5, 1]);
    expect_numbers(
        &mut js,
        "delivered 5/4 floor 2/2 acks 2 redelivered 1 waiting 0 pending 1",
    );
    js.ack(&again, "+TERM");
    expect_numbers(
        &mut js,
        "delivered 5/4 floor 3/3 acks 1 redelivered 0 waiting 0 pending 1",
    );
    js.ack(&all[3], "");
    expect_numbers(
        &mut js,
        "delivered 5/4 floor 5/4 acks 0 redelivered 0 waiting 0 pending 1",
    );
}

#[test]
fn an_ack_can_be_repeated() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let delivery = js.fetch("S", "C", 1).remove(0);
    for kind in ["", "+ACK", "+OK", "-NAK", "+TERM", "+WPI"] {
        js.ack(&delivery, kind);
    }
    expect_numbers(
        &mut js,
        "delivered 1/1 floor 1/1 acks 0 redelivered 0 waiting 0 pending 4",
    );
}

#[test]
fn an_ack_without_reply_counts_too() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let delivery = js.fetch("S", "C", 1).remove(0);
    js.send(
        delivery.reply.as_deref().expect("an ack subject"),
        "",
        &[],
        "",
    );
    js.until("the ack", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["ack_floor"]["stream_seq"] == 1).then_some(())
    });
}

#[test]
fn what_is_not_acked_comes_again_in_order() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_wait": HOUR}));
    let answers = js.pull("S", "C", "8");
    let first = js.take(answers, 5);
    js.ack(&first[1], "");
    js.ack(&first[3], "");
    // Only now, so that nothing comes again before it could be acknowledged.
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "ack_wait": 200 * NS,
        }),
    );
    let again = js.take(answers, 3);
    let seen: Vec<_> = again.iter().map(counts).collect();
    assert_eq!(seen, [[2, 1, 6, 0], [2, 3, 7, 0], [2, 5, 8, 0]]);
    assert_eq!(payloads(&again), ["1", "3", "5"]);
}

#[test]
fn redeliveries_go_before_new_messages() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let first = js.fetch("S", "C", 2);
    js.ack(&first[1], "-NAK");
    js.ack(&first[0], "-NAK");
    let next = js.fetch("S", "C", 3);
    assert_eq!(payloads(&next), ["2", "1", "3"]);
}

#[test]
fn a_nak_can_ask_for_a_delay() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_wait": HOUR}));
    for (number, kind) in [(1, r#"-NAK {"delay": 3600000000000}"#), (2, "-NAK 1h")] {
        let delivery = js.fetch("S", "C", 1).remove(0);
        assert_eq!(counts(&delivery)[1], number);
        js.ack(&delivery, kind);
    }
    let rest = js.drain("S", "C");
    assert_eq!(
        payloads(&rest),
        ["3", "4", "5"],
        "the delayed ones do not come"
    );
    for (delivery, kind) in rest
        .iter()
        .zip([r#"-NAK {"delay": 100000000}"#, "-NAK 100ms"])
    {
        let asked = Instant::now();
        js.ack(delivery, kind);
        let again = js.fetch("S", "C", 1).remove(0);
        assert!(
            asked.elapsed() >= Duration::from_millis(100),
            "{kind}: too early"
        );
        assert_eq!(counts(&again)[..2], [2, counts(delivery)[1]], "{kind}");
    }
}

/// Says in progress of a message, and looks when it comes again: not before another `ack_wait`. `None`
/// when that was said so late that the message may have come before.
fn work_in_progress(js: &mut JetStream, consumer: &str) -> Option<()> {
    let ack_wait = Duration::from_millis(500);
    js.consumer(
        "S",
        json!({
            "name": consumer, "durable_name": consumer, "ack_policy": "explicit",
            "ack_wait": 500 * NS, "filter_subject": "s.1",
        }),
    );
    let began = Instant::now();
    let answers = js.pull("S", consumer, "2");
    let delivery = js.next(answers);
    // A part of the wait passes: the time that a pull request takes to expire.
    let halfway = js.pull("S", consumer, json!({"batch": 1, "expires": 200 * NS}));
    let said = loop {
        if js.next(halfway).reply.is_none() {
            break Instant::now();
        }
    };
    js.ack(&delivery, "+WPI");
    if began.elapsed() >= ack_wait {
        return None;
    }
    let again = js.next(answers);
    assert_eq!(counts(&again)[..2], [2, 1]);
    assert!(
        said.elapsed() >= ack_wait,
        "it came after {:?}",
        said.elapsed()
    );
    Some(())
}

#[test]
fn work_in_progress_restarts_the_clock() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let mut attempts = 0;
    js.until("a machine that is quick enough", |js| {
        attempts += 1;
        work_in_progress(js, &format!("W{attempts}"))
    });
}

#[test]
fn an_ack_can_ask_for_the_next() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let inbox = js.subscribe("more");
    let mut delivery = js.fetch("S", "C", 1).remove(0);
    for expected in ["2", "3"] {
        let subject = delivery.reply.clone().expect("an ack subject");
        js.send(&subject, "more", &[], "+NXT");
        delivery = js.next(inbox);
        assert_eq!(delivery.payload, expected);
    }
    let subject = delivery.reply.clone().expect("an ack subject");
    js.send(&subject, "more", &[], r#"+NXT {"batch":2}"#);
    let more = js.take(inbox, 2);
    assert_eq!(payloads(&more), ["4", "5"]);
    expect_numbers(
        &mut js,
        "delivered 5/5 floor 3/3 acks 2 redelivered 0 waiting 0 pending 0",
    );
}

#[test]
fn backoff_replaces_the_ack_wait() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(
        &mut js,
        json!({
            "backoff": [50 * NS, 100 * NS], "max_deliver": 3, "filter_subject": "s.1",
        }),
    );
    let info = js.ok("CONSUMER.INFO.S.C", "");
    assert_eq!(info["config"]["ack_wait"], 50 * NS);
    let dead = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C");
    let answers = js.pull("S", "C", "4");
    let seen: Vec<_> = js.take(answers, 3).iter().map(counts).collect();
    assert_eq!(seen, [[1, 1, 1, 0], [2, 1, 2, 0], [3, 1, 3, 0]]);
    let event: Value = serde_json::from_str(&js.next(dead).payload).expect("JSON");
    assert_eq!(
        (&event["stream_seq"], &event["deliveries"]),
        (&json!(1), &json!(3))
    );
}

#[test]
fn a_message_is_given_up_after_max_deliver() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_wait": 100 * NS, "max_deliver": 2}));
    let dead = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.S.C");
    let answers = js.pull("S", "C", "20");
    let seen: Vec<_> = js
        .take(answers, 10)
        .iter()
        .map(|d| counts(d)[..2].to_vec())
        .collect();
    let expected: Vec<_> = (1..=2)
        .flat_map(|n| (1..=5).map(move |s| vec![n, s]))
        .collect();
    assert_eq!(seen, expected);
    js.take(dead, 5);
    js.put("s.6", "6");
    assert_eq!(js.next(answers).payload, "6");
}

#[test]
fn ack_all_covers_everything_before() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_policy": "all"}));
    let all = js.fetch("S", "C", 4);
    js.ack(&all[2], "");
    expect_numbers(
        &mut js,
        "delivered 4/4 floor 3/3 acks 1 redelivered 0 waiting 0 pending 1",
    );
}

#[test]
fn without_acks_everything_delivered_is_done() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_policy": "none"}));
    js.fetch("S", "C", 3);
    expect_numbers(
        &mut js,
        "delivered 3/3 floor 3/3 acks 0 redelivered 0 waiting 0 pending 2",
    );
}

#[test]
fn an_ack_where_none_is_wanted_finds_nobody() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"ack_policy": "none"}));
    let delivery = js.fetch("S", "C", 1).remove(0);
    let subject = delivery.reply.expect("a subject to acknowledge at");
    for kind in ["+ACK", "+NXT"] {
        let answer = js.request(&subject, &[], kind);
        let nobody = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        assert_eq!(answer.headers, Some(nobody), "{kind}");
    }
}

#[test]
fn a_filter_leaves_gaps_in_the_stream_sequence() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.a", "s.b", "s.a", "s.c", "s.a", "s.b"]);
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit",
            "filter_subjects": ["s.a", "s.c"],
        }),
    );
    let seen: Vec<_> = js.fetch("S", "C", 3).iter().map(counts).collect();
    assert_eq!(seen, [[1, 1, 1, 3], [1, 3, 2, 2], [1, 4, 3, 1]]);
    expect_numbers(
        &mut js,
        "delivered 3/4 floor 0/0 acks 3 redelivered 0 waiting 0 pending 1",
    );
}

#[test]
fn a_message_that_was_deleted_does_not_come_again() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    let first = js.fetch("S", "C", 2);
    js.ok("STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    js.ack(&first[0], "-NAK");
    js.ack(&first[1], "-NAK");
    let next = js.fetch("S", "C", 2);
    assert_eq!(payloads(&next), ["2", "3"]);
}

#[test]
fn a_purge_moves_the_consumer_along() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({}));
    js.fetch("S", "C", 2);
    js.ok("STREAM.PURGE.S", "");
    js.put("s.6", "6");
    let next = js.fetch("S", "C", 1).remove(0);
    assert_eq!(counts(&next)[1], 6);
    js.ack(&next, "");
    let info = js.ok("CONSUMER.INFO.S.C", "");
    assert_eq!(
        [
            &info["num_ack_pending"],
            &info["num_pending"],
            &info["ack_floor"]["stream_seq"]
        ],
        [0, 0, 6].each_ref()
    );
}
