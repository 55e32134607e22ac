//! Push consumers: delivery to a subject and to a queue group, interest, heartbeats, flow control,
//! acks, and what editing the deliver subject does.

use cognate_conformance::jetstream::{JetStream, counts, payloads, server};
use serde_json::{Value, json};

fn filled(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.1", "s.2", "s.3", "s.4", "s.5"]);
}

/// A durable push consumer C to `d` with further settings.
#[track_caller]
fn push(js: &mut JetStream, settings: Value) -> Value {
    let mut config = json!({"name": "C", "durable_name": "C", "deliver_subject": "d"});
    for (key, value) in settings.as_object().expect("settings") {
        config[key] = value.clone();
    }
    js.consumer("S", config)
}

#[test]
fn messages_are_pushed_with_their_own_subject() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivered = js.subscribe("d");
    let created = push(&mut js, json!({}));
    assert_eq!(created["config"].get("max_waiting"), None);
    let messages = js.take(delivered, 5);
    assert_eq!(payloads(&messages), ["1", "2", "3", "4", "5"]);
    assert_eq!(
        (&*messages[1].subject, counts(&messages[1])),
        ("s.2", [1, 2, 2, 3])
    );
    js.put("s.6", "6");
    assert_eq!(js.next(delivered).payload, "6");
    assert_eq!(js.ok("CONSUMER.INFO.S.C", "")["push_bound"], true);
}

#[test]
fn nothing_is_pushed_without_interest() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let created = push(&mut js, json!({}));
    assert_eq!(created.get("push_bound"), None);
    assert_eq!(
        js.numbers("S", "C"),
        "delivered 0/0 floor 0/0 acks 0 redelivered 0 waiting 0 pending 5"
    );
    let delivered = js.subscribe("d");
    assert_eq!(js.next(delivered).payload, "1");
}

#[test]
fn pushing_goes_on_where_it_stopped() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let first = js.subscribe("d");
    push(&mut js, json!({"ack_policy": "explicit"}));
    for delivery in js.take(first, 5) {
        js.ack(&delivery, "");
    }
    js.unsubscribe(first);
    js.until("the interest to go", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        info.get("push_bound").is_none().then_some(())
    });
    js.put("s.6", "6");
    let second = js.subscribe("d");
    assert_eq!(counts(&js.next(second)), [1, 6, 6, 0]);
}

#[test]
fn a_queue_group_shares_the_messages() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let members = [js.subscribe_as("d", "g"), js.subscribe_as("d", "g")];
    push(&mut js, json!({"deliver_group": "g"}));
    js.fill(&["s.1"; 40]);
    js.until("all of them", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["delivered"]["stream_seq"] == 40).then_some(())
    });
    let mut seen = Vec::new();
    js.until("them to arrive", |js| {
        seen.extend(members.map(|member| js.arrived(member)).concat());
        (seen.len() >= 40).then_some(())
    });
    seen.sort_by_key(|delivery| counts(delivery)[1]);
    let sequences: Vec<u64> = seen.iter().map(|delivery| counts(delivery)[1]).collect();
    assert_eq!(sequences, (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_plain_subscription_is_no_interest_of_a_group() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let plain = js.subscribe("d");
    let created = push(&mut js, json!({"deliver_group": "g"}));
    assert_eq!(created.get("push_bound"), None);
    let member = js.subscribe_as("d", "g");
    let messages = js.take(member, 5);
    assert_eq!(payloads(&messages), ["1", "2", "3", "4", "5"]);
    js.unsubscribe(plain);
}

#[test]
fn heartbeats_tell_the_last_delivered() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.ok("STREAM.MSG.DELETE.S", r#"{"seq":1}"#);
    let delivered = js.subscribe("d");
    push(&mut js, json!({"idle_heartbeat": 100_000_000}));
    let mut left = 4;
    while left > 0 {
        // There may be a heartbeat before them.
        left -= usize::from(js.next(delivered).headers.is_none());
    }
    let beat = js.next(delivered);
    assert_eq!((&*beat.subject, beat.reply.as_deref()), ("d", None));
    assert_eq!(
        beat.headers.as_deref(),
        Some("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 4\r\nNats-Last-Stream: 5\r\n\r\n")
    );
}

#[test]
fn flow_control_asks_for_an_answer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "storage": "memory"}));
    // The first window is a sixteenth of 32 MiB; a request comes after half of it.
    let body = "x".repeat(256 * 1024);
    for _ in 0..16 {
        js.put("s", &body);
    }
    let delivered = js.subscribe("d");
    push(
        &mut js,
        json!({"flow_control": true, "idle_heartbeat": 100_000_000}),
    );
    let mut asked = 0;
    let mut got = 0;
    while got < 16 {
        let message = js.next(delivered);
        if let Some(block) = &message.headers {
            match &message.reply {
                Some(reply) => {
                    assert_eq!(block, "NATS/1.0 100 FlowControl Request\r\n\r\n");
                    assert!(reply.starts_with("$JS.FC.S.C."), "{reply}");
                    asked += 1;
                    js.send(reply, "", &[], "");
                }
                None => assert!(
                    block.starts_with("NATS/1.0 100 Idle Heartbeat\r\n"),
                    "{block}"
                ),
            }
        } else {
            got += 1;
        }
    }
    assert!(asked >= 1);
}

