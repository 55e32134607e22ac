//! What all parts of one server share.
//!
//! Options, logins and TLS settings are replaced as a whole by a reload; whoever needs them takes
//! the current ones. Nothing here is global: several servers live in one process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use cognate_auth::callout::CalloutConfig;
use cognate_auth::proxy::TrustedProxies;
use cognate_auth::source_limit::SourceLimit;
use cognate_auth::users::Authenticator;
use cognate_config::Options;
use cognate_process::Logger;
use cognate_process::usage::CpuMeter;
use cognate_session::Settings;
use cognate_tls::{RateLimit, ServerTls};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use crate::builder::load_tls;
use crate::client::Looker;
use crate::convert;
use crate::data::{Account, Accounts, Blocks, Totals, Workers};
use crate::info::Facts;
use crate::jetstream::JetStream;
use crate::operator::OperatorMode;
use crate::registry::Registry;
use crate::reload_requests::ReloadRequests;
use crate::system::Events;

/// The version whose behaviour we follow; clients switch features by it.
pub const COMPATIBLE_VERSION: &str = "2.14.5";

/// Our own version.
pub const COGNATE_VERSION: &str = env!("CARGO_PKG_VERSION");

/// Questions to auth callout services that may be open at a time; further logins wait their turn,
/// as long as the time for a login.
const MAX_QUESTIONS: usize = 4096;

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// Serving.
    Running,
    /// No new clients; those that are there are asked to leave.
    LameDuck,
    /// Closing everything.
    ShuttingDown,
    /// Gone.
    Stopped,
}

/// The shared state of one server.
pub(crate) struct Shared {
    options: RwLock<Arc<Options>>,
    authenticator: RwLock<Arc<Authenticator>>,
    tls: RwLock<Option<Arc<ServerTls>>>,
    /// The log.
    pub log: Logger,
    /// Facts about the server that INFO and monitoring tell.
    pub facts: Facts,
    operator: RwLock<Option<Arc<OperatorMode>>>,
    proxies: RwLock<Arc<TrustedProxies>>,
    /// The accounts.
    pub accounts: Accounts,
    /// Events for the system account.
    pub events: Events,
    /// Requests to reload that come over NATS.
    pub reload_requests: ReloadRequests,
    /// JetStream, while it is on.
    pub jetstream: RwLock<Option<Arc<JetStream>>>,
    /// The client connections.
    pub registry: Registry,
    /// Working memory of the data path.
    pub workers: Workers,
    /// The right to look for a client's next message instead of sleeping.
    pub looker: Looker,
    /// Memory for what waits for slow sockets.
    pub blocks: Arc<Blocks>,
    /// Bcrypt hashes computed at a time.
    pub verifications: Arc<Semaphore>,
    /// The service of the configuration that decides who gets in.
    pub callout: Option<CalloutConfig>,
    /// Questions to such services that may be open at a time.
    pub questions: Semaphore,
    /// Where the server is in its life.
    pub stage: watch::Sender<Stage>,
    /// When it started.
    pub started: Instant,
    /// When it started, by the calendar.
    pub started_at: SystemTime,
    /// When the options in force were loaded.
    pub config_loaded_at: Mutex<SystemTime>,
    /// Whether protocol frames are traced.
    tracing: AtomicBool,
    /// How busy the process is.
    pub cpu: Mutex<CpuMeter>,
    /// Held by a reload from beginning to end.
    pub reloading: Mutex<()>,
    /// From where logins and handshakes failed.
    pub sources: Mutex<SourceLimit>,
    /// How many TLS handshakes may still begin.
    pub handshakes: Mutex<RateLimit>,
    /// What OCSP says about clients' certificates.
    pub peers: crate::ocsp::peers::Peers,
    seed: AtomicU64,
}

impl Shared {
    /// The state of a server with these options.
    ///
    /// # Errors
    /// Why they cannot be used, in words for the user.
    pub(crate) fn new(
        options: Options,
        log: Logger,
        command_line: Vec<String>,
    ) -> Result<Self, String> {
        let authenticator = convert::authenticator(&options)?;
        let proxies = convert::proxies(&options)?;
        let callout = convert::callout(&options)?;
        let operator = OperatorMode::load(&options, None)?;
        if let Some(operator) = &operator {
            operator.settle()?;
        }
        let (configured, system) =
            convert::accounts(&options, operator.as_deref(), BTreeSet::new())?;
        let tls = load_tls(&options)?;
        let facts = Facts::new(&options, command_line)?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let seed = crate::random::number();
        let handshake_limit = options
            .tls
            .as_ref()
            .map_or(0, |tls| tls.connection_rate_limit);
        let now = SystemTime::now();
        let registry = Registry::new(options.max_closed_clients as usize);
        let accounts = Accounts::new(seed, &registry.slots);
        accounts.apply(configured, system);
        Ok(Shared {
            accounts,
            operator: RwLock::new(operator),
            proxies: RwLock::new(Arc::new(proxies)),
            events: Events::default(),
            reload_requests: ReloadRequests::default(),
            jetstream: RwLock::new(None),
            registry,
            workers: Workers::new(threads, seed, !options.no_sublist_cache),
            looker: Looker::new(threads),
            blocks: Arc::default(),
            verifications: Arc::new(Semaphore::new(threads)),
            callout,
            questions: Semaphore::new(MAX_QUESTIONS),
            stage: watch::Sender::new(Stage::Running),
            started: Instant::now(),
            started_at: now,
            config_loaded_at: Mutex::new(now),
            tracing: AtomicBool::new(options.trace),
            cpu: Mutex::new(CpuMeter::start()),
            reloading: Mutex::new(()),
            sources: Mutex::new(SourceLimit::new(options.max_failed_logins_per_source)),
            handshakes: Mutex::new(RateLimit::new(handshake_limit)),
            peers: crate::ocsp::peers::Peers::default(),
            seed: AtomicU64::new(seed),
            options: RwLock::new(Arc::new(options)),
            authenticator: RwLock::new(Arc::new(authenticator)),
            tls: RwLock::new(tls.map(Arc::new)),
            log,
            facts,
        })
    }

