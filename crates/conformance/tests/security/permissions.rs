//! Advisories about permissions: what a deny rule must keep from a subscription, however it is
//! written, and who a client without credentials may be.

use cognate_conformance::Server;

use crate::support::{arrived, knock, lets_in, login, settled};

/// A server with a user `limited` whose permissions are these, and a free user `free`.
fn server(permissions: &str) -> Server {
    Server::with_config(&format!(
        "authorization {{ users: [\n\
         {{user: limited, password: p, permissions: {{{permissions}}}}}\n\
         {{user: free, password: p}} ] }}"
    ))
}

/// What a queue subscription of the limited user to a wildcard gets is filtered too, and what it may
/// not see goes to another member of the group.
#[test]
fn cve_2022_29946_a_queue_subscription_to_a_wildcard_does_not_see_what_is_denied() {
    let server = server(r#"subscribe: {allow: ["jobs.*"], deny: ["jobs.secret"]}"#);
    let mut limited = login(&server, "limited");
    let mut free = login(&server, "free");
    limited.send("SUB jobs.* workers 1\r\n").sync();
    for _ in 0..20 {
        free.send("PUB jobs.secret 1\r\ns\r\nPUB jobs.open 1\r\no\r\n");
    }
    settled(&mut free, &mut []);
    let seen = arrived(&mut limited);
    assert_eq!(seen.len(), 20, "{seen:?}");
    assert!(seen.iter().all(|(subject, _)| subject == "jobs.open"));
    let mut member = login(&server, "free");
    member.send("SUB jobs.* workers 1\r\n").sync();
    for _ in 0..50 {
        free.send("PUB jobs.secret 1\r\ns\r\n");
    }
    settled(&mut free, &mut []);
    assert_eq!(arrived(&mut limited), []);
    assert_eq!(arrived(&mut member).len(), 50);
}

/// A deny rule that overlaps a subscription without containing it.
#[test]
fn ghsa_wh7g_5m82_pmhr_a_deny_rule_that_overlaps_a_wildcard_holds() {
    for (deny, filter, denied, allowed) in [
        ("*.secret", "foo.*", "foo.secret", "foo.public"),
        ("foo.*.bar", "foo.baz.*", "foo.baz.bar", "foo.baz.qux"),
        ("*.*.bar", "foo.*.*", "foo.baz.bar", "foo.baz.qux"),
        ("a.>", "*.b", "a.b", "z.b"),
        ("*.b.>", "a.*.c", "a.b.c", "a.x.c"),
        ("a.*.c", ">", "a.b.c", "a.b.d"),
        ("*.*.c.>", "a.>", "a.b.c.d", "a.b.c"),
    ] {
        for queue in ["", "workers "] {
            let server = server(&format!(
                "subscribe: {{allow: [\">\"], deny: [\"{deny}\"]}}"
            ));
            let mut limited = login(&server, "limited");
            limited.send(format!("SUB {filter} {queue}1\r\n")).sync();
            let mut free = login(&server, "free");
            free.send(format!(
                "PUB {denied} 1\r\nd\r\nPUB {allowed} 1\r\na\r\nPUB {denied} 1\r\nd\r\n"
            ));
            settled(&mut free, &mut []);
            let seen = arrived(&mut limited);
            let wanted = [(allowed.to_owned(), "a".to_owned())];
            assert_eq!(seen, wanted, "deny {deny}, SUB {filter} {queue}");
        }
    }
}

/// A rule about one queue must not undo a rule about the subject.
#[test]
fn ghsa_jx8g_9g95_6322_a_queue_rule_does_not_undo_a_plain_deny() {
    let server = server(r#"subscribe: {allow: [">"], deny: ["admin.>", "> restricted"]}"#);
    let mut limited = login(&server, "limited");
    for (filter, queue, refused) in [
        ("admin.secret", "", true),
        ("admin.secret", "workers", true),
        ("admin.secret", "restricted", true),
        ("other", "restricted", true),
        ("other", "workers", false),
        ("other", "", false),
    ] {
        limited.send(format!("SUB {filter} {queue} 1\r\nPING\r\n"));
        let mut line = limited.line();
        let error = line.starts_with("-ERR 'Permissions Violation for Subscription");
        if error {
            line = limited.line();
        }
        assert_eq!(line, "PONG");
        assert_eq!(error, refused, "SUB {filter} {queue}");
        limited.send("UNSUB 1\r\n");
    }
    // A wider subscription is taken, and sees nothing of it.
    limited.send("SUB > workers 2\r\n").sync();
    let mut free = login(&server, "free");
    free.send("PUB admin.secret 1\r\ns\r\nPUB other 1\r\no\r\n");
    settled(&mut free, &mut []);
    assert_eq!(arrived(&mut limited), [("other".into(), "o".into())]);
}

/// What a client may be without credentials is no more when its first word is not CONNECT.
#[test]
fn ghsa_hmmp_q8cx_v964_a_client_that_skips_connect_is_restricted_like_others() {
    let proxy = cognate_conformance::jwt::Key::new(cognate_conformance::jwt::Role::Server, "ONE");
    let trusted = format!("proxies {{ trusted: [ {{key: {}}} ] }}", proxy.public());
    for (restriction, proxies) in [
        ("allowed_connection_types: [\"WEBSOCKET\"]", ""),
        ("proxy_required: true", trusted.as_str()),
    ] {
        let server = Server::with_config(&format!(
            "no_auth_user: guest\n{proxies}\n\
             authorization {{ users: [\n\
             {{user: guest, password: p, {restriction}}}\n\
             {{user: free, password: p}} ] }}"
        ));
        for first in [
            "PING\r\n",
            "SUB x 1\r\nPING\r\n",
            "PUB x 1\r\nm\r\nPING\r\n",
        ] {
            let mut client = server.connect();
            let _ = client.try_send(first);
            let rest = client.rest();
            assert!(!rest.contains("PONG"), "{restriction}, {first:?}: {rest}");
        }
        assert!(!lets_in(&server, "{\"verbose\":false}"), "{restriction}");
        assert_eq!(
            knock(&server, r#"{"verbose":false,"user":"free","pass":"p"}"#),
            "PONG"
        );
    }
    // Where nothing restricts the user, the short way is open.
    let server = Server::with_config(
        "no_auth_user: guest\nauthorization { users: [{user: guest, password: p}] }",
    );
    let mut client = server.connect();
    client.send("PING\r\n").expect("PONG\r\n");
}

/// What is traced goes where the publisher may publish, and nowhere else.
#[test]
fn cve_2026_33249_traces_are_not_sent_where_the_client_may_not_publish() {
    let server = server(r#"publish: {allow: ["in.>", "mine.>"]}"#);
    let mut watcher = login(&server, "free");
    watcher
        .send("SUB elsewhere 1\r\nSUB $JS.API.> 2\r\n")
        .sync();
    let mut limited = login(&server, "limited");
    for destination in ["elsewhere", "$JS.API.STREAM.DELETE.S"] {
        for more in ["", "Nats-Trace-Only: true\r\n"] {
            limited.send(crate::support::hpub(
                "in.x",
                "",
                &format!("Nats-Trace-Dest: {destination}\r\n{more}"),
                "m",
            ));
        }
    }
    settled(&mut limited, &mut []);
    assert_eq!(arrived(&mut watcher), []);
}
