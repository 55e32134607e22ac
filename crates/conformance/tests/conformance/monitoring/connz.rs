//! `/connz`: what is known of each connection.

use cognate_conformance::{Client, Server};
use serde_json::{Value, json};

use crate::support::QUIET;

fn only(server: &Server, query: &str) -> Value {
    let connz = server.json(query);
    let list = connz["connections"].as_array().expect("a list");
    assert_eq!(list.len(), 1, "{query}: {connz}");
    list[0].clone()
}

fn named(server: &Server) -> Client {
    let mut client = server.connect();
    client.send(
        "CONNECT {\"verbose\":false,\"name\":\"n1\",\"lang\":\"rust\",\"version\":\"1.2\"}\r\n\
         SUB foo 1\r\nSUB foo.* q 2\r\nUNSUB 2 10\r\nPUB foo 5\r\nhello\r\n",
    );
    client.expect("MSG foo 1 5\r\nhello\r\n").sync();
    client
}

#[test]
fn a_connection_is_described() {
    let server = Server::monitored();
    let client = named(&server);
    let shown = only(&server, "/connz");
    for (name, value) in [
        ("cid", Value::from(client.cid())),
        ("kind", "Client".into()),
        ("type", "nats".into()),
        ("ip", "127.0.0.1".into()),
        ("port", client.local_addr().port().into()),
        ("in_msgs", 1.into()),
        ("in_bytes", 5.into()),
        ("out_msgs", 1.into()),
        ("out_bytes", 5.into()),
        ("subscriptions", 2.into()),
        ("name", "n1".into()),
        ("lang", "rust".into()),
        ("version", "1.2".into()),
    ] {
        assert_eq!(shown[name], value, "{name}: {shown}");
    }
    // The answer just read may still be counted as pending.
    assert!(shown["pending_bytes"].is_u64(), "{shown}");
    for name in ["start", "last_activity", "uptime", "idle", "rtt"] {
        assert!(shown[name].is_string(), "{name}: {shown}");
    }
    for absent in [
        "stop",
        "reason",
        "tls_version",
        "subscriptions_list",
        "authorized_user",
        "account",
        "jwt",
    ] {
        assert!(shown.get(absent).is_none(), "{absent}: {shown}");
    }
}

#[test]
fn a_connection_without_connect_has_no_name() {
    let server = Server::monitored();
    let mut client = server.connect();
    client.sync();
    let shown = only(&server, "/connz");
    for absent in ["name", "lang", "version"] {
        assert!(shown.get(absent).is_none(), "{absent}: {shown}");
    }
}

#[test]
fn the_answer_has_a_frame() {
    let server = Server::monitored();
    let connz = server.json("/connz");
    assert_eq!(connz["server_id"], server.json("/varz")["server_id"]);
    assert!(connz["now"].is_string());
    for (name, value) in [
        ("num_connections", json!(0)),
        ("total", json!(0)),
        ("offset", json!(0)),
        ("limit", json!(1024)),
        ("connections", json!([])),
    ] {
        assert_eq!(connz[name], value, "{name}");
    }
}

#[test]
fn subscriptions_are_listed_on_request() {
    let server = Server::monitored();
    let client = named(&server);
    let mut list: Vec<String> = only(&server, "/connz?subs=1")["subscriptions_list"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|subject| subject.as_str().expect("a subject").to_owned())
        .collect();
    list.sort();
    assert_eq!(list, ["foo", "foo.*"]);
    assert_eq!(
        only(&server, "/connz?subs=true")["subscriptions_list"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert!(
        only(&server, "/connz?subs=0")
            .get("subscriptions_list")
            .is_none()
    );
    let shown = only(&server, "/connz?subs=detail");
    let mut details = shown["subscriptions_list_detail"]
        .as_array()
        .expect("a list")
        .clone();
    details.sort_by_key(|detail| detail["sid"].to_string());
    for (detail, expected) in details.iter().zip([
        json!({"subject": "foo", "sid": "1", "msgs": 1, "cid": client.cid()}),
        json!({"subject": "foo.*", "qgroup": "q", "sid": "2", "msgs": 0, "max": 10, "cid": client.cid()}),
    ]) {
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(&detail[name], value, "{name}: {detail}");
        }
    }
}

#[test]
fn users_are_shown_and_filtered() {
    let server = Server::with_config(
        "authorization { users: [ {user: a, password: a}, {user: b, password: b} ] }",
    );
    let login = |user: &str| {
        Client::with_options(
            server.addr(),
            &format!("{{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{user}\"}}"),
        )
    };
    let (a, _b) = (login("a"), login("b"));
    assert!(
        server.json("/connz")["connections"][0]
            .get("authorized_user")
            .is_none()
    );
    let both = server.json("/connz?auth=1");
    assert_eq!(both["connections"][0]["authorized_user"], "a");
    assert_eq!(both["connections"][1]["authorized_user"], "b");
    assert_eq!(only(&server, "/connz?user=a")["cid"], a.cid());
    assert_eq!(
        only(&server, "/connz?user=a&auth=true")["authorized_user"],
        "a"
    );
    assert_eq!(server.json("/connz?user=nobody")["num_connections"], 0);
    assert_eq!(server.json("/connz?acc=$G")["num_connections"], 2);
    assert_eq!(server.json("/connz?acc=NOPE")["num_connections"], 0);
}

#[test]
fn closed_connections_are_remembered_with_their_reason() {
    let server = Server::monitored();
    let mut broken = server.connect();
    broken.send(QUIET).send("SUB gone 1\r\n").sync();
    broken
        .send("FOO\r\n")
        .expect("-ERR 'Unknown Protocol Operation'\r\n")
        .expect_close();
    let cid = broken.cid();
    assert_eq!(server.close_reason(cid), "Protocol Violation");
    let open = server.quiet();
    let shown = only(&server, "/connz?state=closed");
    assert_eq!(shown["cid"], cid);
    assert!(
        shown["stop"].is_string() && shown["start"].is_string(),
        "{shown}"
    );
    assert_eq!(only(&server, "/connz?state=open")["cid"], open.cid());
    assert_eq!(only(&server, "/connz")["cid"], open.cid());
    for state in ["any", "all", "ALL"] {
        assert_eq!(
            server.json(&format!("/connz?state={state}"))["num_connections"],
            2,
            "{state}"
        );
    }
    assert_eq!(
        only(&server, &format!("/connz?cid={cid}&state=any"))["cid"],
        cid
    );
    assert_eq!(
        server.json(&format!("/connz?cid={cid}"))["num_connections"],
        0
    );
    let listed = only(&server, "/connz?state=closed&subs=1");
    assert_eq!(listed["subscriptions_list"], json!(["gone"]));
}

#[test]
fn only_so_many_closed_connections_are_remembered() {
    let server = Server::with_config("max_closed_clients: 3");
    let mut last = 0;
    for _ in 0..6 {
        let client = server.connect();
        last = client.cid();
        drop(client);
        server.close_reason(last);
    }
    let connz = server.json("/connz?state=closed");
    let cids: Vec<u64> = connz["connections"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|shown| shown["cid"].as_u64())
        .collect();
    assert_eq!(cids, [last - 2, last - 1, last]);
}
