//! `nats account`: what one's own account is, has and may, and all its streams as a backup.

mod backup;
mod certificate;
mod info;
mod report;
mod tls;

use crate::app::App;
use crate::error::Result;

/// Account information and status
#[derive(clap::Args)]
pub(crate) struct AccountArgs {
    #[command(subcommand)]
    command: AccountCommand,
}

#[derive(clap::Subcommand)]
enum AccountCommand {
    /// Account information
    #[command(visible_alias = "nfo")]
    Info(info::InfoArgs),
    /// Report on account metrics
    #[command(visible_alias = "rep")]
    Report(report::ReportArgs),
    /// Creates a backup of all JetStream streams over the NATS network
    #[command(visible_alias = "snapshot")]
    Backup(backup::BackupArgs),
    /// Restore an account backup over the NATS network
    Restore(backup::RestoreArgs),
    /// Report TLS chain for connected server
    Tls(tls::TlsArgs),
}

impl AccountArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            AccountCommand::Info(args) => args.run(app).await,
            AccountCommand::Report(args) => args.run(app).await,
            AccountCommand::Backup(args) => args.run(app).await,
            AccountCommand::Restore(args) => args.run(app).await,
            AccountCommand::Tls(args) => args.run(app),
        }
    }
}
