//! One pass: everything that one read from a client brings about.
//!
//! [`Pass`] is the session's [`Host`]. Publishes are matched and staged per destination; the
//! stages leave when the pass ends (or one is full). The account's interest is locked for reading
//! on the first cache miss and let go before anything is subscribed or handed over.
//!
//! Order: frames for one destination leave in the order in which they were staged, the client's
//! own protocol text among them. Counters of a subscription are settled before the frames they
//! count leave. A subscription that reached its maximum is removed before its last message leaves.

mod traced;

use std::sync::Arc;

use cognate_router::{
    Interest, Mapped, Mappings, MatchCache, Matched, Slot, Subscription, SubscriptionSpec,
};
use cognate_session::{Access, Context, Host, Report, Rewritten, SubscribeRequest, Verdict};
use cognate_wire::tracing::Ask;
use cognate_wire::{ConnectOptions, Publish, encode, headers};
use parking_lot::RwLockReadGuard;

use super::account::Account;
use super::connection::Connection;
use super::crossing::{Crossing, MAX_CROSSINGS};
use super::delivery::{Accounting, Delivery, Ended, Sub, Watch};
use super::gate::gate;
use super::journey::{Journey, leads_on};
use super::queue::Totals;
use super::stage::{Frame, Full, Pressure, Stages};
use super::tracing::Trace;
use super::worker::{Worker, next_random};

/// What a pass asks of the connection's task and the server beyond the data path.
pub(crate) trait Door: Watch {
    /// Fills in the names in the CONNECT before.
    fn recall(&self, known: &mut ConnectOptions);
    /// Judges credentials.
    fn authenticate(&mut self, options: &ConnectOptions, first: bool) -> Verdict;
    /// Lets a client in that sent no CONNECT, if there is a user for that.
    fn authenticate_silent(&mut self) -> Option<Access>;
    /// The INFO that follows the first PONG.
    fn connect_info(&mut self) -> Vec<u8>;
    /// Notes something for the log.
    fn report(&mut self, report: Report<'_>);
    /// Notes a frame from the client for the trace log.
    fn trace(&mut self, frame: &[u8]);
    /// Notes protocol text to the client for the trace log.
    fn trace_text(&self, text: &[u8]);
    /// Notes the end of one of the client's subscriptions for the trace log.
    fn trace_end(&self, sid: &[u8]);
    /// The way of a message that asked for that is known, but for what streams make of it.
    fn traced(&mut self, trace: Trace);
}

/// A pass over one client's input.
pub(crate) struct Pass<'a, D> {
    own: &'a Arc<Connection>,
    account: &'a Arc<Account>,
    door: &'a mut D,
    stages: &'a mut Stages,
    cache: &'a mut MatchCache<Connection>,
    journey: &'a mut Journey,
    random: &'a mut u64,
    input: &'a [u8],
    interest: Option<RwLockReadGuard<'a, Interest<Connection>>>,
    mappings: Option<Arc<Mappings>>,
    ended: Vec<Ended>,
    tail: Vec<u8>,
    received: Totals,
    drop_for_stalled: bool,
    /// The way of the message that is published now, if it is to be told.
    trace: Option<Box<Trace>>,
}

/// What a pass comes to.
pub(crate) struct Outcome {
    /// What the client published.
    pub received: Totals,
    /// What was handed to others.
    pub sent: Totals,
    /// How the destinations took it.
    pub pressure: Pressure,
}

impl<'a, D: Door> Pass<'a, D> {
    /// Begins a pass over `input`. With `drop_for_stalled`, messages to destinations that cannot
    /// keep up are dropped instead of slowing the publisher down.
    pub(crate) fn new(
        own: &'a Arc<Connection>,
        account: &'a Arc<Account>,
        door: &'a mut D,
        worker: &'a mut Worker,
        input: &'a [u8],
        drop_for_stalled: bool,
    ) -> Self {
        let Worker {
            stages,
            cache,
            journey,
            random,
            ..
        } = worker;
        stages.begin();
        Pass {
            own,
            account,
            door,
            stages,
            cache,
            journey,
            random,
            input,
            interest: None,
            mappings: account.mappings(),
            ended: Vec::new(),
            tail: Vec::new(),
            received: Totals::default(),
            drop_for_stalled,
            trace: None,
        }
    }

    /// Ends the pass: everything staged leaves.
    pub(crate) fn finish(mut self) -> Outcome {
        self.hand_over();
        self.journey.end();
        Outcome {
            received: self.received,
            sent: self.stages.take_totals(),
            pressure: self.stages.take_pressure(),
        }
    }

    /// Settles accounts and hands all stages over.
    fn hand_over(&mut self) {
        self.settle();
        self.stages.flush(self.input);
    }

