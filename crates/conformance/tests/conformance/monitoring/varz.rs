//! `/varz`: what the server is and how much it did.

use cognate_conformance::Server;
use serde_json::Value;

const STRINGS: &[&str] = &[
    "server_id",
    "server_name",
    "version",
    "go",
    "host",
    "http_host",
    "http_base_path",
    "start",
    "now",
    "uptime",
    "config_load_time",
];
const NUMBERS: &[&str] = &[
    "proto",
    "port",
    "max_connections",
    "ping_interval",
    "ping_max",
    "http_port",
    "https_port",
    "auth_timeout",
    "max_control_line",
    "max_payload",
    "max_pending",
    "tls_timeout",
    "write_deadline",
    "mem",
    "cores",
    "gomaxprocs",
    "cpu",
    "connections",
    "total_connections",
    "routes",
    "remotes",
    "leafnodes",
    "in_msgs",
    "in_bytes",
    "in_client_msgs",
    "in_client_bytes",
    "out_msgs",
    "out_bytes",
    "out_client_msgs",
    "out_client_bytes",
    "slow_consumers",
    "stale_connections",
    "stalled_clients",
    "subscriptions",
];
const OBJECTS: &[&str] = &[
    "cluster",
    "gateway",
    "leaf",
    "mqtt",
    "websocket",
    "jetstream",
    "http_req_stats",
    "slow_consumer_stats",
];

#[test]
fn fields_have_their_documented_types() {
    let server = Server::monitored();
    let varz = server.json("/varz");
    for (names, is, kind) in [
        (STRINGS, Value::is_string as fn(&Value) -> bool, "a string"),
        (NUMBERS, Value::is_number, "a number"),
        (OBJECTS, Value::is_object, "an object"),
    ] {
        for name in names {
            assert!(
                varz.get(name).is_some_and(is),
                "{name} must be {kind}: {:?}",
                varz.get(name)
            );
        }
    }
    for absent in [
        "auth_required",
        "tls_required",
        "tls_verify",
        "connect_urls",
        "max_subscriptions",
    ] {
        assert!(
            varz.get(absent).is_none(),
            "{absent} must be absent when it says nothing"
        );
    }
}

#[test]
fn values_are_the_servers_own() {
    let server = Server::monitored();
    let info = server.connect().info().clone();
    let varz = server.json("/varz");
    assert_eq!(varz["server_id"], info["server_id"]);
    assert_eq!(varz["server_name"], info["server_name"]);
    for (name, value) in [
        ("version", Value::from("2.14.5")),
        ("proto", 1.into()),
        ("host", "127.0.0.1".into()),
        ("port", server.addr().port().into()),
        ("http_host", "127.0.0.1".into()),
        ("max_connections", 65_536.into()),
        ("ping_interval", 120_000_000_000_u64.into()),
        ("ping_max", 2.into()),
        ("max_control_line", 4096.into()),
        ("max_payload", 1_048_576.into()),
        ("max_pending", 67_108_864.into()),
        ("write_deadline", 10_000_000_000_u64.into()),
        ("slow_consumers", 0.into()),
        ("routes", 0.into()),
    ] {
        assert_eq!(varz[name], value, "{name}");
    }
    assert_eq!(
        (varz["auth_timeout"].as_f64(), varz["tls_timeout"].as_f64()),
        (Some(2.0), Some(2.0))
    );
    assert!(varz["mem"].as_u64().is_some_and(|bytes| bytes > 100_000));
    assert!(varz["cores"].as_u64().is_some_and(|cores| cores > 0));
    let start = varz["start"].as_str().expect("a time");
    assert!(
        start.len() >= 20 && start.ends_with('Z') && start.contains('T'),
        "{start}"
    );
}

#[test]
fn configured_values_are_shown() {
    let server = Server::with_config(
        "server_name: berlin, max_payload: 1000, max_pending: 2000000, max_connections: 7\n\
         max_subscriptions: 9, ping_interval: \"30s\", ping_max: 5, write_deadline: \"3s\"\n\
         max_control_line: 512, authorization { token: t, timeout: 5 }\n\
         server_tags: [ \"A:b\", c ]",
    );
    let varz = server.json("/varz");
    for (name, value) in [
        ("server_name", Value::from("berlin")),
        ("max_payload", 1000.into()),
        ("max_pending", 2_000_000.into()),
        ("max_connections", 7.into()),
        ("max_subscriptions", 9.into()),
        ("ping_interval", 30_000_000_000_u64.into()),
        ("ping_max", 5.into()),
        ("write_deadline", 3_000_000_000_u64.into()),
        ("max_control_line", 512.into()),
        ("auth_required", true.into()),
        ("tags", serde_json::json!(["a:b", "c"])),
    ] {
        assert_eq!(varz[name], value, "{name}");
    }
    let digest = varz["config_digest"].as_str().expect("a digest");
    assert!(
        digest.starts_with("sha256:") && digest.len() == 71,
        "{digest}"
    );
}

#[test]
fn traffic_is_counted() {
    let server = Server::monitored();
    let before = server.json("/varz");
    let mut one = crate::support::subscribed(&server, "SUB a 1\r\nSUB a 2\r\nSUB b 3\r\n");
    let mut two = server.quiet();
    two.send("PUB a 5\r\nhello\r\nPUB nobody 3\r\nabc\r\nHPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
        .sync();
    assert_eq!(one.messages_until_pong().len(), 3);
    let varz = server.json("/varz");
    for (name, count) in [
        ("connections", 2),
        ("total_connections", 2),
        ("in_msgs", 3),
        ("in_bytes", 5 + 3 + 14),
        ("in_client_msgs", 3),
        ("in_client_bytes", 22),
        ("out_msgs", 3),
        ("out_bytes", 5 + 5 + 14),
        ("out_client_msgs", 3),
        ("out_client_bytes", 24),
    ] {
        assert_eq!(varz[name], count, "{name}");
    }
    let subscriptions = |varz: &Value| varz["subscriptions"].as_u64().expect("a number");
    assert_eq!(subscriptions(&varz), subscriptions(&before) + 3);
}
