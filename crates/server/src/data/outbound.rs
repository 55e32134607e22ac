//! The hand-off of bytes from many publishers to one socket.
//!
//! ```text
//!            deliver (idle)            write took all, nothing queued behind it
//!   ┌──────┐ ─────────────▶ ┌─────────┐ ─────────────▶ Idle
//!   │ Idle │                │ Writing │
//!   └──────┘ ◀───────────── └─────────┘
//!      ▲      all written        │ socket full, or too much queued behind the writer
//!      │                         ▼
//!      └──────────────────── ┌─────────┐   deliver appends; the connection's own task
//!        drained by the task │ Blocked │   waits for room and drains
//!                            └─────────┘
//! ```
//!
//! Invariants: exactly one party writes at a time (the publisher that found it idle, or the
//! connection's task); bytes leave in the order in which they were handed over; whoever leaves
//! bytes behind wakes the task. A close from outside takes nothing back: whoever is writing then
//! hands the rest to the task, which waits for it and writes what was accepted before it ends the
//! hand-off (`shut`); from then on nothing is kept. The lock is never held across a system call, so a publisher that
//! meets a writer appends and goes on. Bytes in `queued` never exceed `max_pending` by more than
//! one batch: the connection is then cut off as a slow consumer, or, if it is one that
//! [refuses](Outbound::refusing), whole batches are given back to their publishers instead.
//!
//! A connection without a plain socket (TLS, in-process) has its task write everything.
//!
//! Callers: the data path ([`super::stage`]) delivers, the connection's task drains.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cognate_wire::CloseReason;

use super::backlog::{Backlog, Blocks};
use super::queue::{CROWDED_BYTES, Queue, Totals, Writer};
use super::sink::{Batch, Sink, write_backlog, write_batch};
// Named by its place so that the model check can put another lock there.
use super::sync::Mutex;

/// Rounds in which a publisher writes what others queued behind it before it leaves the rest to
/// the connection's task: bounds the work one publisher does for others.
pub(super) const ROUNDS: usize = 4;

/// What happened to a delivered batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// It is written or queued.
    Accepted,
    /// It is queued behind so much that it would have been better to come later.
    Crowded,
    /// It is queued, and the queue is so long that the publisher should slow down.
    Stalled,
    /// The connection is closed or was just cut off; nobody will see it.
    Closed,
    /// So much waits that nothing of it was taken.
    Refused,
}

/// What a publisher waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relief {
    /// That the connection is not about to be cut off any more.
    Safe,
    /// That little is queued.
    CaughtUp,
}

/// What the connection's task finds when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pending {
    /// Nothing to write.
    Nothing,
    /// Bytes wait for room in the socket.
    Bytes,
    /// Somebody closed the connection.
    Closed(CloseReason),
}

/// The outbound side of one connection.
pub(crate) struct Outbound {
    queue: Mutex<Queue>,
    max_pending: usize,
    /// What is too much is refused, also from this many messages on, and nobody is cut off.
    refuses_from: Option<u64>,
    pool: Arc<Blocks>,
}

