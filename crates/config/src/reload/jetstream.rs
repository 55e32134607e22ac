//! JetStream's options as reload sees them.
//!
//! Owns their rows. The settings are compared while JetStream is on before and after: turning it
//! on or off is a change of its own, which needs a restart, and settings of what is off matter to
//! nobody. The limits of the stores may be raised live, if they were set; every other change of
//! them has a refusal of its own, as in nats-server. Absent: keys that have no effect.

use super::{Field, Shown};
use crate::duration;
use crate::options::{
    JetStreamLimits, JetStreamOptions, Options, StoreCipher, StoreEncryption, SyncPolicy,
};
use crate::schema::{Reload, reload_of_jetstream};
use std::time::Duration;

/// A field of `JetStreamOptions` whose key says in the schema whether it may change live.
macro_rules! field {
    ($name:literal, $key:literal, $field:ident) => {
        Field {
            name: $name,
            key: $key,
            changed: |old, new| both(old, new, |old, new| old.$field != new.$field),
            may_change: |_, _| reload_of_jetstream($key) == Some(Reload::Live),
            show: |options| show(options, |jetstream| jetstream.$field.shown()),
        }
    };
}

/// One way in which the limit of a store can change, and whether it may; the ways exclude each
/// other.
macro_rules! maximum {
    ($name:literal, $key:literal, $field:ident, $way:ident, $may:literal) => {
        Field {
            name: $name,
            key: $key,
            changed: |old, new| both(old, new, |old, new| $way(old.$field, new.$field)),
            may_change: |_, _| $may,
            show: |options| show(options, |jetstream| jetstream.$field.shown()),
        }
    };
}

/// JetStream's options, in the order in which nats-server compares them.
#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field {
        name: "JetStream",
        key: "jetstream",
        changed: |old, new| old.jetstream.is_some() != new.jetstream.is_some(),
        may_change: |_, _| false,
        show: |options| options.jetstream.is_some().shown(),
    },
    Field {
        name: "NoJetStreamStrict",
        key: "strict",
        changed: |old, new| both(old, new, |old, new| old.strict != new.strict),
        may_change: |_, _| reload_of_jetstream("strict") == Some(Reload::Live),
        show: |options| show(options, |jetstream| (!jetstream.strict).shown()),
    },
    maximum!("JetStreamMaxMemory", "max_memory_store", max_memory_store, raised, true),
    maximum!("decreasing jetstream max memory and store", "max_memory_store", max_memory_store, lowered, false),
    maximum!("jetstream dynamic max memory and store", "max_memory_store", max_memory_store, set, false),
    maximum!("jetstream max memory and max store", "max_memory_store", max_memory_store, unset, false),
    maximum!("JetStreamMaxStore", "max_file_store", max_file_store, raised, true),
    maximum!("decreasing jetstream max memory and store", "max_file_store", max_file_store, lowered, false),
    maximum!("jetstream dynamic max memory and store", "max_file_store", max_file_store, set, false),
    maximum!("jetstream max memory and max store", "max_file_store", max_file_store, unset, false),
    field!("JetStreamDomain", "domain", domain),
    field!("JetStreamLimits", "limits", limits),
    field!("JetStreamRequestQueueLimit", "request_queue_limit", request_queue_limit),
    field!("JetStreamInfoQueueLimit", "info_queue_limit", info_queue_limit),
    field!("JetStreamConcurrentIOs", "max_concurrent_io", max_concurrent_io),
    field!("StreamMaxBufferedMsgs", "max_buffered_msgs", max_buffered_msgs),
    field!("StreamMaxBufferedSize", "max_buffered_size", max_buffered_size),
    field!("jetstream storage directory", "store_dir", store_dir),
    field!("SyncInterval", "sync_interval", sync_interval),
    field!("jetstream encryption", "key", encryption),
];

/// A comparison of settings that are both in force.
fn both(
    old: &Options,
    new: &Options,
    differ: fn(&JetStreamOptions, &JetStreamOptions) -> bool,
) -> bool {
    match (&old.jetstream, &new.jetstream) {
        (Some(old), Some(new)) => differ(old, new),
        _ => false,
    }
}

fn show(options: &Options, text: fn(&JetStreamOptions) -> String) -> String {
    options.jetstream.as_ref().map_or_else(String::new, text)
}

fn raised(old: Option<u64>, new: Option<u64>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if new > old)
}

fn lowered(old: Option<u64>, new: Option<u64>) -> bool {
    matches!((old, new), (Some(old), Some(new)) if new < old)
}

fn set(old: Option<u64>, new: Option<u64>) -> bool {
    old.is_none() && new.is_some()
}

fn unset(old: Option<u64>, new: Option<u64>) -> bool {
    old.is_some() && new.is_none()
}

/// A size as nats-server's log shows it: `512 B`, `1.50 GB`.
pub(super) fn friendly_size(bytes: u64) -> String {
    let units = ["KB", "MB", "GB", "TB", "PB", "EB"];
    let mut size = bytes as f64;
    let mut shown = format!("{bytes} B");
    for unit in units {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        shown = format!("{size:.2} {unit}");
    }
    shown
}

/// A limit that depends on the machine is -1, as in nats-server.
impl Shown for Option<u64> {
    fn shown(&self) -> String {
        self.map_or_else(|| "-1".to_owned(), |limit| limit.to_string())
    }
}

impl Shown for SyncPolicy {
    fn shown(&self) -> String {
        match self {
            Self::Always => "always".to_owned(),
            Self::Interval(interval) => duration::show(*interval),
        }
    }
}

/// That it is encrypted, and how; never with what.
impl Shown for Option<StoreEncryption> {
    fn shown(&self) -> String {
        match self.as_ref().map(|encryption| encryption.cipher) {
            None => "none".to_owned(),
            Some(StoreCipher::ChaCha) => "chacha".to_owned(),
            Some(StoreCipher::Aes) => "aes".to_owned(),
        }
    }
}

/// The numbers in the order in which Go prints them; 0 is no limit.
impl Shown for JetStreamLimits {
    fn shown(&self) -> String {
        let number = |limit: Option<u64>| limit.unwrap_or_default().to_string();
        let time = |limit: Option<Duration>| duration::show(limit.unwrap_or_default());
        let parts = [
            number(self.max_request_batch),
            number(self.max_ack_pending),
            number(self.max_ha_assets),
            time(self.duplicate_window),
            number(self.batch.max_inflight_per_stream),
            number(self.batch.max_inflight_total),
            number(self.batch.max_msgs),
            time(self.batch.timeout),
        ];
        format!("{{{}}}", parts.join(" "))
    }
}
