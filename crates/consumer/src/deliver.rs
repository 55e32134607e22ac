//! Delivery: which message goes to whom, one after the other.
//!
//! ```text
//! queued for redelivery? ─▶ the first of the line ─┐
//! no, and not full       ─▶ the next selected     ─┴▶ load ─▶ whose turn? ─▶ pace ─▶ deliver ─▶ note
//! ```
//!
//! Nothing is noted before the host has taken the message, so that a message nobody got is still the
//! next one. First deliveries of one turn share a journal entry.
//!
//! Called by whoever drives the consumer, after every other call that may have made something
//! deliverable. Absent: what led to a redelivery.

use cognate_model::{Message, MessageStore, PriorityPolicy, Sequence, StoreError, Timestamp};

use crate::ack_subject::{AckSubject, Delivery};
use crate::consumer::Consumer;
use crate::decorate;
use crate::host::{ConsumerHost, Turn};
use crate::journal::Entry;
use crate::ledger::AckMode;
use crate::pull_queue::Choice;

/// What came of trying to deliver one message.
enum Step {
    /// It was delivered, or it turned out to be gone.
    Done,
    /// There is nothing to deliver, or nobody to deliver to.
    Idle,
    /// As many messages wait for their acknowledgement as may.
    Full,
    /// It is not time yet, or the store failed.
    Held,
}

/// A message that could be delivered.
#[derive(Clone, Copy)]
struct Candidate {
    sequence: Sequence,
    /// How often it will have been delivered.
    deliveries: u64,
    is_first: bool,
    /// Messages to come after it.
    to_come: u64,
}

impl<C> Consumer<C> {
    /// Delivers up to `budget` messages. Returns whether there may be more to deliver at once.
    pub fn poll_deliver<S, H>(&mut self, turn: &mut Turn<'_, S, H>, budget: usize) -> bool
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let mut left = budget;
        let step = loop {
            if left == 0 {
                break Step::Done;
            }
            match self.step(turn) {
                Step::Done => left -= 1,
                stop => break stop,
            }
        };
        if let Some(entry) = self.runs.take() {
            turn.host.journal(entry);
        }
        match step {
            Step::Done => return true,
            Step::Idle => self.sweep_if_due(turn, true),
            // Requests that do not wait get their turn when there is room again.
            Step::Full | Step::Held => self.sweep_if_due(turn, false),
        }
        false
    }

    fn step<S, H>(&mut self, turn: &mut Turn<'_, S, H>) -> Step
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let can_send = match &self.push {
            Some(push) => push.can_send(),
            None => !self.pull.is_empty(),
        };
        if !can_send || self.is_paused(turn.now) {
            return Step::Idle;
        }
        if self.pace.is_held(turn.now) {
            return Step::Held;
        }
        match self.candidate(turn) {
            Ok(Ok(candidate)) => self.load_and_send(candidate, turn),
            Ok(Err(step)) => step,
            Err(_) => Step::Held,
        }
    }

