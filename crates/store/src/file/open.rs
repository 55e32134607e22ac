//! Opening a store: what is in its directory, and what has become of it.
//!
//! In this order: which segments there are; which of them nobody is known to have synced, newest
//! first, read record by record; the others by their indexes; what removals of all of them and the
//! newest checkpoint say is gone; what is missing; the counts; where numbering goes on.

mod segments;
mod traced;

use cognate_model::{DamagedRange, Removed, Sequence, StoreError};

use self::traced::Known;
use super::checkpoint::{Checkpoints, State};
use super::deadlines::Deadlines;
use super::limit::{Limit, Promise, STEP};
use super::missing::{Missing, between};
use super::recount::recount;
use super::sync::Marks;
use super::{Damage, FileStore, FileStoreOptions};
use crate::disk::{Disk, DiskError, DiskFile};
use crate::log::fold::Folder;
use crate::log::header::{HEADER_LEN, Header};
use crate::log::index::Controls;
use crate::log::tail::Tail;
use crate::log::trace::Traced;
use crate::log::{Log, failed};

/// What opening a store came by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Segments that were read record by record.
    pub scanned_segments: u64,
    /// Sequences of unsynced messages that a loss of power took, the end of a write cut short. They
    /// were never acknowledged, and are not given again.
    pub cut: Option<DamagedRange>,
    /// Places of segments that hold no records. Messages in them are reported as damaged by the
    /// store; removals in them, if there were any, are forgotten.
    pub holes: u64,
    /// Numbering goes on here because the end of the log was damaged; 0 if it was not.
    pub skipped_to: Sequence,
    /// Files that belong to another stream and were left alone.
    pub foreign: Vec<String>,
}

/// What is gathered while opening.
struct Opening<D: Disk> {
    log: Log<D>,
    report: OpenReport,
    /// What segments say of messages, in order: the segment's number and its controls.
    controls: Vec<(u64, Controls)>,
    damage: Damage,
    lost: Vec<DamagedRange>,
    harmed: Vec<Sequence>,
    /// Something about the end of the log is not as it was left.
    suspicious: bool,
    rumoured: Sequence,
    /// Numbers of segments of which only the index is left.
    orphans: Vec<u64>,
    /// The machine has not been down since the log was written: what is missing is damage.
    same_boot: bool,
    /// The trace of the newest segment, until it was consulted, and what it added.
    traced: Option<Traced>,
    known: Known,
    /// The trace knew of removals that the records do not tell any more.
    learned: bool,
}

impl<D: Disk> FileStore<D> {
    /// Opens the store in `disk`, or makes an empty one. Waits for the disk. Damage is no error: it
    /// is in the report, and in what the store says is damaged.
    pub fn open(disk: D, options: FileStoreOptions) -> Result<(Self, OpenReport), StoreError> {
        open(disk, options).map_err(failed)
    }
}

fn open<D: Disk>(
    disk: D,
    options: FileStoreOptions,
) -> Result<(FileStore<D>, OpenReport), DiskError> {
    let (limit, promise) = Limit::open(&disk)?;
    let (checkpoints, state) = Checkpoints::open(&disk, options.stream)?;
    let folder = Folder::new(disk.vault(), options.compress);
    let mut opening = Opening {
        log: Log::new(disk, options.stream, options.log(), folder),
        report: OpenReport::default(),
        controls: Vec::new(),
        damage: Damage::default(),
        lost: Vec::new(),
        harmed: Vec::new(),
        suspicious: false,
        rumoured: 0,
        orphans: Vec::new(),
        same_boot: promise.is_some_and(|p| p.boot != 0 && p.boot == options.boot),
        traced: None,
        known: Known::default(),
        learned: false,
    };
    opening.list_segments()?;
    opening.list_orphans(state.as_ref())?;
    opening.read_trace()?;
    opening.scan_unproven()?;
    opening.adopt_proven()?;
    opening.sync_unproven(promise)?;
    opening.consult_trace()?;
    if let Some(state) = &state {
        opening.log.floor = opening.log.floor.max(state.floor);
        opening.log.last_time = opening.log.last_time.max(state.last_time);
        for range in &state.damage {
            opening.damage.add(*range);
        }
    }
    let last = opening.last_sequence(state.as_ref(), promise);
    opening.apply(state.as_ref(), last, promise)?;
    opening.finish((limit, promise), checkpoints, state, last, options)
}

