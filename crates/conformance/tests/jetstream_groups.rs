//! Priority groups of pull consumers: overflow, pinned client, prioritized.

use cognate_conformance::Message;
use cognate_conformance::jetstream::{JetStream, check_api, check_json, header, payloads, server};
use serde_json::{Value, json};

fn filled(js: &mut JetStream, settings: Value) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4", "s.5"]);
    let mut config = json!({
        "name": "C", "durable_name": "C", "ack_policy": "explicit", "priority_groups": ["g"],
    });
    for (key, value) in settings.as_object().expect("settings") {
        config[key] = value.clone();
    }
    js.consumer("S", config);
}

/// Pulls and returns the first answer.
#[track_caller]
fn first(js: &mut JetStream, body: Value) -> Message {
    let answers = js.pull("S", "C", body);
    js.next(answers)
}

/// The first line of a status.
#[track_caller]
fn status(message: &Message) -> &str {
    let block = message.headers.as_deref().expect("a status");
    block.lines().next().unwrap_or_default()
}

const SHORT: u64 = 100_000_000;

#[test]
fn a_request_must_name_its_group() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"priority_policy": "overflow"}));
    for (body, expected) in [
        (
            json!({"batch": 1}),
            "NATS/1.0 400 Bad Request - Priority Group missing",
        ),
        (
            json!({"batch": 1, "group": "x"}),
            "NATS/1.0 400 Bad Request - Invalid Priority Group",
        ),
    ] {
        assert_eq!(status(&first(&mut js, body)), expected);
    }
    assert_eq!(
        first(&mut js, json!({"batch": 1, "group": "g"})).payload,
        "1"
    );
}

#[test]
fn overflow_serves_those_whose_threshold_is_reached() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"priority_policy": "overflow"}));
    let pull =
        |key: &str, value: u64| json!({"batch": 1, "group": "g", key: value, "expires": SHORT});
    assert_eq!(
        status(&first(&mut js, pull("min_pending", 6))),
        "NATS/1.0 408 Request Timeout"
    );
    assert_eq!(first(&mut js, pull("min_pending", 5)).payload, "1");
    assert_eq!(
        status(&first(&mut js, pull("min_ack_pending", 2))),
        "NATS/1.0 408 Request Timeout"
    );
    assert_eq!(first(&mut js, pull("min_ack_pending", 1)).payload, "2");
    assert_eq!(first(&mut js, pull("min_ack_pending", 2)).payload, "3");
}

#[test]
fn the_first_client_is_pinned() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(
        &mut js,
        json!({"priority_policy": "pinned_client", "priority_timeout": 60_000_000_000_u64}),
    );
    let delivery = first(&mut js, json!({"batch": 1, "group": "g"}));
    let pin = header(&delivery, "Nats-Pin-Id").expect("a pin").to_owned();
    assert_eq!(
        delivery.headers,
        Some(format!("NATS/1.0\r\nNats-Pin-Id: {pin}\r\n\r\n"))
    );
    assert_eq!((pin.len(), &*delivery.payload), (22, "1"));

    let other = first(&mut js, json!({"batch": 1, "group": "g", "expires": SHORT}));
    assert_eq!(status(&other), "NATS/1.0 408 Request Timeout");
    let wrong = first(&mut js, json!({"batch": 1, "group": "g", "id": "wrong"}));
    assert_eq!(
        wrong.headers.as_deref(),
        Some("NATS/1.0 423 Nats-Pin-Id mismatch\r\n\r\n")
    );
    let same = first(&mut js, json!({"batch": 1, "group": "g", "id": pin}));
    assert_eq!(same.payload, "2");

    let info = js.ok("CONSUMER.INFO.S.C", "");
    let groups = json!([{"group": "g", "pinned_client_id": pin, "pinned_ts": "<time>"}]);
    check_json(&info["priority_groups"], &groups);
}

#[test]
fn unpinning_lets_another_client_in() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(
        &mut js,
        json!({"priority_policy": "pinned_client", "priority_timeout": 60_000_000_000_u64}),
    );
    let delivery = first(&mut js, json!({"batch": 1, "group": "g"}));
    let old = header(&delivery, "Nats-Pin-Id").expect("a pin").to_owned();
    let waiting = js.pull("S", "C", json!({"batch": 1, "group": "g"}));
    check_api(
        &mut js,
        &[
            (
                "CONSUMER.UNPIN.S.C",
                r#"{"group":"x"}"#,
                "400 10160 Provided priority group does not exist for this consumer",
            ),
            (
                "CONSUMER.UNPIN.S.C",
                "{}",
                "400 10025 invalid JSON: consumer group not specified",
            ),
            (
                "CONSUMER.UNPIN.S.NOPE",
                r#"{"group":"g"}"#,
                "404 10014 consumer not found",
            ),
        ],
    );
    let answer = js.ok("CONSUMER.UNPIN.S.C", r#"{"group":"g"}"#);
    check_json(
        &answer,
        &json!({"type": "io.nats.jetstream.api.v1.consumer_unpin_response"}),
    );
    let next = js.next(waiting);
    let new = header(&next, "Nats-Pin-Id").expect("a new pin").to_owned();
    assert_eq!((&*next.payload, new == old), ("2", false));
    let late = first(&mut js, json!({"batch": 1, "group": "g", "id": old}));
    assert_eq!(status(&late), "NATS/1.0 423 Nats-Pin-Id mismatch");
}

#[test]
fn a_pin_is_lost_after_the_timeout() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(
        &mut js,
        json!({"priority_policy": "pinned_client", "priority_timeout": 300_000_000}),
    );
    let delivery = first(&mut js, json!({"batch": 1, "group": "g"}));
    let old = header(&delivery, "Nats-Pin-Id").expect("a pin").to_owned();
    let next = first(&mut js, json!({"batch": 1, "group": "g"}));
    assert_eq!(next.payload, "2");
    assert_ne!(header(&next, "Nats-Pin-Id"), Some(&*old));
}

#[test]
fn the_timeout_of_a_pin_has_a_default() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js, json!({"priority_policy": "pinned_client"}));
    let info = js.ok("CONSUMER.INFO.S.C", "");
    assert_eq!(info["config"]["priority_timeout"], 120_000_000_000_u64);
    check_json(
        &info["priority_groups"],
        &json!([{"group": "g", "pinned_ts": "0001-01-01T00:00:00Z"}]),
    );
}

#[test]
fn the_smallest_priority_is_served_first() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit",
            "priority_policy": "prioritized", "priority_groups": ["g"],
        }),
    );
    let order = [5, 1, 9, 1];
    let waiting = order.map(|priority| {
        js.pull(
            "S",
            "C",
            json!({"batch": 1, "group": "g", "priority": priority}),
        )
    });
    js.until("all requests", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["num_waiting"] == 4).then_some(())
    });
    js.fill(&["s"; 4].map(|_| "s.x"));
    let served = waiting.map(|answers| js.next(answers));
    assert_eq!(payloads(&served), ["3", "1", "4", "2"]);
}
