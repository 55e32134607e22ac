//! `kv watch` and `kv history`: what happens and happened to keys.

use std::io::{self, Write};

use super::bucket::Bucket;
use super::entry::{Entry, Operation};
use crate::app::App;
use crate::error::{Error, Result};
use crate::jsm::ConsumerConfig;
use crate::output::{json, number, table::Table, time};
use crate::say;

/// Characters of a value in a table.
const MAX_CELL: usize = 40;

#[derive(clap::Args)]
pub(super) struct HistoryArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct WatchArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    #[arg(default_value = ">")]
    key: String,
    /// Includes all historical values
    #[arg(long)]
    history: bool,
    /// Do not show deletes
    #[arg(long)]
    no_deletes: bool,
    /// Show only updates, not the values there are
    #[arg(long, conflicts_with_all = ["history", "revision"])]
    updates: bool,
    /// Show values from this revision on
    #[arg(long, conflicts_with = "history")]
    revision: Option<u64>,
}

impl HistoryArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let entries = bucket.entries(&self.key, "all", false).await?;
        if entries.is_empty() {
            return Err(Error::new(format!(
                "key {:?} not found in bucket {:?}",
                self.key, self.bucket
            )));
        }
        if self.json {
            return json::print(
                &entries
                    .iter()
                    .map(|entry| entry.to_json(true))
                    .collect::<Vec<_>>(),
            );
        }
        let title = format!("History for {} > {}", self.bucket, self.key);
        let mut table = Table::new(
            title,
            &["Key", "Revision", "Op", "Created", "Length", "Value"],
        );
        for entry in entries {
            table.row([
                entry.key.clone(),
                entry.revision.to_string(),
                entry.operation.word().to_owned(),
                time::local(entry.created),
                number::grouped(entry.size),
                cell(&entry),
            ]);
        }
        table.print();
        say!();
        Ok(())
    }
}

/// A value as far as it fits into a table.
pub(super) fn cell(entry: &Entry) -> String {
    let Ok(text) = std::str::from_utf8(&entry.value) else {
        return format!("{} bytes", entry.value.len());
    };
    let mut shown: String = text
        .chars()
        .take(MAX_CELL)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().count() > MAX_CELL {
        shown.push('…');
    }
    shown
}

impl WatchArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let mut config = ConsumerConfig::default();
        let policy = match () {
            () if self.history => "all",
            () if self.updates => "new",
            () if self.revision.is_some() => "by_start_sequence",
            () => "last_per_subject",
        };
        config.opt_start_seq = self.revision.unwrap_or_default();
        let consumer = bucket.consumer(&self.key, policy, config).await?;
        let mut messages = bucket.jsm().messages(&consumer, 500).await?;
        io::stdout().flush()?;
        while let Some(message) = messages.next(None).await? {
            let Some(entry) = Entry::delivered(bucket.name(), &message) else {
                continue;
            };
            let at = time::local(entry.created);
            let (operation, place) = (
                entry.operation.header(),
                format!("{} > {}", self.bucket, entry.key),
            );
            match entry.operation {
                Operation::Put => say!(
                    "[{at}] {operation} {place}: {}",
                    String::from_utf8_lossy(&entry.value)
                ),
                _ if self.no_deletes => {}
                _ => say!("[{at}] {operation} {place}"),
            }
        }
        Ok(())
    }
}