impl<D: Disk> Opening<D> {
    /// The last sequence that is known to have been given.
    fn last_sequence(&self, state: Option<&State>, promise: Option<Promise>) -> Sequence {
        let last = self.log.segments.last();
        let in_log = last.map_or(0, |last| last.next.max(last.end).saturating_sub(1));
        let known = in_log.max(self.log.floor.saturating_sub(1));
        let known = known.max(state.map_or(0, |state| state.last));
        let known = known.max(self.known.next.saturating_sub(1));
        known.max(promise.map_or(0, |promise| promise.durable_last))
    }

    /// Applies what is said of messages, and finds what is missing.
    fn apply(
        &mut self,
        state: Option<&State>,
        last: Sequence,
        promise: Option<Promise>,
    ) -> Result<(), DiskError> {
        let covers = state.map_or(0, |state| state.covers);
        let mut missing = between(&self.log, state);
        missing.extend(self.missing_end(last, promise));
        if let Some(state) = state {
            for listed in &state.segments {
                let segments = &mut self.log.segments;
                let there = segments.iter_mut().find(|s| s.number == listed.number);
                if let Some(segment) = there.filter(|s| s.base == listed.base) {
                    segment.gone = listed.gone.clone();
                }
            }
        }
        for (number, controls) in &self.controls {
            if *number < covers {
                continue;
            }
            for sequence in &controls.removes {
                mark_gone(&mut self.log, &mut missing, *sequence);
                self.damage.take_out(*sequence);
            }
        }
        let floor = self.log.floor;
        for segment in &mut self.log.segments {
            let below = floor.min(segment.end).saturating_sub(segment.base);
            segment.gone.insert_range(0, below);
        }
        for one in &mut missing {
            let below = floor.min(one.end).saturating_sub(one.base);
            one.gone.insert_range(0, below);
            for range in one.ranges() {
                self.damage.add(range);
            }
        }
        let harmed = missing.iter().filter(|one| !one.ranges().is_empty());
        self.report.holes += harmed.count() as u64;
        self.report_lost();
        Ok(())
    }

    /// What should be behind the last record that is there.
    fn missing_end(&mut self, last: Sequence, promise: Option<Promise>) -> Option<Missing> {
        let segment = self.log.segments.last();
        let (number, end) = segment.map_or((0, self.log.floor.max(1)), |segment| {
            (segment.number, segment.next.max(segment.end))
        });
        let mut upto = last + 1;
        let is_told = self.known.is_complete && self.known.number >= number;
        if is_told {
            self.rumoured = 0;
        }
        if self.rumoured >= end && promise.is_some_and(|p| self.rumoured < p.reserved) {
            upto = upto.max(self.rumoured + 1);
        }
        if let Some(promise) = promise.filter(|promise| promise.newest > number) {
            self.suspicious = true;
            let is_told = is_told && self.known.number >= promise.newest;
            if !promise.closed && !is_told {
                // Nobody knows how far it went; this is as far as it can have gone.
                upto = upto.max(promise.reserved);
            }
        }
        self.suspicious |= upto > end;
        if end >= upto {
            return None;
        }
        let mut missing = Missing {
            base: end,
            end: upto,
            gone: Default::default(),
        };
        for (from, next) in &self.known.skipped {
            let within = |sequence: Sequence| sequence.clamp(end, upto) - end;
            missing.gone.insert_range(within(*from), within(*next));
        }
        Some(missing)
    }

    /// The records of a segment of which only the index is left.
    fn report_orphans(&mut self) {
        for at in 0..self.log.segments.len() {
            let segment = &self.log.segments[at];
            if !self.orphans.contains(&segment.number) {
                continue;
            }
            let mut sequence = segment.base;
            while let Some(held) = self.log.segments[at].next_live(sequence) {
                self.damage.add(DamagedRange {
                    first: held,
                    last: held,
                });
                sequence = held + 1;
            }
        }
    }

    /// Records that cannot be read, but for those of messages that are gone anyway.
    fn report_lost(&mut self) {
        for range in std::mem::take(&mut self.lost) {
            let mut sequence = range.first;
            while let Some(next) = self
                .log
                .next_not_gone(sequence)
                .filter(|s| *s <= range.last)
            {
                self.damage.add(DamagedRange {
                    first: next,
                    last: next,
                });
                sequence = next + 1;
            }
        }
        for sequence in std::mem::take(&mut self.harmed) {
            if self.log.next_not_gone(sequence) == Some(sequence) {
                self.damage.add(DamagedRange {
                    first: sequence,
                    last: sequence,
                });
            }
        }
    }

