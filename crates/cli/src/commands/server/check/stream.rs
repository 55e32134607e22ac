//! `nats server check stream`: peers, messages, subjects, sources and the mirror of a stream.
//!
//! Thresholds not given by flag are taken from the stream's metadata, `io.nats.monitor.<flag>`.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::outcome::{Measure, Outcome};
use super::{Verdict, judge};
use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::jsm::StreamInfo;
use crate::output::duration;

/// Checks the health of mirrored streams, streams with sources or clustered streams
///
/// Multiple checks and thresholds can be passed in one command. Settings can be kept in the stream's
/// metadata as io.nats.monitor.lag-critical: 200, and are overridden by flags.
#[derive(clap::Args, Clone, Default)]
pub(super) struct StreamCheck {
    /// The streams to check
    #[arg(long)]
    pub(super) stream: String,

    #[command(flatten)]
    limits: Limits,
}

#[derive(clap::Args, Clone, Debug, Default)]
struct Limits {
    /// Critical threshold to allow for lag on any source or mirror
    #[arg(long, value_name = "MSGS")]
    lag_critical: Option<u64>,

    /// Critical threshold for how long ago the source or mirror should have been seen
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    seen_critical: Option<Duration>,

    /// Minimum number of sources to expect
    #[arg(long, value_name = "SOURCES")]
    min_sources: Option<u64>,

    /// Maximum number of sources to expect
    #[arg(long, value_name = "SOURCES")]
    max_sources: Option<u64>,

    /// Number of cluster replicas to expect
    #[arg(long, value_name = "SERVERS")]
    peer_expect: Option<u64>,

    /// Critical threshold to allow for cluster peer lag
    #[arg(long, value_name = "OPS")]
    peer_lag_critical: Option<u64>,

    /// Critical threshold for how long ago a cluster peer should have been seen
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    peer_seen_critical: Option<Duration>,

    /// Warn if there are fewer than this many messages in the stream
    #[arg(long, value_name = "MSGS")]
    msgs_warn: Option<u64>,

    /// Critical if there are fewer than this many messages in the stream
    #[arg(long, value_name = "MSGS")]
    msgs_critical: Option<u64>,

    /// Warning threshold for subjects in the stream
    #[arg(long, value_name = "SUBJECTS")]
    subjects_warn: Option<u64>,

    /// Critical threshold for subjects in the stream
    #[arg(long, value_name = "SUBJECTS")]
    subjects_critical: Option<u64>,
}

/// The value of a setting in metadata.
pub(super) fn of_metadata<T: std::str::FromStr>(
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<T>>
where
    T::Err: std::error::Error,
{
    let key = format!("io.nats.monitor.{key}");
    metadata
        .get(&key)
        .map(|value| value.parse().context(format!("metadata {key}: {value:?}")))
        .transpose()
}

/// The same for a duration.
pub(super) fn duration_of_metadata(
    metadata: &BTreeMap<String, String>,
    key: &str,
) -> Result<Option<Duration>> {
    let key = format!("io.nats.monitor.{key}");
    metadata
        .get(&key)
        .map(|value| duration::parse(value).context(&key))
        .transpose()
}

impl Limits {
    /// These, and those of the metadata where there is none.
    fn completed(mut self, metadata: &BTreeMap<String, String>) -> Result<Self> {
        let counts = [
            (&mut self.lag_critical, "lag-critical"),
            (&mut self.min_sources, "min-sources"),
            (&mut self.max_sources, "max-sources"),
            (&mut self.peer_expect, "peer-expect"),
            (&mut self.peer_lag_critical, "peer-lag-critical"),
            (&mut self.msgs_warn, "msgs-warn"),
            (&mut self.msgs_critical, "msgs-critical"),
            (&mut self.subjects_warn, "subjects-warn"),
            (&mut self.subjects_critical, "subjects-critical"),
        ];
        for (value, key) in counts {
            if value.is_none() {
                *value = of_metadata(metadata, key)?;
            }
            *value = value.filter(|value| *value > 0);
        }
        let durations = [
            (&mut self.seen_critical, "seen-critical"),
            (&mut self.peer_seen_critical, "peer-seen-critical"),
        ];
        for (value, key) in durations {
            if value.is_none() {
                *value = duration_of_metadata(metadata, key)?;
            }
            *value = value.filter(|value| !value.is_zero());
        }
        Ok(self)
    }
}

impl StreamCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("stream", &self.stream);
        let loaded = async { app.jsm().await?.stream_info(&self.stream).await }.await;
        let Some(info) = outcome.or_critical(loaded, "could not load info") else {
            return outcome;
        };
        let limits = self.limits.clone().completed(&info.config.metadata);
        if let Some(limits) = outcome.or_critical(limits, "could not configure based on metadata") {
            check_all(&info, &limits, &mut outcome);
        }
        outcome
    }
}

