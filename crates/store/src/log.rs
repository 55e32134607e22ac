//! The log of one stream: segments of records, of which the last is being written.
//!
//! Owns the files of the segments, the buffer of what is not written yet, what is cached of their
//! contents, and which files a sync must cover. Invariants: segments are in the order of their
//! sequences and do not overlap; only the last one grows; its index is in memory; records are
//! written only where space was taken before.
//!
//! Absent: what messages mean together (subjects, counts, deadlines): that is the store's business.

pub(crate) mod bits;
pub(crate) mod blocks;
pub(crate) mod build;
pub(crate) mod dictionary;
pub(crate) mod fold;
pub(crate) mod header;
pub(crate) mod index;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod search;
pub(crate) mod segment;
pub(crate) mod sidecar;
pub(crate) mod sieve;
pub(crate) mod tail;
pub(crate) mod trace;

mod caches;
mod retrace;
mod write;

pub(crate) use self::write::Purpose;

use cognate_model::{Sequence, StoreError, Timestamp};

use self::blocks::Blocks;
use self::fold::{Folder, Unfolded};
use self::index::Entry;
use self::record::Decoded;
use self::segment::Segment;
use self::tail::Tail;
use self::trace::Trace;
use crate::disk::{Disk, DiskError, OpenMode};

/// The most sequences a segment spans; a bound on the bits for them.
pub(crate) const SPAN: u64 = 4 << 20;

/// How a log uses files and memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogOptions {
    pub(crate) segment_bytes: u64,
    pub(crate) segment_index_bytes: usize,
    pub(crate) block_cache_bytes: usize,
    pub(crate) index_cache_bytes: usize,
    pub(crate) buffer_bytes: usize,
    pub(crate) open_files: usize,
    /// Zeros are written to space before it is used.
    pub(crate) prewrite: bool,
}

/// The log.
pub(crate) struct Log<D: Disk> {
    pub(crate) disk: D,
    pub(crate) stream: u64,
    pub(crate) options: LogOptions,
    pub(crate) segments: Vec<Segment<D::File>>,
    pub(crate) tail: Tail,
    /// What the last segment did, once more.
    pub(crate) trace: Trace<D::File>,
    /// Up to where the last segment's space is taken; 0 if it has no file yet.
    pub(crate) allocated: u64,
    pub(crate) blocks: Blocks,
    pub(crate) folder: Folder,
    /// A message as it was given, if it is stored otherwise.
    unfolded: Vec<u8>,
    /// Uses so far; the clock of the caches.
    pub(crate) clock: u64,
    /// Somebody has looked up where a message is since the last segment was begun.
    pub(crate) is_asked_for: bool,
    /// The segment, by number and generation, whose index has messages that its records do not have.
    pub(crate) ghosts: Option<(u64, u32)>,
    pub(crate) next_key: u64,
    /// Files to be synced, by key, in the order in which they were written.
    pub(crate) dirty: Vec<(u64, D::File)>,
    pub(crate) dir_dirty: bool,
    /// The offset of the last segment up to which it says that it is on the disk.
    pub(crate) marked: u64,
    /// Where in the last segment the last record ends that is no such mark.
    pub(crate) unmarked_end: u64,
    /// Everything below is removed.
    pub(crate) floor: Sequence,
    pub(crate) last_time: Timestamp,
}

/// What a failure of the disk means for one who asked for something to be stored.
pub(crate) fn failed(error: DiskError) -> StoreError {
    match error {
        DiskError::NoSpace => StoreError::Full,
        DiskError::Other(reason) => StoreError::Failed(reason),
    }
}

impl<D: Disk> Log<D> {
    pub(crate) fn new(disk: D, stream: u64, options: LogOptions, folder: Folder) -> Self {
        Self {
            disk,
            stream,
            options,
            segments: Vec::new(),
            tail: Tail::default(),
            trace: Trace::default(),
            allocated: 0,
            blocks: Blocks::new(options.block_cache_bytes),
            folder,
            unfolded: Vec::new(),
            clock: 0,
            is_asked_for: false,
            ghosts: None,
            next_key: 1,
            dirty: Vec::new(),
            dir_dirty: false,
            marked: 0,
            unmarked_end: 0,
            floor: 0,
            last_time: Timestamp(0),
        }
    }

    /// Which segment a sequence belongs to.
    #[inline]
    pub(crate) fn position(&self, sequence: Sequence) -> Option<usize> {
        let last = self.segments.len().checked_sub(1)?;
        if self.segments[last].base <= sequence {
            return self.segments[last].contains(sequence).then_some(last);
        }
        let after = self.segments.partition_point(|s| s.base <= sequence);
        let at = after.checked_sub(1)?;
        self.segments[at].contains(sequence).then_some(at)
    }

