//! What is said about consumers. Field names and units are the API's: durations are nanoseconds.
#![allow(missing_docs)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::stream::{Choice, ClusterInfo, is_default, is_empty, null_is_default};

/// A consumer's configuration. A value that serde leaves out is the server's default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct ConsumerConfig {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) durable_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) deliver_policy: Choice,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) opt_start_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) opt_start_time: Option<String>,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) ack_policy: Choice,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) ack_wait: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_deliver: i64,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) backoff: Vec<i64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) filter_subject: String,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) filter_subjects: Vec<String>,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) replay_policy: Choice,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) rate_limit_bps: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) sample_freq: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_waiting: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_ack_pending: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) flow_control: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) idle_heartbeat: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) headers_only: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_batch: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_expires: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) max_bytes: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) deliver_subject: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) deliver_group: String,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) inactive_threshold: i64,
    pub(crate) num_replicas: i64,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) mem_storage: bool,
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_until: Option<String>,
    #[serde(skip_serializing_if = "Choice::is_unset")]
    pub(crate) priority_policy: Choice,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) priority_groups: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) priority_timeout: i64,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

/// A consumer: configuration, state and where it lives.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct ConsumerInfo {
    pub(crate) stream_name: String,
    pub(crate) name: String,
    pub(crate) created: String,
    pub(crate) config: ConsumerConfig,
    pub(crate) delivered: SequencePair,
    pub(crate) ack_floor: SequencePair,
    pub(crate) num_ack_pending: u64,
    pub(crate) num_redelivered: u64,
    pub(crate) num_waiting: u64,
    pub(crate) num_pending: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<ClusterInfo>,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) push_bound: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) paused: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(crate) pause_remaining: i64,
    #[serde(skip_serializing_if = "is_empty", deserialize_with = "null_is_default")]
    pub(crate) priority_groups: Vec<PriorityGroupState>,
    #[serde(flatten)]
    pub(crate) other: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct SequencePair {
    pub(crate) consumer_seq: u64,
    pub(crate) stream_seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_active: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct PriorityGroupState {
    pub(crate) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) pinned_client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pinned_ts: Option<String>,
}
