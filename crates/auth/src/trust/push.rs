//! Tokens that are pushed to or deleted from a resolver over the system account.

use super::{Trust, account_key};
use crate::jwt::{Account, Generic, JwtError, Signed};
use crate::nkey::PublicKey;
use std::fmt;

/// Why a request is refused, with the answer's texts of nats-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushError {
    /// The account it is about, `n/a` if that is unknown.
    pub account: String,
    /// What was attempted.
    message: &'static str,
    problem: String,
}

/// The `description` of the answer.
impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} - {}", self.message, self.problem)
    }
}

impl std::error::Error for PushError {}

/// What is wrong with a token, in the words that tools know.
fn answered(problem: &JwtError) -> String {
    match problem {
        JwtError::WrongType(expected, _) => format!("not {expected} claim"),
        problem => problem.to_string(),
    }
}

const UPDATE_FAILED: &str = "jwt update resulted in error";
const VALIDATION_FAILED: &str = "jwt validation failed";

impl Trust {
    /// Checks an account's token that is to be stored, for the account that the request's
    /// subject names, if it names one. The time is not looked at: who stores tokens may be
    /// early. Unlike in the Go server, one that nobody trusted signed is refused at once: it
    /// could only take the place of one that works.
    ///
    /// # Errors
    /// With the answer's text.
    pub fn check_push(
        &self,
        token: &str,
        account: Option<&str>,
    ) -> Result<Signed<Account>, PushError> {
        let error = |account: &str, message, problem: String| PushError {
            account: account.to_owned(),
            message,
            problem,
        };
        let pushed = Signed::<Account>::decode(token)
            .map_err(|problem| error("n/a", UPDATE_FAILED, answered(&problem)))?;
        let subject = &pushed.claims().registered.subject;
        let issues = pushed.claims().validate(0);
        if issues.has_errors() {
            let problem = format!("validation errors: {issues}");
            return Err(error(subject, VALIDATION_FAILED, problem));
        }
        if let Some(account) = account.filter(|account| account != subject) {
            let problem = "subject does not match jwt content".to_owned();
            return Err(error(account, UPDATE_FAILED, problem));
        }
        if self.must_use_signing_key(&pushed.issuer()) {
            let problem = "operator requires issuer to be a signing key".to_owned();
            return Err(error(subject, UPDATE_FAILED, problem));
        }
        if !self.is_trusted(&pushed.issuer()) {
            let problem = "issuer is not a trusted operator key".to_owned();
            return Err(error(subject, VALIDATION_FAILED, problem));
        }
        Ok(pushed)
    }

    /// Whether the key is that of an operator that signs with its signing keys only.
    fn must_use_signing_key(&self, key: &PublicKey) -> bool {
        self.operators.iter().any(|operator| {
            operator.claims().nats.strict_signing_key_usage && operator.subject() == Some(*key)
        })
    }

    /// Checks a request to delete accounts, and returns which. The caller has checked that
    /// deleting is enabled.
    ///
    /// # Errors
    /// With the answer's text.
    pub fn check_delete(&self, token: &str) -> Result<Vec<PublicKey>, String> {
        let request = Signed::<Generic>::decode(token);
        let subject = match &request {
            Ok(request) => request.claims().registered.subject.as_str(),
            Err(_) => "",
        };
        let error =
            |problem: &str| format!("delete accounts request by {subject} failed - {problem}");
        let request = match &request {
            Ok(request) => request,
            Err(problem) => return Err(error(&problem.to_string())),
        };
        if request.subject() != Some(request.issuer()) {
            return Err(error("not self signed"));
        }
        if !self.is_trusted(&request.issuer()) {
            return Err(error("not trusted"));
        }
        let accounts = request.claims().nats.texts("accounts");
        let accounts = accounts.and_then(|accounts| {
            let keys = accounts.into_iter().map(account_key);
            keys.collect::<Option<Vec<_>>>()
        });
        let accounts = accounts.ok_or_else(|| error("malformed request"))?;
        match self
            .system_account
            .is_some_and(|system| accounts.contains(&system))
        {
            true => Err(error("not allowed to delete system account")),
            false => Ok(accounts),
        }
    }
}
