//! What monitoring says of JetStream: `/varz`, `/jsz` with its options, `/healthz`.

use cognate_conformance::jetstream::{JetStream, check_json, server, server_with};
use cognate_conformance::{Server, wait};
use serde_json::{Value, json};

fn filled(server: &Server) -> JetStream {
    let mut js = JetStream::connect(server);
    js.stream(json!({"name": "S", "subjects": ["s.>"], "max_bytes": 4000}));
    js.stream(json!({"name": "M", "subjects": ["m"], "storage": "memory"}));
    js.fill(&["s.1", "s.2"]);
    js.put("m", "x");
    js.durable("S", "C");
    js
}

/// Replaces machine-dependent numbers by zero.
fn zeroed(mut value: Value, keys: &[&str]) -> Value {
    for key in keys {
        assert!(
            value[*key].is_number() || value[*key].is_string(),
            "{key} in {value}"
        );
        value[*key] = json!(0);
    }
    value
}

#[test]
fn varz_has_configuration_statistics_and_limits() {
    let server = server();
    let _js = filled(&server);
    let seen = wait::until("the requests to be counted", || {
        let seen = server.json("/varz")["jetstream"].clone();
        (seen["stats"]["api"]["total"] == 3).then_some(seen)
    });
    let mut config = seen["config"].clone();
    // Servers differ in whether they sync before they acknowledge unless told otherwise.
    config
        .as_object_mut()
        .expect("an object")
        .remove("sync_always");
    let config = zeroed(
        config,
        &["max_memory", "max_storage", "store_dir", "sync_interval"],
    );
    check_json(
        &config,
        &json!({"max_memory": 0, "max_storage": 0, "store_dir": 0, "sync_interval": 0, "strict": true}),
    );
    check_json(
        &seen["stats"],
        &json!({
            "memory": 18, "storage": 68, "reserved_memory": 0, "reserved_storage": 4000,
            "accounts": 1, "ha_assets": 0, "api": {"level": 4, "total": 3, "errors": 0},
        }),
    );
    check_json(&seen["limits"], &json!({}));
}

#[test]
fn varz_without_jetstream_has_nothing_to_say() {
    let server = Server::monitored();
    assert_eq!(server.json("/varz")["jetstream"], json!({}));
    let seen = server.json("/jsz");
    assert_eq!(seen["disabled"], true, "{seen}");
}

#[test]
fn jsz_counts_everything() {
    let server = server();
    let _js = filled(&server);
    let mut seen = server.json("/jsz");
    seen["config"] = Value::Null;
    seen["api"] = Value::Null;
    let expected = json!({
        "memory": 18, "storage": 68, "reserved_memory": 0, "reserved_storage": 4000,
        "accounts": 1, "ha_assets": 0, "api": null, "server_id": "<server>", "now": "<time>",
        "config": null, "limits": {}, "streams": 2, "consumers": 1, "messages": 3, "bytes": 86,
        "total": 1,
    });
    check_json(&seen, &expected);
}

#[test]
fn jsz_shows_accounts_streams_and_consumers_when_asked() {
    let server = server();
    let _js = filled(&server);
    let account = |query: &str| {
        let seen = server.json(&format!("/jsz?{query}"));
        seen["account_details"][0].clone()
    };
    let plain = account("accounts=true");
    assert_eq!((&plain["name"], &plain["id"]), (&json!("$G"), &json!("$G")));
    assert_eq!(plain.get("stream_detail"), None);

    let mut streams = account("streams=true")["stream_detail"].clone();
    let list = streams.as_array_mut().expect("streams");
    list.sort_by_key(|stream| stream["name"].to_string());
    assert_eq!(list.len(), 2);
    assert_eq!(
        (&list[0]["name"], &list[1]["name"]),
        (&json!("M"), &json!("S"))
    );
    assert_eq!(list[1]["state"]["messages"], 2);
    assert_eq!(
        (list[1].get("config"), list[1].get("consumer_detail")),
        (None, None)
    );

    let stream = |query: &str| {
        let details = account(query)["stream_detail"].clone();
        let found = details
            .as_array()
            .expect("streams")
            .iter()
            .find(|s| s["name"] == "S")
            .cloned();
        found.expect("stream S")
    };
    let consumers = stream("consumers=true")["consumer_detail"].clone();
    assert_eq!(
        (&consumers[0]["name"], consumers[0].get("config")),
        (&json!("C"), None)
    );
    let config = stream("streams=true&config=true")["config"].clone();
    assert_eq!(config["subjects"], json!(["s.>"]));
    let config = stream("consumers=true&config=true")["consumer_detail"][0]["config"].clone();
    assert_eq!(config["ack_policy"], "explicit");
}

