//! `nats request`: a request and its reply, or several, each with its round-trip time.
//!
//! Ends with 1 when nobody answers, so that scripts can tell.

use std::time::{Duration, Instant};

use async_nats::{Client, StatusCode, Subscriber};
use futures_util::StreamExt;

use crate::app::App;
use crate::commands::shared::body::BodyArgs;
use crate::commands::shared::template::{Fill, render, render_text};
use crate::commands::shared::{headers, translate};
use crate::error::{Error, Result};
use crate::output::{self, duration};
use crate::{note, say};

/// Generic request-reply request utility
///
/// Body and header values may use the templates of 'nats publish':
///
///   nats request test --count 10 "Message {{Count}} @ {{Time}}"
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RequestArgs {
    /// Subject to send the request to
    subject: String,

    #[command(flatten)]
    body: BodyArgs,

    /// Show just the output received
    #[arg(short, long)]
    pub(crate) raw: bool,

    /// Adds headers to the message using K:V format
    #[arg(short = 'H', long = "header", value_name = "K:V")]
    pub(crate) headers: Vec<String>,

    /// Publish multiple messages
    #[arg(long, default_value_t = 1)]
    pub(crate) count: u64,

    /// Wait for multiple replies from services. 0 waits until timeout
    #[arg(long, default_value_t = 1)]
    replies: u64,

    /// Maximum time between replies when waiting for more than one
    #[arg(long, default_value = "300ms", value_parser = duration::arg)]
    reply_timeout: Duration,

    /// Wait for multiple replies until an empty message is received
    #[arg(long)]
    wait_for_empty: bool,

    /// Translate the message data by running it through the given command before output
    #[arg(long)]
    pub(crate) translate: Option<String>,

    /// What is done anyhow, as the official tool's old scripts say it
    #[arg(short, long, hide = true)]
    wait: bool,
}

impl RequestArgs {
    /// A request with one reply, as other commands make it.
    pub(crate) fn one(subject: impl Into<String>, body: BodyArgs) -> Self {
        RequestArgs {
            subject: subject.into(),
            body,
            raw: false,
            headers: Vec::new(),
            count: 1,
            replies: 1,
            reply_timeout: Duration::from_millis(300),
            wait_for_empty: false,
            translate: None,
            wait: true,
        }
    }

    pub(crate) async fn run(self, app: &App) -> Result<()> {
        let client = app.connect().await?;
        let timeout = app.timeout()?;
        self.body
            .for_each(async |body| {
                for count in 1..=self.count.max(1) {
                    self.request(&client, timeout, &body, count).await?;
                }
                Ok(())
            })
            .await
    }

    async fn request(
        &self,
        client: &Client,
        timeout: Duration,
        body: &[u8],
        count: u64,
    ) -> Result<()> {
        let fill = Fill {
            count,
            request: None,
        };
        let (subject, body) = match self.body.no_templates {
            true => (self.subject.clone(), body.to_vec()),
            false => (render_text(&self.subject, fill)?, render(body, fill)?),
        };
        let mut sent = async_nats::HeaderMap::new();
        for (key, value) in headers::sorted(&headers::parse(&self.headers)?) {
            headers::add(&mut sent, &key, &render_text(&value, fill)?)?;
        }
        if !self.raw {
            note!("Sending request on {subject:?}");
        }
        let inbox = client.new_inbox();
        let replies = client.subscribe(inbox.clone()).await?;
        match sent.is_empty() {
            true => {
                client
                    .publish_with_reply(subject.clone(), inbox, body.into())
                    .await?
            }
            false => {
                client
                    .publish_with_reply_and_headers(subject.clone(), inbox, sent, body.into())
                    .await?
            }
        }
        match self.receive(replies, &subject, timeout).await? {
            0 => Err(Error::new(format!(
                "no reply on {subject:?} within {}",
                duration::human(timeout)
            ))
            .hint("--timeout waits longer.")),
            _ => Ok(()),
        }
    }

    /// Shows as many replies as are wanted, and returns how many came.
    async fn receive(
        &self,
        mut replies: Subscriber,
        subject: &str,
        timeout: Duration,
    ) -> Result<u64> {
        let started = Instant::now();
        let wanted = if self.wait_for_empty {
            u64::MAX
        } else {
            self.replies
        };
        let mut received = 0;
        let mut total = Duration::ZERO;
        let mut wait = timeout;
        while let Ok(Some(reply)) = tokio::time::timeout(wait, replies.next()).await {
            if reply.status == Some(StatusCode::NO_RESPONDERS) {
                return Err(Error::new(format!("No responders are available on {subject:?}"))
                    .hint("Does a service listen there? `nats service ls` shows the services, `nats reply` makes one."));
            }
            let rtt = started.elapsed();
            self.show(&reply, rtt).await?;
            received += 1;
            total += rtt;
            let ended_by_empty = wanted > 1 && reply.payload.is_empty();
            if (wanted > 0 && received == wanted) || ended_by_empty {
                break;
            }
            // Later replies get the mean of those so far and some more; without a wanted number,
            // the whole time is used.
            wait = match wanted {
                0 => timeout.saturating_sub(rtt),
                _ => total / u32::try_from(received).unwrap_or(u32::MAX) + self.reply_timeout,
            };
        }
        Ok(received)
    }

    async fn show(&self, reply: &async_nats::Message, rtt: Duration) -> Result<()> {
        if !self.raw {
            note!("Received with rtt {}", duration::human(rtt));
            for (key, value) in reply
                .headers
                .as_ref()
                .map(headers::sorted)
                .unwrap_or_default()
            {
                note!("{key}: {value}");
            }
        }
        let body = match &self.translate {
            Some(command) => translate::translate(command, &reply.subject, &reply.payload).await?,
            None => reply.payload.to_vec(),
        };
        match self.raw {
            true => output::print(&body),
            false => output::show_bytes(&body),
        }
        if !body.ends_with(b"\n") {
            say!();
        }
        if !self.raw {
            say!();
        }
        Ok(())
    }
}
