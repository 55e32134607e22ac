//! What the outcome of a login brings about: the account that counts the client, its permissions, its
//! end, and the word to whoever watches.

use std::sync::Arc;
use std::time::Duration;

use cognate_auth::callout::without_asking;
use cognate_auth::permissions::ReplyPermissions;
use cognate_auth::users::{Authenticator, User, UserId};
use cognate_process::error;
use cognate_session::{Access, Verdict};
use cognate_wire::{CloseReason, error_text};
use jiff::Timestamp;

use super::ClientDoor;
use super::admission::{Admitted, Outcome, Refusal};
use super::examine::{AtReload, Change};
use crate::data::{Account, GLOBAL};
use crate::system::Event;

impl ClientDoor {
    /// The account does not count the client any more.
    pub(crate) fn leave_account(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.account.leave();
        }
    }

    /// What the outcome of a login brings about.
    pub(super) fn conclude(&mut self, outcome: Outcome) -> Verdict {
        let Admitted {
            user,
            expires,
            authenticator,
            question,
        } = match outcome {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(&refusal),
        };
        self.set_expiry(expires);
        self.guest = question.map(|question| AtReload::of(question, &authenticator));
        if let (UserId::Callout(_), Some(token)) = (&user.id, &user.token)
            && !token.name.is_empty()
        {
            self.login = format!("user:{}", token.name).into_boxed_str();
        }
        self.let_in(authenticator, user)
    }

    /// Lets a user in that was judged by `authenticator`.
    pub(super) fn let_in(&mut self, authenticator: Arc<Authenticator>, user: Arc<User>) -> Verdict {
        let is_old = !Arc::ptr_eq(&authenticator, &self.shared.authenticator());
        match self.admit(authenticator, user) {
            // Users were replaced since this one was judged.
            Verdict::Accepted(_) if is_old => self.reexamine(Change::Accounts),
            verdict => verdict,
        }
    }

    /// Tells the users of the account that decides about the client that it is not let in.
    pub(super) fn tell_of(&self, refusal: &Refusal) {
        let shared = &self.shared;
        let named = match (&shared.callout, refusal) {
            (Some(callout), _) => shared.accounts.get(&callout.account),
            (None, Refusal::DelegatedToken(_, account)) => {
                shared.accounts.get(&account.to_string())
            }
            (None, _) => None,
        };
        if let Some(bearer) = refusal.bearer() {
            self.show_as(bearer);
        }
        let own = match self.counted {
            true => Some(Arc::clone(&self.account)),
            false => self.connection.account(),
        };
        let global = || Arc::clone(shared.accounts.global());
        let account = named.or(own).unwrap_or_else(global);
        let connection = Arc::clone(&self.connection);
        let event = Event::Refused(connection, account, refusal.told());
        shared.events.note(shared, event);
    }

    /// Shows the client as the owner of a token, whom a service turned away.
    fn show_as(&self, bearer: &Arc<User>) {
        if let Some(account) = self.shared.accounts.of_user(bearer.account.as_deref()) {
            self.connection.set_account(&account);
        }
        let name = bearer.display_name().unwrap_or_default();
        self.connection.update_detail(|detail| {
            detail.user = name;
            detail.token = bearer.token.is_some().then(|| Arc::clone(bearer));
        });
    }

    pub(super) fn set_expiry(&mut self, expires: Option<(Timestamp, &'static str)>) {
        self.expiry = expires.map(|(at, text)| {
            let left = at.duration_since(Timestamp::now());
            let left = Duration::try_from(left).unwrap_or_default();
            (tokio::time::Instant::now() + left, text)
        });
    }

    pub(super) fn admit(&mut self, authenticator: Arc<Authenticator>, user: Arc<User>) -> Verdict {
        if let Err(refusal) = self.enter_account(user.account.as_deref()) {
            return refusal;
        }
        let user = match self.may_be_asked(user.account.as_deref()) {
            true => without_asking(&user),
            false => user,
        };
        let permissions = user.permissions.clone();
        let responses = permissions
            .as_ref()
            .and_then(|permissions| permissions.responses());
        let name = user.display_name().unwrap_or_default();
        self.connection.update_detail(|detail| {
            detail.user = name;
            detail.token = user.token.is_some().then(|| Arc::clone(&user));
            detail.permissions.clone_from(&permissions);
            str::clone_into(&self.login, &mut detail.login);
        });
        self.connection.set_replies(
            responses.map(|limits| Box::new(ReplyPermissions::new(limits, self.seed))),
        );
        if self.known.replace((authenticator, user)).is_none() && !self.announced {
            self.announced = true;
            let event = Event::Connected(Arc::clone(&self.connection));
            self.shared.events.note(&self.shared, event);
        }
        Verdict::Accepted(Access {
            permissions,
            may_respond: responses.is_some(),
        })
    }

    /// Whether a service is asked in this account, where nobody may pose as the server.
    fn may_be_asked(&self, account: Option<&str>) -> bool {
        let account = account.unwrap_or(GLOBAL);
        let callout = self.shared.callout.as_ref();
        callout.is_some_and(|callout| callout.account == account)
            || self
                .shared
                .operator()
                .is_some_and(|operator| operator.asks_service(account))
    }

    /// Has the user's account count the client, instead of the one it was in.
    fn enter_account(&mut self, name: Option<&str>) -> Result<(), Verdict> {
        let Some(account) = self.shared.accounts.of_user(name) else {
            let (text, reason) = (
                error_text::AUTHORIZATION_VIOLATION,
                CloseReason::MissingAccount,
            );
            return Err(Verdict::Refused(text, reason));
        };
        if self.counted && Arc::ptr_eq(&account, &self.account) {
            return Ok(());
        }
        if !account.enter() {
            let text = error_text::MAX_ACCOUNT_CONNECTIONS;
            error!(self.shared.log, "{} - {text}", self.connection.label());
            let reason = CloseReason::MaxAccountConnectionsExceeded;
            return Err(Verdict::Refused(text, reason));
        }
        self.leave_account();
        self.counted = true;
        self.shared.settle_in(&account);
        self.account = account;
        self.connection.set_account(&self.account);
        Ok(())
    }

    /// The verdict for the session, unless it moves the client to another account than `before`:
    /// then what the session has read is worked through only once the client is there.
    pub(super) fn settle(&mut self, verdict: Verdict, before: &Arc<Account>) -> Verdict {
        match verdict {
            Verdict::Accepted(_) if !Arc::ptr_eq(before, &self.account) => {
                self.settled = Some(verdict);
                Verdict::Pending
            }
            verdict => verdict,
        }
    }
}
