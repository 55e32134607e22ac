//! The JetStream API: requests on `$JS.API.>` taken in order, done, and answered.
//!
//! ```text
//! inbox ─▶ queue::cut ─▶ lanes ─▶ Operation ─▶ one of account, stream, message, consumer, … ─▶ answer
//! ```
//!
//! Invariants: an answer that tells of a change leaves after the change is durable; requests about one
//! stream are served one at a time, and streams are [claimed](super::claim) where they are compared
//! with others, so what was checked still holds when it is done; whatever a request says, it is
//! answered as nats-server 2.14 answers, and never panics.
//!
//! Requests that may touch the disk or many things run on a thread for blocking work, so that the
//! data path goes on meanwhile. Pull requests and direct reads go to their streams, not through
//! here. Absent: the JSON (`cognate_api`), the rules of configurations (`cognate_model`), how
//! changes are made (`assets`).

mod account;
mod consumer;
pub(super) mod consumer_info;
mod lanes;
mod message;
mod patience;
pub(super) mod queue;
mod snapshot;
pub(super) mod stream;
pub(super) mod stream_info;
pub(super) mod unsaid;

use std::cell::Cell;
use std::future::poll_fn;
use std::str;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use cognate_api::{Operation, error_response, response};
use cognate_group::{Group, Ticket};
use cognate_model::json::Unknown;
use cognate_model::{ApiError, error, level};
use cognate_process::warn;
use cognate_wire::headers::HeaderBlock;
use serde::Serialize;

use self::lanes::{Lanes, Next};
use self::queue::{Limits, Request};
use super::disk::Directory;
use super::inbox::{Inbox, Woken};
use super::stream::StreamHandle;
use super::{AccountJetStream, JetStream, advisory, purge};

/// What the API listens on. No subject is matched by two of these. What is not among them has no
/// listener: pull requests and direct reads, whose streams listen for themselves, so that one for
/// a missing stream or consumer gets "no responders".
pub(super) const SUBJECTS: &[&str] = &[
    "$JS.API.*",
    "$JS.API.STREAM.>",
    "$JS.API.META.>",
    "$JS.API.SERVER.>",
    "$JS.API.ACCOUNT.>",
    "$JS.API.CONSUMER.*",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.DURABLE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.API.CONSUMER.DELETE.>",
    "$JS.API.CONSUMER.NAMES.>",
    "$JS.API.CONSUMER.LIST.>",
    "$JS.API.CONSUMER.PAUSE.>",
    "$JS.API.CONSUMER.UNPIN.>",
    "$JS.API.CONSUMER.RESET.>",
    "$JS.API.CONSUMER.LEADER.>",
];

/// Memory for requests that is kept when there are none.
const KEEP_BYTES: usize = 64 * 1024;

/// The header that says which API level a client counts on.
const REQUIRED_LEVEL: &[u8] = b"Nats-Required-Api-Level";

/// Serves requests until the inbox is closed.
pub(super) async fn serve(server: Arc<JetStream>, inbox: Arc<Inbox>) {
    let options = &server.options;
    let limits = Limits {
        changes: usize::try_from(options.request_queue_limit).unwrap_or(usize::MAX),
        infos: usize::try_from(options.info_queue_limit).unwrap_or(usize::MAX),
    };
    let lanes = Arc::new(Lanes::new(limits, super::API_THREADS));
    let mut frames = Vec::new();
    while poll_fn(|cx| inbox.poll_take(cx, &mut frames)).await != Woken::Closed {
        let batch = queue::cut(&frames, lanes.room());
        frames.clear();
        frames.shrink_to(KEEP_BYTES);
        let dropped = batch.dropped as u64 + server.api_refused.swap(0, Relaxed);
        if dropped > 0 {
            let log = &server.shared.log;
            warn!(
                log,
                "JetStream API queue limit reached, dropping {dropped} requests"
            );
            advisory::requests_dropped(&server, dropped);
        }
        for request in batch.requests {
            if let Some(jetstream) = server.of(request.account) {
                jetstream.api_stats.inflight.fetch_add(1, Relaxed);
            }
            if let Next::Serve(request) = lanes.enter(request) {
                let (server, lanes) = (Arc::clone(&server), Arc::clone(&lanes));
                tokio::spawn(serve_lane(server, lanes, request));
            }
        }
        tokio::task::yield_now().await;
    }
}

