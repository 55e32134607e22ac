//! The store in memory against the suite of all stores, and what only it promises: its memory.

use cognate_model::{MessageStore, NewMessage, Sequence, Timestamp};

use super::*;
use crate::conformance::{self, Source};

struct InMemory;

impl Source for InMemory {
    type Store = MemoryStore;

    fn make(&mut self) -> MemoryStore {
        MemoryStore::new(0xC0FFEE)
    }

    fn reopen(&mut self, store: MemoryStore) -> MemoryStore {
        store
    }
}

#[test]
fn it_is_a_message_store() {
    conformance::check(&mut InMemory, 1, 6);
}

fn append(store: &mut MemoryStore, subject: &str, payload: &[u8]) -> Sequence {
    let message = NewMessage {
        timestamp: Timestamp(1),
        subject: subject.as_bytes(),
        headers: b"",
        payload,
        deadline: None,
        has_id: false,
    };
    store.append(&message).expect("room")
}

#[test]
fn bytes_count_as_in_nats_server() {
    let mut store = InMemory.make();
    append(&mut store, "orders.new", b"12345");
    assert_eq!(store.state().bytes, 10 + 5 + 16);
    assert_eq!(store.stored_bytes(10, 12, 5), 43);
}

#[test]
fn memory_of_removed_messages_comes_back() {
    let mut store = InMemory.make();
    let count = 60_000u64;
    for n in 0..count {
        append(&mut store, &format!("k.{n}"), &[7; 100]);
    }
    let full = store.heap_bytes();
    let per_message = full as u64 / count;
    assert!(per_message < 250, "{per_message} bytes for 100 of payload");
    // One in sixteen stays, far apart.
    for n in (1..=count).filter(|n| n % 16 != 0) {
        store.remove(n, false).expect("held");
    }
    let blocks = store.blocks.heap_bytes() as u64;
    let live = (count / 16) * (100 + 8 + 32 + 8);
    assert!(blocks < 2 * live, "{blocks} bytes for {live}");
    let postings = store.postings.heap_bytes() as u64;
    assert!(
        postings < count / 16 * 256,
        "{postings} bytes for {} keys",
        count / 16
    );
    for n in (1..=count).filter(|n| n % 16 == 0) {
        store.remove(n, false).expect("held");
    }
    let rest = store.heap_bytes();
    assert!(rest < full / 10, "{rest} bytes of {full} for nothing");
}

#[test]
fn overwriting_keys_keeps_memory_bounded() {
    let mut store = InMemory.make();
    let mut peak = 0;
    for n in 0..200_000u64 {
        let subject = format!("k.{}", n * 7919 % 2000);
        let previous = store.subject(subject.as_bytes());
        append(&mut store, &subject, &[7; 100]);
        if let Some(previous) = previous {
            store.remove(previous.last, false).expect("held");
        }
        peak = peak.max(store.heap_bytes());
    }
    assert_eq!(store.state().messages, 2000);
    assert!(peak < 1_500_000, "{peak} bytes for 2,000 messages of 100");
}

#[test]
fn sparse_filters_find_each_message_however_they_lie() {
    let mut store = InMemory.make();
    // Crowded at the start, so that a plan is cut short; then none for long; then evenly thin.
    let subject = |n: u64| match n {
        0..9000 => format!("hot.{}.x", n % 500),
        60_000.. if n.is_multiple_of(40) => format!("hot.{}.y", n % 77),
        _ => format!("cold.{}", n % 30),
    };
    for n in 0..90_000 {
        append(&mut store, &subject(n), b"x");
    }
    let mut expected: Vec<Sequence> = (0..90_000)
        .filter(|n| subject(*n).starts_with("hot"))
        .map(|n| n + 1)
        .collect();
    let filters = ["hot.*.x", "hot.>", "none.*"];
    let filters = filters.map(|f| Filter::try_from(f).expect("valid"));
    let mut cursor = store.cursor(&filters);
    let mut walk = |store: &mut MemoryStore, expected: &[Sequence], from: Sequence| {
        let mut next = from;
        let wanted = expected.iter().filter(|sequence| **sequence >= from);
        for sequence in wanted {
            let found = store.next(&mut cursor, next).expect("held");
            assert_eq!(found, Some(*sequence), "from {next}");
            next = sequence + 1;
        }
        assert_eq!(store.next(&mut cursor, next).expect("held"), None);
    };
    walk(&mut store, &expected, 0);
    // Messages go away while a plan still names them, and new ones come behind its end.
    walk(&mut store, &expected, 500);
    for sequence in expected.iter().step_by(3) {
        store.remove(*sequence, false).expect("held");
    }
    let mut at = 0;
    expected.retain(|_| {
        at += 1;
        at % 3 != 1
    });
    expected.push(append(&mut store, "hot.1.z", b"x"));
    walk(&mut store, &expected, 1000);
    walk(&mut store, &expected, 0);
}
