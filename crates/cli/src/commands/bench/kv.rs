//! Putting and getting values of a bucket.

use std::time::Instant;

use serde_json::json;

use super::core::{inbox, nanos, reply};
use super::job::{CommonArgs, Job};
use super::js_publish::check_ack;
use super::message::push_number;
use super::pace::PaceArgs;
use crate::app::App;
use crate::commands::shared::buckets::storage;
use crate::commands::shared::template;
use crate::error::{Error, Result};
use crate::jsm::{StreamConfig, code};
use crate::note;
use crate::output::histogram::Histogram;
use crate::output::number;

#[derive(clap::Args)]
pub(super) struct PutArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The bucket to use
    #[arg(long, default_value = "benchbucket")]
    bucket: String,
    /// JetStream storage (memory/file) for the bucket
    #[arg(long, default_value = "file", value_parser = ["file", "f", "memory", "m"])]
    storage: String,
    /// Number of replicas for the bucket
    #[arg(long, default_value_t = 1)]
    replicas: i64,
    /// The maximum size of the bucket in bytes
    #[arg(long, default_value = "1GB", value_parser = number::size_arg, allow_hyphen_values = true)]
    maxbytes: i64,
    /// History depth for the bucket
    #[arg(long, default_value_t = 1)]
    history: i64,
    /// Purge the bucket before running
    #[arg(long)]
    purge: bool,
    /// Randomly put to keys between 0 and this number (0 for one after the other)
    #[arg(long, default_value_t = 0)]
    randomize: u64,
    #[command(flatten)]
    pace: PaceArgs,
}

#[derive(clap::Args)]
pub(super) struct GetArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// The bucket to use
    #[arg(long, default_value = "benchbucket")]
    bucket: String,
    /// Randomly get keys between 0 and this number (0 for one after the other)
    #[arg(long, default_value_t = 0)]
    randomize: u64,
}

/// Keys one after the other, or at random, in one buffer after a prefix.
struct Keys {
    text: Vec<u8>,
    base: usize,
    randomize: u64,
    next: u64,
}

impl Keys {
    fn new(prefix: &str, randomize: u64, first: u64) -> Self {
        Keys {
            text: prefix.as_bytes().to_vec(),
            base: prefix.len(),
            randomize,
            next: first,
        }
    }

    fn next(&mut self) -> &[u8] {
        let number = if self.randomize > 0 {
            template::random() % self.randomize
        } else {
            self.next
        };
        self.next += 1;
        self.text.truncate(self.base);
        push_number(&mut self.text, number);
        &self.text
    }
}

impl PutArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let common = self.pace.applied_to(&self.common)?;
        let body = vec![b'v'; common.size()?];
        let jsm = app.jsm().await?;
        let stream = format!("KV_{}", self.bucket);
        match jsm.stream_info(&stream).await {
            Err(error) if error.api_code() == Some(code::STREAM_NOT_FOUND) => {
                let config = StreamConfig {
                    description: "nats bench bucket".to_owned(),
                    subjects: vec![format!("$KV.{}.>", self.bucket)],
                    max_msgs_per_subject: self.history,
                    max_bytes: self.maxbytes,
                    storage: storage(&self.storage).into(),
                    num_replicas: self.replicas,
                    discard: "new".into(),
                    allow_rollup_hdrs: true,
                    deny_delete: true,
                    allow_direct: true,
                    ..StreamConfig::named(&stream)
                };
                jsm.create_stream(&config).await?;
            }
            result => drop(result?),
        }
        if self.purge {
            jsm.purge_stream(&stream, &json!({})).await?;
        }
        let prefix = format!("$KV.{}.", self.bucket);
        let mut settings = vec![
            ("bucket", self.bucket.clone()),
            ("purge", self.purge.to_string()),
        ];
        settings.extend(self.pace.settings());
        let label = "JetStream KV putter";
        let job = Job {
            label,
            letter: 'P',
            verb: "publishing",
            settings,
            common: &common,
            each_gets_all: false,
        };
        job.run(app, |mut client| {
            let inbox = inbox(app, &mut client, "")?;
            let mut keys = Keys::new(&prefix, self.randomize, client.offset);
            let mut latencies = Histogram::default();
            client.start();
            for _ in 0..client.msgs {
                let before = Instant::now();
                client
                    .raw
                    .publish(keys.next(), inbox.as_bytes(), b"", &body)?;
                reply(&mut client.raw, check_ack)?;
                latencies.record(nanos(before));
                client.done(1);
            }
            let bytes = client.msgs * body.len() as u64;
            Ok(client.sample(bytes, latencies))
        })
    }
}

impl GetArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let stream = format!("KV_{}", self.bucket);
        let info = jsm
            .stream_info(&stream)
            .await
            .map_err(|error| match error.api_code() {
                Some(code::STREAM_NOT_FOUND) => {
                    Error::new(format!("bucket {:?} not found", self.bucket))
                        .hint("`nats bench kv put` makes and fills it.")
                }
                _ => error,
            })?;
        if info.state.messages == 0 {
            return Err(Error::new(format!("bucket {:?} is empty", self.bucket))
                .hint("`nats bench kv put` fills it."));
        }
        let prefix = jsm.subject(&format!("DIRECT.GET.{stream}.$KV.{}.", self.bucket));
        let settings = vec![
            ("bucket", self.bucket.clone()),
            ("randomize", self.randomize.to_string()),
        ];
        let label = "JetStream KV getter";
        let missing = std::sync::atomic::AtomicU64::new(0);
        let job = Job {
            label,
            letter: 'G',
            verb: "trying to get",
            settings,
            common: &self.common,
            each_gets_all: false,
        };
        job.run(app, |mut client| {
            let inbox = inbox(app, &mut client, "")?;
            let mut keys = Keys::new(&prefix, self.randomize, client.offset);
            let mut latencies = Histogram::default();
            let mut bytes = 0;
            client.start();
            for _ in 0..client.msgs {
                let before = Instant::now();
                client
                    .raw
                    .publish(keys.next(), inbox.as_bytes(), b"", b"")?;
                bytes += reply(&mut client.raw, |message| match message.status() {
                    None | Some(200) => Ok(message.body.len() as u64),
                    Some(404) => {
                        missing.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        Ok(0)
                    }
                    Some(status) => Err(Error::new(format!("the bucket answers {status}"))),
                })?;
                latencies.record(nanos(before));
                client.done(1);
            }
            Ok(client.sample(bytes, latencies))
        })?;
        match missing.into_inner() {
            0 => {}
            missing => note!("{} keys were not there", number::grouped(missing)),
        }
        Ok(())
    }
}
