//! Interest and work-queue retention: when a message leaves, and which consumers may exist.

use cognate_conformance::jetstream::{JetStream, check_api, payloads, server};
use serde_json::json;

#[track_caller]
fn wait_messages(js: &mut JetStream, count: u64) {
    js.until(&format!("{count} messages left"), |js| {
        (js.state("S")["messages"] == count).then_some(())
    });
}

#[test]
fn a_work_queue_drops_what_is_acked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "workqueue"}));
    js.fill(&["s.1", "s.2", "s.3"]);
    js.durable("S", "C");
    let all = js.fetch("S", "C", 3);
    js.ack(&all[1], "");
    wait_messages(&mut js, 2);
    js.ack(&all[0], "+TERM");
    wait_messages(&mut js, 1);
    js.ack(&all[2], "");
    wait_messages(&mut js, 0);
    assert_eq!(js.state("S")["first_seq"], 4);
}

#[test]
fn consumers_of_a_work_queue_must_not_overlap() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "workqueue"}));
    let create = |name: &str, rest: &str| {
        format!(
            r#"{{"stream_name":"S","config":{{"name":"{name}","durable_name":"{name}","ack_policy":"explicit"{rest}}}}}"#
        )
    };
    check_api(
        &mut js,
        &[
            (
                "CONSUMER.CREATE.S.A",
                r#"{"stream_name":"S","config":{"name":"A","durable_name":"A"}}"#,
                "400 10084 consumer in pull mode requires explicit ack policy on workqueue stream",
            ),
            (
                "CONSUMER.CREATE.S.A",
                &create("A", r#","deliver_policy":"new""#),
                "400 10101 consumer must be deliver all on workqueue stream",
            ),
            (
                "CONSUMER.CREATE.S.A",
                &create("A", r#","filter_subject":"s.1""#),
                "ok",
            ),
            (
                "CONSUMER.CREATE.S.B",
                &create("B", r#","filter_subject":"s.*""#),
                "400 10100 filtered consumer not unique on workqueue stream",
            ),
            (
                "CONSUMER.CREATE.S.B",
                &create("B", ""),
                "400 10099 multiple non-filtered consumers not allowed on workqueue stream",
            ),
            (
                "CONSUMER.CREATE.S.B",
                &create("B", r#","filter_subject":"s.2""#),
                "ok",
            ),
        ],
    );
}

#[test]
fn a_work_queue_keeps_what_no_consumer_wants() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "workqueue"}));
    js.fill(&["s.1", "s.2"]);
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "filter_subject": "s.1",
        }),
    );
    let delivery = js.fetch("S", "C", 1).remove(0);
    js.ack(&delivery, "");
    wait_messages(&mut js, 1);
    assert_eq!(js.state("S")["first_seq"], 2);
}

#[test]
fn interest_keeps_nothing_without_consumers() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "interest"}));
    js.fill(&["s.1", "s.2"]);
    wait_messages(&mut js, 0);
    let state = js.state("S");
    assert_eq!(
        (&state["first_seq"], &state["last_seq"]),
        (&json!(3), &json!(2))
    );
}

#[test]
fn interest_waits_for_every_consumer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "interest"}));
    js.durable("S", "A");
    js.durable("S", "B");
    js.fill(&["s.1", "s.2"]);
    let a = js.fetch("S", "A", 2);
    js.ack_all(&a);
    assert_eq!(js.state("S")["messages"], 2);
    let b = js.fetch("S", "B", 2);
    js.ack(&b[1], "");
    wait_messages(&mut js, 1);
    js.ack(&b[0], "");
    wait_messages(&mut js, 0);
}

#[test]
fn interest_counts_only_matching_filters() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "interest"}));
    js.consumer(
        "S",
        json!({
            "name": "C", "durable_name": "C", "ack_policy": "explicit", "filter_subject": "s.1",
        }),
    );
    js.fill(&["s.1", "s.2", "s.1"]);
    wait_messages(&mut js, 2);
    assert_eq!(payloads(&js.drain("S", "C")), ["1", "3"]);
}

#[test]
fn a_deleted_consumer_is_no_interest_any_more() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "retention": "interest"}));
    js.durable("S", "A");
    js.durable("S", "B");
    js.fill(&["s.1", "s.2"]);
    let a = js.fetch("S", "A", 1);
    js.ack_all(&a);
    js.ok("CONSUMER.DELETE.S.B", "");
    wait_messages(&mut js, 1);
    js.ok("CONSUMER.DELETE.S.A", "");
    wait_messages(&mut js, 0);
}

#[test]
fn a_stream_can_change_from_limits_to_interest() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.durable("S", "A");
    js.fill(&["s.1", "s.2"]);
    let a = js.fetch("S", "A", 1);
    js.ack_all(&a);
    assert_eq!(js.state("S")["messages"], 2);
    js.ok(
        "STREAM.UPDATE.S",
        json!({"name": "S", "subjects": ["s.>"], "retention": "interest"}),
    );
    wait_messages(&mut js, 1);
}
