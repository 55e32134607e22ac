//! The configuration of a stream, as it is written in requests, replies and on disk.
//!
//! Field names, their order and what is left out are nats-server's. A value that came from
//! [`StreamConfig::checked`] has its defaults filled in and keeps all rules; one that was only
//! decoded may hold anything.

mod check;
mod update;

use std::collections::BTreeMap;

use cognate_subject::Filter;

pub use check::StreamContext;

use crate::choice::{Compression, DiscardPolicy, PersistMode, RetentionPolicy, StorageType};
use crate::{Nanos, Timestamp, record};

record! {
    /// What a stream is to be. Limits of −1 mean "none"; empty texts mean "not set".
    pub struct StreamConfig("StreamConfig") {
        /// Its name.
        name: String = "name",
        /// For people; up to 4 KiB.
        description: String = "description" omit,
        /// What it listens to.
        subjects: Vec<String> = "subjects" omit,
        /// When a message may go.
        retention: RetentionPolicy = "retention",
        /// How many consumers; −1 for any number.
        max_consumers: i64 = "max_consumers",
        /// How many messages; −1 for any number.
        max_msgs: i64 = "max_msgs",
        /// How many bytes; −1 for any number.
        max_bytes: i64 = "max_bytes",
        /// How old a message may get; 0 for any age.
        max_age: Nanos = "max_age",
        /// How many messages of one subject; −1 for any number.
        max_msgs_per_subject: i64 = "max_msgs_per_subject",
        /// Headers and payload of one message; −1 for any size.
        max_msg_size: i32 = "max_msg_size" omit,
        /// What gives way when it is full.
        discard: DiscardPolicy = "discard",
        /// Where messages are kept.
        storage: StorageType = "storage",
        /// How many servers keep them.
        num_replicas: i64 = "num_replicas",
        /// Publishes are not acknowledged.
        no_ack: bool = "no_ack" omit,
        /// For how long message ids are remembered; 0 for not at all.
        duplicate_window: Nanos = "duplicate_window" omit,
        /// Which servers.
        placement: Option<Placement> = "placement" omit,
        /// The stream this is a copy of.
        mirror: Option<StreamSource> = "mirror" omit,
        /// The streams whose messages are added to it.
        sources: Vec<StreamSource> = "sources" omit,
        /// How messages are compressed on disk.
        compression: Compression = "compression",
        /// The first sequence, if not 1.
        first_seq: u64 = "first_seq" omit,
        /// A change of subject before a message is stored.
        subject_transform: Option<SubjectTransform> = "subject_transform" omit,
        /// Where messages are published again once stored.
        republish: Option<Republish> = "republish" omit,
        /// Single messages can be read directly.
        allow_direct: bool = "allow_direct",
        /// A mirror answers direct reads of its origin.
        mirror_direct: bool = "mirror_direct",
        /// `discard: new` holds for the messages per subject, too.
        discard_new_per_subject: bool = "discard_new_per_subject" omit,
        /// Nothing goes in or out any more.
        sealed: bool = "sealed",
        /// Single messages cannot be deleted over the API.
        deny_delete: bool = "deny_delete",
        /// It cannot be purged over the API.
        deny_purge: bool = "deny_purge",
        /// A message may replace all earlier ones.
        allow_rollup_hdrs: bool = "allow_rollup_hdrs",
        /// Limits and defaults for its consumers.
        consumer_limits: ConsumerLimits = "consumer_limits",
        /// A message may have its own time to live.
        allow_msg_ttl: bool = "allow_msg_ttl",
        /// How long a marker lives that is left where limits removed a subject's last message.
        subject_delete_marker_ttl: Nanos = "subject_delete_marker_ttl" omit,
        /// It holds counters, and nothing else.
        allow_msg_counter: bool = "allow_msg_counter" omit,
        /// Messages may come as atomic batches.
        allow_atomic: bool = "allow_atomic" omit,
        /// Messages may be schedules.
        allow_msg_schedules: bool = "allow_msg_schedules" omit,
        /// Whether a publish may be acknowledged before it is on disk.
        persist_mode: PersistMode = "persist_mode" omit,
        /// Messages may come as fast batches.
        allow_batched: bool = "allow_batched" omit,
        /// Anything the user wants kept with it.
        metadata: BTreeMap<String, String> = "metadata" omit,
    }
}

record! {
    /// On which servers an asset is to be.
    pub struct Placement("Placement") {
        /// In this cluster.
        cluster: String = "cluster" omit,
        /// On servers with these tags.
        tags: Vec<String> = "tags" omit,
        /// Led by this server.
        preferred: String = "preferred" omit,
    }
}

record! {
    /// Another stream that messages come from.
    pub struct StreamSource("StreamSource") {
        /// Its name.
        name: String = "name",
        /// The first sequence to take, if not its first.
        opt_start_seq: u64 = "opt_start_seq" omit,
        /// The time of the first message to take.
        opt_start_time: Option<Timestamp> = "opt_start_time" omit,
        /// Which subjects to take.
        filter_subject: String = "filter_subject" omit,
        /// Which subjects to take and what to make of them.
        subject_transforms: Vec<SubjectTransform> = "subject_transforms" omit,
        /// How to reach it in another account or domain.
        external: Option<ExternalStream> = "external" omit,
        /// A durable consumer to take the messages from.
        consumer: Option<SourceConsumer> = "consumer" omit,
    }
}

record! {
    /// Where the API of another account or domain is.
    pub struct ExternalStream("ExternalStream") {
        /// What stands in place of `$JS.API`.
        api: String = "api",
        /// What deliveries are prefixed with.
        deliver: String = "deliver",
    }
}

record! {
    /// A durable consumer that messages are taken from.
    pub struct SourceConsumer("StreamConsumerSource") {
        /// Its name.
        name: String = "name" omit,
        /// Where it delivers to.
        deliver_subject: String = "deliver_subject" omit,
    }
}

record! {
    /// A rule that changes subjects.
    pub struct SubjectTransform("SubjectTransformConfig") {
        /// The subjects it holds for; empty for all.
        src: String = "src",
        /// What becomes of them.
        dest: String = "dest",
    }
}

record! {
    /// Where stored messages are published again.
    pub struct Republish("RePublish") {
        /// The subjects it holds for; empty for all.
        src: String = "src" omit,
        /// What becomes of them.
        dest: String = "dest",
        /// Without payloads.
        headers_only: bool = "headers_only" omit,
    }
}

record! {
    /// Limits and defaults for a stream's consumers.
    pub struct ConsumerLimits("StreamConsumerLimits") {
        /// For `inactive_threshold`; 0 for none.
        inactive_threshold: Nanos = "inactive_threshold" omit,
        /// For `max_ack_pending`; 0 for none.
        max_ack_pending: i64 = "max_ack_pending" omit,
    }
}

impl StreamConfig {
    /// The subjects as filters; those that are none are left out.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        let filters = self.subjects.iter();
        filters
            .filter_map(|text| Filter::try_from(text.as_str()).ok())
            .collect()
    }
}
