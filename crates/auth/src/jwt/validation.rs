//! What is wrong with claims: a list of findings, and the checks that several claims share.
//!
//! The rules are those of the Go library (`jwt/v2`), which decide there what a server accepts.

use super::fields::Permission;
use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssueLevel {
    /// The claims must not be used.
    Error,
    /// They must not be used now.
    Time,
    /// They are odd.
    Warning,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What is wrong.
    pub text: String,
    /// How bad it is.
    pub level: IssueLevel,
}

/// Findings about one token, [`Issues::MAX`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Issues(Vec<Issue>);

impl Issues {
    /// More than this many are not listed; what the list says of acceptance stays right.
    pub const MAX: usize = 100;

    /// All findings.
    pub fn as_slice(&self) -> &[Issue] {
        &self.0
    }

    /// Whether nothing was found, not even a warning.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the claims must not be used now.
    pub fn is_blocking(&self) -> bool {
        self.0
            .iter()
            .any(|issue| issue.level != IssueLevel::Warning)
    }

    /// Whether they must not be used even apart from the time.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|issue| issue.level == IssueLevel::Error)
    }

    pub(super) fn error(&mut self, text: impl Into<String>) {
        self.add(IssueLevel::Error, text.into());
    }

    pub(super) fn time(&mut self, text: impl Into<String>) {
        self.add(IssueLevel::Time, text.into());
    }

    pub(super) fn warning(&mut self, text: impl Into<String>) {
        self.add(IssueLevel::Warning, text.into());
    }

    fn add(&mut self, level: IssueLevel, text: String) {
        // A full list keeps room for what the answer depends on.
        if self.0.len() < Self::MAX {
            self.0.push(Issue { text, level });
        } else if !self.has_errors() && level == IssueLevel::Error {
            self.0.pop();
            self.0.push(Issue { text, level });
        }
    }
}

impl fmt::Display for Issues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, issue) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{}", issue.text)?;
        }
        Ok(())
    }
}

/// Not empty, no spaces, no empty tokens.
pub(super) fn check_subject(subject: &str, issues: &mut Issues) {
    if subject.is_empty() {
        issues.error("subject cannot be empty");
        return;
    }
    if subject.contains(' ') {
        issues.error(format!("subject {subject:?} cannot have spaces"));
    }
    if subject.starts_with('.') || subject.ends_with('.') {
        issues.error(format!(
            "subject {subject:?} cannot start or end with a `.`"
        ));
    }
    if subject.contains("..") {
        issues.error(format!(
            "subject {subject:?} cannot contain consecutive `.`"
        ));
    }
}

pub(super) fn has_wildcards(subject: &str) -> bool {
    subject == ">" || subject.ends_with(".>") || subject.split('.').any(|token| token == "*")
}

/// Whether `subject` lies within `other`, token by token. As in the Go library, `>` of the
/// subject counts as one token, so `a.>` lies within `a.*`.
pub(super) fn is_contained_in(subject: &str, other: &str) -> bool {
    let mut mine = subject.split('.');
    let mut others = other.split('.').peekable();
    while let Some(token) = others.next() {
        let Some(my) = mine.next() else {
            return false;
        };
        if token == ">" && others.peek().is_none() {
            return true;
        }
        if token != "*" && token != my {
            return false;
        }
    }
    mine.next().is_none()
}

/// Checks the entries of an allow or deny list: a subject, for subscriptions with a queue.
pub(super) fn check_permission(permission: &Permission, with_queue: bool, issues: &mut Issues) {
    for entry in permission.allow.iter().chain(&permission.deny) {
        let mut words = entry.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some(subject), None, _) => check_subject(subject, issues),
            (Some(subject), Some(queue), None) => {
                check_subject(subject, issues);
                check_subject(queue, issues);
                if !with_queue {
                    issues.error(format!(
                        "Permission Subject {entry:?} is not allowed to contain queue"
                    ));
                }
            }
            _ => issues.error(format!(
                "Permission Subject {entry:?} contains too many spaces"
            )),
        }
    }
}

/// The longest description and info URL, in bytes.
const MAX_INFO_BYTES: usize = 8 * 1024;

pub(super) fn check_info(description: &str, info_url: &str, issues: &mut Issues) {
    if description.len() > MAX_INFO_BYTES {
        issues.error("Description is too long");
    }
    if info_url.len() > MAX_INFO_BYTES {
        issues.error("Info URL is too long");
    }
    if info_url.is_empty() {
        return;
    }
    let (scheme, rest) = info_url.split_once("://").unwrap_or_default();
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if !is_scheme(scheme) || host.is_empty() || host.starts_with(':') {
        issues.error("error parsing info url: no hostname or scheme");
    }
}

/// `scheme` of RFC 3986.
pub(super) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}
