//! When too much waits: the reader is cut off or the rest refused, publishers stall, and are woken.

use std::sync::Arc;
use std::task::Poll;

use cognate_wire::CloseReason;
use loom::thread;

use super::backlog::Blocks;
use super::client::{Client, block_on};
use super::outbound::{Delivery, Relief};
use super::queue::CROWDED_BYTES;
use super::socket::Socket;
use super::{BATCH, PLENTY, batch, check_finality, count, explore, one, publisher};

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
