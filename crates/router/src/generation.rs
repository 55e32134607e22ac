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
//! Most accounts change little, so they begin with a few coarse counters; with the first change
//! beyond [`MANY_CHANGES`] finer ones take their place, and everything known is asked for once more.
//!
//! Writers advance while they hold the interest exclusively; readers need no lock.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

const PAIRS: usize = 1024;
const FIRSTS: usize = 256;

/// Counters of an account in which little changes. All four numbers are powers of two.
const FEW_PAIRS: usize = 32;
const FEW_FIRSTS: usize = 8;

/// From this many changes on an account gets the finer counters.
const MANY_CHANGES: u64 = 128;

/// The change counters of one account's interest.
pub struct Generations {
    /// Advanced by every change: equal means that nothing changed at all.
    total: AtomicU64,
    any: AtomicU64,
    few: Counters,
    /// Take the place of `few` once much changes.
    many: OnceLock<Counters>,
}

struct Counters {
    /// Added to every sum, so that none is equal to one of coarser counters.
    base: u64,
    first: Box<[AtomicU64]>,
    pair: Box<[AtomicU64]>,
}

/// Which counters concern a subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buckets {
    first: u16,
    pair: u16,
}

impl Counters {
    fn new(base: u64, firsts: usize, pairs: usize) -> Self {
        let zeros = |n| (0..n).map(|_| AtomicU64::new(0)).collect();
        Counters {
            base,
            first: zeros(firsts),
            pair: zeros(pairs),
        }
    }

    fn first(&self, buckets: Buckets) -> &AtomicU64 {
        &self.first[usize::from(buckets.first) & (self.first.len() - 1)]
    }

    fn pair(&self, buckets: Buckets) -> &AtomicU64 {
        &self.pair[usize::from(buckets.pair) & (self.pair.len() - 1)]
    }
}

impl Default for Generations {
    fn default() -> Self {
        Generations {
            total: AtomicU64::new(0),
            any: AtomicU64::new(0),
            few: Counters::new(0, FEW_FIRSTS, FEW_PAIRS),
            many: OnceLock::new(),
        }
    }
}

impl Generations {
    /// The number of changes so far.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Acquire)
    }

    fn counters(&self) -> &Counters {
        self.many.get().unwrap_or(&self.few)
    }

    /// The sum of the counters that concern a subject.
    pub fn sum(&self, buckets: Buckets) -> u64 {
        let counters = self.counters();
        self.any.load(Ordering::Acquire)
            + counters.base
            + counters.first(buckets).load(Ordering::Acquire)
            + counters.pair(buckets).load(Ordering::Acquire)
    }

    /// Records that a subscription to `filter` came or went.
    pub fn advance(&self, filter: &[u8]) {
        let total = self.total.load(Ordering::Acquire);
        if total >= MANY_CHANGES {
            // No sum so far is larger than the number of changes.
            self.many
                .get_or_init(|| Counters::new(total + 1, FIRSTS, PAIRS));
        }
        let (first, second) = leading_tokens(filter);
        let (counters, buckets) = (self.counters(), Buckets::of(filter));
        let counter = if is_wildcard(first) {
            &self.any
        } else if second.is_some_and(is_wildcard) {
            counters.first(buckets)
        } else {
            counters.pair(buckets)
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
    fn no_change_goes_unnoticed_while_counters_become_finer() {
        let generations = Generations::default();
        let subjects = ["a.b", "c.d", "e"].map(|subject| Buckets::of(subject.as_bytes()));
        let mut seen = vec![Vec::new(); subjects.len()];
        for change in 0..3 * MANY_CHANGES {
            let filter = ["a.b", "a.*", "*", "c.d.>", "e"][(change % 5) as usize];
            let touched: &[usize] = match filter {
                "a.b" | "a.*" => &[0],
                "*" => &[0, 1, 2],
                "e" => &[2],
                _ => &[1],
            };
            generations.advance(filter.as_bytes());
            for &index in touched {
                let sum = generations.sum(subjects[index]);
                assert!(
                    !seen[index].contains(&sum),
                    "{filter} after {change} changes"
                );
                seen[index].push(sum);
            }
        }
        assert_eq!(generations.counters().pair.len(), PAIRS);
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
