//! How a stream is shown: configuration, cluster, replication, state.

use crate::commands::shared::describe;
use crate::error::Result;
use crate::jsm::{StreamConfig, StreamInfo, StreamSource, StreamSourceInfo};
use crate::output::columns::Columns;
use crate::output::{duration, json, number, time};

/// Prints a stream, or its JSON.
pub(super) fn print(info: &StreamInfo, as_json: bool) -> Result<()> {
    if as_json {
        return json::print(info);
    }
    let mut page = Columns::new(format!(
        "Information for Stream {} created {}",
        info.config.name,
        time::local_text(&info.created)
    ));
    configuration(&mut page, &info.config);
    where_and_what(&mut page, info);
    page.print();
    Ok(())
}

/// Prints a stream's state alone, or its JSON.
pub(super) fn print_state(info: &StreamInfo, as_json: bool) -> Result<()> {
    if as_json {
        return json::print(info);
    }
    let mut page = Columns::new(format!(
        "State for Stream {} created {}",
        info.config.name,
        time::local_text(&info.created)
    ));
    where_and_what(&mut page, info);
    page.print();
    Ok(())
}

fn where_and_what(page: &mut Columns, info: &StreamInfo) {
    describe::cluster(page, info.cluster.as_ref(), "Cluster Group");
    if let Some(mirror) = &info.mirror {
        page.section("Mirror Information");
        source_state(page, mirror);
    }
    if !info.sources.is_empty() {
        page.section("Source Information");
        for (at, source) in info.sources.iter().enumerate() {
            if at > 0 {
                page.text("");
            }
            source_state(page, source);
        }
    }
    state(page, info);
}

fn configuration(page: &mut Columns, config: &StreamConfig) {
    page.row_if_set("Description", &config.description)
        .row_if_set("Subjects", config.subjects.join(", "))
        .row("Replicas", config.num_replicas);
    if config.sealed {
        page.row("Sealed", true);
    }
    page.row("Storage", config.storage.title());
    match config.compression.as_str() {
        "" | "none" => {}
        "s2" => {
            page.row("Compression", "S2 Compression");
        }
        other => {
            page.row("Compression", other);
        }
    }
    if config.persist_mode.as_str() == "async" {
        page.row("Persistence Mode", "Async");
    }
    if config.first_seq > 0 {
        page.row("First Sequence", number::grouped(config.first_seq));
    }
    if let Some(placement) = &config.placement {
        page.row_if_set("Placement Cluster", &placement.cluster)
            .row_if_set("Placement Tags", placement.tags.join(", "));
    }
    options(page, config);
    limits(page, config);
    describe::metadata(page, &config.metadata);
    page.section("Replication");
    if let Some(mirror) = &config.mirror {
        page.row("Mirror", source(mirror));
    }
    let mut sources: Vec<&StreamSource> = config.sources.iter().collect();
    sources.sort_by(|a, b| a.name.cmp(&b.name));
    let lines: Vec<String> = sources.into_iter().map(source).collect();
    page.row_if_set("Sources", lines.join("\n"));
}

fn options(page: &mut Columns, config: &StreamConfig) {
    page.section("Options");
    if let Some(transform) = config
        .subject_transform
        .as_ref()
        .filter(|transform| !transform.dest.is_empty())
    {
        let from = match transform.src.as_str() {
            "" => ">",
            src => src,
        };
        page.row("Subject Transform", format!("{from} to {}", transform.dest));
    }
    if let Some(republish) = &config.republish {
        let label = match republish.headers_only {
            true => "Republishing Headers",
            false => "Republishing",
        };
        page.row(label, format!("{} to {}", republish.src, republish.dest));
    }
    let discard = match config.discard_new_per_subject {
        true => "New Per Subject".to_owned(),
        false => config.discard.title(),
    };
    let retention = match config.retention.as_str() {
        "workqueue" => "WorkQueue".to_owned(),
        _ => config.retention.title(),
    };
    page.row("Retention", retention)
        .row("Acknowledgments", !config.no_ack)
        .row("Discard Policy", discard)
        .row(
            "Duplicate Window",
            duration::human_nanos(config.duplicate_window, "0s"),
        );
    if config.allow_direct {
        page.row("Direct Get", true);
    }
    if config.mirror_direct {
        page.row("Mirror Direct Get", true);
    }
    page.row("Allows Atomic Batch Publish", config.allow_atomic)
        .row("Allows Fast Batch Publish", config.allow_batched)
        .row("Allows Counters", config.allow_msg_counter)
        .row("Allows Msg Delete", !config.deny_delete)
        .row("Allows Per-Message TTL", config.allow_msg_ttl)
        .row("Allows Purge", !config.deny_purge)
        .row("Allows Schedules", config.allow_msg_schedules)
        .row_if_set(
            "Subject Delete Markers TTL",
            duration::human_nanos(config.subject_delete_marker_ttl, ""),
        )
        .row("Allows Rollups", config.allow_rollup_hdrs);
}

