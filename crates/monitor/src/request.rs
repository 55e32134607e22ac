//! The documents as answers to requests over NATS.
//!
//! A request carries its options as JSON, under names of its own; here they become the parameters
//! of the same documents that HTTP serves. Called by the server's system account.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::documents::accountz::Detail;
use crate::documents::accstatz::AccountStat;
use crate::documents::jsz;
use crate::facts::Monitored;
use crate::query::{BadQuery, Query};
use crate::routes::{Endpoint, Routes};

/// Documents of one server for requests over NATS.
pub struct Documents {
    source: Arc<dyn Monitored>,
    routes: Routes,
}

/// Why there is no document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDocument {
    /// Nothing is known under this name.
    Unknown,
    /// The options are wrong, or ask for something that is not there: a code as in HTTP, and the
    /// reason.
    Refused(u16, String),
}

/// Options of requests, and the parameters that they stand for.
const PARAMETERS: [(&str, &str); 8] = [
    ("account", "acc"),
    ("subscriptions", "subs"),
    ("include_unused", "unused"),
    ("consumer", "consumers"),
    ("direct_consumer", "direct-consumers"),
    ("leader_only", "leader-only"),
    ("stream_leader_only", "stream-leader-only"),
    ("account_name", "acc_name"),
];

impl Documents {
    /// The documents of `source`.
    pub fn new(source: Arc<dyn Monitored>) -> Self {
        Documents {
            routes: Routes::new(Arc::clone(&source), ""),
            source,
        }
    }

    /// The document `name` (`VARZ`, `CONNZ`, …) as JSON, with `options`.
    ///
    /// # Errors
    /// If there is no such document, or the options are wrong.
    pub fn document(
        &self,
        name: &str,
        options: &Map<String, Value>,
    ) -> Result<Vec<u8>, NoDocument> {
        let endpoint = match name {
            "VARZ" => Endpoint::Varz,
            "CONNZ" => Endpoint::Connz,
            "SUBSZ" => Endpoint::Subsz,
            "ROUTEZ" => Endpoint::Routez,
            "GATEWAYZ" => Endpoint::Gatewayz,
            "LEAFZ" => Endpoint::Leafz,
            "ACCOUNTZ" => Endpoint::Accountz,
            "ACCSTATZ" => Endpoint::Accstatz,
            "JSZ" => Endpoint::Jsz,
            "HEALTHZ" => Endpoint::Healthz,
            "EXPVARZ" => Endpoint::Expvarz,
            "IPQUEUESZ" => Endpoint::Ipqueuesz,
            "RAFTZ" => Endpoint::Raftz,
            _ => return Err(NoDocument::Unknown),
        };
        let query = query(name, options);
        let answer = self.routes.uncounted(&endpoint, query.as_bytes());
        let is_document = answer.is_json();
        // A health check that fails has a document all the same, and its code is part of it.
        if is_document && endpoint == Endpoint::Healthz {
            return Ok(with_status(&answer.body, answer.status.as_u16()));
        }
        if is_document {
            return Ok(answer.body);
        }
        let reason = String::from_utf8_lossy(&answer.body).trim_end().to_owned();
        Err(NoDocument::Refused(answer.status.as_u16(), reason))
    }

    /// One account in detail; `None` if there is none of that name.
    pub fn account(&self, name: &str) -> Option<Vec<u8>> {
        let detail = Detail::new(self.source.account(name)?);
        serde_json::to_vec(&detail).ok()
    }

    /// JetStream of one account, with `options`.
    ///
    /// # Errors
    /// If the account has no JetStream, or the options are wrong.
    pub fn jetstream_account(
        &self,
        name: &str,
        options: &Map<String, Value>,
    ) -> Result<Vec<u8>, NoDocument> {
        let refused = |reason: String| NoDocument::Refused(500, reason);
        let query = query("JSZ", options);
        let query = Query::parse(query.as_bytes());
        let answer = jsz::account(self.source.as_ref(), &query, name);
        let answer = answer.map_err(|BadQuery(reason)| refused(reason))?;
        let answer = answer.ok_or_else(|| {
            let known = self.source.accounts();
            refused(match known.iter().any(|facts| facts.name == name) {
                true => format!("account {name:?} not jetstream enabled"),
                false => format!("account {name:?} not found"),
            })
        });
        Ok(answer?.body)
    }

    /// The connections and the traffic of one account, as members of a JSON object.
    pub fn account_stat(&self, name: &str) -> Option<Map<String, Value>> {
        let facts = self.source.accounts();
        let facts = facts.into_iter().find(|facts| facts.name == name)?;
        match serde_json::to_value(AccountStat::from(facts)).ok()? {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }
}

/// The document of a health check with its code behind its status.
fn with_status(body: &[u8], code: u16) -> Vec<u8> {
    match serde_json::from_slice::<Map<String, Value>>(body) {
        Ok(mut document) => {
            document.insert("status_code".to_owned(), code.into());
            Value::Object(document).to_string().into_bytes()
        }
        Err(_) => body.to_vec(),
    }
}

/// Options as a query.
fn query(name: &str, options: &Map<String, Value>) -> String {
    let mut query = String::new();
    let wants_detail = options.get("subscriptions_detail") == Some(&Value::Bool(true));
    if wants_detail && !options.contains_key("subscriptions") {
        query.push_str("subs=detail");
    }
    for (option, value) in options {
        // A health check has the same names here and there.
        let mut parameters = PARAMETERS.iter().filter(|_| name != "HEALTHZ");
        let parameter = parameters.find(|(from, _)| from == option);
        let parameter = parameter.map_or(option.as_str(), |(_, to)| to);
        let text = match (option.as_str(), value) {
            ("subscriptions_detail", _) => continue,
            // The more detailed list is asked for as well.
            ("subscriptions", _) if wants_detail => "detail".to_owned(),
            ("state", Value::Number(number)) => match number.as_u64() {
                Some(0) => "open".to_owned(),
                Some(1) => "closed".to_owned(),
                Some(2) => "all".to_owned(),
                // Unlike a name, a number that means no state finds nothing.
                _ => "#".to_owned(),
            },
            // Raft groups are chosen by the whole word.
            ("account", Value::String(text)) if name == "RAFTZ" => text.clone(),
            (_, Value::String(text)) => text.clone(),
            (_, Value::Array(items)) => {
                let names = items.iter().filter_map(Value::as_str);
                names.collect::<Vec<_>>().join(",")
            }
            (_, Value::Null) => continue,
            (_, value) => value.to_string(),
        };
        if !query.is_empty() {
            query.push('&');
        }
        escape(parameter, &mut query);
        query.push('=');
        escape(&text, &mut query);
    }
    query
}

/// Appends text as it may stand in a query.
fn escape(text: &str, query: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            query.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_parameters() {
        let check = |options: Value, expected: &str| {
            let options = options.as_object().cloned().unwrap_or_default();
            assert_eq!(query("CONNZ", &options), expected, "{options:?}");
        };
        check(serde_json::json!({}), "");
        check(
            serde_json::json!({"account": "A B", "limit": 2}),
            "acc=A%20B&limit=2",
        );
        check(serde_json::json!({"subscriptions": true}), "subs=true");
        check(
            serde_json::json!({"subscriptions_detail": true}),
            "subs=detail",
        );
        check(serde_json::json!({"state": 1, "x": null}), "state=closed");
        check(
            serde_json::json!({"accounts": ["A", "B"]}),
            "accounts=A%2CB",
        );
    }
}
