//! [`Postings`]: which messages there are of each subject.
//!
//! One or two messages of a subject, the usual case of a key-value bucket, need no memory beyond
//! the entry of the index; more of them have a list of sequences. A list stays until one message is
//! left, so that a subject that goes up and down between two and three does not allocate each time.
//!
//! Called by the store and its cursors. Absent: where messages are.

use std::ops::ControlFlow;

use cognate_model::{Sequence, SubjectState};

use super::sequences::Sequences;
use crate::{cursor::FilterSet, subjects::SubjectIndex};

#[derive(Default)]
pub(super) struct Postings {
    index: SubjectIndex<Entry>,
    lists: Lists,
}

/// What is known of a subject: all of it if there is no list.
#[derive(Clone, Copy, Default)]
pub(super) struct Entry {
    first: Sequence,
    last: Sequence,
    /// The number of its list, from 1; 0 for none.
    list: u32,
}

#[derive(Default)]
struct Lists {
    lists: Vec<Sequences>,
    free: Vec<u32>,
}

impl Postings {
    /// Number of subjects.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Adds a message behind all others; returns the last one of its subject before it.
    #[inline]
    pub(super) fn push(&mut self, subject: &[u8], sequence: Sequence) -> Option<Sequence> {
        let entry = self.index.entry_or_insert(subject);
        let previous = entry.last;
        entry.last = sequence;
        if previous == 0 {
            entry.first = sequence;
            return None;
        }
        if let Some(list) = self.lists.of_mut(entry) {
            list.push(sequence);
        } else if entry.first != previous {
            entry.list = self
                .lists
                .add(Sequences::new([entry.first, previous, sequence]));
        }
        Some(previous)
    }

    /// Takes a message out that is there.
    #[inline]
    pub(super) fn remove(&mut self, subject: &[u8], sequence: Sequence) {
        let Some(entry) = self.index.get_mut(subject) else {
            return;
        };
        if entry.first == entry.last {
            self.index.remove(subject);
        } else if entry.list == 0 {
            if entry.first == sequence {
                entry.first = entry.last;
            } else {
                entry.last = entry.first;
            }
        } else if let Some(list) = self.lists.of_mut(entry) {
            list.remove(sequence);
            self.lists.settle(entry);
        }
    }

    /// Takes all messages of a subject below `sequence` out.
    pub(super) fn remove_below(&mut self, subject: &[u8], sequence: Sequence) {
        let Some(entry) = self.index.get_mut(subject) else {
            return;
        };
        if entry.last < sequence {
            self.lists.drop(entry);
            self.index.remove(subject);
        } else if entry.list == 0 {
            if entry.first < sequence {
                entry.first = entry.last;
            }
        } else if let Some(list) = self.lists.of_mut(entry) {
            list.remove_below(sequence);
            self.lists.settle(entry);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        // Whoever asks for a subject often changes it next, so the index is to remember it.
        let entry = *self.index.get_mut(subject)?;
        Some(self.state(&entry))
    }

    /// The first message of a subject at or behind `from`.
    pub(super) fn first_from(&self, subject: &[u8], from: Sequence) -> Option<Sequence> {
        let entry = self.index.get(subject)?;
        if entry.first >= from {
            return Some(entry.first);
        }
        match self.lists.of(entry) {
            Some(list) if entry.last >= from => list.first_from(from),
            _ => (entry.last >= from).then_some(entry.last),
        }
    }

    /// Whether this is the last message of its subject.
    pub(super) fn is_last(&self, subject: &[u8], sequence: Sequence) -> bool {
        let entry = self.index.get(subject);
        entry.is_some_and(|entry| entry.last == sequence)
    }

    /// Visits the subjects that a filter matches.
    pub(super) fn for_each(
        &self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        let _ = self.index.for_each_match(filter, &mut |subject, entry| {
            visit(subject, self.state(entry))
        });
    }

    /// Visits the last sequences of the subjects that a filter matches and that come after one.
    pub(super) fn for_each_last(
        &self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        let _ = self
            .index
            .for_each_match_after(filter, after, &mut |subject, entry| {
                visit(subject, entry.last)
            });
    }

    /// Visits the entries of the subjects that a set matches.
    pub(super) fn for_each_entry(
        &self,
        filters: &FilterSet,
        visit: &mut dyn FnMut(&Entry) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        filters.for_each_subject(&self.index, &mut |_, entry| visit(entry))
    }

    /// The number of messages, and of those at or behind `from`.
    pub(super) fn counts(&self, entry: &Entry, from: Sequence) -> (u64, u64) {
        let behind = |sequence: Sequence| u64::from(sequence >= from);
        match self.lists.of(entry) {
            Some(list) if entry.first >= from => (list.len() as u64, list.len() as u64),
            Some(list) => (list.len() as u64, list.count_from(from) as u64),
            None if entry.first == entry.last => (1, behind(entry.first)),
            None => (2, behind(entry.first) + behind(entry.last)),
        }
    }

    /// Appends the sequences of an entry from `from` up to `to` to `out`, at most `limit`.
    pub(super) fn collect(
        &self,
        entry: &Entry,
        (from, to): (Sequence, Sequence),
        limit: usize,
        out: &mut Vec<Sequence>,
    ) {
        match self.lists.of(entry) {
            Some(list) => list.collect(from, to, limit, out),
            None => {
                let both = [entry.first, entry.last];
                let held = if entry.first == entry.last {
                    &both[..1]
                } else {
                    &both
                };
                out.extend(held.iter().filter(|s| (from..=to).contains(*s)));
            }
        }
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        let lists = &self.lists;
        self.index.heap_bytes()
            + lists.lists.capacity() * size_of::<Sequences>()
            + lists.free.capacity() * size_of::<u32>()
            + lists.lists.iter().map(Sequences::heap_bytes).sum::<usize>()
    }

    fn state(&self, entry: &Entry) -> SubjectState {
        SubjectState {
            first: entry.first,
            last: entry.last,
            messages: self.counts(entry, 0).0,
        }
    }
}

impl Entry {
    /// The last message.
    pub(super) fn last(&self) -> Sequence {
        self.last
    }
}

impl Lists {
    #[inline]
    fn of(&self, entry: &Entry) -> Option<&Sequences> {
        self.lists.get(entry.list.checked_sub(1)? as usize)
    }

    #[inline]
    fn of_mut(&mut self, entry: &Entry) -> Option<&mut Sequences> {
        self.lists.get_mut(entry.list.checked_sub(1)? as usize)
    }

    fn add(&mut self, list: Sequences) -> u32 {
        if let Some(number) = self.free.pop() {
            self.lists[number as usize - 1] = list;
            return number;
        }
        self.lists.push(list);
        self.lists.len() as u32
    }

    /// Brings an entry in line with its list after a removal, and frees the list of one message.
    fn settle(&mut self, entry: &mut Entry) {
        let Some(list) = self.of(entry) else { return };
        let (first, last) = (list.first(), list.last());
        entry.first = first.unwrap_or(entry.last);
        entry.last = last.unwrap_or(entry.first);
        if entry.first == entry.last {
            self.drop(entry);
        }
    }

    fn drop(&mut self, entry: &mut Entry) {
        if let Some(list) = self.of_mut(entry) {
            *list = Sequences::Few(Vec::new());
            self.free.push(entry.list);
            entry.list = 0;
        }
    }
}
