//! `kv info` and `kv ls`: buckets, and the keys in one.

use super::bucket::Bucket;
use super::entry::Operation;
use super::watch::cell;
use crate::app::App;
use crate::commands::shared::buckets::{cluster_rows, ls_row, pick};
use crate::error::Result;
use crate::jsm::StreamInfo;
use crate::output::columns::Columns;
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
        let name = match self.bucket {
            Some(name) => name,
            None => pick(app, "KV_").await?,
        };
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
    let name = config.name.trim_start_matches("KV_");
    let created = time::local_text(&info.created);
    let mut page = Columns::new(format!(
        "Information for Key-Value Store Bucket {name} created {created}"
    ));
    page.section("Configuration")
        .row("Bucket Name", name)
        .row_if_set("Description", &config.description)
        .row("History Kept", number::grouped(config.max_msgs_per_subject))
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
            .row("Origin Bucket", mirror.name.trim_start_matches("KV_"))
            .row("Lag", number::grouped(mirror.lag))
            .row("Last Seen", duration::human_nanos(mirror.active, "never"));
    }
    if !info.sources.is_empty() {
        page.section("Sources Information");
        for source in &info.sources {
            page.row("Source Bucket", source.name.trim_start_matches("KV_"))
                .row("Lag", number::grouped(source.lag));
        }
    }
    if config.metadata.keys().any(|key| !key.starts_with("_nats.")) {
        page.section("Metadata");
        for (key, value) in config
            .metadata
            .iter()
            .filter(|(key, _)| !key.starts_with("_nats."))
        {
            page.row(key, value);
        }
    }
    cluster_rows(&mut page, info);
    page.print();
}

impl LsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        match &self.bucket {
            Some(bucket) => self.keys(&Bucket::open(app, bucket).await?).await,
            None => self.buckets(app).await,
        }
    }

    async fn buckets(&self, app: &App) -> Result<()> {
        let mut streams = app.jsm().await?.streams(Some("$KV.>")).await?;
        streams.retain(|info| info.config.name.starts_with("KV_"));
        if self.names {
            streams
                .iter()
                .for_each(|info| say!("{}", info.config.name.trim_start_matches("KV_")));
            return Ok(());
        }
        if self.json {
            return json::print(&streams);
        }
        if streams.is_empty() {
            say!("No Key-Value buckets found");
            return Ok(());
        }
        let header = [
            "Bucket",
            "Description",
            "Created",
            "Size",
            "Values",
            "Last Update",
        ];
        let mut table = Table::new("Key-Value Buckets", &header);
        for info in &streams {
            let [name, description, created, size, last] = ls_row(info, "KV_");
            table.row([
                name,
                description,
                created,
                size,
                number::grouped(info.state.messages),
                last,
            ]);
        }
        table.print();
        Ok(())
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
