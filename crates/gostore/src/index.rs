//! `index.db`: what the blocks of a stream held when it was written.
//!
//! ```text
//! 11, version (1 to 4)
//! messages, bytes, first sequence, first time (signed), last sequence, last time (signed)
//! subjects: how many; each: length, bytes, messages, first block,
//!     and the last block: from version 4 on always, before if there are several messages
//! blocks: how many; each: number, bytes, first sequence, first time (signed, less the first time),
//!     last sequence, last time (the same), deleted, [with a time to live,] [schedules,]
//!     if any are deleted: the set of them
//! number of the last block, sum of its last record (8 bytes)
//! sum of all this (8 bytes)
//! set = 22, version, nodes u32, size u32; each: base u64, 32 (version 1: 64) words, height u16
//! ```
//!
//! Numbers are of seven bits a byte. It may be older than the blocks; but a message that was removed
//! once is never there again, so what it says of removals holds all the same.

use crate::hash::SumKey;
use crate::number::Numbers;
use crate::ranges::Ranges;

const MAGIC: u8 = 11;
const NEWEST: u8 = 4;
const SET_MAGIC: u8 = 22;
const SUM: usize = 8;

/// What the blocks held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// The last sequence that was given, and when.
    pub(crate) last: u64,
    pub(crate) last_time: i64,
    /// The first sequence that holds a message, or one after the last.
    pub(crate) first: u64,
    /// How many messages it holds.
    pub(crate) messages: u64,
    /// The sums of its subjects, ascending: enough to tell whether it has one.
    pub(crate) subjects: Vec<[u8; 8]>,
    pub(crate) blocks: Vec<IndexedBlock>,
    /// The last block, and how it ended.
    pub(crate) last_block: u32,
    pub(crate) last_sum: [u8; 8],
}

/// What a block held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexedBlock {
    pub(crate) number: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// Sequences between them that hold no message.
    pub(crate) deleted: Ranges,
}

impl IndexedBlock {
    /// The sequences of its messages.
    pub(crate) fn live(&self) -> Ranges {
        let all: Ranges = [(self.first, self.last)]
            .into_iter()
            .filter(|(first, last)| *first > 0 && first <= last)
            .collect();
        all.without(&self.deleted)
    }
}

