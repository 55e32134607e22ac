//! A user that a token describes, as its connections and the account's later claims see it.

use crate::jwt::UserScope;
use crate::nkey::PublicKey;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;

/// Limits of each of a user's connections; `None` is unlimited. The server's own apply as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Subscriptions.
    pub max_subscriptions: Option<u32>,
    /// Bytes of a message's payload.
    pub max_payload: Option<u32>,
}

/// The text of a token, which `Debug` does not show: of a bearer it is enough to log in with.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(Box<str>);

impl TokenText {
    pub(crate) fn new(text: &str) -> Self {
        TokenText(text.into())
    }

    /// The token. Don't log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(…)")
    }
}

/// Where a user comes from who logged in with a token, or for whom an auth callout made one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUser {
    /// The name in the token, empty if there is none.
    pub name: String,
    /// The token's tags.
    pub tags: Vec<String>,
    /// The token's subject, a user key.
    pub subject: Option<PublicKey>,
    /// The account key that signed it.
    pub issuer: PublicKey,
    /// When it was issued, in seconds since 1970.
    pub issued_at: i64,
    /// Whether it was enough to show it.
    pub is_bearer: bool,
    /// Whether the user has the account's default permissions, not its own.
    pub has_default_permissions: bool,
    /// When the user must go by its own token, apart from the account's.
    pub ends: Option<Timestamp>,
    /// The token itself.
    pub text: TokenText,
    /// The user's own limits, apart from the account's.
    pub(crate) own_limits: UserLimits,
    /// The scope of the key that signed it, as it was then.
    pub(crate) scope: Option<Arc<UserScope>>,
}