    /// The options in force.
    pub(crate) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options.read())
    }

    /// Who may connect.
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.authenticator.read())
    }

    /// Whom users with tokens are trusted from, in operator mode.
    pub(crate) fn operator(&self) -> Option<Arc<OperatorMode>> {
        self.operator.read().clone()
    }

    /// The proxies that may stand in front of clients.
    pub(crate) fn proxies(&self) -> Arc<TrustedProxies> {
        Arc::clone(&self.proxies.read())
    }

    /// Puts reloaded proxies in force.
    pub(crate) fn set_proxies(&self, proxies: TrustedProxies) {
        *self.proxies.write() = Arc::new(proxies);
    }

    /// Puts reloaded accounts in force.
    pub(crate) fn set_operator(&self, operator: Option<Arc<OperatorMode>>) {
        *self.operator.write() = operator;
    }

    /// Whether clients are to sign something.
    pub(crate) fn nonce_required(&self) -> bool {
        self.authenticator().nonce_required()
            || self.operator.read().is_some()
            || !self.proxies.read().is_empty()
    }

    /// TLS for clients, if they are to use it.
    pub(crate) fn tls(&self) -> Option<Arc<ServerTls>> {
        self.tls.read().clone()
    }

    /// Puts reloaded options in force, all together.
    pub(crate) fn replace(
        &self,
        options: Options,
        authenticator: Authenticator,
        tls: Option<ServerTls>,
    ) {
        self.tracing.store(options.trace, Relaxed);
        let max_failures = options.max_failed_logins_per_source;
        self.sources.lock().set_max(max_failures);
        *self.authenticator.write() = Arc::new(authenticator);
        *self.tls.write() = tls.map(Arc::new);
        *self.options.write() = Arc::new(options);
        *self.config_loaded_at.lock() = SystemTime::now();
    }

    /// What clients sent, and what they were sent: by each other, and by JetStream, which has working
    /// memory of its own.
    pub(crate) fn traffic(&self) -> (Totals, Totals) {
        let (received, mut sent) = self.workers.totals();
        if let Some(jetstream) = &*self.jetstream.read() {
            let (_, of_jetstream) = jetstream.workers.totals();
            sent.msgs += of_jetstream.msgs;
            sent.bytes += of_jetstream.bytes;
        }
        (received, sent)
    }

    /// A client came into an account: the API of JetStream is heard there, if JetStream is on.
    pub(crate) fn settle_in(&self, account: &Arc<Account>) {
        if account.has_api() {
            return;
        }
        if let Some(jetstream) = &*self.jetstream.read() {
            jetstream.hear(account);
        }
    }

    /// Time since the server started.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The timer instant that lies `since_start` after the start.
    pub(crate) fn instant_of(&self, since_start: Duration) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.started + since_start)
    }

    /// A number nobody outside can foresee, for hash seeds and jitter.
    pub(crate) fn fresh_seed(&self) -> u64 {
        // A counter run through a strong mix: distinct for each caller, unknown outside.
        let mut z = self.seed.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// What the options say about sessions.
    pub(crate) fn session_settings(&self) -> Settings {
        let options = self.options();
        let positive = |n: usize| Some(n).filter(|&n| n > 0);
        Settings {
            max_control_line: options.max_control_line as usize,
            max_payload: options.max_payload as usize,
            max_subscriptions: positive(options.max_subscriptions as usize),
            max_sub_tokens: positive(usize::from(options.max_sub_tokens)),
            headers: !options.no_header_support,
            auth_required: self.authenticator().auth_required()
                || self.callout.is_some()
                || self.operator.read().is_some(),
            ping_interval: options.ping_interval,
            ping_max: options.ping_max,
            trace: self.tracing.load(Relaxed),
        }
    }

    /// Where the server is in its life.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }
}
