//! `$JS.API.ACCOUNT.PURGE.<account>`: the system account has all streams of an account removed.
//!
//! An account that has JetStream loses its streams as if it deleted each of them; of one that is not
//! there any more, or has JetStream no longer, what lies on the disk is removed. Called by the API, for
//! requests made in the system account; those of other accounts stay without an answer.

use std::sync::Arc;

use cognate_api::{Initiated, Operation, error_response, response};
use cognate_model::{ApiError, error};
use cognate_process::info;
use cognate_wire::headers::HeaderBlock;

use super::account::AccountJetStream;
use super::api::queue::Request;
use super::{JetStream, account_path, api, disk};

/// Says that a request came from another account.
const REQUEST_INFO: &[u8] = b"Nats-Request-Info";

/// Whether the system account asks for an account to be purged.
pub(super) fn is_asked(server: &JetStream, request: &Request) -> bool {
    let is_purge = matches!(
        Operation::parse(&request.subject),
        Some(Operation::AccountPurge { .. })
    );
    let headers = HeaderBlock::parse(&request.headers);
    let is_imported = headers.is_some_and(|headers| headers.first(REQUEST_INFO).is_some());
    is_purge && !is_imported && server.is_system(request.account)
}

/// Serves a request that [`is_asked`] takes.
pub(super) async fn serve(server: &Arc<JetStream>, request: &Request) {
    let Some(operation @ Operation::AccountPurge { account }) = Operation::parse(&request.subject)
    else {
        return;
    };
    let body = match purge(server, account).await {
        Ok(()) => response(&operation, &Initiated { initiated: true }),
        Err(cause) => error_response(Some(&operation), &cause),
    };
    if let Some(asked_in) = server.hearing(request.account)
        && let Ok(reply) = str::from_utf8(&request.reply)
        && !reply.is_empty()
    {
        server.publish(&asked_in, reply, b"", &body);
    }
}

async fn purge(server: &Arc<JetStream>, name: &str) -> Result<(), ApiError> {
    if name.contains(['/', '\\']) {
        let problem = "account name can not contain path separators";
        return Err(error::stream_general_error(problem));
    }
    let jetstream = server.of_name(name);
    info!(
        server.shared.log,
        "Purge request for account {name} (streams: {}, hasAccount: {})",
        jetstream.as_ref().map_or(0, |there| there.streams().len()),
        jetstream.is_some()
    );
    match jetstream {
        Some(jetstream) => remove_streams(&jetstream).await,
        None => remove_left(server, name).await,
    }
}

/// Removes the streams of an account that has JetStream.
async fn remove_streams(jetstream: &Arc<AccountJetStream>) -> Result<(), ApiError> {
    // It is there from the beginning, and recovered a little later; an error means that it is gone.
    let mut opened = jetstream.opened.subscribe();
    let _ = opened.wait_for(|opened| *opened).await;
    for stream in jetstream.streams() {
        let claim = api::stream::claim(jetstream, &stream.name)?;
        match jetstream.delete_stream(&stream, claim).await {
            // Somebody else was faster.
            Err(cause) if cause == error::STREAM_NOT_FOUND => {}
            result => result?,
        }
    }
    Ok(())
}

/// Removes what is on the disk of an account that has no JetStream.
async fn remove_left(server: &Arc<JetStream>, name: &str) -> Result<(), ApiError> {
    let closing = server.closing.lock().get(name).cloned();
    if let Some(mut closing) = closing {
        // An error means that whoever closed its streams is gone, and they are closed.
        let _ = closing.wait_for(|closed| *closed).await;
    }
    let path = server.directory.join(account_path::directory(name));
    let removed = tokio::task::spawn_blocking(move || disk::Directory::remove_all(&path)).await;
    match removed {
        Ok(Err(cause)) => Err(error::stream_general_error(&cause)),
        // It ends early only if the runtime is shut down.
        Ok(Ok(())) | Err(_) => Ok(()),
    }
}
