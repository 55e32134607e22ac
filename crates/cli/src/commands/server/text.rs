//! Cells that several reports about servers have in common.

use std::net::IpAddr;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value;

use crate::commands::shared::doc::Doc;
use crate::output::{duration, number};

/// A count of a document with separators.
pub(crate) fn number_of(doc: &Value, path: &str) -> String {
    number::grouped(doc.count(path))
}

/// A size of a document.
pub(crate) fn bytes_of(doc: &Value, path: &str) -> String {
    number::bytes(doc.count(path))
}

/// The columns of a table of connections, with why they ended if that is of interest.
pub(crate) fn connection_columns(has_reason: bool) -> Vec<&'static str> {
    let mut columns = vec![
        "CID",
        "Name",
        "Server",
        "Cluster",
        "IP",
        "Account",
        "Uptime",
        "In Msgs",
        "Out Msgs",
        "In Bytes",
        "Out Bytes",
        "Subs",
    ];
    columns.extend(has_reason.then_some("Reason"));
    columns
}

/// What connections carried, and their subscriptions, added up as cells of the last columns of their
/// table.
pub(crate) fn connection_amounts<'a>(
    connections: impl Iterator<Item = &'a Value> + Clone,
) -> [String; 5] {
    let total = |path: &str| number::total(connections.clone().map(|info| info.count(path)));
    [
        number::grouped(total("in_msgs")),
        number::grouped(total("out_msgs")),
        number::bytes(total("in_bytes")),
        number::bytes(total("out_bytes")),
        number::grouped(total("subscriptions")),
    ]
}

/// The title of a table of the `shown` first connections of `all`.
pub(crate) fn connection_title(shown: usize, all: usize, key: &impl ValueEnum) -> String {
    let key = key.to_possible_value();
    let key = key.as_ref().map_or("", |value| value.get_name());
    let [shown, all] = [shown, all].map(|count| number::grouped(count as u64));
    format!("Top {shown} Connections out of {all} by {key}")
}

/// The time between two moments, for people.
pub(crate) fn ago(from: Timestamp, to: Timestamp) -> String {
    duration::human(Duration::try_from(to.duration_since(from)).unwrap_or_default())
}

/// A duration that a server wrote (`334µs`, `2.9ms`), rounded for people; as it came if it is none.
pub(crate) fn rounded(text: &str) -> String {
    duration::parse(text).map_or_else(|_| text.to_owned(), duration::human)
}

/// Names without what all of them end in, domain part by domain part: `n1.east.example.net` is `n1`
/// if all are in `east.example.net`. Addresses have no parts that could be left out.
pub(crate) fn compact(names: &[&str], is_wanted: bool) -> Vec<String> {
    let has_address = names.iter().any(|name| name.parse::<IpAddr>().is_ok());
    let is_wanted = is_wanted && !has_address;
    let parts: Vec<Vec<&str>> = names.iter().map(|name| name.split('.').collect()).collect();
    let shortest = parts.iter().map(Vec::len).min().unwrap_or(0);
    let is_shared = |from_end: usize| {
        let part = |name: &Vec<&str>| name.iter().rev().nth(from_end).map(|p| (*p).to_owned());
        let first = parts.first().and_then(part);
        parts.iter().all(|name| part(name) == first)
    };
    let mut shared = 0;
    while is_wanted && shared + 1 < shortest && is_shared(shared) {
        shared += 1;
    }
    parts
        .iter()
        .map(|name| name.get(..name.len() - shared).unwrap_or(name).join("."))
        .collect()
}

/// A long account name with its middle left out.
pub(crate) fn short_account(name: &str) -> String {
    match (name.get(..10), name.get(name.len().saturating_sub(10)..)) {
        (Some(head), Some(tail)) if name.len() > 23 => format!("{head}...{tail}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_domains_are_left_out() {
        let check = |names: &[&str], expected: &[&str]| assert_eq!(compact(names, true), expected);
        check(&["n1.example.net", "n2.example.net"], &["n1", "n2"]);
        check(&["n1.east.net", "n2.west.net"], &["n1.east", "n2.west"]);
        check(&["n1", "n2.net"], &["n1", "n2.net"]);
        check(&["127.0.0.1"], &["127.0.0.1"]);
        check(&["10.0.0.1", "n1.net"], &["10.0.0.1", "n1.net"]);
        check(&[], &[]);
        assert_eq!(compact(&["a.b"], false), ["a.b"]);
    }

    #[test]
    fn long_accounts_are_shortened() {
        let key = "ADMHMDX2LEUJRZQHGVSVRWZEJ2CPNHYO6TB4ZCZ37LXAX5SYNEW252GF";
        assert_eq!(short_account(key), "ADMHMDX2LE...SYNEW252GF");
        assert_eq!(short_account("SYS"), "SYS");
    }
}
