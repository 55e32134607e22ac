//! Operator mode: whose signatures count, and what follows from them.
//!
//! ```text
//! operator JWT ──▶ Trust ──accept_account──▶ TrustedAccount ──▶ AccountSpec
//!                    │                            ▲
//! CONNECT ──begin──▶ ClaimedUser ──admit──────────┘──▶ Admission: User, expiry
//!                                      new claims ───▶ fate of a connected user
//! ```
//!
//! Owns the chain of trust from the configured operators to a user, and every rule that can
//! break it. Invariants: a [`TrustedAccount`] was signed by a trusted key and its claims are
//! valid apart from the time; a user is admitted only by an account's own key or one of its
//! signing keys, and one of a scoped signing key has the scope's permissions, never its own; a
//! decision depends on its arguments only. Logging in takes two steps, because between them the
//! driver may have to fetch the account.
//!
//! Absent: fetching and storing account tokens, timers, and auth callout, to which
//! [`Admission::delegated`] leads.

mod account;
mod imports;
mod live;
mod login;
mod push;

pub use account::{AccountCallout, AccountError, AllowedAccounts, TrustedAccount};
pub use imports::{ImportDenial, ImportGrant, Imported};
pub use live::{CloseCause, UserFate};
pub use login::{Admission, ClaimedUser, JwtDenial, JwtLogin};
pub use push::PushError;

pub(crate) use login::{compile_permissions, connection_types, expiry, token_user};

use crate::jwt::{JwtError, Operator, Signed, User};
use crate::nkey::{Kind, PublicKey};
use std::collections::BTreeSet;
use std::fmt;

/// What the configuration says about trust. Does not print the sentinel, which is enough to log
/// in with.
#[derive(Clone, Default)]
pub struct TrustConfig {
    /// The operators' tokens (`operator`), not their file names.
    pub operators: Vec<String>,
    /// `trusted_keys`, instead of operators.
    pub trusted_keys: Vec<String>,
    /// `system_account`, which must be one of the operators' if they name any.
    pub system_account: Option<String>,
    /// `resolver_pinned_accounts`; empty means that none are pinned.
    pub pinned_accounts: Vec<String>,
    /// `default_sentinel`: the user token of who sends none.
    pub default_sentinel: Option<String>,
    /// The version of NATS that this server is, for `assert_server_version`.
    pub server_version: [u32; 3],
}

impl fmt::Debug for TrustConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustConfig")
            .field("operators", &self.operators)
            .field("trusted_keys", &self.trusted_keys)
            .field("system_account", &self.system_account)
            .field("pinned_accounts", &self.pinned_accounts)
            .finish_non_exhaustive()
    }
}

/// Why a [`TrustConfig`] cannot be used. Texts follow nats-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustError {
    /// An operator's token is malformed.
    Operator(JwtError),
    /// Both operators and trusted keys.
    OperatorsAndKeys,
    /// Neither.
    Nobody,
    /// The system account is none of the operators'.
    SystemAccount,
    /// The system account is no public account nkey.
    SystemAccountKey(String),
    /// The operator wants a newer server: (operator, version).
    ServerVersion(String, String),
    /// A trusted key is no public operator nkey.
    TrustedKey(String),
    /// A pinned account is no public account nkey.
    PinnedAccount(String),
    /// The default sentinel is malformed.
    Sentinel(JwtError),
    /// The default sentinel needs a signature that nobody can give.
    SentinelNotBearer,
}

impl fmt::Display for TrustError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustError::Operator(error) => write!(f, "error parsing operator JWT: {error}"),
            TrustError::OperatorsAndKeys => {
                f.write_str("conflicting options for 'TrustedKeys' and 'TrustedOperators'")
            }
            TrustError::Nobody => f.write_str("neither operators nor trusted keys are configured"),
            TrustError::SystemAccount => {
                f.write_str("system_account in config and operator JWT must be identical")
            }
            TrustError::SystemAccountKey(key) => write!(
                f,
                "system_account {key:?} is not a valid public account nkey"
            ),
            TrustError::ServerVersion(operator, problem) => {
                write!(f, "operator {operator} expects another server: {problem}")
            }
            TrustError::TrustedKey(key) => write!(
                f,
                "trusted Keys {key:?} are required to be a valid public operator nkey"
            ),
            TrustError::PinnedAccount(key) => write!(
                f,
                "pinned account key {key:?} is not a valid public account nkey"
            ),
            TrustError::Sentinel(error) => {
                write!(f, "default sentinel JWT not valid: {error}")
            }
            TrustError::SentinelNotBearer => f.write_str("default sentinel must be a bearer token"),
        }
    }
}

impl std::error::Error for TrustError {}

