//! The bodies of requests.
//!
//! Each type knows how its operation treats a body: whether there may or must be one, and what in
//! it contradicts itself. What needs the stream or consumer is checked elsewhere.

mod consumer;
mod stream;
mod system;

use cognate_model::json::{self, Json, Record, Unknown};
use cognate_model::{ApiError, error};

pub use consumer::{
    ConsumerAction, ConsumerRequest, PageRequest, PauseRequest, ResetRequest, UnpinRequest,
};
pub use stream::{
    InfoRequest, MessageRequest, PurgeRequest, RemoveMessageRequest, RestoreRequest,
    SnapshotRequest, StreamRequest, SubjectPageRequest,
};
pub use system::{MoveRequest, PeerRequest, ServerRemoveRequest, StepDownRequest};

/// For operations without a body: nothing, or an empty object.
///
/// # Errors
/// 10038 if there is something.
pub fn expect_empty(body: &[u8]) -> Result<(), ApiError> {
    if is_empty(body) {
        Ok(())
    } else {
        Err(error::NOT_EMPTY_REQUEST)
    }
}

fn is_empty(body: &[u8]) -> bool {
    match body {
        b"" | b"{}" => true,
        _ => matches!(
            serde_json::from_slice::<Json>(body),
            Ok(Json::Object(members)) if members.is_empty()
        ),
    }
}

/// For operations that take anything as a body.
fn parse<T: Record + Default>(body: &[u8], unknown: Unknown) -> Result<T, ApiError> {
    json::decode_request(body, unknown).map_err(error::invalid_json)
}

/// For operations that need a body.
fn parse_required<T: Record + Default>(body: &[u8], unknown: Unknown) -> Result<T, ApiError> {
    if is_empty(body) {
        return Err(error::BAD_REQUEST);
    }
    parse(body, unknown)
}

/// For operations that look at a body only if it seems to be JSON.
fn parse_optional<T: Record + Default>(body: &[u8], unknown: Unknown) -> Result<T, ApiError> {
    match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => parse(body, unknown),
        _ => Ok(T::default()),
    }
}

/// For operations that never are strict, and don't tell where JSON is broken.
fn parse_plain<T: Record + Default>(body: &[u8]) -> Result<T, ApiError> {
    json::decode_request(body, Unknown::Ignored).map_err(error::invalid_json)
}
