//! Tokens, users, bcrypt, no_auth_user.

use cognate_conformance::Server;

use super::{VIOLATION, check_logins};
use crate::support::{Closed, Open, check};

/// bcrypt of `s3cret` with cost 4.
const HASH: &str = "$2a$04$YjhkwsSPLNdi3/ZgNats1euaCfdHSKVbk.8x6/03X5W7N2poQcloC";

#[test]
fn a_token_opens_the_door() {
    let server = Server::with_config("authorization { token: \"s3cret\" }");
    assert_eq!(server.connect().info()["auth_required"], true);
    check_logins(
        &server,
        &[
            ("\"auth_token\":\"s3cret\"", true),
            ("\"auth_token\":\"wrong\"", false),
            ("\"auth_token\":\"\"", false),
            ("\"user\":\"s3cret\"", false),
            ("\"user\":\"x\",\"pass\":\"s3cret\"", false),
            ("", false),
        ],
    );
}

#[test]
fn nothing_but_connect_is_heard_before_authentication() {
    let server = Server::with_config("authorization { token: t }");
    let refused = |script: &'static [u8]| ("refused", script, VIOLATION, Closed);
    check(
        &server,
        "",
        &[
            refused(b"PING\r\n"),
            refused(b"PONG\r\n"),
            refused(b"SUB a 1\r\n"),
            refused(b"PUB a 0\r\n\r\n"),
            refused(b"UNSUB 1\r\n"),
            refused(b"+OK\r\n"),
            refused(b"INFO {}\r\n"),
            refused(b"FOO\r\n"),
        ],
    );
    let mut client = server.connect();
    client.send("PING\r\n").expect(VIOLATION);
    assert_eq!(server.close_reason(client.cid()), "Authentication Failure");
}

#[test]
fn an_attempt_is_explained_in_connz_and_the_log() {
    let server = Server::with_config("authorization { user: bob, password: pw }");
    let mut client = server.connect();
    client
        .send("CONNECT {\"user\":\"mallory\",\"pass\":\"guess\"}\r\n")
        .expect(VIOLATION);
    client.expect_close();
    assert_eq!(server.close_reason(client.cid()), "Authentication Failure");
    let log = server.wait_log("authentication error - User \"mallory\"");
    assert!(!log.contains("guess"), "{log}");
}

#[test]
fn one_user_and_password() {
    let server = Server::with_config("authorization { user: bob, password: pw1 }");
    check_logins(
        &server,
        &[
            ("\"user\":\"bob\",\"pass\":\"pw1\"", true),
            ("\"user\":\"bob\",\"pass\":\"pw2\"", false),
            ("\"user\":\"bob\",\"pass\":\"\"", false),
            ("\"user\":\"bob\"", false),
            ("\"user\":\"Bob\",\"pass\":\"pw1\"", false),
            ("\"auth_token\":\"pw1\"", false),
            ("", false),
        ],
    );
    check(
        &server,
        "",
        &[
            (
                "verbose success",
                b"CONNECT {\"user\":\"bob\",\"pass\":\"pw1\"}\r\n",
                "+OK\r\n",
                Open,
            ),
            (
                "verbose failure",
                b"CONNECT {\"user\":\"bob\",\"pass\":\"x\"}\r\n",
                VIOLATION,
                Closed,
            ),
        ],
    );
}

#[test]
fn credentials_on_the_command_line() {
    let server = Server::builder()
        .args(&["--user", "bob", "--pass", "pw1"])
        .start();
    check_logins(
        &server,
        &[
            ("\"user\":\"bob\",\"pass\":\"pw1\"", true),
            ("\"user\":\"bob\",\"pass\":\"x\"", false),
        ],
    );
    let server = Server::builder().args(&["--auth", "tok"]).start();
    check_logins(
        &server,
        &[
            ("\"auth_token\":\"tok\"", true),
            ("\"auth_token\":\"x\"", false),
        ],
    );
}

