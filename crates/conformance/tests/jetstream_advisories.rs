//! Events: which subject, which type, which fields.

use cognate_conformance::jetstream::{JetStream, Subscription, check_json, server};
use serde_json::{Value, json};

/// The next event of a subscription: its subject without the common prefix, and its fields.
#[track_caller]
fn event(js: &mut JetStream, events: Subscription) -> (String, Value) {
    let message = js.next(events);
    let subject = message
        .subject
        .strip_prefix("$JS.EVENT.")
        .expect("an event");
    let fields = serde_json::from_str(&message.payload).expect("JSON");
    (subject.to_owned(), fields)
}

#[track_caller]
fn expect_event(js: &mut JetStream, events: Subscription, subject: &str, kind: &str, rest: Value) {
    let (seen, fields) = event(js, events);
    assert_eq!(seen, subject);
    let mut expected = json!({
        "type": format!("io.nats.jetstream.{kind}"), "id": "<id>", "timestamp": "<time>",
    });
    for (key, value) in rest.as_object().expect("fields") {
        expected[key] = value.clone();
    }
    check_json(&fields, &expected);
}

#[test]
fn assets_are_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let streams = js.subscribe("$JS.EVENT.ADVISORY.STREAM.>");
    let consumers = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.>");
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.durable("S", "C");
    js.ok(
        "STREAM.UPDATE.S",
        json!({"name": "S", "subjects": ["s", "t"]}),
    );
    js.ok("CONSUMER.DELETE.S.C", "");
    js.ok("STREAM.DELETE.S", "");
    for (kind, action) in [
        ("CREATED", "create"),
        ("UPDATED", "modify"),
        ("DELETED", "delete"),
    ] {
        expect_event(
            &mut js,
            streams,
            &format!("ADVISORY.STREAM.{kind}.S"),
            "advisory.v1.stream_action",
            json!({"stream": "S", "action": action}),
        );
    }
    for (kind, action) in [("CREATED", "create"), ("DELETED", "delete")] {
        expect_event(
            &mut js,
            consumers,
            &format!("ADVISORY.CONSUMER.{kind}.S.C"),
            "advisory.v1.consumer_action",
            json!({"stream": "S", "consumer": "C", "action": action}),
        );
    }
}

#[test]
fn requests_are_audited() {
    let server = server();
    let mut js = JetStream::connect(&server);
    let events = js.subscribe("$JS.EVENT.ADVISORY.API");
    let answer = js.api("STREAM.CREATE.S", json!({"name": "T"}));
    let (_, mut fields) = event(&mut js, events);
    let client = fields["client"].take();
    let response = fields["response"].take();
    let expected = json!({
        "type": "io.nats.jetstream.advisory.v1.api_audit", "id": "<id>", "timestamp": "<time>",
        "server": "<server>", "client": null, "subject": "$JS.API.STREAM.CREATE.S",
        "request": r#"{"name":"T"}"#, "response": null,
    });
    check_json(&fields, &expected);
    let response: Value = serde_json::from_str(response.as_str().expect("text")).expect("JSON");
    assert_eq!(response, answer);
    for (key, value) in [
        ("host", json!("127.0.0.1")),
        ("acc", json!("$G")),
        ("kind", json!("Client")),
        ("client_type", json!("nats")),
        ("id", json!(js.client().cid())),
    ] {
        assert_eq!(client[key], value, "{key}");
    }
    js.ok("STREAM.NAMES", "");
    let (_, fields) = event(&mut js, events);
    assert_eq!(fields.get("request"), None);
}

