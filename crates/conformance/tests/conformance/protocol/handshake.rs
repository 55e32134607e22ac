//! INFO, CONNECT with all its fields, PING and PONG.

use cognate_conformance::Server;

use crate::support::{Closed, Open, check};

#[test]
fn info_is_the_first_line_and_has_the_documented_fields() {
    let server = Server::start();
    let mut client = cognate_conformance::Client::silent(server.addr());
    let line = client.line();
    assert!(line.starts_with("INFO {"), "{line}");
    let info: serde_json::Value = serde_json::from_str(&line[5..]).expect("JSON after INFO");
    let id = info["server_id"].as_str().expect("server_id");
    assert_eq!(
        (id.len(), &id[..1]),
        (56, "N"),
        "a server id is a public server nkey"
    );
    assert_eq!(
        info["server_name"], info["server_id"],
        "the name defaults to the id"
    );
    assert_eq!(info["version"], "2.14.5");
    assert_eq!(info["proto"], 1);
    assert!(info["go"].is_string(), "go names the runtime");
    assert_eq!(info["host"], "127.0.0.1");
    assert_eq!(info["port"], server.addr().port());
    assert_eq!(info["headers"], true);
    assert_eq!(info["max_payload"], 1_048_576);
    assert!(info["client_id"].is_u64());
    assert_eq!(info["client_ip"], "127.0.0.1");
    for absent in [
        "auth_required",
        "tls_required",
        "tls_verify",
        "tls_available",
        "jetstream",
        "nonce",
        "cluster",
        "domain",
        "connect_urls",
        "ws_connect_urls",
        "ldm",
        "connect_info",
        "remote_account",
    ] {
        assert!(
            info.get(absent).is_none(),
            "{absent} must be absent: {info}"
        );
    }
}

#[test]
fn the_info_line_ends_with_a_space_before_its_line_end() {
    // Some clients cut the line at `} \r\n`.
    let server = Server::start();
    let mut client = cognate_conformance::Client::silent(server.addr());
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n") {
        seen.extend(client.take(1));
    }
    assert!(
        seen.ends_with(b"} \r\n"),
        "{}",
        String::from_utf8_lossy(&seen)
    );
}

#[test]
fn info_names_the_server_and_the_limits_of_its_configuration() {
    let server = Server::builder()
        .config("server_name: berlin, max_payload: 2000, client_advertise: \"example.org:1234\"")
        .start();
    let info = server.connect().info().clone();
    assert_eq!(info["server_name"], "berlin");
    assert_eq!(info["max_payload"], 2000);
    assert_eq!(info["host"], "example.org");
    assert_eq!(info["port"], 1234);
}

#[test]
fn info_says_when_headers_are_not_supported() {
    let server = Server::builder().config("no_header_support: true").start();
    assert_eq!(server.connect().info()["headers"], false);
    check(
        &server,
        "CONNECT {\"verbose\":false,\"headers\":true}\r\n",
        &[(
            "HPUB is refused",
            b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
            "",
            Closed,
        )],
    );
    check(
        &server,
        "",
        &[(
            "no_responders needs headers",
            b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n",
            "-ERR 'no responders requires headers support'\r\n",
            Closed,
        )],
    );
}

#[test]
fn client_ids_grow_and_each_connection_is_told_its_own() {
    let server = Server::start();
    let (one, two) = (server.connect(), server.connect());
    assert!(two.cid() > one.cid());
}

// tidy: long-function: a table of CONNECT texts and what follows from each
#[test]
fn connect_takes_defaults_for_missing_keys() {
    let server = Server::start();
    check(
        &server,
        "",
        &[
            ("nothing sent is verbose", b"SUB a 1\r\n", "+OK\r\n", Open),
            (
                "nothing sent is pedantic",
                b"PUB a.* 0\r\n\r\n",
                "-ERR 'Invalid Publish Subject'\r\n+OK\r\n",
                Open,
            ),
            (
                "empty object is verbose",
                b"CONNECT {}\r\nSUB a 1\r\n",
                "+OK\r\n+OK\r\n",
                Open,
            ),
            (
                "empty object is pedantic",
                b"CONNECT {}\r\nPUB a.* 0\r\n\r\n",
                "+OK\r\n-ERR 'Invalid Publish Subject'\r\n+OK\r\n",
                Open,
            ),
            (
                "empty object echoes",
                b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 0\r\n\r\n",
                "MSG a 1 0\r\n\r\n",
                Open,
            ),
            (
                "empty object has no headers",
                b"CONNECT {\"verbose\":false}\r\nHPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                "",
                Closed,
            ),
            (
                "nothing sent has no headers",
                b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                "",
                Closed,
            ),
            (
                "null object keeps defaults",
                b"CONNECT null\r\n",
                "+OK\r\n",
                Open,
            ),
            (
                "null values keep defaults",
                b"CONNECT {\"verbose\":null,\"pedantic\":null}\r\n",
                "+OK\r\n",
                Open,
            ),
            (
                "not pedantic",
                b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPUB a.* 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "no echo",
                b"CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\nPUB a 0\r\n\r\n",
                "",
                Open,
            ),
        ],
    );
}

