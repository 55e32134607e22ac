//! `nats server report`: tables about what servers do, once or again and again with `--watch`.

mod accounts;
mod connections;
mod downgrade;
mod health;
mod jetstream;
mod network;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::app::App;
use crate::commands::server::source::Source;
use crate::commands::server::sys::{Answer, Selection};
use crate::commands::shared::screen;
use crate::error::{Error, Result};

/// Report on various server metrics
#[derive(clap::Args)]
pub(crate) struct ReportArgs {
    /// Reverse sort connections
    #[arg(short = 'R', long, global = true)]
    reverse: bool,

    /// Read data from an archive of 'nats audit gather' instead of asking servers
    #[arg(long, value_name = "FILE", global = true)]
    archive: Option<PathBuf>,

    #[command(subcommand)]
    command: ReportCommand,
}

#[derive(clap::Subcommand)]
enum ReportCommand {
    /// Report on account activity
    #[command(visible_alias = "acct")]
    Accounts(accounts::AccountsArgs),
    /// Report on connections
    #[command(visible_aliases = ["conn", "connz", "conns"])]
    Connections(connections::ConnectionsArgs),
    /// Report on CPU usage
    Cpu(usage::UsageArgs),
    /// List assets incompatible with the specified API level
    Downgrade(downgrade::DowngradeArgs),
    /// Report on Gateway (Super Cluster) connections
    #[command(visible_aliases = ["super", "gateway"])]
    Gateways(network::GatewaysArgs),
    /// Report on Server health
    Health(health::HealthArgs),
    /// Report on JetStream activity
    #[command(visible_aliases = ["jsz", "js"])]
    Jetstream(jetstream::JetStreamArgs),
    /// Report on Leafnode connections
    #[command(visible_aliases = ["leaf", "leafz"])]
    Leafnodes(network::LeafnodesArgs),
    /// Report on Memory usage
    Mem(usage::UsageArgs),
    /// Report on Route (Cluster) connections
    #[command(visible_alias = "route")]
    Routes(network::RoutesArgs),
}

/// What every report takes.
#[derive(clap::Args)]
pub(crate) struct Common {
    /// Limit the responses to a certain amount of servers
    limit: Option<usize>,

    #[command(flatten)]
    selection: Selection,

    /// Display the results and update them every so many seconds
    #[arg(long, value_name = "SECONDS")]
    watch: Option<u64>,
}

/// A report's connection, and how it is asked for.
pub(crate) struct Report<'a> {
    source: Source,
    common: &'a Common,
    domain: String,
    is_reversed: bool,
}

impl ReportCommand {
    fn common(&self) -> &Common {
        match self {
            ReportCommand::Accounts(args) => &args.common,
            ReportCommand::Connections(args) => &args.common,
            ReportCommand::Cpu(args) | ReportCommand::Mem(args) => &args.common,
            ReportCommand::Downgrade(args) => &args.common,
            ReportCommand::Gateways(args) => &args.common,
            ReportCommand::Health(args) => &args.common,
            ReportCommand::Jetstream(args) => &args.common,
            ReportCommand::Leafnodes(args) => &args.common,
            ReportCommand::Routes(args) => &args.common,
        }
    }

    async fn show(&self, report: &Report<'_>) -> Result<String> {
        match self {
            ReportCommand::Accounts(args) => args.text(report).await,
            ReportCommand::Connections(args) => args.text(report).await,
            ReportCommand::Cpu(args) => args.text(report, usage::Of::Cpu).await,
            ReportCommand::Mem(args) => args.text(report, usage::Of::Memory).await,
            ReportCommand::Downgrade(args) => args.text(report).await,
            ReportCommand::Gateways(args) => args.text(report).await,
            ReportCommand::Health(args) => args.text(report).await,
            ReportCommand::Jetstream(args) => args.text(report).await,
            ReportCommand::Leafnodes(args) => args.text(report).await,
            ReportCommand::Routes(args) => args.text(report).await,
        }
    }
}

impl ReportArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let common = self.command.common();
        let archive = self.archive.as_deref();
        let seconds = common.watch.filter(|seconds| *seconds > 0);
        if archive.is_some() && seconds.is_some() {
            return Err(Error::new("--watch is not supported when using --archive")
                .hint("What is in an archive does not change."));
        }
        let report = Report {
            source: Source::open(app, archive).await?,
            common,
            domain: app.settings()?.context.jetstream_domain.clone(),
            is_reversed: self.reverse,
        };
        let Some(seconds) = seconds else {
            crate::output::show(&self.command.show(&report).await?);
            return Ok(());
        };
        let mut ticks = tokio::time::interval(Duration::from_secs(seconds));
        loop {
            ticks.tick().await;
            let text = self.command.show(&report).await?;
            screen::repaint(&text);
        }
    }
}

impl Report<'_> {
    /// The answers of the servers that are meant; a refusal of one is an error.
    async fn documents(&self, what: &str, body: Value) -> Result<Vec<Answer>> {
        let body = self.common.selection.applied_to(body, &self.domain);
        self.source
            .documents(what, &body, self.common.limit.unwrap_or_default())
            .await
    }

    /// Sorts by a key, smallest first unless `--reverse` says otherwise.
    fn sort_by_key<T, K: PartialOrd>(&self, rows: &mut [T], key: impl Fn(&T) -> K) {
        rows.sort_by(|a, b| {
            let order = key(a)
                .partial_cmp(&key(b))
                .unwrap_or(std::cmp::Ordering::Equal);
            match self.is_reversed {
                true => order.reverse(),
                false => order,
            }
        });
    }
}
