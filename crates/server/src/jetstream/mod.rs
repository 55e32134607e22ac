//! JetStream of one server: which accounts have it, which streams there are, and what drives them.
//!
//! ```text
//! data path ─▶ inbox of a stream ─▶ stream_task ─▶ cognate_group ─▶ outlet ─▶ data path
//!          └─▶ inbox of the API ─▶ api ─▶ AccountJetStream (create, change, delete) ─▶ meta, groups
//! ```
//!
//! [`JetStream`] is what a server has once: the directory, working memory, the disk, the limits of the
//! machine. [`AccountJetStream`] is what each account has for itself.
//!
//! The decisions are in the cores (`stream`, `consumer`, `store`, `group`, `api`); here are the
//! tasks, files, clock and subscriptions. Invariants: a stream or consumer that was announced is on
//! disk; a stream's group is stepped by its task, and changed by the API under the same lock; what
//! may wait for the disk uses JetStream's own working memory, so that clients' passes never do.
//!
//! Absent until it is built: replication.

mod account;
mod account_path;
mod accounts;
mod advisory;
mod allowance;
mod api;
mod assets;
mod claim;
mod clock;
mod damage;
mod disk;
mod import;
mod import_report;
pub(crate) mod inbox;
mod inspect;
mod latecomers;
mod lookout;
mod meta;
mod origin;
mod outlet;
mod places;
mod purge;
mod recover;
mod refusal;
mod restore;
mod restore_stage;
mod sealing;
mod silence;
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
use cognate_model::{Nanos, ServerLimits};
use cognate_process::{info, warn};
use cognate_stream::{BatchLimits, Surroundings};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

pub(crate) use self::account::AccountJetStream;
use self::accounts::Heard;
pub(crate) use self::allowance::Allowance;
use self::clock::Clock;
pub use self::import::import_store;
use self::inbox::{Bounds, Inbox};
pub(crate) use self::inspect::SETTLE_WAIT;
use self::places::Places;
use self::refusal::{CountingRefuser, Refusals};
use self::sealing::Sealing;
use self::snapshot_transfers::Transfers;
use self::usage::{BatchPlaces, Usage};
use crate::data::{Account, Outgoing, Outlet, Totals, Workers};
use crate::shared::Shared;
use crate::watching::Watching;

/// The share of memory and of free disk space that streams may use if nothing else is configured.
const DEFAULT_SHARE: (u64, u64) = (3, 4);

/// Requests of the API that are served at a time, as in nats-server.
const API_THREADS: usize = 16;

/// Syncs at a time, whatever the configuration allows: each has a thread, of which tokio makes 512, and
/// if none of them ever ends there must be threads left.
const SYNC_THREADS: usize = 256;

/// What may wait for the API: requests beyond its queue limits are dropped when they are looked at.
const API_BOUNDS: Bounds = Bounds {
    bytes: 128 * 1024 * 1024,
    messages: u64::MAX,
};

/// What the disk is taken to have if the system does not say.
const UNKNOWN_DISK: u64 = 1 << 40;

/// JetStream of one server.
pub(crate) struct JetStream {
    /// The server.
    pub shared: Arc<Shared>,
    /// Its options.
    pub options: JetStreamOptions,
    /// How what is on disk is encrypted.
    pub sealing: Sealing,
    /// The time.
    pub clock: Clock,
    /// Where everything is stored.
    pub directory: PathBuf,
    /// Working memory for what JetStream publishes: its users may wait for the disk meanwhile, and
    /// clients' passes must not wait for them.
    pub workers: Workers,
    /// What all streams of all accounts hold.
    pub usage: Usage,
    /// Places for batches in progress.
    pub batch_places: BatchPlaces,
    /// Where what may wait for the disk is done.
    places: Places,
    /// Disk operations at a time.
    pub disk_slots: Arc<Semaphore>,
    /// Most bytes in memory.
    memory_max: AtomicU64,
    /// Most bytes on disk.
    store_max: AtomicU64,
    /// Those that have it, by the number of the account.
    accounts: RwLock<BTreeMap<u64, Arc<AccountJetStream>>>,
    /// Accounts in which the API is heard, by number.
    heard: Mutex<BTreeMap<u64, Heard>>,
    /// Accounts that have JetStream no longer and whose streams are being closed, by name.
    closing: Mutex<BTreeMap<String, watch::Receiver<bool>>>,
    /// Held while it is decided what a stream may reserve of what the server has.
    settling: Mutex<()>,
    api: Arc<Inbox>,
    /// Copies of streams that are on their way.
    transfers: Transfers,
    /// Requests that found no room in the API's inbox, and were not told of yet.
    api_refused: Arc<AtomicU64>,
    refusals: Arc<Refusals>,
    /// Holds the lock on the directory, as long as anything may write there.
    lock: Mutex<Option<std::fs::File>>,
}

