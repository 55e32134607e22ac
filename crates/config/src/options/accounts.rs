//! Accounts as the configuration describes them.
//!
//! Owns the typed form of `accounts {}`. Invariants of options that were loaded: names of accounts
//! are unique and never `$G`; every subject is valid; an account exports a subject once per kind
//! (what a file says about it in several entries has been put together); every import is covered
//! by an export that authorises it, and imports form no cycle; names of users are unique over all
//! accounts and the `authorization` block. Read by the server, which makes the auth crate's and
//! the router's tables of it. Absent: `$G`, whose users and mappings stand at the top level, and
//! accounts that are described by JWTs.

use super::{Permissions, User};
use cognate_subject::Mapping;
use std::time::Duration;

/// The account of users without another one.
pub const GLOBAL_ACCOUNT: &str = "$G";

/// One account of `accounts {}`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    /// The name; any text but `$G`.
    pub name: String,
    /// Public account key, `A…`, checksum verified.
    pub nkey: Option<String>,
    /// The users, in the order of the file. Those without permissions of their own have already
    /// been given the default ones.
    pub users: Vec<User>,
    /// The `default_permissions` of the account; kept for monitoring.
    pub default_permissions: Option<Permissions>,
    /// What other accounts may import.
    pub exports: Vec<Export>,
    /// What this account imports.
    pub imports: Vec<Import>,
    /// Subject mappings, in the order of the file.
    pub mappings: Vec<Mapping>,
    /// Limits of the account as a whole and of its connections.
    pub limits: AccountLimits,
    /// JetStream for this account; `None` is off.
    pub jetstream: Option<AccountJetStream>,
    /// Messages that carry a `traceparent` header are traced; `None` is off.
    pub msg_trace: Option<MessageTrace>,
}

/// What a stream or service is to the account that exports it.
#[derive(Clone, Debug, PartialEq)]
pub enum Export {
    /// Messages that other accounts may receive.
    Stream(StreamExport),
    /// Requests that other accounts may send.
    Service(ServiceExport),
}

impl Export {
    /// The exported subject; wildcards allowed.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Stream(export) => &export.subject,
            Self::Service(export) => &export.subject,
        }
    }

    /// Who may import it.
    #[must_use]
    pub fn access(&self) -> &Access {
        match self {
            Self::Stream(export) => &export.access,
            Self::Service(export) => &export.access,
        }
    }
}

/// An exported stream.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamExport {
    /// A valid filter.
    pub subject: String,
    /// Who may import it.
    pub access: Access,
}

/// An exported service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceExport {
    /// A valid filter.
    pub subject: String,
    /// Who may import it.
    pub access: Access,
    /// How many answers a request gets.
    pub response_type: ResponseType,
    /// How long answers are waited for; never zero. Default 2 minutes.
    pub response_threshold: Duration,
    /// Measuring of how long requests take; only for [`ResponseType::Singleton`].
    pub latency: Option<Latency>,
    /// Message traces of importers go on in this account.
    pub allow_trace: bool,
}

impl ServiceExport {
    /// How long answers are waited for when nothing is configured.
    pub const DEFAULT_RESPONSE_THRESHOLD: Duration = Duration::from_secs(120);
}

/// Who may import an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Every account.
    #[default]
    Public,
    /// The accounts of these names, which exist; never empty.
    Accounts(Vec<String>),
    /// Accounts whose name is this token of the imported subject, counted from 1. That token of
    /// the exported subject is `*`. An import of exactly the exported subject is not allowed.
    TokenPosition(usize),
}

/// How many answers a request to a service gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseType {
    /// One.
    #[default]
    Singleton,
    /// Any number, until the threshold passes without one.
    Stream,
    /// Any number, until an empty one.
    Chunked,
}

/// Measuring of a service's latency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Which requests are measured.
    pub sampling: LatencySampling,
    /// Where measurements are published in the exporting account; a valid literal subject.
    pub subject: String,
}

/// Which requests to a service are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatencySampling {
    /// This percentage of them, 1–100.
    Percent(u8),
    /// Those with a tracing header that asks for it.
    Headers,
}

/// What an account imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Messages of another account.
    Stream(StreamImport),
    /// A service of another account.
    Service(ServiceImport),
}

impl Import {
    /// Name of the account that exports.
    #[must_use]
    pub fn account(&self) -> &str {
        match self {
            Self::Stream(import) => &import.account,
            Self::Service(import) => &import.account,
        }
    }

    /// The subject in the account that exports.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Stream(import) => &import.subject,
            Self::Service(import) => &import.subject,
        }
    }

    /// The subject in the account that imports.
    #[must_use]
    pub fn to(&self) -> &str {
        match self {
            Self::Stream(import) => &import.to,
            Self::Service(import) => &import.to,
        }
    }
}

/// An imported stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamImport {
    /// Name of the account that exports.
    pub account: String,
    /// The subject in that account; a valid filter.
    pub subject: String,
    /// The subject in this account: the same one, one with a prefix in front of it, or one in
    /// which `$1` and `{{wildcard(1)}}` stand for the wildcards of `subject`, as does each `*` in
    /// turn. Uses every wildcard.
    pub to: String,
    /// Message traces of the exporter go on in this account.
    pub allow_trace: bool,
}

/// An imported service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceImport {
    /// Name of the account that exports.
    pub account: String,
    /// The subject in that account; a valid filter.
    pub subject: String,
    /// The subject in this account, where requests are sent to. When `subject` has wildcards and
    /// differs, `$1`, `{{wildcard(1)}}` and each `*` stand for them, and each is used.
    pub to: String,
    /// Tell the exporter who sends requests.
    pub share: bool,
}

/// Limits of an account; `None` is no limit, 0 allows none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Most client connections of the account.
    pub max_connections: Option<u32>,
    /// Most subscriptions of one connection.
    pub max_subscriptions: Option<u32>,
    /// Largest payload in bytes, with its headers.
    pub max_payload: Option<u32>,
    /// Most leaf node connections of the account.
    pub max_leafnodes: Option<u32>,
}

/// JetStream of an account; sizes are bytes, `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountJetStream {
    /// Most memory for streams, 0 included.
    pub max_memory: Option<u64>,
    /// Most disk for streams, 0 included.
    pub max_store: Option<u64>,
    /// Most streams; more than 0.
    pub max_streams: Option<u64>,
    /// Most consumers of a stream; more than 0.
    pub max_consumers: Option<u64>,
    /// Most `max_ack_pending` of a consumer; more than 0.
    pub max_ack_pending: Option<u64>,
    /// Most `max_bytes` of a stream in memory; more than 0.
    pub memory_max_stream_bytes: Option<u64>,
    /// Most `max_bytes` of a stream on disk; more than 0.
    pub store_max_stream_bytes: Option<u64>,
    /// Every stream has to set `max_bytes`.
    pub max_bytes_required: bool,
    /// Whose connections carry the traffic of replicated streams.
    pub cluster_traffic: ClusterTraffic,
}

/// Whose connections carry the traffic of replicated streams. Without effect before clustering.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterTraffic {
    /// The system account's.
    #[default]
    System,
    /// The account's own.
    Owner,
}

/// Tracing of messages that carry a `traceparent` header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTrace {
    /// Where traces are published; a valid literal subject.
    pub dest: String,
    /// Percentage of such messages that are traced, 1–100.
    pub sampling: u8,
}
