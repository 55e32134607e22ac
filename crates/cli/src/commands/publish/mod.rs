//! `nats publish`: messages to a subject, or into a stream with `--jetstream`, `--atomic` and
//! `--schedule-…`.
//!
//! With `--jetstream` every message waits for its acknowledgement, and a refusal ends the command;
//! without, the server's taking everything in is what success means.

mod atomic;
mod schedule;

use std::time::Duration;

use async_nats::{Client, HeaderMap};
use serde::Deserialize;

use crate::app::App;
use crate::commands::shared::body::BodyArgs;
use crate::commands::shared::headers;
use crate::commands::shared::template::{Fill, render, render_text};
use crate::error::{Context, Error, Result};
use crate::jsm::ApiError;
use crate::note;
use crate::output::progress::{Progress, Unit};
use crate::output::{duration, number};

/// Messages after which a progress bar is shown instead of a line each.
const BAR_ABOVE: u64 = 20;

/// Generic data publish utility
///
/// Body and header values may use templates to create unique messages:
///
///   nats pub test --count 10 "Message {{Count}} @ {{Time}}"
///
/// There are Count (the message number), TimeStamp (RFC3339), Unix, UnixNano, Time, ID (a unique
/// id) and Random(min, max) (a random text).
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PublishArgs {
    /// Subject to publish to
    subject: String,

    #[command(flatten)]
    body: BodyArgs,

    /// Sets a custom reply to subject
    #[arg(long, value_name = "SUBJECT")]
    reply: Option<String>,

    /// Adds headers to the message using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    headers: Vec<String>,

    /// Atomic batch publish to JetStream (implies --jetstream)
    #[arg(long)]
    atomic: bool,

    /// Publish multiple messages
    #[arg(long, default_value_t = 1)]
    count: u64,

    /// Publish messages to JetStream
    #[arg(short = 'J', long)]
    jetstream: bool,

    /// Show just the output received
    #[arg(short, long)]
    quiet: bool,

    /// When publishing multiple messages, sleep between publishes
    #[arg(long, value_parser = duration::arg)]
    sleep: Option<Duration>,

    #[command(flatten)]
    schedule: schedule::ScheduleArgs,
}

/// What the server says about a message it stored.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PubAck {
    pub(crate) stream: String,
    pub(crate) seq: u64,
    pub(crate) domain: String,
    pub(crate) duplicate: bool,
    #[serde(rename = "val")]
    pub(crate) value: Option<String>,
    pub(crate) batch: String,
    pub(crate) count: u64,
}

