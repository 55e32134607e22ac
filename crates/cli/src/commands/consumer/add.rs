//! `consumer add`: by questions, by flags, or from a file.

use std::path::PathBuf;

use super::ask::Questions;
use super::flags::{ConfigFlags, NewFlags};
use super::show;
use crate::app::App;
use crate::commands::schema;
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Context, Error, Result};
use crate::jsm::ConsumerConfig;
use crate::say;

/// What the schema of a consumer's configuration is called.
const SCHEMA: &str = "io.nats.jetstream.api.v1.consumer_configuration";

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
            return self.save(&self.config()?);
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

    fn save(&self, config: &ConsumerConfig) -> Result<()> {
        let text = serde_json::to_string_pretty(config)?;
        let faults = schema::faults(SCHEMA, &serde_json::to_value(config)?)?;
        if self.validate {
            say!("{text}\n");
        }
        if !faults.is_empty() {
            return Err(Error::new(format!(
                "Validation Failed: {}",
                faults.join("\n\t")
            )));
        }
        if let Some(path) = &self.output {
            return std::fs::write(path, text).context(path.display());
        }
        say!("Configuration is a valid Consumer matching {SCHEMA}");
        Ok(())
    }
}
