//! The system account: events of the server, and requests to it over NATS.
//!
//! ```text
//! doors, tasks ─▶ queue of events ─┐
//! clients ─▶ data path ─▶ inbox ───┼─▶ one task ─▶ outlet ─▶ data path
//! timer ───────────────────────────┘
//! ```
//!
//! Who brings an event about only notes it: a pass holds working memory and must not publish. The
//! task turns events into messages and answers requests, one after the other; what takes long is
//! done on a thread for that. Events that nobody listens for cost nothing but the question. Bound:
//! [`MAX_EVENTS`] wait; what comes beyond is dropped and counted in the log.
//!
//! Absent: other servers. A request to all servers is answered by this one.

mod claims;
mod documents;
mod encoding;
mod events;
mod heartbeats;
mod orders;
mod request;
mod requests;
mod traces;
mod users;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use cognate_process::warn;
use cognate_wire::CloseReason;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::data::TraceRoom;
use crate::data::{Account, Connection, Fate, Open, Outgoing, Outlet, Taken, Totals, Trace};
use crate::jetstream::inbox::{Inbox, Woken};
use crate::ocsp::peers::Refused;
use crate::shared::{Shared, Stage};

/// Events that may wait to be published.
const MAX_EVENTS: usize = 8192;

/// Time between two reports of the server's figures.
const STATSZ_INTERVAL: Duration = Duration::from_secs(10);

/// The same in the beginning, when others are about to look; it doubles each time.
const FIRST_STATSZ_INTERVAL: Duration = Duration::from_millis(250);

/// Time between two looks for requests that nobody waits for any more.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Memory for requests that is kept when there are none.
const KEEP_BYTES: usize = 64 * 1024;

/// Something that happened.
pub(crate) enum Event {
    /// A client was let in.
    Connected(Arc<Connection>),
    /// A client left, and why.
    Left(Arc<Connection>, CloseReason),
    /// A client was not let in: the account that decides about it, and what that is told.
    Refused(Arc<Connection>, Arc<Account>, String),
    /// The way of a message that asked for that is known, but for what streams make of it.
    Traced(Box<Trace>),
    /// A stream has made something of such a message.
    Taken(Box<Taken>),
    /// A client's certificate is not good, says OCSP.
    PeerRefused(Box<Refused>),
    /// The server begins to send its clients away.
    LameDuck,
    /// The server stops; whoever waits is told when that was said.
    Shutdown(tokio::sync::oneshot::Sender<()>),
}

/// Where events are noted.
pub(crate) struct Events {
    queue: mpsc::Sender<Event>,
    waiting: Mutex<Option<mpsc::Receiver<Event>>>,
    /// Whether the loss of events was reported.
    lost: AtomicBool,
    /// Where messages' ways wait to be told.
    room: TraceRoom,
}

impl Default for Events {
    fn default() -> Self {
        let (queue, waiting) = mpsc::channel(MAX_EVENTS);
        Events {
            queue,
            waiting: Mutex::new(Some(waiting)),
            lost: AtomicBool::new(false),
            room: TraceRoom::default(),
        }
    }
}

impl Events {
    /// Notes an event; never waits.
    pub(crate) fn note(&self, shared: &Shared, event: Event) {
        if shared.accounts.system().is_none() {
            return;
        }
        let full = matches!(
            self.queue.try_send(event),
            Err(mpsc::error::TrySendError::Full(_))
        );
        if full {
            self.report_loss(shared);
        }
    }

    /// Notes the way of a message, if there is room to keep it until it is told.
    pub(crate) fn note_trace(&self, shared: &Shared, mut trace: Trace) {
        if trace.keep(&self.room) {
            self.note(shared, Event::Traced(Box::new(trace)));
        } else {
            self.report_loss(shared);
        }
    }

    fn report_loss(&self, shared: &Shared) {
        if !self.lost.swap(true, Relaxed) {
            warn!(
                shared.log,
                "Too many events wait for the system account, some are lost"
            );
        }
    }
}

/// The system account at work.
pub(crate) struct System {
    shared: Arc<Shared>,
    account: Arc<Account>,
    inbox: Inbox,
    documents: cognate_monitor::Documents,
    sequence: AtomicU64,
    traces: Mutex<traces::Traces>,
    heartbeats: Mutex<heartbeats::Heartbeats>,
}

