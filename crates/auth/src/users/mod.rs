//! The configured users, and which of them a connection is.
//!
//! Owns the credentials of the configuration and the order in which they are tried. Invariants:
//! an [`Authenticator`] is checked when built and never changes, a reload builds another one and
//! [`diff_users`] tells what that means for connected users; a decision never depends on
//! anything but the configuration and the [`Login`]; passwords that don't match take as long for
//! users that don't exist as for those that do, wherever bcrypt is used. Callers: the session
//! asks [`Authenticator::begin`], the driver runs a [`BcryptLogin`].
//!
//! Absent: logging in with tokens ([`crate::trust`]), auth callout, accounts beyond their name,
//! and credentials of WebSocket, MQTT and leaf node listeners.

mod connection;
mod diff;
mod login;
mod token;

pub use connection::{ConnectionType, ConnectionTypes, UnknownConnectionType};
pub use diff::{UserChange, UserDiff, diff_users};
pub use login::{BcryptLogin, Decision, DenyCause, Login};
pub use token::{TokenText, TokenUser, UserLimits};

use crate::nkey::{Kind, PublicKey};
use crate::password::Secret;
use crate::permissions::{PermissionError, Permissions, PermissionsConfig};
use crate::tls::DistinguishedName;
use foldhash::fast::FixedState;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// What the configuration says about who may connect.
#[derive(Clone, Debug, Default)]
pub struct AuthConfig {
    /// `authorization.user` and `password`.
    pub user: Option<UserPassword>,
    /// `authorization.token`.
    pub token: Option<Secret>,
    /// `authorization.users` and the users of accounts. `Some` even if empty means that a login
    /// is required; then nobody can.
    pub users: Option<Vec<UserConfig>>,
    /// `authorization.default_permissions`, for users without an account and permissions.
    pub default_permissions: Option<PermissionsConfig>,
    /// `no_auth_user`: who connects without credentials.
    pub no_auth_user: Option<String>,
    /// `authorization.proxy_required`: everybody who logs in must come through a trusted proxy.
    /// (In the Go server it concerns the single user and the token only.)
    pub proxy_required: bool,
    /// The connection types whose listener has `verify_and_map`. In-process connections belong
    /// to the listener of standard ones.
    pub tls_map: ConnectionTypes,
}

/// A name and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPassword {
    /// The user's name.
    pub name: String,
    /// The password.
    pub password: Secret,
}

/// One entry of a `users` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserConfig {
    /// How the user proves who it is.
    pub credential: Credential,
    /// The user's own permissions, which replace the default ones.
    pub permissions: Option<PermissionsConfig>,
    /// `allowed_connection_types`; empty allows all.
    pub connection_types: ConnectionTypes,
    /// The account the user belongs to, if not the global one.
    pub account: Option<String>,
    /// `proxy_required`: the user must come through a trusted proxy.
    pub proxy_required: bool,
}

/// How a user proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// By name and password (or by certificate on a listener that maps them).
    Password(UserPassword),
    /// By signing the nonce.
    Nkey(PublicKey),
}

/// Which configured identity a user is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserId {
    /// No login is required.
    Anonymous,
    /// Whoever knows the token.
    Token,
    /// A user name.
    Name(String),
    /// A user nkey.
    Nkey(PublicKey),
    /// The subject of a user token.
    Jwt(PublicKey),
    /// Whom an auth callout let in, by the name that it is shown as.
    Callout(String),
}

/// A user as its connections see it.
#[derive(Clone, Debug)]
pub struct User {
    /// Which configured identity this is.
    pub id: UserId,
    /// The account's name; `None` is the global account.
    pub account: Option<String>,
    /// What the user may do; `None` is everything.
    pub permissions: Option<Arc<Permissions>>,
    /// The types of connection it may use.
    pub connection_types: ConnectionTypes,
    /// Whether it must come through a trusted proxy.
    pub proxy_required: bool,
    /// Limits of each of its connections, the account's among them.
    pub limits: UserLimits,
    /// The token that describes it, if one does.
    pub token: Option<Box<TokenUser>>,
}

