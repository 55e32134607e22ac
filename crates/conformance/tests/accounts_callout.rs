//! Auth callout: a service in the test decides who gets in, in configuration mode and in operator
//! mode. Everything is played in turn on one thread: a client says CONNECT, the service reads what
//! the server asks and answers, the client reads what came of it.

#[path = "accounts_callout/reload.rs"]
mod reload;
#[path = "accounts_callout/service.rs"]
mod service;

use cognate_conformance::jetstream::check_json;
use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::xkey::CurveKey;
use serde_json::{Value, json};
use service::{Callout, VIOLATION};

#[test]
fn the_request_describes_the_client() {
    let mut callout = Callout::start("");
    let mut client = callout.connect(
        r#"{"verbose":false,"user":"u","pass":"secret","name":"n","lang":"l","version":"v","protocol":1}"#,
    );
    let request = callout.request();
    let mut claims = request.claims.clone();
    let server = callout.server_id();
    assert_eq!(claims["iss"], json!(server));
    assert_eq!(claims["sub"], json!(callout.tokens.issuer.public()));
    assert!(request.user_key().starts_with('U'), "{claims}");
    let valid = claims["exp"].as_u64().zip(claims["iat"].as_u64());
    assert!(valid.is_some_and(|(exp, iat)| exp > iat), "{claims}");
    for key in ["exp", "iat", "jti", "iss", "sub"] {
        claims.as_object_mut().expect("claims").remove(key);
    }
    for (object, key) in [
        ("server_id", "id"),
        ("server_id", "name"),
        ("server_id", "version"),
        ("client_info", "id"),
        ("client_info", "host"),
    ] {
        assert!(
            !claims["nats"][object][key].is_null(),
            "{object}.{key}: {claims}"
        );
        claims["nats"][object][key] = json!("<any>");
    }
    claims["nats"]["user_nkey"] = json!("<any>");
    check_json(
        &claims,
        &json!({
            "aud": "nats-authorization-request",
            "nats": {
                "server_id": {"name": "<any>", "host": "127.0.0.1", "id": "<any>",
                    "version": "<any>"},
                "user_nkey": "<any>",
                "client_info": {"host": "<any>", "id": "<any>", "user": "u", "name": "n",
                    "kind": "Client", "type": "nats"},
                "connect_opts": {"user": "u", "pass": "secret", "name": "n", "lang": "l",
                    "version": "v", "protocol": 1},
                "type": "authorization_request", "version": 2,
            },
        }),
    );
    callout.refuse(&request);
    client.expect(VIOLATION).expect_close();
}

#[test]
fn who_is_allowed_is_in_the_account_named() {
    let mut callout = Callout::start("");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    let user = json!({"pub": {"allow": ["$SYS.REQ.USER.INFO"]}, "sub": {"allow": ["in"]}});
    callout.allow(&request, "APP", user);
    client.sync();
    let mut app = callout.login("app");
    client.send("SUB in 1\r\nSUB other 2\r\nPUB other 0\r\n\r\n");
    client.expect("-ERR 'Permissions Violation for Subscription to \"other\"'\r\n");
    client.expect("-ERR 'Permissions Violation for Publish to \"other\"'\r\n");
    client.sync();
    app.send("PUB in 1\r\nx\r\n").sync();
    client.expect("MSG in 1 1\r\nx\r\n");
    let path = format!("/connz?auth=1&cid={}", client.cid());
    let shown = callout.server.json(&path)["connections"][0].clone();
    assert_eq!(
        (&shown["account"], &shown["authorized_user"]),
        (&json!("APP"), &json!("allowed")),
        "{shown}"
    );
    // It has one name, and is told so.
    client.send("PUB $SYS.REQ.USER.INFO in 0\r\n\r\n");
    let told: Value = serde_json::from_str(&client.message().payload).expect("JSON");
    let names = ["user", "account", "account_name", "user_name"].map(|name| &told["data"][name]);
    let expected = [json!("allowed"), json!("APP"), json!("APP"), Value::Null];
    assert_eq!(names.map(Clone::clone), expected, "{told}");
}

