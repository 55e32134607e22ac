//! An account as the data path sees it: its interest behind a lock, and its mappings.
//!
//! There is one account now, the global one (`$G`); more come with their own interest each, which
//! is what isolates them. Passes read the interest on a cache miss only.

use std::sync::Arc;

use cognate_router::{Generations, Interest, Mappings, Subscription};
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
        };
        account.set_mappings(mappings);
        account
    }

    /// Puts a subscription in force.
    pub(crate) fn subscribe(&self, subscription: &Arc<Subscription<Connection>>) {
        self.interest
            .write()
            .insert(subscription, &self.generations);
    }

    /// Ends a subscription; returns whether it was in force.
    pub(crate) fn unsubscribe(&self, subscription: &Arc<Subscription<Connection>>) -> bool {
        self.interest
            .write()
            .remove(subscription, &self.generations)
    }

    /// Ends many subscriptions, a bounded number under each lock.
    pub(crate) fn unsubscribe_all(&self, subscriptions: &[Arc<Subscription<Connection>>]) {
        for some in subscriptions.chunks(256) {
            let mut interest = self.interest.write();
            for subscription in some {
                interest.remove(subscription, &self.generations);
            }
        }
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
