//! Copies of streams, out and in: requests are checked and the transfers begun.

use cognate_api::event::SnapshotCreate;
use cognate_api::{
    RestoreRequest, RestoreStarted, SnapshotRequest, SnapshotStarted, StreamRequest, StreamState,
    error_response, response,
};
use cognate_model::{ApiError, error};
use cognate_process::{info, warn};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::{Answer, Call, stream};
use crate::jetstream::snapshot::{self, Frozen, Sending};
use crate::jetstream::snapshot_transfers::Transfer;
use crate::jetstream::stream::StreamHandle;
use crate::jetstream::{AccountJetStream, advisory, restore};

/// `STREAM.SNAPSHOT`.
pub(super) fn snapshot(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let request = SnapshotRequest::parse(call.body(), call.unknown);
    // The stream is looked for between the two things a body can be wrong about.
    if request.as_ref().err() == Some(&error::BAD_REQUEST) {
        return Err(error::BAD_REQUEST);
    }
    let stream = call.stream(name)?;
    let request = request?;
    request.check()?;
    let transfer = jetstream.server.transfers.begin_snapshot()?;
    let frozen = freeze(jetstream, &stream)?;
    let (account, log) = (&jetstream.account.name, &jetstream.server.shared.log);
    info!(log, "Starting snapshot for stream '{account} > {name}'");
    if request.jsck {
        // It reads everything, which others are not to wait for.
        let own = OwnCall::of(call);
        tokio::task::spawn_blocking(move || {
            let checked = snapshot::check(&frozen, &stream, &transfer);
            own.go_on(checked, stream, frozen, &request, transfer);
        });
    } else {
        OwnCall::of(call).go_on(Ok(()), stream, frozen, &request, transfer);
    }
    Ok(Answer::Silence)
}

/// What the stream holds now; a rollup that goes on is brought to its end first.
fn freeze(jetstream: &AccountJetStream, stream: &Arc<StreamHandle>) -> Result<Frozen, ApiError> {
    loop {
        let frozen = jetstream.with_group(stream, |group, now, outlet| {
            let is_busy = group.continue_rollups(now, outlet)?;
            Ok::<_, ApiError>((!is_busy).then(|| group.freeze()))
        })?;
        if let Some(frozen) = frozen {
            return frozen.map_err(error::stream_snapshot);
        }
    }
}

/// What is left of a request that is answered later than those that came after it.
struct OwnCall {
    jetstream: Arc<AccountJetStream>,
    request: Arc<super::Request>,
}

impl OwnCall {
    fn of(call: &Call<'_>) -> Self {
        OwnCall {
            jetstream: Arc::clone(call.jetstream),
            request: Arc::clone(call.request),
        }
    }

    /// Answers, and sends the copy after the answer.
    fn go_on(
        self,
        checked: Result<(), String>,
        stream: Arc<StreamHandle>,
        frozen: Frozen,
        request: &SnapshotRequest,
        transfer: Transfer,
    ) {
        let jetstream = &self.jetstream;
        let name = &frozen.config.name;
        if let Err(reason) = checked {
            let (account, log) = (&jetstream.account.name, &jetstream.server.shared.log);
            warn!(
                log,
                "Snapshot of stream '{account} > {name}' failed: {reason}"
            );
            return self.answer(Err(error::stream_snapshot(reason)));
        }
        let state = StreamState {
            consumer_count: frozen.consumers.len() as u64,
            ..StreamState::of(&frozen.messages.state())
        };
        let client = advisory::client(jetstream);
        let started = SnapshotStarted {
            config: frozen.config.clone(),
            state,
        };
        self.answer(Ok(&started));
        advisory::send(
            jetstream,
            &SnapshotCreate {
                stream: name,
                state: &started.state,
                client: &client,
                domain: advisory::domain(jetstream),
            },
        );
        let (jetstream, sending) = (Arc::clone(jetstream), Sending::of(request));
        tokio::spawn(snapshot::send(jetstream, stream, frozen, sending, transfer));
    }

    fn answer(&self, outcome: Result<&SnapshotStarted, ApiError>) {
        let operation = cognate_api::Operation::parse(&self.request.subject);
        let stats = &self.jetstream.api_stats;
        stats.total.fetch_add(1, Relaxed);
        let body = match (&operation, &outcome) {
            (Some(operation), Ok(started)) => response(operation, started),
            (operation, Err(cause)) => {
                stats.errors.fetch_add(1, Relaxed);
                error_response(operation.as_ref(), cause)
            }
            (None, Ok(_)) => return,
        };
        if let Ok(reply) = std::str::from_utf8(&self.request.reply)
            && !reply.is_empty()
        {
            self.jetstream.publish(reply, b"", &body);
        }
        if let Some(client) = advisory::audited(&self.jetstream, &self.request) {
            advisory::api_audit(&self.jetstream, &self.request, &client, &body);
        }
    }
}

/// `STREAM.RESTORE`.
pub(super) fn restore(call: &Call<'_>, name: &str) -> Result<Answer, ApiError> {
    let jetstream = call.jetstream;
    let request = RestoreRequest::parse(call.body(), name, call.unknown)?;
    let config = stream::checked(
        jetstream,
        StreamRequest {
            config: request.config,
            pedantic: false,
        },
    )?;
    stream::check_room(jetstream, &config, name)?;
    if jetstream.stream(name).is_some() {
        return Err(error::STREAM_NAME_EXIST_RESTORE_FAILED);
    }
    if config.num_replicas > 1 {
        return Err(error::STREAM_REPLICAS_NOT_SUPPORTED);
    }
    stream::check_subjects_free(jetstream, &config, &[])?;
    let transfer = jetstream.server.transfers.begin_restore()?;
    let deliver_subject = restore::begin(jetstream, config, transfer)?;
    Ok(call.answer(&RestoreStarted { deliver_subject }))
}
