//! What an account may use.

use std::collections::BTreeMap;

/// Limits of an account over all its clients of one server; `None` is unlimited, `Some(0)` is
/// nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Client connections.
    pub max_connections: Option<u32>,
    /// Subscriptions per connection.
    pub max_subscriptions: Option<u32>,
    /// Bytes of a message's payload.
    pub max_payload: Option<u32>,
    /// Leaf node connections.
    pub max_leafnodes: Option<u32>,
    /// Whether user JWTs may not be bearer tokens.
    pub disallow_bearer: bool,
}

impl AccountLimits {
    /// A limit as NATS writes it, where negative numbers mean none and large ones are cut to
    /// 31 bits.
    pub fn from_number(limit: i64) -> Option<u32> {
        const MAX: i64 = i32::MAX as i64;
        u32::try_from(limit.min(MAX)).ok()
    }
}

/// JetStream of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccountJetStream {
    /// None.
    #[default]
    Disabled,
    /// One set of limits for everything.
    Limits(JetStreamLimits),
    /// Limits by tier, named `R1`, `R3` and so on after the number of replicas. A stream of a
    /// tier that is not listed cannot be made.
    Tiers(BTreeMap<String, JetStreamLimits>),
}

/// JetStream limits of an account or a tier; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Bytes in memory; `Some(0)` forbids streams in memory.
    pub max_memory: Option<u64>,
    /// Bytes on disk; `Some(0)` forbids streams on disk.
    pub max_storage: Option<u64>,
    /// Streams.
    pub max_streams: Option<u64>,
    /// Consumers of one stream.
    pub max_consumers: Option<u64>,
    /// The highest `max_ack_pending` of a consumer.
    pub max_ack_pending: Option<u64>,
    /// The highest `max_bytes` of a stream in memory.
    pub memory_max_stream_bytes: Option<u64>,
    /// The highest `max_bytes` of a stream on disk.
    pub storage_max_stream_bytes: Option<u64>,
    /// Whether every stream must have `max_bytes`.
    pub max_bytes_required: bool,
}

impl JetStreamLimits {
    /// A limit as NATS writes it, where negative numbers mean none.
    pub fn from_number(limit: i64) -> Option<u64> {
        u64::try_from(limit).ok()
    }
}
