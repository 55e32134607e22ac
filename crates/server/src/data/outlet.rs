//! What the server itself publishes: acknowledgements, deliveries of consumers, advisories.
//!
//! An [`Outlet`] borrows a worker's memory like a pass over a client's input does, and uses the
//! same match cache, stages and hand-over. A message may be *routed* to one subject and *shown*
//! under another: a consumer's messages keep the subject they were stored under. Subscriptions'
//! counters are settled before what they count leaves. Callers: JetStream.

use std::sync::Arc;

use cognate_router::{Interest, MatchCache, Matched, Slot};
use cognate_wire::{Publish, encode};
use parking_lot::RwLockReadGuard;

use super::account::Account;
use super::connection::Connection;
use super::crossing::{Crossing, MAX_CROSSINGS};
use super::delivery::{Accounting, Delivery, Ended, Watch};
use super::journey::{Journey, leads_on};
use super::queue::Totals;
use super::stage::{Frame, Stages};
use super::worker::Worker;

/// A message of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// The subject it is routed to.
    pub to: &'a [u8],
    /// The subject it is shown under.
    pub subject: &'a [u8],
    /// Where answers go.
    pub reply: Option<&'a [u8]>,
    /// The header block; empty if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl<'a> Outgoing<'a> {
    /// A message without headers and reply.
    pub(crate) fn to(to: &'a [u8], payload: &'a [u8]) -> Self {
        Outgoing {
            to,
            subject: to,
            reply: None,
            headers: &[],
            payload,
        }
    }
}

/// Publishes for the server within one account.
pub(crate) struct Outlet<'a, W> {
    account: &'a Arc<Account>,
    stages: &'a mut Stages,
    cache: &'a mut MatchCache<Connection>,
    tail: &'a mut Vec<u8>,
    journey: &'a mut Journey,
    random: &'a mut u64,
    watch: &'a W,
    /// Who gets nothing of it.
    spared: Option<&'a Arc<Connection>>,
    interest: Option<RwLockReadGuard<'a, Interest<Connection>>>,
    ended: Vec<Ended>,
}

impl<'a, W: Watch> Outlet<'a, W> {
    /// Begins to publish with the memory of `worker`.
    pub(crate) fn new(account: &'a Arc<Account>, worker: &'a mut Worker, watch: &'a W) -> Self {
        let Worker {
            stages,
            cache,
            mapped,
            journey,
            random,
            ..
        } = worker;
        stages.begin();
        Outlet {
            account,
            stages,
            cache,
            tail: mapped,
            journey,
            random,
            watch,
            spared: None,
            interest: None,
            ended: Vec::new(),
        }
    }

    /// The same, but `connection`, the publisher's own, gets nothing of it.
    pub(crate) fn sparing(mut self, connection: &'a Arc<Connection>) -> Self {
        self.spared = Some(connection);
        self
    }

    /// Stages a message for everybody who wants it; returns whether somebody does.
    pub(crate) fn publish(&mut self, message: &Outgoing<'_>) -> bool {
        let slot = self.look_up(message.to);
        if self.cache.matched(slot).is_empty() {
            return false;
        }
        let accounting = self.accounting(slot);
        let (body, header_len) = write_tail(self.tail, message);
        let published = Publish {
            subject: message.subject,
            reply: message.reply,
            header_len,
            payload: &self.tail[body..self.tail.len() - 2],
            tail: None,
        };
        let frame = Frame {
            has_headers: header_len.is_some(),
            subject: message.subject,
            tail: self.tail,
            tail_start: None,
            payload_len: published.payload.len(),
        };
        let mut delivery = Delivery {
            own: self.spared,
            account: self.account,
            stages: self.stages,
            ended: &mut self.ended,
            full: None,
            routed: message.to,
            imported: false,
            frame: &frame,
            message: &published,
            watch: self.watch,
            echo: self.spared.is_none(),
            drop_for_stalled: false,
        };
        let mut delivered =
            delivery.deliver_to_all(self.cache.matched(slot), accounting, self.random);
        let mut full = delivery.full.is_some();
        if leads_on(self.cache.matched(slot)) {
            let passages = self.journey.take_passages(self.cache.matched(slot));
            let mut crossing = Crossing {
                own: None,
                stages: self.stages,
                cache: self.cache,
                journey: self.journey,
                interest: &mut self.interest,
                ended: &mut self.ended,
                random: self.random,
                watch: self.watch,
                input: &[],
                echo: true,
                drop_for_stalled: false,
                left: MAX_CROSSINGS,
                introduced: false,
                imported: true,
                full: false,
                trace: None,
            };
            delivered |= crossing.follow(&passages, self.account, message.to, &published);
            full |= crossing.full;
            self.journey.keep_passages(passages);
        }
        if full {
            self.hand_over();
            self.stages.begin();
        }
        delivered
    }

    /// Counts a delivery to all of a slot, unless some of them count for themselves.
    fn accounting(&mut self, slot: Slot) -> Accounting {
        let matched = self.cache.matched(slot);
        if matched.plain().iter().any(|sub| sub.is_limited()) {
            self.cache.settle_last();
            Accounting::Each
        } else {
            self.cache.count_delivery(slot);
            Accounting::Counted
        }
    }

    fn look_up(&mut self, subject: &[u8]) -> Slot {
        let Outlet {
            account,
            cache,
            interest,
            ..
        } = self;
        cache.look_up(
            account.id,
            &account.generations,
            subject,
            |matched: &mut Matched<_>| {
                interest
                    .get_or_insert_with(|| account.interest_again())
                    .collect(subject, matched);
            },
        )
    }

    /// Whether anybody would get a message to `subject` now; see [`Account::has_interest`].
    pub(crate) fn has_interest(&self, subject: &[u8], queue: Option<&[u8]>) -> bool {
        self.account.has_interest(subject, queue)
    }

    /// Everything staged leaves. Returns what that was.
    pub(crate) fn finish(mut self) -> Totals {
        self.hand_over();
        self.journey.end();
        // Those who cannot keep up are cut off like anywhere else; nobody pauses for them here.
        let _ = self.stages.take_pressure();
        self.stages.take_totals()
    }

    fn hand_over(&mut self) {
        self.interest = None;
        self.cache.settle_last();
        for (account, subscription) in self.ended.drain(..) {
            account.unsubscribe(&subscription);
            subscription.destination().note_ended(&subscription);
        }
        self.stages.flush(&[]);
    }
}

/// Writes what follows the sid in the frame. Returns where headers and payload begin, and the
/// length of the headers.
fn write_tail(out: &mut Vec<u8>, message: &Outgoing<'_>) -> (usize, Option<usize>) {
    out.clear();
    if let Some(reply) = message.reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    let header_len = Some(message.headers.len()).filter(|&len| len > 0);
    if let Some(len) = header_len {
        encode::write_decimal(out, len as u64);
        out.push(b' ');
    }
    let len = header_len.unwrap_or(0) + message.payload.len();
    encode::write_decimal(out, len as u64);
    out.extend_from_slice(b"\r\n");
    let body = out.len();
    out.extend_from_slice(message.headers);
    out.extend_from_slice(message.payload);
    out.extend_from_slice(b"\r\n");
    (body, header_len)
}
