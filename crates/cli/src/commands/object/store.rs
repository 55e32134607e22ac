//! A bucket of objects: its names, and the descriptions of what is in it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::commands::publish;
use crate::commands::shared::buckets::{OBJECT, check_bucket, put_prefix};
use crate::commands::shared::headers;
use crate::error::{Context, Error, Result};
use crate::jsm::{ConsumerConfig, ConsumerInfo, Delivery, Jsm, StreamInfo, code};
use crate::output::{duration, time};

/// How long a server keeps a consumer of ours when we are gone.
const INACTIVE: Duration = Duration::from_secs(60);

/// The time that is stored; the message's own time is what counts.
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// An object's description.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct ObjectInfo {
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<ObjectOptions>,
    pub(super) bucket: String,
    pub(super) nuid: String,
    pub(super) size: u64,
    pub(super) mtime: String,
    pub(super) chunks: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) digest: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) deleted: bool,
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

/// How it is stored.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct ObjectOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<ObjectLink>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_chunk_size: Option<u64>,
}

/// Another object, or a whole bucket.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct ObjectLink {
    pub(super) bucket: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
}

/// A bucket on a connection.
pub(super) struct ObjectStore {
    jsm: Jsm,
    name: String,
    put_prefix: String,
    info: StreamInfo,
}

impl ObjectStore {
    /// Connects and looks the bucket up.
    pub(super) async fn open(app: &App, name: &str) -> Result<Self> {
        check_bucket(name)?;
        Self::on(app, app.jsm().await?, name).await
    }

    /// Looks the bucket up on a connection there is already.
    pub(super) async fn on(app: &App, jsm: Jsm, name: &str) -> Result<Self> {
        let info = OBJECT.look_up(&jsm, name).await?;
        Ok(ObjectStore {
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
        format!("OBJ_{}", self.name)
    }

    /// The stream's state when the bucket was opened.
    pub(super) fn info(&self) -> &StreamInfo {
        &self.info
    }

    /// Where an object's chunks are.
    pub(super) fn chunks(&self, id: &str) -> String {
        format!("$O.{}.C.{id}", self.name)
    }

    /// Where an object's description is.
    fn meta(&self, name: &str) -> String {
        format!("$O.{}.M.{}", self.name, URL_SAFE.encode(name))
    }

    /// The subject to publish to so that it arrives at `subject`.
    pub(super) fn outgoing(&self, subject: &str) -> String {
        format!("{}{subject}", self.put_prefix)
    }

    /// An object's description; `None` if there never was one.
    pub(super) async fn find(&self, name: &str) -> Result<Option<ObjectInfo>> {
        let query = json!({ "last_by_subj": self.meta(name) });
        let message = match self.jsm.stored_message(&self.stream(), &query).await {
            Err(error) if error.api_code() == Some(code::NO_MESSAGE) => return Ok(None),
            result => result?,
        };
        let text = STANDARD.decode(message.data.as_deref().unwrap_or_default())?;
        let mut info: ObjectInfo =
            serde_json::from_slice(&text).context("the object's description is damaged")?;
        info.mtime = message.time;
        Ok(Some(info))
    }

    /// An object that is there.
    pub(super) async fn existing(&self, name: &str) -> Result<ObjectInfo> {
        let found = self.find(name).await?.filter(|info| !info.deleted);
        found.ok_or_else(|| {
            Error::new(format!(
                "object {name:?} not found in bucket {:?}",
                self.name
            ))
            .hint(format!(
                "`nats object ls {}` shows the objects there are.",
                self.name
            ))
        })
    }

    /// Writes a description in place of the one before.
    pub(super) async fn describe(&self, app: &App, info: &ObjectInfo) -> Result<()> {
        let stored = ObjectInfo {
            mtime: ZERO_TIME.to_owned(),
            ..info.clone()
        };
        let mut meta_headers = HeaderMap::new();
        headers::add(&mut meta_headers, "Nats-Rollup", "sub")?;
        let subject = self.outgoing(&self.meta(&info.name));
        let body = serde_json::to_vec(&stored)?;
        publish::store(app, self.jsm.client(), &subject, meta_headers, body, true).await?;
        Ok(())
    }

    /// Removes the chunks of an object.
    pub(super) async fn purge_chunks(&self, id: &str) -> Result<()> {
        let body = json!({ "filter": self.chunks(id) });
        self.jsm.purge_stream(&self.stream(), &body).await.map(drop)
    }

    /// Marks an object deleted and removes its chunks.
    pub(super) async fn delete(&self, app: &App, object: ObjectInfo) -> Result<()> {
        let id = object.nuid.clone();
        let deleted = ObjectInfo {
            deleted: true,
            size: 0,
            chunks: 0,
            digest: String::new(),
            ..object
        };
        self.describe(app, &deleted).await?;
        self.purge_chunks(&id).await
    }

    /// A consumer over some messages that goes away with us.
    pub(super) async fn consumer(&self, filter: String, policy: &str) -> Result<ConsumerInfo> {
        let config = ConsumerConfig {
            filter_subject: filter,
            deliver_policy: policy.into(),
            ack_policy: "none".into(),
            replay_policy: "instant".into(),
            inactive_threshold: duration::nanos(INACTIVE),
            num_replicas: 1,
            mem_storage: true,
            ..ConsumerConfig::default()
        };
        self.jsm.create_consumer(&self.stream(), &config, "").await
    }

    /// The subjects of all descriptions.
    pub(super) fn all_meta(&self) -> String {
        format!("$O.{}.M.>", self.name)
    }

    /// All objects that are there, sorted by name.
    pub(super) async fn list(&self) -> Result<Vec<ObjectInfo>> {
        let consumer = self.consumer(self.all_meta(), "last_per_subject").await?;
        let mut objects = Vec::new();
        if consumer.num_pending > 0 {
            let mut messages = self.jsm.messages(&consumer, 500).await?;
            while let Some(message) = messages.next(Some(Duration::from_secs(10))).await? {
                let Some((info, pending)) = read(&message) else {
                    continue;
                };
                if !info.deleted {
                    objects.push(info);
                }
                if pending == 0 {
                    break;
                }
            }
        }
        // Best effort: the server removes it by itself when this fails.
        let _ = self
            .jsm
            .delete_consumer(&self.stream(), &consumer.name)
            .await;
        objects.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(objects)
    }
}

/// Reads a delivered description, with how many follow.
pub(super) fn read(message: &async_nats::Message) -> Option<(ObjectInfo, u64)> {
    let delivery = Delivery::of(message.reply.as_ref()?)?;
    let mut info: ObjectInfo = serde_json::from_slice(&message.payload).ok()?;
    info.mtime = delivery.time.to_string();
    Some((info, delivery.pending))
}

/// When an object was written, for people.
pub(super) fn written(info: &ObjectInfo) -> String {
    time::local_text(&info.mtime)
}
