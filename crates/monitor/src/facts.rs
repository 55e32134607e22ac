//! What monitoring asks of a server: the [`Monitored`] seam and the facts that cross it.
//!
//! Invariants: facts are owned snapshots, so no lock of the server is held while a document is
//! sorted, written or sent; times are calendar times and every counter is a plain integer. No
//! fact carries a password or a token. The server crate implements the trait; everything else in
//! this crate only reads it. Absent: how facts are spelled in JSON (see the documents).

mod accounts;
mod jetstream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use accounts::{
    AccountDetail, AccountFacts, ExportFacts, Finding, ImportFacts, LatencyFacts, MappedTo,
};
pub use jetstream::{
    JetStream, JetStreamAccount, JetStreamConfig, JetStreamFacts, JetStreamLimits, StreamDetails,
    StreamFacts, StreamService, WantedConsumers,
};

/// A server that can be monitored.
///
/// Methods are called from blocking threads, never from an I/O thread, by at most
/// [`crate::limits::BUILDERS`] requests at a time ([`Monitored::health`] by as many more).
pub trait Monitored: Send + Sync + 'static {
    /// Identity, options in force and totals.
    fn server(&self) -> ServerFacts;

    /// Connections that are open, in any order.
    fn connections(&self) -> Vec<ConnectionFacts>;

    /// Connections that are remembered after they ended (with `stop` and `reason`), in any
    /// order, and how many ended since the start.
    fn closed_connections(&self) -> (Vec<ConnectionFacts>, u64);

    /// Calls `visit` with each living subscription, in any order. `visit` copies what it keeps
    /// and returns at once, so a short lock may be held around it.
    fn subscriptions(&self, visit: &mut dyn FnMut(SubscriptionFacts<'_>));

    /// Sums over the interest of all accounts, or of the one named `account` (all zero if there
    /// is none of that name).
    fn subscription_stats(&self, account: Option<&str>) -> SubscriptionStats;

    /// All accounts, by name.
    fn accounts(&self) -> Vec<AccountFacts>;

    /// One account in detail, if it exists.
    fn account(&self, name: &str) -> Option<AccountDetail>;

    /// Whether the server can do its work.
    fn health(&self) -> Health;

    /// Whether there is JetStream, and its facts apart from streams. Waits for no stream.
    fn jetstream(&self) -> JetStream;

    /// Calls `visit` with each stream of all accounts, by account and name, those that could not
    /// be recovered last. At most the visited stream is locked meanwhile, so `visit` copies what
    /// it keeps and returns at once.
    fn streams(&self, visit: &mut dyn FnMut(StreamFacts<'_>));

    /// Calls `visit` with the details of each stream of the account with this id, by name. No
    /// stream is locked meanwhile.
    fn stream_details(
        &self,
        account: &str,
        consumers: WantedConsumers,
        visit: &mut dyn FnMut(StreamDetails),
    );

    /// Whether a stream has a consumer of this name.
    fn has_consumer(&self, account: &str, stream: &str, consumer: &str) -> bool;
}

/// OCSP answers about clients' certificates that are kept, and how often one was of use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OcspCacheFacts {
    /// Questions that a kept answer served.
    pub hits: u64,
    /// Questions that none did.
    pub misses: u64,
    /// Answers that are kept.
    pub responses: u64,
    /// Those of them that say "revoked".
    pub revoked: u64,
    /// Those that say "good".
    pub good: u64,
    /// Those that say "unknown".
    pub unknown: u64,
}

/// What `/varz` and `/metrics` show of a server.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Public nkey of the server.
    pub server_id: String,
    /// Configured name, or the id.
    pub server_name: String,
    /// The nats-server version whose behaviour is followed.
    pub version: String,
    /// Our own version.
    pub cognate_version: String,
    /// Client protocol version.
    pub proto: u32,
    /// Commit the binary was built from; empty if unknown.
    pub git_commit: String,
    /// What the field `go` says; the same as in INFO.
    pub go: String,
    /// Host that clients are told to use.
    pub host: String,
    /// Port of the client listener, as bound; 0 without one.
    pub port: u16,
    /// Clients have to authenticate.
    pub auth_required: bool,
    /// Clients have to use TLS.
    pub tls_required: bool,
    /// Client certificates are verified.
    pub tls_verify: bool,
    /// OCSP answers of client certificates are verified.
    pub tls_ocsp_peer_verify: bool,
    /// Advertised address; empty if none is.
    pub ip: String,
    /// Addresses told to clients.
    pub connect_urls: Vec<String>,
    /// Addresses told to WebSocket clients.
    pub ws_connect_urls: Vec<String>,
    /// Most connections; -1 if none are allowed.
    pub max_connections: i64,
    /// Most subscriptions of a connection; 0 if unlimited.
    pub max_subscriptions: u64,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Unanswered pings that a connection may have.
    pub ping_max: u32,
    /// Host of the monitoring listener.
    pub http_host: String,
    /// Port of the plain monitoring listener, as bound; 0 without one.
    pub http_port: u16,
    /// Configured path prefix.
    pub http_base_path: String,
    /// Port of the TLS monitoring listener, as bound; 0 without one.
    pub https_port: u16,
    /// Time to authenticate.
    pub auth_timeout: Duration,
    /// Longest control line, in bytes.
    pub max_control_line: u64,
    /// Largest payload, in bytes.
    pub max_payload: u64,
    /// Most bytes that may wait for one connection.
    pub max_pending: u64,
    /// Time for the TLS handshake.
    pub tls_timeout: Duration,
    /// Longest time for a write.
    pub write_deadline: Duration,
    /// What happens when it is exceeded, if configured; else empty.
    pub write_timeout: String,
    /// When the server started.
    pub start: SystemTime,
    /// The time of this snapshot.
    pub now: SystemTime,
    /// Resident memory, in bytes.
    pub mem: u64,
    /// Cores the process may run on.
    pub cores: usize,
    /// Threads that execute tasks (Go's GOMAXPROCS).
    pub worker_threads: usize,
    /// CPU use in percent of one core.
    pub cpu: f64,
    /// CPU time used since the start of the process, user and system.
    pub cpu_time: Duration,
    /// Open client connections.
    pub connections: u64,
    /// Client connections ever accepted.
    pub total_connections: u64,
    /// Messages received, from everyone and from clients.
    pub in_msgs: Counts,
    /// Bytes received, from everyone and from clients.
    pub in_bytes: Counts,
    /// Messages sent, to everyone and to clients.
    pub out_msgs: Counts,
    /// Bytes sent, to everyone and to clients.
    pub out_bytes: Counts,
    /// Connections cut off for being slow.
    pub slow_consumers: u64,
    /// Connections cut off for not answering pings.
    pub stale_connections: u64,
    /// Times a publisher was slowed down.
    pub stalled_clients: u64,
    /// Living subscriptions.
    pub subscriptions: u64,
    /// When the configuration in force was loaded.
    pub config_load_time: SystemTime,
    /// Digest of the configuration (`sha256:<hex>`); empty without a file.
    pub config_digest: String,
    /// Configured tags.
    pub tags: Vec<String>,
    /// Configured metadata.
    pub metadata: BTreeMap<String, String>,
    /// Configured feature flags.
    pub feature_flags: BTreeMap<String, bool>,
    /// The tokens of the operators that are trusted.
    pub operators: Vec<String>,
    /// The same as JSON.
    pub operator_claims: Vec<serde_json::Value>,
    /// Name of the system account; empty if there is none.
    pub system_account: String,
    /// When the certificate of the client listener ends.
    pub tls_cert_not_after: Option<SystemTime>,
    /// What OCSP has said about clients' certificates, where that is kept.
    pub ocsp_peer_cache: Option<OcspCacheFacts>,
    /// The arguments of the process, the program first. Secrets in them are hidden here, not by
    /// the caller. Empty for an embedded server that does not want to show them.
    pub command_line: Vec<String>,
}

/// A counter over all kinds of connections, and its part that concerns clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients, routes, gateways and leaf nodes.
    pub all: u64,
    /// Clients alone.
    pub clients: u64,
}

