//! Requests that may take long: each is served on a thread, and none waits without end for a disk that
//! does not answer.
//!
//! ```text
//! served on a thread ─▶ gives signs of life ─▶ wait on
//!                   └─▶ none for [`SILENCE`] ─▶ this one is refused, and those behind it as they come,
//!                                               but for one to delete the stream, which is served
//! ```
//!
//! A sign of life is that somebody has done something with the stream: what takes long does it in
//! steps. A refused request goes on when the disk does: its answer is said once, by whoever takes its
//! [`Ticket`]. Its lane stays its own until then, so that no more threads wait for that stream; the
//! thread counts as one that [hangs](Lanes::hanging), and no longer as one of those that serve.

use std::str;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cognate_api::{Operation, error_response};
use cognate_group::Ticket;
use cognate_model::error;
use cognate_process::warn;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::handle;
use super::lanes::{Lanes, stream_of};
use super::queue::Request;
use crate::jetstream::AccountJetStream;
use crate::jetstream::stream::StreamHandle;

/// How long a request gives no sign of life until its disk is taken not to answer: a client waits five
/// seconds.
pub(super) const SILENCE: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 4000 });

/// How often a stream is looked at that a request waits for.
const LOOK: Duration = Duration::from_millis(10);

/// Serves a request on a thread.
pub(super) async fn serve(jetstream: &Arc<AccountJetStream>, lanes: &Lanes, request: Request) {
    let request = Arc::new(request);
    let ticket = Arc::new(Ticket::default());
    let operation = Operation::parse(&request.subject);
    let stream = operation.and_then(|operation| jetstream.stream(stream_of(&operation)?));
    let Some((thread, mut done)) = on_thread(jetstream, lanes, &request, &ticket).await else {
        return refuse_unserved(jetstream, &request);
    };
    if operation.is_some_and(|operation| is_deletion(&operation)) {
        // It ends early only if the runtime is shut down.
        let _ = done.await;
        return;
    }
    let mut thread = Some(thread);
    let touched = || stream.as_ref().map_or(0, |it| it.touched.load(Relaxed));
    let mut seen = (Instant::now(), touched());
    while timeout(LOOK, &mut done).await.is_err() {
        if touched() != seen.1 {
            seen = (Instant::now(), touched());
        }
        if seen.0.elapsed() <= SILENCE {
            continue;
        }
        if ticket.take() {
            if let Some(stream) = &stream {
                tell(jetstream, stream);
            }
            refuse(jetstream, &request);
            if let Ok(hanging) = Arc::clone(&lanes.hanging).try_acquire_owned() {
                thread = Some(hanging);
            }
        }
        while let Some(behind) = lanes.behind(&request) {
            serve_behind(jetstream, lanes, behind).await;
        }
    }
    drop(thread);
}

/// Serves a request about a stream whose disk does not answer.
async fn serve_behind(jetstream: &Arc<AccountJetStream>, lanes: &Lanes, request: Request) {
    if Operation::parse(&request.subject).is_some_and(|operation| is_deletion(&operation)) {
        let (request, ticket) = (Arc::new(request), Arc::default());
        match on_thread(jetstream, lanes, &request, &ticket).await {
            Some((_thread, done)) => drop(done.await),
            None => refuse_unserved(jetstream, &request),
        }
        return;
    }
    refuse_unserved(jetstream, &request);
}

/// Deleting a stream has a deadline of its own.
fn is_deletion(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::StreamDelete { .. })
}

/// Begins to serve a request on a thread, if there is one before long. The permit is for as long as it
/// is served.
async fn on_thread(
    jetstream: &Arc<AccountJetStream>,
    lanes: &Lanes,
    request: &Arc<Request>,
    ticket: &Arc<Ticket>,
) -> Option<(OwnedSemaphorePermit, JoinHandle<()>)> {
    let thread = timeout(SILENCE, Arc::clone(&lanes.threads).acquire_owned());
    // The semaphore is never closed.
    let thread = thread.await.ok()?.ok()?;
    let jetstream = Arc::clone(jetstream);
    let (request, ticket) = (Arc::clone(request), Arc::clone(ticket));
    let work = tokio::task::spawn_blocking(move || handle(&jetstream, &request, &ticket));
    Some((thread, work))
}

/// Says in the log that a stream's disk does not answer.
pub(super) fn tell(jetstream: &AccountJetStream, stream: &StreamHandle) {
    warn!(
        jetstream.server.shared.log,
        "Stream '{} > {}' has not answered for {SILENCE:?}: is its disk well? Requests about it are \
         refused until it does",
        jetstream.account.name,
        stream.name
    );
}

/// Refuses a request that nobody has begun to serve.
pub(super) fn refuse_unserved(jetstream: &AccountJetStream, request: &Request) {
    let stats = &jetstream.api_stats;
    stats.end_one();
    stats.total.fetch_add(1, Relaxed);
    stats.errors.fetch_add(1, Relaxed);
    refuse(jetstream, request);
}

/// Answers a request with an error.
pub(super) fn refuse(jetstream: &AccountJetStream, request: &Request) {
    let operation = Operation::parse(&request.subject);
    if let Ok(reply) = str::from_utf8(&request.reply)
        && !reply.is_empty()
    {
        let body = error_response(operation.as_ref(), &error::CLUSTER_NOT_AVAIL);
        jetstream.publish(reply, b"", &body);
    }
}
