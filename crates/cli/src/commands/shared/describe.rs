//! What streams and consumers have in common when they are shown: clusters, API levels, metadata,
//! lists of those that did not answer.

use std::collections::{BTreeMap, HashMap};

use crate::error::{Error, Result};
use crate::jsm::{ClusterInfo, PeerInfo};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::output::{duration, number, time};
use crate::say;

/// The section about where something lives.
pub(crate) fn cluster(page: &mut Columns, cluster: Option<&ClusterInfo>, group: &str) {
    let Some(cluster) = cluster.filter(|cluster| !cluster.name.is_empty()) else {
        return;
    };
    let since = cluster.leader_since.as_deref().and_then(time::parse);
    let leader = match since {
        Some(at) => format!("{} ({})", cluster.leader, duration::human(time::since(at))),
        None => cluster.leader.clone(),
    };
    page.section("Cluster Information")
        .row("Name", &cluster.name)
        .row_if_set(group, &cluster.raft_group)
        .row("Leader", leader);
    for peer in &cluster.replicas {
        page.row("Replica", replica(peer));
    }
}

fn replica(peer: &PeerInfo) -> String {
    let mut words = vec![peer.name.clone()];
    words.push(if peer.current { "current" } else { "outdated" }.to_owned());
    if peer.offline {
        words.push("OFFLINE".to_owned());
    }
    words.push(match peer.active {
        1..=0x7fff_ffff_ffff_fffe => format!("seen {} ago", duration::human_nanos(peer.active, "")),
        _ => "not seen".to_owned(),
    });
    match peer.lag {
        0 => {}
        1 => words.push("1 operation behind".to_owned()),
        lag => words.push(format!("{} operations behind", number::grouped(lag))),
    }
    words.join(", ")
}

/// The peers of a group in a cell of a table: `a, b*, c!`, where `*` leads and `!` is behind.
pub(crate) fn peers(cluster: Option<&ClusterInfo>) -> String {
    let Some(cluster) = cluster else {
        return String::new();
    };
    let mut names: Vec<String> = cluster
        .replicas
        .iter()
        .map(|peer| match peer.current && !peer.offline {
            true => peer.name.clone(),
            false => format!("{}!", peer.name),
        })
        .collect();
    if !cluster.leader.is_empty() {
        names.push(format!("{}*", cluster.leader));
    }
    names.sort();
    names.join(", ")
}

/// Which API level something needs, as its metadata says.
pub(crate) fn api_level(metadata: &BTreeMap<String, String>) -> &str {
    metadata.get("_nats.req.level").map_or("0", String::as_str)
}

/// The rows about versions.
pub(crate) fn versions(page: &mut Columns, metadata: &BTreeMap<String, String>) {
    if let Some(version) = metadata.get("_nats.ver") {
        page.row("Host Version", version);
    }
    if let Some(required) = metadata.get("_nats.req.level") {
        let level = match metadata.get("_nats.level") {
            Some(level) => format!("{required} hosted at level {level}"),
            None => required.clone(),
        };
        page.row("Required API Level", level);
    }
}

/// The metadata that users set.
pub(crate) fn metadata(page: &mut Columns, metadata: &BTreeMap<String, String>) {
    page.section("Metadata");
    for (key, value) in metadata.iter().filter(|(key, _)| !is_reserved(key)) {
        page.row(key, value);
    }
}

/// Takes out what only servers may say.
pub(crate) fn drop_reserved(metadata: &mut BTreeMap<String, String>) {
    metadata.retain(|key, _| !is_reserved(key));
}

fn is_reserved(key: &str) -> bool {
    key.starts_with("_nats.")
}

/// Reads `key:value` and `key=value` pairs.
pub(crate) fn pairs(given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for pair in given {
        let split = pair.split_once(':').or_else(|| pair.split_once('='));
        let (key, value) = split.ok_or_else(|| {
            Error::new(format!("invalid metadata {pair:?}"))
                .hint("Metadata is written key:value or key=value.")
        })?;
        pairs.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(pairs)
}

/// Subjects from flags and answers: separated by commas or blanks.
pub(crate) fn split_list(given: &[String]) -> Vec<String> {
    given
        .iter()
        .flat_map(|list| list.split([',', ' ', '\t']))
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Tables of what could not be shown.
pub(crate) fn missing(kind: &str, missing: &[String], offline: &BTreeMap<String, String>) {
    if !missing.is_empty() {
        let mut table = Table::new(format!("Inaccessible {kind}"), &["Name", "", "", ""]);
        missing.chunks(4).for_each(|names| {
            table.row(names.to_vec());
        });
        say!();
        table.print();
    }
    if !offline.is_empty() {
        let mut table = Table::new(format!("Offline {kind}"), &["Name", "Reason"]);
        for (name, reason) in offline {
            table.row([name, reason]);
        }
        say!();
        table.print();
    }
}

/// How many groups each server leads.
#[derive(Default)]
pub(crate) struct Leaders(HashMap<String, (String, u64)>);

impl Leaders {
    /// Counts a group.
    pub(crate) fn count(&mut self, cluster: Option<&ClusterInfo>) {
        if let Some(cluster) = cluster.filter(|cluster| !cluster.leader.is_empty()) {
            let entry = self.0.entry(cluster.leader.clone()).or_default();
            entry.0.clone_from(&cluster.name);
            entry.1 += 1;
        }
    }

    /// Prints the distribution; `*` marks servers that lead more than their share.
    pub(crate) fn print(&self, kind: &str) {
        if self.0.is_empty() {
            return;
        }
        let total: u64 = self.0.values().map(|(_, groups)| groups).sum();
        let share = total.div_ceil(self.0.len() as u64);
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort();
        let headers = ["Server", "Cluster", kind, "Distribution"];
        let mut table = Table::new(format!("{kind} per server"), &headers);
        for (server, (cluster, groups)) in rows {
            let mark = if *groups > share { "*" } else { "" };
            table.row([
                server.clone(),
                cluster.clone(),
                number::grouped(*groups),
                mark.to_owned(),
            ]);
        }
        say!();
        table.print();
    }
}
