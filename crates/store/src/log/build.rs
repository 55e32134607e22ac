//! Makes a segment's index from its records.
//!
//! Used for the segment that was being written when the store was last open, and for every segment
//! whose index file is missing or damaged. Invariant: only records whose sums are right are
//! believed; every sequence that ought to be there and is not, is reported as lost.

use std::sync::Arc;

use cognate_model::{DamagedRange, Sequence, Timestamp};

use super::header::{HEADER_LEN, Header};
use super::index::SegmentIndex;
use super::record::{Control, Decoded, Head};
use super::scan::{Event, Verdict, scan};
use super::sidecar::Summary;
use crate::disk::{DiskError, DiskFile};
use crate::subjects::SubjectIndex;
use crate::vault::Vault;

/// A number plus one of a subject in the index that is made; 0 for none.
type Known = u32;

/// What is there of a segment.
pub(crate) struct Build {
    pub(crate) summary: Summary,
    pub(crate) index: SegmentIndex,
    /// Sequences that no message was given; from, and up to but not including.
    pub(crate) skipped: Vec<(Sequence, Sequence)>,
    /// Sequences whose records are gone.
    pub(crate) lost: Vec<DamagedRange>,
    /// Messages of which only the head can be read.
    pub(crate) harmed: Vec<Sequence>,
    /// When the last sequence was given.
    pub(crate) last_time: Timestamp,
    /// Records of anything were lost, and removals may be among them.
    pub(crate) holes: u64,
    /// What follows the last record is not nothing.
    pub(crate) dirty: bool,
    /// What is there looks like a write that was cut short.
    pub(crate) torn_end: bool,
    /// The highest sequence that the unreadable end seems to mention.
    pub(crate) rumoured: Sequence,
    /// Where the last write may have been cut short by the end of the process: what is there is not
    /// whole, and nothing stands behind it.
    pub(crate) unfinished: Option<u64>,
    /// Where an unsynced write was torn: everything from there on was never durable.
    pub(crate) cut: Option<u64>,
    known: SubjectIndex<Known>,
    /// Lost records end here; the next sequence tells how many.
    in_hole: bool,
    /// Where writes seem to have been torn.
    torn: Vec<u64>,
    rewritten: bool,
}

/// What to start from.
pub(crate) struct Start {
    pub(crate) header: Header,
    pub(crate) salt: u32,
    pub(crate) vault: Option<Arc<Vault>>,
    /// Up to here everything was on the disk, however it looks now.
    pub(crate) proven: u64,
    /// Whether the end may never have become durable.
    pub(crate) may_cut: bool,
    /// What is known of the first records: where they end, and what they are.
    pub(crate) prefix: Option<(Summary, SegmentIndex)>,
}

/// Reads the records of `file`.
pub(crate) fn build<F: DiskFile>(file: &F, start: &Start) -> Result<Build, DiskError> {
    let first = run(file, start, None)?;
    let proven = start.proven.max(first.summary.synced_to);
    match first.torn.iter().find(|torn| **torn >= proven) {
        // What stands behind a torn write was not durable either, and may be half of something.
        Some(torn) if start.may_cut => run(file, start, Some(*torn)),
        _ => Ok(first),
    }
}

/// Takes back what was not written to its end: zeros stand there as behind every segment's records.
pub(crate) fn erase<F: DiskFile>(file: &F, from: u64) -> Result<(), DiskError> {
    const WINDOW: usize = 1 << 20;
    let (mut bytes, zeros) = (vec![0; WINDOW], vec![0; WINDOW]);
    let (mut at, size) = (from, file.size()?);
    while at < size {
        let len = file.read_at(&mut bytes, at)?;
        let Some(read) = bytes.get(..len).filter(|read| !read.is_empty()) else {
            break;
        };
        if read.iter().any(|byte| *byte != 0) {
            file.write_at(&zeros[..len], at)?;
        }
        at += len as u64;
    }
    file.sync_data()
}

/// The first sequence that a record of a message has; 1 if there is none.
pub(crate) fn first_sequence<F: DiskFile>(
    file: &F,
    (salt, vault): (u32, Option<&Vault>),
) -> Result<Sequence, DiskError> {
    let mut first = None;
    scan(file, HEADER_LEN, (salt, vault), |event| {
        first = match event {
            Event::Record {
                record: Decoded::Message { head, .. },
                ..
            }
            | Event::BadBody { head, .. } => Some(head.sequence),
            _ => return Verdict::GoOn,
        };
        Verdict::Cut
    })?;
    Ok(first.unwrap_or(1))
}

