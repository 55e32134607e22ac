//! A message store as simple as can be: a list that is searched from its beginning.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_subject::Filter;

#[derive(Default)]
pub(crate) struct NaiveStore {
    messages: BTreeMap<Sequence, Stored>,
    last: Sequence,
    first: Sequence,
}

struct Stored {
    time: Timestamp,
    subject: Vec<u8>,
    headers: Vec<u8>,
    payload: Vec<u8>,
}

impl NaiveStore {
    pub(crate) fn subject_of(&self, sequence: Sequence) -> Option<&[u8]> {
        self.messages.get(&sequence).map(|stored| &*stored.subject)
    }

    fn matching<'a>(
        &'a self,
        filters: &'a [Filter],
        from: Sequence,
    ) -> impl Iterator<Item = Sequence> + 'a {
        let held = self.messages.range(from..);
        held.filter(|(_, stored)| matches(filters, &stored.subject))
            .map(|(&sequence, _)| sequence)
    }

    fn is_last(&self, sequence: Sequence) -> bool {
        let subject = &self.messages[&sequence].subject;
        let mut after = self.messages.range(sequence + 1..);
        !after.any(|(_, stored)| stored.subject == *subject)
    }
}

pub(crate) fn matches(filters: &[Filter], subject: &[u8]) -> bool {
    filters.is_empty()
        || filters
            .iter()
            .any(|f| cognate_subject::validate::matches(f.as_bytes(), subject))
}

impl MessageStore for NaiveStore {
    type Cursor = Vec<Filter>;

    fn state(&self) -> StoreState {
        let first = self.messages.keys().next().copied();
        StoreState {
            messages: self.messages.len() as u64,
            first: first.unwrap_or(self.last + 1),
            last: self.last,
            ..StoreState::default()
        }
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        (subject + headers + payload) as u64
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        let stored = self.messages.get(&sequence);
        Ok(stored.map(|stored| Message {
            sequence,
            timestamp: stored.time,
            subject: &stored.subject,
            headers: &stored.headers,
            payload: &stored.payload,
        }))
    }

    fn subject(&mut self, _: &[u8]) -> Option<SubjectState> {
        None
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let mut subjects: BTreeMap<&[u8], SubjectState> = BTreeMap::new();
        for (&sequence, stored) in &self.messages {
            if cognate_subject::validate::matches(filter, &stored.subject) {
                let state = subjects.entry(&stored.subject).or_default();
                state.last = sequence;
                state.messages += 1;
            }
        }
        for (subject, state) in subjects {
            if visit(subject, state).is_break() {
                return;
            }
        }
    }

    fn cursor(&mut self, filters: &[Filter]) -> Vec<Filter> {
        filters.to_vec()
    }

    fn next(
        &mut self,
        cursor: &mut Vec<Filter>,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        Ok(self.matching(cursor, from).next())
    }

    fn count(
        &mut self,
        cursor: &mut Vec<Filter>,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        let counted = self
            .matching(cursor, from)
            .filter(|&s| !last_only || self.is_last(s));
        Ok(counted.count() as u64)
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        let found = self.messages.iter().find(|(_, stored)| stored.time >= time);
        Ok(found.map_or(self.last + 1, |(&sequence, _)| sequence))
    }

    fn deleted(&mut self, _: usize) -> Vec<(Sequence, Sequence)> {
        Vec::new()
    }

    fn damaged(&self) -> &[DamagedRange] {
        &[]
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        self.last += 1;
        let stored = Stored {
            time: message.timestamp,
            subject: message.subject.to_vec(),
            headers: message.headers.to_vec(),
            payload: message.payload.to_vec(),
        };
        self.messages.insert(self.last, stored);
        Ok(self.last)
    }

    fn skip_to(&mut self, next: Sequence, _: Timestamp) -> Result<(), StoreError> {
        self.last = next - 1;
        self.first = next;
        Ok(())
    }

    fn remove(&mut self, sequence: Sequence, _: bool) -> Result<Option<Removed>, StoreError> {
        let removed = self.messages.remove(&sequence);
        Ok(removed.map(|_| Removed::default()))
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        self.messages = self.messages.split_off(&sequence);
        Ok(Removed::default())
    }

    fn set_deadline(&mut self, _: Sequence, _: Option<Deadline>) -> Result<(), StoreError> {
        Ok(())
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        None
    }

    fn for_each_id(
        &mut self,
        _: Timestamp,
        _: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn written(&self) -> WriteMark {
        WriteMark(0)
    }

    fn durable(&self) -> WriteMark {
        WriteMark(0)
    }
}
