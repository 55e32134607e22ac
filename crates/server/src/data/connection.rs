//! What the whole server shares of one client connection.
//!
//! The connection's own task holds the protocol state; here is what others need: where to deliver
//! ([`Connection::outbound`]), flags that deliveries look at, counters, and the facts monitoring
//! shows. Subscriptions and registries hold it by `Arc`.
//!
//! Invariants: `slot` is unique among living connections and is given back only when the last
//! reference goes, so that a data-path table indexed by it never confuses two connections.
//! Counters have one writer each and are read by anyone.

mod detail;
mod flags;
mod slots;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use cognate_auth::permissions::ReplyPermissions;
use cognate_router::Subscription;
use cognate_wire::CloseReason;
use parking_lot::Mutex;

use super::account::{Account, GLOBAL};
use super::outbound::Outbound;
use super::passage::Leads;
use super::queue::Totals;
use flags::{Flags, flag};

pub(crate) use detail::{Detail, TlsDetail};
pub(crate) use slots::Slots;

/// The kind of transport a client came over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// A socket.
    Tcp,
    /// A pipe inside this process.
    InProcess,
}

/// Something the connection's task is asked to do.
#[derive(Clone, Debug)]
pub(crate) enum Control {
    /// Send an INFO (topology or limits changed, lame duck).
    SendInfo,
    /// Ask the client to go to another server.
    LameDuckInfo,
    /// Options changed: take the new settings and re-examine the user.
    Reloaded,
    /// What the account claims changed: the same.
    AccountsChanged,
}

/// Takes what a destination that refuses had no room for.
pub(crate) trait Refuser: Send + Sync {
    /// `frames` are whole; nothing of them was taken by `to`.
    fn refuse(&self, to: &Connection, frames: &[u8]);

    /// The name of the stream that stores what comes with this sid, if one does.
    fn stream_for(&self, sid: &[u8]) -> Option<String> {
        let _ = sid;
        None
    }

    /// The account that whoever sends something here imports it from, in the eyes of clients.
    fn exporter(&self) -> Option<&str> {
        None
    }
}

/// The shared side of one client connection.
pub(crate) struct Connection {
    /// Unique for the life of the server.
    pub cid: u64,
    /// Dense number among living connections.
    pub slot: u32,
    flags: Flags,
    /// Where its messages go.
    pub outbound: Outbound,
    in_msgs: AtomicU64,
    in_bytes: AtomicU64,
    subscriptions: AtomicU32,
    stalls: AtomicU32,
    /// Nanoseconds since the start of the server.
    last_activity: AtomicU64,
    /// Nanoseconds; 0 while unknown.
    rtt: AtomicU64,
    ended: Mutex<Vec<Arc<Subscription<Connection>>>>,
    replies: Mutex<Option<Box<ReplyPermissions>>>,
    control: Mutex<Vec<Control>>,
    /// Made when there is something to say: passages between accounts are many and have none.
    detail: Mutex<Option<Box<Detail>>>,
    /// The other end of the socket; for in-process clients there is none.
    peer: Option<SocketAddr>,
    /// Where the client is, if a proxy at the other end of the socket said so.
    source: OnceLock<SocketAddr>,
    /// How it came.
    pub via: Via,
    /// When it came, by the calendar.
    pub started_at: SystemTime,
    /// INFO was understood at any time.
    pub async_info: AtomicBool,
    /// The account that its subscriptions are in, once that is known.
    account: Mutex<Option<Arc<Account>>>,
    /// Where it leads, if it is a passage to another account.
    leads: Option<Leads>,
    /// Who is told what was refused.
    refuser: Option<Box<dyn Refuser>>,
    slots: Arc<Slots>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.slots.give_back(self.slot);
    }
}

/// What a connection starts with.
pub(crate) struct Birth {
    /// Unique number.
    pub cid: u64,
    /// Outbound side.
    pub outbound: Outbound,
    /// Remote address.
    pub peer: Option<SocketAddr>,
    /// How it came.
    pub via: Via,
    /// When it came, by the calendar.
    pub started_at: SystemTime,
}

impl Connection {
    /// A passage to another account. Nothing is ever written to it.
    pub(crate) fn passage(leads: Leads, slots: &Arc<Slots>) -> Self {
        let birth = Birth {
            cid: 0,
            outbound: Outbound::new(None, 0, Arc::default()),
            peer: None,
            via: Via::InProcess,
            started_at: SystemTime::UNIX_EPOCH,
        };
        let mut connection = Connection::new(birth, slots);
        connection.leads = Some(leads);
        connection
    }

    /// A new connection with a slot of its own.
    pub(crate) fn new(birth: Birth, slots: &Arc<Slots>) -> Self {
        let Birth {
            cid,
            outbound,
            peer,
            via,
            started_at,
        } = birth;
        Connection {
            cid,
            slot: slots.take(),
            flags: Flags::default(),
            outbound,
            in_msgs: AtomicU64::new(0),
            in_bytes: AtomicU64::new(0),
            subscriptions: AtomicU32::new(0),
            stalls: AtomicU32::new(0),
            last_activity: AtomicU64::new(0),
            rtt: AtomicU64::new(0),
            ended: Mutex::new(Vec::new()),
            replies: Mutex::new(None),
            control: Mutex::new(Vec::new()),
            detail: Mutex::new(None),
            peer,
            source: OnceLock::new(),
            via,
            started_at,
            async_info: AtomicBool::new(false),
            account: Mutex::new(None),
            leads: None,
            refuser: None,
            slots: Arc::clone(slots),
        }
    }

