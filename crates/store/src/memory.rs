//! [`MemoryStore`]: messages that are kept in memory only.
//!
//! Messages lie in [blocks](blocks::Blocks) by sequence, [postings](postings::Postings) say which
//! there are of each subject, [deadlines](deadlines::Deadlines) when to attend to which. No message
//! has memory of its own: a block holds some hundred of them in two pieces, is rewritten when half
//! of it is dead, and freed with its last message.
//!
//! Invariants: a message is live in its block if and only if its subject's postings name it; the
//! counters agree with both. Every step is bounded, but for removals of ranges, which cost by the
//! blocks and subjects they touch. A change is as durable as it ever gets when it is made.
//!
//! Called by streams. Absent: limits, times of its own, files.

mod block;
mod blocks;
mod cursor;
mod deadlines;
mod postings;
mod sequences;

use std::ops::ControlFlow;

use cognate_model::{
    DamagedRange, Deadline, Message, MessageStore, NewMessage, Removed, Sequence, StoreError,
    StoreState, SubjectState, Timestamp, WriteMark,
};
use cognate_subject::Filter;

pub use self::cursor::MemoryCursor;
use self::{
    block::{Block, MAX_BODY},
    blocks::Blocks,
    deadlines::Deadlines,
    postings::Postings,
};
use crate::{cursor::FilterSet, subjects::MAX_SUBJECT_BYTES};

/// What a message counts for beyond its bytes, in nats-server's memory storage.
const MESSAGE_OVERHEAD: u64 = 16;

/// A store in memory. See the module for its costs.
pub struct MemoryStore {
    blocks: Blocks,
    postings: Postings,
    deadlines: Deadlines,
    seed: u64,
    messages: u64,
    bytes: u64,
    /// The first message's sequence; when there is none, the one after the last.
    first: Sequence,
    last: Sequence,
    last_time: Timestamp,
    changes: u64,
}

impl MemoryStore {
    /// An empty store whose first sequence will be 1. `seed` must not be known to those who choose
    /// subjects.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            blocks: Blocks::default(),
            postings: Postings::default(),
            deadlines: Deadlines::default(),
            seed,
            messages: 0,
            bytes: 0,
            first: 1,
            last: 0,
            last_time: Timestamp::default(),
            changes: 0,
        }
    }

    /// Bytes asked of the allocator, but for deadlines.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocks.heap_bytes() + self.postings.heap_bytes()
    }

    /// Takes one live message out of everything but the counters.
    fn take(&mut self, block: usize, at: usize, erase: bool) -> Removed {
        let found = self.blocks.at(block);
        let message = found.message(at);
        let sequence = message.sequence;
        let removed = Removed {
            messages: 1,
            bytes: size(message.subject.len(), message.body_len()),
        };
        self.postings.remove(message.subject, sequence);
        if found.slots()[at].has_deadline() {
            self.deadlines.remove(sequence);
        }
        self.blocks.remove(block, at, erase);
        removed
    }

    /// Takes the first block out, all of whose messages are below `end`.
    fn take_first_block(&mut self, end: Sequence) -> Removed {
        let block = self.blocks.at(0);
        let mut removed = Removed::default();
        let mut seen = vec![false; block.subjects()];
        for (at, slot) in block.slots().iter().enumerate() {
            if !slot.is_live() {
                continue;
            }
            let message = block.message(at);
            removed.messages += 1;
            removed.bytes += size(message.subject.len(), message.body_len());
            if slot.has_deadline() {
                self.deadlines.remove(message.sequence);
            }
            if !std::mem::replace(&mut seen[usize::from(slot.subject)], true) {
                self.postings.remove_below(message.subject, end);
            }
        }
        self.blocks.drop_first();
        removed
    }

    /// Brings counters and the first sequence in line after a removal.
    fn settle(&mut self, removed: Removed) {
        self.messages -= removed.messages;
        self.bytes -= removed.bytes;
        self.changes += u64::from(removed.messages > 0);
        let first = self.blocks.first_from(self.first);
        self.first = first.unwrap_or_else(|| self.last.saturating_add(1));
    }

    fn clear(&mut self) -> Removed {
        self.blocks.clear();
        self.postings.clear();
        self.deadlines.clear();
        Removed {
            messages: self.messages,
            bytes: self.bytes,
        }
    }
}

/// What a message counts for.
fn size(subject: usize, body: usize) -> u64 {
    subject as u64 + body as u64 + MESSAGE_OVERHEAD
}

impl MessageStore for MemoryStore {
    type Cursor = MemoryCursor;