/// What a stream's own metadata makes of its description; nothing if it does not want to be monitored.
pub(crate) fn by_metadata(info: &Value) -> Option<Outcome> {
    let mut outcome = Outcome::default();
    let read = StreamInfo::deserialize(info);
    let info = outcome.or_critical(read.map_err(Error::from), "the description")?;
    if !is_monitored(&info.config.metadata) {
        return None;
    }
    let limits = Limits::default().completed(&info.config.metadata);
    if let Some(limits) = outcome.or_critical(limits, "could not configure based on metadata") {
        check_all(&info, &limits, &mut outcome);
    }
    Some(outcome)
}

/// Whether something's metadata asks for its being monitored.
pub(super) fn is_monitored(metadata: &BTreeMap<String, String>) -> bool {
    of_metadata(metadata, "enabled").is_ok_and(|enabled| enabled == Some(true))
}

fn check_all(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    check_cluster(info, limits, outcome);
    check_messages(info, limits, outcome);
    check_subjects(info, limits, outcome);
    check_sources(info, limits, outcome);
    check_mirror(info, limits, outcome);
}

fn limit(value: Option<u64>) -> f64 {
    value.unwrap_or_default() as f64
}

fn seconds(nanos: i64) -> f64 {
    nanos.max(0) as f64 / 1e9
}

fn is_over(nanos: i64, limit: Option<Duration>) -> bool {
    limit.is_some_and(|limit| seconds(nanos) >= limit.as_secs_f64())
}

fn check_cluster(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    let cluster = info
        .cluster
        .as_ref()
        .filter(|_| info.config.num_replicas > 1);
    let Some(cluster) = cluster else {
        if limits.peer_expect.is_some() {
            outcome.critical("Stream is not clustered");
        }
        return;
    };
    if cluster.leader.is_empty() {
        return outcome.critical("No leader");
    }
    let peers = cluster.replicas.len() as u64 + 1;
    let expected = limits.peer_expect.unwrap_or_default();
    if peers != expected {
        return outcome.critical(format!("Expected {expected} replicas got {peers}"));
    }
    outcome.ok(format!("{peers} peers"));
    let count = |is_bad: &dyn Fn(&crate::jsm::PeerInfo) -> bool| {
        cluster.replicas.iter().filter(|peer| is_bad(peer)).count()
    };
    let offline = count(&|peer| peer.offline);
    if offline > 0 {
        outcome.critical(format!("{offline} replicas offline"));
    }
    if let Some(limit) = limits.peer_lag_critical {
        match count(&|peer| peer.lag > limit) {
            0 => outcome.ok("replicas are current"),
            lagged => outcome.critical(format!("{lagged} replicas lagged")),
        }
    }
    if limits.peer_seen_critical.is_some() {
        match count(&|peer| is_over(peer.active, limits.peer_seen_critical)) {
            0 => outcome.ok("replicas are active"),
            inactive => outcome.critical(format!("{inactive} replicas inactive")),
        }
    }
}

fn check_messages(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    if limits.msgs_warn.is_none() && limits.msgs_critical.is_none() {
        return;
    }
    let count = info.state.messages;
    outcome.measured(
        Measure::new("messages", count as f64, "Messages stored in the stream")
            .within(limit(limits.msgs_warn), limit(limits.msgs_critical)),
    );
    let too_few = |limit: Option<u64>| limit.is_some_and(|limit| count <= limit);
    let verdict = match (too_few(limits.msgs_critical), too_few(limits.msgs_warn)) {
        (true, _) => Verdict::Critical,
        (false, true) => Verdict::Warning,
        (false, false) => Verdict::Ok,
    };
    verdict.note(outcome, format!("{count} messages"));
}

fn check_subjects(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    let (warning, critical) = (limits.subjects_warn, limits.subjects_critical);
    if warning.is_none() && critical.is_none() {
        return;
    }
    let count = info.state.num_subjects;
    let measure = Measure::new(
        "subjects",
        count as f64,
        "Number of subjects stored in the stream",
    );
    outcome.measured(measure.within(limit(warning), limit(critical)));
    judge(
        count as f64,
        warning.map(|w| w as f64),
        critical.map(|c| c as f64),
    )
    .note(outcome, format!("{count} subjects"));
}

