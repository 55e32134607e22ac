//! A reader that stops reading is cut off; nobody else is harmed.

use cognate_conformance::{Client, Server};

use crate::support::{QUIET, subscribed};

/// Bytes of a message: few enough that a reader who has taken all before it has room for it in its
/// socket, however slowly it reads.
const SIZE: usize = 8_000;

/// Messages that are more than any socket takes on the way to a reader who takes none.
const FLOOD: usize = 4_000;

/// Publishes [`FLOOD`] messages to a client that never reads, which is returned, and to one that
/// reads each before the next is sent, so that it keeps up on any machine, and must get them all.
fn overwhelm(server: &Server) -> Client {
    let mut stuck = server.connect();
    stuck.send(QUIET).send("SUB flood 1\r\n").sync();
    let mut healthy = subscribed(server, "SUB flood 2\r\n");
    let mut writer = server.quiet();
    let filler = "x".repeat(SIZE - 8);
    for number in 0..FLOOD {
        writer.send(format!("PUB flood {SIZE}\r\n{number:08}{filler}\r\n"));
        let message = healthy.message();
        assert_eq!(
            &message.payload[..8],
            format!("{number:08}"),
            "order is kept"
        );
        assert_eq!(message.payload.len(), SIZE);
    }
    writer.sync();
    healthy.sync();
    stuck
}

#[test]
fn a_full_queue_closes_the_reader_that_stopped() {
    let server = Server::with_config("max_payload: 200000, max_pending: 2000000");
    let stuck = overwhelm(&server);
    let cid = stuck.cid();
    assert_eq!(server.close_reason(cid), "Slow Consumer (Pending Bytes)");
    let log = server.wait_log("Slow Consumer Detected: MaxPending of 2000000 Exceeded");
    assert!(
        log.contains(&format!("cid:{cid} - Slow Consumer Detected")),
        "{log}"
    );
    let varz = server.json("/varz");
    // nats-server counts it again when it cannot write the rest either.
    let counted = varz["slow_consumers"].as_u64();
    assert!(matches!(counted, Some(1 | 2)), "{counted:?}");
    assert_eq!(varz["slow_consumer_stats"]["clients"].as_u64(), counted);
    let closed = server.json("/connz?state=closed");
    let reasons = closed["connections"].as_array().into_iter().flatten();
    let slow = reasons.filter(|one| one["reason"] != "Client Closed");
    assert_eq!(slow.count(), 1, "nobody else was closed: {closed}");
}

#[test]
fn a_write_that_does_not_finish_in_time_closes_the_reader() {
    let server = Server::with_config("write_deadline: \"300ms\"");
    let stuck = overwhelm(&server);
    let cid = stuck.cid();
    assert_eq!(server.close_reason(cid), "Slow Consumer (Write Deadline)");
    server.wait_log("Slow Consumer Detected: WriteDeadline of 300ms exceeded with ");
    assert_eq!(server.json("/varz")["slow_consumers"], 1);
}

#[test]
fn what_waits_for_a_slow_reader_is_shown() {
    const LARGE: usize = 100_000;
    let server = Server::monitored();
    let mut stuck = server.connect();
    stuck.send(QUIET).send("SUB flood 1\r\n").sync();
    let mut writer = server.quiet();
    let frame = format!("PUB flood {LARGE}\r\n{}\r\n", "x".repeat(LARGE));
    for _ in 0..200 {
        writer.send(&frame);
    }
    writer.sync();
    let path = format!("/connz?cid={}", stuck.cid());
    let pending = server.json(&path)["connections"][0]["pending_bytes"].as_u64();
    assert!(pending.is_some_and(|bytes| bytes > 100_000), "{pending:?}");
    // Reading again, it gets everything.
    for _ in 0..200 {
        assert_eq!(stuck.message().payload.len(), LARGE);
    }
    stuck.sync();
}
