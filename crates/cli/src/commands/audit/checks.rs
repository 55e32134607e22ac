//! The checks of an audit: what each looks at in an archive, and what it calls a fault.
//!
//! Codes, texts and thresholds are the official tool's. A check reads the documents of one or two kinds
//! and adds an example per fault; what a server did not say is no fault. A check that finds nothing to
//! look at is skipped where the official tool's is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::archive::{Archive, Place};
use super::report::Outcome;
use crate::commands::server::check::{self, Outcome as Findings};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::{duration, number, time};

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
            percent("subscriptions", "Alerting threshold as a fraction of configured subscriptions limit", 90.0)], account_limits),
    check("CLUSTER_001", "cluster", "Cluster Memory Usage Outliers",
        "Memory usage is uniform across nodes in a cluster",
        &[setting("memory", "Threshold of memory usage above average", 1.5, "")], memory_outliers),
    check("CLUSTER_002", "cluster", "Cluster Uniform Gateways",
        "All nodes in a cluster share the same gateways configuration",
        &[], uniform_gateways),
    check("CLUSTER_003", "cluster", "Cluster High HA Assets",
        "Number of HA assets is below a given threshold",
        &[setting("assets", "Number of HA assets per server", 1000.0, "uint")], ha_assets),
    check("CLUSTER_004", "cluster", "Whitespace in cluster name",
        "No cluster name contains whitespace",
        &[], cluster_names),
    check("JETSTREAM_001", "jetstream", "Stream Lagging Replicas",
        "All replicas of a stream are keeping up",
        &[percent("last_seq", "How far a replica may be behind the highest known last sequence", 10.0)], lagging_replicas),
    check("JETSTREAM_002", "jetstream", "Stream High Cardinality",
        "Streams unique subjects do not exceed a given threshold",
        &[setting("subjects", "Alerting threshold for unique subjects in a stream", 1e6, "int")], high_cardinality),
    check("JETSTREAM_003", "jetstream", "Stream Limits",
        "Stream usage is below the configured limits",
        &[
            percent("bytes", "Alert if size near configured limit", 90.0),
            percent("consumers", "Alert if consumer count near configured limit", 90.0),
            percent("messages", "Alert if messages near configured limit", 90.0)], stream_limits),
    check("JETSTREAM_004", "jetstream", "Stream Metadata based monitoring",
        "Stream health using the 'nats server check stream' metadata",
        &[], stream_metadata),
    check("JETSTREAM_005", "jetstream", "Consumer Metadata based monitoring",
        "Consumer health using the 'nats server check consumer' metadata",
        &[], consumer_metadata),
    check("LEAF_001", "leaf", "Whitespace in leafnode server names",
        "No Leafnode contains whitespace in its name",
        &[], leafnode_names),
    check("META_001", "meta", "Meta cluster offline replicas",
        "All nodes part of the meta group are online",
        &[], meta_offline),
    check("META_002", "meta", "Meta cluster leader",
        "All nodes part of the meta group agree on the meta cluster leader",
        &[], meta_leader),
    check("SERVER_001", "server", "Server Health",
        "All known nodes are healthy",
        &[], health),
    check("SERVER_002", "server", "Server Version",
        "All known nodes are running the same software version",
        &[], versions),
    check("SERVER_003", "server", "Server CPU Usage",
        "CPU usage for all known nodes is below a given threshold",
        &[percent("cpu", "CPU Limit Threshold", 90.0)], cpu),
    check("SERVER_004", "server", "Server Slow Consumers",
        "No node is reporting slow consumers",
        &[], slow_consumers),
    check("SERVER_005", "server", "Server Resources Limits",
        "Resources are below a given threshold compared to the configured limit",
        &[
            percent("memory", "Threshold for memory usage", 90.0),
            percent("store", "Threshold for store usage", 90.0)], resources),
    check("SERVER_006", "server", "Whitespace in JetStream domains",
        "No JetStream server is configured with whitespace in its domain",
        &[], domains),
    check("SERVER_007", "server", "Authentication required",
        "Each server requires authentication",
        &[], authentication),
    check("SERVER_008", "server", "TLS Certificate Expiry",
        "TLS certificates are valid and not expiring soon",
        &[
            setting("tls_expire_critical", "Certificate expiry critical threshold in days", 7.0, "uint"),
            setting("tls_expire_warning", "Certificate expiry warning threshold in days", 30.0, "uint")], certificates),
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