fn check_sources(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    let sources = &info.sources;
    let count = sources.len() as u64;
    outcome.measured(
        Measure::new(
            "sources",
            count as f64,
            "Number of sources being consumed by this stream",
        )
        .within(limit(limits.min_sources), limit(limits.max_sources)),
    );
    let is_wrong = limits.min_sources.is_some_and(|min| count < min)
        || limits.max_sources.is_some_and(|max| count > max);
    let verdict = if is_wrong {
        Verdict::Critical
    } else {
        Verdict::Ok
    };
    verdict.note(outcome, format!("{count} sources"));
    if limits.lag_critical.is_none() && limits.seen_critical.is_none() {
        return;
    }
    let is_lagged = |lag: u64| limits.lag_critical.is_some_and(|limit| lag >= limit);
    let lagged = sources.iter().filter(|s| is_lagged(s.lag)).count();
    let inactive = sources
        .iter()
        .filter(|s| is_over(s.active, limits.seen_critical))
        .count();
    outcome.measured(Measure::new(
        "sources_lagged",
        lagged as f64,
        "Number of sources that are behind more than the configured threshold",
    ));
    outcome.measured(Measure::new(
        "sources_inactive",
        inactive as f64,
        "Number of sources that are inactive",
    ));
    match lagged {
        0 => outcome.ok(format!("{count} sources current")),
        lagged => outcome.critical(format!("{lagged} sources are lagged")),
    }
    match inactive {
        0 => outcome.ok(format!("{count} sources active")),
        inactive => outcome.critical(format!("{inactive} sources are inactive")),
    }
}

fn check_mirror(info: &StreamInfo, limits: &Limits, outcome: &mut Outcome) {
    let is_wanted = limits.lag_critical.is_some() || limits.seen_critical.is_some();
    if !is_wanted || !info.sources.is_empty() {
        return;
    }
    let (Some(config), Some(state)) = (&info.config.mirror, &info.mirror) else {
        return outcome.critical(match info.config.mirror {
            None => "not mirrored",
            Some(_) => "invalid state",
        });
    };
    outcome.measured(
        Measure::new(
            "lag",
            state.lag as f64,
            "Number of operations this peer is behind its origin",
        )
        .within(0.0, limit(limits.lag_critical)),
    );
    let seen = limits.seen_critical.unwrap_or_default().as_secs_f64();
    outcome.measured(
        Measure::new(
            "active",
            seconds(state.active),
            "Indicates if this peer is active and catching up if lagged",
        )
        .in_unit("s")
        .within(0.0, seen),
    );
    let is_lagged = limits.lag_critical.is_some_and(|limit| state.lag >= limit);
    if is_lagged {
        outcome.critical(format!("Mirror Lag {}", state.lag));
    }
    let is_unseen = is_over(state.active, limits.seen_critical);
    if is_unseen {
        outcome.critical(format!(
            "Mirror Seen {}",
            duration::human_nanos(state.active, "0s")
        ));
    }
    if !is_lagged && !is_unseen {
        outcome.ok(format!("Mirror {}", config.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        info: &str,
        metadata: &[(&str, &str)],
        judge: fn(&StreamInfo, &Limits, &mut Outcome),
    ) -> Outcome {
        let info: StreamInfo = serde_json::from_str(info).expect("a stream's description");
        let metadata = metadata
            .iter()
            .map(|(key, value)| (format!("io.nats.monitor.{key}"), (*value).to_owned()))
            .collect();
        let limits = Limits::default()
            .completed(&metadata)
            .expect("good settings");
        let mut outcome = Outcome::default();
        judge(&info, &limits, &mut outcome);
        outcome
    }

    #[test]
    fn peers_are_counted_and_watched() {
        let info = r#"{"config":{"name":"S","num_replicas":3},"cluster":{"leader":"n1","replicas":[
            {"name":"n2","current":true,"active":2000000000,"lag":5},
            {"name":"n3","current":true,"active":10,"offline":true}]}}"#;
        let found = check(
            info,
            &[
                ("peer-expect", "3"),
                ("peer-lag-critical", "4"),
                ("peer-seen-critical", "1s"),
            ],
            check_cluster,
        );
        assert_eq!(found.oks, ["3 peers"]);
        assert_eq!(
            found.criticals,
            [
                "1 replicas offline",
                "1 replicas lagged",
                "1 replicas inactive"
            ]
        );
        let found = check(info, &[("peer-expect", "5")], check_cluster);
        assert_eq!(found.criticals, ["Expected 5 replicas got 3"]);
        let found = check(
            r#"{"config":{"name":"S","num_replicas":1}}"#,
            &[("peer-expect", "3")],
            check_cluster,
        );
        assert_eq!(found.criticals, ["Stream is not clustered"]);
    }

    #[test]
    fn mirrors_lag() {
        let info = r#"{"config":{"name":"S","mirror":{"name":"O"}},"mirror":{"name":"O","lag":9,"active":5000000000}}"#;
        let found = check(
            info,
            &[("lag-critical", "10"), ("seen-critical", "10s")],
            check_mirror,
        );
        assert_eq!(found.oks, ["Mirror O"]);
        let found = check(
            info,
            &[("lag-critical", "9"), ("seen-critical", "5s")],
            check_mirror,
        );
        assert_eq!(found.criticals, ["Mirror Lag 9", "Mirror Seen 5s"]);
    }

    #[test]
    fn wrong_metadata_is_told() {
        let metadata =
            BTreeMap::from([("io.nats.monitor.lag-critical".to_owned(), "x".to_owned())]);
        assert!(Limits::default().completed(&metadata).is_err());
    }
}