/// The directory in which JetStream has its own.
fn store_root(shared: &Shared, options: &JetStreamOptions) -> PathBuf {
    if let Some(directory) = &options.store_dir {
        return PathBuf::from(directory);
    }
    warn!(
        shared.log,
        "Temporary storage directory used, data could be lost on system reboot"
    );
    std::env::temp_dir().join("nats")
}

impl JetStream {
    /// Recovers what is in the store directory and starts to serve.
    ///
    /// # Errors
    /// If the directory cannot be used.
    pub(crate) fn start(shared: &Arc<Shared>, options: &JetStreamOptions) -> io::Result<Arc<Self>> {
        let directory = store_root(shared, options).join(JETSTREAM_DIR);
        let lock = recover::tell_if_long(&shared.log, &directory, || recover::lock(&directory))?;
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
        let system = shared.accounts.system();
        let refuser = Box::new(CountingRefuser {
            refused: Arc::clone(&api_refused),
            system: system.map_or_else(|| "$SYS".to_owned(), |system| system.name.clone()),
        });
        let jetstream = Arc::new(JetStream {
            workers: Workers::new(threads + API_THREADS, shared.fresh_seed(), remembers),
            usage: Usage::default(),
            batch_places: BatchPlaces::new(options.limits.batch.max_inflight_total),
            places: Places::new(),
            disk_slots: Arc::new(Semaphore::new(
                usize::from(options.max_concurrent_io).min(SYNC_THREADS),
            )),
            shared: Arc::clone(shared),
            options: options.clone(),
            sealing: Sealing::of(options),
            clock: Clock::default(),
            directory,
            memory_max: AtomicU64::new(memory_max),
            store_max: AtomicU64::new(store_max),
            accounts: RwLock::default(),
            heard: Mutex::default(),
            closing: Mutex::default(),
            settling: Mutex::default(),
            transfers: Transfers::default(),
            api: Arc::new(Inbox::bounded(shared, API_BOUNDS, refuser)),
            api_refused,
            refusals: Arc::default(),
            lock: Mutex::new(Some(lock)),
        });
        jetstream.announce();
        jetstream.api.connection().set_names_publishers();
        tokio::spawn(refusal::answer(
            Arc::downgrade(&jetstream),
            Arc::clone(&jetstream.refusals),
        ));
        if let Err(cause) = jetstream.open_accounts() {
            jetstream.abandon();
            jetstream.lock.lock().take();
            return Err(cause);
        }
        tokio::spawn(api::serve(
            Arc::clone(&jetstream),
            Arc::clone(&jetstream.api),
        ));
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
        // One that waits for a disk is not waited for.
        let _ = tokio::time::timeout(assets::CLOSE_WAIT, self.transfers.end()).await;
        self.refusals.close();
        // All at the same time: one with a slow disk does not hold up the others.
        let mut closing = tokio::task::JoinSet::new();
        for account in self.accounts() {
            account.close(&mut closing);
        }
        let mut is_whole = self.closing.lock().is_empty();
        is_whole &= self
            .accounts()
            .iter()
            .all(|account| account.late.list().is_empty());
        while let Some(closed) = closing.join_next().await {
            is_whole &= closed.is_ok_and(|closed| closed);
        }
        for account in std::mem::take(&mut *self.accounts.write()).into_values() {
            account.forget_streams();
        }
        if is_whole {
            // Whoever still holds on to this does nothing in the directory.
            self.lock.lock().take();
        }
    }

    /// Tells all tasks to end, without waiting for it.
    pub(crate) fn abandon(&self) {
        self.api.close();
        self.transfers.tell_over();
        self.refusals.close();
        for account in std::mem::take(&mut *self.accounts.write()).into_values() {
            for stream in account.end() {
                stream.inbox.close();
            }
            account.forget_streams();
        }
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

    /// Publishes a message of the server's own in an account.
    pub(crate) fn publish(
        &self,
        account: &Arc<Account>,
        subject: &str,
        headers: &[u8],
        payload: &[u8],
    ) {
        let mut desk = self.workers.borrow();
        let watching = self.watching();
        let mut outlet = Outlet::new(account, desk.worker(), &watching);
        outlet.publish(&Outgoing {
            headers,
            ..Outgoing::to(subject.as_bytes(), payload)
        });
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
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
