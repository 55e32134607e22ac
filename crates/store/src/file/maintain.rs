//! What is done when there is nothing better to do: marks, erasing, checkpoints, dropping files.

use cognate_model::StoreError;

use super::FileStore;
use super::checkpoint::encode;
use super::sync::STATE;
use crate::disk::{Disk, DiskError};
use crate::log::header;
use crate::log::record::Control;
use crate::log::{Purpose, failed};

impl<D: Disk> FileStore<D> {
    /// Does a little of what can wait, about `budget` bytes of it. Returns whether there is more;
    /// some of that waits for a sync. To be called now and then while the store is used.
    pub fn maintain(&mut self, budget: usize) -> Result<bool, StoreError> {
        self.check_writable()?;
        let done = self.maintain_now(budget).map_err(failed);
        match done {
            // There will be space again.
            Err(StoreError::Full) => Ok(true),
            other => self.poison_if_failed(other),
        }
    }

    /// With nothing to write, says what is durable where a restart will find it. That is worth a sync
    /// of its own, of up to three files: to be called when the store has been quiet for a while, and
    /// again after each sync until there is nothing to sync.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.check_writable()?;
        match self.note_quiet().map_err(failed) {
            Err(StoreError::Full) => Ok(()),
            other => self.poison_if_failed(other),
        }
    }

    fn maintain_now(&mut self, budget: usize) -> Result<bool, DiskError> {
        self.erase_due()?;
        if let Some(file) = self
            .checkpoints
            .write_due(&self.log.disk, self.marks.durable)?
        {
            self.log.mark_dirty(STATE, file);
            self.log.dir_dirty = true;
        }
        self.raise_floor()?;
        let dropped = self.drop_dead_segments()?;
        let compacting = self.compact(budget)?;
        if self.wants_checkpoint() {
            self.take_checkpoint();
        }
        // Erasing that waits for more than a sync waits for what is stored next.
        let durable = self.marks.durable;
        let erasing = self.erasures.iter().any(|(mark, _)| *mark > durable);
        Ok(dropped || compacting || self.checkpoints.is_busy() || erasing)
    }

    fn note_quiet(&mut self) -> Result<(), DiskError> {
        if self.marks.durable != self.marks.written || !self.log.tail.unwritten().is_empty() {
            return Ok(());
        }
        if !self.erasures.is_empty() && self.log.tail.end() + 32 > self.log.allocated {
            // They wait for a mark, and it would not fit.
            match self
                .log
                .make_room(0, self.counters.last + 1, Purpose::Control)
            {
                Ok(()) | Err(StoreError::Full) => {}
                Err(error) => return Err(DiskError::Other(error.to_string())),
            }
        }
        self.put_mark();
        self.log.write_out()?;
        if self.limit.now.durable_last < self.marks.durable_last || self.limit.lagging {
            self.write_limit(false)?;
        }
        Ok(())
    }

    /// Keeps what is so now for a checkpoint.
    pub(super) fn take_checkpoint(&mut self) {
        let covers = self.log.segments.last().map_or(0, |last| last.number);
        let damage = self.damage.ranges();
        let bytes = encode(&self.log, self.counters.last, damage, &self.deadlines);
        self.checkpoints.take(self.marks.written, covers, bytes);
    }

    /// Writes a checkpoint now, and makes it durable. Waits for the disk; everything is durable.
    pub(super) fn keep_state(&mut self) -> Result<(), DiskError> {
        self.take_checkpoint();
        let durable = self.marks.durable;
        if let Some(file) = self.checkpoints.write_due(&self.log.disk, durable)? {
            self.log.mark_dirty(STATE, file);
            self.log.dir_dirty = true;
        }
        match self.sync() {
            // There will be space again, and until then it is known anyway.
            Ok(()) | Err(StoreError::Full) => Ok(()),
            Err(error) => Err(DiskError::Other(error.to_string())),
        }
    }

    /// When files could be dropped if it were not for the removals in them, or much would have to
    /// be gone through again after a restart.
    fn wants_checkpoint(&self) -> bool {
        if self.checkpoints.is_busy() {
            return false;
        }
        let settled = self.checkpoints.settled();
        let held_up = self.log.segments.iter().rev().skip(1);
        let held_up = held_up.filter(|segment| segment.number >= settled);
        let bytes: u64 = held_up.map(super::compact::waste).sum();
        bytes
            > self
                .checkpoints
                .last_len
                .max(self.log.options.segment_bytes)
    }

    /// Drops segments in which nothing lives, where nobody needs their other records.
    fn drop_dead_segments(&mut self) -> Result<bool, DiskError> {
        // The floor that they are below must be durable before they are gone.
        if self.marks.floor > self.marks.durable {
            return Ok(false);
        }
        let settled = self.checkpoints.settled();
        let floor = self.log.floor;
        let compacting = self.compaction.as_ref().map(|compaction| compaction.number);
        let last = self.log.segments.len().saturating_sub(1);
        let at = self.log.segments.iter().take(last).position(|segment| {
            let unneeded = segment.end <= floor && self.is_prefix_dead(segment.number);
            segment.live == 0
                && compacting != Some(segment.number)
                && (segment.number < settled || unneeded)
        });
        let Some(at) = at else {
            return Ok(false);
        };
        let segment = self.log.segments.remove(at);
        let (number, generation) = (segment.number, segment.generation);
        self.log.blocks.forget(segment.key);
        self.log.dirty.retain(|(key, _)| *key != segment.key);
        drop(segment);
        self.log
            .disk
            .remove(&header::log_name(number, generation))?;
        self.log
            .disk
            .remove(&header::index_name(number, generation))?;
        self.log.dir_dirty = true;
        Ok(true)
    }

    /// Whether nothing lives in the segments up to this one.
    fn is_prefix_dead(&self, number: u64) -> bool {
        let upto = self.log.segments.iter().take_while(|s| s.number <= number);
        upto.into_iter().all(|segment| segment.live == 0)
    }

    /// When everything before some segment is gone, one record says so for all of it.
    fn raise_floor(&mut self) -> Result<(), DiskError> {
        let last = self.log.segments.len().saturating_sub(1);
        let dead = self
            .log
            .segments
            .iter()
            .take(last)
            .take_while(|s| s.live == 0);
        let Some(end) = dead.last().map(|segment| segment.end) else {
            return Ok(());
        };
        if end <= self.log.floor {
            return Ok(());
        }
        match self.make_room_for_control() {
            Ok(()) => {
                self.put_control(Control::Floor { sequence: end });
                self.log.floor = end;
                self.marks.floor = self.marks.written;
                Ok(())
            }
            Err(StoreError::Full) => Err(DiskError::NoSpace),
            Err(error) => Err(DiskError::Other(error.to_string())),
        }
    }

    /// Gives back all memory that only makes reading faster.
    pub fn release_caches(&mut self) {
        self.log.release_caches();
    }

    /// Makes everything durable and leaves the directory so that the next opening has nothing to
    /// look for. Waits for the disk.
    pub fn close(&mut self) -> Result<(), StoreError> {
        self.sync()?;
        let closed = self.close_now().map_err(failed);
        self.poison_if_failed(closed)?;
        self.sync()?;
        let limit = self.write_limit(true).map_err(failed);
        self.poison_if_failed(limit)?;
        self.sync()
    }

    fn close_now(&mut self) -> Result<(), DiskError> {
        self.erase_due()?;
        self.put_mark();
        self.log.write_out()?;
        self.take_checkpoint();
        let durable = self.marks.durable;
        if let Some(file) = self.checkpoints.write_due(&self.log.disk, durable)? {
            self.log.mark_dirty(STATE, file);
            self.log.dir_dirty = true;
        }
        let (floor, stream) = (self.log.floor, self.log.stream);
        if let Some(last) = self.log.segments.last_mut() {
            if let Some(index) = last.index.as_deref_mut() {
                index.sort(stream);
            }
            let place = (&self.log.disk, &self.log.folder);
            crate::log::Log::write_index(place, stream, last, floor, true)?;
            if let Some(index) = last.index.as_deref_mut() {
                index.sorted = Vec::new();
            }
        }
        self.write_limit(true)
    }
}
