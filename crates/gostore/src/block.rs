//! A block: records one after another, read over damage.
//!
//! What is no record is passed until one begins again. That is looked for at every byte, because
//! records begin at any. A payload may hold what looks like records, sums included, since whoever
//! knows the stream's name can make them; but behind the last of those stands the sum of the real
//! record. So a beginning is believed from which records follow one another to the block's end, and
//! only in a block that is damaged in several places the first one there is. The work is bounded by
//! [`SEARCH_BYTES`], after which the rest of the block counts as damaged.

use crate::hash::SumKey;
use crate::record::{self, Record};

/// Bytes that are summed in search of a record, per block.
const SEARCH_BYTES: usize = 256 * 1024 * 1024;

/// What stands in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A record.
    Record(Record<'a>),
    /// Bytes that are none.
    Damage {
        /// Where they begin.
        offset: usize,
        /// How many.
        len: usize,
    },
}

/// Goes through a block.
#[derive(Clone, Debug)]
pub(crate) struct Block<'a> {
    bytes: &'a [u8],
    key: SumKey,
    at: usize,
    budget: usize,
}

impl<'a> Block<'a> {
    /// Over the plain contents of a block.
    pub(crate) fn new(bytes: &'a [u8], key: SumKey) -> Self {
        Self {
            bytes,
            key,
            at: 0,
            budget: SEARCH_BYTES,
        }
    }

    /// Where the next record begins, after what is none at `at`.
    fn search(&mut self) -> usize {
        let mut at = self.at;
        // A record that is only damaged inside says how long it is.
        if let Some(len) = self.bytes.get(at..).and_then(record::claimed_len)
            && self.is_record(at + len)
        {
            return at + len;
        }
        let mut first = None;
        while at + record::SHORTEST <= self.bytes.len() && self.budget > 0 {
            at += 1;
            if !self.is_record(at) {
                continue;
            }
            if self.reaches_end(at) {
                return at;
            }
            first = first.or(Some(at));
        }
        first.unwrap_or(self.bytes.len())
    }

    /// Whether nothing but records stands from `at` to the end.
    fn reaches_end(&mut self, mut at: usize) -> bool {
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let Some((_, len)) = record::decode(rest, &self.key) else {
                return false;
            };
            self.budget = self.budget.saturating_sub(len);
            at += len;
        }
        true
    }

    fn is_record(&mut self, at: usize) -> bool {
        let Some(rest) = self.bytes.get(at..) else {
            return false;
        };
        if rest.is_empty() {
            return at == self.bytes.len();
        }
        let Some(len) = record::claimed_len(rest) else {
            return false;
        };
        self.budget = self.budget.saturating_sub(len);
        record::decode(rest, &self.key).is_some()
    }
}

impl<'a> Iterator for Block<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        if let Some((record, len)) = record::decode(rest, &self.key) {
            self.at += len;
            return Some(Found::Record(record));
        }
        let offset = self.at;
        self.at = self.search();
        Some(Found::Damage {
            offset,
            len: self.at - offset,
        })
    }
}

/// Reads `bytes` as the plain contents of a block; for fuzzing.
#[doc(hidden)]
pub fn probe(bytes: &[u8]) -> usize {
    Block::new(bytes, SumKey::block("S", 1)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Kind, encode};

    fn example() -> (Vec<u8>, Vec<usize>) {
        let key = SumKey::block("S", 1);
        let (mut out, mut starts) = (Vec::new(), Vec::new());
        for sequence in 1..=5 {
            starts.push(out.len());
            let record = Record {
                kind: Kind::Message,
                sequence,
                timestamp: 5,
                subject: b"s",
                headers: b"",
                payload: &[b'x'; 40],
            };
            encode(&record, &key, &mut out);
        }
        (out, starts)
    }

    /// What is found: sequences, or 0 for damage.
    fn found(bytes: &[u8]) -> Vec<u64> {
        let block = Block::new(bytes, SumKey::block("S", 1));
        let found = block.map(|found| match found {
            Found::Record(record) => record.sequence,
            Found::Damage { .. } => 0,
        });
        found.collect()
    }

    #[test]
    fn a_bad_record_costs_itself() {
        let (block, starts) = example();
        assert_eq!(found(&block), [1, 2, 3, 4, 5]);
        for bad in 0..5 {
            for offset in [0, 1, 3, 5, 13, 20, 30, 65] {
                let mut block = block.clone();
                block[starts[bad] + offset] ^= 0x55;
                let mut expected = vec![1, 2, 3, 4, 5];
                expected[bad] = 0;
                assert_eq!(found(&block), expected, "record {bad} at {offset}");
            }
        }
    }

    #[test]
    fn a_forged_record_in_a_payload_is_not_found() {
        let (forged, _) = example();
        let key = SumKey::block("S", 1);
        let mut block = Vec::new();
        for (sequence, payload) in [(11, &forged[..]), (12, b"next")] {
            let record = Record {
                kind: Kind::Message,
                sequence,
                timestamp: 5,
                subject: b"s",
                headers: b"",
                payload,
            };
            encode(&record, &key, &mut block);
        }
        block[1] ^= 1;
        assert_eq!(found(&block), [0, 12]);
    }

    #[test]
    fn zeros_missing_bytes_and_a_cut_end_are_passed() {
        let (block, starts) = example();
        let mut zeroed = block.clone();
        zeroed[starts[1] + 5..starts[3] + 5].fill(0);
        assert_eq!(found(&zeroed), [1, 0, 5]);
        let mut missing = block.clone();
        missing.drain(starts[1] + 5..starts[1] + 12);
        assert_eq!(found(&missing), [1, 0, 3, 4, 5]);
        assert_eq!(found(&block[..block.len() - 3]), [1, 2, 3, 4, 0]);
        assert_eq!(found(&block[..starts[4] + 3]), [1, 2, 3, 4, 0]);
        assert_eq!(found(&[]), [0u64; 0]);
    }
}
