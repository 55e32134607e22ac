//! Limits of an account as its token states them. -1 is no limit, 0 is none at all.

use super::NO_LIMIT;
use super::fields::is_zero;
use super::validation::Issues;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Limits that users have as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NatsLimits {
    /// Subscriptions of a connection.
    #[serde(skip_serializing_if = "is_zero")]
    pub subs: i64,
    /// Bytes; stated, but no server enforces it.
    #[serde(skip_serializing_if = "is_zero")]
    pub data: i64,
    /// Bytes of a message's payload.
    #[serde(skip_serializing_if = "is_zero")]
    pub payload: i64,
}

impl NatsLimits {
    /// No limits.
    pub const NONE: NatsLimits = NatsLimits {
        subs: NO_LIMIT,
        data: NO_LIMIT,
        payload: NO_LIMIT,
    };
}

/// Limits of an account as such.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quotas {
    /// Imports.
    #[serde(skip_serializing_if = "is_zero")]
    pub imports: i64,
    /// Exports.
    #[serde(skip_serializing_if = "is_zero")]
    pub exports: i64,
    /// Whether exports may have wildcards.
    #[serde(rename = "wildcards", skip_serializing_if = "is_zero")]
    pub wildcard_exports: bool,
    /// Whether users may not be bearers.
    #[serde(skip_serializing_if = "is_zero")]
    pub disallow_bearer: bool,
    /// Client connections.
    #[serde(rename = "conn", skip_serializing_if = "is_zero")]
    pub connections: i64,
    /// Leaf node connections.
    #[serde(rename = "leaf", skip_serializing_if = "is_zero")]
    pub leafnodes: i64,
}

/// JetStream limits, of an account or of a tier. Here 0 is also no limit for the fields from
/// `max_ack_pending` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JetStreamTier {
    /// Bytes in memory.
    #[serde(rename = "mem_storage", skip_serializing_if = "is_zero")]
    pub memory_storage: i64,
    /// Bytes on disk.
    #[serde(skip_serializing_if = "is_zero")]
    pub disk_storage: i64,
    /// Streams.
    #[serde(skip_serializing_if = "is_zero")]
    pub streams: i64,
    /// Consumers.
    #[serde(skip_serializing_if = "is_zero")]
    pub consumer: i64,
    /// The highest `max_ack_pending` of a consumer.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_ack_pending: i64,
    /// The highest `max_bytes` of a stream in memory.
    #[serde(rename = "mem_max_stream_bytes", skip_serializing_if = "is_zero")]
    pub memory_max_stream_bytes: i64,
    /// The highest `max_bytes` of a stream on disk.
    #[serde(skip_serializing_if = "is_zero")]
    pub disk_max_stream_bytes: i64,
    /// Whether every stream must have `max_bytes`.
    #[serde(skip_serializing_if = "is_zero")]
    pub max_bytes_required: bool,
}

impl JetStreamTier {
    /// Whether it allows any storage.
    pub fn is_enabled(&self) -> bool {
        self.memory_storage != 0 || self.disk_storage != 0
    }
}

/// What an operator allows an account. By default, as in a token without limits, nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorLimits {
    /// Limits that users have as well.
    #[serde(flatten)]
    pub nats: NatsLimits,
    /// Limits of the account as such.
    #[serde(flatten)]
    pub account: Quotas,
    /// JetStream, if there are no tiers.
    #[serde(flatten)]
    pub jetstream: JetStreamTier,
    /// JetStream by tier.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiered_limits: BTreeMap<String, JetStreamTier>,
}

impl OperatorLimits {
    /// No limits, and no JetStream: what new accounts are given.
    pub fn unlimited() -> Self {
        OperatorLimits {
            nats: NatsLimits::NONE,
            account: Quotas {
                imports: NO_LIMIT,
                exports: NO_LIMIT,
                wildcard_exports: true,
                disallow_bearer: false,
                connections: NO_LIMIT,
                leafnodes: NO_LIMIT,
            },
            ..OperatorLimits::default()
        }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == OperatorLimits::default()
    }

    pub(super) fn validate(&self, issues: &mut Issues) {
        if self.tiered_limits.is_empty() {
            return;
        }
        if self.jetstream != JetStreamTier::default() {
            issues.error("JetStream Limits and tiered JetStream Limits are mutually exclusive");
        }
        if self.tiered_limits.contains_key("") {
            issues.error("Tiered JetStream Limits can not contain a blank \"\" tier name");
        }
    }
}