/// Whose signatures count. Immutable; share it behind an `Arc`.
pub struct Trust {
    operators: Vec<Signed<Operator>>,
    keys: BTreeSet<PublicKey>,
    /// Those of `keys` whose accounts may not sign users with their own key.
    strict: BTreeSet<PublicKey>,
    system_account: Option<PublicKey>,
    pinned: Option<BTreeSet<PublicKey>>,
    sentinel: Option<String>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("keys", &self.keys)
            .field("system_account", &self.system_account)
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

impl Trust {
    /// Checks the configuration.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn new(config: TrustConfig) -> Result<Self, TrustError> {
        let operators = config.operators.iter();
        let operators = operators
            .map(|token| Signed::<Operator>::decode(token).map_err(TrustError::Operator))
            .collect::<Result<Vec<_>, _>>()?;
        if !operators.is_empty() && !config.trusted_keys.is_empty() {
            return Err(TrustError::OperatorsAndKeys);
        }
        let system_account = system_account(config.system_account, &operators)?;
        let mut keys = BTreeSet::new();
        let mut strict = BTreeSet::new();
        for operator in &operators {
            check_version(operator, config.server_version)?;
            let claims = operator.claims();
            let signing = claims.nats.signing_keys.iter();
            let signing = signing.map(|key| operator_key(key));
            let signing = signing.collect::<Result<Vec<_>, _>>()?;
            if claims.nats.strict_signing_key_usage {
                strict.extend(&signing);
            } else {
                keys.insert(operator_key(&claims.registered.subject)?);
            }
            keys.extend(signing);
        }
        for key in &config.trusted_keys {
            keys.insert(operator_key(key)?);
        }
        if keys.is_empty() {
            return Err(TrustError::Nobody);
        }
        let pinned = config
            .pinned_accounts
            .into_iter()
            .map(|key| account_key(&key).ok_or(TrustError::PinnedAccount(key)));
        let mut pinned = pinned.collect::<Result<BTreeSet<_>, _>>()?;
        if !pinned.is_empty() {
            // Or nobody could mend a mistake in the list.
            pinned.extend(system_account);
        }
        if let Some(sentinel) = &config.default_sentinel {
            check_sentinel(sentinel)?;
        }
        Ok(Trust {
            operators,
            keys,
            strict,
            system_account,
            pinned: (!pinned.is_empty()).then_some(pinned),
            sentinel: config.default_sentinel,
        })
    }

    /// The operators, in the order of the configuration.
    pub fn operators(&self) -> &[Signed<Operator>] {
        &self.operators
    }

    /// Whether accounts signed by this key count.
    pub fn is_trusted(&self, key: &PublicKey) -> bool {
        self.keys.contains(key)
    }

    /// The system account, as configured or as the first operator has it.
    pub fn system_account(&self) -> Option<PublicKey> {
        self.system_account
    }

    /// Whether users of the account may connect here at all.
    pub fn is_pinned(&self, account: &PublicKey) -> bool {
        self.pinned
            .as_ref()
            .is_none_or(|pinned| pinned.contains(account))
    }
}

fn system_account(
    configured: Option<String>,
    operators: &[Signed<Operator>],
) -> Result<Option<PublicKey>, TrustError> {
    let of = |operator: &Signed<Operator>| operator.claims().nats.system_account.clone();
    let named: Vec<String> = operators.iter().map(of).filter(|a| !a.is_empty()).collect();
    let chosen = match configured {
        Some(account) if !named.is_empty() && !named.contains(&account) => {
            return Err(TrustError::SystemAccount);
        }
        Some(account) => Some(account),
        None => operators.first().map(of).filter(|a| !a.is_empty()),
    };
    let key = chosen.map(|text| account_key(&text).ok_or(TrustError::SystemAccountKey(text)));
    key.transpose()
}

fn check_version(operator: &Signed<Operator>, server: [u32; 3]) -> Result<(), TrustError> {
    let claims = operator.claims();
    let subject = || claims.registered.subject.clone();
    let wanted = claims.nats.server_version();
    let wanted = wanted.map_err(|problem| TrustError::ServerVersion(subject(), problem))?;
    if wanted <= server {
        return Ok(());
    }
    let [wanted, server] = [wanted, server].map(|[a, b, c]| format!("{a}.{b}.{c}"));
    let problem = format!("expected version {wanted} > server version {server}");
    Err(TrustError::ServerVersion(subject(), problem))
}

fn check_sentinel(token: &str) -> Result<(), TrustError> {
    let user = Signed::<User>::decode(token).map_err(TrustError::Sentinel)?;
    let user = &user.claims().nats;
    // One of a scoped signing key can only be judged with its account.
    let scoped = !user.issuer_account.is_empty() && user.allowed.is_empty();
    match user.allowed.bearer_token || scoped {
        true => Ok(()),
        false => Err(TrustError::SentinelNotBearer),
    }
}

fn operator_key(text: &str) -> Result<PublicKey, TrustError> {
    let key = PublicKey::parse(text).ok();
    key.filter(|key| key.kind() == Kind::Operator)
        .ok_or_else(|| TrustError::TrustedKey(text.to_owned()))
}

fn account_key(text: &str) -> Option<PublicKey> {
    let key = PublicKey::parse(text).ok()?;
    (key.kind() == Kind::Account).then_some(key)
}

#[cfg(test)]
pub(crate) mod tests;
