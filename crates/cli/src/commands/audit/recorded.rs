//! An archive in the place of servers: the documents that `nats audit gather` wrote, as answers to the
//! questions that reports ask.
//!
//! ```text
//! question (CONNZ and its options) ─▶ kind of document ─▶ one answer per server, its pages joined
//! ```
//!
//! Called by `server::source`, which asks servers or this. Invariant: what an archive does not know is
//! an error that names the option, never the answer to another question. Absent: less than everything;
//! where an option would have servers leave something out, the answer has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::archive::{Archive, Place, UNCLUSTERED};
use super::statistics;
use crate::commands::server::sys::Answer;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};

/// An archive that is asked as servers are.
pub(crate) struct Recorded {
    archive: Archive,
    shown: String,
}

/// What makes one document of several: the pages of a server, or what it said of each account.
#[derive(Clone, Copy)]
enum Join {
    /// There is one.
    Nothing,
    /// The entries of this list belong together.
    List(&'static str),
    /// All fields do.
    Fields,
}

/// Which documents answer a question.
struct Kind<'a> {
    name: &'static str,
    join: Join,
    /// Those of this account only.
    account: Option<&'a str>,
}

impl Recorded {
    /// Opens an archive of ours or of the official tool.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Recorded {
            archive: Archive::open(path)?,
            shown: path.display().to_string(),
        })
    }

    /// What the servers that are meant said, as they would have answered `what` with these options.
    pub(crate) fn documents(&self, what: &str, options: &Value) -> Result<Vec<Answer>> {
        self.refuse_unknown(what, options)?;
        let mut documents = match what {
            "STATSZ" => self.statistics()?,
            _ => self.joined(&kind(what, options)?)?,
        };
        documents.retain(|document| is_meant(document.at("server"), options));
        if documents.is_empty() {
            return Err(Error::new(format!(
                "{} has no {what} of the servers that are meant",
                self.shown
            ))
            .hint("`nats server list --archive FILE` shows which servers are in it."));
        }
        let answer = |mut document: Value| {
            narrow(what, options, &mut document);
            Ok(Answer {
                text: serde_json::to_vec(&document)?,
                document,
                after: Duration::ZERO,
            })
        };
        documents.into_iter().map(answer).collect()
    }

    /// The profiles of a name and level of detail, each with the name of its server.
    pub(crate) fn profiles(
        &self,
        name: &str,
        level: u32,
        options: &Value,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let wanted = match level {
            0 => name.to_owned(),
            level => format!("{name}_{level}"),
        };
        let mut profiles = self.archive.profiles(&wanted)?;
        profiles.retain(|(place, _)| {
            let cluster = Some(&place.cluster).filter(|cluster| *cluster != UNCLUSTERED);
            is_meant(
                &json!({ "name": place.server, "cluster": cluster }),
                options,
            )
        });
        if profiles.is_empty() {
            return Err(Error::new(format!(
                "{} has no profile {name} of level {level}",
                self.shown
            ))
            .hint(
                "`nats audit gather` takes goroutine at the levels 1 and 2, all others at level 0.",
            ));
        }
        let named = |(place, profile): (Place, _)| (place.server, profile);
        Ok(profiles.into_iter().map(named).collect())
    }

    fn refuse_unknown(&self, what: &str, options: &Value) -> Result<()> {
        let unknown: &[&str] = match what {
            "CONNZ" => &["filter_subject", "user", "state", "cid"],
            "SUBSZ" => &["test"],
            "HEALTHZ" => &[
                "js-enabled-only",
                "js-server-only",
                "account",
                "stream",
                "consumer",
            ],
            _ => &[],
        };
        let is_asked = |key: &&&str| match options.at(key) {
            Value::Null | Value::Bool(false) => false,
            value => *value != json!(0),
        };
        match unknown.iter().find(is_asked) {
            None => Ok(()),
            Some(option) => Err(Error::new(format!(
                "{} cannot be asked for one {option} only: it was gathered without",
                self.shown
            ))
            .hint("Leave that option out, or ask the servers, without --archive.")),
        }
    }

    /// The documents of a kind, those of one server made one, in the order of the servers.
    fn joined(&self, kind: &Kind<'_>) -> Result<Vec<Value>> {
        let mut servers: BTreeMap<(String, String), Value> = BTreeMap::new();
        for (place, mut document) in self.archive.documents(kind.name)? {
            let account = place.account.as_deref();
            if kind.account.is_some() && account != kind.account {
                continue;
            }
            if let Some(account) = account {
                name_account(&mut document, account);
            }
            match servers.entry((place.cluster, place.server)) {
                Entry::Vacant(free) => drop(free.insert(document)),
                Entry::Occupied(mut first) => join(first.get_mut(), &mut document, kind.join),
            }
        }
        let mut documents: Vec<Value> = servers.into_values().collect();
        if let Join::List(list) = kind.join {
            documents
                .iter_mut()
                .for_each(|document| end_pages(document, list));
        }
        Ok(documents)
    }

    /// Servers' statistics, which are not gathered but made of what is.
    fn statistics(&self) -> Result<Vec<Value>> {
        let all = |name| {
            self.joined(&Kind {
                name,
                join: Join::Nothing,
                account: None,
            })
        };
        let (servers, routes, gateways) = (all("variables")?, all("routes")?, all("gateways")?);
        let statistics = |server: &Value| {
            let id = server.text("server.id");
            let of = |documents: &[Value]| {
                let document = documents.iter().find(|other| other.text("server.id") == id);
                document.map(|document| document.at("data").clone())
            };
            let made = statistics::of(
                server.at("data"),
                &of(&routes).unwrap_or_default(),
                &of(&gateways).unwrap_or_default(),
                servers.len(),
            );
            json!({ "server": server.at("server"), "statsz": made })
        };
        Ok(servers.iter().map(statistics).collect())
    }
}

