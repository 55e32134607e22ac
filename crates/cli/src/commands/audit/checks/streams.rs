//! Checks of streams and consumers, as the servers that have them describe them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::archive::{Archive, Place};
use super::super::report::Outcome;
use super::{Check, Examples};
use crate::commands::server::check::{self, Outcome as Findings};
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::output::time;

/// Every stream with an account and a name, as the servers that have it describe it.
fn streams(archive: &Archive, mut each: impl FnMut(&str, &str, &Place, &Value)) -> Result<()> {
    for (place, info) in archive.documents("stream_info")? {
        if let (Some(account), Some(stream)) = (&place.account, &place.stream) {
            each(account, stream, &place, &info);
        }
    }
    Ok(())
}

pub(super) fn lagging_replicas(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn high_cardinality(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
    streams(archive, |account, stream, _, info| {
        let subjects = info.count("state.num_subjects");
        if subjects as f64 > check.threshold("subjects") {
            examples.add(format!("{account}/{stream}: {subjects} subjects"));
        }
    })?;
    Ok(examples.or_pass(Outcome::Warn))
}

pub(super) fn stream_limits(
    check: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn stream_metadata(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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

pub(super) fn consumer_metadata(
    _: &Check,
    archive: &Archive,
    examples: &mut Examples,
) -> Result<Outcome> {
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
