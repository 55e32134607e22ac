//! What is known of accounts.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::SubscriptionStats;

/// An account in figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AccountFacts {
    /// What subjects and imports call it.
    pub name: String,
    /// What people call it; the same in most cases.
    pub name_tag: String,
    /// Clients connected now.
    pub clients: u64,
    /// Clients and leaf nodes connected now.
    pub connections: u64,
    /// Leaf nodes connected now.
    pub leafnodes: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// What its clients were sent: messages, bytes.
    pub sent: (u64, u64),
    /// What its clients sent: messages, bytes.
    pub received: (u64, u64),
    /// Clients cut off for being slow.
    pub slow_consumers: u64,
}

/// An account in detail.
#[derive(Clone, Debug)]
pub struct AccountDetail {
    /// Its figures.
    pub facts: AccountFacts,
    /// Since when it is as it is.
    pub updated: SystemTime,
    /// Whether it is the system account.
    pub is_system: bool,
    /// Whether its claims have expired.
    pub expired: bool,
    /// Whether all that it wants to import is there.
    pub complete: bool,
    /// Whether it has JetStream.
    pub jetstream: bool,
    /// Its mappings, by source.
    pub mappings: BTreeMap<String, Vec<MappedTo>>,
    /// What it exports.
    pub exports: Vec<ExportFacts>,
    /// What it imports.
    pub imports: Vec<ImportFacts>,
    /// Sums over its interest.
    pub stats: SubscriptionStats,
    /// Its claims as signed, in operator mode.
    pub jwt: String,
    /// The same as JSON.
    pub claims: Option<serde_json::Value>,
    /// What is odd about them.
    pub findings: Vec<Finding>,
    /// Up to when tokens issued to which users are revoked.
    pub revoked: BTreeMap<String, SystemTime>,
    /// Who signed them.
    pub issuer_key: String,
    /// The tags in them.
    pub tags: Vec<String>,
}

/// A destination of a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTo {
    /// The subject.
    pub subject: String,
    /// Percent of the messages.
    pub weight: u8,
    /// Only in this cluster; empty means everywhere.
    pub cluster: String,
}

/// An export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportFacts {
    /// The subject.
    pub subject: String,
    /// Whether it is a service.
    pub service: bool,
    /// `Singleton`, `Streamed` or `Chunked`; empty for streams.
    pub response_type: &'static str,
    /// The measuring of a service, if it is measured.
    pub latency: Option<LatencyFacts>,
    /// The accounts that may import it; none means all.
    pub approved: Vec<String>,
    /// Whether importers need an activation token.
    pub token_required: bool,
    /// Up to when activation tokens issued to which accounts are revoked.
    pub revoked: BTreeMap<String, SystemTime>,
}

/// Something odd about claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub text: String,
    /// Whether claims of which it was found from the beginning are refused.
    pub blocking: bool,
    /// Whether it is about the present time.
    pub time_check: bool,
}

/// How a service is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyFacts {
    /// Percent of the requests; `None` for those whose headers ask for it.
    pub percent: Option<u8>,
    /// Where results go.
    pub results: String,
}

/// An import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportFacts {
    /// The subject in the exporting account.
    pub subject: String,
    /// The exporting account.
    pub account: String,
    /// The subject in the importing account.
    pub local: String,
    /// Whether it is a service.
    pub service: bool,
    /// Whether it is not in force.
    pub invalid: bool,
    /// Whether the exporter is told who asks.
    pub share: bool,
    /// How it is measured.
    pub latency: Option<LatencyFacts>,
}
