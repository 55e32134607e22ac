//! Which messages are damaged, as ranges of sequences.

use cognate_model::{DamagedRange, Sequence};

/// Ranges in order, none touching the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Damage {
    ranges: Vec<DamagedRange>,
}

impl Damage {
    pub(super) fn ranges(&self) -> &[DamagedRange] {
        &self.ranges
    }

    pub(super) fn add(&mut self, range: DamagedRange) {
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
    pub(super) fn find(&self, sequence: Sequence) -> Option<DamagedRange> {
        if self.ranges.is_empty() {
            return None;
        }
        let at = self.ranges.partition_point(|r| r.last < sequence);
        let range = self.ranges.get(at)?;
        (range.first <= sequence).then_some(*range)
    }

    /// One of them was removed, and so is not missed any more.
    pub(super) fn take_out(&mut self, sequence: Sequence) {
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

    /// Everything below was removed.
    pub(super) fn drop_below(&mut self, floor: Sequence) {
        self.ranges.retain(|r| r.last >= floor);
        if let Some(first) = self.ranges.first_mut() {
            first.first = first.first.max(floor);
        }
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
}
