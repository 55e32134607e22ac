//! HPUB and HMSG: header blocks pass through unchanged, or are left out for clients without them.

use cognate_conformance::Server;

use crate::support::{HEADERS, Open, check};

#[test]
fn headers_arrive_byte_for_byte() {
    let server = Server::start();
    check(
        &server,
        &format!("{HEADERS}SUB a 1\r\n"),
        &[
            (
                "with payload",
                b"HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                Open,
            ),
            (
                "with reply",
                b"HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                "HMSG a 1 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                Open,
            ),
            (
                "without payload",
                b"HPUB a 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                "HMSG a 1 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                Open,
            ),
            (
                "keys, repeats, spaces and case are kept",
                b"HPUB a 31 31\r\nNATS/1.0\r\nK:  v \r\nk: 1\r\nK: \r\n\r\n\r\n",
                "HMSG a 1 31 31\r\nNATS/1.0\r\nK:  v \r\nk: 1\r\nK: \r\n\r\n\r\n",
                Open,
            ),
            (
                "what is inside is not checked",
                b"HPUB a 4 6\r\nabcdhi\r\n",
                "HMSG a 1 4 6\r\nabcdhi\r\n",
                Open,
            ),
            (
                "an empty block makes it a MSG",
                b"HPUB a 0 2\r\nhi\r\n",
                "MSG a 1 2\r\nhi\r\n",
                Open,
            ),
            (
                "lower case and spaces",
                b"hpub \t a  12   14 \r\nNATS/1.0\r\n\r\nhi\r\n",
                "HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                Open,
            ),
            (
                "PUB stays MSG",
                b"PUB a 2\r\nhi\r\n",
                "MSG a 1 2\r\nhi\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn a_receiver_without_headers_gets_the_payload_alone() {
    let server = Server::start();
    let mut old = server.connect();
    old.send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nSUB b q 2\r\n")
        .sync();
    let mut new = server.quiet();
    new.send("HPUB a 18 23\r\nNATS/1.0\r\nA: b\r\n\r\nhello\r\n");
    new.send("HPUB a r 12 12\r\nNATS/1.0\r\n\r\n\r\n");
    new.send("HPUB b 12 14\r\nNATS/1.0\r\n\r\nhi\r\n").sync();
    old.expect("MSG a 1 5\r\nhello\r\nMSG a 1 r 0\r\n\r\nMSG b 2 2\r\nhi\r\n")
        .sync();
}

#[test]
fn receivers_with_and_without_headers_are_served_by_one_message() {
    let server = Server::start();
    let mut old: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for client in &mut old {
        client
            .send("CONNECT {\"verbose\":false}\r\nSUB a 1\r\n")
            .sync();
    }
    let mut new: Vec<_> = (0..3)
        .map(|_| crate::support::subscribed(&server, "SUB a 1\r\n"))
        .collect();
    server
        .quiet()
        .send("HPUB a 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
        .sync();
    for client in &mut old {
        client.expect("MSG a 1 2\r\nhi\r\n").sync();
    }
    for client in &mut new {
        client
            .expect("HMSG a 1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")
            .sync();
    }
}
