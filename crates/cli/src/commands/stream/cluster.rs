//! `stream cluster`: leaders and peers of streams with replicas.

use std::collections::HashMap;

use super::filter::Criteria;
use super::show;
use crate::app::App;
use crate::commands::shared::cluster::{group, leader, wait_for_leader};
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Error, Result};
use crate::jsm::{ClusterInfo, StreamInfo};
use crate::output::prompt;
use crate::{note, say};

#[derive(clap::Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(clap::Subcommand)]
enum ClusterCommand {
    /// Force a new leader election by standing down the current leader
    #[command(visible_aliases = ["stepdown", "sd", "elect", "down", "d"])]
    StepDown(StepDownArgs),
    /// Balance stream leaders
    Balance(Box<BalanceArgs>),
    /// Removes a peer from the stream cluster
    #[command(visible_alias = "pr")]
    PeerRemove(PeerRemoveArgs),
}

#[derive(clap::Args)]
struct StepDownArgs {
    /// Stream to act on
    stream: Option<String>,
    /// Prefer placing the leader on a specific host
    #[arg(long)]
    preferred: Option<String>,
    /// Force leader step down ignoring current leader
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
struct BalanceArgs {
    #[command(flatten)]
    criteria: Criteria,
}

#[derive(clap::Args)]
struct PeerRemoveArgs {
    /// The stream to act on
    stream: Option<String>,
    /// The name of the peer to remove
    peer: Option<String>,
    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,
}

impl ClusterArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        match self.command {
            ClusterCommand::StepDown(args) => args.run(app, choice).await,
            ClusterCommand::Balance(args) => args.run(app).await,
            ClusterCommand::PeerRemove(args) => args.run(app, choice).await,
        }
    }
}

impl StepDownArgs {
    async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let name = &info.config.name;
        let what = format!("stream {name:?}");
        let group = group(&what, info.cluster.as_ref())?;
        let leader = leader(&what, group, self.force)?;
        note!(
            "Requesting leader step down of {leader:?} for {what} in a {} peer cluster group",
            group.replicas.len() + 1
        );
        jsm.step_down(name, None, self.preferred.as_deref()).await?;
        wait_for_leader(&what, &leader, async || {
            let cluster = jsm.stream_info(name).await?.cluster;
            Ok(cluster.unwrap_or_default().leader)
        })
        .await?;
        show::print(&jsm.stream_info(name).await?, false)
    }
}

impl PeerRemoveArgs {
    async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let name = &info.config.name;
        let group = group(&format!("stream {name:?}"), info.cluster.as_ref())?;
        let peers = peers(group);
        let peer = match self.peer {
            Some(peer) => peer,
            None => {
                let flag = "the peer's name as argument";
                let chosen = prompt::choose("Select a Peer", &peers, 0, flag)?;
                peers.into_iter().nth(chosen).unwrap_or_default()
            }
        };
        let question = format!("Really remove peer {peer} from Stream {name}?");
        prompt::confirm_or_stop(&question, self.force)?;
        note!("Removing peer {peer:?}");
        jsm.remove_peer(name, &peer).await?;
        note!("Requested removal of peer {peer:?}");
        Ok(())
    }
}

fn peers(group: &ClusterInfo) -> Vec<String> {
    let leader = Some(group.leader.clone()).filter(|leader| !leader.is_empty());
    let replicas = group.replicas.iter().map(|peer| peer.name.clone());
    leader.into_iter().chain(replicas).collect()
}

impl BalanceArgs {
    async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let mut found = self.criteria.find(&jsm, None).await?;
        found.retain(|stream| {
            let cluster = stream.cluster.as_ref();
            cluster.is_some_and(|cluster| !cluster.replicas.is_empty())
        });
        if found.is_empty() {
            return Err(Error::new("no clustered streams found")
                .hint("Leaders can be balanced for streams with more than one replica."));
        }
        let moves = moves(&found);
        for (stream, from, to) in &moves {
            note!("Moving the leader of {stream} from {from} to {to}");
            jsm.step_down(stream, None, Some(to)).await?;
        }
        say!("Balanced {} streams.", moves.len());
        Ok(())
    }
}

/// Which leaders move where, so that no server leads more than its share: stream, from, to.
fn moves(streams: &[StreamInfo]) -> Vec<(String, String, String)> {
    let groups = streams
        .iter()
        .filter_map(|stream| Some((&stream.config.name, stream.cluster.as_ref()?)));
    balance(groups.map(|(name, group)| (name.clone(), group.leader.clone(), peers(group))))
}

/// [`moves`] for whatever has a name, a leader and peers.
pub(crate) fn balance(
    groups: impl Iterator<Item = (String, String, Vec<String>)>,
) -> Vec<(String, String, String)> {
    let groups: Vec<_> = groups.collect();
    let mut led: HashMap<&str, usize> = HashMap::new();
    for (_, leader, peers) in &groups {
        peers.iter().for_each(|peer| {
            led.entry(peer).or_default();
        });
        *led.entry(leader).or_default() += 1;
    }
    let share = groups.len().div_ceil(led.len().max(1));
    let mut moves = Vec::new();
    for (name, leader, peers) in &groups {
        let count = |server: &str| led.get(server).copied().unwrap_or(0);
        let lightest = peers.iter().min_by_key(|peer| count(peer));
        let Some(to) = lightest.filter(|to| count(leader) > share && count(to) < share) else {
            continue;
        };
        moves.push((name.clone(), leader.clone(), to.clone()));
        *led.entry(leader).or_default() -= 1;
        *led.entry(to).or_default() += 1;
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaders_move_to_who_leads_least() {
        let peers = || ["a", "b", "c"].map(str::to_owned).to_vec();
        let group = |name: &str, leader: &str| (name.to_owned(), leader.to_owned(), peers());
        let groups = [group("1", "a"), group("2", "a"), group("3", "a")];
        let moved = balance(groups.into_iter());
        let to: Vec<&str> = moved.iter().map(|(_, _, to)| to.as_str()).collect();
        assert_eq!(to, ["b", "c"]);
        let groups = [group("1", "a"), group("2", "b"), group("3", "c")];
        assert!(balance(groups.into_iter()).is_empty());
    }
}
