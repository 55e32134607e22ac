//! From memory to file to disk: writing out, syncing, and what is known to be durable.

use cognate_model::{Sequence, StoreError};

use super::limit::{Promise, STEP};
use super::{FileStore, limit::Limit};
use crate::disk::{Disk, DiskError, DiskFile, SyncTicket};
use crate::log::failed;
use crate::log::header::HEADER_LEN;
use crate::log::record::Control;
use crate::pair::Side;

/// Keys of files that are no segments, in the list of those to be synced.
const LIMIT_A: u64 = u64::MAX;
const LIMIT_B: u64 = u64::MAX - 1;
pub(super) const STATE: u64 = u64::MAX - 2;

/// Positions in the order of changes.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    /// Changes made.
    pub(super) written: u64,
    /// Changes that the files have.
    pub(super) flushed: u64,
    /// Changes that the disk has.
    pub(super) durable: u64,
    /// The last sequence that the files have.
    flushed_last: Sequence,
    /// The last sequence that the disk has.
    pub(super) durable_last: Sequence,
    /// The segment and the offset in it up to which the disk has everything.
    pub(super) synced: (u64, u64),
    /// The segment and the offset in it up to which a mark on the disk says so.
    proven: (u64, u64),
    /// What a ticket that is out will make durable.
    in_flight: Option<InFlight>,
    syncs_begun: u64,
    syncs_done: u64,
    /// Why nothing is written any more.
    pub(super) failure: Option<String>,
    /// The change that raised the floor last.
    pub(super) floor: u64,
}

#[derive(Clone, Debug)]
struct InFlight {
    last: Sequence,
    synced: (u64, u64),
    proven: (u64, u64),
}

impl Marks {
    /// After opening: all there is, is durable.
    pub(super) fn settled(last: Sequence, synced: (u64, u64)) -> Self {
        Self {
            synced,
            flushed_last: last,
            durable_last: last,
            ..Self::default()
        }
    }

    /// The number of the first sync that will cover what is written now.
    pub(super) fn next_sync(&self) -> u64 {
        self.syncs_begun + 1
    }

    /// Whether that sync is done.
    pub(super) fn is_synced(&self, sync: u64) -> bool {
        self.syncs_done >= sync
    }

    /// Whether a sync is under way.
    pub(super) fn is_syncing(&self) -> bool {
        self.in_flight.is_some()
    }
}

