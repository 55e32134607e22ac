//! Advisories about the border between accounts: who is in which account, and what crosses.

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::{Server, cli};
use serde_json::{Value, json};

use crate::support::{
    Hierarchy, account, admits, arrived, hpub, knock, lets_in, login, present, quiet_again,
    settled, user_token, well,
};

/// Configurations whose imports lead back to where they began are refused, and where one is not
/// recognised, a request on the circle comes to an end.
#[test]
fn cve_2020_28466_a_cycle_of_imports_is_refused_or_ends() {
    let user = |name: &str| format!("users: [{{user: {name}, password: p}}],");
    for (refused, a, b, c) in [
        (
            true,
            r#"exports: [{service: "x"}], imports: [{service: {account: B, subject: "x"}}]"#,
            r#"exports: [{service: "x"}], imports: [{service: {account: A, subject: "x"}}]"#,
            "",
        ),
        (
            true,
            r#"exports: [{stream: ">"}], imports: [{stream: {account: B, subject: ">"}}]"#,
            r#"exports: [{stream: ">"}], imports: [{stream: {account: A, subject: ">"}}]"#,
            "",
        ),
        (
            false,
            r#"exports: [{service: "*"}], imports: [{service: {account: B, subject: "y"}, to: "x"}]"#,
            r#"exports: [{service: "y"}], imports: [{service: {account: A, subject: "x"}, to: "y"}]"#,
            "",
        ),
        (
            false,
            r#"exports: [{service: "x.>"}], imports: [{service: {account: C, subject: "c.*"}, to: "x.*"}]"#,
            r#"exports: [{service: "b.*"}], imports: [{service: {account: A, subject: "x.1"}, to: "b.1"}]"#,
            r#"exports: [{service: "c.*"}], imports: [{service: {account: B, subject: "b.*"}, to: "c.*"}]"#,
        ),
    ] {
        let (ua, ub, uc) = (user("a"), user("b"), user("c"));
        let config = format!("accounts {{ A {{ {ua} {a} }}\nB {{ {ub} {b} }}\nC {{ {uc} {c} }} }}");
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("server.conf");
        std::fs::write(&path, &config).expect("a writable file");
        let checked = cli::run(["-t", "-c", path.to_str().expect("a UTF-8 path")]);
        if checked.stderr.contains("cycle") {
            continue;
        }
        if refused {
            let done = cli::run([
                "-a",
                "127.0.0.1",
                "-p",
                "-1",
                "-c",
                path.to_str().unwrap_or(""),
            ]);
            assert!(done.stderr.contains("cycle"), "{config}: {}", done.stderr);
            continue;
        }
        let server = Server::builder().monitored().config(&config).start();
        for user in ["a", "b", "c"] {
            let mut client = login(&server, user);
            for subject in ["x", "y", "x.1", "b.1", "c.1"] {
                client.send(format!("PUB {subject} inbox 1\r\nm\r\n"));
            }
            client.sync();
        }
        let seen = quiet_again(&server);
        assert!(seen < 100, "{config}: {seen} messages");
        well(&server);
    }
}

/// The same by tokens, which tenants make: whatever becomes of the cycle, a message comes to an end.
#[test]
fn cve_2022_42709_a_cycle_of_imports_by_tokens_ends() {
    let import = |from: &str, subject: &str, local: &str, kind: &str| {
        json!({"name": local, "account": account(from).public(), "subject": subject,
            "local_subject": local, "type": kind})
    };
    for kind in ["service", "stream"] {
        for (a, b, c) in [("x", "x", "x"), ("x", "y", "z"), ("x.*", "y.*", "z.*")] {
            let export =
                |subject: &str| json!([{"name": subject, "subject": subject, "type": kind}]);
            let claims = [
                ("A", a, import("C", c, a, kind)),
                ("B", b, import("A", a, b, kind)),
                ("C", c, import("B", b, c, kind)),
            ]
            .map(|(name, subject, import)| {
                (
                    name,
                    json!({"exports": export(subject), "imports": [import]}),
                )
            });
            let server = Hierarchy::new(&claims).start();
            let mut clients = Vec::new();
            for name in ["A", "B", "C"] {
                let user = format!("user-{name}");
                let mut client = present(&server, &user_token(name, &user, json!({})), &user);
                let _ = client.try_send("SUB > 1\r\nPING\r\n");
                // An account that is part of a cycle may be turned away as a whole.
                if client.line_or_end().as_deref() == Some("PONG") {
                    clients.push(client);
                }
            }
            for client in &mut clients {
                for subject in [a, b, c] {
                    let subject = subject.replace('*', "1");
                    client.send(format!("PUB {subject} inbox 1\r\nm\r\n"));
                }
                client.send("PING\r\n");
                while client.line() != "PONG" {}
            }
            let seen = quiet_again(&server);
            assert!(seen < 100, "{kind} {a} {b} {c}: {seen} messages");
            well(&server);
        }
    }
}

