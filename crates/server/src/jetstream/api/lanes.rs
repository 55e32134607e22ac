//! Requests in lanes: those about one stream one after the other, those about different streams at the
//! same time, so that a stream whose disk does not answer holds up nobody but itself.
//!
//! Invariants: within a lane requests are served in the order in which they came; a lane with requests
//! has exactly one task. Bounds: the API's queue limits hold for what waits in all lanes together, and
//! at most [`API_THREADS`](super::super::API_THREADS) requests are served on threads at a time, beside
//! [`HANGING`] that wait for disks which do not answer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cognate_api::Operation;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::queue::{Limits, Request};

/// Threads that may wait for disks that do not answer, beyond which those that serve become fewer.
const HANGING: usize = 48;

/// The account, and what [`lane_of`] says.
type Lane = (u64, Box<str>);

/// The lanes of one server.
pub(super) struct Lanes {
    state: Mutex<State>,
    limits: Limits,
    /// Threads for requests that may take long.
    pub(super) threads: Arc<Semaphore>,
    /// Threads that wait for a disk which does not answer, and serve nobody.
    pub(super) hanging: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    lanes: HashMap<Lane, VecDeque<Request>>,
    waiting: Limits,
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nobody serves its lane: the caller has a task do it, beginning with this one.
    Serve(Request),
    /// It waits for others.
    Queued,
}

impl Lanes {
    /// Empty lanes, in which so many requests may wait and so many are served on threads.
    pub(super) fn new(limits: Limits, threads: usize) -> Self {
        Lanes {
            state: Mutex::default(),
            limits,
            threads: Arc::new(Semaphore::new(threads)),
            hanging: Arc::new(Semaphore::new(HANGING)),
        }
    }

    /// How many more may wait.
    pub(super) fn room(&self) -> Limits {
        let waiting = self.state.lock().waiting;
        Limits {
            changes: self.limits.changes.saturating_sub(waiting.changes),
            infos: self.limits.infos.saturating_sub(waiting.infos),
        }
    }

    /// Puts a request into its lane.
    pub(super) fn enter(&self, request: Request) -> Next {
        let lane = (request.account, lane_of(&request.subject).into());
        let mut state = self.state.lock();
        let state = &mut *state;
        if let Some(queue) = state.lanes.get_mut(&lane) {
            *state.waiting.of(&request.subject) += 1;
            queue.push_back(request);
            return Next::Queued;
        }
        state.lanes.insert(lane, VecDeque::new());
        Next::Serve(request)
    }

    /// The next request that waits behind one which is still being served; the lane stays open.
    pub(super) fn behind(&self, served: &Request) -> Option<Request> {
        let lane = (served.account, lane_of(&served.subject).into());
        let mut state = self.state.lock();
        let state = &mut *state;
        let request = state.lanes.get_mut(&lane)?.pop_front()?;
        *state.waiting.of(&request.subject) -= 1;
        Some(request)
    }

    /// The next request of the lane in which a request of `account` for `served` was; none if the lane
    /// is empty, and then closed.
    pub(super) fn next(&self, account: u64, served: &[u8]) -> Option<Request> {
        let lane = (account, lane_of(served).into());
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(request) = state.lanes.get_mut(&lane).and_then(VecDeque::pop_front) else {
            state.lanes.remove(&lane);
            return None;
        };
        *state.waiting.of(&request.subject) -= 1;
        Some(request)
    }
}

/// The lane of a request: its stream, or what kind of request it is if it is about none.
fn lane_of(subject: &[u8]) -> &str {
    let subject = std::str::from_utf8(subject).unwrap_or_default();
    match Operation::parse(subject.as_bytes()).and_then(|operation| stream_of(&operation)) {
        Some(stream) => stream,
        // A subject of the API has a dot, and the name of a stream has none.
        None => subject,
    }
}

/// The stream that a request is about.
pub(super) fn stream_of<'a>(operation: &Operation<'a>) -> Option<&'a str> {
    use Operation as O;
    match *operation {
        O::StreamCreate { stream }
        | O::StreamUpdate { stream }
        | O::StreamInfo { stream }
        | O::StreamDelete { stream }
        | O::StreamPurge { stream }
        | O::StreamSnapshot { stream }
        | O::StreamRestore { stream }
        | O::MessageGet { stream }
        | O::MessageDelete { stream }
        | O::StreamRemovePeer { stream }
        | O::StreamStepDown { stream }
        | O::DirectGet { stream }
        | O::DirectGetLast { stream, .. }
        | O::EphemeralCreate { stream }
        | O::DurableCreate { stream, .. }
        | O::ConsumerCreate { stream, .. }
        | O::ConsumerInfo { stream, .. }
        | O::ConsumerDelete { stream, .. }
        | O::ConsumerNames { stream }
        | O::ConsumerList { stream }
        | O::ConsumerNext { stream, .. }
        | O::ConsumerPause { stream, .. }
        | O::ConsumerUnpin { stream, .. }
        | O::ConsumerReset { stream, .. }
        | O::ConsumerStepDown { stream, .. } => Some(stream),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(subject: &str, body: &str) -> Request {
        Request {
            subject: subject.as_bytes().into(),
            body: body.as_bytes().into(),
            ..Request::default()
        }
    }

    #[test]
    fn a_stream_that_takes_long_holds_up_nobody_else() {
        let limits = Limits {
            changes: 2,
            infos: 1,
        };
        let lanes = Lanes::new(limits, 1);
        let slow = || request("$JS.API.STREAM.PURGE.A", "1");
        assert_eq!(lanes.enter(slow()), Next::Serve(slow()));
        let consumer = "$JS.API.CONSUMER.CREATE.A.c";
        assert_eq!(lanes.enter(request(consumer, "2")), Next::Queued);
        let info = "$JS.API.STREAM.INFO.A";
        assert_eq!(lanes.enter(request(info, "3")), Next::Queued);
        assert_eq!((lanes.room().changes, lanes.room().infos), (1, 0));
        let other = request("$JS.API.STREAM.PURGE.B", "");
        assert_eq!(lanes.enter(other.clone()), Next::Serve(other));
        let account = request("$JS.API.INFO", "");
        assert_eq!(lanes.enter(account.clone()), Next::Serve(account));

        let served = slow().subject;
        assert_eq!(lanes.behind(&slow()), Some(request(consumer, "2")));
        assert_eq!(lanes.next(0, &served), Some(request(info, "3")));
        assert_eq!(lanes.room().infos, 1);
        assert_eq!(lanes.next(0, &served), None);
        assert_eq!(
            lanes.enter(slow()),
            Next::Serve(slow()),
            "the lane was closed"
        );
    }
}
