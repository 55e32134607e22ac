//! Changing a stream: what UPDATE allows, what can not be taken back, sealing, and denied
//! operations.

use cognate_conformance::jetstream::{ApiCase, JetStream, check_api, outcome, server};
use serde_json::json;

#[test]
fn some_fields_can_not_be_edited() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "O", "subjects": ["o"]}));
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    js.stream(json!({"name": "W", "subjects": ["w"], "retention": "workqueue"}));
    let cases: &[ApiCase<'_>] = &[
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S2"}"#,
            "400 10056 stream name in subject does not match request",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["s"],"storage":"memory"}"#,
            "500 10052 stream configuration update can not change storage type",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["s"],"retention":"workqueue"}"#,
            "500 10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            "STREAM.UPDATE.W",
            r#"{"name":"W","subjects":["w"]}"#,
            "500 10052 stream configuration update can not change retention policy to/from workqueue",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["o"]}"#,
            "400 10065 subjects overlap with an existing stream",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["s"],"retention":"interest"}"#,
            "ok",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["s"],"retention":"limits"}"#,
            "ok",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["s"],"max_consumers":1}"#,
            "ok",
        ),
        (
            "STREAM.UPDATE.S",
            r#"{"name":"S","subjects":["t.>","u"]}"#,
            "ok",
        ),
    ];
    check_api(&mut js, cases);
    assert!(
        js.publish("s", &[], "x").starts_with("NATS/1.0 503"),
        "no longer a subject of S"
    );
    assert_eq!(js.put("t.1", "x"), 1);
}

#[test]
fn promises_can_not_be_taken_back() {
    let server = server();
    let mut js = JetStream::connect(&server);
    for (number, (field, refusal)) in [
        (
            "deny_delete",
            "500 10052 stream configuration update can not cancel deny message deletes",
        ),
        (
            "deny_purge",
            "500 10052 stream configuration update can not cancel deny purge",
        ),
        (
            "allow_msg_ttl",
            "500 10052 message TTL status can not be disabled",
        ),
        (
            "allow_msg_schedules",
            "500 10052 message schedules can not be disabled",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("S{number}");
        let update = format!("STREAM.UPDATE.{name}");
        js.stream(json!({"name": name}));
        js.ok(&update, json!({"name": name, field: true}));
        assert_eq!(
            js.outcome(&update, json!({"name": name})),
            refusal,
            "{field}"
        );
    }
}

#[test]
fn a_sealed_stream_is_read_only_and_stays_so() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "max_age": 3_600_000_000_000_u64}));
    js.put("s", "x");
    let sealing = json!({"name": "S", "subjects": ["s"], "sealed": true});
    let config = js.ok("STREAM.UPDATE.S", sealing)["config"].clone();
    let seen = [
        "sealed",
        "max_age",
        "discard",
        "deny_delete",
        "deny_purge",
        "allow_rollup_hdrs",
    ]
    .map(|field| config[field].clone());
    let expected = json!([true, 0, "new", true, true, false]);
    assert_eq!(json!(seen), expected);
    let refused = "400 10109 invalid operation on sealed stream";
    assert_eq!(
        js.publish("s", &[], "y"),
        r#"{"error":{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"},"stream":"S","seq":0}"#
    );
    check_api(
        &mut js,
        &[
            ("STREAM.PURGE.S", "", refused),
            ("STREAM.MSG.DELETE.S", r#"{"seq":1}"#, refused),
            ("STREAM.MSG.GET.S", r#"{"seq":1}"#, "ok"),
            (
                "STREAM.UPDATE.S",
                r#"{"name":"S","subjects":["s"],"sealed":false}"#,
                "500 10052 stream configuration update can not unseal a sealed stream",
            ),
            ("STREAM.DELETE.S", "", "ok"),
        ],
    );
}

#[test]
fn denied_operations_are_refused() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"], "deny_delete": true, "deny_purge": true}));
    js.put("s", "x");
    check_api(
        &mut js,
        &[
            ("STREAM.PURGE.S", "", "500 10110 stream purge not permitted"),
            (
                "STREAM.MSG.DELETE.S",
                r#"{"seq":1}"#,
                "500 10057 message delete not permitted",
            ),
        ],
    );
    assert_eq!(js.state("S")["messages"], 1);
}

#[test]
fn a_different_configuration_is_not_a_second_creation() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let other = js.api("STREAM.CREATE.S", json!({"name": "S", "subjects": ["t"]}));
    assert_eq!(
        outcome(&other),
        "400 10058 stream name already in use with a different configuration"
    );
    assert_eq!(
        other["type"],
        "io.nats.jetstream.api.v1.stream_create_response"
    );
}
