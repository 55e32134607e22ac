//! Logins with tokens: operator mode. The account that a token names may have to be fetched first.

use std::sync::Arc;

use cognate_auth::trust::ClaimedUser;
use cognate_wire::ConnectOptions;

use super::ClientDoor;
use super::admission::{Admitted, Login, Refusal};
use super::callout::Question;
use super::entrant::Entrant;
use crate::operator::{self, Caller, OperatorMode};

/// Somebody whose token was read, and whose account is to be asked.
pub(super) struct Bearer {
    entrant: Entrant,
    options: Box<ConnectOptions>,
    claimed: ClaimedUser,
}

impl ClientDoor {
    /// Begins to judge a token.
    pub(super) fn begin_with_token(
        &self,
        operator: &Arc<OperatorMode>,
        options: &ConnectOptions,
    ) -> Login {
        let entrant = self.entrant();
        let claimed = match operator.claim(&entrant.caller(options)) {
            Ok(claimed) => claimed,
            Err(denial) => return Login::Decided(Err(Refusal::Token(denial))),
        };
        let account = claimed.account();
        let bearer = Bearer {
            entrant,
            options: Box::new(options.clone()),
            claimed,
        };
        if operator::is_at_hand(&self.shared, operator, account) {
            return bearer.judged();
        }
        let shared = Arc::clone(&self.shared);
        Login::Finding(Box::pin(async move {
            // If it is not to be had, that is found out where it is asked.
            let _ = operator::bring(&shared, account).await;
            Box::new(bearer.judged())
        }))
    }
}

impl Bearer {
    /// Goes on with what the account claims.
    pub(super) fn judged(self) -> Login {
        let Bearer {
            entrant,
            options,
            claimed,
        } = self;
        let shared = &entrant.shared;
        let account = claimed.account();
        let authenticator = shared.authenticator();
        let Some(operator) = shared.operator() else {
            return Login::Decided(Err(Refusal::NoOperator));
        };
        match operator.admit(&claimed, &entrant.caller(&options)) {
            Ok(operator::Admitted {
                user,
                delegated: Some(delegated),
                ..
            }) => {
                let question = Question::new(&entrant, &options).about_token(user, delegated);
                question.ask(authenticator)
            }
            Ok(operator::Admitted { user, expires, .. }) => Login::Decided(Ok(Admitted {
                user,
                expires,
                authenticator,
                question: None,
            })),
            Err(denial) => Login::Decided(Err(match operator.asks_service_of(&account) {
                true => Refusal::DelegatedToken(denial, account),
                false => Refusal::Token(denial),
            })),
        }
    }
}

impl Entrant {
    /// The client, as operator mode sees it.
    fn caller<'a>(&'a self, options: &'a ConnectOptions) -> Caller<'a> {
        Caller {
            options,
            nonce: self.nonce.as_bytes(),
            connection_type: self.connection_type,
            address: self.address,
            proxy: self.proxy,
        }
    }
}
