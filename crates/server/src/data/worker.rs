//! The working memory of the data path, one set per thread that can be at work.
//!
//! A pass over a client's bytes needs a read buffer, staging buffers and a match cache. They are
//! too large to have per connection and too warm to share, so a server keeps a few sets and a pass
//! borrows one, the one its thread used last if it is free. Invariant: a set is used by one pass
//! at a time; a pass never waits for anything while it holds one. JetStream, which may wait for the
//! disk, has sets of its own; if all of them wait for a disk that does not answer, whoever needs one is
//! given one for the moment.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cognate_router::{CacheStats, MatchCache};
use parking_lot::{Mutex, MutexGuard};

use super::connection::Connection;
use super::journey::Journey;
use super::queue::Totals;
use super::stage::Stages;

/// Bytes read at a time.
pub(crate) const READ_BYTES: usize = 512 * 1024;

/// How long statistics wait for a set that is in use.
const STATS_WAIT: Duration = Duration::from_millis(20);

/// One set of working memory.
pub(crate) struct Worker {
    /// What was read from the client.
    pub input: Vec<u8>,
    /// Frames on their way out.
    pub stages: Stages,
    /// What recent subjects reach.
    pub cache: MatchCache<Connection>,
    /// A subject rewritten by a mapping.
    pub mapped: Vec<u8>,
    /// What messages to other accounts share.
    pub(super) journey: Journey,
    /// State of [`next_random`].
    pub random: u64,
}

/// Counters of one set; only the holder of the set writes them.
#[derive(Default)]
#[repr(align(128))]
struct WorkerTotals {
    in_msgs: AtomicU64,
    in_bytes: AtomicU64,
    out_msgs: AtomicU64,
    out_bytes: AtomicU64,
}

struct Desk {
    worker: Mutex<Worker>,
    totals: WorkerTotals,
}

/// All sets of a server.
pub(crate) struct Workers {
    desks: Box<[Desk]>,
    /// Counters of sets that are made for the moment, which all of their holders write.
    beyond: WorkerTotals,
    seed: u64,
    remembers: bool,
}

thread_local! {
    /// Which set this thread tries first. Only a hint: any set will do.
    static FAVOURITE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed));
}

/// Spreads threads over the sets; carries no state of any server.
static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Workers {
    /// `count` sets; `seed` is random. Without `remembers` no match is used twice.
    pub(crate) fn new(count: usize, seed: u64, remembers: bool) -> Self {
        let desk = |n: usize| Desk {
            worker: Mutex::new(Worker::new(
                seed ^ (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                remembers,
                count,
            )),
            totals: WorkerTotals::default(),
        };
        Workers {
            desks: (0..count.max(1)).map(desk).collect(),
            beyond: WorkerTotals::default(),
            seed,
            remembers,
        }
    }

    /// Borrows a set. Never waits long: a set is held for one pass, and if whoever holds them waits
    /// for a disk, there is another one for the moment.
    pub(crate) fn borrow(&self) -> Borrowed<'_> {
        let favourite = FAVOURITE.get();
        for offset in 0..self.desks.len() {
            let desk = &self.desks[(favourite + offset) % self.desks.len()];
            if let Some(worker) = desk.worker.try_lock() {
                return Borrowed {
                    worker: Set::Kept(worker),
                    totals: &desk.totals,
                };
            }
        }
        // There are as many as threads that may be at work: those who have them wait for a disk.
        Borrowed {
            worker: Set::Made(Box::new(Worker::new(self.seed, self.remembers, 1))),
            totals: &self.beyond,
        }
    }

    /// What went through all sets: received, then sent.
    pub(crate) fn totals(&self) -> (Totals, Totals) {
        let mut received = Totals::default();
        let mut sent = Totals::default();
        let kept = self.desks.iter().map(|desk| &desk.totals);
        for totals in kept.chain([&self.beyond]) {
            received.msgs += totals.in_msgs.load(Relaxed);
            received.bytes += totals.in_bytes.load(Relaxed);
            sent.msgs += totals.out_msgs.load(Relaxed);
            sent.bytes += totals.out_bytes.load(Relaxed);
        }
        (received, sent)
    }
}

impl Workers {
    /// What all caches did and hold.
    pub(crate) fn cache_stats(&self) -> CacheStats {
        let mut sum = CacheStats::default();
        for desk in &self.desks {
            // One that is held for long waits for a disk; it is left out.
            let Some(worker) = desk.worker.try_lock_for(STATS_WAIT) else {
                continue;
            };
            let stats = worker.cache.stats();
            sum.look_ups += stats.look_ups;
            sum.misses += stats.misses;
            sum.answers += stats.answers;
            sum.fanout += stats.fanout;
            sum.max_fanout = sum.max_fanout.max(stats.max_fanout);
        }
        sum
    }
}

/// A set on loan.
pub(crate) struct Borrowed<'a> {
    worker: Set<'a>,
    totals: &'a WorkerTotals,
}

/// Where a set on loan comes from.
enum Set<'a> {
    /// It is one of those that are kept.
    Kept(MutexGuard<'a, Worker>),
    /// It was made for the moment.
    Made(Box<Worker>),
}

impl Borrowed<'_> {
    /// The set itself.
    pub(crate) fn worker(&mut self) -> &mut Worker {
        match &mut self.worker {
            Set::Kept(worker) => worker,
            Set::Made(worker) => worker,
        }
    }

    /// Adds to the server's counters.
    pub(crate) fn count(&self, received: Totals, sent: Totals) {
        let is_sole = matches!(self.worker, Set::Kept(_));
        let add = |counter: &AtomicU64, n: u64| match is_sole {
            true => counter.store(counter.load(Relaxed) + n, Relaxed),
            false => drop(counter.fetch_add(n, Relaxed)),
        };
        add(&self.totals.in_msgs, received.msgs);
        add(&self.totals.in_bytes, received.bytes);
        add(&self.totals.out_msgs, sent.msgs);
        add(&self.totals.out_bytes, sent.bytes);
    }
}

impl Worker {
    fn new(seed: u64, remembers: bool, workers: usize) -> Self {
        let cache = if remembers {
            MatchCache::new(seed)
        } else {
            MatchCache::without_memory(seed)
        };
        Worker {
            input: Vec::new(),
            stages: Stages::new(workers),
            cache,
            mapped: Vec::new(),
            journey: Journey::default(),
            random: seed | 1,
        }
    }
}

/// The next number of a xorshift generator: spreads load, protects nothing.
pub(crate) fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
