//! Pull requests: batches, waiting and not waiting, limits on size and time, heartbeats, and the
//! exact statuses that end a request.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, Payload, counts, payloads, server};
use serde_json::json;

/// A stream S of `s.>` with five messages "1" to "5" on `s.1` to `s.5`, and a durable C.
fn filled(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4", "s.5"]);
    js.durable("S", "C");
}

/// Pulls and shows what comes up to and including the status that ends the request.
#[track_caller]
fn pulled(js: &mut JetStream, consumer: &str, body: impl Payload) -> Vec<String> {
    let answers = js.pull("S", consumer, body);
    let mut seen = Vec::new();
    loop {
        let message = js.next(answers);
        let heartbeat = message
            .headers
            .as_deref()
            .is_some_and(|block| block.starts_with("NATS/1.0 100"));
        let end = message.reply.is_none() && !heartbeat;
        seen.push(shown(&message));
        if end {
            return seen;
        }
    }
}

/// The payload of a delivery, or the header block of a status.
fn shown(message: &Message) -> String {
    match &message.reply {
        Some(_) => message.payload.clone(),
        None => message.headers.clone().unwrap_or_default(),
    }
}

fn status(line: &str) -> String {
    format!("NATS/1.0 {line}\r\n\r\n")
}

fn status_with_pending(line: &str, messages: u64, bytes: u64) -> String {
    format!(
        "NATS/1.0 {line}\r\nNats-Pending-Messages: {messages}\r\nNats-Pending-Bytes: {bytes}\r\n\r\n"
    )
}

#[test]
fn a_delivery_says_where_it_comes_from() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivery = js.fetch("S", "C", 1).remove(0);
    assert_eq!((&*delivery.subject, &*delivery.payload), ("s.1", "1"));
    assert_eq!(delivery.headers, None);
    let reply = delivery.reply.clone().expect("an ack subject");
    assert!(reply.starts_with("$JS.ACK.S.C.1.1.1."), "{reply}");
    assert_eq!(counts(&delivery), [1, 1, 1, 4]);
    let stored = js.ok("STREAM.MSG.GET.S", r#"{"seq":1}"#)["message"]["time"].clone();
    let nanoseconds = reply.split('.').nth(7).expect("a timestamp");
    let seconds = &nanoseconds[..nanoseconds.len() - 9];
    assert_eq!(nanoseconds.len(), 19, "{stored} is {seconds} seconds");
}

#[test]
fn a_batch_can_be_given_as_a_number_or_as_json() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for (body, expected) in [
        ("", vec!["1"]),
        ("2", vec!["2", "3"]),
        (r#"{"batch":1}"#, vec!["4"]),
        (r#"{"surplus":1}"#, vec!["5"]),
    ] {
        let answers = js.pull("S", "C", body);
        let messages = js.take(answers, expected.len());
        assert_eq!(payloads(&messages), expected, "{body}");
    }
}

#[test]
fn a_request_that_does_not_wait_ends_at_once() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let all = r#"{"batch":10,"no_wait":true}"#;
    let expected = ["1", "2", "3", "4", "5", &*status("404 No Messages")];
    assert_eq!(pulled(&mut js, "C", all), expected);
    assert_eq!(pulled(&mut js, "C", all), [status("404 No Messages")]);
}

#[test]
fn a_request_that_expires_says_what_it_still_wanted() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let body = r#"{"batch":7,"expires":100000000}"#;
    let end = status_with_pending("408 Request Timeout", 2, 0);
    assert_eq!(pulled(&mut js, "C", body), ["1", "2", "3", "4", "5", &*end]);
    let body = r#"{"batch":7,"expires":50000000,"max_bytes":1000}"#;
    let end = status_with_pending("408 Request Timeout", 7, 1000);
    assert_eq!(pulled(&mut js, "C", body), [end]);
}

#[test]
fn a_waiting_request_gets_what_comes_later() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "C");
    let answers = js.pull("S", "C", r#"{"batch":2,"expires":10000000000}"#);
    js.put("s.1", "one");
    js.put("s.2", "two");
    let messages = js.take(answers, 2);
    assert_eq!(payloads(&messages), ["one", "two"]);
    assert_eq!(counts(&messages[1]), [1, 2, 2, 0]);
}

