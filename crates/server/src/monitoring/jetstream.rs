//! JetStream, as monitoring sees it.
//!
//! Accounts other than the global one have no JetStream yet; what is here takes the one there is.

use std::sync::Arc;

use cognate_config::options::SyncPolicy;
use cognate_model::DamagedRange;
use cognate_monitor::{
    JetStream as State, JetStreamAccount, JetStreamConfig, JetStreamFacts, JetStreamLimits,
    StreamDetails, StreamFacts, StreamService, WantedConsumers, limits,
};

use cognate_router::CacheStats;

use crate::jetstream::JetStream;
use crate::shared::Shared;

/// How often nats-server syncs unless it is told to; shown where everything is synced at once.
const SYNC_INTERVAL: std::time::Duration = std::time::Duration::from_secs(120);

/// The streams of a server.
pub(super) struct Assets {
    shared: Arc<Shared>,
    /// Streams that could not be recovered at the start.
    not_recovered: Vec<String>,
}

impl Assets {
    /// The streams of a server that has recovered what it could, and takes no clients yet.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let jetstream = shared.jetstream.read().clone();
        Assets {
            shared: Arc::clone(shared),
            not_recovered: jetstream
                .map(|jetstream| jetstream.streams_not_in_service())
                .unwrap_or_default(),
        }
    }

    fn jetstream(&self) -> Option<Arc<JetStream>> {
        self.shared.jetstream.read().clone()
    }

    /// What the caches of JetStream's own working memory did and hold.
    pub(super) fn cache_stats(&self) -> Option<CacheStats> {
        Some(self.jetstream()?.workers.cache_stats())
    }

    /// JetStream without its streams.
    pub(super) fn state(&self) -> State {
        match self.jetstream() {
            Some(jetstream) => State::Enabled(Box::new(facts(&jetstream))),
            None if self.shared.options().jetstream.is_some() => State::NotEnabled,
            None => State::Off,
        }
    }

    /// Visits all streams, by name.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(StreamFacts<'_>)) {
        let Some(jetstream) = self.jetstream() else {
            return;
        };
        let account = jetstream.account.name.as_str();
        for stream in jetstream.streams() {
            let seen = stream.glance();
            visit(StreamFacts {
                account,
                name: &stream.name,
                service: match &seen.failure {
                    Some(why) => StreamService::ReadOnly(why),
                    None => StreamService::Whole,
                },
                storage: stream.storage,
                messages: seen.messages,
                bytes: seen.bytes,
                reserved: seen.reserved,
                consumers: seen.consumers,
                damaged: &seen.damaged,
            });
        }
        for name in &self.not_recovered {
            if jetstream.is_left_out(name) {
                visit(StreamFacts {
                    account,
                    name,
                    service: StreamService::NotRecovered,
                    ..StreamFacts::default()
                });
            }
        }
    }

    /// Visits the details of an account's streams, by name.
    pub(super) fn visit_details(
        &self,
        account: &str,
        wanted: WantedConsumers,
        visit: &mut dyn FnMut(StreamDetails),
    ) {
        let Some(jetstream) = self.jetstream() else {
            return;
        };
        if account != jetstream.account.name {
            return;
        }
        for stream in jetstream.streams() {
            let info = jetstream.describe_stream(&stream);
            let seen = stream.glance();
            let consumers = match wanted {
                WantedConsumers::None => Default::default(),
                WantedConsumers::Public => jetstream.describe_consumers(&stream, false),
                WantedConsumers::All => jetstream.describe_consumers(&stream, true),
            };
            let mut damaged: Vec<DamagedRange> = seen.damaged;
            damaged.truncate(limits::DAMAGED_RANGES);
            visit(StreamDetails {
                name: stream.name.clone(),
                created: info.created,
                cluster: info.cluster.unwrap_or_default(),
                config: info.config,
                state: info.state,
                mirror: info.mirror,
                sources: info.sources,
                damaged,
                failure: seen.failure,
                consumers: consumers.public,
                direct_consumers: consumers.direct,
            });
        }
    }

    /// Whether a stream has a consumer of this name.
    pub(super) fn has_consumer(&self, account: &str, stream: &str, consumer: &str) -> bool {
        let jetstream = self.jetstream();
        let jetstream = jetstream.filter(|jetstream| jetstream.account.name == account);
        jetstream
            .and_then(|jetstream| jetstream.stream(stream))
            .is_some_and(|stream| stream.has_consumer(consumer))
    }
}

fn facts(jetstream: &JetStream) -> JetStreamFacts {
    let api = jetstream.api_usage();
    let allowed = jetstream.account_limits();
    let account = JetStreamAccount {
        id: jetstream.account.name.clone(),
        name: jetstream.account.name.clone(),
        max_memory: allowed.max_memory,
        max_storage: allowed.max_storage,
        api_total: api.total,
        api_errors: api.errors,
    };
    JetStreamFacts {
        config: config(jetstream),
        limits: server_limits(jetstream),
        api,
        accounts: vec![account],
    }
}

fn config(jetstream: &JetStream) -> JetStreamConfig {
    let options = &jetstream.options;
    let (sync_interval, sync_always) = match options.sync_interval {
        SyncPolicy::Always => (SYNC_INTERVAL, true),
        SyncPolicy::Interval(interval) => (interval, false),
    };
    let is_set = |size: Option<u64>| size.is_some_and(|size| size > 0);
    JetStreamConfig {
        max_memory: jetstream.memory_max(),
        max_storage: jetstream.store_max(),
        store_dir: jetstream.directory.display().to_string(),
        sync_interval,
        sync_always,
        domain: options.domain.clone().unwrap_or_default(),
        compress_ok: is_set(options.max_memory_store) && is_set(options.max_file_store),
        unique_tag: String::new(),
        strict: options.strict,
    }
}

fn server_limits(jetstream: &JetStream) -> JetStreamLimits {
    let limits = &jetstream.options.limits;
    let batch = &limits.batch;
    JetStreamLimits {
        max_request_batch: limits.max_request_batch.unwrap_or(0),
        max_ack_pending: limits.max_ack_pending.unwrap_or(0),
        max_ha_assets: limits.max_ha_assets.unwrap_or(0),
        max_duplicate_window: limits.duplicate_window.unwrap_or_default(),
        max_batch_inflight_per_stream: batch.max_inflight_per_stream.unwrap_or(0),
        max_batch_inflight_total: batch.max_inflight_total.unwrap_or(0),
        max_batch_size: batch.max_msgs.unwrap_or(0),
        max_batch_timeout: batch.timeout.unwrap_or_default(),
    }
}
