//! `consumer edit` and `consumer copy`: a configuration that exists, changed.

use super::Target;
use super::flags::{ConfigFlags, NewFlags};
use super::show;
use crate::app::App;
use crate::commands::shared::configured::{CONSUMER, tell_difference};
use crate::commands::shared::describe::drop_reserved;
use crate::commands::shared::pick::{Choice, check_name};
use crate::error::{Context, Error, Result};
use crate::jsm::ConsumerConfig;
use crate::output::prompt;

#[derive(clap::Args)]
pub(super) struct EditArgs {
    #[command(flatten)]
    target: Target,
    /// Force edit without prompting
    #[arg(short, long)]
    force: bool,
    /// Edit the configuration in your editor
    #[arg(short, long, conflicts_with = "config")]
    interactive: bool,
    /// Only shows differences, does not edit the consumer; exits with 1 if there are any
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

#[derive(clap::Args)]
pub(super) struct CopyArgs {
    /// Stream name
    stream: String,
    /// Source consumer name
    source: String,
    /// Destination consumer name
    destination: String,
    #[command(flatten)]
    flags: ConfigFlags,
    #[command(flatten)]
    new: NewFlags,
}

impl EditArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let mut old = info.config.clone();
        drop_reserved(&mut old.metadata);
        let new = self.edited(&old)?;
        if !tell_difference(&old, &new, self.flags.json, self.dry_run)? {
            return match self.flags.json {
                true => show::print(&info, false, true),
                false => Ok(()),
            };
        }
        let what = format!("{} > {}", info.stream_name, info.name);
        prompt::confirm_or_stop(&format!("Really edit Consumer {what}?"), self.force)?;
        let updated = jsm
            .create_consumer(&info.stream_name, &new, "update")
            .await
            .context(format!("could not edit Consumer {what}"))?;
        show::print(&updated, false, self.flags.json)
    }

    fn edited(&self, old: &ConsumerConfig) -> Result<ConsumerConfig> {
        if let Some(mut config) = self.flags.file_config()? {
            config.name.clone_from(&old.name);
            config.durable_name.clone_from(&old.durable_name);
            return Ok(config);
        }
        if self.interactive {
            return CONSUMER.by_hand(old, |config| &config.name);
        }
        let mut config = old.clone();
        self.flags.apply(&mut config)?;
        Ok(config)
    }
}

impl CopyArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        check_name("stream", &self.stream)?;
        check_name("consumer", &self.source)?;
        check_name("consumer", &self.destination)?;
        if self.source == self.destination {
            return Err(Error::new(
                "source and destination Consumer names cannot be the same",
            ));
        }
        let jsm = app.jsm().await?;
        let source = jsm
            .consumer_info(&self.stream, &self.source)
            .await
            .context(format!("{} > {}", self.stream, self.source))?;
        let mut config = self.flags.file_config()?.unwrap_or(source.config);
        drop_reserved(&mut config.metadata);
        config.name.clone_from(&self.destination);
        config.durable_name = match self.new.ephemeral {
            true => String::new(),
            false => self.destination.clone(),
        };
        self.flags.apply(&mut config)?;
        self.new.apply(&mut config)?;
        let info = jsm
            .create_consumer(&self.stream, &config, "create")
            .await
            .context("Consumer creation failed")?;
        show::print(&info, false, self.flags.json)
    }
}
