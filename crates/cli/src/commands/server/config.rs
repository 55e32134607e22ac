//! `nats server config reload`: has a server read its configuration again.

use serde_json::json;

use super::info::{self, InfoArgs};
use super::sys::System;
use crate::app::App;
use crate::commands::shared::doc::Doc;
use crate::error::{Error, Result};
use crate::output::prompt;

/// Interact with server configuration
#[derive(clap::Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(clap::Subcommand)]
enum ConfigCommand {
    /// Reloads the runtime configuration
    Reload {
        /// The server ID to trigger a reload for
        id: String,
        /// Force reload without prompting
        #[arg(short, long)]
        force: bool,
    },
}

impl ConfigArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let ConfigCommand::Reload { id, force } = self.command;
        if !info::is_id(&id) {
            return Err(Error::new(format!("{id:?} is no server ID"))
                .hint("`nats server ping --id` shows the IDs of all servers."));
        }
        let system = System::connect(app).await?;
        let answer = info::variables(&system, &id).await?;
        let server = answer.server();
        let question = format!(
            "Really reload configuration for {} ({id}) on {}",
            server.text("name"),
            server.text("host")
        );
        prompt::confirm_or_stop(&question, force)?;
        let subject = format!("$SYS.REQ.SERVER.{id}.RELOAD");
        for answer in system.ask(&subject, &json!({}), 1).await? {
            if let Some(error) = answer.error() {
                return Err(error);
            }
        }
        InfoArgs::of(id).run(app).await
    }
}
