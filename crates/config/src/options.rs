//! The checked, typed options of a server.
//!
//! Owns [`Options`], what every other crate reads after the file, the environment and the
//! command line have been merged. Invariants: values that mean "the default" have already been
//! replaced by it, so a reader never interprets a zero; durations are [`Duration`], optional
//! features are `Option`s, subjects in permissions and mappings are valid, secrets print as
//! `[REDACTED]`. [`Options::default`] is a server started with no configuration at all.
//!
//! Called by: the loader and the flags (they fill it), reload (compares two of them), the server.
//! Absent: features this version does not support; their keys are refused by the loader, so no
//! field for them can be read by mistake.

mod accounts;
mod auth;
mod jetstream;
mod ocsp;
mod operator;
mod tls;

use std::collections::BTreeMap;
use std::time::Duration;

use cognate_subject::Mapping;
use zeroize::Zeroizing;

pub use accounts::{
    Access, Account, AccountJetStream, AccountLimits, ClusterTraffic, Export, GLOBAL_ACCOUNT,
    Import, Latency, LatencySampling, MessageTrace, ResponseType, ServiceExport, ServiceImport,
    StreamExport, StreamImport,
};
pub use auth::{
    AuthCallout, Authorization, ConnectionType, Credential, Permissions, ResponsePermission,
    SubjectList, SubjectPermission, User,
};
pub use jetstream::{
    BatchLimits, JETSTREAM_DIR, JetStreamLimits, JetStreamOptions, StoreCipher, StoreEncryption,
    SyncPolicy,
};
pub use ocsp::{OcspCacheKind, OcspCacheOptions, OcspMode, OcspOptions, OcspPeerOptions};
pub use operator::{
    CacheResolver, DEFAULT_FETCH_TIMEOUT, DeletePolicy, FullResolver, Operator, OperatorOptions,
    Resolver,
};
pub use tls::{
    CertificatePair, CurvePreference, HandshakeFirst, PinnedCert, TlsOptions, TlsVersion,
};

/// The port clients connect to when none is configured.
pub const DEFAULT_PORT: u16 = 4222;
/// The `max_payload` in bytes above which the server warns at start.
pub const MAX_PAYLOAD_WARNING_BYTES: u32 = 8 * 1024 * 1024;
/// The account that monitors and controls the server when no other is named.
pub const DEFAULT_SYSTEM_ACCOUNT: &str = "$SYS";

