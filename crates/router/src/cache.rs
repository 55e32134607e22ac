//! A bounded memory of what recent subjects reach.
//!
//! A direct-mapped table: a subject has one place, a newcomer takes it over and reuses its memory,
//! so that a miss allocates nothing once the table is warm. An answer is used only while the
//! [`Generations`] of its account say that it holds; answers of "nobody" are kept like others. The
//! place of the previous look-up is tried first, since publishers tend to repeat a subject. Subjects
//! that are made for one message are asked for once and not remembered: each would take the place
//! of another one, whose memory is cold.
//!
//! Bounds: [`PLACES`] subjects of at most [`MAX_SUBJECT`] bytes, and [`MAX_WEIGHT`] references to
//! subscriptions (a closed connection's subscriptions live on in stale answers until replaced).
//! Owned by one thread's data path at a time.

use crate::{Buckets, Generations, Interest, Matched};

/// Subjects remembered at most. Sized to stay in a core's second-level cache.
const PLACES: usize = 4096;

/// Longer subjects are answered but not remembered.
const MAX_SUBJECT: usize = 256;

/// What subjects begin with that are made for one message each: inboxes, which have a token per
/// request, acknowledgements, and what answers from another account come back on.
const MADE_FOR_ONE: [&[u8]; 3] = [b"_INBOX.", b"$JS.ACK.", b"_R_."];

/// References to subscriptions that all answers together may hold.
const MAX_WEIGHT: usize = 1 << 18;

struct Place<D> {
    account: u64,
    /// The account's total when the answer was last found to hold.
    seen_total: u64,
    sum: u64,
    buckets: Buckets,
    subject: Vec<u8>,
    matched: Matched<D>,
    /// Deliveries per plain subscription that are not settled yet.
    unsettled: u64,
}

/// Where an answer stands; valid until the next look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// The memory of one data-path worker. Place 0 answers what is not worth remembering.
pub struct MatchCache<D> {
    places: Vec<Place<D>>,
    last: usize,
    seed: u64,
    weight: usize,
    look_ups: u64,
    misses: u64,
    /// Whether answers are used again at all (`disable_sublist_cache` says no).
    remembers: bool,
}

/// What a cache did and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Subjects looked up.
    pub look_ups: u64,
    /// Look-ups that had to ask the interest.
    pub misses: u64,
    /// Answers held that reach somebody.
    pub answers: u64,
    /// Subscriptions in all answers.
    pub fanout: u64,
    /// Subscriptions in the largest answer.
    pub max_fanout: u64,
}

impl<D> MatchCache<D> {
    /// An empty cache. `seed` makes the places of subjects unpredictable to clients.
    pub fn new(seed: u64) -> Self {
        MatchCache {
            places: Vec::new(),
            last: 0,
            seed,
            weight: 0,
            look_ups: 0,
            misses: 0,
            remembers: true,
        }
    }

    /// A cache that asks the interest every time.
    pub fn without_memory(seed: u64) -> Self {
        MatchCache {
            remembers: false,
            ..MatchCache::new(seed)
        }
    }

    /// Finds what a publish to `subject` reaches; `with_interest` is asked only on a miss.
    pub fn look_up(
        &mut self,
        account: u64,
        generations: &Generations,
        subject: &[u8],
        collect: impl FnOnce(&mut Matched<D>),
    ) -> Slot {
        self.look_ups += 1;
        let total = generations.total();
        if self.holds(self.last, account, generations, subject, total) {
            return Slot(self.last);
        }
        let index = self.index(account, subject);
        self.settle(self.last);
        if !self.holds(index, account, generations, subject, total) {
            self.settle(index);
            self.misses += 1;
            self.fill(index, account, generations, subject, collect);
        }
        self.last = index;
        Slot(index)
    }

    /// The answer at `slot`.
    pub fn matched(&self, slot: Slot) -> &Matched<D> {
        &self.places[slot.0].matched
    }

    /// Counts one delivery to each plain subscription at `slot`; not for answers that hold a
    /// subscription with a maximum.
    pub fn count_delivery(&mut self, slot: Slot) {
        self.places[slot.0].unsettled += 1;
    }

    /// Adds the counted deliveries to the subscriptions; to be called before staged messages
    /// leave, so that counters never lag behind what a client has seen.
    pub fn settle_last(&mut self) {
        self.settle(self.last);
    }

