//! `nats server cluster`: the servers that agree about JetStream, and connections spread over them.
//!
//! The leader of the meta group is the server that says so of itself. Two that do belong to clusters
//! that cannot be told apart from here, so nothing is done to either.

mod balance;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::sys::System;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::{self, json as json_output, prompt};
use crate::{note, say};

/// Time between two looks at who leads.
const LOOK: Duration = Duration::from_millis(500);

/// How long an election is waited for.
const ELECTION: Duration = Duration::from_secs(10);

/// Manage JetStream Clustering
#[derive(clap::Args)]
pub(crate) struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(clap::Subcommand)]
enum ClusterCommand {
    /// Balance cluster connections
    Balance(balance::BalanceArgs),
    /// Force a new leader election by standing down the current meta leader
    #[command(visible_aliases = ["stepdown", "sd", "elect", "down", "d"])]
    StepDown(StepDownArgs),
    /// Removes a server from a JetStream cluster
    #[command(visible_aliases = ["rm", "pr"])]
    PeerRemove(PeerRemoveArgs),
}

#[derive(clap::Args)]
struct StepDownArgs {
    /// Request placement of the leader in a specific cluster
    #[arg(long)]
    cluster: Option<String>,

    /// Request placement of the leader on nodes with specific tags
    #[arg(long)]
    tags: Vec<String>,

    /// Request placement of the leader on a specific node
    #[arg(long)]
    host: Option<String>,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,

    /// Force leader step down ignoring current leader
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
struct PeerRemoveArgs {
    /// The Server Name or ID to remove from the JetStream cluster
    name: String,

    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

impl ClusterArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            ClusterCommand::Balance(args) => args.run(app).await,
            ClusterCommand::StepDown(args) => args.run(app).await,
            ClusterCommand::PeerRemove(args) => args.run(app).await,
        }
    }
}

/// Domains are of accounts: with one the request would go to nobody, or to another cluster.
fn refuse_domain(app: &App, command: &str) -> Result<()> {
    if app.settings()?.context.jetstream_domain.is_empty() {
        return Ok(());
    }
    Err(
        Error::new(format!("--js-domain cannot be used with {command}"))
            .hint("Domains do not apply to the system account: connect without one."),
    )
}

/// The meta group as its leader sees it.
async fn meta_group(system: &System) -> Result<Value> {
    let answers = system.documents("JSZ", &json!({}), 0).await?;
    let is_clustered = answers
        .iter()
        .any(|answer| answer.data().at("meta_cluster").is_object());
    if !is_clustered {
        return Err(Error::new("JetStream is not clustered here")
            .hint("There is a meta leader where servers with JetStream form a cluster."));
    }
    let mut leaders = answers.iter().filter(|answer| {
        let leader = answer.data().text("meta_cluster.leader");
        !leader.is_empty() && answer.server().text("name") == leader
    });
    match (leaders.next(), leaders.count()) {
        (Some(leader), 0) => Ok(leader.data().at("meta_cluster").clone()),
        (Some(_), others) => Err(Error::new(format!(
            "found {} JetStream meta leaders: which cluster is meant cannot be told",
            others + 1
        ))),
        (None, _) => Err(Error::new("no server says that it is the meta leader")
            .hint("While an election is under way there is none: try again in a few seconds.")),
    }
}

impl StepDownArgs {
    async fn run(self, app: &App) -> Result<()> {
        refuse_domain(app, "step-down")?;
        let system = System::connect(app).await?;
        let (leader, peers) = match meta_group(&system).await {
            Ok(meta) => (
                meta.text("leader").to_owned(),
                meta.list("replicas").len() + 1,
            ),
            Err(error) if self.force => {
                output::remark(&format!("{error}"));
                ("<unknown>".to_owned(), 0)
            }
            Err(error) => return Err(error),
        };
        note!("Requesting leader step down of {leader:?} in a {peers} peer RAFT group");
        let jsm = app.jsm_on(system.client().clone())?;
        let answer = jsm.call_raw("META.LEADER.STEPDOWN", self.body()?).await?;
        if self.json {
            json_output::print_raw(&answer)?;
        }
        let started = Instant::now();
        while started.elapsed() < ELECTION {
            tokio::time::sleep(LOOK).await;
            match meta_group(&system).await {
                Ok(meta) if meta.text("leader") != leader => {
                    note!("New leader elected {:?}", meta.text("leader"));
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) => note!("Failed to retrieve the cluster's state: {error}"),
            }
        }
        let waited = output::duration::human(started.elapsed());
        Err(Error::new(format!(
            "the leader did not change within {waited}"
        )))
    }

