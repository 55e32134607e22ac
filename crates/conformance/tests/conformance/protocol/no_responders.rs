//! The 503 that tells a requester that nobody listens.

use cognate_conformance::Server;

use crate::support::{HEADERS, Open, check, subscribed};

#[test]
fn a_request_nobody_hears_is_answered_by_the_server() {
    let server = Server::start();
    let answer = "HMSG r.1 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: nope\r\n\r\n\r\n";
    check(
        &server,
        HEADERS,
        &[
            (
                "wildcard inbox",
                b"SUB r.* 1\r\nPUB nope r.1 5\r\nhello\r\n",
                answer,
                Open,
            ),
            (
                "exact inbox",
                b"SUB r.1 1\r\nPUB nope r.1 0\r\n\r\n",
                answer,
                Open,
            ),
            (
                "HPUB",
                b"SUB r.1 1\r\nHPUB nope r.1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                answer,
                Open,
            ),
            (
                "a responder that left",
                b"SUB r.> 1\r\nSUB nope 2\r\nUNSUB 2\r\nPUB nope r.1 0\r\n\r\n",
                answer,
                Open,
            ),
            (
                "no reply, no answer",
                b"SUB r.* 1\r\nPUB nope 0\r\n\r\n",
                "",
                Open,
            ),
            ("an inbox of nobody", b"PUB nope r.1 0\r\n\r\n", "", Open),
            (
                "a queue subscription is no inbox",
                b"SUB r.1 q 1\r\nPUB nope r.1 0\r\n\r\n",
                "",
                Open,
            ),
            (
                "somebody listens",
                b"SUB r.1 1\r\nSUB nope 2\r\nPUB nope r.1 0\r\n\r\n",
                "MSG nope 2 r.1 0\r\n\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn verbose_requesters_get_ok_first() {
    let server = Server::start();
    check(
        &server,
        "",
        &[(
            "order",
            b"CONNECT {\"verbose\":true,\"headers\":true,\"no_responders\":true}\r\nSUB r 1\r\nPUB nope r 0\r\n\r\n",
            "+OK\r\n+OK\r\n+OK\r\nHMSG r 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: nope\r\n\r\n\r\n",
            Open,
        )],
    );
}

#[test]
fn own_subscriptions_do_not_count_without_echo() {
    let server = Server::start();
    check(
        &server,
        "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"echo\":false}\r\n",
        &[(
            "no echo",
            b"SUB r 1\r\nSUB nope 2\r\nPUB nope r 0\r\n\r\n",
            "HMSG r 1 36 36\r\nNATS/1.0 503\r\nNats-Subject: nope\r\n\r\n\r\n",
            Open,
        )],
    );
}

#[test]
fn only_the_one_who_asked_for_it_is_told() {
    let server = Server::start();
    let mut plain = subscribed(&server, "SUB r.> 1\r\n");
    plain.send("PUB nope r.1 0\r\n\r\n").sync();
    let mut asking = server.connect();
    asking
        .send(HEADERS)
        .send("SUB r.* 9\r\nPUB nope r.2 0\r\n\r\n");
    asking
        .expect("HMSG r.2 9 36 36\r\nNATS/1.0 503\r\nNats-Subject: nope\r\n\r\n\r\n")
        .sync();
    // The other client's wider subscription does not see the server's answer.
    plain.sync();
}

#[test]
fn requests_are_answered_by_every_responder_in_turn() {
    let server = Server::start();
    let mut responders: Vec<_> = (0..3)
        .map(|_| subscribed(&server, "SUB svc 1\r\n"))
        .collect();
    let mut asking = server.connect();
    asking
        .send(HEADERS)
        .send("SUB inbox.* 1\r\nPUB svc inbox.7 1\r\n?\r\n")
        .sync();
    for (number, responder) in responders.iter_mut().enumerate() {
        responder.expect("MSG svc 1 inbox.7 1\r\n?\r\n");
        responder
            .send(format!("PUB inbox.7 1\r\n{number}\r\n"))
            .sync();
    }
    let answers: Vec<String> = asking
        .messages_until_pong()
        .into_iter()
        .map(|message| message.payload)
        .collect();
    assert_eq!(answers, ["0", "1", "2"]);
}
