//! What is said about streams. Field names and units are the API's: durations are nanoseconds.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A stream's configuration. A value that serde leaves out is the server's default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) subjects: Vec<String>,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) retention: Choice,
    pub(crate) max_consumers: i64,
    pub(crate) max_msgs_per_subject: i64,
    pub(crate) max_msgs: i64,
    pub(crate) max_bytes: i64,
    pub(crate) max_age: i64,
    pub(crate) max_msg_size: i64,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) storage: Choice,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) discard: Choice,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) discard_new_per_subject: bool,
    pub(crate) num_replicas: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) no_ack: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) duplicate_window: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) placement: Option<Placement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mirror: Option<StreamSource>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) sources: Vec<StreamSource>,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) compression: Choice,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) first_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject_transform: Option<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) republish: Option<Republish>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) sealed: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) deny_delete: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) deny_purge: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_rollup_hdrs: bool,
    pub(crate) allow_direct: bool,
    pub(crate) mirror_direct: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_msg_ttl: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) subject_delete_marker_ttl: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_msg_counter: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_atomic: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_msg_schedules: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) allow_batched: bool,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) persist_mode: Choice,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) consumer_limits: Option<ConsumerLimits>,
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

impl StreamConfig {
    /// A configuration with JetStream's usual defaults: file, limits, discard old, no limits, one
    /// replica.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        StreamConfig {
            name: name.into(),
            retention: "limits".into(),
            storage: "file".into(),
            discard: "old".into(),
            max_consumers: -1,
            max_msgs_per_subject: -1,
            max_msgs: -1,
            max_bytes: -1,
            max_msg_size: -1,
            num_replicas: 1,
            ..StreamConfig::default()
        }
    }
}

/// One of a few words (`limits`, `file`, `old`, `s2`); unset, it is the server's default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(from = "Option<String>", into = "Option<String>")]
pub(crate) struct Choice(pub(crate) Option<String>);

impl Choice {
    /// Whether nothing was chosen.
    pub(crate) fn is_unset(&self) -> bool {
        self.0.is_none()
    }

    /// The word, or `""`.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The word with a capital letter, for people.
    pub(crate) fn title(&self) -> String {
        let mut chars = self.as_str().chars();
        chars.next().map_or_else(String::new, |first| {
            first.to_uppercase().chain(chars).collect()
        })
    }
}

impl From<Option<String>> for Choice {
    fn from(word: Option<String>) -> Self {
        Choice(word.filter(|word| !word.is_empty()))
    }
}

impl From<Choice> for Option<String> {
    fn from(choice: Choice) -> Self {
        choice.0
    }
}

impl From<&str> for Choice {
    fn from(word: &str) -> Self {
        Some(word.to_owned()).into()
    }
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Placement {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) cluster: String,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) tags: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) preferred: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StreamSource {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) opt_start_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opt_start_time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) filter_subject: String,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) subject_transforms: Vec<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external: Option<ExternalStream>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct ExternalStream {
    pub(crate) api: String,
    pub(crate) deliver: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct SubjectTransform {
    pub(crate) src: String,
    pub(crate) dest: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Republish {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) src: String,
    pub(crate) dest: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) headers_only: bool,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct ConsumerLimits {
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) inactive_threshold: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_ack_pending: i64,
}

/// A stream: configuration, state and where it lives.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) created: String,
    pub(crate) state: StreamState,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) domain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<ClusterInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mirror: Option<StreamSourceInfo>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) sources: Vec<StreamSourceInfo>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) alternates: Vec<Alternate>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    pub(crate) first_ts: String,
    pub(crate) last_seq: u64,
    pub(crate) last_ts: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) num_subjects: u64,
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub(crate) subjects: BTreeMap<String, u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) num_deleted: u64,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) deleted: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<LostMessages>,
    pub(crate) consumer_count: u64,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct LostMessages {
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) msgs: Vec<u64>,
    pub(crate) bytes: u64,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct ClusterInfo {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) raft_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) leader: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) leader_since: Option<String>,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) replicas: Vec<PeerInfo>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct PeerInfo {
    pub(crate) name: String,
    pub(crate) current: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) offline: bool,
    pub(crate) active: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) lag: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) peer: String,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StreamSourceInfo {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external: Option<ExternalStream>,
    pub(crate) lag: u64,
    pub(crate) active: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) filter_subject: String,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) subject_transforms: Vec<SubjectTransform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<super::ApiError>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Alternate {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) domain: String,
    pub(crate) cluster: String,
}

/// A message as `STREAM.MSG.GET` gives it; headers and data are base64.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct StoredMessage {
    pub(crate) subject: String,
    pub(crate) seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hdrs: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<String>,
    pub(crate) time: String,
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn is_empty<T>(items: &[T]) -> bool {
    items.is_empty()
}

/// Go writes an empty list or map as `null`.
pub(super) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
