//! JetStream of one account: its streams, what they use and what the API did for it.
//!
//! Invariants: streams of the same name in different accounts have nothing in common; whatever a
//! stream of an account sends or listens to, it sends and listens to in that account. Made by
//! [`JetStream`] for each account that has it, and closed when the account has it no longer: nothing
//! is put in service afterwards. Absent: which accounts have JetStream ([`super::accounts`]), and what
//! the server has once (its directory, its working memory, its disk).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_group::Room;
use cognate_model::{AccountLimits, ApiError, StorageType, Timestamp, error};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::allowance::Allowance;
use super::claim::Claims;
use super::inbox::{Bounds, Inbox};
use super::latecomers::Latecomers;
use super::refusal::{Refused, StreamRefuser};
use super::stream::StreamHandle;
use super::usage::Usage;
use super::{JetStream, disk, outlet};
use crate::data::{Account, Outlet, Totals};

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

impl ApiStats {
    /// A request is served. It may have come when the account had JetStream another time.
    pub(super) fn end_one(&self) {
        let fewer = |inflight: u64| Some(inflight.saturating_sub(1));
        // It always succeeds.
        let _ = self.inflight.fetch_update(Relaxed, Relaxed, fewer);
    }
}

/// JetStream of one account.
pub(crate) struct AccountJetStream {
    /// JetStream of the server.
    pub server: Arc<JetStream>,
    /// The account that has it.
    pub account: Arc<Account>,
    /// Counters of its API requests.
    pub api_stats: ApiStats,
    /// What its streams hold.
    pub usage: Usage,
    /// Streams that are being made, changed or removed.
    pub(super) claims: Claims,
    streams: RwLock<Streams>,
    allowance: RwLock<Arc<Allowance>>,
    /// Whether what was stored of it is recovered.
    pub(super) opened: watch::Sender<bool>,
    /// Streams that are not recovered because their disk does not answer.
    pub(crate) late: Latecomers,
}

/// The streams of an account.
#[derive(Default)]
struct Streams {
    by_name: BTreeMap<String, Arc<StreamHandle>>,
    /// The account has no JetStream any more: none is added.
    is_over: bool,
}

impl AccountJetStream {
    /// JetStream for an account, without streams yet.
    pub(super) fn new(
        server: &Arc<JetStream>,
        account: &Arc<Account>,
        allowance: Allowance,
    ) -> Self {
        AccountJetStream {
            server: Arc::clone(server),
            account: Arc::clone(account),
            api_stats: ApiStats::default(),
            usage: Usage::default(),
            claims: Claims::default(),
            streams: RwLock::default(),
            allowance: RwLock::new(Arc::new(allowance)),
            opened: watch::Sender::new(false),
            late: Latecomers::default(),
        }
    }

    /// Puts other limits in force. What is there stays, even if it is more.
    pub(super) fn allow(&self, allowance: Allowance) {
        *self.allowance.write() = Arc::new(allowance);
    }

    /// What the account may use.
    pub(crate) fn allowance(&self) -> Arc<Allowance> {
        Arc::clone(&self.allowance.read())
    }

    /// Ends it: no stream is added from now on. Returns those there are.
    pub(super) fn end(&self) -> Vec<Arc<StreamHandle>> {
        let mut streams = self.streams.write();
        streams.is_over = true;
        streams.by_name.values().cloned().collect()
    }

    /// Whether the account has no JetStream any more.
    pub(super) fn is_over(&self) -> bool {
        self.streams.read().is_over
    }

    /// Lets go of all streams.
    pub(super) fn forget_streams(&self) {
        self.streams.write().by_name.clear();
    }

    /// Adds a stream.
    ///
    /// # Errors
    /// If the account has no JetStream any more.
    pub(super) fn add(&self, stream: &Arc<StreamHandle>) -> Result<(), ApiError> {
        let mut streams = self.streams.write();
        if streams.is_over {
            return Err(error::NOT_ENABLED_FOR_ACCOUNT);
        }
        let name = stream.name.clone();
        streams.by_name.insert(name, Arc::clone(stream));
        Ok(())
    }

