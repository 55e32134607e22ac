//! What there is to say about a consumer.

use cognate_model::{ConsumerConfig, Nanos, Timestamp};
use serde::Serialize;

use super::ClusterInfo;
use super::asset::is_empty;

/// How far a consumer has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SequenceInfo {
    /// In its own count.
    pub consumer_seq: u64,
    /// In the stream's.
    pub stream_seq: u64,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_active: Option<Timestamp>,
}

/// A consumer: the body of `CONSUMER.CREATE` and `CONSUMER.INFO`, and part of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConsumerInfo {
    /// Its stream.
    pub stream_name: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Its configuration; as [`shown`](ConsumerConfig::shown), except in lists.
    pub config: ConsumerConfig,
    /// What it delivered.
    pub delivered: SequenceInfo,
    /// Up to where everything is acknowledged.
    pub ack_floor: SequenceInfo,
    /// Messages delivered and not acknowledged.
    pub num_ack_pending: u64,
    /// Messages of these that were delivered more than once.
    pub num_redelivered: u64,
    /// Pull requests that wait.
    pub num_waiting: u64,
    /// Messages yet to be delivered.
    pub num_pending: u64,
    /// Which servers keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// Someone subscribes to where it pushes.
    #[serde(skip_serializing_if = "is_empty")]
    pub push_bound: bool,
    /// It delivers nothing at present.
    #[serde(skip_serializing_if = "is_empty")]
    pub paused: bool,
    /// For how long.
    #[serde(skip_serializing_if = "is_empty")]
    pub pause_remaining: Nanos,
    /// When this was so.
    pub ts: Timestamp,
    /// Its groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub priority_groups: Vec<PinnedGroup>,
}

/// A priority group, and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinnedGroup {
    /// Its name.
    pub group: String,
    /// The client that gets everything.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pinned_client_id: String,
    /// Since when; Go's zero time, if nobody does.
    pub pinned_ts: Timestamp,
}

/// The body of `CONSUMER.PAUSE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PauseState {
    /// It delivers nothing at present.
    pub paused: bool,
    /// Until when; Go's zero time, if it never was paused.
    pub pause_until: Timestamp,
    /// For how long.
    #[serde(skip_serializing_if = "is_empty")]
    pub pause_remaining: Nanos,
}

impl PauseState {
    /// A pause that is asked for at `now`.
    #[must_use]
    pub fn new(until: Option<Timestamp>, now: Timestamp) -> Self {
        let pause_until = until.unwrap_or(Timestamp::ZERO_TIME);
        Self {
            paused: now < pause_until,
            pause_until,
            pause_remaining: Nanos::from(pause_until.since(now)),
        }
    }
}

/// The body of `CONSUMER.RESET`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ResetConsumer {
    /// The consumer.
    #[serde(flatten)]
    pub info: ConsumerInfo,
    /// The sequence that it goes on with.
    pub reset_seq: u64,
}
