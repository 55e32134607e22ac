//! One message on its way to everybody who wants it.
//!
//! Clients' publishes ([`super::pass`]) and the server's own messages ([`super::outlet`]) are
//! delivered here alike: plain subscriptions all, of each queue group one member, those that can
//! take it first. Frames are staged, not sent.

use std::sync::Arc;
use std::time::Duration;

use cognate_router::{Matched, Permit, Subscription, Tie};
use cognate_wire::{Publish, encode};

use super::account::Account;
use super::connection::Connection;
use super::measure::{Fate, Measured};
use super::stage::{CUT_BYTES, Frame, Full, Stages};
use super::worker::next_random;

pub(super) type Sub = Arc<Subscription<Connection>>;

/// What a delivery asks of whoever brings it about.
pub(crate) trait Watch {
    /// Time since the server started.
    fn now(&self) -> Duration;
    /// Notes a message to `sub` for the trace log; `subject` is the one it is delivered under.
    fn trace_message(&self, sub: &Subscription<Connection>, subject: &[u8], message: &Publish<'_>);
    /// Writes who publishes, as JSON for a service of another account.
    fn write_request_info(&self, asks: &Asks<'_>, out: &mut Vec<u8>);
    /// What was measured of a request, as JSON for the exporter of the service.
    fn latency(&self, measured: &Measured, fate: Fate, responder: Option<&Connection>) -> String;
}

/// What a service of another account is told of whoever asks.
pub(crate) struct Asks<'a> {
    /// Everything that is known; otherwise the account only.
    pub share: bool,
    /// Where it is, because the service is the system account's.
    pub to_system: bool,
    /// The importing account.
    pub from: &'a str,
    /// What a previous import of the same request said.
    pub earlier: Option<&'a [u8]>,
}

/// A subscription that reached its maximum, and the account that it is in.
pub(super) type Ended = (Arc<Account>, Sub);

/// How deliveries to plain subscriptions are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Accounting {
    /// The cache counts one for each; a delivery that does not happen is taken back.
    Counted,
    /// One by one, because one of them has a maximum.
    Each,
}

/// One message on its way to everybody who wants it.
pub(super) struct Delivery<'a, W> {
    /// Who publishes, if it is a client: it may not want its own messages.
    pub own: Option<&'a Arc<Connection>>,
    /// The account it is delivered in.
    pub account: &'a Arc<Account>,
    /// Where frames are gathered.
    pub stages: &'a mut Stages,
    /// Subscriptions that reach their maximum with it.
    pub ended: &'a mut Vec<Ended>,
    /// What should be handed over.
    pub full: Option<Full>,
    /// The subject it is routed to.
    pub routed: &'a [u8],
    /// Whether it came through a service import.
    pub imported: bool,
    /// The message as a frame.
    pub frame: &'a Frame<'a>,
    /// The message itself.
    pub message: &'a Publish<'a>,
    /// Time and trace.
    pub watch: &'a W,
    /// Whether the publisher gets its own messages.
    pub echo: bool,
    /// Whether destinations that cannot keep up are left out.
    pub drop_for_stalled: bool,
}

