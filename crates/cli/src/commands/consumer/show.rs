//! `consumer info` and `consumer state`, and how a consumer is shown everywhere.

use super::Target;
use crate::app::App;
use crate::commands::shared::describe;
use crate::commands::shared::pick::Choice;
use crate::error::Result;
use crate::jsm::{ConsumerConfig, ConsumerInfo, SequencePair};
use crate::output::columns::Columns;
use crate::output::{duration, json, number, time};

/// Waits of a backoff that are still shown one by one.
const MAX_WAITS: usize = 15;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    #[command(flatten)]
    target: Target,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Do not select consumers from a list
    #[arg(long)]
    no_select: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App, choice: Choice, state_only: bool) -> Result<()> {
        let jsm = app.jsm().await?;
        let choice = Choice {
            never: self.no_select,
            ..choice
        };
        let info = self.target.find(&jsm, choice).await?;
        print(&info, state_only, self.json)
    }
}

/// Prints a consumer, or its JSON.
pub(super) fn print(info: &ConsumerInfo, state_only: bool, as_json: bool) -> Result<()> {
    if as_json {
        return json::print(info);
    }
    let what = if state_only { "State" } else { "Information" };
    let mut page = Columns::new(format!(
        "{what} for Consumer {} > {} created {}",
        info.stream_name,
        info.name,
        time::local_text(&info.created)
    ));
    if !state_only {
        configuration(&mut page, info);
        describe::metadata(&mut page, &info.config.metadata);
    }
    describe::cluster(&mut page, info.cluster.as_ref(), "Raft Group");
    state(&mut page, info);
    page.print();
    Ok(())
}

fn configuration(page: &mut Columns, info: &ConsumerInfo) {
    let config = &info.config;
    page.section("Configuration")
        // The server does not repeat a name that it chose itself.
        .row_if_set("Name", &info.name);
    if config.durable_name != info.name {
        page.row_if_set("Durable Name", &config.durable_name);
    }
    page.row_if_set("Description", &config.description);
    match config.deliver_subject.as_str() {
        "" => page.row("Pull Mode", true),
        subject => page.row("Delivery Subject", subject),
    };
    page.row_if_set("Filter Subject", &config.filter_subject)
        .row_if_set("Filter Subjects", config.filter_subjects.join(", "))
        .row("Deliver Policy", deliver_policy(config))
        .row_if_set("Deliver Queue Group", &config.deliver_group)
        .row("Ack Policy", title(config.ack_policy.as_str()));
    if config.ack_policy.as_str() != "none" {
        page.row("Ack Wait", duration::human_nanos(config.ack_wait, "0s"));
    }
    page.row("Replay Policy", config.replay_policy.title());
    limits(page, config);
    pauses(page, info);
    if !matches!(config.priority_policy.as_str(), "" | "none") {
        page.row("Priority Policy", title(config.priority_policy.as_str()))
            .row("Priority Groups", config.priority_groups.join(", "));
        if config.priority_policy.as_str() == "pinned_client" {
            let ttl = duration::human_nanos(config.priority_timeout, "0s");
            page.row("Pinned TTL", ttl);
        }
    }
}

fn limits(page: &mut Columns, config: &ConsumerConfig) {
    let is_push = !config.deliver_subject.is_empty();
    let mut count = |label: &str, value: i64, shown: bool| {
        if shown {
            page.row(label, number::grouped(value));
        }
    };
    count(
        "Maximum Deliveries",
        config.max_deliver,
        config.max_deliver > 0,
    );
    count(
        "Max Ack Pending",
        config.max_ack_pending,
        config.max_ack_pending > 0,
    );
    count(
        "Max Waiting Pulls",
        config.max_waiting,
        config.max_waiting > 0,
    );
    count("Max Pull Batch", config.max_batch, config.max_batch > 0);
    count("Max Pull MaxBytes", config.max_bytes, config.max_bytes > 0);
    page.row_if_set("Sampling Rate", &config.sample_freq);
    if config.rate_limit_bps > 0 {
        let rate = number::bytes(config.rate_limit_bps / 8);
        page.row("Rate Limit", format!("{rate} / second"));
    }
    page.row_if_set(
        "Idle Heartbeat",
        duration::human_nanos(config.idle_heartbeat, ""),
    );
    if is_push {
        page.row("Flow Control", config.flow_control);
    }
    if config.headers_only {
        page.row("Headers Only", true);
    }
    if !is_push {
        let threshold = duration::human_nanos(config.inactive_threshold, "");
        page.row_if_set("Inactive Threshold", threshold);
    }
    page.row_if_set(
        "Max Pull Expire",
        duration::human_nanos(config.max_expires, ""),
    )
    .row_if_set("Backoff", backoff(&config.backoff));
    if config.num_replicas > 0 {
        page.row("Replicas", config.num_replicas);
    }
    if config.mem_storage {
        page.row("Memory Storage", true);
    }
}

