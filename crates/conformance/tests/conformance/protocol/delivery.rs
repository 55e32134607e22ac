//! PUB, SUB, UNSUB and MSG: who gets what, in exact bytes.

use cognate_conformance::Server;

use crate::support::{Open, QUIET, check, subscribed};

#[test]
fn the_telnet_session_of_the_documentation() {
    let server = Server::start();
    let mut client = server.connect();
    client.send("sub foo.* 90\r\n").expect("+OK\r\n");
    client
        .send("pub foo.bar 5\r\nhello\r\n")
        .expect("+OK\r\nMSG foo.bar 90 5\r\nhello\r\n");
    client.send("PUB foo.bar optional.reply.subject 5\r\nhello\r\n");
    client.expect("+OK\r\nMSG foo.bar 90 optional.reply.subject 5\r\nhello\r\n");
    client.send("unsub 90\r\n").expect("+OK\r\n");
    client.send("pub foo.bar 5\r\nhello\r\n").expect("+OK\r\n");
    client.send("ping\r\n").expect("PONG\r\n");
}

#[test]
fn verbose_acknowledges_every_operation_before_its_effect() {
    let server = Server::start();
    check(
        &server,
        "",
        &[
            (
                "each operation once",
                b"CONNECT {\"verbose\":true,\"headers\":true}\r\nSUB a 1\r\nSUB a q 2\r\nUNSUB 2\r\nUNSUB 77\r\nUNSUB 1 5\r\nPUB x 0\r\n\r\nHPUB x 12 12\r\nNATS/1.0\r\n\r\n\r\n",
                &"+OK\r\n".repeat(8),
                Open,
            ),
            (
                "before the message",
                b"CONNECT {\"verbose\":true}\r\nSUB a 1\r\nPUB a 1\r\nx\r\n",
                "+OK\r\n+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "an error takes its place for SUB",
                b"CONNECT {\"verbose\":true}\r\nSUB a..b 1\r\nSUB c 2\r\n",
                "+OK\r\n-ERR 'Invalid Subject'\r\n+OK\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn messages_arrive_byte_for_byte() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            (
                "plain",
                b"SUB a 1\r\nPUB a 5\r\nhello\r\n",
                "MSG a 1 5\r\nhello\r\n",
                Open,
            ),
            (
                "reply",
                b"SUB a 1\r\nPUB a r.x 5\r\nhello\r\n",
                "MSG a 1 r.x 5\r\nhello\r\n",
                Open,
            ),
            (
                "empty",
                b"SUB a 1\r\nPUB a 0\r\n\r\n",
                "MSG a 1 0\r\n\r\n",
                Open,
            ),
            (
                "empty with reply",
                b"SUB a 1\r\nPUB a r 0\r\n\r\n",
                "MSG a 1 r 0\r\n\r\n",
                Open,
            ),
            (
                "queue members look the same",
                b"SUB a q 1\r\nPUB a 1\r\nx\r\n",
                "MSG a 1 1\r\nx\r\n",
                Open,
            ),
            (
                "line ends inside",
                b"SUB a 1\r\nPUB a 4\r\n\r\n\r\n\r\n",
                "MSG a 1 4\r\n\r\n\r\n\r\n",
                Open,
            ),
            (
                "a verb inside",
                b"SUB a 1\r\nPUB a 6\r\nPING\r\n\r\n",
                "MSG a 1 6\r\nPING\r\n\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn names_that_look_odd_are_ordinary() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            (
                "any token is a sid",
                b"SUB a x-Y_9.*\r\nPUB a 1\r\nx\r\n",
                "MSG a x-Y_9.* 1\r\nx\r\n",
                Open,
            ),
            (
                "UTF-8 subject",
                "SUB h\u{e9}.\u{20ac} 1\r\nPUB h\u{e9}.\u{20ac} 2\r\n\u{e9}\r\n".as_bytes(),
                "MSG h\u{e9}.\u{20ac} 1 2\r\n\u{e9}\r\n",
                Open,
            ),
            (
                "a zero byte in a subject",
                b"SUB a\0b 1\r\nPUB a\0b 1\r\nx\r\n",
                "MSG a\0b 1 1\r\nx\r\n",
                Open,
            ),
            (
                "a vertical tab is no separator",
                b"SUB a\x0bb 1\r\nPUB a\x0bb 1\r\nx\r\n",
                "MSG a\x0bb 1 1\r\nx\r\n",
                Open,
            ),
            (
                "the subject published, not the filter",
                b"SUB a.* 1\r\nPUB a.b 1\r\nx\r\n",
                "MSG a.b 1 1\r\nx\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn a_size_may_have_leading_zeros() {
    let server = Server::start();
    let mut client = server.quiet();
    client.send("SUB a 1\r\nPUB a 00002\r\nab\r\n");
    // Whether the zeros are passed on is nobody's business.
    assert_eq!(client.message().payload, "ab");
    client.sync();
}

#[test]
fn payloads_are_not_text() {
    let server = Server::start();
    let mut client = server.quiet();
    let payload: Vec<u8> = (0..=255).collect();
    client
        .send("SUB bin 1\r\nPUB bin 256\r\n")
        .send(&payload)
        .send("\r\n");
    client
        .expect("MSG bin 1 256\r\n")
        .expect(&payload)
        .expect("\r\n")
        .sync();
}

#[test]
fn a_sid_that_is_not_text_comes_back_as_it_was() {
    let server = Server::start();
    let mut client = server.quiet();
    client
        .send(b"SUB a \xff1\r\nPUB a 1\r\nx\r\n")
        .expect(b"MSG a \xff1 1\r\nx\r\n");
}

#[test]
fn the_largest_payload_arrives_whole() {
    let server = Server::start();
    let mut client = server.quiet();
    let payload: Vec<u8> = (0..1_048_576_u32).map(|i| (i % 251) as u8).collect();
    let mut frame = b"PUB big 1048576\r\n".to_vec();
    frame.extend_from_slice(&payload);
    frame.extend_from_slice(b"\r\n");
    client.send("SUB big 1\r\n").send(&frame);
    client
        .expect("MSG big 1 1048576\r\n")
        .expect(&payload)
        .expect("\r\n")
        .sync();
}

#[test]
fn unsubscribing_with_and_without_a_maximum() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            ("at once", b"SUB a 1\r\nUNSUB 1\r\nPUB a 0\r\n\r\n", "", Open),
            ("a queue member", b"SUB a q 1\r\nUNSUB 1\r\nPUB a 0\r\n\r\n", "", Open),
            (
                "after two",
                b"SUB a 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n",
                "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n",
                Open,
            ),
            (
                "the maximum counts from the start",
                b"SUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 2\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n",
                "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n",
                Open,
            ),
            (
                "already reached",
                b"SUB a 1\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nUNSUB 1 1\r\nPUB a 1\r\n3\r\n",
                "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n",
                Open,
            ),
            (
                "the last word counts",
                b"SUB a 1\r\nUNSUB 1 1\r\nUNSUB 1 2\r\nPUB a 1\r\n1\r\nPUB a 1\r\n2\r\nPUB a 1\r\n3\r\n",
                "MSG a 1 1\r\n1\r\nMSG a 1 1\r\n2\r\n",
                Open,
            ),
            ("zero is at once", b"SUB a 1\r\nUNSUB 1 0\r\nPUB a 0\r\n\r\n", "", Open),
            ("negative is at once", b"SUB a 1\r\nUNSUB 1 -3\r\nPUB a 0\r\n\r\n", "", Open),
            ("no number is at once", b"SUB a 1\r\nUNSUB 1 x\r\nPUB a 0\r\n\r\n", "", Open),
            ("unknown sid", b"UNSUB 99\r\nUNSUB 99 5\r\n", "", Open),
            ("spaces", b"SUB a 1\r\nUNSUB \t 1  \r\nPUB a 0\r\n\r\n", "", Open),
        ],
    );
}