// tidy: long-function: a table of wrong answers
#[test]
fn what_the_service_must_get_right() {
    let mut callout = Callout::start("");
    let wrong_issuer = Key::new(Role::Account, "OTHER");
    let answers: Vec<(&str, service::Answer)> = vec![
        ("an error", Box::new(|it, request| it.error(request, "no"))),
        ("nonsense", Box::new(|_, _| "nonsense".to_owned())),
        ("nothing", Box::new(|_, _| String::new())),
        (
            "an unknown account",
            Box::new(|it, request| it.response(request, &it.user(request, "NOWHERE", json!({})))),
        ),
        (
            "no account",
            Box::new(|it, request| it.response(request, &it.user(request, "", json!({})))),
        ),
        (
            "another issuer of the user",
            Box::new(move |it, request| {
                let claims = it.user_claims(request, "APP", json!({}));
                it.response(request, &jwt::encode(&wrong_issuer, claims))
            }),
        ),
        (
            "another key of the user",
            Box::new(|it, request| {
                let mut claims = it.user_claims(request, "APP", json!({}));
                claims["sub"] = json!(Key::new(Role::User, "OTHER").public());
                it.response(request, &jwt::encode(&it.issuer, claims))
            }),
        ),
        (
            "another server",
            Box::new(|it, request| {
                let mut claims = it.response_claims(request, &it.user(request, "APP", json!({})));
                claims["aud"] = json!(Key::new(Role::Server, "OTHER").public());
                jwt::encode(&it.issuer, claims)
            }),
        ),
        (
            "an expired user",
            Box::new(|it, request| {
                let mut claims = it.user_claims(request, "APP", json!({}));
                claims["exp"] = json!(jwt::now() - 10);
                it.response(request, &jwt::encode(&it.issuer, claims))
            }),
        ),
        (
            "a user without a response around it",
            Box::new(|it, request| it.user(request, "APP", json!({}))),
        ),
    ];
    for (name, answer) in &answers {
        let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
        let request = callout.request();
        let text = answer(&callout.tokens, &request);
        callout.answer(&request, &text);
        client.expect(VIOLATION).expect_close();
        let reason = callout.server.close_reason(client.cid());
        assert_eq!(reason, "Authentication Failure", "{name}");
    }
}

#[test]
fn without_an_answer_nobody_enters() {
    let mut callout = Callout::start("timeout: 0.2");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    callout.request();
    client.expect(VIOLATION).expect_close();
    // Who may ask is in without being asked about.
    callout.login("auth").sync();
}

