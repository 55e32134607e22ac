//! Requests about accounts' claims: pushed, deleted, listed, looked up.

use serde_json::{Value, json};

use super::System;
use super::requests::Request;
use crate::reload::accounts_changed;

impl System {
    /// Answers a request about claims, of `account` if its subject names one.
    pub(super) fn claims(
        &self,
        request: &Request,
        account: Option<&str>,
        what: &str,
    ) -> Option<Vec<u8>> {
        let operator = self.shared.operator()?;
        match what {
            "UPDATE" => Some(self.push(request, account)),
            "DELETE" => Some(self.delete(request)),
            "LIST" => Some(self.answer(json!(operator.names()).to_string().as_bytes())),
            // Without envelope, and empty if there is none.
            "LOOKUP" => Some(operator.token(account?).unwrap_or_default().into_bytes()),
            _ => None,
        }
    }

    fn push(&self, request: &Request, account: Option<&str>) -> Vec<u8> {
        let token = String::from_utf8_lossy(&request.body);
        let pushed = match self.shared.operator() {
            Some(operator) => operator.push(&token, account),
            None => Err(("n/a".to_owned(), "there is no operator".to_owned())),
        };
        let result = pushed.and_then(|key| {
            let name = key.to_string();
            let names = [name.clone()];
            match accounts_changed(&self.shared, &names) {
                Ok(()) => Ok(name),
                Err(problem) => Err((name, format!("jwt update resulted in error - {problem}"))),
            }
        });
        match result {
            Ok(name) => {
                let data = json!({"account": name, "code": 200, "message": "jwt updated"});
                self.answer(data.to_string().as_bytes())
            }
            Err((name, problem)) => self.claims_error(Some(&name), &problem),
        }
    }

    fn delete(&self, request: &Request) -> Vec<u8> {
        let token = String::from_utf8_lossy(&request.body);
        let deleted = match self.shared.operator() {
            Some(operator) => operator.delete(&token),
            None => Err("there is no operator".to_owned()),
        };
        let names = deleted.map(|keys| keys.iter().map(ToString::to_string).collect::<Vec<_>>());
        match names.and_then(|names| accounts_changed(&self.shared, &names).map(|()| names.len())) {
            Ok(count) => {
                let message = format!("deleted {count} accounts");
                let data = json!({"code": 200, "message": message});
                self.answer(data.to_string().as_bytes())
            }
            Err(problem) => self.claims_error(None, &problem),
        }
    }

    fn claims_error(&self, account: Option<&str>, problem: &str) -> Vec<u8> {
        let mut error = json!({"code": 500, "description": problem});
        if let Some(account) = account {
            error["account"] = Value::from(account);
        }
        let server = self.server_info();
        format!("{{\"server\":{server},\"error\":{error}}}").into_bytes()
    }
}
