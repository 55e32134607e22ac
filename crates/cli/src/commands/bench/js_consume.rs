//! Consuming a stream: a durable consumer shared by all clients, or one of its own for each.

use std::time::Duration;

use serde_json::json;

use super::core::inbox;
use super::job::{Client, CommonArgs, Job, Sample};
use crate::app::App;
use crate::connect::raw::Frame;
use crate::error::{Error, Result};
use crate::jsm::{ConsumerConfig, code};
use crate::output::duration;
use crate::output::histogram::Histogram;
use crate::output::number;

/// How long a pull request waits at the server.
const EXPIRES: Duration = Duration::from_secs(5);

/// How long a client waits for messages before it says that there are none.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long the server keeps a consumer of ours when nobody asks any more.
const INACTIVE: Duration = Duration::from_secs(30);

/// The subscription that the server's confirmations come by.
const CONFIRMATIONS: u64 = 2;

/// When messages are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Again when half of a batch is used up.
    Consume,
    /// Again when the batch is used up.
    Fetch,
}

#[derive(clap::Args)]
pub(super) struct ConsumeArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Specify the durable consumer name to use
    #[arg(long, default_value = "nats-bench")]
    consumer: String,
    /// Acknowledgement mode for the consumer
    #[arg(long, default_value = "explicit", value_parser = ["none", "all", "explicit"])]
    acks: String,
    /// Synchronously acknowledge messages, waiting for a reply from the server
    #[arg(long)]
    doubleack: bool,
}

#[derive(clap::Args)]
pub(super) struct OrderedArgs {
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    source: SourceArgs,
}

/// What is consumed.
#[derive(clap::Args)]
struct SourceArgs {
    /// The stream to use
    #[arg(long, default_value = "benchstream")]
    stream: String,
    /// Sets the max number of messages that are asked for at a time
    #[arg(long, default_value_t = 500)]
    batch: u64,
    /// Filter Stream by subjects
    #[arg(long, value_name = "SUBJECTS")]
    filter: Vec<String>,
    /// Purge the stream before running
    #[arg(long)]
    purge: bool,
}

/// How one client consumes.
struct Plan<'a> {
    next: &'a str,
    batch: u64,
    mode: Mode,
    acks: Acks,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    None,
    /// One stands for all before it.
    All,
    Each,
    /// Each, and the server confirms each: the run ends when all are confirmed.
    Double,
}

impl SourceArgs {
    fn config(&self) -> ConsumerConfig {
        let mut config = ConsumerConfig {
            deliver_policy: "all".into(),
            replay_policy: "instant".into(),
            inactive_threshold: duration::nanos(INACTIVE),
            ..ConsumerConfig::default()
        };
        match self.filter.as_slice() {
            [filter] => config.filter_subject.clone_from(filter),
            filters => config.filter_subjects = filters.to_vec(),
        }
        config
    }

    async fn prepare(&self, app: &App) -> Result<crate::jsm::Jsm> {
        if self.batch == 0 {
            return Err(Error::new("--batch must be at least 1"));
        }
        let jsm = app.jsm().await?;
        if self.purge {
            jsm.purge_stream(&self.stream, &json!({})).await?;
        }
        Ok(jsm)
    }
}

impl ConsumeArgs {
    pub(super) async fn run(self, app: &App, mode: Mode) -> Result<()> {
        let jsm = self.source.prepare(app).await?;
        let stream = &self.source.stream;
        let mut config = self.source.config();
        config.durable_name.clone_from(&self.consumer);
        config.inactive_threshold = 0;
        config.ack_policy = self.acks.as_str().into();
        if self.acks != "none" {
            config.max_ack_pending =
                i64::try_from((self.source.batch * self.common.clients * 2).max(1000))?;
        }
        // A consumer that a run before left behind is of another state, perhaps another kind.
        match jsm.delete_consumer(stream, &self.consumer).await {
            Err(error) if error.api_code() != Some(code::CONSUMER_NOT_FOUND) => return Err(error),
            _ => {}
        }
        jsm.create_consumer(stream, &config, "").await?;
        let next = jsm.subject(&format!("CONSUMER.MSG.NEXT.{stream}.{}", self.consumer));
        let acks = match (self.acks.as_str(), self.doubleack) {
            ("none", _) => Acks::None,
            ("all", false) => Acks::All,
            (_, true) => Acks::Double,
            _ => Acks::Each,
        };
        let label = match mode {
            Mode::Consume => "JetStream durable consumer (callback)",
            Mode::Fetch => "JetStream durable consumer (fetch)",
        };
        let settings = vec![
            ("acks", self.acks.clone()),
            ("batch", number::grouped(self.source.batch)),
            ("consumer", self.consumer.clone()),
            ("double-acked", self.doubleack.to_string()),
            ("purge", self.source.purge.to_string()),
            ("stream", stream.clone()),
        ];
        let job = Job {
            label,
            letter: 'C',
            verb: "expecting",
            settings,
            common: &self.common,
            each_gets_all: false,
        };
        let plan = Plan {
            next: &next,
            batch: self.source.batch,
            mode,
            acks,
        };
        let result = job.run(app, |client| plan.consume(app, client));
        // Best effort: the measurement is made.
        let _ = jsm.delete_consumer(stream, &self.consumer).await;
        result
    }
}

