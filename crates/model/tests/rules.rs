//! Rules that need more than one configuration, and values too long to record.

use cognate_model::{
    AccountLimits, ApiError, ConsumerConfig, ConsumerContext, ConsumerLimits, ConsumerName,
    NameError, Nanos, Reservation, ServerLimits, StorageType, StreamConfig, StreamContext,
    StreamName, check_reservation, check_reservation_update, error, json, level,
};

fn decode<T: json::Record + Default>(text: &str) -> T {
    json::decode_request(text.as_bytes(), json::Unknown::Refused).expect("it can be decoded")
}

fn stream(text: &str) -> StreamConfig {
    decode(text)
}

fn consumer(text: &str) -> ConsumerConfig {
    decode(text)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, ApiError>, err_code: u16, text: &str) {
    let error = outcome.expect_err("it is refused");
    assert_eq!(
        (error.err_code, error.description.as_ref()),
        (err_code, text)
    );
}

fn check_stream(
    config: StreamConfig,
    server: &ServerLimits,
    account: &AccountLimits,
) -> Result<StreamConfig, ApiError> {
    config.checked(&StreamContext {
        server,
        account,
        pedantic: false,
        find: &|_| None,
    })
}

fn check_consumer(
    config: ConsumerConfig,
    server: &ServerLimits,
    account: &AccountLimits,
) -> Result<ConsumerConfig, ApiError> {
    config.checked(&ConsumerContext {
        server,
        account,
        pedantic: false,
        stream: &stream(r#"{"name":"S","num_replicas":1}"#),
    })
}

#[test]
fn long_texts_are_refused() {
    let (server, account) = (ServerLimits::default(), AccountLimits::UNLIMITED);
    let base = stream(r#"{"name":"S"}"#);
    let long = "x".repeat(4097);
    let config = StreamConfig {
        description: long.clone(),
        ..base.clone()
    };
    let text = "stream description is too long, maximum allowed is 4096";
    refused(check_stream(config, &server, &account), 10052, text);
    let metadata = [("k".to_owned(), "x".repeat(128 * 1024))];
    let config = StreamConfig {
        metadata: metadata.clone().into(),
        ..base.clone()
    };
    let text = "stream metadata exceeds maximum size of 131072 bytes";
    refused(check_stream(config, &server, &account), 10052, text);
    let config = StreamConfig {
        name: "n".repeat(256),
        ..base
    };
    let text = "stream name is too long, maximum allowed is 255";
    refused(check_stream(config, &server, &account), 10052, text);
    let config = ConsumerConfig {
        description: long,
        ..ConsumerConfig::default()
    };
    let text = "consumer description is too long, maximum allowed is 4096";
    refused(check_consumer(config, &server, &account), 10107, text);
    let config = ConsumerConfig {
        metadata: metadata.into(),
        ..ConsumerConfig::default()
    };
    let text = "consumer metadata exceeds maximum size of 128KB";
    refused(check_consumer(config, &server, &account), 10135, text);
}

#[test]
fn the_servers_limits_are_kept_and_are_defaults() {
    let server = ServerLimits {
        duplicate_window: Nanos::from_secs(60),
        max_ack_pending: 100,
        max_request_batch: 10,
    };
    let account = AccountLimits {
        max_ack_pending: 50,
        ..AccountLimits::UNLIMITED
    };
    let checked = check_stream(stream(r#"{"name":"S"}"#), &server, &account);
    assert_eq!(
        checked.expect("valid").duplicate_window,
        Nanos::from_secs(60)
    );
    let config = stream(r#"{"name":"S","duplicate_window":61000000000}"#);
    let text = "duplicates window can not be larger then server limit of 1m0s";
    refused(check_stream(config, &server, &account), 10052, text);

    let checked = check_consumer(consumer(r#"{"ack_policy":"explicit"}"#), &server, &account);
    let checked = checked.expect("valid");
    assert_eq!((checked.max_ack_pending, checked.max_batch), (50, 10));
    let config = consumer(r#"{"ack_policy":"explicit","max_ack_pending":60}"#);
    let text = "consumer max ack pending exceeds system limit of 50";
    refused(check_consumer(config, &server, &account), 10121, text);
    let config = consumer(r#"{"ack_policy":"explicit","max_batch":11}"#);
    let text = "consumer max request batch exceeds server limit of 10";
    refused(check_consumer(config, &server, &account), 10125, text);
}

#[test]
fn the_accounts_limits_are_kept() {
    let server = ServerLimits::default();
    let account = AccountLimits {
        max_bytes_required: true,
        storage_max_stream_bytes: 100,
        ..AccountLimits::UNLIMITED
    };
    let outcome = |text| check_stream(stream(text), &server, &account).map(|_| ());
    assert_eq!(
        outcome(r#"{"name":"S"}"#),
        Err(error::STREAM_MAX_BYTES_REQUIRED)
    );
    assert_eq!(
        outcome(r#"{"name":"S","max_bytes":101}"#),
        Err(error::STREAM_MAX_STREAM_BYTES_EXCEEDED)
    );
    assert_eq!(
        outcome(r#"{"name":"S","max_bytes":101,"storage":"memory"}"#),
        Ok(())
    );
    let account = AccountLimits {
        max_streams: 2,
        ..AccountLimits::UNLIMITED
    };
    assert_eq!(account.check_stream_count(1), Ok(()));
    assert_eq!(
        account.check_stream_count(2),
        Err(error::MAXIMUM_STREAMS_LIMIT)
    );
    assert_eq!(
        AccountLimits::UNLIMITED.check_stream_count(usize::MAX),
        Ok(())
    );
}

fn sized(max_bytes: i64) -> StreamConfig {
    StreamConfig {
        max_bytes,
        ..StreamConfig::default()
    }
}

const RESERVATION: Reservation = Reservation {
    account: 400,
    server: 0,
    server_max: 10_000,
};

fn small_account() -> AccountLimits {
    AccountLimits {
        max_storage: 1000,
        max_memory: 10,
        max_consumers: 5,
        ..AccountLimits::UNLIMITED
    }
}

#[test]
fn reservations_fit_into_the_account() {
    let check = |config: &StreamConfig| check_reservation(config, &small_account(), &RESERVATION);
    let exceeded = Err(error::STORAGE_RESOURCES_EXCEEDED);
    assert_eq!(check(&sized(600)), Ok(()));
    assert_eq!(check(&sized(601)), exceeded.clone());
    assert_eq!(check(&sized(-1)), Ok(()));
    let replicated = StreamConfig {
        num_replicas: 2,
        ..sized(301)
    };
    assert_eq!(check(&replicated), exceeded);
    let memory = StreamConfig {
        storage: StorageType::Memory,
        ..sized(11)
    };
    assert_eq!(check(&memory), Err(error::MEMORY_RESOURCES_EXCEEDED));
    let many = StreamConfig {
        max_consumers: 6,
        ..sized(1)
    };
    assert_eq!(check(&many), Err(error::MAXIMUM_CONSUMERS_LIMIT));
}

#[test]
fn reservations_fit_into_the_server() {
    let exceeded = Err(error::STORAGE_RESOURCES_EXCEEDED);
    let full = Reservation {
        server: 9_500,
        ..RESERVATION
    };
    assert_eq!(
        check_reservation(&sized(500), &small_account(), &full),
        Ok(())
    );
    assert_eq!(
        check_reservation(&sized(501), &small_account(), &full),
        exceeded.clone()
    );
    let extreme = Reservation {
        account: i64::MAX,
        server: i64::MIN,
        server_max: i64::MAX,
    };
    let huge = StreamConfig {
        num_replicas: i64::MAX,
        ..sized(i64::MAX)
    };
    assert_eq!(
        check_reservation(&huge, &small_account(), &extreme),
        exceeded
    );
}

#[test]
fn an_update_reserves_the_difference() {
    let update = |old, new| {
        check_reservation_update(&sized(old), &sized(new), &small_account(), &RESERVATION)
    };
    assert_eq!(update(500, 600), Ok(()));
    assert_eq!(update(500, 601), Err(error::STORAGE_RESOURCES_EXCEEDED));
    assert_eq!(update(i64::MAX, i64::MIN), Ok(()));
}

#[test]
fn subjects_belong_to_one_stream() {
    let new = stream(r#"{"name":"N","subjects":["a.*","b"]}"#);
    let free = [stream(r#"{"name":"O","subjects":["a","c.>"]}"#)];
    assert_eq!(new.check_subjects_free(&free), Ok(()));
    let taken = [stream(r#"{"name":"O","subjects":["c","*.x"]}"#)];
    assert_eq!(
        new.check_subjects_free(&taken),
        Err(error::STREAM_SUBJECT_OVERLAP)
    );
    let same = [stream(r#"{"name":"O","subjects":["b"]}"#)];
    assert_eq!(
        new.check_subjects_free(&same),
        Err(error::STREAM_SUBJECT_OVERLAP)
    );
}

#[test]
fn cycles_of_sources_are_found() {
    let account = AccountLimits::UNLIMITED;
    let streams = [
        stream(r#"{"name":"A","sources":[{"name":"B"}]}"#),
        stream(r#"{"name":"B","mirror":{"name":"C"}}"#),
        stream(r#"{"name":"D","subjects":["d"]}"#),
        stream(r#"{"name":"E","sources":[{"name":"D"}]}"#),
        stream(r#"{"name":"G","sources":[{"name":"E"}]}"#),
    ];
    let find = |name: &str| streams.iter().find(|stream| stream.name == name).cloned();
    let check = |text: &str| {
        let context = StreamContext {
            server: &ServerLimits::default(),
            account: &account,
            pedantic: false,
            find: &find,
        };
        stream(text).checked(&context).map(|_| ())
    };
    refused(
        check(r#"{"name":"C","sources":[{"name":"A"}]}"#),
        10052,
        "detected cycle",
    );
    assert_eq!(check(r#"{"name":"C","sources":[{"name":"D"}]}"#), Ok(()));
    let external = r#"{"name":"C","sources":[{"name":"A","external":{"api":"x","deliver":""}}]}"#;
    assert_eq!(check(external), Ok(()));
    // Two ways to one stream pass for a cycle, too, if the shorter is followed first.
    for sources in [
        r#"{"name":"D"},{"name":"E"}"#,
        r#"{"name":"G"},{"name":"D"}"#,
    ] {
        refused(
            check(&format!(r#"{{"name":"F","sources":[{sources}]}}"#)),
            10052,
            "detected cycle",
        );
    }
    let longer_first = r#"{"name":"F","sources":[{"name":"E"},{"name":"D"}]}"#;
    assert_eq!(check(longer_first), Ok(()));
    refused(
        check(r#"{"name":"C","mirror":{"name":"C"}}"#),
        10052,
        "detected cycle",
    );
}

#[test]
fn stream_limits_hold_for_the_consumers_there_are() {
    let old = ConsumerLimits::default();
    let new = ConsumerLimits {
        max_ack_pending: 5,
        inactive_threshold: Nanos(10),
    };
    let modest = consumer(r#"{"max_ack_pending":5,"inactive_threshold":10}"#);
    let greedy = consumer(r#"{"max_ack_pending":6}"#);
    let lazy = consumer(r#"{"inactive_threshold":11}"#);
    assert_eq!(new.check_consumers(&old, [("m", &modest)]), Ok(()));
    let all = [("g", &greedy), ("m", &modest), ("l", &lazy)];
    let text = "change to limits violates consumers: g, l";
    refused(new.check_consumers(&old, all), 10069, text);
    assert_eq!(new.check_consumers(&new, all), Ok(()));
}

#[test]
fn consumers_of_a_work_queue_share_nothing() {
    #[track_caller]
    fn check(new: &str, others: &[&str], expected: Result<(), ApiError>) {
        let queue = stream(r#"{"name":"Q","retention":"workqueue"}"#);
        let others: Vec<_> = others
            .iter()
            .map(|text| ("other", consumer(text)))
            .collect();
        let others = others.iter().map(|(name, config)| (*name, config));
        let new = consumer(new);
        assert_eq!(
            new.check_beside("new", &queue, -1, others),
            expected,
            "{new:?}"
        );
    }
    let all = r#"{"ack_policy":"explicit"}"#;
    let a = r#"{"ack_policy":"explicit","filter_subject":"a.*"}"#;
    let b = r#"{"ack_policy":"explicit","filter_subjects":["b","c"]}"#;
    let ab = r#"{"ack_policy":"explicit","filter_subjects":["b","a.x"]}"#;
    let source = r#"{"sourcing":true}"#;
    check(all, &[], Ok(()));
    check(all, &[source], Ok(()));
    check(source, &[all], Ok(()));
    check(
        all,
        &[a],
        Err(error::CONSUMER_WORK_QUEUE_MULTIPLE_UNFILTERED),
    );
    check(
        a,
        &[all],
        Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_UNIQUE),
    );
    check(a, &[b], Ok(()));
    check(
        ab,
        &[a],
        Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_UNIQUE),
    );
    check(
        "{}",
        &[],
        Err(error::CONSUMER_WORK_QUEUE_REQUIRES_EXPLICIT_ACK),
    );
    let new = r#"{"ack_policy":"explicit","deliver_policy":"new"}"#;
    check(
        new,
        &[],
        Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_DELIVER_ALL),
    );

    let taken = Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_UNIQUE);
    let (a, ab) = (consumer(a), consumer(ab));
    assert_eq!(ab.check_still_unique("new", [("old", &a)]), taken);
    assert_eq!(ab.check_still_unique("old", [("old", &a)]), Ok(()));
}

#[test]
fn a_stream_has_so_many_consumers() {
    let stream = |max_consumers| StreamConfig {
        max_consumers,
        ..StreamConfig::default()
    };
    let new = ConsumerConfig::default();
    let others = [("a", &new), ("b", &new)];
    let full = Err(error::MAXIMUM_CONSUMERS_LIMIT);
    assert_eq!(new.check_beside("c", &stream(-1), -1, others), Ok(()));
    assert_eq!(new.check_beside("c", &stream(2), -1, others), full);
    assert_eq!(new.check_beside("c", &stream(3), 2, others), full);
    assert_eq!(new.check_beside("c", &stream(-1), 2, others), full);
    assert_eq!(new.check_beside("b", &stream(2), -1, others), Ok(()));
}

#[test]
fn a_deliver_subject_in_use_stays() {
    let old = consumer(r#"{"deliver_subject":"d"}"#);
    let new = consumer(r#"{"deliver_subject":"e"}"#);
    assert_eq!(
        old.check_update(&new, true),
        Err(error::CONSUMER_NAME_EXIST)
    );
    assert_eq!(old.check_update(&new, false), Ok(()));
}

#[test]
fn consumers_of_sources_are_settled() {
    let asked = consumer(
        r#"{"name":"n","direct":true,"sourcing":true,"deliver_subject":"d","max_deliver":1}"#,
    );
    let mut config = asked.clone();
    config.settle_sourcing(&stream(r#"{"name":"S"}"#), "x1");
    assert_eq!((config.name.as_str(), config.direct), ("n-x1", true));
    let mut config = asked;
    config.settle_sourcing(&stream(r#"{"name":"S","retention":"interest"}"#), "x1");
    assert_eq!((config.durable_name.as_str(), config.direct), ("n", false));
    let checked = check_consumer(config, &ServerLimits::default(), &AccountLimits::UNLIMITED);
    assert_eq!(checked.expect("valid").idle_heartbeat, Nanos::from_secs(1));
    let mut other = consumer(r#"{"name":"n"}"#);
    other.settle_sourcing(&stream(r#"{"name":"S"}"#), "x1");
    assert_eq!(other.name, "n");
}

#[test]
fn names_are_checked() {
    for good in ["S", "a-b_c", "$G", "é", &"n".repeat(255)] {
        assert_eq!(StreamName::try_from(good).expect("valid").as_str(), good);
    }
    for bad in [
        "", "a.b", "a b", "*", "a>", "a/b", "a\\b", "a\tb", "a\rb", "a\nb", "a\u{c}b",
    ] {
        assert_eq!(
            StreamName::try_from(bad),
            Err(NameError::Invalid),
            "{bad:?}"
        );
        assert!(ConsumerName::try_from(bad).is_err(), "{bad:?}");
    }
    let long = "n".repeat(256);
    assert_eq!(
        ConsumerName::try_from(long.as_str()),
        Err(NameError::TooLong)
    );
}

#[test]
fn text_is_quoted_as_by_go() {
    let text = "a\"b\\c\n\t\u{1}é";
    assert_eq!(cognate_model::text::quoted(text), r#""a\"b\\c\n\t\x01é""#);
}

#[test]
fn levels_are_noted_and_shown() {
    let mut config = stream(r#"{"name":"S","allow_batched":true,"metadata":{"_nats.ver":"9"}}"#);
    config.set_required_level();
    assert_eq!(
        json::to_string(&config.metadata),
        r#"{"_nats.req.level":"4"}"#
    );
    let shown = config.shown("2.14.5");
    assert_eq!(
        shown.metadata.get(level::VERSION_KEY),
        Some(&"2.14.5".to_owned())
    );
    assert!(stream(r#"{"name":"S","allow_batched":true}"#).is_same_as(&config));
    assert!(shown.is_same_as(&config));
    assert!(!stream(r#"{"name":"S"}"#).is_same_as(&config));
    assert!(level::is_supported(&config.metadata));
    config
        .metadata
        .insert(level::REQUIRED_LEVEL_KEY.to_owned(), "5".to_owned());
    assert!(!level::is_supported(&config.metadata));
    let exceeds = |text: &str| level::exceeds(text.as_bytes());
    assert_eq!(
        (exceeds(""), exceeds("4"), exceeds("-1")),
        (false, false, false)
    );
    assert_eq!(
        (exceeds("5"), exceeds("x"), exceeds("4.0")),
        (true, true, true)
    );
}

#[test]
fn the_catalogue_is_complete() {
    let error = error::sequence_not_found(7);
    assert_eq!(error.to_string(), "sequence 7 not found (10043)");
    let shown = r#"{"code":400,"err_code":10043,"description":"sequence 7 not found"}"#;
    assert_eq!(json::to_string(&error), shown);
}