/// Calls `each` with what every server said of itself.
fn servers(archive: &Archive, kind: &str, mut each: impl FnMut(&Place, &Value)) -> Result<()> {
    for (place, document) in archive.documents(kind)? {
        each(&place, document.at("data"));
    }
    Ok(())
}

fn has_space(text: &str) -> bool {
    text.chars().any(char::is_whitespace)
}

fn account_limits(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut is_exceeded = false;
    let [connections, subscriptions] =
        ["connections", "subscriptions"].map(|key| check.threshold(key));
    let limits = [
        (
            "client connections",
            "client_connections",
            "conn",
            connections,
        ),
        (
            "leaf connections",
            "leafnode_connections",
            "leaf",
            connections,
        ),
        ("subscriptions", "subscriptions", "subs", subscriptions),
    ];
    servers(archive, "account_info", |place, data| {
        let data = if data.at("account_detail").is_object() {
            data.at("account_detail")
        } else {
            data
        };
        let (account, server) = (data.text("account_name"), &place.server);
        for (title, used, limit, percent) in limits {
            let limit = data.at("decoded_jwt.nats").at("limits").count(limit);
            let value = data.count(used);
            if limit == 0 {
                continue;
            }
            let share = value as f64 * 100.0 / limit as f64;
            if value > limit {
                is_exceeded = true;
                examples.add(format!("account {account} (on {server}) exceeded {title} limit ({share:.1}%, {value}/{limit})"));
            } else if share > percent {
                examples.add(format!("account {account} (on {server}) using {share:.1}% of {title} limit ({value}/{limit})"));
            }
        }
    })?;
    Ok(if is_exceeded {
        Outcome::Fail
    } else {
        examples.or_pass(Outcome::Warn)
    })
}

fn memory_outliers(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut clusters: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    servers(archive, "variables", |place, data| {
        let memory = (place.server.clone(), data.count("mem"));
        clusters
            .entry(place.cluster.clone())
            .or_default()
            .push(memory);
    })?;
    for (cluster, servers) in clusters {
        let sum: f64 = servers.iter().map(|(_, memory)| *memory as f64).sum();
        let mean = sum / servers.len() as f64;
        for (server, memory) in servers {
            if memory as f64 > mean * check.threshold("memory") {
                let (mean, memory) = (number::bytes(mean as u64), number::bytes(memory));
                examples.add(format!(
                    "Cluster {cluster} avg: {mean}, server {server}: {memory}"
                ));
            }
        }
    }
    Ok(examples.or_pass(Outcome::Warn))
}

fn uniform_gateways(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    // The first server of each cluster, and where its gateways of each direction lead.
    let mut known: BTreeMap<(String, &str), (String, BTreeSet<String>)> = BTreeMap::new();
    servers(archive, "gateways", |place, data| {
        for direction in ["inbound", "outbound"] {
            let list = data.at(&format!("{direction}_gateways")).as_object();
            let targets: BTreeSet<String> = list
                .map(|list| list.keys().cloned().collect())
                .unwrap_or_default();
            let key = (place.cluster.clone(), direction);
            match known.get(&key) {
                Some((first, others)) if *others != targets => examples.add(format!(
                    "Cluster {}, {direction} gateways: server {first} has {others:?}, server {} has {targets:?}",
                    place.cluster, place.server
                )),
                Some(_) => {}
                None => {
                    known.insert(key, (place.server.clone(), targets));
                }
            }
        }
    })?;
    Ok(examples.or_pass(Outcome::Fail))
}

