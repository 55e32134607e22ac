//! An account as the data path sees it: its interest behind a lock, its mappings, its limits, and
//! what leads to other accounts.
//!
//! Every account has an interest of its own, which is what isolates them: nothing crosses but
//! through an import, which [`super::accounts`] puts in force. Passes read the interest on a cache
//! miss only.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::{Duration, SystemTime};

use cognate_auth::account_spec::{AccountSpec, WithheldImports};
use cognate_router::{Generations, Interest, Mapped, Mappings, Matched, Subscription};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};

use super::connection::{Connection, Slots};
use super::measure::Fate;
use super::passage::{Answers, Leads, Open};
use super::queue::Totals;
use super::shadows::Shadows;
use super::worker::next_random;

/// The name of the account of users that belong to none.
pub(crate) const GLOBAL: &str = "$G";

/// One account.
pub(crate) struct Account {
    /// Unique number, part of cache keys.
    pub id: u64,
    /// Its name.
    pub name: String,
    interest: RwLock<Interest<Connection>>,
    /// Says whether cached answers still hold.
    pub generations: Generations,
    mappings: RwLock<Option<Arc<Mappings>>>,
    /// Whether there are any, which costs less to ask.
    is_mapped: AtomicBool,
    watched: Watched,
    /// What is configured for it.
    spec: RwLock<Arc<AccountSpec>>,
    /// Subscriptions that stand in other accounts for some of this one.
    pub(super) shadows: Shadows,
    /// Requests to services of this account that may still be answered.
    pub(super) answers: Answers,
    /// Client connections.
    clients: AtomicUsize,
    /// Whether JetStream's API is heard here.
    has_api: AtomicBool,
    /// What those that left were sent, what they sent, and how many were slow.
    departed: Mutex<(Totals, Totals, u64)>,
    updated: Mutex<SystemTime>,
    /// Imports that were in force and are not granted any more.
    lapsed: Mutex<WithheldImports>,
    /// The last sid that was given to a subscription of the server's own.
    last_sid: AtomicUsize,
    slots: Arc<Slots>,
}

/// Who watches a subject.
type Watchers = HashMap<Box<[u8]>, Vec<Arc<Connection>>>;

/// Literal subjects whose interest somebody in the server must follow: consumers wait for
/// somebody to deliver to.
#[derive(Default)]
struct Watched {
    subjects: RwLock<Watchers>,
    /// How many there are, so that a subscribe costs nothing while there are none.
    count: AtomicUsize,
}

impl Watched {
    /// Interest in `filter` came or went: whoever watches a subject of it is to look.
    fn notify(&self, filter: &[u8]) {
        if self.count.load(Relaxed) == 0 {
            return;
        }
        let subjects = self.subjects.read();
        if !cognate_subject::validate::has_wildcard(filter) {
            let watchers = subjects.get(filter).into_iter().flatten();
            return watchers.for_each(|watcher| watcher.outbound.signal());
        }
        for (subject, watchers) in subjects.iter() {
            if cognate_subject::validate::matches(filter, subject) {
                watchers
                    .iter()
                    .for_each(|watcher| watcher.outbound.signal());
            }
        }
    }
}

impl Account {
    /// An account without anything in it. `seed` is random, `slots` the server's.
    pub(crate) fn new(id: u64, name: &str, seed: u64, slots: &Arc<Slots>) -> Self {
        Account {
            id,
            name: name.to_owned(),
            interest: RwLock::new(Interest::new(seed)),
            generations: Generations::default(),
            mappings: RwLock::new(None),
            is_mapped: AtomicBool::new(false),
            watched: Watched::default(),
            spec: RwLock::new(Arc::new(AccountSpec::new(name))),
            shadows: Shadows::default(),
            answers: Answers::default(),
            clients: AtomicUsize::new(0),
            has_api: AtomicBool::new(false),
            departed: Mutex::default(),
            updated: Mutex::new(SystemTime::now()),
            lapsed: Mutex::default(),
            last_sid: AtomicUsize::new(0),
            slots: Arc::clone(slots),
        }
    }

