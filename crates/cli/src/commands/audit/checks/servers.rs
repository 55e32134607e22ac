//! Checks of what servers say of themselves and of accounts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::archive::{Archive, Place};
use super::super::report::Outcome;
use super::{Check, Examples};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::{duration, number, time};

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

pub(super) fn account_limits(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn memory_outliers(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn uniform_gateways(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn ha_assets(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
    servers(archive, "jetstream_info", |place, data| {
        let assets = data.count("ha_assets");
        if assets as f64 > check.threshold("assets") {
            examples.add(format!("{}: {assets} HA assets", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

pub(super) fn cluster_names(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
    let mut names = BTreeSet::new();
    servers(archive, "variables", |place, _| {
        names.insert(place.cluster.clone());
    })?;
    for name in names.iter().filter(|name| has_space(name)) {
        examples.add(format!("Cluster: {name}"));
    }
    Ok(examples.or_pass(Outcome::Fail))
}

pub(super) fn leafnode_names(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn meta_offline(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn meta_leader(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn health(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "health", |place, data| {
        let status = data.text("status");
        if !matches!(status, "ok" | "") {
            let code = data.count("status_code");
            examples.add(format!("{}: {code} - {status}", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

pub(super) fn versions(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
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

pub(super) fn cpu(check: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "variables", |place, data| {
        let cores = data.count("cores");
        let used = data.float("cpu") / cores.max(1) as f64;
        if cores > 0 && used > check.threshold("cpu") {
            examples.add(format!("{} - {}: {used:.1}%", place.cluster, place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Fail))
}

pub(super) fn slow_consumers(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn resources(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn domains(_: &Check, archive: &Archive, examples: &mut Examples) -> Result<Outcome> {
    servers(archive, "jetstream_info", |place, data| {
        let domain = data.text("config.domain");
        if has_space(domain) {
            let (cluster, server) = (&place.cluster, &place.server);
            examples.add(format!("Cluster {cluster} Server {server} Domain {domain}"));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

pub(super) fn authentication(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
    servers(archive, "variables", |place, data| {
        if !data.flag("auth_required") {
            examples.add(format!("{}: authentication not required", place.server));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

pub(super) fn certificates(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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
