//! `stream restore`: a backup as a stream again.
//!
//! A server makes the stream when the last chunk has arrived and everything in it proved right, and
//! throws away what it has when no more chunks come. So an interrupted restore leaves no stream; it is
//! said, and running the command again does the whole.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backup::{DATA_FILE, META_FILE};
use super::show;
use crate::app::App;
use crate::commands::shared::pick::check_name;
use crate::error::{Context, Error, Result};
use crate::jsm::{ApiError, Jsm, Placement, StreamConfig, StreamInfo, code, read_stream_config};
use crate::output::progress::{Progress, Unit};
use crate::output::{duration, number};
use crate::{note, say};

/// Bytes of a chunk; the maximum payload of a server may be smaller.
const CHUNK_BYTES: usize = 64 << 10;

/// How long a server may take to look through a whole snapshot.
const FINAL_WAIT: Duration = Duration::from_secs(3600);

/// Bytes of a description that are still read.
const MAX_META_BYTES: u64 = 64 << 20;

#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    /// The directory holding the backup to restore
    file: PathBuf,
    /// Hide the progress bar
    #[arg(long)]
    no_progress: bool,
    /// Load a different configuration when restoring the stream
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Place the stream in a specific cluster
    #[arg(long)]
    cluster: Option<String>,
    /// Place the stream on servers that have a tag (pass multiple times)
    #[arg(long)]
    tag: Vec<String>,
    /// Override how many replicas of the data to create
    #[arg(long)]
    replicas: Option<i64>,
}

/// How a backup is restored.
#[derive(Default)]
pub(crate) struct RestoreOptions {
    /// Draw a bar.
    pub(crate) progress: bool,
    /// Another configuration.
    pub(crate) config: Option<StreamConfig>,
    /// Where to.
    pub(crate) cluster: Option<String>,
    /// Servers with these tags.
    pub(crate) tags: Vec<String>,
    /// How often.
    pub(crate) replicas: Option<i64>,
    /// Show every chunk.
    pub(crate) trace: bool,
    /// How long answers are waited for.
    pub(crate) timeout: Duration,
}

/// What a backup says about itself.
#[derive(Deserialize, Serialize)]
pub(crate) struct Description {
    /// The stream's configuration.
    pub(crate) config: StreamConfig,
    /// Its state when the backup was made.
    pub(crate) state: Value,
}

impl Description {
    /// Reads a backup's description.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(META_FILE);
        let attempt = format!("{} is not a whole backup: {META_FILE}", folder.display());
        let size = fs::metadata(&path).context(&attempt)?.len();
        if size > MAX_META_BYTES {
            return Err(Error::new(format!("{attempt}: {size} bytes are too many")));
        }
        let description: Description =
            serde_json::from_slice(&fs::read(&path).context(&attempt)?).context(&attempt)?;
        check_name("stream", &description.config.name)?;
        Ok(description)
    }
}

impl RestoreArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let options = RestoreOptions {
            progress: !self.no_progress,
            config: self.config.as_deref().map(read_stream_config).transpose()?,
            cluster: self.cluster,
            tags: self.tag,
            replicas: self.replicas,
            trace: app.settings()?.trace,
            timeout: app.timeout()?,
        };
        let jsm = app.jsm().await?;
        let info = restore(&jsm, &self.file, options).await?;
        show::print(&info, false)
    }
}

/// Restores the backup in `folder`, and returns the stream.
pub(crate) async fn restore(
    jsm: &Jsm,
    folder: &Path,
    options: RestoreOptions,
) -> Result<StreamInfo> {
    let mut description = Description::read(folder)?;
    let name = description.config.name.clone();
    match jsm.stream_info(&name).await {
        Ok(_) => {
            return Err(Error::new(format!("Stream {name:?} already exists"))
                .hint(format!("`nats stream rm {name}` removes it.")));
        }
        Err(error) if error.api_code() == Some(code::STREAM_NOT_FOUND) => {}
        Err(error) => return Err(error),
    }
    configure(&mut description, &options)?;
    say!(
        "Starting restore of Stream {name:?} from file {:?}\n",
        folder.display().to_string()
    );
    let started = Instant::now();
    let result = tokio::select! {
        result = send(jsm, folder, &description, &options) => result,
        _ = tokio::signal::ctrl_c() => Err(Error::new("interrupted").code(130)),
    };
    if let Err(error) = result {
        return Err(unfinished(jsm, &name, error).await);
    }
    say!(
        "Restored stream {name:?} in {}\n",
        duration::human(started.elapsed())
    );
    jsm.stream_info(&name).await
}

