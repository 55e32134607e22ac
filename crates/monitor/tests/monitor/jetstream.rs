//! JetStream in `/varz`, `/jsz`, `/healthz` and `/metrics`.
//!
//! Fields, statuses and texts were read off nats-server 2.14.5; what is ours begins with
//! `cognate_` or is about damaged messages.

use std::time::Duration;

use cognate_api::{ApiStats, ClusterInfo, ConsumerInfo, StreamState};
use cognate_model::{ConsumerConfig, DamagedRange, StorageType, StreamConfig, Timestamp};
use cognate_monitor::{
    JetStream, JetStreamAccount, JetStreamConfig, JetStreamFacts, JetStreamLimits, StreamDetails,
    StreamFacts, StreamService, limits,
};
use serde_json::{Value, json};

use crate::support::{Facts, Site, server_facts};

const DAMAGED: &[DamagedRange] = &[
    DamagedRange { first: 3, last: 3 },
    DamagedRange { first: 7, last: 9 },
];

fn account(name: &str) -> JetStreamAccount {
    JetStreamAccount {
        id: name.into(),
        name: name.into(),
        max_memory: -1,
        max_storage: 5000,
        api_total: 9,
        api_errors: 1,
    }
}

fn enabled() -> JetStream {
    JetStream::Enabled(Box::new(JetStreamFacts {
        config: JetStreamConfig {
            max_memory: 1000,
            max_storage: 2000,
            store_dir: "/d/jetstream".into(),
            sync_interval: Duration::from_secs(10),
            strict: true,
            ..JetStreamConfig::default()
        },
        limits: JetStreamLimits {
            max_request_batch: 77,
            max_duplicate_window: Duration::from_secs(120),
            ..JetStreamLimits::default()
        },
        api: ApiStats {
            level: 4,
            total: 12,
            errors: 2,
            inflight: 0,
        },
        accounts: vec![account("$G"), account("A")],
    }))
}

fn memory() -> StreamFacts<'static> {
    StreamFacts {
        account: "$G",
        name: "M",
        storage: StorageType::Memory,
        messages: 1,
        bytes: 18,
        reserved: 100,
        ..StreamFacts::default()
    }
}

fn file() -> StreamFacts<'static> {
    StreamFacts {
        account: "$G",
        name: "S",
        messages: 2,
        bytes: 68,
        reserved: 4000,
        consumers: 3,
        ..StreamFacts::default()
    }
}

fn details() -> StreamDetails {
    let consumer = |name: &str| ConsumerInfo {
        stream_name: "S".into(),
        name: name.into(),
        config: ConsumerConfig {
            durable_name: name.into(),
            ..ConsumerConfig::default()
        },
        num_pending: 2,
        ..ConsumerInfo::default()
    };
    StreamDetails {
        name: "S".into(),
        created: Timestamp(1),
        cluster: ClusterInfo {
            leader: "orc".into(),
            ..ClusterInfo::default()
        },
        config: StreamConfig {
            name: "S".into(),
            subjects: vec!["s.>".into()],
            ..StreamConfig::default()
        },
        state: StreamState {
            messages: 2,
            ..StreamState::default()
        },
        mirror: None,
        sources: Vec::new(),
        damaged: DAMAGED.to_vec(),
        failure: Some("disk full".into()),
        consumers: vec![consumer("C")],
        direct_consumers: vec![consumer("D")],
    }
}

fn facts() -> Facts {
    Facts {
        server: server_facts(),
        jetstream: enabled(),
        streams: vec![memory(), file()],
        details: vec![details()],
        ..Facts::default()
    }
}

fn site_of(streams: Vec<StreamFacts<'static>>) -> Site {
    Site::of(Facts { streams, ..facts() })
}

fn config() -> Value {
    json!({"max_memory": 1000, "max_storage": 2000, "store_dir": "/d/jetstream",
        "sync_interval": 10_000_000_000_u64, "strict": true})
}