#[test]
fn a_stalled_consumer_says_where_to_answer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "storage": "memory"}));
    let body = "x".repeat(512 * 1024);
    for _ in 0..16 {
        js.put("s", &body);
    }
    let delivered = js.subscribe("d");
    push(
        &mut js,
        json!({"flow_control": true, "idle_heartbeat": 100_000_000}),
    );
    let mut request = None;
    let stalled = loop {
        let message = js.next(delivered);
        let block = message.headers.unwrap_or_default();
        if block.starts_with("NATS/1.0 100 FlowControl") {
            request = message.reply;
        }
        if let Some((_, subject)) = block.split_once("Nats-Consumer-Stalled: ") {
            break subject.trim_end().to_owned();
        }
    };
    assert_eq!(Some(stalled.clone()), request);
    js.send(&stalled, "", &[], "");
    while js.next(delivered).headers.is_some() {}
}

#[test]
fn pushes_stop_at_max_ack_pending() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivered = js.subscribe("d");
    push(
        &mut js,
        json!({"ack_policy": "explicit", "max_ack_pending": 2}),
    );
    let first = js.take(delivered, 2);
    assert_eq!(
        js.numbers("S", "C"),
        "delivered 2/2 floor 0/0 acks 2 redelivered 0 waiting 0 pending 3"
    );
    js.ack_all(&first);
    let next = js.take(delivered, 2);
    assert_eq!(payloads(&next), ["3", "4"]);
}

#[test]
fn the_deliver_subject_can_change_when_nobody_listens() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    push(&mut js, json!({}));
    push(&mut js, json!({"deliver_subject": "e"}));
    let elsewhere = js.subscribe("e");
    assert_eq!(js.next(elsewhere).payload, "1");
    let again = json!({
        "stream_name": "S",
        "config": {"name": "C", "durable_name": "C", "deliver_subject": "f"},
    });
    let refusal = js.outcome("CONSUMER.CREATE.S.C", again);
    assert_eq!(refusal, "400 10013 consumer name already in use");
}

#[test]
fn an_ephemeral_goes_when_its_subscriber_goes() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivered = js.subscribe("d");
    js.consumer(
        "S",
        json!({"name": "E", "deliver_subject": "d", "inactive_threshold": 100_000_000}),
    );
    js.take(delivered, 5);
    js.unsubscribe(delivered);
    js.until("the consumer to go", |js| {
        (js.state("S")["consumer_count"] == 0).then_some(())
    });
}

#[test]
fn an_ordered_consumer_replays_from_where_it_is_told() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivered = js.subscribe("d");
    let config = json!({
        "name": "O", "deliver_subject": "d", "ack_policy": "none", "max_deliver": 1,
        "mem_storage": true, "num_replicas": 1, "flow_control": true,
        "idle_heartbeat": 5_000_000_000_u64, "deliver_policy": "by_start_sequence",
        "opt_start_seq": 4, "ack_wait": 79_200_000_000_000_u64,
        "inactive_threshold": 300_000_000_000_u64,
    });
    js.consumer("S", config);
    let messages = js.take(delivered, 2);
    let seen: Vec<_> = messages.iter().map(counts).collect();
    assert_eq!(seen, [[1, 4, 1, 1], [1, 5, 2, 0]]);
}

#[test]
fn what_is_not_acked_is_pushed_again() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let delivered = js.subscribe("d");
    push(
        &mut js,
        json!({"ack_policy": "explicit", "ack_wait": 3_600_000_000_000_u64, "max_deliver": 2}),
    );
    let first = js.take(delivered, 5);
    js.ack_all(&first[1..4]);
    // Only now, so that nothing comes again before it could be acknowledged.
    push(
        &mut js,
        json!({"ack_policy": "explicit", "ack_wait": 200_000_000, "max_deliver": 2}),
    );
    let again: Vec<_> = js.take(delivered, 2).iter().map(counts).collect();
    assert_eq!(again, [[2, 1, 6, 0], [2, 5, 7, 0]]);
}

#[test]
fn the_original_pace_can_be_replayed() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "CLOCK");
    js.put("s.1", "1");
    js.drain("S", "CLOCK");
    let pause = js.pull("S", "CLOCK", r#"{"batch":1,"expires":400000000}"#);
    let _expired = js.next(pause);
    js.put("s.2", "2");
    let delivered = js.subscribe("d");
    let start = std::time::Instant::now();
    push(&mut js, json!({"replay_policy": "original"}));
    assert_eq!(payloads(&js.take(delivered, 2)), ["1", "2"]);
    let took = start.elapsed();
    assert!(took >= std::time::Duration::from_millis(300), "{took:?}");
}

#[test]
fn acks_by_flow_control_follow_the_answers() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    let config = push(&mut js, json!({"ack_policy": "flow_control"}))["config"].clone();
    assert_eq!(
        json!(["flow_control", "idle_heartbeat", "max_ack_pending"].map(|key| config[key].clone())),
        json!([true, 1_000_000_000, 1000])
    );
    assert_eq!(config.get("ack_wait"), None);
}