fn pauses(page: &mut Columns, info: &ConsumerInfo) {
    let Some(until) = &info.config.pause_until else {
        return;
    };
    let until = time::local_text(until);
    let text = match info.paused {
        true => remaining(&until, info),
        false => format!("{until} (passed)"),
    };
    page.row("Paused Until Deadline", text);
}

fn remaining(until: &str, info: &ConsumerInfo) -> String {
    let left = duration::human_nanos(info.pause_remaining, "0s");
    format!("{until} ({left} remaining)")
}

fn state(page: &mut Columns, info: &ConsumerInfo) {
    let config = &info.config;
    page.section("State");
    describe::versions(page, &config.metadata);
    page.row(
        "Last Delivered Message",
        sequences(&info.delivered, "Last delivery"),
    );
    if config.ack_policy.as_str() != "none" {
        let pending = number::grouped(info.num_ack_pending);
        let pending = match config.max_ack_pending {
            max @ 1.. => format!("{pending} out of maximum {}", number::grouped(max)),
            _ => pending,
        };
        page.row(
            "Acknowledgment Floor",
            sequences(&info.ack_floor, "Last Ack"),
        )
        .row("Outstanding Acks", pending)
        .row(
            "Redelivered Messages",
            number::grouped(info.num_redelivered),
        );
    }
    page.row("Unprocessed Messages", number::grouped(info.num_pending));
    if config.deliver_subject.is_empty() {
        let waiting = number::grouped(info.num_waiting);
        let waiting = match config.max_waiting {
            max @ 1.. => format!("{waiting} of maximum {}", number::grouped(max)),
            _ => format!("{waiting} of unlimited"),
        };
        page.row("Waiting Pulls", waiting);
    } else {
        let interest = match (info.push_bound, config.deliver_group.as_str()) {
            (false, _) => "No interest".to_owned(),
            (true, "") => "Active".to_owned(),
            (true, group) => format!("Active using Queue Group {group}"),
        };
        page.row("Active Interest", interest);
    }
    if info.paused {
        let until = config.pause_until.as_deref().unwrap_or_default();
        page.row("Paused Until", remaining(&time::local_text(until), info));
    }
    let groups: Vec<String> = info
        .priority_groups
        .iter()
        .filter(|_| config.priority_policy.as_str() == "pinned_client")
        .map(|group| match group.pinned_client_id.as_str() {
            "" => format!("{}: No client", group.group),
            id => {
                let at = group.pinned_ts.as_deref().map(time::local_text);
                format!("{}: pinned {id} at {}", group.group, at.unwrap_or_default())
            }
        })
        .collect();
    page.row_if_set("Priority Groups", groups.join("\n"));
}

fn sequences(pair: &SequencePair, last: &str) -> String {
    let text = format!(
        "Consumer sequence: {} Stream sequence: {}",
        number::grouped(pair.consumer_seq),
        number::grouped(pair.stream_seq)
    );
    match pair.last_active.as_deref() {
        Some(at) => format!("{text} {last}: {} ago", time::ago(at)),
        None => text,
    }
}

fn deliver_policy(config: &ConsumerConfig) -> String {
    let start = config.opt_start_time.as_deref().unwrap_or_default();
    match config.deliver_policy.as_str() {
        "by_start_time" => format!("Since {}", time::local_text(start)),
        "by_start_sequence" => format!("From Sequence {}", config.opt_start_seq),
        word => title(word),
    }
}

/// `last_per_subject` as `Last Per Subject`.
pub(super) fn title(word: &str) -> String {
    let words = word.split('_').map(|word| {
        let mut chars = word.chars();
        let first = chars.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    });
    words.collect::<Vec<_>>().join(" ")
}

fn backoff(waits: &[i64]) -> String {
    let text = |waits: &[i64]| {
        let waits = waits.iter().map(|wait| duration::human_nanos(*wait, "0s"));
        waits.collect::<Vec<_>>().join(", ")
    };
    match waits.len() {
        0..=MAX_WAITS => text(waits),
        count => {
            let first = waits.get(..5).unwrap_or_default();
            let last = waits.get(count - 5..).unwrap_or_default();
            format!("{}, ..., {} ({count} total)", text(first), text(last))
        }
    }
}

/// Whether every group has its pinned client.
pub(super) fn is_pinned(info: &ConsumerInfo) -> bool {
    let groups = &info.priority_groups;
    info.config.priority_policy.as_str() == "pinned_client"
        && !groups.is_empty()
        && groups
            .iter()
            .all(|group| !group.pinned_client_id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_waits_are_for_people() {
        assert_eq!(title("last_per_subject"), "Last Per Subject");
        assert_eq!(title("explicit"), "Explicit");
        assert_eq!(backoff(&[1_000_000_000, 60_000_000_000]), "1s, 1m0s");
        let many = vec![1_000_000_000; 20];
        assert!(
            backoff(&many).ends_with("1s (20 total)"),
            "{}",
            backoff(&many)
        );
    }
}
