//! `nats events`: advisories, metrics and connections as they happen, or as a stream has kept them.
//!
//! [`render`] turns an event into text; JSON goes through untouched, a line each. Servers' events
//! reach the system account only, JetStream's the account they are about.

mod render;

use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::{StreamExt, stream::SelectAll};
use regex::bytes::{Regex, RegexBuilder};

use crate::app::App;
use crate::error::{Context, Error, Result};
use crate::jsm::ConsumerConfig;
use crate::output::{duration, time};
use crate::{output, say};

/// Subjects that servers publish connections and failed logins on.
const SERVER_EVENTS: [(&str, &str); 3] = [
    ("Client Connection events", "$SYS.ACCOUNT.*.CONNECT"),
    ("Client Disconnection events", "$SYS.ACCOUNT.*.DISCONNECT"),
    (
        "Authentication Errors events",
        "$SYS.SERVER.*.CLIENT.AUTH.ERR",
    ),
];

/// How long a consumer of a stream may be idle before the server removes it.
const INACTIVE: Duration = Duration::from_secs(60);

/// Messages of a stream that are asked for at a time.
const BATCH: u64 = 100;

/// Show Advisories and Events
#[derive(clap::Args)]
pub(crate) struct EventsArgs {
    /// Show all events
    #[arg(short, long)]
    all: bool,

    /// Produce JSON output
    #[arg(short, long)]
    json: bool,

    /// Produce CloudEvents v1 output
    #[arg(long)]
    cloudevent: bool,

    /// Short event format
    #[arg(long)]
    short: bool,

    /// Filter across the entire event using regular expressions
    #[arg(long, value_name = "REGEX", value_parser = any_case)]
    filter: Option<Regex>,

    /// Shows JetStream metric events
    #[arg(long)]
    js_metric: bool,

    /// Shows JetStream advisory events
    #[arg(long)]
    js_advisory: bool,

    /// Don't show events of the server: connections and failed logins
    #[arg(long)]
    no_srv_advisory: bool,

    /// Show Advisories and Metrics received on specific subjects
    #[arg(long, value_name = "SUBJECT")]
    subjects: Vec<String>,

    /// Reads events from a Stream only
    #[arg(long)]
    stream: Option<String>,

    /// When reading a Stream reads from a certain duration ago
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    since: Option<Duration>,

    /// End after this many events
    #[arg(long, value_name = "EVENTS")]
    count: Option<u64>,
}

fn any_case(text: &str) -> std::result::Result<Regex, String> {
    let built = RegexBuilder::new(text).case_insensitive(true).build();
    built.map_err(|error| error.to_string())
}

impl EventsArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let is_selected =
            self.all || self.js_advisory || self.js_metric || !self.subjects.is_empty();
        match &self.stream {
            Some(_) if is_selected => Err(Error::new(
                "cannot specify both Stream and specific advisories or extra subjects",
            )),
            Some(stream) => self.of_stream(app, stream).await,
            None if !is_selected && self.no_srv_advisory => {
                Err(Error::new("no events were chosen")
                    .hint("Choose some with --all, --js-advisory, --js-metric or --subjects."))
            }
            None => self.live(app).await,
        }
    }

    fn subjects(&self, app: &App) -> Result<Vec<(String, String)>> {
        let prefix = app.settings()?.event_prefix();
        let mut subjects = Vec::new();
        if self.js_advisory || self.all {
            subjects.push(("Advisories".to_owned(), format!("{prefix}.ADVISORY.>")));
        }
        if self.js_metric || self.all {
            subjects.push(("Metrics".to_owned(), format!("{prefix}.METRIC.>")));
        }
        if !self.no_srv_advisory || self.all {
            subjects.extend(SERVER_EVENTS.map(|(what, on)| (what.to_owned(), on.to_owned())));
        }
        let extra = self.subjects.iter();
        subjects.extend(extra.map(|subject| ("advisories".to_owned(), subject.clone())));
        Ok(subjects)
    }

    async fn live(&self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let mut events = SelectAll::new();
        for (what, subject) in self.subjects(app)? {
            events.push(client.subscribe(subject.clone()).await?);
            self.say(&format!("Listening for {what} on {subject}"));
        }
        app.finish(&client).await?;
        self.show_all(events).await
    }

    async fn of_stream(&self, app: &App, name: &str) -> Result<()> {
        let jsm = app.jsm().await?;
        let mut config = ConsumerConfig {
            deliver_policy: "all".into(),
            replay_policy: "instant".into(),
            ack_policy: "none".into(),
            inactive_threshold: duration::nanos(INACTIVE),
            num_replicas: 1,
            mem_storage: true,
            ..ConsumerConfig::default()
        };
        let mut from = String::new();
        if let Some(since) = self.since {
            let start = jiff::Timestamp::now()
                .checked_sub(jiff::SignedDuration::try_from(since)?)
                .context("--since is too long ago")?;
            from = format!(" since {}", time::local(start));
            config.deliver_policy = "by_start_time".into();
            config.opt_start_time = Some(start.to_string());
        }
        let consumer = jsm.create_consumer(name, &config, "").await?;
        let mut messages = jsm.messages(&consumer, BATCH).await?;
        self.say(&format!("Listening for Events in stream {name}{from}"));
        let mut shown = 0;
        while self.count.is_none_or(|count| shown < count) {
            let message = messages.next(None).await?.context("the connection ended")?;
            shown += u64::from(self.show_wanted(&message));
        }
        Ok(())
    }

    async fn show_all(&self, mut events: SelectAll<Subscriber>) -> Result<()> {
        let mut shown = 0;
        while self.count.is_none_or(|count| shown < count) {
            let message = events.next().await.context("the connection ended")?;
            shown += u64::from(self.show_wanted(&message));
        }
        Ok(())
    }

    /// Shows an event unless it is filtered out; whether it was.
    fn show_wanted(&self, message: &Message) -> bool {
        let filter = self.filter.as_ref();
        let is_wanted = filter.is_none_or(|filter| filter.is_match(&message.payload));
        if is_wanted {
            self.show(message);
        }
        is_wanted
    }

    fn show(&self, message: &Message) {
        if self.json && !self.cloudevent {
            output::show_bytes(&message.payload);
            say!();
            return;
        }
        let shown = match (self.cloudevent, self.short) {
            (true, _) => render::cloud_event(&message.payload),
            (false, true) => render::short(&message.payload),
            (false, false) => render::long(&message.payload),
        };
        match shown {
            Ok(text) => say!("{text}"),
            Err(error) => {
                let text = String::from_utf8_lossy(&message.payload);
                let text: Vec<String> = text
                    .lines()
                    .map(|line| format!("          {line}"))
                    .collect();
                say!(
                    "Event error on {}: {error}\n\n{}",
                    message.subject,
                    text.join("\n")
                );
            }
        }
    }

    /// What is being done, unless every line must be JSON.
    fn say(&self, text: &str) {
        if !self.json && !self.cloudevent {
            say!("{text}");
        }
    }
}
