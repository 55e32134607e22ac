//! What a user may not see is withheld from its wider subscriptions.
//!
//! A subscription to `>` is granted to a user who is denied `secret`, without `secret`. The router asks
//! a subscription's gate when it collects what a subject reaches. Made by [`super::pass`], and anew by
//! the connection's task when permissions change.

use std::sync::Arc;

use cognate_auth::permissions::DenyFilter;
use cognate_router::{Gate, Subscription, SubscriptionSpec};

use super::connection::Connection;
use super::delivery::Sub;

/// The same subscription with other subjects withheld.
pub(crate) fn gated(old: &Sub, deny: Option<Arc<DenyFilter>>) -> Subscription<Connection> {
    let queue = old.queue();
    Subscription::new(SubscriptionSpec {
        destination: Arc::clone(old.destination()),
        subject: old.subject(),
        queue,
        sid: old.sid(),
        gate: deny.map(|filter| gate(filter, queue)),
        tie: None,
    })
}

/// Withholds what `filter` denies from a subscription in `queue`.
pub(super) fn gate(filter: Arc<DenyFilter>, queue: Option<&[u8]>) -> Box<dyn Gate> {
    let queue = queue.map(Box::from);
    Box::new(DenyGate { filter, queue })
}

/// Withholds what a user may not see from its wider subscriptions.
struct DenyGate {
    filter: Arc<DenyFilter>,
    queue: Option<Box<[u8]>>,
}

impl Gate for DenyGate {
    fn denies(&self, subject: &[u8]) -> bool {
        self.filter.denies(subject, self.queue.as_deref())
    }
}
