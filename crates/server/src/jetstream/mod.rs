//! JetStream of one server: which streams there are, and what drives them.
//!
//! ```text
//! data path ─▶ inbox of a stream ─▶ stream_task ─▶ cognate_group ─▶ outlet ─▶ data path
//!          └─▶ inbox of the API ─▶ api ─▶ JetStream (create, change, delete) ─▶ meta, groups
//! ```
//!
//! The decisions are in the cores (`stream`, `consumer`, `store`, `group`, `api`); here are the
//! tasks, files, clock and subscriptions. Invariants: a stream or consumer that was announced is on
//! disk; a stream's group is stepped by its task, and changed by the API under the same lock; what
//! may wait for the disk uses JetStream's own working memory, so that clients' passes never do.
//!
//! Absent until they are built: accounts other than the global one, replication.

mod advisory;
mod api;
mod assets;
mod claim;
mod clock;
mod disk;
mod import;
mod import_report;
pub(crate) mod inbox;
mod inspect;
mod meta;
mod origin;
mod outlet;
mod recover;
mod refusal;
mod restore;
mod restore_stage;
mod sealing;
mod snapshot;
mod snapshot_transfers;
mod stream;
mod stream_task;
#[cfg(test)]
mod tests;
mod usage;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_config::options::{JETSTREAM_DIR, JetStreamOptions, SyncPolicy};
use cognate_group::Policy;
use cognate_model::{AccountLimits, Nanos, ServerLimits, StorageType, Timestamp};
use cognate_process::{info, warn};
use cognate_stream::{BatchLimits, Surroundings};
use parking_lot::RwLock;
use tokio::sync::Semaphore;

use self::claim::Claims;
use self::clock::Clock;
pub use self::import::import_store;
use self::inbox::{Bounds, Inbox};
use self::refusal::{CountingRefuser, Refusals, StreamRefuser};
use self::sealing::Sealing;
use self::snapshot_transfers::Transfers;
use self::stream::StreamHandle;
use self::usage::{BatchPlaces, Usage};
use crate::data::{Account, Outgoing, Outlet, Totals, Workers};
use crate::shared::Shared;
use crate::watching::Watching;

/// The share of memory and of free disk space that streams may use if nothing else is configured.
const DEFAULT_SHARE: (u64, u64) = (3, 4);

/// Requests of the API that are served at a time, as in nats-server.
const API_THREADS: usize = 16;

/// What may wait for the API: requests beyond its queue limits are dropped when they are looked at.
const API_BOUNDS: Bounds = Bounds {
    bytes: 128 * 1024 * 1024,
    messages: u64::MAX,
};

/// What the disk is taken to have if the system does not say.
const UNKNOWN_DISK: u64 = 1 << 40;

/// Counters of API requests.
#[derive(Default)]
pub(crate) struct ApiStats {
    /// Requests since the start.
    pub total: AtomicU64,
    /// Requests that were refused.
    pub errors: AtomicU64,
    /// Requests that are being served.
    pub inflight: AtomicU64,
}

/// JetStream of one server.
pub(crate) struct JetStream {
    /// The server.
    pub shared: Arc<Shared>,
    /// The account that has it.
    pub account: Arc<Account>,
    /// Its options.
    pub options: JetStreamOptions,
    /// How what is on disk is encrypted.
    pub sealing: Sealing,
    /// The time.
    pub clock: Clock,
    /// Counters of API requests.
    pub api_stats: ApiStats,
    /// Where everything is stored.
    pub directory: PathBuf,
    /// Working memory for what JetStream publishes: its users may wait for the disk meanwhile, and
    /// clients' passes must not wait for them.
    pub workers: Workers,
    /// What all streams hold.
    pub usage: Usage,
    /// Places for batches in progress.
    pub batch_places: BatchPlaces,
    /// Disk operations at a time.
    pub disk_slots: Arc<Semaphore>,
    /// Most bytes in memory.
    memory_max: AtomicU64,
    /// Most bytes on disk.
    store_max: AtomicU64,
    streams: RwLock<BTreeMap<String, Arc<StreamHandle>>>,
    /// Streams that are being made, changed or removed.
    claims: Claims,
    api: Arc<Inbox>,
    /// Copies of streams that are on their way.
    transfers: Transfers,
    /// Requests that found no room in the API's inbox, and were not told of yet.
    api_refused: Arc<AtomicU64>,
    refusals: Arc<Refusals>,
    /// Holds the lock on the directory.
    _lock: std::fs::File,
}

