//! The duplicate window: which message ids were stored lately, and under which sequence.
//!
//! ```text
//! chunks, oldest first            shards of a hash table over entry numbers
//! ┌──────────────┬──────────────┐   ┌───┬───┬───┬───┐
//! │ entries      │ entries …    │ ◀─│ n │   │ n │ … │
//! │ id bytes     │ id bytes …   │   └───┴───┴───┴───┘
//! └──────────────┴──────────────┘
//! ```
//!
//! Ids are remembered in the order they came and forgotten in that order, a chunk's memory at a
//! time, so nothing is ever moved. The table holds entry numbers only and is split into shards, for
//! one that grows copies itself: with tens of millions of ids that would be a long pause, and so it
//! is many short ones. An id costs its bytes and about 35 more.
//!
//! An id that is stored again (only mirrors do that) takes the place of the older one.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use cognate_model::{Sequence, Timestamp};
use hashbrown::HashTable;

const CHUNK_ENTRIES: usize = 4096;
const SHARDS: usize = 64;

/// See the module.
pub(crate) struct Dedupe {
    seed: u64,
    /// The number of the first entry of the first chunk; a multiple of [`CHUNK_ENTRIES`].
    base: u64,
    /// The number of the oldest entry that is remembered.
    oldest: u64,
    /// The number of the next entry.
    next: u64,
    chunks: VecDeque<Chunk>,
    /// Entry numbers; none until the first id.
    shards: Vec<HashTable<u64>>,
}

#[derive(Default)]
struct Chunk {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Entry {
    sequence: Sequence,
    stored: Timestamp,
    /// Where its id ends in the chunk's bytes; it begins where the one before it ends.
    end: u32,
}

impl Dedupe {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            base: 0,
            oldest: 0,
            next: 0,
            chunks: VecDeque::new(),
            shards: Vec::new(),
        }
    }

    /// How many ids are remembered.
    pub(crate) fn len(&self) -> u64 {
        self.next - self.oldest
    }

    /// The sequence of the message with this id and when it was stored, if it is remembered. It may
    /// be out of the window already.
    pub(crate) fn find(&self, id: &[u8]) -> Option<(Sequence, Timestamp)> {
        let hash = self.hash(id);
        let shard = self.shards.get(shard_of(hash))?;
        let number = shard.find(hash, |number| self.id(*number) == id)?;
        let entry = self.entry(*number)?;
        Some((entry.sequence, entry.stored))
    }

    /// Remembers an id.
    pub(crate) fn insert(&mut self, id: &[u8], sequence: Sequence, stored: Timestamp) {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, HashTable::new);
        }
        let room = self.chunks.back().is_some_and(|chunk| chunk.has_room(id));
        if !room {
            self.start_chunk();
        }
        let hash = self.hash(id);
        let number = self.next;
        self.next += 1;
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(id, sequence, stored);
        }
        let mut shards = std::mem::take(&mut self.shards);
        let shard = &mut shards[shard_of(hash)];
        match shard.find_mut(hash, |number| self.id(*number) == id) {
            Some(found) => *found = number,
            None => {
                shard.insert_unique(hash, number, |number| self.hash(self.id(*number)));
            }
        }
        self.shards = shards;
    }

    /// Forgets what was stored a window ago or earlier, at most `limit` ids; true if all that is
    /// forgotten now.
    pub(crate) fn expire(&mut self, now: Timestamp, window: Duration, limit: usize) -> bool {
        for _ in 0..limit {
            if self.oldest_time().is_none_or(|at| now < at.after(window)) {
                return true;
            }
            self.forget_oldest();
        }
        self.oldest_time().is_none_or(|at| now < at.after(window))
    }

    /// When the oldest id was stored.
    pub(crate) fn oldest_time(&self) -> Option<Timestamp> {
        (self.oldest < self.next)
            .then(|| self.entry(self.oldest))
            .flatten()
            .map(|entry| entry.stored)
    }

    /// Forgets everything, and gives the memory back.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.seed);
    }

    fn forget_oldest(&mut self) {
        let number = self.oldest;
        let hash = self.hash(self.id(number));
        if let Some(shard) = self.shards.get_mut(shard_of(hash)) {
            // If the id came again, the table has the newer number and keeps it.
            if let Ok(found) = shard.find_entry(hash, |other| *other == number) {
                found.remove();
            }
        }
        self.oldest += 1;
        if self.oldest == self.next {
            self.clear();
        } else if self.oldest - self.base >= CHUNK_ENTRIES as u64 {
            self.chunks.pop_front();
            self.base += CHUNK_ENTRIES as u64;
        }
    }

    /// Starts a chunk; the one before is filled up with nothing, so that numbers stay regular.
    fn start_chunk(&mut self) {
        if let Some(last) = self.chunks.back_mut() {
            let filler = Entry {
                sequence: 0,
                stored: last
                    .entries
                    .last()
                    .map_or(Timestamp(0), |entry| entry.stored),
                end: u32::try_from(last.bytes.len()).unwrap_or(u32::MAX),
            };
            self.next += (CHUNK_ENTRIES - last.entries.len()) as u64;
            last.entries.resize(CHUNK_ENTRIES, filler);
        }
        self.chunks.push_back(Chunk::default());
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        let at = usize::try_from(number.checked_sub(self.base)?).ok()?;
        let chunk = self.chunks.get(at / CHUNK_ENTRIES)?;
        chunk.entries.get(at % CHUNK_ENTRIES)
    }

    fn id(&self, number: u64) -> &[u8] {
        let Some(at) = number.checked_sub(self.base) else {
            return &[];
        };
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(chunk) = self.chunks.get(at / CHUNK_ENTRIES) else {
            return &[];
        };
        let place = at % CHUNK_ENTRIES;
        let end = chunk.entries.get(place).map_or(0, |entry| entry.end);
        let start = match place.checked_sub(1) {
            Some(before) => chunk.entries.get(before).map_or(0, |entry| entry.end),
            None => 0,
        };
        chunk.bytes.get(start as usize..end as usize).unwrap_or(&[])
    }

    fn hash(&self, id: &[u8]) -> u64 {
        let state = foldhash::fast::FixedState::with_seed(self.seed);
        let mut hasher = state.build_hasher();
        hasher.write(id);
        hasher.finish()
    }
}

