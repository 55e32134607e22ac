//! What became of each message: the part of a consumer's state that outlives a restart.
//!
//! ```text
//!              deliver                  ack, term (no dead letter)
//!   not yet ───────────▶ pending ─────────────────────────────────▶ done
//!                         │   ▲ deliver again
//!          nak, deadline  ▼   │
//!                        queued ──▶ exhausted (delivered as often as allowed; still in the stream)
//!                                       │ dead letter stored
//!                        condemned ─────┴─────────────────────────▶ done
//! ```
//!
//! Every change is an [`Entry`]; live and after a restart the same function applies it, so that both
//! give the same state. Deliveries, the hot path, have a method of their own that an entry's runs go
//! through, too.
//!
//! Invariants: the floor never falls (but by a reset); with nothing pending it equals what was
//! delivered; a queued message is pending; an exhausted or condemned one is not.
//!
//! Called by the handlers of acknowledgements, deadlines and deliveries. Absent: effects.

use std::collections::BTreeMap;

use cognate_model::{Sequence, Timestamp};

use crate::journal::Entry;
use crate::pending::{AckWaits, Pending, Slot};
use crate::redelivery::Redelivery;

/// How far a consumer is, in its own count and in the stream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Deliveries, each redelivery counted.
    pub consumer: u64,
    /// The stream's sequence.
    pub stream: Sequence,
}

/// How acknowledgements count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AckMode {
    /// A delivery is all it takes.
    #[default]
    None,
    /// One is for all messages before it, too.
    All,
    /// Each is for one message.
    Explicit,
}

/// A message that is done with as far as its deliveries go, but still has to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) deliveries: u64,
    /// Why it was terminated; none if it was delivered too often.
    pub(crate) reason: Option<Box<[u8]>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) mode: AckMode,
    pub(crate) delivered: Position,
    pub(crate) floor: Position,
    pub(crate) last_delivered: Option<Timestamp>,
    pub(crate) last_acked: Option<Timestamp>,
    pub(crate) pending: Pending,
    pub(crate) redelivery: Redelivery,
    pub(crate) dead: BTreeMap<Sequence, Dead>,
    /// The last message there can be, while entries are applied that may be nonsense.
    pub(crate) limit: Option<Sequence>,
}

impl Ledger {
    /// Nothing delivered, and `next` the first message that may be.
    pub(crate) fn new(mode: AckMode, waits: AckWaits, next: Sequence) -> Self {
        let mut ledger = Self {
            mode,
            pending: Pending::new(waits),
            ..Self::default()
        };
        ledger.reset(next);
        ledger
    }

    pub(crate) fn apply(&mut self, entry: &Entry<'_>) {
        match *entry {
            Entry::Delivered { time, runs, .. } => {
                for (first, last) in runs.iter() {
                    self.deliver_run(first, last, time);
                }
            }
            Entry::Redelivered {
                sequence,
                consumer,
                time,
            } => self.deliver_again(sequence, consumer, time),
            Entry::Acked { sequence, time } => {
                self.take(sequence);
                self.dead.remove(&sequence);
                self.last_acked = Some(time);
                self.raise_floor();
            }
            Entry::AckedTo {
                sequence,
                consumer,
                time,
            } => self.ack_to(sequence, consumer, time),
            Entry::Progressed { sequence, time } => self.pending.touch(sequence, time),
            Entry::Delayed { sequence, time } => {
                self.leave_queue(sequence);
                self.pending.touch(sequence, time);
            }
            Entry::Queued { sequence } => self.queue(sequence),
            Entry::Exhausted { sequence } => self.bury(sequence, None),
            Entry::Removed { first, last } => self.remove(first, last),
            Entry::Reset { next } => self.reset(next),
            Entry::Condemned {
                sequence,
                time,
                reason,
            } => {
                self.bury(sequence, Some(reason.into()));
                self.last_acked = Some(time);
            }
            Entry::Buried { sequence } => {
                self.dead.remove(&sequence);
            }
            Entry::Skipped { last } => self.skip_to(last),
        }
    }

    /// Notes the first delivery of a message; nothing if it was delivered before.
    pub(crate) fn deliver(&mut self, sequence: Sequence, time: Timestamp) {
        if sequence <= self.delivered.stream {
            return;
        }
        self.delivered = Position {
            consumer: self.delivered.consumer + 1,
            stream: sequence,
        };
        self.last_delivered = Some(time);
        if self.mode == AckMode::None {
            self.floor = self.delivered;
        } else {
            self.pending.push(sequence, self.delivered.consumer, time);
        }
    }

    /// How many messages were delivered more than once and are not done.
    pub(crate) fn redelivered(&self) -> usize {
        self.pending.redelivered() + self.dead.len()
    }

