//! What a user may publish and subscribe to.

use cognate_conformance::{Client, Server};

use crate::support::{Open, check};

fn connect(user: &str) -> String {
    format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{user}\",\"pass\":\"{user}\"}}\r\n"
    )
}

fn login(server: &Server, user: &str, script: &str) -> Client {
    let mut client = server.connect();
    client.send(connect(user)).send(script).sync();
    client
}

fn no_publish(subject: &str) -> String {
    format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")
}

fn no_subscribe(subject: &str) -> String {
    format!("-ERR 'Permissions Violation for Subscription to \"{subject}\"'\r\n")
}

fn no_queue(subject: &str, queue: &str) -> String {
    format!(
        "-ERR 'Permissions Violation for Subscription to \"{subject}\" using queue \"{queue}\"'\r\n"
    )
}

const CONFIG: &str = r#"authorization { users: [
  {user: a, password: a, permissions: {
     publish: ["foo.*", "bar"]
     subscribe: {allow: ["foo.>", "q.* work", "w.* dev.*"], deny: "foo.secret"}}}
  {user: d, password: d, permissions: {publish: {deny: "x.>"}, subscribe: {deny: ["y.>", "z q1"]}}}
  {user: none, password: none, permissions: {publish: {deny: ">"}, subscribe: {deny: ">"}}}
  {user: r, password: r, permissions: {subscribe: "svc", allow_responses: true}}
  {user: r2, password: r2, permissions: {subscribe: "svc", publish: "log", allow_responses: {max: 2, expires: "1m"}}}
  {user: rx, password: rx, permissions: {subscribe: "svc", allow_responses: {max: 9, expires: "50ms"}}}
  {user: all, password: all}
] }"#;

#[test]
fn publishing_needs_an_allow_and_no_deny() {
    let server = Server::with_config(CONFIG);
    check(
        &server,
        &connect("a"),
        &[
            ("allowed", b"PUB foo.x 0\r\n\r\nPUB bar 0\r\n\r\n", "", Open),
            (
                "too long",
                b"PUB foo.x.y 0\r\n\r\n",
                &no_publish("foo.x.y"),
                Open,
            ),
            (
                "not listed",
                b"PUB baz 5\r\nhello\r\n",
                &no_publish("baz"),
                Open,
            ),
            (
                "again, from the cache",
                b"PUB baz 0\r\n\r\nPUB baz 0\r\n\r\n",
                &no_publish("baz").repeat(2),
                Open,
            ),
            (
                "the reply needs no permission",
                b"PUB bar not.allowed 0\r\n\r\n",
                "",
                Open,
            ),
        ],
    );
    check(
        &server,
        &connect("d"),
        &[
            ("denied", b"PUB x.1 0\r\n\r\n", &no_publish("x.1"), Open),
            ("not denied", b"PUB x 0\r\n\r\nPUB y.1 0\r\n\r\n", "", Open),
        ],
    );
    check(
        &server,
        &connect("none"),
        &[("nothing", b"PUB q 0\r\n\r\n", &no_publish("q"), Open)],
    );
    // What is refused is not delivered.
    let mut witness = login(&server, "all", "SUB > 1\r\n");
    let mut client = login(&server, "a", "");
    client
        .send("PUB baz 2\r\nno\r\n")
        .expect(no_publish("baz"))
        .sync();
    client.send("PUB bar 3\r\nyes\r\n").sync();
    witness.expect("MSG bar 1 3\r\nyes\r\n").sync();
}

#[test]
fn subscribing_needs_an_allow_that_covers_it() {
    let server = Server::with_config(CONFIG);
    check(
        &server,
        &connect("a"),
        &[
            (
                "covered",
                b"SUB foo.a 1\r\nSUB foo.> 2\r\nSUB foo.*.x 3\r\n",
                "",
                Open,
            ),
            (
                "denied",
                b"SUB foo.secret 1\r\n",
                &no_subscribe("foo.secret"),
                Open,
            ),
            ("wider", b"SUB > 1\r\n", &no_subscribe(">"), Open),
            ("sideways", b"SUB * 1\r\n", &no_subscribe("*"), Open),
            ("shorter", b"SUB foo 1\r\n", &no_subscribe("foo"), Open),
        ],
    );
    check(
        &server,
        &connect("none"),
        &[("nothing", b"SUB q 1\r\n", &no_subscribe("q"), Open)],
    );
}

#[test]
fn messages_that_match_a_deny_are_not_delivered_to_wider_subscriptions() {
    let server = Server::with_config(CONFIG);
    let mut a = login(&server, "a", "SUB foo.> 1\r\n");
    let mut d = login(&server, "d", "SUB > 1\r\n");
    let mut all = login(&server, "all", "SUB > 1\r\n");
    all.send("PUB foo.secret 0\r\n\r\nPUB y.1 0\r\n\r\nPUB foo.open 0\r\n\r\n");
    all.expect("MSG foo.secret 1 0\r\n\r\nMSG y.1 1 0\r\n\r\nMSG foo.open 1 0\r\n\r\n")
        .sync();
    a.expect("MSG foo.open 1 0\r\n\r\n").sync();
    d.expect("MSG foo.secret 1 0\r\n\r\nMSG foo.open 1 0\r\n\r\n")
        .sync();
}

