//! `nats server stream-check`: the replicas of streams.

use super::{Common, Replica, drift, short};
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::Result;

/// Check and display stream information
#[derive(clap::Args)]
pub(crate) struct StreamCheckArgs {
    #[command(flatten)]
    common: Common,
}

const HEADER: [&str; 16] = [
    "Stream Replica",
    "Raft",
    "Account",
    "Account ID",
    "Node",
    "Messages",
    "Bytes",
    "Subjects",
    "Deleted",
    "Consumers",
    "First",
    "Last",
    "Status",
    "Leader",
    "Peers",
    "Health",
];

/// The columns from "Messages" to "Last".
const COUNTS: [&str; 7] = [
    "state.messages",
    "state.bytes",
    "state.num_subjects",
    "state.num_deleted",
    "state.consumer_count",
    "state.first_seq",
    "state.last_seq",
];

impl StreamCheckArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let common = &self.common;
        let findings = common.gather(app, false).await?;
        let mut rows = Vec::new();
        for replicas in findings.groups.values() {
            for replica in replicas {
                let status = status(replica, replicas);
                if common.unsynced && status == IN_SYNC {
                    continue;
                }
                let health = common.health(findings.system.as_ref(), replica).await;
                let leader = replicas.iter().find(|other| other.is_leader());
                rows.push(row(replica, leader, status, health, common.csv));
            }
        }
        common.print("Streams", &HEADER, &rows);
        Ok(())
    }
}

const IN_SYNC: &str = "IN SYNC";

/// How a replica stands beside the others.
fn status(replica: &Replica, all: &[Replica]) -> &'static str {
    if let Some(status) = replica.group_status() {
        return status;
    }
    let mut replicas = replica.stream.list("cluster.replicas").iter();
    if replica.is_leader() && replicas.any(|peer| peer.text("name") == replica.server) {
        return "LEADER_IS_FOLLOWER";
    }
    let has_other_leader =
        |other: &Replica| !other.leader().is_empty() && other.leader() != replica.leader();
    if all.iter().any(has_other_leader) {
        return "MULTILEADER";
    }
    let differs =
        |other: &Replica, path: &str| other.stream.count(path) != replica.stream.count(path);
    let is_unlike = |other: &Replica| {
        (differs(other, "state.messages") && differs(other, "state.bytes"))
            || differs(other, "state.first_seq")
            || differs(other, "state.last_seq")
    };
    match all.iter().any(is_unlike) {
        true => "UNSYNCED",
        false => IN_SYNC,
    }
}

fn row(
    replica: &Replica,
    leader: Option<&Replica>,
    status: &str,
    health: String,
    is_csv: bool,
) -> Vec<String> {
    let leader = leader.filter(|_| status != IN_SYNC);
    let mut cells = vec![
        replica.stream.text("name").to_owned(),
        replica.raft_group.clone(),
        short(&replica.account),
        replica.account_id.clone(),
        replica.node(),
    ];
    for path in COUNTS {
        let count = |of: &Replica| of.stream.count(path);
        cells.push(drift(count(replica), leader.map(count)));
    }
    cells.extend([
        status.to_owned(),
        replica.leader().to_owned(),
        replica.peers(is_csv),
        health,
    ]);
    cells
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::groups_of;
    use super::*;

    fn server(name: &str, leader: &str, messages: u64, last: u64) -> Value {
        let state = json!({ "messages": messages, "bytes": messages * 10, "first_seq": 1, "last_seq": last });
        let cluster = json!({ "leader": leader, "raft_group": "S-R3", "replicas": [
            { "name": "other", "current": true, "offline": false }] });
        json!({ "server": { "name": name, "id": "N" }, "data": { "account_details": [
            { "name": "$G", "id": "$G", "stream_detail": [
                { "name": "ORDERS", "state": state, "cluster": cluster }] }] } })
    }

    fn statuses(servers: &[Value]) -> Vec<&'static str> {
        let groups = groups_of(servers, false);
        let replicas = groups.values().next().map_or(&[][..], Vec::as_slice);
        replicas
            .iter()
            .map(|replica| status(replica, replicas))
            .collect()
    }

    #[test]
    fn replicas_are_held_against_each_other() {
        let same = [server("a", "a", 5, 5), server("b", "a", 5, 5)];
        assert_eq!(statuses(&same), [IN_SYNC, IN_SYNC]);
        let behind = [server("a", "a", 5, 5), server("b", "a", 4, 4)];
        assert_eq!(statuses(&behind), ["UNSYNCED", "UNSYNCED"]);
        let split = [server("a", "a", 5, 5), server("b", "b", 5, 5)];
        assert_eq!(statuses(&split), ["MULTILEADER", "MULTILEADER"]);
        let alone = [server("a", "a", 5, 5), server("b", "", 5, 5)];
        assert_eq!(statuses(&alone), [IN_SYNC, "LEADERLESS"]);
    }

    #[test]
    fn rows_have_a_cell_per_column() {
        let groups = groups_of(&[server("a", "a", 5, 5)], false);
        let replica = groups.values().next().and_then(|all| all.first());
        let replica = replica.unwrap_or_else(|| panic!("there is a replica"));
        let row = row(replica, None, IN_SYNC, String::new(), true);
        assert_eq!(row.len(), HEADER.len());
        assert_eq!(
            row[..6],
            ["ORDERS", "S-R3", "$G", "$G", "a*", "5"].map(str::to_owned)
        );
    }
}
