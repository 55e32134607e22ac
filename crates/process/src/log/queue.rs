//! The bounded queue between those who log and the thread that writes.
//!
//! Invariants: the queue holds at most [`QUEUE_LIMIT_BYTES`] (the writer may hold as much again
//! while it writes); `push` waits at most [`FULL_QUEUE_WAIT`], and that only once per stall; lines
//! leave in the order they came; a change of sink takes its place among the lines. `Logger` owns
//! it, the writer thread shares it until it is closed. Absent: formatting of lines for the
//! thread-backed sinks, which the writer does, off the threads that serve clients.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::line::{LineFormat, append_escaped};
use super::sink::{Losses, Sink};
use super::{Level, LogClosure, LogRecord};

/// Bytes of messages that may wait for a slow sink; what comes on top is dropped and counted.
pub const QUEUE_LIMIT_BYTES: usize = 4 << 20;

/// How long a caller waits for room before its line, and those after it, are dropped.
pub const FULL_QUEUE_WAIT: Duration = Duration::from_millis(100);

/// What a queued line costs beyond its text, so that empty lines are bounded too.
const ENTRY_OVERHEAD_BYTES: usize = 64;

/// The writer formats lines and makes system calls only.
const WRITER_STACK_BYTES: usize = 256 << 10;

/// One message, as it was logged.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    pub(crate) message: String,
}

impl Entry {
    /// A line about the log itself.
    pub(crate) fn now(level: Level, message: String) -> Entry {
        Entry {
            time: SystemTime::now(),
            level,
            message,
        }
    }

    fn cost(&self) -> usize {
        self.message.len().saturating_add(ENTRY_OVERHEAD_BYTES)
    }
}

/// An embedder's closure with the format of its lines.
pub(crate) struct Custom {
    closure: LogClosure,
    format: Mutex<LineFormat>,
}

impl Custom {
    pub(crate) fn new(closure: LogClosure, format: LineFormat) -> Custom {
        Custom {
            closure,
            format: Mutex::new(format.colored(false)),
        }
    }

    fn write(&self, entry: &Entry) {
        let mut line = String::new();
        self.format.lock().append(&mut line, entry);
        line.pop();
        let mut message = String::new();
        append_escaped(&mut message, &entry.message);
        let record = LogRecord {
            level: entry.level,
            message: &message,
            line: &line,
        };
        // The embedder's bug must not end a connection's task; the panic hook has reported it.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.closure)(&record)));
    }
}

/// Whether the writer should still wait for a sink that takes nothing: not once another sink is
/// waiting to take over, or the log is closing.
#[derive(Debug, Default)]
pub(crate) struct Patience(AtomicUsize);

impl Patience {
    pub(crate) fn exhausted(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn end(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn renew(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

enum Item {
    Line(Entry),
    Replace(Box<Sink>),
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    dropped: u64,
    /// A caller has waited in vain since the writer last took a batch.
    stalled: bool,
    /// The writer holds a batch.
    busy: bool,
    running: bool,
    closing: bool,
    custom: Option<Arc<Custom>>,
}

/// See the module's documentation.
pub(crate) struct Queue {
    state: Mutex<State>,
    /// Signalled when there is something for the writer.
    work: Condvar,
    /// Signalled when the writer took a batch or finished one.
    progress: Condvar,
    patience: Patience,
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            progress: Condvar::new(),
            patience: Patience::default(),
        }
    }

    /// Hands a line to the sink in force.
    pub(crate) fn push(&self, entry: Entry) {
        let mut state = self.state.lock();
        if let Some(custom) = state.custom.clone() {
            // Outside the lock: the closure may log itself.
            drop(state);
            custom.write(&entry);
            return;
        }
        if !state.running {
            return;
        }
        let cost = entry.cost();
        if !self.wait_for_room(&mut state, cost) {
            state.dropped = state.dropped.saturating_add(1);
            return;
        }
        state.bytes = state.bytes.saturating_add(cost);
        state.items.push_back(Item::Line(entry));
        drop(state);
        self.work.notify_one();
    }

    /// Lines go to the closure from now on.
    pub(crate) fn install_custom(&self, custom: Custom) {
        let mut state = self.state.lock();
        state.custom = Some(Arc::new(custom));
        if state.running {
            self.replace(&mut state, Sink::Null);
        }
    }

    /// Lines logged from now on go to `sink`; starts the writer if there is none yet.
    pub(crate) fn install_sink(self: &Arc<Self>, sink: Sink) -> io::Result<()> {
        let mut state = self.state.lock();
        if !state.running && !matches!(sink, Sink::Null) {
            let queue = Arc::clone(self);
            std::thread::Builder::new()
                .name("log".to_owned())
                .stack_size(WRITER_STACK_BYTES)
                .spawn(move || queue.run())?;
            state.running = true;
        }
        state.custom = None;
        if state.running {
            self.replace(&mut state, sink);
        }
        Ok(())
    }

    /// Waits until everything pushed before is written, at most `limit`.
    pub(crate) fn flush(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.state.lock();
        while state.busy || !state.items.is_empty() {
            if self.progress.wait_until(&mut state, deadline).timed_out() {
                return !state.busy && state.items.is_empty();
            }
        }
        true
    }

    /// Ends the writer, giving it `limit` to write what is queued.
    pub(crate) fn close(&self, limit: Duration) {
        self.flush(limit);
        self.state.lock().closing = true;
        self.patience.end();
        self.work.notify_one();
    }

    fn replace(&self, state: &mut MutexGuard<'_, State>, sink: Sink) {
        self.patience.end();
        state.items.push_back(Item::Replace(Box::new(sink)));
        self.work.notify_one();
    }

    /// Whether a line of this cost may enter, after waiting for the writer if need be.
    fn wait_for_room(&self, state: &mut MutexGuard<'_, State>, cost: usize) -> bool {
        let fits = |state: &State| {
            state.items.is_empty() || state.bytes.saturating_add(cost) <= QUEUE_LIMIT_BYTES
        };
        let deadline = Instant::now() + FULL_QUEUE_WAIT;
        while !fits(state) {
            if state.stalled {
                return false;
            }
            if self.progress.wait_until(state, deadline).timed_out() && !fits(state) {
                state.stalled = true;
            }
        }
        true
    }

    /// The writer thread.
    fn run(&self) {
        let mut sink = Sink::Null;
        while let Some((items, dropped)) = self.take_batch() {
            sink.add_lost(Losses::dropped(dropped));
            for item in items {
                match item {
                    Item::Line(entry) => sink.append(&entry, &self.patience),
                    Item::Replace(next) => {
                        sink.finish(&self.patience);
                        let lost = sink.take_losses();
                        sink = *next;
                        sink.add_lost(lost);
                        self.patience.renew();
                        sink.activate();
                    }
                }
            }
            sink.finish(&self.patience);
            self.state.lock().busy = false;
            self.progress.notify_all();
        }
    }

    /// The next batch with the count of lines dropped before it; `None` once closed and empty.
    fn take_batch(&self) -> Option<(VecDeque<Item>, u64)> {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closing {
                return None;
            }
            self.work.wait(&mut state);
        }
        let items = std::mem::take(&mut state.items);
        let dropped = std::mem::take(&mut state.dropped);
        state.bytes = 0;
        state.stalled = false;
        state.busy = true;
        drop(state);
        self.progress.notify_all();
        Some((items, dropped))
    }
}