    /// Where the client is; for in-process clients there is none.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.source.get().copied().or(self.peer)
    }

    /// Whether a proxy may still say where the client is.
    pub(crate) fn is_unplaced(&self) -> bool {
        self.flags.has(flag::UNPLACED)
    }

    /// A proxy may say where the client is.
    pub(crate) fn await_place(&self) {
        self.flags.set(flag::UNPLACED, true);
    }

    /// Nobody will say any more where the client is; a proxy may have said it.
    pub(crate) fn place(&self, source: Option<SocketAddr>) {
        if let Some(source) = source {
            // It is said once per connection.
            let _ = self.source.set(source);
        }
        self.flags.set(flag::UNPLACED, false);
    }

    /// Marks it as a part of the server, whose messages are in no statistics of clients.
    pub(crate) fn set_internal(&self) {
        self.flags.set(flag::INTERNAL, true);
    }

    /// Whether it is a part of the server.
    pub(crate) fn is_internal(&self) -> bool {
        self.flags.has(flag::INTERNAL)
    }

    /// Notes that it is sent away although it did nothing wrong, whatever the reason is called.
    pub(crate) fn set_dismissed(&self) {
        self.flags.set(flag::DISMISSED, true);
    }

    /// Whether it was sent away although it did nothing wrong.
    pub(crate) fn is_dismissed(&self) -> bool {
        self.flags.has(flag::DISMISSED)
    }

    /// Where it leads, if it is a passage to another account.
    pub(crate) fn leads(&self) -> Option<&Leads> {
        self.leads.as_ref()
    }

    /// The account that its subscriptions are in, once that is known.
    pub(crate) fn account(&self) -> Option<Arc<Account>> {
        self.account.lock().clone()
    }

    /// Says which account its subscriptions are in.
    pub(crate) fn set_account(&self, account: &Arc<Account>) {
        *self.account.lock() = Some(Arc::clone(account));
    }

    /// The same connection, with somebody who is told what it had no room for.
    pub(crate) fn with_refuser(mut self, refuser: Box<dyn Refuser>) -> Self {
        self.refuser = Some(refuser);
        self
    }

    /// It had no room for these frames.
    pub(crate) fn refuse(&self, frames: &[u8]) {
        if let Some(refuser) = &self.refuser {
            refuser.refuse(self, frames);
        }
    }

    /// The name of the stream that stores what comes with this sid, if one does.
    pub(crate) fn stream_for(&self, sid: &[u8]) -> Option<String> {
        self.refuser.as_ref()?.stream_for(sid)
    }

    /// The account that whoever sends something here imports it from, in the eyes of clients.
    pub(crate) fn exporter(&self) -> Option<&str> {
        self.refuser.as_ref()?.exporter()
    }

    /// How the log calls this connection.
    pub(crate) fn label(&self) -> String {
        let place = match self.peer() {
            Some(peer) => peer.to_string(),
            None => "pipe".to_owned(),
        };
        let account = self.account();
        let account = account.as_ref().map_or(GLOBAL, |account| &account.name);
        let mut label = format!("{place} - cid:{}", self.cid);
        if let Some(detail) = self.detail.lock().as_deref() {
            detail.append_to(&mut label, account);
        }
        label
    }

    /// Whether deliveries are pointless.
    pub(crate) fn is_closed(&self) -> bool {
        self.flags.has(flag::CLOSED)
    }

    /// Whether the client takes headers.
    pub(crate) fn takes_headers(&self) -> bool {
        self.flags.has(flag::HEADERS)
    }

    /// Whether publishers should prefer others.
    pub(crate) fn is_stalled(&self) -> bool {
        self.flags.has(flag::STALLED)
    }

    /// Whether a delivery must look at more than where it goes: headers may have to be left out,
    /// the reply remembered, the message traced, or the publisher named.
    pub(crate) fn needs_care(&self) -> bool {
        let care = flag::HEADERS | flag::TRACKS_REPLIES | flag::TRACED | flag::NAMES_PUBLISHERS;
        self.flags.among(care) != flag::HEADERS
    }

    /// Whether the sid of every frame is to end with a dot and the number of the connection that
    /// published it, if one did.
    pub(crate) fn names_publishers(&self) -> bool {
        self.flags.has(flag::NAMES_PUBLISHERS)
    }

    /// Has every frame say who published it.
    pub(crate) fn set_names_publishers(&self) {
        self.flags.set(flag::NAMES_PUBLISHERS, true);
    }

    /// Whether what is sent to the client is traced.
    pub(crate) fn is_traced(&self) -> bool {
        self.flags.has(flag::TRACED)
    }

    /// Sets whether what is sent to the client is traced.
    pub(crate) fn set_traced(&self, traced: bool) {
        self.flags.set(flag::TRACED, traced);
    }

    /// Whether delivered replies must be recorded.
    pub(crate) fn tracks_replies(&self) -> bool {
        self.flags.has(flag::TRACKS_REPLIES)
    }

    /// Marks whether publishers are asked to slow down.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        // Read first: the flag rarely changes, and a store would take the cache line from others.
        if self.is_stalled() != stalled {
            self.flags.set(flag::STALLED, stalled);
        }
    }

    /// Notes that CONNECT negotiated headers.
    pub(crate) fn set_takes_headers(&self, takes: bool) {
        self.flags.set(flag::HEADERS, takes);
    }

    /// Gives the client a response permission, or takes it away.
    pub(crate) fn set_replies(&self, replies: Option<Box<ReplyPermissions>>) {
        self.flags.set(flag::TRACKS_REPLIES, replies.is_some());
        *self.replies.lock() = replies;
    }

    /// Remembers a delivered reply subject.
    pub(crate) fn record_reply(&self, reply: &[u8], now: Duration) {
        if let Some(replies) = self.replies.lock().as_mut() {
            replies.record(reply, now);
        }
    }

    /// Whether a response permission covers a publish to `subject`; uses it up.
    pub(crate) fn may_respond(&self, subject: &[u8], now: Duration) -> bool {
        self.replies
            .lock()
            .as_mut()
            .is_some_and(|replies| replies.check(subject, now))
    }

    /// Closes the connection from outside its task.
    pub(crate) fn close(&self, reason: CloseReason) {
        self.flags.set(flag::CLOSED, true);
        self.outbound.close(reason);
    }

    /// Marks the connection closed, for its task at the end.
    pub(crate) fn mark_closed(&self) {
        self.flags.set(flag::CLOSED, true);
    }

    /// Asks the connection's task for something.
    pub(crate) fn request(&self, control: Control) {
        self.control.lock().push(control);
        self.outbound.signal();
    }

    /// What was asked for.
    pub(crate) fn take_control(&self) -> Vec<Control> {
        std::mem::take(&mut *self.control.lock())
    }

    /// A subscription reached its maximum: its owner is to forget it.
    pub(crate) fn note_ended(&self, subscription: &Arc<Subscription<Connection>>) {
        self.ended.lock().push(Arc::clone(subscription));
        self.flags.set(flag::HAS_ENDED, true);
    }

    /// The subscriptions that ended since the last call.
    pub(crate) fn take_ended(&self) -> Vec<Arc<Subscription<Connection>>> {
        if !self.flags.has(flag::HAS_ENDED) {
            return Vec::new();
        }
        self.flags.set(flag::HAS_ENDED, false);
        std::mem::take(&mut *self.ended.lock())
    }

    /// Adds to what the client sent, at `now` (since the server's start); called by its task only.
    pub(crate) fn count_in(&self, received: Totals, now: Duration) {
        self.in_msgs
            .store(self.in_msgs.load(Relaxed) + received.msgs, Relaxed);
        self.in_bytes
            .store(self.in_bytes.load(Relaxed) + received.bytes, Relaxed);
        self.last_activity.store(now.as_nanos() as u64, Relaxed);
    }

    /// Messages and payload bytes received.
    pub(crate) fn received(&self) -> Totals {
        Totals {
            msgs: self.in_msgs.load(Relaxed),
            bytes: self.in_bytes.load(Relaxed),
        }
    }

    /// Time from the server's start to the client's last activity.
    pub(crate) fn last_activity(&self) -> Duration {
        Duration::from_nanos(self.last_activity.load(Relaxed))
    }

    /// How often publishers were slowed down for it.
    pub(crate) fn stalls(&self) -> u32 {
        self.stalls.load(Relaxed)
    }

    /// Counts one publisher slowed down for it.
    pub(crate) fn count_stall(&self) {
        self.stalls.fetch_add(1, Relaxed);
    }

    /// The number of its subscriptions.
    pub(crate) fn subscription_count(&self) -> u32 {
        self.subscriptions.load(Relaxed)
    }

    /// Sets the number of its subscriptions; called by its task only.
    pub(crate) fn set_subscription_count(&self, count: usize) {
        self.subscriptions
            .store(u32::try_from(count).unwrap_or(u32::MAX), Relaxed);
    }

    /// The last measured round-trip time.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        Some(self.rtt.load(Relaxed))
            .filter(|&rtt| rtt > 0)
            .map(Duration::from_nanos)
    }

    /// Publishes a measured round-trip time.
    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.rtt.store(rtt.as_nanos() as u64, Relaxed);
    }

    /// What the client said and proved about itself.
    pub(crate) fn detail(&self) -> Detail {
        self.detail.lock().as_deref().cloned().unwrap_or_default()
    }

    /// Changes what is known about the client.
    pub(crate) fn update_detail(&self, change: impl FnOnce(&mut Detail)) {
        change(self.detail.lock().get_or_insert_default());
    }
}
