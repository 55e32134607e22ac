//! JetStream, as monitoring sees it.

use std::sync::Arc;

use cognate_api::ApiStats;
use cognate_config::options::SyncPolicy;
use cognate_model::DamagedRange;
use cognate_monitor::{
    JetStream as State, JetStreamAccount, JetStreamConfig, JetStreamFacts, JetStreamLimits,
    StreamDetails, StreamFacts, StreamService, WantedConsumers, limits,
};
use cognate_router::CacheStats;
use tokio::time::Instant;

use crate::data::Account;
use crate::jetstream::{AccountJetStream, Allowance, JetStream, SETTLE_WAIT};
use crate::shared::Shared;

/// How often nats-server syncs unless it is told to; shown where everything is synced at once.
const SYNC_INTERVAL: std::time::Duration = std::time::Duration::from_secs(120);

/// The streams of a server.
pub(super) struct Assets {
    shared: Arc<Shared>,
    /// Streams that could not be recovered at the start, with their accounts.
    not_recovered: Vec<(String, String)>,
}

impl Assets {
    /// The streams of a server that has recovered what it could, and takes no clients yet.
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        let jetstream = shared.jetstream.read().clone();
        Assets {
            shared: Arc::clone(shared),
            not_recovered: jetstream
                .map(|jetstream| not_in_service(&jetstream))
                .unwrap_or_default(),
        }
    }

    fn jetstream(&self) -> Option<Arc<JetStream>> {
        self.shared.jetstream.read().clone()
    }

    fn of_account(&self, account: &str) -> Option<Arc<AccountJetStream>> {
        self.jetstream()?.of_name(account)
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
        let settled_by = Instant::now() + SETTLE_WAIT;
        for of_account in jetstream.accounts() {
            self.visit_account(&of_account, settled_by, visit);
        }
    }

    fn visit_account(
        &self,
        jetstream: &AccountJetStream,
        settled_by: Instant,
        visit: &mut dyn FnMut(StreamFacts<'_>),
    ) {
        let account = jetstream.account.name.as_str();
        for stream in jetstream.streams() {
            let seen = stream.glance(settled_by);
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
        let late = jetstream.late.list();
        for (name, since) in &late {
            let why = format!(
                "it is not recovered: its disk has not answered for {}s",
                since.as_secs()
            );
            visit(StreamFacts {
                account,
                name,
                service: StreamService::ReadOnly(&why),
                ..StreamFacts::default()
            });
        }
        let own = self.not_recovered.iter().filter(|(of, _)| of == account);
        let own = own.filter(|(_, name)| late.iter().all(|(late, _)| late != name));
        for (_, name) in own.filter(|(_, name)| jetstream.is_left_out(name)) {
            visit(StreamFacts {
                account,
                name,
                service: StreamService::NotRecovered,
                ..StreamFacts::default()
            });
        }
    }

    /// Visits the details of an account's streams, by name.
    pub(super) fn visit_details(
        &self,
        account: &str,
        wanted: WantedConsumers,
        visit: &mut dyn FnMut(StreamDetails),
    ) {
        let Some(jetstream) = self.of_account(account) else {
            return;
        };
        let settled_by = Instant::now() + SETTLE_WAIT;
        for stream in jetstream.streams() {
            let info = jetstream.describe_stream(&stream, settled_by);
            let seen = stream.glance(settled_by);
            let describe = |all| jetstream.describe_consumers(&stream, all, settled_by);
            let consumers = match wanted {
                WantedConsumers::None => Default::default(),
                WantedConsumers::Public => describe(false),
                WantedConsumers::All => describe(true),
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
        self.of_account(account)
            .and_then(|jetstream| jetstream.stream(stream))
            .is_some_and(|stream| stream.has_consumer(consumer))
    }
}

/// Streams on disk that are not in service, with their accounts.
fn not_in_service(jetstream: &JetStream) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for of_account in jetstream.accounts() {
        let names = of_account.streams_not_in_service().into_iter();
        found.extend(names.map(|name| (of_account.account.name.clone(), name)));
    }
    found
}

fn facts(jetstream: &JetStream) -> JetStreamFacts {
    let mut api = ApiStats::default();
    let mut accounts = Vec::new();
    for of_account in jetstream.accounts() {
        let own = of_account.api_usage();
        api.level = own.level;
        api.total += own.total;
        api.errors += own.errors;
        api.inflight += own.inflight;
        let (max_memory, max_storage) = match &*of_account.allowance() {
            Allowance::Flat(limits) => (limits.max_memory, limits.max_storage),
            // With tiers there are no limits in all.
            Allowance::Tiers(_) => (0, 0),
        };
        accounts.push(JetStreamAccount {
            id: of_account.account.name.clone(),
            name: shown_name(&of_account.account),
            max_memory,
            max_storage,
            api_total: own.total,
            api_errors: own.errors,
        });
    }
    JetStreamFacts {
        config: config(jetstream),
        limits: server_limits(jetstream),
        api,
        accounts,
    }
}

/// What people call an account.
fn shown_name(account: &Account) -> String {
    let spec = account.spec();
    let tag = spec.name_tag.clone().filter(|tag| !tag.is_empty());
    tag.unwrap_or_else(|| account.name.clone())
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
