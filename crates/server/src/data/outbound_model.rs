//! The hand-off of [`super::outbound`] under every interleaving of a few threads.
//!
//! The same source is compiled a second time with a lock that loom schedules, so that the rest of
//! the workspace needs no special build. Publishers are threads; the connection's task is the
//! test's own thread, which sleeps until it is woken: a lost wake-up is a deadlock, which loom
//! reports. The socket takes a few bytes and then none until somebody waits for room, and it
//! notices two writers at once.
//!
//! Absent: timers, transports and the data path. Preemptions are bounded ([`PREEMPTIONS`]): more
//! of them multiply the time, and what was broken on purpose was found with fewer.

mod client;
mod socket;

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::task::Poll;

use cognate_wire::CloseReason;
use loom::thread::{self, JoinHandle};

use super::backlog::{self, Blocks};
use super::queue::{self, CROWDED_BYTES, Totals};
use super::sink::{self, Sink};
use client::{Client, block_on};
use outbound::{Delivery, Outbound, ROUNDS, Relief};
use socket::Socket;

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

/// Two publishers with two batches each, to a socket with `window` bytes of room, which the
/// publishers may use from the start or once it is `attached` later.
fn check_delivery(window: usize, attached: bool) {
    explore(move || {
        let client = Client::new(Socket::new(window, 4 * BATCH), PLENTY, !attached);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        if attached {
            client.outbound.attach(Arc::clone(&client.socket) as _);
        }
        assert_eq!(client.serve(), None, "nobody closed it");
        for publisher in publishers {
            assert_eq!(
                publisher.join().expect("a publisher"),
                [Delivery::Accepted; 2]
            );
        }
        assert_eq!(check_order(&client.socket.wrote()), [2 * BATCH; 2]);
        assert_eq!(client.outbound.queued(), 0);
        assert_eq!(
            client.outbound.totals(),
            Totals {
                msgs: 4,
                bytes: 4 * BATCH as u64
            }
        );
        client.check_idle();
    });
}

#[test]
fn all_arrives_in_order_through_a_socket_that_is_often_full() {
    check_delivery(3, false);
}

#[test]
fn all_arrives_in_order_through_a_socket_with_room() {
    check_delivery(PLENTY, false);
}

#[test]
fn all_arrives_in_order_when_publishers_get_the_socket_later() {
    check_delivery(5, true);
}

/// Hands over another batch during each of its first writes, as a busy publisher would, and may
/// then close the connection.
struct Refilled {
    socket: Arc<Socket>,
    outbound: Weak<Outbound>,
    left: AtomicUsize,
    closes: bool,
}

impl Refilled {
    /// The publishers' way into `client`'s socket from now on.
    fn attach(client: &Client, left: usize, closes: bool) -> Arc<Self> {
        let sink = Arc::new(Refilled {
            socket: Arc::clone(&client.socket),
            outbound: Arc::downgrade(&client.outbound),
            left: AtomicUsize::new(left),
            closes,
        });
        client.outbound.attach(Arc::clone(&sink) as _);
        sink
    }
}

impl Sink for Refilled {
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let left = self.left.load(Relaxed);
        if left > 0 {
            self.left.store(left - 1, Relaxed);
            let outbound = self.outbound.upgrade().expect("it is in use");
            let delivery = outbound.deliver(&&batch(1, 0)[..], one(BATCH));
            assert_eq!(delivery, Delivery::Accepted);
            if left == 1 && self.closes {
                outbound.close(CloseReason::Kicked);
            }
        }
        self.socket.try_write_vectored(parts)
    }
}

#[test]
fn a_publisher_writes_only_so_much_for_others() {
    explore(|| {
        let client = Client::new(Socket::new(PLENTY, (3 + ROUNDS) * BATCH), PLENTY, false);
        let sink = Refilled::attach(&client, ROUNDS + 2, false);
        let delivery = client.outbound.deliver(&&batch(0, 0)[..], one(BATCH));
        assert_eq!(delivery, Delivery::Accepted);
        let wrote = client.socket.wrote().len();
        assert_eq!(wrote, (1 + ROUNDS) * BATCH, "its own and some rounds");
        assert_eq!(client.outbound.queued(), BATCH, "one more came meanwhile");
        sink.left.store(0, Relaxed);
        client.outbound.deliver(&&batch(1, 0)[..], one(BATCH));
        assert_eq!(client.serve(), None);
        client.check_idle();
    });
}

