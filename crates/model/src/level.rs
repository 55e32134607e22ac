//! API levels: which features a configuration needs, and what the server adds to metadata.
//!
//! The needed level is stored with the asset (`_nats.req.level`); the server's version and level
//! are only shown (`_nats.ver`, `_nats.level`). What a user puts under these names is replaced.

use std::collections::BTreeMap;

use crate::{AckPolicy, ConsumerConfig, PersistMode, PriorityPolicy, StreamConfig};

/// The API level that this server offers, that of nats-server 2.14.
pub const API_LEVEL: u32 = 4;

/// The metadata key of the level that an asset needs.
pub const REQUIRED_LEVEL_KEY: &str = "_nats.req.level";
/// The metadata key of the version of the server that answers.
pub const VERSION_KEY: &str = "_nats.ver";
/// The metadata key of the level of the server that answers.
pub const LEVEL_KEY: &str = "_nats.level";

/// The level that a stream needs.
#[must_use]
pub fn stream_level(config: &StreamConfig) -> u32 {
    let level_2 = config.allow_msg_counter
        || config.allow_atomic
        || config.allow_msg_schedules
        || config.persist_mode == PersistMode::Async;
    if config.allow_batched {
        4
    } else if level_2 {
        2
    } else {
        u32::from(config.allow_msg_ttl || config.subject_delete_marker_ttl.0 > 0)
    }
}

/// The level that a consumer needs.
#[must_use]
pub fn consumer_level(config: &ConsumerConfig) -> u32 {
    let pauses = config
        .pause_until
        .is_some_and(|until| !until.is_zero_time());
    let groups = config.priority_policy != PriorityPolicy::None
        || !config.priority_timeout.is_zero()
        || !config.priority_groups.is_empty();
    if config.ack_policy == AckPolicy::FlowControl {
        4
    } else {
        u32::from(pauses || groups)
    }
}

/// Whether an asset with this metadata can be run here.
#[must_use]
pub fn is_supported(metadata: &BTreeMap<String, String>) -> bool {
    match metadata.get(REQUIRED_LEVEL_KEY) {
        Some(level) if !level.is_empty() => level
            .parse::<i64>()
            .is_ok_and(|level| level <= i64::from(API_LEVEL)),
        _ => true,
    }
}

/// Whether the value of a request's `Nats-Required-Api-Level` header asks for more than there is;
/// the answer then is [`REQUIRED_API_LEVEL`](crate::error::REQUIRED_API_LEVEL).
#[must_use]
pub fn exceeds(required: &[u8]) -> bool {
    let required = std::str::from_utf8(required).ok();
    !required.is_some_and(|text| {
        text.is_empty()
            || text
                .parse::<i64>()
                .is_ok_and(|level| level <= i64::from(API_LEVEL))
    })
}

macro_rules! metadata_of {
    ($config:ident, $level:path) => {
        impl $config {
            /// Notes the level it needs, and drops what is only for show; before it is stored.
            pub fn set_required_level(&mut self) {
                drop_shown(&mut self.metadata);
                let level = $level(self).to_string();
                self.metadata.insert(REQUIRED_LEVEL_KEY.to_owned(), level);
            }

            /// As it is shown in replies, with the server's `version` and level.
            #[must_use]
            pub fn shown(&self, version: &str) -> Self {
                let mut shown = self.clone();
                shown
                    .metadata
                    .insert(VERSION_KEY.to_owned(), version.to_owned());
                shown
                    .metadata
                    .insert(LEVEL_KEY.to_owned(), API_LEVEL.to_string());
                shown
            }

            /// Takes over the noted level of `other`, so that two configurations can be compared.
            pub fn copy_required_level(&mut self, other: &Self) {
                drop_shown(&mut self.metadata);
                match other.metadata.get(REQUIRED_LEVEL_KEY) {
                    Some(level) => {
                        self.metadata
                            .insert(REQUIRED_LEVEL_KEY.to_owned(), level.clone());
                    }
                    None => {
                        self.metadata.remove(REQUIRED_LEVEL_KEY);
                    }
                }
            }
        }
    };
}

metadata_of!(StreamConfig, stream_level);
metadata_of!(ConsumerConfig, consumer_level);

fn drop_shown(metadata: &mut BTreeMap<String, String>) {
    metadata.remove(VERSION_KEY);
    metadata.remove(LEVEL_KEY);
}
