//! Answers that were composed and wait for the disk before they may be said.
//!
//! ```text
//! composed ─▶ the group says it when what it tells of is durable
//!         └─▶ the disk has been silent for [`SILENCE`] ─▶ an error is said in its place
//! ```
//!
//! Both need the answer's [`Ticket`], so exactly one of them is said. One task per stream watches, and only
//! while something waits. Bound: of one stream [`MOST`] answers are watched; beyond that the oldest are
//! refused at once.

use std::collections::VecDeque;
use std::sync::Arc;

use cognate_group::Ticket;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::patience::{SILENCE, refuse, tell};
use super::queue::Request;
use crate::jetstream::AccountJetStream;
use crate::jetstream::stream::StreamHandle;

/// Answers of one stream that are watched.
const MOST: usize = 4096;

/// What waits of one stream.
#[derive(Default)]
pub(crate) struct Unsaid(Mutex<State>);

#[derive(Default)]
struct State {
    /// In the order in which they were composed.
    waiting: VecDeque<Waiting>,
    is_watched: bool,
}

struct Waiting {
    until: Instant,
    request: Arc<Request>,
    ticket: Arc<Ticket>,
}

impl State {
    /// Lets go of those at the front that were said.
    fn prune(&mut self) {
        while self.waiting.front().is_some_and(|it| it.ticket.is_taken()) {
            self.waiting.pop_front();
        }
    }
}

/// Watches the answer to a request about `stream` that was just composed.
pub(super) fn watch(
    jetstream: &Arc<AccountJetStream>,
    stream: &Arc<StreamHandle>,
    request: &Arc<Request>,
    ticket: &Arc<Ticket>,
) {
    let mut state = stream.unsaid.0.lock();
    state.prune();
    let surplus = match state.waiting.len() < MOST {
        true => None,
        false => state.waiting.pop_front(),
    };
    state.waiting.push_back(Waiting {
        until: Instant::now() + SILENCE,
        request: Arc::clone(request),
        ticket: Arc::clone(ticket),
    });
    let is_watched = std::mem::replace(&mut state.is_watched, true);
    drop(state);
    if let Some(oldest) = surplus.filter(|oldest| oldest.ticket.take()) {
        refuse(jetstream, &oldest.request);
    }
    if !is_watched {
        tokio::spawn(replace_late(Arc::clone(jetstream), Arc::clone(stream)));
    }
}

/// Says errors in the place of answers that take too long, until none waits.
async fn replace_late(jetstream: Arc<AccountJetStream>, stream: Arc<StreamHandle>) {
    loop {
        let (next, late) = {
            let mut state = stream.unsaid.0.lock();
            state.prune();
            let now = Instant::now();
            let count = state.waiting.partition_point(|it| it.until <= now);
            let late: Vec<_> = state.waiting.drain(..count).collect();
            let next = state.waiting.front().map(|it| it.until);
            state.is_watched = next.is_some();
            (next, late)
        };
        let late = late.into_iter().filter(|it| it.ticket.take());
        for (number, late) in late.enumerate() {
            if number == 0 {
                tell(&jetstream, &stream);
            }
            refuse(&jetstream, &late.request);
        }
        match next {
            Some(next) => tokio::time::sleep_until(next).await,
            None => return,
        }
    }
}
