//! `stream backup`: a stream's snapshot as files.
//!
//! ```text
//! <target>/stream.tar.s2   the snapshot as the server sent it
//! <target>/backup.json     {"config": …, "state": …}
//! ```
//!
//! Both are written beside their place and put into it when everything has arrived, the description
//! last: a folder with a `backup.json` is whole.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::app::App;
use crate::commands::shared::pick::check_name;
use crate::error::{Context, Error, Result};
use crate::jsm::Jsm;
use crate::output::progress::{Progress, Unit};
use crate::output::{duration, number};
use crate::say;

/// The snapshot's name in a backup.
pub(super) const DATA_FILE: &str = "stream.tar.s2";

/// The description's name in a backup.
pub(super) const META_FILE: &str = "backup.json";

/// The shortest silence that ends a backup.
const MIN_IDLE: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(super) struct BackupArgs {
    /// Stream to backup
    stream: String,
    /// Directory to create the backup in
    target: PathBuf,
    /// Hide the progress bar
    #[arg(long)]
    no_progress: bool,
    /// Checks the stream for health prior to backup
    #[arg(long)]
    check: bool,
    /// Leave consumers out of the backup
    #[arg(long)]
    no_consumers: bool,
    /// Keep consumers in the backup, which is the default
    #[arg(long = "consumers", hide = true, conflicts_with = "no_consumers")]
    _consumers: bool,
    /// Sets a specific chunk size that the server will send
    #[arg(long, value_name = "BYTES", value_parser = number::size_arg)]
    chunk_size: Option<i64>,
    /// Sets a specific window size that the server will send
    #[arg(long, value_name = "BYTES", value_parser = number::size_arg)]
    window_size: Option<i64>,
}

/// How a backup is made.
pub(crate) struct BackupOptions {
    /// Check the stream first.
    pub(crate) check: bool,
    /// Take consumers along.
    pub(crate) consumers: bool,
    /// Draw a bar.
    pub(crate) progress: bool,
    /// Bytes of a chunk, if that matters.
    pub(crate) chunk_size: Option<i64>,
    /// Bytes on the way at once, if that matters.
    pub(crate) window_size: Option<i64>,
    /// How long answers are waited for.
    pub(crate) timeout: Duration,
}

impl BackupArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        check_name("stream", &self.stream)?;
        let jsm = app.jsm().await?;
        let options = BackupOptions {
            check: self.check,
            consumers: !self.no_consumers,
            progress: !self.no_progress,
            chunk_size: self.chunk_size,
            window_size: self.window_size,
            timeout: app.timeout()?,
        };
        backup(&jsm, &self.stream, &self.target, &options)
            .await
            .context("backup failed")
    }
}

/// Writes a backup of `stream` into the folder `target`. Nothing new is left there on failure.
pub(crate) async fn backup(
    jsm: &Jsm,
    stream: &str,
    target: &Path,
    options: &BackupOptions,
) -> Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(target)
        .context(target.display())?;
    let partial = target.join(format!("{DATA_FILE}.partial"));
    let result = tokio::select! {
        result = receive(jsm, stream, &partial, options) => result,
        _ = tokio::signal::ctrl_c() => {
            Err(Error::new("interrupted: no backup was written").code(130))
        }
    };
    let description = match result {
        Ok(description) => description,
        Err(error) => {
            // What is there is of no use, and the failure is what is to be told.
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
    };
    let meta = target.join(format!("{META_FILE}.partial"));
    let result = put(target, &partial, &meta, &description);
    if result.is_err() {
        let _ = fs::remove_file(&partial);
        let _ = fs::remove_file(&meta);
    }
    result
}

/// Puts both files into their places. An earlier backup's description goes first: it says nothing
/// about the new data.
fn put(target: &Path, partial: &Path, meta: &Path, description: &Value) -> Result<()> {
    fs::write(meta, serde_json::to_string_pretty(description)?).context(meta.display())?;
    let place = target.join(META_FILE);
    match fs::remove_file(&place) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).context(place.display());
        }
        _ => {}
    }
    fs::rename(partial, target.join(DATA_FILE))?;
    fs::rename(meta, place)?;
    Ok(())
}

async fn receive(jsm: &Jsm, stream: &str, path: &Path, options: &BackupOptions) -> Result<Value> {
    let inbox = jsm.client().new_inbox();
    let mut chunks = jsm.client().subscribe(inbox.clone()).await?;
    let mut body = json!({
        "deliver_subject": inbox,
        "no_consumers": !options.consumers,
        "jsck": options.check,
    });
    for (name, value) in [
        ("chunk_size", options.chunk_size),
        ("window_size", options.window_size),
    ] {
        if let (Some(value), Some(body)) = (value, body.as_object_mut()) {
            body.insert(name.to_owned(), value.into());
        }
    }
    let answer: Value = jsm
        .call(&format!("STREAM.SNAPSHOT.{stream}"), &body)
        .await?;
    let size = answer["state"]["bytes"].as_u64().unwrap_or(0);
    say!(
        "Starting backup of Stream {stream:?} with {}\n",
        number::bytes(size)
    );
    if options.check {
        say!("Health Check was requested, this can take a long time without progress reports\n");
    }
    let started = Instant::now();
    let mut file = fs::File::create(path).context(path.display())?;
    let mut bar = Progress::new("backup", size, Unit::Bytes, options.progress);
    let idle = options.timeout.max(MIN_IDLE);
    let mut count = 0_u64;
    let mut total = 0_u64;
    while let Some(message) = next_chunk(&mut chunks, idle).await? {
        file.write_all(&message.payload).context(path.display())?;
        if let Some(reply) = message.reply {
            jsm.client().publish(reply, Vec::new().into()).await?;
        }
        count += 1;
        total += message.payload.len() as u64;
        bar.set(total.min(size));
    }
    file.sync_all()?;
    bar.set(size);
    bar.finish();
    say!(
        "Received {} compressed data in {} chunks for stream {stream:?} in {}",
        number::bytes(total),
        number::grouped(count),
        duration::human(started.elapsed())
    );
    Ok(json!({ "config": answer["config"], "state": answer["state"] }))
}

/// The next chunk, `None` at the end.
async fn next_chunk(chunks: &mut Subscriber, idle: Duration) -> Result<Option<Message>> {
    let Ok(message) = tokio::time::timeout(idle, chunks.next()).await else {
        return Err(Error::new(format!(
            "the server sent nothing for {}",
            duration::human(idle)
        ))
        .hint("--timeout waits longer."));
    };
    let message = message.context("the connection was closed")?;
    match message.status.map(|status| status.as_u16()) {
        None | Some(200) if !message.payload.is_empty() => Ok(Some(message)),
        None | Some(200 | 204) => Ok(None),
        Some(status) => Err(Error::new(format!(
            "the server stopped the snapshot: {status} {}",
            message.description.as_deref().unwrap_or_default()
        ))),
    }
}
