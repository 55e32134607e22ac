//! `/healthz`: whether the server can do its work, for probes.
//!
//! The checks, in order: connections are taken; JetStream is in service where it is configured;
//! the account, stream and consumer that are asked for are there; every stream (of the account,
//! or the one asked for) was recovered and takes messages; no message of them is damaged. The
//! options stop after the first (`js-server-only`) or second check (`js-enabled-only`).
//!
//! Statuses and texts are those of nats-server 2.14.5. Two things are ours. Damaged messages,
//! which nats-server does not look for, make `status` "error" and are named by sequence, with
//! HTTP 200: the server works, and a probe that restarts it would not bring them back. Streams in
//! memory are found like all others.

use std::fmt::Write as _;

use cognate_model::{DamagedRange, error};
use hyper::StatusCode;
use serde::Serialize;

use crate::answer::Answer;
use crate::facts::{JetStream, JetStreamFacts, Monitored, StreamFacts, StreamService};
use crate::limits;
use crate::query::{BadQuery, Query, quoted};

/// The HTTP status if nothing is wrong but damaged messages.
const DAMAGED: StatusCode = StatusCode::OK;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthzRequest {
    /// All problems are listed, with what they concern.
    pub details: bool,
    /// JetStream is not looked at.
    pub server_only: bool,
    /// Of JetStream only whether it is in service.
    pub enabled_only: bool,
    /// Only this account; empty for all.
    pub account: String,
    /// Only this stream of it; empty for all.
    pub stream: String,
    /// That this consumer of it is there; empty for none.
    pub consumer: String,
}

impl HealthzRequest {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, BadQuery> {
        let enabled = query.boolean("js-enabled")?;
        let enabled_only = query.boolean("js-enabled-only")?;
        let server_only = query.boolean("js-server-only")?;
        query.boolean("js-meta-only")?;
        let details = query.boolean("details")?;
        let named = |name| {
            let value = query.value(name).unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        Ok(HealthzRequest {
            details,
            server_only,
            enabled_only: enabled || enabled_only,
            account: named("account"),
            stream: named("stream"),
            consumer: named("consumer"),
        })
    }

    /// What a question about a stream or consumer leaves open, if it does.
    fn gap(&self) -> Option<&'static str> {
        if self.account.is_empty() && !self.stream.is_empty() {
            Some("\"account\" must not be empty when checking stream health")
        } else if self.stream.is_empty() && !self.consumer.is_empty() {
            Some("\"stream\" must not be empty when checking consumer health")
        } else {
            None
        }
    }

    fn is_about(&self, stream: &StreamFacts<'_>) -> bool {
        (self.account.is_empty() || self.account == stream.account)
            && (self.stream.is_empty() || self.stream == stream.name)
    }
}

/// The answer from what `source` knows now.
pub(crate) fn answer(source: &dyn Monitored, query: &Query) -> Result<Answer, BadQuery> {
    let request = HealthzRequest::parse(query)?;
    let findings = check(source, &request);
    Ok(findings.answer(request.details))
}

/// How much a problem matters, and the status it is told with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grade {
    /// The question or the server is wrong.
    Error(StatusCode),
    /// JetStream, or what was asked for, is not there.
    Unavailable(StatusCode),
    /// The server works; something was lost.
    Damage,
}

/// What is wrong, the worst first.
#[derive(Debug)]
struct Findings {
    grade: Grade,
    problems: Vec<Problem>,
}

/// Something that is wrong, as `details` show it.
#[derive(Debug, Default, Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    stream: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    consumer: String,
    error: String,
}

impl Problem {
    fn new(kind: &'static str, error: impl Into<String>) -> Self {
        Problem {
            kind,
            error: error.into(),
            ..Problem::default()
        }
    }

    fn of_stream(stream: &StreamFacts<'_>, what: &str) -> Self {
        let (account, name) = (stream.account, stream.name);
        Problem {
            account: account.to_owned(),
            stream: name.to_owned(),
            ..Problem::new(
                "STREAM",
                format!("JetStream stream '{account} > {name}' {what}"),
            )
        }
    }
}

impl Findings {
    fn none() -> Self {
        Findings {
            grade: Grade::Damage,
            problems: Vec::new(),
        }
    }

    fn one(grade: Grade, problem: Problem) -> Self {
        Findings {
            grade,
            problems: vec![problem],
        }
    }

    fn answer(self, details: bool) -> Answer {
        let Some(first) = self.problems.first() else {
            return Answer::compact_json(StatusCode::OK, &Healthz::new("ok"));
        };
        let (code, status) = match self.grade {
            Grade::Error(code) => (code, "error"),
            Grade::Unavailable(code) => (code, "unavailable"),
            Grade::Damage => (DAMAGED, "error"),
        };
        let document = if details {
            Healthz {
                errors: &self.problems,
                ..Healthz::new("error")
            }
        } else {
            Healthz {
                error: Some(&first.error),
                ..Healthz::new(status)
            }
        };
        Answer::compact_json(code, &document)
    }
}

