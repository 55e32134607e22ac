//! What an account takes from others, as its token states it.

use super::activation::Activation;
use super::exports::ExportKind;
use super::fields::{is_empty, is_zero};
use super::validation::{Issues, check_subject, is_contained_in};
use super::{Body as _, Signed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Import {
    /// What people call it.
    #[serde(skip_serializing_if = "is_empty")]
    pub name: String,
    /// The subject on which the first publisher publishes: in the exporting account for a
    /// stream, here for a service that uses `to`.
    #[serde(skip_serializing_if = "is_empty")]
    pub subject: String,
    /// The exporting account.
    #[serde(skip_serializing_if = "is_empty")]
    pub account: String,
    /// The activation token, for private exports.
    #[serde(skip_serializing_if = "is_empty")]
    pub token: String,
    /// The old way to rename: a prefix here for a stream, the exporter's subject for a service.
    #[serde(skip_serializing_if = "is_empty")]
    pub to: String,
    /// What the subject is called here, with `$n` or `*` for the wildcards of `subject`.
    #[serde(skip_serializing_if = "is_empty")]
    pub local_subject: String,
    /// Whether it is a stream or a service.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<ExportKind>,
    /// Whether the exporter is told who asks.
    #[serde(skip_serializing_if = "is_zero")]
    pub share: bool,
    /// Whether message tracing goes on in this account.
    #[serde(skip_serializing_if = "is_zero")]
    pub allow_trace: bool,
}

impl Import {
    /// Checks an import of the account `importer`. An activation token is checked for what it
    /// says, but not for its time, nor whether its issuer may issue it: only the exporter knows.
    pub(crate) fn validate(&self, importer: &str, issues: &mut Issues) {
        if self.kind.is_none() {
            issues.error("invalid import type: \"unknown\"");
        }
        let service = self.kind == Some(ExportKind::Service);
        if service && self.allow_trace {
            issues.error("AllowTrace only valid for stream import");
        }
        if self.account.is_empty() {
            issues.error("account to import from is not specified");
        }
        if !self.to.is_empty() {
            issues.warning("the field to has been deprecated (use LocalSubject instead)");
        }
        check_subject(&self.subject, issues);
        if !self.local_subject.is_empty() {
            check_local_subject(&self.local_subject, &self.subject, issues);
            if !self.to.is_empty() {
                issues.error("Local Subject replaces To");
            }
        }
        if self.share && !service {
            issues.error(format!(
                "sharing information (for latency tracking) is only valid for services: {:?}",
                self.subject
            ));
        }
        if !self.token.is_empty() {
            self.check_activation(importer, issues);
        }
    }

    fn check_activation(&self, importer: &str, issues: &mut Issues) {
        let subject = &self.subject;
        let Ok(activation) = Signed::<Activation>::decode(&self.token) else {
            issues.error(format!(
                "import {subject:?} contains an invalid activation token"
            ));
            return;
        };
        let claims = activation.claims();
        if claims.registered.issuer != self.account && claims.nats.issuer_account != self.account {
            issues.error(format!(
                "activation token doesn't match account for import {subject:?}"
            ));
        }
        if claims.registered.subject != importer {
            issues.error(format!(
                "activation token doesn't match account it is being included in, {subject:?}"
            ));
        }
        if claims.nats.import_kind != self.kind {
            issues.error(format!(
                "mismatch between token import type and type of import {subject:?}"
            ));
        }
        claims.nats.validate(&claims.registered, issues);
        let granted = &claims.nats.subject;
        let wanted = match self.kind {
            Some(ExportKind::Service) if !self.to.is_empty() => &self.to,
            _ => subject,
        };
        if !is_contained_in(wanted, granted) {
            issues.error(format!(
                "activation token import subject {granted:?} doesn't match import {subject:?}"
            ));
        }
    }
}

/// `$n` of a token, if it is that. (Go reads the number with a sign, too.)
fn reference(token: &str) -> Option<i64> {
    token.strip_prefix('$')?.parse().ok()
}

/// Checks that a local subject uses the wildcards of the subject, each at most.
fn check_local_subject(local: &str, subject: &str, issues: &mut Issues) {
    check_subject(local, issues);
    if subject.is_empty() {
        issues.error("subject cannot be empty");
    }
    let has_tail = |subject: &str| subject == ">" || subject.ends_with(".>");
    if has_tail(local) != has_tail(subject) {
        issues.error("both, renaming subject and subject, need to end or not end in >");
    }
    let wildcards = subject.split('.').filter(|token| *token == "*").count();
    let wildcards = i64::try_from(wildcards).unwrap_or(i64::MAX);
    let mut used = 0;
    for token in local.split('.') {
        match reference(token) {
            Some(index) if index > wildcards => issues.error(format!(
                "Reference ${index} in {local:?} reference * in {subject:?} that do not exist"
            )),
            Some(_) => used += 1,
            None => used += i64::from(token == "*"),
        }
    }
    if used != wildcards {
        issues.error("subject does not contain enough * or reference wildcards $[0-9]");
    }
}

/// `$n` becomes `*`.
fn with_wildcards(local: &str) -> String {
    let tokens = local.split('.').map(|token| match reference(token) {
        Some(_) => "*",
        None => token,
    });
    tokens.collect::<Vec<_>>().join(".")
}

/// Checks all imports of the account `importer`: services of one exporter may not overlap here.
pub(super) fn validate_all(imports: &[Import], importer: &str, issues: &mut Issues) {
    let mut services = BTreeMap::<&str, Vec<String>>::new();
    for import in imports {
        import.validate(importer, issues);
        if import.kind != Some(ExportKind::Service) {
            continue;
        }
        let subject = match (import.to.as_str(), import.local_subject.as_str()) {
            ("", "") => import.subject.clone(),
            ("", local) => with_wildcards(local),
            (to, _) => to.to_owned(),
        };
        let account = &import.account;
        let others = services.entry(account).or_default();
        for other in others.iter() {
            if is_contained_in(&subject, other) || is_contained_in(other, &subject) {
                issues.error(format!(
                    "overlapping subject namespace for {subject:?} and {other:?} in same account \
                     {account:?}"
                ));
            }
        }
        others.push(subject);
    }
}
