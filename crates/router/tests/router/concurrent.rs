//! Answers while the interest changes under them.
//!
//! Writers subscribe and unsubscribe, readers look up through caches of their own. A reader notes
//! what is in force before it asks: what stays in force until it has its answer must be in it, and
//! what was gone before it asked must not. When all is quiet the answers are the naive ones.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, RwLock};

use crate::support::{Dice, Sub, matches, subscription};
use cognate_router::{Generations, Interest, MatchCache};

const WRITERS: usize = 2;
const READERS: usize = 3;
const CHANGES: usize = 3000;
const NEVER: u64 = u64::MAX;

/// A reader stops after this many answers, so that readers in a tight loop cannot keep writers
/// from their locks for ever.
const ANSWERS: usize = 20_000;

const FILTERS: [&str; 12] = [
    "a", "a.b", "a.c", "a.*", "a.>", "*.b", "*", ">", "b.c.d", "b.*.d", "b.c.>", "*.*.d",
];
const SUBJECTS: [&str; 7] = ["a", "a.b", "a.c", "b", "b.c", "b.c.d", "b.x.d"];

/// The life of a subscription on the common clock, which advances when a change is complete.
struct Life {
    number: usize,
    /// Set before its removal begins.
    leaving: AtomicU64,
    /// Set when its removal is complete.
    gone: AtomicU64,
}

struct World {
    interest: RwLock<Interest<Life>>,
    generations: Generations,
    clock: AtomicU64,
    /// What is completely in force; what leaves is taken out only when it is gone.
    live: Mutex<Vec<Sub<Life>>>,
    writers: AtomicUsize,
    numbers: AtomicUsize,
}

/// Counts a writer out when it is done, be it by a panic: readers would go on for ever.
struct AtWork<'a>(&'a AtomicUsize);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl World {
    fn new() -> Self {
        World {
            interest: RwLock::new(Interest::new(5)),
            generations: Generations::default(),
            clock: AtomicU64::new(0),
            live: Mutex::new(Vec::new()),
            writers: AtomicUsize::new(WRITERS),
            numbers: AtomicUsize::new(0),
        }
    }

    fn subscribe(&self, filter: &str, queue: Option<&str>) -> Sub<Life> {
        let life = Life {
            number: self.numbers.fetch_add(1, SeqCst),
            leaving: AtomicU64::new(NEVER),
            gone: AtomicU64::new(NEVER),
        };
        let sub = subscription(life, filter, queue, None);
        self.interest
            .write()
            .expect("no writer panics")
            .insert(&sub, &self.generations);
        self.live
            .lock()
            .expect("nobody panics")
            .push(Arc::clone(&sub));
        sub
    }

    fn unsubscribe(&self, sub: &Sub<Life>) {
        let life = sub.destination();
        life.leaving.store(self.clock.load(SeqCst), SeqCst);
        let removed = self
            .interest
            .write()
            .expect("no writer panics")
            .remove(sub, &self.generations);
        assert!(removed, "nobody else removes it");
        life.gone.store(self.clock.fetch_add(1, SeqCst) + 1, SeqCst);
        self.live
            .lock()
            .expect("nobody panics")
            .retain(|other| !Arc::ptr_eq(other, sub));
    }

    /// Changes the interest at random; leaves half of its own subscriptions behind.
    fn churn(&self, seed: u64) {
        let _at_work = AtWork(&self.writers);
        let mut dice = Dice(seed);
        let mut own = Vec::new();
        for _ in 0..CHANGES {
            if own.len() < 8 || (own.len() < 24 && dice.below(2) == 0) {
                let queue = [None, Some("q"), Some("r")][dice.below(3)];
                own.push(self.subscribe(FILTERS[dice.below(FILTERS.len())], queue));
            } else {
                self.unsubscribe(&own.swap_remove(dice.below(own.len())));
            }
        }
    }

    /// Looks up until the writers are done; returns the cache and how many answers it gave.
    fn read(&self, seed: u64) -> (MatchCache<Life>, usize) {
        let mut cache = MatchCache::new(seed);
        let mut dice = Dice(seed);
        let mut answers = 0;
        while answers < 100 || (answers < ANSWERS && self.writers.load(SeqCst) > 0) {
            self.check(&mut cache, SUBJECTS[dice.below(SUBJECTS.len())]);
            answers += 1;
        }
        (cache, answers)
    }

    /// Asks once, and compares with what must and what must not be in the answer.
    fn check(&self, cache: &mut MatchCache<Life>, subject: &str) {
        let required: Vec<_> = self.live.lock().expect("nobody panics").clone();
        let asked_at = self.clock.load(SeqCst);
        let slot = cache.look_up(0, &self.generations, subject.as_bytes(), |matched| {
            let interest = self.interest.read().expect("no writer panics");
            interest.collect(subject.as_bytes(), matched);
        });
        let matched = cache.matched(slot);
        let groups = matched.groups().iter();
        let members =
            groups.flat_map(|group| group.members().iter().map(move |m| (m, Some(group.name()))));
        let answer: Vec<_> = matched
            .plain()
            .iter()
            .map(|sub| (sub, None))
            .chain(members)
            .collect();
        let mut numbers: Vec<usize> = Vec::new();
        for (sub, queue) in answer {
            let life = sub.destination();
            assert!(
                matches(sub.subject(), subject.as_bytes()),
                "it never wanted {subject}"
            );
            assert_eq!(sub.queue(), queue, "it is in the wrong place");
            assert!(
                life.gone.load(SeqCst) > asked_at,
                "{subject}: {} had gone",
                life.number
            );
            numbers.push(life.number);
        }
        numbers.sort_unstable();
        assert!(
            numbers.is_sorted_by(|a, b| a < b),
            "{subject}: one is named twice"
        );
        for sub in required {
            let life = sub.destination();
            let stays = life.leaving.load(SeqCst) == NEVER;
            if stays && matches(sub.subject(), subject.as_bytes()) {
                let found = numbers.binary_search(&life.number);
                assert!(found.is_ok(), "{subject}: {} is missing", life.number);
            }
        }
    }

    /// Checks when nothing changes any more: exactly what is in force, in old caches and new.
    fn check_quiet(&self, cache: &mut MatchCache<Life>) {
        let live = self.live.lock().expect("nobody panics").clone();
        let interest = self.interest.read().expect("no writer panics");
        assert_eq!(interest.len(), live.len());
        for subject in SUBJECTS {
            self.check(cache, subject);
            let matched = cache.look_up_in(0, &self.generations, subject.as_bytes(), &interest);
            let wanted = live
                .iter()
                .filter(|sub| matches(sub.subject(), subject.as_bytes()));
            assert_eq!(matched.weight(), wanted.count(), "{subject}");
        }
    }
}

#[test]
fn answers_keep_up_with_changes() {
    let world = World::new();
    // These stay throughout.
    for filter in FILTERS {
        world.subscribe(filter, None);
        world.subscribe(filter, Some("q"));
    }
    let caches: Vec<_> = std::thread::scope(|scope| {
        let world = &world;
        for writer in 0..WRITERS {
            scope.spawn(move || world.churn(writer as u64));
        }
        let readers =
            (0..READERS).map(|reader| scope.spawn(move || world.read(100 + reader as u64)));
        let readers: Vec<_> = readers.collect();
        readers
            .into_iter()
            .map(|reader| reader.join().expect("a reader"))
            .collect()
    });
    for (mut cache, answers) in caches {
        assert!(answers >= 100 && cache.stats().misses > 0);
        world.check_quiet(&mut cache);
    }
    world.check_quiet(&mut MatchCache::new(0));
}
