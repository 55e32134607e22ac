//! Looking again at a client that was let in, after a reload or a change of its account.

use std::sync::Arc;

use cognate_auth::proxy::ProxyCheck;
use cognate_auth::trust::{CloseCause, UserFate};
use cognate_auth::users::{Authenticator, DenyCause, User, UserChange, UserId, diff_users};
use cognate_session::Verdict;
use cognate_wire::{CloseReason, error_text};

use super::ClientDoor;
use super::admission::Refusal;
use crate::data::Door;
use crate::operator::OperatorMode;

impl ClientDoor {
    /// Judges the user anew after a reload. Whom a service let in goes on until it must go anyway:
    /// its password is not kept, so that nobody can be asked again.
    pub(crate) fn reexamine(&mut self) -> Verdict {
        let new = self.shared.authenticator();
        if let ProxyCheck::Trusted(key) = &self.proxy
            && !self.shared.proxies().contains(key)
        {
            return self.refuse(&Refusal::User(DenyCause::ProxyNotTrusted));
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
                CloseCause::SigningKey => Verdict::Refused("", CloseReason::AuthenticationFailure),
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
