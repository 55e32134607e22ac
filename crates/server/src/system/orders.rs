//! Requests to the system account that have something done, and the one that is always declined.
//!
//! An order is carried out by the server whose id it names, if the filter in its body leaves that one
//! in, and only for who asks for an answer. Absent: figures ([`super::requests`]), tokens
//! ([`super::claims`]).

use cognate_wire::CloseReason;
use serde_json::{Map, Value, json};

use super::System;
use super::request::Request;
use crate::data::{Connection, Control};

/// What a server can be told to do, by its id.
pub(super) const ORDERS: [&str; 3] = ["RELOAD", "KICK", "LDM"];

/// Profiles of the runtime that Go programs have.
const GO_PROFILES: [&str; 6] = [
    "allocs",
    "block",
    "goroutine",
    "heap",
    "mutex",
    "threadcreate",
];

/// How long nats-server watches its processors at most, in nanoseconds.
const MAX_CPU_PROFILE: i64 = 15_000_000_000;

impl System {
    /// Reads the configuration again.
    pub(super) fn reload(&self, request: &Request) -> Option<Vec<u8>> {
        let options = match request.options() {
            Ok(options) => options,
            Err(problem) => return Some(self.not_understood(&problem)),
        };
        self.is_meant(&options)
            .then(|| match self.shared.reload_requests.ask() {
                Ok(()) => self.done(),
                Err(problem) => self.failure(500, &problem),
            })
    }

    /// Closes a client's connection.
    pub(super) fn kick(&self, request: &Request) -> Option<Vec<u8>> {
        let give = |connection: &Connection| connection.close(CloseReason::Kicked);
        self.order(request, "no such client or leafnode id", give)
    }

    /// Tells a client that it had better go elsewhere.
    pub(super) fn lame_duck(&self, request: &Request) -> Option<Vec<u8>> {
        let give = |connection: &Connection| connection.request(Control::LameDuckInfo);
        self.order(request, "no such client id", give)
    }

    /// An order about one client. What cannot be read is not answered.
    fn order(
        &self,
        request: &Request,
        gone: &str,
        give: impl FnOnce(&Connection),
    ) -> Option<Vec<u8>> {
        if request.body.is_empty() {
            return None;
        }
        let options = request.options().ok()?;
        let cid = match options.get("cid") {
            Some(cid) => cid.as_u64()?,
            None => 0,
        };
        self.is_meant(&options)
            .then(|| match self.shared.registry.find(cid) {
                Some(connection) => {
                    give(&connection);
                    self.done()
                }
                None => self.failure(500, gone),
            })
    }

    fn done(&self) -> Vec<u8> {
        let server = self.server_info();
        format!("{{\"server\":{server}}}").into_bytes()
    }

    /// This server has no profiles of a Go program; tools are told so where they look for errors.
    pub(super) fn no_profile(&self, options: &Map<String, Value>) -> Vec<u8> {
        let error = why_no_profile(
            options.get("name").and_then(Value::as_str),
            options.get("duration").and_then(Value::as_i64),
        );
        let data = json!({"profile": null, "error": error});
        self.answer(data.to_string().as_bytes())
    }
}

/// Why there is no such profile; `nanos` is how long the processors were to be watched.
fn why_no_profile(name: Option<&str>, nanos: Option<i64>) -> String {
    match name.unwrap_or_default() {
        "" => "Profile name not specified".to_owned(),
        "cpu" => {
            let nanos = nanos.unwrap_or_default();
            if nanos <= 0 || nanos > MAX_CPU_PROFILE {
                let duration = cognate_model::text::duration(nanos);
                return format!("Duration {duration} should be between 0s and 15s");
            }
            "Failed to start CPU profile: this server is no Go program, use perf on its host"
                .to_owned()
        }
        name if GO_PROFILES.contains(&name) => {
            format!("Profile {name:?} not found: this server is no Go program")
        }
        name => format!("Profile {name:?} not found"),
    }
}