    /// What must be true before any staged frame leaves.
    fn settle(&mut self) {
        self.interest = None;
        self.cache.settle_last();
        for (account, subscription) in self.ended.drain(..) {
            account.unsubscribe(&subscription);
            subscription.destination().note_ended(&subscription);
        }
    }

    fn look_up(&mut self, subject: &[u8]) -> Slot {
        let Pass {
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
                    .get_or_insert_with(|| account.interest())
                    .collect(subject, matched);
            },
        )
    }

    #[inline]
    fn deliver(&mut self, subject: &[u8], message: &Publish<'_>, echo: bool) -> bool {
        let slot = self.look_up(subject);
        self.deliver_to_one(slot, subject, message, echo)
            || self.deliver_to_all(slot, subject, message, echo)
    }

    /// The usual case apart: nobody but one plain subscription wants it, and nothing has to be
    /// considered. Returns whether that is so.
    #[inline]
    fn deliver_to_one(
        &mut self,
        slot: Slot,
        subject: &[u8],
        message: &Publish<'_>,
        echo: bool,
    ) -> bool {
        let (Some(sub), Some(tail)) = (self.cache.matched(slot).only(), message.tail) else {
            return false;
        };
        let to = sub.destination();
        if sub.is_limited()
            || to.needs_care()
            || to.is_closed()
            || (!echo && Arc::ptr_eq(to, self.own))
            || (self.drop_for_stalled && to.is_stalled())
        {
            return false;
        }
        let frame = Frame::with_tail(message, subject, tail, self.input);
        let full = self.stages.push(to, sub.sid(), &frame);
        self.cache.count_delivery(slot);
        if let Some(full) = full {
            self.relieve(full);
        }
        true
    }

    fn deliver_to_all(
        &mut self,
        slot: Slot,
        subject: &[u8],
        message: &Publish<'_>,
        echo: bool,
    ) -> bool {
        let matched = self.cache.matched(slot);
        if matched.is_empty() {
            return false;
        }
        let limited = matched.plain().iter().any(|sub| sub.is_limited());
        let accounting = if limited {
            self.cache.settle_last();
            Accounting::Each
        } else {
            self.cache.count_delivery(slot);
            Accounting::Counted
        };
        let mut tail = std::mem::take(&mut self.tail);
        let frame = Frame::of(message, subject, self.input, &mut tail);
        let mut delivery = Delivery {
            own: Some(self.own),
            account: self.account,
            stages: self.stages,
            ended: &mut self.ended,
            full: None,
            routed: subject,
            imported: false,
            frame: &frame,
            message,
            watch: &*self.door,
            echo,
            drop_for_stalled: self.drop_for_stalled,
        };
        let delivered = delivery.deliver_to_all(self.cache.matched(slot), accounting, self.random);
        let full = delivery.full;
        self.tail = tail;
        let onward = !self.cache.matched(slot).tied().is_empty();
        let followed = onward && self.follow(slot, subject, message, echo);
        if let Some(full) = full {
            self.relieve(full);
        }
        delivered || followed
    }

    /// Takes a message on into the accounts that its subject leads to.
    fn follow(&mut self, slot: Slot, subject: &[u8], message: &Publish<'_>, echo: bool) -> bool {
        let matched = self.cache.matched(slot);
        if !leads_on(matched) {
            return false;
        }
        let passages = self.journey.take_passages(matched);
        let mut crossing = Crossing {
            own: Some(self.own),
            stages: self.stages,
            cache: self.cache,
            journey: self.journey,
            interest: &mut self.interest,
            ended: &mut self.ended,
            random: self.random,
            watch: &*self.door,
            input: self.input,
            echo,
            drop_for_stalled: self.drop_for_stalled,
            left: MAX_CROSSINGS,
            introduced: false,
            imported: true,
            full: false,
            trace: self.trace.as_deref_mut(),
        };
        let delivered = crossing.follow(&passages, self.account, subject, message);
        let full = crossing.full;
        self.journey.keep_passages(passages);
        if full {
            self.hand_over();
            self.stages.begin();
        }
        delivered
    }

    /// Lets go of what is full.
    #[cold]
    fn relieve(&mut self, full: Full) {
        self.settle();
        self.stages.relieve(full, self.input);
    }
}

