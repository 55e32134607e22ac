//! Where work is done that may wait for a disk without end.
//!
//! A disk that hangs gives no warning, and a thread of the runtime that waits for one serves no clients.
//!
//! ```text
//! work ─▶ on a thread of the runtime, while another one is left that does no such work
//!     └─▶ aside: on this thread, whose other tasks move to a fresh one before
//! ```
//!
//! Stepping aside costs some ten microseconds, so it is what is done when there is no place on the
//! runtime, or when something (a slow step before, a sync that takes long, a lock that somebody holds)
//! says that the disk may not answer. Invariant: at least one thread of the runtime never waits for a
//! disk. Bound: [`ASIDE`] threads wait; further work waits for a place and needs no thread for that.
//!
//! That thread must also hear of what there is to do, although the one that waits may have been the one
//! that listened to the sockets, and may have a task next in line that nobody takes from it: [`Lookout`]
//! sees to both.

use super::lookout::Lookout;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Threads that may wait beside the runtime's own: a part of those that tokio makes at most.
const ASIDE: usize = 128;

/// Who may wait for the disk where.
pub(super) struct Places {
    on_runtime: Semaphore,
    aside: Semaphore,
    lookout: Lookout,
}

/// A place for one piece of work.
pub(super) struct Place<'a> {
    permit: Option<SemaphorePermit<'a>>,
    is_aside: bool,
    lookout: &'a Lookout,
}

impl Places {
    /// The places of the runtime that calls this.
    pub(super) fn new() -> Self {
        let threads = Handle::current().metrics().num_workers();
        Places {
            on_runtime: Semaphore::new(threads.saturating_sub(1)),
            aside: Semaphore::new(ASIDE),
            lookout: Lookout::new(),
        }
    }

    /// Called between what wakes others and what may wait for the disk.
    pub(super) fn make_way(&self) {
        self.lookout.make_way();
    }

    /// A place for work on a disk that is (not) trusted to answer.
    pub(super) async fn enter(&self, is_trusted: bool) -> Place<'_> {
        if is_trusted && let Ok(permit) = self.on_runtime.try_acquire() {
            return Place {
                permit: Some(permit),
                is_aside: false,
                lookout: &self.lookout,
            };
        }
        Place {
            // The semaphore is never closed.
            permit: self.aside.acquire().await.ok(),
            is_aside: may_step_aside(),
            lookout: &self.lookout,
        }
    }
}

impl Place<'_> {
    /// Whether the work is done on a thread of the runtime.
    pub(super) fn is_on_runtime(&self) -> bool {
        !self.is_aside
    }

    /// Does the work there.
    pub(super) fn run<R>(self, work: impl FnOnce() -> R) -> R {
        let done = match self.is_aside {
            true => tokio::task::block_in_place(work),
            false => self.lookout.watch(work),
        };
        drop(self.permit);
        done
    }
}

/// Whether the runtime has other threads that can take over.
fn may_step_aside() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn one_thread_is_always_left() {
        let places = Places::new();
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(places.enter(true).await);
        }
        let aside: Vec<bool> = held.iter().map(|place| place.is_aside).collect();
        assert_eq!(aside, [false, false, true, true]);
        held.remove(0).run(|| ());
        assert!(!places.enter(true).await.is_aside);
        assert!(places.enter(false).await.is_aside);
    }

    #[tokio::test]
    async fn who_has_one_thread_only_works_on_it() {
        let places = Places::new();
        let place = places.enter(true).await;
        assert!(!place.is_aside);
        assert_eq!(place.run(|| 7), 7);
    }
}
