//! One subscription: where it delivers, under which sid, and how far it has come.
//!
//! Invariants: `delivered` never decreases; a subscription with a maximum hands out at most that
//! many permits ([`Subscription::reserve`]), however many threads deliver to it. The fields that a
//! delivery touches (destination, sid, counters) lie together, so that a delivery to a random
//! subscription costs one cache line. Callers: [`crate::Interest`] and the server's data path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use crate::Renaming;

/// Bytes of a sid that are stored inside the subscription; longer ones go to the heap.
const SID_INLINE: usize = 14;

/// No maximum number of deliveries.
const UNLIMITED: u64 = u64::MAX;

/// Decides per subject whether a matching message may be delivered to a subscription.
///
/// This is how a wildcard subscription that is wider than a denied subject is narrowed.
pub trait Gate: Send + Sync {
    /// Whether a message on `subject` must be withheld.
    fn denies(&self, subject: &[u8]) -> bool;
}

/// A client's subscription id: any token, kept inline when short.
struct Sid {
    len: u8,
    /// Whether the subscription is tied to another account; here because it is asked for often.
    tied: bool,
    bytes: [u8; SID_INLINE],
}

impl Sid {
    fn inline(sid: &[u8]) -> Option<Self> {
        let mut bytes = [0; SID_INLINE];
        bytes.get_mut(..sid.len())?.copy_from_slice(sid);
        Some(Sid {
            len: sid.len() as u8,
            tied: false,
            bytes,
        })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// What only few subscriptions have, kept apart so that the others stay small.
struct Special<D> {
    queue: Option<Arc<[u8]>>,
    gate: Option<Box<dyn Gate>>,
    long_sid: Option<Box<[u8]>>,
    tie: Option<Tie<D>>,
}

/// What ties a subscription to another account.
pub enum Tie<D> {
    /// It stands in an exporting account for a subscription of an importing one. What it gets is
    /// delivered, counted and refused as that one's, under the local name.
    Shadow {
        /// The importing account's subscription.
        of: Arc<Subscription<D>>,
        /// The names of what is imported.
        renaming: Arc<Renaming>,
        /// Whether message tracing goes on beyond the account's boundary.
        traced: bool,
    },
    /// It leads on into another account: the destination knows where to.
    Passage,
}

/// What a subscription is made of.
pub struct SubscriptionSpec<'a, D> {
    /// Where matching messages go.
    pub destination: Arc<D>,
    /// The filter, already validated.
    pub subject: &'a [u8],
    /// The queue group, if it is a member of one.
    pub queue: Option<&'a [u8]>,
    /// The client's id for it.
    pub sid: &'a [u8],
    /// Withholds single subjects from it.
    pub gate: Option<Box<dyn Gate>>,
    /// What ties it to another account.
    pub tie: Option<Tie<D>>,
}

/// A subscription of one destination.
pub struct Subscription<D> {
    destination: Arc<D>,
    sid: Sid,
    max: AtomicU64,
    delivered: AtomicU64,
    /// Position in its member list; written only while the interest is borrowed exclusively.
    position: AtomicU32,
    subject: Box<[u8]>,
    special: Option<Box<Special<D>>>,
}

impl<D> Subscription<D> {
    /// A new subscription that has delivered nothing.
    pub fn new(spec: SubscriptionSpec<'_, D>) -> Self {
        let inline = Sid::inline(spec.sid);
        let long_sid = inline.is_none().then(|| spec.sid.into());
        let tied = spec.tie.is_some();
        let is_special = spec.queue.is_some() || spec.gate.is_some() || long_sid.is_some() || tied;
        let special = is_special.then(|| {
            Box::new(Special {
                queue: spec.queue.map(Arc::from),
                gate: spec.gate,
                long_sid,
                tie: spec.tie,
            })
        });
        let sid = inline.unwrap_or(Sid {
            len: 0,
            tied: false,
            bytes: [0; SID_INLINE],
        });
        Subscription {
            destination: spec.destination,
            sid: Sid { tied, ..sid },
            max: AtomicU64::new(UNLIMITED),
            delivered: AtomicU64::new(0),
            position: AtomicU32::new(0),
            subject: spec.subject.into(),
            special,
        }
    }

    /// Where matching messages go.
    pub fn destination(&self) -> &Arc<D> {
        &self.destination
    }

