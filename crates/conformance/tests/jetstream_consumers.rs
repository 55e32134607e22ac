//! Consumers as assets: what CREATE, INFO, NAMES, LIST, DELETE, PAUSE and RESET answer, where
//! each deliver policy starts, and when a consumer goes away by itself.

use cognate_conformance::jetstream::{JetStream, check_api, check_json, counts, payloads, server};
use serde_json::{Value, json};

fn filled(js: &mut JetStream) {
    js.stream(json!({"name": "S", "subjects": ["s.>"]}));
    js.fill(&["s.a", "s.b", "s.a", "s.c", "s.b"]);
}

/// The answer to the creation of a consumer without history: its name, its configuration and what
/// is pending.
fn fresh(kind: &str, name: &str, config: Value, pending: u64) -> Value {
    json!({
        "type": format!("io.nats.jetstream.api.v1.consumer_{kind}_response"),
        "stream_name": "S", "name": name, "created": "<time>", "config": config,
        "delivered": {"consumer_seq": 0, "stream_seq": 0},
        "ack_floor": {"consumer_seq": 0, "stream_seq": 0},
        "num_ack_pending": 0, "num_redelivered": 0, "num_waiting": 0, "num_pending": pending,
        "ts": "<time>",
    })
}

fn metadata(level: &str) -> Value {
    json!({"_nats.level": "4", "_nats.req.level": level, "_nats.ver": "<version>"})
}

fn durable_config() -> Value {
    json!({
        "durable_name": "C", "name": "C", "deliver_policy": "all", "ack_policy": "explicit",
        "ack_wait": 30_000_000_000_u64, "max_deliver": -1, "replay_policy": "instant",
        "max_waiting": 512, "max_ack_pending": 1000, "num_replicas": 0,
        "metadata": metadata("0"),
    })
}

#[test]
fn a_durable_is_answered_with_its_defaults() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let config = json!({"name": "C", "durable_name": "C", "ack_policy": "explicit"});
    let expected = fresh("create", "C", durable_config(), 5);
    let first = js.consumer("S", config.clone());
    check_json(&first, &expected);
    let again = js.consumer("S", config);
    check_json(&again, &expected);
    assert_eq!(first["created"], again["created"]);
    let info = js.ok("CONSUMER.INFO.S.C", "");
    check_json(&info, &fresh("info", "C", durable_config(), 5));
}

#[test]
fn ephemerals_get_a_threshold_and_perhaps_a_name() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let mut config = json!({
        "name": "E", "deliver_policy": "all", "ack_policy": "none", "max_deliver": -1,
        "replay_policy": "instant", "max_waiting": 512, "inactive_threshold": 5_000_000_000_u64,
        "num_replicas": 0, "metadata": metadata("0"),
    });
    let named = js.consumer("S", json!({"name": "E"}));
    check_json(&named, &fresh("create", "E", config.clone(), 5));
    config.as_object_mut().map(|fields| fields.remove("name"));
    let unnamed = js.ok(
        "CONSUMER.CREATE.S",
        json!({"stream_name": "S", "config": {}}),
    );
    let name = unnamed["name"].as_str().expect("a name").to_owned();
    assert_eq!(name.len(), 8, "{name}");
    check_json(&unnamed, &fresh("create", &name, config, 5));
}

#[test]
fn the_old_durable_subject_works() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let body = json!({
        "stream_name": "S", "config": {"durable_name": "C", "ack_policy": "explicit"},
    });
    let created = js.ok("CONSUMER.DURABLE.CREATE.S.C", body);
    check_json(&created, &fresh("create", "C", durable_config(), 5));
}

#[test]
fn every_field_of_a_pull_consumer_comes_back() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let config = json!({
        "name": "C", "durable_name": "C", "description": "d", "deliver_policy": "by_start_sequence",
        "opt_start_seq": 2, "ack_policy": "all", "ack_wait": 5_000_000_000_u64, "max_deliver": 5,
        "backoff": [5_000_000_000_u64, 6_000_000_000_u64], "filter_subjects": ["s.a", "s.b"],
        "replay_policy": "original", "sample_freq": "50%", "max_waiting": 10,
        "max_ack_pending": 20, "headers_only": true, "max_batch": 30,
        "max_expires": 7_000_000_000_u64, "max_bytes": 4000,
        "inactive_threshold": 8_000_000_000_u64, "num_replicas": 1, "mem_storage": true,
        "metadata": {"k": "v"},
    });
    let created = js.consumer("S", config.clone());
    let mut expected = config;
    expected["metadata"] = metadata("0");
    expected["metadata"]["k"] = json!("v");
    check_json(&created["config"], &expected);
}

