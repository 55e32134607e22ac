//! Removing messages, and keeping the index of subjects and the counts right.

use cognate_model::{Removed, Sequence, StoreError};

use super::FileStore;
use crate::disk::Disk;
use crate::log::failed;
use crate::log::record::Control;
use crate::subjects::SubjectIndex;

/// What taking a message out of the index of subjects left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    /// It was the last of several: which one is the last now?
    Last {
        first: Sequence,
    },
}

/// How many messages to be erased are remembered; with more, erasing waits for no one.
const ERASURES: usize = 1 << 20;

impl<D: Disk> FileStore<D> {
    /// Removes a message; its subject is told unless it is known to be damaged, and so not counted.
    pub(super) fn remove_one(
        &mut self,
        sequence: Sequence,
        erase: bool,
        told: Option<&mut Vec<u8>>,
    ) -> Result<Option<Removed>, StoreError> {
        if !self.log.holds(sequence) {
            return Ok(None);
        }
        // Everything that may fail comes before anything is changed.
        self.make_room_for_control()?;
        // A damaged message is removed like any other; only its size may not be known.
        let found = match self.find(sequence) {
            Ok(found) => found,
            Err(StoreError::Damaged(_)) => None,
            Err(error) => return Err(error),
        };
        if let Some((at, entry)) = &found
            && self.log.segments[*at].index.is_none()
        {
            self.read_subject(*at, entry).map_err(failed)?;
        }
        self.put_control(Control::Remove { sequence, erase });
        if erase && found.is_some() && self.erasures.len() < ERASURES {
            self.erasures.push((self.marks.written, sequence));
        }
        let mut removed = Removed {
            messages: 1,
            bytes: 0,
        };
        let is_damaged = self.damage.find(sequence).is_some();
        let mut open = Open::Nothing;
        if let Some((at, entry)) = found {
            removed.bytes = entry.stored_bytes();
            let subject = match self.log.segments[at].index.as_deref() {
                Some(index) => index.subject(entry.subject),
                None => &self.scratch,
            };
            if let Some(told) = told.filter(|_| !is_damaged) {
                told.extend_from_slice(subject);
            }
            open = unindex(&mut self.subjects, subject, sequence);
            if open != Open::Nothing && self.log.segments[at].index.is_some() {
                self.read_subject(at, &entry).map_err(failed)?;
            }
        }
        self.take_away(sequence, removed.bytes);
        if is_damaged {
            // It counted no more.
            let unreadable = &mut self.unreadable;
            unreadable.messages = unreadable.messages.saturating_sub(1);
            unreadable.bytes = unreadable.bytes.saturating_sub(removed.bytes);
            removed = Removed::default();
        }
        if let Open::Last { first } = open {
            self.find_new_last(sequence, first);
        }
        Ok(Some(removed))
    }

    /// The last message of the subject in the scratch buffer was removed; finds the one before.
    fn find_new_last(&mut self, removed: Sequence, first: Sequence) {
        let subject = std::mem::take(&mut self.scratch);
        let last = self.last_before(&subject, removed, first);
        if let Some(entry) = self.subjects.get_mut(&subject) {
            // Without an answer from the disk, some message of it is better than none.
            entry.last = last.unwrap_or(entry.first);
            if entry.messages() == 1 {
                entry.first = entry.last;
                entry.set_first_stale(false);
            }
        }
        self.scratch = subject;
    }

    /// Takes a message out of the segment and the counts.
    #[inline]
    fn take_away(&mut self, sequence: Sequence, bytes: u64) {
        if let Some(at) = self.log.position(sequence) {
            let segment = &mut self.log.segments[at];
            if segment.gone.insert(sequence - segment.base) {
                segment.live = segment.live.saturating_sub(1);
                segment.bytes = segment.bytes.saturating_sub(bytes);
            }
        }
        self.counters.messages = self.counters.messages.saturating_sub(1);
        self.counters.bytes = self.counters.bytes.saturating_sub(bytes);
        self.deadlines.remove(sequence);
        self.damage.take_out(sequence);
        if sequence == self.counters.first {
            self.advance_first();
        }
    }

    fn advance_first(&mut self) {
        let next = self.log.next_live(self.counters.first);
        self.counters.first = next.unwrap_or(self.counters.last + 1);
        self.first_time.set(None);
    }

