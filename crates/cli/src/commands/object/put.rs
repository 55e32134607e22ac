//! `object put`: a file or standard input in chunks, several on their way at a time.
//!
//! The description is written last, so that an object appears whole or not at all. When something
//! fails, or the user interrupts, the chunks that were written are removed again.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::{Client, Subscriber};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::show::print_object;
use super::store::{ObjectInfo, ObjectOptions, ObjectStore};
use crate::app::App;
use crate::commands::publish::read_ack;
use crate::commands::shared::{headers, template};
use crate::error::{Context, Error, Result};
use crate::output::number;
use crate::output::progress::{Progress, Unit};
use crate::output::prompt;

/// Chunks that are not acknowledged yet at most.
const WINDOW: u64 = 32;

const DEFAULT_CHUNK_BYTES: u64 = 128 * 1024;

#[derive(clap::Args)]
pub(super) struct PutArgs {
    /// The bucket to act on
    bucket: String,
    /// The file to put; standard input without one
    file: Option<String>,
    /// Override the name supplied to the object store
    #[arg(long)]
    name: Option<String>,
    /// Sets an optional description for the object
    #[arg(long)]
    description: Option<String>,
    /// Adds headers to the object using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,
    /// Sets the chunk size
    #[arg(long, value_parser = number::size_arg)]
    chunk_size: Option<i64>,
    /// Disable the progress bar
    #[arg(long)]
    no_progress: bool,
    /// Act without confirmation
    #[arg(short, long)]
    force: bool,
}

impl PutArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let store = ObjectStore::open(app, &self.bucket).await?;
        let name = self.name.clone().or_else(|| self.file.clone());
        let name =
            name.ok_or_else(|| Error::new("--name is required when reading from standard input"))?;
        let chunk = self.chunk_bytes(&store)?;
        let before = store.find(&name).await?;
        if before.as_ref().is_some_and(|before| !before.deleted) {
            prompt::confirm_or_stop(
                &format!("Replace existing file {} > {name}?", self.bucket),
                self.force,
            )?;
        }
        let mut info = ObjectInfo {
            name,
            description: self.description.clone().unwrap_or_default(),
            headers: self.object_headers()?,
            options: Some(ObjectOptions {
                max_chunk_size: Some(chunk),
                link: None,
            }),
            bucket: self.bucket.clone(),
            nuid: template::id(),
            ..ObjectInfo::default()
        };
        let work = async {
            match &self.file {
                Some(path) => {
                    let mut file = tokio::fs::File::open(path).await.context(path)?;
                    let total = file.metadata().await?.len();
                    self.upload(app, &store, &mut info, &mut file, total, chunk)
                        .await?;
                }
                None => {
                    self.upload(app, &store, &mut info, &mut tokio::io::stdin(), 0, chunk)
                        .await?
                }
            }
            store.describe(app, &info).await
        };
        let result = tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Err(Error::new("interrupted: the object was not stored").code(130)),
        };
        if let Err(error) = result {
            // The failure is what the user has to hear of; leftover chunks belong to no object.
            let _ = store.purge_chunks(&info.nuid).await;
            return Err(error);
        }
        if let Some(before) = before.filter(|before| !before.deleted) {
            store.purge_chunks(&before.nuid).await?;
        }
        print_object(&store.existing(&info.name).await?);
        Ok(())
    }

    fn chunk_bytes(&self, store: &ObjectStore) -> Result<u64> {
        let max = store.jsm().client().server_info().max_payload as u64;
        let chunk = self
            .chunk_size
            .map_or(Ok(DEFAULT_CHUNK_BYTES), u64::try_from)?;
        if chunk == 0 || (max > 0 && chunk > max) {
            return Err(Error::new(format!(
                "--chunk-size must be between 1 and {max}, the server's limit of a message"
            )));
        }
        Ok(chunk)
    }

    fn object_headers(&self) -> Result<Option<BTreeMap<String, Vec<String>>>> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, value) in headers::sorted(&headers::parse(&self.headers)?) {
            map.entry(key).or_default().push(value);
        }
        Ok((!map.is_empty()).then_some(map))
    }

    async fn upload(
        &self,
        app: &App,
        store: &ObjectStore,
        info: &mut ObjectInfo,
        from: &mut (impl AsyncRead + Unpin),
        total: u64,
        chunk: u64,
    ) -> Result<()> {
        let mut bar = Progress::new("Uploading", total, Unit::Bytes, !self.no_progress);
        let subject = store.outgoing(&store.chunks(&info.nuid));
        let mut acks = Acks::new(store.jsm().client(), app.timeout()?).await?;
        let mut hash = Sha256::new();
        loop {
            let mut data = Vec::new();
            (&mut *from).take(chunk).read_to_end(&mut data).await?;
            if data.is_empty() {
                break;
            }
            hash.update(&data);
            info.size += data.len() as u64;
            info.chunks += 1;
            acks.publish(&subject, data).await?;
            bar.set(info.size);
        }
        acks.wait_for_all().await?;
        info.digest = format!("SHA-256={}", URL_SAFE.encode(hash.finalize()));
        Ok(())
    }
}

/// Publishes into a stream without waiting for each acknowledgement.
struct Acks {
    client: Client,
    inbox: String,
    incoming: Subscriber,
    outstanding: u64,
    timeout: Duration,
}

impl Acks {
    async fn new(client: &Client, timeout: Duration) -> Result<Self> {
        let inbox = client.new_inbox();
        let incoming = client.subscribe(inbox.clone()).await?;
        Ok(Acks {
            client: client.clone(),
            inbox,
            incoming,
            outstanding: 0,
            timeout,
        })
    }

    async fn publish(&mut self, subject: &str, data: Vec<u8>) -> Result<()> {
        while self.outstanding >= WINDOW {
            self.wait_for_one().await?;
        }
        self.client
            .publish_with_reply(subject.to_owned(), self.inbox.clone(), data.into())
            .await?;
        self.outstanding += 1;
        Ok(())
    }

    async fn wait_for_all(&mut self) -> Result<()> {
        while self.outstanding > 0 {
            self.wait_for_one().await?;
        }
        Ok(())
    }

    async fn wait_for_one(&mut self) -> Result<()> {
        let answer = tokio::time::timeout(self.timeout, self.incoming.next()).await;
        let answer = answer.map_err(|_| Error::new("a chunk was not acknowledged in time"))?;
        let answer = answer.context("the connection was closed")?;
        if answer.status.is_some() {
            return Err(Error::new(
                "the bucket does not take chunks: nobody listens on its subjects",
            ));
        }
        read_ack(&answer.payload)?;
        self.outstanding -= 1;
        Ok(())
    }
}