/// A token that lets one account import one subject lets nobody else import anything.
#[test]
fn cve_2021_3127_an_activation_is_good_for_its_account_and_subject() {
    let exports = json!({"exports": [
        {"name": "p", "subject": "private.*", "type": "stream", "token_req": true}]});
    let activation = |importer: &str, subject: &str| {
        let nats = json!({"subject": subject, "kind": "stream"});
        let key = account(importer).public();
        jwt::encode(
            &account("A"),
            jwt::claims("activation", &key, json!({}), nats),
        )
    };
    let importing = |subject: &str, token: String| {
        json!({"imports": [{"name": "i", "account": account("A").public(), "subject": subject,
            "type": "stream", "token": token}]})
    };
    // By whom it was not signed counts too.
    let forged = {
        let nats = json!({"subject": "private.one", "kind": "stream"});
        let key = account("FORGER").public();
        jwt::encode(
            &account("FORGER"),
            jwt::claims("activation", &key, json!({}), nats),
        )
    };
    let server = Hierarchy::new(&[
        ("A", exports),
        (
            "GOOD",
            importing("private.one", activation("GOOD", "private.one")),
        ),
        (
            "THIEF",
            importing("private.one", activation("GOOD", "private.one")),
        ),
        (
            "WIDER",
            importing("private.two", activation("WIDER", "private.one")),
        ),
        (
            "WIDEST",
            importing("private.*", activation("WIDEST", "private.one")),
        ),
        ("FORGER", importing("private.one", forged)),
        ("NONE", importing("private.one", String::new())),
    ])
    .start();
    let mut clients = Vec::new();
    for name in ["GOOD", "THIEF", "WIDER", "WIDEST", "FORGER", "NONE"] {
        let mut client = present(&server, &user_token(name, name, json!({})), name);
        let _ = client.try_send("SUB > 1\r\nPING\r\n");
        if client.line_or_end().as_deref() == Some("PONG") {
            clients.push((name, client));
        } else {
            assert_ne!(name, "GOOD");
        }
    }
    let mut exporter = present(&server, &user_token("A", "a", json!({})), "a");
    exporter.send("PUB private.one 1\r\n1\r\nPUB private.two 1\r\n2\r\n");
    settled(&mut exporter, &mut []);
    for (name, client) in &mut clients {
        let wanted: &[(String, String)] = match *name {
            "GOOD" => &[("private.one".to_owned(), "1".to_owned())],
            _ => &[],
        };
        assert_eq!(arrived(client), wanted, "{name}");
    }
}

/// The account is that of the user, whatever CONNECT asks for.
#[test]
fn cve_2022_24450_a_client_cannot_choose_its_account() {
    let server = Server::with_config(
        r#"accounts {
          A { users: [{user: a, password: p}] }
          B { users: [{user: b, password: p}] }
          SYS { users: [{user: s, password: p}] }
        }
        system_account: SYS"#,
    );
    for wish in ["B", "SYS", "$SYS", "$G", "NEW"] {
        for new in [true, false] {
            let options = json!({"verbose": false, "user": "a", "pass": "p", "account": wish,
                "new_account": new});
            if !lets_in(&server, &options.to_string()) {
                continue;
            }
            let mut client =
                cognate_conformance::Client::with_options(server.addr(), &options.to_string());
            let path = format!("/connz?auth=1&cid={}", client.cid());
            let shown = server.json(&path)["connections"][0]["account"].clone();
            assert_eq!(shown, "A", "{options}");
            client.send("SUB $SYS.> 1\r\nSUB > 2\r\n").sync();
            let mut other = login(&server, "b");
            other.send("PUB of.b 1\r\nm\r\n");
            settled(&mut other, &mut []);
            assert_eq!(arrived(&mut client), [], "{options}");
        }
    }
    assert_eq!(
        server.json("/accountz")["accounts"]
            .as_array()
            .map(|all| all.iter().any(|name| name == "NEW")),
        Some(false)
    );
}

