//! What waits for one socket: the state behind the lock of [`super::outbound`].
//!
//! Owns the bytes that were accepted and not written, their count, and who is to be woken. Knows no lock
//! and no socket call: which step follows which is the hand-off's part.
//!
//! Invariants: `queued` counts `front`, `back` and what a writer has taken out; nothing is queued again
//! after [`Queue::forget`].

use std::sync::Arc;
use std::task::Waker;

use cognate_wire::CloseReason;

use super::backlog::{Backlog, Blocks};
use super::sink::Sink;

/// Publishers all of whose destinations have more than this waiting pause for a moment: what is
/// written straight from the publisher's buffers costs less than what has to be queued.
pub(super) const CROWDED_BYTES: usize = 256 * 1024;

/// Who writes to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody: the next publisher may.
    Idle,
    /// A publisher, outside the lock.
    Writing,
    /// The connection's task, which was woken or is about to be.
    Blocked,
}

/// What waits for one socket, and who takes it there.
pub(super) struct Queue {
    pub(super) writer: Writer,
    /// Absent when the connection's task does all writing, and after the close.
    pub(super) sink: Option<Arc<dyn Sink>>,
    /// What is written next; the writer takes it out while it writes.
    pub(super) front: Backlog,
    /// What came in meanwhile.
    pub(super) back: Backlog,
    /// Bytes accepted and not yet written.
    pub(super) queued: usize,
    /// Messages queued since the task last took all, where that is bounded.
    pub(super) queued_msgs: u64,
    pub(super) stalled: bool,
    pub(super) closed: Option<CloseReason>,
    /// The connection's task has left: nobody takes away what is queued.
    pub(super) shut: bool,
    /// Something happened that the task must look at.
    pub(super) signalled: bool,
    pub(super) task: Option<Waker>,
    /// Publishers that wait until fewer bytes than this are queued.
    pub(super) waiting: Vec<(usize, Waker)>,
    pub(super) totals: Totals,
}

/// What was delivered to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Messages.
    pub msgs: u64,
    /// Payload bytes, headers included.
    pub bytes: u64,
}

impl Totals {
    /// Adds others to these.
    pub(crate) fn add(&mut self, others: Totals) {
        self.msgs += others.msgs;
        self.bytes += others.bytes;
    }
}

impl Queue {
    /// An empty queue. Without a `sink` the connection's task does all writing.
    pub(super) fn new(sink: Option<Arc<dyn Sink>>) -> Self {
        Queue {
            writer: Writer::Idle,
            sink,
            front: Backlog::default(),
            back: Backlog::default(),
            queued: 0,
            queued_msgs: 0,
            stalled: false,
            closed: None,
            shut: false,
            signalled: false,
            task: None,
            waiting: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// Counts what is handed over.
    pub(super) fn count(&mut self, count: Totals) {
        self.totals.msgs += count.msgs;
        self.totals.bytes += count.bytes;
        self.queued_msgs += count.msgs;
    }

    /// Takes `written` bytes off the queue's length, and lets those go on who waited for that:
    /// whoever wrote, since a publisher may empty the queue without the connection's task.
    pub(super) fn note_written(&mut self, written: usize, stall_threshold: usize) {
        self.queued = self.queued.saturating_sub(written);
        if self.queued == 0 {
            self.queued_msgs = 0;
        }
        if self.queued < stall_threshold {
            self.stalled = false;
        }
        let queued = self.queued;
        let relieved = self.waiting.extract_if(.., |(below, _)| queued < *below);
        relieved.for_each(|(_, waker)| waker.wake());
    }

    /// Gives up what is queued.
    pub(super) fn forget(&mut self, pool: &Blocks) {
        self.front.clear(pool);
        self.back.clear(pool);
    }

    /// Notes why nothing more goes out; the first reason stands.
    pub(super) fn close(&mut self, reason: CloseReason) {
        self.closed.get_or_insert(reason);
        self.signalled = true;
        self.stalled = false;
        self.waiting.drain(..).for_each(|(_, waker)| waker.wake());
    }
}
