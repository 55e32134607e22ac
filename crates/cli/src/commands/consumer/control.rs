//! What changes how a consumer runs: removal, reset, pause and resume, unpinning.

use super::flags::pause_until;
use super::{Target, show};
use crate::app::App;
use crate::commands::shared::pick::Choice;
use crate::error::{Context, Error, Result};
use crate::output::{duration, prompt, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct RmArgs {
    #[command(flatten)]
    target: Target,
    /// Force removal without prompting
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
pub(super) struct ResetArgs {
    #[command(flatten)]
    target: Target,
    /// Sequence to reset to
    #[arg(long)]
    sequence: Option<u64>,
    /// Force reset without prompting
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    target: Target,
    /// Pause for a duration or until a time (2026-07-01 12:30:00)
    until: Option<String>,
    /// Force pause without prompting
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    target: Target,
    /// Force resume without prompting
    #[arg(short, long)]
    force: bool,
}

#[derive(clap::Args)]
pub(super) struct UnpinArgs {
    #[command(flatten)]
    target: Target,
    /// The group to unpin
    group: Option<String>,
    /// Force unpin without prompting
    #[arg(short, long)]
    force: bool,
}

impl RmArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        if self.force && (self.target.stream.is_none() || self.target.consumer.is_none()) {
            return Err(Error::new("--force requires a stream and consumer name"));
        }
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let question = format!(
            "Really delete Consumer {} > {}?",
            info.stream_name, info.name
        );
        prompt::confirm_or_stop(&question, self.force)?;
        jsm.delete_consumer(&info.stream_name, &info.name)
            .await
            .context("could not remove Consumer")
    }
}

impl ResetArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let (stream, name) = (&info.stream_name, &info.name);
        let question = format!("Really reset Consumer {stream} > {name}?");
        prompt::confirm_or_stop(&question, self.force)?;
        jsm.reset_consumer(stream, name, self.sequence.unwrap_or(0))
            .await
            .context("could not reset Consumer")?;
        show::print(&jsm.consumer_info(stream, name).await?, true, false)
    }
}

impl PauseArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let what = format!("{} > {}", info.stream_name, info.name);
        let until = match &self.until {
            Some(until) => pause_until(until)?,
            None => {
                let question = "Pause until (time or duration)";
                prompt::ask_valid(question, "1h", "a time as third argument", pause_until)?
            }
        };
        let question = format!("Really pause Consumer {what} until {}?", time::local(until));
        prompt::confirm_or_stop(&question, self.force)?;
        let pause = jsm
            .pause_consumer(&info.stream_name, &info.name, Some(&until.to_string()))
            .await?;
        if !pause.paused {
            return Err(Error::new("consumer failed to pause").hint("Is the time in the past?"));
        }
        say!(
            "Paused {what} until {} ({})",
            time::local_text(&pause.pause_until),
            duration::human_nanos(pause.pause_remaining, "0s")
        );
        Ok(())
    }
}

impl ResumeArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        let what = format!("{} > {}", info.stream_name, info.name);
        if !info.paused {
            return Err(Error::new(format!("consumer {what} is not paused")));
        }
        prompt::confirm_or_stop(&format!("Really resume Consumer {what}?"), self.force)?;
        jsm.pause_consumer(&info.stream_name, &info.name, None)
            .await?;
        let until = info.config.pause_until.as_deref().unwrap_or_default();
        say!(
            "Consumer {what} was resumed while previously paused until {}",
            time::local_text(until)
        );
        Ok(())
    }
}

impl UnpinArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = self.target.find(&jsm, choice).await?;
        if info.config.priority_policy.as_str() != "pinned_client" {
            return Err(Error::new("consumer is not a pinned priority consumer"));
        }
        let pinned: Vec<_> = info
            .priority_groups
            .iter()
            .filter(|group| !group.pinned_client_id.is_empty())
            .collect();
        if pinned.is_empty() {
            return Err(Error::new("no priority groups have pinned clients"));
        }
        let group = match &self.group {
            Some(group) => group.clone(),
            None => {
                let names: Vec<String> = pinned.iter().map(|group| group.group.clone()).collect();
                let flag = "the group's name as third argument";
                let chosen = prompt::choose("Select a Group", &names, 0, flag)?;
                names.into_iter().nth(chosen).unwrap_or_default()
            }
        };
        let what = format!("{} > {} > {group}", info.stream_name, info.name);
        let question = format!("Really unpin client from group {what}?");
        prompt::confirm_or_stop(&question, self.force)?;
        jsm.unpin(&info.stream_name, &info.name, &group).await?;
        let client = pinned.iter().find(|known| known.group == group);
        let client = client.map_or("", |known| known.pinned_client_id.as_str());
        say!("Unpinned client {client} from Priority Group {what}");
        Ok(())
    }
}