/// Users of the `authorization` block are not undone by an account for the system.
#[test]
fn cve_2023_47090_an_account_for_the_system_opens_nothing() {
    for accounts in [
        "accounts { $SYS { users: [{user: s, password: p}] } }",
        "accounts { SYS { users: [{user: s, password: p}] } }\nsystem_account: SYS",
    ] {
        for authorization in [
            "authorization { user: u, password: p }",
            "authorization { users: [{user: u, password: p}] }",
            "authorization { token: p }",
        ] {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = dir.path().join("server.conf");
            let config = format!("{accounts}\n{authorization}");
            std::fs::write(&path, &config).expect("a writable file");
            let path = path.to_str().expect("a UTF-8 path");
            if cli::run(["-t", "-c", path]).code != Some(0) {
                // Not a combination that the server takes.
                continue;
            }
            let server = Server::with_config(&config);
            assert!(!lets_in(&server, "{\"verbose\":false}"), "{config}");
            let guess = json!({"verbose": false, "user": "u", "pass": "guess"});
            assert!(!lets_in(&server, &guess.to_string()), "{config}");
            let system = json!({"verbose": false, "user": "s", "pass": "p"});
            assert_eq!(knock(&server, &system.to_string()), "PONG", "{config}");
        }
    }
}

/// A user's token signed by one account opens no other.
#[test]
fn cve_2022_24450_a_token_of_one_account_opens_no_other() {
    let server = Hierarchy::new(&[("A", json!({})), ("B", json!({}))]).start();
    let key = Key::new(Role::User, "u");
    let mut claims: Value = jwt::user(&key, "u", json!({}));
    assert!(admits(
        &server,
        &jwt::encode(&account("A"), claims.clone()),
        "u"
    ));
    for pretended in ["B", "SYS"] {
        claims["nats"]["issuer_account"] = json!(account(pretended).public());
        let token = jwt::encode(&account("A"), claims.clone());
        assert!(!admits(&server, &token, "u"), "{pretended}");
    }
}

/// Who answers a request whose reply subject is another service's asks that service, with headers that
/// it chose itself: what it says there of who asks is not believed.
#[test]
fn an_answer_does_not_say_who_asks() {
    let server = Server::with_config(
        "accounts {
          A { users: [{user: a, password: p}], imports: [{service: {account: B, subject: q}}] }
          B { users: [{user: b, password: p}], exports: [{service: q}] }
          V { users: [{user: victim, password: p, permissions: {publish: [very.secret]}}] }
        }",
    );
    let [mut asking, mut answering, victim] = ["a", "b", "victim"].map(|user| login(&server, user));
    answering.send("SUB q 1\r\nSUB loot 2\r\n");
    answering.sync();
    asking.send("PUB q $SYS.REQ.USER.INFO 0\r\n\r\n");
    let reply = answering.message().reply.expect("a way back");
    let claim = format!(
        "Nats-Request-Info: {{\"acc\":\"V\",\"id\":{},\"kind\":\"Client\"}}\r\n",
        victim.cid()
    );
    answering.send(hpub(&reply, "loot", &claim, ""));
    // Its own question is answered behind that one.
    answering.send("PUB $SYS.REQ.USER.INFO loot 0\r\n\r\n");
    loop {
        let answer = answering.message().payload;
        assert!(
            !answer.contains("victim") && !answer.contains("secret"),
            "{answer}"
        );
        if answer.contains(r#""user":"b""#) {
            break;
        }
    }
}
