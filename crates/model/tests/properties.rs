//! Whatever a request says, it is checked without panic, and what was checked stays as it is.

use cognate_model::{
    AccountLimits, ConsumerConfig, ConsumerContext, Nanos, ServerLimits, StreamConfig,
    StreamContext, Timestamp, json, text,
};
use proptest::prelude::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c.*>]{0,6}",
        Just("$JS.API.x".to_owned()),
        Just("a.{{wildcard(1)}}".to_owned()),
        prop::sample::select(vec![
            "S",
            "T",
            "limits",
            "workqueue",
            "interest",
            "new",
            "old",
            "memory",
            "file",
            "async",
            "explicit",
            "all",
            "none",
            "flow_control",
            "by_start_time",
            "last",
            "overflow",
            "pinned_client",
            "30%",
            "-1",
            "2024-01-01T00:00:00Z",
        ])
        .prop_map(str::to_owned),
    ]
}

fn value() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        word().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-2_i64..4).prop_map(serde_json::Value::from),
        (0_i64..4).prop_map(|seconds| serde_json::Value::from(seconds * 1_000_000_000)),
        prop::collection::vec(word(), 0..3).prop_map(serde_json::Value::from),
        (word(), word()).prop_map(|(src, dest)| serde_json::json!({"src": src, "dest": dest})),
        (word(), word()).prop_map(|(name, filter_subject)| {
            serde_json::json!({"name": name, "filter_subject": filter_subject})
        }),
        (word(), word()).prop_map(|(name, api)| {
            serde_json::json!([{"name": name, "external": {"api": api, "deliver": api}}])
        }),
    ]
}

/// A document with some of a type's members, each with some value.
fn document(names: Vec<String>) -> impl Strategy<Value = String> {
    let members = prop::collection::vec((prop::sample::select(names), value()), 0..6);
    members.prop_map(|members| {
        let members: serde_json::Map<_, _> = members.into_iter().collect();
        serde_json::Value::from(members).to_string()
    })
}

/// The members that a type may have, by its own writing of one with everything set.
fn names(document: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(document).expect("JSON");
    value
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect()
}

fn stream_names() -> Vec<String> {
    let mut names = names(&json::to_string(&StreamConfig::default()));
    names.extend(
        [
            "subjects",
            "mirror",
            "sources",
            "subject_transform",
            "republish",
            "description",
            "max_msg_size",
            "duplicate_window",
            "first_seq",
            "discard_new_per_subject",
            "no_ack",
            "subject_delete_marker_ttl",
            "allow_msg_counter",
            "allow_msg_schedules",
            "persist_mode",
            "allow_atomic",
            "allow_batched",
            "placement",
        ]
        .map(str::to_owned),
    );
    names
}

