//! `kv info` and `kv ls`: buckets, and the keys in one.

use super::bucket::Bucket;
use super::entry::Operation;
use super::watch::cell;
use crate::app::App;
use crate::commands::shared::buckets::{KEY_VALUE, print_page};
use crate::error::Result;
use crate::jsm::StreamInfo;
use crate::output::{duration, json, number, table::Table, time};
use crate::say;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// The bucket to act on
    bucket: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct LsArgs {
    /// The bucket to list the keys of
    bucket: Option<String>,
    /// Keys to list, with wildcards
    #[arg(default_value = ">")]
    key: String,
    /// Show just the bucket names
    #[arg(short, long)]
    names: bool,
    /// Show detailed info about the keys
    #[arg(short, long)]
    verbose: bool,
    /// Display value in verbose output (has no effect without --verbose)
    #[arg(long)]
    display_value: bool,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let name = KEY_VALUE.pick(app, self.bucket).await?;
        let bucket = Bucket::open(app, &name).await?;
        if self.json {
            return json::print(bucket.info());
        }
        print_info(bucket.info());
        Ok(())
    }
}

/// Prints what a bucket is.
pub(super) fn print_info(info: &StreamInfo) {
    let config = &info.config;
    let mut page = KEY_VALUE.page(info);
    page.row("History Kept", number::grouped(config.max_msgs_per_subject))
        .row("Values Stored", number::grouped(info.state.messages))
        .row("Compressed", config.compression.as_str() == "s2")
        .row("Per-Key TTL Supported", config.allow_msg_ttl)
        .row_if_set(
            "Limit Marker TTL",
            duration::human_nanos(config.subject_delete_marker_ttl, ""),
        )
        .row("Backing Store Kind", "JetStream")
        .row("Bucket Size", number::bytes(info.state.bytes))
        .row("Maximum Bucket Size", number::bytes_limit(config.max_bytes))
        .row(
            "Maximum Value Size",
            number::bytes_limit(config.max_msg_size),
        )
        .row(
            "Maximum Age",
            duration::human_nanos(config.max_age, "unlimited"),
        )
        .row("JetStream Stream", &config.name)
        .row("Storage", config.storage.title());
    if let Some(republish) = &config.republish {
        page.row(
            "Republishing",
            format!("{} to {}", republish.src, republish.dest),
        );
    }
    if let Some(mirror) = &info.mirror {
        page.section("Mirror Information")
            .row("Origin Bucket", KEY_VALUE.bucket(&mirror.name))
            .row("Lag", number::grouped(mirror.lag))
            .row("Last Seen", duration::human_nanos(mirror.active, "never"));
    }
    if !info.sources.is_empty() {
        page.section("Sources Information");
        for source in &info.sources {
            page.row("Source Bucket", KEY_VALUE.bucket(&source.name))
                .row("Lag", number::grouped(source.lag))
                .row("Last Seen", duration::human_nanos(source.active, "never"));
        }
    }
    print_page(page, info);
}

impl LsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        match &self.bucket {
            Some(bucket) => self.keys(&Bucket::open(app, bucket).await?).await,
            None => KEY_VALUE.ls(app, self.names, self.json).await,
        }
    }

    async fn keys(&self, bucket: &Bucket) -> Result<()> {
        let with_values = (self.verbose || self.json) && self.display_value;
        let mut entries = bucket
            .entries(&self.key, "last_per_subject", !with_values)
            .await?;
        entries.retain(|entry| entry.operation == Operation::Put);
        if self.json {
            return json::print(
                &entries
                    .iter()
                    .map(|entry| entry.to_json(with_values))
                    .collect::<Vec<_>>(),
            );
        }
        if entries.is_empty() {
            say!("No keys found in bucket");
            return Ok(());
        }
        if !self.verbose {
            entries.iter().for_each(|entry| say!("{}", entry.key));
            return Ok(());
        }
        let mut header = vec!["Key", "Created", "Delta", "Revision"];
        header.extend(with_values.then_some("Value"));
        let mut table = Table::new(format!("Contents for bucket '{}'", bucket.name()), &header);
        for entry in &entries {
            let mut row = vec![
                entry.key.clone(),
                time::local(entry.created),
                number::grouped(entry.delta),
                entry.revision.to_string(),
            ];
            row.extend(with_values.then(|| cell(entry)));
            table.row(row);
        }
        table.print();
        Ok(())
    }
}
