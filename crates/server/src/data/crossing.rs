//! A message on its way into another account.
//!
//! [`Crossing`] does for messages that crossed an import what a pass does for a client's own: it
//! matches and stages them. From one service import a request may reach the next; a way that comes
//! back to an import it has passed, or is too long, ends there. Called by [`super::pass`] and
//! [`super::outlet`] when what they deliver reaches a passage.

use std::sync::Arc;

use cognate_router::{MatchCache, Matched, Tie};
use cognate_wire::tracing::DISABLED;
use cognate_wire::{Publish, headers};

use super::account::Account;
use super::connection::Connection;
use super::delivery::{Accounting, Delivery, Ended, Sub, Watch};
use super::measure::{Fate, Measured, sample};
use super::passage::{Answered, Leads, Open, Service};
use super::stage::{Frame, Stages};
use super::tracing::{Trace, redirected};
use super::worker::next_random;

/// Imports that one message may cross, one after the other.
const MAX_IMPORTS: usize = 16;

/// The header that tells a service who asks.
const REQUEST_INFO: &[u8] = b"Nats-Request-Info";

/// Reply subjects of consumers' messages, which stay as they are: their acknowledgements are
/// exported as such.
const ACK_PREFIX: &[u8] = b"$JS.ACK.";

/// A message on its way into another account.
pub(super) struct Crossing<'a, W> {
    /// Who publishes, if it is a client.
    pub own: Option<&'a Arc<Connection>>,
    /// Where frames are gathered.
    pub stages: &'a mut Stages,
    /// What recent subjects reach.
    pub cache: &'a mut MatchCache<Connection>,
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
    /// Where the imports crossed so far are, each of which lives as long as it is here. (What counts
    /// references to them is shared with whoever answers, on another core.)
    pub crossed: Vec<usize>,
    /// Whether what is published now came through an import.
    pub imported: bool,
    /// Whether some stage is full.
    pub full: bool,
    /// The way of the message, if it is to be told.
    pub trace: Option<&'a mut Trace>,
}

/// The passages among what a subject reaches.
pub(super) fn passages(matched: &Matched<Connection>) -> Vec<Sub> {
    let tied = matched.tied().iter();
    tied.filter(|sub| matches!(sub.tie(), Some(Tie::Passage)))
        .cloned()
        .collect()
}

impl<'a, W> Crossing<'a, W> {
    /// A message of the server's own.
    pub(super) fn of_server(
        stages: &'a mut Stages,
        cache: &'a mut MatchCache<Connection>,
        ended: &'a mut Vec<Ended>,
        random: &'a mut u64,
        watch: &'a W,
    ) -> Self {
        Crossing {
            own: None,
            stages,
            cache,
            ended,
            random,
            watch,
            input: &[],
            echo: true,
            drop_for_stalled: false,
            crossed: Vec::new(),
            imported: true,
            full: false,
            trace: None,
        }
    }
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

impl<'a, W: Watch> Crossing<'a, W> {
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