fn check(source: &dyn Monitored, request: &HealthzRequest) -> Findings {
    if let Some(gap) = request.gap() {
        let grade = Grade::Error(StatusCode::BAD_REQUEST);
        return Findings::one(grade, Problem::new("BAD_REQUEST", gap));
    }
    if let Some(why) = source.health().error {
        let grade = Grade::Error(StatusCode::INTERNAL_SERVER_ERROR);
        return Findings::one(grade, Problem::new("CONNECTION", why));
    }
    if request.server_only {
        return Findings::none();
    }
    match source.jetstream() {
        JetStream::Off => Findings::none(),
        JetStream::NotEnabled => {
            let cause = error::NOT_ENABLED;
            let text = format!("{} ({})", cause.description, cause.err_code);
            let grade = Grade::Unavailable(StatusCode::SERVICE_UNAVAILABLE);
            Findings::one(grade, Problem::new("JETSTREAM", text))
        }
        JetStream::Enabled(_) if request.enabled_only => Findings::none(),
        JetStream::Enabled(facts) => assets(source, request, &facts),
    }
}

/// Looks at streams, and for what is asked for by name.
fn assets(source: &dyn Monitored, request: &HealthzRequest, facts: &JetStreamFacts) -> Findings {
    let mut is_found = false;
    let mut failed = Vec::new();
    let mut damaged = Vec::new();
    source.streams(&mut |stream| {
        if !request.is_about(&stream) {
            return;
        }
        is_found = true;
        match stream.service {
            StreamService::Whole => {}
            StreamService::ReadOnly(why) => {
                note(&mut failed, &stream, &format!("write error: {why}"));
            }
            StreamService::NotRecovered => note(&mut failed, &stream, "could not be recovered"),
        }
        if !stream.damaged.is_empty() {
            note(&mut damaged, &stream, &damage(&stream));
        }
    });
    if let Some(problem) = absent(source, request, facts, is_found) {
        return Findings::one(Grade::Unavailable(StatusCode::NOT_FOUND), problem);
    }
    let grade = match failed.is_empty() {
        true => Grade::Damage,
        false => Grade::Unavailable(StatusCode::SERVICE_UNAVAILABLE),
    };
    failed.append(&mut damaged);
    Findings {
        grade,
        problems: failed,
    }
}

fn note(problems: &mut Vec<Problem>, stream: &StreamFacts<'_>, what: &str) {
    if problems.len() < limits::HEALTH_PROBLEMS {
        problems.push(Problem::of_stream(stream, what));
    }
}

/// What is asked for by name and is not there.
fn absent(
    source: &dyn Monitored,
    request: &HealthzRequest,
    facts: &JetStreamFacts,
    is_stream_found: bool,
) -> Option<Problem> {
    let HealthzRequest {
        account,
        stream,
        consumer,
        ..
    } = request;
    if account.is_empty() {
        return None;
    }
    let problem = |kind, text| Problem {
        account: account.clone(),
        ..Problem::new(kind, text)
    };
    let named = |name: &str| quoted(name.as_bytes());
    let (in_account, in_stream) = (named(account), named(stream));
    if !facts.accounts.iter().any(|known| known.id == *account) {
        let text = format!("JetStream account {in_account} not found");
        return Some(problem("ACCOUNT", text));
    }
    if stream.is_empty() {
        return None;
    }
    if !is_stream_found {
        let text = format!("JetStream stream {in_stream} not found on account {in_account}");
        return Some(Problem {
            stream: stream.clone(),
            ..problem("STREAM", text)
        });
    }
    if consumer.is_empty() || source.has_consumer(account, stream, consumer) {
        return None;
    }
    let text = format!(
        "JetStream consumer {} not found for stream {in_stream} on account {in_account}",
        named(consumer)
    );
    Some(Problem {
        stream: stream.clone(),
        consumer: consumer.clone(),
        ..problem("CONSUMER", text)
    })
}

/// Names the damaged sequences.
fn damage(stream: &StreamFacts<'_>) -> String {
    let mut text = "has damaged messages: ".to_owned();
    for (at, DamagedRange { first, last }) in stream.damaged.iter().enumerate() {
        if at == limits::HEALTH_RANGES {
            let more = stream.damaged.len() - at;
            // Writing to a String cannot fail, here and below.
            let _ = write!(text, " and {more} more ranges");
            break;
        }
        let comma = if at == 0 { "" } else { ", " };
        let _ = match first == last {
            true => write!(text, "{comma}{first}"),
            false => write!(text, "{comma}{first}-{last}"),
        };
    }
    let _ = write!(text, " ({} in all)", stream.damaged_messages());
    text
}

/// The document.
#[derive(Debug, Serialize)]
struct Healthz<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Problem]>::is_empty")]
    errors: &'a [Problem],
}

impl Healthz<'_> {
    fn new(status: &'static str) -> Self {
        Healthz {
            status,
            error: None,
            errors: &[],
        }
    }
}
