//! Which messages are damaged, as ranges of sequences; and that they count no more.
//!
//! A damaged message is still held: it can be removed, and its subject keeps it. But nobody can read
//! it, so what is reported of the store leaves it out. What is found when somebody reads is kept to be
//! told of once, however it was found; what opening the store found is in its report and is not.

use std::cell::Cell;

use cognate_model::{DamagedRange, Removed, Sequence, StoreError, Timestamp};

use super::FileStore;
use crate::disk::Disk;

/// What is known to be damaged, and what of it is still to be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    known: Ranges,
    untold: Ranges,
}

impl Damage {
    pub(super) fn ranges(&self) -> &[DamagedRange] {
        &self.known.ranges
    }

    /// Some that opening the store found.
    pub(super) fn add(&mut self, range: DamagedRange) {
        self.known.add(range);
    }

    /// One that a read found.
    pub(super) fn find_out(&mut self, sequence: Sequence) {
        let range = DamagedRange {
            first: sequence,
            last: sequence,
        };
        self.known.add(range);
        self.untold.add(range);
    }

    /// What reads found since the last question.
    pub(super) fn take_untold(&mut self) -> Vec<DamagedRange> {
        std::mem::take(&mut self.untold.ranges)
    }

    #[inline]
    pub(super) fn find(&self, sequence: Sequence) -> Option<DamagedRange> {
        self.known.find(sequence)
    }

    /// The first damaged sequence at or after `from`.
    pub(super) fn next(&self, from: Sequence) -> Option<Sequence> {
        self.known.next(from)
    }

    /// One of them was removed, and so is not missed any more.
    pub(super) fn take_out(&mut self, sequence: Sequence) {
        self.known.take_out(sequence);
        self.untold.take_out(sequence);
    }

    /// Everything below was removed.
    pub(super) fn drop_below(&mut self, floor: Sequence) {
        self.known.drop_below(floor);
        self.untold.drop_below(floor);
    }
}

/// Ranges in order, none touching the next.
#[derive(Clone, Debug, Default)]
struct Ranges {
    ranges: Vec<DamagedRange>,
}

impl Ranges {
    fn add(&mut self, range: DamagedRange) {
        if range.first > range.last {
            return;
        }
        // Those that overlap it or touch it become one with it.
        let from = self
            .ranges
            .partition_point(|r| r.last.saturating_add(1) < range.first);
        let to = self
            .ranges
            .partition_point(|r| r.first <= range.last.saturating_add(1));
        let mut merged = range;
        for old in self.ranges.get(from..to).unwrap_or_default() {
            merged.first = merged.first.min(old.first);
            merged.last = merged.last.max(old.last);
        }
        self.ranges.splice(from..to.max(from), [merged]);
    }

    #[inline]
    fn find(&self, sequence: Sequence) -> Option<DamagedRange> {
        if self.ranges.is_empty() {
            return None;
        }
        let at = self.ranges.partition_point(|r| r.last < sequence);
        let range = self.ranges.get(at)?;
        (range.first <= sequence).then_some(*range)
    }

    /// The first sequence in one of them at or after `from`.
    fn next(&self, from: Sequence) -> Option<Sequence> {
        let at = self.ranges.partition_point(|r| r.last < from);
        self.ranges.get(at).map(|range| range.first.max(from))
    }

    fn take_out(&mut self, sequence: Sequence) {
        let Some(range) = self.find(sequence) else {
            return;
        };
        self.ranges.retain(|r| *r != range);
        if range.first < sequence {
            self.add(DamagedRange {
                first: range.first,
                last: sequence - 1,
            });
        }
        if sequence < range.last {
            self.add(DamagedRange {
                first: sequence + 1,
                last: range.last,
            });
        }
    }

    fn drop_below(&mut self, floor: Sequence) {
        self.ranges.retain(|r| r.last >= floor);
        if let Some(first) = self.ranges.first_mut() {
            first.first = first.first.max(floor);
        }
    }
}

