//! Beginning the trace of the last segment: empty for a new one, anew for one that was opened.

use cognate_model::Sequence;

use super::Log;
use super::header::HEADER_LEN;
use super::index::{NONE, SegmentIndex};
use super::segment::Segment;
use super::trace::{self, Step, Subject, Trace};
use crate::disk::{Disk, DiskError};

impl<D: Disk> Log<D> {
    /// The trace of a segment that was just made takes the place of the one before.
    pub(super) fn begin_trace(&mut self) {
        let Some(last) = self.segments.last() else {
            return;
        };
        let file = trace::create(&self.disk, &trace::name(last.number, last.generation));
        self.trace
            .begin(file, of(self.stream, last), HEADER_LEN, last.base);
        if let Some(before) = self.segments.iter().nth_back(1) {
            // Its index says the same now.
            let _ = self
                .disk
                .remove(&trace::name(before.number, before.generation));
        }
    }

    /// Removes the trace of the last segment, of which the rest could not be written.
    pub(super) fn drop_trace(&mut self) {
        if let Some(last) = self.segments.last() {
            let _ = self.disk.remove(&trace::name(last.number, last.generation));
        }
    }

    /// Makes the trace of the segment to be written on from its index, and removes all others.
    /// Everything in it is on the disk. `earlier` has, by number of a subject in the index, its
    /// last message before the segment.
    pub(crate) fn restart_trace(&mut self, earlier: &[Sequence]) -> Result<(), DiskError> {
        let mut current = None;
        if let Some(last) = self.segments.last()
            && let Some(index) = last.index.as_deref()
        {
            let name = trace::name(last.number, last.generation);
            let new = format!("{name}.tmp");
            let mut made = Trace::default();
            let of = of(self.stream, last);
            made.begin(trace::create(&self.disk, &new), of, HEADER_LEN, last.base);
            repeat(&mut made, (last, index), earlier, self.floor);
            let end = self.tail.end();
            if made.write(end, end, last.next.max(last.end)) {
                self.disk.rename(&new, &name)?;
                current = Some(name);
            }
            self.trace = made;
        }
        for name in self.disk.list()? {
            let stale = trace::parse_name(&name).is_some() && Some(&name) != current.as_ref();
            if stale {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }
}

fn of<F>(stream: u64, segment: &Segment<F>) -> Subject {
    Subject {
        stream,
        number: segment.number,
        generation: segment.generation,
        base: segment.base,
    }
}

/// What the segment did so far; what it did to messages comes after the messages.
fn repeat<F: crate::disk::DiskFile>(
    trace: &mut Trace<F>,
    (segment, index): (&Segment<F>, &SegmentIndex),
    earlier: &[Sequence],
    floor: Sequence,
) {
    let mut latest = vec![NONE; index.items.len()];
    let mut expected = 0;
    let skip = |trace: &mut Trace<F>, from: u64, delta: u64| {
        let (from, next) = (segment.base + from, segment.base + delta);
        trace.step(Step::Skip { from, next });
    };
    for entry in &index.entries {
        let delta = u64::from(entry.delta);
        if delta > expected {
            skip(trace, expected, delta);
        }
        expected = delta + 1;
        let before = earlier.get(entry.subject as usize);
        let mut back = match before.filter(|before| **before > 0) {
            Some(before) => (segment.base + delta).saturating_sub(*before),
            None => 0,
        };
        if let Some(latest) = latest.get_mut(entry.subject as usize) {
            if *latest != NONE {
                back = delta.saturating_sub(u64::from(*latest));
            }
            *latest = entry.delta;
        }
        trace.message(back);
    }
    let end = segment.next.max(segment.end) - segment.base;
    if end > expected {
        skip(trace, expected, end);
    }
    for sequence in &index.controls.removes {
        trace.step(Step::Remove {
            sequence: *sequence,
        });
    }
    trace.step(Step::Floor { sequence: floor });
}
