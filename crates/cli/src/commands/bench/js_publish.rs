//! Publishing into a stream: one at a time, many at a time, or in atomic batches.

use std::time::{Duration, Instant};

use serde_json::json;

use super::core::{inbox, nanos, reply};
use super::job::{Client, CommonArgs, Job, Sample};
use super::js_fast::{FastBatch, MAX_FLOW};
use super::message::{MessageArgs, push_number};
use super::pace::PaceArgs;
use crate::app::App;
use crate::commands::publish::read_ack;
use crate::commands::shared::buckets::storage;
use crate::commands::shared::{subjects, template};
use crate::connect::raw::{Frame, Message};
use crate::error::{Context, Error, Result};
use crate::jsm::{StreamConfig, code};
use crate::note;
use crate::output::histogram::Histogram;
use crate::output::{duration, number};

/// Messages of an atomic batch that servers take by default.
const MAX_ATOMIC: u64 = 1000;

/// How long acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How messages are acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Sync,
    Async,
    Atomic,
    /// With so many answers due at a time.
    Fast {
        outstanding: u64,
    },
}

#[derive(clap::Args)]
pub(super) struct PublishArgs {
    /// Subject to use for the benchmark
    #[arg(value_parser = subjects::arg)]
    subject: String,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    message: MessageArgs,
    #[command(flatten)]
    stream: StreamArgs,
    /// Sets the number of asynchronous operations or messages per batch
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Sets a message id in the header to use JS Publish de-duplication
    #[arg(long)]
    dedup: bool,
    #[command(flatten)]
    pace: PaceArgs,
}

/// Publishing in fast batches.
#[derive(clap::Args)]
pub(super) struct FastArgs {
    #[command(flatten)]
    publish: PublishArgs,
    /// Sets the max outstanding acks for fast publishing
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    max_outstanding_acks: u64,
}

impl FastArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let outstanding = self.max_outstanding_acks;
        self.publish.run(app, Mode::Fast { outstanding }).await
    }
}

/// The stream that is measured.
#[derive(clap::Args)]
struct StreamArgs {
    /// The stream to use
    #[arg(long = "stream", default_value = "benchstream")]
    name: String,
    /// Create or update the stream first
    #[arg(long)]
    create: bool,
    /// JetStream storage (memory/file) for the stream
    #[arg(long, default_value = "file", value_parser = ["file", "f", "memory", "m"])]
    storage: String,
    /// Number of replicas for the stream
    #[arg(long, default_value_t = 1)]
    replicas: i64,
    /// The maximum size of the stream in bytes
    #[arg(long, default_value = "1GB", value_parser = number::size_arg, allow_hyphen_values = true)]
    maxbytes: i64,
    /// Sets the duration of the stream's deduplication functionality
    #[arg(long, default_value = "2m", value_parser = duration::arg)]
    dedupwindow: Duration,
    /// Purge the stream before running
    #[arg(long)]
    purge: bool,
    /// Let the stream persist asynchronously (only one replica)
    #[arg(long)]
    persistasync: bool,
}

impl PublishArgs {
    pub(super) async fn run(self, app: &App, mode: Mode) -> Result<()> {
        let most = match mode {
            Mode::Atomic => MAX_ATOMIC,
            Mode::Fast { .. } => MAX_FLOW,
            Mode::Sync | Mode::Async => u64::MAX,
        };
        if !(1..=most).contains(&self.batch) {
            return Err(Error::new(format!("--batch must be between 1 and {most}")));
        }
        let common = self.pace.applied_to(&self.common)?;
        self.prepare(app, mode).await?;
        let (body, headers) = (
            self.message.content.body(&common)?,
            self.message.content.header_block()?,
        );
        let mut settings = self.message.settings();
        settings.extend(self.pace.settings());
        settings.extend([
            (
                "batch",
                if mode == Mode::Sync { 0 } else { self.batch }.to_string(),
            ),
            ("deduplication", self.dedup.to_string()),
            ("purge", self.stream.purge.to_string()),
            ("stream", self.stream.name.clone()),
            ("subject", self.subject.clone()),
        ]);
        let label = match mode {
            Mode::Sync => "JetStream synchronous publisher",
            Mode::Async => "JetStream asynchronous publisher",
            Mode::Atomic => "JetStream batched publisher",
            Mode::Fast { .. } => "JetStream fast batch publisher",
        };
        let job = Job {
            label,
            letter: 'P',
            verb: "publishing",
            settings,
            common: &common,
            each_gets_all: false,
        };
        job.run(app, |client| match mode {
            Mode::Fast { outstanding } => {
                self.publish_fast(app, client, outstanding, &headers, &body)
            }
            _ => self.publish(app, client, mode, &headers, &body),
        })
    }