/// Records that a held message cannot be read. (Apart from the store, because the caller may have
/// borrowed some of it.)
pub(super) fn note_unreadable(
    (damage, unreadable, first_time): (&mut Damage, &mut Removed, &Cell<Option<Timestamp>>),
    sequence: Sequence,
    bytes: u64,
) -> StoreError {
    let range = DamagedRange {
        first: sequence,
        last: sequence,
    };
    if damage.find(sequence).is_none() {
        damage.find_out(sequence);
        unreadable.messages += 1;
        unreadable.bytes += bytes;
        first_time.set(None);
    }
    StoreError::Damaged(range)
}

impl<D: Disk> FileStore<D> {
    /// Records that a held message has no entry.
    pub(super) fn note_damage(&mut self, sequence: Sequence) -> StoreError {
        let known = (&mut self.damage, &mut self.unreadable, &self.first_time);
        note_unreadable(known, sequence, 0)
    }

    /// Damage that reads found since the last question.
    pub fn take_found_damage(&mut self) -> Vec<DamagedRange> {
        self.damage.take_untold()
    }

    /// Counts what is held and damaged.
    pub(super) fn count_unreadable(&mut self) {
        let mut count = Removed::default();
        let mut at = 0;
        while let Some(range) = self.damage.ranges().get(at).copied() {
            at += 1;
            let mut from = range.first;
            while let Some(held) = self.log.next_live(from).filter(|s| *s <= range.last) {
                from = held + 1;
                count.messages += 1;
                // Without an entry nobody knows what it counted for.
                let at = self.log.position(held);
                let entry = at.map(|at| self.log.entry(at, held));
                if let Some(Ok(Some(entry))) = entry {
                    count.bytes += entry.stored_bytes();
                }
            }
        }
        self.unreadable = count;
        self.first_time.set(None);
    }

    /// The first message that is not known to be damaged; one after the last sequence if there is
    /// none.
    #[inline]
    pub(super) fn first_readable(&self) -> Sequence {
        if self.damage.ranges().is_empty() {
            return self.counters.first;
        }
        let found = self.next_readable(self.counters.first);
        found.unwrap_or(self.counters.last + 1)
    }

    /// The first message at or after `from` that is not known to be damaged.
    pub(super) fn next_readable(&self, from: Sequence) -> Option<Sequence> {
        let mut found = self.log.next_live(from)?;
        while let Some(range) = self.damage.find(found) {
            found = self.log.next_live(range.last + 1)?;
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_merge_and_split() {
        let mut damage = Damage::default();
        let show = |damage: &Damage| -> Vec<(u64, u64)> {
            damage.ranges().iter().map(|r| (r.first, r.last)).collect()
        };
        for (first, last) in [(5, 6), (10, 12), (7, 7), (1, 2), (20, 30), (11, 22)] {
            damage.add(DamagedRange { first, last });
        }
        assert_eq!(show(&damage), [(1, 2), (5, 7), (10, 30)]);
        damage.take_out(6);
        damage.take_out(10);
        damage.take_out(100);
        assert_eq!(show(&damage), [(1, 2), (5, 5), (7, 7), (11, 30)]);
        damage.drop_below(13);
        assert_eq!(show(&damage), [(13, 30)]);
        assert_eq!(damage.find(12), None);
        assert!(damage.find(30).is_some());
    }

    #[test]
    fn what_a_read_finds_is_told_once_unless_it_was_removed() {
        let mut damage = Damage::default();
        damage.add(DamagedRange { first: 1, last: 3 });
        for sequence in [7, 9, 8, 20, 21, 30] {
            damage.find_out(sequence);
        }
        damage.take_out(8);
        damage.take_out(30);
        let range = |first, last| DamagedRange { first, last };
        assert_eq!(
            damage.take_untold(),
            [range(7, 7), range(9, 9), range(20, 21)]
        );
        assert_eq!(damage.take_untold(), []);
        assert_eq!(damage.ranges().len(), 4);
        damage.find_out(40);
        damage.drop_below(41);
        assert_eq!(damage.take_untold(), []);
    }
}