fn run<F: DiskFile>(file: &F, start: &Start, cut: Option<u64>) -> Result<Build, DiskError> {
    let mut build = Build::new(start);
    let mut harmed = None;
    let from = build.summary.data_end;
    let key = (start.salt, start.vault.as_deref());
    let end = scan(file, from, key, |event| {
        let at = match &event {
            Event::Record { offset, .. } | Event::BadBody { offset, .. } => *offset,
            Event::Hole { start, .. } => *start,
        };
        if cut.is_some_and(|cut| at >= cut) {
            return Verdict::Cut;
        }
        let is_harmed = matches!(event, Event::BadBody { .. });
        harmed = is_harmed.then_some(at);
        build.take(event);
        Verdict::GoOn
    })?;
    let is_short = end.offset >= file.size()?;
    let dirty = end.dirty && !is_short;
    build.unfinished = harmed.or_else(|| dirty.then_some(end.offset));
    build.summary.data_end = end.offset;
    build.summary.entries = build.index.entries.len() as u32;
    build.dirty = end.dirty;
    build.torn_end = end.torn;
    build.rumoured = end.rumoured;
    build.cut = cut;
    Ok(build)
}

impl Build {
    fn new(start: &Start) -> Self {
        let header = start.header;
        let (summary, index) = start.prefix.clone().unwrap_or_else(|| {
            let summary = Summary {
                number: header.number,
                generation: header.generation,
                base: header.base,
                end: header.base,
                next: header.base,
                data_end: HEADER_LEN,
                min_time: Timestamp(i64::MAX),
                max_time: Timestamp(i64::MIN),
                floor: header.floor,
                ..Summary::default()
            };
            (summary, SegmentIndex::default())
        });
        let mut known = SubjectIndex::new();
        for number in 0..index.items.len() as u32 {
            // The last number of a subject is the one that may still hold messages.
            *known.entry_or_insert(index.subject(number)) = number + 1;
        }
        let last_time = if summary.entries > 0 {
            summary.max_time
        } else {
            header.last_time
        };
        Self {
            summary,
            index,
            skipped: Vec::new(),
            lost: Vec::new(),
            harmed: Vec::new(),
            last_time,
            holes: 0,
            dirty: false,
            torn_end: false,
            rumoured: 0,
            unfinished: None,
            cut: None,
            known,
            in_hole: false,
            torn: Vec::new(),
            rewritten: header.generation > 0,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Hole { start, torn } => {
                self.holes += 1;
                self.in_hole = true;
                self.torn.extend(torn.then_some(start));
            }
            Event::BadBody { offset, head, torn } => {
                self.torn.extend(torn.then_some(offset));
                if self.add(offset, &head) {
                    self.harmed.push(head.sequence);
                }
            }
            Event::Record { offset, record } => match record {
                Decoded::Message { head, .. } => {
                    self.add(offset, &head);
                }
                Decoded::Control { control, .. } => self.control(control),
                Decoded::Folded { .. } | Decoded::Invalid => {}
            },
        }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Skip { next, time } => {
                self.last_time = self.last_time.max(time);
                if next.saturating_sub(self.summary.base) <= super::SPAN {
                    // Where records were lost before, some of these may have been messages.
                    self.gap(next);
                }
                self.summary.next = self.summary.next.max(next);
            }
            Control::Erased { sequence, time } => {
                self.last_time = self.last_time.max(time);
                if sequence >= self.summary.end && sequence - self.summary.base < super::SPAN {
                    self.gap(sequence);
                    self.gap(sequence + 1);
                }
            }
            Control::Floor { sequence } => {
                self.summary.floor = self.summary.floor.max(sequence);
            }
            Control::Synced { offset } => {
                self.summary.synced_to = self.summary.synced_to.max(offset);
            }
            Control::Remove { .. } | Control::Deadline { .. } => self.index.controls.push(control),
        }
    }

    fn gap(&mut self, next: Sequence) {
        let from = self.summary.end;
        if next > from {
            if self.in_hole {
                self.lost.push(DamagedRange {
                    first: from,
                    last: next - 1,
                });
            }
            self.skipped.push((from, next));
            self.summary.end = next;
        }
        self.summary.next = self.summary.next.max(self.summary.end);
        self.in_hole = false;
    }

    /// Adds a message; not one that stands where it cannot.
    fn add(&mut self, offset: u64, head: &Head<'_>) -> bool {
        let next = self.summary.end;
        let delta = head.sequence.checked_sub(self.summary.base);
        let Some(delta) = delta.and_then(|delta| u32::try_from(delta).ok()) else {
            return false;
        };
        if head.sequence < next || u64::from(delta) > super::SPAN {
            return false;
        }
        // A jump without a reason is one whose reason was lost, but in a rewritten segment.
        self.in_hole |= head.sequence > next && !self.rewritten;
        self.gap(head.sequence);
        let slot = self.known.entry_or_insert(head.subject);
        let known = slot.checked_sub(1);
        let known = known.and_then(|number| self.index.items.get(number as usize));
        let known = known.map(|item| item.last as usize);
        self.index.push(delta, offset, head, known);
        if known.is_none() {
            *slot = self.index.items.len() as u32;
        }
        self.summary.end = head.sequence + 1;
        self.summary.next = self.summary.next.max(self.summary.end);
        self.summary.min_time = self.summary.min_time.min(head.timestamp);
        self.summary.max_time = self.summary.max_time.max(head.timestamp);
        self.last_time = self.last_time.max(head.timestamp);
        true
    }
}