#[test]
fn each_deliver_policy_starts_where_it_says() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let time = js.ok("STREAM.MSG.GET.S", r#"{"seq":4}"#)["message"]["time"].clone();
    let cases = [
        (
            json!({"deliver_policy": "all"}),
            vec!["1", "2", "3", "4", "5"],
        ),
        (json!({"deliver_policy": "last"}), vec!["5"]),
        (
            json!({"deliver_policy": "last", "filter_subject": "s.a"}),
            vec!["3"],
        ),
        (json!({"deliver_policy": "new"}), vec![]),
        (
            json!({"deliver_policy": "last_per_subject", "filter_subject": "s.*"}),
            vec!["3", "4", "5"],
        ),
        (
            json!({"deliver_policy": "last_per_subject", "filter_subjects": ["s.a", "s.b"]}),
            vec!["3", "5"],
        ),
        (
            json!({"deliver_policy": "by_start_sequence", "opt_start_seq": 3}),
            vec!["3", "4", "5"],
        ),
        (
            json!({"deliver_policy": "by_start_sequence", "opt_start_seq": 50}),
            vec![],
        ),
        (
            json!({"deliver_policy": "by_start_time", "opt_start_time": time}),
            vec!["4", "5"],
        ),
        (
            json!({"deliver_policy": "by_start_time", "opt_start_time": "2040-01-01T00:00:00Z"}),
            vec![],
        ),
        (json!({"filter_subject": "s.b"}), vec!["2", "5"]),
        (
            json!({"filter_subjects": ["s.a", "s.c"]}),
            vec!["1", "3", "4"],
        ),
        (json!({"filter_subject": "none"}), vec![]),
    ];
    for (number, (settings, expected)) in cases.into_iter().enumerate() {
        let name = format!("C{number}");
        let mut config = settings.clone();
        config["name"] = json!(name);
        let created = js.consumer("S", config);
        assert_eq!(created["num_pending"], expected.len(), "{settings}");
        let messages = js.drain("S", &name);
        assert_eq!(payloads(&messages), expected, "{settings}");
    }
}

#[test]
fn names_and_lists_are_sorted_and_paged() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let none = json!({
        "type": "io.nats.jetstream.api.v1.consumer_names_response",
        "total": 0, "offset": 0, "limit": 1024, "consumers": [],
    });
    check_json(&js.ok("CONSUMER.NAMES.S", ""), &none);
    for name in ["B", "C", "A"] {
        js.durable("S", name);
    }
    for (request, names) in [
        ("", json!(["A", "B", "C"])),
        (r#"{"offset":2}"#, json!(["C"])),
        (r#"{"offset":9}"#, json!([])),
    ] {
        let seen = js.ok("CONSUMER.NAMES.S", request);
        assert_eq!(
            (&seen["consumers"], &seen["total"]),
            (&names, &json!(3)),
            "{request}"
        );
        let list = js.ok("CONSUMER.LIST.S", request);
        let listed: Vec<Value> = list["consumers"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|info| info["name"].clone())
            .collect();
        assert_eq!(
            (json!(listed), &list["limit"]),
            (names, &json!(256)),
            "{request}"
        );
    }
}

#[test]
fn a_deleted_consumer_is_gone() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.durable("S", "C");
    let expected = json!({
        "type": "io.nats.jetstream.api.v1.consumer_delete_response", "success": true,
    });
    check_json(&js.ok("CONSUMER.DELETE.S.C", ""), &expected);
    let missing = "404 10014 consumer not found";
    check_api(
        &mut js,
        &[
            ("CONSUMER.DELETE.S.C", "", missing),
            ("CONSUMER.INFO.S.C", "", missing),
            ("CONSUMER.PAUSE.S.C", "", missing),
        ],
    );
    assert_eq!(js.state("S")["consumer_count"], 0);
}

#[test]
fn an_idle_consumer_goes_away() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let short = 100_000_000;
    js.consumer("S", json!({"name": "E", "inactive_threshold": short}));
    js.consumer(
        "S",
        json!({"name": "D", "durable_name": "D", "inactive_threshold": short}),
    );
    js.consumer("S", json!({"name": "STAYS", "durable_name": "STAYS"}));
    js.until("the idle ones to go", |js| {
        let names = js.ok("CONSUMER.NAMES.S", "");
        (names["consumers"] == json!(["STAYS"])).then_some(())
    });
}