#[test]
fn after_a_close_only_the_write_under_way_ends_and_the_task_writes_the_rest() {
    for before in 1..=ROUNDS {
        explore(move || {
            let client = Client::new(Socket::new(PLENTY, PLENTY), PLENTY, false);
            let _sink = Refilled::attach(&client, before, true);
            let delivery = client.outbound.deliver(&&batch(0, 0)[..], one(BATCH));
            assert_eq!(delivery, Delivery::Accepted, "closed in write {before}");
            assert_eq!(client.socket.wrote().len(), before * BATCH);
            assert_eq!(client.serve(), Some(CloseReason::Kicked));
            assert_eq!(client.socket.wrote().len(), (before + 1) * BATCH);
            client.check_closed(CloseReason::Kicked);
        });
    }
}

#[test]
fn a_close_is_final_and_the_task_learns_of_it() {
    explore(|| {
        let client = Client::new(Socket::new(3, PLENTY), PLENTY, true);
        let publisher = publisher(&client, 0);
        let outbound = Arc::clone(&client.outbound);
        let closer = thread::spawn(move || {
            outbound.close(CloseReason::Kicked);
            outbound.close(CloseReason::ServerShutdown);
            outbound.deliver(&&batch(1, 0)[..], one(BATCH))
        });
        assert_eq!(
            client.serve(),
            Some(CloseReason::Kicked),
            "the first reason stands"
        );
        let [first, second] = publisher.join().expect("the publisher");
        assert_eq!(
            closer.join().expect("the closer"),
            Delivery::Closed,
            "after the close"
        );
        check_finality(&[[first, second]]);
        let [of_publisher, of_closer] = check_order(&client.socket.wrote());
        assert_eq!(of_closer, 0, "what came after the close was written");
        let accepted = count(&[first, second], Delivery::Accepted);
        assert_eq!(
            of_publisher,
            accepted * BATCH,
            "what came before the close is written, and nothing else"
        );
        client.check_closed(CloseReason::Kicked);
    });
}

/// One publisher writes, another's batches wait behind it, and the connection is closed in the
/// midst of that: the client sees all of what was accepted, however little the socket takes.
#[test]
fn a_close_in_the_midst_of_a_write_loses_nothing_that_was_accepted() {
    explore(|| {
        let client = Client::new(Socket::new(1, PLENTY), PLENTY, true);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        client.outbound.close(CloseReason::ServerShutdown);
        assert_eq!(client.serve(), Some(CloseReason::ServerShutdown));
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        check_finality(&all);
        assert_eq!(
            check_order(&client.socket.wrote()),
            all.map(|both| count(&both, Delivery::Accepted) * BATCH)
        );
        client.check_closed(CloseReason::ServerShutdown);
    });
}

/// The same when the task does not wait, as for a slow consumer: whoever still writes then leaves
/// nothing behind, for nobody would take it away.
#[test]
fn a_publisher_leaves_nothing_behind_when_the_hand_off_is_over() {
    explore(|| {
        let client = Client::new(Socket::new(1, PLENTY), PLENTY, true);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        client.outbound.shut(CloseReason::SlowConsumerWriteDeadline);
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        check_finality(&all);
        client.check_empty();
    });
}

#[test]
fn a_broken_socket_ends_the_connection_whoever_meets_it() {
    explore(|| {
        let client = Client::new(Socket::broken(), PLENTY, true);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        assert_eq!(client.serve(), Some(CloseReason::WriteError));
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        assert!(
            all.as_flattened().contains(&Delivery::Closed),
            "nobody met it"
        );
        check_finality(&all);
        client.check_closed(CloseReason::WriteError);
    });
}

