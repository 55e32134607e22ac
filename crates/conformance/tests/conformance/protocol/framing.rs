//! How bytes become operations: verbs in any case, separators, line ends, splits and coalescing.

use cognate_conformance::Server;

use crate::support::{Closed, End, Open, QUIET, check};

const UNKNOWN: &str = "-ERR 'Unknown Protocol Operation'\r\n";

// tidy: long-function: a table of spellings of the same operations
#[test]
fn separators_and_line_ends_are_tolerated() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            (
                "runs of spaces",
                b"SUB   a    1\r\nPUB  a   1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "tabs",
                b"SUB\ta\t1\r\nPUB\ta\t1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "mixed",
                b"SUB \t a \t 1\r\nPUB \ta\t 1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "trailing space of SUB",
                b"SUB a 1  \t\r\nPUB a 1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "trailing space of PUB",
                b"SUB a 1\r\nPUB a 1  \r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "bare line feeds after control lines",
                b"SUB a 1\nPUB a 1\nx\r\nPING\n",
                "MSG a 1 1\r\nx\r\nPONG\r\n",
                Open,
            ),
            (
                "lower case",
                b"sub a 1\r\npub a 1\r\nx\r\nunsub 1\r\nping\r\npong\r\n",
                "MSG a 1 1\r\nx\r\nPONG\r\n",
                Open,
            ),
            (
                "mixed case",
                b"sUb a 1\r\nPuB a 1\r\nx\r\nuNsUb 1\r\npInG\r\n",
                "MSG a 1 1\r\nx\r\nPONG\r\n",
                Open,
            ),
            (
                "words after PING",
                b"PING now\r\nPING \t\r\nPINGPONG\r\n",
                "PONG\r\nPONG\r\nPONG\r\n",
                Open,
            ),
            ("words after PONG", b"PONG now\r\n", "", Open),
            (
                "space before the line end inside SUB",
                b"SUB a q 1 \r\nPUB a 1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
        ],
    );
}

/// A script that uses every verb, and its answer. Each use on one server has its own `group`, lest
/// a member that is about to leave takes the next one's message.
fn everything(group: usize) -> (String, String) {
    let script = "CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\n\
         SUB foo.* 1\r\nsub  bar\tq 2\r\nPUB foo.x 5\r\nhello\r\npub foo.y  r.1 0\r\n\r\n\
         HPUB bar r.2 18 21\r\nNATS/1.0\r\nA: b\r\n\r\nabc\r\nUNSUB 1 3\r\nPING\r\n\
         PUB foo.z 2\r\n\r\n\r\nPUB foo.z 2\r\nno\r\nSUB r 3\r\nPUB nobody r 1\r\nx\r\nUNSUB 2\r\nPONG\r\n";
    let answer = "MSG foo.x 1 5\r\nhello\r\nMSG foo.y 1 r.1 0\r\n\r\n\
         HMSG bar 2 r.2 18 21\r\nNATS/1.0\r\nA: b\r\n\r\nabc\r\nPONG\r\n\
         MSG foo.z 1 2\r\n\r\n\r\nHMSG r 3 38 38\r\nNATS/1.0 503\r\nNats-Subject: nobody\r\n\r\n\r\n";
    (
        script.replace("bar\tq ", &format!("bar\tq{group} ")),
        answer.to_owned(),
    )
}

#[test]
fn a_script_may_arrive_in_one_piece() {
    let server = Server::start();
    let (script, answer) = everything(0);
    check(
        &server,
        "",
        &[("one write", script.as_bytes(), &answer, Open)],
    );
}

#[test]
fn a_script_may_arrive_one_byte_at_a_time() {
    let server = Server::start();
    let (script, answer) = everything(0);
    let mut client = server.connect();
    for byte in script.as_bytes() {
        client.send([*byte]);
    }
    client.expect(answer).sync();
}

