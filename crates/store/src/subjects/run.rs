//! [`Run`]: a string of bytes in 8 bytes, in place if it is short.
//!
//! ```text
//! in place:   │ len 0–7 │ seven bytes                      │
//! elsewhere:  │ 255 │ len, 3 bytes │ address of its words  │   four bytes a word, little-endian
//! ```
//!
//! Nodes and leaves of the tree hold the bytes of subjects in runs. A run in words belongs to one
//! holder, who frees it. Called by the tree alone.

use super::words::Words;

/// The longest run that needs no words.
const IN_PLACE: usize = 7;
/// The length byte of a run in words.
const ELSEWHERE: u64 = 0xFF;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run(pub(super) u64);

impl Run {
    /// Stores `bytes`.
    pub(super) fn new(bytes: &[u8], words: &mut Words) -> Self {
        if bytes.len() <= IN_PLACE {
            let mut packed = [0; 8];
            packed[0] = bytes.len() as u8;
            packed[1..=bytes.len()].copy_from_slice(bytes);
            return Run(u64::from_le_bytes(packed));
        }
        let at = words.allocate(bytes.len().div_ceil(4));
        let block = words.at_mut(at);
        for (word, bytes) in block.iter_mut().zip(bytes.chunks(4)) {
            *word = word_of(bytes);
        }
        Run(ELSEWHERE | (bytes.len() as u64) << 8 | u64::from(at) << 32)
    }

    /// Gives back the words of the run, if it has any.
    pub(super) fn free(self, words: &mut Words) {
        if let Some(at) = self.address() {
            words.free(at, self.len().div_ceil(4));
        }
    }

    /// How many bytes.
    #[inline]
    pub(super) fn len(self) -> usize {
        if self.0 & 0xFF == ELSEWHERE {
            (self.0 >> 8 & 0xFF_FFFF) as usize
        } else {
            (self.0 & 0xFF) as usize
        }
    }

    /// What of `bytes` comes after the run, if they begin with it.
    #[inline]
    pub(super) fn strip<'b>(self, words: &Words, bytes: &'b [u8]) -> Option<&'b [u8]> {
        if self.0 == 0 {
            return Some(bytes);
        }
        if self.0 & 0xFF == ELSEWHERE {
            return self.strip_words(words, bytes);
        }
        let len = self.len();
        if let Some(start) = bytes.first_chunk::<8>() {
            let mask = (1 << (8 * len)) - 1;
            let same = u64::from_le_bytes(*start) & mask == self.0 >> 8;
            return same.then(|| &bytes[len..]);
        }
        bytes.strip_prefix(&self.0.to_le_bytes()[1..=len])
    }

    /// How many bytes `bytes` and the run begin with in common.
    pub(super) fn common(self, words: &Words, bytes: &[u8]) -> usize {
        let mut own = Vec::new();
        self.append_to(words, &mut own);
        own.iter().zip(bytes).take_while(|(a, b)| a == b).count()
    }

    /// Appends the bytes of the run to `out`.
    pub(super) fn append_to(self, words: &Words, out: &mut Vec<u8>) {
        let len = self.len();
        let Some(at) = self.address() else {
            out.extend_from_slice(&self.0.to_le_bytes()[1..=len]);
            return;
        };
        let end = out.len() + len;
        let block = &words.at(at)[..len.div_ceil(4)];
        out.extend(block.iter().flat_map(|word| word.to_le_bytes()));
        out.truncate(end);
    }

    fn address(self) -> Option<u32> {
        (self.0 & 0xFF == ELSEWHERE).then_some((self.0 >> 32) as u32)
    }

    fn strip_words<'b>(self, words: &Words, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let len = self.len();
        let (start, rest) = bytes.split_at_checked(len)?;
        let block = &words.at((self.0 >> 32) as u32)[..len.div_ceil(4)];
        let (whole, tail) = start.as_chunks::<4>();
        let same = block
            .iter()
            .zip(whole)
            .all(|(word, bytes)| *word == u32::from_le_bytes(*bytes));
        let tail_same = tail.is_empty() || block.last() == Some(&word_of(tail));
        (same && tail_same).then_some(rest)
    }
}

/// Up to four bytes as a word, zeros behind them.
fn word_of(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word[..bytes.len()].copy_from_slice(bytes);
    u32::from_le_bytes(word)
}