#[test]
fn a_connection_that_takes_nothing_is_cut_off_before_too_much_waits() {
    explore(|| {
        // The task does not read the socket's room here: it only looks for the end.
        let client = Client::new(Socket::new(0, PLENTY), 2 * BATCH, true);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        let reason = client.await_close();
        assert_eq!(reason, CloseReason::SlowConsumerPendingBytes);
        assert!(
            client.outbound.queued() <= 3 * BATCH,
            "more than one batch above the limit"
        );
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        let closed = count(all.as_flattened(), Delivery::Closed);
        assert!(closed >= 2, "no more than two fit: {all:?}");
        check_finality(&all);
        assert!(client.socket.wrote().is_empty());
        client.check_closed(CloseReason::SlowConsumerPendingBytes);
    });
}

/// Checks that `got` is what was accepted of two publishers' batches, and nothing of what was refused.
fn check_accepted(got: &[u8], all: [[Delivery; 2]; 2]) {
    for (number, both) in (0..).zip(all) {
        assert!(!both.contains(&Delivery::Closed), "it was closed: {all:?}");
        let taken = (0..).zip(both).filter(|(_, how)| *how != Delivery::Refused);
        let expected: Vec<u8> = taken.flat_map(|(nth, _)| batch(number, nth)).collect();
        let of_publisher = got.iter().filter(|&&byte| byte / 16 == number);
        assert_eq!(
            of_publisher.copied().collect::<Vec<_>>(),
            expected,
            "{all:?}"
        );
    }
}

/// An inbox is taken out while publishers fill it: whole batches are in it or are not, it is never
/// closed, and there is room again when it was taken out.
#[test]
fn what_is_too_much_for_an_inbox_is_refused_as_a_whole() {
    explore(|| {
        let client = Client::refusing(Socket::new(0, PLENTY), BATCH, 100, false);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        let mut got = Vec::new();
        client.take(&mut got);
        assert!(
            client.outbound.queued() <= 2 * BATCH,
            "one batch above the limit"
        );
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        assert!(
            all.as_flattened()
                .iter()
                .any(|how| *how != Delivery::Refused)
        );
        client.take(&mut got);
        check_accepted(&got, all);
        assert_eq!(client.outbound.queued(), 0);
        let again = client.outbound.deliver(&&batch(0, 2)[..], one(BATCH));
        assert_ne!(again, Delivery::Refused, "there is room again");
    });
}

#[test]
fn an_inbox_may_be_full_of_messages_too() {
    explore(|| {
        let client = Client::refusing(Socket::new(0, PLENTY), PLENTY, 1, false);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        assert_eq!(count(all.as_flattened(), Delivery::Refused), 3, "{all:?}");
        // What is no publish finds room all the same.
        let reserved = client
            .outbound
            .deliver_reserved(&&batch(3, 0)[..], one(BATCH));
        assert_ne!(reserved, Delivery::Refused);
        let mut got = Vec::new();
        client.take(&mut got);
        check_accepted(&got, all);
    });
}

/// The same where publishers write to a socket themselves, and it is full: what they leave behind is
/// kept, and nobody is cut off.
#[test]
fn one_that_refuses_is_not_cut_off_when_its_socket_is_full() {
    explore(|| {
        let client = Client::refusing(Socket::new(1, PLENTY), BATCH, 100, true);
        let publishers = [0, 1].map(|number| publisher(&client, number));
        let all = publishers.map(|publisher| publisher.join().expect("a publisher"));
        let mut got = client.socket.wrote();
        client.take(&mut got);
        check_accepted(&got, all);
    });
}

#[test]
fn a_stall_is_over_when_a_publisher_has_emptied_the_queue() {
    explore(|| {
        // Two batches at a time are more than three quarters of the limit, one is less.
        let socket = Socket::new(2 * BATCH, 2 * BATCH);
        let client = Client::new(socket, 3 * BATCH, true);
        let publishers = [0, 1].map(|number| {
            let outbound = Arc::clone(&client.outbound);
            thread::spawn(move || outbound.deliver(&&batch(number, 0)[..], one(BATCH)))
        });
        for publisher in publishers {
            let delivery = publisher.join().expect("a publisher");
            assert!([Delivery::Accepted, Delivery::Stalled].contains(&delivery));
        }
        assert_eq!(client.outbound.queued(), 0);
        let delivery = client.outbound.deliver(&&batch(0, 1)[..], one(BATCH));
        assert_eq!(
            delivery,
            Delivery::Accepted,
            "it waits alone in a full socket"
        );
    });
}

