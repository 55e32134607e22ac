//! Reload of users and permissions while clients are connected.

use cognate_conformance::{Client, Server};

use crate::support::{Closed, Open, check};

fn login(server: &Server, user: &str, script: &str) -> Client {
    let mut client = server.connect();
    client.send(format!(
        "CONNECT {{\"verbose\":false,\"user\":\"{user}\",\"pass\":\"{user}\"}}\r\n{script}"
    ));
    client.sync();
    client
}

fn users(list: &str) -> String {
    format!("authorization {{ users: [ {list} ] }}")
}

#[test]
fn users_that_are_gone_are_disconnected_and_others_stay() {
    let server = Server::with_config(&users("{user: a, password: a}, {user: b, password: b}"));
    let (mut a, mut b) = (login(&server, "a", ""), login(&server, "b", "SUB x 1\r\n"));
    let log = server.reload(&users("{user: b, password: b}"));
    assert!(log.contains("Reloaded: authorization users"), "{log}");
    // Some servers say `Authorization Violation` first, some say nothing.
    let rest = a.rest();
    assert!(
        rest.is_empty() || rest == "-ERR 'Authorization Violation'\r\n",
        "{rest}"
    );
    b.send("PUB x 0\r\n\r\n").expect("MSG x 1 0\r\n\r\n").sync();
    check(
        &server,
        "",
        &[(
            "no way back",
            b"CONNECT {\"user\":\"a\",\"pass\":\"a\"}\r\n",
            "-ERR 'Authorization Violation'\r\n",
            Closed,
        )],
    );
}

#[test]
fn a_changed_password_disconnects() {
    let server = Server::with_config(&users("{user: a, password: a}"));
    let mut a = login(&server, "a", "");
    server.reload(&users("{user: a, password: other}"));
    a.expect("-ERR 'Authorization Violation'\r\n")
        .expect_close();
    assert_eq!(server.close_reason(a.cid()), "Authentication Failure");
}

#[test]
fn subscriptions_that_are_no_longer_allowed_are_removed() {
    let server = Server::with_config(&users(
        "{user: a, password: a, permissions: {subscribe: \"x.>\"}}",
    ));
    let mut a = login(&server, "a", "SUB x.1 1\r\nSUB x.2 q 2\r\nSUB x.3 3\r\n");
    server.reload(&users(
        "{user: a, password: a, permissions: {subscribe: \"x.3\"}}",
    ));
    // A server may look at its clients after it has said that it reloaded.
    for removed in [
        "\"x.1\" (sid \"1\")",
        "\"x.2\" using queue \"q\" (sid \"2\")",
    ] {
        let line = format!("Removed sub {removed} for User \"a\" - not authorized");
        server.wait_log(&line);
    }
    let mut said = [a.line(), a.line()];
    said.sort();
    assert_eq!(
        said,
        [
            "-ERR 'Permissions Violation for Subscription to \"x.1\" (sid \"1\")'",
            "-ERR 'Permissions Violation for Subscription to \"x.2\" using queue \"q\" (sid \"2\")'",
        ]
    );
    a.send("PUB x.1 0\r\n\r\nPUB x.2 0\r\n\r\nPUB x.3 0\r\n\r\n")
        .expect("MSG x.3 3 0\r\n\r\n")
        .sync();
    a.send("SUB x.1 1\r\n")
        .expect("-ERR 'Permissions Violation for Subscription to \"x.1\"'\r\n")
        .sync();
}

#[test]
fn publish_permissions_change_for_connected_clients() {
    let server = Server::with_config(&users(
        "{user: a, password: a, permissions: {publish: \"x\"}}",
    ));
    let mut a = login(&server, "a", "PUB x 0\r\n\r\n");
    server.reload(&users(
        "{user: a, password: a, permissions: {publish: \"y\"}}",
    ));
    a.send("PUB x 0\r\n\r\n")
        .expect("-ERR 'Permissions Violation for Publish to \"x\"'\r\n");
    a.send("PUB y 0\r\n\r\n").sync();
}

#[test]
fn authentication_can_be_switched_on_and_off() {
    let server = Server::with_config("max_payload: 1000");
    let mut early = server.quiet();
    server.reload("authorization { token: t }");
    early.rest();
    check(
        &server,
        "",
        &[
            (
                "needed",
                b"CONNECT {\"verbose\":false}\r\n",
                "-ERR 'Authorization Violation'\r\n",
                Closed,
            ),
            (
                "given",
                b"CONNECT {\"verbose\":false,\"auth_token\":\"t\"}\r\n",
                "",
                Open,
            ),
        ],
    );
    server.reload("max_payload: 1000");
    check(
        &server,
        "",
        &[("not needed", b"CONNECT {\"verbose\":false}\r\n", "", Open)],
    );
}
