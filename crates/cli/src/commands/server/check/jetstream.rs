//! `nats server check jetstream`: what an account uses of its limits, and the health of its streams.

use std::time::Duration;

use serde_json::Value;

use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;
use crate::jsm::StreamInfo;
use crate::output::duration;

/// Check JetStream account state
#[derive(clap::Args)]
pub(super) struct JetStreamCheck {
    /// Warning threshold for memory storage, in percent of limit
    #[arg(long, default_value_t = 75, allow_hyphen_values = true)]
    mem_warn: i64,

    /// Critical threshold for memory storage, in percent of limit
    #[arg(long, default_value_t = 90, allow_hyphen_values = true)]
    mem_critical: i64,

    /// Warning threshold for disk storage, in percent of limit
    #[arg(long, default_value_t = 75, allow_hyphen_values = true)]
    store_warn: i64,

    /// Critical threshold for disk storage, in percent of limit
    #[arg(long, default_value_t = 90, allow_hyphen_values = true)]
    store_critical: i64,

    /// Warning threshold for number of streams used, in percent of limit
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    streams_warn: i64,

    /// Critical threshold for number of streams used, in percent of limit
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    streams_critical: i64,

    /// Warning threshold for number of consumers used, in percent of limit
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    consumers_warn: i64,

    /// Critical threshold for number of consumers used, in percent of limit
    #[arg(long, default_value_t = -1, allow_hyphen_values = true)]
    consumers_critical: i64,

    /// Don't check if all streams have healthy replicas
    #[arg(long)]
    no_replicas: bool,

    /// Critical threshold for when a stream replica should have been seen, as a duration
    #[arg(long, default_value = "5s", value_parser = duration::arg)]
    replica_seen_critical: Duration,

    /// Critical threshold for how many operations behind a peer can be
    #[arg(long, default_value_t = 200)]
    replica_lag_critical: u64,
}

/// One resource of an account.
struct Usage {
    names: [&'static str; 2],
    title: &'static str,
    unit: &'static str,
    limit: i64,
    used: u64,
    warning: i64,
    critical: i64,
}

impl JetStreamCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("jetstream", "JetStream");
        let loaded = self.load(app).await;
        let Some((account, streams)) = outcome.or_critical(loaded, "JetStream not available")
        else {
            return outcome;
        };
        for usage in self.usages(&account) {
            judge(&usage, &mut outcome);
        }
        if let Some(streams) = streams {
            self.judge_streams(&streams, &mut outcome);
        }
        outcome
    }

    async fn load(&self, app: &App) -> Result<(Value, Option<Vec<StreamInfo>>)> {
        let jsm = app.jsm().await?;
        let account = jsm.get("INFO").await?;
        let streams = match self.no_replicas {
            true => None,
            false => Some(jsm.streams(None).await?),
        };
        Ok((account, streams))
    }

    fn usages(&self, account: &Value) -> [Usage; 4] {
        let limit = |path: &str| account.at(path).as_i64().unwrap_or_default();
        [
            Usage {
                names: ["memory", "memory_pct"],
                title: "JetStream memory resource usage",
                unit: "B",
                limit: limit("limits.max_memory"),
                used: account.count("memory"),
                warning: self.mem_warn,
                critical: self.mem_critical,
            },
            Usage {
                names: ["storage", "storage_pct"],
                title: "JetStream storage resource usage",
                unit: "B",
                limit: limit("limits.max_storage"),
                used: account.count("storage"),
                warning: self.store_warn,
                critical: self.store_critical,
            },
            Usage {
                names: ["streams", "streams_pct"],
                title: "JetStream streams resource usage",
                unit: "",
                limit: limit("limits.max_streams"),
                used: account.count("streams"),
                warning: self.streams_warn,
                critical: self.streams_critical,
            },
            Usage {
                names: ["consumers", "consumers_pct"],
                title: "JetStream consumers resource usage",
                unit: "",
                limit: limit("limits.max_consumers"),
                used: account.count("consumers"),
                warning: self.consumers_warn,
                critical: self.consumers_critical,
            },
        ]
    }

    fn judge_streams(&self, streams: &[StreamInfo], outcome: &mut Outcome) {
        let (mut ok, mut no_leader, mut missing, mut lagged, mut unseen, mut failed) =
            (0_u32, 0_u32, 0_u32, 0_u32, 0_u32, 0_u32);
        let seen = duration::nanos(self.replica_seen_critical);
        for stream in streams {
            let expected = usize::try_from(stream.config.num_replicas - 1).unwrap_or_default();
            match &stream.cluster {
                _ if expected == 0 => ok += 1,
                None => failed += 1,
                Some(cluster) if cluster.leader.is_empty() => no_leader += 1,
                Some(cluster) if cluster.replicas.len() != expected => missing += 1,
                Some(cluster) => {
                    let before = (failed, unseen, lagged);
                    for peer in &cluster.replicas {
                        failed += u32::from(peer.offline);
                        unseen += u32::from(!peer.offline && seen > 0 && peer.active > seen);
                        lagged += u32::from(
                            !peer.offline
                                && self.replica_lag_critical > 0
                                && peer.lag > self.replica_lag_critical,
                        );
                    }
                    ok += u32::from(before == (failed, unseen, lagged));
                }
            }
        }
        let lag = self.replica_lag_critical as f64;
        let seen = self.replica_seen_critical.as_secs_f64();
        let measures = [
            Measure::new(
                "replicas_ok",
                ok.into(),
                "Streams with healthy cluster state",
            ),
            Measure::new(
                "replicas_no_leader",
                no_leader.into(),
                "Streams with no leader elected",
            ),
            Measure::new(
                "replicas_missing_replicas",
                missing.into(),
                "Streams where there are fewer known replicas than configured",
            ),
            Measure::new(
                "replicas_lagged",
                lagged.into(),
                "Streams with lagged replicas",
            )
            .within(0.0, lag),
            Measure::new(
                "replicas_not_seen",
                unseen.into(),
                "Streams with replicas that were not seen for too long",
            )
            .in_unit("s")
            .within(0.0, seen),
            Measure::new(
                "replicas_fail",
                failed.into(),
                "Streams unhealthy cluster state",
            ),
        ];
        outcome.measures.extend(measures);
        let unhealthy = no_leader + missing + lagged + unseen + failed;
        if unhealthy > 0 {
            outcome.critical(format!("{unhealthy} unhealthy streams"));
        }
    }
}