impl<D: Disk> FileStore<D> {
    /// Hands everything to the files, with one write unless a segment was begun. [`StoreError::Full`]
    /// leaves it in memory, to be tried again; anything else is final.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.check_writable()?;
        if self.marks.flushed == self.marks.written && self.log.tail.unwritten().is_empty() {
            return Ok(());
        }
        let flushed = self.flush_now().map_err(failed);
        self.poison_if_failed(flushed)
    }

    fn flush_now(&mut self) -> Result<(), DiskError> {
        if self.limit.needs(self.counters.last) || self.limit_lags_behind() {
            self.write_limit(false)?;
        } else if self.limit.lagging {
            // The same once more: something newer would have to be written twice in its turn.
            let closed = false;
            self.put_limit(Promise {
                closed,
                ..self.limit.now
            })?;
        }
        self.put_mark();
        self.log.write_out()?;
        self.marks.flushed = self.marks.written;
        self.marks.flushed_last = self.counters.last;
        Ok(())
    }

    /// Says in the segment itself up to where it is on the disk.
    pub(super) fn put_mark(&mut self) {
        let (number, offset) = self.marks.synced;
        let Some(last) = self.log.segments.last() else {
            return;
        };
        // That a mark itself is on the disk is no news, or there would be no end of it.
        let is_news = last.number == number
            && offset > self.log.marked.max(HEADER_LEN)
            && self.log.marked < self.log.unmarked_end;
        // It uses what is left free behind the last record; without that it is left out.
        if is_news && self.log.tail.end() + 32 <= self.log.allocated {
            self.log.put_control(Control::Synced { offset });
            self.log.marked = offset;
            if let Some(last) = self.log.segments.last_mut() {
                last.synced_to = offset;
            }
        }
    }

    fn limit_lags_behind(&self) -> bool {
        self.marks.synced.0 > self.limit.now.newest || self.limit.now.boot != self.boot
    }

    /// Writes the promise if it is not what it should be.
    pub(super) fn write_limit(&mut self, closed: bool) -> Result<(), DiskError> {
        let last = self.counters.last;
        let limit: &Limit = &self.limit;
        let reserved = if limit.needs(last) {
            last + 1 + STEP
        } else {
            limit.now.reserved
        };
        let promise = Promise {
            reserved,
            newest: self.marks.synced.0.max(limit.now.newest),
            durable_last: self.marks.durable_last.max(limit.now.durable_last),
            closed,
            boot: self.boot,
        };
        if promise == limit.now && !limit.lagging {
            return Ok(());
        }
        self.put_limit(promise)
    }

    fn put_limit(&mut self, promise: Promise) -> Result<(), DiskError> {
        let (side, file, new_name) = self.limit.write(&self.log.disk, promise)?;
        let key = match side {
            Side::A => LIMIT_A,
            Side::B => LIMIT_B,
        };
        self.log.mark_dirty(key, file);
        self.log.dir_dirty |= new_name;
        Ok(())
    }

    /// What has to be done to make durable what was flushed; `None` if there is nothing to do, or
    /// a sync is under way. Run the ticket, here or elsewhere, and hand it back.
    pub fn begin_sync(&mut self) -> Option<SyncTicket<D>> {
        if self.marks.is_syncing() || self.marks.failure.is_some() {
            return None;
        }
        if self.log.dirty.is_empty() && !self.log.dir_dirty {
            return None;
        }
        let number = self.log.segments.last().map_or(0, |last| last.number);
        self.marks.in_flight = Some(InFlight {
            last: self.marks.flushed_last,
            synced: (number, self.log.tail.written_end()),
            proven: match self.log.tail.unwritten() {
                [] if self.log.marked > 0 => (number, self.log.marked),
                // A mark may be in what is not written.
                _ => self.marks.proven,
            },
        });
        self.marks.syncs_begun += 1;
        self.checkpoints.sync_begins();
        let files = std::mem::take(&mut self.log.dirty);
        let dir_dirty = std::mem::take(&mut self.log.dir_dirty);
        Some(SyncTicket {
            files: files.into_iter().map(|(_, file)| file).collect(),
            dir: dir_dirty.then(|| self.log.disk.clone()),
            mark: self.marks.flushed,
        })
    }

    /// Takes the outcome of a ticket. After a failure nobody knows what the disk has, and the
    /// system may have forgotten what it could not write: nothing more is written.
    pub fn finish_sync(
        &mut self,
        ticket: SyncTicket<D>,
        result: Result<(), DiskError>,
    ) -> Result<(), StoreError> {
        let in_flight = self.marks.in_flight.take();
        match result {
            Ok(()) => {
                self.marks.durable = self.marks.durable.max(ticket.mark);
                if let Some(done) = in_flight {
                    self.marks.durable_last = done.last;
                    self.marks.synced = done.synced;
                    self.marks.proven = self.marks.proven.max(done.proven);
                }
                self.marks.syncs_done = self.marks.syncs_begun;
                self.checkpoints.sync_ends();
                Ok(())
            }
            Err(error) => {
                let reason = format!("a sync failed: {error}");
                self.marks.failure = Some(reason.clone());
                Err(StoreError::Failed(reason))
            }
        }
    }

    /// Flushes and syncs, waiting for the disk.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        while let Some(ticket) = self.begin_sync() {
            let result = ticket.run();
            self.finish_sync(ticket, result)?;
        }
        Ok(())
    }

    /// Overwrites the bytes of messages whose removal is durable.
    pub(super) fn erase_due(&mut self) -> Result<(), DiskError> {
        let due = self
            .erasures
            .partition_point(|(mark, _)| *mark <= self.marks.durable);
        // Those that have to wait come before the others again.
        let mut waiting: Vec<_> = self.erasures.drain(..due).collect();
        let mut result = Ok(());
        waiting.retain(|(_, sequence)| {
            result.is_err() || {
                let overwritten = self.overwrite(*sequence);
                let is_done = matches!(overwritten, Ok(true));
                result = overwritten.map(|_| ());
                !is_done
            }
        });
        self.erasures.splice(0..0, waiting);
        result
    }

    /// Whether it is done; it may have to wait.
    fn overwrite(&mut self, sequence: Sequence) -> Result<bool, DiskError> {
        let Some(at) = self.log.position(sequence) else {
            return Ok(true);
        };
        let Some(entry) = self.log.entry(at, sequence)? else {
            return Ok(true);
        };
        let len = self.log.record_len(at, &entry)?;
        let end = (self.log.segments[at].number, entry.offset() + len as u64);
        let rewriting = self.compaction.as_ref().map(|compaction| compaction.number);
        if end > self.marks.proven || rewriting == Some(end.0) {
            return Ok(false);
        }
        // Without a time its record is not there any more, or damaged.
        let Some(time) = self.time_of(sequence)? else {
            return Ok(true);
        };
        let file = self.log.file(at)?;
        let segment = &self.log.segments[at];
        let (key, salt, offset) = (segment.key, segment.salt, entry.offset());
        let bytes = crate::log::record::erased(salt, sequence, time, len);
        file.write_at(&bytes, offset)?;
        self.log.blocks.forget(key);
        if self.log.is_last(at) {
            self.log.tail.overwrite(offset, &bytes);
        }
        self.log.mark_dirty(key, file);
        Ok(true)
    }
}

/// So that a store can tell whether its files are worth a sync.
impl<D: Disk> FileStore<D> {
    /// Whether [`begin_sync`](Self::begin_sync) would give a ticket.
    #[must_use]
    pub fn needs_sync(&self) -> bool {
        let dirty = !self.log.dirty.is_empty() || self.log.dir_dirty;
        dirty && !self.marks.is_syncing() && self.marks.failure.is_none()
    }
}
