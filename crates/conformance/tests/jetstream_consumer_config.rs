//! What a consumer's configuration may say: refusals on creation, names in subject and body,
//! actions, and editing rules.

use cognate_conformance::jetstream::{JetStream, check_api, server};
use serde_json::{Value, json};

fn stream(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
}

/// Sends each set of fields as the configuration of a durable of its own.
#[track_caller]
fn check_create(js: &mut JetStream, cases: &[(Value, &str)]) {
    let mut failures = Vec::new();
    for (number, (fields, expected)) in cases.iter().enumerate() {
        let name = format!("X{number}");
        let mut config = fields.clone();
        config["name"] = json!(name);
        config["durable_name"] = json!(name);
        let subject = format!("CONSUMER.CREATE.S.{name}");
        let seen = js.outcome(&subject, json!({"stream_name": "S", "config": config}));
        if seen != *expected {
            let shown: String = fields.to_string().chars().take(150).collect();
            failures.push(format!(
                "{shown}\n    expected {expected}\n    got      {seen}"
            ));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn filters_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    check_create(
        &mut js,
        &[
            (json!({"filter_subject": "elsewhere"}), "ok"),
            (
                json!({"filter_subject": "s.1", "filter_subjects": ["s.2"]}),
                "400 10136 consumer cannot have both FilterSubject and FilterSubjects specified",
            ),
            (
                json!({"filter_subjects": ["s.1", ""]}),
                "400 10139 consumer filter in FilterSubjects cannot be empty",
            ),
            (
                json!({"filter_subjects": ["s.1", "s.*"]}),
                "400 10138 consumer subject filters cannot overlap",
            ),
        ],
    );
}

#[test]
fn deliver_policies_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    let policy = |name: &str| json!({"deliver_policy": name});
    check_create(
        &mut js,
        &[
            (
                policy("last_per_subject"),
                "400 10094 consumer delivery policy is deliver last per subject, but optional filter subject is not set",
            ),
            (
                policy("by_start_sequence"),
                "400 10094 consumer delivery policy is deliver by start sequence, but optional start sequence is not set",
            ),
            (
                policy("by_start_time"),
                "400 10094 consumer delivery policy is deliver by start time, but optional start time is not set",
            ),
            (
                json!({"opt_start_seq": 3}),
                "400 10094 consumer delivery policy is deliver all, but optional start sequence is also set",
            ),
            (
                policy("x"),
                r#"400 10025 invalid JSON: can not unmarshal "\"x\"""#,
            ),
            (
                json!({"ack_policy": "x"}),
                r#"400 10025 invalid JSON: can not unmarshal "\"x\"""#,
            ),
            (
                json!({"replay_policy": "x"}),
                r#"400 10025 invalid JSON: can not unmarshal "\"x\"""#,
            ),
        ],
    );
}

#[test]
fn push_settings_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    let push = |field: &str, value: Value| json!({"deliver_subject": "d", field: value});
    check_create(
        &mut js,
        &[
            (
                json!({"deliver_subject": "d.*"}),
                "400 10079 consumer deliver subject has wildcards",
            ),
            (
                json!({"deliver_subject": "s.9"}),
                "400 10081 consumer deliver subject forms a cycle",
            ),
            (
                push("max_waiting", json!(3)),
                "400 10080 consumer in push mode can not set max waiting",
            ),
            (
                push("idle_heartbeat", json!(5)),
                "400 10083 consumer idle heartbeat needs to be >= 100ms",
            ),
            (
                push("flow_control", json!(true)),
                "400 10108 consumer with flow control also needs heartbeats",
            ),
            (
                json!({"flow_control": true}),
                "400 10089 consumer flow control requires a push based consumer",
            ),
            (
                json!({"idle_heartbeat": 1_000_000_000}),
                "400 10088 consumer idle heartbeat requires a push based consumer",
            ),
            (
                json!({"rate_limit_bps": 5}),
                "400 10086 consumer in pull mode can not have rate limit set",
            ),
            (
                json!({"ack_policy": "flow_control"}),
                "400 10218 flow control ack policy requires a push based consumer",
            ),
        ],
    );
}

