//! `stream view`: a stream page by page.
//!
//! Every message is asked for by itself, the next one from a sequence on, so that streams of every
//! retention can be looked at and nothing is left behind at the server.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::message::{header_lines, print_body};
use crate::app::App;
use crate::commands::shared::pick::{self, Choice};
use crate::error::{Error, Result};
use crate::jsm::{Jsm, StoredMessage, StreamInfo, code};
use crate::output::{self, duration, prompt, terminal, time};
use crate::{note, say};

/// Most messages of a page.
const MAX_PAGE: usize = 25;

#[derive(clap::Args)]
pub(super) struct ViewArgs {
    /// Stream name
    stream: Option<String>,
    /// Page size <= 25
    #[arg(default_value_t = 10)]
    size: usize,
    /// Start at a specific message sequence
    #[arg(long, conflicts_with = "since")]
    id: Option<u64>,
    /// Delivers messages received since a duration like 1d3h5m2s
    #[arg(long, value_name = "DURATION", value_parser = duration::arg)]
    since: Option<Duration>,
    /// Show the raw data received
    #[arg(long)]
    raw: bool,
    /// Translate the message data by running it through the given command before output
    #[arg(long)]
    translate: Option<String>,
    /// Filter the stream using a subject
    #[arg(long)]
    subject: Option<String>,
}

impl ViewArgs {
    pub(super) async fn run(self, app: &App, choice: Choice) -> Result<()> {
        if !terminal::is_interactive() {
            return Err(
                Error::new("interactive stream paging requires a valid terminal")
                    .hint("`nats sub --stream NAME --all --terminate-at-end` prints everything."),
            );
        }
        let page = match self.size {
            0 => return Err(Error::new("a page has at least one message")),
            size if size > MAX_PAGE => {
                note!("Page size is limited to {MAX_PAGE}, setting to {MAX_PAGE}...");
                MAX_PAGE
            }
            size => size,
        };
        let jsm = app.jsm().await?;
        let info = pick::stream(&jsm, self.stream.as_deref(), choice).await?;
        let mut next = match (self.id, self.since) {
            (Some(id), _) => id,
            (None, Some(since)) => first_since(&jsm, &info, since).await?,
            (None, None) => info.state.first_seq,
        };
        let filter = self.subject.as_deref().unwrap_or(">");
        for shown in 0_usize.. {
            let Some(message) = message_from(&jsm, &info.config.name, next, filter).await? else {
                break;
            };
            if shown > 0
                && shown.is_multiple_of(page)
                && !prompt::yes_or_no("Next Page?", true, "a terminal")?
            {
                return Ok(());
            }
            self.print(&message).await?;
            next = message.seq.saturating_add(1);
        }
        note!("Reached apparent end of data");
        Ok(())
    }

    async fn print(&self, message: &StoredMessage) -> Result<()> {
        if self.raw {
            let mut body = STANDARD.decode(message.data.as_deref().unwrap_or_default())?;
            body.push(b'\n');
            output::print(&body);
            return Ok(());
        }
        say!(
            "[{}] Subject: {} Received: {}",
            message.seq,
            message.subject,
            time::local_text(&message.time)
        );
        let headers = header_lines(message)?;
        if !headers.is_empty() {
            say!();
            // A form feed separates the parts of a source's name.
            headers
                .iter()
                .for_each(|header| say!("  {}", header.replace('\u{c}', "\u{240a}")));
        }
        say!();
        print_body(message, self.translate.as_deref()).await?;
        say!();
        Ok(())
    }
}

/// The first message of a filter from a sequence on; `None` after the last one.
async fn message_from(
    jsm: &Jsm,
    stream: &str,
    sequence: u64,
    filter: &str,
) -> Result<Option<StoredMessage>> {
    let query = json!({ "seq": sequence.max(1), "next_by_subj": filter });
    match jsm.stored_message(stream, &query).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.api_code() == Some(code::NO_MESSAGE) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The sequence of the first message that is younger than a period: sequences and times grow
/// together, so halves are enough.
async fn first_since(jsm: &Jsm, info: &StreamInfo, since: Duration) -> Result<u64> {
    let start = Timestamp::now().checked_sub(SignedDuration::try_from(since)?)?;
    let (mut low, mut high) = (info.state.first_seq, info.state.last_seq.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let message = message_from(jsm, &info.config.name, middle, ">").await?;
        let is_old = message
            .as_ref()
            .and_then(|message| time::parse(&message.time))
            .is_some_and(|at| at < start);
        match message {
            Some(message) if is_old => low = message.seq.saturating_add(1),
            _ => high = middle,
        }
    }
    Ok(low)
}
