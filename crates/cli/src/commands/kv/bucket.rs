//! A bucket: its names, and reading and writing its keys.

use async_nats::HeaderMap;
use serde_json::{Value, json};

use super::entry::{Entry, Operation};
use crate::app::App;
use crate::commands::publish::{PubAck, store};
use crate::commands::shared::buckets::{KEY_VALUE, check_bucket, put_prefix};
use crate::commands::shared::headers;
use crate::error::{Error, Result};
use crate::jsm::{ConsumerConfig, ConsumerInfo, Jsm, StreamInfo, code};
use crate::output::duration;

/// How long a server keeps a consumer of ours when we are gone.
const INACTIVE: std::time::Duration = std::time::Duration::from_secs(60);

/// A bucket on a connection.
pub(super) struct Bucket {
    jsm: Jsm,
    name: String,
    /// What stands before `$KV.` when writing into a domain or through an imported API.
    put_prefix: String,
    info: StreamInfo,
}

impl Bucket {
    /// Connects and looks the bucket up.
    pub(super) async fn open(app: &App, name: &str) -> Result<Self> {
        check_bucket(name)?;
        let jsm = app.jsm().await?;
        let info = KEY_VALUE.look_up(&jsm, name).await?;
        if info.config.max_msgs_per_subject < 1 {
            return Err(Error::new(format!(
                "stream KV_{name} is not a key-value bucket"
            )));
        }
        Ok(Bucket {
            jsm,
            name: name.to_owned(),
            put_prefix: put_prefix(app)?,
            info,
        })
    }

    /// JetStream.
    pub(super) fn jsm(&self) -> &Jsm {
        &self.jsm
    }

    /// The bucket's name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The bucket's stream.
    pub(super) fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    /// The stream's state when the bucket was opened.
    pub(super) fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// The subject that a key is stored at.
    pub(super) fn subject(&self, key: &str) -> String {
        format!("$KV.{}.{key}", self.name)
    }

    /// The last entry of a key, whatever it says; `None` if there never was one.
    pub(super) async fn last(&self, key: &str) -> Result<Option<Entry>> {
        check_key(key)?;
        self.stored(json!({ "last_by_subj": self.subject(key) }))
            .await
    }

    /// A revision of a key; `None` if it is not there, or another key's.
    pub(super) async fn revision(&self, key: &str, revision: u64) -> Result<Option<Entry>> {
        check_key(key)?;
        let entry = self.stored(json!({ "seq": revision })).await?;
        Ok(entry.filter(|entry| entry.key == key))
    }

    async fn stored(&self, query: Value) -> Result<Option<Entry>> {
        match self.jsm.stored_message(&self.stream(), &query).await {
            Ok(message) => Entry::stored(&self.name, &message).map(Some),
            Err(error) if error.api_code() == Some(code::NO_MESSAGE) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a value. `expected` is the revision that must be the key's last; 0 is "none".
    pub(super) async fn put(
        &self,
        app: &App,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
        extra: &[(&str, String)],
    ) -> Result<PubAck> {
        check_key(key)?;
        let mut headers = HeaderMap::new();
        if let Some(expected) = expected {
            headers::add(
                &mut headers,
                "Nats-Expected-Last-Subject-Sequence",
                &expected.to_string(),
            )?;
        }
        for (name, value) in extra {
            headers::add(&mut headers, name, value)?;
        }
        let subject = format!("{}{}", self.put_prefix, self.write_subject(key));
        store(app, self.jsm.client(), &subject, headers, value, true).await
    }

    /// Writes a marker in place of a value.
    pub(super) async fn mark(
        &self,
        app: &App,
        key: &str,
        operation: Operation,
        extra: &[(&str, String)],
    ) -> Result<PubAck> {
        let mut headers = vec![("KV-Operation", operation.header().to_owned())];
        if operation == Operation::Purge {
            headers.push(("Nats-Rollup", "sub".to_owned()));
        }
        headers.extend(extra.iter().cloned());
        self.put(app, key, Vec::new(), None, &headers).await
    }

    /// A mirror's keys are written where they come from.
    fn write_subject(&self, key: &str) -> String {
        let origin = self
            .info
            .config
            .mirror
            .as_ref()
            .map(|mirror| KEY_VALUE.bucket(&mirror.name));
        format!("$KV.{}.{key}", origin.unwrap_or(&self.name))
    }

    /// A consumer over some keys that goes away with us.
    pub(super) async fn consumer(
        &self,
        key: &str,
        policy: &str,
        mut config: ConsumerConfig,
    ) -> Result<ConsumerInfo> {
        check_filter(key)?;
        config.filter_subject = self.subject(key);
        config.deliver_policy = policy.into();
        config.ack_policy = "none".into();
        config.replay_policy = "instant".into();
        config.inactive_threshold = duration::nanos(INACTIVE);
        config.num_replicas = 1;
        config.mem_storage = true;
        self.jsm.create_consumer(&self.stream(), &config, "").await
    }

    /// Entries that are there now: all revisions (`all`) or the last of each key
    /// (`last_per_subject`).
    pub(super) async fn entries(
        &self,
        key: &str,
        policy: &str,
        headers_only: bool,
    ) -> Result<Vec<Entry>> {
        let config = ConsumerConfig {
            headers_only,
            ..ConsumerConfig::default()
        };
        let consumer = self.consumer(key, policy, config).await?;
        let mut entries = Vec::new();
        if consumer.num_pending > 0 {
            let mut messages = self.jsm.messages(&consumer, 1000).await?;
            while let Some(message) = messages
                .next(Some(std::time::Duration::from_secs(10)))
                .await?
            {
                let Some(entry) = Entry::delivered(&self.name, &message) else {
                    continue;
                };
                let is_last = entry.delta == 0;
                entries.push(entry);
                if is_last {
                    break;
                }
            }
        }
        // Best effort: the server removes it by itself when this fails.
        let _ = self
            .jsm
            .delete_consumer(&self.stream(), &consumer.name)
            .await;
        Ok(entries)
    }
}

/// What may be written: no wildcards.
pub(super) fn check_key(key: &str) -> Result<()> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '=' | '.');
    let is_valid = !key.is_empty()
        && key.chars().all(good)
        && !key.starts_with('.')
        && !key.ends_with('.')
        && !key.contains("..")
        && !key.starts_with("_kv");
    if is_valid {
        return Ok(());
    }
    Err(Error::new(format!("invalid key {key:?}"))
        .hint("A key has letters, digits and -/_=., and neither begins nor ends with a dot."))
}

/// What may be searched for: keys with `*` and a last `>`.
fn check_filter(key: &str) -> Result<()> {
    let tokens: Vec<&str> = key.split('.').collect();
    let count = tokens.len();
    let is_good = |(at, token): (usize, &&str)| match *token {
        "*" => true,
        ">" => at + 1 == count,
        token => check_key(token).is_ok(),
    };
    if tokens.iter().enumerate().all(is_good) {
        Ok(())
    } else {
        Err(Error::new(format!("invalid key {key:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (key, good) in [
            ("a.b/c=d_e-f", true),
            ("", false),
            (".a", false),
            ("a.", false),
            ("a b", false),
            ("a.*", false),
        ] {
            assert_eq!(check_key(key).is_ok(), good, "{key}");
        }
        for (filter, good) in [
            (">", true),
            ("a.*", true),
            ("a.>", true),
            (">.a", false),
            ("a b", false),
        ] {
            assert_eq!(check_filter(filter).is_ok(), good, "{filter}");
        }
        assert!(check_bucket("a b").is_err() && check_bucket("A-1_b").is_ok());
    }
}
