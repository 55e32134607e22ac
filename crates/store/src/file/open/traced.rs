//! What the trace of the newest segment knows that its records do not say any more.
//!
//! Without damage that is nothing. When the end of the segment is gone, it tells which sequences
//! were there, so that they are missed; which messages were removed, so that they stay away; and
//! which subjects the missing ones were on, so that the values they replaced do not come back: their
//! entries are put in the index, and read as damaged.

use std::collections::BTreeMap;

use cognate_model::{DamagedRange, Sequence};

use super::Opening;
use crate::disk::{Disk, DiskError, DiskFile, OpenMode};
use crate::log::Log;
use crate::log::header;
use crate::log::index::{Controls, SegmentIndex};
use crate::log::sidecar::Sidecar;
use crate::log::trace::{self, Step, Traced};

/// What the trace adds.
#[derive(Default)]
pub(super) struct Known {
    /// The number of its segment.
    pub(super) number: u64,
    /// The sequence to be given next, as far as it knows; 0 if it knows nothing.
    pub(super) next: Sequence,
    /// It tells everything that its segment did.
    pub(super) is_complete: bool,
    /// Sequences behind the end of the records that no message was given.
    pub(super) skipped: Vec<(Sequence, Sequence)>,
    /// Messages that are missing, and those before them on their subjects.
    missing: Vec<(Sequence, Sequence)>,
}

impl<D: Disk> Opening<D> {
    /// Reads the newest trace.
    pub(super) fn read_trace(&mut self) -> Result<(), DiskError> {
        let names = self.log.disk.list()?;
        let newest = names.iter().filter_map(|name| trace::parse_name(name));
        let Some((number, generation)) = newest.max() else {
            return Ok(());
        };
        let traced = Traced::read(&self.log.disk, &trace::name(number, generation))?;
        let ours = |traced: &Traced| {
            traced.of.stream == self.log.stream
                && (traced.of.number, traced.of.generation) == (number, generation)
        };
        self.traced = traced.filter(ours);
        Ok(())
    }

    /// Up to where a segment is known to be on the disk by its trace; 0 if nothing says so.
    pub(super) fn traced_sync(&self, number: u64) -> u64 {
        let traced = self.traced.as_ref();
        traced
            .filter(|traced| traced.of.number == number)
            .map_or(0, |traced| traced.synced)
    }

    /// Up to where the records of a segment were written whole, by its trace; `None` if it has none.
    pub(super) fn traced_end(&self, number: u64) -> Option<u64> {
        let traced = self.traced.as_ref();
        let traced = traced.filter(|traced| traced.of.number == number)?;
        Some(traced.end())
    }

    /// Takes over what the trace says and the records do not.
    pub(super) fn consult_trace(&mut self) -> Result<(), DiskError> {
        let Some(traced) = self.traced.take() else {
            return Ok(());
        };
        if let Some(at) = self.log.segments.len().checked_sub(1) {
            self.log.index(at)?;
        }
        let last = self.log.segments.last();
        let number = traced.of.number;
        if last.is_some_and(|last| last.number > number) {
            return Ok(());
        }
        let same = last.filter(|last| last.number == number);
        let end = same.map_or(traced.of.base, |same| same.end);
        let mut known = Known {
            number,
            is_complete: self.same_boot,
            ..Known::default()
        };
        let (mut removes, mut floor) = (Vec::new(), self.log.floor);
        let has = |sequence: Sequence| {
            same.is_some_and(|same| {
                let delta = sequence.checked_sub(same.base);
                let delta = delta.and_then(|delta| u32::try_from(delta).ok());
                let index = same.index.as_deref();
                delta
                    .zip(index)
                    .is_some_and(|(delta, index)| index.find(delta).is_some())
            })
        };
        traced.for_each(self.same_boot, |step| match step {
            Step::Message { sequence, before } => {
                known.next = known.next.max(sequence.saturating_add(1));
                if !has(sequence) {
                    known.missing.push((sequence, before));
                }
            }
            Step::Remove { sequence } => removes.push(sequence),
            Step::Floor { sequence } => floor = floor.max(sequence),
            Step::Skip { from, next } => {
                known.next = known.next.max(next);
                known.skipped.push((from.max(end), next));
            }
        });
        known.skipped.retain(|(from, next)| from < next);
        self.log.floor = floor;
        for (sequence, _) in known.missing.iter().filter(|(missing, _)| *missing < end) {
            self.lost.push(DamagedRange {
                first: *sequence,
                last: *sequence,
            });
        }
        self.learn_removes(removes);
        self.known = known;
        Ok(())
    }

