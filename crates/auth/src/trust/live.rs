//! What new claims of an account mean for its users who are connected.

use super::TrustedAccount;
use crate::users::{TokenUser, User, UserLimits};
use std::fmt;
use std::sync::Arc;

/// What becomes of a connected user.
#[derive(Clone, Debug)]
pub enum UserFate {
    /// It goes on as it is.
    Unchanged,
    /// It goes on as this user: its permissions or limits changed.
    Updated(Arc<User>),
    /// The connection must be closed.
    Closed(CloseCause),
}

/// Why a user's connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseCause {
    /// The user's token was revoked.
    Revoked,
    /// The account's claims expired.
    AccountExpired,
    /// The user's own token expired, or its time of day is over.
    UserExpired,
    /// The account no longer knows who signed the user's token, or under another scope. The client
    /// is not told why.
    SigningKey,
    /// The account no longer lets such users in: bearer tokens are no longer allowed.
    AuthenticationViolation,
}

/// The text of the `-ERR` that the client is sent.
impl fmt::Display for CloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CloseCause::Revoked => "User Authentication Revoked",
            CloseCause::AccountExpired => "Account Authentication Expired",
            CloseCause::UserExpired => "User Authentication Expired",
            CloseCause::SigningKey | CloseCause::AuthenticationViolation => {
                "Authorization Violation"
            }
        })
    }
}

impl TrustedAccount {
    /// What these claims, newer than those it was admitted with, mean for `user` at `now`
    /// (seconds since 1970). A user who did not log in with a token goes on as it is.
    ///
    /// How many connections are allowed is not looked at: close the newest beyond
    /// [`crate::account_spec::AccountLimits::max_connections`].
    pub fn fate_of(&self, user: &Arc<User>, now: i64) -> UserFate {
        let Some(token) = &user.token else {
            return UserFate::Unchanged;
        };
        if let Some(cause) = self.closes(token, now) {
            return UserFate::Closed(cause);
        }
        let limits = token.own_limits.min_account(&self.spec.limits);
        let permissions = match token.has_default_permissions {
            true => self.default_permissions.clone(),
            false => user.permissions.clone(),
        };
        let config = |user: &Option<Arc<crate::permissions::Permissions>>| {
            user.as_ref()
                .map(|permissions| permissions.config().clone())
        };
        let same = limits == user.limits && config(&permissions) == config(&user.permissions);
        if same {
            return UserFate::Unchanged;
        }
        UserFate::Updated(Arc::new(User {
            permissions,
            limits,
            ..User::clone(user)
        }))
    }

    fn closes(&self, token: &TokenUser, now: i64) -> Option<CloseCause> {
        if self.is_expired(now) {
            return Some(CloseCause::AccountExpired);
        }
        let known = self.signing_keys.get(&token.issuer);
        let same_scope = known.is_some_and(|scope| match (scope, &token.scope) {
            (None, None) => true,
            (Some(new), Some(old)) => Arc::ptr_eq(new, old) || new == old,
            _ => false,
        });
        if !same_scope {
            return Some(CloseCause::SigningKey);
        }
        if token.is_bearer && self.spec.limits.disallow_bearer {
            return Some(CloseCause::AuthenticationViolation);
        }
        let revoked = token
            .subject
            .is_some_and(|subject| self.is_revoked(&subject, token.issued_at));
        revoked.then_some(CloseCause::Revoked)
    }
}

impl UserLimits {
    /// The stricter of these and those of the user's account.
    pub(crate) fn min_account(self, account: &crate::account_spec::AccountLimits) -> UserLimits {
        let stricter = |a: Option<u32>, b: Option<u32>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        UserLimits {
            max_subscriptions: stricter(self.max_subscriptions, account.max_subscriptions),
            max_payload: stricter(self.max_payload, account.max_payload),
        }
    }
}
