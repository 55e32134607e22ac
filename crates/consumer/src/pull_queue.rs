//! The pull requests that wait for messages, in the order in which they are served.
//!
//! Requests take turns: each message goes to the first, which then goes to the end (with the policy
//! `prioritized`, to the end of those of its priority). Bounded by the consumer's `max_waiting`.
//! Requests end when they are filled, when they expire, when nobody listens on their reply any more,
//! and, if they said not to wait, when there is nothing left.
//!
//! Called by `pull` and `deliver`. Absent: the messages.

use std::collections::VecDeque;
use std::time::Duration;

use cognate_model::{PriorityPolicy, Timestamp};

use crate::host::ConsumerHost;
use crate::ledger::Position;
use crate::pin::Pin;
use crate::pull_request::PullRequest;
use crate::status;

/// The status of requests that wait while the server ends.
const SERVER_SHUTDOWN: &[u8] = b"409 Server Shutdown";

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) reply: Box<[u8]>,
    /// How many messages it still wants.
    remaining: i64,
    served: bool,
    /// How many bytes it still takes; 0 if it does not say.
    bytes: i64,
    expires: Option<Timestamp>,
    heartbeat: Option<Duration>,
    heartbeat_at: Option<Timestamp>,
    no_wait: bool,
    group: Box<[u8]>,
    id: Box<[u8]>,
    min_pending: i64,
    min_ack_pending: i64,
    priority: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct PullQueue {
    waiting: VecDeque<Box<Waiting>>,
    /// No request expires or needs a heartbeat before this.
    next_check: Option<Timestamp>,
    /// How many do not wait.
    no_waits: usize,
    out: Vec<u8>,
}

/// What decides which request gets a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) now: Timestamp,
    pub(crate) policy: PriorityPolicy,
    pub(crate) pinned_ttl: Duration,
    /// Bytes of the message.
    pub(crate) size: i64,
    /// Messages still to come, this one included.
    pub(crate) to_come: i64,
    pub(crate) ack_pending: i64,
}

/// Whether a request gets a message.
enum Verdict {
    Yes,
    /// Not this one, but it goes on waiting.
    Pass,
    /// It ends with this status.
    End(&'static [u8]),
}

/// A group or id that is longer names none that there is.
const MAX_NAME: usize = 64;

fn clipped(name: &str) -> Box<[u8]> {
    let name = name.as_bytes();
    name.get(..MAX_NAME).unwrap_or(name).into()
}

impl Waiting {
    pub(crate) fn new(reply: &[u8], request: &PullRequest, now: Timestamp) -> Self {
        let body = &request.body;
        let heartbeat = body.heartbeat.if_set();
        Self {
            reply: reply.into(),
            remaining: body.batch,
            served: false,
            bytes: body.max_bytes.max(0),
            expires: request.expires,
            heartbeat,
            heartbeat_at: heartbeat.map(|every| now.after(every)),
            no_wait: body.no_wait,
            group: clipped(&body.group),
            id: clipped(&body.id),
            min_pending: body.min_pending,
            min_ack_pending: body.min_ack_pending,
            // What was no JSON comes last.
            priority: if request.is_json {
                body.priority
            } else {
                i64::MAX
            },
        }
    }

    fn next_check(&self) -> Option<Timestamp> {
        [self.expires, self.heartbeat_at]
            .into_iter()
            .flatten()
            .min()
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at <= now)
    }

    fn overflows(&self, choice: &Choice) -> bool {
        let unconditional = self.min_pending <= 0 && self.min_ack_pending <= 0;
        unconditional
            || (self.min_pending > 0 && self.min_pending <= choice.to_come)
            || (self.min_ack_pending > 0 && self.min_ack_pending <= choice.ack_pending)
    }
}

impl PullQueue {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn front(&self) -> Option<&Waiting> {
        self.waiting.front().map(|waiting| &**waiting)
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.next_check
    }

    pub(crate) fn has_no_waits(&self) -> bool {
        self.no_waits > 0
    }

    /// Adds a request at the end, or at the end of its priority.
    pub(crate) fn push(&mut self, waiting: Waiting, policy: PriorityPolicy) {
        self.no_waits += usize::from(waiting.no_wait);
        self.check_at(waiting.next_check());
        self.insert(Box::new(waiting), policy);
    }

    /// Brings a request to the front that gets the next message; false if there is none. Requests
    /// that must end on the way are told so.
    pub(crate) fn select(
        &mut self,
        choice: &Choice,
        pin: &mut Pin,
        host: &mut impl ConsumerHost,
    ) -> bool {
        let assigns = choice.policy == PriorityPolicy::PinnedClient && pin.id().is_none();
        let mut passed = 0;
        while let Some(front) = self.waiting.front_mut() {
            match verdict(front, choice, assigns, pin, host) {
                Verdict::Yes => return true,
                Verdict::Pass => {
                    self.waiting.rotate_left(1);
                    passed += 1;
                    if passed >= self.waiting.len() {
                        return false;
                    }
                }
                Verdict::End(code) => {
                    let unfinished = (front.remaining, front.bytes);
                    let block = status::unfinished(&mut self.out, code, unfinished.0, unfinished.1);
                    host.status(&front.reply, b"", block);
                    self.drop_front();
                }
            }
        }
        false
    }