    /// Takes a stream out; false if it was not there.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.streams.write().by_name.remove(name).is_some()
    }

    /// What a stream of the account counts for.
    pub(super) fn usages(&self) -> [&Usage; 2] {
        [&self.usage, &self.server.usage]
    }

    /// The stream of a name.
    pub(crate) fn stream(&self, name: &str) -> Option<Arc<StreamHandle>> {
        self.streams.read().by_name.get(name).cloned()
    }

    /// All streams, by name.
    pub(crate) fn streams(&self) -> Vec<Arc<StreamHandle>> {
        self.streams.read().by_name.values().cloned().collect()
    }

    /// What the account may have in the way of streams with so many replicas; nothing keeps it from
    /// asking for some that it may not have at all.
    pub(crate) fn account_limits(&self, replicas: i64) -> AccountLimits {
        let limits = self.allowance().limits(replicas);
        limits.unwrap_or(AccountLimits::UNLIMITED)
    }

    /// How many bytes more `stream` may store.
    pub(crate) fn room_for(&self, stream: &StreamHandle) -> Room {
        let storage = stream.storage;
        let most = |limits: AccountLimits| match storage {
            StorageType::Memory => limits.max_memory,
            StorageType::File => limits.max_storage,
        };
        let of_server = match storage {
            StorageType::Memory => self.server.memory_max(),
            StorageType::File => self.server.store_max(),
        };
        // Every stream has one replica here, so an account's streams are all of one tier.
        let limit = self.allowance().limits(1).map(most);
        let is_allowed = limit.is_ok();
        let of_account = u64::try_from(limit.unwrap_or(0)).unwrap_or(u64::MAX);
        Room {
            server: of_server.saturating_sub(self.server.usage.bytes(storage)),
            account: of_account.saturating_sub(self.usage.bytes(storage)),
            is_allowed,
        }
    }

    /// An inbox for a stream of this name.
    pub(super) fn stream_inbox(&self, stream: &str) -> Inbox {
        let bounds = Bounds {
            bytes: self.server.options.max_buffered_size,
            messages: self.server.options.max_buffered_msgs,
        };
        let refuser = StreamRefuser {
            refused: Arc::new(Refused {
                account: Arc::clone(&self.account),
                stream: stream.to_owned(),
            }),
            refusals: Arc::clone(&self.server.refusals),
        };
        Inbox::bounded(&self.server.shared, bounds, Box::new(refuser))
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
        let now = self.server.clock.now();
        let result = self.with_locked(stream, &mut group, now, work);
        // Whoever waits for the stream goes first: a caller that comes again at once must not keep
        // it to itself.
        parking_lot::MutexGuard::unlock_fair(group);
        stream.touched.fetch_add(1, Relaxed);
        stream.inbox.signal();
        result
    }

    /// The same with a group that is locked already; the caller signals the stream's task.
    pub(super) fn with_locked<R>(
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
        let (result, _) = self.with_outlet(stream, |outlet| work(group, now, outlet));
        stream.note_state(self.usages(), group);
        result
    }

    /// Does something that sends, with what that takes. What it sent has left when this returns; the
    /// consumers that nobody has used for too long come back beside the result.
    pub(super) fn with_outlet<R>(
        &self,
        stream: &StreamHandle,
        work: impl FnOnce(&mut outlet::GroupOutlet<'_>) -> R,
    ) -> (R, Vec<String>) {
        let mut desk = self.server.workers.borrow();
        let watching = self.server.watching();
        let outlet = Outlet::new(&self.account, desk.worker(), &watching);
        let mut outlet = outlet::GroupOutlet::new(outlet, self, &stream.name);
        let result = work(&mut outlet);
        let (sent, inactive) = outlet.finish();
        desk.count(Totals::default(), sent);
        (result, inactive)
    }

    /// Publishes a message of the server's own.
    pub(crate) fn publish(&self, subject: &str, headers: &[u8], payload: &[u8]) {
        self.server
            .publish(&self.account, subject, headers, payload);
    }

    /// Whether somebody listens to exactly `subject`.
    pub(crate) fn is_listened_to(&self, subject: &str) -> bool {
        self.account.is_listened_to(subject.as_bytes())
    }

    /// Whether anybody would get a message to `subject` now.
    pub(crate) fn has_interest(&self, subject: &str) -> bool {
        self.account.has_interest(subject.as_bytes(), None)
    }
}