#[test]
fn connect_accepts_what_clients_send() {
    let server = Server::start();
    check(
        &server,
        "",
        &[
            ("unknown keys", b"CONNECT {\"verbose\":false,\"x\":{\"y\":[1]}}\r\n", "", Open),
            ("keys in any case", b"CONNECT {\"VERBOSE\":false}\r\n", "", Open),
            ("spaces around", b"CONNECT   {\"verbose\":false}  \r\n", "", Open),
            ("a tab", b"CONNECT\t{\"verbose\":false}\r\n", "", Open),
            ("no space", b"CONNECT{\"verbose\":false}\r\n", "", Open),
            ("a bare line feed", b"CONNECT {\"verbose\":false}\n", "", Open),
            ("any case", b"CoNnEcT {\"verbose\":false}\r\n", "", Open),
            ("credentials nobody asked for", b"CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\",\"auth_token\":\"t\"}\r\n", "", Open),
            ("identification", b"CONNECT {\"verbose\":false,\"lang\":\"rust\",\"version\":\"1.2\",\"name\":\"n\",\"tls_required\":false}\r\n", "", Open),
            ("headers and no_responders", b"CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n", "", Open),
            ("protocol 0", b"CONNECT {\"verbose\":false,\"protocol\":0}\r\n", "", Open),
        ],
    );
}

#[test]
fn connect_refuses_what_it_cannot_serve() {
    let server = Server::start();
    check(
        &server,
        "",
        &[
            (
                "protocol 2",
                b"CONNECT {\"protocol\":2}\r\n",
                "-ERR 'invalid client protocol'\r\n",
                Closed,
            ),
            (
                "protocol -1",
                b"CONNECT {\"protocol\":-1}\r\n",
                "-ERR 'invalid client protocol'\r\n",
                Closed,
            ),
            (
                "no_responders alone",
                b"CONNECT {\"no_responders\":true}\r\n",
                "-ERR 'no responders requires headers support'\r\n",
                Closed,
            ),
            (
                "an account",
                b"CONNECT {\"account\":\"A\"}\r\n",
                "-ERR 'Authorization Violation'\r\n",
                Closed,
            ),
            (
                "a new account",
                b"CONNECT {\"new_account\":true}\r\n",
                "-ERR 'Authorization Violation'\r\n",
                Closed,
            ),
            ("broken JSON", b"CONNECT {x\r\n", "", Closed),
            ("no JSON", b"CONNECT\r\n", "", Closed),
            ("an array", b"CONNECT []\r\n", "", Closed),
            ("text after the object", b"CONNECT {} x\r\n", "", Closed),
            (
                "a string for a bool",
                b"CONNECT {\"verbose\":\"x\"}\r\n",
                "",
                Closed,
            ),
            (
                "a number for a string",
                b"CONNECT {\"name\":1}\r\n",
                "",
                Closed,
            ),
            (
                "a fraction for a number",
                b"CONNECT {\"protocol\":1.5}\r\n",
                "",
                Closed,
            ),
            (
                "a string for a number",
                b"CONNECT {\"protocol\":\"1\"}\r\n",
                "",
                Closed,
            ),
        ],
    );
}

#[test]
fn connect_sent_again_replaces_options_and_drops_subscriptions() {
    let server = Server::start();
    check(
        &server,
        "CONNECT {\"verbose\":false}\r\n",
        &[
            (
                "subscriptions are gone",
                b"SUB a 1\r\nCONNECT {\"verbose\":false}\r\nPUB a 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "options change",
                b"CONNECT {\"verbose\":true}\r\nSUB a 1\r\n",
                "+OK\r\n+OK\r\n",
                Open,
            ),
            (
                "the sid is free again",
                b"SUB a 1\r\nCONNECT {\"verbose\":false}\r\nSUB b 1\r\nPUB b 0\r\n\r\n",
                "MSG b 1 0\r\n\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn the_first_ping_of_a_protocol_1_client_is_followed_by_info_about_the_connection() {
    let server = Server::start();
    let mut client = server.connect();
    let first = client.info().clone();
    client
        .send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n")
        .expect("PONG\r\n");
    let second = client.read_info();
    assert_eq!(second["connect_info"], true);
    assert_eq!(second["remote_account"], "$G");
    for same in [
        "server_id",
        "client_id",
        "client_ip",
        "max_payload",
        "version",
        "headers",
    ] {
        assert_eq!(first[same], second[same], "{same}");
    }
    // It comes once, even when CONNECT comes again.
    client.sync().sync();
    client
        .send("CONNECT {\"verbose\":false,\"protocol\":1}\r\n")
        .sync()
        .sync();
}

#[test]
fn a_protocol_0_client_gets_no_second_info() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("CONNECT {\"verbose\":false}\r\n").sync().sync();
}

#[test]
fn ping_and_pong_work_before_connect() {
    let server = Server::start();
    check(
        &server,
        "",
        &[
            ("ping", b"PING\r\n", "PONG\r\n", Open),
            ("pong is ignored", b"PONG\r\nPONG\r\n", "", Open),
            (
                "no +OK for either",
                b"CONNECT {\"verbose\":true}\r\nPING\r\nPONG\r\n",
                "+OK\r\nPONG\r\n",
                Open,
            ),
        ],
    );
}