#[test]
fn requests_are_served_in_turn() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "C");
    let body = r#"{"batch":2,"expires":10000000000}"#;
    let [first, second] = [js.pull("S", "C", body), js.pull("S", "C", body)];
    js.until("both requests", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["num_waiting"] == 2).then_some(())
    });
    js.fill(&["s", "s", "s", "s"].map(|_| "s.1"));
    let mut seen: Vec<Vec<String>> = Vec::new();
    for answers in [first, second] {
        let messages = js.take(answers, 2);
        seen.push(payloads(&messages).into_iter().map(str::to_owned).collect());
    }
    assert_eq!(seen, [["1", "3"], ["2", "4"]]);
}

#[test]
fn bytes_are_counted_with_subject_and_reply() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let first = js.fetch("S", "C", 1).remove(0);
    let reply = first.reply.as_deref().map_or(0, str::len);
    let one = first.subject.len() + reply + first.payload.len();
    let body = json!({"batch": 4, "max_bytes": 2 * one + 1, "expires": 5_000_000_000_u64});
    let seen = pulled(&mut js, "C", body);
    let end = status_with_pending("409 Message Size Exceeds MaxBytes", 2, 1);
    assert_eq!(seen, ["2", "3", &*end]);
}

#[test]
fn a_message_too_large_for_the_request_stays() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let body = r#"{"batch":1,"max_bytes":10,"expires":5000000000}"#;
    let end = status_with_pending("409 Message Size Exceeds MaxBytes", 1, 10);
    assert_eq!(pulled(&mut js, "C", body), [end]);
    let next = js.fetch("S", "C", 1);
    assert_eq!(payloads(&next), ["1"]);
}

#[test]
fn a_waiting_request_gets_heartbeats() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let body = r#"{"batch":6,"expires":700000000,"idle_heartbeat":100000000}"#;
    let seen = pulled(&mut js, "C", body);
    let beat =
        "NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 5\r\nNats-Last-Stream: 5\r\n\r\n";
    let beats = seen.iter().filter(|line| *line == beat).count();
    assert!(beats >= 1, "{seen:?}");
    assert_eq!(seen.len(), 5 + beats + 1, "{seen:?}");
    assert_eq!(
        seen.last(),
        Some(&status_with_pending("408 Request Timeout", 1, 0))
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for (body, expected) in [
        (
            r#"{"batch":1,"expires":1000000,"idle_heartbeat":1000000}"#,
            "400 Bad Request - heartbeat value too large",
        ),
        (
            r#"{"batch":1,"idle_heartbeat":1000000}"#,
            "400 Bad Request - heartbeat value too large",
        ),
        (
            r#"{"batch":1,"min_pending":3}"#,
            "400 Bad Request - Not a Overflow Priority consumer",
        ),
        (
            r#"{"batch":1,"priority":11}"#,
            "400 Bad Request - Priority must be between 0 and 9",
        ),
        (
            r#"{"batch":1,"id":"x"}"#,
            "400 Bad Request - Not a Pinned Client Priority consumer",
        ),
    ] {
        assert_eq!(pulled(&mut js, "C", body), [status(expected)], "{body}");
    }
    assert_eq!(
        payloads(&js.fetch("S", "C", 1)),
        ["1"],
        "nothing was delivered to them"
    );
}

#[test]
fn a_consumer_caps_its_requests() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "max_batch": 2,
            "max_expires": 1_000_000_000, "max_bytes": 100,
        }),
    );
    for (body, expected) in [
        ("3", "409 Exceeded MaxRequestBatch of 2"),
        (r#"{"batch":3}"#, "409 Exceeded MaxRequestBatch of 2"),
        (
            r#"{"expires":2000000000}"#,
            "409 Exceeded MaxRequestExpires of 1s",
        ),
        (
            r#"{"batch":1,"max_bytes":200,"expires":1000000}"#,
            "409 Exceeded MaxRequestMaxBytes of 100",
        ),
    ] {
        assert_eq!(pulled(&mut js, "C", body), [status(expected)], "{body}");
    }
}

#[test]
fn only_so_many_requests_may_wait() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "ack_policy": "explicit", "max_waiting": 1}),
    );
    let body = r#"{"batch":1,"expires":10000000000}"#;
    let first = js.pull("S", "C", body);
    assert_eq!(
        pulled(&mut js, "C", body),
        [status("409 Exceeded MaxWaiting")]
    );
    js.put("s.1", "x");
    assert_eq!(js.next(first).payload, "x");
}

