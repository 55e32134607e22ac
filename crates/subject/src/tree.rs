//! [`Tree`]: a map from filters to values, made to be matched against subjects.
//!
//! Literal filters, the many, live in hash tables keyed by the whole subject: a match costs one
//! hash and two cache misses (the slot, and the block with the subject and the value), whatever the
//! number of tokens. Filters with wildcards live in a trie of tokens. A subject is matched against
//! both.
//!
//! Invariants: one value per distinct filter; hashing is seeded, for clients choose subjects;
//! matching neither allocates nor recurses; memory follows the number of filters, down as well as
//! up. The router keeps a tree per account, permissions and streams keep smaller ones.
//!
//! Absent: locks, caches, queue groups, reference counts. The tree is a plain value: the owner
//! shares and caches it as it needs.

mod label;
mod literals;
mod record;
mod seed;
mod trie;

use self::{literals::Literals, record::Record, seed::Seed, trie::Trie};
use crate::{
    relate::{covers, overlaps},
    validate::{has_wildcard, is_valid_filter},
};

/// A map from filters to values. See the module for its costs.
///
/// ```
/// # use cognate_subject::Tree;
/// let mut tree = Tree::new(42);
/// *tree.get_or_insert_with(b"orders.*", || 0) += 1;
/// *tree.get_or_insert_with(b"orders.new", || 0) += 2;
/// let mut sum = 0;
/// tree.for_each_match(b"orders.new", |value| sum += value);
/// assert_eq!(sum, 3);
/// ```
pub struct Tree<V> {
    literals: Literals<V>,
    patterns: Trie<V>,
    seed: Seed,
    /// Bytes of all records, kept by insertion and removal.
    record_bytes: usize,
}

impl<V> Tree<V> {
    /// An empty tree; it owns no memory yet. `seed` must not be known to those who choose subjects.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            literals: Literals::new(),
            patterns: Trie::new(),
            seed: Seed::new(seed),
            record_bytes: 0,
        }
    }

    /// Number of filters.
    #[must_use]
    pub fn len(&self) -> usize {
        self.literals.len() + self.patterns.len()
    }

    /// Number of filters with a wildcard.
    #[must_use]
    pub fn pattern_count(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there is no filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of exactly this filter (no matching).
    #[must_use]
    pub fn get(&self, filter: &[u8]) -> Option<&V> {
        if has_wildcard(filter) {
            self.patterns.find(&self.seed, filter).map(Record::value)
        } else {
            self.literals.find(&self.seed, filter).map(Record::value)
        }
    }

    /// As [`Tree::get`], to change it.
    #[must_use]
    pub fn get_mut(&mut self, filter: &[u8]) -> Option<&mut V> {
        if has_wildcard(filter) {
            self.patterns
                .find_mut(&self.seed, filter)
                .map(Record::value_mut)
        } else {
            self.literals
                .find_mut(&self.seed, filter)
                .map(Record::value_mut)
        }
    }

    /// The value of this filter, made by `make` if there is none.
    ///
    /// `filter` has been validated (a [`crate::Filter`], or [`is_valid_filter`]); another one is
    /// kept too, but no promise is made about what it matches.
    ///
    /// # Panics
    /// If the filter is 4 GiB or longer, which the limit of a control line excludes.
    pub fn get_or_insert_with(&mut self, filter: &[u8], make: impl FnOnce() -> V) -> &mut V {
        debug_assert!(
            is_valid_filter(filter),
            "{:?}",
            String::from_utf8_lossy(filter)
        );
        let (seed, record_bytes) = (&self.seed, &mut self.record_bytes);
        let make = || {
            let record = Record::new(filter, make());
            *record_bytes += record.heap_bytes();
            record
        };
        let record = if has_wildcard(filter) {
            self.patterns.get_or_insert_with(seed, filter, make)
        } else {
            self.literals.get_or_insert_with(seed, filter, make)
        };
        record.value_mut()
    }

    /// Takes the filter out and returns its value.
    pub fn remove(&mut self, filter: &[u8]) -> Option<V> {
        let record = if has_wildcard(filter) {
            self.patterns.remove(&self.seed, filter)?
        } else {
            self.literals.remove(&self.seed, filter)?
        };
        self.record_bytes -= record.heap_bytes();
        Some(record.into_value())
    }

    /// Calls `visit` with the value of every filter that matches `subject`, in no order.
    ///
    /// `subject` is what a client published to, and needs no validation. As in the Go server:
    /// with an empty token in it (leading, trailing or doubled dot, or no bytes) nothing matches,
    /// not even `>`; a `*` or `>` token in it is an ordinary token, which only wildcards match.
    ///
    /// Costs a hash for the literals, and for the patterns at most two steps per token and branch
    /// taken, never more than there are trie nodes.
    #[inline]
    pub fn for_each_match(&self, subject: &[u8], mut visit: impl FnMut(&V)) {
        self.walk(subject, |record| {
            visit(record.value());
            false
        });
    }

    /// Whether `accept` returns true for some filter that matches `subject`; stops at the first.
    #[inline]
    #[must_use]
    pub fn any_match(&self, subject: &[u8], mut accept: impl FnMut(&V) -> bool) -> bool {
        self.walk(subject, |record| accept(record.value()))
    }

    /// Calls `visit` with every filter, and its value, that has a subject in common with `filter`.
    ///
    /// Costs a match if `filter` is literal, else a comparison with every stored filter: literals
    /// are not ordered. Meant for changes of subscriptions and configuration, not for messages.
    pub fn for_each_overlap(&self, filter: &[u8], mut visit: impl FnMut(&[u8], &V)) {
        if has_wildcard(filter) {
            let overlapping = self.iter().filter(|(stored, _)| overlaps(filter, stored));
            overlapping.for_each(|(stored, value)| visit(stored, value));
        } else {
            self.walk(filter, |record| {
                visit(record.filter(), record.value());
                false
            });
        }
    }

    /// Calls `visit` with every filter, and its value, all of whose subjects `filter` matches.
    ///
    /// Costs one look-up if `filter` is literal, else a comparison with every stored filter.
    pub fn for_each_covered_by(&self, filter: &[u8], mut visit: impl FnMut(&[u8], &V)) {
        if has_wildcard(filter) {
            let covered = self.iter().filter(|(stored, _)| covers(filter, stored));
            covered.for_each(|(stored, value)| visit(stored, value));
        } else if let Some(record) = self.literals.find(&self.seed, filter) {
            visit(record.filter(), record.value());
        }
    }

    /// All filters and their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &V)> {
        self.records()
            .map(|record| (record.filter(), record.value()))
    }

    /// All values, to change them, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.literals
            .iter_mut()
            .chain(self.patterns.iter_mut())
            .map(Record::value_mut)
    }

    /// Bytes asked of the allocator, without what the values own: tables, nodes, filters and
    /// values, but not the allocator's rounding.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.record_bytes + self.literals.heap_bytes() + self.patterns.heap_bytes()
    }

    #[inline]
    fn walk(&self, subject: &[u8], mut visit: impl FnMut(&Record<V>) -> bool) -> bool {
        // No literal contains a wildcard or an empty token, so any subject may be looked up.
        if self
            .literals
            .find(&self.seed, subject)
            .is_some_and(&mut visit)
        {
            return true;
        }
        self.patterns.walk(&self.seed, subject, visit)
    }

    fn records(&self) -> impl Iterator<Item = &Record<V>> {
        self.literals.iter().chain(self.patterns.iter())
    }
}

#[cfg(test)]
#[path = "tree/tests.rs"]
mod tests;