fn ha_assets(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "jetstream_info", |place, data| {
        let assets = data.count("ha_assets");
        if assets as f64 > check.threshold("assets") {
            examples.add(format!("{}: {assets} HA assets", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn cluster_names(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut names = BTreeSet::new();
    servers(archive, "variables", |place, _| {
        names.insert(place.cluster.clone());
    })?;
    for name in names.iter().filter(|name| has_space(name)) {
        examples.add(format!("Cluster: {name}"));
    }
    Ok(examples.or_pass(Outcome::Fail))
}

fn leafnode_names(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut clusters: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    servers(archive, "leafs", |place, data| {
        for leaf in data
            .list("leafs")
            .iter()
            .filter(|leaf| has_space(leaf.text("name")))
        {
            let names = clusters.entry(place.cluster.clone()).or_default();
            names.insert(leaf.text("name").to_owned());
        }
    })?;
    for (cluster, names) in clusters {
        examples.add(format!("Cluster {cluster}: {names:?}"));
    }
    Ok(examples.or_pass(Outcome::Fail))
}

fn meta_offline(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "jetstream_info", |place, data| {
        let peers = data.list("meta_cluster.replicas");
        for peer in peers.iter().filter(|peer| peer.flag("offline")) {
            let (cluster, server, name) = (&place.cluster, &place.server, peer.text("name"));
            examples.add(format!(
                "{cluster} - {server} reports peer {name} as offline"
            ));
        }
    })?;
    Ok(examples.or_pass(Outcome::Fail))
}

fn meta_leader(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut leaders: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    servers(archive, "jetstream_info", |place, data| {
        if data.at("meta_cluster").is_object() {
            let cluster = leaders.entry(place.cluster.clone()).or_default();
            let followers = cluster.entry(data.text("meta_cluster.leader").to_owned());
            followers.or_default().push(place.server.clone());
        }
    })?;
    for (cluster, leaders) in leaders {
        match leaders.len() {
            1 if leaders.contains_key("") => {
                examples.add(format!("Members of {cluster} have no meta leader"));
            }
            0 | 1 => {}
            _ => examples.add(format!(
                "Members of {cluster} disagree on meta leader ({leaders:?})"
            )),
        }
    }
    Ok(examples.or_pass(Outcome::Fail))
}

fn health(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "health", |place, data| {
        let status = data.text("status");
        if !matches!(status, "ok" | "") {
            let code = data.count("status_code");
            examples.add(format!("{}: {code} - {status}", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn versions(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    servers(archive, "variables", |place, data| {
        let version = data.text("version").to_owned();
        seen.entry(version).or_default().push(place.server.clone());
    })?;
    if seen.is_empty() {
        return Ok(Outcome::Skip);
    }
    if seen.len() > 1 {
        for (version, servers) in &seen {
            for server in servers {
                examples.add(format!("{server} - {version}"));
            }
        }
    }
    Ok(examples.or_pass(Outcome::Fail))
}

fn cpu(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "variables", |place, data| {
        let cores = data.count("cores");
        let used = data.float("cpu") / cores.max(1) as f64;
        if cores > 0 && used > check.threshold("cpu") {
            examples.add(format!("{} - {}: {used:.1}%", place.cluster, place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Fail))
}

fn slow_consumers(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "variables", |place, data| {
        let slow = data.count("slow_consumers");
        if slow > 0 {
            examples.add(format!(
                "{}/{}: {slow} slow consumers",
                place.cluster, place.server
            ));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn resources(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let limits = [
        ("memory", "memory", "config.max_memory"),
        ("store", "storage", "config.max_storage"),
    ];
    servers(archive, "jetstream_info", |place, data| {
        for (title, used, limit) in limits {
            let (value, limit) = (data.count(used), data.count(limit));
            if limit > 0 && value as f64 * 100.0 / limit as f64 > check.threshold(title) {
                let (value, limit) = (number::bytes(value), number::bytes(limit));
                examples.add(format!(
                    "{} {title} usage: {value} of {limit}",
                    place.server
                ));
            }
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn domains(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "jetstream_info", |place, data| {
        let domain = data.text("config.domain");
        if has_space(domain) {
            let (cluster, server) = (&place.cluster, &place.server);
            examples.add(format!("Cluster {cluster} Server {server} Domain {domain}"));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn authentication(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "variables", |place, data| {
        if !data.flag("auth_required") {
            examples.add(format!("{}: authentication not required", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn certificates(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let days = |key: &str| Duration::from_secs(check.threshold(key) as u64 * 86_400);
    let (critical, warning) = (days("tls_expire_critical"), days("tls_expire_warning"));
    let mut worst = Outcome::Skip;
    let parts = ["server", "cluster", "gateway", "leaf", "mqtt", "websocket"];
    servers(archive, "variables", |place, data| {
        let now = time::parse(data.text("now")).unwrap_or_else(jiff::Timestamp::now);
        for part in parts {
            let document = if part == "server" {
                data
            } else {
                data.at(part)
            };
            let text = document.text("tls_cert_not_after");
            let Some(end) = time::parse(text).filter(|end| end.as_second() > 0) else {
                continue;
            };
            let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
            let outcome = match left {
                left if left <= critical => Outcome::Fail,
                left if left <= warning => Outcome::Warn,
                _ => Outcome::Pass,
            };
            worst = match worst {
                Outcome::Skip => outcome,
                worst => worst.max(outcome),
            };
            let of = format!("{}/{} {part} TLS certificate", place.cluster, place.server);
            match outcome {
                Outcome::Pass => {}
                _ if left.is_zero() => examples.add(format!("{of} expired (expired_at={text})")),
                _ => {
                    let left = duration::human(Duration::from_secs(left.as_secs()));
                    examples.add(format!("{of} expires in {left} (expires_at={text})"));
                }
            }
        }
    })?;
    Ok(worst)
}

/// Every stream with an account and a name, as the servers that have it describe it.
fn streams(archive: &Archive, mut each: impl FnMut(&str, &str, &Place, &Value)) -> Result<()> {
    for (place, info) in archive.documents("stream_info")? {
        if let (Some(account), Some(stream)) = (&place.account, &place.stream) {
            each(account, stream, &place, &info);
        }
    }
    Ok(())
}

fn lagging_replicas(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut known: BTreeMap<(String, String), Vec<(u64, String)>> = BTreeMap::new();
    streams(archive, |account, stream, place, info| {
        let last = (info.count("state.last_seq"), place.server.clone());
        known
            .entry((account.to_owned(), stream.to_owned()))
            .or_default()
            .push(last);
    })?;
    for ((account, stream), servers) in known {
        let Some((highest, ahead)) = servers.iter().max_by_key(|(last, _)| *last) else {
            continue;
        };
        let least = *highest as f64 * (1.0 - check.threshold("last_seq") / 100.0);
        for (last, server) in servers.iter().filter(|(last, _)| (*last as f64) < least) {
            examples.add(format!(
                "{account}/{stream} server {server} lastSequence: {last} is behind highest lastSequence: {highest} on server: {ahead}"
            ));
        }
    }
    Ok(examples.or_pass(Outcome::Fail))
}

fn high_cardinality(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    streams(archive, |account, stream, _, info| {
        let subjects = info.count("state.num_subjects");
        if subjects as f64 > check.threshold("subjects") {
            examples.add(format!("{account}/{stream}: {subjects} subjects"));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

fn stream_limits(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let limits = [
        ("messages", "state.messages", "config.max_msgs"),
        ("bytes", "state.bytes", "config.max_bytes"),
        ("consumers", "state.consumer_count", "config.max_consumers"),
    ];
    streams(archive, |account, stream, place, info| {
        for (title, used, limit) in limits {
            let (value, limit) = (info.count(used), info.count(limit));
            let share = value as f64 * 100.0 / limit.max(1) as f64;
            if limit > 0 && share > check.threshold(title) {
                examples.add(format!(
                    "stream {stream} (in {account} on {}) using {share:.1}% of {title} limit ({value}/{limit})",
                    place.server
                ));
            }
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

/// Whether a server is the one to believe about something: its leader, or who has it alone.
fn speaks_for(place: &Place, info: &Value) -> bool {
    let leader = info.text("cluster.leader");
    leader.is_empty() || leader == place.server
}

/// Adds what a check found, and returns how bad it is.
fn add_findings(found: &Findings, of: &str, examples: &mut Examples) -> Outcome {
    for text in &found.warnings {
        examples.add(format!("WARNING: {of}: {text}"));
    }
    for text in &found.criticals {
        examples.add(format!("CRITICAL: {of}: {text}"));
    }
    match (found.criticals.is_empty(), found.warnings.is_empty()) {
        (false, _) => Outcome::Fail,
        (true, false) => Outcome::Warn,
        (true, true) => Outcome::Pass,
    }
}

fn stream_metadata(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut worst = Outcome::Pass;
    streams(archive, |account, stream, place, info| {
        if !speaks_for(place, info) {
            return;
        }
        if let Some(found) = check::stream_by_metadata(info) {
            let of = format!("stream {stream} in {account}");
            worst = worst.max(add_findings(&found, &of, examples));
        }
    })?;
    Ok(worst)
}

fn consumer_metadata(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    let mut worst = Outcome::Pass;
    let now = time::parse(&archive.metadata.capture_timestamp);
    let now = now.unwrap_or_else(jiff::Timestamp::now);
    streams(archive, |account, stream, place, info| {
        for consumer in info.list("consumer_detail") {
            if !speaks_for(place, consumer) {
                continue;
            }
            if let Some(found) = check::consumer_by_metadata(consumer, now) {
                let name = consumer.text("name");
                let of = format!("consumer {name} in stream {stream} in {account}");
                worst = worst.max(add_findings(&found, &of, examples));
            }
        }
    })?;
    Ok(worst)
}
