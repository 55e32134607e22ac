//! Numbers of connections, subscriptions and tokens.

use cognate_conformance::{Server, wait};

use crate::support::{Closed, Open, QUIET, check};

#[test]
fn connections_over_the_maximum_are_turned_away() {
    let server = Server::with_config("max_connections: 2");
    let one = server.quiet();
    let _two = server.quiet();
    let mut three = server.connect();
    let cid = three.cid();
    three
        .expect("-ERR 'maximum connections exceeded'\r\n")
        .expect_close();
    assert_eq!(server.close_reason(cid), "Maximum Connections Exceeded");
    drop(one);
    wait::until("room for another", || {
        let mut client = server.connect();
        // A write to a closed connection may fail; then there is no room yet.
        client.try_send(QUIET).ok()?;
        client.try_send("PING\r\n").ok()?;
        client.exactly("PONG\r\n").ok()
    });
}

#[test]
fn a_maximum_of_no_connections_refuses_everybody() {
    let server = Server::builder().config("max_connections: 0").start();
    check(
        &server,
        "",
        &[(
            "refused",
            b"",
            "-ERR 'maximum connections exceeded'\r\n",
            Closed,
        )],
    );
}

#[test]
fn subscriptions_over_the_maximum_are_refused() {
    let server = Server::builder().config("max_subscriptions: 2").start();
    let exceeded = "-ERR 'maximum subscriptions exceeded'\r\n";
    check(
        &server,
        QUIET,
        &[
            (
                "the third",
                b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n",
                exceeded,
                Open,
            ),
            (
                "room after UNSUB",
                b"SUB a 1\r\nSUB b 2\r\nUNSUB 1\r\nSUB c 3\r\nPUB c 0\r\n\r\n",
                "MSG c 3 0\r\n\r\n",
                Open,
            ),
            (
                "the first two stay",
                b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\nPUB a 0\r\n\r\nPUB c 0\r\n\r\n",
                &format!("{exceeded}MSG a 1 0\r\n\r\n"),
                Open,
            ),
        ],
    );
    check(
        &server,
        "CONNECT {\"verbose\":true}\r\n",
        &[(
            "verbose",
            b"SUB a 1\r\nSUB b 2\r\nSUB c 3\r\n",
            &format!("+OK\r\n+OK\r\n+OK\r\n{exceeded}"),
            Open,
        )],
    );
}

#[test]
fn subjects_with_too_many_tokens_are_refused() {
    let server = Server::builder().config("max_sub_tokens: 3").start();
    let refused = |subject: &str| {
        format!(
            "-ERR 'Permissions Violation for Subscription to \"{subject}\", too many tokens'\r\n"
        )
    };
    check(
        &server,
        QUIET,
        &[
            ("as many", b"SUB a.b.c 1\r\nSUB a.*.> 2\r\n", "", Open),
            ("one more", b"SUB a.b.c.d 1\r\n", &refused("a.b.c.d"), Open),
            (
                "wildcards count",
                b"SUB a.b.c.> q 1\r\n",
                &refused("a.b.c.>"),
                Open,
            ),
            (
                "publishing is not limited",
                b"SUB > 1\r\nPUB a.b.c.d.e 0\r\n\r\n",
                "MSG a.b.c.d.e 1 0\r\n\r\n",
                Open,
            ),
        ],
    );
}
