//! Requests about accounts' claims: pushed, deleted, listed, looked up, and compared with what other
//! servers have.

use std::time::Duration;

use cognate_auth::nkey::PublicKey;
use cognate_process::{debug, error};
use serde_json::{Value, json};

use super::System;
use super::request::Request;
use crate::data::{Outgoing, Outlet, Totals};
use crate::operator::{self, OperatorMode, Pushed, others_listen};
use crate::reload::accounts_changed;
use crate::replies::reply_prefix;

/// Where servers ask each other for all that they have.
const PACK: &str = "$SYS.REQ.CLAIMS.PACK";

/// The queue group of those who answer.
const RESPONDERS: &[u8] = b"responder";

/// How often to look whether comparing with others is configured, while it is not.
const NEVER_COMPARED: Duration = Duration::from_secs(60);

impl System {
    /// Listens for accounts that are pushed, and for what else a resolver answers.
    pub(super) fn subscribe_claims(&self) {
        let Some(operator) = self.shared.operator() else {
            return;
        };
        let mut subjects = vec![
            "$SYS.REQ.ACCOUNT.*.CLAIMS.UPDATE",
            "$SYS.ACCOUNT.*.CLAIMS.UPDATE",
        ];
        if operator.keeps_accounts() {
            subjects.extend([
                "$SYS.REQ.CLAIMS.UPDATE",
                "$SYS.REQ.CLAIMS.LIST",
                "$SYS.REQ.CLAIMS.DELETE",
            ]);
        }
        let packs = self.packs_arrive_at();
        if operator.has_all() {
            subjects.extend(["$SYS.REQ.ACCOUNT.*.CLAIMS.LOOKUP", &packs]);
            self.listen_to(PACK, Some(RESPONDERS));
        }
        for subject in subjects {
            self.listen_to(subject, None);
        }
    }

    /// Where others send what they have.
    pub(super) fn packs_arrive_at(&self) -> String {
        format!("{}PACK", reply_prefix(&self.shared))
    }

    /// Whether the server itself asks.
    fn is_own(&self, request: &Request) -> bool {
        let prefix = reply_prefix(&self.shared);
        request
            .reply()
            .is_some_and(|reply| reply.starts_with(&prefix))
    }

    /// Time until the next comparison with other servers.
    pub(super) fn comparison_interval(&self) -> Duration {
        let operator = self.shared.operator();
        let interval = operator.and_then(|operator| operator.comparison_interval());
        interval.unwrap_or(NEVER_COMPARED)
    }

    /// Asks others for what they have, if it is not the same.
    pub(super) fn compare(&self) {
        let Some(operator) = self.shared.operator().filter(|operator| operator.has_all()) else {
            return;
        };
        if !others_listen(&self.account, PACK) {
            return;
        }
        let (reply, hash) = (self.packs_arrive_at(), operator.hash());
        let mut desk = self.shared.workers.borrow();
        let watch = crate::watching::Watching::new(&self.shared);
        let mut outlet =
            Outlet::new(&self.account, desk.worker(), &watch).sparing(self.inbox.connection());
        outlet.publish(&Outgoing {
            reply: Some(reply.as_bytes()),
            ..Outgoing::to(PACK.as_bytes(), &hash)
        });
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
    }

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
            "LOOKUP" if !self.is_own(request) => {
                Some(operator.token(account?).unwrap_or_default().into_bytes())
            }
            "PACK" if !self.is_own(request) => {
                self.send_packs(&operator, request);
                None
            }
            _ => None,
        }
    }

    /// Sends all that is here, unless whoever asks has the same; an empty message is the end.
    fn send_packs(&self, operator: &OperatorMode, request: &Request) {
        let Some(reply) = request.reply() else {
            return;
        };
        if request.body != operator.hash() {
            for pack in operator.packs() {
                self.publish(reply, pack.as_bytes());
            }
        }
        self.publish(reply, b"");
    }

    /// Takes over what others have.
    pub(super) fn merge_pack(&self, request: &Request) {
        let Some(operator) = self.shared.operator() else {
            return;
        };
        let mut changed = Vec::new();
        let pack = String::from_utf8_lossy(&request.body);
        if let Err(problem) = operator.merge(&pack, &mut changed) {
            error!(self.shared.log, "Merging accounts of others: {problem}");
        }
        if let Err(problem) = self.changed(&changed) {
            error!(self.shared.log, "Merging accounts of others: {problem}");
        }
    }

    /// Puts accounts in force that were stored or deleted.
    fn changed(&self, keys: &[PublicKey]) -> Result<(), String> {
        if keys.is_empty() {
            return Ok(());
        }
        accounts_changed(&self.shared, keys)?;
        operator::follow_up(&self.shared, keys);
        Ok(())
    }

    fn push(&self, request: &Request, account: Option<&str>) -> Vec<u8> {
        let token = String::from_utf8_lossy(&request.body);
        let Some(operator) = self.shared.operator() else {
            return self.claims_error(Some("n/a"), "there is no operator");
        };
        let attempt = operator.attempt();
        let is_used = |name: &str| self.shared.accounts.get(name).is_some();
        let (key, message) = match operator.push(&token, account, is_used) {
            Ok(Pushed::Skipped(key)) => (key, format!("{attempt} skipped")),
            Ok(Pushed::Stored(key)) => match self.changed(&[key]) {
                Ok(()) => (key, attempt.replacen("update", "updated", 1)),
                Err(problem) => {
                    let text = format!("{attempt} resulted in error - {problem}");
                    return self.claims_error(Some(&key.to_string()), &text);
                }
            },
            Err((name, problem)) => return self.claims_error(Some(&name), &problem),
        };
        debug!(self.shared.log, "{message} - {key}");
        let data = json!({"account": key.to_string(), "code": 200, "message": message});
        self.answer(data.to_string().as_bytes())
    }

    fn delete(&self, request: &Request) -> Vec<u8> {
        let token = String::from_utf8_lossy(&request.body);
        let deleted = match self.shared.operator() {
            Some(operator) => operator.delete(&token),
            None => Err("there is no operator".to_owned()),
        };
        match deleted.and_then(|keys| self.changed(&keys).map(|()| keys.len())) {
            Ok(count) => {
                let message = format!("deleted {count} accounts");
                let data = json!({"code": 200, "message": message});
                self.answer(data.to_string().as_bytes())
            }
            Err(problem) => self.claims_error(None, &problem),
        }
    }

    fn claims_error(&self, account: Option<&str>, problem: &str) -> Vec<u8> {
        error!(self.shared.log, "{problem}");
        let mut error = json!({"code": 500, "description": problem});
        if let Some(account) = account {
            error["account"] = Value::from(account);
        }
        let server = self.server_info();
        format!("{{\"server\":{server},\"error\":{error}}}").into_bytes()
    }
}