impl Counts {
    /// A counter to which only clients contribute.
    pub fn of_clients(count: u64) -> Self {
        Counts {
            all: count,
            clients: count,
        }
    }
}

/// What `/connz` shows of a connection, open or closed.
#[derive(Clone, Debug)]
pub struct ConnectionFacts {
    /// Unique for the life of the server.
    pub cid: u64,
    /// `Client`, `Leafnode`, ….
    pub kind: &'static str,
    /// `nats`, `websocket` or `mqtt`; empty where it means nothing.
    pub client_type: &'static str,
    /// The peer's address; empty for connections inside the process.
    pub ip: String,
    /// The peer's port; 0 for connections inside the process.
    pub port: u16,
    /// When it came.
    pub start: SystemTime,
    /// When it last sent or was sent something.
    pub last_activity: SystemTime,
    /// When it ended; `None` for open ones.
    pub stop: Option<SystemTime>,
    /// Why it ended; empty for open ones.
    pub reason: &'static str,
    /// Round-trip time; zero while unknown.
    pub rtt: Duration,
    /// Bytes waiting to be sent.
    pub pending_bytes: u64,
    /// Messages received from it.
    pub in_msgs: u64,
    /// Messages sent to it.
    pub out_msgs: u64,
    /// Bytes received from it.
    pub in_bytes: u64,
    /// Bytes sent to it.
    pub out_bytes: u64,
    /// Times it was slowed down.
    pub stalls: u64,
    /// Its subscriptions, now or when it ended.
    pub subscriptions: u64,
    /// Name from CONNECT.
    pub name: String,
    /// Client library from CONNECT.
    pub lang: String,
    /// Version of the library from CONNECT.
    pub version: String,
    /// TLS version as `1.2` or `1.3`; empty without TLS.
    pub tls_version: String,
    /// Cipher suite by its IANA name; empty without TLS.
    pub tls_cipher_suite: String,
    /// The certificates it presented, its own first.
    pub tls_peer_certs: Vec<PeerCertificate>,
    /// The handshake came before INFO.
    pub tls_first: bool,
    /// User it was let in as; `[REDACTED]` for a token, never the token; empty without one.
    pub authorized_user: String,
    /// Account it belongs to; empty before it is in one.
    pub account: String,
    /// Its user's JWT; empty without one, and redacted if it is enough to log in with.
    pub jwt: String,
    /// Public key that issued its JWT; empty without one.
    pub issuer_key: String,
    /// Name of the account as an operator tagged it; empty without one.
    pub name_tag: String,
    /// Tags of its user.
    pub tags: Vec<String>,
    /// MQTT client id; empty for others.
    pub mqtt_client: String,
    /// Public key of the trusted proxy it came through; empty without one.
    pub proxy_key: String,
    /// The subscriptions a closed connection had. Left empty for open ones, whose subscriptions
    /// come from [`Monitored::subscriptions`].
    pub closed_subscriptions: Arc<[ClosedSubscription]>,
}

