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
//! bytes behind wakes the task. The lock is never held across a system call, so a publisher that
//! meets a writer appends and goes on. Bytes in `queued` never exceed `max_pending` by more than
//! one batch: the connection is then cut off as a slow consumer.
//!
//! A connection without a plain socket (TLS, in-process) has its task write everything.
//!
//! Callers: the data path ([`super::stage`]) delivers, the connection's task drains.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cognate_wire::CloseReason;

use super::backlog::{Backlog, Blocks};
// Named by its place so that the model check can put another lock there.
use super::sync::Mutex;

/// Rounds in which a publisher writes what others queued behind it before it leaves the rest to
/// the connection's task: bounds the work one publisher does for others.
pub(super) const ROUNDS: usize = 4;

/// Pieces of a backlog written at a time.
const PIECES: usize = 16;

/// Publishers all of whose destinations have more than this waiting pause for a moment: what is
/// written straight from the publisher's buffers costs less than what has to be queued.
pub(super) const CROWDED_BYTES: usize = 256 * 1024;

/// Where bytes go without waiting.
pub(crate) trait Sink: Send + Sync {
    /// Writes what the other side takes at once; `WouldBlock` if that is nothing.
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

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
}

/// A batch of frames as gathered pieces, in order.
pub(crate) trait Batch {
    /// Length of all pieces.
    fn total(&self) -> usize;
    /// Appends the pieces from byte `skip` on to `out`.
    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks);
    /// Writes from byte `skip` on; returns what `sink` took.
    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    Idle,
    Writing,
    Blocked,
}

struct Queue {
    writer: Writer,
    /// Absent when the connection's task does all writing, and after the close.
    sink: Option<Arc<dyn Sink>>,
    /// What is written next; the writer takes it out while it writes.
    front: Backlog,
    /// What came in meanwhile.
    back: Backlog,
    /// Bytes accepted and not yet written.
    queued: usize,
    stalled: bool,
    closed: Option<CloseReason>,
    /// Something happened that the task must look at.
    signalled: bool,
    task: Option<Waker>,
    /// Publishers that wait until the queue is shorter.
    waiting: Vec<Waker>,
    totals: Totals,
}

/// What was delivered to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Messages.
    pub msgs: u64,
    /// Payload bytes, headers included.
    pub bytes: u64,
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
    pool: Arc<Blocks>,
}

impl Outbound {
    /// An idle outbound side. Without a `sink` the connection's task does all writing.
    /// Blocks for what has to wait come from `pool`.
    pub(crate) fn new(sink: Option<Arc<dyn Sink>>, max_pending: usize, pool: Arc<Blocks>) -> Self {
        let queue = Queue {
            writer: Writer::Idle,
            sink,
            front: Backlog::default(),
            back: Backlog::default(),
            queued: 0,
            stalled: false,
            closed: None,
            signalled: false,
            task: None,
            waiting: Vec::new(),
            totals: Totals::default(),
        };
        Outbound {
            queue: Mutex::new(queue),
            max_pending,
            pool,
        }
    }

    /// Hands over a batch: writes it at once if the socket is free, queues it otherwise.
    pub(crate) fn deliver(&self, batch: &impl Batch, count: Totals) -> Delivery {
        let mut queue = self.queue.lock();
        if queue.closed.is_some() {
            return Delivery::Closed;
        }
        queue.totals.msgs += count.msgs;
        queue.totals.bytes += count.bytes;
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

    /// Takes what is still to be written to a connection that is being closed; nothing if a
    /// publisher is at it.
    pub(crate) fn take_rest(&self) -> Backlog {
        let mut queue = self.queue.lock();
        if queue.writer == Writer::Writing {
            return Backlog::default();
        }
        let queue = &mut *queue;
        let mut rest = std::mem::take(&mut queue.front);
        rest.append(&mut queue.back);
        rest
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
        queue.sink = None;
        queue.task = None;
        let queue = &mut *queue;
        queue.front.clear(&self.pool);
        queue.back.clear(&self.pool);
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
    pub(crate) fn poll_relief(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut queue = self.queue.lock();
        if queue.queued < CROWDED_BYTES / 2 || queue.closed.is_some() {
            return Poll::Ready(());
        }
        if !queue
            .waiting
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            queue.waiting.push(cx.waker().clone());
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
        if queue.queued > self.max_pending {
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
        queue.stalled |= queue.queued > self.stall_threshold();
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
        if queue.closed.is_some() {
            return Delivery::Closed;
        }
        if written < batch.total() {
            batch.copy_from(written, &mut queue.front, &self.pool);
            return self.block(queue);
        }
        for _ in 0..ROUNDS {
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
            if queue.closed.is_some() {
                return Delivery::Closed;
            }
            if !front.is_empty() {
                queue.front = front;
                return self.block(queue);
            }
        }
        if queue.back.is_empty() {
            queue.writer = Writer::Idle;
            return Delivery::Accepted;
        }
        self.block(queue)
    }

    /// Hands the queue to the connection's task.
    fn block<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        if queue.queued > self.max_pending {
            queue.close(CloseReason::SlowConsumerPendingBytes);
            let task = queue.task.take();
            drop(queue);
            wake(task);
            return Delivery::Closed;
        }
        queue.writer = Writer::Idle;
        self.settle(queue)
    }

    fn fail<G: std::ops::DerefMut<Target = Queue>>(&self, mut queue: G) -> Delivery {
        queue.close(CloseReason::WriteError);
        let task = queue.task.take();
        drop(queue);
        wake(task);
        Delivery::Closed
    }
}

impl Queue {
    /// Takes `written` bytes off the queue's length, and lets those go on who waited for that:
    /// whoever wrote, since a publisher may empty the queue without the connection's task.
    fn note_written(&mut self, written: usize, stall_threshold: usize) {
        self.queued = self.queued.saturating_sub(written);
        if self.queued < stall_threshold {
            self.stalled = false;
        }
        if self.queued < CROWDED_BYTES / 2 {
            self.waiting.drain(..).for_each(Waker::wake);
        }
    }

    fn close(&mut self, reason: CloseReason) {
        self.closed.get_or_insert(reason);
        self.signalled = true;
        self.stalled = false;
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

fn wake(task: Option<Waker>) {
    if let Some(task) = task {
        task.wake();
    }
}

/// Writes until all is gone or the socket takes no more.
fn write_batch(batch: &impl Batch, sink: &dyn Sink) -> io::Result<usize> {
    let mut written = 0;
    while written < batch.total() {
        match attempt(|| batch.write_to(sink, written))? {
            0 => break,
            count => written += count,
        }
    }
    Ok(written)
}

/// The same for bytes that had to wait; what was written is taken off.
fn write_backlog(backlog: &mut Backlog, sink: &dyn Sink, pool: &Blocks) -> io::Result<usize> {
    let mut written = 0;
    while !backlog.is_empty() {
        let mut parts = [IoSlice::new(&[]); PIECES];
        let count = backlog.pieces(&mut parts);
        match attempt(|| sink.try_write_vectored(&parts[..count]))? {
            0 => break,
            count => {
                backlog.advance(count, pool);
                written += count;
            }
        }
    }
    Ok(written)
}

/// One write; 0 if the socket takes nothing now.
fn attempt(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Batch for &[u8] {
    fn total(&self) -> usize {
        self.len()
    }

    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks) {
        out.push(&self[skip..], pool);
    }

    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize> {
        sink.try_write_vectored(&[IoSlice::new(&self[skip..])])
    }
}