fn consumer_names() -> Vec<String> {
    [
        "durable_name",
        "name",
        "deliver_policy",
        "opt_start_seq",
        "opt_start_time",
        "ack_policy",
        "ack_wait",
        "max_deliver",
        "filter_subject",
        "filter_subjects",
        "replay_policy",
        "rate_limit_bps",
        "sample_freq",
        "max_waiting",
        "max_ack_pending",
        "flow_control",
        "max_batch",
        "max_expires",
        "max_bytes",
        "deliver_subject",
        "idle_heartbeat",
        "inactive_threshold",
        "num_replicas",
        "direct",
        "pause_until",
        "priority_groups",
        "priority_policy",
        "priority_timeout",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn decode<T: json::Record + Default>(text: &str) -> Option<T> {
    json::decode_request(text.as_bytes(), json::Unknown::Ignored).ok()
}

proptest! {
    #[test]
    fn a_checked_stream_stays_as_it_is(document in document(stream_names()), pedantic: bool) {
        let Some(mut config) = decode::<StreamConfig>(&document) else {
            return Ok(());
        };
        config.name = "S".to_owned();
        let find = |name: &str| (name == "T").then(|| config.clone());
        let context = StreamContext {
            server: &ServerLimits::default(),
            account: &AccountLimits::UNLIMITED,
            pedantic,
            find: &find,
        };
        if let Ok(checked) = config.clone().checked(&context) {
            prop_assert_eq!(checked.clone().checked(&context), Ok(checked.clone()));
            prop_assert_eq!(checked.filters().len(), checked.subjects.len());
            let read = decode::<StreamConfig>(&json::to_string(&checked));
            prop_assert_eq!(read.as_ref(), Some(&checked));
            // It can be updated to itself; being sealed changes it once.
            let updated = checked.updated(checked.clone()).expect("nothing changes");
            prop_assert_eq!(updated.updated(updated.clone()), Ok(updated.clone()));
        }
    }

    #[test]
    fn a_checked_consumer_stays_as_it_is(document in document(consumer_names()), pedantic: bool) {
        let Some(config) = decode::<ConsumerConfig>(&document) else {
            return Ok(());
        };
        let stream = StreamConfig { num_replicas: 1, ..StreamConfig::default() };
        let context = ConsumerContext {
            server: &ServerLimits::default(),
            account: &AccountLimits::UNLIMITED,
            pedantic,
            stream: &stream,
        };
        if let Ok(checked) = config.checked(&context) {
            prop_assert_eq!(checked.clone().checked(&context), Ok(checked.clone()));
            prop_assert_eq!(checked.filters().len(), checked.filter_texts().count());
            let read = decode::<ConsumerConfig>(&json::to_string(&checked));
            prop_assert_eq!(read.as_ref(), Some(&checked));
            prop_assert_eq!(checked.check_update(&checked, true), Ok(()));
        }
    }

    #[test]
    fn times_are_read_as_they_are_written(nanos: i64) {
        let time = Timestamp(nanos);
        prop_assert_eq!(Timestamp::parse_rfc3339(&time.rfc3339()), Some(time));
    }

    #[test]
    fn no_text_makes_the_time_reader_panic(text in "\\PC{0,40}", digits in "[0-9:.TZ+-]{18,32}") {
        let _ = Timestamp::parse_rfc3339(&text);
        let _ = Timestamp::parse_rfc3339(&digits);
    }

    #[test]
    fn strings_are_escaped_so_that_they_can_be_read(text in "\\PC{0,20}[<>&\"\\\\\u{1}\u{2028}]?") {
        let mut out = Vec::new();
        json::write_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("a string"), text);
    }
}

#[test]
fn times_are_written_as_by_go() {
    #[track_caller]
    fn check(nanos: i64, expected: &str) {
        assert_eq!(Timestamp(nanos).rfc3339(), expected);
    }
    check(0, "1970-01-01T00:00:00Z");
    check(1_700_000_000_000_000_000, "2023-11-14T22:13:20Z");
    check(1_700_000_000_100_000_000, "2023-11-14T22:13:20.1Z");
    check(1_700_000_000_123_456_789, "2023-11-14T22:13:20.123456789Z");
    check(1_700_000_000_000_000_010, "2023-11-14T22:13:20.00000001Z");
    check(-1, "1969-12-31T23:59:59.999999999Z");
    check(i64::MIN, "0001-01-01T00:00:00Z");
    check(i64::MAX, "2262-04-11T23:47:16.854775807Z");

    let parse = Timestamp::parse_rfc3339;
    assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
    assert_eq!(parse("9999-01-01T00:00:00Z"), Some(Timestamp(i64::MAX)));
    assert_eq!(parse("0001-01-01T00:00:00Z"), Some(Timestamp::ZERO_TIME));
    for text in [
        "",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-13-01T00:00:00Z",
        "1970-01-01 00:00:00Z",
    ] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn durations_are_written_as_by_go() {
    #[track_caller]
    fn check(nanos: Nanos, expected: &str) {
        assert_eq!(text::duration(nanos.0), expected);
    }
    check(Nanos(0), "0s");
    check(Nanos(1), "1ns");
    check(Nanos(1_100), "1.1µs");
    check(Nanos::from_millis(100), "100ms");
    check(Nanos(2_200_000), "2.2ms");
    check(Nanos::from_millis(3_300), "3.3s");
    check(Nanos::from_secs(60), "1m0s");
    check(Nanos::from_secs(3600), "1h0m0s");
    check(Nanos::from_millis(-5_001), "-5.001s");
    check(Nanos(i64::MAX), "2562047h47m16.854775807s");
    check(Nanos(i64::MIN), "-2562047h47m16.854775808s");
}
