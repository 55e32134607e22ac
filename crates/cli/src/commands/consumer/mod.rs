//! `nats consumer`: consumers made, changed, read, paused and removed.
//!
//! A file per verb or group of verbs; [`flags`] has what configurations are made of, [`show`] how a
//! consumer is shown. What needs a stream or a consumer takes its name or lets the user choose.

mod add;
mod ask;
mod cluster;
mod control;
mod edit;
mod filter;
mod flags;
mod graph;
mod ls;
mod next;
mod show;

use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::Result;
use crate::jsm::{ConsumerInfo, Jsm};

/// JetStream consumer management
#[derive(clap::Args)]
pub(crate) struct ConsumerArgs {
    /// Operate on all streams including system ones
    #[arg(short, long, global = true)]
    all: bool,
    #[command(subcommand)]
    command: ConsumerCommand,
}

#[derive(clap::Subcommand)]
enum ConsumerCommand {
    /// Creates a new consumer
    #[command(visible_alias = "create", visible_alias = "new")]
    Add(Box<add::AddArgs>),
    /// Edits the configuration of a consumer
    #[command(visible_alias = "update")]
    Edit(Box<edit::EditArgs>),
    /// List known consumers
    #[command(visible_alias = "list")]
    Ls(ls::LsArgs),
    /// Finds consumers matching certain criteria
    #[command(visible_alias = "query")]
    Find(ls::FindArgs),
    /// Consumer information
    #[command(visible_alias = "nfo")]
    Info(show::InfoArgs),
    /// Consumer state
    State(show::InfoArgs),
    /// Removes a consumer
    #[command(visible_alias = "delete", visible_alias = "del")]
    Rm(control::RmArgs),
    /// Resets the consumer to a previous state
    Reset(control::ResetArgs),
    /// Creates a new consumer based on the configuration of another
    #[command(visible_alias = "cp")]
    Copy(Box<edit::CopyArgs>),
    /// Retrieves messages from pull consumers without interactive prompts
    Next(next::NextArgs),
    /// Retrieves messages from consumers
    #[command(hide = true)]
    Sub(next::SubArgs),
    /// View a graph of consumer activity
    Graph(graph::GraphArgs),
    /// Pause a consumer until a later time
    Pause(control::PauseArgs),
    /// Unpin the current pinned client from a priority group
    Unpin(control::UnpinArgs),
    /// Resume a paused consumer
    Resume(control::ResumeArgs),
    /// Reports on consumer statistics
    Report(ls::ReportArgs),
    /// Manages a clustered consumer
    #[command(visible_alias = "c")]
    Cluster(cluster::ClusterArgs),
}

impl ConsumerArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let choice = Choice {
            all: self.all,
            never: false,
        };
        match self.command {
            ConsumerCommand::Add(args) => args.run(app, choice).await,
            ConsumerCommand::Edit(args) => args.run(app, choice).await,
            ConsumerCommand::Ls(args) => args.run(app, choice).await,
            ConsumerCommand::Find(args) => args.run(app, choice).await,
            ConsumerCommand::Info(args) => args.run(app, choice, false).await,
            ConsumerCommand::State(args) => args.run(app, choice, true).await,
            ConsumerCommand::Rm(args) => args.run(app, choice).await,
            ConsumerCommand::Reset(args) => args.run(app, choice).await,
            ConsumerCommand::Copy(args) => args.run(app).await,
            ConsumerCommand::Next(args) => args.run(app).await,
            ConsumerCommand::Sub(args) => args.run(app, choice).await,
            ConsumerCommand::Graph(args) => args.run(app, choice).await,
            ConsumerCommand::Pause(args) => args.run(app, choice).await,
            ConsumerCommand::Unpin(args) => args.run(app, choice).await,
            ConsumerCommand::Resume(args) => args.run(app, choice).await,
            ConsumerCommand::Report(args) => args.run(app, choice).await,
            ConsumerCommand::Cluster(args) => args.run(app, choice).await,
        }
    }
}

/// Which consumer is meant.
#[derive(clap::Args)]
struct Target {
    /// Stream name
    stream: Option<String>,
    /// Consumer name
    consumer: Option<String>,
}

impl Target {
    /// What the server says about it.
    async fn find(&self, jsm: &Jsm, choice: Choice) -> Result<ConsumerInfo> {
        let stream = pick::stream_name(jsm, self.stream.as_deref(), choice).await?;
        pick::consumer(jsm, &stream, self.consumer.as_deref(), choice.never).await
    }
}