    /// Removals that stand in the trace only.
    fn learn_removes(&mut self, mut removes: Vec<Sequence>) {
        let last = self.log.segments.last_mut();
        let Some(index) = last.and_then(|last| last.index.as_deref_mut()) else {
            return self.note_removes(removes);
        };
        let mut told = index.controls.removes.clone();
        told.sort_unstable();
        removes.retain(|sequence| told.binary_search(sequence).is_err());
        // So that the next trace and the index file of the segment tell them too.
        index.controls.removes.extend(&removes);
        self.note_removes(removes);
    }

    fn note_removes(&mut self, removes: Vec<Sequence>) {
        if removes.is_empty() {
            return;
        }
        self.learned = true;
        let controls = Controls {
            removes,
            ..Controls::default()
        };
        self.controls.push((u64::MAX, controls));
    }

    /// Puts messages of which only the subject is known in the index of the last segment, if that
    /// is the one whose end is missing. What was held is known by now.
    pub(super) fn place_ghosts(&mut self) -> Result<(), DiskError> {
        let missing = std::mem::take(&mut self.known.missing);
        let Some(at) = self.log.segments.len().checked_sub(1) else {
            return Ok(());
        };
        let (base, end) = (self.log.segments[at].base, self.log.segments[at].end);
        let mut subjects: BTreeMap<Sequence, Vec<u8>> = BTreeMap::new();
        for (sequence, before) in missing {
            if before == 0 || sequence < base {
                continue;
            }
            let subject = match subjects.get(&before) {
                Some(subject) => Some(subject.clone()),
                None => self.subject_of(before)?,
            };
            if let Some(subject) = subject {
                subjects.insert(sequence, subject);
            }
        }
        let mut ghosts = Vec::new();
        for (sequence, subject) in subjects {
            let delta = sequence - base;
            let is_missing = self.damage.find(sequence).is_some();
            if is_missing && delta < crate::log::SPAN {
                ghosts.push((delta as u32, subject));
            }
        }
        let Some((last, _)) = ghosts.last() else {
            return Ok(());
        };
        let end = end.max(base + u64::from(*last) + 1);
        let segment = &mut self.log.segments[at];
        let Some(index) = segment.index.as_deref() else {
            return Ok(());
        };
        let mut index = index.with_ghosts(&ghosts);
        index.sort(self.log.stream);
        segment.entries = index.entries.len() as u32;
        segment.index = Some(Box::new(index));
        segment.end = end;
        segment.next = segment.next.max(end);
        self.log.ghosts = Some((segment.number, segment.generation));
        Ok(())
    }

    fn subject_of(&mut self, sequence: Sequence) -> Result<Option<Vec<u8>>, DiskError> {
        let Some(at) = self.log.position(sequence) else {
            return Ok(None);
        };
        let delta = sequence - self.log.segments[at].base;
        let index: &SegmentIndex = self.log.index(at)?;
        let entry = u32::try_from(delta)
            .ok()
            .and_then(|delta| index.find(delta));
        let entry = entry.and_then(|entry| index.entries.get(entry));
        Ok(entry.map(|entry| index.subject(entry.subject).to_vec()))
    }
}

impl<D: Disk> Log<D> {
    /// Goes on in a new segment if the last one has ghosts. Their index was written as one that need
    /// not be made again; it is durable afterwards.
    pub(super) fn leave_ghosts_behind(&mut self, next: Sequence) -> Result<(), DiskError> {
        let Some(key) = self.ghosts else {
            return Ok(());
        };
        if self
            .segments
            .last()
            .is_some_and(|last| last.number == key.0)
        {
            let started = self.start_segment(next, 0);
            started.map_err(|error| DiskError::Other(error.to_string()))?;
        }
        self.ghosts = None;
        let name = header::index_name(key.0, key.1);
        let sidecar = Sidecar::open(&self.disk, self.stream, &name, key)?;
        if !sidecar.is_some_and(|sidecar| sidecar.summary.clean) {
            return Err(DiskError::Other(format!("{name} could not be written")));
        }
        if let Some(file) = self.disk.open(&name, OpenMode::Existing)? {
            file.sync_data()?;
        }
        self.disk.sync_dir()
    }
}