impl PublishArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let schedule = self.schedule.headers()?;
        if self.atomic && schedule.is_some() {
            return Err(Error::new("--atomic and --schedule-… cannot be combined"));
        }
        let client = app.connect().await?;
        let in_stream = self.jetstream || self.atomic || schedule.is_some();
        if in_stream && self.reply.is_some() {
            return Err(Error::new(
                "--reply cannot be combined with JetStream: the reply is the acknowledgement",
            ));
        }
        let mut batch = atomic::Batch::default();
        let all = self.body.body.is_some() && self.count > BAR_ABOVE && !self.atomic;
        let mut bar = Progress::new("Publishing", self.count, Unit::Items, all && !self.quiet);
        let quiet = self.quiet || (all && bar.is_visible());
        self.body
            .for_each(async |body| {
                for count in 1..=self.count.max(1) {
                    let (subject, body, mut headers) = self.message(&body, count)?;
                    if let Some(schedule) = &schedule {
                        schedule
                            .iter()
                            .try_for_each(|(key, value)| headers::add(&mut headers, key, value))?;
                    }
                    match () {
                        () if self.atomic => batch.add(subject, headers, body, quiet)?,
                        () if in_stream => {
                            let ack = store(app, &client, &subject, headers, body, quiet).await?;
                            describe(&ack, quiet);
                        }
                        () => self.send(&client, subject, headers, body, quiet).await?,
                    }
                    bar.add(1);
                    if let Some(sleep) = self.sleep.filter(|_| count < self.count) {
                        tokio::time::sleep(sleep).await;
                    }
                }
                Ok(())
            })
            .await?;
        if self.atomic {
            let ack = batch.commit(app, &client).await?;
            if !self.quiet {
                let (count, sequence) = (number::grouped(ack.count), number::grouped(ack.seq));
                note!(
                    "Wrote batch ID: {} Messages: {count} Sequence: {sequence}{}",
                    ack.batch,
                    remarks(&ack)
                );
            }
        }
        bar.finish();
        app.finish(&client).await
    }

    /// Subject, body and headers of a message, templates filled.
    fn message(&self, body: &[u8], count: u64) -> Result<(String, Vec<u8>, HeaderMap)> {
        let fill = Fill {
            count,
            request: None,
        };
        let mut headers = HeaderMap::new();
        for (key, value) in headers::sorted(&headers::parse(&self.headers)?) {
            headers::add(&mut headers, &key, &render_text(&value, fill)?)?;
        }
        if self.body.no_templates {
            return Ok((self.subject.clone(), body.to_vec(), headers));
        }
        Ok((
            render_text(&self.subject, fill)?,
            render(body, fill)?,
            headers,
        ))
    }

    async fn send(
        &self,
        client: &Client,
        subject: String,
        headers: HeaderMap,
        body: Vec<u8>,
        quiet: bool,
    ) -> Result<()> {
        let line = (!quiet).then(|| format!("Published {} bytes to {subject:?}", body.len()));
        let body = body.into();
        match (&self.reply, headers.is_empty()) {
            (None, true) => client.publish(subject, body).await?,
            (None, false) => client.publish_with_headers(subject, headers, body).await?,
            (Some(reply), true) => {
                client
                    .publish_with_reply(subject, reply.clone(), body)
                    .await?
            }
            (Some(reply), false) => {
                client
                    .publish_with_reply_and_headers(subject, reply.clone(), headers, body)
                    .await?;
            }
        }
        if let Some(line) = line {
            note!("{line}");
        }
        Ok(())
    }
}

/// Publishes into a stream and waits for the acknowledgement.
pub(crate) async fn store(
    app: &App,
    client: &Client,
    subject: &str,
    headers: HeaderMap,
    body: Vec<u8>,
    quiet: bool,
) -> Result<PubAck> {
    if !quiet {
        note!("Published {} bytes to {subject:?}", body.len());
    }
    let request = async_nats::Request::new()
        .headers(headers)
        .payload(body.into())
        .timeout(Some(app.timeout()?));
    let answer = client
        .send_request(subject.to_owned(), request)
        .await
        .map_err(|error| match error.kind() {
            async_nats::RequestErrorKind::NoResponders => Error::new(format!(
                "no stream stores {subject:?}"
            ))
            .hint(
                "`nats stream add` makes one, `nats stream ls --subject` finds those that listen.",
            ),
            _ => Error::new(format!("{subject:?} was not acknowledged: {error}")),
        })?;
    if app.settings()?.trace {
        note!("<<< {}", String::from_utf8_lossy(&answer.payload));
    }
    read_ack(&answer.payload).context(format!("storing into {subject:?}"))
}

/// Reads a PubAck, or the error in its place.
pub(crate) fn read_ack(answer: &[u8]) -> Result<PubAck> {
    if let Some(error) = ApiError::of(answer) {
        return Err(error.into());
    }
    serde_json::from_slice(answer).context("the answer is no acknowledgement")
}

fn describe(ack: &PubAck, quiet: bool) {
    if !quiet {
        note!(
            "Stored in Stream: {} Sequence: {}{}",
            ack.stream,
            number::grouped(ack.seq),
            remarks(ack)
        );
    }
}

fn remarks(ack: &PubAck) -> String {
    let mut text = String::new();
    if !ack.domain.is_empty() {
        text.push_str(&format!(" Domain: {:?}", ack.domain));
    }
    if ack.duplicate {
        text.push_str(" Duplicate: true");
    }
    if let Some(value) = &ack.value {
        text.push_str(&format!(" Counter Value: {value}"));
    }
    text
}
