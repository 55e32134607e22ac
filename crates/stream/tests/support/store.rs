//! The plainest store there can be: a map of messages, everything found by looking at all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_subject::{Filter, Tree};

#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) timestamp: Timestamp,
    pub(crate) subject: Vec<u8>,
    pub(crate) headers: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) has_id: bool,
}

impl Held {
    pub(crate) fn message(&self, sequence: Sequence) -> Message<'_> {
        Message {
            sequence,
            timestamp: self.timestamp,
            subject: &self.subject,
            headers: &self.headers,
            payload: &self.payload,
        }
    }
}

/// Counts bytes as nats-server's memory store does.
#[derive(Clone, Default)]
pub(crate) struct PlainStore {
    pub(crate) held: BTreeMap<Sequence, Held>,
    last: Sequence,
    last_time: Timestamp,
    first_if_empty: Sequence,
    /// Appending fails once so many messages were taken.
    pub(crate) room: Option<u64>,
}

pub(crate) struct PlainCursor(Vec<Filter>);

fn matches(filters: &[Filter], subject: &[u8]) -> bool {
    let mut found = filters.is_empty();
    for filter in filters {
        let mut tree = Tree::new(0);
        tree.get_or_insert_with(filter.as_bytes(), || ());
        tree.for_each_match(subject, |()| found = true);
    }
    found
}

fn size(held: &Held) -> u64 {
    (held.subject.len() + held.headers.len() + held.payload.len() + 16) as u64
}

impl MessageStore for PlainStore {
    type Cursor = PlainCursor;

    fn state(&self) -> StoreState {
        let subjects: BTreeSet<_> = self.held.values().map(|held| &held.subject).collect();
        let first = self.held.first_key_value();
        let first_sequence = first.map_or(self.last + 1, |(sequence, _)| *sequence);
        let messages = self.held.len() as u64;
        StoreState {
            messages,
            bytes: self.held.values().map(size).sum(),
            first: first_sequence.max(self.first_if_empty),
            first_time: first.map_or(Timestamp(0), |(_, held)| held.timestamp),
            last: self.last,
            last_time: self.last_time,
            subjects: subjects.len() as u64,
            deleted: (self.last + 1 - first_sequence) - messages,
        }
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        (subject + headers + payload + 16) as u64
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        Ok(self.held.get(&sequence).map(|held| held.message(sequence)))
    }

    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        let mut of = self.held.iter().filter(|(_, held)| held.subject == subject);
        let first = *of.clone().next()?.0;
        Some(SubjectState {
            first,
            last: *of.clone().next_back()?.0,
            messages: of.by_ref().count() as u64,
        })
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let filter = Filter::try_from(filter).ok();
        let subjects: BTreeSet<_> = self
            .held
            .values()
            .map(|held| held.subject.clone())
            .collect();
        for subject in subjects {
            let wanted = filter
                .as_ref()
                .is_some_and(|f| matches(std::slice::from_ref(f), &subject));
            let state = self.subject(&subject);
            if let Some(state) = state.filter(|_| wanted)
                && visit(&subject, state).is_break()
            {
                return;
            }
        }
    }

    fn cursor(&mut self, filters: &[Filter]) -> PlainCursor {
        PlainCursor(filters.to_vec())
    }

    fn next(
        &mut self,
        cursor: &mut PlainCursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        let mut rest = self.held.range(from..);
        Ok(rest
            .find(|(_, held)| matches(&cursor.0, &held.subject))
            .map(|(s, _)| *s))
    }

    fn count(
        &mut self,
        cursor: &mut PlainCursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        let all: Vec<(Sequence, Vec<u8>)> = self
            .held
            .range(from..)
            .filter(|(_, held)| matches(&cursor.0, &held.subject))
            .map(|(sequence, held)| (*sequence, held.subject.clone()))
            .collect();
        let is_last = |sequence: Sequence, subject: &[u8], store: &mut Self| {
            store
                .subject(subject)
                .is_some_and(|state| state.last == sequence)
        };
        let counted = all
            .iter()
            .filter(|(s, subject)| !last_only || is_last(*s, subject, self));
        Ok(counted.count() as u64)
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        let found = self.held.iter().find(|(_, held)| held.timestamp >= time);
        Ok(found.map_or(self.last + 1, |(sequence, _)| *sequence))
    }

    fn deleted(&mut self, _limit: usize) -> Vec<(Sequence, Sequence)> {
        Vec::new()
    }

    fn damaged(&self) -> &[DamagedRange] {
        &[]
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        if self.room == Some(0) {
            return Err(StoreError::Full);
        }
        self.room = self.room.map(|room| room - 1);
        self.last += 1;
        self.last_time = message.timestamp;
        let held = Held {
            timestamp: message.timestamp,
            subject: message.subject.to_vec(),
            headers: message.headers.to_vec(),
            payload: message.payload.to_vec(),
            deadline: message.deadline,
            has_id: message.has_id,
        };
        self.held.insert(self.last, held);
        Ok(self.last)
    }

    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        assert!(next > self.last, "sequences only ascend");
        self.last = next - 1;
        self.last_time = now;
        Ok(())
    }

    fn remove(&mut self, sequence: Sequence, _erase: bool) -> Result<Option<Removed>, StoreError> {
        Ok(self.held.remove(&sequence).map(|held| Removed {
            messages: 1,
            bytes: size(&held),
        }))
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        let stay = self.held.split_off(&sequence);
        let gone = std::mem::replace(&mut self.held, stay);
        Ok(Removed {
            messages: gone.len() as u64,
            bytes: gone.values().map(size).sum(),
        })
    }

    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError> {
        if let Some(held) = self.held.get_mut(&sequence) {
            held.deadline = deadline;
        }
        Ok(())
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        let deadlines = self
            .held
            .iter()
            .filter_map(|(s, held)| Some((*s, held.deadline?)));
        deadlines.min_by_key(|(sequence, deadline)| (*deadline, *sequence))
    }

    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        for (sequence, held) in &self.held {
            if held.has_id && held.timestamp >= since {
                visit(&held.message(*sequence));
            }
        }
        Ok(())
    }

    fn written(&self) -> WriteMark {
        WriteMark(0)
    }

    fn durable(&self) -> WriteMark {
        WriteMark(0)
    }
}
