//! The store in files: [`FileStore`].
//!
//! Owns what a stream's messages mean together: the index of subjects, the counts, the deadlines,
//! what is damaged; and drives the log below it. Writes go to memory; [`flush`](FileStore::flush)
//! hands them to the file, and a [`SyncTicket`] makes them durable, on whatever thread runs it.
//!
//! ```text
//! append, remove … ─▶ buffer ─ flush ─▶ file ─ begin_sync ─▶ ticket.run() ─ finish_sync ─▶ durable
//! ```
//!
//! Invariants: what is durable is found again by [`open`](FileStore::open), in this order and under
//! these sequences; a sequence that may have been seen is not given again; damage takes only the
//! messages under it, and they are named; after a write or sync that failed, nothing more is
//! written.
//!
//! Called by the one owner of the stream. Absent: threads, clocks, limits, duplicates.

mod checkpoint;
mod compact;
mod damage;
mod deadlines;
mod freeze;
mod limit;
mod maintain;
mod missing;
mod open;
mod read;
mod recount;
mod remove;
mod seam;
mod sync;
mod walk;

use std::cell::Cell;

use cognate_model::{
    MessageStore, NewMessage, Removed, Sequence, StoreError, StoreState, Timestamp,
};

use self::checkpoint::Checkpoints;
use self::damage::Damage;
use self::deadlines::Deadlines;
use self::limit::Limit;
use self::sync::Marks;
use crate::disk::Disk;
use crate::log::fold;
use crate::log::index::Entry;
use crate::log::record::{self, Control, Head};
use crate::log::{Log, LogOptions, Purpose};
use crate::subjects::SubjectIndex;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod promises;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tests;

pub use self::freeze::Frozen;
pub use self::open::OpenReport;
pub use self::walk::FileCursor;

/// How a store uses its directory and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStoreOptions {
    /// A random number that was drawn when the stream was created, and is kept in its
    /// configuration: files of another stream of the same name are not taken for this one's, and
    /// nobody can make up payloads that look like records.
    pub stream: u64,
    /// A random number that nobody who chooses subjects knows.
    pub seed: u64,
    /// Bytes of a segment, about.
    pub segment_bytes: u64,
    /// From how many bytes of its index on a segment is full, however short it is. The index is made and
    /// written at once when the next segment begins, and whoever publishes then waits for that: a few
    /// milliseconds for the usual figure.
    pub segment_index_bytes: usize,
    /// Bytes of file contents to keep in memory at most, about.
    pub block_cache_bytes: usize,
    /// Bytes of segments' indexes to keep in memory at most, beside the one being written.
    pub index_cache_bytes: usize,
    /// Bytes that wait in memory at most; with more, an append writes them itself.
    pub buffer_bytes: usize,
    /// Files of sealed segments to keep open at most, about.
    pub open_files: usize,
    /// Which run of this machine it is, since power came back; 0 if that is not known. What was
    /// written during the same run cannot have been cut short by a loss of power.
    pub boot: u64,
    /// Whether zeros are written to space before it is used: worth it where every write is synced.
    pub prewrite: bool,
    /// Whether messages are compressed as they are stored; those that are there stay as they are.
    pub compress: bool,
}

impl FileStoreOptions {
    /// The usual figures.
    #[must_use]
    pub fn new(stream: u64, seed: u64) -> Self {
        Self {
            stream,
            seed,
            segment_bytes: 16 << 20,
            segment_index_bytes: 2 << 20,
            block_cache_bytes: 4 << 20,
            index_cache_bytes: 8 << 20,
            buffer_bytes: 8 << 20,
            open_files: 32,
            boot: 0,
            prewrite: true,
            compress: false,
        }
    }

    fn log(&self) -> LogOptions {
        LogOptions {
            // Places in a segment are 32-bit numbers of 8 bytes.
            segment_bytes: self.segment_bytes.clamp(64 << 10, 1 << 30),
            segment_index_bytes: self.segment_index_bytes,
            block_cache_bytes: self.block_cache_bytes,
            index_cache_bytes: self.index_cache_bytes,
            buffer_bytes: self.buffer_bytes,
            open_files: self.open_files.max(4),
            prewrite: self.prewrite,
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Counters {
    messages: u64,
    bytes: u64,
    /// The first message, or one after the last sequence.
    first: Sequence,
    /// The last sequence that was given.
    last: Sequence,
}

/// Messages in files.
pub struct FileStore<D: Disk> {
    log: Log<D>,
    seed: u64,
    subjects: SubjectIndex,
    counters: Counters,
    /// When the first message was stored, once somebody asked.
    first_time: Cell<Option<Timestamp>>,
    deadlines: Deadlines,
    damage: Damage,
    /// What is held and damaged: it is in the counters, and not in what is reported.
    unreadable: Removed,
    marks: Marks,
    limit: Limit,
    boot: u64,
    checkpoints: Checkpoints,
    /// Bytes to overwrite once the removal is durable: the mark, and the message.
    erasures: Vec<(u64, Sequence)>,
    compaction: Option<compact::Compaction<D::File>>,
    scratch: Vec<u8>,
}

impl<D: Disk> FileStore<D> {
    /// Why nothing is written any more, if that is so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.marks.failure.as_deref()
    }

    /// Whether messages are compressed from now on.
    pub fn set_compress(&mut self, compress: bool) {
        self.log.folder.packs = compress;
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        match &self.marks.failure {
            None => Ok(()),
            Some(reason) => Err(StoreError::Failed(reason.clone())),
        }
    }

    /// A failure that is more than a lack of space is the last.
    fn poison_if_failed<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Failed(reason)) = &result {
            self.marks.failure.get_or_insert_with(|| reason.clone());
        }
        result
    }

