//! `nats subscribe`: messages as they come, from subjects or out of a stream, shown, dumped, counted
//! or drawn.
//!
//! ```text
//! core: subscriptions ─┐
//! stream: a consumer ──┼─▶ Event ─▶ Sink: printer, report or graph
//! direct: direct gets ─┘
//! ```

mod core;
mod direct;
mod live;
mod printer;
mod stream;

use std::time::{Duration, Instant};

use async_nats::HeaderMap;

use crate::app::App;
use crate::commands::shared::subjects;
use crate::error::{Error, Result};
use crate::jsm::Delivery;
use crate::output::duration;

/// Generic subscription client
///
/// JetStream is used when one of its options is: --stream, --durable, --all, --new, --last, --since,
/// --last-per-subject, --start-sequence, --direct:
///
///   nats sub <subject that a stream stores> --all
///
/// It uses an ephemeral consumer without acknowledgements; where those are needed, create a consumer
/// with 'nats consumer add'. 'nats stream view' inspects what is stored.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SubscribeArgs {
    /// Subjects to subscribe to
    subjects: Vec<String>,

    /// Subscribe to a named queue group
    #[arg(long)]
    queue: Option<String>,

    /// Use a durable consumer (requires JetStream)
    #[arg(long)]
    durable: Option<String>,

    /// Show the raw data received
    #[arg(short, long)]
    raw: bool,

    /// Translate the message data by running it through the given command before output
    #[arg(long)]
    translate: Option<String>,

    /// Acknowledge JetStream messages that have the correct metadata
    #[arg(long)]
    ack: bool,

    /// Match replies to requests
    #[arg(long)]
    match_replies: bool,

    /// Subscribes to a generated inbox
    #[arg(short, long)]
    inbox: bool,

    /// Quit after receiving this many messages
    #[arg(long, default_value_t = 0)]
    count: u64,

    /// Dump received messages to files, one file per message; - for standard output, null terminated
    #[arg(long, value_name = "DIRECTORY")]
    dump: Option<String>,

    /// Do not render any data, shows only headers
    #[arg(long)]
    headers_only: bool,

    /// Prints only the messages' subjects
    #[arg(long)]
    subjects_only: bool,

    /// Subjects for which messages are ignored
    #[arg(short = 'I', long = "ignore-subject", value_name = "SUBJECT")]
    ignore: Vec<String>,

    /// Unsubscribe after this amount of time without any traffic
    #[arg(long, value_parser = duration::arg)]
    wait: Option<Duration>,

    /// Report of active subjects receiving data
    #[arg(long)]
    report_subjects: bool,

    /// Report of active subscriptions receiving data
    #[arg(long)]
    report_subscriptions: bool,

    /// Number of subjects to show in reports
    #[arg(long, default_value_t = 10)]
    report_top: usize,

    /// Show timestamps in output
    #[arg(short, long, conflicts_with = "delta_time")]
    timestamp: bool,

    /// Show time since start in output
    #[arg(short, long)]
    delta_time: bool,

    /// Graph the rate of messages received
    #[arg(long)]
    graph: bool,

    #[command(flatten)]
    stream: StreamArgs,
}

/// What makes it a subscription to a stream.
#[derive(clap::Args)]
struct StreamArgs {
    /// Subscribe to a specific stream (requires JetStream)
    #[arg(long = "stream", value_name = "STREAM")]
    name: Option<String>,

    /// Starts at a specific Stream sequence (requires JetStream)
    #[arg(long, value_name = "SEQUENCE")]
    start_sequence: Option<u64>,

    /// Delivers all messages found in the Stream (requires JetStream)
    #[arg(long)]
    all: bool,

    /// Delivers only future messages (requires JetStream)
    #[arg(long)]
    new: bool,

    /// Delivers the most recent and all future messages (requires JetStream)
    #[arg(long)]
    last: bool,

    /// Delivers messages received since a duration like 1d3h5m2s (requires JetStream)
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    since: Option<Duration>,

    /// Deliver the most recent messages for each subject in the Stream (requires JetStream)
    #[arg(long)]
    last_per_subject: bool,

    /// Stops once all messages that are in the stream were received
    #[arg(short = 'T', long)]
    terminate_at_end: bool,

    /// Subscribe using batched direct gets instead of a consumer (requires JetStream)
    #[arg(long)]
    direct: bool,
}

/// A message on its way to the user.
struct Event {
    subject: String,
    /// The subscription it came by, if that is not its subject.
    filter: String,
    reply: Option<String>,
    headers: Option<HeaderMap>,
    body: Vec<u8>,
    /// Set for messages out of a stream.
    delivery: Option<Delivery>,
}

/// Whether more messages are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    More,
    Done,
}