    pub(super) fn remove_all_below(&mut self, below: Sequence) -> Result<Removed, StoreError> {
        let below = below.min(self.counters.last + 1);
        if below <= self.counters.first || self.counters.messages == 0 {
            // Nothing is held there, but what was damaged there is not missed any more.
            self.damage.drop_below(below.min(self.counters.first));
            return Ok(Removed::default());
        }
        let before = self.state_now();
        self.make_room_for_control()?;
        if below > self.counters.last {
            self.put_control(Control::Floor { sequence: below });
            self.drop_everything();
        } else {
            self.load_indexes_below(below)?;
            self.put_control(Control::Floor { sequence: below });
            self.drop_below(below);
        }
        self.log.floor = self.log.floor.max(below);
        self.marks.floor = self.marks.written;
        self.deadlines.remove_below(below);
        let concerns_damage = self.damage.next(0).is_some_and(|first| first < below);
        self.damage.drop_below(below);
        self.advance_first();
        if concerns_damage {
            self.count_unreadable();
        }
        let after = self.state_now();
        Ok(Removed {
            messages: before.messages.saturating_sub(after.messages),
            bytes: before.bytes.saturating_sub(after.bytes),
        })
    }

    fn drop_everything(&mut self) {
        for segment in &mut self.log.segments {
            let span = segment.end - segment.base;
            segment.gone.insert_range(0, span);
            segment.live = 0;
            segment.bytes = 0;
        }
        self.subjects.clear();
        self.counters.messages = 0;
        self.counters.bytes = 0;
    }

    /// Makes sure that nothing has to be read once the removal is written.
    fn load_indexes_below(&mut self, below: Sequence) -> Result<(), StoreError> {
        let end = self.log.segments.partition_point(|s| s.base < below);
        let Some(boundary) = end.checked_sub(1) else {
            return Ok(());
        };
        self.log.index(boundary).map_err(failed).map(|_| ())
    }

    fn drop_below(&mut self, below: Sequence) {
        let end = self.log.segments.partition_point(|s| s.base < below);
        for at in 0..end {
            if self.log.segments[at].live == 0 {
                continue;
            }
            // A segment whose index cannot be read keeps its place in the index of subjects until
            // the next restart; its messages are gone all the same.
            let _ = self.log.index(at);
            self.drop_in_segment(at, below);
        }
    }

    fn drop_in_segment(&mut self, at: usize, below: Sequence) {
        let segment = &mut self.log.segments[at];
        let cut = below.min(segment.end) - segment.base;
        let mut bytes = 0;
        if let Some(index) = segment.index.as_deref() {
            let end = index.lower_bound(cut);
            let mut counts = vec![0_u64; index.items.len()];
            for entry in index.entries.get(..end).unwrap_or_default() {
                if !segment.gone.contains(u64::from(entry.delta)) {
                    bytes += entry.stored_bytes();
                    if let Some(count) = counts.get_mut(entry.subject as usize) {
                        *count += 1;
                    }
                }
            }
            for (number, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                let subject = index.subject(number as u32);
                unindex_below(&mut self.subjects, subject, below, *count);
            }
        } else {
            bytes = segment.bytes;
        }
        let messages = cut - segment.gone.count(0, cut);
        segment.gone.insert_range(0, cut);
        segment.live = segment.live.saturating_sub(messages);
        segment.bytes = segment.bytes.saturating_sub(bytes);
        self.counters.messages = self.counters.messages.saturating_sub(messages);
        self.counters.bytes = self.counters.bytes.saturating_sub(bytes);
    }
}

#[inline]
fn unindex(subjects: &mut SubjectIndex, subject: &[u8], sequence: Sequence) -> Open {
    let Some(entry) = subjects.get_mut(subject) else {
        return Open::Nothing;
    };
    let left = entry.messages().saturating_sub(1);
    if left == 0 {
        subjects.remove(subject);
        return Open::Nothing;
    }
    entry.set_messages(left);
    if sequence == entry.last {
        return Open::Last { first: entry.first };
    }
    if left == 1 {
        entry.first = entry.last;
        entry.set_first_stale(false);
    } else if sequence == entry.first {
        entry.set_first_stale(true);
    }
    Open::Nothing
}

/// `count` messages below `below` were removed.
fn unindex_below(subjects: &mut SubjectIndex, subject: &[u8], below: Sequence, count: u64) {
    let Some(entry) = subjects.get_mut(subject) else {
        return;
    };
    let left = entry.messages().saturating_sub(count);
    if left == 0 {
        subjects.remove(subject);
        return;
    }
    entry.set_messages(left);
    if left == 1 {
        entry.first = entry.last;
        entry.set_first_stale(false);
    } else if entry.first < below {
        entry.first = below;
        entry.set_first_stale(true);
    }
}