/// Everything a running server needs to know, defaults included.
///
/// Field names are the configuration keys where one exists. `PartialEq` compares by value, which
/// is what reload needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Path of the configuration file as it was given, if there was one.
    pub config_file: Option<String>,
    /// `sha256:<hex>` of the parsed configuration file (varz `config_digest`).
    pub config_digest: Option<String>,

    /// Name of the server; `None` means "use the server's id".
    pub server_name: Option<String>,
    /// Host or address that clients connect to.
    pub host: String,
    /// Port that clients connect to.
    pub port: Port,
    /// Open no client port at all (embedding; there is no key or flag for it).
    pub dont_listen: bool,
    /// `host` or `host:port` told to clients instead of our own addresses.
    pub client_advertise: Option<String>,
    /// Lower-cased tags, in the order given and without duplicates.
    pub server_tags: Vec<String>,
    /// Free-form names and values shown in varz.
    pub server_metadata: BTreeMap<String, String>,
    /// Feature flags the operator turned on or off; unknown names are kept and only logged.
    pub feature_flags: BTreeMap<String, bool>,

    /// Log at debug level.
    pub debug: bool,
    /// Trace the protocol.
    pub trace: bool,
    /// Trace the system account too.
    pub trace_verbose: bool,
    /// Trace headers but not payloads.
    pub trace_headers: bool,
    /// Longest traced payload in bytes; 0 is unlimited.
    pub max_traced_msg_len: usize,
    /// Print a timestamp in each log line.
    pub logtime: bool,
    /// Log timestamps in UTC instead of local time.
    pub logtime_utc: bool,
    /// File to log to; standard error when absent.
    pub log_file: Option<String>,
    /// Size in bytes at which the log file is rotated; 0 never rotates.
    pub log_size_limit: u64,
    /// How many log files are kept, the active one included; 0 keeps all.
    pub log_max_num: u64,
    /// Log to the local syslog.
    pub syslog: bool,
    /// Log to this syslog server, e.g. `udp://127.0.0.1:514`.
    pub remote_syslog: Option<String>,
    /// File that receives the process id.
    pub pid_file: Option<String>,
    /// Directory that receives `<executable>_<pid>.ports`.
    pub ports_file_dir: Option<String>,

    /// The monitoring listener, plain or TLS, when one is configured.
    pub http: Option<HttpOptions>,
    /// Prefix of all monitoring paths; starts with `/`, has no trailing `/` unless it is `/`.
    pub http_base_path: String,

    /// Most client connections at a time; 0 refuses every client (NATS shows that as −1).
    pub max_connections: u32,
    /// Longest protocol line before a payload, in bytes.
    pub max_control_line: u32,
    /// Largest payload with its headers, in bytes.
    pub max_payload: u32,
    /// Most outbound bytes waiting for one connection before it is a slow consumer.
    pub max_pending: u64,
    /// Most subscriptions of one connection; 0 is unlimited.
    pub max_subscriptions: u32,
    /// Most tokens in a subscription's subject; 0 is unlimited.
    pub max_sub_tokens: u8,
    /// Most failed logins and handshakes of one address in a minute, after which it is turned away
    /// until the minute is over; 0 is unlimited. Unknown to nats-server.
    pub max_failed_logins_per_source: u32,
    /// How many closed connections are remembered for connz.
    pub max_closed_clients: u32,
    /// Time between pings of an idle connection.
    pub ping_interval: Duration,
    /// Unanswered pings after which a connection is stale.
    pub ping_max: u32,
    /// How long a write to a connection may take.
    pub write_deadline: Duration,
    /// What happens to a connection whose write deadline passed.
    pub write_timeout: WriteTimeout,
    /// Drop messages for slow subscribers instead of slowing their publishers.
    pub no_fast_producer_stall: bool,
    /// Time over which lame duck mode spreads the closing of connections, grace period included.
    pub lame_duck_duration: Duration,
    /// Pause in lame duck mode before the first connection is closed; less than the duration.
    pub lame_duck_grace_period: Duration,
    /// Report every n-th failed first attempt to connect to another server.
    pub connect_error_reports: u32,
    /// Report every n-th failed attempt to reconnect to another server.
    pub reconnect_error_reports: u32,
    /// Do without the cache of matching subscriptions.
    pub no_sublist_cache: bool,
    /// Tell clients that headers are not supported.
    pub no_header_support: bool,

    /// Accept connections without TLS on a port that offers TLS.
    pub allow_non_tls: bool,
    /// TLS for clients, and for monitoring when that is https.
    pub tls: Option<TlsOptions>,

    /// Who may connect, and what they may do.
    pub authorization: Authorization,
    /// The user that connections without credentials become.
    pub no_auth_user: Option<String>,
    /// Name of the system account: the one named, else the operator's, else `$SYS`. `None` when
    /// `no_system_account` is set and no account is named.
    pub system_account: Option<String>,
    /// Whether the file names the system account, or describes an account `$SYS`. Otherwise it is
    /// one that the server makes.
    pub system_account_configured: bool,
    /// The accounts besides `$G`, in the order of the file.
    pub accounts: Vec<Account>,
    /// Operator mode: JWTs instead of accounts and users in the file.
    pub operator: OperatorOptions,
    /// Public nkeys of proxies that are trusted to pass clients on.
    pub trusted_proxies: Vec<String>,
    /// Expect a PROXY protocol header, version 1 or 2, in front of each client connection.
    pub proxy_protocol: bool,
    /// OCSP stapling, when the file says something about it.
    pub ocsp: Option<OcspOptions>,
    /// The cache of OCSP responses, when the file says something about it.
    pub ocsp_cache: Option<OcspCacheOptions>,
    /// Subject mappings of the global account, in the order of the file.
    pub mappings: Vec<Mapping>,

    /// JetStream; `None` is off.
    pub jetstream: Option<JetStreamOptions>,
    /// What the configuration says about JetStream while it is off, for a flag that turns it on;
    /// the defaults while it is on. A server has no use for it.
    pub dormant_jetstream: JetStreamOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config_file: None,
            config_digest: None,
            server_name: None,
            host: "0.0.0.0".to_owned(),
            port: Port::Number(DEFAULT_PORT),
            dont_listen: false,
            client_advertise: None,
            server_tags: Vec::new(),
            server_metadata: BTreeMap::new(),
            feature_flags: BTreeMap::new(),
            debug: false,
            trace: false,
            trace_verbose: false,
            trace_headers: false,
            max_traced_msg_len: 0,
            logtime: true,
            logtime_utc: false,
            log_file: None,
            log_size_limit: 0,
            log_max_num: 0,
            syslog: false,
            remote_syslog: None,
            pid_file: None,
            ports_file_dir: None,
            http: None,
            http_base_path: "/".to_owned(),
            max_connections: 64 * 1024,
            max_control_line: 4096,
            max_payload: 1024 * 1024,
            max_pending: 64 * 1024 * 1024,
            max_subscriptions: 0,
            max_sub_tokens: 0,
            max_failed_logins_per_source: 0,
            max_closed_clients: 10_000,
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
            write_deadline: Duration::from_secs(10),
            write_timeout: WriteTimeout::Default,
            no_fast_producer_stall: false,
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace_period: Duration::from_secs(10),
            connect_error_reports: 3600,
            reconnect_error_reports: 1,
            no_sublist_cache: false,
            no_header_support: false,
            allow_non_tls: false,
            tls: None,
            authorization: Authorization::default(),
            no_auth_user: None,
            system_account: Some(DEFAULT_SYSTEM_ACCOUNT.to_owned()),
            system_account_configured: false,
            accounts: Vec::new(),
            operator: OperatorOptions::default(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            ocsp: None,
            ocsp_cache: None,
            mappings: Vec::new(),
            jetstream: None,
            dormant_jetstream: JetStreamOptions::default(),
        }
    }
}

