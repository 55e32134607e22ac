//! The API calls about streams.

use serde::Deserialize;
use serde_json::{Value, json};

use super::stream::{StoredMessage, StreamConfig, StreamInfo};
use super::{Jsm, all_pages};
use crate::error::Result;

impl Jsm {
    /// A stream's configuration and state.
    pub(crate) async fn stream_info(&self, name: &str) -> Result<StreamInfo> {
        self.get(&format!("STREAM.INFO.{name}")).await
    }

    /// [`Jsm::stream_info`] as the server's text, for `--json`.
    pub(crate) async fn stream_info_raw(&self, name: &str) -> Result<Vec<u8>> {
        self.call_raw(&format!("STREAM.INFO.{name}"), Vec::new())
            .await
    }

    /// Names of streams, of those only that are interested in `subject` if one is given.
    pub(crate) async fn stream_names(&self, subject: Option<&str>) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            streams: Option<Vec<String>>,
        }
        let mut names = all_pages(async |offset| {
            let mut body = json!({ "offset": offset });
            if let (Some(subject), Some(body)) = (subject, body.as_object_mut()) {
                body.insert("subject".to_owned(), Value::from(subject));
            }
            let page: Page = self.call("STREAM.NAMES", &body).await?;
            Ok((page.streams.unwrap_or_default(), page.total))
        })
        .await?;
        names.sort();
        Ok(names)
    }

    /// Streams, of those only that are interested in `subject` if one is given, sorted by name.
    pub(crate) async fn streams(&self, subject: Option<&str>) -> Result<Vec<StreamInfo>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            streams: Option<Vec<StreamInfo>>,
        }
        let mut streams = all_pages(async |offset| {
            let mut body = json!({ "offset": offset });
            if let (Some(subject), Some(body)) = (subject, body.as_object_mut()) {
                body.insert("subject".to_owned(), Value::from(subject));
            }
            let page: Page = self.call("STREAM.LIST", &body).await?;
            Ok((page.streams.unwrap_or_default(), page.total))
        })
        .await?;
        streams.sort_by(|a, b| a.config.name.cmp(&b.config.name));
        Ok(streams)
    }

    /// Creates a stream.
    pub(crate) async fn create_stream(&self, config: &StreamConfig) -> Result<StreamInfo> {
        self.call(&format!("STREAM.CREATE.{}", config.name), config)
            .await
    }

    /// Changes a stream's configuration.
    pub(crate) async fn update_stream(&self, config: &StreamConfig) -> Result<StreamInfo> {
        self.call(&format!("STREAM.UPDATE.{}", config.name), config)
            .await
    }

    /// Deletes a stream and everything in it.
    pub(crate) async fn delete_stream(&self, name: &str) -> Result<()> {
        self.call_raw(&format!("STREAM.DELETE.{name}"), Vec::new())
            .await
            .map(drop)
    }

    /// Removes messages: all, or as `body` says (`seq`, `filter`, `keep`). Returns how many.
    pub(crate) async fn purge_stream(&self, name: &str, body: &Value) -> Result<u64> {
        #[derive(Deserialize)]
        struct Purged {
            #[serde(default)]
            purged: u64,
        }
        Ok(self
            .call::<Purged>(&format!("STREAM.PURGE.{name}"), body)
            .await?
            .purged)
    }

    /// A stored message: `{"seq": n}`, `{"last_by_subj": s}`, `{"next_by_subj": s, "seq": n}`.
    pub(crate) async fn stored_message(&self, name: &str, body: &Value) -> Result<StoredMessage> {
        #[derive(Deserialize)]
        struct Answer {
            message: StoredMessage,
        }
        Ok(self
            .call::<Answer>(&format!("STREAM.MSG.GET.{name}"), body)
            .await?
            .message)
    }
}
