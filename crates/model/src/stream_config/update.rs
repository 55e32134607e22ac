//! What may become of a stream's configuration once it exists.

use super::check::refuse;
use crate::{
    ApiError, ConsumerConfig, ConsumerLimits, DiscardPolicy, Nanos, RetentionPolicy, StreamConfig,
    error,
};
use cognate_subject::validate::overlaps;

impl StreamConfig {
    /// What only a creation refuses; before [`checked`](Self::checked). `name` is the subject's.
    ///
    /// # Errors
    /// 10056, 10128 or 10052.
    pub fn check_create(&self, name: &str) -> Result<(), ApiError> {
        if self.name != name {
            return Err(error::STREAM_MISMATCH);
        }
        if name.contains(['\\', '/']) {
            return Err(error::STREAM_NAME_CONTAINS_PATH_SEPARATORS);
        }
        if self.sealed {
            return refuse("stream configuration for create can not be sealed");
        }
        if self.mirror_direct && self.mirror.is_none() {
            return refuse("stream has no mirror but does have mirror direct");
        }
        Ok(())
    }

    /// Whether this (checked) configuration, asked for anew, is that of the stream `existing`.
    #[must_use]
    pub fn is_same_as(&self, existing: &Self) -> bool {
        let mut asked = self.clone();
        asked.copy_required_level(existing);
        asked == *existing
    }

    /// What a stream of this configuration becomes if it is updated to `new`, which is checked.
    ///
    /// # Errors
    /// 10052 or 10055, if something is changed that cannot be.
    pub fn updated(&self, mut new: Self) -> Result<Self, ApiError> {
        if new.name != self.name {
            return refuse("stream configuration name must match original");
        }
        if new.storage != self.storage {
            return refuse("stream configuration update can not change storage type");
        }
        let queue = |config: &Self| config.retention == RetentionPolicy::WorkQueue;
        if new.retention != self.retention && (queue(&new) || queue(self)) {
            let text = "stream configuration update can not change retention policy to/from";
            return refuse(format_args!("{text} workqueue"));
        }
        if self.sealed && !new.sealed {
            return refuse("stream configuration update can not unseal a sealed stream");
        }
        if self.deny_delete && !new.deny_delete {
            return refuse("stream configuration update can not cancel deny message deletes");
        }
        if self.deny_purge && !new.deny_purge {
            return refuse("stream configuration update can not cancel deny purge");
        }
        // A mirror may be dropped, which makes an ordinary stream of it.
        if new.mirror.is_some() && new.mirror != self.mirror {
            return Err(error::STREAM_MIRROR_NOT_UPDATABLE);
        }
        new.check_discard_per_subject()?;
        if self.allow_msg_ttl && !new.allow_msg_ttl {
            return refuse("message TTL status can not be disabled");
        }
        if new.allow_msg_counter != self.allow_msg_counter {
            return refuse("stream configuration update can not change message counter setting");
        }
        if self.allow_msg_schedules && !new.allow_msg_schedules {
            return refuse("message schedules can not be disabled");
        }
        if new.persist_mode != self.persist_mode {
            return refuse("stream configuration update can not change persist mode");
        }
        if new.sealed {
            new.max_age = Nanos::ZERO;
            new.discard = DiscardPolicy::New;
            new.deny_delete = true;
            new.deny_purge = true;
            new.allow_rollup_hdrs = false;
        }
        Ok(new)
    }

    /// Whether the subjects are free: none of `others`, the account's other streams, has one that
    /// overlaps.
    ///
    /// # Errors
    /// 10065.
    pub fn check_subjects_free<'a>(
        &self,
        others: impl IntoIterator<Item = &'a StreamConfig>,
    ) -> Result<(), ApiError> {
        let ours = |theirs: &String| {
            let mut ours = self.subjects.iter();
            ours.any(|ours| ours == theirs || overlaps(ours.as_bytes(), theirs.as_bytes()))
        };
        if others
            .into_iter()
            .any(|other| other.subjects.iter().any(ours))
        {
            return Err(error::STREAM_SUBJECT_OVERLAP);
        }
        Ok(())
    }
}

impl ConsumerLimits {
    /// Whether existing consumers, given with their names, keep limits that were `old` before.
    ///
    /// # Errors
    /// 10069, with the names of those that do not.
    pub fn check_consumers<'a>(
        &self,
        old: &Self,
        consumers: impl IntoIterator<Item = (&'a str, &'a ConsumerConfig)>,
    ) -> Result<(), ApiError> {
        let threshold = self.inactive_threshold;
        if self == old || (threshold.0 <= 0 && self.max_ack_pending <= 0) {
            return Ok(());
        }
        let violates = |config: &ConsumerConfig| {
            (threshold.0 > 0 && config.inactive_threshold > threshold)
                || (self.max_ack_pending > 0 && config.max_ack_pending > self.max_ack_pending)
        };
        let names: Vec<&str> = consumers
            .into_iter()
            .filter(|(_, config)| violates(config))
            .map(|(name, _)| name)
            .collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(", ");
        Err(error::stream_update(format_args!(
            "change to limits violates consumers: {names}"
        )))
    }
}
