//! Which segments there are, and what is in them.
//!
//! The newest are read record by record, back to one that says that it was on the disk; the others
//! by their indexes. What a loss of power cut short is cut off here; what is missing or damaged is
//! only gathered.

use std::collections::BTreeMap;

use cognate_model::{DamagedRange, Sequence, Timestamp};

use super::Opening;
use crate::disk::{Disk, DiskError, DiskFile, OpenMode};
use crate::file::checkpoint::State;
use crate::file::limit::Promise;
use crate::log::Log;
use crate::log::build::{Build, Start, build, erase, first_sequence};
use crate::log::header::{self, Header};
use crate::log::index::{Entry, SegmentIndex};
use crate::log::segment::Segment;
use crate::log::sidecar::{Sidecar, Summary};

impl<D: Disk> Opening<D> {
    /// Finds the segments, newest generation of each, and removes what was left half done.
    pub(super) fn list_segments(&mut self) -> Result<(), DiskError> {
        let names = self.log.disk.list()?;
        let mut found: BTreeMap<u64, u32> = BTreeMap::new();
        for name in &names {
            if let Some((number, generation)) = header::parse_name(name, "log") {
                let newest = found.entry(number).or_insert(generation);
                *newest = (*newest).max(generation);
            }
        }
        for name in &names {
            let log = header::parse_name(name, "log");
            let index = header::parse_name(name, "idx");
            let stale = |(number, generation): (u64, u32)| found.get(&number) != Some(&generation);
            // An index without a segment may be all that is left of it.
            let orphan = |(number, _): (u64, u32)| !found.contains_key(&number);
            let index = index.filter(|key| !orphan(*key));
            if log.is_some_and(stale) || index.is_some_and(stale) || name.ends_with(".tmp") {
                self.log.disk.remove(name)?;
            }
        }
        for (number, generation) in found {
            self.add_segment(number, generation)?;
        }
        Ok(())
    }

    /// Segments of which only the index is left: what they held is damaged, and known. (An index
    /// that was left behind when a segment was dropped is removed.)
    pub(super) fn list_orphans(&mut self, state: Option<&State>) -> Result<(), DiskError> {
        for name in self.log.disk.list()? {
            let Some((number, generation)) = header::parse_name(&name, "idx") else {
                continue;
            };
            let at = self.log.segments.partition_point(|s| s.number < number);
            if self
                .log
                .segments
                .get(at)
                .is_some_and(|s| s.number == number)
            {
                continue;
            }
            let dropped = state.is_some_and(|state| {
                number < state.covers && state.segments.iter().all(|s| s.number != number)
            });
            let key = (number, generation);
            let sidecar = Sidecar::open(&self.log.disk, self.log.stream, &name, key)?;
            match sidecar {
                Some(sidecar) if !dropped && sidecar.index(&self.log.folder)?.is_some() => {
                    let base = sidecar.summary.base;
                    let mut segment = Segment::new(self.log.stream, number, generation, base);
                    segment.adopt(&sidecar.summary);
                    segment.key = self.log.next_key;
                    self.log.next_key += 1;
                    self.orphans.push(number);
                    self.log.segments.insert(at, segment);
                }
                _ => self.log.disk.remove(&name)?,
            }
        }
        Ok(())
    }

    fn add_segment(&mut self, number: u64, generation: u32) -> Result<(), DiskError> {
        let name = header::log_name(number, generation);
        let Some(file) = self.log.disk.open(&name, OpenMode::Existing)? else {
            return Ok(());
        };
        let header = Log::<D>::read_header(&file)?;
        if header.is_some_and(|header| header.stream != self.log.stream) {
            self.report.foreign.push(name);
            return Ok(());
        }
        // Zero means that the header is damaged; the base is what the segment before ends with.
        let base = header.map_or(0, |header| header.base);
        let mut segment = Segment::new(self.log.stream, number, generation, base);
        segment.key = self.log.next_key;
        self.log.next_key += 1;
        if let Some(header) = header {
            self.log.floor = self.log.floor.max(header.floor);
            self.log.last_time = self.log.last_time.max(header.last_time);
        }
        segment.file = Some(file);
        self.log.segments.push(segment);
        let at = self.log.segments.len() - 1;
        self.log.limit_open_files(at);
        Ok(())
    }

    pub(super) fn is_orphan(&self, at: usize) -> bool {
        self.orphans.contains(&self.log.segments[at].number)
    }

    fn open_sidecar(&mut self, at: usize) -> Result<Option<Sidecar<D::File>>, DiskError> {
        let segment = &self.log.segments[at];
        let key = (segment.number, segment.generation);
        let name = header::index_name(key.0, key.1);
        let sidecar = Sidecar::open(&self.log.disk, self.log.stream, &name, key)?;
        let base = segment.base;
        Ok(sidecar.filter(|s| base == 0 || s.summary.base == base))
    }

