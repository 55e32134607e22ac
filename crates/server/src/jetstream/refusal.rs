//! What a stream's inbox has no room for: publishers are told, everything else finds room.
//!
//! ```text
//! publisher ─▶ inbox is full ─▶ StreamRefuser ─┬─▶ Refusals ─▶ task ─▶ 429 to the publisher, the log
//!                                              └─▶ acknowledgements, pull requests: into the reserve
//! ```
//!
//! A refusal happens within a pass of the data path, which has no hands free to publish, so what is to
//! be answered waits here for a task of its own. Bound: [`MAX_WAITING`] answers; beyond that publishers
//! hear nothing, as when nobody answers at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use cognate_api::write_pub_ack_error;
use cognate_group::kind;
use cognate_model::error;
use cognate_process::warn;
use cognate_wire::parse_delivered;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::JetStream;
use crate::data::{Account, Connection, Outgoing, Outlet, Refuser, Totals};

/// Answers that may wait.
const MAX_WAITING: usize = 64 * 1024;

/// How often the log tells of one stream's refusals at most.
const LOG_EVERY: std::time::Duration = std::time::Duration::from_secs(2);

/// The status of the answer, for clients that look at headers only.
const STATUS: &[u8] = b"NATS/1.0 429 Too Many Requests\r\n\r\n";

/// A stream that refuses messages.
pub(super) struct Refused {
    /// Its account.
    pub(super) account: Arc<Account>,
    /// Its name.
    pub(super) stream: String,
}

/// What was refused and not answered yet.
#[derive(Default)]
pub(crate) struct Refusals {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    closed: AtomicBool,
}

/// How many messages were refused, by account and stream.
type Counts = BTreeMap<(String, String), u64>;

#[derive(Default)]
struct Waiting {
    /// Whom to answer, for which stream.
    replies: Vec<(Arc<Refused>, Box<[u8]>)>,
    refused: Counts,
}

impl Refusals {
    /// Ends the task that answers.
    pub(super) fn close(&self) {
        self.closed.store(true, Relaxed);
        self.arrived.notify_one();
    }

    fn note(&self, by: &Arc<Refused>, replies: Vec<Box<[u8]>>, refused: u64) {
        let mut waiting = self.waiting.lock();
        let room = MAX_WAITING.saturating_sub(waiting.replies.len());
        let replies = replies.into_iter().take(room);
        waiting
            .replies
            .extend(replies.map(|reply| (Arc::clone(by), reply)));
        let name = (by.account.name.clone(), by.stream.clone());
        *waiting.refused.entry(name).or_default() += refused;
        drop(waiting);
        self.arrived.notify_one();
    }
}

/// Answers what is refused until JetStream is gone.
pub(super) async fn answer(jetstream: std::sync::Weak<JetStream>, refusals: Arc<Refusals>) {
    let mut untold = Counts::new();
    let mut log_at = tokio::time::Instant::now();
    loop {
        let arrived = refusals.arrived.notified();
        if untold.is_empty() {
            arrived.await;
        } else {
            let _ = tokio::time::timeout_at(log_at, arrived).await;
        }
        let Some(jetstream) = jetstream.upgrade() else {
            return;
        };
        if refusals.closed.load(Relaxed) {
            return;
        }
        let Waiting { replies, refused } = std::mem::take(&mut *refusals.waiting.lock());
        send(&jetstream, &replies);
        for (stream, count) in refused {
            *untold.entry(stream).or_insert(0) += count;
        }
        if log_at <= tokio::time::Instant::now() && !untold.is_empty() {
            log_at = tokio::time::Instant::now() + LOG_EVERY;
            tell(&jetstream, std::mem::take(&mut untold));
        }
    }
}

fn send(jetstream: &JetStream, replies: &[(Arc<Refused>, Box<[u8]>)]) {
    let mut body = Vec::new();
    for same in replies.chunk_by(|(a, _), (b, _)| Arc::ptr_eq(&a.account, &b.account)) {
        let Some((first, _)) = same.first() else {
            return;
        };
        let mut desk = jetstream.workers.borrow();
        let watching = jetstream.watching();
        let mut outlet = Outlet::new(&first.account, desk.worker(), &watching);
        for (by, reply) in same {
            body.clear();
            write_pub_ack_error(&mut body, &by.stream, 0, &error::STREAM_TOO_MANY_REQUESTS);
            outlet.publish(&Outgoing {
                headers: STATUS,
                ..Outgoing::to(reply, &body)
            });
        }
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
    }
}

fn tell(jetstream: &JetStream, refused: Counts) {
    for ((account, stream), count) in refused {
        warn!(
            jetstream.shared.log,
            "Dropping messages due to excessive stream ingest rate on '{account}' > '{stream}': \
             {count} refused because max_buffered_size or max_buffered_msgs wait for the disk already"
        );
    }
}

/// Takes what one stream's inbox has no room for.
pub(super) struct StreamRefuser {
    pub(super) refused: Arc<Refused>,
    pub(super) refusals: Arc<Refusals>,
}

impl Refuser for StreamRefuser {
    fn refuse(&self, to: &Connection, mut frames: &[u8]) {
        let mut kept = Vec::new();
        let mut count = Totals::default();
        let mut replies = Vec::new();
        let mut refused = 0;
        while let Some((frame, len)) = parse_delivered(frames) {
            let (whole, rest) = frames.split_at(len);
            frames = rest;
            if frame.sid.first() == Some(&kind::PUBLISH) {
                refused += 1;
                replies.extend(frame.reply.map(Box::from));
            } else {
                kept.extend_from_slice(whole);
                count.msgs += 1;
                count.bytes += (frame.headers.len() + frame.payload.len()) as u64;
            }
        }
        if !kept.is_empty() {
            // Beyond the reserve they are lost like messages to somebody who is not there: what is
            // not acknowledged is delivered again, and pull requests are made again.
            let _ = to.outbound.deliver_reserved(&&kept[..], count);
        }
        if refused > 0 {
            self.refusals.note(&self.refused, replies, refused);
        }
    }

    fn stream_for(&self, sid: &[u8]) -> Option<String> {
        (sid == [kind::PUBLISH]).then(|| self.refused.stream.clone())
    }
}

/// Counts requests that the API has no room for.
pub(super) struct CountingRefuser {
    pub(super) refused: Arc<AtomicU64>,
    /// The system account's name: in nats-server it has the API, and all others import it.
    pub(super) system: String,
}

impl Refuser for CountingRefuser {
    fn refuse(&self, _: &Connection, mut frames: &[u8]) {
        while let Some((_, len)) = parse_delivered(frames) {
            frames = frames.get(len..).unwrap_or_default();
            self.refused.fetch_add(1, Relaxed);
        }
    }

    fn exporter(&self) -> Option<&str> {
        Some(&self.system)
    }
}