    /// The first segment that may have a message with this sequence or a higher one.
    pub(crate) fn position_from(&self, sequence: Sequence) -> usize {
        self.segments.partition_point(|s| s.end <= sequence)
    }

    /// Whether a message with this sequence is held.
    #[inline]
    pub(crate) fn holds(&self, sequence: Sequence) -> bool {
        let at = self.position(sequence);
        at.is_some_and(|at| self.segments[at].holds(sequence))
    }

    /// The first held message with this sequence or a higher one.
    pub(crate) fn next_live(&self, from: Sequence) -> Option<Sequence> {
        let segments = self.segments.get(self.position_from(from)..)?;
        segments.iter().find_map(|segment| segment.next_live(from))
    }

    /// The same while messages are not counted yet.
    pub(crate) fn next_not_gone(&self, from: Sequence) -> Option<Sequence> {
        let segments = self.segments.get(self.position_from(from)..)?;
        segments.iter().find_map(|segment| {
            let delta = from.max(segment.base) - segment.base;
            let found = segment.gone.first_absent(delta, segment.end - segment.base);
            found.map(|delta| segment.base + delta)
        })
    }

    /// Whether this segment is the one being written.
    #[inline]
    pub(crate) fn is_last(&self, at: usize) -> bool {
        at + 1 == self.segments.len()
    }

    /// The file of a segment's records.
    pub(crate) fn file(&mut self, at: usize) -> Result<D::File, DiskError> {
        let found = self.find_file(at)?;
        found.ok_or_else(|| {
            let segment = &self.segments[at];
            let name = header::log_name(segment.number, segment.generation);
            DiskError::Other(format!("{name} is missing"))
        })
    }

    /// The same; nothing if it is gone.
    fn find_file(&mut self, at: usize) -> Result<Option<D::File>, DiskError> {
        self.clock += 1;
        let segment = &mut self.segments[at];
        segment.used = self.clock;
        if segment.file.is_none() {
            let name = header::log_name(segment.number, segment.generation);
            segment.file = self.disk.open(&name, OpenMode::Existing)?;
            self.limit_open_files(at);
        }
        Ok(self.segments[at].file.clone())
    }

    /// Bytes of a message's record, without padding; 0 if it is not there.
    pub(crate) fn record_len(&mut self, at: usize, entry: &Entry) -> Result<usize, DiskError> {
        if let Some(len) = entry.record_len() {
            return Ok(len);
        }
        let most = self.segments[at].data_end.saturating_sub(entry.offset());
        let head = self.record(at, entry.offset(), record::SHORTEST)?;
        let claimed = record::claimed_len(head).filter(|len| *len as u64 <= most);
        Ok(claimed.unwrap_or(0))
    }

    /// The record of a message as it is stored.
    #[inline]
    pub(crate) fn stored(&mut self, at: usize, entry: &Entry) -> Result<Decoded<'_>, DiskError> {
        let len = match entry.record_len() {
            Some(len) => len,
            None => self.record_len(at, entry)?,
        };
        let salt = self.segments[at].salt;
        let bytes = self.record(at, entry.offset(), len)?;
        Ok(record::decode(bytes, salt))
    }

    /// A message as it was given.
    #[inline]
    pub(crate) fn message(&mut self, at: usize, entry: &Entry) -> Result<Decoded<'_>, DiskError> {
        if entry.record_len().is_some() {
            return self.stored(at, entry);
        }
        let mut scratch = std::mem::take(&mut self.unfolded);
        let vault = self.folder.vault.clone();
        let unfolded = self
            .stored(at, entry)
            .map(|decoded| Unfolded::new(vault.as_deref(), &decoded, &mut scratch));
        self.unfolded = scratch;
        Ok(match unfolded? {
            Some(unfolded) => unfolded.read(&self.unfolded),
            None => Decoded::Invalid,
        })
    }

    /// The bytes of a record, fewer if they are not there; none if the file is gone.
    #[inline]
    pub(crate) fn record(
        &mut self,
        at: usize,
        offset: u64,
        len: usize,
    ) -> Result<&[u8], DiskError> {
        let is_last = self.is_last(at);
        // Looked up twice, because a borrow that is returned from one branch lasts through all.
        if is_last && self.tail.slice(offset, len).is_some() {
            return Ok(self.tail.slice(offset, len).unwrap_or_default());
        }
        let limit = if is_last {
            self.tail.written_end()
        } else {
            self.segments[at].data_end
        };
        if self.segments[at].file.is_none() {
            self.find_file(at)?;
        }
        let segment = &self.segments[at];
        match &segment.file {
            Some(file) => self.blocks.read((segment.key, file), offset, len, limit),
            None => Ok(&[]),
        }
    }
}
