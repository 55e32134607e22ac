//! Requests that may take long: each is served on a thread, and none waits without end for a stream whose
//! disk does not answer.
//!
//! ```text
//! served on a thread ─▶ stream gives signs of life ─▶ wait on
//!                   └─▶ none for [`SILENCE`] ─▶ this one is refused, and those behind it as they come,
//!                                               but for one to delete the stream, which is served
//! ```
//!
//! A refused request goes on when the disk does: its answer is said once, by whoever takes its
//! [`Ticket`]. Its lane stays its own until then, so that no more threads wait for that stream.

use std::str;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use cognate_api::{Operation, error_response};
use cognate_model::error;
use cognate_process::warn;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::handle;
use super::lanes::{Lanes, stream_of};
use super::queue::Request;
use crate::jetstream::AccountJetStream;
use crate::jetstream::stream::StreamHandle;

/// How long nobody gets hold of a stream until its disk is taken not to answer: a client waits five
/// seconds.
const SILENCE: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 4000 });

/// How often a stream is looked at that a request waits for.
const LOOK: Duration = Duration::from_millis(10);

/// The right to answer a request.
#[derive(Debug, Default)]
pub(super) struct Ticket(AtomicBool);

impl Ticket {
    /// Takes it; true for the first who does.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Relaxed)
    }
}

/// Serves a request on a thread.
pub(super) async fn serve(jetstream: &Arc<AccountJetStream>, lanes: &Lanes, request: Request) {
    let request = Arc::new(request);
    let ticket = Arc::new(Ticket::default());
    let stream = Operation::parse(&request.subject)
        .filter(|operation| !is_deletion(operation))
        .and_then(|operation| jetstream.stream(stream_of(&operation)?));
    let mut done = on_thread(jetstream, lanes, &request, &ticket).await;
    let Some(stream) = stream else {
        // It ends early only if the runtime is shut down.
        let _ = done.await;
        return;
    };
    let mut seen = Instant::now();
    while timeout(LOOK, &mut done).await.is_err() {
        if stream.group.try_lock().is_some() {
            seen = Instant::now();
        } else if seen.elapsed() > SILENCE {
            if ticket.take() {
                tell(jetstream, &stream);
                refuse(jetstream, &request);
            }
            while let Some(behind) = lanes.behind(&request) {
                serve_behind(jetstream, lanes, behind).await;
            }
        }
    }
}

/// Serves a request about a stream whose disk does not answer.
async fn serve_behind(jetstream: &Arc<AccountJetStream>, lanes: &Lanes, request: Request) {
    if Operation::parse(&request.subject).is_some_and(|operation| is_deletion(&operation)) {
        let (request, ticket) = (Arc::new(request), Arc::default());
        let done = on_thread(jetstream, lanes, &request, &ticket).await;
        let _ = done.await;
        return;
    }
    let stats = &jetstream.api_stats;
    stats.end_one();
    stats.total.fetch_add(1, Relaxed);
    stats.errors.fetch_add(1, Relaxed);
    refuse(jetstream, &request);
}

/// Deleting a stream has a deadline of its own.
fn is_deletion(operation: &Operation<'_>) -> bool {
    matches!(operation, Operation::StreamDelete { .. })
}

/// Begins to serve a request on a thread, once there is one.
async fn on_thread(
    jetstream: &Arc<AccountJetStream>,
    lanes: &Lanes,
    request: &Arc<Request>,
    ticket: &Arc<Ticket>,
) -> JoinHandle<()> {
    // The semaphore is never closed.
    let thread = Arc::clone(&lanes.threads).acquire_owned().await;
    let jetstream = Arc::clone(jetstream);
    let (request, ticket) = (Arc::clone(request), Arc::clone(ticket));
    tokio::task::spawn_blocking(move || {
        handle(&jetstream, &request, &ticket);
        drop(thread);
    })
}

fn tell(jetstream: &AccountJetStream, stream: &StreamHandle) {
    warn!(
        jetstream.server.shared.log,
        "Stream '{} > {}' has not answered for {SILENCE:?}: is its disk well? Requests about it are \
         refused until it does",
        jetstream.account.name,
        stream.name
    );
}

fn refuse(jetstream: &AccountJetStream, request: &Request) {
    let operation = Operation::parse(&request.subject);
    if let Ok(reply) = str::from_utf8(&request.reply)
        && !reply.is_empty()
    {
        let body = error_response(operation.as_ref(), &error::CLUSTER_NOT_AVAIL);
        jetstream.publish(reply, b"", &body);
    }
}
