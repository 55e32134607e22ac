//! `nats server consumer-check`: the replicas of consumers.

use super::{Common, Replica, drift, short};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;

/// Check and display consumer information
#[derive(clap::Args)]
pub(crate) struct ConsumerCheckArgs {
    #[command(flatten)]
    common: Common,

    /// Filter results by consumer
    #[arg(long)]
    consumer: Option<String>,
}

const HEADER: [&str; 14] = [
    "Consumer",
    "Stream",
    "Raft",
    "Account",
    "Account ID",
    "Node",
    "Delivered (S,C)",
    "ACK Floor (S,C)",
    "Counters",
    "Status",
    "Leader",
    "Stream Cluster Leader",
    "Peers",
    "Health",
];

impl ConsumerCheckArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let common = &self.common;
        let findings = common.gather(app, true).await?;
        let mut rows = Vec::new();
        for ((_, _, name), replicas) in &findings.groups {
            if self.consumer.as_ref().is_some_and(|wanted| wanted != name) {
                continue;
            }
            for replica in replicas {
                let (status, is_unsynced) = status(replica, replicas);
                if common.unsynced && !is_unsynced {
                    continue;
                }
                let health = common.health(findings.system.as_ref(), replica).await;
                let leader = replicas.iter().find(|other| other.is_leader());
                let leader = leader.filter(|_| is_unsynced);
                rows.push(row(replica, leader, status, health, common.csv));
            }
        }
        common.print("Consumers", &HEADER, &rows);
        Ok(())
    }
}

/// How a replica stands beside the others, and whether something is wrong.
fn status(replica: &Replica, all: &[Replica]) -> (String, bool) {
    if let Some(status) = replica.group_status() {
        return (status.to_owned(), true);
    }
    let of = &replica.consumer;
    let last = replica.stream.count("state.last_seq");
    let differs = |paths: [&str; 2]| {
        all.iter().any(|other| {
            let is_unlike = |path: &&str| other.consumer.count(path) != of.count(path);
            paths.iter().any(is_unlike)
        })
    };
    let has_other_leader = |other: &Replica| {
        !other.leader().is_empty()
            && !replica.leader().is_empty()
            && other.leader() != replica.leader()
    };
    let wrong: Vec<&str> = [
        (
            of.count("delivered.stream_seq") > last,
            "UNSYNCED:DELIVERED_AHEAD_OF_STREAM_SEQ",
        ),
        (
            of.count("ack_floor.stream_seq") > last,
            "UNSYNCED:ACKFLOOR_AHEAD_OF_STREAM_SEQ",
        ),
        (
            differs(["delivered.stream_seq", "delivered.consumer_seq"]),
            "UNSYNCED:DELIVERED",
        ),
        (
            differs(["ack_floor.stream_seq", "ack_floor.consumer_seq"]),
            "UNSYNCED:ACK_FLOOR",
        ),
        (all.iter().any(has_other_leader), "MULTILEADER"),
    ]
    .into_iter()
    .filter_map(|(is_so, status)| is_so.then_some(status))
    .collect();
    let mut told = wrong.clone();
    if of.count("delivered.consumer_seq") == 0 || of.count("ack_floor.consumer_seq") == 0 {
        told.push("EMPTY");
    }
    if told.is_empty() {
        told.push("IN SYNC");
    }
    if replica.is_leader() && replica.stream.text("cluster.leader") == replica.server {
        told.push("INTERSECT");
    }
    (told.join(" / "), !wrong.is_empty())
}

fn row(
    replica: &Replica,
    leader: Option<&Replica>,
    status: String,
    health: String,
    is_csv: bool,
) -> Vec<String> {
    let of = &replica.consumer;
    let count = |path: &str| {
        drift(
            of.count(path),
            leader.map(|leader| leader.consumer.count(path)),
        )
    };
    let state = replica.stream.at("state");
    let (first, last) = (state.count("first_seq"), state.count("last_seq"));
    let progress = of.count("delivered.stream_seq").saturating_mul(100) / last.max(1);
    vec![
        of.text("name").to_owned(),
        replica.stream.text("name").to_owned(),
        replica.raft_group.clone(),
        short(&replica.account),
        replica.account_id.clone(),
        replica.node(),
        format!(
            "{} [{first}, {last}] {progress}% | {}",
            count("delivered.stream_seq"),
            count("delivered.consumer_seq")
        ),
        format!(
            "{} | {}",
            count("ack_floor.stream_seq"),
            count("ack_floor.consumer_seq")
        ),
        format!(
            "(ap:{}, nr:{}, nw:{}, np:{})",
            of.count("num_ack_pending"),
            of.count("num_redelivered"),
            of.count("num_waiting"),
            of.count("num_pending")
        ),
        status,
        replica.leader().to_owned(),
        replica.stream.text("cluster.leader").to_owned(),
        replica.peers(is_csv),
        health,
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::groups_of;
    use super::*;

    fn server(name: &str, delivered: u64, last: u64) -> Value {
        let cluster = json!({ "leader": "a", "raft_group": "C-R3", "replicas": [{ "name": "b" }] });
        let consumer = json!({ "name": "C", "stream_name": "S", "cluster": cluster,
            "delivered": { "stream_seq": delivered, "consumer_seq": delivered },
            "ack_floor": { "stream_seq": 1, "consumer_seq": 1 } });
        json!({ "server": { "name": name, "id": "N" }, "data": { "account_details": [
            { "name": "$G", "id": "$G", "stream_detail": [{ "name": "S", "state": { "last_seq": last },
              "cluster": { "leader": "a" }, "consumer_detail": [consumer] }] }] } })
    }

    #[test]
    fn replicas_are_held_against_each_other() {
        let check = |servers: &[Value], expected: &[(&str, bool)]| {
            let groups = groups_of(servers, true);
            let replicas = groups.values().next().map_or(&[][..], Vec::as_slice);
            let found: Vec<_> = replicas.iter().map(|r| status(r, replicas)).collect();
            let found: Vec<_> = found
                .iter()
                .map(|(text, bad)| (text.as_str(), *bad))
                .collect();
            assert_eq!(found, expected);
            for replica in replicas {
                let row = row(replica, None, String::new(), String::new(), false);
                assert_eq!(row.len(), HEADER.len());
            }
        };
        check(
            &[server("a", 5, 5), server("b", 5, 5)],
            &[("IN SYNC / INTERSECT", false), ("IN SYNC", false)],
        );
        check(
            &[server("a", 5, 5), server("b", 4, 5)],
            &[
                ("UNSYNCED:DELIVERED / INTERSECT", true),
                ("UNSYNCED:DELIVERED", true),
            ],
        );
        let ahead = "UNSYNCED:DELIVERED_AHEAD_OF_STREAM_SEQ / INTERSECT";
        check(&[server("a", 6, 5)], &[(ahead, true)]);
    }
}
