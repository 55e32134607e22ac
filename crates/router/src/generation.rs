//! Says whether an answer computed earlier still holds.
//!
//! Every change of interest advances the counter of the subjects it can touch: filters are sorted
//! by their first two tokens, so that a subscription to `orders.new` leaves what is known about
//! `orders.old` and `metrics.cpu` alone. All counters only grow, so the *sum* of the three that
//! concern a subject is equal to an earlier sum exactly if none of them moved.
//!
//! ```text
//! filter      advances                    subject a.b.c is concerned by
//! a.b.…       pair[hash(a, b)]            pair[hash(a, b)]
//! a.*… a.>    first[hash(a)]            + first[hash(a)]
//! *… >        any                       + any
//! ```
//!
//! Writers advance while they hold the interest exclusively; readers need no lock.

use std::sync::atomic::{AtomicU64, Ordering};

const PAIRS: usize = 1024;
const FIRSTS: usize = 256;

/// The change counters of one account's interest.
pub struct Generations {
    /// Advanced by every change: equal means that nothing changed at all.
    total: AtomicU64,
    any: AtomicU64,
    first: Box<[AtomicU64]>,
    pair: Box<[AtomicU64]>,
}

/// Which counters concern a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    first: u16,
    pair: u16,
}

impl Default for Generations {
    fn default() -> Self {
        let zeros = |n| (0..n).map(|_| AtomicU64::new(0)).collect();
        Generations {
            total: AtomicU64::new(0),
            any: AtomicU64::new(0),
            first: zeros(FIRSTS),
            pair: zeros(PAIRS),
        }
    }
}

impl Generations {
    /// The number of changes so far.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Acquire)
    }

    /// The sum of the counters that concern a subject.
    pub fn sum(&self, buckets: Buckets) -> u64 {
        self.any.load(Ordering::Acquire)
            + self.first[usize::from(buckets.first) % FIRSTS].load(Ordering::Acquire)
            + self.pair[usize::from(buckets.pair) % PAIRS].load(Ordering::Acquire)
    }

    /// Records that a subscription to `filter` came or went.
    pub fn advance(&self, filter: &[u8]) {
        let (first, second) = leading_tokens(filter);
        let buckets = Buckets::of(filter);
        let counter = if is_wildcard(first) {
            &self.any
        } else if second.is_some_and(is_wildcard) {
            &self.first[usize::from(buckets.first)]
        } else {
            &self.pair[usize::from(buckets.pair)]
        };
        counter.fetch_add(1, Ordering::Release);
        self.total.fetch_add(1, Ordering::Release);
    }

    /// Records that everything may have changed (mappings, permissions).
    pub fn advance_all(&self) {
        self.any.fetch_add(1, Ordering::Release);
        self.total.fetch_add(1, Ordering::Release);
    }
}

impl Buckets {
    /// The counters that concern `subject`.
    pub fn of(subject: &[u8]) -> Self {
        let (first, second) = leading_tokens(subject);
        let first_hash = fold(0xcbf2_9ce4_8422_2325, first);
        let pair_hash = fold(first_hash ^ 0x9e37_79b9, second.unwrap_or(b""));
        Buckets {
            first: spread(first_hash, FIRSTS),
            pair: spread(pair_hash, PAIRS),
        }
    }
}

fn leading_tokens(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut tokens = subject.splitn(3, |&byte| byte == b'.');
    (tokens.next().unwrap_or(b""), tokens.next())
}

fn is_wildcard(token: &[u8]) -> bool {
    matches!(token, b"*" | b">")
}

/// A cheap hash; buckets only trade precision for space, so it needs no seed.
fn fold(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// One of `buckets`, by all bits of the hash.
fn spread(hash: u64, buckets: usize) -> u16 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as u16 % buckets as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a change to `filter` is noticed by somebody who remembers `subject`.
    fn noticed(filter: &str, subject: &str) -> bool {
        let generations = Generations::default();
        let buckets = Buckets::of(subject.as_bytes());
        let before = generations.sum(buckets);
        generations.advance(filter.as_bytes());
        generations.sum(buckets) != before
    }

    #[test]
    fn a_change_is_noticed_by_the_subjects_it_can_touch() {
        let cases = [
            ("a.b", "a.b", true),
            ("a.b.*", "a.b.c", true),
            ("a.b.>", "a.b.c.d", true),
            ("a.*", "a.b", true),
            ("a.>", "a.b.c", true),
            ("*", "a", true),
            ("*.b", "a.b", true),
            (">", "a.b.c", true),
            ("a", "a", true),
            ("a.b", "a.c", false),
            ("a.b", "x.b", false),
            ("a.*", "x.b", false),
            ("a", "a.b", false),
        ];
        for (filter, subject, expected) in cases {
            assert_eq!(noticed(filter, subject), expected, "{filter} {subject}");
        }
    }
}
