//! A bounded cache of pieces of files, for those who read one message after the other.
//!
//! Who reads forwards gets whole blocks, who jumps about gets exactly what was asked for and leaves
//! no trace. Who reads a little here and there on the way forwards, as a consumer of one subject among
//! many does, also gets exactly that while the system has it in memory: most of a block would be
//! copied for nothing; unless many do so in the same block, which is then read once for all of them.
//! Blocks are found by file (a number the segment got when it was opened) and position.
//! Everything can be dropped at any time.

use crate::disk::{DiskError, DiskFile};

const BLOCK: u64 = 128 << 10;
/// How far behind the end of one read the next may start to count as reading on.
const NEAR: u64 = 256 << 10;
/// From how many bytes on between two reads copying them costs more than a call to the system.
const SPARSE: u64 = 4 << 10;
/// How many readers are told apart.
const READERS: usize = 16;
/// More reads in one block than somebody makes alone who reads a little here and there. Reading all of it
/// costs less than they did.
const POPULAR: u32 = (BLOCK / SPARSE) as u32 + 1;
/// In how many blocks reads are counted at a time.
const COUNTED: usize = 64;

/// How often a block that is not here was read in.
#[derive(Clone, Copy)]
struct Demand {
    file: u64,
    start: u64,
    reads: u32,
}

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
    demands: [Demand; COUNTED],
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
            demands: [Demand {
                file: u64::MAX,
                start: 0,
                reads: 0,
            }; COUNTED],
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
        let passed = match cached {
            None if fits => self.reads_on(file, offset, len),
            _ => None,
        };
        let is_popular = cached.is_none() && fits && self.is_popular(file, start);
        if passed.is_some_and(|passed| passed >= SPARSE)
            && !is_popular
            && self.read_at_once(handle, offset, len)?
        {
            return Ok(&self.scratch);
        }
        let slot = match cached {
            Some(slot) => Some(slot),
            None if is_popular || passed.is_some() => Some(self.fill(file, handle, start, limit)?),
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
        self.scratch.resize(len, 0);
        let read = handle.read_at(&mut self.scratch, offset)?;
        let bytes = self.scratch.get(..read).unwrap_or_default();
        Ok(bytes)
    }

    /// Counts one read in a block that is not here; whether there were many by now, with few elsewhere
    /// in between.
    fn is_popular(&mut self, file: u64, start: u64) -> bool {
        let at = (start / BLOCK).wrapping_add(file.wrapping_mul(31)) % COUNTED as u64;
        let Some(demand) = self.demands.get_mut(at as usize) else {
            return false;
        };
        if (demand.file, demand.start) != (file, start) {
            let reads = 0;
            *demand = Demand { file, start, reads };
        }
        demand.reads += 1;
        let is_popular = demand.reads >= POPULAR;
        if is_popular {
            demand.reads = 0;
        }
        is_popular
    }

    /// Reads exactly what was asked for, if all of it is there without waiting for a disk.
    fn read_at_once<F: DiskFile>(
        &mut self,
        handle: &F,
        offset: u64,
        len: usize,
    ) -> Result<bool, DiskError> {
        self.scratch.resize(len, 0);
        let read = handle.read_at_once(&mut self.scratch, offset)?;
        Ok(read == Some(len))
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

    /// How many bytes were passed over since somebody read shortly before, if anybody did; moves that
    /// reader on.
    fn reads_on(&mut self, file: u64, offset: u64, len: usize) -> Option<u64> {
        let reader = self
            .readers
            .iter_mut()
            .find(|(of, end)| *of == file && *end <= offset && offset - *end < NEAR);
        reader.map(|(_, end)| {
            let passed = offset - *end;
            *end = offset + len as u64;
            passed
        })
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
            // Not cleared first: what is read over need not be zeros.
            block.bytes.resize(len, 0);
            let read = handle.read_at(&mut block.bytes, start)?;
            block.bytes.truncate(read);
            block.file = file;
            block.start = start;
        }
        Ok(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A file that notes how it was read. Each byte is the lowest one of its place.
    #[derive(Clone)]
    struct Noting {
        in_memory: bool,
        reads: Arc<Mutex<Vec<usize>>>,
    }

    impl Noting {
        fn new(in_memory: bool) -> Self {
            let reads = Arc::default();
            Noting { in_memory, reads }
        }

        fn note(&self, buffer: &mut [u8], offset: u64) -> usize {
            for (byte, place) in buffer.iter_mut().zip(offset..) {
                *byte = place as u8;
            }
            let mut reads = self.reads.lock().expect("nobody panicked");
            reads.push(buffer.len());
            buffer.len()
        }
    }

    impl DiskFile for Noting {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DiskError> {
            Ok(self.note(buffer, offset))
        }

        fn read_at_once(&self, buffer: &mut [u8], at: u64) -> Result<Option<usize>, DiskError> {
            Ok(self.in_memory.then(|| self.note(buffer, at)))
        }

        fn write_at(&self, _: &[u8], _: u64) -> Result<(), DiskError> {
            Ok(())
        }

        fn sync_data(&self) -> Result<(), DiskError> {
            Ok(())
        }

        fn size(&self) -> Result<u64, DiskError> {
            Ok(u64::MAX)
        }

        fn set_len(&self, _: u64) -> Result<(), DiskError> {
            Ok(())
        }

        fn allocate(&self, _: u64) -> Result<(), DiskError> {
            Ok(())
        }
    }

    /// Reads 100 bytes 40 times, `apart` bytes between them; returns how long the reads of the file were.
    fn walk(file: &Noting, apart: u64) -> Vec<usize> {
        let mut blocks = Blocks::new(4 << 20);
        for number in 0..40 {
            let offset = 77 + number * apart;
            let bytes = blocks.read((1, file), offset, 100, 1 << 30);
            let wanted: Vec<u8> = (offset..offset + 100).map(|place| place as u8).collect();
            assert_eq!(bytes, Ok(&wanted[..]));
        }
        file.reads.lock().expect("nobody panicked").clone()
    }

    #[test]
    fn who_reads_everything_gets_blocks() {
        let block = BLOCK as usize;
        assert_eq!(walk(&Noting::new(true), 100), [100, block]);
        assert_eq!(walk(&Noting::new(false), 100), [100, block]);
    }

    #[test]
    fn who_reads_little_gets_no_more_than_that_if_it_is_in_memory() {
        assert_eq!(walk(&Noting::new(true), 5000), [100; 40]);
        let (first, rest) = (100, BLOCK as usize);
        assert_eq!(walk(&Noting::new(false), 5000), [first, rest, rest]);
    }

    #[test]
    fn many_who_read_little_in_one_block_share_it() {
        for in_memory in [true, false] {
            let file = Noting::new(in_memory);
            let mut blocks = Blocks::new(4 << 20);
            // Backwards, so that nobody reads on.
            for number in (0..100).rev() {
                let offset = 1000 * number;
                let bytes = blocks.read((1, &file), offset, 100, 1 << 30);
                let wanted: Vec<u8> = (offset..offset + 100).map(|place| place as u8).collect();
                assert_eq!(bytes, Ok(&wanted[..]));
            }
            let reads = file.reads.lock().expect("nobody panicked").clone();
            let mut wanted = vec![100; POPULAR as usize - 1];
            wanted.push(BLOCK as usize);
            assert_eq!(reads, wanted);
        }
    }

    #[test]
    fn who_jumps_about_gets_no_more_than_that() {
        assert_eq!(walk(&Noting::new(false), NEAR + 100), [100; 40]);
    }
}
