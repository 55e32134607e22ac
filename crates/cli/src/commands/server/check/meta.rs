//! `nats server check meta`: the peers that agree about JetStream in a cluster.

use std::time::Duration;

use serde_json::{Value, json};

use super::outcome::{Measure, Outcome};
use crate::app::App;
use crate::commands::server::sys::System;
use crate::commands::shared::doc::Doc;
use crate::error::{Context, Result};
use crate::output::duration;

/// Check JetStream cluster state
#[derive(clap::Args)]
pub(super) struct MetaCheck {
    /// Number of servers to expect
    #[arg(long, value_name = "SERVERS")]
    expect: u64,

    /// Critical threshold to allow for lag
    #[arg(long, value_name = "OPS")]
    lag_critical: u64,

    /// Critical threshold for how long ago a peer should have been seen
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    seen_critical: Duration,
}

impl MetaCheck {
    pub(super) async fn run(&self, app: &App) -> Outcome {
        let mut outcome = Outcome::new("meta", "JetStream Meta Cluster");
        if let Some(meta) = outcome.or_critical(load(app).await, "JSZ API request failed") {
            self.judge(&meta, &mut outcome);
        }
        outcome
    }

    fn judge(&self, meta: &Value, outcome: &mut Outcome) {
        if !meta.is_object() {
            return outcome.critical("no cluster information");
        }
        let leader = meta.text("leader");
        if leader.is_empty() {
            return outcome.critical("No leader");
        }
        let replicas = meta.list("replicas");
        let peers = replicas.len() as u64 + 1;
        outcome.measured(
            Measure::new("peers", peers as f64, "Configured RAFT peers")
                .within(self.expect as f64, self.expect as f64),
        );
        if self.expect > 0 && peers != self.expect {
            outcome.critical(format!("{peers} peers of expected {}", self.expect));
        }
        let count = |is_bad: &dyn Fn(&Value) -> bool| replicas.iter().filter(|p| is_bad(p)).count();
        let seen = u64::try_from(self.seen_critical.as_nanos()).unwrap_or(u64::MAX);
        let offline = count(&|peer| peer.flag("offline"));
        let stale = count(&|peer| !peer.flag("current"));
        let inactive = count(&|peer| seen > 0 && peer.count("active") > seen);
        let lagged = count(&|peer| self.lag_critical > 0 && peer.count("lag") > self.lag_critical);
        let measures = [
            ("peer_offline", offline, "Offline RAFT peers"),
            ("peer_not_current", stale, "RAFT peers that are not current"),
            ("peer_inactive", inactive, "Inactive RAFT peers"),
            (
                "peer_lagged",
                lagged,
                "RAFT peers that are lagged more than configured threshold",
            ),
        ];
        for (name, value, help) in measures {
            outcome.measured(Measure::new(name, value as f64, help));
        }
        let found = [
            (stale, "not current".to_owned()),
            (
                inactive,
                format!("inactive more than {}", duration::human(self.seen_critical)),
            ),
            (offline, "offline".to_owned()),
            (
                lagged,
                format!("lagged more than {} ops", self.lag_critical),
            ),
        ];
        for (count, what) in found.into_iter().filter(|(count, _)| *count > 0) {
            outcome.critical(format!("{count} {what}"));
        }
        outcome.ok_if_fine(format!("{peers} peers led by {leader}"));
    }
}

async fn load(app: &App) -> Result<Value> {
    let system = System::connect(app).await?;
    let subject = "$SYS.REQ.SERVER.PING.JSZ";
    let answers = system
        .ask(subject, &json!({ "leader_only": true }), 1)
        .await?;
    let answer = answers
        .into_iter()
        .next()
        .context("no JSZ response received")?;
    match answer.error() {
        Some(error) => Err(error),
        None => Ok(answer.data().at("meta_cluster").clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_judged() {
        let check = MetaCheck {
            expect: 3,
            lag_critical: 10,
            seen_critical: Duration::from_secs(1),
        };
        let judge = |meta: Value| {
            let mut outcome = Outcome::default();
            check.judge(&meta, &mut outcome);
            (outcome.oks, outcome.criticals)
        };
        let peer = |lag: u64| json!({ "current": true, "active": 5, "lag": lag });
        let (oks, criticals) = judge(json!({ "leader": "n1", "replicas": [peer(1), peer(2)] }));
        assert_eq!(
            (oks, criticals.len()),
            (vec!["3 peers led by n1".to_owned()], 0)
        );
        let (_, criticals) = judge(json!({ "leader": "n1", "replicas": [peer(11)] }));
        assert_eq!(
            criticals,
            ["2 peers of expected 3", "1 lagged more than 10 ops"]
        );
        assert_eq!(judge(json!({ "leader": "" })).1, ["No leader"]);
        assert_eq!(judge(Value::Null).1, ["no cluster information"]);
    }
}
