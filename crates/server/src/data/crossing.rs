//! A message on its way into another account.
//!
//! [`Crossing`] does for messages that crossed an import what a pass does for a client's own: it
//! matches and stages them. From one service import a request may reach the next; a way that comes
//! back to an import it has passed, or is too long, ends there. Called by [`super::pass`] and
//! [`super::outlet`] when what they deliver reaches a passage.

use std::sync::Arc;

use cognate_router::{Interest, MatchCache};
use cognate_wire::tracing::DISABLED;
use cognate_wire::{Publish, headers};
use parking_lot::RwLockReadGuard;

use super::account::Account;
use super::connection::Connection;
use super::delivery::{Accounting, Asks, Delivery, Ended, Sub, Watch};
use super::journey::{Buffers, Journey, leads_on, passages};
use super::measure::{Fate, Measured, sample};
use super::passage::{Answered, Leads, Open, Service};
use super::stage::{Frame, Stages};
use super::tracing::{Trace, redirected};
use super::worker::next_random;

/// Imports that one message may cross in all, where it goes several ways: more than there are
/// accounts behind one subject, and so few that whoever shares the thread does not notice.
pub(super) const MAX_CROSSINGS: u32 = 8192;

/// The header that tells a service who asks.
const REQUEST_INFO: &[u8] = b"Nats-Request-Info";

/// Reply subjects of consumers' messages, which stay as they are: their acknowledgements are
/// exported as such.
const ACK_PREFIX: &[u8] = b"$JS.ACK.";

/// A message on its way into another account.
pub(super) struct Crossing<'a, 'i, W> {
    /// Who publishes, if it is a client.
    pub own: Option<&'a Arc<Connection>>,
    /// Where frames are gathered.
    pub stages: &'a mut Stages,
    /// What recent subjects reach.
    pub cache: &'a mut MatchCache<Connection>,
    /// What it shares with those before.
    pub journey: &'a mut Journey,
    /// The interest that the publisher holds while nobody changes any.
    pub interest: &'a mut Option<RwLockReadGuard<'i, Interest<Connection>>>,
    /// Subscriptions that reached their maximum.
    pub ended: &'a mut Vec<Ended>,
    /// State of the random numbers.
    pub random: &'a mut u64,
    /// Time and trace.
    pub watch: &'a W,
    /// What the publisher's frames lie in.
    pub input: &'a [u8],
    /// Whether the publisher gets its own messages.
    pub echo: bool,
    /// Whether destinations that cannot keep up are left out.
    pub drop_for_stalled: bool,
    /// Imports that the message may still cross, at most [`MAX_CROSSINGS`].
    pub left: u32,
    /// Whether the headers say who asks because an import before this one wrote that.
    pub introduced: bool,
    /// Whether what is published now came through an import.
    pub imported: bool,
    /// Whether some stage is full.
    pub full: bool,
    /// The way of the message, if it is to be told.
    pub trace: Option<&'a mut Trace>,
}

/// How a message that crosses an import goes on being traced.
enum Beyond<'a> {
    /// It was not, or is here as well.
    Same,
    /// It is not: the trace waits here for its return.
    Untraced(Option<&'a mut Trace>),
    /// It does not cross.
    Stopped,
}