#[test]
fn naks_and_terms_are_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.fill(&["s", "s", "s"]);
    js.durable("S", "C");
    let events = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.*.S.C");
    let all = js.fetch("S", "C", 3);
    js.ack(&all[0], "-NAK");
    js.ack(&all[1], "+TERM");
    js.ack(&all[2], "+TERM not today");
    let delivery = |sequence: u64| {
        json!({
            "stream": "S", "consumer": "C", "consumer_seq": sequence, "stream_seq": sequence,
            "deliveries": 1,
        })
    };
    expect_event(
        &mut js,
        events,
        "ADVISORY.CONSUMER.MSG_NAKED.S.C",
        "advisory.v1.nak",
        delivery(1),
    );
    let subject = "ADVISORY.CONSUMER.MSG_TERMINATED.S.C";
    expect_event(
        &mut js,
        events,
        subject,
        "advisory.v1.terminated",
        delivery(2),
    );
    let mut with_reason = delivery(3);
    with_reason["reason"] = json!("not today");
    expect_event(
        &mut js,
        events,
        subject,
        "advisory.v1.terminated",
        with_reason,
    );
}

#[test]
fn the_last_delivery_is_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.put("s", "x");
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "max_deliver": 1,
            "ack_wait": 50_000_000,
        }),
    );
    let events = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.>");
    js.pull("S", "C", "2");
    expect_event(
        &mut js,
        events,
        "ADVISORY.CONSUMER.MAX_DELIVERIES.S.C",
        "advisory.v1.max_deliver",
        json!({"stream": "S", "consumer": "C", "stream_seq": 1, "deliveries": 1}),
    );
}

#[test]
fn sampled_acks_are_measured() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.put("s", "x");
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "sample_freq": "100%",
        }),
    );
    let events = js.subscribe("$JS.EVENT.METRIC.CONSUMER.ACK.S.C");
    let delivery = js.fetch("S", "C", 1).remove(0);
    js.ack(&delivery, "");
    let (_, mut fields) = event(&mut js, events);
    assert!(fields["ack_time"].as_u64() > Some(0), "{fields}");
    fields["ack_time"] = json!(0);
    let expected = json!({
        "type": "io.nats.jetstream.metric.v1.consumer_ack", "id": "<id>", "timestamp": "<time>",
        "stream": "S", "consumer": "C", "consumer_seq": 1, "stream_seq": 1, "ack_time": 0,
        "deliveries": 1,
    });
    check_json(&fields, &expected);
}

#[test]
fn pauses_are_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.durable("S", "C");
    let events = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.PAUSE.S.C");
    js.ok(
        "CONSUMER.PAUSE.S.C",
        json!({"pause_until": "2040-01-01T00:00:00Z"}),
    );
    js.ok("CONSUMER.PAUSE.S.C", "");
    for (paused, until) in [(true, "<time>"), (false, "0001-01-01T00:00:00Z")] {
        expect_event(
            &mut js,
            events,
            "ADVISORY.CONSUMER.PAUSE.S.C",
            "advisory.v1.consumer_pause",
            json!({"stream": "S", "consumer": "C", "paused": paused, "pause_until": until}),
        );
    }
}

#[test]
fn pins_are_announced() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.put("s", "x");
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit",
            "priority_policy": "pinned_client", "priority_groups": ["g"],
        }),
    );
    let events = js.subscribe("$JS.EVENT.ADVISORY.CONSUMER.*.S.C");
    let answers = js.pull("S", "C", r#"{"batch":1,"group":"g"}"#);
    let delivery = js.next(answers);
    let block = delivery.headers.expect("a pin");
    let pin = block
        .split("Nats-Pin-Id: ")
        .nth(1)
        .expect("a pin")
        .trim_end();
    let common = json!({"account": "$G", "stream": "S", "consumer": "C", "group": "g"});
    let mut pinned = common.clone();
    pinned["pinned_id"] = json!(pin);
    expect_event(
        &mut js,
        events,
        "ADVISORY.CONSUMER.PINNED.S.C",
        "advisory.v1.consumer_group_pinned",
        pinned,
    );
    js.ok("CONSUMER.UNPIN.S.C", r#"{"group":"g"}"#);
    let mut unpinned = common;
    unpinned["reason"] = json!("admin");
    expect_event(
        &mut js,
        events,
        "ADVISORY.CONSUMER.UNPINNED.S.C",
        "advisory.v1.consumer_group_unpinned",
        unpinned,
    );
}
