//! `/healthz`: whether the server can do its work, for probes.
//!
//! Without JetStream there is one check: connections are taken. The options about JetStream are
//! understood and change nothing then, as in nats-server.

use hyper::StatusCode;
use serde::Serialize;

use crate::answer::Answer;
use crate::facts::Health;
use crate::query::{BadQuery, Query};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthzRequest {
    details: bool,
    /// A stream was named without its account, or a consumer without its stream.
    missing: Option<&'static str>,
}

impl HealthzRequest {
    /// Reads a query.
    pub fn parse(query: &Query) -> Result<Self, BadQuery> {
        for option in [
            "js-enabled",
            "js-enabled-only",
            "js-server-only",
            "js-meta-only",
        ] {
            query.boolean(option)?;
        }
        let details = query.boolean("details")?;
        let named = |name| query.value(name).is_some();
        let missing = if named("stream") && !named("account") {
            Some("\"account\" must not be empty when checking stream health")
        } else if named("consumer") && !named("stream") {
            Some("\"stream\" must not be empty when checking consumer health")
        } else {
            None
        };
        Ok(HealthzRequest { details, missing })
    }

    /// The answer, given the server's health.
    pub(crate) fn answer(self, health: &Health) -> Answer {
        let (status, problem, error) = match (self.missing, health.error.as_deref()) {
            (Some(missing), _) => (StatusCode::BAD_REQUEST, "BAD_REQUEST", missing),
            (None, Some(error)) => (StatusCode::INTERNAL_SERVER_ERROR, "CONNECTION", error),
            (None, None) => return Answer::compact_json(StatusCode::OK, &Healthz::new("ok")),
        };
        let mut document = Healthz::new("error");
        if self.details {
            document.errors.push(Problem { problem, error });
        } else {
            document.error = Some(error);
        }
        Answer::compact_json(status, &document)
    }
}

/// The document.
#[derive(Debug, Serialize)]
struct Healthz<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem<'a>>,
}

#[derive(Debug, Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    problem: &'static str,
    error: &'a str,
}

impl Healthz<'_> {
    fn new(status: &'static str) -> Self {
        Healthz {
            status,
            error: None,
            errors: Vec::new(),
        }
    }
}
