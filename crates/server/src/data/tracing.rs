//! Messages whose way is told (ADR-41): what is noted while one is delivered.
//!
//! A session begins a [`Trace`] for the few messages that ask for one; the pass notes what becomes of
//! the message, and at its end the trace goes to the system account's task, which publishes the event.
//! Deliveries that are traced have a way of their own ([`Delivery::deliver_traced`]), so that others
//! pay nothing for it. What a stream makes of the message is known later: its step is left open, with a
//! *ticket* by which the answer is told apart.
//!
//! Invariant: with [`Trace::only`] nothing is staged and nothing counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::SystemTime;

use cognate_group::TracedFrame;
use cognate_process::text::rfc3339_nano;
use cognate_router::{Matched, Tie};
use cognate_wire::tracing::{Ask, DESTINATION, DISABLED, Encoding, Kind, Record, Step};
use cognate_wire::{Publish, headers};

use super::account::Account;
use super::connection::Connection;
use super::delivery::{Delivery, Sub, Watch};
use super::stage::Frame;
use super::worker::next_random;

/// Why a message was not delivered, in nats-server's words.
mod why {
    pub(super) const NO_ECHO: &str = "Not delivered because of no echo";
    pub(super) const DENIED: &str = "Not delivered because subscription denies this subject";
    pub(super) const SPENT: &str = "Not delivered because auto-unsubscribe exceeded";
    pub(super) const CLOSED: &str = "Not delivered because client is closed";
    pub(super) const STALLED: &str =
        "Not delivered because fast producer not stalled and consumer is slow";
}

/// Steps that one event tells at most; deliveries beyond them are made and not told.
const MAX_STEPS: usize = 1 << 16;

/// Bytes that all ways that are known and not told yet may keep.
const MAX_KEPT_BYTES: usize = 64 * 1024 * 1024;

/// About what a step keeps.
const STEP_BYTES: usize = 512;

/// Room for the ways that are known and not told yet: they keep headers, which clients choose.
#[derive(Clone, Default)]
pub(crate) struct TraceRoom(Arc<AtomicUsize>);

/// A part of the room, given back when dropped.
struct Kept {
    room: TraceRoom,
    bytes: usize,
}

impl TraceRoom {
    fn keep(&self, bytes: usize) -> Option<Kept> {
        let before = self.0.fetch_add(bytes, Relaxed);
        let kept = Kept {
            room: self.clone(),
            bytes,
        };
        // One is always let in, however large it is.
        (before == 0 || before.saturating_add(bytes) <= MAX_KEPT_BYTES).then_some(kept)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.room.0.fetch_sub(self.bytes, Relaxed);
    }
}

/// The way of one message.
pub(crate) struct Trace {
    /// The account that it was published in, and the event is.
    pub account: Arc<Account>,
    /// The event's subject.
    pub destination: Box<[u8]>,
    /// In which form the event is wanted.
    pub encoding: Encoding,
    /// What is known so far.
    pub record: Record,
    /// Steps that streams have still to complete: ticket, and place among the steps.
    pub open: Vec<(u64, usize)>,
    /// Whether the message is not to be delivered.
    only: bool,
    /// For the next ticket.
    next_ticket: u64,
    /// Bytes of the message's headers.
    header_bytes: usize,
    /// What it keeps while it waits to be told.
    kept: Option<Kept>,
}

/// What a stream made of a message whose way is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The open step.
    pub ticket: u64,
    /// The subject it is stored under; empty if it was refused before that was known.
    pub subject: String,
    /// It was not kept, because no consumer wants it.
    pub no_interest: bool,
    /// Why it was refused; empty if it was not.
    pub error: String,
}

impl Trace {
    /// Begins with a message that `own` published in `account`. `random` makes tickets that no other
    /// trace has.
    pub(super) fn new(
        ask: &Ask<'_>,
        message: &Publish<'_>,
        destination: &[u8],
        own: &Connection,
        account: &Arc<Account>,
        random: u64,
    ) -> Self {
        let ingress = Step::Ingress {
            ts: now(),
            kind: Kind::Client,
            cid: own.cid,
            name: own.detail().name,
            acc: account.name.clone(),
            subj: text(message.subject),
            error: String::new(),
        };
        Trace {
            account: Arc::clone(account),
            destination: destination.into(),
            encoding: ask.encoding,
            record: Record::new(ask, message.payload.len(), ingress),
            open: Vec::new(),
            only: ask.only,
            next_ticket: random,
            header_bytes: message.header_len.unwrap_or(0),
            kept: None,
        }
    }

