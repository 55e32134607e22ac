//! Putting the counts and the index of subjects together from the indexes of segments.
//!
//! One segment after the other, so that memory is bounded by one segment's index and the result.

use cognate_model::Sequence;

use super::deadlines::Deadlines;
use super::{Counters, FileStore};
use crate::disk::{Disk, DiskError};
use crate::log::Log;
use crate::log::index::{NONE, SegmentIndex};
use crate::log::segment::Segment;
use crate::subjects::SubjectIndex;

/// What is counted together.
#[derive(Default)]
pub(super) struct Recount {
    pub(super) subjects: SubjectIndex,
    pub(super) deadlines: Deadlines,
    pub(super) counters: Counters,
    /// By number of a subject in the index of the segment counted last, its last message before.
    pub(super) earlier: Vec<Sequence>,
    /// Of one segment: first, last and number of messages by subject; kept to be used again.
    tallies: Vec<(u32, u32, u32)>,
}

impl Recount {
    /// Counts a segment; its gone sequences are known, but for those that never had a message.
    pub(super) fn add<F>(&mut self, segment: &mut Segment<F>, index: &SegmentIndex) {
        self.tallies.clear();
        self.tallies.resize(index.items.len(), (NONE, 0, 0));
        let mut expected = 0;
        let (mut live, mut bytes) = (0, 0);
        for entry in &index.entries {
            let delta = u64::from(entry.delta);
            if delta > expected {
                segment.gone.insert_range(expected, delta);
            }
            expected = delta + 1;
            if segment.gone.contains(delta) {
                continue;
            }
            live += 1;
            bytes += entry.stored_bytes();
            if let Some(tally) = self.tallies.get_mut(entry.subject as usize) {
                tally.0 = tally.0.min(entry.delta);
                tally.1 = entry.delta;
                tally.2 += 1;
            }
        }
        let span = segment.end - segment.base;
        segment.gone.insert_range(expected.min(span), span);
        segment.live = live;
        segment.bytes = bytes;
        self.counters.messages += live;
        self.counters.bytes += bytes;
        self.merge(segment.base, index);
        for (at, deadline) in &index.deadlines {
            let Some(entry) = index.entries.get(*at as usize) else {
                continue;
            };
            if !segment.gone.contains(u64::from(entry.delta)) {
                let sequence = segment.base + u64::from(entry.delta);
                self.deadlines.set(sequence, Some(*deadline));
            }
        }
    }

    fn merge(&mut self, base: Sequence, index: &SegmentIndex) {
        self.earlier.clear();
        self.earlier.resize(index.items.len(), 0);
        let tallies = self.tallies.iter().enumerate();
        for (number, (first, last, count)) in tallies.filter(|(_, tally)| tally.2 > 0) {
            let entry = self.subjects.entry_or_insert(index.subject(number as u32));
            let first = base + u64::from(*first);
            if entry.messages() == 0 {
                entry.first = first;
            }
            if let Some(earlier) = self.earlier.get_mut(number) {
                *earlier = entry.last;
            }
            entry.first = entry.first.min(first);
            entry.last = entry.last.max(base + u64::from(*last));
            entry.set_messages(entry.messages() + u64::from(*count));
        }
    }
}

/// Counts everything again; indexes that are not in memory are read and let go.
pub(super) fn recount<D: Disk>(log: &mut Log<D>) -> Result<Recount, DiskError> {
    let mut recount = Recount::default();
    for at in 0..log.segments.len() {
        let is_held = log.segments[at].index.is_some();
        let segment = &log.segments[at];
        if segment.live == 0 && segment.entries == 0 && !log.is_last(at) {
            continue;
        }
        log.index(at)?;
        let index = log.segments[at].index.take();
        if let Some(index) = index {
            recount.add(&mut log.segments[at], &index);
            if is_held {
                log.segments[at].index = Some(index);
            }
        }
    }
    Ok(recount)
}

impl<D: Disk> FileStore<D> {
    /// Looks up the first message of all subjects that match and whose first is not known.
    pub(super) fn settle_firsts(&mut self, filter: &[u8]) {
        let mut stale = Vec::new();
        let _ = self.subjects.for_each_match(filter, &mut |subject, entry| {
            if entry.is_first_stale() {
                stale.push(subject.to_vec());
            }
            std::ops::ControlFlow::Continue(())
        });
        for subject in stale {
            self.subject_state(&subject);
        }
    }
}
