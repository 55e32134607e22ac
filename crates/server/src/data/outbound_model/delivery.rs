//! What is accepted is written, in order, whoever writes it; a close is final and loses nothing.

use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use cognate_wire::CloseReason;
use loom::thread;

use super::client::Client;
use super::outbound::{Delivery, Outbound, ROUNDS};
use super::sink::Sink;
use super::socket::Socket;
use super::{BATCH, PLENTY, Totals};
use super::{batch, check_finality, check_order, count, explore, one, publisher};

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