    fn request(
        &mut self,
        service: &Arc<Service>,
        from: &Arc<Account>,
        subject: &[u8],
        message: &Publish<'_>,
    ) -> bool {
        let place = Arc::as_ptr(service).addr();
        if self.crossed.contains(&place) || self.crossed.len() >= MAX_IMPORTS {
            return false;
        }
        let mut name = Vec::with_capacity(64);
        service.renaming.outward(subject, &mut name);
        service.to.map(&mut name, self.random);
        let mut reply = Vec::new();
        let mut opened = None;
        let measured = self.measure(service, from, message);
        match message.reply {
            Some(own) if own.starts_with(ACK_PREFIX) => reply.extend_from_slice(own),
            Some(own) => {
                let open = self.opening(from, own, service, measured);
                opened = Some(service.to.open_answer(open, &mut reply));
            }
            None => {
                if let Some(measured) = measured {
                    self.report(service, &measured, Fate::BadRequest);
                }
            }
        }
        let introduced = self.introduce(service, from, message);
        let beyond = self.trace_onward(&service.to, service.allow_trace, subject, &name);
        if matches!(beyond, Beyond::Stopped) {
            if let Some(token) = opened {
                service.to.answers.close(token);
            }
            return false;
        }
        let (payload, header_len) = self.redirect(service, &beyond, introduced);
        let forwarded = Publish {
            subject: &name,
            reply: Some(&reply[..]).filter(|reply| !reply.is_empty()),
            header_len: Some(header_len),
            payload: &payload,
            tail: None,
        };
        self.crossed.push(place);
        let delivered = self.publish(&service.to, &name, &forwarded);
        self.crossed.pop();
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
        let now = self.watch.now();
        let Some(answered) = from.answers.take(subject, message.payload.len(), now) else {
            return false;
        };
        let Answered {
            to,
            reply: own,
            service,
            measured,
            token,
        } = &answered;
        if let Some(measured) = measured {
            self.report(service, measured, Fate::Answered);
        }
        let mut reply = Vec::new();
        match message.reply {
            Some(ack) if ack.starts_with(ACK_PREFIX) => reply.extend_from_slice(ack),
            Some(back) => {
                // An answer that wants an answer: the way back leads the other way round.
                let open = self.opening(from, back, service, None);
                to.open_answer(open, &mut reply);
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
        // An answer does not become another request to the service that gave it.
        self.crossed.push(Arc::as_ptr(service).addr());
        let delivered = match self.trace_onward(to, false, subject, own) {
            Beyond::Same => self.publish(to, own, &forwarded),
            Beyond::Stopped => false,
            Beyond::Untraced(trace) => {
                let len = forwarded.header_len.unwrap_or(0);
                let (payload, header_len) = redirected(forwarded.payload, len, DISABLED);
                let untraced = Publish {
                    payload: &payload,
                    header_len: Some(header_len),
                    tail: None,
                    ..forwarded
                };
                let delivered = self.publish(to, own, &untraced);
                self.trace = trace;
                delivered
            }
        };
        self.crossed.pop();
        if !delivered {
            from.answers.close(*token);
        }
        delivered
    }

    /// A request with headers that say where it is traced to from here on, if it is traced.
    fn redirect(
        &self,
        service: &Service,
        beyond: &Beyond<'_>,
        introduced: (Vec<u8>, usize),
    ) -> (Vec<u8>, usize) {
        let (payload, header_len) = &introduced;
        match beyond {
            Beyond::Untraced(_) => redirected(payload, *header_len, DISABLED),
            Beyond::Same if self.trace.is_some() => {
                // Where a server behind this one would send its event.
                let mut back = Vec::new();
                service.to.answers.write_dead_end(&mut back);
                redirected(payload, *header_len, &back)
            }
            Beyond::Same | Beyond::Stopped => introduced,
        }
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

    /// A way back to `own` in `to`.
    fn opening(
        &self,
        to: &Arc<Account>,
        own: &[u8],
        service: &Arc<Service>,
        measured: Option<Measured>,
    ) -> Open {
        Open {
            to: Arc::clone(to),
            reply: own.into(),
            service: Arc::clone(service),
            measured,
            at: self.watch.now(),
        }
    }

    /// The request with who asks in its headers. What a client claims there itself is replaced.
    fn introduce(
        &self,
        service: &Service,
        from: &Account,
        message: &Publish<'_>,
    ) -> (Vec<u8>, usize) {
        let header_len = message.header_len.unwrap_or(0).min(message.payload.len());
        let (block, body) = message.payload.split_at(header_len);
        let earlier = (!self.crossed.is_empty())
            .then(|| headers::HeaderBlock::parse(block)?.first(REQUEST_INFO))
            .flatten();
        let info = self
            .watch
            .request_info(service.share, service.to_system, &from.name, earlier);
        let mut out = Vec::with_capacity(block.len() + info.len() + body.len() + 64);
        headers::write_with(&mut out, block, REQUEST_INFO, info.as_bytes());
        let header_len = out.len();
        out.extend_from_slice(body);
        (out, header_len)
    }

    /// Publishes something of the server's own within `account`, which may be exported.
    fn publish_anew(&mut self, account: &Arc<Account>, subject: &[u8], message: &Publish<'_>) {
        let crossed = std::mem::take(&mut self.crossed);
        let imported = std::mem::replace(&mut self.imported, false);
        let trace = self.trace.take();
        self.publish(account, subject, message);
        (self.crossed, self.imported, self.trace) = (crossed, imported, trace);
    }

    /// Publishes within `account`.
    fn publish(&mut self, account: &Arc<Account>, subject: &[u8], message: &Publish<'_>) -> bool {
        let slot = self
            .cache
            .look_up(account.id, &account.generations, subject, |matched| {
                account.interest_again().collect(subject, matched);
            });
        let matched = self.cache.matched(slot);
        if matched.is_empty() && self.trace.is_none() {
            return false;
        }
        let onward = passages(matched);
        let each = self.trace.is_some() || matched.plain().iter().any(|sub| sub.is_limited());
        let accounting = if each {
            self.cache.settle_last();
            Accounting::Each
        } else {
            self.cache.count_delivery(slot);
            Accounting::Counted
        };
        let mut tail = Vec::new();
        let frame = Frame::of(message, message.subject, self.input, &mut tail);
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
        if !onward.is_empty() {
            delivered |= self.follow(&onward, account, subject, message);
        }
        delivered
    }
}