impl<W: Watch> Delivery<'_, W> {
    /// Stages the message for everybody who wants it; returns whether somebody does.
    pub(super) fn deliver_to_all(
        &mut self,
        matched: &Matched<Connection>,
        how: Accounting,
        random: &mut u64,
    ) -> bool {
        if how == Accounting::Counted && self.deliver_in_unison(matched) {
            return true;
        }
        let mut delivered = false;
        for sub in matched.plain() {
            if how == Accounting::Counted {
                if self.is_open(sub) {
                    self.stage(sub);
                    delivered = true;
                } else {
                    sub.unsettle();
                }
            } else {
                delivered |= self.deliver_to(sub);
            }
        }
        for sub in matched.tied() {
            if let Some(Tie::Shadow { .. }) = sub.tie() {
                delivered |= self.deliver_to(sub);
            }
        }
        for group in matched.groups() {
            let draw = next_random(random);
            let chosen = group
                .members_from(draw)
                .find(|sub| !sub.destination().is_stalled() && self.deliver_to(sub));
            delivered |=
                chosen.is_some() || group.members_from(draw).any(|sub| self.deliver_to(sub));
        }
        delivered
    }

    /// Stages the message once for all of several subscriptions that differ in nothing but their
    /// connections, if they are the same as the last time. Returns whether that is so.
    #[inline]
    fn deliver_in_unison(&mut self, matched: &Matched<Connection>) -> bool {
        let Some(subs @ [first, ..]) = matched.several() else {
            return false;
        };
        if self.frame.tail.len() >= CUT_BYTES || self.drop_for_stalled {
            return false;
        }
        let own = self.own;
        let is_alike = |sub: &Sub| {
            let to = sub.destination();
            let is_own = own.is_some_and(|own| Arc::ptr_eq(to, own));
            sub.sid() == first.sid() && !is_own && !to.needs_care() && !to.is_closed()
        };
        let are_alike = || subs.iter().all(is_alike);
        match self.stages.push_in_unison(subs, self.frame, are_alike) {
            Some(full) => {
                self.full = full;
                true
            }
            None => false,
        }
    }

    /// Delivers to one subscription if it can be, counting it.
    pub(super) fn deliver_to(&mut self, sub: &Sub) -> bool {
        if !self.is_open(sub) {
            return false;
        }
        if sub.is_tied() {
            return self.deliver_to_shadow(sub);
        }
        if !self.reserve(sub, self.account) {
            return false;
        }
        self.stage(sub);
        true
    }

    /// Counts a delivery, if it may be.
    fn reserve(&mut self, sub: &Sub, account: &Arc<Account>) -> bool {
        if !sub.is_limited() {
            sub.settle(1);
            return true;
        }
        match sub.reserve() {
            Permit::Refused => return false,
            Permit::Granted => {}
            Permit::Last => self.ended.push((Arc::clone(account), Arc::clone(sub))),
        }
        true
    }

    /// Delivers to the importing account's subscription that a shadow stands for.
    fn deliver_to_shadow(&mut self, shadow: &Sub) -> bool {
        let Some(Tie::Shadow { of, renaming, .. }) = shadow.tie() else {
            return false;
        };
        if self.imported {
            // What came through a service import is not exported once more as a stream.
            return false;
        }
        let mut name = self.stages.take_name();
        renaming.inward(self.routed, &mut name);
        let delivers = !of.denies(&name) && self.reserve_at_home(of);
        if delivers {
            let subject = if renaming.is_identity() {
                self.frame.subject
            } else {
                &name[..]
            };
            let frame = Frame {
                subject,
                ..*self.frame
            };
            self.stage_under(of, &frame);
        }
        self.stages.keep_name(name);
        delivers
    }

    /// Counts a delivery to a subscription of another account, if it may be.
    fn reserve_at_home(&mut self, of: &Sub) -> bool {
        if !of.is_limited() {
            of.settle(1);
            return true;
        }
        match of.destination().account() {
            Some(home) => self.reserve(of, &home),
            None => false,
        }
    }

    fn is_open(&self, sub: &Sub) -> bool {
        let to = sub.destination();
        !(to.is_closed()
            || (!self.echo && self.own.is_some_and(|own| Arc::ptr_eq(to, own)))
            || (self.drop_for_stalled && to.is_stalled()))
    }

    #[inline]
    fn stage(&mut self, sub: &Sub) {
        self.stage_under(sub, self.frame);
    }

    #[inline]
    fn stage_under(&mut self, sub: &Sub, frame: &Frame<'_>) {
        if sub.destination().needs_care() {
            return self.stage_with_care(sub, frame);
        }
        self.stage_frame(sub, frame);
    }

    #[inline]
    fn stage_frame(&mut self, sub: &Sub, frame: &Frame<'_>) {
        if let Some(full) = self.stages.push(sub.destination(), sub.sid(), frame) {
            self.full = Some(full);
        }
    }

    /// For the few destinations that want replies recorded, take no headers, are traced, or want to
    /// know who publishes.
    #[cold]
    fn stage_with_care(&mut self, sub: &Sub, frame: &Frame<'_>) {
        let to = sub.destination();
        if let Some(reply) = self.message.reply
            && to.tracks_replies()
        {
            to.record_reply(reply, self.watch.now());
        }
        if to.is_traced() {
            self.watch.trace_message(sub, frame.subject, self.message);
        }
        match self.message.header_len {
            Some(header_len) if !to.takes_headers() => {
                let body = self.message.payload.len().saturating_sub(header_len);
                let out = self.stages.frame_buffer(to, body);
                let Publish { reply, payload, .. } = *self.message;
                encode::write_msg_stripped(
                    out,
                    frame.subject,
                    sub.sid(),
                    reply,
                    header_len,
                    payload,
                );
            }
            _ => match self.own {
                Some(own) if to.names_publishers() => {
                    let sid = [sub.sid(), own.cid.to_string().as_bytes()].join(&b'.');
                    if let Some(full) = self.stages.push(to, &sid, frame) {
                        self.full = Some(full);
                    }
                }
                _ => self.stage_frame(sub, frame),
            },
        }
    }
}

impl<'a> Frame<'a> {
    /// The frame of `message` under `subject`. What follows the sid is taken from the message's own
    /// text if it has that, and otherwise written to `tail`.
    pub(super) fn of(
        message: &Publish<'a>,
        subject: &'a [u8],
        input: &[u8],
        tail: &'a mut Vec<u8>,
    ) -> Self {
        let tail = match message.tail {
            Some(bytes) => return Frame::with_tail(message, subject, bytes, input),
            None => {
                write_tail(tail, message);
                &tail[..]
            }
        };
        Frame {
            has_headers: message.header_len.is_some(),
            subject,
            tail,
            tail_start: None,
            payload_len: message.payload.len(),
        }
    }

    /// Frame of `message` with the tail of its own text, which is in `input`.
    #[inline]
    pub(super) fn with_tail(
        message: &Publish<'a>,
        subject: &'a [u8],
        tail: &'a [u8],
        input: &[u8],
    ) -> Self {
        Frame {
            has_headers: message.header_len.is_some(),
            subject,
            tail,
            // Where it starts matters for large ones only.
            tail_start: match tail.len() >= CUT_BYTES {
                true => position_in(input, tail),
                false => None,
            },
            payload_len: message.payload.len(),
        }
    }
}

/// Where `part` starts in `whole`, if it is a part of it.
fn position_in(whole: &[u8], part: &[u8]) -> Option<usize> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    (start + part.len() <= whole.len()).then_some(start)
}

/// Writes what follows the sid in a frame, for a message whose own text cannot be reused.
fn write_tail(out: &mut Vec<u8>, message: &Publish<'_>) {
    out.clear();
    if let Some(reply) = message.reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if let Some(header_len) = message.header_len {
        encode::write_decimal(out, header_len as u64);
        out.push(b' ');
    }
    encode::write_decimal(out, message.payload.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(message.payload);
    out.extend_from_slice(b"\r\n");
}
