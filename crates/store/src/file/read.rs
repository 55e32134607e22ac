//! Reading single messages, and finding them by time.

use cognate_model::{Message, Sequence, StoreError, SubjectState, Timestamp};

use super::FileStore;
use super::damage::note_unreadable;
use crate::disk::{Disk, DiskError, DiskFile};
use crate::log::failed;
use crate::log::index;
use crate::log::record::{self, Decoded};
use crate::log::search::Looked;

impl<D: Disk> FileStore<D> {
    pub(super) fn load_message(
        &mut self,
        sequence: Sequence,
    ) -> Result<Option<Message<'_>>, StoreError> {
        if let Some(range) = self.damage.find(sequence) {
            return Err(StoreError::Damaged(range));
        }
        let Some((at, entry)) = self.find(sequence)? else {
            return Ok(None);
        };
        match self.log.message(at, &entry) {
            Ok(Decoded::Message {
                body: Some(message),
                ..
            }) if message.sequence == sequence => Ok(Some(message)),
            Ok(_) => Err(note_unreadable(
                (&mut self.damage, &mut self.unreadable, &self.first_time),
                sequence,
                entry.stored_bytes(),
            )),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads held messages from `from` on, about `budget` bytes of them, so that damage is known
    /// before somebody asks for what it hit: it is in [`damaged`](cognate_model::MessageStore::damaged)
    /// afterwards. Returns where to go on, nothing at the end.
    pub fn verify(
        &mut self,
        from: Sequence,
        budget: usize,
    ) -> Result<Option<Sequence>, StoreError> {
        let (mut from, mut read) = (from, 0);
        while let Some(sequence) = self.log.next_live(from) {
            from = sequence + 1;
            match self.load_message(sequence) {
                Ok(message) => read += 64 + message.map_or(0, |message| message.body_len()),
                Err(StoreError::Damaged(_)) => read += 64,
                Err(error) => return Err(error),
            }
            if read >= budget {
                return Ok(Some(from));
            }
        }
        Ok(None)
    }

    /// The time of a held message; `None` if it cannot be told.
    pub(super) fn time_of(&mut self, sequence: Sequence) -> Result<Option<Timestamp>, DiskError> {
        let Some(at) = self.log.position(sequence) else {
            return Ok(None);
        };
        let Some(entry) = self.log.entry(at, sequence)? else {
            return Ok(None);
        };
        Ok(match self.log.stored(at, &entry)? {
            Decoded::Message { head, .. } | Decoded::Folded { head, .. } => Some(head.timestamp),
            Decoded::Control { .. } | Decoded::Invalid => None,
        })
    }

    /// When the first message was stored. Looked up when somebody asks, and then remembered.
    pub(super) fn first_time(&self) -> Timestamp {
        if self.counters.messages == self.unreadable.messages {
            return Timestamp(0);
        }
        if let Some(time) = self.first_time.get() {
            return time;
        }
        let time = self.read_first_time().unwrap_or_else(|| {
            let at = self.log.position(self.first_readable());
            at.map_or(Timestamp(0), |at| self.log.segments[at].min_time)
        });
        self.first_time.set(Some(time));
        time
    }

    /// Reads past the caches, because it may not change them.
    fn read_first_time(&self) -> Option<Timestamp> {
        let sequence = self.first_readable();
        let at = self.log.position(sequence)?;
        let segment = self.log.segments.get(at)?;
        let delta = u32::try_from(sequence - segment.base).ok()?;
        let entry = match &segment.index {
            Some(index) => index.entries.get(index.find(delta)?).copied()?,
            None => self.log.peek_entry(segment, delta).ok()??,
        };
        // Of what is folded, the head is enough, but where it ends is not known.
        let len = entry.record_len();
        let len = len.unwrap_or(record::LONGEST_HEAD);
        if self.log.is_last(at)
            && let Some(bytes) = self.log.tail.slice_upto(entry.offset(), len)
        {
            return time_in(bytes, segment.salt, sequence);
        }
        let name = crate::log::header::log_name(segment.number, segment.generation);
        let file = match &segment.file {
            Some(file) => file.clone(),
            None => self
                .log
                .disk
                .open(&name, crate::disk::OpenMode::Existing)
                .ok()??,
        };
        let mut bytes = vec![0; len];
        let read = file.read_at(&mut bytes, entry.offset()).ok()?;
        time_in(bytes.get(..read)?, segment.salt, sequence)
    }

    pub(super) fn find_time(&mut self, time: Timestamp) -> Result<Sequence, StoreError> {
        let after = self.counters.last + 1;
        let mut at = self.log.position_from(self.counters.first);
        while let Some(segment) = self.log.segments.get(at) {
            if segment.live > 0 && segment.max_time >= time {
                let found = self.find_time_in(at, time).map_err(failed)?;
                if let Some(found) = found {
                    return Ok(found);
                }
            }
            at += 1;
        }
        Ok(after)
    }

    /// Times ascend in a segment, as they do in a stream; by halves.
    fn find_time_in(&mut self, at: usize, time: Timestamp) -> Result<Option<Sequence>, DiskError> {
        let segment = &self.log.segments[at];
        let (mut low, mut high) = (segment.base, segment.end);
        if segment.min_time >= time {
            return Ok(segment.next_live(low));
        }
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(probe) = self.log.segments[at].next_live(middle) else {
                high = middle;
                continue;
            };
            // One that cannot be read is taken for earlier: the answer is one that can be.
            match self.time_of(probe)? {
                Some(found) if found >= time => high = middle,
                _ => low = probe + 1,
            }
        }
        Ok(self.log.segments[at].next_live(low))
    }

