//! `nats schema`: the JSON schemas of what servers say and are asked, and checks against them.

mod catalogue;
mod request;
mod validator;

use std::io::Read;

use regex::Regex;
use serde_json::Value;

use crate::app::App;
use crate::commands::stream::regex_arg;
use crate::error::{Context, Error, Result};
use crate::output::{self, json};
use crate::say;

/// Bytes of a document that is still checked.
const MAX_DOCUMENT_BYTES: u64 = 64 << 20;

/// Schema tools
#[derive(clap::Args)]
pub(crate) struct SchemaArgs {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(clap::Subcommand)]
enum SchemaCommand {
    /// Search schemas using a pattern
    #[command(visible_aliases = ["find", "list", "ls"])]
    Search {
        /// Regular expression to search for
        #[arg(value_parser = regex_arg, default_value = ".")]
        pattern: Regex,
        /// Produce JSON output
        #[arg(short, long)]
        json: bool,
    },
    /// Display schema contents
    #[command(visible_aliases = ["show", "view"])]
    Info {
        /// Schema ID to show
        schema: String,
        /// Produce YAML format output
        #[arg(long)]
        yaml: bool,
    },
    /// Validates a JSON file against a schema; exits with 1 if it is not valid
    #[command(visible_alias = "check")]
    Validate {
        /// Schema ID to validate against
        schema: String,
        /// JSON data to validate (- for standard input)
        file: String,
        /// Produce JSON output
        #[arg(short, long)]
        json: bool,
    },
    /// Request and validate data from a NATS service
    #[command(visible_alias = "req")]
    Request(request::RequestArgs),
}

impl SchemaArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            SchemaCommand::Search { pattern, json } => search(&pattern, json),
            SchemaCommand::Info { schema, yaml } => info(&schema, yaml),
            SchemaCommand::Validate { schema, file, json } => validate(&schema, &file, json),
            SchemaCommand::Request(args) => args.run(app).await,
        }
    }
}

/// Where a document breaks a schema; empty if it is valid.
pub(crate) fn faults(schema: &str, document: &Value) -> Result<Vec<String>> {
    let schema: Value = serde_json::from_str(text(schema)?)?;
    Ok(validator::faults(&schema, document))
}

fn text(schema: &str) -> Result<&'static str> {
    catalogue::find(schema).ok_or_else(|| {
        Error::new(format!("unknown schema {schema:?}"))
            .hint("`nats schema search` lists the schemas there are.")
    })
}

fn search(pattern: &Regex, as_json: bool) -> Result<()> {
    let found: Vec<String> = catalogue::names()
        .filter(|name| pattern.is_match(name))
        .collect();
    if as_json {
        return json::print(&found);
    }
    if found.is_empty() {
        return Err(Error::new(format!(
            "no schemas matched {:?}",
            pattern.as_str()
        )));
    }
    say!("Matched Schemas:\n");
    found.iter().for_each(|name| say!("  {name}"));
    Ok(())
}

fn info(schema: &str, yaml: bool) -> Result<()> {
    if yaml {
        let document: Value = serde_json::from_str(text(schema)?)?;
        output::show(&output::yaml::write(&document));
        return Ok(());
    }
    output::show(text(schema)?);
    Ok(())
}

fn validate(schema: &str, file: &str, as_json: bool) -> Result<()> {
    let mut bytes = Vec::new();
    if file == "-" {
        std::io::stdin()
            .lock()
            .take(MAX_DOCUMENT_BYTES)
            .read_to_end(&mut bytes)?;
    } else {
        let opened = std::fs::File::open(file).context(file)?;
        opened.take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes)?;
    }
    let document =
        serde_json::from_slice(&bytes).context(format!("could not parse JSON data in {file:?}"))?;
    let faults = faults(schema, &document)?;
    if as_json {
        json::print(&faults)?;
    } else if faults.is_empty() {
        say!("{file} validates against {schema}");
    } else {
        say!("Validation errors in {file}:\n");
        faults.iter().for_each(|fault| say!("  {fault}"));
    }
    match faults.is_empty() {
        true => Ok(()),
        // The faults have been told; scripts look at the code.
        false => Err(Error::new("")),
    }
}
