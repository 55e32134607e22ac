//! `nats errors`: the catalogue of JetStream's errors.

use std::path::{Path, PathBuf};

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::commands::shared::{editor, file};
use crate::commands::stream::regex_arg;
use crate::error::{Context, Error, Result};
use crate::output::columns::Columns;
use crate::output::table::Table;
use crate::output::{prompt, terminal};
use crate::say;

/// The catalogue.
const ERRORS: &str = include_str!("../../../../schemas/server/errors.json");

/// The lowest code of an error.
const MIN_CODE: u64 = 10_000;

/// Bytes of another catalogue that are still read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// Error code documentation
#[derive(clap::Args)]
pub(crate) struct ErrorsArgs {
    /// The errors.json file to use as input
    #[arg(long, global = true, value_name = "FILE")]
    errors: Option<PathBuf>,
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
    /// Edit or add an error in a file, in your EDITOR
    #[command(visible_aliases = ["vi", "add", "new"])]
    Edit {
        /// The errors.json file to edit
        file: PathBuf,
        /// The code to edit; a new one otherwise
        code: Option<u64>,
    },
    /// Validates the validity of the errors definition
    Validate {
        /// The file to validate, instead of the built-in one
        file: Option<PathBuf>,
    },
}

/// An error, with whatever else its definition has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Entry {
    constant: String,
    code: u64,
    error_code: u64,
    description: String,
    comment: String,
    help: String,
    url: String,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl ErrorsArgs {
    pub(crate) async fn run(self) -> Result<()> {
        let path = match &self.command {
            ErrorsCommand::Validate { file: Some(file) } | ErrorsCommand::Edit { file, .. } => {
                Some(file)
            }
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
            ErrorsCommand::Edit { file, code } => edit_file(&file, entries, code),
            ErrorsCommand::Validate { .. } => validate(&entries),
        }
    }
}

fn read(path: &Path) -> Result<Vec<Entry>> {
    if std::fs::metadata(path).context(path.display())?.len() > MAX_FILE_BYTES {
        return Err(Error::new(format!("{} is too large", path.display())));
    }
    let text = std::fs::read(path).context(path.display())?;
    serde_json::from_slice(&text).context(path.display())
}