    /// What is held for a subject, with the first message looked up if it is not known.
    pub(super) fn subject_state(&mut self, subject: &[u8]) -> Option<SubjectState> {
        let entry = *self.subjects.get(subject)?;
        if !entry.is_first_stale() {
            return Some(entry.state());
        }
        // Without an answer from the disk, the bound is the best that is known.
        let first = self
            .first_of(subject, entry.first, entry.last)
            .unwrap_or(entry.first);
        if let Some(entry) = self.subjects.get_mut(subject) {
            entry.first = first;
            entry.set_first_stale(false);
            return Some(entry.state());
        }
        None
    }

    /// The first held message of a subject at or after `from`; `last` is its last.
    pub(super) fn first_of(
        &mut self,
        subject: &[u8],
        from: Sequence,
        last: Sequence,
    ) -> Option<Sequence> {
        let hash = index::hash(self.log.stream, subject);
        let mut at = self.log.position_from(from);
        while at < self.log.segments.len() {
            let segment = &self.log.segments[at];
            if segment.base > last {
                return None;
            }
            if segment.live > 0
                && (segment.contains(last) || self.log.may_have(at, hash).unwrap_or(true))
                && let Some(found) = self.first_in(at, subject, from, last)
            {
                return Some(found);
            }
            at += 1;
        }
        None
    }

    fn first_in(
        &mut self,
        at: usize,
        subject: &[u8],
        from: Sequence,
        last: Sequence,
    ) -> Option<Sequence> {
        if self.log.segments[at].index.is_none() {
            let base = self.log.segments[at].base;
            let delta = from.saturating_sub(base);
            match self.log.first_in_file(at, subject, delta) {
                Ok(Looked::Found(found)) => return Some(base + found),
                Ok(Looked::Nothing) => return None,
                Ok(Looked::Unknown) | Err(_) => {}
            }
        }
        self.log.index(at).ok()?;
        let segment = &self.log.segments[at];
        let index = segment.index.as_deref()?;
        let held =
            |entry: &crate::log::index::Entry| !segment.gone.contains(u64::from(entry.delta));
        let delta = from.saturating_sub(segment.base);
        let number_of = |sequence: Sequence| {
            let delta = u32::try_from(sequence.checked_sub(segment.base)?).ok()?;
            index
                .entries
                .get(index.find(delta)?)
                .map(|entry| entry.subject)
        };
        // The last message tells the subject's number, if it is in here.
        if segment.contains(last) {
            let number = number_of(last)?;
            return index
                .first_from(number, delta, held)
                .map(|delta| segment.base + delta);
        }
        let numbers = index.numbers(self.log.stream, subject);
        let found = numbers.filter_map(|number| index.first_from(number, delta, held));
        found.min().map(|delta| segment.base + delta)
    }

    /// The last held message of a subject before `before`, at or after `first`.
    pub(super) fn last_before(
        &mut self,
        subject: &[u8],
        before: Sequence,
        first: Sequence,
    ) -> Option<Sequence> {
        let mut at = self.log.segments.partition_point(|s| s.base < before);
        while let Some(below) = at.checked_sub(1) {
            at = below;
            if self.log.segments[at].end <= first {
                return None;
            }
            if self.log.segments[at].live == 0 || self.log.index(at).is_err() {
                continue;
            }
            let segment = &self.log.segments[at];
            let Some(index) = segment.index.as_deref() else {
                continue;
            };
            let end = index.lower_bound(before.saturating_sub(segment.base));
            let found = index
                .entries
                .get(..end)
                .unwrap_or_default()
                .iter()
                .rev()
                .find(|entry| {
                    !segment.gone.contains(u64::from(entry.delta))
                        && index.subject(entry.subject) == subject
                });
            if let Some(entry) = found {
                return Some(segment.base + u64::from(entry.delta));
            }
        }
        None
    }

    /// Copies the subject of a held message to the scratch buffer, if it can be read.
    pub(super) fn read_subject(
        &mut self,
        at: usize,
        entry: &crate::log::index::Entry,
    ) -> Result<bool, DiskError> {
        self.scratch.clear();
        if let Some(index) = self.log.segments[at].index.as_deref() {
            self.scratch.extend_from_slice(index.subject(entry.subject));
            return Ok(true);
        }
        if let Decoded::Message { head, .. } = self.log.message(at, entry)? {
            self.scratch.extend_from_slice(head.subject);
            return Ok(true);
        }
        // The record is damaged, but the index also has it.
        let index = self.log.index(at)?;
        let subject = index.subject(entry.subject).to_vec();
        self.scratch.extend_from_slice(&subject);
        Ok(true)
    }
}

fn time_in(bytes: &[u8], salt: u32, sequence: Sequence) -> Option<Timestamp> {
    let (known, time) = record::sequence_and_time(bytes, salt)?;
    (known == sequence).then_some(time)
}
