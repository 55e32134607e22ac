//! What the server answers.
//!
//! An answer is a type and a body ([`response`]), or a type and an error ([`error_response`]).
//! Members that are zero are written or left out as nats-server does, also beside an error.

mod account;
mod asset;
mod consumer;
mod message;
mod page;
mod stream;

use cognate_model::{ApiError, json};
use serde::Serialize;

use crate::Operation;

pub use account::{AccountInfo, AccountUsage, ApiStats, Initiated};
pub use asset::{ClusterInfo, Done, PeerInfo, Success};
pub use consumer::{ConsumerInfo, PauseState, PinnedGroup, ResetConsumer, SequenceInfo};
pub use message::StoredMessage;
pub use page::{
    ConsumerListPage, InfoPage, LIST_LIMIT, NAMES_LIMIT, NamesPage, Page, SUBJECTS_LIMIT,
    StreamListPage,
};
pub use stream::{
    Alternate, CreatedStream, LostMessages, Purged, RestoreStarted, SnapshotStarted, SourceInfo,
    StreamInfo, StreamState,
};

/// The type of what is sent when a request is refused before its operation is known.
pub const SYSTEM_RESPONSE: &str = "io.nats.jetstream.api.v1.system_response";

#[derive(Serialize)]
struct Typed<'a, T: Serialize + ?Sized> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// The answer to an operation that was done. The body types say which operations they are for.
#[must_use]
pub fn response<T: Serialize + ?Sized>(operation: &Operation<'_>, body: &T) -> Vec<u8> {
    let kind = operation.response_type().unwrap_or(SYSTEM_RESPONSE);
    json::to_vec(&Typed { kind, body })
}

/// The answer to an operation that was refused.
#[must_use]
pub fn error_response(operation: Option<&Operation<'_>>, error: &ApiError) -> Vec<u8> {
    let kind = operation.and_then(Operation::response_type);
    let body = Refused {
        error,
        rest: Rest::of(operation),
    };
    json::to_vec(&Typed {
        kind: kind.unwrap_or(SYSTEM_RESPONSE),
        body: &body,
    })
}

#[derive(Serialize)]
struct Refused<'a> {
    error: &'a ApiError,
    #[serde(flatten)]
    rest: Rest,
}

/// What of its usual body an operation shows even if it was refused.
#[derive(Serialize)]
#[serde(untagged)]
enum Rest {
    Page {
        total: u64,
        offset: u64,
        limit: u64,
    },
    Streams {
        total: u64,
        offset: u64,
        limit: u64,
        streams: (),
    },
    StreamList {
        total: u64,
        offset: u64,
        limit: u64,
        streams: [(); 0],
    },
    Consumers {
        total: u64,
        offset: u64,
        limit: u64,
        consumers: [(); 0],
    },
    Purged {
        purged: u64,
    },
    Restore {
        deliver_subject: &'static str,
    },
    Pause {
        paused: bool,
        pause_until: &'static str,
    },
    Reset {
        reset_seq: u64,
    },
    Nothing {},
}

impl Rest {
    fn of(operation: Option<&Operation<'_>>) -> Self {
        let (total, offset, limit) = (0, 0, 0);
        match operation {
            Some(Operation::StreamInfo { .. }) => Rest::Page {
                total,
                offset,
                limit,
            },
            Some(Operation::StreamNames) => Rest::Streams {
                total,
                offset,
                limit,
                streams: (),
            },
            Some(Operation::StreamList) => Rest::StreamList {
                total,
                offset,
                limit,
                streams: [],
            },
            Some(Operation::ConsumerNames { .. } | Operation::ConsumerList { .. }) => {
                Rest::Consumers {
                    total,
                    offset,
                    limit,
                    consumers: [],
                }
            }
            Some(Operation::StreamPurge { .. }) => Rest::Purged { purged: 0 },
            Some(Operation::StreamRestore { .. }) => Rest::Restore {
                deliver_subject: "",
            },
            Some(Operation::ConsumerPause { .. }) => Rest::Pause {
                paused: false,
                pause_until: "0001-01-01T00:00:00Z",
            },
            Some(Operation::ConsumerReset { .. }) => Rest::Reset { reset_seq: 0 },
            _ => Rest::Nothing {},
        }
    }
}
