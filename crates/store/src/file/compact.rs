//! Rewriting segments in which little lives, a few records at a time.
//!
//! ```text
//! copy live records to <number>.<generation + 1>.tmp ─▶ sync ─▶ rename to .log ─▶ sync ─▶ take over,
//! remove the old file
//! ```
//!
//! Only segments that both checkpoints cover are rewritten, so that nothing but messages has to be
//! copied. Sequences stay; what is removed meanwhile is gone by the segment's bits. A crash leaves
//! the old file, or both, of which the newer is whole.

use super::FileStore;
use crate::disk::{Disk, DiskError, DiskFile, OpenMode};
use crate::log::header::{self, HEADER_LEN, Header};
use crate::log::index::SegmentIndex;
use crate::log::record::{self, Control, Decoded};
use crate::log::segment::Segment;
use crate::log::sidecar;

/// How far it has come.
enum Stage {
    /// The next entry to look at.
    Copying(usize),
    /// Everything is in the file; waits for a sync.
    Written(u64),
    /// It has its name; waits for a sync.
    Renamed(u64),
}

/// A segment that is being rewritten.
pub(super) struct Compaction<F> {
    pub(super) number: u64,
    generation: u32,
    salt: u32,
    key: u64,
    file: F,
    /// Where the next record goes.
    at: u64,
    index: SegmentIndex,
    /// By number of a subject in the old index, its last entry in the new one, plus one.
    known: Vec<u32>,
    stage: Stage,
}

impl<F> Compaction<F> {
    fn tmp_name(&self) -> String {
        format!("{:016x}.{}.tmp", self.number, self.generation)
    }
}

/// How much of a segment's file is of no use, if that is more than half and more than a little: one
/// that was rewritten shall not be rewritten again for nothing.
pub(super) fn waste<F>(segment: &Segment<F>) -> u64 {
    const LITTLE: u64 = 4096;
    // A record is a little longer than what its message counts for.
    let useful = segment.bytes + 16 * segment.live;
    let waste = segment.data_end.saturating_sub(useful);
    if waste > LITTLE.max(segment.data_end / 2) {
        waste
    } else {
        0
    }
}

