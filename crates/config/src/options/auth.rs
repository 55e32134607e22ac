//! Who may connect and what they may do, as the configuration says it.
//!
//! Owns the typed form of `authorization {}`. Invariants: a single user/password, a token and a
//! list of users exclude each other; every subject and queue in a permission is valid; names of
//! users are unique. Read by the server, which turns it into the auth crate's own tables.
//! Absent: checking a password or a signature.

use super::Secret;
pub use cognate_auth::permissions::SubjectList;
use std::time::Duration;

/// The `authorization` block, or the `--user`, `--pass` and `--auth` flags.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Authorization {
    /// Who is let in.
    pub credential: Credential,
    /// Time to authenticate when configured; see [`Options::auth_timeout`](super::Options::auth_timeout).
    pub timeout: Option<Duration>,
    /// The `default_permissions` of the file. They have already been given to the users without
    /// their own; kept for monitoring.
    pub default_permissions: Option<Permissions>,
    /// Every client must come through a trusted proxy.
    pub proxy_required: bool,
    /// Let a service decide who gets in.
    pub callout: Option<AuthCallout>,
    /// Whether there is such a block at all, which decides who may come without credentials: see
    /// [`Options::opens_global_account`](super::Options::opens_global_account).
    pub is_configured: bool,
}

/// `auth_callout {}`: a service that decides who gets in (security.md §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthCallout {
    /// Public account key, `A…`, that signs the service's answers.
    pub issuer: String,
    /// Account in which the service is asked. Default `$G`.
    pub account: String,
    /// Users and nkeys that log in without the service being asked, itself among them; never
    /// empty.
    pub auth_users: Vec<String>,
    /// Public curve key, `X…`, that requests are encrypted for.
    pub xkey: Option<String>,
    /// Accounts whose users the service may let in; empty is all.
    pub allowed_accounts: Vec<String>,
}

/// Who may connect to the global account.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Credential {
    /// Everyone: no authentication.
    #[default]
    None,
    /// One user for all.
    UserPassword {
        /// Name of the user.
        user: String,
        /// Plain text or bcrypt.
        password: Secret,
    },
    /// One token for all, plain text or bcrypt.
    Token(Secret),
    /// Several users and nkeys, in the order of the file (may be empty: then nobody gets in).
    Users(Vec<User>),
}

impl Credential {
    /// Users and nkeys of the `users` list; empty for the other forms.
    #[must_use]
    pub fn users(&self) -> &[User] {
        match self {
            Self::Users(users) => users,
            _ => &[],
        }
    }
}

/// One entry of `users`.
#[derive(Clone, Debug, PartialEq)]
pub enum User {
    /// Authenticates by name and password (or by certificate with `verify_and_map`).
    Password {
        /// Name of the user.
        user: String,
        /// Plain text or bcrypt; empty when only a certificate can identify the user.
        password: Secret,
        /// What the user may do; `None` is everything.
        permissions: Option<Permissions>,
        /// How the user may connect; empty is in any way.
        allowed_connection_types: Vec<ConnectionType>,
        /// The user must come through a trusted proxy.
        proxy_required: bool,
    },
    /// Authenticates by signing a nonce.
    Nkey {
        /// Public user key, `U…`, checksum verified.
        nkey: String,
        /// What the user may do; `None` is everything.
        permissions: Option<Permissions>,
        /// How the user may connect; empty is in any way.
        allowed_connection_types: Vec<ConnectionType>,
        /// The user must come through a trusted proxy.
        proxy_required: bool,
    },
}

impl User {
    /// The user name or the public nkey.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::Nkey { nkey, .. } => nkey,
        }
    }

    /// What this user may do; `None` is everything.
    #[must_use]
    pub fn permissions(&self) -> Option<&Permissions> {
        match self {
            Self::Password { permissions, .. } | Self::Nkey { permissions, .. } => {
                permissions.as_ref()
            }
        }
    }

    /// How this user may connect; empty is in any way.
    #[must_use]
    pub fn allowed_connection_types(&self) -> &[ConnectionType] {
        match self {
            Self::Password {
                allowed_connection_types,
                ..
            }
            | Self::Nkey {
                allowed_connection_types,
                ..
            } => allowed_connection_types,
        }
    }

    /// Whether this user must come through a trusted proxy.
    #[must_use]
    pub fn proxy_required(&self) -> bool {
        match self {
            Self::Password { proxy_required, .. } | Self::Nkey { proxy_required, .. } => {
                *proxy_required
            }
        }
    }

    pub(crate) fn permissions_mut(&mut self) -> &mut Option<Permissions> {
        match self {
            Self::Password { permissions, .. } | Self::Nkey { permissions, .. } => permissions,
        }
    }
}

/// Permissions of a user (security.md §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// Limits on publishing; `None` is no limit.
    pub publish: Option<SubjectPermission>,
    /// Limits on subscribing; `None` is no limit. Only these rules may name queues.
    pub subscribe: Option<SubjectPermission>,
    /// Permission to answer requests that were delivered, whatever `publish` says.
    pub responses: Option<ResponsePermission>,
}

/// Subjects that are allowed and subjects that are denied; deny wins. Entries are valid filters; those
/// for subscriptions may have a space and a queue group behind them, wildcards allowed, and concern
/// every queue and none if they have not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectPermission {
    /// `None` allows everything; an empty list allows nothing.
    pub allow: Option<SubjectList>,
    /// What is denied.
    pub deny: SubjectList,
}

/// The `allow_responses` permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponsePermission {
    /// Replies allowed per request; `None` is unlimited. Default 1.
    pub max_messages: Option<u64>,
    /// How long after the request a reply is allowed; `None` is forever. Default 2 minutes.
    pub expires: Option<Duration>,
}

impl Default for ResponsePermission {
    fn default() -> Self {
        Self {
            max_messages: Some(1),
            expires: Some(Duration::from_secs(120)),
        }
    }
}

/// A way to connect (`allowed_connection_types`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionType {
    /// A NATS client over TCP or TLS.
    Standard,
    /// A NATS client over WebSocket.
    Websocket,
    /// A leaf node.
    Leafnode,
    /// A leaf node over WebSocket.
    LeafnodeWs,
    /// An MQTT client.
    Mqtt,
    /// An MQTT client over WebSocket.
    MqttWs,
    /// A client inside the server's process.
    InProcess,
}

impl ConnectionType {
    /// All types, with the names the configuration and JWTs use.
    pub const ALL: [(&'static str, Self); 7] = [
        ("STANDARD", Self::Standard),
        ("WEBSOCKET", Self::Websocket),
        ("LEAFNODE", Self::Leafnode),
        ("LEAFNODE_WS", Self::LeafnodeWs),
        ("MQTT", Self::Mqtt),
        ("MQTT_WS", Self::MqttWs),
        ("IN_PROCESS", Self::InProcess),
    ];

    /// The type of that name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, kind)| *kind)
    }
}
