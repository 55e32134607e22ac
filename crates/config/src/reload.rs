//! What changed between two configurations, and whether a running server may take it.
//!
//! Owns the table of options as reload sees them. Whether a key may change live is said once, in
//! `schema`; the names in refusals are those nats-server uses. Invariants: a reload is all or
//! nothing, so one change that may not happen live refuses all; secrets are never shown. Called
//! by the server on reload. Absent: applying the changes.

mod accounts;
mod jetstream;
mod lines;
mod tls;

pub use accounts::{AccountAspect, AccountChange, AccountChanges, account_changes};

use crate::duration;
use crate::options::{
    Credential, DEFAULT_SYSTEM_ACCOUNT, HttpOptions, Options, Port, Resolver, Secret, User,
    WriteTimeout,
};
use crate::schema::{Reload, reload_of};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// An option that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key in the configuration.
    pub key: &'static str,
    /// The name nats-server has for it in messages.
    pub field: &'static str,
    /// The value before, as text; `[REDACTED]` when it holds secrets.
    pub old: String,
    /// The value after, as text; `[REDACTED]` when it holds secrets.
    pub new: String,
}

/// Stands for a value that holds secrets.
const REDACTED: &str = "[REDACTED]";

/// Changes that need a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReloadError {
    /// The changes that may not happen live; never empty.
    pub changes: Vec<Change>,
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            at,
            Change {
                field, old, new, ..
            },
        ) in self.changes.iter().enumerate()
        {
            let separator = if at > 0 { "; " } else { "" };
            write!(
                f,
                "{separator}config reload not supported for {field}: old={old}, new={new}"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for ReloadError {}

/// Compares the running options with new ones.
///
/// Returns what changed, all of which may happen live. A `tls` block is reported whenever there
/// is one, changed or not, because its files are read again. A new client port of -1 keeps the
/// port that is bound.
///
/// # Errors
/// The changes that need a restart; then nothing should be applied.
pub fn diff(old: &Options, new: &Options) -> Result<Vec<Change>, ReloadError> {
    let (mut live, mut refused) = (Vec::new(), Vec::new());
    for field in FIELDS.iter().chain(tls::FIELDS).chain(jetstream::FIELDS) {
        if !(field.changed)(old, new) {
            continue;
        }
        let change = Change {
            key: field.key,
            field: field.name,
            old: (field.show)(old),
            new: (field.show)(new),
        };
        if (field.may_change)(old, new) {
            live.push(change);
        } else {
            refused.push(change);
        }
    }
    if refused.is_empty() {
        Ok(live)
    } else {
        Err(ReloadError { changes: refused })
    }
}

/// An option as reload sees it.
struct Field {
    name: &'static str,
    key: &'static str,
    changed: fn(&Options, &Options) -> bool,
    may_change: fn(&Options, &Options) -> bool,
    show: fn(&Options) -> String,
}

/// A field of `Options` whose key says in the schema whether it may change live.
macro_rules! field {
    ($name:literal, $key:literal, $($field:ident).+) => {
        field!($name, $key, |o: &Options| o.$($field).+.clone())
    };
    ($name:literal, $key:literal, $read:expr) => {
        Field {
            name: $name,
            key: $key,
            changed: |old, new| $read(old) != $read(new),
            may_change: |_, _| reload_of($key) == Some(Reload::Live),
            show: |options| $read(options).shown(),
        }
    };
}

/// Who may connect; changes are told without their values.
macro_rules! secret {
    ($name:literal, $key:literal, $read:expr) => {
        Field {
            name: $name,
            key: $key,
            changed: |old, new| $read(old) != $read(new),
            may_change: |_, _| true,
            show: |_| REDACTED.to_owned(),
        }
    };
}

/// Every option but JetStream's, in the order in which nats-server compares them.
#[rustfmt::skip]
const FIELDS: &[Field] = &[
    field!("ServerName", "server_name", server_name),
    field!("Host", "host", host),
    Field {
        name: "Port",
        key: "port",
        changed: |old, new| old.port != new.port && new.port != Port::Random,
        may_change: |_, _| false,
        show: |options| options.port.shown(),
    },
    field!("ClientAdvertise", "client_advertise", client_advertise),
    field!("Trace", "trace", trace),
    field!("Debug", "debug", debug),
    field!("TraceVerbose", "trace_verbose", trace_verbose),
    field!("TraceHeaders", "trace_headers", trace_headers),
    field!("NoSublistCache", "no_sublist_cache", no_sublist_cache),
    field!("NoHeaderSupport", "no_header_support", no_header_support),
    field!("Logtime", "logtime", logtime),
    field!("LogtimeUTC", "logtime_utc", logtime_utc),
    field!("MaxConn", "max_connections", max_connections),
    field!("MaxSubs", "max_subscriptions", max_subscriptions),
    field!("MaxSubTokens", "max_sub_tokens", max_sub_tokens),
    field!(
        "MaxFailedLoginsPerSource",
        "max_failed_logins_per_source",
        max_failed_logins_per_source
    ),
    secret!("Username", "authorization username", |o: &Options| user_name(o)),
    secret!("Password", "authorization password", |o: &Options| password(o)),
    secret!("Authorization", "authorization token", |o: &Options| token(o)),
    Field {
        name: "AuthTimeout",
        key: "authorization timeout",
        changed: |old, new| old.auth_timeout() != new.auth_timeout(),
        may_change: |_, _| true,
        show: |options| options.auth_timeout().as_secs_f64().to_string(),
    },
    Field {
        name: "Nkeys",
        key: "authorization nkey users",
        changed: |old, new| users(old, true).ne(users(new, true)),
        may_change: |_, _| true,
        show: |_| REDACTED.to_owned(),
    },
    Field {
        name: "Users",
        key: "authorization users",
        changed: |old, new| {
            old.authorization.default_permissions != new.authorization.default_permissions
                || users(old, false).ne(users(new, false))
        },
        may_change: |_, _| true,
        show: |_| REDACTED.to_owned(),
    },
    Field {
        name: "AuthCallout",
        key: "auth_callout",
        changed: |old, new| old.authorization.callout != new.authorization.callout,
        may_change: |_, _| false,
        show: |options| if options.authorization.callout.is_some() { "on" } else { "off" }.to_owned(),
    },
    Field {
        name: "ProxyRequired",
        key: "proxy_required",
        changed: |old, new| {
            old.authorization.proxy_required != new.authorization.proxy_required
        },
        may_change: |_, _| false,
        show: |options| options.authorization.proxy_required.shown(),
    },
    Field {
        name: "NoAuthUser",
        key: "no_auth_user",
        changed: |old, new| old.no_auth_user != new.no_auth_user,
        may_change: no_auth_user_may_change,
        show: |options| options.no_auth_user.shown(),
    },
    field!("NoSystemAccount", "no_system_account", |o: &Options| o.system_account.is_none()),
    Field {
        name: "SystemAccount",
        key: "system_account",
        changed: |old, new| system_account(old) != system_account(new),
        may_change: |_, _| false,
        show: |options| system_account(options).unwrap_or_default().to_owned(),
    },
    field!("PingInterval", "ping_interval", ping_interval),
    field!("MaxPingsOut", "ping_max", ping_max),
    field!("HTTPHost", "http", |o: &Options| o.http.as_ref().and(Some(o.http_host().to_owned()))),
    field!("HTTPPort", "http_port", |o: &Options| monitoring_port(o, false)),
    field!("HTTPBasePath", "http_base_path", http_base_path),
    field!("HTTPSPort", "https_port", |o: &Options| monitoring_port(o, true)),
    field!("MaxControlLine", "max_control_line", max_control_line),
    field!("MaxPayload", "max_payload", max_payload),
    field!("MaxPending", "max_pending", max_pending),
    field!("NoFastProducerStall", "no_fast_producer_stall", no_fast_producer_stall),
    field!("PidFile", "pid_file", pid_file),
    field!("PortsFileDir", "ports_file_dir", ports_file_dir),
    field!("LogFile", "log_file", log_file),
    field!("LogSizeLimit", "log_size_limit", log_size_limit),
    field!("LogMaxFiles", "log_max_num", log_max_num),
    field!("Syslog", "syslog", syslog),
    field!("RemoteSyslog", "remote_syslog", remote_syslog),
    field!("AllowNonTLS", "allow_non_tls", allow_non_tls),
    field!("WriteDeadline", "write_deadline", write_deadline),
    field!("WriteTimeout", "write_timeout", write_timeout),
    field!("MaxClosedClients", "max_closed_clients", max_closed_clients),
    field!("LameDuckDuration", "lame_duck_duration", lame_duck_duration),
    field!("LameDuckGracePeriod", "lame_duck_grace_period", lame_duck_grace_period),
    field!("MaxTracedMsgLen", "max_traced_msg_len", max_traced_msg_len),
    field!("ConnectErrorReports", "connect_error_reports", connect_error_reports),
    field!("ReconnectErrorReports", "reconnect_error_reports", reconnect_error_reports),
    field!("Tags", "server_tags", server_tags),
    field!("Metadata", "server_metadata", server_metadata),
    field!("FeatureFlags", "feature_flags", feature_flags),
    Field {
        name: "Accounts",
        key: "mappings",
        changed: |old, new| old.mappings != new.mappings,
        may_change: |_, _| true,
        show: |options| format!("{} mappings", options.mappings.len()),
    },
    Field {
        name: "Accounts",
        key: "accounts",
        changed: accounts::differ,
        may_change: |_, _| true,
        show: |options| format!("{} accounts", options.accounts.len()),
    },
    field!("TrustedOperators", "operator", |o: &Options| operators(o)),
    field!("TrustedKeys", "trusted_keys", operator.trusted_keys),
    Field {
        name: "AccountResolver",
        key: "resolver",
        changed: |old, new| old.operator.resolver != new.operator.resolver,
        may_change: |old, new| old.operator.resolver.is_some() == new.operator.resolver.is_some(),
        show: |options| resolver(options).to_owned(),
    },
    secret!("AccountResolverTLSConfig", "resolver_tls", |o: &Options| o.operator.resolver_tls.clone()),
    Field {
        name: "ResolverPreload",
        key: "resolver_preload",
        changed: |old, new| old.operator.resolver_preload != new.operator.resolver_preload,
        may_change: |_, _| true,
        show: |options| format!("{} accounts", options.operator.resolver_preload.len()),
    },
    Field {
        name: "ResolverPinnedAccounts",
        key: "resolver_pinned_accounts",
        changed: |old, new| {
            old.operator.resolver_pinned_accounts != new.operator.resolver_pinned_accounts
        },
        may_change: |_, _| true,
        show: |options| format!("{} accounts", options.operator.resolver_pinned_accounts.len()),
    },
    secret!("DefaultSentinel", "default_sentinel", |o: &Options| o.operator.default_sentinel.clone()),
    field!("Proxies", "proxies", trusted_proxies),
    field!("ProxyProtocol", "proxy_protocol", proxy_protocol),
    Field {
        name: "OCSPConfig",
        key: "ocsp",
        changed: |old, new| old.ocsp != new.ocsp,
        may_change: |_, _| true,
        show: |options| options.ocsp.is_some().shown(),
    },
    Field {
        name: "OCSPCacheConfig",
        key: "ocsp_cache",
        changed: |old, new| old.ocsp_cache != new.ocsp_cache,
        may_change: |_, _| true,
        show: |options| options.ocsp_cache.is_some().shown(),
    },
];

/// The system account that is named. Describing `$SYS`, or naming it, changes nothing.
fn system_account(options: &Options) -> Option<&str> {
    let name = options.system_account.as_deref();
    name.filter(|name| options.system_account_configured && *name != DEFAULT_SYSTEM_ACCOUNT)
}

/// The operators' keys, and times of issue that tell a new JWT from an old one.
fn operators(options: &Options) -> Vec<String> {
    let operators = options.operator.operators.iter();
    operators
        .map(|operator| {
            format!(
                "{}@{}",
                operator.key(),
                operator.claims.registered.issued_at
            )
        })
        .collect()
}

fn resolver(options: &Options) -> &'static str {
    match options.operator.resolver {
        None => "none",
        Some(Resolver::Memory) => "memory",
        Some(Resolver::Url(_)) => "URL",
        Some(Resolver::Full(_)) => "full",
        Some(Resolver::Cache(_)) => "cache",
    }
}

/// The setting may only go away, and only together with the user it named: otherwise connections
/// that became that user without credentials would have to be judged again.
fn no_auth_user_may_change(old: &Options, new: &Options) -> bool {
    match (&old.no_auth_user, &new.no_auth_user) {
        // Only users with a password: an nkey can't be used without its seed.
        (Some(name), None) => !users(new, false).any(|(_, user)| user.name() == name),
        _ => false,
    }
}

fn user_name(options: &Options) -> Option<String> {
    match &options.authorization.credential {
        Credential::UserPassword { user, .. } => Some(user.clone()),
        _ => None,
    }
}

fn password(options: &Options) -> Option<Secret> {
    match &options.authorization.credential {
        Credential::UserPassword { password, .. } => Some(password.clone()),
        _ => None,
    }
}

fn token(options: &Options) -> Option<Secret> {
    match &options.authorization.credential {
        Credential::Token(token) => Some(token.clone()),
        _ => None,
    }
}

/// The users with a password, or those with an nkey, and their accounts.
fn users(options: &Options, nkeys: bool) -> impl Iterator<Item = (&str, &User)> {
    let users = options.users();
    users.filter(move |(_, user)| matches!(user, User::Nkey { .. }) == nkeys)
}

fn monitoring_port(options: &Options, tls: bool) -> Option<Port> {
    options
        .http
        .as_ref()
        .filter(|http| http.tls == tls)
        .map(|http: &HttpOptions| http.port)
}

/// A value as text in a message, in the form Go prints it.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown_as_is {
    ($($type:ty)+) => { $(impl Shown for $type {
        fn shown(&self) -> String {
            self.to_string()
        }
    })+ };
}

shown_as_is!(bool u8 u16 u32 u64 usize String Port);

impl Shown for Duration {
    fn shown(&self) -> String {
        duration::show(*self)
    }
}

impl Shown for WriteTimeout {
    fn shown(&self) -> String {
        match self {
            Self::Default => "",
            Self::Close => "close",
            Self::Retry => "retry",
        }
        .to_owned()
    }
}

impl Shown for Option<String> {
    fn shown(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

impl Shown for Option<Port> {
    fn shown(&self) -> String {
        self.map_or_else(|| "0".to_owned(), |port| port.to_string())
    }
}

impl Shown for Vec<String> {
    fn shown(&self) -> String {
        format!("[{}]", self.join(" "))
    }
}

impl<T: fmt::Display> Shown for BTreeMap<String, T> {
    fn shown(&self) -> String {
        let pairs: Vec<String> = self
            .iter()
            .map(|(name, value)| format!("{name}:{value}"))
            .collect();
        format!("map[{}]", pairs.join(" "))
    }
}
