//! Every client connection, living and lately closed, and the listeners they came through.
//!
//! Living ones are found by number; a closed one leaves a record in a ring of `max_closed_clients`
//! for monitoring, and its totals in the server's sums. What it was subscribed to is remembered with
//! it, within a bound for all of them together. Connection tasks enter and leave;
//! monitoring, reload and lame duck mode walk it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use cognate_wire::CloseReason;
use parking_lot::Mutex;

use crate::data::{Connection, Slots};
use crate::listen::Listeners;

/// A connection that ended, as monitoring remembers it.
#[derive(Clone)]
pub(crate) struct Closed {
    /// The connection; its socket and subscriptions are gone.
    pub connection: Arc<Connection>,
    /// When it ended, by the calendar.
    pub stopped_at: SystemTime,
    /// Why it ended.
    pub reason: CloseReason,
    /// The subscriptions it had: subject, queue, sid.
    pub subscriptions: Vec<ClosedSubscription>,
}

/// A subscription of a connection that ended.
#[derive(Clone, Debug)]
pub(crate) struct ClosedSubscription {
    /// The filter.
    pub subject: String,
    /// The queue group, empty if none.
    pub queue: String,
    /// The client's id for it.
    pub sid: String,
    /// Messages delivered to it.
    pub msgs: u64,
    /// Its maximum; 0 if none.
    pub max: u64,
}

/// Counters over the life of the server.
#[derive(Default)]
pub(crate) struct Lifetime {
    /// Connections ever accepted.
    pub connections: AtomicU64,
    /// Connections cut off for being slow.
    pub slow_consumers: AtomicU64,
    /// Connections cut off for not answering pings.
    pub stale_connections: AtomicU64,
    /// Times a publisher was slowed down.
    pub stalls: AtomicU64,
}

/// Bytes of subscriptions that ended connections are remembered with; of the oldest ones they are
/// forgotten beyond it.
const SUBSCRIPTION_BYTES: usize = 64 * 1024 * 1024;

struct Ring {
    records: VecDeque<Closed>,
    limit: usize,
    total: u64,
    /// Bytes of all remembered subscriptions.
    bytes: usize,
    /// How many of the oldest records have none.
    bare: usize,
}

impl Closed {
    fn bytes(&self) -> usize {
        let subs = self.subscriptions.iter();
        let texts: usize = subs
            .map(|sub| sub.subject.len() + sub.queue.len() + sub.sid.len())
            .sum();
        texts + self.subscriptions.capacity() * size_of::<ClosedSubscription>()
    }
}

impl Ring {
    fn push(&mut self, record: Closed) {
        self.total += 1;
        if self.limit == 0 {
            return;
        }
        if self.records.len() >= self.limit
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.bare = self.bare.saturating_sub(1);
        }
        self.bytes += record.bytes();
        self.records.push_back(record);
        while self.bytes > SUBSCRIPTION_BYTES
            && let Some(record) = self.records.get_mut(self.bare)
        {
            self.bytes -= record.bytes();
            record.subscriptions = Vec::new();
            self.bare += 1;
        }
    }
}

/// The connections of one server.
pub(crate) struct Registry {
    living: Mutex<BTreeMap<u64, Arc<Connection>>>,
    /// Nobody enters any more; changed under the lock of `living`.
    shut: AtomicBool,
    closed: Mutex<Ring>,
    next_cid: AtomicU64,
    /// Dense numbers for the data path.
    pub slots: Arc<Slots>,
    /// Counters over the life of the server.
    pub lifetime: Lifetime,
    /// Signalled when a connection leaves.
    pub left: tokio::sync::Notify,
    /// The listeners that are open.
    pub listeners: Listeners,
}

impl Registry {
    /// An empty registry that remembers `max_closed` ended connections.
    pub(crate) fn new(max_closed: usize) -> Self {
        Registry {
            living: Mutex::default(),
            shut: AtomicBool::new(false),
            closed: Mutex::new(Ring {
                records: VecDeque::new(),
                limit: max_closed,
                total: 0,
                bytes: 0,
                bare: 0,
            }),
            next_cid: AtomicU64::new(0),
            slots: Arc::default(),
            lifetime: Lifetime::default(),
            left: tokio::sync::Notify::new(),
            listeners: Listeners::default(),
        }
    }

    /// A number for a new connection.
    pub(crate) fn next_cid(&self) -> u64 {
        self.next_cid.fetch_add(1, Relaxed) + 1
    }

    /// Enters a connection unless `max` are there already or the registry is shut.
    pub(crate) fn enter(&self, connection: &Arc<Connection>, max: usize) -> bool {
        let mut living = self.living.lock();
        if living.len() >= max || self.shut.load(Relaxed) {
            return false;
        }
        living.insert(connection.cid, Arc::clone(connection));
        self.lifetime.connections.fetch_add(1, Relaxed);
        true
    }

    /// Removes a connection and remembers how it ended.
    pub(crate) fn leave(&self, record: Closed) {
        match record.reason {
            CloseReason::SlowConsumerPendingBytes | CloseReason::SlowConsumerWriteDeadline => {
                self.lifetime.slow_consumers.fetch_add(1, Relaxed);
            }
            CloseReason::StaleConnection => {
                self.lifetime.stale_connections.fetch_add(1, Relaxed);
            }
            _ => {}
        }
        self.living.lock().remove(&record.connection.cid);
        self.closed.lock().push(record);
        self.left.notify_waiters();
    }

    /// Lets nobody enter any more and returns those that are there, which are then all that are
    /// left to be closed.
    pub(crate) fn shut(&self) -> Vec<Arc<Connection>> {
        let living = self.living.lock();
        self.shut.store(true, Relaxed);
        living.values().cloned().collect()
    }

    /// How many connections live.
    pub(crate) fn len(&self) -> usize {
        self.living.lock().len()
    }

    /// The living connection of a number.
    pub(crate) fn find(&self, cid: u64) -> Option<Arc<Connection>> {
        self.living.lock().get(&cid).cloned()
    }

    /// The living connections by number.
    pub(crate) fn living(&self) -> Vec<Arc<Connection>> {
        self.living.lock().values().cloned().collect()
    }

    /// The remembered ended connections, oldest first, and how many ended in all.
    pub(crate) fn closed(&self) -> (Vec<Closed>, u64) {
        let closed = self.closed.lock();
        (closed.records.iter().cloned().collect(), closed.total)
    }
}