impl User {
    /// What monitoring shows as `authorized_user`: name, nkey or `[REDACTED]` for a token, and
    /// nothing for nobody.
    pub fn display_name(&self) -> Option<String> {
        match &self.id {
            UserId::Anonymous => None,
            UserId::Token => Some("[REDACTED]".to_owned()),
            UserId::Name(name) => Some(name.clone()),
            UserId::Nkey(key) | UserId::Jwt(key) => Some(key.to_string()),
            UserId::Callout(name) => Some(name.clone()).filter(|name| !name.is_empty()),
        }
    }
}

/// Why an [`AuthConfig`] cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthConfigError {
    /// A permission entry is malformed. Names the user, or `default_permissions`.
    Permissions(String, PermissionError),
    /// A name or nkey is configured twice.
    DuplicateUser(String),
    /// The nkey of a user is not a user nkey (`U…`).
    NotAUserNkey(String),
    /// `no_auth_user` without `users`.
    NoAuthUserWithoutUsers(String),
    /// `no_auth_user` names nobody.
    NoAuthUserUnknown(String),
}

impl fmt::Display for AuthConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthConfigError::Permissions(user, error) => {
                write!(f, "invalid permissions for user {user:?}: {error}")
            }
            AuthConfigError::DuplicateUser(user) => write!(f, "duplicate user {user:?} detected"),
            AuthConfigError::NotAUserNkey(key) => {
                write!(
                    f,
                    "{key:?} is not a valid public nkey for a user, it must start with U"
                )
            }
            AuthConfigError::NoAuthUserWithoutUsers(user) => {
                write!(
                    f,
                    "no_auth_user: {user:?} present, but users/nkeys are not defined"
                )
            }
            AuthConfigError::NoAuthUserUnknown(user) => write!(
                f,
                "no_auth_user: {user:?} not present as user or nkey in authorization block or \
                 account configuration"
            ),
        }
    }
}

impl std::error::Error for AuthConfigError {}

/// A user and its secret, if it has one.
#[derive(Debug)]
struct Entry {
    user: Arc<User>,
    secret: Option<Secret>,
}

/// Decides who a connection is. Immutable; share it behind an `Arc`.
#[derive(Debug)]
pub struct Authenticator {
    anonymous: Arc<User>,
    token: Option<Entry>,
    /// The single user of the authorization block, apart from the list because it is tried last.
    single: Option<(String, Entry)>,
    users: BTreeMap<String, Entry>,
    /// Users whose name is a distinguished name, in the order of the configuration.
    distinguished: Vec<(DistinguishedName, String)>,
    nkeys: BTreeMap<PublicKey, Entry>,
    required: bool,
    no_auth_user: Option<UserId>,
    tls_map: ConnectionTypes,
    /// The highest cost of any bcrypt secret, for the decoys.
    bcrypt_cost: Option<u32>,
}

impl Authenticator {
    /// Checks the configuration and compiles all permissions.
    pub fn new(config: AuthConfig) -> Result<Self, AuthConfigError> {
        let AuthConfig {
            user,
            token,
            users,
            default_permissions,
            no_auth_user,
            proxy_required,
            tls_map,
        } = config;
        let open = |id| {
            let mut user = new_user(id, None, None, ConnectionTypes::NONE);
            user.proxy_required = proxy_required && user.id != UserId::Anonymous;
            Arc::new(user)
        };
        let mut authenticator = Authenticator {
            anonymous: open(UserId::Anonymous),
            required: users.is_some() || user.is_some() || token.is_some(),
            token: token.map(|secret| Entry {
                user: open(UserId::Token),
                secret: Some(secret),
            }),
            single: user.map(|UserPassword { name, password }| {
                let user = open(UserId::Name(name.clone()));
                (
                    name,
                    Entry {
                        user,
                        secret: Some(password),
                    },
                )
            }),
            users: BTreeMap::new(),
            distinguished: Vec::new(),
            nkeys: BTreeMap::new(),
            no_auth_user: None,
            tls_map,
            bcrypt_cost: None,
        };
        let has_users = users.is_some();
        let mut compiled = Compiled::default();
        let default_permissions = default_permissions
            .map(|config| compiled.of(&"default_permissions", config))
            .transpose()?;
        for mut user in users.unwrap_or_default() {
            user.proxy_required |= proxy_required;
            authenticator.add(user, default_permissions.as_ref(), &mut compiled)?;
        }
        if let Some(name) = no_auth_user.filter(|name| !name.is_empty()) {
            authenticator.no_auth_user = Some(authenticator.find(name, has_users)?);
        }
        let secrets = authenticator
            .entries()
            .filter_map(|entry| entry.secret.as_ref());
        authenticator.bcrypt_cost = secrets.filter_map(Secret::bcrypt_cost).max();
        Ok(authenticator)
    }

