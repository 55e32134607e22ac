//! `nats server check consumer`: what waits, what was acknowledged, and who is pinned.
//!
//! Thresholds not given by flag are taken from the consumer's metadata, `io.nats.monitor.<flag>`.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::outcome::{Measure, Outcome};
use super::stream::{duration_of_metadata, is_monitored, of_metadata};
use crate::app::App;
use crate::error::{Error, Result};
use crate::jsm::{ConsumerInfo, SequencePair};
use crate::output::{duration, time};

/// Checks the health of a consumer
///
/// Multiple checks and thresholds can be passed in one command. Settings can be kept in the
/// consumer's metadata as io.nats.monitor.waiting-critical: 20, and are overridden by flags.
#[derive(clap::Args)]
pub(super) struct ConsumerCheck {
    /// The streams to check
    #[arg(long)]
    pub(super) stream: String,

    /// The consumer to check
    #[arg(long)]
    pub(super) consumer: String,

    #[command(flatten)]
    limits: Limits,
}

#[derive(clap::Args, Clone, Debug, Default)]
struct Limits {
    /// Maximum number of outstanding acks to allow
    #[arg(long, allow_hyphen_values = true)]
    outstanding_ack_critical: Option<i64>,

    /// Maximum number of waiting pulls to allow
    #[arg(long, allow_hyphen_values = true)]
    waiting_critical: Option<i64>,

    /// Maximum number of unprocessed messages to allow
    #[arg(long, allow_hyphen_values = true)]
    unprocessed_critical: Option<i64>,

    /// Time to allow since the last delivery
    #[arg(long, value_parser = duration::arg)]
    last_delivery_critical: Option<Duration>,

    /// Time to allow since the last ack
    #[arg(long, value_parser = duration::arg)]
    last_ack_critical: Option<Duration>,

    /// Maximum number of redeliveries to allow
    #[arg(long, allow_hyphen_values = true)]
    redelivery_critical: Option<i64>,

    /// Requires Pinned Client priority with all groups having a pinned client
    #[arg(long)]
    pinned: bool,
}

impl Limits {
    fn completed(mut self, info: &ConsumerInfo) -> Result<Self> {
        let metadata = &info.config.metadata;
        let counts = [
            (
                &mut self.outstanding_ack_critical,
                "outstanding-ack-critical",
            ),
            (&mut self.waiting_critical, "waiting-critical"),
            (&mut self.unprocessed_critical, "unprocessed-critical"),
            (&mut self.redelivery_critical, "redelivery-critical"),
        ];
        for (value, key) in counts {
            if value.is_none() {
                *value = of_metadata(metadata, key)?;
            }
            *value = value.filter(|value| *value > 0);
        }
        let durations = [
            (&mut self.last_delivery_critical, "last-delivery-critical"),
            (&mut self.last_ack_critical, "last-ack-critical"),
        ];
        for (value, key) in durations {
            if value.is_none() {
                *value = duration_of_metadata(metadata, key)?;
            }
            *value = value.filter(|value| !value.is_zero());
        }
        self.pinned |= of_metadata(metadata, "pinned")?.unwrap_or(false);
        Ok(self)
    }
}

impl ConsumerCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let name = format!("{}_{}", self.stream, self.consumer);
        let mut outcome = Outcome::new("consumer", name);
        let loaded = async {
            let jsm = app.jsm().await?;
            jsm.consumer_info(&self.stream, &self.consumer).await
        };
        let Some(info) = outcome.or_critical(loaded.await, "could not load info") else {
            return outcome;
        };
        let limits = self.limits.clone().completed(&info);
        if let Some(limits) = outcome.or_critical(limits, "could not configure based on metadata") {
            check(&info, &limits, Timestamp::now(), &mut outcome);
        }
        outcome
    }
}

/// What a consumer's own metadata makes of its description; nothing if it does not want to be monitored.
pub(crate) fn by_metadata(info: &Value, now: Timestamp) -> Option<Outcome> {
    let mut outcome = Outcome::default();
    let read = ConsumerInfo::deserialize(info);
    let info = outcome.or_critical(read.map_err(Error::from), "the description")?;
    if !is_monitored(&info.config.metadata) {
        return None;
    }
    let limits = Limits::default().completed(&info);
    if let Some(limits) = outcome.or_critical(limits, "could not configure based on metadata") {
        check(&info, &limits, now, &mut outcome);
    }
    Some(outcome)
}

