//! `stream edit` and `stream copy`: a configuration that exists, changed.

use super::flags::{ConfigFlags, NewFlags};
use super::{confirm_bucket, show};
use crate::app::App;
use crate::commands::shared::configured::{STREAM, tell_difference};
use crate::commands::shared::describe::drop_reserved;
use crate::commands::shared::pick;
use crate::error::{Context, Error, Result};
use crate::jsm::StreamConfig;
use crate::output::prompt;
use crate::say;

#[derive(clap::Args)]
pub(super) struct EditArgs {
    /// Stream to edit
    stream: Option<String>,
    /// Force edit without prompting
    #[arg(short, long)]
    force: bool,
    /// Edit the configuration in your editor
    #[arg(short, long, conflicts_with = "config")]
    interactive: bool,
    /// Only shows differences, does not edit the stream; exits with 1 if there are any
    #[arg(long)]
    dry_run: bool,
    /// Removes current mirror configuration
    #[arg(long, conflicts_with = "mirror")]
    no_mirror: bool,
    /// Removes current subject transform configuration
    #[arg(long, conflicts_with = "transform_source")]
    no_transform: bool,
    /// Removes current republish configuration
    #[arg(long, conflicts_with = "republish_source")]
    no_republish: bool,
    #[command(flatten)]
    flags: ConfigFlags,
}

#[derive(clap::Args)]
pub(super) struct CopyArgs {
    /// Source stream to copy
    #[arg(id = "copied", value_name = "SOURCE")]
    source: String,
    /// New stream to create
    destination: String,
    #[command(flatten)]
    flags: ConfigFlags,
    #[command(flatten)]
    new: NewFlags,
}

impl EditArgs {
    pub(super) async fn run(self, app: &App, choice: pick::Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let mut old = info.config.clone();
        drop_reserved(&mut old.metadata);
        let new = self.edited(&old)?;
        if !tell_difference(&old, &new, self.flags.json, self.dry_run)? {
            return match self.flags.json {
                true => show::print(&info, true),
                false => Ok(()),
            };
        }
        confirm_bucket(&old.name, self.force)?;
        prompt::confirm_or_stop(&format!("Really edit Stream {}?", old.name), self.force)?;
        let updated = jsm
            .update_stream(&new)
            .await
            .context(format!("could not edit Stream {}", old.name))?;
        if !self.flags.json {
            say!("Stream {} was updated\n", old.name);
        }
        show::print(&updated, self.flags.json)
    }

    fn edited(&self, old: &StreamConfig) -> Result<StreamConfig> {
        if let Some(mut config) = self.flags.file_config()? {
            config.name.clone_from(&old.name);
            return Ok(config);
        }
        if self.interactive {
            return STREAM.by_hand(old, |config| &config.name);
        }
        self.flags.refuse_sources("edit")?;
        let mut config = old.clone();
        self.flags.apply(&mut config)?;
        if self.no_mirror {
            config.mirror = None;
        }
        if self.no_transform {
            config.subject_transform = None;
        }
        if self.no_republish {
            config.republish = None;
        }
        Ok(config)
    }
}

impl CopyArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        if self.source == self.destination {
            return Err(Error::new(
                "source and destination Stream names cannot be the same",
            ));
        }
        pick::check_name("stream", &self.source)?;
        pick::check_name("stream", &self.destination)?;
        let jsm = app.jsm().await?;
        let source = jsm.stream_info(&self.source).await.context(&self.source)?;
        self.flags.refuse_sources("copy")?;
        let mut config = self.flags.file_config()?.unwrap_or(source.config);
        config.name.clone_from(&self.destination);
        drop_reserved(&mut config.metadata);
        self.flags.apply(&mut config)?;
        self.new.apply(&mut config);
        let info = jsm
            .create_stream(&config)
            .await
            .context("could not create Stream")?;
        if !self.flags.json {
            say!("Stream {} was created\n", config.name);
        }
        show::print(&info, self.flags.json)
    }
}
