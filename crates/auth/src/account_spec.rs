//! What an account is, as plain data: the one form that `accounts {}` of the configuration and
//! an account JWT are both turned into.
//!
//! Owns the shape and what can be said of one account alone: subjects are checked, weights add
//! up, a rename of an import can be undone. Invariant: an [`AccountSpec`] can be compared with
//! another one to learn what a reload or a new JWT changed. Callers: the configuration and
//! [`crate::jwt`] make it; the router's owner, JetStream and monitoring read it.
//!
//! Absent: what needs two accounts at once (whether an import is granted, cycles, duplicates),
//! and the secrets, signing keys and expiry of operator mode.

mod imports;
mod limits;

pub use imports::{
    Activation, ImportError, ServiceImport, StreamImport, StreamTarget, SubjectRename,
    WithheldImports,
};
pub use limits::{AccountJetStream, AccountLimits, JetStreamLimits};

use crate::nkey::PublicKey;
use crate::permissions::PermissionsConfig;
use crate::users::UserConfig;
use cognate_subject::{Filter, Mapping, Subject, validate};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

/// How long the exporter of a service may take to answer, unless it says otherwise.
pub const DEFAULT_RESPONSE_THRESHOLD: Duration = Duration::from_secs(120);

/// One account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSpec {
    /// What imports, monitoring and `$SYS` subjects call it: the configured name, or the public
    /// nkey in operator mode.
    pub name: String,
    /// The name that people gave it, in operator mode.
    pub name_tag: Option<String>,
    /// `nkey` of the configuration; in operator mode the same key as `name`.
    pub nkey: Option<PublicKey>,
    /// Tags of the account JWT, in lower case.
    pub tags: Vec<String>,
    /// `users` of the configuration, each with `account` set to this one. None in operator mode.
    pub users: Vec<UserConfig>,
    /// Subjects whose messages other accounts may receive.
    pub stream_exports: Vec<StreamExport>,
    /// Subjects that other accounts may send requests to.
    pub service_exports: Vec<ServiceExport>,
    /// Messages of other accounts that are delivered here.
    pub stream_imports: Vec<StreamImport>,
    /// Requests that are answered by other accounts.
    pub service_imports: Vec<ServiceImport>,
    /// What it would import besides, but is not granted (any more).
    pub withheld: WithheldImports,
    /// Rewriting of published subjects; of several with one source the last one counts.
    pub mappings: Vec<Mapping>,
    /// What all clients of the account together may use.
    pub limits: AccountLimits,
    /// Whether the account has JetStream, and how much of it.
    pub jetstream: AccountJetStream,
    /// Whose account the traffic between JetStream replicas is in.
    pub cluster_traffic: ClusterTraffic,
    /// Permissions of users who have none of their own.
    pub default_permissions: Option<PermissionsConfig>,
    /// Where traces of messages with a sampled `traceparent` go.
    pub trace: Option<TraceDestination>,
}

impl AccountSpec {
    /// An account of this name with nothing but defaults: no limits, no JetStream, no exports.
    pub fn new(name: impl Into<String>) -> Self {
        AccountSpec {
            name: name.into(),
            ..AccountSpec::default()
        }
    }

    /// The service export that a request to `subject` (a subject or filter of this account)
    /// falls under: the narrowest that covers it.
    pub fn service_export(&self, subject: &[u8]) -> Option<&ServiceExport> {
        narrowest(&self.service_exports, subject, |export| &export.subject)
    }

    /// The stream export that messages on `subject` fall under, found as for services.
    pub fn stream_export(&self, subject: &[u8]) -> Option<&StreamExport> {
        narrowest(&self.stream_exports, subject, |export| &export.subject)
    }
}

/// The export that covers the subject and, if several do, lies within the others. (The Go server
/// takes the export of that very subject, else any that covers it.) Of two that overlap, neither
/// within the other, it is the first.
fn narrowest<'a, E>(
    exports: &'a [E],
    subject: &[u8],
    subject_of: impl Fn(&E) -> &Filter,
) -> Option<&'a E> {
    let covers = |filter: &Filter, other: &[u8]| validate::covers(filter.as_bytes(), other);
    let covering = exports.iter().filter(|e| covers(subject_of(e), subject));
    covering.reduce(|found, export| {
        match covers(subject_of(found), subject_of(export).as_bytes()) {
            true => export,
            false => found,
        }
    })
}

/// `exports: [{stream: …}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamExport {
    /// What is exported.
    pub subject: Filter,
    /// To whom.
    pub access: ExportAccess,
}

/// `exports: [{service: …}]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceExport {
    /// What is exported.
    pub subject: Filter,
    /// To whom.
    pub access: ExportAccess,
    /// How many messages answer one request.
    pub response_type: ResponseType,
    /// How long an answer may take before the way back is taken down.
    pub response_threshold: Duration,
    /// How requests are measured, if they are. Only for [`ResponseType::Singleton`].
    pub latency: Option<ServiceLatency>,
    /// Whether message tracing goes on beyond the account's boundary.
    pub allow_trace: bool,
}

