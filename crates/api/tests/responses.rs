//! Responses are valid by the published schemas, and to the byte what nats-server 2.14.5 sends.

mod support;

use cognate_api::*;
use cognate_model::{
    AccountLimits, ConsumerConfig, ExternalStream, Message, Nanos, StoreState, StreamConfig,
    SubjectTransform, Timestamp, error, json,
};
use support::check_schema;

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).expect("a time")
}

fn operation(subject: &str) -> Operation<'_> {
    Operation::parse(subject.as_bytes()).expect("a subject of the API")
}

fn decode<T: json::Record + Default>(text: &str) -> T {
    json::decode_request(text.as_bytes(), json::Unknown::Refused).expect("it can be decoded")
}

fn stream_config() -> StreamConfig {
    decode(concat!(
        r#"{"name":"S1","subjects":["foo.>","a&b<c"],"retention":"limits","max_consumers":-1,"#,
        r#""max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"#,
        r#""num_replicas":1,"duplicate_window":120000000000,"#,
        r#""metadata":{"_nats.req.level":"0","z":"1","a":"é\u2028"}}"#,
    ))
}

/// The configuration above as the Go server printed it.
const STREAM_CONFIG: &str = concat!(
    r#""config":{"name":"S1","subjects":["foo.\u003e","a\u0026b\u003cc"],"retention":"limits","#,
    r#""max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"#,
    r#""max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1,"#,
    r#""duplicate_window":120000000000,"compression":"none","allow_direct":false,"#,
    r#""mirror_direct":false,"sealed":false,"deny_delete":false,"deny_purge":false,"#,
    r#""allow_rollup_hdrs":false,"consumer_limits":{},"allow_msg_ttl":false,"metadata":{"#,
    r#""_nats.level":"4","_nats.req.level":"0","_nats.ver":"2.14.5","a":"é\u2028","z":"1"}}"#,
);

fn stream_info(state: StreamState) -> StreamInfo {
    StreamInfo {
        config: stream_config().shown("2.14.5"),
        created: time("2026-11-21T03:13:10.33925549Z"),
        state,
        ts: time("2026-11-21T03:13:10.34765659Z"),
        ..StreamInfo::default()
    }
}

fn consumer_config(more: &str) -> ConsumerConfig {
    let text = concat!(
        r#"{"durable_name":"D","name":"D","deliver_policy":"all","ack_policy":"explicit","#,
        r#""ack_wait":30000000000,"max_deliver":-1,"filter_subject":"foo.*","max_waiting":512,"#,
        r#""max_ack_pending":1000,"metadata":{"_nats.req.level":"0"}"#,
    );
    decode(&format!("{text}{more}}}"))
}

const CONSUMER_CONFIG: &str = concat!(
    r#""config":{"durable_name":"D","name":"D","deliver_policy":"all","ack_policy":"explicit","#,
    r#""ack_wait":30000000000,"max_deliver":-1,"filter_subject":"foo.*","replay_policy":"instant","#,
    r#""max_waiting":512,"max_ack_pending":1000,"num_replicas":0,"metadata":{"_nats.level":"4","#,
    r#""_nats.req.level":"0","_nats.ver":"2.14.5"}"#,
);

fn consumer_info(more: &str) -> ConsumerInfo {
    ConsumerInfo {
        stream_name: "S1".to_owned(),
        name: "D".to_owned(),
        created: time("2026-11-21T03:13:10.349187965Z"),
        config: consumer_config(more).shown("2.14.5"),
        ts: time("2026-11-21T03:13:10.356289275Z"),
        ..ConsumerInfo::default()
    }
}

/// The response is valid, and is `expected` after its type.
#[track_caller]
fn check<T: serde::Serialize>(subject: &str, body: &T, expected: &str) {
    let operation = operation(subject);
    let text = response(&operation, body);
    let kind = operation.response_type().expect("it answers with JSON");
    let expected = match expected {
        "" => format!("{{\"type\":\"{kind}\"}}"),
        more => format!("{{\"type\":\"{kind}\",{more}}}"),
    };
    assert_eq!(String::from_utf8(text.clone()).expect("text"), expected);
    check_schema(&text);
}

#[test]
fn a_created_stream_is_shown() {
    let info = stream_info(StreamState::of(&StoreState {
        first: 1,
        ..StoreState::default()
    }));
    let rest = concat!(
        r#","created":"2026-11-21T03:13:10.33925549Z","state":{"messages":0,"bytes":0,"#,
        r#""first_seq":0,"first_ts":"0001-01-01T00:00:00Z","last_seq":0,"#,
        r#""last_ts":"0001-01-01T00:00:00Z","consumer_count":0},"#,
        r#""ts":"2026-11-21T03:13:10.34765659Z""#,
    );
    let expected = format!("{STREAM_CONFIG}{rest}");
    check("$JS.API.STREAM.UPDATE.S1", &info, &expected);
    let created = CreatedStream {
        info,
        did_create: true,
    };
    check(
        "$JS.API.STREAM.CREATE.S1",
        &created,
        &format!("{expected},\"did_create\":true"),
    );
}