/// Says what a failed restore left behind, which is nothing unless the server says otherwise.
async fn unfinished(jsm: &Jsm, name: &str, error: Error) -> Error {
    let exists = match jsm.stream_info(name).await {
        Ok(_) => Some(true),
        Err(answer) if answer.api_code() == Some(code::STREAM_NOT_FOUND) => Some(false),
        Err(_) => None,
    };
    let hint = match exists {
        Some(false) => format!(
            "Stream {name} was not created, and the server discards what it has; run the command again."
        ),
        Some(true) => format!(
            "Stream {name} exists now. The restore may have been finished by the server: compare `nats stream info {name}` with {META_FILE}."
        ),
        None => {
            format!("Whether stream {name} exists could not be asked; look before trying again.")
        }
    };
    // The server says it, too.
    let told = error.message().trim_start_matches("restore failed: ");
    Error::new(format!("restore failed: {told}"))
        .code(error.exit_code())
        .hint(hint)
}

fn configure(description: &mut Description, options: &RestoreOptions) -> Result<()> {
    if let Some(config) = &options.config {
        if config.name != description.config.name {
            return Err(
                Error::new("stream names may not be changed during restore").hint(format!(
                    "The backup is one of {:?}.",
                    description.config.name
                )),
            );
        }
        description.config = config.clone();
    }
    let config = &mut description.config;
    if options.cluster.is_some() || !options.tags.is_empty() {
        config.placement = Some(Placement {
            cluster: options.cluster.clone().unwrap_or_default(),
            tags: options.tags.clone(),
            ..Placement::default()
        });
    }
    config.num_replicas = options.replicas.unwrap_or(config.num_replicas);
    Ok(())
}

async fn send(
    jsm: &Jsm,
    folder: &Path,
    description: &Description,
    options: &RestoreOptions,
) -> Result<()> {
    let path = folder.join(DATA_FILE);
    let mut file = fs::File::open(&path).context(path.display())?;
    let size = file.metadata()?.len();
    let call = format!("STREAM.RESTORE.{}", description.config.name);
    let answer: Value = jsm.call(&call, description).await?;
    let subject = answer["deliver_subject"]
        .as_str()
        .context("the server did not say where to send the snapshot")?
        .to_owned();
    let limit = jsm.client().server_info().max_payload;
    let mut chunk = vec![0; CHUNK_BYTES.min(limit.max(1))];
    let mut bar = Progress::new("restore", size, Unit::Bytes, options.progress);
    loop {
        let count = file.read(&mut chunk).context(path.display())?;
        if count == 0 {
            break;
        }
        let piece = chunk.get(..count).unwrap_or_default().to_vec();
        request(jsm, &subject, piece, options.timeout).await?;
        bar.add(count as u64);
        if options.trace {
            note!(
                "Sent {} of {}",
                number::bytes(bar.done()),
                number::bytes(size)
            );
        }
    }
    bar.finish();
    request(jsm, &subject, Vec::new(), FINAL_WAIT).await
}

async fn request(jsm: &Jsm, subject: &str, chunk: Vec<u8>, wait: Duration) -> Result<()> {
    let request = async_nats::Request::new()
        .payload(chunk.into())
        .timeout(Some(wait));
    let answer = jsm
        .client()
        .send_request(subject.to_owned(), request)
        .await?;
    if let Some(status) = answer.status.filter(|status| status.as_u16() >= 400) {
        let text = answer.description.as_deref().unwrap_or("refused");
        return Err(Error::new(format!("{} {text}", status.as_u16())));
    }
    match ApiError::of(&answer.payload) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
