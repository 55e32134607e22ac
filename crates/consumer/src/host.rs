//! What a consumer asks of whoever drives it.
//!
//! Owns the trait of effects and the values in it. Effects are to be carried out in the order in
//! which they come; the host decides what waits for durability. Absent: any effect's execution, and
//! the JSON of advisories.

use std::time::Duration;

use cognate_model::{Message, Sequence, Timestamp};

/// One call into the consumer: the time, the messages, and where effects go.
#[derive(Debug)]
pub struct Turn<'a, S, H> {
    /// The time.
    pub now: Timestamp,
    /// The stream's messages.
    pub store: &'a mut S,
    /// Takes the effects.
    pub host: &'a mut H,
}

/// Takes a consumer's effects.
pub trait ConsumerHost {
    /// Delivers a message: routed to `to`, shown under the message's own subject, with `reply` as the
    /// subject of its acknowledgement. Headers and payload are as they are to be sent. Returns
    /// whether somebody was there; if not, the message counts as not delivered.
    fn deliver(&mut self, to: &[u8], reply: &[u8], message: &Message<'_>) -> bool;

    /// Sends a message of headers alone; `reply` is empty unless an answer is wanted.
    fn status(&mut self, to: &[u8], reply: &[u8], headers: &[u8]);

    /// Confirms an acknowledgement with an empty message, once what was journalled before this is
    /// durable.
    fn respond_ack(&mut self, to: &[u8]);

    /// Keeps an entry of the consumer's journal, to be given to
    /// [`Consumer::recover`](crate::Consumer::recover) in order.
    fn journal(&mut self, entry: &[u8]);

    /// This consumer no longer needs the messages from `first` to `last` that its filters match.
    /// Only told if the consumer was made for a stream whose retention goes by interest.
    fn settled(&mut self, first: Sequence, last: Sequence);

    /// Something worth telling has happened.
    fn advisory(&mut self, advisory: Advisory<'_>);

    /// Whether anybody would get a message sent to `subject`.
    fn has_interest(&mut self, subject: &[u8]) -> bool;

    /// A message is to be stored as a dead letter. Until
    /// [`Consumer::handle_dead_letter_stored`](crate::Consumer::handle_dead_letter_stored) says that
    /// it was, the consumer needs the message, and offers the letter again after a restart.
    fn dead_letter(&mut self, letter: &DeadLetter<'_>);

    /// Nobody has used the consumer for its `inactive_threshold`: it is to be deleted.
    fn inactive(&mut self);
}

/// What a consumer has to tell; the driver adds names, ids and times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advisory<'a> {
    /// A message was delivered as often as it may be, and not acknowledged.
    MaxDeliveries {
        /// The message.
        stream_sequence: Sequence,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A client could not handle a message.
    Naked {
        /// The delivery.
        consumer_sequence: u64,
        /// The message.
        stream_sequence: Sequence,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A message will not be delivered again.
    Terminated {
        /// The delivery.
        consumer_sequence: u64,
        /// The message.
        stream_sequence: Sequence,
        /// How often it was delivered.
        deliveries: u64,
        /// Why; may be empty.
        reason: &'a [u8],
    },
    /// The metric of one sampled acknowledgement.
    AckSample {
        /// The delivery.
        consumer_sequence: u64,
        /// The message.
        stream_sequence: Sequence,
        /// How long the acknowledgement took.
        ack_time: Duration,
        /// How often it was delivered.
        deliveries: u64,
    },
    /// A client was pinned.
    Pinned {
        /// The priority group.
        group: &'a [u8],
        /// The id that its requests must carry.
        id: &'a [u8],
    },
    /// No client is pinned any more.
    Unpinned {
        /// The priority group.
        group: &'a [u8],
        /// `admin` or `timeout`.
        reason: &'static str,
    },
    /// Delivery was paused or goes on.
    Paused {
        /// Until when; none if no pause is set.
        until: Option<Timestamp>,
        /// Whether that is still to come.
        paused: bool,
    },
}

/// A message that its consumer could not get handled, ready to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// The subject to publish it on.
    pub subject: &'a [u8],
    /// Its number in the stream it comes from.
    pub sequence: Sequence,
    /// Its own headers, without those that mean something to the server, and its history; with a
    /// `Nats-Msg-Id`, so that offering it twice stores it once.
    pub headers: &'a [u8],
    /// Its payload.
    pub payload: &'a [u8],
}