fn list(mut entries: Vec<Entry>, pattern: &Regex, sort: &str, reverse: bool) -> Result<()> {
    entries.retain(|entry| {
        let texts = [
            &entry.constant,
            &entry.description,
            &entry.comment,
            &entry.help,
        ];
        // In lower case too, because that is how people write patterns.
        let is_match =
            |text: &String| pattern.is_match(text) || pattern.is_match(&text.to_lowercase());
        let numbers = [entry.error_code, entry.code];
        texts.into_iter().any(is_match)
            || numbers
                .iter()
                .any(|number| pattern.is_match(&number.to_string()))
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

/// Has one error of the file edited, or a new one, and writes the file once the error is in order.
fn edit_file(path: &Path, mut entries: Vec<Entry>, code: Option<u64>) -> Result<()> {
    let at = code.and_then(|code| entries.iter().position(|entry| entry.error_code == code));
    let highest = entries.iter().map(|entry| entry.error_code).max();
    let entry = match at.and_then(|at| entries.get(at)) {
        Some(entry) => entry.clone(),
        None => Entry {
            error_code: code.unwrap_or(highest.unwrap_or(MIN_CODE - 1) + 1),
            ..Entry::default()
        },
    };
    let edited = edited(entry)?;
    let place = entries
        .iter()
        .position(|entry| entry.error_code == edited.error_code);
    if place.is_some() && place != at {
        return Err(Error::new(format!(
            "error code {} is another error's: nothing was changed",
            edited.error_code
        ))
        .hint("`nats errors edit FILE CODE` edits that one."));
    }
    match at.and_then(|at| entries.get_mut(at)) {
        Some(entry) => *entry = edited,
        None => entries.push(edited),
    }
    validate(&entries)?;
    let mut text = serde_json::to_vec_pretty(&entries)?;
    text.push(b'\n');
    file::replace(path, &text, file::ORDINARY)
}

/// What the user makes of an error; asks again while it is not in order.
fn edited(entry: Entry) -> Result<Entry> {
    let mut text = serde_json::to_string_pretty(&entry)?;
    loop {
        text = editor::edit(&text, "json")?;
        let read = serde_json::from_str::<Entry>(&text).map_err(|error| error.to_string());
        let problem = match read {
            Ok(entry) => match faults_of_new(&entry).join(", ") {
                faults if faults.is_empty() => return Ok(entry),
                faults => faults,
            },
            Err(problem) => problem,
        };
        say!("Invalid error specification: {problem}");
        if !terminal::can_ask() || !prompt::yes_or_no("Retry edit", true, "")? {
            return Err(Error::new("nothing was changed"));
        }
    }
}

/// What is wrong with one error.
fn faults(entry: &Entry) -> Vec<&'static str> {
    let text = &entry.description;
    let is_token = text.starts_with('{') && text.find('}') == Some(text.len() - 1);
    let checks = [
        (
            is_token && entry.comment.is_empty(),
            "a description that is one token requires a comment",
        ),
        (
            entry.error_code < MIN_CODE,
            "error codes may not be below 10000",
        ),
        (entry.code == 0, "a code is required"),
        (entry.constant.is_empty(), "a constant is required"),
        (text.is_empty(), "a description is required"),
        (
            text.matches('{').count() != text.matches('}').count(),
            "unmatched number of { and }",
        ),
    ];
    let found = checks.into_iter().filter(|(is_wrong, _)| *is_wrong);
    found.map(|(_, fault)| fault).collect()
}

/// What is wrong with an error that is being written. Constants of NATS's own errors do not all follow
/// this rule, so that files are not held to it.
fn faults_of_new(entry: &Entry) -> Vec<&'static str> {
    let mut faults = faults(entry);
    if entry.description.contains('{') && !entry.constant.ends_with('F') {
        faults.push("constants of errors with tokens must end in F, like JSStreamMsgDeleteFailedF");
    }
    faults
}

/// Every error is in order, and no code is there twice.
fn validate(entries: &[Entry]) -> Result<()> {
    let mut codes: Vec<u64> = entries.iter().map(|entry| entry.error_code).collect();
    codes.sort_unstable();
    if let Some(pair) = codes.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::new(format!("error code {} is there twice", pair[0])));
    }
    for entry in entries {
        let faults = faults(entry);
        if !faults.is_empty() {
            let faults = faults.join(", ");
            return Err(Error::new(format!("error {}: {faults}", entry.error_code)));
        }
    }
    say!("Validated {} errors", entries.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_found() {
        let entry = |code: u64, constant: &str, description: &str| Entry {
            constant: constant.to_owned(),
            code: 400,
            error_code: code,
            description: description.to_owned(),
            ..Entry::default()
        };
        assert!(faults(&entry(10_000, "X", "it failed")).is_empty());
        assert!(faults(&entry(10_000, "XF", "it failed: {err}")).is_empty());
        assert_eq!(faults(&entry(9, "X", "it failed")).len(), 1);
        assert!(faults(&entry(10_000, "X", "it {err}")).is_empty());
        assert_eq!(faults_of_new(&entry(10_000, "X", "it {err}")).len(), 1);
        assert_eq!(faults(&entry(10_000, "XF", "it {err")).len(), 1);
        assert_eq!(faults(&entry(10_000, "XF", "{err}")).len(), 1);
        assert_eq!(faults(&Entry::default()).len(), 4);
    }

    #[test]
    fn the_catalogue_is_in_order() {
        let entries: Vec<Entry> = serde_json::from_str(ERRORS).expect("it is JSON");
        validate(&entries).expect("it is in order");
    }
}
