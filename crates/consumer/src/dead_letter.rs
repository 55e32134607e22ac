//! Messages that are given up: delivered too often, or terminated by a client.
//!
//! Without a subject for dead letters, an advisory is all there is, and a message that was delivered
//! too often stays where it is until the stream lets it go. With one (the metadata
//! `_cognate.dead_letter.subject`), the message is offered to the host with its history in headers,
//! and needed until the host says it is stored:
//!
//! ```text
//! Cognate-Dead-Letter-Reason: max_deliveries | terminated
//! Cognate-Dead-Letter-Detail: what the client said; absent if it said nothing
//! Cognate-Dead-Letter-Stream, -Consumer, -Subject, -Sequence, -Deliveries
//! Cognate-Dead-Letter-Stored: when the message was stored, as RFC 3339
//! Nats-Msg-Id: <stream>.<consumer>.<sequence>
//! ```
//!
//! Headers of its own that begin with `Nats-` are left out, as the server would obey them.
//!
//! Absent: the stream that dead letters end in.

use cognate_model::{Message, MessageStore, Sequence, StoreError};
use cognate_wire::headers::HeaderBlock;

use crate::ack_subject::push_decimal;
use crate::consumer::{Consumer, Identity};
use crate::host::{Advisory, ConsumerHost, DeadLetter, Turn};
use crate::journal::Entry;
use crate::ledger::Dead;

/// Why a message that a stream removed is not delivered again; nats-server's words.
pub(crate) const REMOVED: &[u8] = b"Unacknowledged message was deleted";

impl<C> Consumer<C> {
    /// The dead letter of a message is stored: it is no longer needed.
    pub fn handle_dead_letter_stored<H: ConsumerHost>(&mut self, sequence: Sequence, host: &mut H) {
        if self.ledger.dead.contains_key(&sequence) {
            self.commit(&Entry::Buried { sequence }, host);
            self.settle(sequence, sequence, host);
        }
    }

    /// Offers all dead letters that are not stored yet; to be called once after a recovery.
    pub fn offer_dead_letters<S, H>(&mut self, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let dead: Vec<_> = self.ledger.dead.keys().copied().collect();
        for sequence in dead {
            self.offer_dead_letter(sequence, turn);
        }
    }

    /// Gives up a message that was delivered as often as it may be.
    pub(crate) fn exhaust<S, H>(&mut self, sequence: Sequence, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let deliveries = self
            .ledger
            .pending
            .get(sequence)
            .map_or(0, |slot| slot.deliveries());
        turn.host.advisory(Advisory::MaxDeliveries {
            stream_sequence: sequence,
            deliveries,
        });
        self.commit(&Entry::Exhausted { sequence }, turn.host);
        self.offer_dead_letter(sequence, turn);
    }

    /// Gives up a pending message that the stream no longer has.
    pub(crate) fn lose(&mut self, sequence: Sequence, host: &mut impl ConsumerHost) {
        self.tell_lost(sequence, host);
        let (first, last) = (sequence, sequence);
        self.commit(&Entry::Removed { first, last }, host);
    }

    pub(crate) fn tell_lost(&self, sequence: Sequence, host: &mut impl ConsumerHost) {
        if let Some(slot) = self.ledger.pending.get(sequence) {
            host.advisory(Advisory::Terminated {
                consumer_sequence: slot.first_delivery(),
                stream_sequence: sequence,
                deliveries: slot.deliveries(),
                reason: REMOVED,
            });
        }
    }

    pub(crate) fn offer_dead_letter<S, H>(&mut self, sequence: Sequence, turn: &mut Turn<'_, S, H>)
    where
        S: MessageStore<Cursor = C>,
        H: ConsumerHost,
    {
        let (Some(subject), Some(dead)) =
            (&self.settings.dead_letters, self.ledger.dead.get(&sequence))
        else {
            return;
        };
        match turn.store.load(sequence) {
            Ok(Some(message)) => {
                let headers = letter_headers(&self.identity, dead, &message);
                turn.host.dead_letter(&DeadLetter {
                    subject: subject.as_bytes(),
                    sequence,
                    headers: &headers,
                    payload: message.payload,
                });
            }
            Ok(None) | Err(StoreError::Damaged(_)) => {
                self.commit(&Entry::Buried { sequence }, turn.host);
            }
            // The letter is offered again after a restart, when the store may be well.
            Err(_) => {}
        }
    }
}

fn letter_headers(identity: &Identity, dead: &Dead, message: &Message<'_>) -> Vec<u8> {
    let mut out = b"NATS/1.0\r\n".to_vec();
    if let Some(block) = HeaderBlock::parse(message.headers) {
        let kept = block.iter().filter(|(name, _)| !name.starts_with(b"Nats-"));
        kept.for_each(|(name, value)| push(&mut out, name, value));
    }
    let reason: &[u8] = match dead.reason {
        Some(_) => b"terminated",
        None => b"max_deliveries",
    };
    push(&mut out, b"Cognate-Dead-Letter-Reason", reason);
    if let Some(detail) = dead.reason.as_deref().filter(|detail| !detail.is_empty()) {
        push(&mut out, b"Cognate-Dead-Letter-Detail", detail);
    }
    let mut number = Vec::new();
    push_decimal(&mut number, message.sequence);
    push(&mut out, b"Cognate-Dead-Letter-Stream", &identity.stream);
    push(
        &mut out,
        b"Cognate-Dead-Letter-Consumer",
        &identity.consumer,
    );
    push(&mut out, b"Cognate-Dead-Letter-Subject", message.subject);
    push(&mut out, b"Cognate-Dead-Letter-Sequence", &number);
    let id = [
        &identity.stream[..],
        b".",
        &identity.consumer,
        b".",
        &number,
    ]
    .concat();
    number.clear();
    push_decimal(&mut number, dead.deliveries);
    push(&mut out, b"Cognate-Dead-Letter-Deliveries", &number);
    push(
        &mut out,
        b"Cognate-Dead-Letter-Stored",
        message.timestamp.rfc3339().as_bytes(),
    );
    push(&mut out, b"Nats-Msg-Id", &id);
    out.extend_from_slice(b"\r\n");
    out
}

/// What a client said may hold anything; it must not end the line.
fn push(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend(
        value
            .iter()
            .map(|&b| if matches!(b, b'\r' | b'\n') { b' ' } else { b }),
    );
    out.extend_from_slice(b"\r\n");
}
