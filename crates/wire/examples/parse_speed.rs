//! Prints what the parser costs per operation, in nanoseconds.
//!
//! Run with `cargo run --release -p cognate-wire --example parse_speed`. Each
//! figure is the best of several rounds over a buffer of about 64 KiB, as one
//! read of the server would fill it.

use std::hint::black_box;
use std::time::Instant;

use cognate_wire::{Limits, Step, parse_client};

const BUFFER_BYTES: usize = 64 * 1024;
const ROUNDS: usize = 40;
const PASSES: usize = 50;

fn main() {
    for payload in [16, 128, 1024] {
        let body = "x".repeat(payload);
        measure(
            &format!("PUB {payload} B"),
            &format!("PUB foo.bar {payload}\r\n{body}\r\n"),
        );
    }
    let body = "x".repeat(16);
    measure(
        "PUB 16 B, long subject",
        &format!("PUB orders.eu.customer.12345.created 16\r\n{body}\r\n"),
    );
    measure(
        "PUB 16 B, reply",
        &format!("PUB foo.bar _INBOX.abcdefghijklmnop.1234567 16\r\n{body}\r\n"),
    );
    measure(
        "HPUB 16 B",
        &format!("HPUB foo.bar 18 34\r\nNATS/1.0\r\nA: b\r\n\r\n{body}\r\n"),
    );
    measure(
        "PUB 16 B, odd spelling",
        &format!("PUB foo.bar  16\r\n{body}\r\n"),
    );
    measure("SUB", "SUB foo.bar.* 12345\r\n");
    measure("PING", "PING\r\n");
}

fn measure(name: &str, frame: &str) {
    let count = BUFFER_BYTES / frame.len();
    let buffer = frame.repeat(count).into_bytes();
    let limits = Limits {
        headers: true,
        ..Limits::default()
    };
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PASSES {
            assert_eq!(parse_all(black_box(&buffer), black_box(&limits)), count);
        }
        let per_op = start.elapsed().as_secs_f64() * 1e9 / (PASSES * count) as f64;
        best = best.min(per_op);
    }
    println!("{name:<24} {best:7.2} ns");
}

fn parse_all(buffer: &[u8], limits: &Limits) -> usize {
    let mut rest = buffer;
    let mut count = 0;
    while let Step::Op { op, len } = parse_client(rest, limits) {
        black_box(op);
        rest = &rest[len..];
        count += 1;
    }
    count
}
