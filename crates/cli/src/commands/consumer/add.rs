//! `consumer add`: by questions, by flags, or from a file.

use std::path::PathBuf;

use super::ask::Questions;
use super::flags::{ConfigFlags, NewFlags};
use super::show;
use crate::app::App;
use crate::commands::shared::configured::CONSUMER;
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Context, Result};
use crate::jsm::ConsumerConfig;

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Stream name
    stream: Option<String>,
    /// Consumer name
    consumer: Option<String>,
    /// Only validates the configuration against the official schema
    #[arg(long)]
    validate: bool,
    /// Save configuration instead of creating
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Accept default values for all prompts
    #[arg(long)]
    defaults: bool,
    #[command(flatten)]
    flags: ConfigFlags,
    #[command(flatten)]
    new: NewFlags,
}

impl AddArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        if self.validate || self.output.is_some() {
            let output = self.output.as_deref();
            return CONSUMER.save(&self.config()?, self.validate, output);
        }
        let jsm = app.jsm().await?;
        let stream = pick::stream(&jsm, self.stream.as_deref(), choice)
            .await
            .context("could not create Consumer")?
            .config
            .name;
        let config = self.config()?;
        let info = jsm
            .create_consumer(&stream, &config, "create")
            .await
            .context("could not create Consumer")?;
        show::print(&info, false, self.flags.json)
    }

    fn config(&self) -> Result<ConsumerConfig> {
        let Some(mut config) = self.flags.file_config()? else {
            let questions = Questions {
                flags: &self.flags,
                new: &self.new,
                defaults: self.defaults,
            };
            return questions.config(self.consumer.as_deref());
        };
        if let Some(name) = &self.consumer {
            pick::check_name("consumer", name)?;
            config.name.clone_from(name);
            if !config.durable_name.is_empty() {
                config.durable_name.clone_from(name);
            }
        }
        self.flags.apply(&mut config)?;
        self.new.apply(&mut config)?;
        Ok(config)
    }
}
