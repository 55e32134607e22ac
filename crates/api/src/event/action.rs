//! Streams and consumers come, change and go.

use cognate_model::Timestamp;
use serde::Serialize;

use super::Event;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It is new.
    Create,
    /// It has changed.
    Modify,
    /// It is gone.
    Delete,
}

impl Action {
    fn subject_token(self) -> &'static str {
        match self {
            Action::Create => "CREATED",
            Action::Modify => "UPDATED",
            Action::Delete => "DELETED",
        }
    }
}

/// A stream was created, updated or deleted.
#[derive(Clone, Debug, Serialize)]
pub struct StreamAdvisory<'a> {
    /// Its name.
    pub stream: &'a str,
    /// What was done.
    pub action: Action,
    /// The server's domain, if it has one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub domain: &'a str,
}

impl Event for StreamAdvisory<'_> {
    const TYPE: &'static str = "io.nats.jetstream.advisory.v1.stream_action";

    fn subject(&self) -> String {
        let action = self.action.subject_token();
        format!("$JS.EVENT.ADVISORY.STREAM.{action}.{}", self.stream)
    }
}

/// A consumer was created or deleted; nobody is told of its updates.
#[derive(Clone, Debug, Serialize)]
pub struct ConsumerAdvisory<'a> {
    /// Its stream.
    pub stream: &'a str,
    /// Its name.
    pub consumer: &'a str,
    /// What was done.
    pub action: Action,
    /// The server's domain, if it has one.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub domain: &'a str,
}

impl Event for ConsumerAdvisory<'_> {
    const TYPE: &'static str = "io.nats.jetstream.advisory.v1.consumer_action";

    fn subject(&self) -> String {
        let action = self.action.subject_token();
        format!(
            "$JS.EVENT.ADVISORY.CONSUMER.{action}.{}.{}",
            self.stream, self.consumer
        )
    }
}

super::events! {
    /// A consumer was paused, or goes on.
    ConsumerPause(
        "io.nats.jetstream.advisory.v1.consumer_pause",
        "$JS.EVENT.ADVISORY.CONSUMER.PAUSE", stream, consumer
    ) {
        /// Its stream.
        stream: &'a str = "stream",
        /// Its name.
        consumer: &'a str = "consumer",
        /// It delivers nothing at present.
        paused: bool = "paused",
        /// Until when; Go's zero time, if it goes on.
        pause_until: Timestamp = "pause_until",
    }

    /// A client of a priority group gets everything from now on.
    GroupPinned(
        "io.nats.jetstream.advisory.v1.consumer_group_pinned",
        "$JS.EVENT.ADVISORY.CONSUMER.PINNED", stream, consumer
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The group.
        group: &'a str = "group",
        /// What the client is known by.
        pinned_id: &'a str = "pinned_id",
    }

    /// It does not any more.
    GroupUnpinned(
        "io.nats.jetstream.advisory.v1.consumer_group_unpinned",
        "$JS.EVENT.ADVISORY.CONSUMER.UNPINNED", stream, consumer
    ) {
        /// The account.
        account: &'a str = "account" omit,
        /// The stream.
        stream: &'a str = "stream",
        /// The consumer.
        consumer: &'a str = "consumer",
        /// The group.
        group: &'a str = "group",
        /// `admin` or `timeout`.
        reason: &'a str = "reason",
    }
}