fn check(info: &ConsumerInfo, limits: &Limits, now: Timestamp, outcome: &mut Outcome) {
    let counts = counts(info, limits);
    for (name, help, value, limit, _) in counts {
        let limit = limit.unwrap_or_default() as f64;
        outcome.measured(Measure::new(name, value as f64, help).within(0.0, limit));
    }
    let times = times(info, limits);
    for (name, help, pair, limit, ..) in times {
        if let Some(ago) = since(pair, now) {
            let limit = limit.unwrap_or_default().as_secs_f64();
            let measure = Measure::new(name, ago.as_secs_f64(), help).in_unit("s");
            outcome.measured(measure.within(0.0, limit));
        }
    }
    for (_, _, value, limit, title) in counts {
        if let Some(limit) = limit {
            let text = format!("{title}: {value}");
            match i64::try_from(value).is_ok_and(|value| value < limit) {
                true => outcome.ok(text),
                false => outcome.critical(text),
            }
        }
    }
    for (_, _, pair, limit, title, none) in times {
        match (limit, since(pair, now)) {
            (None, _) => {}
            (Some(_), None) => outcome.critical(none),
            (Some(limit), Some(ago)) => {
                let text = format!("{title} {} ago", duration::human(ago));
                match ago >= limit {
                    true => outcome.critical(text),
                    false => outcome.ok(text),
                }
            }
        }
    }
    check_pinned(info, limits, outcome);
}

/// A count: its measure's name and help, value, limit and title.
type Count = (&'static str, &'static str, u64, Option<i64>, &'static str);

#[rustfmt::skip]
fn counts(info: &ConsumerInfo, limits: &Limits) -> [Count; 4] {
    [
        ("ack_pending", "The number of messages waiting to be Acknowledged",
            info.num_ack_pending, limits.outstanding_ack_critical, "Ack Pending"),
        ("pull_waiting", "The number of waiting Pull requests",
            info.num_waiting, limits.waiting_critical, "Waiting Pulls"),
        ("pending", "The number of messages that have not yet been consumed",
            info.num_pending, limits.unprocessed_critical, "Unprocessed Messages"),
        ("redelivered", "The number of messages currently being redelivered",
            info.num_redelivered, limits.redelivery_critical, "Redelivered"),
    ]
}

/// A time: its measure's name and help, what happened last, limit, title, and what is said if
/// nothing ever happened.
type Last<'a> = (
    &'static str,
    &'static str,
    &'a SequencePair,
    Option<Duration>,
    &'static str,
    &'static str,
);

#[rustfmt::skip]
fn times<'a>(info: &'a ConsumerInfo, limits: &Limits) -> [Last<'a>; 2] {
    [
        ("last_delivery", "Seconds since the last message was delivered",
            &info.delivered, limits.last_delivery_critical, "Last delivery", "No deliveries"),
        ("last_ack", "Seconds since the last message was acknowledged",
            &info.ack_floor, limits.last_ack_critical, "Last ack", "No acks"),
    ]
}

fn check_pinned(info: &ConsumerInfo, limits: &Limits, outcome: &mut Outcome) {
    let is_pinning = info.config.priority_policy.as_str() == "pinned_client";
    let groups = info.config.priority_groups.len();
    let pinned = info
        .priority_groups
        .iter()
        .filter(|group| !group.pinned_client_id.is_empty())
        .count();
    if is_pinning {
        outcome.measured(Measure::new(
            "pinned_groups",
            pinned as f64,
            "The number of consumers groups with pinned clients",
        ));
        outcome.measured(Measure::new(
            "groups",
            groups as f64,
            "The total number of consumers groups",
        ));
    }
    if !limits.pinned {
        return;
    }
    if !is_pinning || groups == 0 || info.priority_groups.is_empty() {
        outcome.critical("Not pinned client priority mode");
    } else if pinned != groups {
        outcome.critical(format!("{pinned} / {groups} pinned clients"));
    } else {
        outcome.ok(format!("{pinned} pinned clients"));
    }
}

fn since(pair: &SequencePair, now: Timestamp) -> Option<Duration> {
    let at = time::parse(pair.last_active.as_deref()?)?;
    Some(Duration::try_from(now.duration_since(at)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_judged() {
        let info: ConsumerInfo = serde_json::from_str(
            r#"{"name":"C","config":{"metadata":{"io.nats.monitor.waiting-critical":"1"}},
                "num_ack_pending":5,"num_waiting":1,"num_pending":7,
                "delivered":{"last_active":"2026-01-01T00:00:00Z"}}"#,
        )
        .expect("a consumer's description");
        let limits = Limits {
            outstanding_ack_critical: Some(5),
            unprocessed_critical: Some(8),
            last_delivery_critical: Some(Duration::from_secs(10)),
            last_ack_critical: Some(Duration::from_secs(10)),
            pinned: true,
            ..Limits::default()
        };
        let limits = limits.completed(&info).expect("good settings");
        let now = "2026-01-01T00:00:09Z".parse().expect("a time");
        let mut outcome = Outcome::default();
        check(&info, &limits, now, &mut outcome);
        assert_eq!(
            outcome.oks,
            ["Unprocessed Messages: 7", "Last delivery 9s ago"]
        );
        assert_eq!(
            outcome.criticals,
            [
                "Ack Pending: 5",
                "Waiting Pulls: 1",
                "No acks",
                "Not pinned client priority mode"
            ]
        );
    }
}
