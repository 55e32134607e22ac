//! A stored message as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cognate_model::{Message, Timestamp};
use serde::Serialize;

/// The body of `STREAM.MSG.GET`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredMessage {
    message: Stored,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Stored {
    subject: String,
    seq: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    hdrs: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    data: String,
    time: Timestamp,
}

impl StoredMessage {
    /// A message; without its headers if they are not wanted. Bytes of the subject that are not
    /// text are shown as U+FFFD.
    #[must_use]
    pub fn new(message: &Message<'_>, with_headers: bool) -> Self {
        let headers = if with_headers { message.headers } else { b"" };
        Self {
            message: Stored {
                subject: String::from_utf8_lossy(message.subject).into_owned(),
                seq: message.sequence,
                hdrs: STANDARD.encode(headers),
                data: STANDARD.encode(message.payload),
                time: message.timestamp,
            },
        }
    }
}
