//! Atomic batches: messages that a stream stores together or not at all.
//!
//! Every message carries the batch's id and its own place in it; the last one commits. The first is
//! sent as a request, so that a server that knows no batches, or a stream that allows none, is
//! noticed before anything else is sent.

use async_nats::{Client, HeaderMap};

use super::{PubAck, read_ack};
use crate::app::App;
use crate::commands::shared::{headers, template};
use crate::error::{Context, Error, Result};
use crate::note;

/// Messages of a batch that servers take by default.
const MAX_BATCH: usize = 1000;

/// Messages that wait for the commit.
#[derive(Default)]
pub(super) struct Batch {
    messages: Vec<(String, HeaderMap, Vec<u8>)>,
}

impl Batch {
    /// Adds a message, unless there are too many already: they wait in memory.
    pub(super) fn add(
        &mut self,
        subject: String,
        headers: HeaderMap,
        body: Vec<u8>,
        quiet: bool,
    ) -> Result<()> {
        if self.messages.len() >= MAX_BATCH {
            return Err(Error::new(format!(
                "there are too many messages for one batch: at most {MAX_BATCH}"
            )));
        }
        if !quiet {
            note!(
                "Adding {} bytes to batch on subject {subject:?}",
                body.len()
            );
        }
        self.messages.push((subject, headers, body));
        Ok(())
    }

    /// Sends everything and waits for the acknowledgement of the whole.
    pub(super) async fn commit(self, app: &App, client: &Client) -> Result<PubAck> {
        let count = self.messages.len();
        if count == 0 {
            return Err(Error::new("there are no messages to publish"));
        }
        let id = template::id();
        for (at, (subject, mut batch_headers, body)) in self.messages.into_iter().enumerate() {
            let is_last = at + 1 == count;
            headers::add(&mut batch_headers, "Nats-Batch-Id", &id)?;
            headers::add(
                &mut batch_headers,
                "Nats-Batch-Sequence",
                &(at + 1).to_string(),
            )?;
            if is_last {
                headers::add(&mut batch_headers, "Nats-Batch-Commit", "1")?;
            }
            if !is_last && at > 0 {
                client
                    .publish_with_headers(subject, batch_headers, body.into())
                    .await?;
                continue;
            }
            let request = async_nats::Request::new()
                .headers(batch_headers)
                .payload(body.into())
                .timeout(Some(app.timeout()?));
            let answer = client
                .send_request(subject.clone(), request)
                .await
                .context(format!("batch on {subject:?}"))?;
            if is_last {
                return read_ack(&answer.payload);
            }
            if !answer.payload.is_empty() {
                read_ack(&answer.payload)?;
                return Err(Error::new(format!(
                    "{subject:?} is stored without knowing of batches"
                ))
                .hint(
                    "Atomic batches need a server of version 2.12 and a stream with --allow-batch.",
                ));
            }
        }
        Err(Error::new("the batch was not committed"))
    }
}
