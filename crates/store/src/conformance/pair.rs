//! [`Pair`]: a store and the model, changed together and compared.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cognate_model::{Deadline, MessageStore, NewMessage, Sequence, Timestamp};
use cognate_subject::Filter;

use super::{
    Source,
    model::{Kept, Model},
};

/// Each of them is a reader with these filters; compared in full.
const FILTERS: &[&[&str]] = &[
    &[],
    &["s.1"],
    &["s.none"],
    &["s.1", "s.2", "t.a.3"],
    &["s.*"],
    &["t.>"],
    &["t.*.3", "t.a.*", "s.7"],
    &["*.a.>", "*.*.9", "s.*"],
    &[">", "s.1"],
    &["k.15", "k.250.x", "k.33"],
    &["k.*"],
];

pub(super) struct Pair<'a, S: Source> {
    pub(super) source: &'a mut S,
    store: Option<S::Store>,
    pub(super) model: Model,
    readers: Vec<Reader<<S::Store as MessageStore>::Cursor>>,
    pub(super) now: Timestamp,
}

/// A cursor that goes on from where it was.
struct Reader<C> {
    filters: Vec<Filter>,
    cursor: C,
    from: Sequence,
}

impl<'a, S: Source> Pair<'a, S> {
    pub(super) fn new(source: &'a mut S) -> Self {
        let mut pair = Pair {
            store: Some(source.make()),
            source,
            model: Model::default(),
            readers: Vec::new(),
            now: Timestamp(1_700_000_000_000_000_000),
        };
        pair.make_readers();
        pair
    }

    fn make_readers(&mut self) {
        let froms: Vec<_> = self.readers.drain(..).map(|reader| reader.from).collect();
        for (at, filters) in FILTERS.iter().enumerate() {
            let filters: Vec<_> = filters.iter().map(|f| filter(f)).collect();
            let cursor = self.store().cursor(&filters);
            let from = froms.get(at).copied().unwrap_or(0);
            self.readers.push(Reader {
                filters,
                cursor,
                from,
            });
        }
    }

    pub(super) fn store(&mut self) -> &mut S::Store {
        self.store.as_mut().expect("only a restart takes the store")
    }

    /// The last message of a subject, as the store tells it.
    pub(super) fn store_last(&mut self, subject: &str) -> Option<Sequence> {
        Some(self.store().subject(subject.as_bytes())?.last)
    }

    /// What messages count for, by the store's own rule.
    fn with_size<T>(&mut self, run: impl FnOnce(&mut Model, &dyn Fn(&Kept) -> u64) -> T) -> T {
        let store = self.store.as_ref().expect("only a restart takes the store");
        let size = |kept: &Kept| {
            let (subject, headers) = (kept.subject.len(), kept.headers.len());
            store.stored_bytes(subject, headers, kept.payload.len())
        };
        run(&mut self.model, &size)
    }

    pub(super) fn append(&mut self, subject: &str, headers: &[u8], payload: &[u8]) -> Sequence {
        self.append_with(subject, (headers, payload), None, false)
    }

    pub(super) fn append_with(
        &mut self,
        subject: &str,
        (headers, payload): (&[u8], &[u8]),
        deadline: Option<Deadline>,
        has_id: bool,
    ) -> Sequence {
        let message = NewMessage {
            timestamp: self.now,
            subject: subject.as_bytes(),
            headers,
            payload,
            deadline,
            has_id,
        };
        let expected = self.model.append(&message);
        let before = self.store().written();
        let sequence = self.store().append(&message).expect("append");
        assert_eq!(sequence, expected, "the next sequence");
        assert!(self.store().written() > before, "a change moves the mark");
        sequence
    }

    pub(super) fn remove(&mut self, sequence: Sequence, erase: bool) {
        let expected = self.with_size(|model, size| model.remove(sequence, size));
        let removed = self.store().remove(sequence, erase).expect("remove");
        assert_eq!(removed, expected, "removal of {sequence}");
    }

