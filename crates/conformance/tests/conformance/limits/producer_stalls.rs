//! Whoever publishes more than a reader takes is slowed down before the reader is cut off.

use std::time::{Duration, Instant};

use cognate_conformance::Server;

use crate::support::QUIET;

const SIZE: usize = 8_000;

/// Above three quarters of `max_pending` a publisher waits up to 10 ms for every 64 KiB, so the last
/// quarter (2 MB here) lasts 300 ms, or longer on a busy machine. Without the waits it is a matter of
/// some ten milliseconds.
#[test]
fn the_last_quarter_of_a_queue_is_filled_slowly() {
    let server = Server::with_config("max_pending: 8000000");
    let mut stuck = server.connect();
    stuck.send(QUIET).send("SUB flood 1\r\n").sync();
    let mut publisher = server.quiet();
    let began = Instant::now();
    let publishing = std::thread::spawn(move || {
        let row = format!("PUB flood {SIZE}\r\n{}\r\n", "x".repeat(SIZE)).repeat(32);
        for _ in 0..200 {
            publisher.send(&row);
        }
        publisher.sync();
    });
    let reason = server.close_reason(stuck.cid());
    let lasted = began.elapsed();
    assert_eq!(reason, "Slow Consumer (Pending Bytes)");
    assert!(
        lasted > Duration::from_millis(200),
        "cut off after {lasted:?}"
    );
    publishing.join().expect("the publisher goes on");
}