    /// Reads the newest segments record by record, back to one that says that it was synced.
    pub(super) fn scan_unproven(&mut self) -> Result<(), DiskError> {
        let count = self.log.segments.len();
        let mut builds: Vec<(usize, Build)> = Vec::new();
        for at in (0..count).rev() {
            if self.is_orphan(at) {
                // Its index was written after it, and there is nothing to look at.
                self.suspicious |= at + 1 == count;
                continue;
            }
            let sidecar = self.open_sidecar(at)?;
            let is_sealed = sidecar.as_ref().is_some_and(|s| !s.summary.clean);
            if self.same_boot && at + 1 < count && is_sealed {
                // Without a loss of power its index says everything, and so do those before.
                break;
            }
            let prefix = match sidecar {
                // Only the last one may have grown since its index was written.
                Some(sidecar) if sidecar.summary.clean => self.load_prefix(&sidecar)?,
                _ => None,
            };
            let clean = prefix.is_some();
            let built = self.build_segment(at, prefix, !self.same_boot)?;
            let proven = clean || built.summary.synced_to > 0;
            builds.push((at, built));
            if proven {
                break;
            }
        }
        let mut cut = false;
        for (at, built) in builds.into_iter().rev() {
            if cut {
                let next = built.summary.next.max(built.summary.end);
                self.note_cut(next);
                self.drop_segment(at)?;
                continue;
            }
            cut = built.cut.is_some();
            self.take_built(at, built)?;
        }
        // What was dropped is at the end.
        self.log.segments.retain(|segment| segment.number != 0);
        if let Some(last) = self.log.segments.last_mut()
            && let Some(index) = last.index.as_deref_mut()
        {
            index.sorted = Vec::new();
        }
        Ok(())
    }

    fn load_prefix(
        &self,
        sidecar: &Sidecar<D::File>,
    ) -> Result<Option<(Summary, SegmentIndex)>, DiskError> {
        let (Some(mut index), Some(controls)) =
            (sidecar.index(&self.log.folder)?, sidecar.controls()?)
        else {
            return Ok(None);
        };
        index.controls = controls;
        Ok(Some((sidecar.summary, index)))
    }

    fn build_segment(
        &mut self,
        at: usize,
        prefix: Option<(Summary, SegmentIndex)>,
        may_cut: bool,
    ) -> Result<Build, DiskError> {
        self.report.scanned_segments += 1;
        let file = self.log.file(at)?;
        let header = Log::<D>::read_header(&file)?;
        let segment = &self.log.segments[at];
        let proven = prefix.as_ref().map_or(0, |(summary, _)| summary.data_end);
        let proven = proven.max(self.traced_sync(segment.number));
        let mut start = Start {
            header: header.unwrap_or(Header {
                stream: self.log.stream,
                number: segment.number,
                generation: segment.generation,
                base: segment.base,
                floor: 0,
                last_time: Timestamp(0),
            }),
            salt: segment.salt,
            vault: self.log.folder.vault.clone(),
            proven: if may_cut { proven } else { u64::MAX },
            may_cut,
            prefix,
        };
        if let Some((summary, index)) = start.prefix.as_ref()
            && self.is_cut_off(at, summary)?
        {
            self.note_cut_off(at, summary.base, index)?;
        }
        if header.is_none() && start.prefix.is_none() {
            self.suspicious |= self.log.is_last(at);
            start.header.base = self.guess_base(at, &file)?;
        }
        let mut built = build(&file, &start)?;
        let number = self.log.segments[at].number;
        let told = self.traced_end(number).filter(|_| self.same_boot);
        if let (Some(told), Some(from)) = (told, built.unfinished)
            && from >= told
        {
            // The process ended in the middle of a write: what that was to hold was told to nobody,
            // or the trace, which is written after it, would know of it.
            erase(&file, from)?;
            built = build(&file, &start)?;
        }
        built.index.sort(self.log.stream);
        Ok(built)
    }

    /// Whether a segment's file ends before its records do by what its index says of it.
    fn is_cut_off(&mut self, at: usize, summary: &Summary) -> Result<bool, DiskError> {
        Ok(self.log.file(at)?.size()? < summary.data_end)
    }

    /// Takes note of the records that a file which was cut off does not hold any more. Of one that ends
    /// nobody knows where, it is told when it is read.
    fn note_cut_off(
        &mut self,
        at: usize,
        base: Sequence,
        index: &SegmentIndex,
    ) -> Result<(), DiskError> {
        let size = self.log.file(at)?.size()?;
        let is_gone = |entry: &&Entry| {
            let end = entry.offset() + entry.record_len().map_or(1, |len| len as u64);
            end > size
        };
        let gone = index.entries.iter().filter(is_gone);
        self.harmed
            .extend(gone.map(|entry| base + u64::from(entry.delta)));
        self.report.holes += 1;
        Ok(())
    }

