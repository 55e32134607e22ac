//! `consumer cluster`: leaders of consumers with replicas.

use super::Target;
use super::filter::Criteria;
use super::show;
use crate::app::App;
use crate::commands::shared::cluster::{group, leader, wait_for_leader};
use crate::commands::shared::pick::{self, Choice};
use crate::commands::stream::balance;
use crate::error::{Error, Result};
use crate::{note, say};

#[derive(clap::Args)]
pub(super) struct ClusterArgs {
    #[command(subcommand)]
    command: ClusterCommand,
}

#[derive(clap::Subcommand)]
enum ClusterCommand {
    /// Force a new leader election by standing down the current leader
    #[command(visible_aliases = ["elect", "down", "d"])]
    StepDown(StepDownArgs),
    /// Balance consumer leaders
    Balance(BalanceArgs),
}

#[derive(clap::Args)]
struct StepDownArgs {
    #[command(flatten)]
    target: Target,
    /// Prefer placing the leader on a specific host
    #[arg(long)]
    preferred: Option<String>,
    /// Force leader step down ignoring current leader
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
struct BalanceArgs {
    /// Stream to act on
    stream: Option<String>,
    #[command(flatten)]
    criteria: Criteria,
}

impl ClusterArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        match self.command {
            ClusterCommand::StepDown(args) => args.run(app, choice).await,
            ClusterCommand::Balance(args) => args.run(app, choice).await,
        }
    }
}

impl StepDownArgs {
    async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let (stream, name) = (&info.stream_name, &info.name);
        let what = format!("consumer {:?}", format!("{stream} > {name}"));
        let group = group(&what, info.cluster.as_ref())?;
        let leader = leader(&what, group, self.force)?;
        note!(
            "Requesting leader step down of {leader:?} for {what} in a {} peer cluster group",
            group.replicas.len() + 1
        );
        jsm.step_down(stream, Some(name), self.preferred.as_deref())
            .await?;
        wait_for_leader(&what, &leader, async || {
            let cluster = jsm.consumer_info(stream, name).await?.cluster;
            Ok(cluster.unwrap_or_default().leader)
        })
        .await?;
        show::print(&jsm.consumer_info(stream, name).await?, false, false)
    }
}

impl BalanceArgs {
    async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let stream = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        let mut groups = Vec::new();
        for info in jsm.consumers(&stream).await? {
            if !self.criteria.meets(&info, None)? {
                continue;
            }
            let Some(cluster) = info.cluster.filter(|group| !group.replicas.is_empty()) else {
                continue;
            };
            let replicas = cluster.replicas.into_iter().map(|peer| peer.name);
            let peers = std::iter::once(cluster.leader.clone()).chain(replicas);
            groups.push((info.name, cluster.leader.clone(), peers.collect()));
        }
        if groups.is_empty() {
            return Err(
                Error::new(format!("no clustered consumers found in {stream}"))
                    .hint("Leaders can be balanced for consumers with more than one replica."),
            );
        }
        let moves = balance(groups.into_iter());
        for (name, from, to) in &moves {
            note!("Moving the leader of {stream} > {name} from {from} to {to}");
            jsm.step_down(&stream, Some(name), Some(to)).await?;
        }
        say!("Balanced {} consumers on stream {stream}.", moves.len());
        Ok(())
    }
}