#[test]
fn a_sid_in_use_keeps_its_first_subscription() {
    let server = Server::start();
    check(
        &server,
        QUIET,
        &[
            (
                "the same subject once",
                b"SUB a 1\r\nSUB a 1\r\nPUB a 0\r\n\r\n",
                "MSG a 1 0\r\n\r\n",
                Open,
            ),
            (
                "another subject is ignored",
                b"SUB a 1\r\nSUB b 1\r\nPUB a 0\r\n\r\nPUB b 0\r\n\r\n",
                "MSG a 1 0\r\n\r\n",
                Open,
            ),
            (
                "free after UNSUB",
                b"SUB a 1\r\nUNSUB 1\r\nSUB b 1\r\nPUB b 0\r\n\r\n",
                "MSG b 1 0\r\n\r\n",
                Open,
            ),
            (
                "free after its maximum",
                b"SUB a 1\r\nUNSUB 1 1\r\nPUB a 0\r\n\r\nSUB b 1\r\nPUB b 0\r\n\r\n",
                "MSG a 1 0\r\n\r\nMSG b 1 0\r\n\r\n",
                Open,
            ),
        ],
    );
}

#[test]
fn echo_off_hides_only_own_messages() {
    let server = Server::start();
    let mut deaf = server.connect();
    deaf.send("CONNECT {\"verbose\":false,\"echo\":false}\r\nSUB a 1\r\n")
        .sync();
    let mut other = subscribed(&server, "SUB a 9\r\n");
    deaf.send("PUB a 3\r\nown\r\n").sync();
    other.expect("MSG a 9 3\r\nown\r\n");
    other
        .send("PUB a 5\r\nother\r\n")
        .expect("MSG a 9 5\r\nother\r\n");
    deaf.expect("MSG a 1 5\r\nother\r\n").sync();
}

