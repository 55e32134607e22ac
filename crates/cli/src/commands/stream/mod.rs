//! `nats stream`: streams made, changed, looked at, backed up and removed.
//!
//! A file per verb or pair of verbs; [`flags`] has what configurations are made of, [`show`] how a
//! stream is shown. What needs a stream takes its name or lets the user choose.

mod add;
mod ask;
mod backup;
mod cluster;
mod edit;
mod filter;
mod flags;
mod gaps;
mod graph;
mod info;
mod ls;
mod message;
mod purge;
mod report;
mod restore;
mod show;
mod source;
mod subjects;
mod view;

use crate::app::App;
use crate::commands::shared::pick;
use crate::error::Result;
use crate::output::prompt;

pub(crate) use backup::{BackupOptions, backup};
pub(crate) use cluster::balance;
pub(crate) use filter::{expression, regex as regex_arg, subject_of_expressions};
pub(crate) use restore::{Description, RestoreOptions, restore};

/// JetStream stream management
#[derive(clap::Args)]
pub(crate) struct StreamArgs {
    /// When listing or selecting streams show all streams including system ones
    #[arg(short, long, global = true)]
    all: bool,
    #[command(subcommand)]
    command: StreamCommand,
}

#[derive(clap::Subcommand)]
enum StreamCommand {
    /// Create a new stream
    #[command(visible_alias = "create", visible_alias = "new")]
    Add(Box<add::AddArgs>),
    /// List all known streams
    #[command(visible_alias = "list", visible_alias = "l")]
    Ls(ls::LsArgs),
    /// Reports on stream statistics
    Report(report::ReportArgs),
    /// Finds streams matching certain criteria
    #[command(visible_alias = "query")]
    Find(ls::FindArgs),
    /// Stream information
    #[command(visible_alias = "nfo", visible_alias = "i")]
    Info(info::InfoArgs),
    /// Stream state
    State(info::StateArgs),
    /// Query subjects held in a stream
    #[command(visible_alias = "subj")]
    Subjects(subjects::SubjectsArgs),
    /// Edits an existing stream
    #[command(visible_alias = "update")]
    Edit(Box<edit::EditArgs>),
    /// Removes a stream
    #[command(visible_alias = "delete", visible_alias = "del")]
    Rm(purge::RmArgs),
    /// Bulk removes messages from a stream
    Purge(purge::PurgeArgs),
    /// Creates a new stream with the configuration of another, does not copy data
    #[command(visible_alias = "cp")]
    Copy(Box<edit::CopyArgs>),
    /// Securely removes an individual message from a stream
    Rmm(message::RmmArgs),
    /// View messages in a stream
    View(view::ViewArgs),
    /// Retrieves a specific message from a stream
    Get(message::GetArgs),
    /// Creates a backup of a stream over the NATS network
    #[command(visible_alias = "snapshot")]
    Backup(backup::BackupArgs),
    /// Restore a stream over the NATS network
    Restore(restore::RestoreArgs),
    /// Seals a stream preventing further updates
    Seal(purge::SealArgs),
    /// Detect gaps in the stream content that would be reported as deleted messages
    Gaps(gaps::GapsArgs),
    /// View a graph of stream activity
    Graph(graph::GraphArgs),
    /// Manages a clustered stream
    #[command(visible_alias = "c")]
    Cluster(cluster::ClusterArgs),
}

impl StreamArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let choice = pick::Choice {
            all: self.all,
            never: false,
        };
        match self.command {
            StreamCommand::Add(args) => args.run(app).await,
            StreamCommand::Ls(args) => args.run(app, self.all).await,
            StreamCommand::Report(args) => args.run(app).await,
            StreamCommand::Find(args) => args.run(app).await,
            StreamCommand::Info(args) => args.run(app, choice).await,
            StreamCommand::State(args) => args.run(app, choice).await,
            StreamCommand::Subjects(args) => args.run(app, choice).await,
            StreamCommand::Edit(args) => args.run(app, choice).await,
            StreamCommand::Rm(args) => args.run(app, choice).await,
            StreamCommand::Purge(args) => args.run(app, choice).await,
            StreamCommand::Copy(args) => args.run(app).await,
            StreamCommand::Rmm(args) => args.run(app, choice).await,
            StreamCommand::View(args) => args.run(app, choice).await,
            StreamCommand::Get(args) => args.run(app, choice).await,
            StreamCommand::Backup(args) => args.run(app).await,
            StreamCommand::Restore(args) => args.run(app).await,
            StreamCommand::Seal(args) => args.run(app, choice).await,
            StreamCommand::Gaps(args) => args.run(app, choice).await,
            StreamCommand::Graph(args) => args.run(app, choice).await,
            StreamCommand::Cluster(args) => args.run(app, choice).await,
        }
    }
}

/// Warns who changes a bucket behind its back; `force` knows what it does.
fn confirm_bucket(stream: &str, force: bool) -> Result<()> {
    if force || !(stream.starts_with("KV_") || stream.starts_with("OBJ_")) {
        return Ok(());
    }
    crate::output::remark(&format!(
        "WARNING: {stream} belongs to a bucket. Changed as a stream, it may stop being one, or lose data;\n\
         `nats kv` and `nats object` do it safely."
    ));
    prompt::confirm_or_stop(&format!("Really operate on stream {stream}?"), force)
}
