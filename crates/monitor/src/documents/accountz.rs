//! `/accountz`: the names of all accounts, or one account in detail.

use std::collections::BTreeMap;
use std::time::SystemTime;

use cognate_process::text::rfc3339_nano;
use serde::Serialize;

use crate::answer::{Number, is_false};
use crate::facts::{
    AccountDetail, ExportFacts, Finding, ImportFacts, LatencyFacts, Monitored, SubscriptionStats,
};
use crate::query::{BadQuery, Query};

/// The document.
#[derive(Debug, Serialize)]
pub(crate) struct Accountz {
    server_id: String,
    now: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    system_account: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    accounts: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_detail: Option<Detail>,
}

#[derive(Debug, Serialize)]
struct Latency {
    sampling: serde_json::Value,
    results: String,
}

#[derive(Debug, Serialize)]
struct Mapped {
    subject: String,
    weight: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    cluster: String,
}

#[derive(Debug, Serialize)]
struct Export {
    subject: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    token_req: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    response_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_latency: Option<Latency>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    approved_accounts: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    revoked_activations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Odd {
    description: String,
    blocking: bool,
    time_check: bool,
}

#[derive(Debug, Serialize)]
struct Import {
    subject: String,
    account: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    to: String,
    local_subject: String,
    r#type: &'static str,
    invalid: bool,
    share: bool,
    tracking: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Stats {
    num_subscriptions: u64,
    num_cache: u64,
    num_inserts: u64,
    num_removes: u64,
    num_matches: u64,
    cache_hit_rate: Number,
    max_fanout: u64,
    avg_fanout: Number,
}

/// One account, also as `$SYS.REQ.ACCOUNT.<account>.INFO` shows it.
#[derive(Debug, Serialize)]
pub(crate) struct Detail {
    account_name: String,
    update_time: String,
    #[serde(skip_serializing_if = "is_false")]
    is_system: bool,
    expired: bool,
    complete: bool,
    jetstream_enabled: bool,
    leafnode_connections: u64,
    client_connections: u64,
    subscriptions: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    mappings: BTreeMap<String, Vec<Mapped>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    exports: Vec<Export>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    imports: Vec<Import>,
    #[serde(skip_serializing_if = "String::is_empty")]
    jwt: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    issuer_key: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    name_tag: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded_jwt: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    validation_result_jwt: Vec<Odd>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    revoked_user: BTreeMap<String, String>,
    sublist_stats: Stats,
}

impl Accountz {
    /// Answers a query from what `source` knows now.
    pub(crate) fn new(source: &dyn Monitored, query: &Query) -> Result<Self, BadQuery> {
        let server = source.server();
        let name = query.value("acc").map(String::from_utf8_lossy);
        let detail = name.as_ref().map(|name| {
            let unknown = || BadQuery(format!("Account {name} does not exist"));
            source.account(name).map(Detail::new).ok_or_else(unknown)
        });
        let accounts = match &name {
            Some(_) => Vec::new(),
            None => source
                .accounts()
                .into_iter()
                .map(|facts| facts.name)
                .collect(),
        };
        Ok(Accountz {
            server_id: server.server_id,
            now: rfc3339_nano(server.now),
            system_account: server.system_account,
            accounts,
            account_detail: detail.transpose()?,
        })
    }
}

impl Detail {
    /// An account in detail.
    pub(crate) fn new(detail: AccountDetail) -> Self {
        let facts = detail.facts;
        let mapped = |to: crate::facts::MappedTo| Mapped {
            subject: to.subject,
            weight: to.weight,
            cluster: to.cluster,
        };
        let mappings = detail.mappings.into_iter();
        Detail {
            account_name: facts.name,
            update_time: rfc3339_nano(detail.updated),
            is_system: detail.is_system,
            expired: detail.expired,
            complete: detail.complete,
            jetstream_enabled: detail.jetstream,
            leafnode_connections: facts.leafnodes,
            client_connections: facts.clients,
            subscriptions: facts.subscriptions,
            mappings: mappings
                .map(|(source, to)| (source, to.into_iter().map(mapped).collect()))
                .collect(),
            exports: detail.exports.into_iter().map(Export::from).collect(),
            imports: detail.imports.into_iter().map(Import::from).collect(),
            jwt: detail.jwt,
            decoded_jwt: detail.claims,
            validation_result_jwt: detail.findings.into_iter().map(Odd::from).collect(),
            revoked_user: shown_times(detail.revoked),
            issuer_key: detail.issuer_key,
            name_tag: facts.name_tag,
            tags: detail.tags,
            sublist_stats: Stats::from(detail.stats),
        }
    }
}

/// Times as they are shown.
fn shown_times(times: BTreeMap<String, SystemTime>) -> BTreeMap<String, String> {
    let times = times.into_iter();
    times.map(|(of, at)| (of, rfc3339_nano(at))).collect()
}

impl From<Finding> for Odd {
    fn from(finding: Finding) -> Self {
        Odd {
            description: finding.text,
            blocking: finding.blocking,
            time_check: finding.time_check,
        }
    }
}

impl From<LatencyFacts> for Latency {
    fn from(facts: LatencyFacts) -> Self {
        Latency {
            sampling: match facts.percent {
                Some(percent) => percent.into(),
                None => "headers".into(),
            },
            results: facts.results,
        }
    }
}

impl From<ExportFacts> for Export {
    fn from(facts: ExportFacts) -> Self {
        Export {
            subject: facts.subject,
            r#type: kind(facts.service),
            token_req: facts.token_required,
            response_type: facts.response_type,
            service_latency: facts.latency.map(Latency::from),
            approved_accounts: facts.approved,
            revoked_activations: shown_times(facts.revoked),
        }
    }
}

impl From<ImportFacts> for Import {
    fn from(facts: ImportFacts) -> Self {
        Import {
            subject: facts.subject,
            account: facts.account,
            to: if facts.service {
                facts.local.clone()
            } else {
                String::new()
            },
            local_subject: facts.local,
            r#type: kind(facts.service),
            invalid: facts.invalid,
            share: facts.share,
            tracking: false,
            latency: facts.latency.map(Latency::from),
        }
    }
}

impl From<SubscriptionStats> for Stats {
    fn from(stats: SubscriptionStats) -> Self {
        Stats {
            num_subscriptions: stats.num_subscriptions,
            num_cache: stats.num_cache,
            num_inserts: stats.num_inserts,
            num_removes: stats.num_removes,
            num_matches: stats.num_matches,
            cache_hit_rate: Number(stats.cache_hit_rate),
            max_fanout: stats.max_fanout,
            avg_fanout: Number(stats.avg_fanout),
        }
    }
}

fn kind(service: bool) -> &'static str {
    if service { "service" } else { "stream" }
}