/// A certificate that a client presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Subject as an RFC 2253 name.
    pub subject: String,
    /// SHA-256 of the public key info, in lower-case hex.
    pub spki_sha256: String,
    /// SHA-256 of the certificate, in lower-case hex.
    pub cert_sha256: String,
}

/// A subscription of a connection that ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClosedSubscription {
    /// The filter.
    pub subject: String,
    /// Queue group; empty if none.
    pub queue: String,
    /// The client's id for it.
    pub sid: String,
    /// Messages delivered to it.
    pub msgs: u64,
    /// Messages after which it would have ended; 0 if none.
    pub max: u64,
}

/// A living subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscriptionFacts<'a> {
    /// Account it is in.
    pub account: &'a str,
    /// What people call that account.
    pub account_tag: &'a str,
    /// Whether it stands in an exporting account for one of an importing account, which is the
    /// connection's own.
    pub is_shadow: bool,
    /// The filter.
    pub subject: &'a str,
    /// Queue group; empty if none.
    pub queue: &'a str,
    /// The client's id for it.
    pub sid: &'a str,
    /// Messages delivered to it.
    pub msgs: u64,
    /// Messages after which it ends; 0 if none.
    pub max: u64,
    /// Connection it belongs to.
    pub cid: u64,
}

/// Sums over the interest of accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SubscriptionStats {
    /// Living subscriptions.
    pub num_subscriptions: u64,
    /// Cached match results.
    pub num_cache: u64,
    /// Subscriptions ever entered.
    pub num_inserts: u64,
    /// Subscriptions ever removed.
    pub num_removes: u64,
    /// Matches ever asked for.
    pub num_matches: u64,
    /// Part of the matches that a cache answered, 0 to 1.
    pub cache_hit_rate: f64,
    /// Most subscriptions that one subject matched.
    pub max_fanout: u64,
    /// Subscriptions that a subject matches on average.
    pub avg_fanout: f64,
}

