//! What of sealed segments is in memory, and for how long: indexes, open files.

use std::cmp::Reverse;

use cognate_model::Sequence;

use super::Log;
use super::build::{Start, build};
use super::header::{self, HEADER_LEN, Header};
use super::index::{Entry, SegmentIndex};
use super::segment::Segment;
use super::sidecar::{self, Sidecar};
use crate::disk::{Disk, DiskError, DiskFile};

impl<D: Disk> Log<D> {
    /// The index of a segment. Reads it if it is not in memory, and makes it again if it cannot
    /// be read; others are let go if there are too many.
    pub(crate) fn index(&mut self, at: usize) -> Result<&SegmentIndex, DiskError> {
        self.clock += 1;
        self.is_asked_for = true;
        self.segments[at].used = self.clock;
        if self.segments[at].index.is_none() {
            let index = match self.read_index(at)? {
                Some(index) => index,
                None => self.rebuild_index(at)?,
            };
            self.segments[at].index = Some(Box::new(index));
            self.limit_indexes(at);
        }
        let index = self.segments[at].index.as_deref();
        index.ok_or_else(|| DiskError::Other("a segment has no index".to_owned()))
    }

    /// One entry, without reading the whole index for it, unless one after the other is read.
    #[inline]
    pub(crate) fn entry(
        &mut self,
        at: usize,
        sequence: Sequence,
    ) -> Result<Option<Entry>, DiskError> {
        self.is_asked_for = true;
        let segment = &self.segments[at];
        let Ok(delta) = u32::try_from(sequence - segment.base) else {
            return Ok(None);
        };
        if let Some(index) = &segment.index {
            return Ok(index.find(delta).map(|found| index.entries[found]));
        }
        let reads_on = self.segments[at].reads_on(delta);
        if !reads_on
            && let Some(sidecar) = self.sidecar(at)?
            && let Some(entry) = sidecar.entry(delta as usize)?
            && entry.delta == delta
        {
            return Ok(Some(entry));
        }
        let index = self.index(at)?;
        Ok(index.find(delta).map(|found| index.entries[found]))
    }

    /// An entry of a segment whose index is not in memory, without keeping anything.
    pub(crate) fn peek_entry(
        &self,
        segment: &Segment<D::File>,
        delta: u32,
    ) -> Result<Option<Entry>, DiskError> {
        let key = (segment.number, segment.generation);
        let name = header::index_name(key.0, key.1);
        let Some(sidecar) = Sidecar::open(&self.disk, self.stream, &name, key)? else {
            return Ok(None);
        };
        let guess = sidecar.entry(delta as usize)?;
        if let Some(entry) = guess.filter(|entry| entry.delta == delta) {
            return Ok(Some(entry));
        }
        let index = sidecar.index(&self.folder)?;
        Ok(index.and_then(|index| index.entries.get(index.find(delta)?).copied()))
    }

    pub(super) fn sidecar(&mut self, at: usize) -> Result<Option<&Sidecar<D::File>>, DiskError> {
        if self.segments[at].sidecar.is_none() {
            let key = (self.segments[at].number, self.segments[at].generation);
            let name = header::index_name(key.0, key.1);
            let sidecar = Sidecar::open(&self.disk, self.stream, &name, key)?;
            // An older one than the segment would be from before a crash.
            let sidecar = sidecar.filter(|s| s.summary.entries == self.segments[at].entries);
            self.segments[at].sidecar = sidecar;
            self.limit_open_files(at);
        }
        Ok(self.segments[at].sidecar.as_ref())
    }

    fn read_index(&mut self, at: usize) -> Result<Option<SegmentIndex>, DiskError> {
        self.sidecar(at)?;
        match &self.segments[at].sidecar {
            Some(sidecar) => sidecar.index(&self.folder),
            None => Ok(None),
        }
    }

    /// Makes the index from the records, and its file for the next time.
    fn rebuild_index(&mut self, at: usize) -> Result<SegmentIndex, DiskError> {
        let file = self.file(at)?;
        let segment = &self.segments[at];
        let header = Header {
            stream: self.stream,
            number: segment.number,
            generation: segment.generation,
            base: segment.base,
            floor: 0,
            last_time: segment.min_time,
        };
        let start = Start {
            header,
            salt: segment.salt,
            vault: self.folder.vault.clone(),
            proven: u64::MAX,
            may_cut: false,
            prefix: None,
        };
        let mut built = build(&file, &start)?;
        built.index.sort(self.stream);
        let segment = &mut self.segments[at];
        segment.entries = built.summary.entries;
        segment.sidecar = None;
        segment.looked_up = None;
        let summary = segment.summary(self.floor, false);
        let bytes = sidecar::encode(self.stream, &summary, &built.index, &self.folder);
        let name = header::index_name(segment.number, segment.generation);
        // Without it the next one who needs it makes it again.
        let _ = sidecar::write(&self.disk, &name, &bytes);
        Ok(built.index)
    }

    /// Lets indexes go, the longest unused first, but never that of `keep` or of the last segment.
    pub(crate) fn limit_indexes(&mut self, keep: usize) {
        let last = self.segments.len().saturating_sub(1);
        loop {
            let held = self
                .segments
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != last);
            let held = held.filter_map(|(at, s)| Some((at, s.used, s.index.as_ref()?)));
            let (mut total, mut oldest) = (0, None);
            for (at, used, index) in held {
                total += index.heap_bytes();
                if at != keep {
                    oldest = oldest.max(Some((Reverse(used), at)));
                }
            }
            match oldest {
                Some((_, at)) if total > self.options.index_cache_bytes => {
                    self.segments[at].index = None;
                }
                _ => return,
            }
        }
    }

    /// Closes files, the longest unused first, but never that of `keep` or of the last segment.
    pub(crate) fn limit_open_files(&mut self, keep: usize) {
        let last = self.segments.len().saturating_sub(1);
        let open = self.segments.iter();
        let open = open.map(|s| usize::from(s.file.is_some()) + usize::from(s.sidecar.is_some()));
        if open.sum::<usize>() <= self.options.open_files {
            return;
        }
        let others = self.segments.iter_mut().enumerate();
        let others = others.filter(|(at, s)| {
            *at != keep && *at != last && (s.file.is_some() || s.sidecar.is_some())
        });
        if let Some((_, segment)) = others.min_by_key(|(_, segment)| segment.used) {
            segment.file = None;
            segment.sidecar = None;
        }
    }

    /// Gives back all memory that only makes reading faster.
    pub(crate) fn release_caches(&mut self) {
        let last = self.segments.len().saturating_sub(1);
        for (at, segment) in self.segments.iter_mut().enumerate() {
            if at != last {
                segment.index = None;
                segment.sieve = None;
                segment.sidecar = None;
                segment.file = None;
            }
        }
        self.blocks.clear();
        self.tail.drop_written(0);
    }

    /// The header of a segment's file; `None` if it is damaged.
    pub(crate) fn read_header(file: &D::File) -> Result<Option<Header>, DiskError> {
        let mut bytes = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut bytes, 0)?;
        Ok(bytes.get(..read).and_then(Header::decode))
    }
}
