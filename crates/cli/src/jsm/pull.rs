//! Messages of a consumer: pulled in batches, or as they are pushed.
//!
//! One request waits at the server at a time; it is renewed when it is used up or has expired.
//! Statuses of the server are handled here and never handed out as messages.

use std::time::{Duration, Instant};

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::json;

use super::{ConsumerInfo, Jsm};
use crate::error::{Error, Result};

/// How long a request for messages waits at the server.
const EXPIRES: Duration = Duration::from_secs(30);

/// A consumer's messages, one after the other.
pub(crate) struct Messages {
    client: Client,
    incoming: Subscriber,
    inbox: String,
    /// The subject of pull requests; a push consumer has none.
    next: Option<String>,
    batch: u64,
    outstanding: u64,
    requested: Option<Instant>,
}

impl Jsm {
    /// The messages of a consumer, asked for `batch` at a time.
    pub(crate) async fn messages(&self, info: &ConsumerInfo, batch: u64) -> Result<Messages> {
        let client = self.client().clone();
        let config = &info.config;
        let push = !config.deliver_subject.is_empty();
        let inbox = if push {
            config.deliver_subject.clone()
        } else {
            client.new_inbox()
        };
        let incoming = match config.deliver_group.as_str() {
            group if push && !group.is_empty() => {
                client
                    .queue_subscribe(inbox.clone(), group.to_owned())
                    .await?
            }
            _ => client.subscribe(inbox.clone()).await?,
        };
        let call = format!("CONSUMER.MSG.NEXT.{}.{}", info.stream_name, info.name);
        let next = (!push).then(|| self.subject(&call));
        Ok(Messages {
            client,
            incoming,
            inbox,
            next,
            batch: batch.max(1),
            outstanding: 0,
            requested: None,
        })
    }
}

impl Messages {
    /// The next message, or `None` if there is none within `wait`.
    pub(crate) async fn next(&mut self, wait: Option<Duration>) -> Result<Option<Message>> {
        let deadline = wait.map(|wait| Instant::now() + wait);
        loop {
            self.request().await?;
            // Looks up once in a while to renew a request that has expired unanswered.
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let patience = left.unwrap_or(EXPIRES).min(EXPIRES);
            let Ok(message) = tokio::time::timeout(patience, self.incoming.next()).await else {
                if left.is_some_and(|left| left <= patience) {
                    return Ok(None);
                }
                self.outstanding = 0;
                continue;
            };
            let Some(message) = message else {
                return Err(Error::new("the connection was closed"));
            };
            match message.status.map(|status| status.as_u16()) {
                None | Some(200) => {
                    self.outstanding = self.outstanding.saturating_sub(1);
                    return Ok(Some(message));
                }
                Some(status) => self.handle_status(status, &message).await?,
            }
        }
    }

    async fn request(&mut self) -> Result<()> {
        let expired = self.requested.is_none_or(|at| at.elapsed() > EXPIRES);
        let Some(next) = self
            .next
            .clone()
            .filter(|_| self.outstanding == 0 || expired)
        else {
            return Ok(());
        };
        let expires = crate::output::duration::nanos(EXPIRES);
        let body = serde_json::to_vec(&json!({ "batch": self.batch, "expires": expires }))?;
        self.client
            .publish_with_reply(next, self.inbox.clone(), body.into())
            .await?;
        self.outstanding = self.batch;
        self.requested = Some(Instant::now());
        Ok(())
    }

    async fn handle_status(&mut self, status: u16, message: &Message) -> Result<()> {
        match status {
            // Flow control and heartbeats of push consumers.
            100 => {
                if let Some(reply) = message.reply.clone() {
                    self.client.publish(reply, Vec::new().into()).await?;
                }
            }
            404 | 408 => self.outstanding = 0,
            409 if is_temporary(message) => self.outstanding = 0,
            503 => {
                return Err(Error::new(
                    "the consumer does not answer any more: it is gone or has no leader",
                ));
            }
            _ => {
                let text = message.description.as_deref().unwrap_or("refused");
                return Err(Error::new(format!("the consumer says: {text}")));
            }
        }
        Ok(())
    }
}

fn is_temporary(message: &Message) -> bool {
    let text = message.description.as_deref().unwrap_or_default();
    [
        "Batch Completed",
        "Leadership Change",
        "Server Shutdown",
        "MaxBytes",
    ]
    .iter()
    .any(|known| text.contains(known))
}
