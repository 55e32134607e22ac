//! What the system account says: the parts that messages have in common, and the server's figures.

use std::time::SystemTime;

use cognate_process::text::rfc3339_nano;
use cognate_process::usage;
use serde_json::{Map, Value, json};

use super::System;
use crate::shared::COMPATIBLE_VERSION;

/// `flags` of a server with JetStream, in bits: that it has it, that it reads binary snapshots of
/// replicated streams, and that accounts may replicate. The latter two are for other servers.
const JETSTREAM_FLAGS: u64 = 7;

impl System {
    /// The server, as every message describes it.
    pub(super) fn server_info(&self) -> Value {
        let shared = &self.shared;
        let (options, info) = (shared.options(), shared.info());
        let mut server = Map::new();
        server.insert("name".to_owned(), shared.facts.server_name.as_str().into());
        server.insert("host".to_owned(), info.host.into());
        server.insert("id".to_owned(), shared.facts.server_id.as_str().into());
        if !info.domain.is_empty() {
            server.insert("domain".to_owned(), info.domain.into());
        }
        server.insert("ver".to_owned(), COMPATIBLE_VERSION.into());
        if !options.server_tags.is_empty() {
            server.insert("tags".to_owned(), json!(options.server_tags));
        }
        if !options.server_metadata.is_empty() {
            server.insert("metadata".to_owned(), json!(options.server_metadata));
        }
        let features = json!(crate::info::feature_flags(&options));
        server.insert("feature_flags".to_owned(), features);
        let flags = if info.jetstream { JETSTREAM_FLAGS } else { 0 };
        server.insert("jetstream".to_owned(), info.jetstream.into());
        server.insert("flags".to_owned(), flags.into());
        server.insert("seq".to_owned(), self.next_sequence().into());
        server.insert("time".to_owned(), rfc3339_nano(SystemTime::now()).into());
        Value::Object(server)
    }

    /// The answer to a request that has one.
    pub(super) fn answer(&self, data: &[u8]) -> Vec<u8> {
        let mut body = format!("{{\"server\":{},\"data\":", self.server_info()).into_bytes();
        // Documents are indented for people who look at them over HTTP; here that is only longer.
        match serde_json::from_slice::<serde::de::IgnoredAny>(data) {
            Ok(_) => body.extend(compact(data)),
            Err(_) => body.extend_from_slice(b"null"),
        }
        body.push(b'}');
        body
    }

    /// The answer to a request that cannot be fulfilled.
    pub(super) fn refusal(&self, code: u16, description: &str) -> Vec<u8> {
        let error = json!({"code": code, "description": description});
        let server = self.server_info();
        format!("{{\"server\":{server},\"data\":null,\"error\":{error}}}").into_bytes()
    }

    /// The message of a typed event. `members` come after the common ones.
    pub(super) fn event(&self, kind: &str, members: Map<String, Value>) -> Vec<u8> {
        let mut body = format!(
            "{{\"type\":\"{kind}\",\"id\":\"{}\",\"timestamp\":\"{}\",\"server\":{}",
            crate::ids::fresh(&self.shared),
            rfc3339_nano(SystemTime::now()),
            self.server_info()
        );
        for (name, value) in members {
            body.push_str(&format!(",{}:{value}", Value::from(name)));
        }
        body.push('}');
        body.into_bytes()
    }

    /// The server's figures.
    pub(super) fn statsz(&self) -> Vec<u8> {
        let shared = &self.shared;
        let (received, sent) = shared.traffic();
        let lifetime = &shared.registry.lifetime;
        let relaxed = std::sync::atomic::Ordering::Relaxed;
        let accounts = shared.accounts.all();
        let subscriptions: u64 = accounts.iter().map(|a| a.interest().len() as u64).sum();
        let active = accounts.iter().filter(|a| a.clients() > 0).count();
        let traffic =
            |totals: crate::data::Totals| json!({"msgs": totals.msgs, "bytes": totals.bytes});
        let mut statsz = json!({
            "start": rfc3339_nano(shared.started_at),
            "mem": usage::resident_bytes(),
            "cores": usage::cores(),
            "cpu": shared.cpu.lock().percent(),
            "connections": shared.registry.len(),
            "total_connections": lifetime.connections.load(relaxed),
            "active_accounts": active,
            "subscriptions": subscriptions,
            "sent": traffic(sent),
            "sent_to_clients": traffic(sent),
            "received": traffic(received),
            "received_from_clients": traffic(received),
            "slow_consumers": lifetime.slow_consumers.load(relaxed),
            "active_servers": 1,
            "gomaxprocs": usage::cores(),
        });
        let stalls = lifetime.stalls.load(relaxed);
        if stalls > 0 {
            statsz["stalled_clients"] = stalls.into();
        }
        let stale = lifetime.stale_connections.load(relaxed);
        if stale > 0 {
            statsz["stale_connections"] = stale.into();
        }
        if let Some(jetstream) = self.jetstream_figures() {
            statsz["jetstream"] = jetstream;
        }
        let server = self.server_info();
        format!("{{\"server\":{server},\"statsz\":{statsz}}}").into_bytes()
    }

    /// What `/varz` says of JetStream, without where its files are; `None` while it is off.
    fn jetstream_figures(&self) -> Option<Value> {
        self.shared.jetstream.read().as_ref()?;
        let document = self.documents.document("VARZ", &Map::new()).ok()?;
        let mut varz: Value = serde_json::from_slice(&document).ok()?;
        let mut jetstream = varz.get_mut("jetstream")?.take();
        jetstream
            .get_mut("config")?
            .as_object_mut()?
            .remove("store_dir");
        Some(jetstream)
    }
}

/// JSON without the white space between its parts.
fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let (mut in_text, mut escaped) = (false, false);
    for &byte in json {
        if in_text || !byte.is_ascii_whitespace() {
            out.push(byte);
        }
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn only_white_space_between_parts_goes() {
        let json = b"{\n  \"a b\": [ 1, \"\\\" x \" ],\n  \"c\": {}\n}\n";
        assert_eq!(compact(json), b"{\"a b\":[1,\"\\\" x \"],\"c\":{}}");
    }
}
