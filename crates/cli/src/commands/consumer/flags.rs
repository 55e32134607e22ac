//! What a consumer's configuration is made of on the command line.
//!
//! [`ConfigFlags`] is for `add`, `edit` and `copy`; [`NewFlags`] is what a consumer that exists cannot
//! change. Nothing is changed by a flag that is not given.

use std::path::PathBuf;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::commands::shared::describe::{drop_reserved, pairs, split_list};
use crate::commands::shared::switches::{Switch, Switches, Table};
use crate::error::{Context, Error, Result};
use crate::jsm::{ConsumerConfig, read_consumer_config};
use crate::output::{duration, number};

/// Most steps of a backoff that is generated.
const MAX_STEPS: u32 = 1_000;

/// Settings of a consumer.
#[derive(clap::Args)]
pub(super) struct ConfigFlags {
    /// Creates a backoff policy using a specific algorithm
    #[arg(long, value_name = "MODE", value_parser = ["linear", "none"])]
    pub(super) backoff: Option<String>,
    /// Number of steps to use when creating the backoff policy
    #[arg(long, default_value_t = 10, value_name = "STEPS")]
    backoff_steps: u32,
    /// The shortest backoff period that will be generated
    #[arg(long, default_value = "1m", value_name = "MIN", value_parser = duration::arg)]
    backoff_min: Duration,
    /// The longest backoff period that will be generated
    #[arg(long, default_value = "20m", value_name = "MAX", value_parser = duration::arg)]
    backoff_max: Duration,
    /// Sets a contextual description for the consumer
    #[arg(long)]
    description: Option<String>,
    /// Filter the stream by subjects
    #[arg(long, value_name = "SUBJECTS")]
    pub(super) filter: Vec<String>,
    /// Maximum amount of times a message will be delivered
    #[arg(long, value_name = "TRIES", allow_hyphen_values = true)]
    pub(super) max_deliver: Option<i64>,
    /// Maximum pending acks before consumers are paused
    #[arg(long, alias = "max-outstanding", allow_hyphen_values = true)]
    pub(super) max_pending: Option<i64>,
    /// Maximum batch size for a pull request to accept
    #[arg(long, value_name = "BATCH_SIZE")]
    max_pull_batch: Option<i64>,
    /// Maximum expire duration for a pull request to accept
    #[arg(long, value_name = "EXPIRES", value_parser = duration::arg)]
    max_pull_expire: Option<Duration>,
    /// Maximum bytes for a pull request to accept
    #[arg(long, value_name = "BYTES", value_parser = number::size_arg)]
    max_pull_bytes: Option<i64>,
    /// Percentage of requests to sample for monitoring purposes
    #[arg(long, value_parser = clap::value_parser!(i8).range(-1..=100), allow_hyphen_values = true)]
    sample: Option<i8>,
    /// Push based delivery target subject
    #[arg(long, value_name = "SUBJECT")]
    pub(super) target: Option<String>,
    /// Acknowledgment waiting time
    #[arg(long, value_name = "DURATION", value_parser = wait_arg, allow_hyphen_values = true)]
    wait: Option<Wait>,
    /// How long to allow an ephemeral consumer to be idle before removing it
    #[arg(long, value_name = "THRESHOLD", value_parser = duration::arg)]
    inactive_threshold: Option<Duration>,
    /// Sets a custom replica count rather than inherit from the stream
    #[arg(long)]
    replicas: Option<i64>,
    /// Adds metadata to the consumer, as key:value
    #[arg(long, value_name = "META")]
    metadata: Vec<String>,
    #[command(flatten)]
    pub(super) switches: Switches<ConsumerSwitches>,
    /// JSON file to read configuration from: bare, or as `consumer info --json` prints it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Produce JSON output
    #[arg(short, long)]
    pub(super) json: bool,
}