#[test]
fn numbers_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    check_create(
        &mut js,
        &[
            (
                json!({"ack_policy": "explicit", "max_deliver": 2, "backoff": [1, 2, 3]}),
                "400 10116 max deliver is required to be > length of backoff values",
            ),
            (
                json!({"ack_policy": "explicit", "ack_wait": -1}),
                "400 10183 consumer ack wait needs to be positive",
            ),
            (
                json!({"description": "x".repeat(4097)}),
                "400 10107 consumer description is too long, maximum allowed is 4096",
            ),
            (
                json!({"metadata": {"a": "x".repeat(131_072)}}),
                "400 10135 consumer metadata exceeds maximum size of 128KB",
            ),
            (
                json!({"num_replicas": 3}),
                "500 10074 replicas > 1 not supported in non-clustered mode",
            ),
            (
                json!({"sample_freq": "x"}),
                r#"400 10095 failed to parse consumer sampling configuration: strconv.Atoi: parsing "x": invalid syntax"#,
            ),
            (
                json!({"max_expires": 5}),
                "400 10115 consumer max request expires needs to be >= 1ms",
            ),
            (json!({"max_waiting": -1}), "ok"),
        ],
    );
}

#[test]
fn priority_groups_are_checked() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    let overflow =
        |groups: Value| json!({"priority_policy": "overflow", "priority_groups": groups});
    check_create(
        &mut js,
        &[
            (
                json!({"priority_policy": "overflow"}),
                "400 10159 Setting PriorityPolicy requires at least one PriorityGroup to be set",
            ),
            (
                json!({"priority_groups": ["a"]}),
                "400 10196 consumer can not have priority groups when policy is none",
            ),
            (
                json!({"priority_policy": "x", "priority_groups": ["a"]}),
                r#"400 10025 invalid JSON: unknown priority policy: "x""#,
            ),
            (
                overflow(json!(["a b"])),
                "400 10162 Valid priority group name must match A-Z, a-z, 0-9, -_/=)+ and may not exceed 16 characters",
            ),
            (
                overflow(json!([""])),
                "400 10161 Group name cannot be an empty string",
            ),
            (
                json!({
                    "priority_policy": "overflow", "priority_groups": ["a"],
                    "deliver_subject": "d",
                }),
                "400 10178 priority groups can not be used with push consumers",
            ),
        ],
    );
}

#[test]
fn names_must_agree() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    check_api(
        &mut js,
        &[
            (
                "CONSUMER.CREATE.S.N",
                r#"{"stream_name":"T","config":{"name":"N"}}"#,
                "400 10056 stream name in subject does not match request",
            ),
            (
                "CONSUMER.CREATE.S.N",
                r#"{"stream_name":"S","config":{"name":"N","durable_name":"M"}}"#,
                "400 10017 consumer name in subject does not match durable name in request",
            ),
            (
                "CONSUMER.CREATE.S",
                r#"{"stream_name":"S","config":{"durable_name":"M"}}"#,
                "400 10020 consumer expected to be ephemeral but a durable name was set in request",
            ),
            (
                "CONSUMER.DURABLE.CREATE.S.M",
                r#"{"stream_name":"S","config":{}}"#,
                "400 10018 consumer expected to be durable but a durable name was not set",
            ),
            (
                "CONSUMER.DURABLE.CREATE.S.M",
                r#"{"stream_name":"S","config":{"durable_name":"Q"}}"#,
                "400 10017 consumer name in subject does not match durable name in request",
            ),
        ],
    );
}

#[test]
fn a_filter_in_the_subject_must_be_that_of_the_body() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    check_api(
        &mut js,
        &[
            (
                "CONSUMER.CREATE.S.N.s.1",
                r#"{"stream_name":"S","config":{"name":"N","filter_subject":"s.2"}}"#,
                "400 10131 Consumer create request did not match filtered subject from create subject",
            ),
            (
                "CONSUMER.CREATE.S.N.s.1",
                r#"{"stream_name":"S","config":{"name":"N","filter_subjects":["s.2"]}}"#,
                "400 10137 consumer with multiple subject filters cannot use subject based API",
            ),
            (
                "CONSUMER.CREATE.S.N.s.1",
                r#"{"stream_name":"S","config":{"name":"N","filter_subject":"s.1"}}"#,
                "ok",
            ),
            (
                "CONSUMER.CREATE.S.N",
                r#"{"stream_name":"S","config":{"name":"N","filter_subject":"s.1"}}"#,
                "ok",
            ),
        ],
    );
}

