//! `stream add`: by questions, by flags, or from a file.

use std::path::PathBuf;

use serde_json::Value;

use super::ask::Questions;
use super::flags::{ConfigFlags, NewFlags};
use super::show;
use crate::app::App;
use crate::commands::shared::configured::STREAM;
use crate::commands::shared::pick::check_name;
use crate::error::{Context, Error, Result};
use crate::jsm::{Jsm, StreamConfig};
use crate::say;

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Stream name
    stream: Option<String>,
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
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let offline = self.validate || self.output.is_some();
        let jsm = match offline {
            true => None,
            false => Some(app.jsm().await?),
        };
        let config = self.config(jsm.as_ref()).await?;
        check_name("stream", &config.name)?;
        if offline {
            return STREAM.save(&config, self.validate, self.output.as_deref());
        }
        let jsm = jsm.context("there is a connection")?;
        let info = jsm
            .create_stream(&config)
            .await
            .context("could not create Stream")?;
        if !self.flags.json {
            say!("Stream {} was created\n", info.config.name);
        }
        show::print(&info, self.flags.json)
    }

    async fn config(&self, jsm: Option<&Jsm>) -> Result<StreamConfig> {
        if let Some(name) = &self.stream {
            check_name("stream", name)?;
        }
        if let Some(mut config) = self.flags.file_config()? {
            if let Some(name) = &self.stream {
                config.name.clone_from(name);
            }
            if config.name.is_empty() {
                return Err(Error::new("the configuration has no name")
                    .hint("Give the stream's name as argument."));
            }
            self.flags.refuse_sources("add")?;
            self.flags.apply(&mut config)?;
            self.new.apply(&mut config);
            return Ok(config);
        }
        let size_required = match jsm {
            Some(jsm) => size_required(jsm).await,
            None => false,
        };
        let questions = Questions {
            flags: &self.flags,
            new: &self.new,
            defaults: self.defaults,
            size_required,
        };
        questions.config(self.stream.as_deref())
    }
}

/// Whether the account's limits ask for `max_bytes`. Who cannot say it does not ask.
async fn size_required(jsm: &Jsm) -> bool {
    let info: Value = match jsm.get("INFO").await {
        Ok(info) => info,
        Err(_) => return false,
    };
    let in_limits = |limits: &Value| limits["max_bytes_required"].as_bool() == Some(true);
    let tiers = info["tiers"].as_object();
    in_limits(&info["limits"])
        || tiers.is_some_and(|tiers| tiers.values().any(|tier| in_limits(&tier["limits"])))
}