/// Settings that only a new consumer takes.
#[derive(clap::Args)]
pub(super) struct NewFlags {
    /// Acknowledgment policy
    #[arg(id = "ack_policy", long = "ack", value_name = "POLICY", value_parser = ["none", "all", "explicit", "flow_control"])]
    pub(super) ack: Option<String>,
    /// Restrict message delivery to a certain bit per second
    #[arg(long, value_name = "BITS")]
    bps: Option<u64>,
    /// Start policy (all, new, last, subject, 1h, msg sequence)
    #[arg(long, value_name = "POLICY")]
    pub(super) deliver: Option<String>,
    /// Delivers push messages only to subscriptions matching this group
    #[arg(long, value_name = "GROUP")]
    pub(super) deliver_group: Option<String>,
    /// Create an ephemeral consumer
    #[arg(long)]
    pub(super) ephemeral: bool,
    /// Enable push consumer flow control
    #[arg(long)]
    pub(super) flow_control: bool,
    /// Enable idle push consumer heartbeats (-1 disables)
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    pub(super) heartbeat: Option<String>,
    /// Maximum number of outstanding pulls allowed
    #[arg(long, value_name = "PULLS")]
    max_waiting: Option<i64>,
    /// Deliver messages in 'pull' mode
    #[arg(long, conflicts_with = "target")]
    pub(super) pull: bool,
    /// Replay policy
    #[arg(long, value_name = "POLICY", value_parser = ["instant", "original"])]
    pub(super) replay: Option<String>,
    /// Force the consumer state to be stored in memory rather than inherit from the stream
    #[arg(long)]
    memory: bool,
    /// Pause the consumer for a duration after start or until a specific time (2026-07-01 12:30:00)
    #[arg(long, value_name = "UNTIL")]
    pause: Option<String>,
    /// Create a pinned client consumer based on these groups
    #[arg(long, value_name = "GROUPS", conflicts_with_all = ["overflow_groups", "prioritized_groups"])]
    pinned_groups: Vec<String>,
    /// The time to allow for a client to pull before losing the pinned status
    #[arg(long, value_name = "TTL", value_parser = duration::arg)]
    pinned_ttl: Option<Duration>,
    /// Create an overflow consumer based on these groups
    #[arg(long, value_name = "GROUPS", conflicts_with = "prioritized_groups")]
    overflow_groups: Vec<String>,
    /// Create a prioritized consumer based on these groups
    #[arg(long, value_name = "GROUPS")]
    prioritized_groups: Vec<String>,
}

/// The yes-or-no settings.
pub(super) struct ConsumerSwitches;

impl Table for ConsumerSwitches {
    type Target = ConsumerConfig;

    fn switches() -> &'static [Switch<ConsumerConfig>] {
        &[Switch {
            name: "headers-only",
            help: "Deliver only headers and no bodies",
            set: |config, on| config.headers_only = on,
        }]
    }
}

