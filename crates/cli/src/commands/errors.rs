//! `nats errors`: the catalogue of JetStream's errors.

use regex::Regex;
use serde::Deserialize;

use crate::commands::stream::regex_arg;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::say;

/// The catalogue.
const ERRORS: &str = include_str!("../../../../schemas/server/errors.json");

/// Bytes of another catalogue that are still read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Error code documentation
#[derive(clap::Args)]
pub(crate) struct ErrorsArgs {
    /// The errors.json file to use as input
    #[arg(long, global = true, value_name = "FILE")]
    errors: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: ErrorsCommand,
}

#[derive(clap::Subcommand)]
enum ErrorsCommand {
    /// List all known error codes
    #[command(visible_alias = "list")]
    Ls {
        /// Regular expression match to limit the displayed results
        #[arg(value_parser = regex_arg, default_value = "")]
        r#match: Regex,
        /// Sorts by a specific field
        #[arg(default_value = "code", value_parser = ["code", "http", "description", "descr", "d"])]
        sort: String,
        /// Reverse sort
        #[arg(short = 'R', long)]
        reverse: bool,
    },
    /// Looks up an error by its code
    #[command(visible_aliases = ["find", "get", "l", "view", "show"])]
    Lookup {
        /// The code to retrieve
        code: u64,
    },
    /// Validates the validity of the errors definition
    Validate {
        /// The file to validate, instead of the built-in one
        file: Option<std::path::PathBuf>,
    },
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Entry {
    constant: String,
    code: u64,
    error_code: u64,
    description: String,
    comment: String,
    help: String,
    url: String,
}

impl ErrorsArgs {
    pub(crate) async fn run(self) -> Result<()> {
        let path = match &self.command {
            ErrorsCommand::Validate { file: Some(file) } => Some(file),
            _ => self.errors.as_ref(),
        };
        let entries = match path {
            None => serde_json::from_str(ERRORS)?,
            Some(path) => read(path)?,
        };
        match self.command {
            ErrorsCommand::Ls {
                r#match,
                sort,
                reverse,
            } => list(entries, &r#match, &sort, reverse),
            ErrorsCommand::Lookup { code } => look_up(&entries, code),
            ErrorsCommand::Validate { .. } => validate(&entries),
        }
    }
}

fn read(path: &std::path::Path) -> Result<Vec<Entry>> {
    if std::fs::metadata(path).context(path.display())?.len() > MAX_FILE_BYTES {
        return Err(Error::new(format!("{} is too large", path.display())));
    }
    let text = std::fs::read(path).context(path.display())?;
    serde_json::from_slice(&text).context(path.display())
}

fn list(mut entries: Vec<Entry>, pattern: &Regex, sort: &str, reverse: bool) -> Result<()> {
    entries.retain(|entry| {
        [&entry.constant, &entry.description, &entry.comment]
            .iter()
            .any(|text| pattern.is_match(text))
            || pattern.is_match(&entry.error_code.to_string())
    });
    if entries.is_empty() {
        return Err(Error::new(format!(
            "no errors match {:?}",
            pattern.as_str()
        )));
    }
    match sort {
        "http" => entries.sort_by_key(|entry| (entry.code, entry.error_code)),
        "code" => entries.sort_by_key(|entry| entry.error_code),
        _ => entries.sort_by(|a, b| a.description.cmp(&b.description)),
    }
    if reverse {
        entries.reverse();
    }
    let headers = [
        "NATS Code",
        "HTTP Error Code",
        "Description",
        "Comment",
        "Go Constant",
    ];
    let mut table = Table::new("NATS Errors", &headers);
    for entry in entries {
        table.row([
            entry.error_code.to_string(),
            entry.code.to_string(),
            entry.description,
            entry.comment,
            entry.constant,
        ]);
    }
    table.print();
    Ok(())
}

fn look_up(entries: &[Entry], code: u64) -> Result<()> {
    let entry = entries
        .iter()
        .find(|entry| entry.error_code == code)
        .ok_or_else(|| {
            Error::new(format!("no error matches code {code}"))
                .hint("`nats errors ls` lists all of them.")
        })?;
    let mut page = Columns::new(format!("NATS Error Code: {code}"));
    page.row("Description", &entry.description)
        .row_if_set("Comment", &entry.comment)
        .row("HTTP Code", entry.code)
        .row("Go Index Constant", &entry.constant)
        .row_if_set("Further Information", &entry.url);
    match entry.help.as_str() {
        "" => page.text("\nNo further information available"),
        help => page.text(format!("\n{help}")),
    };
    page.print();
    Ok(())
}

/// Codes and constants are unique, and everything has a description.
fn validate(entries: &[Entry]) -> Result<()> {
    let mut codes: Vec<u64> = entries.iter().map(|entry| entry.error_code).collect();
    codes.sort_unstable();
    if let Some(pair) = codes.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::new(format!("error code {} is there twice", pair[0])));
    }
    for entry in entries {
        if entry.constant.is_empty() || entry.description.is_empty() || entry.code == 0 {
            return Err(Error::new(format!(
                "error {} has no constant, description or HTTP code",
                entry.error_code
            )));
        }
    }
    say!("All {} errors are valid", entries.len());
    Ok(())
}