/// Whether a server can do its work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Why it takes no connections (not listening yet, shutting down); `None` if it does.
    pub error: Option<String>,
}

impl Default for ServerFacts {
    fn default() -> Self {
        ServerFacts {
            server_id: String::new(),
            server_name: String::new(),
            version: String::new(),
            cognate_version: String::new(),
            proto: 1,
            git_commit: String::new(),
            go: String::new(),
            host: String::new(),
            port: 0,
            auth_required: false,
            tls_required: false,
            tls_verify: false,
            tls_ocsp_peer_verify: false,
            ip: String::new(),
            connect_urls: Vec::new(),
            ws_connect_urls: Vec::new(),
            max_connections: 0,
            max_subscriptions: 0,
            ping_interval: Duration::ZERO,
            ping_max: 0,
            http_host: String::new(),
            http_port: 0,
            http_base_path: String::new(),
            https_port: 0,
            auth_timeout: Duration::ZERO,
            max_control_line: 0,
            max_payload: 0,
            max_pending: 0,
            tls_timeout: Duration::ZERO,
            write_deadline: Duration::ZERO,
            write_timeout: String::new(),
            start: SystemTime::UNIX_EPOCH,
            now: SystemTime::UNIX_EPOCH,
            mem: 0,
            cores: 0,
            worker_threads: 0,
            cpu: 0.0,
            cpu_time: Duration::ZERO,
            connections: 0,
            total_connections: 0,
            in_msgs: Counts::default(),
            in_bytes: Counts::default(),
            out_msgs: Counts::default(),
            out_bytes: Counts::default(),
            slow_consumers: 0,
            stale_connections: 0,
            stalled_clients: 0,
            subscriptions: 0,
            config_load_time: SystemTime::UNIX_EPOCH,
            config_digest: String::new(),
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            feature_flags: BTreeMap::new(),
            operators: Vec::new(),
            operator_claims: Vec::new(),
            system_account: String::new(),
            tls_cert_not_after: None,
            ocsp_peer_cache: None,
            command_line: Vec::new(),
        }
    }
}

impl Default for ConnectionFacts {
    fn default() -> Self {
        ConnectionFacts {
            cid: 0,
            kind: "Client",
            client_type: "nats",
            ip: String::new(),
            port: 0,
            start: SystemTime::UNIX_EPOCH,
            last_activity: SystemTime::UNIX_EPOCH,
            stop: None,
            reason: "",
            rtt: Duration::ZERO,
            pending_bytes: 0,
            in_msgs: 0,
            out_msgs: 0,
            in_bytes: 0,
            out_bytes: 0,
            stalls: 0,
            subscriptions: 0,
            name: String::new(),
            lang: String::new(),
            version: String::new(),
            tls_version: String::new(),
            tls_cipher_suite: String::new(),
            tls_peer_certs: Vec::new(),
            tls_first: false,
            authorized_user: String::new(),
            account: String::new(),
            jwt: String::new(),
            issuer_key: String::new(),
            name_tag: String::new(),
            tags: Vec::new(),
            mqtt_client: String::new(),
            proxy_key: String::new(),
            closed_subscriptions: Arc::default(),
        }
    }
}