    fn body(&self) -> Result<Vec<u8>> {
        let mut placement = json!({});
        if let Some(cluster) = &self.cluster {
            placement["cluster"] = json!(cluster);
        }
        if !self.tags.is_empty() {
            placement["tags"] = json!(self.tags);
        }
        if let Some(host) = &self.host {
            placement["preferred"] = json!(host);
        }
        match placement
            .as_object()
            .is_some_and(|fields| fields.is_empty())
        {
            true => Ok(Vec::new()),
            false => Ok(serde_json::to_vec(&json!({ "placement": placement }))?),
        }
    }
}

impl PeerRemoveArgs {
    async fn run(self, app: &App) -> Result<()> {
        refuse_domain(app, "peer-remove")?;
        let system = System::connect(app).await?;
        let meta = meta_group(&system).await?;
        let peer = find_peer(&meta, &self.name)?;
        let (id, name) = (peer.text("peer"), peer.text("name"));
        let state = match peer.flag("offline") {
            true => "offline",
            false => "online",
        };
        if !self.force {
            say!("{WARNING}");
        }
        let question = match self.name == id {
            true => format!("Really remove {state} peer {name} with id {id}"),
            false => format!("Really remove {state} peer {name}"),
        };
        prompt::confirm_or_stop(&question, self.force)?;
        let jsm = app.jsm_on(system.client().clone())?;
        let body = match id {
            "" => json!({ "peer": name }),
            id => json!({ "peer": "", "peer_id": id }),
        };
        let answer = jsm
            .call_raw("SERVER.REMOVE", serde_json::to_vec(&body)?)
            .await?;
        if self.json {
            return json_output::print_raw(&answer);
        }
        note!("Removed {state} peer {name}");
        Ok(())
    }
}

/// The replica that has this name or id.
fn find_peer<'a>(meta: &'a Value, wanted: &str) -> Result<&'a Value> {
    let replicas = meta.list("replicas");
    let found = replicas
        .iter()
        .find(|peer| peer.text("name") == wanted || peer.text("peer") == wanted);
    if let Some(peer) = found {
        return Ok(peer);
    }
    if meta.text("leader") == wanted {
        return Err(Error::new(format!("{wanted} leads the cluster"))
            .hint("Have another one lead first: nats server cluster step-down"));
    }
    let names: Vec<&str> = replicas.iter().map(|peer| peer.text("name")).collect();
    Err(
        Error::new(format!("did not find a replica named {wanted}")).hint(format!(
            "Replicas are {}; {} leads.",
            names.join(", "),
            meta.text("leader")
        )),
    )
}

/// What has to be known before a peer is removed.
const WARNING: &str = "\
A peer is removed when it will never come back. For one that will, nothing has to be done: shut it down,
do your maintenance, and start it again.

A removed peer comes back only after the whole cluster, or super-cluster, was restarted; one that was
online when it was removed has to be restarted last.

Streams with one replica move to other peers without their messages, also when the peer returns later.
Consumers with one replica start anew, which may deliver messages again.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_found_by_name_and_id() {
        let meta = json!({ "leader": "n1", "replicas": [
            { "name": "n2", "peer": "aaa" }, { "name": "n3", "peer": "bbb", "offline": true }] });
        let found =
            |wanted: &str| find_peer(&meta, wanted).map(|peer| peer.text("name").to_owned());
        assert_eq!(found("n2").ok().as_deref(), Some("n2"));
        assert_eq!(found("bbb").ok().as_deref(), Some("n3"));
        let told = |wanted: &str| found(wanted).err().map(|error| error.to_string());
        assert!(told("n1").is_some_and(|text| text.contains("leads the cluster")));
        assert!(told("n4").is_some_and(|text| text.contains("n2, n3")));
    }
}
