//! Acknowledgements: what clients say of the messages they were given.
//!
//! Absent: reading the subject and the body (`ack_subject`, `ack_kind`), and deadlines.

use cognate_model::{MessageStore, Timestamp};
use cognate_wire::headers::HeaderBlock;

use crate::ack_kind::AckKind;
use crate::ack_subject::Delivery;
use crate::consumer::Consumer;
use crate::host::{Advisory, ConsumerHost, Turn};
use crate::journal::Entry;
use crate::ledger::AckMode;

/// How much of the reason is kept with a dead letter, in bytes.
const MAX_REASON: usize = 1024;

impl<C> Consumer<C> {
    /// Takes an acknowledgement: what follows stream and consumer in its subject (see
    /// [`split_ack_subject`](crate::split_ack_subject)), its body, and where to confirm it (empty if
    /// that is not wanted; for `+NXT`, where messages are to go).
    pub fn handle_ack<S, H>(
        &mut self,
        subject_tail: &[u8],
        body: &[u8],
        reply: &[u8],
        turn: &mut Turn<'_, S, H>,
    ) where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        if self.ledger.mode == AckMode::None || self.settings.acks_by_flow_control {
            return;
        }
        let Some(delivery) = Delivery::parse(subject_tail) else {
            return;
        };
        self.activity.note(turn.now);
        let confirms = match AckKind::parse(body) {
            AckKind::Ack => self.ack(&delivery, turn.now, turn.host),
            AckKind::Next(request) => {
                self.ack(&delivery, turn.now, turn.host);
                self.handle_pull(b"", request, reply, turn);
                return;
            }
            AckKind::Nak(delay) => self.nak(&delivery, delay, turn.now, turn.host),
            AckKind::Progress => self.progress(&delivery, turn.now, turn.host),
            AckKind::Term(reason) => self.term(&delivery, reason, turn),
            AckKind::Unknown => true,
        };
        if confirms && delivery.stream > 0 && !reply.is_empty() {
            turn.host.respond_ack(reply);
        }
    }

    /// Takes the answer to a flow control request: the last token of its subject, and its headers.
    pub fn handle_flow_control<H: ConsumerHost>(
        &mut self,
        token: &[u8],
        headers: &[u8],
        now: Timestamp,
        host: &mut H,
    ) {
        let flow = self.push.as_mut().and_then(|push| push.flow.as_mut());
        if !flow.is_some_and(|flow| flow.answered(token)) || !self.settings.acks_by_flow_control {
            return;
        }
        let Some(block) = HeaderBlock::parse(headers) else {
            return;
        };
        let number = |name: &[u8]| {
            let text = std::str::from_utf8(block.first(name)?).ok()?;
            text.parse::<u64>().ok()
        };
        if let Some(stream) = number(b"Nats-Last-Stream").filter(|&stream| stream > 0) {
            let consumer = number(b"Nats-Last-Consumer").unwrap_or(0);
            let stream = stream.min(self.ledger.delivered.stream);
            self.ack_to(stream, consumer, now, host);
        }
    }

    /// Returns whether the client may be told that it is acknowledged.
    fn ack(&mut self, delivery: &Delivery, now: Timestamp, host: &mut impl ConsumerHost) -> bool {
        let sequence = delivery.stream;
        if sequence > self.ledger.delivered.stream {
            return false;
        }
        if self.ledger.mode == AckMode::All {
            self.ack_to(sequence, delivery.consumer, now, host);
            return true;
        }
        let pending = self.ledger.pending.get(sequence).map(|slot| slot.time);
        if let Some(delivered) = pending {
            self.sample(delivery, delivered, now, host);
        }
        if pending.is_some() || self.ledger.dead.contains_key(&sequence) {
            self.commit(
                &Entry::Acked {
                    sequence,
                    time: now,
                },
                host,
            );
            self.settle(sequence, sequence, host);
        }
        true
    }

    fn ack_to(
        &mut self,
        sequence: u64,
        consumer: u64,
        now: Timestamp,
        host: &mut impl ConsumerHost,
    ) {
        let floor = self.ledger.floor;
        if sequence <= floor.stream || consumer <= floor.consumer {
            return;
        }
        let entry = Entry::AckedTo {
            sequence,
            consumer,
            time: now,
        };
        self.commit(&entry, host);
        self.settle(floor.stream + 1, sequence, host);
    }

    fn sample(
        &mut self,
        delivery: &Delivery,
        delivered: Timestamp,
        now: Timestamp,
        host: &mut impl ConsumerHost,
    ) {
        if self.random.chance(self.settings.sample_percent) {
            host.advisory(Advisory::AckSample {
                consumer_sequence: delivery.consumer,
                stream_sequence: delivery.stream,
                ack_time: now.since(delivered),
                deliveries: delivery.deliveries,
            });
        }
    }

    fn nak(
        &mut self,
        delivery: &Delivery,
        delay: Option<i64>,
        now: Timestamp,
        host: &mut impl ConsumerHost,
    ) -> bool {
        let (sequence, consumer) = (delivery.stream, delivery.consumer);
        let ledger = &self.ledger;
        let known = consumer > ledger.floor.consumer && consumer <= ledger.delivered.consumer;
        let Some(slot) = ledger.pending.get(sequence).filter(|_| known) else {
            return true;
        };
        // A deadline is kept as the time it counts from, so the delay becomes an earlier or later
        // time of delivery.
        let wait = ledger.pending.waits().after(slot.redeliveries);
        host.advisory(Advisory::Naked {
            consumer_sequence: consumer,
            stream_sequence: sequence,
            deliveries: delivery.deliveries,
        });
        let entry = match (delay, wait) {
            (Some(delay), Some(wait)) => Entry::Delayed {
                sequence,
                time: Timestamp(now.0.saturating_add(delay)).before(wait),
            },
            _ => Entry::Queued { sequence },
        };
        self.commit(&entry, host);
        true
    }

    fn progress(
        &mut self,
        delivery: &Delivery,
        now: Timestamp,
        host: &mut impl ConsumerHost,
    ) -> bool {
        let sequence = delivery.stream;
        if self.ledger.pending.get(sequence).is_some() {
            self.commit(
                &Entry::Progressed {
                    sequence,
                    time: now,
                },
                host,
            );
        }
        true
    }

    fn term<S, H>(&mut self, delivery: &Delivery, reason: &[u8], turn: &mut Turn<'_, S, H>) -> bool
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let sequence = delivery.stream;
        if sequence > self.ledger.delivered.stream {
            return false;
        }
        if self.ledger.pending.get(sequence).is_none() {
            return true;
        }
        if self.settings.dead_letters.is_some() {
            let entry = Entry::Condemned {
                sequence,
                time: turn.now,
                reason: reason.get(..MAX_REASON).unwrap_or(reason),
            };
            self.commit(&entry, turn.host);
            self.offer_dead_letter(sequence, turn);
        } else if self.ledger.mode == AckMode::All {
            self.ack_to(sequence, delivery.consumer, turn.now, turn.host);
        } else {
            let time = turn.now;
            self.commit(&Entry::Acked { sequence, time }, turn.host);
            self.settle(sequence, sequence, turn.host);
        }
        turn.host.advisory(Advisory::Terminated {
            consumer_sequence: delivery.consumer,
            stream_sequence: sequence,
            deliveries: delivery.deliveries,
            reason,
        });
        true
    }

    pub(crate) fn settle(&self, first: u64, last: u64, host: &mut impl ConsumerHost) {
        if self.identity.tracks_interest && first <= last {
            host.settled(first, last);
        }
    }
}
