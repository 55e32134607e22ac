//! What may become of a consumer's configuration once it exists, and how consumers of one stream
//! get along.

use cognate_subject::validate::overlaps;

use crate::{
    AckPolicy, ApiError, ConsumerConfig, DeliverPolicy, MAX_NAME_BYTES, Nanos, RetentionPolicy,
    StreamConfig, error,
};

impl ConsumerConfig {
    /// Whether this (checked) configuration, asked for anew, is that of the consumer `existing`.
    #[must_use]
    pub fn is_same_as(&self, existing: &Self) -> bool {
        let mut asked = self.clone();
        asked.copy_required_level(existing);
        asked == *existing
    }

    /// Settles what a mirror or source of another stream asked for, before the configuration is
    /// checked. On a stream that drops what is acknowledged it must not be ephemeral: what it took
    /// is acknowledged by flow control. Elsewhere several may ask under one name, so `suffix`, a
    /// random one, tells them apart.
    pub fn settle_sourcing(&mut self, stream: &StreamConfig, suffix: &str) {
        if !self.direct || !self.sourcing || self.name.is_empty() {
            return;
        }
        if stream.retention == RetentionPolicy::Limits {
            self.name.push('-');
            self.name.push_str(suffix);
            return;
        }
        self.direct = false;
        self.durable_name.clone_from(&self.name);
        self.ack_policy = AckPolicy::FlowControl;
        self.ack_wait = Nanos::ZERO;
        self.max_deliver = 0;
        self.inactive_threshold = Nanos::ZERO;
    }

    /// Whether a consumer of this configuration may become `new`, which is checked. `has_interest`
    /// is whether someone subscribes to this configuration's deliver subject.
    ///
    /// # Errors
    /// 10012, 10013 or 10116, if something is changed that cannot be.
    pub fn check_update(&self, new: &Self, has_interest: bool) -> Result<(), ApiError> {
        if self == new {
            return Ok(());
        }
        let fixed = [
            (self.deliver_policy != new.deliver_policy, "deliver policy"),
            (self.mem_storage != new.mem_storage, "storage type"),
            (self.opt_start_seq != new.opt_start_seq, "start sequence"),
            (self.opt_start_time != new.opt_start_time, "start time"),
            (self.ack_policy != new.ack_policy, "ack policy"),
            (self.replay_policy != new.replay_policy, "replay policy"),
            (self.idle_heartbeat != new.idle_heartbeat, "heart beats"),
            (self.flow_control != new.flow_control, "flow control"),
        ];
        if let Some((_, name)) = fixed.into_iter().find(|(changed, _)| *changed) {
            return refuse(format_args!("{name} can not be updated"));
        }
        if self.deliver_subject != new.deliver_subject {
            if !self.is_push() {
                return refuse("can not update pull consumer to push based");
            }
            if !new.is_push() {
                return refuse("can not update push consumer to pull based");
            }
            if has_interest {
                return Err(error::CONSUMER_NAME_EXIST);
            }
        }
        if self.max_waiting != new.max_waiting {
            return refuse("max waiting can not be updated");
        }
        new.check_backoff()
    }

    /// Whether this (checked) consumer may be added to `stream` beside `others`, its consumers
    /// with their names. `name` is what it will be called; one of that name among `others` is it.
    ///
    /// # Errors
    /// 10026, 10098 to 10102.
    pub fn check_beside<'a>(
        &self,
        name: &str,
        stream: &StreamConfig,
        max_consumers: i64,
        others: impl IntoIterator<Item = (&'a str, &'a ConsumerConfig)>,
    ) -> Result<(), ApiError> {
        let others = others.into_iter().filter(|(other, _)| *other != name);
        let others: Vec<&ConsumerConfig> = others
            .map(|(_, config)| config)
            .filter(|config| !config.is_internal())
            .collect();
        let limit = match stream.max_consumers {
            limit if limit <= 0 || (0 < max_consumers && max_consumers < limit) => max_consumers,
            limit => limit,
        };
        if let Ok(limit @ 1..) = usize::try_from(limit)
            && others.len() >= limit
        {
            return Err(error::MAXIMUM_CONSUMERS_LIMIT);
        }
        if stream.retention == RetentionPolicy::WorkQueue && !self.is_internal() {
            self.check_work_queue(&others)?;
        }
        if self.is_durable() && self.durable_name.len() > MAX_NAME_BYTES {
            return Err(error::consumer_name_too_long(MAX_NAME_BYTES));
        }
        Ok(())
    }

    /// Whether a consumer of a work queue may be updated to this: its filters must still be its
    /// own. `others` are the stream's consumers with their names.
    ///
    /// # Errors
    /// 10100.
    pub fn check_still_unique<'a>(
        &self,
        name: &str,
        others: impl IntoIterator<Item = (&'a str, &'a ConsumerConfig)>,
    ) -> Result<(), ApiError> {
        let mut others = others
            .into_iter()
            .filter(|(other, config)| *other != name && !config.is_internal());
        if others.any(|(_, other)| self.shares_with(other)) {
            return Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_UNIQUE);
        }
        Ok(())
    }

    fn check_work_queue(&self, others: &[&ConsumerConfig]) -> Result<(), ApiError> {
        if !matches!(
            self.ack_policy,
            AckPolicy::Explicit | AckPolicy::FlowControl
        ) {
            return Err(error::CONSUMER_WORK_QUEUE_REQUIRES_EXPLICIT_ACK);
        }
        if self.deliver_policy != DeliverPolicy::All {
            return Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_DELIVER_ALL);
        }
        if !others.is_empty() && self.filter_texts().next().is_none() {
            return Err(error::CONSUMER_WORK_QUEUE_MULTIPLE_UNFILTERED);
        }
        if others.iter().any(|other| self.shares_with(other)) {
            return Err(error::CONSUMER_WORK_QUEUE_CONSUMER_NOT_UNIQUE);
        }
        Ok(())
    }

    /// Whether a message might be for both.
    fn shares_with(&self, other: &Self) -> bool {
        self.filter_texts().any(|ours| {
            other.filter_texts().next().is_none()
                || other
                    .filter_texts()
                    .any(|theirs| overlaps(ours.as_bytes(), theirs.as_bytes()))
        })
    }

    /// Whether it belongs to a mirror or source, and does not count.
    fn is_internal(&self) -> bool {
        self.direct || self.sourcing
    }
}

fn refuse<T>(text: impl std::fmt::Display) -> Result<T, ApiError> {
    Err(error::consumer_create(text))
}