#[test]
fn jsz_can_ask_for_one_account() {
    let server = server_with(
        r#"accounts {
            A { users: [{user: "a", password: "p"}], jetstream: enabled }
            B { users: [{user: "b", password: "p"}], jetstream: enabled }
        }"#,
    );
    let mut js = JetStream::login(&server, "a", "p");
    js.stream(json!({"name": "S", "subjects": ["s"]}));
    let seen = server.json("/jsz?acc=A&streams=true");
    let details = seen["account_details"].as_array().expect("details");
    assert_eq!(details.len(), 1);
    assert_eq!(
        (&details[0]["name"], &details[0]["stream_detail"][0]["name"]),
        (&json!("A"), &json!("S"))
    );
    let none = server.json("/jsz?acc=NOPE");
    assert_eq!(
        (&none["total"], none.get("account_details")),
        (&json!(2), None)
    );
}

#[test]
fn healthz_is_well_and_checks_assets_by_name() {
    let server = server();
    let _js = filled(&server);
    for (query, status, expected) in [
        ("", 200, json!({"status": "ok"})),
        ("?js-enabled-only=true", 200, json!({"status": "ok"})),
        ("?js-server-only=true", 200, json!({"status": "ok"})),
        ("?account=$G&stream=S", 200, json!({"status": "ok"})),
        (
            "?account=$G&stream=S&consumer=C",
            200,
            json!({"status": "ok"}),
        ),
    ] {
        let response = server.get(&format!("/healthz{query}"));
        assert_eq!(
            (response.status, response.json()),
            (status, expected),
            "{query}"
        );
    }
    for (query, status, error) in [
        (
            "?account=NOPE",
            404,
            r#"JetStream account "NOPE" not found"#,
        ),
        (
            "?account=$G&stream=NOPE",
            404,
            r#"JetStream stream "NOPE" not found on account "$G""#,
        ),
        (
            "?account=$G&stream=S&consumer=NOPE",
            404,
            r#"JetStream consumer "NOPE" not found for stream "S" on account "$G""#,
        ),
        (
            "?stream=S",
            400,
            r#""account" must not be empty when checking stream health"#,
        ),
    ] {
        let response = server.get(&format!("/healthz{query}"));
        let seen = response.json();
        assert_eq!(
            (response.status, &seen["error"]),
            (status, &json!(error)),
            "{query}"
        );
        let details = server.get(&format!("/healthz{query}&details=true"));
        assert_eq!(details.status, status, "{query}");
        let seen = details.json();
        assert_eq!(
            (&seen["status"], &seen["errors"][0]["error"]),
            (&json!("error"), &json!(error)),
            "{query}"
        );
    }
}

#[test]
fn jsz_details_have_the_documented_fields() {
    let server = server();
    let _js = filled(&server);
    let seen = server.json("/jsz?consumers=true&config=true&raft=true&direct-consumers=true");
    assert_eq!(
        (&seen["streams_leader"], &seen["consumers_leader"]),
        (&json!(2), &json!(1))
    );
    let mut account = seen["account_details"][0].clone();
    let details = account["stream_detail"].take();
    assert_eq!(
        (&account["reserved_memory"], &account["reserved_storage"]),
        (&json!(u64::MAX), &json!(u64::MAX))
    );
    let mut stream = details
        .as_array()
        .and_then(|streams| streams.iter().find(|stream| stream["name"] == "S"))
        .expect("stream S")
        .clone();
    assert_eq!(
        stream["config"]["metadata"],
        json!({"_nats.req.level": "0"}),
        "as stored"
    );
    stream["config"] = Value::Null;
    stream["consumer_detail"][0]["config"] = Value::Null;
    assert!(stream["cluster"]["leader"].is_string(), "{stream}");
    stream["cluster"] = Value::Null;
    check_json(
        &stream,
        &json!({
            "name": "S", "created": "<time>", "cluster": null, "config": null,
            "state": {
                "messages": 2, "bytes": 68, "first_seq": 1, "first_ts": "<time>", "last_seq": 2,
                "last_ts": "<time>", "num_subjects": 2, "consumer_count": 1,
            },
            "consumer_detail": [{
                "stream_name": "S", "name": "C", "created": "<time>", "config": null,
                "delivered": {"consumer_seq": 0, "stream_seq": 0},
                "ack_floor": {"consumer_seq": 0, "stream_seq": 0},
                "num_ack_pending": 0, "num_redelivered": 0, "num_waiting": 0, "num_pending": 2,
                "ts": "<time>",
            }],
        }),
    );
}