    fn add(
        &mut self,
        config: UserConfig,
        default_permissions: Option<&Arc<Permissions>>,
        compiled: &mut Compiled,
    ) -> Result<(), AuthConfigError> {
        let (id, secret) = match config.credential {
            Credential::Password(UserPassword { name, password }) => {
                (UserId::Name(name), Some(password))
            }
            Credential::Nkey(key) if key.kind() != Kind::User => {
                return Err(AuthConfigError::NotAUserNkey(key.to_string()));
            }
            Credential::Nkey(key) => (UserId::Nkey(key), None),
        };
        let permissions = match config.permissions {
            Some(permissions) => Some(compiled.of(&id, permissions)?),
            // Users of an account have that account's defaults, which come resolved.
            None if config.account.is_none() => default_permissions.cloned(),
            None => None,
        };
        let types = config.connection_types;
        let mut user = new_user(id.clone(), config.account, permissions, types);
        user.proxy_required = config.proxy_required;
        let user = Arc::new(user);
        let entry = Entry { user, secret };
        let replaced = match &id {
            UserId::Nkey(key) => self.nkeys.insert(*key, entry),
            UserId::Name(name) => {
                if let Some(parsed) = DistinguishedName::parse(name) {
                    self.distinguished.push((parsed, name.clone()));
                }
                self.users.insert(name.clone(), entry)
            }
            // No credential of the configuration gives these.
            UserId::Anonymous | UserId::Token | UserId::Jwt(_) | UserId::Callout(_) => None,
        };
        match replaced {
            Some(_) => Err(AuthConfigError::DuplicateUser(id.to_string())),
            None => Ok(()),
        }
    }

    /// Resolves `no_auth_user`.
    fn find(&self, name: String, has_users: bool) -> Result<UserId, AuthConfigError> {
        if !has_users {
            return Err(AuthConfigError::NoAuthUserWithoutUsers(name));
        }
        let nkey = PublicKey::parse(&name)
            .ok()
            .filter(|key| self.nkeys.contains_key(key));
        match nkey {
            Some(key) => Ok(UserId::Nkey(key)),
            None if self.users.contains_key(&name) => Ok(UserId::Name(name)),
            None => Err(AuthConfigError::NoAuthUserUnknown(name)),
        }
    }

    /// Whether a connection must log in before anything else. A `no_auth_user` does it silently.
    pub fn auth_required(&self) -> bool {
        self.required
    }

    /// What INFO says as `auth_required`: a client without credentials may come in if there is a
    /// `no_auth_user`.
    pub fn advertises_auth_required(&self) -> bool {
        self.required && self.no_auth_user.is_none()
    }

    /// Whether INFO needs a nonce for clients to sign.
    pub fn nonce_required(&self) -> bool {
        !self.nkeys.is_empty()
    }

