//! JetStream as the configuration says it: where streams are stored, and within which limits.
//!
//! Owns the typed form of `jetstream {}`, of the top-level `store_dir` and of the flags `-js` and
//! `-sd`, and the two places a server's settings can be in: [`Options::jetstream`] while JetStream
//! is on, [`Options::dormant_jetstream`] while it is off. Read by the server. Absent: how much
//! memory and disk there is (a limit that depends on it is `None`), and settings that only a
//! cluster has.

use super::{Options, Secret};
use std::time::Duration;

/// The directory below [`JetStreamOptions::store_dir`] in which everything is stored.
pub const JETSTREAM_DIR: &str = "jetstream";

/// How JetStream works when it is on.
///
/// Field names are keys of `jetstream {}`. Sizes are bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JetStreamOptions {
    /// Where data goes, in a directory [`JETSTREAM_DIR`] below it; never empty. `None` is the
    /// directory `nats` in the system's directory for temporary files, of which nats-server warns.
    pub store_dir: Option<String>,
    /// Most memory for streams in memory, 0 included; `None` is three quarters of the machine's.
    pub max_memory_store: Option<u64>,
    /// Most disk for streams in files, 0 included; `None` is three quarters of what is free in
    /// the directory (1 TiB where that cannot be found out).
    pub max_file_store: Option<u64>,
    /// The JetStream domain: one token of a subject.
    pub domain: Option<String>,
    /// Refuse API requests with unknown fields.
    pub strict: bool,
    /// When what was stored is synced to the disk.
    pub sync_interval: SyncPolicy,
    /// What a client may ask of a stream or consumer.
    pub limits: JetStreamLimits,
    /// Most bytes of messages waiting for one stream.
    pub max_buffered_size: u64,
    /// Most messages waiting for one stream.
    pub max_buffered_msgs: u64,
    /// Most API requests waiting to be answered.
    pub request_queue_limit: u64,
    /// Most API requests for information waiting to be answered.
    pub info_queue_limit: u64,
    /// Most disk operations at a time, 4 to 8192.
    pub max_concurrent_io: u16,
    /// How what is in files is encrypted; `None` is not at all.
    pub encryption: Option<StoreEncryption>,
}

/// `key`, `prev_key` and `cipher`: encryption at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreEncryption {
    /// The key; never empty.
    pub key: Secret,
    /// The key before it, which still opens what it encrypted.
    pub previous: Option<Secret>,
    /// How new data is encrypted.
    pub cipher: StoreCipher,
}

/// A cipher of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StoreCipher {
    /// `chacha`: ChaCha20-Poly1305.
    #[default]
    ChaCha,
    /// `aes`: AES-256-GCM.
    Aes,
}

impl Default for JetStreamOptions {
    fn default() -> Self {
        Self {
            store_dir: None,
            max_memory_store: None,
            max_file_store: None,
            domain: None,
            strict: true,
            sync_interval: SyncPolicy::Always,
            limits: JetStreamLimits::default(),
            max_buffered_size: 128 * 1024 * 1024,
            max_buffered_msgs: 100_000,
            request_queue_limit: 10_000,
            info_queue_limit: 10_000,
            max_concurrent_io: 4096,
            encryption: None,
        }
    }
}

/// When stored messages are synced to the disk (`sync_interval`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before they are acknowledged, many with one sync: nothing acknowledged is lost when the
    /// power fails. Also the default, where nats-server syncs every two minutes.
    #[default]
    Always,
    /// Every so often; never zero. Acknowledged messages since the last time can be lost when the
    /// power fails, none when only the process ends.
    Interval(Duration),
}

/// `limits {}`: `None` where the configuration sets no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JetStreamLimits {
    /// Most `max_ack_pending` of a consumer.
    pub max_ack_pending: Option<u64>,
    /// Most streams and consumers with replicas. There are none without a cluster; monitoring
    /// shows the setting.
    pub max_ha_assets: Option<u64>,
    /// Most `max_batch` of a pull consumer, and its default.
    pub max_request_batch: Option<u64>,
    /// Longest window in which a stream recognises duplicates.
    pub duplicate_window: Option<Duration>,
    /// Publishing in batches.
    pub batch: BatchLimits,
}

/// `limits { batch {} }`: `None` is the default, which for open batches depends on their kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most open batches of a stream; by default 50 atomic and 1000 fast ones.
    pub max_inflight_per_stream: Option<u64>,
    /// Most open batches of the server; by default 1000 atomic and 50 000 fast ones.
    pub max_inflight_total: Option<u64>,
    /// Most messages in an atomic batch; by default 1000.
    pub max_msgs: Option<u64>,
    /// How long a batch may stay open without a message; by default ten seconds.
    pub timeout: Option<Duration>,
}

impl Options {
    /// The settings of JetStream, whether it is on or off.
    pub(crate) fn jetstream_settings(&mut self) -> &mut JetStreamOptions {
        self.jetstream
            .as_mut()
            .unwrap_or(&mut self.dormant_jetstream)
    }

    /// Turns JetStream on or off; its settings stay.
    pub(crate) fn enable_jetstream(&mut self, on: bool) {
        match (on, self.jetstream.take()) {
            (true, None) => self.jetstream = Some(std::mem::take(&mut self.dormant_jetstream)),
            (true, settings) => self.jetstream = settings,
            (false, Some(settings)) => self.dormant_jetstream = settings,
            (false, None) => {}
        }
    }
}
