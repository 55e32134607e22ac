//! What making and changing streams and consumers have in common: configurations checked and saved
//! without a server, edited by hand, and held against what there is.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{diff, editor};
use crate::commands::schema;
use crate::error::{Context, Error, Result};
use crate::output;
use crate::say;

/// A kind of configurations.
pub(crate) struct Kind {
    /// `Stream` or `Consumer`.
    pub(crate) noun: &'static str,
    /// What its schema is called.
    pub(crate) schema: &'static str,
}

/// Configurations of streams.
pub(crate) const STREAM: Kind = Kind {
    noun: "Stream",
    schema: "io.nats.jetstream.api.v1.stream_configuration",
};

/// Configurations of consumers.
pub(crate) const CONSUMER: Kind = Kind {
    noun: "Consumer",
    schema: "io.nats.jetstream.api.v1.consumer_configuration",
};

impl Kind {
    /// Checks a configuration against its schema and writes it to a file, if there is one; with
    /// `shown` it is printed.
    pub(crate) fn save(
        &self,
        config: &impl Serialize,
        shown: bool,
        output: Option<&Path>,
    ) -> Result<()> {
        let text = serde_json::to_string_pretty(config)?;
        let faults = schema::faults(self.schema, &serde_json::to_value(config)?)?;
        if shown {
            say!("{text}\n");
        }
        if !faults.is_empty() {
            let faults = faults.join("\n\t");
            return Err(Error::new(format!("Validation Failed: {faults}")));
        }
        if let Some(path) = output {
            return std::fs::write(path, text).context(path.display());
        }
        say!(
            "Configuration is a valid {} matching {}",
            self.noun,
            self.schema
        );
        Ok(())
    }

    /// What the user makes of a configuration in an editor; its name has to stay.
    pub(crate) fn by_hand<T: Serialize + DeserializeOwned>(
        &self,
        old: &T,
        name: impl Fn(&T) -> &str,
    ) -> Result<T> {
        let noun = self.noun.to_lowercase();
        let text = editor::edit(&serde_json::to_string_pretty(old)?, "json")?;
        let config: T = serde_json::from_str(&text).context(format!(
            "what the editor left is not a {noun}'s configuration"
        ))?;
        if name(&config) != name(old) {
            return Err(Error::new(format!("a {noun} cannot be renamed"))
                .hint(format!("`nats {noun} copy` makes another one.")));
        }
        Ok(config)
    }
}

/// Tells how two configurations differ; on standard error where JSON is printed. False if they don't.
/// With `dry_run` a difference is an error that was told already, so that scripts see it.
pub(crate) fn tell_difference(
    old: &impl Serialize,
    new: &impl Serialize,
    is_json: bool,
    dry_run: bool,
) -> Result<bool> {
    let difference = diff::diff(old, new)?;
    if difference.is_empty() {
        if !is_json {
            say!("No difference in configuration");
        }
        return Ok(false);
    }
    let told = format!("Differences (-old +new):\n{difference}");
    match is_json {
        true => output::remark(&told),
        false => say!("{told}"),
    }
    match dry_run {
        true => Err(Error::new("")),
        false => Ok(true),
    }
}