    pub(super) fn take_out(&mut self, sequence: Sequence) {
        let kept = self.model.kept.get(&sequence);
        let told = kept.map_or(Vec::new(), |kept| kept.subject.clone());
        let expected = self.with_size(|model, size| model.remove(sequence, size));
        let mut subject = b"something before".to_vec();
        let taken = self.store().take_out(sequence, &mut subject);
        assert_eq!(taken.expect("take_out"), expected.is_some(), "{sequence}");
        assert_eq!(subject, told, "subject of {sequence}");
    }

    pub(super) fn remove_below(&mut self, sequence: Sequence) {
        let expected = self.with_size(|model, size| model.remove_below(sequence, size));
        let removed = self.store().remove_below(sequence).expect("remove_below");
        assert_eq!(removed, expected, "removal below {sequence}");
    }

    pub(super) fn skip_to(&mut self, next: Sequence) {
        let now = self.now;
        self.model.skip_to(next, now);
        self.store().skip_to(next, now).expect("skip_to");
    }

    pub(super) fn set_deadline(&mut self, sequence: Sequence, deadline: Option<Deadline>) {
        if let Some(kept) = self.model.kept.get_mut(&sequence) {
            kept.deadline = deadline;
            let store = self.store();
            store
                .set_deadline(sequence, deadline)
                .expect("set_deadline");
        }
    }

    pub(super) fn reopen(&mut self) {
        let store = self.store.take().expect("only a restart takes the store");
        self.store = Some(self.source.reopen(store));
        self.make_readers();
    }

    pub(super) fn settle(&mut self) {
        let store = self.store.as_mut().expect("only a restart takes the store");
        self.source.settle(store);
    }

    /// Compares what costs little.
    pub(super) fn check_state(&mut self) {
        let expected = self.with_size(|model, size| model.state(size));
        let mut state = self.store().state();
        if state.messages == 0 {
            // An empty store has no first message whose time could be told.
            state.first_time = expected.first_time;
        }
        assert_eq!(state, expected);
        let (written, durable) = (self.store().written(), self.store().durable());
        assert!(durable <= written, "{durable:?} is ahead of {written:?}");
        let next = self.store().next_deadline();
        assert_eq!(
            next.map(|(_, d)| d.at),
            self.model.earliest(),
            "earliest deadline"
        );
        if let Some((sequence, deadline)) = next {
            let kept = self.model.kept.get(&sequence).expect("of a held message");
            assert_eq!(kept.deadline, Some(deadline), "deadline of {sequence}");
        }
    }

    /// Lets every reader take up to `count` messages from where it is.
    pub(super) fn advance_readers(&mut self, count: usize) {
        let store = self.store.as_mut().expect("only a restart takes the store");
        for reader in &mut self.readers {
            for _ in 0..count {
                let expected = self.model.matching(&reader.filters, reader.from).next();
                let found = store.next(&mut reader.cursor, reader.from).expect("next");
                let (filters, from) = (&reader.filters, reader.from);
                assert_eq!(found, expected, "next of {filters:?} from {from}");
                let Some(found) = found else { break };
                reader.from = found + 1;
            }
        }
    }

    /// Compares everything, with readers from `from`.
    pub(super) fn check_all(&mut self, from: Sequence) {
        self.check_state();
        self.check_messages();
        self.check_subjects();
        self.check_readers(from);
        self.check_times();
        self.check_deleted();
    }

    fn check_messages(&mut self) {
        let (first, last) = (self.model.first(), self.model.last);
        let around = first.saturating_sub(3)..=first + 6000;
        let store = self.store.as_mut().expect("only a restart takes the store");
        for sequence in around.chain([0, last, last + 1, u64::MAX]) {
            let expected = self.model.kept.get(&sequence);
            let expected = expected.map(|kept| kept.message(sequence));
            let found = store.load(sequence).expect("load");
            assert_eq!(found, expected, "message {sequence}");
        }
    }

