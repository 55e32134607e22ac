//! The configuration of a consumer, as it is written in requests, replies and on disk.
//!
//! Field names, their order and what is left out are nats-server's. A value that came from
//! [`ConsumerConfig::checked`] has its defaults filled in and keeps all rules; one that was only
//! decoded may hold anything.

mod check;
mod update;

use std::collections::BTreeMap;

use cognate_subject::Filter;

pub use check::{ConsumerContext, is_valid_group};

use crate::choice::{AckPolicy, DeliverPolicy, PriorityPolicy, ReplayPolicy};
use crate::{Nanos, Timestamp, record};

record! {
    /// What a consumer is to be. Empty texts and zeros mean "not set".
    pub struct ConsumerConfig("ConsumerConfig") {
        /// Its name, if it is to outlive its clients.
        durable_name: String = "durable_name" omit,
        /// Its name.
        name: String = "name" omit,
        /// For people; up to 4 KiB.
        description: String = "description" omit,
        /// With which message it begins.
        deliver_policy: DeliverPolicy = "deliver_policy",
        /// The sequence to begin with.
        opt_start_seq: u64 = "opt_start_seq" omit,
        /// The time to begin with.
        opt_start_time: Option<Timestamp> = "opt_start_time" omit,
        /// How messages are acknowledged.
        ack_policy: AckPolicy = "ack_policy",
        /// How long an acknowledgement may take before a message is delivered again.
        ack_wait: Nanos = "ack_wait" omit,
        /// How often a message is delivered at most; −1 for any number.
        max_deliver: i64 = "max_deliver" omit,
        /// In place of `ack_wait`, by the number of deliveries.
        backoff: Vec<Nanos> = "backoff" omit,
        /// The subjects it is for; empty for all.
        filter_subject: String = "filter_subject" omit,
        /// The subjects it is for, if there are several filters.
        filter_subjects: Vec<String> = "filter_subjects" omit,
        /// At what pace.
        replay_policy: ReplayPolicy = "replay_policy",
        /// Bits per second at most; 0 for any number.
        rate_limit_bps: u64 = "rate_limit_bps" omit,
        /// For what share of acknowledgements a metric is sent: `30` or `30%`.
        sample_freq: String = "sample_freq" omit,
        /// How many pull requests may wait.
        max_waiting: i64 = "max_waiting" omit,
        /// How many messages may wait for their acknowledgement; −1 for any number.
        max_ack_pending: i64 = "max_ack_pending" omit,
        /// Deliveries are paced by the client's answers.
        flow_control: bool = "flow_control" omit,
        /// Messages are delivered without payload.
        headers_only: bool = "headers_only" omit,
        /// The largest batch of a pull request; 0 for any.
        max_batch: i64 = "max_batch" omit,
        /// The longest a pull request may wait; 0 for any time.
        max_expires: Nanos = "max_expires" omit,
        /// The most bytes of a pull request; 0 for any number.
        max_bytes: i64 = "max_bytes" omit,
        /// Where messages are pushed; empty for a pull consumer.
        deliver_subject: String = "deliver_subject" omit,
        /// The queue group that they are pushed to.
        deliver_group: String = "deliver_group" omit,
        /// How often an idle push consumer says that it lives.
        idle_heartbeat: Nanos = "idle_heartbeat" omit,
        /// For how long it may be without clients before it is removed; 0 for ever.
        inactive_threshold: Nanos = "inactive_threshold" omit,
        /// How many servers keep its state; 0 for as many as its stream has.
        num_replicas: i64 = "num_replicas",
        /// Its state is kept in memory.
        mem_storage: bool = "mem_storage" omit,
        /// It belongs to a mirror or source of another stream.
        direct: bool = "direct" omit,
        /// It was made to be a source's consumer.
        sourcing: bool = "sourcing" omit,
        /// Anything the user wants kept with it.
        metadata: BTreeMap<String, String> = "metadata" omit,
        /// Nothing is delivered until then.
        pause_until: Option<Timestamp> = "pause_until" omit,
        /// The groups that pull requests may belong to.
        priority_groups: Vec<String> = "priority_groups" omit,
        /// How pull requests of a group compete.
        priority_policy: PriorityPolicy = "priority_policy" omit,
        /// How long the pinned client may be silent.
        priority_timeout: Nanos = "priority_timeout" omit,
    }
}

impl ConsumerConfig {
    /// Whether it outlives its clients.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !self.durable_name.is_empty()
    }

    /// Whether it pushes, rather than being pulled from.
    #[must_use]
    pub fn is_push(&self) -> bool {
        !self.deliver_subject.is_empty()
    }

    /// Its filters as they were given, one or several; none means everything.
    pub fn filter_texts(&self) -> impl Iterator<Item = &str> {
        let one = Some(self.filter_subject.as_str()).filter(|text| !text.is_empty());
        one.into_iter()
            .chain(self.filter_subjects.iter().map(String::as_str))
    }

    /// Its filters; those that are none are left out.
    #[must_use]
    pub fn filters(&self) -> Vec<Filter> {
        self.filter_texts()
            .filter_map(|text| Filter::try_from(text).ok())
            .collect()
    }
}
