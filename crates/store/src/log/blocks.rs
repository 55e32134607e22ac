//! A bounded cache of pieces of files, for those who read one message after the other.
//!
//! Who reads forwards gets whole blocks, who jumps about gets exactly what was asked for and leaves
//! no trace. Blocks are found by file (a number the segment got when it was opened) and position.
//! Everything can be dropped at any time.

use crate::disk::{DiskError, DiskFile};

const BLOCK: u64 = 128 << 10;
/// How far behind the end of one read the next may start to count as reading on.
const NEAR: u64 = 256 << 10;
/// How many readers are told apart.
const READERS: usize = 16;

struct Block {
    file: u64,
    start: u64,
    bytes: Vec<u8>,
    used: u64,
}

/// The cache.
pub(crate) struct Blocks {
    blocks: Vec<Block>,
    capacity: usize,
    clock: u64,
    last: usize,
    readers: [(u64, u64); READERS],
    next_reader: usize,
    scratch: Vec<u8>,
}

impl Blocks {
    /// A cache of at most about `bytes` bytes; at least one block.
    pub(crate) fn new(bytes: usize) -> Self {
        Self {
            blocks: Vec::new(),
            capacity: (bytes / BLOCK as usize).max(1),
            clock: 0,
            last: 0,
            readers: [(u64::MAX, 0); READERS],
            next_reader: 0,
            scratch: Vec::new(),
        }
    }

    /// Gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.blocks = Vec::new();
        self.scratch = Vec::new();
    }

    /// Forgets what it has of a file, because that was changed or is gone.
    pub(crate) fn forget(&mut self, file: u64) {
        self.blocks.retain(|block| block.file != file);
    }

    /// `len` bytes at `offset`, fewer if the file ends there. `limit` is up to where the file is
    /// written and will not change.
    pub(crate) fn read<F: DiskFile>(
        &mut self,
        (file, handle): (u64, &F),
        offset: u64,
        len: usize,
        limit: u64,
    ) -> Result<&[u8], DiskError> {
        let start = offset / BLOCK * BLOCK;
        let within = (offset - start) as usize;
        let fits = within + len <= BLOCK as usize;
        let cached = if fits {
            self.find(file, start, within + len)
        } else {
            None
        };
        let slot = match cached {
            Some(slot) => Some(slot),
            None if fits && self.reads_on(file, offset, len) => {
                Some(self.fill(file, handle, start, limit)?)
            }
            None => None,
        };
        if let Some(slot) = slot {
            self.clock += 1;
            self.last = slot;
            if let Some(block) = self.blocks.get_mut(slot) {
                block.used = self.clock;
            }
            let bytes = self
                .blocks
                .get(slot)
                .map(|block| &block.bytes[..])
                .unwrap_or_default();
            let end = (within + len).min(bytes.len());
            return Ok(bytes.get(within..end).unwrap_or_default());
        }
        self.note_reader(file, offset, len);
        self.scratch.clear();
        self.scratch.resize(len, 0);
        let read = handle.read_at(&mut self.scratch, offset)?;
        let bytes = self.scratch.get(..read).unwrap_or_default();
        Ok(bytes)
    }

    #[inline]
    fn find(&self, file: u64, start: u64, need: usize) -> Option<usize> {
        let is_it =
            |block: &Block| block.file == file && block.start == start && block.bytes.len() >= need;
        if self.blocks.get(self.last).is_some_and(is_it) {
            return Some(self.last);
        }
        self.blocks.iter().position(is_it)
    }

    /// Whether somebody has just read shortly before; moves that reader on.
    fn reads_on(&mut self, file: u64, offset: u64, len: usize) -> bool {
        let reader = self
            .readers
            .iter_mut()
            .find(|(of, end)| *of == file && *end <= offset && offset - *end < NEAR);
        match reader {
            Some((_, end)) => {
                *end = offset + len as u64;
                true
            }
            None => false,
        }
    }

    fn note_reader(&mut self, file: u64, offset: u64, len: usize) {
        let known = self
            .readers
            .iter_mut()
            .find(|(of, end)| *of == file && *end <= offset && offset - *end < NEAR);
        match known {
            Some((_, end)) => *end = offset + len as u64,
            None => {
                self.readers[self.next_reader % READERS] = (file, offset + len as u64);
                self.next_reader = (self.next_reader + 1) % READERS;
            }
        }
    }

    fn fill<F: DiskFile>(
        &mut self,
        file: u64,
        handle: &F,
        start: u64,
        limit: u64,
    ) -> Result<usize, DiskError> {
        // One that was read when the file was shorter is replaced.
        let same = self
            .blocks
            .iter()
            .position(|b| b.file == file && b.start == start);
        let slot = match same {
            Some(slot) => slot,
            None if self.blocks.len() < self.capacity => {
                self.blocks.push(Block {
                    file,
                    start,
                    bytes: Vec::new(),
                    used: 0,
                });
                self.blocks.len() - 1
            }
            None => {
                let oldest = self
                    .blocks
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, block)| block.used);
                oldest.map_or(0, |(slot, _)| slot)
            }
        };
        let len = limit.saturating_sub(start).min(BLOCK) as usize;
        if let Some(block) = self.blocks.get_mut(slot) {
            block.file = u64::MAX;
            block.bytes.clear();
            block.bytes.resize(len, 0);
            let read = handle.read_at(&mut block.bytes, start)?;
            block.bytes.truncate(read);
            block.file = file;
            block.start = start;
        }
        Ok(slot)
    }
}
