//! What a client asks for when it pulls.
//!
//! Reads the body of a request (nothing, a number, or JSON) and says why it is refused, in
//! nats-server's words. Absent: the queue it then waits in, and checks that need the consumer's
//! state.

use cognate_model::{PriorityPolicy, Timestamp, json, record};

use crate::ack_subject::push_decimal;
use crate::go_duration;
use crate::settings::Settings;

record! {
    /// The JSON of a pull request.
    pub struct PullBody("JSApiConsumerGetNextRequest") {
        expires: cognate_model::Nanos = "expires" omit,
        batch: i64 = "batch" omit,
        max_bytes: i64 = "max_bytes" omit,
        no_wait: bool = "no_wait" omit,
        heartbeat: cognate_model::Nanos = "idle_heartbeat" omit,
        group: String = "group" omit,
        min_pending: i64 = "min_pending" omit,
        min_ack_pending: i64 = "min_ack_pending" omit,
        id: String = "id" omit,
        priority: i64 = "priority" omit,
    }
}

/// A request that may wait for messages.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PullRequest {
    pub(crate) body: PullBody,
    /// It was JSON, so that its priority members mean something.
    pub(crate) is_json: bool,
    pub(crate) expires: Option<Timestamp>,
}

/// Code and description of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Vec<u8>);

impl From<&str> for Refusal {
    fn from(text: &str) -> Self {
        Refusal(text.as_bytes().to_vec())
    }
}

impl PullRequest {
    pub(crate) fn parse(body: &[u8], now: Timestamp) -> Result<Self, Refusal> {
        let text = body.trim_ascii();
        if text.first() != Some(&b'{') {
            return Ok(Self::of_batch(parse_batch(text)));
        }
        let decoded = json::decode::<PullBody>(text);
        let (body, _) = decoded.map_err(|error| bad_request(&json_fault(&error)))?;
        if body.heartbeat.0 > 0 && body.heartbeat.0.saturating_mul(2) > body.expires.0 {
            return Err(bad_request("heartbeat value too large"));
        }
        let expires =
            (!body.expires.is_zero()).then(|| Timestamp(now.0.saturating_add(body.expires.0)));
        Ok(Self {
            body,
            is_json: true,
            expires,
        })
    }

    fn of_batch(batch: i64) -> Self {
        Self {
            body: PullBody {
                batch,
                ..PullBody::default()
            },
            is_json: false,
            expires: None,
        }
    }

    /// Whether the consumer's configuration allows it.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), Refusal> {
        let body = &self.body;
        if let Some(max) = settings.max_batch.filter(|&max| body.batch > max) {
            return Err(exceeded("MaxRequestBatch", |out| {
                push_decimal(out, max.unsigned_abs())
            }));
        }
        if let Some(max) = settings
            .max_expires
            .filter(|&max| body.expires.duration() > max)
        {
            return Err(exceeded("MaxRequestExpires", |out| {
                go_duration::push(out, max)
            }));
        }
        if let Some(max) = settings.max_bytes.filter(|&max| body.max_bytes > max) {
            return Err(exceeded("MaxRequestMaxBytes", |out| {
                push_decimal(out, max.unsigned_abs())
            }));
        }
        if self.is_json {
            self.check_priority(settings)
        } else {
            Ok(())
        }
    }

    fn check_priority(&self, settings: &Settings) -> Result<(), Refusal> {
        let body = &self.body;
        let has_minimum = body.min_pending != 0 || body.min_ack_pending != 0;
        if has_minimum && settings.priority != PriorityPolicy::Overflow {
            return Err(bad_request("Not a Overflow Priority consumer"));
        }
        if !body.id.is_empty() && settings.priority != PriorityPolicy::PinnedClient {
            return Err(bad_request("Not a Pinned Client Priority consumer"));
        }
        if !(0..=9).contains(&body.priority) {
            return Err(bad_request("Priority must be between 0 and 9"));
        }
        if settings.priority == PriorityPolicy::None {
            return Ok(());
        }
        if body.group.is_empty() {
            return Err(bad_request("Priority Group missing"));
        }
        let known = settings
            .groups
            .iter()
            .any(|g| **g == *body.group.as_bytes());
        if known {
            Ok(())
        } else {
            Err(bad_request("Invalid Priority Group"))
        }
    }
}

/// A number is a batch; what is none asks for one message.
fn parse_batch(text: &[u8]) -> i64 {
    let number = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    number.unwrap_or(1)
}

/// nats-server reads pull requests with another function than the requests of its API, which words
/// some faults differently.
fn json_fault(error: &json::DecodeError) -> String {
    let text = error.to_string();
    let is_wide = text.contains(".min_pending ") || text.contains(".min_ack_pending ");
    match text.strip_suffix(" of type int64") {
        Some(start) if !is_wide => format!("{start} of type int"),
        _ => text,
    }
}

fn bad_request(reason: &str) -> Refusal {
    // A reason may quote the request; it must not end the line.
    let reason = reason.replace(['\r', '\n'], " ");
    Refusal(format!("400 Bad Request - {reason}").into_bytes())
}

fn exceeded(what: &str, push_limit: impl FnOnce(&mut Vec<u8>)) -> Refusal {
    let mut text = format!("409 Exceeded {what} of ").into_bytes();
    push_limit(&mut text);
    Refusal(text)
}