    async fn prepare(&self, app: &App, mode: Mode) -> Result<()> {
        let jsm = app.jsm().await?;
        let stream = &self.stream;
        if stream.create {
            let subject = if self.message.multisubject {
                format!("{}.*", self.subject)
            } else {
                self.subject.clone()
            };
            let config = StreamConfig {
                subjects: vec![subject],
                storage: storage(&stream.storage).into(),
                num_replicas: stream.replicas,
                max_bytes: stream.maxbytes,
                duplicate_window: duration::nanos(stream.dedupwindow),
                allow_direct: true,
                allow_atomic: mode == Mode::Atomic,
                allow_batched: matches!(mode, Mode::Fast { .. }),
                persist_mode: if stream.persistasync {
                    "async".into()
                } else {
                    None.into()
                },
                ..StreamConfig::named(&stream.name)
            };
            match jsm.create_stream(&config).await {
                Err(error) if error.api_code() == Some(code::STREAM_NAME_IN_USE) => {
                    jsm.update_stream(&config).await?;
                }
                result => drop(result?),
            }
        }
        jsm.stream_info(&stream.name)
            .await
            .map_err(|error| match error.api_code() {
                Some(code::STREAM_NOT_FOUND) => {
                    Error::new(format!("stream {} does not exist", stream.name))
                        .hint("--create makes it, --stream names another.")
                }
                _ => error,
            })?;
        note!("Using stream: {}", stream.name);
        if stream.purge {
            jsm.purge_stream(&stream.name, &json!({})).await?;
        }
        Ok(())
    }

    fn publish(
        &self,
        app: &App,
        mut client: Client<'_>,
        mode: Mode,
        headers: &[u8],
        body: &[u8],
    ) -> Result<Sample> {
        let inbox = inbox(app, &mut client, "")?;
        let mut subjects = self.message.subjects(&self.subject, client.offset);
        let mut latencies = Histogram::default();
        let mut block = Vec::with_capacity(headers.len() + 256);
        let run = template::id();
        let step = if mode == Mode::Sync { 1 } else { self.batch };
        let mut sent = 0;
        client.start();
        while sent < client.msgs {
            let count = step.min(client.msgs - sent);
            let before = Instant::now();
            let id = client.offset + sent;
            for at in 0..count {
                let is_commit = mode == Mode::Atomic && at + 1 == count;
                let reply = if mode != Mode::Atomic || is_commit {
                    inbox.as_bytes()
                } else {
                    b""
                };
                self.header_block(&mut block, headers, mode, &run, (id, at), is_commit);
                client.raw.publish(subjects.next(), reply, &block, body)?;
            }
            wait_for_acks(&mut client, if mode == Mode::Atomic { 1 } else { count })?;
            latencies.record(nanos(before));
            sent += count;
            client.done(count);
        }
        let bytes = client.msgs * body.len() as u64;
        Ok(client.sample(bytes, latencies))
    }

    fn publish_fast(
        &self,
        app: &App,
        mut client: Client<'_>,
        outstanding: u64,
        headers: &[u8],
        body: &[u8],
    ) -> Result<Sample> {
        let inbox = inbox(app, &mut client, ">")?;
        let subjects = self.message.subjects(&self.subject, client.offset);
        let (run, first) = (template::id(), client.offset);
        let mode = Mode::Fast { outstanding };
        let mut block = |block: &mut Vec<u8>, at| {
            self.header_block(block, headers, mode, &run, (first, at), false);
        };
        let batch = FastBatch::new(&inbox, self.batch, outstanding, &mut block);
        batch.publish(client, subjects, body)
    }

    /// The header block of a message: the user's headers, an id, and the place in a batch.
    fn header_block(
        &self,
        block: &mut Vec<u8>,
        headers: &[u8],
        mode: Mode,
        run: &str,
        (first, at): (u64, u64),
        is_commit: bool,
    ) {
        block.clear();
        if headers.is_empty() && !self.dedup && mode != Mode::Atomic {
            return;
        }
        block.extend_from_slice(headers.strip_suffix(b"\r\n").unwrap_or(b"NATS/1.0\r\n"));
        let mut add = |name: &[u8], number: u64| {
            block.extend_from_slice(name);
            block.extend_from_slice(run.as_bytes());
            push_number(block, number);
            block.extend_from_slice(b"\r\n");
        };
        if self.dedup {
            add(b"Nats-Msg-Id: ", first + at);
        }
        if mode == Mode::Atomic {
            add(b"Nats-Batch-Id: ", first);
            block.extend_from_slice(b"Nats-Batch-Sequence: ");
            push_number(block, at + 1);
            block.extend_from_slice(b"\r\n");
            if is_commit {
                block.extend_from_slice(b"Nats-Batch-Commit: 1\r\n");
            }
        }
        block.extend_from_slice(b"\r\n");
    }
}

fn wait_for_acks(client: &mut Client<'_>, count: u64) -> Result<()> {
    if count == 1 {
        return reply(&mut client.raw, check_ack);
    }
    client.raw.flush()?;
    client.raw.set_timeout(Some(PATIENCE))?;
    let mut left = count;
    while left > 0 {
        match client.raw.next()? {
            Some(Frame::Message(message)) => {
                check_ack(&message)?;
                left -= 1;
            }
            Some(Frame::Pong) => {}
            None => {
                return Err(Error::new(format!(
                    "{left} acknowledgements did not come in time"
                )));
            }
        }
    }
    Ok(())
}

/// An acknowledgement is told from an error without parsing it: this runs per message.
pub(super) fn check_ack(message: &Message<'_>) -> Result<()> {
    if message.status() == Some(503) {
        return Err(Error::new("no stream listens to that subject")
            .hint("--create makes one, --stream names another."));
    }
    if memchr::memmem::find(message.body, b"\"error\"").is_none() {
        return Ok(());
    }
    read_ack(message.body)
        .map(drop)
        .context("the stream refused a message")
}