    /// Takes room to wait in until it is told; false if there is none.
    pub(crate) fn keep(&mut self, room: &TraceRoom) -> bool {
        let steps = self.record.steps.len().saturating_mul(STEP_BYTES);
        self.kept = room.keep(self.header_bytes.saturating_add(steps));
        self.kept.is_some()
    }

    /// Whether the message is not to be delivered.
    pub(super) fn is_only(&self) -> bool {
        self.only
    }

    /// Notes that a mapping gave the message another subject.
    pub(super) fn note_mapping(&mut self, to: &[u8]) {
        let (ts, to) = (now(), text(to));
        self.record.steps.push(Step::Mapping { ts, to });
    }

    /// Notes that the message goes on to a service of the account of this name.
    pub(super) fn note_service(&mut self, account: &str, from: &[u8], to: &[u8]) {
        self.record.steps.push(Step::ServiceImport {
            ts: now(),
            acc: account.to_owned(),
            from: text(from),
            to: text(to),
        });
    }

    fn note_stream_export(&mut self, account: &Account, to: &[u8]) {
        self.record.steps.push(Step::StreamExport {
            ts: now(),
            acc: account.name.clone(),
            to: text(to),
        });
    }

    fn note_egress(&mut self, sub: &Sub, error: &str) {
        if self.record.steps.len() >= MAX_STEPS {
            return;
        }
        let to = sub.destination();
        let account = to.account();
        let account = account.filter(|account| account.id != self.account.id);
        self.record.steps.push(Step::Egress {
            ts: now(),
            kind: Kind::Client,
            cid: to.cid,
            name: to.detail().name,
            acc: account.map_or_else(String::new, |account| account.name.clone()),
            sub: text(sub.subject()),
            queue: text(sub.queue().unwrap_or_default()),
            error: error.to_owned(),
        });
    }

    /// Notes that a stream is given the message; returns the ticket by which it answers.
    fn note_stream(&mut self, stream: String) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket = ticket.wrapping_add(1);
        self.open.push((ticket, self.record.steps.len()));
        self.record.steps.push(Step::JetStream {
            ts: now(),
            stream,
            subject: String::new(),
            no_interest: false,
            error: String::new(),
        });
        ticket
    }

    /// Completes the step that a stream answers to; false if it is none of this trace.
    pub(crate) fn complete(&mut self, taken: &Taken) -> bool {
        let is_it = |(ticket, _): &(u64, usize)| *ticket == taken.ticket;
        let Some(at) = self.open.iter().position(is_it) else {
            return false;
        };
        let (_, step) = self.open.swap_remove(at);
        if let Some(Step::JetStream {
            ts,
            subject,
            no_interest,
            error,
            ..
        }) = self.record.steps.get_mut(step)
        {
            *ts = now();
            subject.clone_from(&taken.subject);
            *no_interest = taken.no_interest;
            error.clone_from(&taken.error);
        }
        true
    }
}

/// Writes the payload of a message whose headers say that it is traced to `destination` from here on;
/// returns the length of its headers.
pub(super) fn redirected(
    payload: &[u8],
    header_len: usize,
    destination: &[u8],
    out: &mut Vec<u8>,
) -> usize {
    let (block, body) = payload.split_at(header_len.min(payload.len()));
    out.clear();
    out.reserve(payload.len() + 64);
    headers::write_with(out, block, DESTINATION, destination);
    let header_len = out.len();
    out.extend_from_slice(body);
    header_len
}

