//! The connection's task of a model check: uses the hand-off as the real one does.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use cognate_wire::CloseReason;
use loom::sync::{Condvar, Mutex};

use super::backlog::Blocks;
use super::outbound::{Delivery, Outbound, Pending};
use super::queue::Totals;
use super::socket::Socket;

/// One connection.
pub(super) struct Client {
    pub(super) outbound: Arc<Outbound>,
    pub(super) socket: Arc<Socket>,
    pool: Arc<Blocks>,
}

impl Client {
    /// A connection whose publishers may write to `socket` themselves if it is `shared`.
    pub(super) fn new(socket: Socket, max_pending: usize, shared: bool) -> Self {
        Client::with_pool(socket, max_pending, shared, Arc::default())
    }

    /// The same with blocks that were used before.
    pub(super) fn with_pool(
        socket: Socket,
        max_pending: usize,
        shared: bool,
        pool: Arc<Blocks>,
    ) -> Self {
        let socket = Arc::new(socket);
        let sink = shared.then(|| Arc::clone(&socket) as _);
        Client {
            outbound: Arc::new(Outbound::new(sink, max_pending, Arc::clone(&pool))),
            socket,
            pool,
        }
    }

    /// A connection that refuses what is too much: more than `max_pending` bytes or `max_msgs`
    /// messages.
    pub(super) fn refusing(
        socket: Socket,
        max_pending: usize,
        max_msgs: u64,
        shared: bool,
    ) -> Self {
        let pool = Arc::default();
        let socket = Arc::new(socket);
        let sink = shared.then(|| Arc::clone(&socket) as _);
        let outbound = Outbound::new(sink, max_pending, Arc::clone(&pool));
        Client {
            outbound: Arc::new(outbound.refusing(max_msgs)),
            socket,
            pool,
        }
    }

    /// Takes everything that waits, as the owner of an inbox does.
    pub(super) fn take(&self, out: &mut Vec<u8>) {
        loop {
            let front = self.outbound.take_front();
            let before = out.len();
            front.copy_to(out);
            if self.outbound.drained(front, out.len() - before) != Pending::Bytes {
                return;
            }
        }
    }

    /// Drains until everything expected is written, or somebody closed the connection.
    pub(super) fn serve(&self) -> Option<CloseReason> {
        let (reason, _) = self.serve_with(0);
        reason
    }

    /// Drains until everything expected is written and at least `signals` were seen; returns how
    /// many were.
    pub(super) fn serve_until_signalled(&self, signals: usize) -> usize {
        let (reason, seen) = self.serve_with(signals);
        assert_eq!(reason, None);
        seen
    }

    fn serve_with(&self, signals: usize) -> (Option<CloseReason>, usize) {
        let mut seen = 0;
        let reason = block_on(|cx| {
            let (pending, signalled) = self.outbound.poll_pending(cx);
            seen += usize::from(signalled);
            let pending = if pending == Pending::Bytes {
                self.drain(cx)
            } else {
                pending
            };
            if let Pending::Closed(reason) = pending {
                return Poll::Ready(Some(reason));
            }
            match self.socket.poll_done(cx) {
                Poll::Ready(()) if seen >= signals => Poll::Ready(None),
                _ => Poll::Pending,
            }
        });
        if let Some(reason) = reason {
            self.part(reason);
            self.outbound.shut(reason);
        }
        (reason, seen)
    }

    /// Writes what was accepted before the end.
    fn part(&self, reason: CloseReason) {
        let mut rest = block_on(|cx| self.outbound.poll_rest(reason, cx));
        block_on(|cx| {
            while !rest.is_empty() {
                match self.socket.poll_write(cx, rest.first()) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(count)) => rest.advance(count, &self.pool),
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                }
            }
            Poll::Ready(())
        });
    }

    /// Waits for the end without writing anything.
    pub(super) fn await_close(&self) -> CloseReason {
        block_on(|cx| match self.outbound.poll_pending(cx) {
            (Pending::Closed(reason), _) => Poll::Ready(reason),
            _ => Poll::Pending,
        })
    }

    /// Writes as far as the socket takes it.
    fn drain(&self, cx: &mut Context<'_>) -> Pending {
        loop {
            let front = self.outbound.take_front();
            let (written, blocked) = match self.socket.poll_write(cx, front.first()) {
                Poll::Pending => (0, true),
                Poll::Ready(Ok(count)) => (count, false),
                Poll::Ready(Err(_)) => return Pending::Closed(CloseReason::WriteError),
            };
            match self.outbound.drained(front, written) {
                Pending::Bytes if !blocked => {}
                pending => return pending,
            }
        }
    }

    /// Checks, when nobody else is about, that nothing waits and nobody writes: then a publisher
    /// writes straight to the socket, or hands over to the task when that is full.
    pub(super) fn check_idle(&self) {
        assert_eq!(self.pending(), Pending::Nothing);
        let before = self.socket.wrote().len();
        self.outbound.deliver(&&[0xff][..], Totals::default());
        let direct = self.socket.wrote().len() == before + 1;
        assert!(
            direct || self.pending() == Pending::Bytes,
            "bytes are left with nobody to write"
        );
    }

    /// Checks that the end stands, with its reason, and holds nothing back.
    pub(super) fn check_closed(&self, reason: CloseReason) {
        self.outbound.shut(CloseReason::ClientClosed);
        let before = self.socket.wrote();
        assert_eq!(
            self.outbound.deliver(&&[0xff][..], Totals::default()),
            Delivery::Closed
        );
        assert_eq!(self.socket.wrote(), before, "written after the end");
        assert_eq!(self.pending(), Pending::Closed(reason));
        self.check_empty();
    }

    /// Checks that nothing is kept after the end.
    pub(super) fn check_empty(&self) {
        let reason = CloseReason::ClientClosed;
        let rest = block_on(|cx| self.outbound.poll_rest(reason, cx));
        assert!(rest.is_empty(), "bytes are kept after the end");
    }

    fn pending(&self) -> Pending {
        self.outbound
            .poll_pending(&mut Context::from_waker(Waker::noop()))
            .0
    }
}

/// Where a thread sleeps until it is woken; loom's own parking also ends waits for a lock.
#[derive(Default)]
struct Bed {
    woken: Mutex<bool>,
    bell: Condvar,
}

impl Wake for Bed {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().expect("no thread panics here") = true;
        self.bell.notify_one();
    }
}

/// Polls until there is an answer, and sleeps in between.
pub(super) fn block_on<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let bed = Arc::new(Bed::default());
    let waker = Waker::from(Arc::clone(&bed));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(answer) = poll(&mut cx) {
            return answer;
        }
        let mut woken = bed.woken.lock().expect("no thread panics here");
        while !*woken {
            woken = bed.bell.wait(woken).expect("no thread panics here");
        }
        *woken = false;
    }
}