impl ServiceExport {
    /// A public service with one answer per request and the default threshold.
    pub fn new(subject: Filter) -> Self {
        ServiceExport {
            subject,
            access: ExportAccess::Public,
            response_type: ResponseType::Singleton,
            response_threshold: DEFAULT_RESPONSE_THRESHOLD,
            latency: None,
            allow_trace: false,
        }
    }
}

/// Who may import an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExportAccess {
    /// Every account.
    #[default]
    Public,
    /// The accounts of these names (`accounts`).
    Accounts(BTreeSet<String>),
    /// The account that the subject's token at this position (from 1) names
    /// (`account_token_position`). Takes precedence over the other restrictions.
    TokenPosition(NonZeroUsize),
    /// Whoever shows an activation token that is not revoked (`token_req` of a JWT).
    Activation(Revocations),
}

impl ExportAccess {
    /// Checks `account_token_position` of an export of `subject`.
    ///
    /// # Errors
    /// If the token does not exist or is not `*`.
    pub fn token_position(subject: &Filter, position: usize) -> Result<Self, ExportError> {
        let error = || ExportError::TokenPosition {
            subject: subject.to_string(),
            position,
        };
        let place = NonZeroUsize::new(position).ok_or_else(error)?;
        let token = subject.as_bytes().split(|byte| *byte == b'.');
        match token.clone().nth(place.get() - 1) {
            Some(b"*") => Ok(ExportAccess::TokenPosition(place)),
            _ => Err(error()),
        }
    }
}

/// What is wrong with an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportError {
    /// `account_token_position` points at no `*`.
    TokenPosition {
        /// The subject of the export.
        subject: String,
        /// The position given, from 1.
        position: usize,
    },
    /// A sampling rate outside 1–100.
    Sampling(i64),
    /// The subject of latency metrics is no literal subject.
    LatencySubject(String),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExportError::TokenPosition { subject, position } => write!(
                f,
                "account_token_position {position} must be the position, counted from 1, of a * \
                 in {subject:?}"
            ),
            ExportError::Sampling(rate) => {
                write!(
                    f,
                    "sampling percentage {rate} should be in the range [1..100]"
                )
            }
            ExportError::LatencySubject(subject) => {
                write!(
                    f,
                    "latency subject {subject:?} is not a valid publish subject"
                )
            }
        }
    }
}

impl std::error::Error for ExportError {}

/// How many messages answer one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseType {
    /// One; then the way back is taken down.
    #[default]
    Singleton,
    /// Any number, until none has come for the threshold.
    Streamed,
    /// One in pieces, the last of which is empty.
    Chunked,
}

/// `latency` of a service export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceLatency {
    /// Which requests are measured.
    pub sampling: Sampling,
    /// Where the exporter receives the measurements.
    pub subject: Subject,
}

impl ServiceLatency {
    /// Checks a rate in percent, where 0 stands for `headers`, and a subject.
    ///
    /// # Errors
    /// If the rate is outside 0–100 or the subject is not literal.
    pub fn new(sampling: i64, subject: &str) -> Result<Self, ExportError> {
        let sampling = match u8::try_from(sampling) {
            Ok(0) => Sampling::Headers,
            Ok(rate @ 1..=100) => Sampling::Percent(rate),
            _ => return Err(ExportError::Sampling(sampling)),
        };
        let subject = Subject::try_from(subject)
            .map_err(|_| ExportError::LatencySubject(subject.to_owned()))?;
        Ok(ServiceLatency { sampling, subject })
    }
}

/// Which requests are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampling {
    /// Those whose trace headers say so.
    Headers,
    /// This share of them, 1 to 100.
    Percent(u8),
}

/// `msg_trace` of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceDestination {
    /// Where traces go.
    pub subject: Subject,
    /// The share of messages with a sampled `traceparent` that are traced, 1 to 100.
    pub sampling: u8,
}

/// `cluster_traffic`: the account in which JetStream's replicas talk to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterTraffic {
    /// The system account.
    #[default]
    System,
    /// The account itself.
    Owner,
}

/// Which claims are revoked: those for a key, or for any, that were issued at a time or before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// `*`: seconds since 1970 up to which every claim is revoked.
    pub all: Option<i64>,
    /// The same for claims whose subject is this key.
    pub keys: BTreeMap<PublicKey, i64>,
}

impl Revocations {
    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.all.is_none() && self.keys.is_empty()
    }

    /// Whether a claim for `key`, issued at `issued_at` (seconds since 1970), is revoked.
    pub fn is_revoked(&self, key: &PublicKey, issued_at: i64) -> bool {
        let covers = |until: &i64| *until >= issued_at;
        self.all.as_ref().is_some_and(covers) || self.keys.get(key).is_some_and(covers)
    }
}

#[cfg(test)]
mod tests;
