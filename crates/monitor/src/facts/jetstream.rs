//! What monitoring asks about JetStream.
//!
//! Invariants: facts of the whole server cost no stream's lock; facts of streams come one stream
//! at a time, so that no more than one is held up at once, and only briefly. Sums over streams
//! are made by the documents. Absent: the contents of messages.

use std::time::Duration;

use cognate_api::{ApiStats, ClusterInfo, ConsumerInfo, SourceInfo, StreamState};
use cognate_model::{DamagedRange, StorageType, StreamConfig, Timestamp};

/// Whether there is JetStream.
#[derive(Clone, Debug, Default)]
pub enum JetStream {
    /// It is not configured.
    #[default]
    Off,
    /// It is configured and not in service: it starts, stops or failed.
    NotEnabled,
    /// It is in service.
    Enabled(Box<JetStreamFacts>),
}

impl JetStream {
    /// The facts, if it is in service.
    pub fn facts(&self) -> Option<&JetStreamFacts> {
        match self {
            JetStream::Enabled(facts) => Some(facts),
            JetStream::Off | JetStream::NotEnabled => None,
        }
    }
}

/// JetStream of one server, without its streams.
#[derive(Clone, Debug, Default)]
pub struct JetStreamFacts {
    /// The configuration in force.
    pub config: JetStreamConfig,
    /// What `limits {}` sets.
    pub limits: JetStreamLimits,
    /// API requests of all accounts.
    pub api: ApiStats,
    /// The accounts that have it, by name.
    pub accounts: Vec<JetStreamAccount>,
}

/// The configuration of JetStream. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStreamConfig {
    /// Most memory for streams.
    pub max_memory: u64,
    /// Most disk for streams.
    pub max_storage: u64,
    /// The directory of the accounts.
    pub store_dir: String,
    /// Longest time until what was stored is synced.
    pub sync_interval: Duration,
    /// It is synced before it is acknowledged.
    pub sync_always: bool,
    /// The domain; empty without one.
    pub domain: String,
    /// Streams may be compressed; nats-server says so only if both sizes are configured.
    pub compress_ok: bool,
    /// The tag that is unique among the replicas of a stream; empty without one.
    pub unique_tag: String,
    /// Unknown members of API requests are refused.
    pub strict: bool,
}

/// What `limits {}` sets; 0 is "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Most messages of a pull request.
    pub max_request_batch: u64,
    /// Most unacknowledged messages of a consumer.
    pub max_ack_pending: u64,
    /// Most replicated streams and consumers.
    pub max_ha_assets: u64,
    /// Longest window in which duplicates are recognised.
    pub max_duplicate_window: Duration,
    /// Most open batches of a stream.
    pub max_batch_inflight_per_stream: u64,
    /// Most open batches.
    pub max_batch_inflight_total: u64,
    /// Most messages of a batch.
    pub max_batch_size: u64,
    /// How long a batch may stay open without a message.
    pub max_batch_timeout: Duration,
}

/// An account that has JetStream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStreamAccount {
    /// Its id, by which it is asked for.
    pub id: String,
    /// Its name, the id if it has no other.
    pub name: String,
    /// Most memory for its streams, in bytes; -1 is "no limit".
    pub max_memory: i64,
    /// Most disk for its streams, in bytes; -1 is "no limit".
    pub max_storage: i64,
    /// API requests.
    pub api_total: u64,
    /// API requests that were refused.
    pub api_errors: u64,
}

/// A stream in short.
#[derive(Clone, Copy, Debug)]
pub struct StreamFacts<'a> {
    /// Its account's id.
    pub account: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Whether it is in service; nothing below is known if not.
    pub service: StreamService<'a>,
    /// Where its messages are.
    pub storage: StorageType,
    /// Messages.
    pub messages: u64,
    /// What they count for in limits.
    pub bytes: u64,
    /// Bytes it has reserved by `max_bytes`; 0 without.
    pub reserved: u64,
    /// Consumers.
    pub consumers: u64,
    /// Sequences whose messages were stored and cannot be read any more.
    pub damaged: &'a [DamagedRange],
}

impl Default for StreamFacts<'_> {
    fn default() -> Self {
        StreamFacts {
            account: "",
            name: "",
            service: StreamService::Whole,
            storage: StorageType::File,
            messages: 0,
            bytes: 0,
            reserved: 0,
            consumers: 0,
            damaged: &[],
        }
    }
}

impl StreamFacts<'_> {
    /// Whether it is open, so that its numbers mean something.
    pub fn is_in_service(&self) -> bool {
        self.service != StreamService::NotRecovered
    }

    /// How many messages cannot be read any more.
    pub fn damaged_messages(&self) -> u64 {
        let ranges = self.damaged.iter();
        ranges.fold(0_u64, |sum, range| {
            let more = range.last.saturating_sub(range.first).saturating_add(1);
            sum.saturating_add(more)
        })
    }
}

/// Whether a stream is in service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamService<'a> {
    /// It takes messages and gives them out.
    Whole,
    /// It stores nothing any more, for this reason.
    ReadOnly(&'a str),
    /// It is on disk and could not be opened.
    NotRecovered,
}

/// A stream as `/jsz` shows it.
#[derive(Clone, Debug)]
pub struct StreamDetails {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Which servers keep it.
    pub cluster: ClusterInfo,
    /// Its configuration as stored.
    pub config: StreamConfig,
    /// What it holds.
    pub state: StreamState,
    /// How it follows its origin, if it is a mirror.
    pub mirror: Option<SourceInfo>,
    /// How it follows its sources.
    pub sources: Vec<SourceInfo>,
    /// Sequences whose messages cannot be read any more, at most
    /// [`crate::limits::DAMAGED_RANGES`] ranges of them.
    pub damaged: Vec<DamagedRange>,
    /// Why it stores nothing any more; `None` if it does.
    pub failure: Option<String>,
    /// Its consumers, those that clients made, if they were asked for.
    pub consumers: Vec<ConsumerInfo>,
    /// Those that mirrors and sources made, if they were asked for.
    pub direct_consumers: Vec<ConsumerInfo>,
}

/// Which consumers of a stream are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WantedConsumers {
    /// None.
    #[default]
    None,
    /// Those that clients made.
    Public,
    /// Those of mirrors and sources as well.
    All,
}