    /// The first request was given a message of `size` bytes.
    pub(crate) fn served(&mut self, choice: &Choice, host: &mut impl ConsumerHost) {
        let Some(mut front) = self.waiting.pop_front() else {
            return;
        };
        if front.bytes > 0 {
            front.bytes -= choice.size;
            if front.bytes == 0 {
                front.remaining = 1;
            }
        }
        front.remaining -= 1;
        front.served = true;
        if front.remaining > 0 {
            if let Some(every) = front.heartbeat {
                front.heartbeat_at = Some(choice.now.after(every));
            }
            self.insert(front, choice.policy);
            return;
        }
        self.no_waits -= usize::from(front.no_wait);
        if front.bytes > 0 {
            let code = b"409 Batch Completed";
            let block = status::unfinished(&mut self.out, code, front.remaining, front.bytes);
            host.status(&front.reply, b"", block);
        }
    }

    /// Drops the first request without a word.
    pub(crate) fn drop_front(&mut self) {
        if let Some(front) = self.waiting.pop_front() {
            self.no_waits -= usize::from(front.no_wait);
        }
    }

    /// Ends the requests that are over and sends the heartbeats that are due; with `at_end`, there
    /// is nothing to deliver. Returns how many messages the others want.
    pub(crate) fn sweep(
        &mut self,
        now: Timestamp,
        at_end: bool,
        seen: Position,
        host: &mut impl ConsumerHost,
    ) -> i64 {
        let mut wanted: i64 = 0;
        self.next_check = None;
        let (out, next_check) = (&mut self.out, &mut self.next_check);
        self.waiting.retain_mut(|waiting| {
            if waiting.has_expired(now) {
                let code = b"408 Request Timeout";
                let block = status::unfinished(out, code, waiting.remaining, waiting.bytes);
                host.status(&waiting.reply, b"", block);
                return false;
            }
            // A request that has an expiry, too, waits for its first message.
            let over = at_end && waiting.no_wait && (waiting.expires.is_none() || waiting.served);
            if over {
                host.status(&waiting.reply, b"", status::plain(out, b"404 No Messages"));
                return false;
            }
            if !host.has_interest(&waiting.reply) {
                return false;
            }
            wanted = wanted.saturating_add(waiting.remaining);
            if waiting.heartbeat_at.is_some_and(|at| at <= now) {
                let block = status::heartbeat(out, seen.consumer, seen.stream, None);
                host.status(&waiting.reply, b"", block);
                waiting.heartbeat_at = waiting.heartbeat.map(|every| now.after(every));
            }
            *next_check = [*next_check, waiting.next_check()]
                .into_iter()
                .flatten()
                .min();
            true
        });
        self.no_waits = self
            .waiting
            .iter()
            .filter(|waiting| waiting.no_wait)
            .count();
        wanted
    }

    /// Ends all requests with a status. That of a shutdown says what was not served, others do not.
    pub(crate) fn end_all(&mut self, code: &[u8], host: &mut impl ConsumerHost) {
        for waiting in self.waiting.drain(..) {
            let block = if code == SERVER_SHUTDOWN {
                status::unfinished(&mut self.out, code, waiting.remaining, waiting.bytes)
            } else {
                status::plain(&mut self.out, code)
            };
            host.status(&waiting.reply, b"", block);
        }
        (self.no_waits, self.next_check) = (0, None);
    }

    fn insert(&mut self, waiting: Box<Waiting>, policy: PriorityPolicy) {
        if policy == PriorityPolicy::Prioritized {
            let place = self
                .waiting
                .partition_point(|w| w.priority <= waiting.priority);
            self.waiting.insert(place, waiting);
        } else {
            self.waiting.push_back(waiting);
        }
    }

    fn check_at(&mut self, at: Option<Timestamp>) {
        self.next_check = [self.next_check, at].into_iter().flatten().min();
    }
}

/// `assigns`: no client is pinned yet, but one has to be.
fn verdict(
    front: &mut Waiting,
    choice: &Choice,
    assigns: bool,
    pin: &mut Pin,
    host: &mut impl ConsumerHost,
) -> Verdict {
    if front.has_expired(choice.now) {
        return Verdict::End(b"408 Request Timeout");
    }
    if assigns || pin.id().is_some() {
        let is_pinned = pin.id().is_some_and(|id| *id == *front.id);
        if !is_pinned && !front.id.is_empty() {
            return Verdict::End(b"423 Nats-Wrong-Pin-Id");
        }
        if !is_pinned && !assigns {
            return Verdict::Pass;
        }
    }
    if choice.policy == PriorityPolicy::Overflow && !front.overflows(choice) {
        return Verdict::Pass;
    }
    if front.bytes > 0 && choice.size > front.bytes {
        return Verdict::End(b"409 Message Size Exceeds MaxBytes");
    }
    // Pinned only once it is sure that the message goes to it.
    if assigns && pin.id().is_none() && !front.group.is_empty() {
        front.id = pin.assign(&front.group, choice.now, choice.pinned_ttl, host);
    }
    Verdict::Yes
}