impl ConfigFlags {
    /// The configuration of `--config`, if there is one.
    pub(super) fn file_config(&self) -> Result<Option<ConsumerConfig>> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let mut config = read_consumer_config(path)?;
        drop_reserved(&mut config.metadata);
        // What a file leaves out is what the API leaves out: servers refuse no word at all.
        for (choice, word) in [
            (&mut config.deliver_policy, "all"),
            (&mut config.ack_policy, "none"),
            (&mut config.replay_policy, "instant"),
        ] {
            if choice.is_unset() {
                *choice = word.into();
            }
        }
        Ok(Some(config))
    }

    /// Changes what was given.
    pub(super) fn apply(&self, config: &mut ConsumerConfig) -> Result<()> {
        if let Some(description) = &self.description {
            config.description.clone_from(description);
        }
        if let Some(target) = &self.target {
            config.deliver_subject.clone_from(target);
        }
        if !self.filter.is_empty() {
            filters(config, &self.filter);
        }
        let number = |target: &mut i64, given: Option<i64>| *target = given.unwrap_or(*target);
        number(&mut config.max_deliver, self.max_deliver);
        number(&mut config.max_ack_pending, self.max_pending);
        number(&mut config.max_batch, self.max_pull_batch);
        number(&mut config.max_bytes, self.max_pull_bytes);
        number(&mut config.num_replicas, self.replicas);
        let nanos = |target: &mut i64, given: Option<Duration>| {
            *target = given.map_or(*target, duration::nanos);
        };
        nanos(&mut config.max_expires, self.max_pull_expire);
        nanos(&mut config.ack_wait, self.wait.and_then(|wait| wait.0));
        nanos(&mut config.inactive_threshold, self.inactive_threshold);
        match self.sample {
            None | Some(..0) => {}
            Some(0) => config.sample_freq.clear(),
            Some(percent) => config.sample_freq = percent.to_string(),
        }
        if let Some(mode) = &self.backoff {
            config.backoff = match mode.as_str() {
                "none" => Vec::new(),
                _ => linear(self.backoff_steps, self.backoff_min, self.backoff_max)?,
            };
            // A server wants a delivery more than it has waits.
            let needed = i64::try_from(config.backoff.len())? + 1;
            if needed > 1 && config.max_deliver < 1 {
                config.max_deliver = needed;
            }
        }
        if !self.metadata.is_empty() {
            config.metadata = pairs(&self.metadata)?;
        }
        self.switches.apply(config);
        Ok(())
    }
}

/// Sets one filter or several.
pub(super) fn filters(config: &mut ConsumerConfig, given: &[String]) {
    let mut filters = split_list(given);
    config.filter_subject = match filters.len() {
        1 => filters.pop().unwrap_or_default(),
        _ => String::new(),
    };
    config.filter_subjects = filters;
}

/// Waits that grow by the same amount from `min` to `max`.
pub(super) fn linear(steps: u32, min: Duration, max: Duration) -> Result<Vec<i64>> {
    if steps == 0 || steps > MAX_STEPS {
        return Err(Error::new(format!(
            "a backoff has between 1 and {MAX_STEPS} steps"
        )));
    }
    if min > max {
        return Err(Error::new(
            "the shortest backoff is longer than the longest",
        ));
    }
    let span = max - min;
    let gaps = steps.saturating_sub(1).max(1);
    Ok((0..steps)
        .map(|step| duration::nanos(min + span * step / gaps))
        .collect())
}

/// Sets where a consumer begins: a word, a sequence, or a time ago.
pub(super) fn start_policy(config: &mut ConsumerConfig, policy: &str) -> Result<()> {
    config.opt_start_seq = 0;
    config.opt_start_time = None;
    let word = match policy {
        "all" => "all",
        "last" => "last",
        "new" | "next" => "new",
        "subject" | "last_per_subject" => "last_per_subject",
        sequence if sequence.parse::<u64>().is_ok() => {
            config.opt_start_seq = sequence.parse()?;
            "by_start_sequence"
        }
        ago => {
            let ago = duration::parse(ago).context("start policy")?;
            let at = Timestamp::now().checked_sub(SignedDuration::try_from(ago)?)?;
            config.opt_start_time = Some(at.to_string());
            "by_start_time"
        }
    };
    config.deliver_policy = word.into();
    Ok(())
}