#[test]
fn a_signal_is_seen_once_and_hides_no_bytes() {
    explore(|| {
        let client = Client::new(Socket::new(3, 2 * BATCH), PLENTY, true);
        let publisher = publisher(&client, 0);
        let outbound = Arc::clone(&client.outbound);
        let caller = thread::spawn(move || outbound.signal());
        assert_eq!(client.serve_until_signalled(1), 1);
        caller.join().expect("the caller");
        publisher.join().expect("the publisher");
        assert_eq!(check_order(&client.socket.wrote()), [2 * BATCH, 0]);
        client.check_idle();
    });
}

/// A publisher puts so much behind what another writes that it waits, and must be woken by
/// whoever writes it out: the other publisher if the socket has room, else the task.
fn check_relief(window: usize) {
    const LARGE: usize = CROWDED_BYTES / 2 + 1;
    static LARGE_BATCH: [u8; LARGE] = [16; LARGE];
    let pool = Arc::new(Blocks::default());
    explore(move || {
        let socket = Socket::new(window, LARGE + BATCH);
        let client = Client::with_pool(socket, PLENTY, true, Arc::clone(&pool));
        let outbound = Arc::clone(&client.outbound);
        let small = thread::spawn(move || outbound.deliver(&&batch(0, 0)[..], one(BATCH)));
        let outbound = Arc::clone(&client.outbound);
        let large = thread::spawn(move || {
            let delivery = outbound.deliver(&&LARGE_BATCH[..], one(LARGE));
            block_on(|cx| outbound.poll_relief(Relief::CaughtUp, cx));
            delivery
        });
        assert_eq!(client.serve(), None);
        assert_eq!(small.join().expect("a publisher"), Delivery::Accepted);
        assert_eq!(large.join().expect("a publisher"), Delivery::Accepted);
        client.check_idle();
    });
}

#[test]
fn a_waiting_publisher_goes_on_when_the_task_has_drained_the_queue() {
    check_relief(CROWDED_BYTES / 4);
}

#[test]
fn a_waiting_publisher_goes_on_when_another_has_written_its_bytes() {
    check_relief(PLENTY);
}

#[test]
fn a_waiting_publisher_goes_on_when_another_has_written_its_own() {
    static LARGE_BATCH: [u8; CROWDED_BYTES] = [0; CROWDED_BYTES];
    explore(|| {
        let client = Client::new(Socket::new(PLENTY, CROWDED_BYTES), PLENTY, true);
        let outbound = Arc::clone(&client.outbound);
        let large = thread::spawn(move || outbound.deliver(&&LARGE_BATCH[..], one(CROWDED_BYTES)));
        block_on(|cx| client.outbound.poll_relief(Relief::CaughtUp, cx));
        assert_eq!(large.join().expect("the publisher"), Delivery::Accepted);
        client.check_idle();
    });
}

#[test]
fn a_waiting_publisher_goes_on_when_the_connection_closes() {
    let pool = Arc::new(Blocks::default());
    explore(move || {
        let client = Client::with_pool(Socket::new(0, PLENTY), PLENTY, true, Arc::clone(&pool));
        let outbound = Arc::clone(&client.outbound);
        let waiting = thread::spawn(move || {
            outbound.deliver(&&vec![0; CROWDED_BYTES][..], one(CROWDED_BYTES));
            block_on(|cx| outbound.poll_relief(Relief::CaughtUp, cx));
        });
        let outbound = Arc::clone(&client.outbound);
        let closer = thread::spawn(move || outbound.close(CloseReason::Kicked));
        assert_eq!(client.await_close(), CloseReason::Kicked);
        closer.join().expect("the closer");
        waiting.join().expect("the publisher");
        assert_eq!(
            block_on(|cx| Poll::Ready(client.outbound.poll_relief(Relief::CaughtUp, cx))),
            Poll::Ready(())
        );
    });
}
