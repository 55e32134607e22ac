//! `kv put`, `get`, `create`, `update`, `purge` and `revert`: one key each.

use std::io::{self, Read};
use std::time::Duration;

use super::bucket::Bucket;
use super::entry::{Entry, Operation};
use crate::app::App;
use crate::error::{Error, Result};
use crate::jsm::code;
use crate::output::{self, duration, prompt, time};
use crate::say;

/// Bytes of a value that are shown without `--raw`.
const MAX_SHOWN: usize = 120;

/// Bytes of standard input that are still a value.
const MAX_VALUE_BYTES: u64 = 64 << 20;

#[derive(clap::Args)]
pub(super) struct PutArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// The value to store, when not given reads standard input
    value: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct GetArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// Gets a specific revision
    #[arg(long)]
    revision: Option<u64>,
    /// Show only the value string
    #[arg(long)]
    raw: bool,
    /// Produce JSON output
    #[arg(short, long, conflicts_with = "raw")]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    put: PutArgs,
    /// How long the value should be kept
    #[arg(long, value_parser = duration::arg)]
    ttl: Option<Duration>,
}

#[derive(clap::Args)]
pub(super) struct UpdateArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// The value to store, - reads standard input
    value: String,
    /// The revision of the previous value in the bucket
    revision: u64,
}

#[derive(clap::Args)]
pub(super) struct PurgeArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
    /// How long the delete marker should be kept
    #[arg(long, value_parser = duration::arg)]
    ttl: Option<Duration>,
}

#[derive(clap::Args)]
pub(super) struct RevertArgs {
    /// The bucket to act on
    bucket: String,
    /// The key to act on
    key: String,
    /// The revision to revert to
    revision: u64,
    /// Force reverting without prompting
    #[arg(short, long)]
    force: bool,
}

impl PutArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let value = value(self.value.as_deref())?;
        bucket.put(app, &self.key, value.clone(), None, &[]).await?;
        print_value(&value);
        Ok(())
    }
}

impl GetArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let entry = match self.revision {
            Some(revision) => bucket.revision(&self.key, revision).await?,
            None => bucket
                .last(&self.key)
                .await?
                .filter(|entry| entry.operation == Operation::Put),
        };
        let entry = entry.ok_or_else(|| not_found(&self.bucket, &self.key))?;
        if self.json {
            return output::json::print(&entry.to_json(true));
        }
        if self.raw {
            output::print(&entry.value);
            return Ok(());
        }
        let created = time::local(entry.created);
        say!(
            "{} > {} revision: {} created @ {created}\n",
            self.bucket,
            self.key,
            entry.revision
        );
        print_shortened(&entry);
        Ok(())
    }
}

fn print_shortened(entry: &Entry) {
    match std::str::from_utf8(&entry.value) {
        Ok(text) => say!("{text}\n"),
        Err(_) if entry.value.len() > MAX_SHOWN => {
            let start = entry.value.get(..MAX_SHOWN).unwrap_or_default();
            say!(
                "Showing first {MAX_SHOWN} bytes of {}, use --raw for full data\n",
                entry.value.len()
            );
            say!("{}\n", String::from_utf8_lossy(start));
        }
        Err(_) => say!("{}\n", String::from_utf8_lossy(&entry.value)),
    }
}

impl CreateArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.put.bucket).await?;
        let value = value(self.put.value.as_deref())?;
        let ttl = ttl_header(self.ttl);
        let key = &self.put.key;
        let first = bucket.put(app, key, value.clone(), Some(0), &ttl).await;
        if let Err(error) = first {
            if error.api_code() != Some(code::WRONG_LAST_SEQUENCE) {
                return Err(error);
            }
            // A deleted key may be created again, if nobody else does in the meantime.
            match bucket.last(key).await? {
                Some(last) if last.operation != Operation::Put => {
                    bucket
                        .put(app, key, value.clone(), Some(last.revision), &ttl)
                        .await?;
                }
                _ => {
                    return Err(Error::new(format!("key {key:?} exists")).hint(
                        "`nats kv put` writes in any case, `nats kv update` over a known revision.",
                    ));
                }
            }
        }
        print_value(&value);
        Ok(())
    }
}

impl UpdateArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let value = value(Some(self.value.as_str()).filter(|value| *value != "-"))?;
        let result = bucket
            .put(app, &self.key, value.clone(), Some(self.revision), &[])
            .await;
        result.map_err(|error| match error.api_code() {
            Some(code::WRONG_LAST_SEQUENCE) => Error::new(format!(
                "{} > {} is not at revision {} any more: {}",
                self.bucket,
                self.key,
                self.revision,
                error.message()
            ))
            .hint("`nats kv get` shows the current revision."),
            _ => error,
        })?;
        print_value(&value);
        Ok(())
    }
}

impl PurgeArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let question = format!("Purge key {} > {} and its history?", self.bucket, self.key);
        prompt::confirm_or_stop(&question, self.force)?;
        bucket
            .mark(app, &self.key, Operation::Purge, &ttl_header(self.ttl))
            .await?;
        say!("Purged {} > {}", self.bucket, self.key);
        Ok(())
    }
}

impl RevertArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = Bucket::open(app, &self.bucket).await?;
        let entry = bucket.revision(&self.key, self.revision).await?;
        let entry = entry
            .filter(|entry| entry.operation == Operation::Put)
            .ok_or_else(|| {
                Error::new(format!(
                    "{} > {} has no value at revision {}",
                    self.bucket, self.key, self.revision
                ))
                .hint("`nats kv history` shows the revisions there are.")
            })?;
        if !self.force {
            print_shortened(&entry);
        }
        prompt::confirm_or_stop(
            &format!("Revert to revision {}?", self.revision),
            self.force,
        )?;
        bucket
            .put(app, &self.key, entry.value.clone(), None, &[])
            .await?;
        print_value(&entry.value);
        Ok(())
    }
}

fn not_found(bucket: &str, key: &str) -> Error {
    Error::new(format!("key {key:?} not found in bucket {bucket:?}"))
        .hint(format!("`nats kv ls {bucket}` shows the keys there are."))
}

fn ttl_header(ttl: Option<Duration>) -> Vec<(&'static str, String)> {
    ttl.map(|ttl| ("Nats-TTL", format!("{}s", ttl.as_secs().max(1))))
        .into_iter()
        .collect()
}

/// The argument, or standard input.
fn value(argument: Option<&str>) -> Result<Vec<u8>> {
    if let Some(text) = argument {
        return Ok(text.as_bytes().to_vec());
    }
    let mut value = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_VALUE_BYTES + 1)
        .read_to_end(&mut value)?;
    if value.len() as u64 > MAX_VALUE_BYTES {
        return Err(Error::new("standard input is too large for a value")
            .hint("`nats object put` stores large files."));
    }
    Ok(value)
}

fn print_value(value: &[u8]) {
    output::show_bytes(value);
    say!();
}
