//! What there is to say about a stream.

use std::collections::BTreeMap;

use cognate_model::{
    ApiError, ExternalStream, Nanos, StoreState, StreamConfig, SubjectTransform, Timestamp, record,
};
use serde::Serialize;

use super::ClusterInfo;
use super::asset::is_empty;

record! {
    /// What a stream holds.
    pub struct StreamState("StreamState") {
        /// Messages.
        messages: u64 = "messages",
        /// What they count for in limits.
        bytes: u64 = "bytes",
        /// The first message's sequence; one after the last, if there is none.
        first_seq: u64 = "first_seq",
        /// When the first message was stored; Go's zero time, if there is none.
        first_ts: Timestamp = "first_ts",
        /// The last sequence that was given.
        last_seq: u64 = "last_seq",
        /// When it was given; Go's zero time, if none was.
        last_ts: Timestamp = "last_ts",
        /// Distinct subjects.
        num_subjects: u64 = "num_subjects" omit,
        /// Messages by subject, if asked for.
        subjects: BTreeMap<String, u64> = "subjects" omit,
        /// Sequences between first and last without a message.
        num_deleted: u64 = "num_deleted" omit,
        /// Which, if asked for.
        deleted: Vec<u64> = "deleted" omit,
        /// What cannot be read any more.
        lost: Option<LostMessages> = "lost" omit,
        /// Consumers.
        consumer_count: u64 = "consumer_count",
    }
}

record! {
    /// Messages that were stored and cannot be read any more.
    pub struct LostMessages("LostStreamData") {
        /// Their sequences.
        msgs: Vec<u64> = "msgs",
        /// What they counted for in limits, as far as it is known.
        bytes: u64 = "bytes",
    }
}

impl StreamState {
    /// From what the store knows; details and consumers are the caller's to fill in.
    #[must_use]
    pub fn of(state: &StoreState) -> Self {
        // Time zero is where a store's clock begins, and stands for "never".
        let shown = |time: Timestamp| match time {
            Timestamp(0) => Timestamp::ZERO_TIME,
            time => time,
        };
        let first = if state.messages == 0 {
            Timestamp(0)
        } else {
            state.first_time
        };
        // A stream that never held anything has no first sequence.
        let unused = state.messages == 0 && state.last == 0;
        Self {
            messages: state.messages,
            bytes: state.bytes,
            first_seq: if unused { 0 } else { state.first },
            first_ts: shown(first),
            last_seq: state.last,
            last_ts: shown(state.last_time),
            num_subjects: state.subjects,
            num_deleted: state.deleted,
            ..Self::default()
        }
    }
}

/// A stream: the body of `STREAM.UPDATE`, and part of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StreamInfo {
    /// Its configuration; as [`shown`](StreamConfig::shown), except in lists.
    pub config: StreamConfig,
    /// When it was made.
    pub created: Timestamp,
    /// What it holds.
    pub state: StreamState,
    /// The server's domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Which servers keep it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<ClusterInfo>,
    /// How it follows its origin, if it is a mirror.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<SourceInfo>,
    /// How it follows its sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceInfo>,
    /// Its mirrors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alternates: Vec<Alternate>,
    /// When this was so.
    pub ts: Timestamp,
}

/// The body of `STREAM.CREATE`, and of the end of a restore.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CreatedStream {
    /// The stream.
    #[serde(flatten)]
    pub info: StreamInfo,
    /// It exists now. nats-server says so also if it existed before.
    #[serde(skip_serializing_if = "is_empty")]
    pub did_create: bool,
}

/// How a stream follows another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SourceInfo {
    /// The other one's name.
    pub name: String,
    /// How it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalStream>,
    /// How many messages are missing.
    pub lag: u64,
    /// When it was last heard of, before now; −1 for never.
    pub active: Nanos,
    /// Why it is not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ApiError>,
    /// What is taken of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub filter_subject: String,
    /// What is taken of it, and what becomes of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subject_transforms: Vec<SubjectTransform>,
}

/// A mirror that can be asked instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Alternate {
    /// Its name.
    pub name: String,
    /// Its domain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// Its cluster.
    pub cluster: String,
}

/// The body of `STREAM.PURGE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Purged {
    /// It is done.
    pub success: bool,
    /// How many messages went.
    pub purged: u64,
}

/// The body of `STREAM.SNAPSHOT`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SnapshotStarted {
    /// The configuration of what is sent, as it is stored.
    pub config: StreamConfig,
    /// What is sent.
    pub state: StreamState,
}

/// The body of `STREAM.RESTORE`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreStarted {
    /// Where the copy is to be sent.
    pub deliver_subject: String,
}
