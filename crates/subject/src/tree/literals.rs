//! The filters without a wildcard: hash tables keyed by the whole subject.
//!
//! A small tree has one table. From [`SPLIT_AT`] filters on there are [`SHARDS`], chosen by bits of
//! the hash that the tables don't use: they grow one at a time, so that a growing tree never stops
//! for long. Measured with 1,000,000 filters, the longest insertion took 54 ms with one table.
//!
//! Invariants: there are 0, 1 or [`SHARDS`] tables, 0 only if there are no filters; a filter is in
//! the table its hash says. Called by [`super::Tree`] alone, which owns the seed.

use hashbrown::{HashTable, hash_table::Entry};

use super::{record::Record, seed::Seed};

/// A power of two, at most 2¹⁶⁻⁷ so that no bit is used twice.
const SHARDS: usize = 64;
/// Number of filters at which one table becomes many.
const SPLIT_AT: usize = 1 << 15;
/// Tables of fewer entries are not made smaller.
const SHRINK_ABOVE: usize = 64;

pub(super) struct Literals<V> {
    shards: Vec<HashTable<Record<V>>>,
    len: usize,
}

impl<V> Literals<V> {
    pub(super) const fn new() -> Self {
        Self {
            shards: Vec::new(),
            len: 0,
        }
    }

    /// Number of filters.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Record<V>> {
        self.shards.iter().flatten()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record<V>> {
        self.shards.iter_mut().flatten()
    }

    #[inline]
    pub(super) fn find(&self, seed: &Seed, subject: &[u8]) -> Option<&Record<V>> {
        if self.len == 0 {
            return None;
        }
        let hash = seed.subject(subject);
        let shard = self.shards.get(shard_of(hash, self.shards.len()))?;
        shard.find(hash, |record| record.filter() == subject)
    }

    pub(super) fn find_mut(&mut self, seed: &Seed, subject: &[u8]) -> Option<&mut Record<V>> {
        let hash = seed.subject(subject);
        let at = shard_of(hash, self.shards.len());
        self.shards
            .get_mut(at)?
            .find_mut(hash, |record| record.filter() == subject)
    }

    pub(super) fn get_or_insert_with(
        &mut self,
        seed: &Seed,
        subject: &[u8],
        make: impl FnOnce() -> Record<V>,
    ) -> &mut Record<V> {
        if self.shards.is_empty() {
            self.shards.push(HashTable::new());
        } else if self.shards.len() == 1 && self.len >= SPLIT_AT {
            self.split(seed);
        }
        let hash = seed.subject(subject);
        let at = shard_of(hash, self.shards.len());
        let is_it = |record: &Record<V>| record.filter() == subject;
        let entry = match self.shards[at].entry(hash, is_it, rehash(seed)) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => {
                let entry = entry.insert(make());
                self.len += 1;
                entry
            }
        };
        entry.into_mut()
    }

    pub(super) fn remove(&mut self, seed: &Seed, subject: &[u8]) -> Option<Record<V>> {
        let hash = seed.subject(subject);
        let at = shard_of(hash, self.shards.len());
        let shard = self.shards.get_mut(at)?;
        let found = shard
            .find_entry(hash, |record| record.filter() == subject)
            .ok()?;
        let (record, _) = found.remove();
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        } else if shard.capacity() > SHRINK_ABOVE && shard.len() < shard.capacity() / 8 {
            shard.shrink_to(shard.len() * 2, rehash(seed));
        }
        Some(record)
    }

    /// Bytes asked of the allocator, without records.
    pub(super) fn heap_bytes(&self) -> usize {
        let tables: usize = self.shards.iter().map(HashTable::allocation_size).sum();
        tables + self.shards.capacity() * size_of::<HashTable<Record<V>>>()
    }

    fn split(&mut self, seed: &Seed) {
        let mut shards = Vec::new();
        let room = self.len / SHARDS * 2;
        shards.resize_with(SHARDS, || HashTable::with_capacity(room));
        for record in self.shards.drain(..).flatten() {
            let hash = seed.subject(record.filter());
            shards[shard_of(hash, SHARDS)].insert_unique(hash, record, rehash(seed));
        }
        self.shards = shards;
    }
}

/// Which of `count` tables; out of bounds if there are none. A table takes its slot from the low
/// bits of the hash and its tag from the top seven, so these come from between.
#[inline]
fn shard_of(hash: u64, count: usize) -> usize {
    (hash >> 48) as usize & count.wrapping_sub(1)
}

fn rehash<V>(seed: &Seed) -> impl Fn(&Record<V>) -> u64 {
    |record| seed.subject(record.filter())
}
