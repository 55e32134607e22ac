//! Core NATS: publish, subscribe, request and serve.

use std::time::{Duration, Instant};

use super::job::{Client, CommonArgs, Job};
use super::message::{ContentArgs, MessageArgs};
use super::pace::PaceArgs;
use crate::app::App;
use crate::commands::shared::{subjects, template};
use crate::connect::raw::{Block, Frame, Raw};
use crate::error::{Error, Result};
use crate::note;
use crate::output::histogram::Histogram;

/// The queue group of services, so that several share the work.
const SERVICE_QUEUE: &str = "bench-service";

/// One of so many publishes is timed: reading the clock costs as much as publishing.
const TIME_EVERY: u64 = 16;

/// A publisher that takes its time answers the server's PINGs this often.
const LISTEN_EVERY: Duration = Duration::from_secs(20);

/// How long a reply may take.
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(super) struct PubArgs {
    /// Subject to use for the benchmark
    #[arg(value_parser = subjects::arg)]
    subject: String,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    message: MessageArgs,
    #[command(flatten)]
    pace: PaceArgs,
}

#[derive(clap::Args)]
pub(super) struct SubArgs {
    /// Subject to use for the benchmark
    #[arg(value_parser = subjects::arg)]
    subject: String,
    #[command(flatten)]
    common: CommonArgs,
    /// Subscribe to all subjects of multi-subject mode
    #[arg(long)]
    multisubject: bool,
}

#[derive(clap::Args)]
pub(super) struct RequestArgs {
    /// Subject to use for the benchmark
    #[arg(value_parser = subjects::arg)]
    subject: String,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    content: ContentArgs,
    #[command(flatten)]
    pace: PaceArgs,
}

#[derive(clap::Args)]
pub(super) struct ServeArgs {
    /// Subject to use for the benchmark
    #[arg(value_parser = subjects::arg)]
    subject: String,
    #[command(flatten)]
    common: CommonArgs,
}

impl PubArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        let common = self.pace.applied_to(&self.common)?;
        let (body, headers) = (
            self.message.content.body(&common)?,
            self.message.content.header_block()?,
        );
        let mut settings = self.message.settings();
        settings.extend(self.pace.settings());
        settings.push(("subject", self.subject.clone()));
        let label = "Core NATS publisher";
        let job = Job {
            label,
            letter: 'P',
            verb: "publishing",
            settings,
            common: &common,
            each_gets_all: false,
        };
        job.run(app, |mut client| {
            let mut subjects = self.message.subjects(&self.subject, client.offset);
            let mut latencies = Histogram::default();
            // One subject is one frame, made once.
            let mut block = (!self.message.multisubject && !client.takes_its_time())
                .then(|| Block::new(self.subject.as_bytes(), &headers, &body));
            let mut heard = client.start();
            for at in 0..client.msgs {
                let before = (at % TIME_EVERY == 0).then(Instant::now);
                match &mut block {
                    Some(block) => client.raw.publish_block(block)?,
                    None => client.raw.publish(subjects.next(), b"", &headers, &body)?,
                }
                if let Some(before) = before {
                    latencies.record(nanos(before));
                }
                if client.takes_its_time() {
                    client.raw.flush()?;
                    if heard.elapsed() > LISTEN_EVERY {
                        client.raw.round_trip()?;
                        heard = Instant::now();
                    }
                }
                client.done(1);
            }
            if let Some(block) = &mut block {
                client.raw.flush_block(block)?;
            }
            client.raw.round_trip()?;
            let bytes = client.msgs * body.len() as u64;
            Ok(client.sample(bytes, latencies))
        })
    }
}

impl SubArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        let settings = vec![
            ("multi-subject", self.multisubject.to_string()),
            ("subject", self.subject.clone()),
        ];
        let subject = if self.multisubject {
            format!("{}.*", self.subject)
        } else {
            self.subject.clone()
        };
        let label = "Core NATS subscriber";
        let job = Job {
            label,
            letter: 'S',
            verb: "expecting",
            settings,
            common: &self.common,
            each_gets_all: true,
        };
        job.run(app, |mut client| {
            client.raw.subscribe(&subject, "", 1);
            client.raw.round_trip()?;
            client.start();
            let mut bytes = 0;
            for at in 0..client.msgs {
                let len = next_body(&mut client.raw)?;
                if at == 0 {
                    client.restart();
                }
                bytes += len as u64;
                client.done(1);
            }
            Ok(client.sample(bytes, Histogram::default()))
        })
    }
}

