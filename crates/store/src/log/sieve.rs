//! Which subjects a sealed segment certainly has no message of.
//!
//! A set of bits (a Bloom filter): each subject sets [`PROBES`] of them, so a subject of which one is
//! not set is not in the segment. About one in a thousand others is not recognised, and then the index is
//! asked. It lets a search for the next message of a subject pass over many segments without reading
//! their indexes.
//!
//! Invariant: every subject of the index that it was made from passes; those of an index that has fewer,
//! as after compaction, pass still.

/// Bits per subject.
const BITS: usize = 16;

/// Bits that a subject sets.
const PROBES: u64 = 6;

/// The bits.
#[derive(Clone, Debug)]
pub(crate) struct Sieve(Box<[u64]>);

impl Sieve {
    /// Of subjects by their hashes.
    pub(crate) fn new(hashes: impl ExactSizeIterator<Item = u64>) -> Self {
        let words = (hashes.len() * BITS).div_ceil(64).max(1);
        let mut sieve = Sieve(vec![0; words].into());
        for hash in hashes {
            for bit in probes(hash, words) {
                if let Some(word) = sieve.0.get_mut(bit / 64) {
                    *word |= 1 << (bit % 64);
                }
            }
        }
        sieve
    }

    /// Whether there may be a subject with this hash.
    pub(crate) fn may_have(&self, hash: u64) -> bool {
        let is_set = |bit: usize| {
            let word = self.0.get(bit / 64);
            word.is_some_and(|word| word & 1 << (bit % 64) != 0)
        };
        probes(hash, self.0.len()).all(is_set)
    }

    /// Bytes of memory it takes.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

/// The bits of a hash among those of `words` words: its halves as a start and a stride.
fn probes(hash: u64, words: usize) -> impl Iterator<Item = usize> {
    let bits = (words * 64) as u64;
    let (start, stride) = (hash >> 32, hash << 1 & 0xFFFF_FFFF | 1);
    (0..PROBES).map(move |probe| {
        let spread = start.wrapping_add(probe.wrapping_mul(stride)) & 0xFFFF_FFFF;
        ((spread * bits) >> 32) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        let product = u128::from(n + 1) * 0x9E37_79B9_7F4A_7C15;
        let mixed = (product >> 64) as u64 ^ (product as u64).rotate_left(29);
        mixed.wrapping_mul(0xF39C_C060_5CED_C835)
    }

    #[test]
    fn what_is_in_it_passes_and_little_else() {
        for count in [0, 1, 2, 100, 50_000] {
            let sieve = Sieve::new((0..count).map(hash).collect::<Vec<_>>().into_iter());
            assert!((0..count).all(|n| sieve.may_have(hash(n))));
            let others = 1_000_000..1_100_000;
            let passed = others.filter(|n| sieve.may_have(hash(*n))).count();
            assert!(passed < 400, "{passed} of 100000 with {count}");
            assert!(sieve.heap_bytes() <= 8 + 2 * count as usize);
        }
    }
}