    /// Where a segment whose header is damaged starts: its index knows, or the segment before ends
    /// there, or it starts with the first record that can be read.
    fn guess_base(&mut self, at: usize, file: &D::File) -> Result<Sequence, DiskError> {
        if let Some(sidecar) = self.open_sidecar(at)? {
            return Ok(sidecar.summary.base);
        }
        if at > 0
            && let Some(before) = self.open_sidecar(at - 1)?
            && self.log.segments[at - 1].number + 1 == self.log.segments[at].number
        {
            return Ok(before.summary.next);
        }
        let vault = self.log.folder.vault.as_deref();
        first_sequence(file, (self.log.segments[at].salt, vault))
    }

    fn note_cut(&mut self, next: Sequence) {
        self.suspicious = true;
        let first = self.report.cut.map_or(next, |range| range.first);
        self.report.cut = Some(DamagedRange {
            first,
            last: next.saturating_sub(1).max(first),
        });
    }

    fn drop_segment(&mut self, at: usize) -> Result<(), DiskError> {
        let segment = &mut self.log.segments[at];
        let (number, generation) = (segment.number, segment.generation);
        segment.number = 0;
        self.log
            .disk
            .remove(&header::log_name(number, generation))?;
        self.log
            .disk
            .remove(&header::index_name(number, generation))
    }

    /// Takes over what was read of a segment record by record.
    fn take_built(&mut self, at: usize, built: Build) -> Result<(), DiskError> {
        let is_last = at + 1 == self.log.segments.len() || built.cut.is_some();
        if built.cut.is_some() {
            self.note_cut(built.summary.next);
        }
        if is_last && built.dirty {
            self.suspicious = true;
            if !built.torn_end {
                self.rumoured = self.rumoured.max(built.rumoured);
            }
        }
        self.report.holes += built.holes;
        self.lost.extend(&built.lost);
        self.harmed.extend(&built.harmed);
        self.log.floor = self.log.floor.max(built.summary.floor);
        self.log.last_time = self.log.last_time.max(built.last_time);
        self.controls
            .push((built.summary.number, built.index.controls.clone()));
        let segment = &mut self.log.segments[at];
        segment.base = built.summary.base;
        segment.adopt(&built.summary);
        segment.index = Some(Box::new(built.index));
        if is_last {
            return Ok(());
        }
        let (floor, stream) = (self.log.floor, self.log.stream);
        let segment = &self.log.segments[at];
        let place = (&self.log.disk, &self.log.folder);
        let _ = Log::write_index(place, stream, segment, floor, false);
        if let Some(file) = &segment.file {
            // It may not have been: the machine did not go down, only the server.
            file.sync_data()?;
        }
        Ok(())
    }

    /// Syncs the segments that nobody is known to have synced, but for the last one.
    pub(super) fn sync_unproven(&mut self, promise: Option<Promise>) -> Result<(), DiskError> {
        let newest = promise.map_or(0, |promise| promise.newest);
        for at in 0..self.log.segments.len().saturating_sub(1) {
            if self.log.segments[at].number >= newest && self.same_boot && !self.is_orphan(at) {
                self.log.file(at)?.sync_data()?;
            }
        }
        Ok(())
    }

    /// Takes over the segments before those, by their indexes if those can be read.
    pub(super) fn adopt_proven(&mut self) -> Result<(), DiskError> {
        for at in 0..self.log.segments.len() {
            if self.log.segments[at].index.is_some() {
                continue;
            }
            let sidecar = self.open_sidecar(at)?;
            let controls = match &sidecar {
                Some(sidecar) => sidecar.controls()?,
                None => None,
            };
            if let (Some(sidecar), Some(controls)) = (sidecar, controls) {
                if !self.is_orphan(at) && self.is_cut_off(at, &sidecar.summary)? {
                    let index = sidecar.index(&self.log.folder)?.unwrap_or_default();
                    self.note_cut_off(at, sidecar.summary.base, &index)?;
                }
                let segment = &mut self.log.segments[at];
                segment.base = sidecar.summary.base;
                segment.adopt(&sidecar.summary);
                self.log.floor = self.log.floor.max(sidecar.summary.floor);
                self.controls.push((segment.number, controls));
            } else {
                let built = self.build_segment(at, None, false)?;
                self.take_built(at, built)?;
            }
        }
        self.controls.sort_by_key(|(number, _)| *number);
        Ok(())
    }
}