/// The documents that answer a question.
fn kind<'a>(what: &str, options: &'a Value) -> Result<Kind<'a>> {
    let account = ["account", "acc"].map(|key| options.text(key));
    let account = account.into_iter().find(|account| !account.is_empty());
    let (name, join) = match (what, account) {
        ("VARZ", _) => ("variables", Join::Nothing),
        // Those of accounts say which account a connection is of.
        ("CONNZ", _) => ("account_connections", Join::List("connections")),
        ("ROUTEZ", _) => ("routes", Join::Nothing),
        ("GATEWAYZ", _) => ("gateways", Join::Nothing),
        ("LEAFZ", None) => ("leafs", Join::Nothing),
        ("LEAFZ", Some(_)) => ("account_leafs", Join::Nothing),
        ("SUBSZ", None) => ("subs", Join::List("subscriptions_list")),
        ("SUBSZ", Some(_)) => ("account_subs", Join::List("subscriptions_list")),
        ("JSZ", _) => ("jetstream_info", Join::List("account_details")),
        ("HEALTHZ", _) => ("health", Join::Nothing),
        ("ACCOUNTZ", None) => ("accounts", Join::Nothing),
        ("ACCOUNTZ", Some(_)) => ("account_info", Join::Nothing),
        ("RAFTZ", _) => ("account_raftz", Join::Fields),
        ("IPQUEUESZ", _) => ("account_ipqueues", Join::Fields),
        _ => return Err(Error::new(format!("archives have no {what}"))),
    };
    // Of these documents the parts about other accounts are taken out later.
    let account = account.filter(|_| name != "jetstream_info");
    Ok(Kind {
        name,
        join,
        account,
    })
}

/// Whether a server is one of those that [`crate::commands::server::sys::selected`] wrote into the
/// options.
fn is_meant(server: &Value, options: &Value) -> bool {
    let is = |option: &str, fields: &[&str]| {
        let wanted = options.text(option);
        wanted.is_empty() || fields.iter().any(|field| server.text(field) == wanted)
    };
    let tags = server.texts("tags");
    let has = |wanted: String| tags.iter().any(|tag| tag.eq_ignore_ascii_case(&wanted));
    is("server_name", &["name", "id"])
        && is("host", &["host"])
        && is("cluster", &["cluster"])
        && is("domain", &["domain"])
        && options.texts("tags").into_iter().all(has)
}

/// Writes the account that a document is about into its connections, where servers leave it out; and
/// an account's own description where servers have it when they are asked.
fn name_account(document: &mut Value, account: &str) {
    let Some(data) = document.get_mut("data").and_then(Value::as_object_mut) else {
        return;
    };
    if data.contains_key("account_name") && !data.contains_key("account_detail") {
        let detail = Value::Object(std::mem::take(data));
        data.insert("account_detail".to_owned(), detail);
    }
    let connections = data.get_mut("connections").and_then(Value::as_array_mut);
    for connection in connections.into_iter().flatten() {
        if let Some(fields) = connection.as_object_mut() {
            fields.entry("account").or_insert_with(|| json!(account));
        }
    }
}

/// Adds a server's further document to its first.
fn join(first: &mut Value, other: &mut Value, by: Join) {
    let (Some(into), Some(from)) = (data_of(first), data_of(other)) else {
        return;
    };
    match by {
        Join::Nothing => {}
        Join::Fields => into.append(from),
        Join::List(list) => {
            let more = from.remove(list).unwrap_or_default();
            let entries = into.entry(list).or_insert_with(|| json!([]));
            if let (Some(entries), Value::Array(more)) = (entries.as_array_mut(), more) {
                entries.extend(more);
            }
        }
    }
}