impl<'a, W: Watch> Crossing<'a, '_, W> {
    /// Takes a message that reached `passages` under `subject` in `from` to where they lead;
    /// returns whether anybody got it.
    pub(super) fn follow(
        &mut self,
        passages: &[Sub],
        from: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
    ) -> bool {
        let mut delivered = false;
        for passage in passages {
            delivered |= match passage.destination().leads() {
                Some(Leads::Service(service)) => self.request(service, from, subject, message),
                Some(Leads::Answers) => self.answer(from, subject, message),
                None => false,
            };
        }
        delivered
    }

    /// Sets out through an import; returns whether the message may cross it.
    fn enter(&mut self, service: &Arc<Service>) -> bool {
        let Some(left) = self.left.checked_sub(1) else {
            return false;
        };
        let enters = self.journey.trail.enter(service);
        if enters {
            self.left = left;
        }
        enters
    }

    fn request(
        &mut self,
        service: &Arc<Service>,
        from: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
    ) -> bool {
        if !self.enter(service) {
            return false;
        }
        let mut buffers = self.journey.take_buffers();
        let introduced = self.introduced;
        let delivered = self.request_with(service, from, subject, message, &mut buffers);
        self.introduced = introduced;
        self.journey.keep_buffers(buffers);
        self.journey.trail.leave();
        delivered
    }

    fn request_with(
        &mut self,
        service: &Arc<Service>,
        from: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
        buffers: &mut Buffers,
    ) -> bool {
        let Buffers {
            name,
            reply,
            payload,
            tail,
        } = buffers;
        service.renaming.outward(subject, name);
        service.to.map(name, self.random);
        let mut opened = None;
        let measured = self.measure(service, from, message);
        match message.reply {
            Some(own) if own.starts_with(ACK_PREFIX) => reply.extend_from_slice(own),
            Some(own) => opened = Some(self.open(from, own, service, measured, &service.to, reply)),
            None => {
                if let Some(measured) = measured {
                    self.report(service, &measured, Fate::BadRequest);
                }
            }
        }
        let header_len = self.introduce(service, from, message, payload);
        self.introduced = true;
        let beyond = self.trace_onward(&service.to, service.allow_trace, subject, name);
        if matches!(beyond, Beyond::Stopped) {
            if let Some(token) = opened {
                service.to.answers.close(token);
            }
            return false;
        }
        let header_len = self.redirect(service, &beyond, payload, header_len);
        let forwarded = Publish {
            subject: name,
            reply: Some(&reply[..]).filter(|reply| !reply.is_empty()),
            header_len: Some(header_len),
            payload,
            tail: None,
        };
        let delivered = self.publish(&service.to, name, &forwarded, tail);
        let only = self.trace.as_ref().is_some_and(|trace| trace.is_only());
        if let Beyond::Untraced(trace) = beyond {
            self.trace = trace;
        }
        if let Some(token) = opened.filter(|_| !delivered || only)
            && let Some(open) = service.to.answers.close(token)
            && !delivered
            && let Some(measured) = open.measured
        {
            self.report(service, &measured, Fate::NoResponder);
        }
        delivered
    }

    /// What is measured of a request, if it is.
    fn measure(
        &mut self,
        service: &Service,
        from: &Account,
        message: &Publish<'_>,
    ) -> Option<Measured> {
        let latency = service.latency.as_ref()?;
        let draw = ((u128::from(next_random(self.random)) * 100) >> 64) as u8;
        let block = &message.payload[..message.header_len.unwrap_or(0).min(message.payload.len())];
        let headers = sample(latency.sampling, draw, block)?;
        Some(Measured {
            requester: self.own.cloned(),
            account: from.name.clone(),
            share: service.share,
            at: self.watch.now(),
            headers,
        })
    }

    /// Publishes what was measured where the exporter wants it.
    fn report(&mut self, service: &Service, measured: &Measured, fate: Fate) {
        let Some(latency) = &service.latency else {
            return;
        };
        let responder = self.own.filter(|_| fate == Fate::Answered);
        let result = self
            .watch
            .latency(measured, fate, responder.map(|own| &**own));
        let subject = latency.subject.as_bytes();
        let message = Publish {
            subject,
            reply: None,
            header_len: None,
            payload: result.as_bytes(),
            tail: None,
        };
        self.publish_anew(&service.to, subject, &message);
    }

    fn answer(&mut self, from: &Arc<Account>, subject: &[u8], message: &Publish<'_>) -> bool {
        let now = self.journey.now(self.watch);
        let Some(answered) = from.answers.take(subject, message.payload.len(), now) else {
            return false;
        };
        if let Some(measured) = &answered.measured {
            self.report(&answered.service, measured, Fate::Answered);
        }
        // An answer does not become another request to the service that gave it.
        if !self.enter(&answered.service) {
            return false;
        }
        let mut buffers = self.journey.take_buffers();
        // Its headers are the responder's, who may claim there what it likes.
        let introduced = std::mem::replace(&mut self.introduced, false);
        let delivered = self.answer_with(&answered, from, subject, message, &mut buffers);
        self.introduced = introduced;
        self.journey.keep_buffers(buffers);
        self.journey.trail.leave();
        if !delivered {
            from.answers.close(answered.token);
        }
        delivered
    }

    fn answer_with(
        &mut self,
        answered: &Answered,
        from: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
        buffers: &mut Buffers,
    ) -> bool {
        let Buffers {
            reply,
            payload,
            tail,
            ..
        } = buffers;
        let (to, own) = (&answered.to, &answered.reply[..]);
        match message.reply {
            Some(ack) if ack.starts_with(ACK_PREFIX) => reply.extend_from_slice(ack),
            Some(back) => {
                // An answer that wants an answer: the way back leads the other way round.
                self.open(from, back, &answered.service, None, to, reply);
            }
            None => {}
        }
        // A consumer delivers by a reply subject and says what the message is about.
        let shown = match message.subject == subject {
            true => own,
            false => message.subject,
        };
        let forwarded = Publish {
            subject: shown,
            reply: Some(&reply[..]).filter(|reply| !reply.is_empty()),
            tail: message.tail.filter(|_| message.reply.is_none()),
            ..*message
        };
        match self.trace_onward(to, false, subject, own) {
            Beyond::Same => self.publish(to, own, &forwarded, tail),
            Beyond::Stopped => false,
            Beyond::Untraced(trace) => {
                let len = forwarded.header_len.unwrap_or(0);
                let header_len = redirected(forwarded.payload, len, DISABLED, payload);
                let untraced = Publish {
                    payload,
                    header_len: Some(header_len),
                    tail: None,
                    ..forwarded
                };
                let delivered = self.publish(to, own, &untraced, tail);
                self.trace = trace;
                delivered
            }
        }
    }

    /// Gives a request headers that say where it is traced to from here on, if it is traced. Takes
    /// and returns the length of all headers.
    fn redirect(
        &self,
        service: &Service,
        beyond: &Beyond<'_>,
        payload: &mut Vec<u8>,
        header_len: usize,
    ) -> usize {
        let mut back = Vec::new();
        let destination = match beyond {
            Beyond::Untraced(_) => DISABLED,
            Beyond::Same if self.trace.is_some() => {
                // Where a server behind this one would send its event.
                service.to.answers.write_dead_end(&mut back);
                &back
            }
            Beyond::Same | Beyond::Stopped => return header_len,
        };
        let introduced = std::mem::take(payload);
        redirected(&introduced, header_len, destination, payload)
    }

    /// Notes that a message that is traced crosses an import, and how it goes on.
    fn trace_onward(
        &mut self,
        to: &Account,
        allowed: bool,
        from: &[u8],
        name: &[u8],
    ) -> Beyond<'a> {
        let Some(trace) = &mut self.trace else {
            return Beyond::Same;
        };
        trace.note_service(&to.name, from, name);
        match (allowed, trace.is_only()) {
            (true, _) => Beyond::Same,
            (false, true) => Beyond::Stopped,
            (false, false) => Beyond::Untraced(self.trace.take()),
        }
    }

    /// Opens a way back from `from` to `own` in `to`, and writes the reply subject that leads there.
    fn open(
        &mut self,
        to: &Arc<Account>,
        own: &[u8],
        service: &Arc<Service>,
        measured: Option<Measured>,
        from: &Account,
        reply: &mut Vec<u8>,
    ) -> u64 {
        if !from.answers.is_begun() {
            // The interest of an account is about to be changed, which may be this one's.
            *self.interest = None;
        }
        let open = Open {
            to: Arc::clone(to),
            reply: own.into(),
            service: Arc::clone(service),
            measured: measured.map(Box::new),
            at: self.journey.now(self.watch),
        };
        from.open_answer(open, reply)
    }

    /// Writes the request with who asks in its headers, and returns their length. What a client
    /// claims there itself is replaced.
    fn introduce(
        &self,
        service: &Service,
        from: &Account,
        message: &Publish<'_>,
        out: &mut Vec<u8>,
    ) -> usize {
        let header_len = message.header_len.unwrap_or(0).min(message.payload.len());
        let (block, body) = message.payload.split_at(header_len);
        let earlier = self
            .introduced
            .then(|| headers::HeaderBlock::parse(block)?.first(REQUEST_INFO))
            .flatten();
        // Who answers a request and makes another one of it shares nothing by that.
        let is_asked = self.introduced || self.journey.trail.len() == 1;
        let asks = Asks {
            share: service.share && is_asked,
            to_system: service.to_system,
            from: &from.name,
            earlier,
        };
        out.reserve(message.payload.len() + 128);
        headers::write_without(out, block, REQUEST_INFO);
        out.extend_from_slice(REQUEST_INFO);
        out.extend_from_slice(b": ");
        self.watch.write_request_info(&asks, out);
        out.extend_from_slice(b"\r\n\r\n");
        let header_len = out.len();
        out.extend_from_slice(body);
        header_len
    }

    /// Publishes something of the server's own within `account`, which may be exported.
    fn publish_anew(&mut self, account: &Arc<Account>, subject: &[u8], message: &Publish<'_>) {
        let trail = self.journey.trail.begin();
        let imported = std::mem::replace(&mut self.imported, false);
        let trace = self.trace.take();
        self.publish(account, subject, message, &mut Vec::new());
        self.journey.trail.go_on(trail);
        (self.imported, self.trace) = (imported, trace);
    }

    /// Publishes within `account`; `tail` is memory for the frame.
    fn publish(
        &mut self,
        account: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
        tail: &mut Vec<u8>,
    ) -> bool {
        let slot = self
            .cache
            .look_up(account.id, &account.generations, subject, |matched| {
                account.interest_again().collect(subject, matched);
            });
        let matched = self.cache.matched(slot);
        if matched.is_empty() && self.trace.is_none() {
            return false;
        }
        let onward = leads_on(matched);
        let each = self.trace.is_some() || matched.plain().iter().any(|sub| sub.is_limited());
        let accounting = if each {
            self.cache.settle_last();
            Accounting::Each
        } else {
            self.cache.count_delivery(slot);
            Accounting::Counted
        };
        let frame = Frame::of(message, message.subject, self.input, tail);
        let mut delivery = Delivery {
            own: self.own,
            account,
            stages: self.stages,
            ended: self.ended,
            full: None,
            routed: subject,
            imported: self.imported,
            frame: &frame,
            message,
            watch: self.watch,
            echo: self.echo,
            drop_for_stalled: self.drop_for_stalled,
        };
        let matched = self.cache.matched(slot);
        let mut delivered = match &mut self.trace {
            None => delivery.deliver_to_all(matched, accounting, self.random),
            Some(trace) => {
                let mut withheld = Vec::new();
                let interest = account.interest_again();
                interest.collect_withheld(subject, &mut withheld);
                drop(interest);
                delivery.deliver_traced(matched, &withheld, self.random, trace)
            }
        };
        self.full |= delivery.full.is_some();
        if onward {
            let passages = passages(self.cache.matched(slot)).cloned();
            let passages: Vec<Sub> = passages.collect();
            delivered |= self.follow(&passages, account, subject, message);
        }
        delivered
    }
}
