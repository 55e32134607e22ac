//! `object info`, `ls` and `watch`.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::store::{ObjectInfo, ObjectStore, read, written};
use crate::app::App;
use crate::commands::shared::buckets::{OBJECT, print_page};
use crate::error::Result;
use crate::jsm::StreamInfo;
use crate::output::columns::Columns;
use crate::output::{duration, json, number, table::Table};
use crate::say;

#[derive(clap::Args)]
pub(super) struct InfoArgs {
    /// The bucket to act on
    bucket: Option<String>,
    /// The object to show
    file: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

#[derive(clap::Args)]
pub(super) struct LsArgs {
    /// The bucket to list the contents of
    bucket: Option<String>,
    /// Show just the names
    #[arg(short, long)]
    names: bool,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

impl InfoArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let bucket = OBJECT.pick(app, self.bucket).await?;
        let store = ObjectStore::open(app, &bucket).await?;
        match self.file {
            Some(file) if self.json => json::print(&store.existing(&file).await?)?,
            Some(file) => print_object(&store.existing(&file).await?),
            None if self.json => json::print(store.info())?,
            None => print_bucket(store.info()),
        }
        Ok(())
    }
}

/// Prints what a bucket is.
pub(super) fn print_bucket(info: &StreamInfo) {
    let config = &info.config;
    let mut page = OBJECT.page(info);
    page.row("Replicas", config.num_replicas)
        .row("TTL", duration::human_nanos(config.max_age, "unlimited"))
        .row("Sealed", config.sealed)
        .row("Size", number::bytes(info.state.bytes))
        .row("Maximum Bucket Size", number::bytes_limit(config.max_bytes))
        .row("Storage", config.storage.title())
        .row("Backing Store Kind", "JetStream")
        .row("JetStream Stream", &config.name);
    print_page(page, info);
}

/// Prints what an object is.
pub(super) fn print_object(info: &ObjectInfo) {
    let mut page = Columns::new(format!(
        "Object information for {} > {}",
        info.bucket, info.name
    ));
    page.row_if_set("Description", &info.description)
        .row("Size", number::bytes(info.size))
        .row("Modification Time", written(info))
        .row("Chunks", number::grouped(info.chunks))
        .row_if_set("Digest", digest(&info.digest))
        .row_opt("Deleted", info.deleted.then_some("true"));
    let headers = info.headers.iter().flatten();
    let headers: Vec<String> = headers
        .flat_map(|(key, values)| values.iter().map(move |value| format!("{key}: {value}")))
        .collect();
    page.row_if_set("Headers", headers.join("\n"));
    if let Some(link) = info
        .options
        .as_ref()
        .and_then(|options| options.link.as_ref())
    {
        page.row("Link", format!("{} > {}", link.bucket, link.name));
    }
    for (key, value) in info.metadata.iter().flatten() {
        page.row(key, value);
    }
    page.print();
}

/// `SHA-256=<base64>` as `SHA-256 <hexadecimal>`.
fn digest(text: &str) -> String {
    let decoded = text.split_once('=').and_then(|(kind, value)| {
        let bytes = URL_SAFE
            .decode(value)
            .or_else(|_| URL_SAFE_NO_PAD.decode(value))
            .ok()?;
        Some(format!(
            "{kind} {}",
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        ))
    });
    decoded.unwrap_or_else(|| text.to_owned())
}

impl LsArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        match &self.bucket {
            Some(bucket) => self.contents(&ObjectStore::open(app, bucket).await?).await,
            None => OBJECT.ls(app, self.names, self.json).await,
        }
    }

    async fn contents(&self, store: &ObjectStore) -> Result<()> {
        let objects = store.list().await?;
        if self.names {
            objects.iter().for_each(|object| say!("{}", object.name));
            return Ok(());
        }
        if self.json {
            return json::print(&objects);
        }
        if objects.is_empty() {
            say!("No entries found");
            return Ok(());
        }
        let mut table = Table::new("Bucket Contents", &["Name", "Size", "Time"]);
        for object in objects {
            table.row([
                object.name.clone(),
                number::bytes(object.size),
                written(&object),
            ]);
        }
        table.print();
        Ok(())
    }
}

/// Shows changes until interrupted.
pub(super) async fn watch(app: &App, bucket: &str) -> Result<()> {
    let store = ObjectStore::open(app, bucket).await?;
    let consumer = store.consumer(store.all_meta(), "last_per_subject").await?;
    let mut messages = store.jsm().messages(&consumer, 500).await?;
    while let Some(message) = messages.next(None).await? {
        let Some((info, _)) = read(&message) else {
            continue;
        };
        let (at, place) = (written(&info), format!("{} > {}", store.name(), info.name));
        match info.deleted {
            true => say!("[{at}] DEL {place}"),
            false => say!(
                "[{at}] PUT {place}: {} bytes in {} chunks",
                number::bytes(info.size),
                number::grouped(info.chunks)
            ),
        }
    }
    Ok(())
}