fn data_of(document: &mut Value) -> Option<&mut Map<String, Value>> {
    document.get_mut("data")?.as_object_mut()
}

/// Has a document say that it is the only page.
fn end_pages(document: &mut Value, list: &str) {
    let count = document.at("data").list(list).len();
    if let Some(data) = data_of(document).filter(|_| list == "connections") {
        for (key, value) in [
            ("offset", 0),
            ("limit", count),
            ("total", count),
            ("num_connections", count),
        ] {
            data.insert(key.to_owned(), json!(value));
        }
    }
}

/// Takes out what the options leave out.
fn narrow(what: &str, options: &Value, document: &mut Value) {
    let Some(data) = data_of(document) else {
        return;
    };
    let account = options.text("account").to_owned();
    match what {
        "JSZ" if !account.is_empty() => {
            let details = data
                .get_mut("account_details")
                .and_then(Value::as_array_mut);
            if let Some(details) = details {
                details
                    .retain(|detail| ["name", "id"].iter().any(|key| detail.text(key) == account));
            }
        }
        "GATEWAYZ" if !options.text("name").is_empty() => {
            for direction in ["inbound_gateways", "outbound_gateways"] {
                if let Some(gateways) = data.get_mut(direction).and_then(Value::as_object_mut) {
                    gateways.retain(|name, _| name == options.text("name"));
                }
            }
        }
        "RAFTZ" => {
            let group = options.text("group");
            for groups in data.values_mut().filter_map(Value::as_object_mut) {
                groups.retain(|name, _| group.is_empty() || name == group);
            }
            data.retain(|_, groups| groups.as_object().is_none_or(|groups| !groups.is_empty()));
        }
        "IPQUEUESZ" => data.retain(|name, queue| {
            let is_used = queue.count("pending") > 0 || queue.count("in_progress") > 0;
            (is_used || options.flag("all")) && name.contains(options.text("filter"))
        }),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_selected_as_they_select_themselves() {
        let server =
            json!({ "name": "n1", "id": "NID", "host": "h", "cluster": "c", "tags": ["A:1", "b"] });
        let check = |options: Value, expected: bool| {
            assert_eq!(is_meant(&server, &options), expected, "{options}");
        };
        check(json!({}), true);
        check(json!({ "server_name": "n1" }), true);
        check(json!({ "server_name": "NID" }), true);
        check(json!({ "server_name": "n2" }), false);
        check(
            json!({ "host": "h", "cluster": "c", "tags": ["a:1", "B"] }),
            true,
        );
        check(json!({ "tags": ["a:1", "c"] }), false);
        check(json!({ "domain": "hub" }), false);
    }

    #[test]
    fn pages_become_one() {
        let page = |cids: &[u64]| {
            let connections: Vec<_> = cids.iter().map(|cid| json!({ "cid": cid })).collect();
            json!({ "server": { "id": "N" }, "data": { "connections": connections, "total": 3, "limit": 2 } })
        };
        let (mut first, mut second) = (page(&[1, 2]), page(&[3]));
        name_account(&mut second, "A");
        join(&mut first, &mut second, Join::List("connections"));
        end_pages(&mut first, "connections");
        let expected = json!({
            "connections": [{ "cid": 1 }, { "cid": 2 }, { "cid": 3, "account": "A" }],
            "offset": 0, "limit": 3, "total": 3, "num_connections": 3,
        });
        assert_eq!(*first.at("data"), expected);
    }

    #[test]
    fn options_take_parts_out() {
        let check = |what: &str, options: Value, data: Value, expected: Value| {
            let mut document = json!({ "data": data });
            narrow(what, &options, &mut document);
            assert_eq!(*document.at("data"), expected, "{what} {options}");
        };
        let raft = json!({ "$SYS": { "_meta_": {}, "S-R3": {} }, "A": { "C-R3": {} } });
        check(
            "RAFTZ",
            json!({ "group": "S-R3" }),
            raft,
            json!({ "$SYS": { "S-R3": {} } }),
        );
        let queues = json!({ "a": { "pending": 1 }, "b": { "pending": 0 } });
        check(
            "IPQUEUESZ",
            json!({}),
            queues.clone(),
            json!({ "a": { "pending": 1 } }),
        );
        check(
            "IPQUEUESZ",
            json!({ "all": true, "filter": "b" }),
            queues,
            json!({ "b": { "pending": 0 } }),
        );
        let details = json!({ "account_details": [{ "name": "A" }, { "name": "B" }] });
        check(
            "JSZ",
            json!({ "account": "B" }),
            details,
            json!({ "account_details": [{ "name": "B" }] }),
        );
    }
}