    /// Whether to warn at start: `Plaintext passwords detected, use nkeys or bcrypt`. As in the
    /// Go server tokens don't count, nor do users without a password that are certificate names.
    pub fn has_plaintext_secrets(&self) -> bool {
        let single = self.single.iter().any(|(_, entry)| {
            entry
                .secret
                .as_ref()
                .is_some_and(|secret| secret.is_plaintext() && !secret.is_empty())
        });
        single
            || self.users.values().any(|entry| {
                let secret = entry.secret.as_ref();
                secret.is_some_and(|secret| secret.is_plaintext()) && !self.needs_certificate(entry)
            })
    }

    /// Names of users whose bcrypt hash is broken, so that they can never log in.
    pub fn users_with_broken_hashes(&self) -> impl Iterator<Item = &UserId> {
        self.entries()
            .filter(|entry| matches!(&entry.secret, Some(Secret::Bcrypt(b)) if !b.is_usable()))
            .map(|entry| &entry.user.id)
    }

    /// The account of the user of this name or nkey, `Some(None)` being the global one.
    pub fn account_of(&self, name: &str) -> Option<Option<&str>> {
        let nkey = PublicKey::parse(name).ok();
        let nkey = nkey.and_then(|key| self.nkeys.get(&key));
        let entry = nkey.or_else(|| self.users.get(name))?;
        Some(entry.user.account.as_deref())
    }

    /// Whether the user has no password because a certificate selects it on some listener.
    fn needs_certificate(&self, entry: &Entry) -> bool {
        let types = entry.user.connection_types;
        entry.secret.as_ref().is_some_and(Secret::is_empty)
            && ConnectionType::ALL
                .into_iter()
                // In-process connections have no certificate.
                .filter(|kind| *kind != ConnectionType::InProcess)
                .any(|kind| types.allows(kind) && self.tls_map.contains(kind))
    }

    /// Whether a connection of this type is identified by its certificate.
    fn maps_certificates(&self, kind: ConnectionType) -> bool {
        let listener = match kind {
            ConnectionType::InProcess => ConnectionType::Standard,
            kind => kind,
        };
        self.tls_map.contains(listener)
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let single = self.single.iter().map(|(_, entry)| entry);
        self.token
            .iter()
            .chain(single)
            .chain(self.users.values())
            .chain(self.nkeys.values())
    }

    fn entry(&self, id: &UserId) -> Option<&Entry> {
        match id {
            UserId::Anonymous | UserId::Jwt(_) | UserId::Callout(_) => None,
            UserId::Token => self.token.as_ref(),
            UserId::Nkey(key) => self.nkeys.get(key),
            UserId::Name(name) => self.users.get(name).or_else(|| {
                self.single
                    .as_ref()
                    .filter(|(single, _)| single == name)
                    .map(|(_, entry)| entry)
            }),
        }
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UserId::Anonymous => f.write_str("anonymous"),
            UserId::Token => f.write_str("token"),
            UserId::Name(name) | UserId::Callout(name) => f.write_str(name),
            UserId::Nkey(key) | UserId::Jwt(key) => key.fmt(f),
        }
    }
}

fn new_user(
    id: UserId,
    account: Option<String>,
    permissions: Option<Arc<Permissions>>,
    connection_types: ConnectionTypes,
) -> User {
    User {
        id,
        account,
        permissions,
        connection_types,
        proxy_required: false,
        limits: UserLimits::default(),
        token: None,
    }
}

/// Permissions by what they were made of: users who may do the same share them.
#[derive(Default)]
struct Compiled(HashMap<PermissionsConfig, Arc<Permissions>, FixedState>);

impl Compiled {
    /// `user` is who has them, for the error.
    fn of(
        &mut self,
        user: &dyn fmt::Display,
        config: PermissionsConfig,
    ) -> Result<Arc<Permissions>, AuthConfigError> {
        if let Some(known) = self.0.get(&config) {
            return Ok(Arc::clone(known));
        }
        let permissions = Permissions::compile(config.clone())
            .map_err(|error| AuthConfigError::Permissions(user.to_string(), error))?;
        let permissions = Arc::new(permissions);
        self.0.insert(config, Arc::clone(&permissions));
        Ok(permissions)
    }
}

#[cfg(test)]
mod tests;
