//! Taking in the copy of a stream that a client sends.
//!
//! ```text
//! chunk ─▶ inbox ─▶ SnapshotReader ─▶ Stage      each answered when it is taken
//! empty message ─▶ Stage::finish ─▶ recovered like after a restart ─▶ last answer
//! ```
//!
//! Chunks are taken in the order in which they come, on a thread that may wait for the disk. The last
//! answer leaves when everything is durable. A client that falls silent for [`STALL`] is given up on.

use std::future::poll_fn;
use std::str;
use std::sync::Arc;
use std::time::Duration;

use cognate_api::event::{RestoreComplete, RestoreCreate};
use cognate_api::{CreatedStream, Operation, error_response, response};
use cognate_gostore::{Report, SnapshotError, SnapshotReader, StreamMeta};
use cognate_model::{ApiError, StorageType, StreamConfig, Timestamp, error};
use cognate_process::{info, warn};
use cognate_router::Subscription;
use cognate_wire::parse_delivered;

use super::api::stream::{claim, settle};
use super::api::stream_info::{Shown, describe};
use super::inbox::{Inbox, Woken};
use super::meta::{Opened, StreamFiles};
use super::restore_stage::{Plan, Stage, StageError, Unfit};
use super::snapshot_transfers::Transfer;
use super::{AccountJetStream, advisory, recover};
use crate::data::Connection;

/// How long a client may take for the next chunk.
const STALL: Duration = Duration::from_secs(5);

/// Begins a restore of a stream with this configuration. Returns where its copy is to be sent.
pub(super) fn begin(
    jetstream: &Arc<AccountJetStream>,
    config: StreamConfig,
    transfer: Transfer,
) -> Result<String, ApiError> {
    if config.storage != StorageType::File {
        return Err(error::stream_restore(
            "only a stream in files can be restored",
        ));
    }
    let name = config.name.clone();
    let subject = format!(
        "$JS.SNAPSHOT.RESTORE.{name}.{}",
        jetstream.server.fresh_id()
    );
    let inbox = Inbox::new(&jetstream.server.shared);
    let leading = inbox.subscribe(&jetstream.account, subject.as_bytes(), None, b"restore");
    let now = jetstream.server.clock.now();
    let client = advisory::client(jetstream);
    advisory::send(
        jetstream,
        &RestoreCreate {
            stream: &name,
            client: &client,
            domain: advisory::domain(jetstream),
        },
    );
    let (account, log) = (&jetstream.account.name, &jetstream.server.shared.log);
    info!(log, "Starting restore for stream '{account} > {name}'");
    let plan = Plan {
        streams: jetstream.streams_path(),
        numbers: (
            jetstream.server.shared.fresh_seed(),
            jetstream.server.shared.fresh_seed(),
        ),
        room: jetstream
            .server
            .store_max()
            .saturating_sub(jetstream.server.usage.bytes(StorageType::File)),
        limits: jetstream.server.server_limits(),
        now,
        unfit: Unfit::Refuse,
        sealing: jetstream.server.sealing.clone(),
    };
    let decide = move |meta: StreamMeta| {
        let created = if meta.created.is_zero_time() {
            now
        } else {
            meta.created
        };
        Ok((config, created))
    };
    let restore = Restore {
        jetstream: Arc::clone(jetstream),
        inbox,
        leading,
        work: Some(Box::new(Work {
            reader: SnapshotReader::new(&name),
            stage: Stage::new(plan, Box::new(decide)),
        })),
        name,
        started: now,
        received: 0,
    };
    tokio::spawn(restore.run(transfer));
    Ok(subject)
}

/// What is done away from the data path.
struct Work {
    reader: SnapshotReader,
    stage: Stage,
}

struct Restore {
    jetstream: Arc<AccountJetStream>,
    inbox: Inbox,
    /// What leads to the inbox.
    leading: Arc<Subscription<Connection>>,
    name: String,
    work: Option<Box<Work>>,
    started: Timestamp,
    received: u64,
}

/// How a restore goes on.
enum Next {
    More,
    Over,
}

impl Restore {
    async fn run(mut self, mut transfer: Transfer) {
        let mut frames = Vec::new();
        loop {
            let woken = tokio::select! {
                woken = poll_fn(|cx| self.inbox.poll_take(cx, &mut frames)) => woken,
                () = transfer.over() => Woken::Closed,
                () = tokio::time::sleep(STALL) => {
                    self.complain("is stalled");
                    Woken::Closed
                }
            };
            if woken == Woken::Closed || matches!(self.take(&frames).await, Next::Over) {
                break;
            }
            frames.clear();
        }
        self.leave().await;
    }

    /// Takes nothing more, and removes what is not finished.
    async fn leave(mut self) {
        self.jetstream.account.unsubscribe(&self.leading);
        self.inbox.close();
        if let Some(work) = self.work.take() {
            // Many files may have to go.
            let _ = tokio::task::spawn_blocking(move || drop(work)).await;
        }
    }