#[test]
fn queue_permissions_name_the_group() {
    let server = Server::with_config(CONFIG);
    check(
        &server,
        &connect("a"),
        &[
            ("its group", b"SUB q.a work 1\r\n", "", Open),
            (
                "without a group",
                b"SUB q.a 1\r\n",
                &no_subscribe("q.a"),
                Open,
            ),
            (
                "another group",
                b"SUB q.a other 1\r\n",
                &no_queue("q.a", "other"),
                Open,
            ),
            ("a group by wildcard", b"SUB w.a dev.1 1\r\n", "", Open),
            (
                "not by wildcard",
                b"SUB w.a prod.1 1\r\n",
                &no_queue("w.a", "prod.1"),
                Open,
            ),
            (
                "a plain allow lets any group in",
                b"SUB foo.a any 1\r\n",
                "",
                Open,
            ),
        ],
    );
    check(
        &server,
        &connect("d"),
        &[
            (
                "a denied group",
                b"SUB z q1 1\r\n",
                &no_queue("z", "q1"),
                Open,
            ),
            ("others", b"SUB z q2 1\r\nSUB z 2\r\n", "", Open),
        ],
    );
}

#[test]
fn refusals_take_the_place_of_ok_and_are_logged() {
    let server = Server::with_config(CONFIG);
    check(
        &server,
        "CONNECT {\"verbose\":true,\"user\":\"a\",\"pass\":\"a\"}\r\n",
        &[(
            "no +OK",
            b"PUB baz 0\r\n\r\nSUB > 1\r\n",
            &format!("+OK\r\n{}{}", no_publish("baz"), no_subscribe(">")),
            Open,
        )],
    );
    server.wait_log("Publish Violation - Subject \"baz\"");
    server.wait_log("Subscription Violation - Subject \">\", SID 1");
}

#[test]
fn responders_may_answer_what_they_received() {
    let server = Server::with_config(CONFIG);
    for (user, allowed) in [("r", 1), ("r2", 2)] {
        let mut responder = login(&server, user, "SUB svc 1\r\n");
        let mut asking = login(&server, "all", "SUB in.> 1\r\n");
        responder
            .send("PUB in.1 0\r\n\r\n")
            .expect(no_publish("in.1"))
            .sync();
        asking.send("PUB svc in.1 0\r\n\r\n").sync();
        responder.expect("MSG svc 1 in.1 0\r\n\r\n");
        responder
            .send("PUB in.1 1\r\nx\r\n".repeat(allowed + 1))
            .send("PUB in.2 0\r\n\r\n");
        responder
            .expect(no_publish("in.1"))
            .expect(no_publish("in.2"))
            .sync();
        asking
            .expect("MSG in.1 1 1\r\nx\r\n".repeat(allowed))
            .sync();
    }
    // Without an own allow list nothing else may be published.
    check(
        &server,
        &connect("r"),
        &[(
            "nothing else",
            b"PUB log 0\r\n\r\n",
            &no_publish("log"),
            Open,
        )],
    );
    check(
        &server,
        &connect("r2"),
        &[("its own list", b"PUB log 0\r\n\r\n", "", Open)],
    );
}

#[test]
fn the_permission_to_answer_expires() {
    let server = Server::with_config(CONFIG);
    let mut responder = login(&server, "rx", "SUB svc 1\r\n");
    let mut asking = login(&server, "all", "SUB in.> 1\r\nPUB svc in.1 0\r\n\r\n");
    responder.expect("MSG svc 1 in.1 0\r\n\r\n");
    let end = std::time::Instant::now() + cognate_conformance::wait::DEADLINE;
    loop {
        responder.send("PUB in.1 0\r\n\r\nPING\r\n");
        let answer = responder.line();
        if answer != "PONG" {
            assert_eq!(format!("{answer}\r\n"), no_publish("in.1"));
            break;
        }
        assert!(
            std::time::Instant::now() < end,
            "the permission never expires"
        );
    }
    assert!(asking.messages_until_pong().len() <= 9);
}

#[test]
fn default_permissions_apply_to_users_without_their_own() {
    let server = Server::with_config(
        "authorization { default_permissions: {publish: \"ok\", subscribe: \"ok\"}\n\
         users: [ {user: plain, password: plain}\n\
                  {user: own, password: own, permissions: {publish: \"mine\"}} ] }",
    );
    check(
        &server,
        &connect("plain"),
        &[
            (
                "default",
                b"SUB ok 1\r\nPUB ok 0\r\n\r\n",
                "MSG ok 1 0\r\n\r\n",
                Open,
            ),
            (
                "nothing else",
                b"PUB no 0\r\n\r\nSUB no 1\r\n",
                &(no_publish("no") + &no_subscribe("no")),
                Open,
            ),
        ],
    );
    check(
        &server,
        &connect("own"),
        &[(
            "own",
            b"PUB mine 0\r\n\r\nPUB ok 0\r\n\r\nSUB any 1\r\n",
            &no_publish("ok"),
            Open,
        )],
    );
}