#[test]
fn order_is_kept_from_one_publisher_to_one_subscriber() {
    let server = Server::start();
    let mut reader = subscribed(&server, "SUB seq.* 1\r\n");
    let mut writer = server.quiet();
    let mut script = String::new();
    let mut expected = String::new();
    for i in 0..5000 {
        let text = i.to_string();
        let subject = format!("seq.{}", i % 7);
        script += &format!("PUB {subject} {}\r\n{text}\r\n", text.len());
        expected += &format!("MSG {subject} 1 {}\r\n{text}\r\n", text.len());
    }
    writer.send(script);
    reader.expect(expected).sync();
}

#[test]
fn a_message_reaches_every_subscription_of_every_client() {
    let server = Server::start();
    let mut readers: Vec<_> = (0..5)
        .map(|_| subscribed(&server, "SUB a.b 1\r\nSUB a.* 2\r\nSUB > 3\r\n"))
        .collect();
    server.quiet().send("PUB a.b 2\r\nhi\r\n").sync();
    for reader in &mut readers {
        let mut sids: Vec<String> = reader
            .messages_until_pong()
            .into_iter()
            .map(|message| message.sid)
            .collect();
        sids.sort();
        assert_eq!(sids, ["1", "2", "3"]);
    }
}

#[test]
fn a_client_that_leaves_takes_its_subscriptions_along() {
    let server = Server::monitored();
    let gone = subscribed(&server, "SUB a 1\r\nSUB b 2\r\n");
    let count = || server.json("/connz")["num_connections"].clone();
    assert_eq!(count(), 1);
    drop(gone);
    cognate_conformance::wait::until("the client to be gone", || (count() == 0).then_some(()));
    let before = server.json("/varz")["out_msgs"].clone();
    server.quiet().send("PUB a 0\r\n\r\n").sync();
    assert_eq!(server.json("/varz")["out_msgs"], before);
}
