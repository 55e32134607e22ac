//! [`Model`]: a store so simple that it is obviously right.

use std::collections::{BTreeMap, BTreeSet};

use cognate_model::{
    Deadline, Message, NewMessage, Removed, Sequence, StoreState, SubjectState, Timestamp,
};
use cognate_subject::{Filter, validate::matches};

/// A message of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) timestamp: Timestamp,
    pub(super) subject: Vec<u8>,
    pub(super) headers: Vec<u8>,
    pub(super) payload: Vec<u8>,
    pub(super) deadline: Option<Deadline>,
    pub(super) has_id: bool,
}

impl Kept {
    pub(super) fn message(&self, sequence: Sequence) -> Message<'_> {
        Message {
            sequence,
            timestamp: self.timestamp,
            subject: &self.subject,
            headers: &self.headers,
            payload: &self.payload,
        }
    }
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) kept: BTreeMap<Sequence, Kept>,
    pub(super) last: Sequence,
    last_time: Timestamp,
}

impl Model {
    pub(super) fn append(&mut self, message: &NewMessage<'_>) -> Sequence {
        self.last += 1;
        self.last_time = message.timestamp;
        let kept = Kept {
            timestamp: message.timestamp,
            subject: message.subject.to_vec(),
            headers: message.headers.to_vec(),
            payload: message.payload.to_vec(),
            deadline: message.deadline,
            has_id: message.has_id,
        };
        self.kept.insert(self.last, kept);
        self.last
    }

    pub(super) fn skip_to(&mut self, next: Sequence, now: Timestamp) {
        self.last = next - 1;
        self.last_time = now;
    }

    pub(super) fn remove(&mut self, sequence: Sequence, size: &Size<'_>) -> Option<Removed> {
        let kept = self.kept.remove(&sequence)?;
        Some(Removed {
            messages: 1,
            bytes: size(&kept),
        })
    }

    pub(super) fn remove_below(&mut self, sequence: Sequence, size: &Size<'_>) -> Removed {
        let behind = self.kept.split_off(&sequence);
        let gone = std::mem::replace(&mut self.kept, behind);
        Removed {
            messages: gone.len() as u64,
            bytes: gone.values().map(size).sum(),
        }
    }

    pub(super) fn state(&self, size: &Size<'_>) -> StoreState {
        let messages = self.kept.len() as u64;
        let first = self.first();
        let span = if messages == 0 {
            0
        } else {
            self.last - first + 1
        };
        let subjects: BTreeSet<_> = self.kept.values().map(|kept| &kept.subject).collect();
        StoreState {
            messages,
            bytes: self.kept.values().map(size).sum(),
            first,
            first_time: self.kept.get(&first).map_or(Timestamp(0), |k| k.timestamp),
            last: self.last,
            last_time: self.last_time,
            subjects: subjects.len() as u64,
            deleted: span - messages,
        }
    }

    pub(super) fn first(&self) -> Sequence {
        self.kept
            .keys()
            .next()
            .map_or(self.last + 1, |first| *first)
    }

    pub(super) fn subjects(&self, filter: &[u8]) -> BTreeMap<Vec<u8>, SubjectState> {
        let mut subjects = BTreeMap::<_, SubjectState>::new();
        for (sequence, kept) in &self.kept {
            if !matches(filter, &kept.subject) {
                continue;
            }
            let state = subjects.entry(kept.subject.clone()).or_default();
            if state.messages == 0 {
                state.first = *sequence;
            }
            state.last = *sequence;
            state.messages += 1;
        }
        subjects
    }

    /// The sequences at or behind `from` that one of the filters matches.
    pub(super) fn matching<'a>(
        &'a self,
        filters: &'a [Filter],
        from: Sequence,
    ) -> impl Iterator<Item = Sequence> + 'a {
        let wanted = |kept: &Kept| {
            let matched = |filter: &Filter| matches(filter.as_bytes(), &kept.subject);
            filters.is_empty() || filters.iter().any(matched)
        };
        let behind = self.kept.range(from..);
        behind
            .filter(move |(_, kept)| wanted(kept))
            .map(|(s, _)| *s)
    }

    pub(super) fn count(&self, filters: &[Filter], from: Sequence, last_only: bool) -> u64 {
        let matching = self.matching(filters, from);
        if !last_only {
            return matching.count() as u64;
        }
        let subjects: BTreeSet<_> = matching.map(|s| &self.kept[&s].subject).collect();
        subjects.len() as u64
    }

    pub(super) fn sequence_at(&self, time: Timestamp) -> Sequence {
        let mut late = self.kept.iter().filter(|(_, kept)| kept.timestamp >= time);
        late.next().map_or(self.last + 1, |(sequence, _)| *sequence)
    }

    pub(super) fn deleted(&self) -> Vec<(Sequence, Sequence)> {
        let mut ranges = Vec::new();
        let mut expected = self.first();
        for sequence in self.kept.keys() {
            if *sequence > expected {
                ranges.push((expected, sequence - 1));
            }
            expected = sequence + 1;
        }
        if !self.kept.is_empty() && expected <= self.last {
            ranges.push((expected, self.last));
        }
        ranges
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        let deadlines = self.kept.values().filter_map(|kept| kept.deadline);
        deadlines.map(|deadline| deadline.at).min()
    }

    pub(super) fn ids(&self, since: Timestamp) -> Vec<Sequence> {
        let wanted = |kept: &Kept| kept.has_id && kept.timestamp >= since;
        let found = self.kept.iter().filter(|(_, kept)| wanted(kept));
        found.map(|(sequence, _)| *sequence).collect()
    }
}

/// What a message counts for.
pub(super) type Size<'a> = dyn Fn(&Kept) -> u64 + 'a;
