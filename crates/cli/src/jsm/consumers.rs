//! The API calls about consumers.

use serde::Deserialize;
use serde_json::json;

use super::consumer::{ConsumerConfig, ConsumerInfo};
use super::{Jsm, all_pages};
use crate::error::Result;

impl Jsm {
    /// A consumer's configuration and state.
    pub(crate) async fn consumer_info(&self, stream: &str, name: &str) -> Result<ConsumerInfo> {
        self.get(&format!("CONSUMER.INFO.{stream}.{name}")).await
    }

    /// Names of a stream's consumers, sorted.
    pub(crate) async fn consumer_names(&self, stream: &str) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            consumers: Option<Vec<String>>,
        }
        let call = format!("CONSUMER.NAMES.{stream}");
        let mut names = all_pages(async |offset| {
            let page: Page = self.call(&call, &json!({ "offset": offset })).await?;
            Ok((page.consumers.unwrap_or_default(), page.total))
        })
        .await?;
        names.sort();
        Ok(names)
    }

    /// A stream's consumers, sorted by name.
    pub(crate) async fn consumers(&self, stream: &str) -> Result<Vec<ConsumerInfo>> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            total: usize,
            consumers: Option<Vec<ConsumerInfo>>,
        }
        let call = format!("CONSUMER.LIST.{stream}");
        let mut consumers = all_pages(async |offset| {
            let page: Page = self.call(&call, &json!({ "offset": offset })).await?;
            Ok((page.consumers.unwrap_or_default(), page.total))
        })
        .await?;
        consumers.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(consumers)
    }

    /// Creates (`action` `create`), changes (`update`) or does either (`""`). A configuration with
    /// neither name nor durable name gets a name from the server.
    pub(crate) async fn create_consumer(
        &self,
        stream: &str,
        config: &ConsumerConfig,
        action: &str,
    ) -> Result<ConsumerInfo> {
        let name = if config.name.is_empty() {
            &config.durable_name
        } else {
            &config.name
        };
        let call = match (name.as_str(), config.filter_subject.as_str()) {
            ("", _) => format!("CONSUMER.CREATE.{stream}"),
            (name, "") => format!("CONSUMER.CREATE.{stream}.{name}"),
            (name, filter) => format!("CONSUMER.CREATE.{stream}.{name}.{filter}"),
        };
        self.call(
            &call,
            &json!({ "stream_name": stream, "config": config, "action": action }),
        )
        .await
    }

    /// Deletes a consumer.
    pub(crate) async fn delete_consumer(&self, stream: &str, name: &str) -> Result<()> {
        self.call_raw(&format!("CONSUMER.DELETE.{stream}.{name}"), Vec::new())
            .await
            .map(drop)
    }
}
