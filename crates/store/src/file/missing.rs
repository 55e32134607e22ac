//! Segments that ought to be there and are not.
//!
//! A missing file takes its place among the segments while removals are applied, so that what was
//! removed from it is not missed; what is left of it then is damage.

use cognate_model::{DamagedRange, Sequence};

use super::checkpoint::State;
use crate::disk::Disk;
use crate::log::Log;
use crate::log::bits::Bits;
use crate::log::segment::Segment;

/// A stretch of sequences of which nothing is there.
pub(super) struct Missing {
    pub(super) base: Sequence,
    pub(super) end: Sequence,
    pub(super) gone: Bits,
}

impl Missing {
    fn new(base: Sequence, end: Sequence) -> Self {
        Self {
            base,
            end,
            gone: Bits::default(),
        }
    }

    /// What should have been there.
    pub(super) fn ranges(&self) -> Vec<DamagedRange> {
        let span = self.end - self.base;
        let mut ranges = Vec::new();
        let mut at = 0;
        while let Some(first) = self.gone.first_absent(at, span) {
            at = self.gone.first_present(first, span);
            ranges.push(DamagedRange {
                first: self.base + first,
                last: self.base + at - 1,
            });
        }
        ranges
    }
}

/// What is missing between the segments that are there.
pub(super) fn between<D: Disk>(log: &Log<D>, state: Option<&State>) -> Vec<Missing> {
    let covers = state.map_or(0, |state| state.covers);
    let mut missing = Vec::new();
    // Numbers start at 1, and sequences before the first segment's are its header's business.
    let mut previous = (0, None);
    for segment in &log.segments {
        let (number, next) = previous;
        // The files between were dropped on purpose if the state says nothing of them.
        let new_numbers = (number + 1..segment.number).any(|number| number >= covers.max(1));
        let adjacent = number + 1 == segment.number;
        if let Some(next) = next.filter(|next| *next < segment.base) {
            if adjacent || new_numbers {
                missing.push(Missing::new(next, segment.base));
            }
        } else if next.is_none() && new_numbers && segment.base > log.floor.max(1) {
            missing.push(Missing::new(log.floor.max(1), segment.base));
        }
        previous = (segment.number, Some(segment.next.max(segment.end)));
    }
    let listed = state.map(|state| &state.segments[..]).unwrap_or_default();
    let is_there = |number: u64| log.segments.iter().any(|s: &Segment<_>| s.number == number);
    for gone in listed.iter().filter(|listed| !is_there(listed.number)) {
        let overlaps = missing
            .iter()
            .any(|m| m.base < gone.end && gone.base < m.end);
        if !overlaps && gone.base < gone.end {
            let mut one = Missing::new(gone.base, gone.end);
            one.gone = gone.gone.clone();
            missing.push(one);
        }
    }
    missing
}