/// Ends when there was no message for as long as is waited for; never without a limit.
async fn quiet(wait: Option<Duration>, since: Instant) {
    match wait {
        Some(wait) => tokio::time::sleep_until((since + wait).into()).await,
        None => std::future::pending().await,
    }
}

/// Where messages go, and when it is enough.
struct Sink {
    printer: printer::Printer,
    live: Option<live::Live>,
    ignore: Vec<String>,
    limit: u64,
    count: u64,
}

impl Sink {
    fn new(args: &SubscribeArgs) -> Result<Self> {
        let live = match (
            args.graph,
            args.report_subjects || args.report_subscriptions,
        ) {
            (true, _) => Some(live::Live::graph(args.subjects.clone())?),
            (_, true) => Some(live::Live::report(
                args.report_top,
                args.report_subscriptions,
            )?),
            _ => None,
        };
        let ignore = args
            .ignore
            .iter()
            .flat_map(|list| list.split(','))
            .map(|subject| subject.trim().to_owned());
        Ok(Sink {
            printer: printer::Printer::new(args)?,
            live,
            ignore: ignore.collect(),
            limit: args.count,
            count: 0,
        })
    }

    /// Takes a message, and the reply that belongs to it with `--match-replies`.
    async fn take(&mut self, event: Event, reply: Option<Event>) -> Result<Flow> {
        if self
            .ignore
            .iter()
            .any(|filter| subjects::matches(filter, &event.subject))
        {
            return Ok(Flow::More);
        }
        self.count += 1;
        match &mut self.live {
            Some(live) => live.count(&event),
            None => {
                self.printer
                    .print(&event, reply.as_ref(), self.count)
                    .await?
            }
        }
        Ok(if self.limit > 0 && self.count >= self.limit {
            Flow::Done
        } else {
            Flow::More
        })
    }

    /// Draws what is drawn once a second.
    fn tick(&mut self) {
        if let Some(live) = &mut self.live {
            live.draw();
        }
    }

    /// Shows the last state.
    fn finish(&mut self) {
        if let Some(live) = &mut self.live {
            live.finish();
        }
    }
}

impl SubscribeArgs {
    pub(crate) async fn run(mut self, app: &App) -> Result<()> {
        let in_stream = self.stream.is_wanted() || self.durable.is_some();
        self.check(in_stream)?;
        let client = app.connect().await?;
        if self.subjects.is_empty() && self.inbox {
            self.subjects.push(client.new_inbox());
        }
        let mut sink = Sink::new(&self)?;
        let started = Instant::now();
        sink.printer.start(started);
        let work = async {
            match in_stream {
                true => stream::run(&self, app, client, &mut sink).await,
                false => core::run(&self, app, client, &mut sink).await,
            }
        };
        let result = tokio::select! {
            result = work => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        sink.finish();
        result
    }

    fn check(&self, in_stream: bool) -> Result<()> {
        let stop = |text: &str| Err(Error::new(text));
        let no_subject = self.subjects.is_empty() && !self.inbox;
        match () {
            () if no_subject && self.stream.name.is_none() && self.durable.is_none() => {
                Err(Error::new("subject is required")
                    .hint("nats sub '>' shows everything; --stream reads a stream."))
            }
            () if self.durable.is_some() && self.stream.name.is_none() => {
                stop("--durable needs --stream")
            }
            () if self.durable.is_some() && !self.subjects.is_empty() => {
                stop("cannot specify both subjects and a durable consumer")
            }
            () if in_stream && self.subjects.len() > 1 => {
                stop("streams subscribe support only 1 subject")
            }
            () if self.stream.terminate_at_end && !in_stream => {
                stop("--terminate-at-end is only supported for JetStream subscriptions")
            }
            () if in_stream && self.inbox => {
                stop("generating inboxes is not compatible with JetStream subscriptions")
            }
            () if in_stream && self.queue.is_some() => {
                stop("queue group subscriptions are not supported with JetStream")
            }
            () if in_stream && self.match_replies => {
                stop("cannot enable --match-replies for JetStream streams")
            }
            () if self.stream.direct && self.durable.is_some() => {
                stop("cannot use direct get when a durable name is supplied")
            }
            () if self.dump.as_deref() == Some("-") && self.inbox => {
                stop("generating inboxes is not compatible with dumping to stdout")
            }
            () => Ok(()),
        }
    }

    /// Whether remarks about the work are wanted.
    fn is_talkative(&self) -> bool {
        (!self.raw && self.dump.is_none()) || self.inbox
    }
}

impl StreamArgs {
    fn is_wanted(&self) -> bool {
        self.name.is_some()
            || self.start_sequence.is_some()
            || self.all
            || self.new
            || self.last
            || self.since.is_some()
            || self.last_per_subject
            || self.direct
    }
}