#[test]
fn a_script_may_be_split_at_any_byte() {
    let server = Server::start();
    for at in 1..everything(0).0.len() {
        let (script, answer) = everything(at);
        let (head, tail) = script.as_bytes().split_at(at);
        let mut client = server.connect();
        client.send(head).send(tail);
        client
            .exactly(&answer)
            .unwrap_or_else(|why| panic!("split at {at}: {why}"));
        client.sync();
    }
}

#[test]
fn errors_are_the_same_when_the_line_arrives_in_pieces() {
    let server = Server::start();
    for (script, answer) in [("FOO bar\r\n", UNKNOWN), ("PUB a 1\r\nxyz\r\n", UNKNOWN)] {
        let mut client = server.connect();
        client.send(QUIET);
        for byte in script.as_bytes() {
            if client.try_send([*byte]).is_err() {
                break;
            }
        }
        assert_eq!(client.rest(), answer, "{script:?}");
    }
}

#[test]
fn the_line_end_after_a_payload_must_be_complete() {
    let server = Server::start();
    let broken = |name, script: &'static [u8]| (name, script, UNKNOWN, Closed);
    check(
        &server,
        &format!("{QUIET}SUB a 1\r\n"),
        &[
            broken("a bare line feed", b"PUB a 2\r\nab\n"),
            broken("a carriage return and more", b"PUB a 2\r\nab\rX"),
            broken("no line end", b"PUB a 2\r\nabXX"),
            broken("a payload longer than announced", b"PUB a 2\r\nabc\r\n"),
            broken(
                "a payload shorter than announced",
                b"PUB a 5\r\nab\r\nPING\r\n",
            ),
        ],
    );
}

#[test]
fn unknown_verbs_close_the_connection() {
    let server = Server::start();
    let words: [&[u8]; 22] = [
        b"FOO\r\n",
        b"\r\n",
        b" PING\r\n",
        b"\tPING\r\n",
        b"PI NG\r\n",
        b"PIN\r\n",
        b"P\r\n",
        b"PUBX a 0\r\n\r\n",
        b"SUBS a 1\r\n",
        b"UNSUBS 1\r\n",
        b"PUB\r\n",
        b"SUB\r\n",
        b"UNSUB\r\n",
        b"+X\r\n",
        b"-ERR\r\n",
        b"MSG a 1 1\r\n",
        b"HMSG a 1 1 1\r\n",
        b"RMSG a\r\n",
        b"RS+ $G a\r\n",
        b"LS+ a\r\n",
        b"A+ a\r\n",
        b"\x16\x03\x01\x00\xee\x01\x00\r\n",
    ];
    let cases: Vec<(String, &[u8])> = words
        .iter()
        .map(|word| (String::from_utf8_lossy(word).into_owned(), *word))
        .collect();
    let table: Vec<(&str, &[u8], &str, End)> = cases
        .iter()
        .map(|(name, word)| (name.as_str(), *word, UNKNOWN, Closed))
        .collect();
    check(&server, QUIET, &table);
    check(
        &server,
        "",
        &[
            (
                "an HTTP request",
                b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                UNKNOWN,
                Closed,
            ),
            (
                "TLS nobody expects",
                b"\x16\x03\x01\x00\xee\x01\x00",
                UNKNOWN,
                Closed,
            ),
            ("binary", b"\x00\xff\x01\xfe\r\n", UNKNOWN, Closed),
        ],
    );
}

#[test]
fn server_verbs_that_a_client_may_echo() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            ("+OK is ignored", b"+OK\r\n", "", Open),
            ("INFO is ignored", b"INFO {\"x\":1}\r\n", "", Open),
            ("-ERR ends the connection", b"-ERR 'x'\r\n", "", Closed),
            ("INFO must be JSON", b"INFO {\"x\":\r\n", "", Closed),
        ],
    );
}

#[test]
fn an_unfinished_operation_waits() {
    let server = Server::start();
    for start in ["PU", "SUB a", "PUB a 5\r\nhel", "CONNECT {\"verb"] {
        let mut waiting = server.connect();
        waiting.send(start);
        server.quiet().sync();
        waiting.shutdown();
        waiting.expect_close();
    }
    server.quiet().sync();
}