/// Serves a request and all that come after it in its lane.
async fn serve_lane(server: Arc<JetStream>, lanes: Arc<Lanes>, request: Request) {
    let mut next = Some(request);
    while let Some(request) = next {
        let (account, subject) = (request.account, request.subject.clone());
        match server.of(account) {
            Some(jetstream) => {
                // It is there from the beginning, and recovered a little later.
                let _ = jetstream
                    .opened
                    .subscribe()
                    .wait_for(|opened| *opened)
                    .await;
                match is_late(&jetstream, &request) {
                    true => patience::refuse_unserved(&jetstream, &request),
                    false => serve_one(&jetstream, &lanes, request).await,
                }
            }
            None if purge::is_asked(&server, &request) => purge::serve(&server, &request).await,
            None => refuse(&server, &request),
        }
        next = lanes.next(account, &subject);
    }
}

/// Whether a request is about a stream that is not recovered because its disk does not answer.
fn is_late(jetstream: &AccountJetStream, request: &Request) -> bool {
    let operation = Operation::parse(&request.subject);
    let stream = operation.as_ref().and_then(lanes::stream_of);
    stream.is_some_and(|stream| jetstream.late.has(stream))
}

/// The account has no JetStream.
fn refuse(server: &JetStream, request: &Request) {
    let Some(account) = server.hearing(request.account) else {
        return;
    };
    let body = refusal(&request.subject, server.is_system(request.account));
    if let Some(body) = body
        && let Ok(reply) = str::from_utf8(&request.reply)
        && !reply.is_empty()
    {
        server.publish(&account, reply, b"", &body);
    }
}

/// What a request in an account without JetStream is answered. In the system account, which never has
/// any, so are those that no operation or only a cluster has.
fn refusal(subject: &[u8], in_system: bool) -> Option<Vec<u8>> {
    let none = &error::NOT_ENABLED_FOR_ACCOUNT;
    match Operation::parse(subject) {
        Some(operation) if operation.is_system_only() => None,
        Some(operation) if !operation.is_cluster_only() => {
            Some(error_response(Some(&operation), none))
        }
        Some(operation) if !in_system => {
            Some(error_response(Some(&operation), &error::CLUSTER_REQUIRED))
        }
        _ if in_system => Some(error_response(None, none)),
        _ => None,
    }
}

async fn serve_one(jetstream: &Arc<AccountJetStream>, lanes: &Lanes, request: Request) {
    let is_quick = Operation::parse(&request.subject)
        .is_none_or(|operation| is_quick(jetstream, &operation, &request.body));
    if is_quick {
        let request = Arc::new(request);
        // It may find that somebody has come before it who does wait for the disk.
        let place = jetstream.server.places.enter(true).await;
        place.run(|| handle(jetstream, &request, &Arc::default()));
        return tokio::task::yield_now().await;
    }
    patience::serve(jetstream, lanes, request).await;
}

/// Whether an operation takes little time and does not wait for the disk, nor for a stream that does.
fn is_quick(jetstream: &AccountJetStream, operation: &Operation<'_>, body: &[u8]) -> bool {
    let is_free = |name: &str| {
        let stream = jetstream.stream(name);
        stream.is_none_or(|stream| stream.group.try_lock().is_some())
    };
    let is_settled = |name: &str| {
        let stream = jetstream.stream(name);
        stream.is_none_or(|stream| {
            let group = stream.group.try_lock();
            group.is_some_and(|group| !group.is_rolling_up())
        })
    };
    match *operation {
        Operation::StreamInfo { stream } => body.is_empty() && is_settled(stream),
        Operation::MessageGet { stream }
        | Operation::ConsumerInfo { stream, .. }
        | Operation::ConsumerUnpin { stream, .. }
        | Operation::ConsumerReset { stream, .. } => is_free(stream),
        Operation::AccountInfo => true,
        operation => operation.is_cluster_only() || operation.is_system_only(),
    }
}

