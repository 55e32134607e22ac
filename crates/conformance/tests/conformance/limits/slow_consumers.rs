//! A reader that stops reading is cut off; nobody else is harmed.

use cognate_conformance::{Client, Server};

use crate::support::{QUIET, subscribed};

const SIZE: usize = 100_000;

/// Publishes `count` large messages to a client that never reads, which is returned, and to one
/// that reads and must get them all.
fn overwhelm(server: &Server, count: usize) -> Client {
    let mut stuck = server.connect();
    stuck.send(QUIET).send("SUB flood 1\r\n").sync();
    let mut writer = subscribed(server, "SUB go 1\r\n");
    let addr = server.addr();
    let reader = std::thread::spawn(move || {
        let mut healthy = Client::quiet(addr);
        healthy
            .send("SUB flood 2\r\nSUB ready 3\r\nPUB ready 0\r\n\r\n")
            .expect("MSG ready 3 0\r\n\r\n");
        healthy.send("PUB go 0\r\n\r\n");
        for number in 0..count {
            let message = healthy.message();
            assert_eq!(
                &message.payload[..8],
                format!("{number:08}"),
                "order is kept"
            );
            assert_eq!(message.payload.len(), SIZE);
        }
        healthy.sync();
    });
    writer.expect("MSG go 1 0\r\n\r\n");
    let filler = "x".repeat(SIZE - 8);
    for number in 0..count {
        writer.send(format!("PUB flood {SIZE}\r\n{number:08}{filler}\r\n"));
    }
    writer.sync();
    reader.join().expect("the healthy reader gets everything");
    stuck
}

#[test]
fn a_full_queue_closes_the_reader_that_stopped() {
    let server = Server::with_config("max_payload: 200000, max_pending: 2000000");
    let stuck = overwhelm(&server, 300);
    let cid = stuck.cid();
    assert_eq!(server.close_reason(cid), "Slow Consumer (Pending Bytes)");
    let log = server.wait_log("Slow Consumer Detected: MaxPending of 2000000 Exceeded");
    assert!(
        log.contains(&format!("cid:{cid} - Slow Consumer Detected")),
        "{log}"
    );
    let varz = server.json("/varz");
    assert_eq!(varz["slow_consumers"], 1);
    assert_eq!(varz["slow_consumer_stats"]["clients"], 1);
}

#[test]
fn a_write_that_does_not_finish_in_time_closes_the_reader() {
    let server = Server::with_config("write_deadline: \"300ms\"");
    let stuck = overwhelm(&server, 300);
    let cid = stuck.cid();
    assert_eq!(server.close_reason(cid), "Slow Consumer (Write Deadline)");
    server.wait_log("Slow Consumer Detected: WriteDeadline of 300ms exceeded with ");
    assert_eq!(server.json("/varz")["slow_consumers"], 1);
}

#[test]
fn what_waits_for_a_slow_reader_is_shown() {
    let server = Server::monitored();
    let mut stuck = server.connect();
    stuck.send(QUIET).send("SUB flood 1\r\n").sync();
    let mut writer = server.quiet();
    let frame = format!("PUB flood {SIZE}\r\n{}\r\n", "x".repeat(SIZE));
    for _ in 0..200 {
        writer.send(&frame);
    }
    writer.sync();
    let path = format!("/connz?cid={}", stuck.cid());
    let pending = server.json(&path)["connections"][0]["pending_bytes"].as_u64();
    assert!(pending.is_some_and(|bytes| bytes > 100_000), "{pending:?}");
    // Reading again, it gets everything.
    for _ in 0..200 {
        assert_eq!(stuck.message().payload.len(), SIZE);
    }
    stuck.sync();
}
