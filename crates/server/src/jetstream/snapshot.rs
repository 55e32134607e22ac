//! Sending the copy of a stream to a client.
//!
//! ```text
//! group.freeze ─▶ producer (own thread): messages ─▶ SnapshotWriter ─▶ chunks ─┐
//!                        channel of a few chunks ◀──────────────────────────────┘
//!                                 └─▶ deliver subject, as many as the client acknowledged and a window
//! ```
//!
//! The copy is of the moment at which the request was served: what is published or removed while it is
//! sent changes nothing, and nobody waits for it. Memory is bounded by a block of the format and a few
//! chunks, however slow the client is.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use cognate_api::SnapshotRequest;
use cognate_api::event::SnapshotComplete;
use cognate_consumer::Progress;
use cognate_gostore::{
    ConsumerMeta, ConsumerState, Pending, Position, SnapshotWriter, StoredMessage, StreamMeta,
};
use cognate_group::FrozenGroup;
use cognate_model::{DamagedRange, Sequence, Timestamp};
use cognate_process::{info, warn};
use cognate_wire::parse_delivered;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::disk::Directory;
use super::inbox::{Inbox, Woken};
use super::snapshot_transfers::Transfer;
use super::stream::StreamHandle;
use super::{AccountJetStream, advisory};
use crate::data::{Outgoing, Outlet, Totals};

/// A chunk, if the request does not say; and the least and the most.
const CHUNK: (usize, usize, usize) = (128 * 1024, 1024, 1024 * 1024);
/// What may be under way.
const WINDOW: (usize, usize, usize) = (8 * 1024 * 1024, 1024, 32 * 1024 * 1024);
/// How long a client may take to listen.
const INTEREST_WAIT: Duration = Duration::from_secs(2);
/// How long a client may take to acknowledge anything.
const ACK_WAIT: Duration = Duration::from_secs(5);

/// How a copy is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    deliver: String,
    chunk: usize,
    /// Chunks that may be under way.
    window: usize,
    with_consumers: bool,
}

impl Sending {
    /// As a request wants it, within bounds.
    pub(super) fn of(request: &SnapshotRequest) -> Self {
        let within = |asked: i64, (default, least, most): (usize, usize, usize)| match asked {
            0 => default,
            asked => usize::try_from(asked).unwrap_or(0).clamp(least, most),
        };
        let chunk = within(request.chunk_size, CHUNK);
        let window = within(request.window_size, WINDOW).max(chunk);
        Sending {
            deliver: request.deliver_subject.clone(),
            chunk,
            window: window / chunk,
            with_consumers: !request.no_consumers,
        }
    }
}

/// What is sent: a stream as it was at one moment.
pub(super) type Frozen = FrozenGroup<Directory>;

