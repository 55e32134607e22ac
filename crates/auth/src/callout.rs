//! Auth callout: a service inside an account decides who gets in (ADR-26).
//!
//! ```text
//! client ──CONNECT──▶ server ──request JWT (sealed)──▶ $SYS.REQ.USER.AUTH ──▶ service
//!                        ◀──response JWT (sealed): user JWT or error──────────────┘
//! ```
//!
//! Owns whether the service is asked, the question, and everything an answer must satisfy.
//! Invariants: an answer counts for the one question it answers, because it names a user key
//! made for that; a user is placed by the configured issuer, or in operator mode by an account
//! that the asking account allows, and then by a key of that account with its scope. Reading an
//! answer takes two steps, because between them the driver looks up the account it names.
//!
//! Absent: sending and waiting, which are the driver's, and making keys: seeds are arguments.

mod request;
mod response;

pub use request::{CalloutRequest, Sealing};
pub use response::{CalloutDenial, CalloutTarget, CalloutUser, Expected, Placing};

use crate::nkey::PublicKey;
use crate::permissions::{Permissions, PermissionsConfig};
use crate::users::User;
use std::sync::Arc;

/// Where questions are published, in the callout account.
pub const SUBJECT: &str = "$SYS.REQ.USER.AUTH";
/// The audience of questions.
pub const REQUEST_AUDIENCE: &str = "nats-authorization-request";
/// The header of a sealed question: the server's public curve key.
pub const XKEY_HEADER: &str = "Nats-Server-Xkey";
/// The account of users who are in none, where it is named.
const GLOBAL_ACCOUNT: &str = "$G";

/// `auth_callout` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalloutConfig {
    /// The account key that signs users.
    pub issuer: PublicKey,
    /// The account in which the service is asked.
    pub account: String,
    /// Users, by name or nkey, who are let in by the configuration alone.
    pub auth_users: Vec<String>,
    /// The accounts whose configured users are delegated as well; all if empty.
    pub allowed_accounts: Vec<String>,
    /// The service's public curve key, if questions are to be sealed.
    pub xkey: Option<PublicKey>,
}

impl CalloutConfig {
    /// Whether the service decides about a client, whatever the configuration's own users say.
    ///
    /// `account` is the account of the user that the configuration knows it as, or `None` if it
    /// knows it as nobody. `shown_as` is what it says it is: its nkey, else its user name, else
    /// `[REDACTED]` for a token, else nothing.
    pub fn decides(&self, account: Option<&str>, shown_as: &str) -> bool {
        let account = account.unwrap_or(GLOBAL_ACCOUNT);
        let in_scope = account == GLOBAL_ACCOUNT
            || self.allowed_accounts.is_empty()
            || self
                .allowed_accounts
                .iter()
                .any(|allowed| allowed == account);
        in_scope && !self.auth_users.iter().any(|user| user == shown_as)
    }
}

/// The user as one of the callout account, where only the server may ask questions.
#[must_use]
pub fn without_asking(user: &Arc<User>) -> Arc<User> {
    let mut config = match &user.permissions {
        Some(permissions) => permissions.config().clone(),
        None => PermissionsConfig::default(),
    };
    if config.publish.deny.contains(SUBJECT) {
        return Arc::clone(user);
    }
    config.publish.deny = config.publish.deny.with(SUBJECT);
    let permissions = Permissions::compile(config).unwrap_or_else(|_| Permissions::nothing());
    Arc::new(User {
        permissions: Some(Arc::new(permissions)),
        ..User::clone(user)
    })
}

#[cfg(test)]
mod tests;
