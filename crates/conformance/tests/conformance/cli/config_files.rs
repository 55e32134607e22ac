//! The configuration grammar, seen through what the server does with it.

use cognate_conformance::Server;
use serde_json::{Value, json};

/// (configuration, the field of /varz that it sets, its value)
// tidy: long-function: a table of values, one per line
fn values() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("max_payload: 1000", "max_payload", json!(1000)),
        ("max_payload = 1000", "max_payload", json!(1000)),
        ("max_payload 1000", "max_payload", json!(1000)),
        ("MAX_Payload: 1000", "max_payload", json!(1000)),
        ("max_payload: 1k", "max_payload", json!(1000)),
        ("max_payload: 1K", "max_payload", json!(1000)),
        ("max_payload: 1kb", "max_payload", json!(1024)),
        ("max_payload: 1KiB", "max_payload", json!(1024)),
        ("max_payload: 2MB", "max_payload", json!(2_097_152)),
        ("max_payload: 2M", "max_payload", json!(2_000_000)),
        ("{ max_payload: 1000 }", "max_payload", json!(1000)),
        ("{\"max_payload\": 1000}", "max_payload", json!(1000)),
        ("\"max_payload\": 1000", "max_payload", json!(1000)),
        (
            "# c\nmax_payload: 1000 # c\n// c",
            "max_payload",
            json!(1000),
        ),
        ("max_payload: 1000; ping_max: 3", "ping_max", json!(3)),
        ("max_payload: 1000, ping_max: 3", "ping_max", json!(3)),
        ("max_payload: 1000\r\nping_max: 3\r\n", "ping_max", json!(3)),
        ("ping_max: 3\nping_max: 4", "ping_max", json!(4)),
        (
            "ping_interval: \"90s\"",
            "ping_interval",
            json!(90_000_000_000_u64),
        ),
        (
            "ping_interval: \"1h2m3.5s\"",
            "ping_interval",
            json!(3_723_500_000_000_u64),
        ),
        (
            "write_deadline: 500ms",
            "write_deadline",
            json!(500_000_000),
        ),
        (
            "server_name: plain-name_1",
            "server_name",
            json!("plain-name_1"),
        ),
        ("server_name: \"a\\tb\\x41\"", "server_name", json!("a\tbA")),
        ("server_name: 'a\\tb'", "server_name", json!("a\\tb")),
        (
            "server_name: (\na\"b\n)\n",
            "server_name",
            json!("\na\"b\n"),
        ),
        ("NAME: v1\nserver_name: $NAME", "server_name", json!("v1")),
        ("N: 77\nmax_payload: $N", "max_payload", json!(77)),
        (
            "server_name: $CONFORMANCE_NAME",
            "server_name",
            json!("from-env"),
        ),
        ("max_payload: $CONFORMANCE_SIZE", "max_payload", json!(2048)),
        (
            "server_tags: [a, \"b\", 'c']",
            "tags",
            json!(["a", "b", "c"]),
        ),
        ("server_tags: [\n a\n b\n]", "tags", json!(["a", "b"])),
        ("server_tags: one", "tags", json!(["one"])),
        ("max_conn: 5", "max_connections", json!(5)),
        ("max_subs: 6", "max_subscriptions", json!(6)),
        (
            "authorization: {timeout: 1.5, token: t}",
            "auth_timeout",
            json!(1.5),
        ),
        // A bare number of seconds is warned about, and taken.
        (
            "ping_interval: 5",
            "ping_interval",
            json!(5_000_000_000_u64),
        ),
    ]
}

#[test]
fn values_are_read_as_nats_writes_them() {
    let differences: Vec<String> = values()
        .iter()
        .filter_map(|(text, field, expected)| {
            let server = Server::builder()
                .monitored()
                .config(text)
                .env("CONFORMANCE_NAME", "from-env")
                .env("CONFORMANCE_SIZE", "2KB")
                .start();
            let seen = server.json("/varz")[*field].clone();
            (seen != *expected).then(|| format!("{text:?}: {field} is {seen}, not {expected}"))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn addresses_come_from_the_file() {
    for text in [
        "listen: \"127.0.0.1:-1\"",
        "listen: 127.0.0.1:-1",
        "host: 127.0.0.1, port: -1",
        "net: \"127.0.0.1\"\nport = -1",
    ] {
        let server = Server::builder().without_port_flag().config(text).start();
        server.quiet().sync();
        assert!(server.addr().ip().is_loopback(), "{text}");
    }
    for text in [
        "http: \"127.0.0.1:-1\"",
        "http_port: -1",
        "monitor_port: -1",
        "http: -1",
    ] {
        let server = Server::builder().config(text).start();
        assert_eq!(server.get("/healthz").status, 200, "{text}");
    }
}

#[test]
fn files_are_included_from_where_the_including_one_is() {
    let builder = Server::builder();
    let dir = builder.dir().to_owned();
    std::fs::create_dir(dir.join("sub")).expect("a directory");
    std::fs::write(dir.join("sub/one.conf"), "include 'two.conf'\nping_max: 7").expect("written");
    std::fs::write(dir.join("sub/two.conf"), "max_payload: 4321").expect("written");
    std::fs::write(dir.join("users.conf"), "token: tok").expect("written");
    let server = builder
        .monitored()
        .config("include \"sub/one.conf\"\nauthorization {\n  include ./users.conf\n}\n")
        .start();
    let varz = server.json("/varz");
    assert_eq!(
        (&varz["ping_max"], &varz["max_payload"]),
        (&json!(7), &json!(4321))
    );
    assert_eq!(server.connect().info()["auth_required"], true);
}