#[test]
fn a_stream_is_shown_with_details() {
    let state = StreamState {
        consumer_count: 3,
        deleted: vec![2],
        subjects: [("a&b<c".to_owned(), 1), ("foo.x".to_owned(), 1)].into(),
        ..StreamState::of(&StoreState {
            messages: 2,
            bytes: 76,
            first: 1,
            first_time: time("2026-11-21T03:13:10.3588966Z"),
            last: 3,
            last_time: time("2026-11-21T03:13:10.359019211Z"),
            subjects: 2,
            deleted: 1,
        })
    };
    let info = StreamInfo {
        cluster: Some(ClusterInfo {
            leader: "NCFK".to_owned(),
            ..ClusterInfo::default()
        }),
        ..stream_info(state)
    };
    let page = Page::new(2, 0, SUBJECTS_LIMIT);
    let expected = concat!(
        r#","created":"2026-11-21T03:13:10.33925549Z","state":{"messages":2,"bytes":76,"#,
        r#""first_seq":1,"first_ts":"2026-11-21T03:13:10.3588966Z","last_seq":3,"#,
        r#""last_ts":"2026-11-21T03:13:10.359019211Z","num_subjects":2,"#,
        r#""subjects":{"a\u0026b\u003cc":1,"foo.x":1},"num_deleted":1,"deleted":[2],"#,
        r#""consumer_count":3},"cluster":{"leader":"NCFK"},"ts":"2026-11-21T03:13:10.34765659Z""#,
    );
    let expected = format!(r#""total":2,"offset":0,"limit":100000,{STREAM_CONFIG}{expected}"#);
    check(
        "$JS.API.STREAM.INFO.S1",
        &InfoPage { page, info },
        &expected,
    );
}

#[test]
fn origins_and_replicas_are_shown() {
    let info = StreamInfo {
        domain: "hub".to_owned(),
        sources: vec![SourceInfo {
            name: "X".to_owned(),
            external: Some(ExternalStream {
                api: "$JS.other.API".to_owned(),
                deliver: "dl".to_owned(),
            }),
            active: Nanos(-1),
            error: Some(error::STREAM_NOT_FOUND),
            subject_transforms: vec![SubjectTransform {
                src: "t.a".to_owned(),
                dest: "u.a".to_owned(),
            }],
            ..SourceInfo::default()
        }],
        alternates: vec![Alternate {
            name: "M".to_owned(),
            ..Alternate::default()
        }],
        cluster: Some(ClusterInfo {
            name: "C".to_owned(),
            raft_group: "g".to_owned(),
            leader: "n1".to_owned(),
            leader_since: Some(time("2026-11-21T03:13:10Z")),
            system_account: true,
            traffic_account: "SYS".to_owned(),
            replicas: vec![PeerInfo {
                name: "n2".to_owned(),
                offline: true,
                active: Nanos(5),
                lag: 3,
                peer: "p".to_owned(),
                current: false,
            }],
        }),
        ..stream_info(StreamState {
            lost: Some(LostMessages {
                msgs: vec![7, 9],
                bytes: 100,
            }),
            ..StreamState::default()
        })
    };
    let shown = check_schema(&response(&operation("$JS.API.STREAM.UPDATE.S1"), &info));
    assert_eq!(shown["sources"][0]["error"]["err_code"], 10059);
    assert_eq!(shown["state"]["lost"]["msgs"], serde_json::json!([7, 9]));
    assert_eq!(shown["cluster"]["replicas"][0]["lag"], 3);
}

#[test]
fn lists_are_shown_by_the_page() {
    let names = |count: usize| (0..count).map(|number| format!("n{number:04}"));
    let page = Page::new(2000, 1000, NAMES_LIMIT);
    let shown: Vec<String> = page.of(names(2000)).collect();
    assert_eq!(
        (shown.len(), shown.first()),
        (1000, Some(&"n1000".to_owned()))
    );
    assert_eq!(Page::new(2, 5, 10).offset, 2);
    assert_eq!(Page::new(2, i64::MIN, 10).offset, 0);
    assert_eq!(
        Page::new(3000, 0, NAMES_LIMIT).of(names(3000)).count(),
        NAMES_LIMIT
    );

    let page = Page::new(1, 0, NAMES_LIMIT);
    let streams = vec!["S1".to_owned()];
    let expected = r#""total":1,"offset":0,"limit":1024,"streams":["S1"]"#;
    check(
        "$JS.API.STREAM.NAMES",
        &NamesPage::Streams { page, streams },
        expected,
    );
    let page = Page::new(0, 0, NAMES_LIMIT);
    let expected = r#""total":0,"offset":0,"limit":1024,"streams":null"#;
    let none = NamesPage::Streams {
        page,
        streams: Vec::new(),
    };
    check("$JS.API.STREAM.NAMES", &none, expected);
    let expected = r#""total":0,"offset":0,"limit":1024,"consumers":[]"#;
    let none = NamesPage::Consumers {
        page,
        consumers: Vec::new(),
    };
    check("$JS.API.CONSUMER.NAMES.S", &none, expected);

    let streams = StreamListPage {
        page: Page::new(1, 0, LIST_LIMIT),
        streams: vec![stream_info(StreamState::default())],
        missing: vec!["S2".to_owned()],
        offline: [("S3".to_owned(), "unsupported".to_owned())].into(),
    };
    let shown = check_schema(&response(&operation("$JS.API.STREAM.LIST"), &streams));
    assert_eq!(
        (&shown["limit"], &shown["missing"][0]),
        (&256.into(), &"S2".into())
    );
    let consumers = ConsumerListPage {
        page: Page::new(1, 0, LIST_LIMIT),
        consumers: vec![consumer_info("")],
        missing: Vec::new(),
        offline: Default::default(),
    };
    let shown = check_schema(&response(&operation("$JS.API.CONSUMER.LIST.S"), &consumers));
    assert_eq!(shown["consumers"][0]["name"], "D");
}

#[test]
fn consumers_are_shown() {
    let rest = concat!(
        r#","delivered":{"consumer_seq":0,"stream_seq":0},"#,
        r#""ack_floor":{"consumer_seq":0,"stream_seq":0},"num_ack_pending":0,"#,
        r#""num_redelivered":0,"num_waiting":0,"num_pending":0,"#,
    );
    let head = r#""stream_name":"S1","name":"D","created":"2026-11-21T03:13:10.349187965Z","#;
    let ts = r#""ts":"2026-11-21T03:13:10.356289275Z""#;
    let expected = format!("{head}{CONSUMER_CONFIG}}}{rest}{ts}");
    check("$JS.API.CONSUMER.INFO.S1.D", &consumer_info(""), &expected);
    check(
        "$JS.API.CONSUMER.CREATE.S1.D",
        &consumer_info(""),
        &expected,
    );

    let until = r#","pause_until":"2099-12-31T22:00:00.5Z""#;
    let paused = ConsumerInfo {
        paused: true,
        pause_remaining: Nanos(2_307_206_810_143_710_385),
        ..consumer_info(until)
    };
    let pause = r#""paused":true,"pause_remaining":2307206810143710385,"#;
    let expected = format!("{head}{CONSUMER_CONFIG}{until}}}{rest}{pause}{ts}");
    check("$JS.API.CONSUMER.INFO.S1.D", &paused, &expected);

    let busy = ConsumerInfo {
        delivered: SequenceInfo {
            consumer_seq: 4,
            stream_seq: 9,
            last_active: Some(time("2026-11-21T03:13:10Z")),
        },
        push_bound: true,
        priority_groups: vec![PinnedGroup {
            group: "a".to_owned(),
            pinned_client_id: "id".to_owned(),
            pinned_ts: Timestamp::ZERO_TIME,
        }],
        ..consumer_info("")
    };
    let shown = check_schema(&response(&operation("$JS.API.CONSUMER.INFO.S1.D"), &busy));
    assert_eq!(
        shown["priority_groups"][0]["pinned_ts"],
        "0001-01-01T00:00:00Z"
    );
}

#[test]
fn consumers_are_paused_reset_unpinned_and_deleted() {
    let now = time("2026-11-21T03:13:10Z");
    let until = Some(time("2026-11-21T05:13:11.5+02:00"));
    let expected =
        r#""paused":true,"pause_until":"2026-11-21T03:13:11.5Z","pause_remaining":1500000000"#;
    check(
        "$JS.API.CONSUMER.PAUSE.S.C",
        &PauseState::new(until, now),
        expected,
    );
    let expected = r#""paused":false,"pause_until":"0001-01-01T00:00:00Z""#;
    check(
        "$JS.API.CONSUMER.PAUSE.S.C",
        &PauseState::new(None, now),
        expected,
    );
    let reset = ResetConsumer {
        info: consumer_info(""),
        reset_seq: 1,
    };
    let shown = check_schema(&response(&operation("$JS.API.CONSUMER.RESET.S.C"), &reset));
    assert_eq!(shown["reset_seq"], 1);
    check("$JS.API.CONSUMER.UNPIN.S.C", &Done {}, "");
    let done = r#""success":true"#;
    check("$JS.API.CONSUMER.DELETE.S.C", &Success::DONE, done);
    check("$JS.API.CONSUMER.LEADER.STEPDOWN.S.C", &Success::DONE, done);
}

#[test]
fn streams_are_changed() {
    let done = r#""success":true"#;
    check("$JS.API.STREAM.DELETE.S", &Success::DONE, done);
    check("$JS.API.STREAM.MSG.DELETE.S", &Success::DONE, done);
    check("$JS.API.STREAM.LEADER.STEPDOWN.S", &Success::DONE, done);
    check("$JS.API.STREAM.PEER.REMOVE.S", &Success::DONE, done);
    check("$JS.API.META.LEADER.STEPDOWN", &Success::DONE, done);
    check("$JS.API.SERVER.REMOVE", &Success::DONE, done);
    let initiated = Initiated { initiated: true };
    check("$JS.API.ACCOUNT.PURGE.A", &initiated, r#""initiated":true"#);
    let purged = Purged {
        success: true,
        purged: 1,
    };
    check(
        "$JS.API.STREAM.PURGE.S",
        &purged,
        r#""success":true,"purged":1"#,
    );
    let started = RestoreStarted {
        deliver_subject: "$JS.SNAPSHOT.RESTORE.S.x".to_owned(),
    };
    let expected = r#""deliver_subject":"$JS.SNAPSHOT.RESTORE.S.x""#;
    check("$JS.API.STREAM.RESTORE.S", &started, expected);
    let started = SnapshotStarted {
        config: stream_config(),
        state: StreamState::default(),
    };
    check_schema(&response(&operation("$JS.API.STREAM.SNAPSHOT.S"), &started));
}

#[test]
fn messages_are_shown() {
    let message = Message {
        sequence: 2,
        timestamp: time("2026-11-21T03:13:10.358979993Z"),
        subject: b"foo.y",
        headers: b"NATS/1.0\r\nA: b\r\n\r\n",
        payload: b"hello",
    };
    let expected = concat!(
        r#""message":{"subject":"foo.y","seq":2,"hdrs":"TkFUUy8xLjANCkE6IGINCg0K","#,
        r#""data":"aGVsbG8=","time":"2026-11-21T03:13:10.358979993Z"}"#,
    );
    check(
        "$JS.API.STREAM.MSG.GET.S",
        &StoredMessage::new(&message, true),
        expected,
    );
    let expected = concat!(
        r#""message":{"subject":"foo.y","seq":2,"data":"aGVsbG8=","#,
        r#""time":"2026-11-21T03:13:10.358979993Z"}"#,
    );
    check(
        "$JS.API.STREAM.MSG.GET.S",
        &StoredMessage::new(&message, false),
        expected,
    );
}

#[test]
fn accounts_are_shown() {
    let usage = AccountUsage {
        limits: AccountLimits::UNLIMITED,
        ..AccountUsage::default()
    };
    let info = AccountInfo {
        usage: usage.clone(),
        api: ApiStats {
            level: 4,
            total: 109,
            errors: 72,
            inflight: 0,
        },
        ..AccountInfo::default()
    };
    let expected = concat!(
        r#""memory":0,"storage":0,"reserved_memory":0,"reserved_storage":0,"streams":0,"#,
        r#""consumers":0,"limits":{"max_memory":-1,"max_storage":-1,"max_streams":-1,"#,
        r#""max_consumers":-1,"max_ack_pending":-1,"memory_max_stream_bytes":-1,"#,
        r#""storage_max_stream_bytes":-1,"max_bytes_required":false},"#,
        r#""api":{"level":4,"total":109,"errors":72}"#,
    );
    check("$JS.API.INFO", &info, expected);
    let tiered = AccountInfo {
        domain: "hub".to_owned(),
        tiers: [("R1".to_owned(), usage)].into(),
        ..info
    };
    check_schema(&response(&operation("$JS.API.INFO"), &tiered));
}

#[test]
fn pub_acks_are_valid() {
    let schema = include_str!("../../../schemas/jetstream/api/v1/pub_ack_response.json");
    let schema = serde_json::from_str(schema).expect("a schema");
    let mut accepted = Vec::new();
    let ack = PubAck {
        stream: "S",
        sequence: 5,
        domain: "hub",
        duplicate: true,
        ..PubAck::default()
    };
    write_pub_ack(&mut accepted, &ack);
    let mut refused = Vec::new();
    write_pub_ack_error(&mut refused, "S", 0, &error::STREAM_SEALED);
    for text in [accepted, refused] {
        let mut faults = Vec::new();
        let value = serde_json::from_slice(&text).expect("JSON");
        support::validate(&schema, &value, "", &mut faults);
        assert_eq!(faults, Vec::<String>::new(), "{value}");
    }
}