/// What becomes of a request that was not refused.
enum Answer {
    /// This is sent at once.
    Send(Vec<u8>),
    /// The group of a stream has this, and sends it when all changes before it are durable.
    Left(Vec<u8>),
    /// Nobody answers.
    Silence,
}

/// A request that is being served.
struct Call<'a> {
    jetstream: &'a Arc<AccountJetStream>,
    operation: Operation<'a>,
    request: &'a Arc<Request>,
    /// What becomes of members that a request type does not have.
    unknown: Unknown,
    /// It is still in the API's books as being served.
    is_open: Cell<bool>,
    /// Who has it may answer.
    ticket: &'a Arc<Ticket>,
}

impl Call<'_> {
    fn body(&self) -> &[u8] {
        &self.request.body
    }

    /// Refuses a client that counts on more than there is.
    fn check_level(&self) -> Result<(), ApiError> {
        let headers = HeaderBlock::parse(&self.request.headers);
        match headers.and_then(|headers| headers.first(REQUIRED_LEVEL)) {
            Some(required) if level::exceeds(required) => Err(error::REQUIRED_API_LEVEL),
            _ => Ok(()),
        }
    }

    fn stream(&self, name: &str) -> Result<Arc<StreamHandle>, ApiError> {
        self.jetstream.stream(name).ok_or(error::STREAM_NOT_FOUND)
    }

    /// An answer to be sent at once.
    fn answer<T: Serialize>(&self, body: &T) -> Answer {
        Answer::Send(response(&self.operation, body))
    }

    /// Closes the request in the API's books, to be done before its answer leaves: whoever has the
    /// answer may look at them.
    fn close(&self, is_error: bool) {
        if !self.is_open.replace(false) {
            return;
        }
        let stats = &self.jetstream.api_stats;
        stats.end_one();
        if self.is_counted(is_error) {
            stats.total.fetch_add(1, Relaxed);
            stats.errors.fetch_add(u64::from(is_error), Relaxed);
        }
    }

    /// Consumers are reset past the API's books, and so are messages read.
    fn is_counted(&self, is_error: bool) -> bool {
        match self.operation {
            Operation::ConsumerReset { .. } => false,
            Operation::MessageGet { .. } => is_error,
            _ => true,
        }
    }

    /// An answer that must not overtake what `stream` did before, whose `group` this is.
    fn leave(
        &self,
        stream: &Arc<StreamHandle>,
        group: &mut Group<Directory>,
        body: Vec<u8>,
    ) -> Answer {
        self.close(false);
        if !self.request.reply.is_empty() && !self.ticket.is_taken() {
            group.answer(&self.request.reply, &body, Arc::clone(self.ticket));
            unsaid::watch(self.jetstream, stream, self.request, self.ticket);
        }
        Answer::Left(body)
    }
}

/// Serves one request; answers it unless somebody has.
fn handle(jetstream: &Arc<AccountJetStream>, request: &Arc<Request>, ticket: &Arc<Ticket>) {
    let Some(operation) = Operation::parse(&request.subject) else {
        jetstream.api_stats.end_one();
        return;
    };
    let call = Call {
        jetstream,
        operation,
        request,
        unknown: if jetstream.server.options.strict {
            Unknown::Refused
        } else {
            Unknown::Ignored
        },
        is_open: Cell::new(true),
        ticket,
    };
    // It may be gone when all is done.
    let client = advisory::audited(jetstream, request);
    let result = dispatch(&call);
    let is_error = result.is_err();
    let (body, is_left) = match result {
        Ok(Answer::Silence) => {
            if call.is_open.replace(false) {
                jetstream.api_stats.end_one();
            }
            return;
        }
        Ok(Answer::Send(body)) => (body, false),
        Ok(Answer::Left(body)) => (body, true),
        Err(cause) => (error_response(Some(&operation), &cause), false),
    };
    call.close(is_error);
    if !is_left
        && let Ok(reply) = str::from_utf8(&request.reply)
        && !reply.is_empty()
        && ticket.take()
    {
        jetstream.publish(reply, b"", &body);
    }
    if let Some(client) = client
        && call.is_counted(is_error)
    {
        advisory::api_audit(jetstream, request, &client, &body);
    }
}