    /// Room for a record, or nothing has changed.
    #[inline]
    fn make_room(&mut self, len: usize, purpose: Purpose) -> Result<(), StoreError> {
        self.check_writable()?;
        if self.log.tail.unwritten().len() > self.log.options.buffer_bytes {
            let written = self.log.write_out().map_err(crate::log::failed);
            self.poison_if_failed(written)?;
        }
        let next = self.counters.last + 1;
        let room = self.log.make_room(len, next, purpose);
        self.poison_if_failed(room)
    }

    /// Room for a record that makes something smaller. It may need a little space itself. Whoever
    /// looks something up for it does so afterwards: the record may begin a segment, and indexes that
    /// were in memory are let go then.
    fn make_room_for_control(&mut self) -> Result<(), StoreError> {
        self.make_room(32, Purpose::Control)
    }

    /// Puts the record that room was made for.
    fn put_control(&mut self, control: Control) {
        self.log.put_control(control);
        self.log.unmarked_end = self.log.tail.end();
        self.marks.written += 1;
    }

    fn append_message(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError> {
        let len = record::checked_len(message)?;
        let is_plain = self.log.folder.is_plain();
        let extra = if is_plain { 0 } else { fold::EXTRA };
        self.make_room(len + extra, Purpose::Message)?;
        let sequence = self.counters.last + 1;
        let offset = self.log.tail.end();
        let Some(segment) = self.log.segments.last_mut() else {
            return Err(StoreError::Failed("the log has no segment".to_owned()));
        };
        let (out, salt) = (self.log.tail.buffer(), segment.salt);
        let is_folded = if is_plain {
            record::put_message(out, salt, sequence, message);
            false
        } else {
            self.log.folder.put(out, salt, sequence, message)
        };
        segment.data_end = self.log.tail.end();
        self.log.unmarked_end = segment.data_end;
        let head = Head {
            sequence,
            timestamp: message.timestamp,
            subject: message.subject,
            headers_len: message.headers.len(),
            payload_len: message.payload.len(),
            deadline: message.deadline,
            has_id: message.has_id,
            is_folded,
        };
        let known = self.subjects.entry_or_insert(message.subject);
        let base = segment.base;
        if let Some(index) = segment.index.as_deref_mut() {
            let in_here = known.messages() > 0 && known.last >= base;
            let found = in_here
                .then(|| index.find((known.last - base) as u32))
                .flatten();
            index.push((sequence - base) as u32, offset, &head, found);
        }
        self.log.trace.message(match known.messages() {
            0 => 0,
            _ => sequence - known.last,
        });
        known.push(sequence);
        let bytes = self.stored_bytes(head.subject.len(), head.headers_len, head.payload_len);
        self.count_append(sequence, bytes, message.timestamp);
        if let Some(deadline) = message.deadline {
            self.deadlines.set(sequence, Some(deadline));
        }
        Ok(sequence)
    }

    fn count_append(&mut self, sequence: Sequence, bytes: u64, time: Timestamp) {
        if let Some(segment) = self.log.segments.last_mut() {
            segment.end = sequence + 1;
            segment.entries += 1;
            segment.live += 1;
            segment.bytes += bytes;
            segment.note_time(time);
        }
        self.log.last_time = time;
        if self.counters.messages == 0 {
            self.counters.first = sequence;
            self.first_time.set(Some(time));
        }
        self.counters.messages += 1;
        self.counters.bytes += bytes;
        self.counters.last = sequence;
        self.marks.written += 1;
    }

    fn skip(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError> {
        if next <= self.counters.last + 1 {
            return Ok(());
        }
        self.make_room_for_control()?;
        self.put_control(Control::Skip { next, time: now });
        let mut far = None;
        if let Some(segment) = self.log.segments.last_mut() {
            segment.next = next;
        }
        if let Some(segment) = self.log.segments.last_mut() {
            if next - segment.base <= crate::log::SPAN {
                let (from, to) = (segment.end - segment.base, next - segment.base);
                segment.gone.insert_range(from, to);
                segment.end = next;
            } else {
                far = Some(next);
            }
        }
        self.counters.last = next - 1;
        self.log.last_time = now;
        if self.counters.messages == 0 {
            self.counters.first = next;
            self.first_time.set(None);
        }
        if let Some(next) = far {
            let started = self.log.start_segment(next, 0);
            // The leap is in the log; the next append starts the segment if this could not.
            return match started {
                Err(StoreError::Full) => Ok(()),
                other => self.poison_if_failed(other),
            };
        }
        Ok(())
    }

    fn state_now(&self) -> StoreState {
        let last = self.counters.last;
        let unreadable = self.unreadable;
        let first = self.first_readable();
        let messages = self.counters.messages.saturating_sub(unreadable.messages);
        StoreState {
            messages,
            bytes: self.counters.bytes.saturating_sub(unreadable.bytes),
            first,
            first_time: self.first_time(),
            last,
            last_time: self.log.last_time,
            subjects: self.subjects.len() as u64,
            deleted: (last + 1).saturating_sub(first).saturating_sub(messages),
        }
    }

    /// The entry of a held message, and which segment it is in.
    #[inline]
    fn find(&mut self, sequence: Sequence) -> Result<Option<(usize, Entry)>, StoreError> {
        let Some(at) = self.log.position(sequence) else {
            return Ok(None);
        };
        if !self.log.segments[at].holds(sequence) {
            return Ok(None);
        }
        let entry = self.log.entry(at, sequence).map_err(crate::log::failed)?;
        match entry {
            Some(entry) => Ok(Some((at, entry))),
            None => Err(self.note_damage(sequence)),
        }
    }
}