impl Outbound {
    /// An idle outbound side. Without a `sink` the connection's task does all writing.
    /// Blocks for what has to wait come from `pool`.
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, max_pending: usize, pool: Arc<Blocks>) -> Self {
        Outbound {
            queue: Mutex::new(Queue::new(sink)),
            max_pending,
            refuses_from: None,
            pool,
        }
    }

    /// The same, but what is too much is refused instead of ending the connection; also from
    /// `max_msgs` messages on. At least one batch is always taken.
    pub(crate) fn refusing(mut self, max_msgs: u64) -> Self {
        self.refuses_from = Some(max_msgs);
        self
    }

    /// Whether too much is refused, and nobody cut off.
    pub(crate) fn refuses(&self) -> bool {
        self.refuses_from.is_some()
    }

    /// Hands over a batch: writes it at once if the socket is free, queues it otherwise.
    pub(crate) fn deliver(&self, batch: &impl Batch, count: Totals) -> Delivery {
        let mut queue = self.queue.lock();
        if queue.closed.is_some() {
            return Delivery::Closed;
        }
        if self.is_too_much(&queue, 1) {
            return Delivery::Refused;
        }
        queue.count(count);
        let sink = match (&queue.sink, queue.writer) {
            (Some(sink), Writer::Idle) => Arc::clone(sink),
            _ => return self.enqueue(queue, batch),
        };
        queue.writer = Writer::Writing;
        queue.queued += batch.total();
        drop(queue);
        let written = write_batch(batch, &*sink);
        self.finish_batch(batch, &*sink, written)
    }

    /// Hands over a batch for the connection's task to write, so that other threads share the work.
    pub(crate) fn deliver_later(&self, batch: &impl Batch, count: Totals) -> Delivery {
        self.append(batch, count, 1)
    }

    /// Hands over a batch that something else than publishes is in, which finds room where they are
    /// refused: as much again.
    pub(crate) fn deliver_reserved(&self, batch: &impl Batch, count: Totals) -> Delivery {
        self.append(batch, count, 2)
    }

    fn append(&self, batch: &impl Batch, count: Totals, times: usize) -> Delivery {
        let mut queue = self.queue.lock();
        if queue.closed.is_some() {
            return Delivery::Closed;
        }
        if self.is_too_much(&queue, times) {
            return Delivery::Refused;
        }
        queue.count(count);
        self.enqueue(queue, batch)
    }

    /// Whether a batch is to be refused, where `times` the bounds hold.
    fn is_too_much(&self, queue: &Queue, times: usize) -> bool {
        self.refuses_from.is_some_and(|max_msgs| {
            let max_msgs = max_msgs.saturating_mul(times as u64).max(1);
            let max_pending = self.max_pending.saturating_mul(times).max(1);
            queue.queued >= max_pending || queue.queued_msgs >= max_msgs
        })
    }

    /// Whether the connection is to be cut off.
    fn is_cut_off(&self, queue: &Queue) -> bool {
        self.refuses_from.is_none() && queue.queued > self.max_pending
    }

    /// Whether publishers should slow down.
    fn is_stalling(&self, queue: &Queue) -> bool {
        let has_many = |max_msgs: u64| queue.queued_msgs > max_msgs / 4 * 3;
        queue.queued > self.stall_threshold() || self.refuses_from.is_some_and(has_many)
    }

    /// Looks for work: called by the connection's task, which is woken when there is some.
    pub(crate) fn poll_pending(&self, cx: &mut Context<'_>) -> (Pending, bool) {
        let mut queue = self.queue.lock();
        let signalled = std::mem::take(&mut queue.signalled);
        if !queue
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(cx.waker()))
        {
            queue.task = Some(cx.waker().clone());
        }
        let pending = match (queue.closed, queue.writer) {
            (Some(reason), _) => Pending::Closed(reason),
            (None, Writer::Blocked) => Pending::Bytes,
            (None, _) => Pending::Nothing,
        };
        (pending, signalled)
    }

    /// Takes the bytes to be written next; the task must bring them back with [`Self::drained`].
    /// Empty when there is nothing for the task to write.
    pub(crate) fn take_front(&self) -> Backlog {
        let mut queue = self.queue.lock();
        if queue.writer != Writer::Blocked {
            return Backlog::default();
        }
        let queue = &mut *queue;
        let mut front = std::mem::take(&mut queue.front);
        front.append(&mut queue.back);
        queue.queued_msgs = 0;
        front
    }

    /// Gives back what is left of what [`Self::take_front`] took, after `written` bytes of it were
    /// written, and says whether more waits.
    pub(crate) fn drained(&self, mut front: Backlog, written: usize) -> Pending {
        front.advance(written, &self.pool);
        let mut queue = self.queue.lock();
        queue.note_written(written, self.stall_threshold());
        queue.front = front;
        if let Some(reason) = queue.closed {
            return Pending::Closed(reason);
        }
        if !queue.front.is_empty() || !queue.back.is_empty() {
            return Pending::Bytes;
        }
        queue.writer = Writer::Idle;
        Pending::Nothing
    }

    /// Closes the connection, unless somebody did, and takes what is still to be written to it:
    /// ready when the publisher that may be writing has left, which never waits for the socket.
    pub(crate) fn poll_rest(&self, reason: CloseReason, cx: &mut Context<'_>) -> Poll<Backlog> {
        let mut queue = self.queue.lock();
        queue.close(reason);
        if queue.writer == Writer::Writing {
            queue.task = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let queue = &mut *queue;
        let mut rest = std::mem::take(&mut queue.front);
        rest.append(&mut queue.back);
        Poll::Ready(rest)
    }

    /// Closes the connection from outside its task; the first reason stands.
    pub(crate) fn close(&self, reason: CloseReason) {
        let task = {
            let mut queue = self.queue.lock();
            queue.close(reason);
            queue.task.take()
        };
        wake(task);
    }

    /// Ends the hand-off for good; nothing is accepted any more and the socket is let go.
    pub(crate) fn shut(&self, reason: CloseReason) {
        let mut queue = self.queue.lock();
        queue.close(reason);
        queue.shut = true;
        queue.sink = None;
        queue.task = None;
        queue.forget(&self.pool);
    }

    /// Makes the connection's task look around.
    pub(crate) fn signal(&self) {
        let task = {
            let mut queue = self.queue.lock();
            queue.signalled = true;
            queue.task.take()
        };
        wake(task);
    }

    /// Lets publishers write to the socket from now on.
    pub(crate) fn attach(&self, sink: Arc<dyn Sink>) {
        self.queue.lock().sink = Some(sink);
    }

    /// Bytes accepted and not yet written.
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().queued
    }

    /// Ready once publishers need not wait any more before they deliver.
    pub(crate) fn poll_relief(&self, relief: Relief, cx: &mut Context<'_>) -> Poll<()> {
        let below = match relief {
            Relief::Safe => self.stall_threshold(),
            Relief::CaughtUp => CROWDED_BYTES / 2,
        };
        let mut queue = self.queue.lock();
        if queue.queued < below || queue.closed.is_some() {
            return Poll::Ready(());
        }
        let mut waiting = queue.waiting.iter_mut();
        match waiting.find(|(_, waker)| waker.will_wake(cx.waker())) {
            Some(waiting) => waiting.0 = below,
            None => queue.waiting.push((below, cx.waker().clone())),
        }
        Poll::Pending
    }

    /// What was delivered so far.
    pub(crate) fn totals(&self) -> Totals {
        self.queue.lock().totals
    }

    fn stall_threshold(&self) -> usize {
        self.max_pending / 4 * 3
    }

    fn enqueue<G: std::ops::DerefMut<Target = Queue>>(
        &self,
        mut queue: G,
        batch: &impl Batch,
    ) -> Delivery {
        queue.queued += batch.total();
        if self.is_cut_off(&queue) {
            queue.close(CloseReason::SlowConsumerPendingBytes);
            let task = queue.task.take();
            drop(queue);
            wake(task);
            return Delivery::Closed;
        }
        batch.copy_from(0, &mut queue.back, &self.pool);
        self.settle(queue)
    }

    /// Leaves the lock after bytes were queued: hands them to the task unless someone is writing.
    fn settle<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        let mut task = None;
        if queue.writer == Writer::Idle {
            queue.writer = Writer::Blocked;
            task = queue.task.take();
        }
        queue.stalled |= self.is_stalling(&queue);
        let delivery = match queue.queued {
            _ if queue.stalled => Delivery::Stalled,
            queued if queued > CROWDED_BYTES => Delivery::Crowded,
            _ => Delivery::Accepted,
        };
        drop(queue);
        wake(task);
        delivery
    }

    /// The publisher's part after its own write: what is left, and what others queued meanwhile.
    fn finish_batch(
        &self,
        batch: &impl Batch,
        sink: &dyn Sink,
        written: Result<usize, io::Error>,
    ) -> Delivery {
        let mut queue = self.queue.lock();
        let Ok(written) = written else {
            return self.fail(queue);
        };
        queue.note_written(written, self.stall_threshold());
        if written < batch.total() {
            batch.copy_from(written, &mut queue.front, &self.pool);
            return self.block(queue);
        }
        for _ in 0..ROUNDS {
            if queue.closed.is_some() {
                return self.block(queue);
            }
            if queue.back.is_empty() {
                queue.writer = Writer::Idle;
                return Delivery::Accepted;
            }
            let mut front = std::mem::take(&mut queue.back);
            drop(queue);
            let result = write_backlog(&mut front, sink, &self.pool);
            queue = self.queue.lock();
            let Ok(written) = result else {
                return self.fail(queue);
            };
            queue.note_written(written, self.stall_threshold());
            if !front.is_empty() {
                queue.front = front;
                return self.block(queue);
            }
        }
        if queue.back.is_empty() && queue.closed.is_none() {
            queue.writer = Writer::Idle;
            return Delivery::Accepted;
        }
        self.block(queue)
    }

    /// Hands the queue to the connection's task.
    fn block<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        if queue.closed.is_some() {
            return self.leave(queue);
        }
        queue.writer = Writer::Blocked;
        if self.is_cut_off(&queue) {
            queue.close(CloseReason::SlowConsumerPendingBytes);
            let task = queue.task.take();
            drop(queue);
            wake(task);
            return Delivery::Closed;
        }
        queue.writer = Writer::Idle;
        self.settle(queue)
    }

    /// The publisher's way out of a connection that was closed meanwhile: its task, which may be
    /// waiting for that, writes the rest if the client is still to see it.
    fn leave<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        queue.writer = Writer::Blocked;
        if queue.shut {
            queue.forget(&self.pool);
            return Delivery::Closed;
        }
        let task = queue.task.take();
        drop(queue);
        wake(task);
        Delivery::Accepted
    }

    /// The publisher's way out when the socket failed: nothing may follow what is torn.
    fn fail<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        queue.close(CloseReason::WriteError);
        queue.writer = Writer::Blocked;
        queue.forget(&self.pool);
        let task = queue.task.take();
        drop(queue);
        wake(task);
        Delivery::Closed
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}
