//! Looking again at a client that was let in, after a reload or a change of its account.

use std::sync::Arc;
use std::task::Context;

use cognate_auth::proxy::ProxyCheck;
use cognate_auth::trust::{CloseCause, UserFate};
use cognate_auth::users::{Authenticator, DenyCause, User, UserChange, UserId, diff_users};
use cognate_session::Verdict;
use cognate_wire::{CloseReason, error_text};

use super::ClientDoor;
use super::admission::Refusal;
use super::callout::Question;
use crate::data::{Door, GLOBAL};
use crate::operator::OperatorMode;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Whatever the options say.
    Options,
    /// What accounts claim.
    Accounts,
}

/// What becomes of a client that a service let in when options are read again: as in nats-server,
/// where its users are none of the configuration's.
pub(super) enum AtReload {
    /// The service is asked again. What the client said is in it, its secrets too.
    Asked(Box<Question>),
    /// It has a name that the configuration does not know: it is sent away without a word, and the
    /// service is asked when it comes back.
    ComesBack,
    /// It showed a token, which is not kept.
    TurnedAway,
}

impl AtReload {
    /// What becomes of whom a service let in when it was asked `question`.
    pub(super) fn of(question: Box<Question>, authenticator: &Authenticator) -> Self {
        let unknown = |name| authenticator.account_of(name).is_none();
        match (question.name().map(unknown), question.is_configured()) {
            (Some(true), _) => AtReload::ComesBack,
            (_, true) => AtReload::Asked(question),
            (_, false) => AtReload::TurnedAway,
        }
    }
}

impl ClientDoor {
    /// Judges the user anew. With new options a service decides anew about whom it let in.
    pub(crate) fn reexamine(&mut self, change: Change) -> Verdict {
        let new = self.shared.authenticator();
        if let ProxyCheck::Trusted(key) = &self.proxy
            && !self.shared.proxies().contains(key)
        {
            return self.refuse(&Refusal::User(DenyCause::ProxyNotTrusted));
        }
        if change == Change::Options
            && let Some(verdict) = self.reexamine_guest(&new)
        {
            return verdict;
        }
        if let Some(operator) = self.shared.operator() {
            return self.reexamine_token(&operator, new);
        }
        let Some((old, user)) = self.known.take() else {
            return self.authenticate_silent().map_or(
                Verdict::Refused(
                    error_text::AUTHORIZATION_VIOLATION,
                    CloseReason::AuthenticationFailure,
                ),
                Verdict::Accepted,
            );
        };
        let diff = diff_users(&old, &new);
        if diff.is_gone(&user.id) {
            return Verdict::Refused("", CloseReason::ClientClosed);
        }
        match diff.change(&user.id, self.connection_type()) {
            UserChange::Unchanged => self.admit(new, user),
            UserChange::Updated(user) => self.admit(new, user),
            UserChange::Revoked => {
                self.report_refusal();
                self.refuse(&Refusal::User(DenyCause::WrongUserOrPassword))
            }
        }
    }

    /// Has a service decide anew about whom it let in; `None` of others.
    fn reexamine_guest(&mut self, new: &Arc<Authenticator>) -> Option<Verdict> {
        let violation = Refusal::User(DenyCause::WrongUserOrPassword);
        let account = self.account.name.clone();
        if self.asked_again.is_none() {
            let question = match self.guest.take()? {
                AtReload::Asked(question) if question.is_asked_in(&account) => question,
                AtReload::ComesBack => {
                    return Some(Verdict::Refused("", CloseReason::ClientClosed));
                }
                _ => return Some(self.refuse(&violation)),
            };
            let home = question.name().map(|name| new.account_of(name));
            if home.is_some_and(|home| {
                home.map(|home| home.unwrap_or(GLOBAL)) != Some(account.as_str())
            }) {
                return Some(Verdict::Refused("", CloseReason::ClientClosed));
            }
            self.asked_again = Some(question.ask(Arc::clone(new)));
        }
        // Meanwhile it goes on.
        let (_, user) = self.known.take()?;
        Some(self.admit(Arc::clone(new), user))
    }

    /// What a service that was asked again says of the client, once it is there.
    pub(crate) fn poll_asked_again(&mut self, cx: &mut Context<'_>) -> Option<Verdict> {
        match self.asked_again.take()?.poll(cx) {
            Ok(outcome) => Some(self.conclude(outcome)),
            Err(login) => {
                self.asked_again = Some(login);
                None
            }
        }
    }

    /// Judges a user with a token anew, with the accounts' present claims.
    fn reexamine_token(&mut self, operator: &OperatorMode, new: Arc<Authenticator>) -> Verdict {
        let violation = Verdict::Refused(
            error_text::AUTHORIZATION_VIOLATION,
            CloseReason::AuthenticationFailure,
        );
        let Some((_, user)) = self.known.take() else {
            return violation;
        };
        match operator.fate_of(&user) {
            Some(UserFate::Unchanged) => self.go_on(operator, new, user),
            Some(UserFate::Updated(user)) => self.go_on(operator, new, user),
            Some(UserFate::Closed(cause)) => match cause {
                CloseCause::Revoked => Verdict::Refused(
                    error_text::USER_AUTHENTICATION_REVOKED,
                    CloseReason::CredentialsRevoked,
                ),
                CloseCause::AccountExpired => Verdict::Refused(
                    error_text::ACCOUNT_AUTHENTICATION_EXPIRED,
                    CloseReason::AuthenticationExpired,
                ),
                CloseCause::UserExpired => Verdict::Refused(
                    error_text::USER_AUTHENTICATION_EXPIRED,
                    CloseReason::AuthenticationExpired,
                ),
                CloseCause::SigningKey => {
                    self.connection.set_dismissed();
                    Verdict::Refused("", CloseReason::AuthenticationFailure)
                }
                CloseCause::AuthenticationViolation => violation,
            },
            // The account is not there any more.
            None => Verdict::Refused(
                error_text::ACCOUNT_AUTHENTICATION_EXPIRED,
                CloseReason::AuthenticationExpired,
            ),
        }
    }

    /// Goes on, until the account's present claims end or the user's own.
    fn go_on(
        &mut self,
        operator: &OperatorMode,
        authenticator: Arc<Authenticator>,
        user: Arc<User>,
    ) -> Verdict {
        // Whom a service let in goes when it was to go.
        if !matches!(user.id, UserId::Callout(_)) {
            self.set_expiry(operator.end_for(&user));
        }
        self.admit(authenticator, user)
    }
}
