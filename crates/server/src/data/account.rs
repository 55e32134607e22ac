//! An account as the data path sees it: its interest behind a lock, and its mappings.
//!
//! There is one account now, the global one (`$G`); more come with their own interest each, which
//! is what isolates them. Passes read the interest on a cache miss only.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use cognate_router::{Generations, Interest, Mappings, Matched, Subscription};
use parking_lot::{RwLock, RwLockReadGuard};

use super::connection::Connection;

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
    watched: Watched,
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
    /// The global account.
    pub(crate) fn global(seed: u64, mappings: Mappings) -> Self {
        let account = Account {
            id: 0,
            name: GLOBAL.to_owned(),
            interest: RwLock::new(Interest::new(seed)),
            generations: Generations::default(),
            mappings: RwLock::new(None),
            watched: Watched::default(),
        };
        account.set_mappings(mappings);
        account
    }

    /// Puts a subscription in force.
    pub(crate) fn subscribe(&self, subscription: &Arc<Subscription<Connection>>) {
        self.interest
            .write()
            .insert(subscription, &self.generations);
        self.watched.notify(subscription.subject());
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
            || (queue.is_none() && matched.plain().iter().any(is_open))
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
        self.mappings.read().clone()
    }

    /// Replaces the mappings.
    pub(crate) fn set_mappings(&self, mappings: Mappings) {
        *self.mappings.write() = Some(mappings).filter(|m| !m.is_empty()).map(Arc::new);
    }
}