#[test]
fn a_request_of_a_gone_client_is_dropped() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "C");
    let gone = js.pull("S", "C", r#"{"batch":1,"expires":60000000000}"#);
    js.until("the request", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["num_waiting"] == 1).then_some(())
    });
    js.unsubscribe(gone);
    js.put("s.1", "x");
    let delivery = js.fetch("S", "C", 1).remove(0);
    assert_eq!(counts(&delivery), [1, 1, 1, 0]);
}

#[test]
fn a_missing_consumer_does_not_respond() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    for name in ["S.NOPE", "NOPE.C"] {
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{name}");
        let answer = js.request(&subject, &[], "");
        let expected = format!("NATS/1.0 503\r\nNats-Subject: {subject}\r\n\r\n");
        assert_eq!(answer.headers, Some(expected));
    }
}

#[test]
fn waiting_requests_hear_of_the_end() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    for (consumer, end) in [("A", "CONSUMER.DELETE.S.A"), ("B", "STREAM.DELETE.S")] {
        js.durable("S", consumer);
        let waiting = js.pull("S", consumer, r#"{"batch":1,"expires":60000000000}"#);
        js.until("the request", |js| {
            let info = js.ok(&format!("CONSUMER.INFO.S.{consumer}"), "");
            (info["num_waiting"] == 1).then_some(())
        });
        js.ok(end, "");
        let last = js.next(waiting);
        assert_eq!(last.headers, Some(status("409 Consumer Deleted")), "{end}");
    }
}

#[test]
fn waiting_requests_hear_of_a_shutdown() {
    let mut server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "C");
    let waiting = js.pull("S", "C", r#"{"batch":1,"expires":60000000000}"#);
    js.until("the request", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["num_waiting"] == 1).then_some(())
    });
    server.signal("TERM");
    let expected = status_with_pending("409 Server Shutdown", 1, 0);
    assert_eq!(js.next(waiting).headers, Some(expected));
    let _ = server.wait_exit();
}

#[test]
fn a_push_consumer_can_not_be_pulled_from() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "deliver_subject": "d"}),
    );
    let expected = status("409 Consumer is push based");
    assert_eq!(pulled(&mut js, "C", ""), [expected]);
}

#[test]
fn deliveries_stop_at_max_ack_pending_and_go_on_after_an_ack() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4"]);
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "ack_policy": "explicit", "max_ack_pending": 2}),
    );
    let answers = js.pull("S", "C", r#"{"batch":3,"expires":10000000000}"#);
    let first = js.take(answers, 2);
    assert_eq!(
        js.numbers("S", "C"),
        "delivered 2/2 floor 0/0 acks 2 redelivered 0 waiting 1 pending 2"
    );
    js.ack(&first[0], "");
    assert_eq!(js.next(answers).payload, "3");
    let end = status_with_pending("408 Request Timeout", 4, 0);
    assert_eq!(
        pulled(&mut js, "C", r#"{"batch":4,"expires":100000000}"#),
        [end]
    );
}

/// A request that takes what is there is over when it is looked at again, after a heartbeat at the
/// latest, although it is only acknowledgements that hold the rest up.
#[test]
fn a_request_without_waiting_ends_at_max_ack_pending() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4"]);
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "ack_policy": "explicit", "max_ack_pending": 2}),
    );
    let body = r#"{"batch":3,"expires":10000000000,"idle_heartbeat":50000000,"no_wait":true}"#;
    let answers = js.pull("S", "C", body);
    js.take(answers, 2);
    assert_eq!(
        js.next(answers).headers.as_deref(),
        Some("NATS/1.0 404 No Messages\r\n\r\n")
    );
}

#[test]
fn headers_only_tell_the_size() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.put("s.1", "hello");
    js.publish("s.2", &[("K", "v")], "you");
    js.consumer(
        "S",
        json!({"name": "C", "durable_name": "C", "headers_only": true}),
    );
    let seen = js.fetch("S", "C", 2);
    let headers: Vec<_> = seen
        .iter()
        .map(|message| message.headers.as_deref())
        .collect();
    assert_eq!(
        headers,
        [
            Some("NATS/1.0\r\nNats-Msg-Size: 5\r\n\r\n"),
            Some("NATS/1.0\r\nK: v\r\nNats-Msg-Size: 3\r\n\r\n"),
        ]
    );
    assert_eq!(payloads(&seen), ["", ""]);
}