    /// What is configured for it.
    pub(crate) fn spec(&self) -> Arc<AccountSpec> {
        Arc::clone(&self.spec.read())
    }

    /// Puts limits and whatever else is only looked up in force.
    pub(crate) fn set_spec(&self, spec: Arc<AccountSpec>) {
        let mut current = self.spec.write();
        if **current != *spec {
            let mut lapsed = self.lapsed.lock();
            *lapsed = lapsed.lapsed(&current, &spec);
            *self.updated.lock() = SystemTime::now();
            *current = spec;
        }
    }

    /// Imports that were in force and are not granted any more, though the account asks for them.
    pub(crate) fn lapsed(&self) -> WithheldImports {
        self.lapsed.lock().clone()
    }

    /// Since when it is as it is.
    pub(crate) fn updated(&self) -> SystemTime {
        *self.updated.lock()
    }

    /// What clients that left were sent, what they sent, and how many of them were slow.
    pub(crate) fn departed(&self) -> (Totals, Totals, u64) {
        *self.departed.lock()
    }

    /// Keeps the figures of a client that leaves.
    pub(crate) fn remember(&self, connection: &Connection, slow: bool) {
        let mut departed = self.departed.lock();
        departed.0.add(connection.outbound.totals());
        departed.1.add(connection.received());
        departed.2 += u64::from(slow);
    }

