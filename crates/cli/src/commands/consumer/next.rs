//! `consumer next` and `consumer sub`: a consumer's messages, acknowledged or not.

use std::pin::pin;
use std::time::Duration;

use async_nats::Message;
use futures_util::StreamExt;
use serde_json::json;

use super::Target;
use crate::app::App;
use crate::commands::shared::pick::{Choice, check_name};
use crate::commands::shared::{headers, template};
use crate::error::{Error, Result};
use crate::jsm::{ConsumerInfo, Delivery, Jsm};
use crate::output::{self, duration, number, time};
use crate::say;

/// Messages asked for at a time by `sub`.
const BATCH: u64 = 100;

#[derive(clap::Args)]
pub(super) struct NextArgs {
    /// Stream name
    stream: String,
    /// Consumer name
    consumer: String,
    /// Acknowledge received messages, which is the default
    #[arg(long, hide = true, overrides_with = "no_ack")]
    ack: bool,
    /// Do not acknowledge received messages
    #[arg(long, overrides_with = "ack")]
    no_ack: bool,
    /// Perform a negative acknowledgement on the message
    #[arg(long, conflicts_with = "term")]
    nak: bool,
    /// Terms the message
    #[arg(long)]
    term: bool,
    /// Show only the message
    #[arg(short, long)]
    raw: bool,
    /// Wait up to this period to acknowledge messages
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    wait: Option<Duration>,
    /// Number of messages to try to fetch from the pull consumer
    #[arg(long, default_value_t = 1)]
    count: u64,
}

#[derive(clap::Args)]
pub(super) struct SubArgs {
    #[command(flatten)]
    target: Target,
    /// Acknowledge received messages, which is the default
    #[arg(long, hide = true, overrides_with = "no_ack")]
    ack: bool,
    /// Do not acknowledge received messages
    #[arg(long, overrides_with = "ack")]
    no_ack: bool,
    /// Show only the message
    #[arg(short, long)]
    raw: bool,
    /// Deliver group of the consumer
    #[arg(long)]
    deliver_group: Option<String>,
}

/// What is said about a message to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Ack,
    Nak,
    Term,
    Nothing,
}

impl Answer {
    fn payload(self) -> &'static [u8] {
        match self {
            Answer::Ack => b"+ACK",
            Answer::Nak => b"-NAK",
            Answer::Term => b"+TERM",
            Answer::Nothing => b"",
        }
    }

    fn told(self) -> &'static str {
        match self {
            Answer::Ack => "Acknowledged message",
            Answer::Nak => "Negative Acknowledged message",
            Answer::Term => "Terminated message",
            Answer::Nothing => "",
        }
    }
}

impl NextArgs {
    pub(super) async fn run(self, app: &App) -> Result<()> {
        check_name("stream", &self.stream)?;
        check_name("consumer", &self.consumer)?;
        let answer = match (self.nak, self.term, self.no_ack) {
            (true, ..) => Answer::Nak,
            (_, true, _) => Answer::Term,
            (.., true) => Answer::Nothing,
            _ => Answer::Ack,
        };
        let jsm = app.jsm().await?;
        let timeout = app.timeout()?;
        for _ in 0..self.count {
            let message = self.next(&jsm, timeout).await?;
            print(&message, self.raw);
            let delay = self.wait.map(random_part).unwrap_or_default();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            if answer == Answer::Nothing {
                continue;
            }
            acknowledge(&jsm, &message, answer, timeout).await?;
            if !self.raw {
                match delay.is_zero() {
                    true => say!("\n{}\n", answer.told()),
                    false => say!(
                        "\n{} after {} delay\n",
                        answer.told(),
                        duration::human(delay)
                    ),
                }
            }
        }
        Ok(())
    }

    /// Pulls one message; the server's refusal is the error.
    async fn next(&self, jsm: &Jsm, timeout: Duration) -> Result<Message> {
        let inbox = jsm.client().new_inbox();
        let mut incoming = jsm.client().subscribe(inbox.clone()).await?;
        let call = format!("CONSUMER.MSG.NEXT.{}.{}", self.stream, self.consumer);
        let body = json!({ "batch": 1, "expires": duration::nanos(timeout) });
        let subject = jsm.subject(&call);
        let body = serde_json::to_vec(&body)?;
        jsm.client()
            .publish_with_reply(subject, inbox, body.into())
            .await?;
        let patience = timeout + Duration::from_secs(1);
        let message = tokio::time::timeout(patience, incoming.next()).await;
        let message = match message {
            Ok(Some(message)) => message,
            Ok(None) => return Err(Error::new("the connection was closed")),
            Err(_) => return Err(self.explain(jsm, "no message arrived in time").await),
        };
        match message.status.map(|status| status.as_u16()) {
            None | Some(200) => Ok(message),
            Some(404 | 408) => Err(self.explain(jsm, "no message arrived in time").await),
            Some(503) => Err(self.explain(jsm, "the consumer does not answer").await),
            Some(status) => {
                let text = message.description.as_deref().unwrap_or("refused");
                let told = format!("the consumer says: {status} {text}");
                Err(self.explain(jsm, &told).await)
            }
        }
    }