fn limits_block() -> Value {
    json!({"max_request_batch": 77, "max_duplicate_window": 120_000_000_000_u64})
}

fn keys(value: &Value) -> String {
    let fields = value.as_object().expect("an object");
    fields.keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn varz_has_configuration_usage_and_limits() {
    let varz = Site::of(facts()).json("/varz");
    let expected = json!({
        "config": config(),
        "stats": {"memory": 18, "storage": 68, "reserved_memory": 100, "reserved_storage": 4000,
            "accounts": 2, "ha_assets": 0, "api": {"level": 4, "total": 12, "errors": 2}},
        "limits": limits_block(),
    });
    assert_eq!(varz["jetstream"], expected);
}

#[test]
fn varz_has_an_empty_object_while_jetstream_is_off() {
    for jetstream in [JetStream::Off, JetStream::NotEnabled] {
        let site = Site::of(Facts {
            jetstream,
            ..facts()
        });
        assert_eq!(site.json("/varz")["jetstream"], json!({}));
        let jsz = site.json("/jsz?consumers=1");
        assert_eq!(
            (&jsz["disabled"], &jsz["streams"]),
            (&json!(true), &json!(0))
        );
        assert_eq!(jsz["config"], json!({"max_memory": 0, "max_storage": 0}));
    }
}

#[test]
fn jsz_sums_over_everything() {
    let mut jsz = Site::of(facts()).json("/jsz?leader-only=1");
    jsz["server_id"].take();
    jsz["now"].take();
    let expected = json!({
        "memory": 18, "storage": 68, "reserved_memory": 100, "reserved_storage": 4000,
        "accounts": 2, "ha_assets": 0, "api": {"level": 4, "total": 12, "errors": 2},
        "server_id": null, "now": null, "config": config(), "limits": limits_block(),
        "streams": 2, "consumers": 3, "messages": 3, "bytes": 86, "total": 2,
    });
    assert_eq!(jsz, expected);
    let raft = Site::of(facts()).json("/jsz?raft=1");
    assert_eq!(
        (&raft["streams_leader"], &raft["consumers_leader"]),
        (&json!(2), &json!(3))
    );
}

#[test]
fn jsz_shows_the_accounts_asked_for() {
    let site = Site::of(facts());
    let check = |query: &str, expected: &[&str]| {
        let jsz = site.json(&format!("/jsz?{query}"));
        let details = jsz["account_details"].as_array().cloned();
        let ids: Vec<_> = details.iter().flatten().map(|one| &one["id"]).collect();
        assert_eq!(ids, expected, "{query}");
    };
    check("accounts=1", &["$G", "A"]);
    check("streams=1", &["$G", "A"]);
    check("consumers=1", &["$G", "A"]);
    check("acc=A", &["A"]);
    check("acc=A&accounts=1&offset=2", &["A"]);
    check("acc=NOPE", &[]);
    check("acc=NOPE&streams=1", &[]);
    check("acc=NOPE&accounts=1", &["$G", "A"]);
    check("accounts=1&offset=1", &["A"]);
    check("accounts=1&offset=9", &[]);
    check("accounts=1&limit=1", &["$G"]);
    check("accounts=1&offset=1&limit=-1", &["$G", "A"]);
    let expected = json!({
        "name": "$G", "id": "$G", "memory": 18, "storage": 68,
        "reserved_memory": u64::MAX, "reserved_storage": 5000, "accounts": 0, "ha_assets": 0,
        "api": {"level": 0, "total": 9, "errors": 1},
    });
    assert_eq!(site.json("/jsz?acc=$G")["account_details"][0], expected);
}

#[test]
fn jsz_shows_as_much_of_a_stream_as_is_asked_for() {
    let site = Site::of(facts());
    let stream = |query: &str| {
        let account = site.json(&format!("/jsz?acc=$G&{query}"))["account_details"][0].clone();
        account["stream_detail"][0].clone()
    };
    assert_eq!(stream("accounts=1"), Value::Null);
    let plain = stream("streams=1");
    assert_eq!(
        keys(&plain),
        "cluster cognate_damaged cognate_failure created name state"
    );
    assert_eq!(plain["cluster"], json!({"leader": "orc"}));
    assert_eq!(
        plain["cognate_damaged"],
        json!([{"first_seq": 3, "last_seq": 3}, {"first_seq": 7, "last_seq": 9}])
    );
    assert_eq!(plain["cognate_failure"], "disk full");
    assert_eq!(
        stream("streams=1&config=1")["config"]["subjects"],
        json!(["s.>"])
    );

    let consumers = stream("consumers=1");
    assert_eq!(consumers.get("direct_consumer_detail"), None);
    let consumer = &consumers["consumer_detail"][0];
    assert_eq!(
        (&consumer["name"], &consumer["num_pending"]),
        (&json!("C"), &json!(2))
    );
    assert_eq!(consumer.get("config"), None);
    let all = stream("consumers=1&config=1&direct-consumers=1");
    assert_eq!(all["consumer_detail"][0]["config"]["durable_name"], "C");
    assert_eq!(all["direct_consumer_detail"][0]["name"], "D");
}

fn check_health(site: &Site, query: &str, status: u16, body: Value) {
    let response = site.get(&format!("/healthz?{query}"));
    assert_eq!(
        (response.status, response.json()),
        (status, body),
        "{query}"
    );
}

#[test]
fn health_is_ok_while_everything_is_there() {
    let site = Site::of(facts());
    for query in [
        "",
        "details=1",
        "account=$G",
        "account=$G&stream=M",
        "account=$G&stream=S&consumer=C",
        "account=NOPE&js-enabled-only=1",
        "account=NOPE&js-enabled=1",
        "account=NOPE&js-server-only=1",
    ] {
        check_health(&site, query, 200, json!({"status": "ok"}));
    }
}

#[test]
fn health_says_what_is_not_there() {
    let site = Site::of(facts());
    let check = |query: &str, error: &str, problem: Value| {
        let expected = json!({"status": "unavailable", "error": error});
        check_health(&site, query, 404, expected);
        let mut problem = problem;
        problem["error"] = json!(error);
        let expected = json!({"status": "error", "errors": [problem]});
        check_health(&site, &format!("{query}&details=1"), 404, expected);
    };
    check(
        "account=N&stream=S&js-meta-only=1",
        r#"JetStream account "N" not found"#,
        json!({"type": "ACCOUNT", "account": "N"}),
    );
    check(
        "account=$G&stream=N&consumer=C",
        r#"JetStream stream "N" not found on account "$G""#,
        json!({"type": "STREAM", "account": "$G", "stream": "N"}),
    );
    check(
        "account=$G&stream=S&consumer=N",
        r#"JetStream consumer "N" not found for stream "S" on account "$G""#,
        json!({"type": "CONSUMER", "account": "$G", "stream": "S", "consumer": "N"}),
    );
    let site = Site::of(Facts {
        jetstream: JetStream::NotEnabled,
        ..facts()
    });
    let error = "JetStream not enabled (10076)";
    let expected = json!({"status": "unavailable", "error": error});
    check_health(&site, "js-enabled-only=1", 503, expected);
    let expected = json!({"status": "error", "errors": [{"type": "JETSTREAM", "error": error}]});
    check_health(&site, "details=1", 503, expected);
    check_health(&site, "js-server-only=1", 200, json!({"status": "ok"}));
}

fn failed() -> StreamFacts<'static> {
    StreamFacts {
        service: StreamService::ReadOnly("disk full"),
        ..file()
    }
}