    fn deliver_run(&mut self, first: Sequence, last: Sequence, time: Timestamp) {
        let first = first.max(self.delivered.stream.saturating_add(1));
        let last = self.limit.map_or(last, |limit| last.min(limit));
        if first > last {
            return;
        }
        if self.mode == AckMode::None {
            self.delivered.consumer += last - first;
            self.deliver(last, time);
        } else {
            (first..=last).for_each(|sequence| self.deliver(sequence, time));
        }
    }

    fn deliver_again(&mut self, sequence: Sequence, consumer: u64, time: Timestamp) {
        if consumer <= self.delivered.consumer {
            return;
        }
        self.delivered.consumer = consumer;
        self.last_delivered = Some(time);
        self.leave_queue(sequence);
        self.pending.redelivered_at(sequence, time);
    }

    fn ack_to(&mut self, sequence: Sequence, consumer: u64, time: Timestamp) {
        if sequence <= self.floor.stream {
            return;
        }
        while let Some(first) = self.pending.first().map(|slot| slot.sequence) {
            if first > sequence {
                break;
            }
            self.take(first);
        }
        let kept = self.dead.split_off(&sequence.saturating_add(1));
        self.dead = kept;
        self.last_acked = Some(time);
        self.floor = Position {
            consumer: consumer.clamp(self.floor.consumer, self.delivered.consumer),
            stream: sequence.min(self.delivered.stream),
        };
    }

    fn queue(&mut self, sequence: Sequence) {
        let waits = self.pending.get(sequence).map(Slot::ticket);
        if waits == Some(None) {
            let ticket = self.redelivery.push(sequence);
            self.pending.queued(sequence, ticket);
        }
    }

    fn leave_queue(&mut self, sequence: Sequence) {
        if let Some(ticket) = self.pending.get(sequence).and_then(Slot::ticket) {
            self.redelivery.leave(ticket);
            self.pending.unqueued(sequence);
        }
    }

    fn bury(&mut self, sequence: Sequence, reason: Option<Box<[u8]>>) {
        if let Some(slot) = self.take(sequence) {
            let deliveries = slot.deliveries();
            self.dead.insert(sequence, Dead { deliveries, reason });
            self.raise_floor();
        } else if let Some(dead) = self.dead.get_mut(&sequence) {
            dead.reason = reason.or(dead.reason.take());
        }
    }

    /// Forgets messages that the stream no longer has.
    fn remove(&mut self, first: Sequence, last: Sequence) {
        if first == last {
            self.take(first);
            self.dead.remove(&first);
        } else if first < last {
            for sequence in self.pending_in(first, last) {
                self.take(sequence);
            }
            let mut gone = self.dead.split_off(&first);
            let mut kept = gone.split_off(&last.saturating_add(1));
            self.dead.append(&mut kept);
        }
        self.raise_floor();
    }

    /// Whether any message of a range is pending or dead.
    pub(crate) fn holds_any(&self, first: Sequence, last: Sequence) -> bool {
        if first > last {
            return false;
        }
        let is_pending = match self.pending.first() {
            Some(lowest) if lowest.sequence <= last && first <= self.delivered.stream => {
                lowest.sequence >= first || !self.pending_in(first, last).is_empty()
            }
            _ => false,
        };
        is_pending || self.dead.range(first..=last).next().is_some()
    }

    /// The pending messages of a range.
    pub(crate) fn pending_in(&self, first: Sequence, last: Sequence) -> Vec<Sequence> {
        if first == last {
            return self
                .pending
                .get(first)
                .map(|slot| slot.sequence)
                .into_iter()
                .collect();
        }
        let sequences = self.pending.iter().map(|slot| slot.sequence);
        sequences
            .skip_while(|&sequence| sequence < first)
            .take_while(|&sequence| sequence <= last)
            .collect()
    }

    /// Counts messages that are gone undelivered as delivered, as nats-server does after a purge.
    fn skip_to(&mut self, last: Sequence) {
        if last > self.delivered.stream {
            self.delivered.stream = last;
            self.raise_floor();
        }
    }

    fn reset(&mut self, next: Sequence) {
        let before = Position {
            consumer: 0,
            stream: next.saturating_sub(1),
        };
        (self.delivered, self.floor) = (before, before);
        (self.last_delivered, self.last_acked) = (None, None);
        self.pending.clear();
        self.redelivery.clear();
        self.dead.clear();
    }

    fn take(&mut self, sequence: Sequence) -> Option<Slot> {
        let slot = self.pending.remove(sequence)?;
        if let Some(ticket) = slot.ticket() {
            self.redelivery.leave(ticket);
        }
        Some(slot)
    }

    /// Everything below the first pending message is done.
    fn raise_floor(&mut self) {
        let floor = match self.pending.first() {
            None => self.delivered,
            Some(first) => Position {
                consumer: first.first_delivery() - 1,
                stream: first.sequence - 1,
            },
        };
        if floor.stream > self.floor.stream || self.pending.len() == 0 {
            self.floor = floor;
        }
    }
}