impl RequestArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        let common = self.pace.applied_to(&self.common)?;
        let (body, headers) = (self.content.body(&common)?, self.content.header_block()?);
        let mut settings = self.pace.settings();
        settings.push(("subject", self.subject.clone()));
        let label = "Core NATS service requester";
        let job = Job {
            label,
            letter: 'R',
            verb: "requesting",
            settings,
            common: &common,
            each_gets_all: false,
        };
        job.run(app, |mut client| {
            let inbox = inbox(app, &mut client, "")?;
            let mut latencies = Histogram::default();
            client.start();
            for _ in 0..client.msgs {
                let before = Instant::now();
                client
                    .raw
                    .publish(self.subject.as_bytes(), inbox.as_bytes(), &headers, &body)?;
                reply(&mut client.raw, |_| Ok(()))?;
                latencies.record(nanos(before));
                client.done(1);
            }
            let bytes = client.msgs * body.len() as u64;
            Ok(client.sample(bytes, latencies))
        })
    }
}

impl ServeArgs {
    pub(super) fn run(self, app: &App) -> Result<()> {
        let body = vec![b'x'; self.common.size()?];
        let settings = app.settings()?;
        note!(
            "Serving requests on {:?}, hit control-c to stop",
            self.subject
        );
        std::thread::scope(|scope| {
            let serve = |number: u64| -> Result<()> {
                let mut raw = Raw::connect(settings)?;
                raw.subscribe(&self.subject, SERVICE_QUEUE, 1);
                raw.round_trip()?;
                note!("[{}] Starting Core NATS service server", number + 1);
                let mut to = Vec::new();
                loop {
                    if let Some(Frame::Message(message)) = raw.next()? {
                        to.clear();
                        to.extend_from_slice(message.reply);
                    }
                    if !to.is_empty() {
                        raw.publish(&to, b"", b"", &body)?;
                        to.clear();
                    }
                    if let Some(sleep) = self.common.sleep {
                        std::thread::sleep(sleep);
                    }
                }
            };
            let threads: Vec<_> = (0..self.common.clients)
                .map(|number| scope.spawn(move || serve(number)))
                .collect();
            let ends = threads.into_iter().map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Error::new("a server thread ended unexpectedly")))
            });
            ends.collect()
        })
    }
}

/// Subscribes to an inbox of the client's own, or to what is below it.
pub(super) fn inbox(app: &App, client: &mut Client<'_>, below: &str) -> Result<String> {
    let prefix = match app.settings()?.context.inbox_prefix.as_str() {
        "" => "_INBOX",
        prefix => prefix,
    };
    let inbox = format!("{prefix}.{}{}", template::id(), client.number);
    let filter = match below {
        "" => inbox.clone(),
        below => format!("{inbox}.{below}"),
    };
    client.raw.subscribe(&filter, "", 1);
    client.raw.round_trip()?;
    Ok(inbox)
}

/// Writes what has gathered and waits for one reply.
pub(super) fn reply<T>(
    raw: &mut Raw,
    read: impl Fn(&crate::connect::raw::Message<'_>) -> Result<T>,
) -> Result<T> {
    raw.flush()?;
    raw.set_timeout(Some(REPLY_PATIENCE))?;
    loop {
        match raw.next()? {
            Some(Frame::Message(message)) => {
                if message.status() == Some(503) {
                    return Err(Error::new("nobody answers there: no responders"));
                }
                return read(&message);
            }
            Some(Frame::Pong) => {}
            None => return Err(Error::new("no reply in time")),
        }
    }
}

/// Waits for a message; its size.
fn next_body(raw: &mut Raw) -> Result<usize> {
    loop {
        if let Some(Frame::Message(message)) = raw.next()? {
            return Ok(message.body.len());
        }
    }
}

/// Nanoseconds since a time.
pub(super) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
