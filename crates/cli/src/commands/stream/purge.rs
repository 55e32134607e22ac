//! What cannot be taken back: `stream rm`, `stream purge`, `stream seal`.

use serde_json::{Map, Value};

use super::{confirm_bucket, show};
use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Context, Error, Result};
use crate::output::prompt;
use crate::say;

#[derive(clap::Args)]
pub(super) struct RmArgs {
    /// Stream name
    stream: Option<String>,
    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
pub(super) struct PurgeArgs {
    /// Stream name
    stream: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,
    /// Limits the purge to a specific subject
    #[arg(long)]
    subject: Option<String>,
    /// Purge up to but not including a specific message sequence
    #[arg(long, value_name = "SEQUENCE", conflicts_with = "keep")]
    seq: Option<u64>,
    /// Keeps a certain number of messages after the purge
    #[arg(long, value_name = "MESSAGES")]
    keep: Option<u64>,
}

#[derive(clap::Args)]
pub(super) struct SealArgs {
    /// The name of the stream to seal
    stream: String,
    /// Force sealing without prompting
    #[arg(short, long)]
    force: bool,
}

impl RmArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        if self.force && self.stream.is_none() {
            return Err(Error::new("--force requires a stream name"));
        }
        let jsm = app.jsm().await?;
        let name = pick::stream_name(&jsm, self.stream.as_deref(), choice).await?;
        if !self.force {
            // A wrong name is told before the question, not after it.
            jsm.stream_info(&name)
                .await
                .context("could not remove Stream")?;
            prompt::confirm_or_stop(&format!("Really delete Stream {name}?"), false)?;
        }
        jsm.delete_stream(&name)
            .await
            .context("could not remove Stream")
    }
}

impl PurgeArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let name = pick::stream(&jsm, self.stream.as_deref(), choice)
            .await
            .context("could not purge Stream")?
            .config
            .name;
        prompt::confirm_or_stop(&format!("Really purge Stream {name}?"), self.force)?;
        confirm_bucket(&name, self.force)?;
        let mut body = Map::new();
        let subject = self.subject.clone().map(Value::from);
        let parts = [
            ("filter", subject),
            ("seq", self.seq.map(Value::from)),
            ("keep", self.keep.map(Value::from)),
        ];
        for (name, value) in parts {
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        let purged = jsm
            .purge_stream(&name, &body.into())
            .await
            .context("could not purge Stream")?;
        if !self.json {
            say!("Purged {purged} messages from {name}\n");
        }
        show::print_state(&jsm.stream_info(&name).await?, self.json)
    }
}

impl SealArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, Some(&self.stream), choice).await?;
        let question = format!(
            "Really seal Stream {}? Sealed streams can not be unsealed or modified",
            self.stream
        );
        prompt::confirm_or_stop(&question, self.force)?;
        let mut config = info.config;
        config.sealed = true;
        let info = jsm
            .update_stream(&config)
            .await
            .context("could not seal Stream")?;
        show::print(&info, false)
    }
}