    /// What is the matter: no such consumer, one that is not pulled from, or nothing to deliver.
    async fn explain(&self, jsm: &Jsm, told: &str) -> Error {
        match jsm.consumer_info(&self.stream, &self.consumer).await {
            Err(error) if error.api_code().is_some() => error,
            // It is not known, and what is known is better than why not.
            Err(_) => Error::new(told),
            Ok(info) if !info.config.deliver_subject.is_empty() => Error::new(format!(
                "consumer {} > {} is not a pull consumer",
                self.stream, self.consumer
            ))
            .hint("`nats consumer sub` shows the messages of push consumers."),
            Ok(info) if info.paused => Error::new(format!("{told}: the consumer is paused"))
                .hint("`nats consumer resume` lets it go on."),
            Ok(info) => Error::new(told).hint(format!(
                "{} messages are unprocessed; --timeout waits longer.",
                number::grouped(info.num_pending)
            )),
        }
    }
}

impl SubArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        let jsm = app.jsm().await?;
        let mut info: ConsumerInfo = self.target.find(&jsm, choice).await?;
        let config = &mut info.config;
        if let Some(group) = &self.deliver_group {
            config.deliver_group.clone_from(group);
        }
        let is_acked = !self.no_ack && config.ack_policy.as_str() != "none";
        if !self.raw {
            let source = match config.deliver_subject.as_str() {
                "" => format!("pull consumer {} > {}", info.stream_name, info.name),
                subject => format!("topic {subject}"),
            };
            say!("Subscribing to {source} auto acknowledgment: {is_acked}\n");
        }
        let timeout = app.timeout()?;
        let mut messages = jsm.messages(&info, BATCH).await?;
        let mut interrupted = pin!(tokio::signal::ctrl_c());
        loop {
            let message = tokio::select! {
                message = messages.next(None) => message?,
                _ = &mut interrupted => return Ok(()),
            };
            let Some(message) = message else {
                continue;
            };
            print(&message, self.raw);
            if is_acked {
                acknowledge(&jsm, &message, Answer::Ack, timeout).await?;
            }
        }
    }
}

/// Tells the server, and sees that it got there.
async fn acknowledge(
    jsm: &Jsm,
    message: &Message,
    answer: Answer,
    timeout: Duration,
) -> Result<()> {
    let Some(reply) = message.reply.clone() else {
        return Ok(());
    };
    let payload = answer.payload().to_vec();
    jsm.client().publish(reply, payload.into()).await?;
    match tokio::time::timeout(timeout, jsm.client().flush()).await {
        Ok(flushed) => Ok(flushed?),
        Err(_) => Err(Error::new(
            "the server did not take the acknowledgement in time",
        )),
    }
}

fn print(message: &Message, raw: bool) {
    if !raw {
        let delivery = message.reply.as_deref().and_then(Delivery::of);
        match delivery {
            Some(delivery) => say!(
                "[{}] subj: {} / tries: {} / cons seq: {} / str seq: {} / pending: {}",
                time::clock(),
                message.subject,
                delivery.deliveries,
                delivery.consumer_seq,
                delivery.stream_seq,
                number::grouped(delivery.pending)
            ),
            None => say!("[{}] subj: {}", time::clock(), message.subject),
        }
        if let Some(map) = message.headers.as_ref().filter(|map| !map.is_empty()) {
            say!("\nHeaders:\n");
            for (key, value) in headers::sorted(map) {
                say!("  {key}: {value}");
            }
            say!("\nData:");
        }
        say!();
    }
    let mut body = message.payload.to_vec();
    body.push(b'\n');
    match raw {
        true => output::print(&body),
        false => output::show_bytes(&body),
    }
}

/// Some part of a period.
fn random_part(period: Duration) -> Duration {
    let nanos = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    Duration::from_nanos(template::random() % nanos)
}
