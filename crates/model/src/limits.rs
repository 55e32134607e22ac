//! What an account and a server allow.

use std::collections::BTreeMap;

use crate::{ApiError, Nanos, StorageType, StreamConfig, error, record};

/// The longest description of a stream or consumer, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 4 * 1024;
/// The most bytes of keys and values of an asset's metadata.
pub const MAX_METADATA_BYTES: usize = 128 * 1024;
/// The most replicas of a stream.
pub const MAX_REPLICAS: i64 = 5;

record! {
    /// What an account may have, as shown by `$JS.API.INFO`. −1 is "no limit".
    pub struct AccountLimits("JetStreamAccountLimits") {
        /// Bytes in memory.
        max_memory: i64 = "max_memory",
        /// Bytes on disk.
        max_storage: i64 = "max_storage",
        /// Streams.
        max_streams: i64 = "max_streams",
        /// Consumers of one stream.
        max_consumers: i64 = "max_consumers",
        /// Unacknowledged messages of one consumer.
        max_ack_pending: i64 = "max_ack_pending",
        /// `max_bytes` of one stream in memory.
        memory_max_stream_bytes: i64 = "memory_max_stream_bytes",
        /// `max_bytes` of one stream on disk.
        storage_max_stream_bytes: i64 = "storage_max_stream_bytes",
        /// Whether a stream needs `max_bytes`.
        max_bytes_required: bool = "max_bytes_required",
    }
}

impl AccountLimits {
    /// No limit at all.
    pub const UNLIMITED: Self = Self {
        max_memory: -1,
        max_storage: -1,
        max_streams: -1,
        max_consumers: -1,
        max_ack_pending: -1,
        memory_max_stream_bytes: -1,
        storage_max_stream_bytes: -1,
        max_bytes_required: false,
    };

    /// Whether another stream may be made beside `others`, none of which is it.
    ///
    /// # Errors
    /// 10027 if there are too many.
    pub fn check_stream_count(&self, others: usize) -> Result<(), ApiError> {
        match u64::try_from(self.max_streams) {
            Ok(limit @ 1..) if others as u64 >= limit => Err(error::MAXIMUM_STREAMS_LIMIT),
            _ => Ok(()),
        }
    }
}

/// What a server allows by its `limits {}` block; 0 is "no limit".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// For `duplicate_window`.
    pub duplicate_window: Nanos,
    /// For `max_ack_pending` of consumers.
    pub max_ack_pending: i64,
    /// For `max_batch` of consumers.
    pub max_request_batch: i64,
}

/// Bytes that streams have reserved by their `max_bytes`, and what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reservation {
    /// By the other streams of the account, in this kind of storage.
    pub account: i64,
    /// By all streams of the server, in this kind of storage.
    pub server: i64,
    /// What the server has of it.
    pub server_max: i64,
}

/// Whether a new stream's (checked) configuration fits into what is left.
///
/// # Errors
/// 10026, 10028 or 10047.
pub fn check_reservation(
    config: &StreamConfig,
    limits: &AccountLimits,
    reservation: &Reservation,
) -> Result<(), ApiError> {
    if config.max_consumers > 0
        && limits.max_consumers > 0
        && config.max_consumers > limits.max_consumers
    {
        return Err(error::MAXIMUM_CONSUMERS_LIMIT);
    }
    // A stream without a limit needs room for something.
    let bytes = if config.max_bytes < 0 {
        1
    } else {
        config.max_bytes
    };
    let (limit, refused) = match config.storage {
        StorageType::Memory => (limits.max_memory, error::MEMORY_RESOURCES_EXCEEDED),
        StorageType::File => (limits.max_storage, error::STORAGE_RESOURCES_EXCEEDED),
    };
    let account_bytes = bytes.saturating_mul(config.num_replicas.max(1));
    let exceeds = |reserved: i64, more: i64, limit: i64| {
        reserved > limit || more > limit.saturating_sub(reserved)
    };
    if (limit >= 0 && exceeds(reservation.account, account_bytes, limit))
        || exceeds(reservation.server, bytes, reservation.server_max)
    {
        return Err(refused);
    }
    Ok(())
}

/// As [`check_reservation`], for a stream that has `old` already; `reservation` is without it in
/// `account` and with it in `server`.
///
/// # Errors
/// 10026, 10028 or 10047.
pub fn check_reservation_update(
    old: &StreamConfig,
    new: &StreamConfig,
    limits: &AccountLimits,
    reservation: &Reservation,
) -> Result<(), ApiError> {
    let more = (new.max_bytes.max(0) - old.max_bytes.max(0)).max(0);
    let kept = new.max_bytes.saturating_sub(more).max(0);
    let kept = kept.saturating_mul(new.num_replicas.max(1));
    let reservation = Reservation {
        account: reservation.account.saturating_add(kept),
        ..*reservation
    };
    let difference = StreamConfig {
        max_bytes: more,
        ..new.clone()
    };
    check_reservation(&difference, limits, &reservation)
}

pub(crate) fn metadata_bytes(metadata: &BTreeMap<String, String>) -> usize {
    metadata
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
}