    async fn take(&mut self, mut frames: &[u8]) -> Next {
        while let Some((chunk, len)) = parse_delivered(frames) {
            frames = frames.get(len..).unwrap_or_default();
            let reply = chunk.reply.and_then(|reply| str::from_utf8(reply).ok());
            let Some(reply) = reply else {
                self.complain("requires reply subject for each chunk");
                self.announce_end();
                return Next::Over;
            };
            if chunk.payload.is_empty() {
                self.finish(reply).await;
                return Next::Over;
            }
            self.received += chunk.payload.len() as u64;
            let bytes = chunk.payload.to_vec();
            let pushed = self
                .with_work(move |mut work| {
                    let pushed = work.reader.push(&bytes, &mut work.stage);
                    pushed.map(|()| work).map_err(refused)
                })
                .await;
            match pushed {
                Ok(work) => {
                    self.work = Some(work);
                    self.jetstream.publish(reply, b"", b"");
                }
                Err(cause) => {
                    self.answer(reply, Err(cause));
                    return Next::Over;
                }
            }
        }
        Next::More
    }

    /// Everything has arrived.
    async fn finish(&mut self, reply: &str) {
        let (jetstream, name) = (Arc::clone(&self.jetstream), self.name.clone());
        let finished = self
            .with_work(move |work| {
                let Work { reader, mut stage } = *work;
                let report = reader.finish(&mut stage).map_err(refused)?;
                enter(&jetstream, &name, stage, &report)
            })
            .await;
        self.answer(reply, finished);
    }

    /// Does something with the copy on a thread that may wait.
    async fn with_work<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Box<Work>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let Some(copy) = self.work.take() else {
            return Err(error::stream_restore("it is over"));
        };
        let done = tokio::task::spawn_blocking(move || work(copy)).await;
        // It ends early only if the runtime is shut down.
        done.unwrap_or_else(|_| Err(error::stream_restore("server shutdown")))
    }

    /// Sends the last answer.
    fn answer(&self, reply: &str, outcome: Result<CreatedStream, ApiError>) {
        let jetstream = &self.jetstream;
        // The answer is that of a creation.
        let operation = Operation::StreamCreate { stream: &self.name };
        self.announce_end();
        let body = match &outcome {
            Ok(created) => response(&operation, created),
            Err(cause) => error_response(Some(&operation), cause),
        };
        let (account, log) = (&jetstream.account.name, &jetstream.server.shared.log);
        match &outcome {
            Ok(_) => info!(
                log,
                "Completed restore of {} for stream '{account} > {}'",
                super::human_bytes(self.received),
                self.name
            ),
            Err(cause) => warn!(
                log,
                "Restore failed for {} for stream '{account} > {}': {}",
                super::human_bytes(self.received),
                self.name,
                cause.description
            ),
        }
        jetstream.publish(reply, b"", &body);
    }

    fn announce_end(&self) {
        let client = advisory::client(&self.jetstream);
        advisory::send(
            &self.jetstream,
            &RestoreComplete {
                stream: &self.name,
                start: self.started,
                end: self.jetstream.server.clock.now(),
                bytes: self.received,
                client: &client,
                domain: advisory::domain(&self.jetstream),
            },
        );
    }

    fn complain(&self, what: &str) {
        let (account, log) = (
            &self.jetstream.account.name,
            &self.jetstream.server.shared.log,
        );
        warn!(log, "restore for stream '{account} > {}' {what}", self.name);
    }
}

fn refused(cause: SnapshotError<StageError>) -> ApiError {
    match cause {
        SnapshotError::Sink(StageError::Room) => error::STORAGE_RESOURCES_EXCEEDED,
        cause => error::stream_restore(cause),
    }
}

/// Gives a restored stream its place and puts it in service.
fn enter(
    jetstream: &Arc<AccountJetStream>,
    name: &str,
    stage: Stage,
    report: &Report,
) -> Result<CreatedStream, ApiError> {
    let log = &jetstream.server.shared.log;
    let account = &jetstream.account.name;
    for lost in &report.lost {
        warn!(
            log,
            "Stream '{account} > {name}': messages {} to {} of the snapshot are damaged and were not restored",
            lost.first,
            lost.last
        );
    }
    let stream = {
        let claim = claim(jetstream, name)?;
        if jetstream.stream(name).is_some() {
            return Err(error::STREAM_NAME_EXIST_RESTORE_FAILED);
        }
        if jetstream.is_over() {
            return Err(error::NOT_ENABLED_FOR_ACCOUNT);
        }
        // Others may have taken its subjects while it arrived.
        if let Some(config) = stage.config() {
            settle(jetstream, &claim, config)?;
        }
        let path = stage.finish().map_err(error::stream_restore)?;
        let found = match StreamFiles::open(&path, &jetstream.server.sealing) {
            Ok(Opened::Stream(found)) => *found,
            Ok(_) => return Err(error::stream_restore("the stream cannot be read back")),
            Err(cause) => return Err(error::stream_restore(cause)),
        };
        recover::stream(jetstream, found)?
    };
    advisory::stream_action(jetstream, name, cognate_api::event::Action::Create);
    Ok(CreatedStream {
        info: describe(jetstream, &stream, Shown::Created),
        did_create: false,
    })
}