#[test]
fn actions_say_whether_it_must_exist() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    check_api(
        &mut js,
        &[
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","action":"update","config":{"name":"C","durable_name":"C"}}"#,
                "400 10149 consumer does not exist",
            ),
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","action":"create","config":{"name":"C","durable_name":"C"}}"#,
                "ok",
            ),
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","action":"create","config":{"name":"C","durable_name":"C"}}"#,
                "ok",
            ),
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","action":"create","config":{"name":"C","durable_name":"C","description":"x"}}"#,
                "400 10148 consumer already exists",
            ),
            (
                "CONSUMER.CREATE.S.C",
                r#"{"stream_name":"S","action":"update","config":{"name":"C","durable_name":"C","description":"x"}}"#,
                "ok",
            ),
        ],
    );
}

#[test]
fn some_fields_can_be_edited_and_some_not() {
    let server = server();
    let mut js = JetStream::connect(&server);
    stream(&mut js);
    js.durable("S", "C");
    let mut edit = |field: &str, value: Value| {
        let mut config = json!({"name": "C", "durable_name": "C", "ack_policy": "explicit"});
        config[field] = value;
        js.outcome(
            "CONSUMER.CREATE.S.C",
            json!({"stream_name": "S", "config": config}),
        )
    };
    for (field, value, expected) in [
        (
            "ack_policy",
            json!("none"),
            "500 10012 ack policy can not be updated",
        ),
        (
            "deliver_policy",
            json!("last"),
            "500 10012 deliver policy can not be updated",
        ),
        (
            "replay_policy",
            json!("original"),
            "500 10012 replay policy can not be updated",
        ),
        (
            "max_waiting",
            json!(5),
            "500 10012 max waiting can not be updated",
        ),
        (
            "deliver_subject",
            json!("d"),
            "500 10012 can not update pull consumer to push based",
        ),
        ("description", json!("d"), "ok"),
        ("ack_wait", json!(1_000_000_000), "ok"),
        ("max_deliver", json!(5), "ok"),
        ("backoff", json!([1_000_000_000]), "ok"),
        ("filter_subject", json!("s.1"), "ok"),
        ("filter_subjects", json!(["s.1", "s.2"]), "ok"),
        ("max_ack_pending", json!(7), "ok"),
        ("headers_only", json!(true), "ok"),
        ("sample_freq", json!("10%"), "ok"),
        ("max_batch", json!(7), "ok"),
        ("inactive_threshold", json!(1_000_000_000), "ok"),
        ("metadata", json!({"a": "b"}), "ok"),
    ] {
        assert_eq!(edit(field, value), expected, "{field}");
    }
}

#[test]
fn the_streams_limits_on_consumers_hold() {
    let server = server();
    let mut js = JetStream::connect(&server);
    js.stream(json!({
        "name": "S", "subjects": ["s.>"], "max_consumers": 3,
        "consumer_limits": {"max_ack_pending": 10, "inactive_threshold": 7_000_000_000_u64},
    }));
    check_create(
        &mut js,
        &[
            (
                json!({"ack_policy": "explicit", "max_ack_pending": 20}),
                "400 10121 consumer max ack pending exceeds system limit of 10",
            ),
            (
                json!({"inactive_threshold": 8_000_000_000_u64}),
                "400 10153 consumer inactive threshold exceeds system limit of 7s",
            ),
            (json!({}), "ok"),
            (json!({}), "ok"),
        ],
    );
    let defaults = js.consumer("S", json!({"name": "E", "ack_policy": "explicit"}));
    assert_eq!(
        [
            &defaults["config"]["max_ack_pending"],
            &defaults["config"]["inactive_threshold"]
        ],
        [10, 7_000_000_000_u64].each_ref()
    );
    check_create(
        &mut js,
        &[(json!({}), "400 10026 maximum consumers limit reached")],
    );
}
