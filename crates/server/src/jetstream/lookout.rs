//! Keeps the runtime's other threads going while one of them waits for a disk.
//!
//! Of the threads of a runtime one at a time listens to the sockets, and the others sleep until it gives
//! them something. If it runs a task that does not return, nobody listens. And the task that was woken
//! last is next in line on the thread that woke it, where no other thread takes it. So
//!
//! * a thread of the lookout's own looks every [`LOOK`] whether work on the runtime goes on; if it does
//!   not, it gives the runtime something to do, and whoever does that listens afterwards;
//! * [`Lookout::make_way`] puts a task that does nothing next in line, so that others can take the one
//!   that was.
//!
//! The thread sleeps while there is no work. Used by [`super::places`] for work on the runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(50);

/// Stack of the thread that looks.
const STACK_BYTES: usize = 64 * 1024;

/// Who sees to it that the runtime goes on.
pub(super) struct Lookout {
    seen: Arc<Seen>,
    /// `None` if the system gave no thread.
    thread: Option<Thread>,
    next: Arc<Notify>,
    idle_task: tokio::task::AbortHandle,
}

/// What the thread looks at.
#[derive(Default)]
struct Seen {
    begun: AtomicU64,
    ended: AtomicU64,
    is_resting: AtomicBool,
    is_over: AtomicBool,
}

impl Lookout {
    /// For the runtime that calls this.
    pub(super) fn new() -> Self {
        let (seen, runtime) = (Arc::new(Seen::default()), Handle::current());
        let watched = Arc::clone(&seen);
        let builder = thread::Builder::new().name("disk-lookout".to_owned());
        let started = builder
            .stack_size(STACK_BYTES)
            .spawn(move || look_out(&watched, &runtime));
        let next = Arc::new(Notify::new());
        let woken = Arc::clone(&next);
        let idle_task = tokio::spawn(async move {
            loop {
                woken.notified().await;
            }
        });
        Lookout {
            seen,
            thread: started.ok().map(|it| it.thread().clone()),
            next,
            idle_task: idle_task.abort_handle(),
        }
    }

    /// Lets another thread take the task that was woken last.
    pub(super) fn make_way(&self) {
        self.next.notify_one();
    }

    /// Does work on this thread of the runtime.
    pub(super) fn watch<R>(&self, work: impl FnOnce() -> R) -> R {
        self.seen.begun.fetch_add(1, SeqCst);
        if self.seen.is_resting.load(SeqCst) {
            self.wake();
        }
        let done = work();
        self.seen.ended.fetch_add(1, SeqCst);
        done
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.unpark();
        }
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.idle_task.abort();
        self.seen.is_over.store(true, SeqCst);
        self.wake();
    }
}

impl Seen {
    fn is_at_work(&self) -> bool {
        self.begun.load(SeqCst) != self.ended.load(SeqCst)
    }
}

/// What the thread does until the lookout is dropped.
fn look_out(seen: &Seen, runtime: &Handle) {
    let mut ended_before = None;
    while !seen.is_over.load(SeqCst) {
        let ended = Some(seen.ended.load(SeqCst));
        let has_moved = ended != ended_before;
        ended_before = ended;
        if has_moved {
            thread::park_timeout(LOOK);
        } else if seen.is_at_work() {
            runtime.spawn(async {});
            thread::park_timeout(LOOK);
        } else {
            // Whoever begins after this sees that somebody rests; who began before is seen here.
            seen.is_resting.store(true, SeqCst);
            if !seen.is_at_work() && !seen.is_over.load(SeqCst) {
                thread::park();
            }
            seen.is_resting.store(false, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::mpsc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// The thread that heard of a byte is the one that then waits: nobody else would listen.
    #[test]
    fn sockets_are_served_while_a_thread_of_the_runtime_waits() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (release, wait) = mpsc::channel::<()>();
        let address = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let lookout = Lookout::new();
            tokio::spawn(async move {
                let (mut hanging, _) = listener.accept().await.unwrap();
                let (mut echoing, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut byte = [0];
                    while echoing.read_exact(&mut byte).await.is_ok() {
                        echoing.write_all(&byte).await.unwrap();
                    }
                });
                hanging.read_exact(&mut [0]).await.unwrap();
                lookout.make_way();
                // Fails if the test has ended, which is as well.
                let _ = lookout.watch(|| wait.recv());
            });
            address
        });
        let mut hanging = TcpStream::connect(address).unwrap();
        let mut echoing = TcpStream::connect(address).unwrap();
        echoing
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut echo = |byte: u8| {
            echoing.write_all(&[byte]).unwrap();
            let mut answer = [0];
            echoing.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [byte]);
        };
        echo(0);
        hanging.write_all(&[0]).unwrap();
        (1..50).for_each(&mut echo);
        release.send(()).unwrap();
        echo(50);
    }

    #[test]
    fn the_thread_rests_and_ends() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let lookout = runtime.block_on(async { Lookout::new() });
        let seen = Arc::clone(&lookout.seen);
        for round in 0..3 {
            while !seen.is_resting.load(SeqCst) {
                thread::yield_now();
            }
            assert_eq!(lookout.watch(|| round), round);
        }
        drop(lookout);
        while Arc::strong_count(&seen) > 1 {
            thread::yield_now();
        }
    }
}
