//! One revision of a key: what a message of a bucket's stream says.

use async_nats::Message;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::error::Result;
use crate::jsm::{Delivery, StoredMessage};
use crate::output::time;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A value was written.
    Put,
    /// It was deleted, its history kept.
    Delete,
    /// It was deleted with its history.
    Purge,
}

impl Operation {
    /// The word in the header `KV-Operation`, and for who watches.
    pub(super) fn header(self) -> &'static str {
        match self {
            Operation::Put => "PUT",
            Operation::Delete => "DEL",
            Operation::Purge => "PURGE",
        }
    }

    /// The word in a key's history.
    pub(super) fn word(self) -> &'static str {
        match self {
            Operation::Delete => "DELETE",
            other => other.header(),
        }
    }

    /// Reads `KV-Operation` and `Nats-Marker-Reason`.
    fn of(operation: Option<&str>, marker: Option<&str>) -> Self {
        match (operation, marker) {
            (Some("DEL"), _) => Operation::Delete,
            (Some("PURGE"), _) => Operation::Purge,
            (_, Some("Remove")) => Operation::Delete,
            (_, Some("MaxAge" | "Purge")) => Operation::Purge,
            _ => Operation::Put,
        }
    }
}

/// A revision.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) revision: u64,
    pub(super) created: Timestamp,
    pub(super) operation: Operation,
    /// Entries that follow this one in a listing.
    pub(super) delta: u64,
    /// The size of the value, which a listing without values knows from a header.
    pub(super) size: u64,
}

impl Entry {
    /// Reads a message that was asked for by itself.
    pub(super) fn stored(bucket: &str, message: &StoredMessage) -> Result<Self> {
        let decode = |text: &Option<String>| STANDARD.decode(text.as_deref().unwrap_or_default());
        let headers = String::from_utf8_lossy(&decode(&message.hdrs)?).into_owned();
        let header = |name: &str| {
            headers.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let value = decode(&message.data)?;
        Ok(Entry {
            key: key_of(bucket, &message.subject),
            size: value.len() as u64,
            value,
            revision: message.seq,
            created: time::parse(&message.time).unwrap_or(Timestamp::UNIX_EPOCH),
            operation: Operation::of(header("KV-Operation"), header("Nats-Marker-Reason")),
            delta: 0,
        })
    }

    /// Reads a message that a consumer delivered; `None` if it is not one.
    pub(super) fn delivered(bucket: &str, message: &Message) -> Option<Self> {
        let delivery = Delivery::of(message.reply.as_ref()?)?;
        let header = |name: &str| {
            message
                .headers
                .as_ref()?
                .get(name)
                .map(|value| value.as_str())
        };
        let told = header("Nats-Msg-Size").and_then(|size| size.parse().ok());
        Some(Entry {
            key: key_of(bucket, &message.subject),
            value: message.payload.to_vec(),
            revision: delivery.stream_seq,
            created: delivery.time,
            operation: Operation::of(header("KV-Operation"), header("Nats-Marker-Reason")),
            delta: delivery.pending,
            size: told.unwrap_or(message.payload.len() as u64),
        })
    }
}

impl Entry {
    /// For `--json`; a value that is no text is in base64.
    pub(super) fn to_json(&self, with_value: bool) -> Value {
        let mut json = json!({
            "key": self.key,
            "revision": self.revision,
            "operation": self.operation.header(),
            "created": self.created.to_string(),
            "length": self.size,
        });
        if with_value {
            match std::str::from_utf8(&self.value) {
                Ok(text) => json["value"] = text.into(),
                Err(_) => json["value_base64"] = STANDARD.encode(&self.value).into(),
            }
        }
        json
    }
}

fn key_of(bucket: &str, subject: &str) -> String {
    let prefix = format!("$KV.{bucket}.");
    subject.strip_prefix(&prefix).unwrap_or(subject).to_owned()
}
