//! [`Words`]: memory for blocks of 32-bit words, named by their address in words.
//!
//! Blocks come in classes of sizes; a freed block waits in its class's list. Chunks never move
//! once they are whole, so growing costs no copy of what there is: a stream with a million
//! subjects never stops for a reallocation. A first, small chunk grows by doubling, so that an
//! index of a few subjects costs a few hundred bytes.
//!
//! Invariants: addresses are even and not 0, so that callers have a spare bit and a "none"; a block
//! lies within one chunk. Called by the tree alone. Absent: what the words mean.

/// Words in a whole chunk; 256 KiB.
const CHUNK: usize = 1 << 16;
/// The address of nothing.
pub(super) const NONE: u32 = 0;

/// The sizes of blocks, in words. Up to 260 they are those of nodes and of short strings, above
/// that of long strings only.
const SIZES: [u16; 31] = [
    2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 36, 44, 52, 64, 84, 104, 134, 160, 192, 224, 260, 384, 512,
    768, 1024, 1536, 2048, 4096, 8192, 12288, 16386,
];
/// The largest block there is.
pub(super) const MAX_WORDS: usize = SIZES[SIZES.len() - 1] as usize;

pub(super) struct Words {
    chunks: Vec<Vec<u32>>,
    /// The first free block of each class; its first word is the address of the next.
    free: [u32; SIZES.len()],
    /// Words of live blocks, rounded up to their class.
    live: usize,
}

impl Words {
    pub(super) const fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: [NONE; SIZES.len()],
            live: 0,
        }
    }

    /// The words from `at` to the end of its chunk.
    #[inline]
    pub(super) fn at(&self, at: u32) -> &[u32] {
        &self.chunks[at as usize / CHUNK][at as usize % CHUNK..]
    }

    /// As [`Self::at`], to change them.
    #[inline]
    pub(super) fn at_mut(&mut self, at: u32) -> &mut [u32] {
        &mut self.chunks[at as usize / CHUNK][at as usize % CHUNK..]
    }

    /// A block of at least `words`, with unspecified contents.
    pub(super) fn allocate(&mut self, words: usize) -> u32 {
        let class = class_of(words);
        self.live += usize::from(SIZES[class]);
        let head = self.free[class];
        if head != NONE {
            self.free[class] = self.at(head)[0];
            return head;
        }
        self.carve(usize::from(SIZES[class]))
    }

    /// Gives a block back that was allocated with the same `words`.
    pub(super) fn free(&mut self, at: u32, words: usize) {
        let class = class_of(words);
        self.live -= usize::from(SIZES[class]);
        self.at_mut(at)[0] = self.free[class];
        self.free[class] = at;
    }

    /// Words of live blocks.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// Words that are held, live or not.
    pub(super) fn held(&self) -> usize {
        self.chunks.iter().map(Vec::capacity).sum()
    }

    /// Bytes asked of the allocator.
    pub(super) fn heap_bytes(&self) -> usize {
        self.held() * size_of::<u32>() + self.chunks.capacity() * size_of::<Vec<u32>>()
    }

    /// A block from the end of the last chunk. What is left of a chunk that a block does not fit
    /// into is not used.
    fn carve(&mut self, words: usize) -> u32 {
        let fits = self
            .chunks
            .last()
            .is_some_and(|chunk| chunk.len() + words <= CHUNK);
        if !fits {
            let chunk = if self.chunks.is_empty() {
                // The first two words are never a block: address 0 means none.
                vec![0; 2]
            } else {
                Vec::with_capacity(CHUNK)
            };
            self.chunks.push(chunk);
        }
        let chunk_at = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_at];
        let at = chunk_at * CHUNK + chunk.len();
        chunk.resize(chunk.len() + words, 0);
        u32::try_from(at).expect("an index of 16 GiB is beyond any memory limit of a store")
    }
}

/// The smallest class whose blocks hold `words`.
#[inline]
fn class_of(words: usize) -> usize {
    let class = SIZES.partition_point(|size| usize::from(*size) < words);
    assert!(class < SIZES.len(), "blocks have at most {MAX_WORDS} words");
    class
}