    fn finish(
        mut self,
        (limit, promise): (Limit, Option<Promise>),
        checkpoints: Checkpoints,
        state: Option<State>,
        last: Sequence,
        options: FileStoreOptions,
    ) -> Result<(FileStore<D>, OpenReport), DiskError> {
        let covers = state.as_ref().map_or(0, |state| state.covers);
        let known_damage = state
            .as_ref()
            .map_or_else(Vec::new, |state| state.damage.clone());
        self.place_ghosts()?;
        let counted = recount(&mut self.log)?;
        let mut deadlines = counted.deadlines;
        let changed = state.into_iter().flat_map(|state| state.changed);
        let later = self.controls.iter().filter(|(number, _)| *number >= covers);
        let later = later.flat_map(|(_, controls)| controls.deadlines.iter().copied());
        change_deadlines(&mut deadlines, &self.log, changed.chain(later));
        let erasures = self
            .controls
            .iter()
            .flat_map(|(_, controls)| &controls.erases);
        let erasures = erasures.map(|sequence| (0, *sequence)).collect();
        self.report_orphans();
        self.open_tail()?;
        let newest = self.log.segments.last().map_or(0, |last| last.number);
        let marks = Marks::settled(last, (newest, self.log.tail.end()));
        self.damage.drop_below(self.log.floor);
        self.log.restart_trace(&counted.earlier)?;
        let mut store = FileStore {
            log: self.log,
            seed: options.seed,
            subjects: counted.subjects,
            counters: counted.counters,
            first_time: Default::default(),
            deadlines,
            damage: self.damage,
            unreadable: Removed::default(),
            marks,
            limit,
            boot: options.boot,
            checkpoints,
            erasures,
            compaction: None,
            scratch: Vec::new(),
        };
        store.counters.last = last;
        store.counters.first = store.log.next_live(0).unwrap_or(last + 1);
        store.count_unreadable();
        if self.suspicious {
            let known = promise.map_or(last + 1 + 2 * STEP, |promise| promise.reserved);
            let next = known.max(last + 1);
            self.report.skipped_to = next;
            let time = store.log.last_time;
            let skipped = store.skip(next, time).and_then(|()| store.sync());
            if let Err(StoreError::Failed(reason)) = skipped {
                return Err(DiskError::Other(reason));
            }
        }
        store.log.leave_ghosts_behind(store.counters.last + 1)?;
        if self.learned || store.damage.ranges() != known_damage {
            store.keep_state()?;
        }
        Ok((store, self.report))
    }

    /// Makes the last segment ready to be written on.
    fn open_tail(&mut self) -> Result<(), DiskError> {
        let Some(at) = self.log.segments.len().checked_sub(1) else {
            return Ok(());
        };
        if self.is_orphan(at) {
            // There is no file to go on in.
            let next = self.log.segments[at].next.max(self.log.segments[at].end);
            let started = self.log.start_segment(next, 0);
            return started.map_err(|error| DiskError::Other(error.to_string()));
        }
        let file = self.log.file(at)?;
        let segment = &self.log.segments[at];
        let end = segment.data_end.max(HEADER_LEN);
        self.log.tail = Tail::at(end, Vec::new());
        self.log.unmarked_end = end;
        if self.suspicious {
            // What stands behind the end must never look like a record again.
            file.set_len(end)?;
            let header = Header {
                stream: self.log.stream,
                number: segment.number,
                generation: segment.generation,
                base: segment.base,
                floor: self.log.floor,
                last_time: self.log.last_time,
            };
            file.write_at(&header.encode(), 0)?;
        }
        // It may not have been: the machine did not go down, only the server.
        file.sync_data()?;
        self.log.disk.sync_dir()?;
        self.log.allocated = file.size()?.max(end);
        Ok(())
    }
}

fn mark_gone<D: Disk>(log: &mut Log<D>, missing: &mut [Missing], sequence: Sequence) {
    if let Some(at) = log.position(sequence) {
        let segment = &mut log.segments[at];
        segment.gone.insert(sequence - segment.base);
        return;
    }
    let one = missing
        .iter_mut()
        .find(|m| m.base <= sequence && sequence < m.end);
    if let Some(one) = one {
        one.gone.insert(sequence - one.base);
    }
}

fn change_deadlines<D: Disk>(
    deadlines: &mut Deadlines,
    log: &Log<D>,
    changes: impl Iterator<Item = (Sequence, Option<cognate_model::Deadline>)>,
) {
    for (sequence, deadline) in changes {
        if log.holds(sequence) {
            deadlines.change(sequence, deadline);
        }
    }
}