    /// The filter.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The client's id for it.
    pub fn sid(&self) -> &[u8] {
        match self.special.as_deref() {
            Some(Special {
                long_sid: Some(sid),
                ..
            }) => sid,
            _ => self.sid.as_bytes(),
        }
    }

    /// The queue group it is a member of.
    pub fn queue(&self) -> Option<&[u8]> {
        self.queue_name().map(|name| &**name)
    }

    pub(crate) fn queue_name(&self) -> Option<&Arc<[u8]>> {
        self.special.as_deref()?.queue.as_ref()
    }

    /// What ties it to another account.
    pub fn tie(&self) -> Option<&Tie<D>> {
        if !self.sid.tied {
            return None;
        }
        self.special.as_deref()?.tie.as_ref()
    }

    /// Whether it is tied to another account.
    pub fn is_tied(&self) -> bool {
        self.sid.tied
    }

    /// Whether single subjects are withheld from it.
    pub fn is_gated(&self) -> bool {
        self.special
            .as_deref()
            .is_some_and(|special| special.gate.is_some())
    }

    /// Whether a message on `subject` must be withheld from it.
    pub fn denies(&self, subject: &[u8]) -> bool {
        match self.special.as_deref() {
            Some(Special {
                gate: Some(gate), ..
            }) => gate.denies(subject),
            _ => false,
        }
    }

    /// Messages delivered since it was made. Lags behind by what a data-path pass has not settled.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// The number of deliveries after which it ends, if it has one.
    pub fn max(&self) -> Option<u64> {
        Some(self.max.load(Relaxed)).filter(|&max| max != UNLIMITED)
    }

    /// Whether deliveries must be reserved one by one ([`Self::reserve`]) instead of settled in
    /// bulk ([`Self::settle`]).
    pub fn is_limited(&self) -> bool {
        self.max.load(Relaxed) != UNLIMITED
    }

    /// Ends the subscription after `max` deliveries, counted from its start. Returns whether that
    /// many were delivered already.
    pub fn limit(&self, max: u64) -> bool {
        self.max.store(max.min(UNLIMITED - 1), Relaxed);
        self.delivered() >= max
    }

    /// Counts `count` deliveries of a subscription without a maximum.
    pub fn settle(&self, count: u64) {
        self.delivered.fetch_add(count, Relaxed);
    }

    /// Takes one counted delivery back that did not happen.
    pub fn unsettle(&self) {
        self.delivered.fetch_sub(1, Relaxed);
    }

    /// Asks for one delivery of a subscription with a maximum.
    pub fn reserve(&self) -> Permit {
        let before = self.delivered.fetch_add(1, Relaxed);
        let max = self.max.load(Relaxed);
        if before >= max {
            self.delivered.fetch_sub(1, Relaxed);
            Permit::Refused
        } else if before + 1 == max {
            Permit::Last
        } else {
            Permit::Granted
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position.load(Relaxed) as usize
    }

    pub(crate) fn set_position(&self, position: usize) {
        self.position.store(position as u32, Relaxed);
    }
}

/// The answer to [`Subscription::reserve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Deliver.
    Granted,
    /// Deliver, and then remove the subscription.
    Last,
    /// The maximum was reached before.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(sid: &[u8]) -> Subscription<()> {
        Subscription::new(SubscriptionSpec {
            destination: Arc::new(()),
            subject: b"foo",
            queue: None,
            sid,
            gate: None,
            tie: None,
        })
    }

    #[test]
    fn sids_of_any_length_come_back_unchanged() {
        for len in [1, 14, 15, 16, 17, 300] {
            let sid = vec![b'7'; len];
            assert_eq!(subscription(&sid).sid(), sid);
        }
    }

    #[test]
    fn a_maximum_grants_exactly_that_many() {
        let sub = subscription(b"1");
        sub.settle(2);
        assert!(!sub.limit(4));
        assert_eq!(
            [sub.reserve(), sub.reserve(), sub.reserve(), sub.reserve()],
            [
                Permit::Granted,
                Permit::Last,
                Permit::Refused,
                Permit::Refused
            ]
        );
        assert_eq!(sub.delivered(), 4);
        assert!(
            sub.limit(3),
            "a maximum below what was delivered ends it at once"
        );
    }

    #[test]
    fn an_ordinary_subscription_stays_small() {
        assert!(std::mem::size_of::<Subscription<()>>() <= 80);
    }
}