impl Index {
    /// Reads an index in the clear; its sum is that of `stream`. `None` if it is none or damaged.
    pub(crate) fn read(bytes: &[u8], stream: &str) -> Option<Self> {
        let (body, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
        (SumKey::stream(stream).sum(&[body]) == sum).then_some(())?;
        Self::read_body(body)
    }

    /// Reads an index without its sum.
    pub(crate) fn read_body(body: &[u8]) -> Option<Self> {
        let mut numbers = Numbers::new(body);
        let (magic, version) = (numbers.u8()?, numbers.u8()?);
        (magic == MAGIC && (1..=NEWEST).contains(&version)).then_some(())?;
        let (messages, _bytes) = (numbers.varint()?, numbers.varint()?);
        let (first, _first_time) = (numbers.varint()?, numbers.signed()?);
        let (last, last_time) = (numbers.varint()?, numbers.signed()?);
        let mut subjects = Vec::new();
        for _ in 0..numbers.varint()? {
            subjects.extend(read_subject(&mut numbers, version)?);
        }
        subjects.sort_unstable();
        let mut index = Self {
            last,
            last_time,
            first,
            messages,
            subjects,
            ..Self::default()
        };
        for _ in 0..numbers.varint()? {
            index.blocks.push(read_block(&mut numbers, version)?);
        }
        index.last_block = u32::try_from(numbers.varint()?).ok()?;
        index.last_sum = numbers.take(SUM)?.try_into().ok()?;
        Some(index)
    }

    /// The sequences of all messages.
    pub(crate) fn live(&self) -> Ranges {
        let blocks = self.blocks.iter().map(IndexedBlock::live);
        let ranges = blocks.flat_map(|live| live.iter().collect::<Vec<_>>());
        ranges.filter(|(_, last)| *last >= self.first).collect()
    }

    /// Whether it has messages on this subject.
    pub(crate) fn has_subject(&self, subject: &[u8]) -> bool {
        self.subjects.binary_search(&subject_sum(subject)).is_ok()
    }
}

/// The sum of a subject.
fn subject_sum(subject: &[u8]) -> [u8; 8] {
    // Any key will do.
    SumKey::stream("").sum(&[subject])
}

fn read_subject(numbers: &mut Numbers<'_>, version: u8) -> Option<Option<[u8; 8]>> {
    let len = usize::try_from(numbers.varint()?).ok()?;
    if len == 0 {
        return Some(None);
    }
    let subject = numbers.take(len)?;
    let (messages, _first_block) = (numbers.varint()?, numbers.varint()?);
    if messages > 1 || version >= 4 {
        numbers.varint()?;
    }
    Some(Some(subject_sum(subject)))
}

fn read_block(numbers: &mut Numbers<'_>, version: u8) -> Option<IndexedBlock> {
    let number = u32::try_from(numbers.varint()?).ok()?;
    let _bytes = numbers.varint()?;
    let (first, _first_time) = (numbers.varint()?, numbers.signed()?);
    let (last, _last_time) = (numbers.varint()?, numbers.signed()?);
    let deleted = numbers.varint()?;
    if version >= 2 {
        numbers.varint()?;
    }
    if version >= 3 {
        numbers.varint()?;
    }
    let deleted = if deleted > 0 {
        read_set(numbers)?
    } else {
        Ranges::default()
    };
    Some(IndexedBlock {
        number,
        first,
        last,
        deleted,
    })
}

fn read_set(numbers: &mut Numbers<'_>) -> Option<Ranges> {
    let (magic, version) = (numbers.u8()?, numbers.u8()?);
    let words = match version {
        1 => 64,
        2 => 32,
        _ => return None,
    };
    (magic == SET_MAGIC).then_some(())?;
    let (nodes, _size) = (numbers.u32()?, numbers.u32()?);
    let mut ranges = Vec::new();
    for _ in 0..nodes {
        let base = numbers.u64()?;
        for word in 0..words {
            let mut bits = numbers.u64()?;
            let start = base.checked_add(word * 64)?;
            while bits != 0 {
                let from = bits.trailing_zeros();
                let len = (bits >> from).trailing_ones();
                let first = start.checked_add(u64::from(from))?;
                ranges.push((first, first.checked_add(u64::from(len) - 1)?));
                // Shifting by all 64 bits has to be done in two steps.
                bits &= !((u64::MAX >> (64 - len)) << from);
            }
        }
        numbers.u16()?;
    }
    Some(ranges.into_iter().collect())
}

/// Reads `bytes` as an index whose sum is right; for fuzzing.
#[doc(hidden)]
pub fn probe(bytes: &[u8]) -> usize {
    Index::read_body(bytes).map_or(0, |index| {
        index
            .blocks
            .iter()
            .map(|b| b.live().count() as usize % 7)
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read() {
        let mut set = vec![SET_MAGIC, 2];
        set.extend_from_slice(&1u32.to_le_bytes());
        set.extend_from_slice(&70u32.to_le_bytes());
        set.extend_from_slice(&2048u64.to_le_bytes());
        let mut words = [0u64; 32];
        (words[0], words[1], words[2]) = (0b1011 << 60, u64::MAX, 1);
        for word in words {
            set.extend_from_slice(&word.to_le_bytes());
        }
        set.extend_from_slice(&1u16.to_le_bytes());
        let ranges = read_set(&mut Numbers::new(&set)).expect("it is whole");
        let found: Vec<_> = ranges.iter().collect();
        assert_eq!(found, [(2108, 2109), (2111, 2176)]);
        assert_eq!(read_set(&mut Numbers::new(&set[..100])), None);
    }
}
