//! JetStream's management API: raw requests with typed answers.
//!
//! A thin layer: one method per API call, no cache and no state beside the connection. Types keep the
//! fields they don't know, so that what a newer server says survives being read and written. The
//! server decides what is valid; nothing is checked here that it checks. Messages of streams travel
//! through the connection itself or async-nats, not through here.

mod api_error;
mod config_file;
mod consumer;
mod consumers;
mod delivery;
mod manage;
mod pull;
mod stream;
mod streams;

pub(crate) use api_error::{ApiError, code};
pub(crate) use config_file::{read_consumer_config, read_stream_config};
pub(crate) use consumer::{ConsumerConfig, ConsumerInfo, PriorityGroupState, SequencePair};
pub(crate) use delivery::Delivery;
pub(crate) use manage::{Pause, StreamList};
pub(crate) use pull::Messages;
pub(crate) use stream::{
    Alternate, Choice, ClusterInfo, ConsumerLimits, ExternalStream, LostMessages, PeerInfo,
    Placement, Republish, StoredMessage, StreamConfig, StreamInfo, StreamSource, StreamSourceInfo,
    StreamState, SubjectTransform,
};

use std::time::Duration;

use async_nats::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Context, Error, Result};

/// JetStream as one connection sees it.
#[derive(Clone)]
pub(crate) struct Jsm {
    client: Client,
    prefix: String,
    timeout: Duration,
    trace: bool,
}

impl Jsm {
    /// JetStream below `prefix`, as in `$JS.API`.
    pub(crate) fn new(client: Client, prefix: String, timeout: Duration, trace: bool) -> Self {
        Jsm {
            client,
            prefix,
            timeout,
            trace,
        }
    }

    /// The connection underneath.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The subject of an API call: `subject("STREAM.INFO.ORDERS")`.
    pub(crate) fn subject(&self, call: &str) -> String {
        format!("{}.{call}", self.prefix)
    }

    /// Calls the API and reads the answer.
    pub(crate) async fn call<R: DeserializeOwned>(
        &self,
        call: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<R> {
        let answer = self.call_raw(call, serde_json::to_vec(body)?).await?;
        serde_json::from_slice(&answer).context(format!("the answer to {call} is not understood"))
    }

    /// Calls the API and returns the answer's text, unless it is an error.
    pub(crate) async fn call_raw(&self, call: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        let answer = self.request(&self.subject(call), body).await?;
        match ApiError::of(&answer) {
            Some(error) => Err(error.into()),
            None => Ok(answer),
        }
    }

    /// Calls the API without a body.
    pub(crate) async fn get<R: DeserializeOwned>(&self, call: &str) -> Result<R> {
        let answer = self.call_raw(call, Vec::new()).await?;
        serde_json::from_slice(&answer).context(format!("the answer to {call} is not understood"))
    }

    /// Sends a request and returns what came back, whatever it is; shows both with `--trace`.
    pub(crate) async fn request(&self, subject: &str, body: Vec<u8>) -> Result<Vec<u8>> {
        if self.trace {
            crate::note!(">>> {subject}\n{}\n", String::from_utf8_lossy(&body));
        }
        let request = async_nats::Request::new()
            .payload(body.into())
            .timeout(Some(self.timeout));
        let answer = match self.client.send_request(subject.to_owned(), request).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.explain(&error, subject)),
        };
        if self.trace {
            crate::note!(
                "<<< {subject}\n{}\n",
                String::from_utf8_lossy(&answer.payload)
            );
        }
        Ok(answer.payload.to_vec())
    }

    fn explain(&self, error: &async_nats::RequestError, subject: &str) -> Error {
        match error.kind() {
            async_nats::RequestErrorKind::NoResponders => {
                Error::new("JetStream is not available: nothing answers at the server or in this account").hint(
                    format!("Start the server with JetStream (-js), or check --js-domain and --js-api-prefix; nobody listens to {subject}."),
                )
            }
            async_nats::RequestErrorKind::TimedOut => {
                Error::new(format!("JetStream did not answer within {}", crate::output::duration::human(self.timeout)))
                    .hint("Is there a leader? --timeout waits longer.")
            }
            _ => Error::new(format!("{subject}: {error}")),
        }
    }
}

/// Reads all pages of a list: `page` is called with the offset and gives the items and their total.
pub(crate) async fn all_pages<T, F, Fut>(mut page: F) -> Result<Vec<T>>
where
    F: FnMut(usize) -> Fut,
    Fut: Future<Output = Result<(Vec<T>, usize)>>,
{
    let mut all = Vec::new();
    loop {
        let (items, total) = page(all.len()).await?;
        let is_last = items.is_empty();
        all.extend(items);
        if is_last || all.len() >= total {
            return Ok(all);
        }
    }
}