impl OrderedArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        let jsm = self.source.prepare(app).await?;
        let stream = &self.source.stream;
        let mut config = self.source.config();
        config.ack_policy = "none".into();
        config.mem_storage = true;
        config.num_replicas = 1;
        let mut names = Vec::new();
        for _ in 0..self.common.clients {
            names.push(jsm.create_consumer(stream, &config, "").await?.name);
        }
        let settings = vec![
            ("purge", self.source.purge.to_string()),
            ("stream", stream.clone()),
        ];
        let label = "JetStream ordered ephemeral consumer";
        let job = Job {
            label,
            letter: 'C',
            verb: "expecting",
            settings,
            common: &self.common,
            each_gets_all: true,
        };
        let result = job.run(app, |client| {
            let name = usize::try_from(client.number)
                .ok()
                .and_then(|at| names.get(at));
            let name = name.ok_or_else(|| Error::new("there is a consumer for every client"))?;
            let next = jsm.subject(&format!("CONSUMER.MSG.NEXT.{stream}.{name}"));
            let plan = Plan {
                next: &next,
                batch: self.source.batch,
                mode: Mode::Consume,
                acks: Acks::None,
            };
            plan.consume(app, client)
        });
        for name in &names {
            // Best effort: the server removes it by itself when this fails.
            let _ = jsm.delete_consumer(stream, name).await;
        }
        result
    }
}

impl Plan<'_> {
    /// Pulls until all messages came. No more is asked for than is still wanted, so that no client
    /// holds what another waits for.
    fn consume(&self, app: &App, mut client: Client<'_>) -> Result<Sample> {
        let inbox = inbox(app, &mut client, "")?;
        let confirmations = format!("{inbox}.acks");
        client.raw.subscribe(&confirmations, "", CONFIRMATIONS);
        client.raw.set_timeout(Some(PATIENCE))?;
        let mut pull = Pull {
            inbox: &inbox,
            asked: 0,
            received: 0,
            acked: 0,
            idle: 0,
        };
        let (mut confirmed, mut bytes) = (0_u64, 0_u64);
        let confirm_to = match self.acks {
            Acks::Double => confirmations.as_bytes(),
            _ => b"",
        };
        let mut ack = Vec::new();
        client.start();
        while pull.received < client.msgs || (self.acks == Acks::Double && confirmed < client.msgs)
        {
            self.ask(&mut client, &mut pull)?;
            ack.clear();
            let status = match client.raw.next()? {
                None => return Err(no_more(pull.received, client.msgs)),
                Some(Frame::Pong) => continue,
                Some(Frame::Message(message)) if message.sid == CONFIRMATIONS => {
                    confirmed += 1;
                    continue;
                }
                Some(Frame::Message(message)) => {
                    bytes += message.body.len() as u64;
                    let status = message.status().filter(|status| *status != 200);
                    if status.is_none() && self.is_ack_due(&mut pull) {
                        ack.extend_from_slice(message.reply);
                    }
                    status
                }
            };
            match status {
                None => {
                    pull.received += 1;
                    pull.idle = 0;
                    if !ack.is_empty() {
                        client.raw.publish(&ack, confirm_to, b"", b"+ACK")?;
                    }
                    client.done(1);
                }
                Some(404 | 408 | 409) => {
                    pull.asked = pull.received;
                    pull.idle += 1;
                    if EXPIRES * pull.idle >= PATIENCE {
                        return Err(no_more(pull.received, client.msgs));
                    }
                }
                Some(503) => return Err(Error::new("the consumer does not answer")),
                Some(_) => {}
            }
        }
        client.raw.round_trip()?;
        Ok(client.sample(bytes, Histogram::default()))
    }

    /// Whether the message that has just come, and is not counted yet, is acknowledged. Where one
    /// stands for all since the last, that is at the end of what was asked for, and at every half of a
    /// batch, because the server delivers only so much without.
    fn is_ack_due(&self, pull: &mut Pull<'_>) -> bool {
        match self.acks {
            Acks::None => false,
            Acks::Each | Acks::Double => true,
            Acks::All => {
                let received = pull.received + 1;
                let part = (self.batch / 2).max(1);
                let is_due = pull.asked == received || received - pull.acked >= part;
                if is_due {
                    pull.acked = received;
                }
                is_due
            }
        }
    }

    /// Asks for messages when few enough are on their way.
    fn ask(&self, client: &mut Client<'_>, pull: &mut Pull<'_>) -> Result<()> {
        let outstanding = pull.asked - pull.received;
        let low = if self.mode == Mode::Consume {
            self.batch / 2
        } else {
            0
        };
        let count = (self.batch - outstanding.min(self.batch)).min(client.msgs - pull.asked);
        if outstanding > low || count == 0 {
            return Ok(());
        }
        let body = format!(
            "{{\"batch\":{count},\"expires\":{}}}",
            duration::nanos(EXPIRES)
        );
        client.raw.publish(
            self.next.as_bytes(),
            pull.inbox.as_bytes(),
            b"",
            body.as_bytes(),
        )?;
        pull.asked += count;
        client.raw.flush()
    }
}

/// How far a client is.
struct Pull<'a> {
    inbox: &'a str,
    asked: u64,
    received: u64,
    /// How many of those received are acknowledged, where one stands for all.
    acked: u64,
    /// Requests since the last message that ended without one.
    idle: u32,
}

fn no_more(received: u64, wanted: u64) -> Error {
    let (received, wanted) = (number::grouped(received), number::grouped(wanted));
    Error::new(format!(
        "the stream has no more messages: {received} of {wanted} came"
    ))
    .hint("`nats bench js pub async SUBJECT --create` fills the stream; --msgs expects fewer.")
}