fn limits(page: &mut Columns, config: &StreamConfig) {
    page.section("Limits")
        .row("Maximum Messages", number::limit(config.max_msgs))
        .row(
            "Maximum Per Subject",
            number::limit(config.max_msgs_per_subject),
        )
        .row("Maximum Bytes", number::bytes_limit(config.max_bytes))
        .row(
            "Maximum Age",
            duration::human_nanos(config.max_age, "unlimited"),
        )
        .row(
            "Maximum Message Size",
            number::bytes_limit(config.max_msg_size),
        )
        .row("Maximum Consumers", number::limit(config.max_consumers));
    if let Some(limits) = &config.consumer_limits {
        page.row_if_set(
            "Consumer Inactive Threshold",
            duration::human_nanos(limits.inactive_threshold, ""),
        );
        if limits.max_ack_pending > 0 {
            page.row(
                "Consumer Max Ack Pending",
                number::grouped(limits.max_ack_pending),
            );
        }
    }
}

fn source(source: &StreamSource) -> String {
    let mut parts = vec![source.name.clone()];
    if source.opt_start_seq > 0 {
        parts.push(format!(
            "Start Seq: {}",
            number::grouped(source.opt_start_seq)
        ));
    }
    if let Some(start) = &source.opt_start_time {
        parts.push(format!("Start Time: {}", time::local_text(start)));
    }
    if !source.filter_subject.is_empty() {
        parts.push(format!("Filter: {}", source.filter_subject));
    }
    if let Some(external) = &source.external {
        if !external.api.is_empty() {
            parts.push(format!("API Prefix: {}", external.api));
        }
        if !external.deliver.is_empty() {
            parts.push(format!("Delivery Prefix: {}", external.deliver));
        }
    }
    parts.join(", ")
}

fn source_state(page: &mut Columns, source: &StreamSourceInfo) {
    page.row("Stream Name", &source.name)
        .row_if_set("Subject Filter", &source.filter_subject);
    let transforms: Vec<String> = source
        .subject_transforms
        .iter()
        .map(|transform| match transform.dest.as_str() {
            "" => format!("{} untransformed", transform.src),
            dest => format!("{} to {dest}", transform.src),
        })
        .collect();
    let label = match transforms.len() {
        0 | 1 => "Subject Filter and Transform",
        _ => "Subject Filters and Transforms",
    };
    page.row_if_set(label, transforms.join("\n"))
        .row("Lag", number::grouped(source.lag))
        .row("Last Seen", seen(source.active));
    if let Some(external) = &source.external {
        page.row("Ext. API Prefix", &external.api)
            .row_if_set("Ext. Delivery Prefix", &external.deliver);
    }
    if let Some(error) = &source.error {
        page.row("Error", &error.description);
    }
}

/// How long ago another stream was heard of.
pub(super) fn seen(active: i64) -> String {
    match active {
        i64::MAX => "never".to_owned(),
        active => duration::human_nanos(active, "never"),
    }
}

fn state(page: &mut Columns, info: &StreamInfo) {
    let state = &info.state;
    page.section("State");
    describe::versions(page, &info.config.metadata);
    page.row("Messages", number::grouped(state.messages))
        .row("Bytes", number::bytes(state.bytes));
    if let Some(lost) = state.lost.as_ref().filter(|lost| !lost.msgs.is_empty()) {
        let count = number::grouped(lost.msgs.len() as u64);
        page.row(
            "Lost Messages",
            format!("{count} ({})", number::bytes(lost.bytes)),
        );
    }
    let place = |sequence: u64, at: &str| match time::parse(at) {
        Some(at) => format!("{} @ {}", number::grouped(sequence), time::local(at)),
        None => number::grouped(sequence),
    };
    page.row("First Sequence", place(state.first_seq, &state.first_ts))
        .row("Last Sequence", place(state.last_seq, &state.last_ts));
    if deleted(info) > 0 {
        page.row("Deleted Messages", number::grouped(deleted(info)));
    }
    page.row("Active Consumers", number::grouped(state.consumer_count));
    if state.num_subjects > 0 {
        page.row("Number of Subjects", number::grouped(state.num_subjects));
    }
    let alternates: Vec<String> = info
        .alternates
        .iter()
        .map(|alternate| match alternate.domain.as_str() {
            "" => format!("{}: Cluster: {}", alternate.name, alternate.cluster),
            domain => format!(
                "{}: Cluster: {} Domain: {domain}",
                alternate.name, alternate.cluster
            ),
        })
        .collect();
    page.row_if_set("Alternates", alternates.join("\n"));
}

/// Messages between the first and the last that are not there any more.
pub(super) fn deleted(info: &StreamInfo) -> u64 {
    info.state.num_deleted.max(info.state.deleted.len() as u64)
}
