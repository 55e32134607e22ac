//! Copies of streams, out and in: requests are checked, and refused because this is not built yet.

use cognate_api::{RestoreRequest, SnapshotRequest, StreamRequest};
use cognate_model::{ApiError, error};

use super::{Answer, Call, stream};

/// `STREAM.SNAPSHOT`.
pub(super) fn snapshot(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = SnapshotRequest::parse(call.body(), call.unknown);
    // The stream is looked for between the two things a body can be wrong about.
    if request.as_ref().err() == Some(&error::BAD_REQUEST) {
        return Err(error::BAD_REQUEST);
    }
    call.stream(name)?;
    request?.check()?;
    Err(error::stream_snapshot(
        "snapshots are not supported by this server yet",
    ))
}

/// `STREAM.RESTORE`.
pub(super) fn restore(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = RestoreRequest::parse(call.body(), name, call.unknown)?;
    let config = stream::checked(
        call.jetstream,
        StreamRequest {
            config: request.config,
            pedantic: false,
        },
    )?;
    stream::check_room(call.jetstream, &config, name)?;
    if call.jetstream.stream(name).is_some() {
        return Err(error::STREAM_NAME_EXIST_RESTORE_FAILED);
    }
    Err(error::stream_restore(
        "restoring is not supported by this server yet",
    ))
}
