//! What an account offers to others, as its token states it.

use super::fields::{is_empty, is_zero};
use super::validation::{Issues, check_info, check_subject, has_wildcards, is_contained_in};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is exported, or imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// Messages that others receive.
    Stream,
    /// Requests that others send.
    Service,
}

impl fmt::Display for ExportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ExportKind::Stream => "stream",
            ExportKind::Service => "service",
        })
    }
}

/// One export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Export {
    /// What people call it.
    #[serde(skip_serializing_if = "is_empty")]
    pub name: String,
    /// What is exported.
    #[serde(skip_serializing_if = "is_empty")]
    pub subject: String,
    /// Whether that is a stream or a service.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ExportKind>,
    /// Whether importing takes an activation token.
    #[serde(rename = "token_req", skip_serializing_if = "is_zero")]
    pub token_required: bool,
    /// Activation tokens that no longer count: importing account or `*`, and the time of issue
    /// up to which.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub revocations: BTreeMap<String, i64>,
    /// `Singleton`, `Stream`, `Chunked`, or empty for the first.
    #[serde(skip_serializing_if = "is_empty")]
    pub response_type: String,
    /// How long an answer may take, in nanoseconds; 0 is the default.
    #[serde(skip_serializing_if = "is_zero")]
    pub response_threshold: i64,
    /// How requests are measured.
    #[serde(rename = "service_latency", skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Which token of the subject, from 1, must be the importing account; 0 is none.
    #[serde(skip_serializing_if = "is_zero")]
    pub account_token_position: u64,
    /// Whether tools may list it.
    #[serde(skip_serializing_if = "is_zero")]
    pub advertise: bool,
    /// Whether message tracing goes on in this account.
    #[serde(skip_serializing_if = "is_zero")]
    pub allow_trace: bool,
    /// What it is for.
    #[serde(skip_serializing_if = "is_empty")]
    pub description: String,
    /// Where to read more.
    #[serde(skip_serializing_if = "is_empty")]
    pub info_url: String,
}

/// How requests to a service are measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Percent of requests; 0 stands for `headers`, which decide by themselves.
    #[serde(serialize_with = "write_sampling", deserialize_with = "read_sampling")]
    pub sampling: i64,
    /// Where measurements are published.
    pub results: String,
}

fn write_sampling<S: Serializer>(sampling: &i64, to: S) -> Result<S::Ok, S::Error> {
    match sampling {
        0 => to.serialize_str("headers"),
        percent => to.serialize_i64(*percent),
    }
}

fn read_sampling<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Sampling {
        Percent(i64),
        Text(String),
    }
    match Sampling::deserialize(from)? {
        Sampling::Percent(percent) => Ok(percent),
        Sampling::Text(text) if text.eq_ignore_ascii_case("headers") => Ok(0),
        Sampling::Text(text) => {
            let problem = format!("sampling {text:?} is neither a number nor \"headers\"");
            Err(serde::de::Error::custom(problem))
        }
    }
}

impl Export {
    fn validate(&self, issues: &mut Issues) {
        let service = self.kind == Some(ExportKind::Service);
        match self.kind {
            None => issues.error("invalid export type: \"unknown\""),
            Some(ExportKind::Service) => {
                if !["", "Singleton", "Stream", "Chunked"].contains(&self.response_type.as_str()) {
                    let given = &self.response_type;
                    issues.error(format!("invalid response type for service: {given:?}"));
                }
            }
            Some(ExportKind::Stream) => {
                if !self.response_type.is_empty() {
                    let given = &self.response_type;
                    issues.error(format!("invalid response type for stream: {given:?}"));
                }
                if self.allow_trace {
                    issues.error("AllowTrace only valid for service export");
                }
            }
        }
        if let Some(latency) = &self.latency {
            if !service {
                issues.error("latency tracking only permitted for services");
            }
            if !(0..=100).contains(&latency.sampling) {
                issues.error("sampling percentage needs to be between 1-100");
            }
            check_subject(&latency.results, issues);
            if has_wildcards(&latency.results) {
                issues.error("results subject can not contain wildcards");
            }
        }
        if self.response_threshold < 0 {
            issues.error("negative response threshold is invalid");
        }
        if self.response_threshold > 0 && !service {
            issues.error("response threshold only valid for services");
        }
        check_subject(&self.subject, issues);
        self.check_token_position(issues);
        check_info(&self.description, &self.info_url, issues);
    }

    fn check_token_position(&self, issues: &mut Issues) {
        let (subject, position) = (&self.subject, self.account_token_position);
        if position == 0 {
            return;
        }
        if !has_wildcards(subject) {
            issues.error(format!(
                "Account Token Position can only be used with wildcard subjects: {subject}"
            ));
            return;
        }
        let index = usize::try_from(position - 1).unwrap_or(usize::MAX);
        match subject.split('.').nth(index) {
            None => issues.error(format!(
                "Account Token Position {position} exceeds length of subject '{subject}'"
            )),
            Some("*") => {}
            Some(token) => issues.error(format!(
                "Account Token Position {position} matches '{token}' but must match a * in: \
                 {subject}"
            )),
        }
    }
}

pub(super) fn validate_all(exports: &[Export], issues: &mut Issues) {
    for export in exports {
        export.validate(issues);
    }
    for kind in [ExportKind::Service, ExportKind::Stream] {
        let of_kind = |export: &&Export| match kind {
            ExportKind::Service => export.kind == Some(kind),
            // As in the Go library, what has no kind is compared with streams.
            ExportKind::Stream => export.kind != Some(ExportKind::Service),
        };
        check_overlap(kind, exports.iter().filter(of_kind), issues);
    }
}

/// No export may lie within another one. Quadratic, over what fits into one token.
fn check_overlap<'a>(
    kind: ExportKind,
    exports: impl Iterator<Item = &'a Export>,
    issues: &mut Issues,
) {
    let subjects: Vec<&str> = exports.map(|export| export.subject.as_str()).collect();
    let mut reported = BTreeSet::new();
    for (i, inner) in subjects.iter().enumerate() {
        for (j, outer) in subjects.iter().enumerate() {
            if i != j && is_contained_in(inner, outer) && reported.insert(outer) {
                issues.error(format!(
                    "{kind} export subject {outer:?} already exports {inner:?}"
                ));
            }
        }
    }
}
