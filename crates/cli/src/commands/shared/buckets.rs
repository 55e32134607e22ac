//! What key-value and object buckets have in common: both are streams with a prefix to their name.

use crate::app::App;
use crate::error::{Error, Result};
use crate::jsm::{Placement, StreamConfig, StreamInfo};
use crate::output::columns::Columns;
use crate::output::{duration, number, prompt, time};

/// The long word for a storage flag.
pub(crate) fn storage(flag: &str) -> &'static str {
    if flag.starts_with('m') {
        "memory"
    } else {
        "file"
    }
}

/// Adds `key:value` or `key=value` pairs.
pub(crate) fn metadata(config: &mut StreamConfig, pairs: &[String]) -> Result<()> {
    for pair in pairs {
        let split = pair.split_once(':').or_else(|| pair.split_once('='));
        let (key, value) = split.ok_or_else(|| {
            Error::new(format!("invalid metadata {pair:?}"))
                .hint("Metadata is written key:value or key=value.")
        })?;
        config
            .metadata
            .insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(())
}

/// Sets where a bucket is to live, as far as flags say.
pub(crate) fn placement(config: &mut StreamConfig, cluster: Option<&str>, tags: &[String]) {
    if cluster.is_none() && tags.is_empty() {
        return;
    }
    let placement = config.placement.get_or_insert_with(Placement::default);
    if let Some(cluster) = cluster {
        cluster.clone_into(&mut placement.cluster);
    }
    if !tags.is_empty() {
        placement.tags = tags.to_vec();
    }
}

/// Name, description, creation, size and last update for a list.
pub(crate) fn ls_row(info: &StreamInfo, prefix: &str) -> [String; 5] {
    let last = time::parse(&info.state.last_ts);
    [
        info.config.name.trim_start_matches(prefix).to_owned(),
        info.config.description.clone(),
        time::local_text(&info.created),
        number::bytes(info.state.bytes),
        last.map_or_else(|| "never".to_owned(), |at| duration::human(time::since(at))),
    ]
}

/// The section about a stream's cluster.
pub(crate) fn cluster_rows(page: &mut Columns, info: &StreamInfo) {
    let Some(cluster) = &info.cluster else { return };
    page.section("Cluster Information")
        .row("Name", &cluster.name)
        .row("Leader", &cluster.leader);
    for peer in &cluster.replicas {
        let state = match (peer.offline, peer.current) {
            (true, _) => "offline",
            (false, true) => "current",
            (false, false) => "outdated",
        };
        let seen = duration::human_nanos(peer.active, "never");
        page.row(
            "Replica",
            format!("{}, {state}, seen {seen} ago", peer.name),
        );
    }
}

/// Lets the user choose a bucket.
pub(crate) async fn pick(app: &App, prefix: &str) -> Result<String> {
    let names = app.jsm().await?.stream_names(None).await?;
    let buckets: Vec<String> = names
        .iter()
        .filter_map(|name| name.strip_prefix(prefix).map(str::to_owned))
        .collect();
    let chosen = prompt::choose(
        "Select a Bucket",
        &buckets,
        0,
        "the bucket's name as argument",
    )?;
    Ok(buckets.into_iter().nth(chosen).unwrap_or_default())
}