    /// What the cache did and holds.
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            look_ups: self.look_ups,
            misses: self.misses,
            ..CacheStats::default()
        };
        for weight in self
            .places
            .iter()
            .map(|place| place.matched.weight() as u64)
        {
            stats.answers += u64::from(weight > 0);
            stats.fanout += weight;
            stats.max_fanout = stats.max_fanout.max(weight);
        }
        stats
    }

    /// Forgets everything, for example because the worker has been idle.
    pub fn clear(&mut self) {
        self.settle(self.last);
        self.places = Vec::new();
        self.last = 0;
        self.weight = 0;
    }

    fn settle(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else {
            return;
        };
        let count = std::mem::take(&mut place.unsettled);
        if count > 0 {
            place
                .matched
                .plain()
                .iter()
                .for_each(|sub| sub.settle(count));
        }
    }

    fn holds(
        &mut self,
        index: usize,
        account: u64,
        generations: &Generations,
        subject: &[u8],
        total: u64,
    ) -> bool {
        let Some(place) = self.places.get_mut(index).filter(|_| self.remembers) else {
            return false;
        };
        if place.account != account || place.subject != subject {
            return false;
        }
        if place.seen_total == total {
            return true;
        }
        let holds = generations.sum(place.buckets) == place.sum;
        if holds {
            place.seen_total = total;
        }
        holds
    }

    fn index(&mut self, account: u64, subject: &[u8]) -> usize {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Place::default);
        }
        let is_for_one = MADE_FOR_ONE.iter().any(|begin| subject.starts_with(begin));
        if is_for_one || subject.len() > MAX_SUBJECT || !self.remembers {
            return 0;
        }
        let hash = hash(self.seed ^ account, subject);
        1 + (hash >> 32) as usize % (PLACES - 1)
    }

    fn fill(
        &mut self,
        index: usize,
        account: u64,
        generations: &Generations,
        subject: &[u8],
        collect: impl FnOnce(&mut Matched<D>),
    ) {
        let buckets = Buckets::of(subject);
        // Read before the interest is: a change in between makes the answer look older than it
        // is, which costs a look-up, and never newer.
        let (seen_total, sum) = (generations.total(), generations.sum(buckets));
        if self.weight > MAX_WEIGHT {
            self.places.iter_mut().for_each(Place::forget);
            self.weight = 0;
        }
        let place = &mut self.places[index];
        self.weight -= place.matched.weight();
        place.subject.clear();
        place.subject.extend_from_slice(subject);
        collect(&mut place.matched);
        place.matched.trim();
        self.weight += place.matched.weight();
        place.account = account;
        place.seen_total = seen_total;
        place.sum = sum;
        place.buckets = buckets;
    }

    /// Looks `subject` up in `interest` directly, for tests and for single questions.
    pub fn look_up_in(
        &mut self,
        account: u64,
        generations: &Generations,
        subject: &[u8],
        interest: &Interest<D>,
    ) -> &Matched<D> {
        let slot = self.look_up(account, generations, subject, |m| {
            interest.collect(subject, m)
        });
        self.matched(slot)
    }
}

impl<D> Default for Place<D> {
    fn default() -> Self {
        Place {
            account: u64::MAX,
            seen_total: 0,
            sum: 0,
            buckets: Buckets::default(),
            subject: Vec::new(),
            matched: Matched::default(),
            unsettled: 0,
        }
    }
}

impl<D> Place<D> {
    fn forget(&mut self) {
        *self = Place::default();
    }
}

fn hash(seed: u64, bytes: &[u8]) -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let mut hasher = foldhash::fast::FixedState::with_seed(seed).build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_without_memory_asks_every_time() {
        let generations = Generations::default();
        for (mut cache, asked) in [
            (MatchCache::<()>::new(1), 1),
            (MatchCache::without_memory(1), 3),
        ] {
            for _ in 0..3 {
                cache.look_up(0, &generations, b"a.b", Matched::clear);
            }
            assert_eq!(cache.stats().misses, asked);
        }
    }

    #[test]
    fn subjects_made_for_one_message_take_nobodys_place() {
        let generations = Generations::default();
        let mut cache = MatchCache::<()>::new(1);
        cache.look_up(0, &generations, b"orders.new", Matched::clear);
        for number in 0..3 * PLACES {
            let subject = format!("_INBOX.x.{number}");
            cache.look_up(0, &generations, subject.as_bytes(), Matched::clear);
            // The same again, as for a batch to one inbox.
            cache.look_up(0, &generations, subject.as_bytes(), Matched::clear);
        }
        let misses = cache.stats().misses;
        assert_eq!(misses, 1 + 3 * PLACES as u64);
        cache.look_up(0, &generations, b"orders.new", Matched::clear);
        assert_eq!(cache.stats().misses, misses);
    }
}
