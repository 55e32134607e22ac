//! A set of small numbers that grows when something is put in: one bit each.
//!
//! A segment keeps in it which of its sequences hold no message (any more). Numbers beyond what was
//! ever put in cost nothing.

/// The set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    #[inline]
    pub(crate) fn contains(&self, at: u64) -> bool {
        let word = self.words.get((at / 64) as usize);
        word.is_some_and(|word| word >> (at % 64) & 1 != 0)
    }

    /// Whether it was not in.
    #[inline]
    pub(crate) fn insert(&mut self, at: u64) -> bool {
        let word = (at / 64) as usize;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        let bit = 1 << (at % 64);
        let fresh = self.words[word] & bit == 0;
        self.words[word] |= bit;
        fresh
    }

    pub(crate) fn insert_range(&mut self, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            if at.is_multiple_of(64) && to - at >= 64 {
                let word = (at / 64) as usize;
                if word >= self.words.len() {
                    self.words.resize(word + 1, 0);
                }
                self.words[word] = u64::MAX;
                at += 64;
            } else {
                self.insert(at);
                at += 1;
            }
        }
    }

    /// The first number from `from` on, below `to`, that is not in.
    #[inline]
    pub(crate) fn first_absent(&self, from: u64, to: u64) -> Option<u64> {
        let mut at = from;
        while at < to {
            let Some(word) = self.words.get((at / 64) as usize) else {
                return Some(at);
            };
            let free = !word >> (at % 64);
            if free != 0 {
                let found = at + u64::from(free.trailing_zeros());
                return (found < to).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    /// The first number from `from` on, below `to`, that is in; `to` if there is none.
    pub(crate) fn first_present(&self, from: u64, to: u64) -> u64 {
        let mut at = from;
        while at < to {
            let Some(word) = self.words.get((at / 64) as usize) else {
                return to;
            };
            let set = word >> (at % 64);
            if set != 0 {
                return (at + u64::from(set.trailing_zeros())).min(to);
            }
            at = (at / 64 + 1) * 64;
        }
        to
    }

    /// How many numbers from `from` on, below `to`, are in.
    pub(crate) fn count(&self, from: u64, to: u64) -> u64 {
        let mut at = from;
        let mut count = 0;
        while at < to {
            let Some(word) = self.words.get((at / 64) as usize) else {
                break;
            };
            let mut word = word >> (at % 64);
            let end = (at / 64 + 1) * 64;
            if end > to {
                word &= (1 << (to - at)) - 1;
            }
            count += u64::from(word.count_ones());
            at = end;
        }
        count
    }

    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }

    pub(crate) fn from_words(words: Vec<u64>) -> Self {
        Self { words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_counts_and_searches_agree_with_single_bits() {
        for (from, to) in [
            (0, 0),
            (3, 5),
            (0, 64),
            (5, 64),
            (60, 200),
            (64, 128),
            (1, 321),
        ] {
            let mut bits = Bits::default();
            bits.insert_range(from, to);
            for at in 0..400 {
                assert_eq!(
                    bits.contains(at),
                    (from..to).contains(&at),
                    "{from}..{to} {at}"
                );
            }
            assert_eq!(bits.count(0, 400), to - from);
            assert_eq!(bits.count(from + 1, 330), (to - from).saturating_sub(1));
            let absent = (0..400).find(|at| !(from..to).contains(at));
            assert_eq!(bits.first_absent(0, 400), absent);
            assert_eq!(bits.first_absent(from, to), None);
            let present = (0..400).find(|at| (from..to).contains(at)).unwrap_or(400);
            assert_eq!(bits.first_present(0, 400), present);
        }
    }
}