/// Checks that every message can be read; otherwise says how many cannot.
pub(super) fn check(
    frozen: &Frozen,
    stream: &StreamHandle,
    transfer: &Transfer,
) -> Result<(), String> {
    let unread = frozen
        .messages
        .for_each(&mut |_| match transfer.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
        .map_err(|cause| format!("snapshot check failed: {cause}"))?;
    match damaged_among(stream, &unread).len() {
        0 => Ok(()),
        bad => Err(format!("snapshot check detected {bad} bad messages")),
    }
}

/// Which of these messages the stream holds and cannot read. Its task tells of those that nobody knew of.
fn damaged_among(stream: &StreamHandle, ranges: &[DamagedRange]) -> Vec<Sequence> {
    let damaged = stream.group.lock().damaged_among(ranges);
    stream.inbox.signal();
    damaged
}

/// Sends a copy, and tells when it is sent. The answer to the request has left.
pub(super) async fn send(
    jetstream: Arc<AccountJetStream>,
    stream: Arc<StreamHandle>,
    frozen: Frozen,
    sending: Sending,
    mut transfer: Transfer,
) {
    let started = jetstream.server.clock.now();
    let name = frozen.config.name.clone();
    let (chunks, incoming) = mpsc::channel(2);
    let (writing, seconds) = (sending.clone(), started.0.unsigned_abs() / 1_000_000_000);
    let producer = tokio::task::spawn_blocking(move || {
        let mut producer = Producer {
            chunk: writing.chunk,
            chunks,
            reason: None,
        };
        producer.run(&frozen, writing.with_consumers, seconds)
    });
    let tokens = format!("$JS.SNAPSHOT.ACK.{name}.{}", jetstream.server.fresh_id());
    let inbox = Inbox::new(&jetstream.server.shared);
    let listening = format!("{tokens}.>");
    let leading = inbox.subscribe(&jetstream.account, listening.as_bytes(), None, b"ack");
    let mut sender = Sender {
        jetstream: &jetstream,
        inbox: &inbox,
        sending: &sending,
        tokens: &tokens,
        free: sending.window,
        sent: 0,
    };
    let outcome = tokio::select! {
        outcome = sender.run(incoming) => outcome,
        () = transfer.over() => Err("500 Server Shutdown".to_owned()),
    };
    let end = match &outcome {
        Ok(()) if sender.sent == 0 => Vec::new(),
        Ok(()) => b"NATS/1.0 204\r\n\r\n".to_vec(),
        Err(status) => format!("NATS/1.0 {status}\r\n\r\n").into_bytes(),
    };
    sender.publish(None, &end, b"");
    jetstream.account.unsubscribe(&leading);
    inbox.close();
    let unread = producer.await.unwrap_or_default();
    let (account, log) = (&jetstream.account.name, &jetstream.server.shared.log);
    for sequence in damaged_among(&stream, &unread) {
        warn!(
            log,
            "Stream '{account} > {name}': message {sequence} is damaged and not in the snapshot"
        );
    }
    match outcome {
        Ok(()) => {
            announce_end(&jetstream, &name, started);
            info!(log, "Completed snapshot for stream '{account} > {name}'");
        }
        Err(status) => warn!(
            log,
            "Snapshot of stream '{account} > {name}' failed: {status}"
        ),
    }
}

fn announce_end(jetstream: &AccountJetStream, name: &str, started: Timestamp) {
    let client = advisory::client(jetstream);
    advisory::send(
        jetstream,
        &SnapshotComplete {
            stream: name,
            start: started,
            end: jetstream.server.clock.now(),
            client: &client,
            domain: advisory::domain(jetstream),
        },
    );
}

struct Sender<'a> {
    jetstream: &'a AccountJetStream,
    inbox: &'a Inbox,
    sending: &'a Sending,
    /// The beginning of the subjects of acknowledgements.
    tokens: &'a str,
    /// Chunks that may still be sent.
    free: usize,
    /// Whole chunks that were sent.
    sent: u64,
}

