//! JetStream's configuration, limits and sums, as `/varz` and `/jsz` show them.
//!
//! Invariant: what a server without replication has none of (`ha_assets`, meta group) is zero or
//! left out, as nats-server does alone.

use cognate_api::ApiStats;
use cognate_model::StorageType;
use serde::Serialize;

use super::varz::nanos;
use crate::answer::{is_false, is_zero};
use crate::facts::{JetStreamConfig, JetStreamFacts, JetStreamLimits, Monitored, StreamFacts};

/// Sums over streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Streams in service.
    pub(crate) streams: u64,
    /// Their consumers.
    pub(crate) consumers: u64,
    /// Their messages.
    pub(crate) messages: u64,
    /// Bytes of streams in memory.
    pub(crate) memory: u64,
    /// Bytes of streams in files.
    pub(crate) storage: u64,
    /// Bytes reserved in memory.
    pub(crate) reserved_memory: u64,
    /// Bytes reserved on disk.
    pub(crate) reserved_storage: u64,
}

impl Totals {
    /// Sums over all streams of `source`.
    pub(crate) fn of(source: &dyn Monitored) -> Self {
        let mut totals = Totals::default();
        source.streams(&mut |stream| totals.add(&stream));
        totals
    }

    /// Counts a stream in.
    pub(crate) fn add(&mut self, stream: &StreamFacts<'_>) {
        if !stream.is_in_service() {
            return;
        }
        let (used, reserved) = match stream.storage {
            StorageType::Memory => (&mut self.memory, &mut self.reserved_memory),
            StorageType::File => (&mut self.storage, &mut self.reserved_storage),
        };
        *used = used.saturating_add(stream.bytes);
        *reserved = reserved.saturating_add(stream.reserved);
        self.streams += 1;
        self.consumers = self.consumers.saturating_add(stream.consumers);
        self.messages = self.messages.saturating_add(stream.messages);
    }

    /// Bytes of all streams.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory.saturating_add(self.storage)
    }
}

/// Usage of the server, or of an account.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Stats {
    pub(crate) memory: u64,
    pub(crate) storage: u64,
    pub(crate) reserved_memory: u64,
    pub(crate) reserved_storage: u64,
    pub(crate) accounts: u64,
    pub(crate) ha_assets: u64,
    pub(crate) api: ApiStats,
}

impl Stats {
    /// Usage of the server.
    pub(crate) fn new(facts: &JetStreamFacts, totals: &Totals) -> Self {
        Stats {
            memory: totals.memory,
            storage: totals.storage,
            reserved_memory: totals.reserved_memory,
            reserved_storage: totals.reserved_storage,
            accounts: facts.accounts.len() as u64,
            ha_assets: 0,
            api: facts.api.clone(),
        }
    }
}

/// The configuration in force; all zero while JetStream is off.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Config<'a> {
    max_memory: u64,
    max_storage: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    store_dir: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    sync_interval: u64,
    #[serde(skip_serializing_if = "is_false")]
    sync_always: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    domain: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    compress_ok: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    unique_tag: &'a str,
    #[serde(skip_serializing_if = "is_false")]
    strict: bool,
}

impl<'a> Config<'a> {
    pub(crate) fn new(config: &'a JetStreamConfig) -> Self {
        Config {
            max_memory: config.max_memory,
            max_storage: config.max_storage,
            store_dir: &config.store_dir,
            sync_interval: nanos(config.sync_interval),
            sync_always: config.sync_always,
            domain: &config.domain,
            compress_ok: config.compress_ok,
            unique_tag: &config.unique_tag,
            strict: config.strict,
        }
    }
}

/// What `limits {}` sets.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Limits {
    #[serde(skip_serializing_if = "is_zero")]
    max_request_batch: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_ack_pending: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_ha_assets: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_duplicate_window: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_inflight_per_stream: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_inflight_total: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_size: u64,
    #[serde(skip_serializing_if = "is_zero")]
    max_batch_timeout: u64,
}

impl Limits {
    pub(crate) fn new(limits: &JetStreamLimits) -> Self {
        Limits {
            max_request_batch: limits.max_request_batch,
            max_ack_pending: limits.max_ack_pending,
            max_ha_assets: limits.max_ha_assets,
            max_duplicate_window: nanos(limits.max_duplicate_window),
            max_batch_inflight_per_stream: limits.max_batch_inflight_per_stream,
            max_batch_inflight_total: limits.max_batch_inflight_total,
            max_batch_size: limits.max_batch_size,
            max_batch_timeout: nanos(limits.max_batch_timeout),
        }
    }
}

/// The field `jetstream` of `/varz`: an empty object while JetStream is off.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Config<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stats: Option<Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Limits>,
}

impl<'a> Part<'a> {
    pub(crate) fn new(facts: &'a JetStreamFacts, totals: &Totals) -> Self {
        Part {
            config: Some(Config::new(&facts.config)),
            stats: Some(Stats::new(facts, totals)),
            limits: Some(Limits::new(&facts.limits)),
        }
    }
}
