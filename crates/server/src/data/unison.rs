//! Messages in a row for the same many destinations, gathered once for all of them.
//!
//! Instances of one program subscribe alike: their subscriptions have the same sid, so a message is
//! the same frame for each. While messages come that want the same set of such subscriptions, the
//! frame is written once, in memory that stays in the processor's cache while the kernel copies it
//! for one destination after the other. When something else comes for any of them, the stage of
//! each notes what was gathered, and nothing is out of order.
//!
//! Invariants: members are subscriptions of different connections, none of them the publisher's;
//! they are held, so that another subscription cannot be taken for one of them. Called by
//! [`super::stage`], within one pass. Absent: whether members can take a message, which the
//! delivery knows.

use std::sync::Arc;

use super::delivery::Sub;
use super::queue::Totals;
use super::stage::Frame;

/// Gathered bytes from which on they should be handed over: what one full read comes to. Half of it costs
/// a third more with 8 destinations, because each write wakes a receiver that has caught up.
const FULL_BYTES: usize = 512 * 1024;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Unison {
    /// Whether messages are being gathered.
    is_open: bool,
    /// For whom, in the order in which they match.
    subs: Vec<Sub>,
    /// The stages of their connections.
    members: Vec<usize>,
    /// What was gathered in this pass, for these members and before for others.
    bytes: Vec<u8>,
    /// Where the frames for these members begin.
    start: usize,
    count: Totals,
    /// The last set that was asked for: how many, and the addresses of the first and the last.
    previous: (usize, usize, usize),
}

impl Unison {
    /// Whether messages are being gathered.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether they are gathered for `subs`.
    #[inline]
    pub(super) fn is_of(&self, subs: &[Sub]) -> bool {
        let same = |(a, b): (&Sub, &Sub)| Arc::ptr_eq(a, b);
        self.is_open && self.subs.len() == subs.len() && self.subs.iter().zip(subs).all(same)
    }

    /// Whether the same set was probably asked for the last time; it is remembered. To begin for a
    /// set that is not there the next time would cost more than it saves.
    pub(super) fn foretells(&mut self, subs: &[Sub]) -> bool {
        let address = |sub: Option<&Sub>| sub.map_or(0, |sub| Arc::as_ptr(sub).addr());
        let set = (subs.len(), address(subs.first()), address(subs.last()));
        std::mem::replace(&mut self.previous, set) == set
    }

    /// Begins for subscriptions and the stages of their connections.
    pub(super) fn begin(&mut self, subs: &[Sub], members: Vec<usize>) {
        self.subs.extend_from_slice(subs);
        self.members = members;
        self.start = self.bytes.len();
        self.count = Totals::default();
        self.is_open = true;
    }

    /// Adds a frame for all members; returns whether what was gathered should be handed over.
    #[inline]
    pub(super) fn push(&mut self, frame: &Frame<'_>) -> bool {
        let sid = self.subs.first().map_or(&[][..], |sub| sub.sid());
        frame.write_copied(sid, &mut self.bytes);
        self.count.msgs += 1;
        self.count.bytes += frame.payload_len as u64;
        self.bytes.len() - self.start >= FULL_BYTES
    }

    /// Ends it: calls `each` with the stage of every member, where its frames begin in all that
    /// was gathered, and their count.
    pub(super) fn end(&mut self, mut each: impl FnMut(usize, usize, &[u8], Totals)) {
        for &member in &self.members {
            each(member, self.start, &self.bytes, self.count);
        }
        self.is_open = false;
        self.subs.clear();
        self.members.clear();
    }

    /// Everything that was gathered in this pass.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets it, after it was handed over.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Bytes of memory for what is gathered.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Gives memory of more than `keep` bytes back.
    pub(super) fn shrink(&mut self, keep: usize) {
        if self.bytes.capacity() > keep {
            self.bytes = Vec::new();
        }
    }
}
