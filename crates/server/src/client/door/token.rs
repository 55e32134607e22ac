//! Logins with tokens: operator mode.

use std::sync::Arc;
use std::time::Duration;

use cognate_auth::trust::{CloseCause, JwtDenial, UserFate};
use cognate_auth::users::Authenticator;
use cognate_process::{debug, error};
use cognate_session::Verdict;
use cognate_wire::{CloseReason, ConnectOptions, error_text};

use super::ClientDoor;
use crate::info::plain_ip;
use crate::operator::{Admitted, Caller, OperatorMode};

impl ClientDoor {
    /// Judges a token.
    pub(super) fn begin_with_token(
        &mut self,
        operator: &OperatorMode,
        authenticator: Arc<Authenticator>,
        options: &ConnectOptions,
    ) -> Verdict {
        let caller = Caller {
            options,
            nonce: self.nonce.as_bytes(),
            connection_type: self.connection_type(),
            address: self.connection.peer.map(|peer| plain_ip(peer.ip())),
            proxy: self.proxy,
        };
        match operator.admit(&caller) {
            Ok(Admitted { user, expires }) => {
                self.expiry = expires.map(|(at, text)| {
                    let left = at.duration_since(jiff::Timestamp::now());
                    let left = Duration::try_from(left).unwrap_or_default();
                    (tokio::time::Instant::now() + left, text)
                });
                self.admit(authenticator, user)
            }
            Err(denial) => {
                let (log, label) = (&self.shared.log, self.connection.label());
                if denial.is_logged_as_error() {
                    error!(log, "{label} - {denial}");
                } else {
                    debug!(log, "{label} - {denial}");
                }
                let reason = match denial {
                    JwtDenial::ProxyRequired => CloseReason::ProxyRequired,
                    JwtDenial::ProxyNotTrusted => CloseReason::ProxyNotTrusted,
                    _ => CloseReason::AuthenticationFailure,
                };
                Verdict::Refused(error_text::AUTHORIZATION_VIOLATION, reason)
            }
        }
    }

    /// Judges a user with a token anew, with the accounts' present claims.
    pub(super) fn reexamine_token(
        &mut self,
        operator: &OperatorMode,
        new: Arc<Authenticator>,
    ) -> Verdict {
        let violation = Verdict::Refused(
            error_text::AUTHORIZATION_VIOLATION,
            CloseReason::AuthenticationFailure,
        );
        let Some((_, user)) = self.known.take() else {
            return violation;
        };
        match operator.fate_of(&user) {
            Some(UserFate::Unchanged) => self.admit(new, user),
            Some(UserFate::Updated(user)) => self.admit(new, user),
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
                CloseCause::AuthenticationViolation => violation,
            },
            // The account is not there any more.
            None => Verdict::Refused(
                error_text::ACCOUNT_AUTHENTICATION_EXPIRED,
                CloseReason::AuthenticationExpired,
            ),
        }
    }
}
