//! The rarer API calls: single messages, subjects, leaders and peers, pauses and pins.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::stream::{StreamInfo, StreamState};
use super::{Jsm, all_pages};
use crate::error::Result;

/// Streams of an account, with those that did not answer.
#[derive(Default)]
pub(crate) struct StreamList {
    /// Streams with their state, sorted by name.
    pub(crate) streams: Vec<StreamInfo>,
    /// Streams without a leader that could have answered.
    pub(crate) missing: Vec<String>,
    /// Streams that the servers cannot run, and why.
    pub(crate) offline: BTreeMap<String, String>,
}

impl Jsm {
    /// Streams, of those only that are interested in `subject` if one is given.
    pub(crate) async fn stream_list(&self, subject: Option<&str>) -> Result<StreamList> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            streams: Option<Vec<StreamInfo>>,
            missing: Option<Vec<String>>,
            offline: Option<BTreeMap<String, String>>,
        }
        let mut list = StreamList::default();
        loop {
            let mut body = json!({ "offset": list.streams.len() });
            if let (Some(subject), Some(body)) = (subject, body.as_object_mut()) {
                body.insert("subject".to_owned(), Value::from(subject));
            }
            let page: Page = self.call("STREAM.LIST", &body).await?;
            let streams = page.streams.unwrap_or_default();
            let is_last = streams.is_empty();
            list.streams.extend(streams);
            list.missing = page.missing.unwrap_or_default();
            list.offline = page.offline.unwrap_or_default();
            if is_last || list.streams.len() + list.missing.len() >= page.total {
                break;
            }
        }
        list.streams
            .sort_by(|a, b| a.config.name.cmp(&b.config.name));
        list.missing.sort();
        Ok(list)
    }

    /// A stream's subjects that match `filter`, with how many messages each has.
    pub(crate) async fn stream_subjects(
        &self,
        name: &str,
        filter: &str,
    ) -> Result<BTreeMap<String, u64>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            #[serde(default)]
            state: StreamState,
        }
        let call = format!("STREAM.INFO.{name}");
        let pairs = all_pages(async |offset| {
            let body = json!({ "subjects_filter": filter, "offset": offset });
            let page: Page = self.call(&call, &body).await?;
            let pairs: Vec<_> = page.state.subjects.into_iter().collect();
            // Servers that know no pages give everything at once.
            let total = page.total.max(offset + pairs.len());
            Ok((pairs, total))
        })
        .await?;
        Ok(pairs.into_iter().collect())
    }

    /// Removes a message and overwrites where it was.
    pub(crate) async fn delete_message(&self, name: &str, sequence: u64) -> Result<()> {
        let body = serde_json::to_vec(&json!({ "seq": sequence }))?;
        self.call_raw(&format!("STREAM.MSG.DELETE.{name}"), body)
            .await
            .map(drop)
    }

    /// Makes the leader of a stream, or with `consumer` of a consumer, stand down.
    pub(crate) async fn step_down(
        &self,
        stream: &str,
        consumer: Option<&str>,
        preferred: Option<&str>,
    ) -> Result<()> {
        let call = match consumer {
            Some(consumer) => format!("CONSUMER.LEADER.STEPDOWN.{stream}.{consumer}"),
            None => format!("STREAM.LEADER.STEPDOWN.{stream}"),
        };
        let body = match preferred {
            Some(preferred) => {
                serde_json::to_vec(&json!({ "placement": { "preferred": preferred } }))?
            }
            None => Vec::new(),
        };
        self.call_raw(&call, body).await.map(drop)
    }

    /// Takes a server out of a stream's group.
    pub(crate) async fn remove_peer(&self, stream: &str, peer: &str) -> Result<()> {
        let body = serde_json::to_vec(&json!({ "peer": peer }))?;
        self.call_raw(&format!("STREAM.PEER.REMOVE.{stream}"), body)
            .await
            .map(drop)
    }

    /// Pauses a consumer until a time, or resumes it with `None`. Returns the server's answer.
    pub(crate) async fn pause_consumer(
        &self,
        stream: &str,
        consumer: &str,
        until: Option<&str>,
    ) -> Result<Pause> {
        let body = match until {
            Some(until) => json!({ "pause_until": until }),
            None => json!({}),
        };
        self.call(&format!("CONSUMER.PAUSE.{stream}.{consumer}"), &body)
            .await
    }

    /// Lets another client of a group be pinned.
    pub(crate) async fn unpin(&self, stream: &str, consumer: &str, group: &str) -> Result<()> {
        let body = serde_json::to_vec(&json!({ "group": group }))?;
        self.call_raw(&format!("CONSUMER.UNPIN.{stream}.{consumer}"), body)
            .await
            .map(drop)
    }

    /// Sets a consumer back to `sequence`, or to its beginning with 0.
    pub(crate) async fn reset_consumer(
        &self,
        stream: &str,
        consumer: &str,
        sequence: u64,
    ) -> Result<()> {
        let body = match sequence {
            0 => Vec::new(),
            sequence => serde_json::to_vec(&json!({ "seq": sequence }))?,
        };
        self.call_raw(&format!("CONSUMER.RESET.{stream}.{consumer}"), body)
            .await
            .map(drop)
    }
}

/// What a pause became.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Pause {
    /// Whether it is paused now.
    pub(crate) paused: bool,
    /// Until when.
    pub(crate) pause_until: String,
    /// How long that still is, in nanoseconds.
    pub(crate) pause_remaining: i64,
}