#[test]
fn hashed_passwords_and_tokens() {
    let right = "\"user\":\"bob\",\"pass\":\"s3cret\"";
    let hashed = format!("\"user\":\"bob\",\"pass\":\"{HASH}\"");
    for config in [
        format!("authorization {{ user: bob, password: \"{HASH}\" }}"),
        format!("authorization {{ user: bob, password: {HASH} }}"),
        format!("authorization {{ users: [ {{user: bob, password: \"{HASH}\"}} ] }}"),
        format!(
            "authorization {{ user: bob, password: \"{}\" }}",
            HASH.replacen("2a", "2b", 1)
        ),
    ] {
        let server = Server::with_config(&config);
        check_logins(
            &server,
            &[
                (right, true),
                ("\"user\":\"bob\",\"pass\":\"wrong\"", false),
                (&hashed, false),
            ],
        );
    }
    let server = Server::with_config(&format!("authorization {{ token: \"{HASH}\" }}"));
    check_logins(
        &server,
        &[
            ("\"auth_token\":\"s3cret\"", true),
            ("\"auth_token\":\"wrong\"", false),
        ],
    );
}

#[test]
fn several_users() {
    let server = Server::with_config(
        "authorization { users = [ {user: a, password: 1a}, {username: b, pass: bb} ] }",
    );
    check_logins(
        &server,
        &[
            ("\"user\":\"a\",\"pass\":\"1a\"", true),
            ("\"user\":\"b\",\"pass\":\"bb\"", true),
            ("\"user\":\"a\",\"pass\":\"bb\"", false),
            ("\"user\":\"c\",\"pass\":\"1a\"", false),
            ("", false),
        ],
    );
    let mut client = server.connect();
    client
        .send("CONNECT {\"user\":\"b\",\"pass\":\"bb\",\"verbose\":false}\r\n")
        .sync();
    // Clients that were turned away may still be listed, so this one is asked for.
    let connz = server.json(&format!("/connz?auth=1&cid={}", client.cid()));
    assert_eq!(connz["connections"][0]["authorized_user"], "b");
}

#[test]
fn clients_without_credentials_become_the_no_auth_user() {
    let server = Server::with_config(
        "no_auth_user: guest\n\
         authorization { users: [\n\
           {user: guest, password: g, permissions: {publish: \"pub.>\", subscribe: \">\"}}\n\
           {user: root, password: r}\n] }",
    );
    assert!(server.connect().info().get("auth_required").is_none());
    let denied = "-ERR 'Permissions Violation for Publish to \"a\"'\r\n";
    check(
        &server,
        "",
        &[
            (
                "no CONNECT at all",
                b"SUB a 1\r\nPUB a 0\r\n\r\nPUB pub.x 0\r\n\r\n",
                &format!("+OK\r\n{denied}+OK\r\n"),
                Open,
            ),
            (
                "CONNECT without credentials",
                b"CONNECT {\"verbose\":false}\r\nPUB a 0\r\n\r\n",
                denied,
                Open,
            ),
            (
                "its own credentials",
                b"CONNECT {\"verbose\":false,\"user\":\"guest\",\"pass\":\"g\"}\r\nPUB a 0\r\n\r\n",
                denied,
                Open,
            ),
            (
                "another user",
                b"CONNECT {\"verbose\":false,\"user\":\"root\",\"pass\":\"r\"}\r\nPUB a 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "wrong credentials are no missing ones",
                b"CONNECT {\"user\":\"root\",\"pass\":\"x\"}\r\n",
                VIOLATION,
                Closed,
            ),
            (
                "its wrong password",
                b"CONNECT {\"user\":\"guest\",\"pass\":\"x\"}\r\n",
                VIOLATION,
                Closed,
            ),
        ],
    );
}

#[test]
fn users_may_be_limited_to_kinds_of_connections() {
    let server = Server::with_config(
        "authorization { users: [\n\
           {user: web, password: p, allowed_connection_types: [WEBSOCKET]}\n\
           {user: std, password: p, allowed_connection_types: [standard, MQTT]} ] }",
    );
    check_logins(
        &server,
        &[
            ("\"user\":\"web\",\"pass\":\"p\"", false),
            ("\"user\":\"std\",\"pass\":\"p\"", true),
        ],
    );
}
