//! The checks of an audit: what each looks at in an archive, and what it calls a fault.
//!
//! Codes, texts and thresholds are the official tool's. A check reads the documents of one or two kinds
//! and adds an example per fault; what a server did not say is no fault. A check that finds nothing to
//! look at is skipped where the official tool's is.

mod servers;
mod streams;

use serde_json::{Value, json};

use super::archive::Archive;
use super::report::Outcome;
use crate::error::Result;
use crate::output::number;

/// A threshold of a check.
pub(super) struct Setting {
    key: &'static str,
    description: &'static str,
    default: f64,
    unit: &'static str,
}

/// A check.
pub(super) struct Check {
    pub(super) code: &'static str,
    pub(super) suite: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) settings: &'static [Setting],
    run: fn(&Check, &Archive, &mut Examples) -> Result<Outcome>,
}

const fn setting(
    key: &'static str,
    description: &'static str,
    default: f64,
    unit: &'static str,
) -> Setting {
    Setting {
        key,
        description,
        default,
        unit,
    }
}

const fn percent(key: &'static str, description: &'static str, default: f64) -> Setting {
    setting(key, description, default, "%")
}

const fn check(
    code: &'static str,
    suite: &'static str,
    name: &'static str,
    description: &'static str,
    settings: &'static [Setting],
    run: fn(&Check, &Archive, &mut Examples) -> Result<Outcome>,
) -> Check {
    Check {
        code,
        suite,
        name,
        description,
        settings,
        run,
    }
}

/// All checks, in the order of their codes.
// A row per check, as the table of them is printed.
#[rustfmt::skip]
pub(super) const CHECKS: &[Check] = &[
    check("ACCOUNTS_001", "accounts", "Account Limits",
        "Account usage is below the configured limits",
        &[
            percent("connections", "Alerting threshold as a fraction of configured connections limit", 90.0),
            percent("subscriptions", "Alerting threshold as a fraction of configured subscriptions limit", 90.0)], servers::account_limits),
    check("CLUSTER_001", "cluster", "Cluster Memory Usage Outliers",
        "Memory usage is uniform across nodes in a cluster",
        &[setting("memory", "Threshold of memory usage above average", 1.5, "")], servers::memory_outliers),
    check("CLUSTER_002", "cluster", "Cluster Uniform Gateways",
        "All nodes in a cluster share the same gateways configuration",
        &[], servers::uniform_gateways),
    check("CLUSTER_003", "cluster", "Cluster High HA Assets",
        "Number of HA assets is below a given threshold",
        &[setting("assets", "Number of HA assets per server", 1000.0, "uint")], servers::ha_assets),
    check("CLUSTER_004", "cluster", "Whitespace in cluster name",
        "No cluster name contains whitespace",
        &[], servers::cluster_names),
    check("JETSTREAM_001", "jetstream", "Stream Lagging Replicas",
        "All replicas of a stream are keeping up",
        &[percent("last_seq", "How far a replica may be behind the highest known last sequence", 10.0)], streams::lagging_replicas),
    check("JETSTREAM_002", "jetstream", "Stream High Cardinality",
        "Streams unique subjects do not exceed a given threshold",
        &[setting("subjects", "Alerting threshold for unique subjects in a stream", 1e6, "int")], streams::high_cardinality),
    check("JETSTREAM_003", "jetstream", "Stream Limits",
        "Stream usage is below the configured limits",
        &[
            percent("bytes", "Alert if size near configured limit", 90.0),
            percent("consumers", "Alert if consumer count near configured limit", 90.0),
            percent("messages", "Alert if messages near configured limit", 90.0)], streams::stream_limits),
    check("JETSTREAM_004", "jetstream", "Stream Metadata based monitoring",
        "Stream health using the 'nats server check stream' metadata",
        &[], streams::stream_metadata),
    check("JETSTREAM_005", "jetstream", "Consumer Metadata based monitoring",
        "Consumer health using the 'nats server check consumer' metadata",
        &[], streams::consumer_metadata),
    check("LEAF_001", "leaf", "Whitespace in leafnode server names",
        "No Leafnode contains whitespace in its name",
        &[], servers::leafnode_names),
    check("META_001", "meta", "Meta cluster offline replicas",
        "All nodes part of the meta group are online",
        &[], servers::meta_offline),
    check("META_002", "meta", "Meta cluster leader",
        "All nodes part of the meta group agree on the meta cluster leader",
        &[], servers::meta_leader),
    check("SERVER_001", "server", "Server Health",
        "All known nodes are healthy",
        &[], servers::health),
    check("SERVER_002", "server", "Server Version",
        "All known nodes are running the same software version",
        &[], servers::versions),
    check("SERVER_003", "server", "Server CPU Usage",
        "CPU usage for all known nodes is below a given threshold",
        &[percent("cpu", "CPU Limit Threshold", 90.0)], servers::cpu),
    check("SERVER_004", "server", "Server Slow Consumers",
        "No node is reporting slow consumers",
        &[], servers::slow_consumers),
    check("SERVER_005", "server", "Server Resources Limits",
        "Resources are below a given threshold compared to the configured limit",
        &[
            percent("memory", "Threshold for memory usage", 90.0),
            percent("store", "Threshold for store usage", 90.0)], servers::resources),
    check("SERVER_006", "server", "Whitespace in JetStream domains",
        "No JetStream server is configured with whitespace in its domain",
        &[], servers::domains),
    check("SERVER_007", "server", "Authentication required",
        "Each server requires authentication",
        &[], servers::authentication),
    check("SERVER_008", "server", "TLS Certificate Expiry",
        "TLS certificates are valid and not expiring soon",
        &[
            setting("tls_expire_critical", "Certificate expiry critical threshold in days", 7.0, "uint"),
            setting("tls_expire_warning", "Certificate expiry warning threshold in days", 30.0, "uint")], servers::certificates),
];