    fn candidate<S, H>(
        &mut self,
        turn: &mut Turn<'_, S, H>,
    ) -> Result<Result<Candidate, Step>, StoreError>
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        if let Some(candidate) = self.redelivery(turn) {
            return Ok(Ok(candidate));
        }
        if self.ledger.mode != AckMode::None && self.is_full() {
            return Ok(Err(Step::Full));
        }
        let Some(sequence) = self.selection.peek(turn.store)? else {
            return Ok(Err(Step::Idle));
        };
        Ok(Ok(Candidate {
            sequence,
            deliveries: 1,
            is_first: true,
            to_come: self.selection.remaining(turn.store).saturating_sub(1),
        }))
    }

    /// The first of the line that may be delivered once more; those that may not leave it.
    fn redelivery<S, H>(&mut self, turn: &mut Turn<'_, S, H>) -> Option<Candidate>
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        loop {
            let sequence = self.ledger.redelivery.first()?;
            let slot = self.ledger.pending.get(sequence)?;
            let deliveries = slot.deliveries() + 1;
            if self
                .settings
                .max_deliver
                .is_none_or(|max| deliveries <= max)
            {
                return Some(Candidate {
                    sequence,
                    deliveries,
                    is_first: false,
                    to_come: self.selection.remaining(turn.store),
                });
            }
            self.exhaust(sequence, turn);
        }
    }

    fn load_and_send<S, H>(&mut self, candidate: Candidate, turn: &mut Turn<'_, S, H>) -> Step
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let mut sending = Sending {
            candidate,
            choice: Choice {
                now: turn.now,
                policy: self.settings.priority,
                pinned_ttl: self.settings.pinned_ttl,
                size: 0,
                to_come: i64::try_from(candidate.to_come)
                    .unwrap_or(i64::MAX)
                    .saturating_add(1),
                ack_pending: i64::try_from(self.ledger.pending.len()).unwrap_or(i64::MAX),
            },
            size: 0,
            flow_size: 0,
            stored: Timestamp::default(),
        };
        let sent = match turn.store.load(candidate.sequence) {
            Ok(Some(message)) => sending.send(self, &message, turn.host),
            Ok(None) | Err(StoreError::Damaged(_)) => None,
            Err(_) => return Step::Held,
        };
        match sent {
            Some(Sent::Yes) => {
                self.note_sent(&sending, turn.now, turn.host);
                Step::Done
            }
            Some(Sent::Nobody) => Step::Idle,
            Some(Sent::NotYet) => Step::Held,
            None if candidate.is_first => {
                self.selection.take();
                Step::Done
            }
            None => {
                self.lose(candidate.sequence, turn.host);
                Step::Done
            }
        }
    }

    #[inline]
    fn note_sent(&mut self, sending: &Sending, now: Timestamp, host: &mut impl ConsumerHost) {
        let Candidate {
            sequence, is_first, ..
        } = sending.candidate;
        let consumer = self.ledger.delivered.consumer + 1;
        if is_first {
            self.selection.take();
            self.runs.push(sequence, consumer, now);
            self.ledger.deliver(sequence, now);
        } else {
            self.commit(
                &Entry::Redelivered {
                    sequence,
                    consumer,
                    time: now,
                },
                host,
            );
        }
        self.pace.sent(now, sequence, sending.stored, sending.size);
        let is_full = self.settings.acks_by_flow_control && self.is_full();
        match (&mut self.push, &self.settings.push) {
            (Some(push), Some(settings)) => {
                push.sent(settings, now, sending.flow_size, is_full, host)
            }
            _ => {
                self.pull.served(&sending.choice, host);
                self.activity.note(now);
            }
        }
        if self.identity.tracks_interest && self.ledger.mode == AckMode::None {
            host.settled(sequence, sequence);
        }
    }

    /// Ends requests and sends heartbeats if that may be due.
    pub(crate) fn sweep_if_due<S, H>(&mut self, turn: &mut Turn<'_, S, H>, at_end: bool)
    where
        H: ConsumerHost,
    {
        let due = self.pull.next_timeout().is_some_and(|at| at <= turn.now);
        if due || (at_end && self.pull.has_no_waits()) {
            let seen = self.seen();
            self.pull.sweep(turn.now, at_end, seen, turn.host);
        }
    }
}

enum Sent {
    Yes,
    /// There was nobody to send it to.
    Nobody,
    /// The pace does not allow it yet.
    NotYet,
}

/// A loaded message on its way.
struct Sending {
    candidate: Candidate,
    choice: Choice,
    /// Bytes of subject, acknowledgement subject, headers and payload.
    size: u64,
    /// As flow control counts: with the subject it is routed to in place of its own.
    flow_size: u64,
    stored: Timestamp,
}

impl Sending {
    /// Finds a taker for the message. The consumer's state does not change, but for its requests.
    #[inline]
    fn send<C>(
        &mut self,
        consumer: &mut Consumer<C>,
        message: &Message<'_>,
        host: &mut impl ConsumerHost,
    ) -> Option<Sent> {
        let Consumer {
            settings,
            ledger,
            pull,
            push,
            pace,
            pin,
            activity,
            reply,
            scratch,
            ..
        } = consumer;
        self.stored = message.timestamp;
        let reply = self.write_reply(reply, ledger.delivered.consumer + 1);
        let mut shown = *message;
        if settings.headers_only {
            shown = decorate::headers_only(scratch, message);
        }
        let body = shown.body_len() + reply.len();
        let size = body + message.subject.len();
        self.choice.size = i64::try_from(size).unwrap_or(i64::MAX);
        self.size = size as u64;
        if !pace.admits(self.choice.now, self.stored, self.size) {
            return Some(Sent::NotYet);
        }
        let (Some(push), Some(push_settings)) = (push.as_mut(), &settings.push) else {
            while pull.select(&self.choice, pin, host) {
                let to = pull.front()?;
                let taken = if settings.priority == PriorityPolicy::PinnedClient {
                    let pinned = decorate::pinned(&shown, pin.id());
                    host.deliver(&to.reply, reply, &pinned.message(&shown))
                } else {
                    host.deliver(&to.reply, reply, &shown)
                };
                if taken {
                    return Some(Sent::Yes);
                }
                pull.drop_front();
            }
            return Some(Sent::Nobody);
        };
        self.flow_size = (body + push_settings.subject.len()) as u64;
        if host.deliver(&push_settings.subject, reply, &shown) {
            return Some(Sent::Yes);
        }
        push.active = false;
        activity.resume(self.choice.now);
        Some(Sent::Nobody)
    }

    fn write_reply<'r>(&self, reply: &'r mut AckSubject, consumer: u64) -> &'r [u8] {
        reply.write(&Delivery {
            deliveries: self.candidate.deliveries,
            stream: self.candidate.sequence,
            consumer,
            time: self.stored,
            pending: self.candidate.to_come,
        })
    }
}
