//! What a reload means for users who are connected.
//!
//! Sessions don't keep passwords, so they are not asked to log in again: a user whose credential
//! is configured as before stays, with its new permissions; any other is cut off and may come
//! back. The Go server, which keeps passwords, differs in one case: a bcrypt hash that was
//! replaced by another of the same password disconnects here.

use super::{Authenticator, ConnectionType, Entry, User, UserId};
use std::sync::Arc;

/// What becomes of a connected user.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// Nothing changed.
    Unchanged,
    /// The connection goes on as this user: its permissions changed, so subscriptions must be
    /// checked again and publish caches cleared.
    Updated(Arc<User>),
    /// The connection must be closed: `-ERR 'Authorization Violation'`.
    Revoked,
}

/// Borrowed answers for all connected users. See [`diff_users`].
#[derive(Clone, Copy, Debug)]
pub struct UserDiff<'a> {
    old: &'a Authenticator,
    new: &'a Authenticator,
}

/// Compares the users before and after a reload.
pub fn diff_users<'a>(old: &'a Authenticator, new: &'a Authenticator) -> UserDiff<'a> {
    UserDiff { old, new }
}

impl UserDiff<'_> {
    /// Whether there is no such user any more, or it is in another account: its connections are
    /// closed without a word, as nats-server does.
    pub fn is_gone(&self, id: &UserId) -> bool {
        match (self.old.entry(id), self.new.entry(id)) {
            (Some(before), Some(after)) => before.user.account != after.user.account,
            (Some(_), None) => true,
            _ => false,
        }
    }

    /// What becomes of a connection of this type that logged in as `id`.
    ///
    /// Users of tokens and of an auth callout are none of the configuration's: they go on as
    /// they are, as far as this is concerned.
    pub fn change(&self, id: &UserId, connection_type: ConnectionType) -> UserChange {
        if matches!(id, UserId::Jwt(_) | UserId::Callout(_)) {
            return UserChange::Unchanged;
        }
        if !self.new.required {
            return match id {
                UserId::Anonymous => UserChange::Unchanged,
                _ => UserChange::Updated(Arc::clone(&self.new.anonymous)),
            };
        }
        if *id == UserId::Anonymous {
            return self.change_for_anonymous(connection_type);
        }
        let (Some(before), Some(after)) = (self.old.entry(id), self.new.entry(id)) else {
            return UserChange::Revoked;
        };
        if !self.is_proof_still_good(before, after, connection_type) {
            return UserChange::Revoked;
        }
        match has_same_permissions(&before.user, &after.user) {
            true => UserChange::Unchanged,
            false => UserChange::Updated(Arc::clone(&after.user)),
        }
    }

    /// Who came without credentials stays only as the `no_auth_user`.
    fn change_for_anonymous(&self, connection_type: ConnectionType) -> UserChange {
        let entry = self
            .new
            .no_auth_user
            .as_ref()
            .and_then(|id| self.new.entry(id));
        let mapped = self.new.maps_certificates(connection_type);
        match entry {
            Some(entry) if !mapped && entry.user.connection_types.allows(connection_type) => {
                UserChange::Updated(Arc::clone(&entry.user))
            }
            _ => UserChange::Revoked,
        }
    }

    fn is_proof_still_good(&self, before: &Entry, after: &Entry, kind: ConnectionType) -> bool {
        let id = &before.user.id;
        // Whoever connected as the old no_auth_user may have proved nothing.
        let was_anybody = self.old.no_auth_user.as_ref() == Some(id);
        let is_anybody = self.new.no_auth_user.as_ref() == Some(id);
        before.secret == after.secret
            && before.user.account == after.user.account
            && (before.user.proxy_required || !after.user.proxy_required)
            && after.user.connection_types.allows(kind)
            && (!was_anybody || is_anybody)
            && self.old.maps_certificates(kind) == self.new.maps_certificates(kind)
    }
}

fn has_same_permissions(before: &User, after: &User) -> bool {
    let config = |user: &User| user.permissions.as_ref().map(|p| p.config().clone());
    config(before) == config(after)
}
