//! An account whose claims are signed by somebody trusted.

use super::{Trust, account_key, compile_permissions};
use crate::account_spec::{AccountSpec, Revocations};
use crate::jwt::{
    Account, AccountClaims, ExternalAuthorization, JwtError, Signed, SpecProblem, UserScope, spec,
};
use crate::nkey::{Kind, PublicKey};
use crate::permissions::Permissions;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// An account of operator mode, as the server works with it.
#[derive(Clone, Debug)]
pub struct TrustedAccount {
    /// Its public key, which is also its name.
    pub id: PublicKey,
    /// Who signed its claims.
    pub issuer: PublicKey,
    /// When they were issued, in seconds since 1970.
    pub issued_at: i64,
    /// When they expire, in seconds since 1970.
    pub expires: Option<i64>,
    /// What it is.
    pub spec: AccountSpec,
    /// Who decides about its users, if not their tokens.
    pub callout: Option<AccountCallout>,
    /// What of its claims cannot be used, for the log.
    pub problems: Vec<SpecProblem>,
    /// Who signs users in its name, each with its scope if it has one.
    pub(super) signing_keys: BTreeMap<PublicKey, Option<Arc<UserScope>>>,
    pub(super) revocations: Revocations,
    /// Compiled from those of the spec.
    pub(super) default_permissions: Option<Arc<Permissions>>,
}

/// `authorization` of an account's claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountCallout {
    /// Users that their tokens alone let in, the callout service's own among them.
    pub auth_users: BTreeSet<PublicKey>,
    /// Where the service may place users, besides this account.
    pub allowed_accounts: AllowedAccounts,
    /// The service's key, if requests are to be sealed.
    pub xkey: Option<PublicKey>,
}

/// A set of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedAccounts {
    /// All (`*`).
    All,
    /// These.
    Only(BTreeSet<PublicKey>),
}

impl AllowedAccounts {
    /// Whether it is in the set.
    pub fn contains(&self, account: &PublicKey) -> bool {
        match self {
            AllowedAccounts::All => true,
            AllowedAccounts::Only(accounts) => accounts.contains(account),
        }
    }
}

/// Why an account's token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountError {
    /// It is malformed.
    Jwt(JwtError),
    /// Nobody trusted signed it.
    NotTrusted(PublicKey),
    /// What it says is not valid, or not now.
    Invalid(String),
    /// It is the token of another account.
    OtherAccount(String),
}

impl fmt::Display for AccountError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AccountError::Jwt(error) => error.fmt(f),
            AccountError::NotTrusted(key) => {
                write!(
                    f,
                    "account validation failed: {key} is not a trusted operator key"
                )
            }
            AccountError::Invalid(issues) => write!(f, "account validation failed: {issues}"),
            AccountError::OtherAccount(subject) => {
                write!(
                    f,
                    "account validation failed: the claims are about {subject}"
                )
            }
        }
    }
}

impl std::error::Error for AccountError {}

impl Trust {
    /// Reads an account's token, which must be about `expected` if that is given, at `now`
    /// (seconds since 1970).
    ///
    /// # Errors
    /// If it is malformed, not signed by a trusted key, not valid, or about another account.
    pub fn accept_account(
        &self,
        token: &str,
        expected: Option<&PublicKey>,
        now: i64,
    ) -> Result<TrustedAccount, AccountError> {
        let account = Signed::<Account>::decode(token).map_err(AccountError::Jwt)?;
        let issuer = account.issuer();
        if !self.is_trusted(&issuer) {
            return Err(AccountError::NotTrusted(issuer));
        }
        let issues = account.claims().validate(now);
        if issues.is_blocking() {
            return Err(AccountError::Invalid(issues.to_string()));
        }
        let id = account
            .subject()
            .filter(|id| expected.is_none_or(|expected| expected == id));
        let claims = account.into_claims();
        let other = || AccountError::OtherAccount(claims.registered.subject.clone());
        let id = id.ok_or_else(other)?;
        Ok(TrustedAccount::new(
            id,
            issuer,
            &claims,
            self.strict.contains(&issuer),
        ))
    }
}

impl Trust {
    /// An account whose claims are not there yet, for which its own key alone speaks: the system
    /// account until it is pushed. `None` if nobody is trusted.
    pub fn provisional_account(&self, id: PublicKey) -> Option<TrustedAccount> {
        let issuer = *self.keys.first()?;
        let mut spec = AccountSpec::new(id.to_string());
        spec.nkey = Some(id);
        Some(TrustedAccount {
            id,
            issuer,
            issued_at: 0,
            expires: None,
            spec,
            callout: None,
            problems: Vec::new(),
            signing_keys: BTreeMap::from([(id, None)]),
            revocations: Revocations::default(),
            default_permissions: None,
        })
    }
}

impl TrustedAccount {
    fn new(id: PublicKey, issuer: PublicKey, claims: &AccountClaims, strict: bool) -> Self {
        let account = &claims.nats;
        let (spec, mut problems) = claims.to_spec();
        let signing = account.signing_keys.0.iter().filter_map(|(key, scope)| {
            let scope = scope.clone().map(Arc::new);
            Some((account_key(key)?, scope))
        });
        let mut signing_keys: BTreeMap<_, _> = signing.collect();
        if !strict {
            signing_keys.insert(id, None);
        }
        let defaults = spec.default_permissions.clone();
        let default_permissions = compile_permissions(defaults).unwrap_or_else(|entry| {
            // Nobody may have more than was meant: so they have nothing.
            problems.push(SpecProblem::new(format!(
                "default permissions: {entry}; users without their own are denied everything"
            )));
            Some(Arc::new(Permissions::nothing()))
        });
        TrustedAccount {
            id,
            issuer,
            issued_at: claims.registered.issued_at,
            expires: Some(claims.registered.expires).filter(|expires| *expires > 0),
            callout: AccountCallout::new(&account.authorization),
            signing_keys,
            revocations: spec::revocations(&account.revocations),
            default_permissions,
            spec,
            problems,
        }
    }

    /// Whether its claims have expired at `now` (seconds since 1970).
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Permissions of users who have none of their own, compiled.
    pub fn default_permissions(&self) -> Option<Arc<Permissions>> {
        self.default_permissions.clone()
    }

    /// Whether users signed by `key` are its users.
    pub fn has_issuer(&self, key: &PublicKey) -> bool {
        self.signing_keys.contains_key(key)
    }

    /// Whether a user's token issued at that time (seconds since 1970) is revoked.
    pub fn is_revoked(&self, user: &PublicKey, issued_at: i64) -> bool {
        self.revocations.is_revoked(user, issued_at)
    }
}

impl AccountCallout {
    /// `None` unless it is enabled by naming users.
    fn new(authorization: &ExternalAuthorization) -> Option<Self> {
        if !authorization.is_enabled() {
            return None;
        }
        let keys = |texts: &[String], kind: Kind| {
            let keys = texts.iter().filter_map(|text| PublicKey::parse(text).ok());
            keys.filter(|key| key.kind() == kind).collect()
        };
        let accounts = &authorization.allowed_accounts;
        Some(AccountCallout {
            auth_users: keys(&authorization.auth_users, Kind::User),
            allowed_accounts: match accounts.as_slice() {
                [any] if any == "*" => AllowedAccounts::All,
                accounts => AllowedAccounts::Only(keys(accounts, Kind::Account)),
            },
            xkey: PublicKey::parse(&authorization.xkey).ok(),
        })
    }
}