fn lost() -> StreamFacts<'static> {
    StreamFacts {
        account: "$G",
        name: "L",
        service: StreamService::NotRecovered,
        ..StreamFacts::default()
    }
}

fn damaged() -> StreamFacts<'static> {
    StreamFacts {
        damaged: DAMAGED,
        ..memory()
    }
}

const DAMAGE: &str = "JetStream stream '$G > M' has damaged messages: 3, 7-9 (4 in all)";

#[test]
fn streams_that_do_not_work_make_the_server_unavailable() {
    let written = "JetStream stream '$G > S' write error: disk full";
    let recovered = "JetStream stream '$G > L' could not be recovered";
    let check = |streams: Vec<StreamFacts<'static>>, query: &str, error: &str| {
        let expected = json!({"status": "unavailable", "error": error});
        check_health(&site_of(streams), query, 503, expected);
    };
    check(vec![damaged(), failed()], "", written);
    check(vec![failed()], "account=$G&stream=S", written);
    check(vec![lost(), file()], "", recovered);
    let site = site_of(vec![damaged(), failed(), lost()]);
    let problem = |stream: &str, error: &str| json!({"type": "STREAM", "account": "$G", "stream": stream, "error": error});
    let errors = [
        problem("S", written),
        problem("L", recovered),
        problem("M", DAMAGE),
    ];
    let expected = json!({"status": "error", "errors": errors});
    check_health(&site, "details=1", 503, expected);
    check_health(&site, "js-enabled-only=1", 200, json!({"status": "ok"}));
    let only = json!({"status": "error", "error": DAMAGE});
    check_health(&site, "account=$G&stream=M", 200, only);
}

