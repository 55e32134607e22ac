//! Usage and limits of an account.

use std::collections::BTreeMap;

use cognate_model::{AccountLimits, record};
use serde::Serialize;

record! {
    /// What an account uses and may use, in all or in one tier.
    pub struct AccountUsage("JetStreamTier") {
        /// Bytes in memory.
        memory: u64 = "memory",
        /// Bytes on disk.
        storage: u64 = "storage",
        /// Bytes in memory that streams have reserved.
        reserved_memory: u64 = "reserved_memory",
        /// Bytes on disk that streams have reserved.
        reserved_storage: u64 = "reserved_storage",
        /// Streams.
        streams: u64 = "streams",
        /// Consumers.
        consumers: u64 = "consumers",
        /// What it may have.
        limits: AccountLimits = "limits",
    }
}

record! {
    /// Requests since the server started.
    pub struct ApiStats("JetStreamAPIStats") {
        /// The API level that the server offers.
        level: u64 = "level",
        /// Requests.
        total: u64 = "total",
        /// Requests that were refused.
        errors: u64 = "errors",
        /// Requests that are being served.
        inflight: u64 = "inflight" omit,
    }
}

/// The body of `INFO`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AccountInfo {
    /// Usage and limits in all; with tiers, without limits.
    #[serde(flatten)]
    pub usage: AccountUsage,
    /// The server's domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Requests.
    pub api: ApiStats,
    /// Usage and limits by tier.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tiers: BTreeMap<String, AccountUsage>,
}

/// The body of `ACCOUNT.PURGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Initiated {
    /// It goes on.
    pub initiated: bool,
}
