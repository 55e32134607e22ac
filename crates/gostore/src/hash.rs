//! The sums of the file store: HighwayHash of 64 bits, keyed by the SHA-256 of a name.
//!
//! ```text
//! stream's meta.inf, index.db   the stream's name
//! a block's records             <stream>-<block number>
//! consumer's meta.inf           <stream>/<consumer>
//! ```

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

/// What sums of one kind are keyed with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SumKey(Key);

impl SumKey {
    /// For a stream's own files.
    pub(crate) fn stream(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.chunks_exact(8)) {
            *word = bytes
                .try_into()
                .map_or(0, |bytes: [u8; 8]| u64::from_le_bytes(bytes));
        }
        SumKey(Key(words))
    }

    /// For the records of a block.
    pub(crate) fn block(stream: &str, number: u32) -> Self {
        Self::stream(&format!("{stream}-{number}"))
    }

    /// For a consumer's files.
    pub(crate) fn consumer(stream: &str, consumer: &str) -> Self {
        Self::stream(&format!("{stream}/{consumer}"))
    }

    /// The sum of all parts one after another.
    pub(crate) fn sum(&self, parts: &[&[u8]]) -> [u8; 8] {
        let mut hasher = HighwayHasher::new(self.0);
        for part in parts {
            hasher.append(part);
        }
        hasher.finalize64().to_le_bytes()
    }

    /// The sum as text, as in `meta.sum`.
    pub(crate) fn text(&self, bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(16);
        for byte in self.sum(&[bytes]) {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