#[test]
fn a_waiting_request_keeps_a_consumer() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    let config = |threshold: u64| json!({"name": "E", "deliver_policy": "new", "inactive_threshold": threshold});
    js.consumer("S", config(3_600_000_000_000));
    let waiting = js.pull("S", "E", r#"{"batch":2,"expires":3600000000000}"#);
    js.until("the request", |js| {
        let info = js.ok("CONSUMER.INFO.S.E", "");
        (info["num_waiting"] == 1).then_some(())
    });
    // Only now, so that it is never idle for long.
    js.consumer("S", config(200_000_000));
    js.consumer("S", json!({"name": "F", "inactive_threshold": 400_000_000}));
    js.until("the idle one to go", |js| {
        let names = js.ok("CONSUMER.NAMES.S", "");
        (names["consumers"] == json!(["E"])).then_some(())
    });
    js.put("s.1", "x");
    assert_eq!(js.next(waiting).payload, "x");
}

/// In 2.14.5 a request that waited during the pause is served with the next event only, so the
/// test makes one.
#[test]
fn a_paused_consumer_delivers_nothing_until_resumed() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.durable("S", "C");
    let until = "2040-01-01T00:00:00Z";
    let answer = js.ok("CONSUMER.PAUSE.S.C", json!({"pause_until": until}));
    assert_eq!(
        (&answer["paused"], &answer["pause_until"]),
        (&json!(true), &json!(until))
    );
    assert!(
        answer["pause_remaining"].as_u64() > Some(1_000_000_000),
        "{answer}"
    );
    let info = js.ok("CONSUMER.INFO.S.C", "");
    assert_eq!(
        (&info["paused"], &info["config"]["pause_until"]),
        (&json!(true), &json!(until))
    );
    let waiting = js.pull("S", "C", "1");
    js.until("the request", |js| {
        let info = js.ok("CONSUMER.INFO.S.C", "");
        (info["num_waiting"] == 1).then_some(())
    });
    assert_eq!(js.arrived(waiting), []);
    let expected = json!({
        "type": "io.nats.jetstream.api.v1.consumer_pause_response",
        "paused": false, "pause_until": "0001-01-01T00:00:00Z",
    });
    check_json(&js.ok("CONSUMER.PAUSE.S.C", ""), &expected);
    let next = js.fetch("S", "C", 1);
    assert_eq!(
        (&*js.next(waiting).payload, payloads(&next)),
        ("1", vec!["2"])
    );
    assert_eq!(js.ok("CONSUMER.INFO.S.C", "").get("paused"), None);
}

#[test]
fn a_pause_ends_by_itself() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.durable("S", "C");
    js.ok(
        "CONSUMER.PAUSE.S.C",
        json!({"pause_until": "2040-01-01T00:00:00Z"}),
    );
    let past = js.ok(
        "CONSUMER.PAUSE.S.C",
        json!({"pause_until": "2020-01-01T00:00:00Z"}),
    );
    assert_eq!(
        (&past["paused"], past.get("pause_remaining")),
        (&json!(false), None)
    );
    assert_eq!(payloads(&js.fetch("S", "C", 1)), ["1"]);
}

#[test]
fn a_reset_starts_again_from_the_floor_or_a_sequence() {
    let server = server();
    let mut js = JetStream::connect(&server);
    filled(&mut js);
    js.durable("S", "C");
    let first = js.fetch("S", "C", 4);
    js.ack_all(&first[..2]);
    let answer = js.ok("CONSUMER.RESET.S.C", "");
    let mut expected = fresh("reset", "C", durable_config(), 3);
    expected["delivered"]["stream_seq"] = json!(2);
    expected["ack_floor"]["stream_seq"] = json!(2);
    expected["reset_seq"] = json!(3);
    check_json(&answer, &expected);
    assert_eq!(counts(&js.fetch("S", "C", 1)[0]), [1, 3, 1, 2]);
    let answer = js.ok("CONSUMER.RESET.S.C", r#"{"seq":2}"#);
    assert_eq!(
        (&answer["reset_seq"], &answer["num_pending"]),
        (&json!(2), &json!(4))
    );
    assert_eq!(counts(&js.fetch("S", "C", 1)[0]), [1, 2, 1, 3]);
}