impl Chunk {
    fn has_room(&self, id: &[u8]) -> bool {
        self.entries.len() < CHUNK_ENTRIES && u32::try_from(self.bytes.len() + id.len()).is_ok()
    }

    fn push(&mut self, id: &[u8], sequence: Sequence, stored: Timestamp) {
        self.bytes.extend_from_slice(id);
        self.entries.push(Entry {
            sequence,
            stored,
            end: u32::try_from(self.bytes.len()).unwrap_or(u32::MAX),
        });
    }
}

/// The shard takes bits that the table within does not look at first.
fn shard_of(hash: u64) -> usize {
    (hash >> 40) as usize % SHARDS
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const WINDOW: Duration = Duration::from_nanos(100);

    fn find(dedupe: &Dedupe, id: &[u8]) -> Option<Sequence> {
        dedupe.find(id).map(|(sequence, _)| sequence)
    }

    #[test]
    fn ids_are_remembered_for_a_window_and_no_longer() {
        let mut dedupe = Dedupe::new(1);
        assert_eq!(find(&dedupe, b"a"), None);
        dedupe.insert(b"a", 1, Timestamp(0));
        dedupe.insert(b"b", 2, Timestamp(50));
        assert!(dedupe.expire(Timestamp(99), WINDOW, 10));
        assert_eq!(
            (find(&dedupe, b"a"), find(&dedupe, b"b")),
            (Some(1), Some(2))
        );
        assert!(dedupe.expire(Timestamp(100), WINDOW, 10));
        assert_eq!((find(&dedupe, b"a"), find(&dedupe, b"b")), (None, Some(2)));
        assert_eq!(dedupe.oldest_time(), Some(Timestamp(50)));
        assert!(!dedupe.expire(Timestamp(999), WINDOW, 0));
        assert!(dedupe.expire(Timestamp(999), WINDOW, 1));
        assert_eq!((dedupe.len(), dedupe.shards.len()), (0, 0));
    }

    #[test]
    fn an_id_that_comes_again_outlives_its_first_entry() {
        let mut dedupe = Dedupe::new(1);
        dedupe.insert(b"a", 1, Timestamp(0));
        dedupe.insert(b"a", 2, Timestamp(50));
        assert_eq!(find(&dedupe, b"a"), Some(2));
        assert!(dedupe.expire(Timestamp(120), WINDOW, 10));
        assert_eq!(find(&dedupe, b"a"), Some(2));
    }

    #[test]
    fn many_ids_come_and_go_as_in_a_plain_map() {
        let mut dedupe = Dedupe::new(7);
        let mut model: HashMap<String, u64> = HashMap::new();
        let id = |number: u64| format!("id-{}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let window = Duration::from_nanos(10_000);
        for number in 1..40_000_u64 {
            let now = Timestamp(i64::try_from(number).unwrap_or(0));
            assert!(dedupe.expire(now, window, 2));
            if number > 10_000 {
                model.remove(&id(number - 10_000));
            }
            dedupe.insert(id(number).as_bytes(), number, now);
            model.insert(id(number), number);
            if number % 97 == 0 {
                for probe in number.saturating_sub(10_050)..number.saturating_sub(9_950) {
                    let expected = model.get(&id(probe)).copied();
                    assert_eq!(find(&dedupe, id(probe).as_bytes()), expected, "{probe}");
                }
            }
        }
        let held: u64 = dedupe.shards.iter().map(|shard| shard.len() as u64).sum();
        assert_eq!(held, dedupe.len());
    }

    #[test]
    fn fillers_are_forgotten_with_their_chunk() {
        let mut dedupe = Dedupe::new(3);
        dedupe.insert(b"a", 1, Timestamp(0));
        dedupe.start_chunk();
        dedupe.insert(b"b", 2, Timestamp(200));
        assert!(dedupe.expire(Timestamp(150), WINDOW, usize::MAX));
        assert_eq!((find(&dedupe, b"a"), find(&dedupe, b"b")), (None, Some(2)));
        assert_eq!(dedupe.len(), 1);
        assert_eq!(find(&dedupe, b""), None);
    }
}
