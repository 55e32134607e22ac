//! What a store was told and promised, the operations of a round, and what must be so afterwards.

use std::collections::{BTreeMap, BTreeSet};

use cognate_model::{MessageStore, NewMessage, Sequence, StoreError, Timestamp};

use crate::FileStore;
use crate::disk::sim::SimDisk;

/// A xorshift generator.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Subject and payload, by sequence.
type Held = BTreeMap<Sequence, (Vec<u8>, Vec<u8>)>;

/// What a store was told, and what it promised.
#[derive(Clone, Default)]
pub(super) struct Model {
    /// Everything that was ever stored.
    pub(super) stored: Held,
    /// What is held now.
    pub(super) held: BTreeSet<Sequence>,
    /// What was held when the last sync ended.
    pub(super) synced: BTreeSet<Sequence>,
    /// What was removed durably.
    pub(super) removed: BTreeSet<Sequence>,
    pub(super) last: Sequence,
    pub(super) synced_last: Sequence,
}

impl Model {
    /// A sync has ended.
    pub(super) fn sync(&mut self) {
        self.synced = self.held.clone();
        self.synced_last = self.last;
        let all = self.stored.keys().copied();
        self.removed = all.filter(|s| !self.held.contains(s)).collect();
    }
}

pub(super) fn step(store: &mut FileStore<SimDisk>, model: &mut Model, random: &mut Random) {
    match random.below(20) {
        0..=11 => {
            let subject = format!("k.{}", random.below(30)).into_bytes();
            let mut payload = model.last.to_le_bytes().to_vec();
            let longest = if random.below(8) == 0 { 3000 } else { 200 };
            let len = random.below(longest);
            payload.extend((0..len).map(|n| (n % 251) as u8 + 1));
            let message = NewMessage {
                timestamp: Timestamp(1000 + model.last as i64),
                subject: &subject,
                headers: if len.is_multiple_of(3) {
                    b"NATS/1.0\r\n\r\n"
                } else {
                    b""
                },
                payload: &payload,
                deadline: None,
                has_id: false,
            };
            let sequence = store.append(&message).expect("there is space");
            assert!(sequence > model.last, "{sequence} was given before");
            model.last = sequence;
            model.stored.insert(sequence, (subject, payload));
            model.held.insert(sequence);
        }
        12..=14 => {
            let from = random.below(model.last + 1);
            if let Some(sequence) = model.held.range(from..).next().copied() {
                let removed = store.remove(sequence, random.below(2) == 0);
                assert!(removed.expect("there is space").is_some());
                model.held.remove(&sequence);
            }
        }
        15 if random.below(10) == 0 => {
            let below = random.below(model.last + 2);
            store.remove_below(below).expect("there is space");
            model.held = model.held.split_off(&below);
        }
        16 if random.below(10) == 0 => {
            let next = model.last + 1 + random.below(5);
            store
                .skip_to(next, Timestamp(1000 + next as i64))
                .expect("there is space");
            model.last = model.last.max(next - 1);
        }
        17 => store.flush().expect("there is space"),
        18 => {
            store.settle().expect("the disk is well");
            store.maintain(16 << 10).expect("the disk is well");
        }
        19 => {
            store.sync().expect("the disk is well");
            model.sync();
        }
        _ => {}
    }
}

/// What must be so of anything that is read after anything.
pub(super) fn check_honest(
    store: &mut FileStore<SimDisk>,
    model: &Model,
    what: &str,
) -> BTreeSet<Sequence> {
    let mut found = BTreeSet::new();
    let mut cursor = store.cursor(&[]);
    let mut from = 1;
    while let Some(sequence) = store.next(&mut cursor, from).expect("the disk is well") {
        from = sequence + 1;
        match store.load(sequence) {
            Ok(Some(message)) => {
                let (subject, payload) = &model.stored[&sequence];
                assert_eq!(message.subject, subject, "{what}: subject of {sequence}");
                assert_eq!(message.payload, payload, "{what}: payload of {sequence}");
                found.insert(sequence);
            }
            Ok(None) => panic!("{what}: {sequence} was walked to and is not there"),
            Err(StoreError::Damaged(_)) => {}
            Err(error) => panic!("{what}: {error}"),
        }
    }
    found
}

/// No sequence that may have been seen is given again.
pub(super) fn check_next(store: &mut FileStore<SimDisk>, model: &Model, what: &str) {
    let message = NewMessage {
        timestamp: Timestamp(1_000_000),
        subject: b"after",
        headers: b"",
        payload: b"",
        deadline: None,
        has_id: false,
    };
    let next = store.append(&message).expect("there is space");
    assert!(next > model.synced_last, "{what}: {next} is given again");
    store.sync().expect("the disk is well");
}

pub(super) fn check_honest_again(
    store: &mut FileStore<SimDisk>,
    known: &BTreeSet<Sequence>,
) -> BTreeSet<Sequence> {
    let load = |sequence: &Sequence| matches!(store.load(*sequence), Ok(Some(_)));
    known.iter().copied().filter(load).collect()
}

/// What is reported is what can be read.
pub(super) fn check_counts(
    store: &mut FileStore<SimDisk>,
    model: &Model,
    found: &BTreeSet<Sequence>,
    what: &str,
) {
    let state = store.state();
    let bytes = found.iter().map(|sequence| {
        let message = store.load(*sequence).expect("it was read before");
        let headers = message.map_or(0, |message| message.headers.len());
        let (subject, payload) = &model.stored[sequence];
        store.stored_bytes(subject.len(), headers, payload.len())
    });
    let bytes: u64 = bytes.sum();
    let counted = (state.messages, state.bytes);
    assert_eq!(counted, (found.len() as u64, bytes), "{what}: counts");
    let first = found.first().copied().unwrap_or(state.last + 1);
    assert_eq!(state.first, first, "{what}: the first message");
    if let Some(first) = found.first() {
        let time = Timestamp(1000 + *first as i64 - 1);
        assert!(state.first_time <= time, "{what}: its time");
    }
    let gaps = store.deleted(usize::MAX);
    let without: u64 = gaps.iter().map(|(from, to)| to - from + 1).sum();
    assert_eq!(
        without, state.deleted,
        "{what}: sequences without a message"
    );
    let overlaps = |sequence: &Sequence| gaps.iter().any(|(a, b)| (a..=b).contains(&sequence));
    assert!(!found.iter().any(overlaps), "{what}: {gaps:?}");
}

pub(super) fn verify(store: &mut FileStore<SimDisk>) {
    let mut at = Some(1);
    while let Some(from) = at {
        at = store.verify(from, 10_000).expect("the disk is well");
    }
}

/// The last message of a subject is the last one that was stored, or one that was is missing.
pub(super) fn check_current(store: &mut FileStore<SimDisk>, model: &Model, what: &str) {
    let mut current = BTreeMap::new();
    for sequence in &model.held {
        current.insert(&model.stored[sequence].0, *sequence);
    }
    for (subject, sequence) in current {
        let last = store.subject(subject).map(|state| state.last);
        if let Some(last) = last {
            assert_eq!(last, sequence, "{what}: an overwritten value is current");
        }
    }
}
