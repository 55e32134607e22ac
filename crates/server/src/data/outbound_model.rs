//! The hand-off of [`super::outbound`] under every interleaving of a few threads.
//!
//! The same source is compiled a second time with a lock that loom schedules, so that the rest of
//! the workspace needs no special build. Publishers are threads; the connection's task is the
//! test's own thread, which sleeps until it is woken: a lost wake-up is a deadlock, which loom
//! reports. The socket takes a few bytes and then none until somebody waits for room, and it
//! notices two writers at once.
//!
//! Here is what the scenarios have in common; they are in `delivery` (what is written, in which order,
//! until when) and in `limits` (what happens when too much waits).
//!
//! Absent: timers, transports and the data path. Preemptions are bounded ([`PREEMPTIONS`]): more
//! of them multiply the time, and what was broken on purpose was found with fewer.

mod client;
mod delivery;
mod limits;
mod socket;

use std::sync::Arc;

use loom::thread::{self, JoinHandle};

use super::queue::Totals;
// The second copy looks for these here.
use super::{backlog, queue, sink};
use client::Client;
use outbound::Delivery;

/// The lock that takes the place of the real one.
mod sync {
    /// A loom mutex with the interface of `parking_lot`'s.
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0
                .lock()
                .expect("no thread panics while it holds a lock")
        }
    }
}

// The second copy is what is checked here; what these checks have no use for is used by the first.
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "outbound.rs"]
mod outbound;

/// How often a thread is interrupted where it could have gone on, in one execution, unless the
/// environment (`LOOM_MAX_PREEMPTIONS`) says otherwise. Five take most of a minute.
const PREEMPTIONS: usize = 3;

/// Bytes of an ordinary batch.
const BATCH: usize = 2;

/// More than a socket or a connection ever holds here.
const PLENTY: usize = 1 << 30;

/// Runs `scenario` in every order of its steps within the bound.
fn explore(scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(scenario);
}

/// Batch number `nth` of a publisher: no two batches have a byte in common.
fn batch(publisher: u8, nth: u8) -> [u8; BATCH] {
    [publisher * 16 + nth; BATCH]
}

/// Counts one message.
fn one(bytes: usize) -> Totals {
    Totals {
        msgs: 1,
        bytes: bytes as u64,
    }
}

/// A thread that delivers two batches and says what became of them.
fn publisher(client: &Client, number: u8) -> JoinHandle<[Delivery; 2]> {
    let outbound = Arc::clone(&client.outbound);
    let deliver = move |nth| outbound.deliver(&&batch(number, nth)[..], one(BATCH));
    thread::spawn(move || [0, 1].map(&deliver))
}

/// Checks that `wrote` is whole batches, those of each publisher in order, except that the end
/// may be missing; returns how many bytes there are of each of two publishers.
fn check_order(wrote: &[u8]) -> [usize; 2] {
    let mut lengths = [0; 2];
    for piece in wrote.chunks(BATCH) {
        let publisher = piece[0] / 16;
        let length = &mut lengths[usize::from(publisher)];
        let expected = batch(publisher, (*length / BATCH) as u8);
        assert_eq!(
            piece,
            &expected[..piece.len()],
            "torn or out of order: {wrote:x?}"
        );
        *length += piece.len();
    }
    lengths
}

/// Checks that no publisher found the connection open after it had found it closed.
fn check_finality(all: &[[Delivery; 2]]) {
    let reopened =
        |[first, second]: &[Delivery; 2]| *first == Delivery::Closed && *second != Delivery::Closed;
    assert!(!all.iter().any(reopened), "open once more: {all:?}");
}

/// How many batches met with `what`.
fn count(deliveries: &[Delivery], what: Delivery) -> usize {
    deliveries.iter().filter(|&&d| d == what).count()
}