    fn check_subjects(&mut self) {
        let store = self.store.as_mut().expect("only a restart takes the store");
        for filter in [">", "s.*", "s.1", "t.>", "*.*.3", "none.>", "k.*"] {
            let expected = self.model.subjects(filter.as_bytes());
            let mut found = Vec::new();
            store.for_each_subject(filter.as_bytes(), &mut |subject, state| {
                found.push((subject.to_vec(), state));
                ControlFlow::Continue(())
            });
            let mut again = Vec::new();
            store.for_each_subject(filter.as_bytes(), &mut |subject, _| {
                again.push(subject.to_vec());
                if again.len() > found.len() / 2 {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            });
            assert!(
                found
                    .iter()
                    .map(|(subject, _)| subject)
                    .zip(&again)
                    .all(|(a, b)| a == b)
            );
            assert_eq!(again.len(), found.len().min(found.len() / 2 + 1));
            let count = found.len();
            let found: BTreeMap<_, _> = found.into_iter().collect();
            assert_eq!(found.len(), count, "subjects of {filter} twice");
            assert_eq!(found, expected, "subjects of {filter}");
        }
        for (subject, state) in self.model.subjects(b">") {
            assert_eq!(store.subject(&subject), Some(state));
        }
        assert_eq!(store.subject(b"s"), None);
        assert_eq!(store.subject(b"s.none"), None);
    }

    fn check_readers(&mut self, from: Sequence) {
        let store = self.store.as_mut().expect("only a restart takes the store");
        for reader in &mut self.readers {
            let (filters, cursor) = (&reader.filters, &mut reader.cursor);
            let mut fresh = store.cursor(filters);
            for (sequence, cursor) in [(from, &mut fresh), (0, cursor)] {
                let mut next = sequence;
                for expected in self.model.matching(filters, sequence) {
                    let found = store.next(cursor, next).expect("next");
                    assert_eq!(found, Some(expected), "next of {filters:?} from {next}");
                    next = expected + 1;
                }
                assert_eq!(
                    store.next(cursor, next).expect("next"),
                    None,
                    "{filters:?} {next}"
                );
                assert_eq!(store.next(cursor, u64::MAX).expect("next"), None);
                for last_only in [false, true] {
                    let expected = self.model.count(filters, sequence, last_only);
                    let found = store.count(cursor, sequence, last_only).expect("count");
                    assert_eq!(found, expected, "count {filters:?} {sequence} {last_only}");
                }
            }
        }
    }

    fn check_times(&mut self) {
        let times = self.model.kept.values().step_by(37).map(|k| k.timestamp.0);
        let times: Vec<_> = times.flat_map(|t| [t - 1, t, t + 1]).collect();
        let ends = [i64::MIN, self.now.0 + 1, i64::MAX];
        let store = self.store.as_mut().expect("only a restart takes the store");
        for time in times.into_iter().chain(ends).map(Timestamp) {
            let found = store.sequence_at(time).expect("sequence_at");
            assert_eq!(found, self.model.sequence_at(time), "sequence at {time:?}");
        }
        for since in [i64::MIN, self.now.0 - 10_000, self.now.0, i64::MAX] {
            let mut found = Vec::new();
            let visit = &mut |message: &cognate_model::Message<'_>| {
                let kept = &self.model.kept[&message.sequence];
                assert_eq!(*message, kept.message(message.sequence));
                found.push(message.sequence);
            };
            store
                .for_each_id(Timestamp(since), visit)
                .expect("for_each_id");
            assert_eq!(found, self.model.ids(Timestamp(since)), "ids since {since}");
        }
    }

    fn check_deleted(&mut self) {
        let expected = self.model.deleted();
        let found = self.store().deleted(usize::MAX);
        assert_eq!(found, expected, "deleted ranges");
        let limit = expected.len() / 2;
        assert_eq!(
            self.store().deleted(limit),
            expected[..limit],
            "{limit} ranges"
        );
        assert_eq!(self.store().damaged(), []);
    }
}

fn filter(text: &str) -> Filter {
    Filter::try_from(text).expect("the suite's filters are valid")
}