#[test]
fn damage_is_named_by_sequence_and_keeps_the_server_in_service() {
    let site = site_of(vec![damaged(), file()]);
    let expected = json!({"status": "error", "error": DAMAGE});
    check_health(&site, "", 200, expected);
    check_health(&site, "account=$G&stream=S", 200, json!({"status": "ok"}));

    let many: Vec<_> = (0..1000)
        .map(|n| DamagedRange {
            first: n * 2,
            last: n * 2,
        })
        .collect();
    let many = StreamFacts {
        damaged: many.leak(),
        ..memory()
    };
    let text = site_of(vec![many]).json("/healthz")["error"].to_string();
    let more = 1000 - limits::HEALTH_RANGES;
    assert!(
        text.ends_with(&format!("60, 62 and {more} more ranges (1000 in all)\"")),
        "{text}"
    );
}

#[test]
fn metrics_have_sums_and_a_bounded_number_of_streams() {
    let names: Vec<&'static str> = (0..limits::METRIC_STREAMS)
        .map(|n| &*format!("T{n:05}").leak())
        .collect();
    let more = names
        .into_iter()
        .map(|name| StreamFacts { name, ..failed() });
    let streams = [damaged(), lost()].into_iter().chain(more).collect();
    let page = site_of(streams).get("/metrics").body;
    for line in [
        "jetstream_enabled 1",
        "jetstream_api_requests_total 12",
        "jetstream_api_errors_total 2",
        "jetstream_accounts 2",
        "jetstream_streams 1001",
        "jetstream_consumers 3000",
        "jetstream_messages 2001",
        "jetstream_bytes 68018",
        "jetstream_streams_not_recovered 1",
        "jetstream_streams_read_only 1000",
        "jetstream_damaged_messages 4",
        "jetstream_streams_without_series 1",
        "jetstream_used_bytes{storage=\"memory\"} 18",
        "jetstream_reserved_bytes{storage=\"file\"} 4000000",
        "jetstream_max_bytes{storage=\"file\"} 2000",
        "jetstream_stream_messages{account=\"$G\",stream=\"M\"} 1",
        "jetstream_stream_bytes{account=\"$G\",stream=\"T00000\"} 68",
        "jetstream_stream_consumers{account=\"$G\",stream=\"T00998\"} 3",
    ] {
        let line = format!("cognate_{line}");
        assert!(page.lines().any(|found| found == line), "no line {line}");
    }
    let series = page.matches("\ncognate_jetstream_stream_messages{").count();
    assert_eq!(series, limits::METRIC_STREAMS);
    let off = Site::of(Facts::default()).get("/metrics").body;
    assert_eq!(off.matches("\ncognate_jetstream_").count(), 1, "{off}");
}
