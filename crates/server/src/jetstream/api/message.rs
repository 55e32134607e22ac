//! Messages are read, deleted and purged.

use std::sync::Arc;

use cognate_api::{
    MessageRequest, PurgeRequest, Purged, RemoveMessageRequest, StoredMessage, Success,
    error_response, response,
};
use cognate_model::{ApiError, error};
use cognate_stream::GetRequest;
use cognate_subject::Filter;

use super::{Answer, Call};
use crate::jetstream::stream::StreamHandle;

/// `STREAM.MSG.GET`. What is answered is durable: nobody acts on a message that a crash takes back.
pub(super) fn get(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = MessageRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(name)?;
    call.jetstream.with_group(&stream, |group, _, _| {
        let message = group.message(&GetRequest {
            sequence: request.seq,
            last_by_subject: request.last_by_subj.as_bytes(),
            next_by_subject: request.next_by_subj.as_bytes(),
            start_time: request.start_time,
        })?;
        let body = StoredMessage::new(&message, !request.no_hdr);
        Ok(call.leave(&stream, group, response(&call.operation, &body)))
    })
}

/// `STREAM.MSG.DELETE`.
pub(super) fn delete(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = RemoveMessageRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(name)?;
    call.jetstream.with_group(&stream, |group, now, outlet| {
        let config = group.config();
        if config.sealed {
            return Err(error::STREAM_SEALED);
        }
        if config.deny_delete {
            let text = "message delete not permitted";
            return Err(error::stream_msg_delete_failed(text));
        }
        let deleted = group.delete_message(request.seq, !request.no_erase, now, outlet);
        let body = match deleted {
            Ok(()) => response(&call.operation, &Success::DONE),
            // nats-server does not count this as an error of the API.
            Err(cause) => error_response(Some(&call.operation), &cause),
        };
        Ok(call.leave(&stream, group, body))
    })
}

/// `STREAM.PURGE`.
pub(super) fn purge(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let request = PurgeRequest::parse(call.body(), call.unknown)?;
    let stream = call.stream(name)?;
    let filter = match request.filter.as_str() {
        "" => Ok(None),
        text => Filter::try_from(text).map(Some),
    };
    let config = stream.config();
    if config.sealed {
        return Err(error::STREAM_SEALED);
    }
    if config.deny_purge {
        let text = "stream purge not permitted";
        return Err(error::stream_purge_failed(text));
    }
    let purged = match &filter {
        Ok(filter) => purge_in_steps(
            call,
            &stream,
            &cognate_stream::PurgeRequest {
                filter: filter.as_ref(),
                sequence: request.seq,
                keep: request.keep,
            },
        ),
        // What is no filter matches nothing.
        Err(_) => Ok(0),
    };
    let body = match purged {
        Ok(purged) => {
            let success = true;
            response(&call.operation, &Purged { success, purged })
        }
        // nats-server does not count this as an error of the API.
        Err(cause) => error_response(Some(&call.operation), &cause),
    };
    Ok(call
        .jetstream
        .with_group(&stream, |group, _, _| call.leave(&stream, group, body)))
}

/// Purges so many messages at a time, and lets publishes have their turn in between.
fn purge_in_steps(
    call: &Call<'_>,
    stream: &Arc<StreamHandle>,
    request: &cognate_stream::PurgeRequest<'_>,
) -> Result<u64, ApiError> {
    let jetstream = call.jetstream;
    // What is being replaced must not count as one of those that stay.
    jetstream.finish_rollups(stream)?;
    let mut purge = jetstream.with_group(stream, |group, now, outlet| {
        group.start_purge(request, now, outlet)
    })?;
    while !purge.is_done() {
        jetstream.with_group(stream, |group, now, outlet| {
            group.continue_purge(&mut purge, now, outlet)
        })?;
    }
    Ok(purge.removed())
}
