//! What a group's operators may want to know; the driver adds names, ids and the JSON.

use std::time::Duration;

use cognate_model::{Sequence, Timestamp};

/// Something that happened in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The consumer it happened to; none if it concerns the stream.
    pub consumer: Option<String>,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An atomic batch was given up.
    BatchAbandoned {
        /// Its id.
        batch: String,
        /// Why, in the word of the advisory.
        reason: &'static str,
    },
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
        reason: String,
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
        group: String,
        /// The id that its requests must carry.
        id: String,
    },
    /// No client is pinned any more.
    Unpinned {
        /// The priority group.
        group: String,
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
    /// Nobody has used the consumer for its `inactive_threshold`: it is to be deleted.
    Inactive,
}