    fn state(&self) -> StoreState {
        let first_time = self.blocks.iter().next().and_then(|block| {
            let at = block.live_from(block.position(self.first))?;
            Some(block.message(at).timestamp)
        });
        let span = match self.messages {
            0 => 0,
            _ => self.last - self.first + 1,
        };
        StoreState {
            messages: self.messages,
            bytes: self.bytes,
            first: self.first,
            first_time: first_time.unwrap_or_default(),
            last: self.last,
            last_time: self.last_time,
            subjects: self.postings.len() as u64,
            deleted: span - self.messages,
        }
    }

    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64 {
        size(subject, headers + payload)
    }

    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError> {
        let Some((block, at)) = self.blocks.find(sequence) else {
            return Ok(None);
        };
        Ok(Some(self.blocks.at(block).message(at)))
    }

    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState> {
        self.postings.subject(subject)
    }

    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        self.postings.for_each(filter, visit);
    }

    fn for_each_last(
        &mut self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        self.postings.for_each_last(filter, after, visit);
    }

    fn cursor(&mut self, filters: &[Filter]) -> MemoryCursor {
        MemoryCursor::new(FilterSet::new(filters, self.seed))
    }

    fn next(
        &mut self,
        cursor: &mut MemoryCursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError> {
        let from = from.max(self.first);
        Ok(cursor.next(&mut self.blocks, &self.postings, from, self.last))
    }

    fn count(
        &mut self,
        cursor: &mut MemoryCursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError> {
        let from = from.max(self.first);
        if from == self.first && cursor.is_all() {
            return Ok(match last_only {
                true => self.postings.len() as u64,
                false => self.messages,
            });
        }
        Ok(cursor.count(&mut self.blocks, &self.postings, from, last_only))
    }

    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        let late = self.blocks.iter().filter(|block| block.latest() >= time);
        let found = late.filter_map(|block| block.stored_at(time)).next();
        Ok(found.unwrap_or_else(|| self.last.saturating_add(1)))
    }

    fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        let mut ranges = Vec::new();
        let mut expected = self.first;
        for block in self.blocks.iter() {
            if block.is_gapless() && block.first() == expected {
                expected += block.live() as u64;
                continue;
            }
            let live = block.slots().iter().enumerate();
            for (at, _) in live.filter(|(_, slot)| slot.is_live()) {
                let sequence = block.sequence(at);
                if sequence > expected {
                    if ranges.len() == limit {
                        return ranges;
                    }
                    ranges.push((expected, sequence - 1));
                }
                expected = sequence.saturating_add(1);
            }
        }
        // What was skipped behind the last message.
        if self.messages > 0 && expected <= self.last && ranges.len() < limit {
            ranges.push((expected, self.last));
        }
        ranges
    }

    fn damaged(&self) -> &[DamagedRange] {
        &[]
    }

    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        let body = message.headers.len() + message.payload.len();
        if message.subject.len() > MAX_SUBJECT_BYTES || body > MAX_BODY {
            return Err(StoreError::TooLarge);
        }
        let Some(sequence) = self.last.checked_add(1) else {
            return Err(StoreError::Failed("no sequence is left".into()));
        };
        let previous = self.postings.push(message.subject, sequence);
        self.blocks.push(sequence, message, previous);
        if let Some(deadline) = message.deadline {
            self.deadlines.set(sequence, deadline);
        }
        if self.messages == 0 {
            self.first = sequence;
        }
        self.messages += 1;
        self.bytes += size(message.subject.len(), body);
        self.last = sequence;
        self.last_time = message.timestamp;
        self.changes += 1;
        Ok(sequence)
    }

    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        if next <= self.last.saturating_add(1) {
            return Ok(());
        }
        self.last = next - 1;
        self.last_time = now;
        if self.messages == 0 {
            self.first = next;
        }
        self.changes += 1;
        Ok(())
    }

    fn remove(&mut self, sequence: Sequence, erase: bool) -> Result<Option<Removed>, StoreError> {
        let Some((block, at)) = self.blocks.find(sequence) else {
            return Ok(None);
        };
        let removed = self.take(block, at, erase);
        self.settle(removed);
        Ok(Some(removed))
    }

    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError> {
        if sequence > self.last {
            let removed = self.clear();
            self.settle(removed);
            return Ok(removed);
        }
        let mut total = Removed::default();
        // Blocks that end before the sequence go as a whole.
        while let Some(end) = self.blocks.at_checked(1).map(Block::first)
            && end <= sequence
        {
            let removed = self.take_first_block(end);
            total.messages += removed.messages;
            total.bytes += removed.bytes;
        }
        let mut next = self.blocks.first_from(0);
        while let Some(first) = next.filter(|first| *first < sequence) {
            if let Some((block, at)) = self.blocks.find(first) {
                let removed = self.take(block, at, false);
                total.messages += removed.messages;
                total.bytes += removed.bytes;
            }
            next = self.blocks.first_from(first + 1);
        }
        self.settle(total);
        Ok(total)
    }

    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError> {
        let Some((block, at)) = self.blocks.find(sequence) else {
            return Ok(());
        };
        let slot = self.blocks.at_mut(block).slot_mut(at);
        slot.set_has_deadline(deadline.is_some());
        match deadline {
            Some(deadline) => self.deadlines.set(sequence, deadline),
            None => self.deadlines.remove(sequence),
        }
        self.changes += 1;
        Ok(())
    }

    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)> {
        self.deadlines.next()
    }

    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError> {
        let blocks = self.blocks.iter();
        let wanted = blocks.filter(|block| block.with_id() > 0 && block.latest() >= since);
        wanted
            .flat_map(|block| block.ids(since))
            .for_each(|message| visit(&message));
        Ok(())
    }

    fn written(&self) -> WriteMark {
        WriteMark(self.changes)
    }

    fn durable(&self) -> WriteMark {
        self.written()
    }
}

#[cfg(test)]
mod tests;
