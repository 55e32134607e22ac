//! `object get`: an object into a file, checked against its digest before the file takes its name.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::store::{ObjectInfo, ObjectStore};
use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::output::progress::{Progress, Unit};
use crate::output::{duration, number, prompt};
use crate::say;

/// How long the next chunk may take.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(super) struct GetArgs {
    /// The bucket to act on
    bucket: String,
    /// The object to retrieve
    file: String,
    /// Writes the object to this file, - for standard output
    #[arg(short = 'O', long)]
    output: Option<String>,
    /// Disable the progress bar
    #[arg(long)]
    no_progress: bool,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
}

impl GetArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let mut store = ObjectStore::open(app, &self.bucket).await?;
        let mut info = store.existing(&self.file).await?;
        // A link leads to one object, and a link to a link is not made by any client.
        if let Some(link) = info
            .options
            .as_ref()
            .and_then(|options| options.link.clone())
        {
            if link.name.is_empty() {
                return Err(Error::new(format!(
                    "{:?} is a link to the bucket {:?}",
                    self.file, link.bucket
                )));
            }
            store = ObjectStore::on(app, store.jsm().clone(), &link.bucket).await?;
            info = store.existing(&link.name).await?;
        }
        if self.output.as_deref() == Some("-") {
            return self.fetch(&store, &info, &mut tokio::io::stdout()).await;
        }
        let path = self.path()?;
        if path.exists() {
            prompt::confirm_or_stop(
                &format!("Replace existing file {}?", path.display()),
                self.force,
            )?;
        }
        let started = Instant::now();
        self.write_file(&store, &info, &path).await?;
        let (size, elapsed) = (number::bytes(info.size), duration::human(started.elapsed()));
        say!("Wrote: {size} to {} in {elapsed}", path.display());
        Ok(())
    }

    /// Where to write: the object's own last name in this directory unless told otherwise.
    fn path(&self) -> Result<PathBuf> {
        let own = Path::new(&self.file).file_name();
        let path = match &self.output {
            Some(output) => PathBuf::from(output),
            None => std::env::current_dir()?
                .join(own.context("the object's name is no file name: use --output")?),
        };
        Ok(if path.is_dir() {
            path.join(own.context("use --output with a file name")?)
        } else {
            path
        })
    }

    /// Writes next to the target and renames, so that no half file has its name.
    async fn write_file(&self, store: &ObjectStore, info: &ObjectInfo, path: &Path) -> Result<()> {
        let mut part = path.as_os_str().to_owned();
        part.push(format!(".part{}", std::process::id()));
        let part = PathBuf::from(part);
        let mut file = tokio::fs::File::create(&part)
            .await
            .context(part.display())?;
        let work = async {
            self.fetch(store, info, &mut file).await?;
            file.sync_all().await?;
            tokio::fs::rename(&part, path).await.context(path.display())
        };
        let result = tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Err(Error::new("interrupted: no file was written").code(130)),
        };
        if result.is_err() {
            // The failure is what the user has to hear of.
            let _ = tokio::fs::remove_file(&part).await;
        }
        result
    }

    async fn fetch(
        &self,
        store: &ObjectStore,
        info: &ObjectInfo,
        to: &mut (impl tokio::io::AsyncWrite + Unpin),
    ) -> Result<()> {
        let mut hash = Sha256::new();
        let mut bar = Progress::new("Downloading", info.size, Unit::Bytes, !self.no_progress);
        if info.chunks > 0 {
            let consumer = store.consumer(store.chunks(&info.nuid), "all").await?;
            let mut messages = store.jsm().messages(&consumer, info.chunks.min(64)).await?;
            for at in 0..info.chunks {
                let message = messages.next(Some(PATIENCE)).await?;
                let message =
                    message.context(format!("chunk {} of {} did not come", at + 1, info.chunks))?;
                hash.update(&message.payload);
                to.write_all(&message.payload).await?;
                bar.add(message.payload.len() as u64);
            }
            // Best effort: the server removes it by itself when this fails.
            let _ = store
                .jsm()
                .delete_consumer(&store.stream(), &consumer.name)
                .await;
        }
        to.flush().await?;
        let digest = format!("SHA-256={}", URL_SAFE.encode(hash.finalize()));
        let is_same = digest.trim_end_matches('=') == info.digest.trim_end_matches('=');
        if bar.done() != info.size || !(info.digest.is_empty() || is_same) {
            return Err(Error::new(format!(
                "what was received is not the object {:?}: size or digest differ",
                info.name
            )));
        }
        bar.finish();
        Ok(())
    }
}
