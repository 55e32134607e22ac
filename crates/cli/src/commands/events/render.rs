//! Events as text: a title, then what is known, label by label; or all of it on one line.
//!
//! Which fields an event has is a table by its type. An event of a type that is not in the table is
//! shown with all its fields, so that nothing new is hidden.

use std::time::Duration;

use serde_json::{Value, json};

use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::{duration, number, time};

/// How a field is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum As {
    Text,
    Count,
    Nanos,
    Bytes,
    /// Two lines of JSON in a text, indented.
    Body,
    /// A message and byte count.
    Traffic,
    /// Peers of a cluster.
    Peers,
}

/// A type of event: its name, its title, the short form's tag, and its fields.
struct Kind {
    name: &'static str,
    title: &'static str,
    tag: &'static str,
    /// Paths whose values the short form shows, in order.
    short: &'static [&'static str],
    fields: &'static [(&'static str, &'static str, As)],
}

/// The fields of a client, below `client`.
#[rustfmt::skip]
const CLIENT: &[(&str, &str, As)] = &[
    ("ID", "client.id", As::Text),
    ("User", "client.user", As::Text),
    ("Name", "client.name", As::Text),
    ("Account", "client.acc", As::Text),
    ("Library Version", "client.ver", As::Text),
    ("Language", "client.lang", As::Text),
    ("Host", "client.host", As::Text),
    ("Issuer Key", "client.issuer_key", As::Text),
    ("Name Tag", "client.name_tag", As::Text),
    ("Client Kind", "client.kind", As::Text),
    ("Client Type", "client.client_type", As::Text),
];

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { name: "io.nats.server.advisory.v1.client_connect", title: "Client Connection", tag: "Connection",
        short: &["client.user", "client.id", "client.acc"],
        fields: &[("Server", "server.name", As::Text), ("Cluster", "server.cluster", As::Text)] },
    Kind { name: "io.nats.server.advisory.v1.client_disconnect", title: "Client Disconnection", tag: "Disconnection",
        short: &["client.user", "client.id", "client.acc", "reason"],
        fields: &[("Reason", "reason", As::Text), ("Server", "server.name", As::Text), ("Cluster", "server.cluster", As::Text),
            ("RTT", "client.rtt", As::Nanos), ("Client Received", "sent", As::Traffic), ("Client Published", "received", As::Traffic)] },
    Kind { name: "io.nats.server.advisory.v1.account_connections", title: "Account Status", tag: "Account",
        short: &["acc", "conns"],
        fields: &[("Account", "acc", As::Text), ("Server", "server.name", As::Text), ("Connections", "conns", As::Count),
            ("Total Connections", "total_conns", As::Count), ("Leafnodes", "leafnodes", As::Count),
            ("Received", "received", As::Traffic), ("Published", "sent", As::Traffic)] },
    Kind { name: "io.nats.jetstream.advisory.v1.api_audit", title: "JetStream API Access", tag: "JS API",
        short: &["subject", "client.user", "client.acc"],
        fields: &[("Server", "server", As::Text), ("Subject", "subject", As::Text), ("Domain", "domain", As::Text),
            ("Request", "request", As::Body), ("Response", "response", As::Body)] },
    Kind { name: "io.nats.jetstream.advisory.v1.api_limit_reached", title: "API Limit Reached", tag: "JS API Limit",
        short: &["server", "domain", "dropped"],
        fields: &[("Server", "server", As::Text), ("Dropped", "dropped", As::Count), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.stream_action", title: "Stream {action} Action", tag: "Stream {action}",
        short: &["stream"],
        fields: &[("Stream", "stream", As::Text), ("Template", "template", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_action", title: "Consumer {action} Action", tag: "Consumer {action}",
        short: &["stream", "consumer"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_pause", title: "Consumer Pause", tag: "Consumer Pause",
        short: &["stream", "consumer", "paused", "pause_until"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Paused", "paused", As::Text),
            ("Until", "pause_until", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.max_deliver", title: "Delivery Attempts Exceeded", tag: "JS Max Deliveries",
        short: &["stream", "stream_seq", "consumer", "deliveries"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Stream Sequence", "stream_seq", As::Text),
            ("Deliveries", "deliveries", As::Count), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.terminated", title: "Delivery Terminated", tag: "JS Delivery Terminated",
        short: &["stream", "stream_seq", "consumer", "deliveries", "reason"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Stream Sequence", "stream_seq", As::Text),
            ("Deliveries", "deliveries", As::Count), ("Reason", "reason", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.nak", title: "Delivery NAKed", tag: "JS Delivery NAKed",
        short: &["stream", "stream_seq", "consumer", "deliveries"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Stream Sequence", "stream_seq", As::Text),
            ("Deliveries", "deliveries", As::Count), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_group_pinned", title: "Grouped Consumer Pinned a Client", tag: "Consumer Pinned",
        short: &["stream", "consumer", "group", "pinned_id"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Group", "group", As::Text),
            ("Pinned Client", "pinned_id", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_group_unpinned", title: "Grouped Consumer Un-Pinned a Client", tag: "Consumer Un-Pinned",
        short: &["stream", "consumer", "group", "reason"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Group", "group", As::Text),
            ("Reason", "reason", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.stream_leader_elected", title: "Stream Leader Election", tag: "RAFT Leader",
        short: &["stream", "leader"],
        fields: &[("Stream", "stream", As::Text), ("Leader", "leader", As::Text), ("Replicas", "replicas", As::Peers)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_leader_elected", title: "Consumer Leader Election", tag: "RAFT Leader",
        short: &["stream", "consumer", "leader"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Leader", "leader", As::Text), ("Replicas", "replicas", As::Peers)] },
    Kind { name: "io.nats.jetstream.advisory.v1.domain_leader_elected", title: "Domain Leader Election", tag: "RAFT Leader",
        short: &["domain", "leader"],
        fields: &[("Domain", "domain", As::Text), ("Cluster", "cluster", As::Text), ("Leader", "leader", As::Text), ("Replicas", "replicas", As::Peers)] },
    Kind { name: "io.nats.jetstream.advisory.v1.stream_quorum_lost", title: "Stream Quorum Lost", tag: "RAFT Quorum Lost",
        short: &["stream"],
        fields: &[("Stream", "stream", As::Text), ("Replicas", "replicas", As::Peers)] },
    Kind { name: "io.nats.jetstream.advisory.v1.consumer_quorum_lost", title: "Consumer Quorum Lost", tag: "RAFT Quorum Lost",
        short: &["stream", "consumer"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Replicas", "replicas", As::Peers)] },
    Kind { name: "io.nats.jetstream.advisory.v1.stream_batch_abandoned", title: "Publish Batch Abandoned", tag: "Batch Abandoned",
        short: &["stream", "batch", "reason"],
        fields: &[("Stream", "stream", As::Text), ("Batch", "batch", As::Text), ("Reason", "reason", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.snapshot_create", title: "Stream Snapshot Created", tag: "Snapshot Create",
        short: &["stream"],
        fields: &[("Stream", "stream", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.snapshot_complete", title: "Stream Snapshot Completed", tag: "Snapshot Complete",
        short: &["stream"],
        fields: &[("Stream", "stream", As::Text), ("Start", "start", As::Text), ("End", "end", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.restore_create", title: "Stream Restore Created", tag: "Restore Create",
        short: &["stream"],
        fields: &[("Stream", "stream", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.restore_complete", title: "Stream Restore Completed", tag: "Restore Complete",
        short: &["stream", "bytes"],
        fields: &[("Stream", "stream", As::Text), ("Start", "start", As::Text), ("End", "end", As::Text), ("Bytes", "bytes", As::Bytes), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.server_out_of_space", title: "Out of Disk Space", tag: "Out of Disk Space",
        short: &["server", "stream"],
        fields: &[("Server", "server", As::Text), ("Cluster", "cluster", As::Text), ("Stream", "stream", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.advisory.v1.server_removed", title: "Server Removed", tag: "Server Removed",
        short: &["server", "cluster"],
        fields: &[("Server", "server", As::Text), ("Server ID", "server_id", As::Text), ("Cluster", "cluster", As::Text), ("Domain", "domain", As::Text)] },
    Kind { name: "io.nats.jetstream.metric.v1.consumer_ack", title: "Acknowledgment Sample", tag: "JS Ack",
        short: &["stream", "stream_seq", "consumer", "consumer_seq", "deliveries", "ack_time"],
        fields: &[("Stream", "stream", As::Text), ("Consumer", "consumer", As::Text), ("Stream Sequence", "stream_seq", As::Text),
            ("Consumer Sequence", "consumer_seq", As::Text), ("Deliveries", "deliveries", As::Count), ("Delay", "ack_time", As::Nanos)] },
    Kind { name: "io.nats.server.metric.v1.service_latency", title: "Service Latency", tag: "Svc Latency",
        short: &["description", "total"],
        fields: &[("Start Time", "start", As::Text), ("Error", "description", As::Text), ("Request Duration", "total", As::Nanos),
            ("NATS System", "system", As::Nanos), ("Service", "service", As::Nanos), ("Requestor Account", "requestor.acc", As::Text),
            ("Requestor User", "requestor.user", As::Text), ("Requestor RTT", "requestor.rtt", As::Nanos),
            ("Responder Account", "responder.acc", As::Text), ("Responder Name", "responder.name", As::Text), ("Responder RTT", "responder.rtt", As::Nanos)] },
];

fn read(payload: &[u8]) -> Result<Value> {
    let event: Value = serde_json::from_slice(payload)?;
    match event.text("type") {
        "" => Err(Error::new("this is no event: it has no type")),
        _ => Ok(event),
    }
}

fn kind_of(event: &Value) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == event.text("type"))
}

fn clock(event: &Value) -> String {
    event.time("timestamp").map_or_else(
        || event.text("timestamp").to_owned(),
        |at| {
            time::local(at)
                .split(' ')
                .next_back()
                .unwrap_or_default()
                .to_owned()
        },
    )
}

/// `{action}` in a title, as a word.
fn titled(title: &str, event: &Value) -> String {
    let action = event.text("action");
    let mut letters = action.chars();
    let first = letters.next().map(char::to_uppercase);
    let action: String = first.into_iter().flatten().chain(letters).collect();
    title.replace("{action}", &action)
}

/// The whole event.
pub(super) fn long(payload: &[u8]) -> Result<String> {
    let event = read(payload)?;
    let title = match kind_of(&event) {
        Some(kind) => titled(kind.title, &event),
        None => event.text("type").to_owned(),
    };
    let mut rows: Vec<(String, String)> = Vec::new();
    match kind_of(&event) {
        Some(kind) => {
            let client = if event.at("client").is_object() {
                CLIENT
            } else {
                &[]
            };
            for (label, path, r#as) in kind.fields.iter().chain(client) {
                if let Some(text) = shown(&event, path, *r#as) {
                    rows.push(((*label).to_owned(), text));
                }
            }
        }
        None => {
            let known = ["type", "id", "timestamp"];
            for (key, value) in own_entries(&event) {
                if !known.contains(&key) {
                    rows.push((key.to_owned(), plain(value)));
                }
            }
        }
    }
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 3;
    let mut text = format!("\n[{}] [{}] {title}\n\n", clock(&event), event.text("id"));
    for (label, value) in rows {
        let mut lines = value.lines();
        text.push_str(&format!(
            "{label:>width$}: {}\n",
            lines.next().unwrap_or_default()
        ));
        for line in lines {
            text.push_str(&format!("{:width$}  {line}\n", ""));
        }
    }
    Ok(text)
}

fn own_entries(event: &Value) -> Vec<(&str, &Value)> {
    event.as_object().map_or_else(Vec::new, |fields| {
        fields
            .iter()
            .map(|(key, value)| (key.as_str(), value))
            .collect()
    })
}

/// The event on one line.
pub(super) fn short(payload: &[u8]) -> Result<String> {
    let event = read(payload)?;
    let Some(kind) = kind_of(&event) else {
        return Ok(format!("{} [{}]", clock(&event), event.text("type")));
    };
    let field = |path: &&str| {
        let r#as = kind.fields.iter().find(|(_, known, _)| known == path);
        shown(&event, path, r#as.map_or(As::Text, |(_, _, r#as)| *r#as))
    };
    let values: Vec<String> = kind.short.iter().filter_map(field).collect();
    Ok(format!(
        "{} [{}] {}",
        clock(&event),
        titled(kind.tag, &event),
        values.join(" > ")
    ))
}

/// The event as a CloudEvent 1.0, on one line.
pub(super) fn cloud_event(payload: &[u8]) -> Result<String> {
    let event = read(payload)?;
    let name = event.text("type");
    let source = match name.split('.').nth(2) {
        Some("jetstream") => "urn:nats:jetstream",
        Some("server") => "urn:nats:server",
        _ => "urn:nats",
    };
    let cloud = json!({
        "type": name,
        "time": event.text("timestamp"),
        "id": event.text("id"),
        "source": source,
        "specversion": "1.0",
        "subject": "event",
        "datacontenttype": "application/json",
        "data": event,
    });
    Ok(cloud.to_string())
}

/// A field as text; none if it says nothing.
fn shown(event: &Value, path: &str, r#as: As) -> Option<String> {
    let value = event.at(path);
    if value.is_null() || value.as_str() == Some("") {
        return None;
    }
    Some(match r#as {
        As::Text => plain(value),
        As::Count => number::grouped(event.count(path)),
        As::Nanos => duration::human(Duration::from_nanos(event.count(path))),
        As::Bytes => number::bytes(event.count(path)),
        As::Body => match serde_json::from_str::<Value>(value.as_str().unwrap_or_default()) {
            Ok(body) => serde_json::to_string_pretty(&body).unwrap_or_default(),
            Err(_) => plain(value),
        },
        As::Traffic => format!(
            "{} messages ({})",
            number::grouped(value.count("msgs")),
            number::bytes(value.count("bytes"))
        ),
        As::Peers => {
            let peers = event.list(path).iter().map(|peer| {
                let state = if peer.flag("current") {
                    "current"
                } else {
                    "outdated"
                };
                let online = if peer.flag("offline") {
                    ", offline"
                } else {
                    ""
                };
                let active = duration::human(Duration::from_nanos(peer.count("active")));
                format!("{}: {state}{online}, seen {active} ago", peer.text("name"))
            });
            peers.collect::<Vec<_>>().join("\n")
        }
    })
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTION: &str = r#"{"type":"io.nats.jetstream.advisory.v1.stream_action","id":"X1",
        "timestamp":"2026-01-01T12:30:45Z","stream":"ORDERS","action":"create","domain":""}"#;

    #[test]
    fn known_events_are_told() {
        let text = long(ACTION.as_bytes()).expect("an event");
        assert!(
            text.contains("[X1] Stream Create Action\n\n   Stream: ORDERS\n"),
            "{text}"
        );
        let text = short(ACTION.as_bytes()).expect("an event");
        assert!(text.ends_with(" [Stream Create] ORDERS"), "{text}");
    }

    #[test]
    fn unknown_events_lose_nothing() {
        let text = long(br#"{"type":"io.example.v1.x","id":"1","timestamp":"t","load":7}"#);
        let text = text.expect("an event");
        assert!(
            text.contains("io.example.v1.x") && text.contains("load: 7"),
            "{text}"
        );
        assert!(long(b"{}").is_err() && long(b"hello").is_err());
    }

    #[test]
    fn cloud_events_carry_the_event() {
        let text = cloud_event(ACTION.as_bytes()).expect("an event");
        let cloud: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(cloud.text("specversion"), "1.0");
        assert_eq!(cloud.text("source"), "urn:nats:jetstream");
        assert_eq!(cloud.text("data.stream"), "ORDERS");
    }
}
