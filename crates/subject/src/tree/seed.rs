//! Seeded hashing of subjects and of trie edges.
//!
//! Subjects are chosen by clients. Every constant foldhash mixes with its input comes from the
//! tree's seed: with the crate's public constants, input could be made that cancels one of them
//! and collides whatever the rest of the seed is.

use std::hash::Hasher;

use foldhash::{SharedSeed, fast::FoldHasher};

pub(super) struct Seed {
    shared: SharedSeed,
    start: u64,
}

impl Seed {
    pub(super) fn new(seed: u64) -> Self {
        // Two unlike streams from one number; an odd multiplier keeps all its bits.
        let start = seed.rotate_left(32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self {
            shared: SharedSeed::from_u64(seed),
            start,
        }
    }

    /// Hash of a whole subject.
    #[inline]
    pub(super) fn subject(&self, subject: &[u8]) -> u64 {
        self.hash(self.start, subject)
    }

    /// Hash of the edge that leaves node `parent` with `token`.
    #[inline]
    pub(super) fn edge(&self, parent: u32, token: &[u8]) -> u64 {
        let start = self.start ^ u64::from(parent).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        self.hash(start, token)
    }

    #[inline]
    fn hash(&self, start: u64, bytes: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(start, &self.shared);
        hasher.write(bytes);
        hasher.finish()
    }
}