impl<D: Door> Host for Pass<'_, D> {
    type Sub = Sub;

    #[inline]
    fn publish(&mut self, message: &Publish<'_>, echo: bool) -> bool {
        self.received.msgs += 1;
        self.received.bytes += message.payload.len() as u64;
        self.deliver(message.subject, message, echo)
    }

    fn count_refused(&mut self, payload: usize) {
        self.received.msgs += 1;
        self.received.bytes += payload as u64;
    }

    #[inline]
    fn rewrites(&self) -> bool {
        self.mappings.is_some()
    }

    fn rewrite(&mut self, message: &Publish<'_>, out: &mut Vec<u8>) -> Rewritten {
        let Some(mappings) = &self.mappings else {
            return Rewritten::Same;
        };
        match mappings.apply(message.subject, next_random(self.random), out) {
            Mapped::Unchanged => Rewritten::Same,
            Mapped::Rewritten => Rewritten::Other,
            Mapped::Dropped => {
                // It counts as received all the same.
                self.received.msgs += 1;
                self.received.bytes += message.payload.len() as u64;
                Rewritten::Lost
            }
        }
    }

    fn trace_context(&mut self) -> Context {
        self.context()
    }

    fn begin_trace(&mut self, ask: &Ask<'_>, message: &Publish<'_>, destination: &[u8]) {
        let random = next_random(self.random);
        let trace = Trace::new(ask, message, destination, self.own, self.account, random);
        self.trace = Some(Box::new(trace));
    }

    fn trace_size(&mut self, size: usize) {
        if let Some(trace) = &mut self.trace {
            trace.record.set_size(size);
        }
    }

    fn trace_mapping(&mut self, subject: &[u8]) {
        if let Some(trace) = &mut self.trace {
            trace.note_mapping(subject);
        }
    }

    fn trace_error(&mut self, why: &str) {
        if let Some(trace) = &mut self.trace {
            trace.record.fail(why);
        }
    }

    fn publish_traced(&mut self, message: &Publish<'_>, echo: bool) -> bool {
        self.received.msgs += 1;
        self.received.bytes += message.payload.len() as u64;
        self.deliver_traced(message, echo)
    }

    fn end_trace(&mut self) {
        if let Some(trace) = self.trace.take() {
            self.door.traced(*trace);
        }
    }

    fn no_responders(&mut self, subject: &[u8], reply: &[u8]) {
        let mut matched = Matched::default();
        let account = self.account;
        self.interest
            .get_or_insert_with(|| account.interest())
            .collect(reply, &mut matched);
        let own = |sub: &&Sub| Arc::ptr_eq(sub.destination(), self.own);
        let Some(sub) = matched.plain().iter().find(own) else {
            return;
        };
        let mut block = Vec::with_capacity(64 + subject.len());
        headers::write_no_responders(&mut block, subject);
        let mut frame = Vec::with_capacity(block.len() + reply.len() + 48);
        encode::write_msg(
            &mut frame,
            reply,
            sub.sid(),
            None,
            Some(block.len()),
            &block,
        );
        self.stages.push_text(self.own, &frame);
    }

    fn subscribe(&mut self, request: SubscribeRequest<'_>) -> Sub {
        self.interest = None;
        let SubscribeRequest {
            subject,
            queue,
            sid,
            deny,
        } = request;
        let gate = deny.map(|filter| gate(filter, queue));
        let destination = Arc::clone(self.own);
        let spec = SubscriptionSpec {
            destination,
            subject,
            queue,
            sid,
            gate,
            tie: None,
        };
        let subscription = Arc::new(Subscription::new(spec));
        self.account.subscribe(&subscription);
        subscription
    }

    fn unsubscribe(&mut self, subscription: &Sub) {
        self.interest = None;
        if self.own.is_traced() {
            self.door.trace_end(subscription.sid());
        }
        self.account.unsubscribe(subscription);
    }

    fn limit(&mut self, subscription: &Sub, max: u64) -> bool {
        self.cache.settle_last();
        subscription.limit(max)
    }

    fn is_spent(&self, subscription: &Sub) -> bool {
        subscription
            .max()
            .is_some_and(|max| subscription.delivered() >= max)
    }

    fn send(&mut self, text: &[u8]) {
        if self.own.is_traced() {
            self.door.trace_text(text);
        }
        self.stages.push_text(self.own, text);
    }

    fn send_connect_info(&mut self) {
        let info = self.door.connect_info();
        self.stages.push_text(self.own, &info);
    }

    fn recall(&self, known: &mut ConnectOptions) {
        self.door.recall(known);
    }

    fn authenticate(&mut self, options: &ConnectOptions, first: bool) -> Verdict {
        // The interest of any account may be changed by it.
        self.interest = None;
        self.door.authenticate(options, first)
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        self.interest = None;
        self.door.authenticate_silent()
    }

    fn may_respond(&mut self, subject: &[u8]) -> bool {
        self.own.may_respond(subject, self.door.now())
    }

    fn report(&mut self, report: Report<'_>) {
        self.door.report(report);
    }

    fn trace(&mut self, frame: &[u8]) {
        self.door.trace(frame);
    }
}