/// Serves the system account, if there is one, until the server stops.
pub(crate) fn start(shared: &Arc<Shared>) {
    tokio::spawn(sweep_answers(Arc::clone(shared)));
    let Some(account) = shared.accounts.system() else {
        return;
    };
    let Some(events) = shared.events.waiting.lock().take() else {
        return;
    };
    let source = crate::monitoring::source(shared);
    let system = System {
        shared: Arc::clone(shared),
        account,
        inbox: Inbox::new(shared),
        documents: cognate_monitor::Documents::new(source),
        sequence: AtomicU64::new(0),
        traces: Mutex::default(),
        heartbeats: Mutex::default(),
    };
    system.subscribe();
    system.subscribe_claims();
    tokio::spawn(system.run(events));
}

/// Closes ways back for answers that nobody waits for any more, in all accounts, until the server
/// stops.
async fn sweep_answers(shared: Arc<Shared>) {
    let mut stage = shared.stage.subscribe();
    loop {
        let stopped = async { drop(stage.wait_for(|stage| *stage == Stage::Stopped).await) };
        if tokio::time::timeout(SWEEP_INTERVAL, stopped).await.is_ok() {
            return;
        }
        if shared.operator().is_some() {
            let shared = Arc::clone(&shared);
            // It ends early only if the runtime is shut down.
            let _ = tokio::task::spawn_blocking(move || crate::operator::tick(&shared)).await;
        }
        let now = shared.now();
        for account in shared.accounts.all() {
            for (open, fate) in account.sweep_answers(now) {
                publish_result(&shared, &account, &open, fate);
            }
        }
    }
}

/// Publishes what was measured of a request that was not answered.
fn publish_result(shared: &Shared, account: &Arc<Account>, open: &Open, fate: Fate) {
    let (Some(latency), Some(measured)) = (&open.service.latency, &open.measured) else {
        return;
    };
    let mut desk = shared.workers.borrow();
    let watch = crate::watching::Watching::new(shared);
    let result = crate::client_info::latency(shared, measured, fate, None);
    let mut outlet = Outlet::new(account, desk.worker(), &watch);
    outlet.publish(&Outgoing::to(latency.subject.as_bytes(), result.as_bytes()));
    let sent = outlet.finish();
    desk.count(Totals::default(), sent);
}

/// Waits for a time, or for ever.
async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl System {
    async fn run(self, mut events: mpsc::Receiver<Event>) {
        let system = Arc::new(self);
        let mut frames = Vec::new();
        let mut pause = FIRST_STATSZ_INTERVAL;
        let mut statsz = Instant::now() + pause;
        let mut stage = system.shared.stage.subscribe();
        let mut comparison = Instant::now() + system.comparison_interval();
        loop {
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { break };
                    system.publish_event(event);
                }
                woken = std::future::poll_fn(|cx| system.inbox.poll_take(cx, &mut frames)) => {
                    if woken == Woken::Closed {
                        break;
                    }
                    system.serve(&frames).await;
                    frames.clear();
                    frames.shrink_to(KEEP_BYTES);
                }
                () = tokio::time::sleep_until(statsz) => {
                    system.publish_statsz();
                    system.give_up_traces();
                    pause = (pause * 2).min(STATSZ_INTERVAL);
                    statsz = Instant::now() + pause;
                }
                () = sleep_until(system.heartbeats.lock().next_timeout()) => {
                    system.repeat_connections();
                }
                () = tokio::time::sleep_until(comparison) => {
                    system.compare();
                    comparison = Instant::now() + system.comparison_interval();
                }
                // The last events are published before that.
                () = async { drop(stage.wait_for(|stage| *stage == Stage::Stopped).await) } => break,
            }
        }
        system.inbox.close();
    }

    /// Publishes within the system account.
    fn publish(&self, subject: &str, payload: &[u8]) {
        self.publish_in(&self.account, subject, payload);
    }

    fn publish_in(&self, account: &Arc<Account>, subject: &str, payload: &[u8]) {
        self.publish_message(account, &Outgoing::to(subject.as_bytes(), payload));
    }

    fn publish_message(&self, account: &Arc<Account>, message: &Outgoing<'_>) {
        let mut desk = self.shared.workers.borrow();
        let watch = crate::watching::Watching::new(&self.shared);
        let mut outlet = Outlet::new(account, desk.worker(), &watch);
        outlet.publish(message);
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
    }

    /// Whether anybody in the system account would get a message to `subject`.
    fn is_heard(&self, subject: &str) -> bool {
        self.account.has_interest(subject.as_bytes(), None)
    }

    fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Relaxed) + 1
    }
}