impl<D: Disk> FileStore<D> {
    /// Goes on rewriting, about `budget` bytes. Returns whether there is more to do.
    pub(super) fn compact(&mut self, budget: usize) -> Result<bool, DiskError> {
        let mut compaction = match self.compaction.take() {
            Some(compaction) => compaction,
            None => match self.begin_compaction() {
                Ok(Some(compaction)) => compaction,
                Ok(None) | Err(DiskError::NoSpace) => return Ok(false),
                Err(error) => return Err(error),
            },
        };
        match self.advance(&mut compaction, budget) {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.compaction = Some(compaction);
                Ok(true)
            }
            Err(error) => {
                // The old file is as it was; without space, rewriting waits for better times.
                let _ = self.log.disk.remove(&compaction.tmp_name());
                self.log.dirty.retain(|(key, _)| *key != compaction.key);
                match error {
                    DiskError::NoSpace => Ok(false),
                    error => Err(error),
                }
            }
        }
    }

    fn begin_compaction(&mut self) -> Result<Option<Compaction<D::File>>, DiskError> {
        let settled = self.checkpoints.settled();
        let sealed = self.log.segments.len().saturating_sub(1);
        let sealed = self.log.segments.iter().take(sealed);
        let worth = sealed.filter(|s| s.number < settled && s.live > 0 && waste(s) > 0);
        let damage = self.damage.ranges();
        let mut whole =
            worth.filter(|s| damage.iter().all(|r| r.last < s.base || s.end <= r.first));
        let Some(segment) = whole.next() else {
            return Ok(None);
        };
        let (number, generation) = (segment.number, segment.generation + 1);
        let header = Header {
            stream: self.log.stream,
            number,
            generation,
            base: segment.base,
            floor: self.log.floor,
            last_time: segment.min_time,
        };
        let tmp = format!("{number:016x}.{generation}.tmp");
        let Some(file) = self.log.disk.open(&tmp, OpenMode::Truncate)? else {
            return Ok(None);
        };
        file.write_at(&header.encode(), 0)?;
        let key = self.log.next_key;
        self.log.next_key += 1;
        Ok(Some(Compaction {
            number,
            generation,
            salt: header::salt(self.log.stream, number, generation),
            key,
            file,
            at: HEADER_LEN,
            index: SegmentIndex::default(),
            known: Vec::new(),
            stage: Stage::Copying(0),
        }))
    }

    /// One step; whether it was the last.
    fn advance(
        &mut self,
        compaction: &mut Compaction<D::File>,
        budget: usize,
    ) -> Result<bool, DiskError> {
        let segments = &self.log.segments;
        let Some(at) = segments.iter().position(|s| s.number == compaction.number) else {
            self.log.disk.remove(&compaction.tmp_name())?;
            return Ok(true);
        };
        match compaction.stage {
            Stage::Copying(next) => {
                let mut out = Vec::new();
                match self.copy(compaction, at, next, budget, &mut out)? {
                    Some(next) => compaction.stage = Stage::Copying(next),
                    None => {
                        self.put_end(compaction, at, &mut out);
                        self.log.dir_dirty = true;
                        compaction.stage = Stage::Written(self.marks.next_sync());
                    }
                }
                compaction.file.write_at(&out, compaction.at)?;
                compaction.at += out.len() as u64;
                // With every sync some of it, so that no publish waits for all of it.
                self.log.mark_dirty(compaction.key, compaction.file.clone());
                Ok(false)
            }
            Stage::Written(sync) if self.marks.is_synced(sync) => {
                let name = header::log_name(compaction.number, compaction.generation);
                self.log.disk.rename(&compaction.tmp_name(), &name)?;
                self.log.dir_dirty = true;
                compaction.stage = Stage::Renamed(self.marks.next_sync());
                Ok(false)
            }
            Stage::Renamed(sync) if self.marks.is_synced(sync) => {
                self.take_over(compaction, at)?;
                Ok(true)
            }
            Stage::Written(_) | Stage::Renamed(_) => Ok(false),
        }
    }

    /// Copies what lives from entry `next` on; where to go on, or nothing if that was all.
    fn copy(
        &mut self,
        compaction: &mut Compaction<D::File>,
        at: usize,
        next: usize,
        budget: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, DiskError> {
        let old_salt = self.log.segments[at].salt;
        let mut next = next;
        let mut looked_at = 0;
        loop {
            let index = self.log.index(at)?;
            let Some(entry) = index.entries.get(next).copied() else {
                return Ok(None);
            };
            compaction.known.resize(index.items.len(), 0);
            if out.len() >= budget.max(1) || looked_at > budget / 8 {
                return Ok(Some(next));
            }
            next += 1;
            looked_at += 1;
            if self.log.segments[at].gone.contains(u64::from(entry.delta)) {
                continue;
            }
            let len = self.log.record_len(at, &entry)?;
            let bytes = self.log.record(at, entry.offset(), len)?;
            let offset = compaction.at + out.len() as u64;
            let copied = match record::decode(bytes, old_salt) {
                Decoded::Message { body: Some(_), .. } | Decoded::Folded { body: Some(_), .. } => {
                    record::put_copy(out, compaction.salt, bytes, old_salt)
                }
                _ => None,
            };
            let Decoded::Message { head, .. } = self.log.message(at, &entry)? else {
                // It stays where it is: damaged, and reported when somebody asks for it.
                return Err(DiskError::NoSpace);
            };
            if copied.is_none() {
                return Err(DiskError::NoSpace);
            }
            let known = compaction.known.get_mut(entry.subject as usize);
            let last = known
                .as_deref()
                .copied()
                .and_then(|last| last.checked_sub(1));
            compaction
                .index
                .push(entry.delta, offset, &head, last.map(|last| last as usize));
            if let Some(known) = known {
                *known = compaction.index.entries.len() as u32;
            }
        }
    }

    /// Says where the segment ends, though its last messages may be gone.
    fn put_end(&self, compaction: &Compaction<D::File>, at: usize, out: &mut Vec<u8>) {
        let segment = &self.log.segments[at];
        let time = segment.max_time;
        for next in [segment.end, segment.next] {
            record::put_control(out, compaction.salt, Control::Skip { next, time });
        }
    }

    fn take_over(
        &mut self,
        compaction: &mut Compaction<D::File>,
        at: usize,
    ) -> Result<(), DiskError> {
        let stream = self.log.stream;
        let segment = &mut self.log.segments[at];
        let old = (segment.number, segment.generation);
        self.log.blocks.forget(segment.key);
        segment.generation = compaction.generation;
        segment.looked_up = None;
        segment.salt = compaction.salt;
        segment.key = compaction.key;
        segment.file = Some(compaction.file.clone());
        segment.sidecar = None;
        segment.data_end = compaction.at;
        segment.entries = compaction.index.entries.len() as u32;
        // It was durable before it got its name.
        segment.synced_to = compaction.at;
        let mut index = std::mem::take(&mut compaction.index);
        index.sort(stream);
        segment.index = Some(Box::new(index));
        let summary = segment.summary(self.log.floor, false);
        if let Some(index) = segment.index.as_deref() {
            let bytes = sidecar::encode(stream, &summary, index, &self.log.folder);
            let name = header::index_name(compaction.number, compaction.generation);
            let _ = sidecar::write(&self.log.disk, &name, &bytes);
        }
        self.log.disk.remove(&header::log_name(old.0, old.1))?;
        self.log.disk.remove(&header::index_name(old.0, old.1))?;
        self.log.dir_dirty = true;
        self.first_time.set(None);
        Ok(())
    }
}
