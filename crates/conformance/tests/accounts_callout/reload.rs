//! What a reload means for whom the service let in: it decides anew, one way or another.

use cognate_conformance::{Client, wait};
use serde_json::json;

use super::jwt::{self, Key, Role};
use super::service::{Callout, Request, VIOLATION};

/// CONNECT of somebody without a name.
const NAMELESS: &str = r#"{"verbose":false,"auth_token":"t"}"#;

/// Lets the user of a question in without a name, in an account of the configuration.
fn allow_nameless(
    callout: &mut Callout,
    request: &Request,
    account: &str,
    nats: serde_json::Value,
) {
    let mut claims = callout.tokens.user_claims(request, account, nats);
    claims["name"] = json!("");
    let user = jwt::encode(&callout.tokens.issuer, claims);
    let text = callout.tokens.response(request, &user);
    callout.answer(request, &text);
}

/// Somebody who is in, in the account APP.
fn guest(callout: &mut Callout, options: &str) -> Client {
    let mut client = callout.connect(options);
    let request = callout.request();
    allow_nameless(callout, &request, "APP", json!({}));
    client.send("SUB a.> 1\r\nSUB b 2\r\n").sync();
    client
}

#[test]
fn who_has_a_name_of_its_own_comes_back() {
    let mut callout = Callout::start("");
    let mut named = callout.connect(NAMELESS);
    let request = callout.request();
    callout.allow(&request, "APP", json!({}));
    named.sync();
    let mut typed = guest(&mut callout, r#"{"verbose":false,"user":"u","pass":"p"}"#);
    callout.server.signal("HUP");
    for client in [&mut named, &mut typed] {
        client.expect_close();
        let reason = callout.server.close_reason(client.cid());
        assert_eq!(reason, "Client Closed");
    }
    assert!(callout.is_unasked());
}

#[test]
fn who_has_none_is_asked_about_again() {
    let mut callout = Callout::start("");
    for options in [NAMELESS, r#"{"verbose":false,"user":"app","pass":"typed"}"#] {
        let mut client = guest(&mut callout, options);
        callout.server.signal("HUP");
        let request = callout.request();
        let asked = &request.claims["nats"]["connect_opts"];
        let typed = (&asked["auth_token"], &asked["pass"]);
        assert!(*typed.0 == "t" || *typed.1 == "typed", "{asked}");
        // Meanwhile it goes on.
        client.send("PUB a.x 1\r\nx\r\n");
        client.expect("MSG a.x 1 1\r\nx\r\n").sync();
        let rules = json!({"sub": {"allow": ["b"]}});
        allow_nameless(&mut callout, &request, "APP", rules);
        client.expect("-ERR 'Permissions Violation for Subscription to \"a.>\" (sid \"1\")'\r\n");
        client.send("PUB a.x 1\r\nx\r\nPUB b 1\r\ny\r\n");
        client.expect("MSG b 2 1\r\ny\r\n").sync();
        client.shutdown();
        client.expect_close();
    }
}

#[test]
fn it_may_be_refused_then() {
    let mut callout = Callout::start("timeout: 0.3");
    for is_answered in [true, false] {
        let mut client = guest(&mut callout, NAMELESS);
        callout.server.signal("HUP");
        let request = callout.request();
        if is_answered {
            callout.refuse(&request);
        }
        client.expect(VIOLATION).expect_close();
        let reason = callout.server.close_reason(client.cid());
        assert_eq!(reason, "Authentication Failure");
    }
}

#[test]
fn it_may_be_moved_then() {
    let mut callout = Callout::start("");
    let client = guest(&mut callout, NAMELESS);
    callout.server.signal("HUP");
    let request = callout.request();
    allow_nameless(&mut callout, &request, "AUTH", json!({}));
    let path = format!("/connz?auth=1&cid={}", client.cid());
    wait::until("the client to be moved", || {
        let shown = callout.server.json(&path);
        (shown["connections"][0]["account"] == "AUTH").then_some(())
    });
}

#[test]
fn in_operator_mode_nobody_stays() {
    let mut callout = Callout::operator();
    let app = Key::new(Role::Account, "APP");
    for name in ["somebody", ""] {
        let mut client = callout.connect(&callout.sentinel());
        let request = callout.request();
        let mut claims = callout.tokens.user_claims(&request, "", json!({}));
        claims["name"] = json!(name);
        let user = jwt::encode(&app, claims);
        let text = callout.tokens.response(&request, &user);
        callout.answer(&request, &text);
        client.sync();
        callout.server.signal("HUP");
        let reason = match name {
            "" => {
                client.expect(VIOLATION);
                "Authentication Failure"
            }
            _ => "Client Closed",
        };
        client.expect_close();
        assert_eq!(callout.server.close_reason(client.cid()), reason);
    }
    assert!(callout.is_unasked());
}