impl<W: Watch> Delivery<'_, W> {
    /// Does for a message that is traced what [`deliver_to_all`](Self::deliver_to_all) does for
    /// others. `withheld` are the subscriptions that match but must not see the subject.
    #[cold]
    pub(super) fn deliver_traced(
        &mut self,
        matched: &Matched<Connection>,
        withheld: &[Sub],
        random: &mut u64,
        trace: &mut Trace,
    ) -> bool {
        let mut delivered = false;
        for sub in withheld {
            // A member of a group is passed over for another one, if there is one.
            let replaced =
                |queue: &[u8]| matched.groups().iter().any(|group| group.name() == queue);
            if !sub.queue().is_some_and(replaced) {
                trace.note_egress(sub, why::DENIED);
            }
        }
        for sub in matched.plain() {
            delivered |= self.deliver_one_traced(sub, trace);
        }
        for sub in matched.tied() {
            if let Some(Tie::Shadow { .. }) = sub.tie() {
                delivered |= self.deliver_one_traced(sub, trace);
            }
        }
        for group in matched.groups() {
            let draw = next_random(random);
            let stalled = |sub: &&Sub| sub.destination().is_stalled();
            let (ready, slow): (Vec<&Sub>, Vec<&Sub>) =
                group.members_from(draw).partition(|sub| !stalled(sub));
            let mut members = ready.into_iter().chain(slow);
            delivered |= members.any(|sub| self.deliver_one_traced(sub, trace));
        }
        delivered
    }

    fn deliver_one_traced(&mut self, sub: &Sub, trace: &mut Trace) -> bool {
        if let Some(Tie::Shadow {
            of,
            renaming,
            traced,
        }) = sub.tie()
        {
            if self.imported {
                // What came through a service import is not exported once more as a stream.
                return false;
            }
            let mut name = Vec::new();
            renaming.inward(self.routed, &mut name);
            if let Some(home) = of.destination().account() {
                trace.note_stream_export(&home, &name);
            }
            if !traced {
                return trace.only || self.deliver_to(sub);
            }
            if of.destination().is_internal() {
                return self.deliver_inside(sub, of, &name, trace);
            }
            let obstacle = match of.denies(&name) {
                true => Some(why::DENIED),
                false => self.obstacle(sub, of, trace),
            };
            return self.deliver_or_tell(sub, obstacle, trace);
        }
        if sub.destination().is_internal() {
            return self.deliver_inside(sub, sub, self.frame.subject, trace);
        }
        let obstacle = self.obstacle(sub, sub, trace);
        self.deliver_or_tell(sub, obstacle, trace)
    }

    fn deliver_or_tell(
        &mut self,
        sub: &Sub,
        obstacle: Option<&'static str>,
        trace: &mut Trace,
    ) -> bool {
        if let Some(why) = obstacle {
            trace.note_egress(sub, why);
            return false;
        }
        let delivered = trace.only || self.deliver_to(sub);
        trace.note_egress(sub, if delivered { "" } else { why::SPENT });
        delivered
    }

    /// Why a subscription cannot be delivered to, if that is known before trying; `counted` is the
    /// one that counts.
    fn obstacle(&self, sub: &Sub, counted: &Sub, trace: &Trace) -> Option<&'static str> {
        let to = sub.destination();
        let own = self.own.is_some_and(|own| Arc::ptr_eq(to, own));
        let is_spent = counted.max().is_some_and(|max| counted.delivered() >= max);
        if own && !self.echo {
            Some(why::NO_ECHO)
        } else if trace.only {
            None
        } else if is_spent {
            Some(why::SPENT)
        } else if self.drop_for_stalled && to.is_stalled() {
            Some(why::STALLED)
        } else if to.is_closed() {
            Some(why::CLOSED)
        } else {
            None
        }
    }

    /// A part of the server, which `sub` reaches, and `at_home` in its own account: a stream's step
    /// is noted, others get what is to be delivered without one.
    fn deliver_inside(
        &mut self,
        sub: &Sub,
        at_home: &Sub,
        subject: &[u8],
        trace: &mut Trace,
    ) -> bool {
        let to = at_home.destination();
        if let Some(stream) = to.stream_for(at_home.sid()) {
            return self.deliver_to_stream(at_home, subject, stream, trace);
        }
        let Some(exporter) = to.exporter() else {
            return trace.only || self.deliver_to(sub);
        };
        trace.note_service(exporter, subject, subject);
        // What is only traced reaches no service, and who asks is told that there is none.
        !trace.only && self.deliver_to(sub)
    }

    /// Gives a stream the message, which it checks only if that is only to be traced. What is stored
    /// says that it is not to be traced any more.
    fn deliver_to_stream(
        &mut self,
        sub: &Sub,
        subject: &[u8],
        stream: String,
        trace: &mut Trace,
    ) -> bool {
        if sub.destination().is_closed() {
            return false;
        }
        let ticket = trace.note_stream(stream);
        let header_len = self.message.header_len.unwrap_or(0);
        let mut changed = Vec::new();
        let message = if trace.only {
            *self.message
        } else {
            let header_len = redirected(self.message.payload, header_len, DISABLED, &mut changed);
            Publish {
                payload: &changed,
                header_len: Some(header_len),
                tail: None,
                ..*self.message
            }
        };
        let mut tail = Vec::new();
        let whole = Publish {
            tail: None,
            ..message
        };
        let frame = Frame::of(&whole, subject, &[], &mut tail);
        let only = trace.only;
        let sid = [sub.sid(), TracedFrame { ticket, only }.suffix().as_bytes()].concat();
        if let Some(full) = self.stages.push(sub.destination(), &sid, &frame) {
            self.full = Some(full);
        }
        true
    }
}

fn now() -> String {
    rfc3339_nano(SystemTime::now())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