fn judge(usage: &Usage, outcome: &mut Outcome) {
    let [name, percent_name] = usage.names;
    let percent = match usage.limit {
        limit if limit > 0 => (usage.used as f64 / limit as f64 * 100.0) as i64,
        _ => 0,
    };
    let (warning, critical) = (usage.warning, usage.critical);
    outcome.measured(Measure::new(name, usage.used as f64, usage.title).in_unit(usage.unit));
    outcome.measured(
        Measure::new(percent_name, percent as f64, usage.title)
            .in_unit("%")
            .within(warning as f64, critical as f64),
    );
    if warning != -1 && critical != -1 && warning >= critical {
        outcome.critical(format!("{name}: invalid thresholds"));
    } else if percent > 100 {
        outcome.critical(format!("{name}: exceed server limits"));
    } else if warning >= 0 && critical >= 0 && percent > critical {
        outcome.critical(format!("{percent}% {name}"));
    } else if warning >= 0 && critical >= 0 && percent > warning {
        outcome.warning(format!("{percent}% {name}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_judged_in_percent() {
        let check = |used: u64, warning: i64, critical: i64| {
            let mut outcome = Outcome::default();
            let usage = Usage {
                names: ["streams", "streams_pct"],
                title: "",
                unit: "",
                limit: 10,
                used,
                warning,
                critical,
            };
            judge(&usage, &mut outcome);
            (outcome.code(), outcome.criticals.join(""))
        };
        assert_eq!(check(7, 75, 90), (0, String::new()));
        assert_eq!(check(8, 75, 90), (1, String::new()));
        assert_eq!(check(10, 75, 90), (2, "100% streams".to_owned()));
        assert_eq!(
            check(11, -1, -1),
            (2, "streams: exceed server limits".to_owned())
        );
        assert_eq!(
            check(1, 90, 75),
            (2, "streams: invalid thresholds".to_owned())
        );
        assert_eq!(check(10, -1, -1), (0, String::new()));
    }
}