#[test]
fn users_of_the_configuration_are_asked_about_too() {
    let mut callout = Callout::start("");
    let mut right = callout.connect(r#"{"verbose":false,"user":"app","pass":"p"}"#);
    let request = callout.request();
    assert_eq!(request.claims["nats"]["connect_opts"]["user"], "app");
    callout.refuse(&request);
    right.expect(VIOLATION).expect_close();
    let mut wrong = callout.connect(r#"{"verbose":false,"user":"app","pass":"wrong"}"#);
    let request = callout.request();
    callout.allow(&request, "APP", json!({}));
    wrong.sync();
}

#[test]
fn everybody_is_asked_about() {
    let mut callout = Callout::start("");
    for options in [
        r#"{"verbose":false}"#,
        r#"{"verbose":false,"auth_token":"t"}"#,
        r#"{"verbose":false,"user":"auth","pass":"wrong"}"#,
    ] {
        let mut client = callout.connect(options);
        if options.contains("auth\"") {
            client.expect(VIOLATION).expect_close();
            continue;
        }
        let request = callout.request();
        callout.allow(&request, "APP", json!({}));
        client.sync();
    }
}

#[test]
fn users_of_other_accounts_only_where_allowed() {
    let mut callout = Callout::start(", allowed_accounts: [APP]");
    let mut client = callout.connect(r#"{"verbose":false,"user":"app","pass":"p"}"#);
    let request = callout.request();
    callout.allow(&request, "APP", json!({}));
    client.sync();
    let mut stranger = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    callout.allow(&request, "APP", json!({}));
    stranger.sync();
}

#[test]
fn the_service_cannot_be_imitated() {
    let mut callout = Callout::start("");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    callout.allow(&request, "AUTH", json!({}));
    client.sync();
    client.send("PUB $SYS.REQ.USER.AUTH 1\r\nx\r\n");
    client.expect("-ERR 'Permissions Violation for Publish to \"$SYS.REQ.USER.AUTH\"'\r\n");
    client.sync();
}

#[test]
fn an_answer_is_good_once_and_in_time() {
    let mut callout = Callout::start("timeout: 0.5");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let first = callout.request();
    let user = callout.tokens.user(&first, "APP", json!({}));
    let text = callout.tokens.response(&first, &user);
    callout.answer(&first, &text);
    client.sync();
    // The same answer to another question.
    let mut other = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let second = callout.request();
    callout.answer(&second, &text);
    other.expect(VIOLATION).expect_close();
    // A second thought.
    let mut third = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    callout.refuse(&request);
    callout.allow(&request, "APP", json!({}));
    third.expect(VIOLATION).expect_close();
    // Too late.
    let mut late = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    late.expect(VIOLATION).expect_close();
    callout.allow(&request, "APP", json!({}));
    // The others stay, and the service is not held up.
    client.sync();
    callout.login("app");
}

#[test]
fn nobody_answers_from_another_account() {
    let mut callout = Callout::start("");
    let mut app = callout.login("app");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    let refusal = callout.tokens.error(&request, "from elsewhere");
    let head = format!("PUB {} {}\r\n", request.reply(), refusal.len());
    app.send(head + &refusal + "\r\n").sync();
    callout.allow(&request, "APP", json!({}));
    client.sync();
}

#[test]
fn what_follows_connect_waits_for_the_answer() {
    let mut callout = Callout::start("");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let payload = "x".repeat(20_000);
    client.send(format!(
        "SUB a 1\r\nPUB a 20000\r\n{payload}\r\nPUB a 2\r\nhi\r\nPING\r\n"
    ));
    let request = callout.request();
    callout.allow(&request, "APP", json!({}));
    assert_eq!(client.message().payload, payload);
    client.expect("MSG a 1 2\r\nhi\r\nPONG\r\n");
}

#[test]
fn the_expiry_of_the_answer_holds() {
    let mut callout = Callout::start("");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let request = callout.request();
    let mut claims = callout.tokens.user_claims(&request, "APP", json!({}));
    claims["exp"] = json!(jwt::now() + 2);
    let user = jwt::encode(&callout.tokens.issuer, claims);
    let text = callout.tokens.response(&request, &user);
    callout.answer(&request, &text);
    client.sync();
    client
        .expect("-ERR 'User Authentication Expired'\r\n")
        .expect_close();
}

#[test]
fn wrong_callouts_are_refused_at_start() {
    let all = "issuer: {issuer}, auth_users: [auth], account: AUTH";
    for (callout, complaint) in [
        (
            "issuer: NONSENSE, auth_users: [auth], account: AUTH",
            "valid public account nkey",
        ),
        (
            "auth_users: [auth], account: AUTH",
            "require an issuer to be specified",
        ),
        (
            "issuer: {issuer}, account: AUTH",
            "require authorized users to be specified",
        ),
        (&format!("{all}, more: 1"), "field \"more\""),
        (&format!("{all}, xkey: NONSENSE"), "valid public xkey"),
        (
            &format!("{all}, allowed_accounts: [NOWHERE]"),
            "allowed account \"NOWHERE\" not found",
        ),
    ] {
        let said = service::refused(callout);
        assert!(said.contains(complaint), "{callout}: {said}");
    }
}

#[test]
fn operator_mode_places_users_where_the_service_says() {
    let mut callout = Callout::operator();
    // The sentinel may do nothing by himself: what he may do is what the service says.
    let mut client = callout.connect(&callout.sentinel());
    let request = callout.request();
    let options = &request.claims["nats"]["connect_opts"];
    assert!(options["jwt"].is_string(), "{options}");
    let target = Key::new(Role::Account, "APP");
    let claims = callout
        .tokens
        .user_claims(&request, "", json!({"pub": {"allow": ["x"]}}));
    let user = jwt::encode(&target, claims);
    let text = callout.tokens.response(&request, &user);
    callout.answer(&request, &text);
    client.sync();
    let path = format!("/connz?auth=1&cid={}", client.cid());
    let shown = callout.server.json(&path)["connections"][0].clone();
    assert_eq!(shown["account"], json!(target.public()), "{shown}");
    client.send("PUB y 0\r\n\r\n");
    client.expect("-ERR 'Permissions Violation for Publish to \"y\"'\r\n");
}

#[test]
fn operator_mode_wants_an_allowed_account() {
    let mut callout = Callout::operator();
    for name in ["OTHER", "NOWHERE"] {
        let mut client = callout.connect(&callout.sentinel());
        let request = callout.request();
        let claims = callout.tokens.user_claims(&request, "", json!({}));
        let user = jwt::encode(&Key::new(Role::Account, name), claims);
        let text = callout.tokens.response(&request, &user);
        callout.answer(&request, &text);
        client.expect(VIOLATION).expect_close();
    }
}

#[test]
fn messages_can_be_sealed() {
    let key = CurveKey::new("service");
    let mut callout = Callout::sealed("service");
    for sealed in [true, false] {
        let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
        let (request, server) = callout.sealed_request(&key);
        assert_eq!(client.info()["xkey"], json!(server));
        assert_eq!(request.claims["nats"]["server_id"]["xkey"], json!(server));
        let user = callout.tokens.user(&request, "APP", json!({}));
        let text = callout.tokens.response(&request, &user);
        if sealed {
            callout.answer_bytes(&request, &key.seal(&server, 1, text.as_bytes()));
        } else {
            callout.answer(&request, &text);
        }
        client.sync();
    }
}

#[test]
fn what_is_sealed_by_another_key_is_no_answer() {
    let key = CurveKey::new("service");
    let mut callout = Callout::sealed("service");
    let mut client = callout.connect(r#"{"verbose":false,"user":"u","pass":"p"}"#);
    let (request, server) = callout.sealed_request(&key);
    let user = callout.tokens.user(&request, "APP", json!({}));
    let text = callout.tokens.response(&request, &user);
    let forged = CurveKey::new("somebody").seal(&server, 1, text.as_bytes());
    callout.answer_bytes(&request, &forged);
    client.expect(VIOLATION).expect_close();
}

#[test]
fn the_account_of_the_service_hears_of_refusals() {
    let mut callout = Callout::start("timeout: 0.3");
    callout.hear_refusals();
    let options = r#"{"verbose":false,"user":"u","pass":"p","name":"n","lang":"l","version":"v"}"#;
    let mut client = callout.connect(options);
    let request = callout.request();
    callout.refuse(&request);
    client.expect(VIOLATION).expect_close();
    let event = callout.refusal();
    let id = callout.server_id();
    assert_eq!(event["server"]["id"], json!(id), "{event}");
    assert!(event["client"]["stop"].is_string(), "{event}");
    let mut told = event["client"].clone();
    for varies in ["start", "stop", "rtt", "host"] {
        told.as_object_mut().expect("a client").remove(varies);
    }
    let kind = &event["type"];
    assert_eq!(kind, "io.nats.server.advisory.v1.client_disconnect");
    assert_eq!(
        event["reason"],
        "Auth callout service returned an error: not today"
    );
    check_json(
        &told,
        &json!({"acc": "AUTH", "id": client.cid(), "user": "u", "name": "n", "lang": "l",
            "ver": "v", "name_tag": "$G", "kind": "Client", "client_type": "nats"}),
    );
    // A service that says nothing gives no reason.
    let mut client = callout.connect(options);
    callout.request();
    client.expect(VIOLATION).expect_close();
    assert_eq!(callout.refusal()["reason"], "");
    // Whom it is not asked about is refused by the configuration.
    let mut client = callout.connect(r#"{"verbose":false,"user":"auth","pass":"wrong"}"#);
    client.expect(VIOLATION).expect_close();
    let event = callout.refusal();
    assert_eq!(event["reason"], "Authentication Failure", "{event}");
    assert_eq!(event["client"]["acc"], "AUTH", "{event}");
}

#[test]
fn in_operator_mode_the_account_hears_whose_token_was_refused() {
    let mut callout = Callout::operator();
    callout.hear_refusals();
    let mut client = callout.connect(&callout.sentinel());
    let request = callout.request();
    callout.refuse(&request);
    client.expect(VIOLATION).expect_close();
    let event = callout.refusal();
    let account = Key::new(Role::Account, "AUTH").public();
    let told = &event["client"];
    assert_eq!(told["acc"], json!(account), "{event}");
    assert_eq!(told["issuer_key"], json!(account), "{event}");
    assert_eq!(told["name_tag"], "AUTH", "{event}");
    let user = Key::new(Role::User, "sentinel").public();
    assert_eq!(told["user"], json!(user), "{event}");
    // The record of a connection is made a moment after its end.
    callout.server.close_reason(client.cid());
    let path = format!("/connz?state=closed&auth=1&cid={}", client.cid());
    let shown = callout.server.json(&path)["connections"][0].clone();
    assert_eq!(shown["account"], json!(account), "{shown}");
    assert_eq!(shown["authorized_user"], json!(user), "{shown}");
}

#[test]
fn operator_mode_asks_about_good_tokens_only() {
    let mut callout = Callout::operator();
    callout.hear_refusals();
    let key = Key::new(Role::User, "somebody");
    let token = |claims| jwt::encode(&Key::new(Role::Account, "AUTH"), claims);
    let mut expired = jwt::user(&key, "somebody", json!({"bearer_token": true}));
    expired["exp"] = json!(jwt::now() - 10);
    let unsigned = token(jwt::user(&key, "somebody", json!({})));
    let elsewhere = json!({"bearer_token": true, "src": ["10.1.1.1/32"]});
    let elsewhere = token(jwt::user(&key, "somebody", elsewhere));
    let signed = key.sign("another nonce");
    // The account hears of those whose token names it and says when it may be used.
    for (options, is_told) in [
        ("".to_owned(), false),
        (r#","user":"u","pass":"p""#.to_owned(), false),
        (r#","jwt":"nonsense""#.to_owned(), false),
        (format!(r#","jwt":"{}""#, token(expired)), false),
        (format!(r#","jwt":"{unsigned}""#), true),
        (format!(r#","jwt":"{unsigned}","sig":"{signed}""#), true),
        (format!(r#","jwt":"{elsewhere}""#), true),
    ] {
        let mut client = callout.connect(&format!(r#"{{"verbose":false{options}}}"#));
        client.expect(VIOLATION).expect_close();
        assert!(callout.is_unasked(), "{options}");
        if is_told {
            let event = callout.refusal();
            assert_eq!(event["client"]["id"], json!(client.cid()), "{options}");
        }
    }
}