impl Setting {
    /// `cpu (90%)`.
    pub(super) fn shown(&self) -> String {
        let value = match self.default.fract() == 0.0 {
            true => number::grouped(self.default as i64),
            false => self.default.to_string(),
        };
        let unit = if self.unit == "%" { "%" } else { "" };
        format!("{} ({value}{unit})", self.key)
    }
}

impl Check {
    /// The check as the official tool describes it.
    pub(super) fn to_json(&self) -> Value {
        let mut settings = serde_json::Map::new();
        for setting in self.settings {
            let default = match setting.default.fract() == 0.0 {
                true => json!(setting.default as i64),
                false => json!(setting.default),
            };
            let described = json!({
                "key": setting.key, "check": self.code, "description": setting.description,
                "default": default, "unit": setting.unit,
            });
            settings.insert(setting.key.to_owned(), described);
        }
        json!({
            "code": self.code, "suite": self.suite, "name": self.name,
            "description": self.description, "configuration": settings,
        })
    }

    /// Runs it; the examples are its faults.
    pub(super) fn run(&self, archive: &Archive) -> Result<(Outcome, Vec<String>)> {
        let mut examples = Examples::default();
        let outcome = (self.run)(self, archive, &mut examples)?;
        Ok((outcome, examples.0))
    }

    fn threshold(&self, key: &str) -> f64 {
        let found = self.settings.iter().find(|setting| setting.key == key);
        found.map_or(f64::INFINITY, |setting| setting.default)
    }
}

/// The faults found.
#[derive(Default)]
struct Examples(Vec<String>);

impl Examples {
    fn add(&mut self, text: String) {
        self.0.push(text);
    }

    /// `outcome` if there is a fault.
    fn or_pass(&self, outcome: Outcome) -> Outcome {
        match self.0.is_empty() {
            true => Outcome::Pass,
            false => outcome,
        }
    }
}
