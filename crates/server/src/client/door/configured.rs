//! Logins as one of the configuration's users, and whether a service decides about them instead.

use std::sync::Arc;

use cognate_auth::users::{Authenticator, Decision, DenyCause, Login as Offer, User};
use cognate_wire::ConnectOptions;

use super::ClientDoor;
use super::admission::{Admitted, Hashing, Login, Refusal};
use super::callout::Question;

/// Somebody about whom the configuration's users have been asked.
pub(super) struct Applicant {
    authenticator: Arc<Authenticator>,
    /// What a service is asked about it, if the configuration has one.
    question: Option<Question>,
}

impl ClientDoor {
    /// Begins to judge a client by the configuration.
    pub(super) fn begin_configured(&self, options: &ConnectOptions) -> Login {
        let authenticator = self.shared.authenticator();
        let decision = self.decide(&authenticator, options);
        let question = self.shared.callout.is_some();
        let applicant = Applicant {
            authenticator,
            question: question.then(|| Question::new(&self.entrant(), options)),
        };
        match decision {
            Decision::Allowed(user) => applicant.judged(Ok(user)),
            Decision::Denied(cause) => applicant.judged(Err(cause)),
            Decision::NeedsBcrypt(login) => {
                Login::Hashing(Hashing::begin(&self.shared.verifications, login, applicant))
            }
        }
    }

    /// Who a client is that never says so, if that is allowed.
    pub(super) fn silent_user(&self, authenticator: &Authenticator) -> Option<Arc<User>> {
        if self.shared.operator().is_some() {
            // A token has to be shown, if only a default one.
            return None;
        }
        let decision = self.decide(authenticator, &ConnectOptions::default());
        let Decision::Allowed(user) = decision else {
            return None;
        };
        let asks = self.shared.callout.as_ref().is_some_and(|callout| {
            let name = user.display_name().unwrap_or_default();
            callout.decides(user.account.as_deref(), &name)
        });
        // Without CONNECT there is nothing to ask about.
        (!asks).then_some(user)
    }

    fn decide(&self, authenticator: &Authenticator, options: &ConnectOptions) -> Decision {
        let detail = self.connection.detail();
        let identities = detail
            .tls
            .map(|tls| tls.peer.identities)
            .unwrap_or_default();
        authenticator.begin(&Offer {
            user: &options.user,
            pass: &options.pass,
            token: &options.auth_token,
            nkey: &options.nkey,
            sig: &options.sig,
            nonce: self.nonce.as_bytes(),
            connection_type: self.connection_type(),
            tls_identities: &identities,
            proxy: self.proxy,
        })
    }
}

impl Applicant {
    /// Somebody about whom no service is asked.
    #[cfg(test)]
    pub(super) fn without_service(authenticator: Arc<Authenticator>) -> Self {
        Applicant {
            authenticator,
            question: None,
        }
    }

    /// Goes on with what the configuration's users say about it.
    pub(super) fn judged(self, result: Result<Arc<User>, DenyCause>) -> Login {
        let Applicant {
            authenticator,
            question,
        } = self;
        let question = match result {
            // Who stands in between is nobody's to decide but the configuration's.
            Err(DenyCause::ProxyNotTrusted) => None,
            _ => question.and_then(|question| question.about(&result)),
        };
        match (question, result) {
            (Some(question), _) => question.ask(authenticator),
            (None, Ok(user)) => Login::Decided(Ok(Admitted {
                user,
                expires: None,
                authenticator,
                question: None,
            })),
            (None, Err(cause)) => Login::Decided(Err(Refusal::User(cause))),
        }
    }
}
