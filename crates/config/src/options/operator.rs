//! Operator mode as the configuration describes it: who is trusted, and where JWTs of accounts
//! come from.
//!
//! Owns the typed form of `operator`, `trusted_keys`, `resolver` and its companions. Invariants of
//! options that were loaded: with operators there is a resolver, and there are neither accounts
//! nor users in the file; keys are valid. Read by the server. Absent: fetching anything.

use super::{Secret, TlsOptions};
use cognate_auth::jwt::OperatorClaims;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Everything that belongs to operator mode; the default is "not in operator mode".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OperatorOptions {
    /// The operators, in the order of the file.
    pub operators: Vec<Operator>,
    /// Public operator keys from `trusted_keys`; never together with operators.
    pub trusted_keys: Vec<String>,
    /// Where JWTs of accounts come from. The only operator's account server, if it names one and
    /// the file says nothing.
    pub resolver: Option<Resolver>,
    /// TLS towards an account server.
    pub resolver_tls: Option<TlsOptions>,
    /// JWTs of accounts by public account key, put into the resolver at start.
    pub resolver_preload: BTreeMap<String, String>,
    /// Public keys of the only accounts that may be used here, the system account's included;
    /// empty is all.
    pub resolver_pinned_accounts: BTreeSet<String>,
    /// The user JWT of connections that send none.
    pub default_sentinel: Option<Secret>,
}

impl OperatorOptions {
    /// Whether clients log in with JWTs.
    #[must_use]
    pub fn is_on(&self) -> bool {
        !self.operators.is_empty() || !self.trusted_keys.is_empty()
    }

    /// The public keys whose signature on an account is trusted: those of `trusted_keys`, or of
    /// each operator its signing keys and, unless it is strict about them, its own.
    #[must_use]
    pub fn issuers(&self) -> BTreeSet<&str> {
        let mut issuers: BTreeSet<&str> = self.trusted_keys.iter().map(String::as_str).collect();
        for operator in &self.operators {
            let claims = &operator.claims.nats;
            issuers.extend(claims.signing_keys.iter().map(String::as_str));
            if !claims.strict_signing_key_usage {
                issuers.insert(operator.key());
            }
        }
        issuers
    }
}

/// An operator, as its JWT says, whose signature was checked. An expired one is still trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// The JWT.
    pub jwt: String,
    /// What it says.
    pub claims: OperatorClaims,
}

impl Operator {
    /// Its public key, `O…`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.claims.registered.subject
    }

    /// Public key of its system account.
    #[must_use]
    pub fn system_account(&self) -> Option<&str> {
        Some(self.claims.nats.system_account.as_str()).filter(|key| !key.is_empty())
    }
}

/// Where JWTs of accounts come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolver {
    /// What was preloaded.
    Memory,
    /// An account server: GET of this URL, which ends with a slash, and the account's key.
    Url(String),
    /// All JWTs in a directory, kept the same as those of other servers.
    Full(FullResolver),
    /// Some JWTs in a directory, others are asked for.
    Cache(CacheResolver),
}

/// How long another server may take to send a JWT, when nothing is configured.
pub const DEFAULT_FETCH_TIMEOUT: Duration = Duration::from_millis(1900);

/// `resolver { type: full }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullResolver {
    /// The directory; made at start if it does not exist.
    pub dir: String,
    /// What happens to JWTs of accounts that are deleted.
    pub delete: DeletePolicy,
    /// Time between comparisons with other servers. Default 1 minute.
    pub interval: Duration,
    /// Most JWTs; `None` is unlimited.
    pub limit: Option<u64>,
    /// How long another server may take to send a JWT.
    pub timeout: Duration,
}

/// What happens to the JWT of a deleted account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletePolicy {
    /// Accounts can not be deleted.
    #[default]
    Refuse,
    /// Its file is renamed to `.delete`.
    Rename,
    /// Its file is removed.
    Remove,
}

/// `resolver { type: cache }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheResolver {
    /// The directory; made at start if it does not exist.
    pub dir: String,
    /// How long a JWT is kept; `None` is until it expires or others need its place.
    pub ttl: Option<Duration>,
    /// Most JWTs. Default 1000.
    pub limit: u64,
    /// How long another server may take to send a JWT.
    pub timeout: Duration,
}