impl Options {
    /// How long a client may take to authenticate: what was configured, else two seconds, else
    /// one second more than the TLS handshake may take (security.md §1).
    #[must_use]
    pub fn auth_timeout(&self) -> Duration {
        self.authorization
            .timeout
            .unwrap_or_else(|| match &self.tls {
                Some(tls) => tls.timeout.saturating_add(Duration::from_secs(1)),
                None => Duration::from_secs(2),
            })
    }

    /// Whether a password is in plain text, of which nats-server warns at start. Tokens do not
    /// count, nor do users who can only be identified by a certificate.
    #[must_use]
    pub fn has_plaintext_passwords(&self) -> bool {
        let by_certificate = self.tls.as_ref().is_some_and(|tls| tls.verify_and_map);
        match &self.authorization.credential {
            Credential::UserPassword { password, .. } => {
                !password.expose().is_empty() && !password.is_bcrypt()
            }
            _ => self.users().any(|(_, user)| match user {
                User::Password { password, .. } => {
                    !(password.is_bcrypt() || password.expose().is_empty() && by_certificate)
                }
                User::Nkey { .. } => false,
            }),
        }
    }

    /// Every user and nkey of the file with the name of its account; first those of the
    /// `authorization` block, whose account is `$G`.
    pub fn users(&self) -> impl Iterator<Item = (&str, &User)> {
        let global = self.authorization.credential.users().iter();
        let others = self.accounts.iter().flat_map(|account| {
            let users = account.users.iter();
            users.map(|user| (account.name.as_str(), user))
        });
        global.map(|user| (GLOBAL_ACCOUNT, user)).chain(others)
    }

    /// Whether clients must log in: there is somebody to log in as, or an operator to trust.
    #[must_use]
    pub fn requires_login(&self) -> bool {
        matches!(
            self.authorization.credential,
            Credential::UserPassword { .. } | Credential::Token(_)
        ) || self.requires_login_by_list()
    }

    /// Whether clients must log in as one of several users.
    pub(crate) fn requires_login_by_list(&self) -> bool {
        self.operator.is_on() || self.users().next().is_some()
    }

    /// Whether clients without credentials become users of `$G` although users are configured:
    /// the only account is the system account, and nothing else is said about authorization. So
    /// a system account can be added to a server that is open to all.
    #[must_use]
    pub fn opens_global_account(&self) -> bool {
        let is_system = |account: &Account| Some(&account.name) == self.system_account.as_ref();
        self.system_account_configured
            && self.operator.operators.is_empty()
            && matches!(self.accounts.as_slice(), [account] if is_system(account))
            && self.no_auth_user.is_none()
            && !self.authorization.is_configured
    }

    /// Where the monitoring port listens: its own host, else the clients' host.
    #[must_use]
    pub fn http_host(&self) -> &str {
        self.http
            .as_ref()
            .and_then(|http| http.host.as_deref())
            .unwrap_or(&self.host)
    }
}

/// The number of a port to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Exactly this port (1–65535).
    Number(u16),
    /// Any free port, chosen by the operating system (`-1` in the file and in flags).
    Random,
}

impl Port {
    /// The number to give to `bind`: 0 asks for any free port.
    #[must_use]
    pub fn to_bind(self) -> u16 {
        match self {
            Self::Number(number) => number,
            Self::Random => 0,
        }
    }
}

impl std::fmt::Display for Port {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Random => f.write_str("-1"),
        }
    }
}

/// The monitoring listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Host to listen on; the clients' host when absent (see [`Options::http_host`]).
    pub host: Option<String>,
    /// Port to listen on.
    pub port: Port,
    /// Serve https with the certificates of [`Options::tls`].
    pub tls: bool,
}

/// What happens when a write deadline passes (`write_timeout`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteTimeout {
    /// Close clients; retry for connections to other servers.
    #[default]
    Default,
    /// Close the connection.
    Close,
    /// Keep the connection and try again.
    Retry,
}

/// A password or token: compares by value, never prints, and is wiped when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Self(Zeroizing::new(value.into()))
    }

    /// The secret itself; keep it away from logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is a bcrypt hash (`$2a$11$…`, also `$2b$`, `$2x$`, `$2y$`) and not plain text.
    #[must_use]
    pub fn is_bcrypt(&self) -> bool {
        match self.0.as_bytes() {
            [b'$', b'2', kind, b'$', tens, ones, b'$', ..] => {
                b"abxy".contains(kind) && tens.is_ascii_digit() && ones.is_ascii_digit()
            }
            _ => false,
        }
    }
}

impl PartialEq for Secret {
    /// In a time that depends on the lengths alone.
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.bytes().zip(other.0.bytes());
        let differences = pairs.fold(0, |seen, (one, other)| seen | (one ^ other));
        self.0.len() == other.0.len() && std::hint::black_box(differences) == 0
    }
}

impl Eq for Secret {}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}