    /// How many clients it has.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Relaxed)
    }

    /// Whether JetStream's API is heard here.
    pub(crate) fn has_api(&self) -> bool {
        self.has_api.load(Relaxed)
    }

    /// Notes whether JetStream's API is heard here.
    pub(crate) fn set_has_api(&self, has_api: bool) {
        self.has_api.store(has_api, Relaxed);
    }

    /// Counts a client in, unless the account has as many as it may.
    pub(crate) fn enter(&self) -> bool {
        let max = self.spec.read().limits.max_connections;
        let max = max.map_or(usize::MAX, |max| max as usize);
        let one_more = |clients: usize| (clients < max).then_some(clients + 1);
        self.clients
            .fetch_update(Relaxed, Relaxed, one_more)
            .is_ok()
    }

    /// Counts a client out.
    pub(crate) fn leave(&self) {
        self.clients.fetch_sub(1, Relaxed);
    }

    /// Puts a subscription in force, here and in the accounts that this one imports from.
    pub(crate) fn subscribe(&self, subscription: &Arc<Subscription<Connection>>) {
        self.insert(subscription);
        self.shadows.add(subscription);
    }

    /// A sid for a subscription of the server's own, by which monitoring tells it from others.
    pub(crate) fn next_sid(&self) -> String {
        (self.last_sid.fetch_add(1, Relaxed) + 1).to_string()
    }

    /// Puts a subscription in force here only.
    pub(super) fn insert(&self, subscription: &Arc<Subscription<Connection>>) {
        self.interest
            .write()
            .insert(subscription, &self.generations);
        self.watched.notify(subscription.subject());
    }

    /// Opens a way back from here, and writes the reply subject that leads to it.
    pub(super) fn open_answer(&self, open: Open, reply: &mut Vec<u8>) -> u64 {
        let prefix = self.answers.prefix(|filter| {
            let passage = Connection::passage(Leads::Answers, &self.slots);
            let sid = self.next_sid();
            let passage = super::accounts::passage(passage, filter, sid.as_bytes());
            self.insert(&Arc::new(passage));
        });
        self.answers.open(open, prefix, reply)
    }

    /// Closes ways back that nobody waits at any more, and returns those that are measured.
    pub(crate) fn sweep_answers(&self, now: Duration) -> Vec<(Open, Fate)> {
        self.answers.sweep(now)
    }

    /// Rewrites a subject that came from another account as this one's mappings say.
    pub(super) fn map(&self, subject: &mut Vec<u8>, random: &mut u64) {
        let Some(mappings) = self.mappings() else {
            return;
        };
        let mut mapped = Vec::new();
        if mappings.apply(subject, next_random(random), &mut mapped) == Mapped::Rewritten {
            *subject = mapped;
        }
    }

    /// Signals `watcher` from now on whenever interest in `subject`, a literal one, may have
    /// changed.
    pub(crate) fn watch(&self, subject: &[u8], watcher: &Arc<Connection>) {
        let mut subjects = self.watched.subjects.write();
        subjects
            .entry(subject.into())
            .or_default()
            .push(Arc::clone(watcher));
        self.watched.count.fetch_add(1, Relaxed);
    }

    /// Ends one [`watch`](Self::watch).
    pub(crate) fn unwatch(&self, subject: &[u8], watcher: &Arc<Connection>) {
        let mut subjects = self.watched.subjects.write();
        let Some(watchers) = subjects.get_mut(subject) else {
            return;
        };
        let Some(place) = watchers
            .iter()
            .position(|other| Arc::ptr_eq(other, watcher))
        else {
            return;
        };
        watchers.swap_remove(place);
        if watchers.is_empty() {
            subjects.remove(subject);
        }
        self.watched.count.fetch_sub(1, Relaxed);
    }

    /// Ends a subscription; returns whether it was in force.
    pub(crate) fn unsubscribe(&self, subscription: &Arc<Subscription<Connection>>) -> bool {
        self.shadows.remove(subscription);
        let removed = self
            .interest
            .write()
            .remove(subscription, &self.generations);
        self.watched.notify(subscription.subject());
        removed
    }

    /// Ends many subscriptions, a bounded number under each lock.
    pub(crate) fn unsubscribe_all(&self, subscriptions: &[Arc<Subscription<Connection>>]) {
        for some in subscriptions.chunks(256) {
            let mut interest = self.interest.write();
            for subscription in some {
                interest.remove(subscription, &self.generations);
            }
            drop(interest);
            for subscription in some {
                self.shadows.remove(subscription);
                self.watched.notify(subscription.subject());
            }
        }
    }

    /// Whether anybody would get a message to `subject` now; with `queue`, whether a member of that
    /// queue group would.
    pub(crate) fn has_interest(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        let mut matched = Matched::default();
        self.interest_again().collect(subject, &mut matched);
        let is_open = |sub: &Arc<Subscription<Connection>>| !sub.destination().is_closed();
        let groups = matched.groups().iter();
        let mut wanted = groups.filter(|group| queue.is_none_or(|name| name == group.name()));
        wanted.any(|group| group.members().iter().any(is_open))
            || (queue.is_none() && matched.plain().iter().chain(matched.tied()).any(is_open))
    }

    /// Whether somebody listens to exactly `subject`, and not just to more than that.
    pub(crate) fn is_listened_to(&self, subject: &[u8]) -> bool {
        let mut matched = Matched::default();
        self.interest_again().collect(subject, &mut matched);
        let mut plain = matched.plain().iter();
        plain.any(|sub| sub.subject() == subject && !sub.destination().is_closed())
    }

    /// The interest, for reading by a thread that may be reading it already: it does not wait behind
    /// a change that waits for the first reading to end.
    pub(crate) fn interest_again(&self) -> RwLockReadGuard<'_, Interest<Connection>> {
        self.interest.read_recursive()
    }

    /// The interest, for reading.
    pub(crate) fn interest(&self) -> RwLockReadGuard<'_, Interest<Connection>> {
        self.interest.read()
    }

    /// The mappings, if there are any.
    pub(crate) fn mappings(&self) -> Option<Arc<Mappings>> {
        let is_mapped = self.is_mapped.load(Acquire);
        is_mapped.then(|| self.mappings.read().clone())?
    }

    /// Replaces the mappings.
    pub(crate) fn set_mappings(&self, mappings: Mappings) {
        let mut current = self.mappings.write();
        self.is_mapped.store(!mappings.is_empty(), Release);
        *current = Some(mappings).filter(|m| !m.is_empty()).map(Arc::new);
    }
}
