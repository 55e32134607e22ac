//! The socket of a model check: takes what it has room for, and notices two writers at once.
//!
//! A write is two steps under the lock, so that another thread can come in between. Room is made
//! only when the connection's task waits for it, so that every check ends.

use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use super::sink::Sink;
use super::sync::Mutex;

pub(super) struct Socket {
    state: Mutex<State>,
    /// Bytes of room when the far end has read everything.
    window: usize,
    /// Bytes after which the check is over.
    expected: usize,
    broken: bool,
}

struct State {
    writing: bool,
    room: usize,
    wrote: Vec<u8>,
    /// Who waits for `expected` bytes.
    observer: Option<Waker>,
}

impl Socket {
    /// A socket with `window` bytes of room, through which `expected` bytes are to come.
    pub(super) fn new(window: usize, expected: usize) -> Self {
        let state = State {
            writing: false,
            room: window,
            wrote: Vec::new(),
            observer: None,
        };
        Socket {
            state: Mutex::new(state),
            window,
            expected,
            broken: false,
        }
    }

    /// A socket on which every write fails.
    pub(super) fn broken() -> Self {
        Socket {
            broken: true,
            ..Socket::new(usize::MAX, usize::MAX)
        }
    }

    /// Everything written so far.
    pub(super) fn wrote(&self) -> Vec<u8> {
        self.state.lock().wrote.clone()
    }

    /// Ready when all expected bytes have come through.
    pub(super) fn poll_done(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.wrote.len() == self.expected {
            return Poll::Ready(());
        }
        state.observer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The task's write: like anybody's, but a full socket has room when the task looks again.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.try_write_vectored(&[IoSlice::new(bytes)]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.state.lock().room = self.window;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl Sink for Socket {
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let other = std::mem::replace(&mut self.state.lock().writing, true);
        assert!(!other, "two writers at once");
        let mut state = self.state.lock();
        state.writing = false;
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut taken = 0;
        for part in parts {
            let count = part.len().min(state.room);
            state.room -= count;
            state.wrote.extend_from_slice(&part[..count]);
            taken += count;
        }
        let done = state.wrote.len() == self.expected;
        let observer = if done { state.observer.take() } else { None };
        drop(state);
        if let Some(observer) = observer {
            observer.wake();
        }
        if taken == 0 {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(taken)
        }
    }
}
