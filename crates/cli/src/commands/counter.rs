//! `nats counter`: totals that many may add to, kept in streams that allow it.
//!
//! A counter is a subject. Its last message holds the total as `{"val": "…"}`; adding is publishing
//! an empty message with the header `Nats-Incr`. Values are integers of any size, so they stay text.

use std::collections::BTreeMap;

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::app::App;
use crate::commands::publish::store;
use crate::commands::shared::{headers, subjects};
use crate::error::{Context, Error, Result};
use crate::jsm::{Jsm, StreamInfo, code};
use crate::output::columns::Columns;
use crate::output::json as json_output;
use crate::say;

/// Access distributed Counters
#[derive(clap::Args)]
pub(crate) struct CounterArgs {
    #[command(subcommand)]
    command: CounterCommand,
}

#[derive(clap::Subcommand)]
enum CounterCommand {
    /// Gets the current value for a counter
    #[command(visible_alias = "g")]
    Get(ReadArgs),
    /// View the full counter metadata
    #[command(visible_alias = "v")]
    View(ReadArgs),
    /// Increment the value of a counter
    #[command(visible_alias = "incr", visible_alias = "inc", visible_alias = "i")]
    Increment(AddArgs),
    /// Decrement the value of a counter
    #[command(visible_alias = "decr", visible_alias = "dec", visible_alias = "d")]
    Decrement(AddArgs),
    /// List Counters in a stream
    #[command(visible_alias = "ls", visible_alias = "l")]
    List(ListArgs),
}

#[derive(clap::Args)]
struct ReadArgs {
    /// The subject of the counter
    subject: String,
    /// The stream that holds it; found by the subject otherwise
    #[arg(long)]
    stream: Option<String>,
}

#[derive(clap::Args)]
struct AddArgs {
    /// The subject of the counter
    subject: String,
    /// The value to add or take away
    #[arg(allow_hyphen_values = true)]
    value: String,
    /// The stream that has to hold it
    #[arg(long)]
    stream: Option<String>,
}

#[derive(clap::Args)]
struct ListArgs {
    /// Limits the list to counters with these subjects
    subject: Option<String>,
    /// The stream to list the counters of
    #[arg(long)]
    stream: Option<String>,
    /// Produce JSON output
    #[arg(short, long)]
    json: bool,
}

struct Counter {
    value: String,
    increment: Option<String>,
    sources: BTreeMap<String, BTreeMap<String, String>>,
}

impl CounterArgs {
    pub(crate) async fn run(self, app: &App) -> Result<()> {
        match self.command {
            CounterCommand::Get(args) => {
                say!("{}", args.read(app).await?.value);
                Ok(())
            }
            CounterCommand::View(args) => {
                let counter = args.read(app).await?;
                view(&args.subject, &counter);
                Ok(())
            }
            CounterCommand::Increment(args) => args.add(app, '+').await,
            CounterCommand::Decrement(args) => args.add(app, '-').await,
            CounterCommand::List(args) => args.run(app).await,
        }
    }
}

impl ReadArgs {
    async fn read(&self, app: &App) -> Result<Counter> {
        let jsm = app.jsm().await?;
        let info = counters(&jsm, self.stream.as_deref(), Some(&self.subject)).await?;
        let query = json!({ "last_by_subj": self.subject });
        let message = match jsm.stored_message(&info.config.name, &query).await {
            Err(error) if error.api_code() == Some(code::NO_MESSAGE) => {
                return Err(Error::new(format!(
                    "counter not initialized for subject: {}",
                    self.subject
                ))
                .hint("`nats counter increment` counts for the first time."));
            }
            result => result?,
        };
        #[derive(Deserialize)]
        struct Value {
            val: String,
        }
        let decode = |text: &Option<String>| STANDARD.decode(text.as_deref().unwrap_or_default());
        let value: Value =
            serde_json::from_slice(&decode(&message.data)?).context("the message is no counter")?;
        let text = String::from_utf8_lossy(&decode(&message.hdrs)?).into_owned();
        let header = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once(':').filter(|(key, _)| *key == name))
                .map(|(_, value)| value.trim())
        };
        let sources = header("Nats-Counter-Sources")
            .map(serde_json::from_str)
            .transpose()?;
        Ok(Counter {
            value: value.val,
            increment: header("Nats-Incr").map(str::to_owned),
            sources: sources.unwrap_or_default(),
        })
    }
}

/// The stream with counters that is named or listens to a subject.
async fn counters(jsm: &Jsm, stream: Option<&str>, subject: Option<&str>) -> Result<StreamInfo> {
    let name = match (stream, subject) {
        (Some(stream), _) => stream.to_owned(),
        (None, Some(subject)) => {
            let names = jsm.stream_names(Some(subject)).await?;
            let found = names.into_iter().next();
            found.context(format!("no stream found with subject: {subject}"))?
        }
        (None, None) => {
            return Err(
                Error::new("no stream or subject specified").hint("Name one, or use --stream.")
            );
        }
    };
    let info = jsm.stream_info(&name).await?;
    if !info.config.allow_msg_counter {
        return Err(Error::new(format!("stream {name} holds no counters"))
            .hint("A stream for counters is made with `nats stream add --allow-counter`."));
    }
    Ok(info)
}

fn view(subject: &str, counter: &Counter) {
    let mut page = Columns::new(format!("Counter {subject}"));
    page.row("Value", &counter.value);
    page.row_opt("Increment", counter.increment.as_ref());
    page.row("Subject", subject);
    if counter.sources.is_empty() {
        page.text(" No source information found");
    } else {
        page.section("Sources");
        for (stream, subjects) in &counter.sources {
            for (subject, value) in subjects {
                page.row(format!("{stream} > {subject}"), value);
            }
        }
    }
    page.print();
}

impl AddArgs {
    async fn add(&self, app: &App, sign: char) -> Result<()> {
        let digits = self.value.strip_prefix(['+', '-']).unwrap_or(&self.value);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(format!("invalid value {:?}", self.value))
                .hint("A counter takes whole numbers."));
        }
        let is_negative = self.value.starts_with('-') != (sign == '-');
        let sign = if is_negative { '-' } else { '+' };
        let mut increment = HeaderMap::new();
        headers::add(&mut increment, "Nats-Incr", &format!("{sign}{digits}"))?;
        let client = app.connect().await?;
        if let Some(stream) = &self.stream {
            let jsm = app.jsm_on(client.clone())?;
            let info = counters(&jsm, Some(stream), None).await?;
            let is_held = |filter: &String| subjects::matches(filter, &self.subject);
            if !info.config.subjects.iter().any(is_held) {
                return Err(Error::new(format!(
                    "stream {stream} does not listen to {}",
                    self.subject
                )));
            }
        }
        let ack = store(app, &client, &self.subject, increment, Vec::new(), true).await?;
        let value = ack
            .value
            .context(format!("stream {} stored it without counting", ack.stream))?;
        say!("{value}");
        Ok(())
    }
}

impl ListArgs {
    async fn run(self, app: &App) -> Result<()> {
        let jsm = app.jsm().await?;
        let info = counters(&jsm, self.stream.as_deref(), self.subject.as_deref()).await?;
        let filter = self.subject.as_deref().unwrap_or(">");
        let found = jsm.stream_subjects(&info.config.name, filter).await?;
        let subjects: Vec<String> = found.into_keys().collect();
        if self.json {
            return json_output::print(&subjects);
        }
        subjects.iter().for_each(|subject| say!("{subject}"));
        Ok(())
    }
}
