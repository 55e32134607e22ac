//! The subscriptions that stand in exporting accounts for those of an importing one.
//!
//! A client that subscribes to something its account imports as a stream must be reached by what is
//! published in the exporting account. For each import that a subscription's filter asks something
//! of, a *shadow* is put in the exporter's interest; what reaches it is delivered as to the
//! subscription itself, under the local name. Invariants: shadows live exactly as long as both the
//! subscription and the import; a shadow has no shadows (what is imported is not exported again as
//! a stream); while an account imports no streams, a subscribe costs one load more.
//!
//! Owned by an account; [`super::accounts`] changes the imports.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use cognate_router::{Renaming, Subscription, SubscriptionSpec, Tie};
use parking_lot::Mutex;

use super::account::Account;
use super::connection::Connection;

type Sub = Arc<Subscription<Connection>>;

/// A stream import in force.
#[derive(Clone)]
pub(crate) struct StreamRoute {
    /// The exporting account.
    pub from: Arc<Account>,
    /// What messages are called on either side.
    pub renaming: Arc<Renaming>,
    /// Whether message tracing goes on beyond the account's boundary.
    pub traced: bool,
}

/// A shadow and the account it stands in.
type Shadow = (Arc<Account>, Sub);

#[derive(Default)]
struct Casting {
    routes: Vec<StreamRoute>,
    /// By the address of the subscription that they stand for, which they keep alive.
    cast: HashMap<usize, Vec<Shadow>>,
}

/// The shadows of one account's subscriptions.
#[derive(Default)]
pub(crate) struct Shadows {
    /// Whether there are imports.
    active: AtomicBool,
    casting: Mutex<Casting>,
}

impl Shadows {
    /// Puts the shadows of a subscription in force, which is in force itself already.
    pub(super) fn add(&self, sub: &Sub) {
        // Ordered after the insertion: a change of the imports that is not seen here will see the
        // subscription.
        if self.active.load(SeqCst) {
            cast(&mut self.casting.lock(), sub);
        }
    }

    /// Ends the shadows of a subscription, which is not in force any more.
    pub(super) fn remove(&self, sub: &Sub) {
        if !self.active.load(SeqCst) {
            return;
        }
        let ended = self.casting.lock().cast.remove(&address(sub));
        end(ended.into_iter().flatten());
    }

    /// Puts other imports in force for all subscriptions, which `living` lists.
    pub(super) fn replace(&self, routes: Vec<StreamRoute>, living: impl FnOnce() -> Vec<Sub>) {
        let mut casting = self.casting.lock();
        self.active.store(true, SeqCst);
        let old = std::mem::take(&mut casting.cast);
        casting.routes = routes;
        for sub in living() {
            cast(&mut casting, &sub);
        }
        end(old.into_values().flatten());
        if casting.routes.is_empty() {
            self.active.store(false, SeqCst);
        }
    }
}

/// Puts the shadows of `sub` in force, unless they are.
fn cast(casting: &mut Casting, sub: &Sub) {
    let Casting { routes, cast } = casting;
    if sub.is_tied() || cast.contains_key(&address(sub)) {
        return;
    }
    let mut shadows = Vec::new();
    for route in routes {
        let Some(filter) = route.renaming.asked_for(sub.subject()) else {
            continue;
        };
        let shadow = Arc::new(Subscription::new(SubscriptionSpec {
            destination: Arc::clone(sub.destination()),
            subject: &filter,
            queue: sub.queue(),
            sid: sub.sid(),
            gate: None,
            tie: Some(Tie::Shadow {
                of: Arc::clone(sub),
                renaming: Arc::clone(&route.renaming),
                traced: route.traced,
            }),
        }));
        route.from.insert(&shadow);
        shadows.push((Arc::clone(&route.from), shadow));
    }
    if !shadows.is_empty() {
        cast.insert(address(sub), shadows);
    }
}

fn end(shadows: impl Iterator<Item = Shadow>) {
    for (account, shadow) in shadows {
        account.unsubscribe(&shadow);
    }
}

fn address(sub: &Sub) -> usize {
    Arc::as_ptr(sub) as usize
}
