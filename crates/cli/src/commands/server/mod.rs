//! `nats server`: servers seen from the system account, checks for monitoring, and helpers for
//! configurations.
//!
//! [`sys`] asks servers, and [`source`] has an archive answer instead where one is given; a module per sub-command turns answers into text. Documents stay JSON: what
//! a newer server adds is shown where JSON is asked for.

mod account;
pub(crate) mod check;
mod cluster;
mod config;
mod generate;
mod graph;
pub(crate) mod info;
mod list;
mod mapping;
mod passwd;
mod ping;
mod profile;
mod replicas;
mod report;
mod request;
mod run;
pub(crate) mod source;
pub(crate) mod sys;
pub(crate) mod text;
mod watch;

use crate::app::App;
use crate::error::Result;

/// Server information
#[derive(clap::Args)]
pub(crate) struct ServerArgs {
    #[command(subcommand)]
    command: ServerCommand,
}

#[derive(clap::Subcommand)]
enum ServerCommand {
    #[command(visible_alias = "acct")]
    Account(account::AccountArgs),
    Check(check::CheckArgs),
    #[command(visible_aliases = ["r", "raft"])]
    Cluster(cluster::ClusterArgs),
    Config(config::ConfigArgs),
    #[command(hide = true)]
    ConsumerCheck(replicas::ConsumerCheckArgs),
    #[command(visible_alias = "gen")]
    Generate(generate::GenerateArgs),
    Graph(graph::GraphArgs),
    #[command(visible_alias = "i")]
    Info(info::InfoArgs),
    #[command(visible_alias = "ls")]
    List(list::ListArgs),
    #[command(visible_alias = "mapping")]
    Mappings(mapping::MappingArgs),
    #[command(visible_aliases = ["mkpasswd", "pass", "password"])]
    Passwd(passwd::PasswdArgs),
    Ping(ping::PingArgs),
    #[command(visible_alias = "rep")]
    Report(report::ReportArgs),
    #[command(visible_alias = "req")]
    Request(request::RequestArgs),
    Run(run::RunArgs),
    #[command(hide = true)]
    StreamCheck(replicas::StreamCheckArgs),
    Watch(watch::WatchArgs),
}

impl ServerArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            ServerCommand::Account(args) => args.run(app).await,
            ServerCommand::Check(args) => args.run(app).await,
            ServerCommand::Cluster(args) => args.run(app).await,
            ServerCommand::Config(args) => args.run(app).await,
            ServerCommand::ConsumerCheck(args) => args.run(app).await,
            ServerCommand::Generate(args) => args.run(),
            ServerCommand::Graph(args) => args.run(app).await,
            ServerCommand::Info(args) => args.run(app).await,
            ServerCommand::List(args) => args.run(app).await,
            ServerCommand::Mappings(args) => args.run(),
            ServerCommand::Passwd(args) => args.run(),
            ServerCommand::Ping(args) => args.run(app).await,
            ServerCommand::Report(args) => args.run(app).await,
            ServerCommand::Request(args) => args.run(app).await,
            ServerCommand::Run(args) => args.run(app).await,
            ServerCommand::StreamCheck(args) => args.run(app).await,
            ServerCommand::Watch(args) => args.run(app).await,
        }
    }
}