/// Reads until when to pause: a duration from now, or a time (`2026-07-01 12:30:00`, RFC 3339).
pub(super) fn pause_until(text: &str) -> Result<Timestamp> {
    if let Ok(pause) = duration::parse(text) {
        return Ok(Timestamp::now().checked_add(SignedDuration::try_from(pause)?)?);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local: jiff::civil::DateTime = text.parse().map_err(|_| {
        Error::new(format!("invalid time {text:?}"))
            .hint("Give a duration (1h30m) or a time (2026-07-01 12:30:00).")
    })?;
    Ok(local.to_zoned(jiff::tz::TimeZone::system())?.timestamp())
}

impl NewFlags {
    /// Sets what was given.
    pub(super) fn apply(&self, config: &mut ConsumerConfig) -> Result<()> {
        if self.pull {
            config.deliver_subject.clear();
            config.deliver_group.clear();
            config.flow_control = false;
            config.idle_heartbeat = 0;
        }
        if let Some(ack) = &self.ack {
            config.ack_policy = ack.as_str().into();
        }
        if let Some(policy) = &self.deliver {
            start_policy(config, policy)?;
        }
        if let Some(group) = &self.deliver_group {
            config.deliver_group.clone_from(group);
        }
        if let Some(replay) = &self.replay {
            config.replay_policy = replay.as_str().into();
        }
        let is_push = !config.deliver_subject.is_empty();
        config.rate_limit_bps = self.bps.unwrap_or(config.rate_limit_bps);
        if !is_push && config.rate_limit_bps > 0 {
            return Err(
                Error::new("rate limits are only possible on push consumers")
                    .hint("--target makes a push consumer."),
            );
        }
        config.flow_control |= self.flow_control;
        match self.heartbeat.as_deref() {
            None => {}
            Some("-1" | "0" | "0s") => config.idle_heartbeat = 0,
            Some(_) if !is_push => {
                return Err(Error::new("pull consumers do not support idle heartbeats"));
            }
            Some(text) => config.idle_heartbeat = duration::nanos(duration::parse(text)?),
        }
        if !is_push {
            config.max_waiting = self.max_waiting.unwrap_or(config.max_waiting);
        }
        config.mem_storage |= self.memory;
        if let Some(until) = &self.pause {
            config.pause_until = Some(pause_until(until)?.to_string());
        }
        self.priorities(config);
        Ok(())
    }

    fn priorities(&self, config: &mut ConsumerConfig) {
        for (policy, groups) in [
            ("pinned_client", &self.pinned_groups),
            ("overflow", &self.overflow_groups),
            ("prioritized", &self.prioritized_groups),
        ] {
            let groups = split_list(groups);
            if !groups.is_empty() {
                config.priority_policy = policy.into();
                config.priority_groups = groups;
            }
        }
        if let Some(ttl) = self.pinned_ttl {
            config.priority_timeout = duration::nanos(ttl);
        }
    }
}

/// A waiting time, or the server's own.
#[derive(Clone, Copy, Debug)]
struct Wait(Option<Duration>);

/// A duration; a negative one leaves the choice to the server, as in the official tool.
fn wait_arg(text: &str) -> std::result::Result<Wait, String> {
    match text.strip_prefix('-') {
        Some(rest) => duration::arg(rest).map(|_| Wait(None)),
        None => duration::arg(text).map(|wait| Wait(Some(wait))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoffs_grow_evenly() {
        let minute = Duration::from_secs(60);
        let waits = linear(3, minute, minute * 3).expect("a backoff");
        assert_eq!(waits, [60, 120, 180].map(|seconds| seconds * 1_000_000_000));
        assert_eq!(linear(1, minute, minute).expect("a backoff").len(), 1);
        assert!(linear(0, minute, minute).is_err());
        assert!(linear(3, minute * 2, minute).is_err());
    }

    #[test]
    fn start_policies_are_read() {
        for (text, word) in [
            ("all", "all"),
            ("next", "new"),
            ("subject", "last_per_subject"),
            ("17", "by_start_sequence"),
            ("1h", "by_start_time"),
        ] {
            let mut config = ConsumerConfig::default();
            start_policy(&mut config, text).expect("a policy");
            assert_eq!(config.deliver_policy.as_str(), word);
            assert_eq!(config.opt_start_time.is_some(), text == "1h");
        }
        assert!(start_policy(&mut ConsumerConfig::default(), "soon").is_err());
    }

    #[test]
    fn pauses_are_durations_or_times() {
        assert!(pause_until("1h").expect("a time") > Timestamp::now());
        assert!(pause_until("2030-01-02 03:04:05").is_ok());
        assert!(pause_until("2030-01-02T03:04:05Z").is_ok());
        assert!(pause_until("noon").is_err());
    }
}