fn dispatch(call: &Call<'_>) -> Result<Answer, ApiError> {
    use Operation as O;
    let operation = call.operation;
    if operation.is_system_only() {
        return Ok(Answer::Silence);
    }
    if operation.is_cluster_only() {
        return Err(error::CLUSTER_REQUIRED);
    }
    let looks_first = matches!(
        operation,
        O::EphemeralCreate { .. }
            | O::DurableCreate { .. }
            | O::ConsumerCreate { .. }
            | O::ConsumerInfo { .. }
            | O::ConsumerPause { .. }
            | O::ConsumerReset { .. }
    );
    // The others look at something in the request before.
    if !looks_first {
        call.check_level()?;
    }
    match operation {
        O::AccountInfo => account::info(call),
        O::StreamCreate { stream } => stream::create(call, stream),
        O::StreamUpdate { stream } => stream::update(call, stream),
        O::StreamDelete { stream } => stream::delete(call, stream),
        O::StreamInfo { stream } => stream_info::info(call, stream),
        O::StreamNames => stream_info::names(call),
        O::StreamList => stream_info::list(call),
        O::StreamPurge { stream } => message::purge(call, stream),
        O::MessageGet { stream } => message::get(call, stream),
        O::MessageDelete { stream } => message::delete(call, stream),
        O::StreamSnapshot { stream } => snapshot::snapshot(call, stream),
        O::StreamRestore { stream } => snapshot::restore(call, stream),
        O::EphemeralCreate { .. } | O::DurableCreate { .. } | O::ConsumerCreate { .. } => {
            consumer::create(call)
        }
        O::ConsumerInfo { stream, consumer } => consumer_info::info(call, stream, consumer),
        O::ConsumerNames { stream } => consumer_info::names(call, stream),
        O::ConsumerList { stream } => consumer_info::list(call, stream),
        O::ConsumerDelete { stream, consumer } => consumer::delete(call, stream, consumer),
        O::ConsumerPause { stream, consumer } => consumer::pause(call, stream, consumer),
        O::ConsumerUnpin { stream, consumer } => consumer::unpin(call, stream, consumer),
        O::ConsumerReset { stream, consumer } => consumer::reset(call, stream, consumer),
        _ => Ok(Answer::Silence),
    }
}

#[cfg(test)]
mod tests {
    use cognate_subject::validate::{is_valid_filter, matches, overlaps};

    use super::*;

    #[test]
    fn every_request_comes_once() {
        for (at, subject) in SUBJECTS.iter().enumerate() {
            assert!(is_valid_filter(subject.as_bytes()), "{subject}");
            for other in &SUBJECTS[..at] {
                assert!(
                    !overlaps(subject.as_bytes(), other.as_bytes()),
                    "{subject} and {other}"
                );
            }
        }
    }

    #[test]
    fn streams_listen_for_pulls_and_direct_reads_themselves() {
        let comes = |subject: &str| {
            let subject = format!("$JS.API.{subject}");
            let mut subjects = SUBJECTS.iter();
            subjects.any(|filter| matches(filter.as_bytes(), subject.as_bytes()))
        };
        for subject in [
            "CONSUMER.MSG.NEXT.S.C",
            "DIRECT.GET.S",
            "DIRECT.GET.S.a.b",
            "DIRECT.GET",
        ] {
            assert!(!comes(subject), "{subject}");
        }
        for subject in [
            "INFO",
            "NOPE",
            "STREAM.CREATE.S",
            "STREAM.MSG.GET.S",
            "CONSUMER.CREATE.S",
            "CONSUMER.CREATE.S.C.a.b.>",
            "CONSUMER.DURABLE.CREATE.S.C",
            "CONSUMER.LEADER.STEPDOWN.S.C",
            "META.LEADER.STEPDOWN",
        ] {
            assert!(comes(subject), "{subject}");
        }
    }
}