impl JetStream {
    /// Recovers what is in the store directory and starts to serve.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub(crate) fn start(shared: &Arc<Shared>, options: &JetStreamOptions) -> io::Result<Arc<Self>> {
        let root = options
            .store_dir
            .as_ref()
            .map_or_else(|| std::env::temp_dir().join("nats"), PathBuf::from);
        if options.store_dir.is_none() {
            warn!(
                shared.log,
                "Temporary storage directory used, data could be lost on system reboot"
            );
        }
        let directory = root.join(JETSTREAM_DIR);
        let lock = recover::lock(&directory)?;
        let share = |all: u64| all / DEFAULT_SHARE.1 * DEFAULT_SHARE.0;
        let memory_max = options
            .max_memory_store
            .unwrap_or_else(|| share(recover::memory_bytes()));
        let store_max = options
            .max_file_store
            .unwrap_or_else(|| share(recover::free_bytes(&directory).unwrap_or(UNKNOWN_DISK)));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let remembers = !shared.options().no_sublist_cache;
        let api_refused = Arc::default();
        let refuser = Box::new(CountingRefuser(Arc::clone(&api_refused)));
        let jetstream = Arc::new(JetStream {
            workers: Workers::new(threads + API_THREADS, shared.fresh_seed(), remembers),
            usage: Usage::default(),
            batch_places: BatchPlaces::new(options.limits.batch.max_inflight_total),
            disk_slots: Arc::new(Semaphore::new(usize::from(options.max_concurrent_io))),
            shared: Arc::clone(shared),
            account: Arc::clone(&shared.account),
            options: options.clone(),
            sealing: Sealing::of(options),
            clock: Clock::default(),
            api_stats: ApiStats::default(),
            directory,
            memory_max: AtomicU64::new(memory_max),
            store_max: AtomicU64::new(store_max),
            streams: RwLock::default(),
            transfers: Transfers::default(),
            claims: Claims::default(),
            api: Arc::new(Inbox::bounded(shared, API_BOUNDS, refuser)),
            api_refused,
            refusals: Arc::default(),
            _lock: lock,
        });
        jetstream.announce();
        jetstream.api.connection().set_names_publishers();
        tokio::spawn(refusal::answer(
            Arc::downgrade(&jetstream),
            Arc::clone(&jetstream.refusals),
        ));
        recover::streams(&jetstream)?;
        for subject in api::SUBJECTS {
            jetstream
                .api
                .subscribe(&jetstream.account, subject.as_bytes(), None, b"api");
        }
        tokio::spawn(api::serve(
            Arc::clone(&jetstream),
            Arc::clone(&jetstream.api),
        ));
        // Streams that began to follow others before all were there.
        jetstream.hurry_origins(None);
        Ok(jetstream)
    }

    fn announce(&self) {
        let log = &self.shared.log;
        info!(log, "Starting JetStream");
        info!(log, "---------------- JETSTREAM ----------------");
        info!(log, "  Strict:          {}", self.options.strict);
        info!(log, "  Max Memory:      {}", human_bytes(self.memory_max()));
        info!(log, "  Max Storage:     {}", human_bytes(self.store_max()));
        info!(log, "  Store Directory: \"{}\"", self.directory.display());
        match self.options.sync_interval {
            SyncPolicy::Always => {
                info!(log, "  Sync:            before every acknowledgement");
            }
            SyncPolicy::Interval(interval) => warn!(
                log,
                "  Sync:            every {interval:?}; a power failure can lose acknowledged messages"
            ),
        }
        if let Some(cipher) = self.sealing.name() {
            info!(log, "  Encryption:      {cipher}");
        }
        if let Some(domain) = &self.options.domain {
            info!(log, "  Domain:          {domain}");
        }
        info!(
            log,
            "  API Level:       {}",
            cognate_model::level::API_LEVEL
        );
        info!(log, "-------------------------------------------");
    }

    /// Ends all streams: what waits is written, and their tasks end.
    pub(crate) async fn stop(self: &Arc<Self>) {
        self.api.close();
        self.transfers.end().await;
        self.refusals.close();
        let streams: Vec<_> = self.streams.read().values().cloned().collect();
        // All at the same time: one with a slow disk does not hold up the others.
        let mut closing = tokio::task::JoinSet::new();
        for stream in streams {
            stream.unsubscribe_all(&self.account);
            let jetstream = Arc::clone(self);
            closing.spawn(async move {
                if jetstream
                    .close_stream(&stream, b"409 Server Shutdown")
                    .await
                {
                    return;
                }
                warn!(
                    jetstream.shared.log,
                    "Stream '{} > {}' did not close within {:?}: its disk does not answer",
                    jetstream.account.name,
                    stream.name,
                    assets::CLOSE_WAIT
                );
            });
        }
        while closing.join_next().await.is_some() {}
        self.streams.write().clear();
    }

    /// Tells all tasks to end, without waiting for it.
    pub(crate) fn abandon(&self) {
        self.api.close();
        self.transfers.tell_over();
        self.refusals.close();
        for stream in self.streams() {
            stream.inbox.close();
        }
    }

    /// The stream of a name.
    pub(crate) fn stream(&self, name: &str) -> Option<Arc<StreamHandle>> {
        self.streams.read().get(name).cloned()
    }

    /// All streams, by name.
    pub(crate) fn streams(&self) -> Vec<Arc<StreamHandle>> {
        self.streams.read().values().cloned().collect()
    }

    /// What the account may have: there are no limits of accounts yet.
    pub(crate) fn account_limits(&self) -> AccountLimits {
        AccountLimits::UNLIMITED
    }

    /// What the server's `limits {}` allow.
    pub(crate) fn server_limits(&self) -> ServerLimits {
        let limits = &self.options.limits;
        let number = |limit: Option<u64>| limit.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX));
        ServerLimits {
            duplicate_window: Nanos(limits.duplicate_window.map_or(0, |window| {
                i64::try_from(window.as_nanos()).unwrap_or(i64::MAX)
            })),
            max_ack_pending: number(limits.max_ack_pending),
            max_request_batch: number(limits.max_request_batch),
        }
    }

    /// Most bytes in memory.
    pub(crate) fn memory_max(&self) -> u64 {
        self.memory_max.load(Relaxed)
    }

    /// Most bytes on disk.
    pub(crate) fn store_max(&self) -> u64 {
        self.store_max.load(Relaxed)
    }

    /// Takes what of a reload's options changes live: limits of the stores that are set.
    pub(crate) fn reload(&self, options: &JetStreamOptions) {
        let limits = [
            (options.max_memory_store, &self.memory_max),
            (options.max_file_store, &self.store_max),
        ];
        for (limit, in_force) in limits {
            if let Some(limit) = limit {
                in_force.store(limit, Relaxed);
            }
        }
    }

    /// How many bytes more `stream` may store.
    pub(crate) fn room_for(&self, stream: &StreamHandle) -> u64 {
        let max = match stream.storage {
            StorageType::Memory => self.memory_max(),
            StorageType::File => self.store_max(),
        };
        max.saturating_sub(self.usage.bytes(stream.storage))
    }

    /// An inbox for a stream of this name.
    fn stream_inbox(&self, stream: &str) -> Inbox {
        let bounds = Bounds {
            bytes: self.options.max_buffered_size,
            messages: self.options.max_buffered_msgs,
        };
        let refuser = StreamRefuser {
            stream: stream.into(),
            refusals: Arc::clone(&self.refusals),
        };
        Inbox::bounded(&self.shared, bounds, Box::new(refuser))
    }

    /// Does something with a stream's group; what it sends leaves, and the stream's task takes over
    /// from there.
    pub(crate) fn with_group<R>(
        &self,
        stream: &Arc<StreamHandle>,
        work: impl FnOnce(
            &mut cognate_group::Group<disk::Directory>,
            Timestamp,
            &mut outlet::GroupOutlet<'_>,
        ) -> R,
    ) -> R {
        let mut group = stream.group.lock();
        let now = self.clock.now();
        let result = self.with_locked(stream, &mut group, now, work);
        // Whoever waits for the stream goes first: a caller that comes again at once must not keep
        // it to itself.
        parking_lot::MutexGuard::unlock_fair(group);
        stream.inbox.signal();
        result
    }

    /// The same with a group that is locked already; the caller signals the stream's task.
    fn with_locked<R>(
        &self,
        stream: &StreamHandle,
        group: &mut cognate_group::Group<disk::Directory>,
        now: Timestamp,
        work: impl FnOnce(
            &mut cognate_group::Group<disk::Directory>,
            Timestamp,
            &mut outlet::GroupOutlet<'_>,
        ) -> R,
    ) -> R {
        let mut desk = self.workers.borrow();
        let watching = self.watching();
        let outlet = Outlet::new(&self.account, desk.worker(), &watching);
        let mut outlet = outlet::GroupOutlet::new(outlet, self, &stream.name);
        let result = work(group, now, &mut outlet);
        let (sent, _) = outlet.finish();
        desk.count(Totals::default(), sent);
        stream.note_state(&self.usage, group);
        result
    }

    /// Publishes a message of the server's own.
    pub(crate) fn publish(&self, subject: &str, headers: &[u8], payload: &[u8]) {
        let mut desk = self.workers.borrow();
        let watching = self.watching();
        let mut outlet = Outlet::new(&self.account, desk.worker(), &watching);
        outlet.publish(&Outgoing {
            headers,
            ..Outgoing::to(subject.as_bytes(), payload)
        });
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
    }

    /// Whether anybody would get a message to `subject` now.
    pub(crate) fn has_interest(&self, subject: &str) -> bool {
        self.account.has_interest(subject.as_bytes(), None)
    }

    /// An id that nobody else has: 22 characters, as NATS's own.
    pub(crate) fn fresh_id(&self) -> String {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = String::with_capacity(22);
        for _ in 0..2 {
            let mut rest = self.shared.fresh_seed();
            for _ in 0..11 {
                id.push(char::from(DIGITS[(rest % 62) as usize]));
                rest /= 62;
            }
        }
        id
    }

    /// The time on the data path's clock.
    pub(crate) fn watching(&self) -> Watching<'_> {
        Watching::new(&self.shared)
    }

    /// What a stream knows besides its configuration.
    fn surroundings(&self) -> Surroundings {
        let mut batches = BatchLimits::default();
        let limits = &self.options.limits.batch;
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        if let Some(max) = limits.max_inflight_per_stream {
            (batches.max_atomic_inflight, batches.max_fast_inflight) = (number(max), number(max));
        }
        batches.max_size = limits.max_msgs.unwrap_or(batches.max_size);
        batches.timeout = limits.timeout.unwrap_or(batches.timeout);
        Surroundings {
            domain: self.options.domain.clone().unwrap_or_default(),
            seed: self.shared.fresh_seed(),
            max_payload: self.shared.options().max_payload as usize,
            batches,
        }
    }

    /// When a stream's changes count as durable.
    fn policy(&self) -> Policy {
        match self.options.sync_interval {
            SyncPolicy::Always => Policy::Synced,
            SyncPolicy::Interval(sync_interval) => Policy::Written { sync_interval },
        }
    }
}

/// Where acknowledgements of dead letters go.
pub(crate) fn letter_prefix(stream: &str) -> String {
    format!("$JS.COGNATE.LETTER.{stream}")
}

/// Bytes for people, in the form of nats-server's log.
fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{value:.2} {}", UNITS[unit]),
    }
}