impl Sender<'_> {
    /// Sends all chunks; otherwise the status to end with.
    async fn run(
        &mut self,
        mut incoming: mpsc::Receiver<Result<Vec<u8>, String>>,
    ) -> Result<(), String> {
        self.await_interest().await?;
        let mut deadline = Instant::now() + ACK_WAIT;
        while let Some(chunk) = incoming.recv().await {
            let chunk = chunk.map_err(|reason| format!("500 {reason}"))?;
            while self.free == 0 {
                self.await_acks(deadline).await?;
            }
            if !self.jetstream.has_interest(&self.sending.deliver) {
                return Err("408 No Interest".to_owned());
            }
            // Only the last one may be shorter, and that is not acknowledged.
            if chunk.len() < self.sending.chunk {
                self.publish(None, b"", &chunk);
                continue;
            }
            self.sent += 1;
            self.free -= 1;
            let reply = format!("{}.{}.{}", self.tokens, chunk.len(), self.sent);
            self.publish(Some(&reply), b"", &chunk);
            deadline = Instant::now() + ACK_WAIT;
        }
        Ok(())
    }

    /// The client may begin to listen a little later than it asked. Until then a subscription to all
    /// of its inboxes may match, as the official clients have one for answers: whoever has it throws
    /// away what was not asked for. So one for this subject alone is waited for.
    async fn await_interest(&self) -> Result<(), String> {
        let deadline = Instant::now() + INTEREST_WAIT;
        while !self.jetstream.is_listened_to(&self.sending.deliver) {
            if Instant::now() >= deadline {
                let is_wanted = self.jetstream.has_interest(&self.sending.deliver);
                return is_wanted.then_some(()).ok_or("408 No Interest".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn await_acks(&mut self, deadline: Instant) -> Result<(), String> {
        let mut frames = Vec::new();
        let waiting = poll_fn(|cx| self.inbox.poll_take(cx, &mut frames));
        match timeout_at(deadline, waiting).await {
            Err(_) => Err("408 No Flow Response".to_owned()),
            Ok(Woken::Closed) => Err("500 Server Shutdown".to_owned()),
            Ok(_) => {
                let mut rest = &frames[..];
                while let Some((_, len)) = parse_delivered(rest) {
                    self.free = (self.free + 1).min(self.sending.window);
                    rest = rest.get(len..).unwrap_or_default();
                }
                Ok(())
            }
        }
    }

    fn publish(&self, reply: Option<&str>, headers: &[u8], payload: &[u8]) {
        let mut desk = self.jetstream.server.workers.borrow();
        let watching = self.jetstream.server.watching();
        let mut outlet = Outlet::new(&self.jetstream.account, desk.worker(), &watching);
        outlet.publish(&Outgoing {
            reply: reply.map(str::as_bytes),
            headers,
            ..Outgoing::to(self.sending.deliver.as_bytes(), payload)
        });
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
    }
}

/// Makes the chunks of a copy.
struct Producer {
    chunk: usize,
    chunks: mpsc::Sender<Result<Vec<u8>, String>>,
    /// Why it cannot go on.
    reason: Option<String>,
}

impl Producer {
    /// Returns what could not be read.
    fn run(&mut self, frozen: &Frozen, with_consumers: bool, seconds: u64) -> Vec<DamagedRange> {
        let meta = StreamMeta {
            config: frozen.config.clone(),
            created: frozen.created,
            unknown: Vec::new(),
        };
        let mut writer = SnapshotWriter::new(&meta, seconds);
        let visited = frozen.messages.for_each(&mut |message| {
            let fits = writer.message(&StoredMessage {
                sequence: message.sequence,
                timestamp: message.timestamp,
                subject: message.subject,
                headers: message.headers,
                payload: message.payload,
            });
            if !fits {
                let sequence = message.sequence;
                self.reason = Some(format!("message {sequence} is too large for a snapshot"));
            }
            self.send(&mut writer)
        });
        let unread = visited.unwrap_or_else(|cause| {
            self.reason = Some(cause.to_string());
            Vec::new()
        });
        if let Some(reason) = self.reason.take() {
            // Nobody may take it any more.
            let _ = self.chunks.blocking_send(Err(reason));
            return unread;
        }
        let state = frozen.messages.state();
        writer.end_messages(state.last, state.last_time);
        for (spec, progress) in frozen.consumers.iter().filter(|_| with_consumers) {
            let meta = ConsumerMeta {
                name: spec.name.clone(),
                config: spec.config.clone(),
                created: spec.created,
                unknown: Vec::new(),
            };
            writer.consumer(&meta, &kept(progress));
        }
        writer.finish();
        if self.send(&mut writer).is_continue()
            && let Some(rest) = writer.take(0)
        {
            let _ = self.chunks.blocking_send(Ok(rest));
        }
        unread
    }

    /// Hands over what is ready; breaks off if nobody takes it any more.
    fn send(&mut self, writer: &mut SnapshotWriter) -> ControlFlow<()> {
        if self.reason.is_some() {
            return ControlFlow::Break(());
        }
        while let Some(chunk) = writer.take(self.chunk) {
            if self.chunks.blocking_send(Ok(chunk)).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// How far a consumer is, as the Go server keeps it.
fn kept(progress: &Progress) -> ConsumerState {
    let position = |position: cognate_consumer::Position| Position {
        consumer: position.consumer,
        stream: position.stream,
    };
    let pending = progress.pending.iter();
    let again = pending
        .clone()
        .filter(|pending| pending.redeliveries > 0)
        .map(|pending| (pending.sequence, pending.redeliveries));
    let over = progress.exhausted.iter();
    let over = over.map(|(sequence, deliveries)| (*sequence, deliveries.saturating_sub(1).max(1)));
    let mut redelivered: Vec<_> = again.chain(over).collect();
    redelivered.sort_unstable();
    ConsumerState {
        floor: position(progress.floor),
        delivered: position(progress.delivered),
        pending: pending
            .map(|pending| Pending {
                sequence: pending.sequence,
                delivery: pending.delivery,
                time: pending.time.0,
            })
            .collect(),
        redelivered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(chunk_size: i64, window_size: i64, chunk: usize, window: usize) {
        let sending = Sending::of(&SnapshotRequest {
            chunk_size,
            window_size,
            ..SnapshotRequest::default()
        });
        assert_eq!((sending.chunk, sending.window), (chunk, window));
    }

    #[test]
    fn chunks_and_windows_are_within_bounds() {
        check(0, 0, 128 * 1024, 64);
        check(1, 1, 1024, 1);
        check(-5, -5, 1024, 1);
        check(i64::MAX, i64::MAX, 1024 * 1024, 32);
        check(1024, i64::MAX, 1024, 32 * 1024);
        check(65536, 131_072, 65536, 2);
    }
}
