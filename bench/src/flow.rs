//! Flow control between the publishers and the receiver of one run.
//!
//! A NATS server cuts off a subscriber whose backlog exceeds `max_pending` (64 MiB by default), so
//! publishers keep the number of messages that are sent but not yet received below a window. The
//! bound is on the sum over all subscribers, which bounds each one of them as well. Only whole
//! batches touch the shared counters, never single messages, and a publisher that has to wait
//! sleeps until half of the window is free instead of spinning on the cores the server needs.
//!
//! Absent: sockets and bytes; everything here is counted in deliveries.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

/// How long a run may stand still before it counts as failed.
pub(crate) const STALL: Duration = Duration::from_secs(30);
/// How often a waiting thread looks whether the run has failed elsewhere.
pub(crate) const LOOK: Duration = Duration::from_millis(200);

/// Shared progress of one phase of a run.
pub(crate) struct Flow {
    window: u64,
    sent: AtomicU64,
    received: AtomicU64,
    /// The lowest value of `received` that some waiting publisher is waiting for.
    wake_at: AtomicU64,
    publishing: AtomicU32,
    failed: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Flow {
    /// At most `window` deliveries under way, with `publishers` taking part.
    pub(crate) fn new(window: u64, publishers: u32) -> Self {
        Self {
            window,
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            wake_at: AtomicU64::new(u64::MAX),
            publishing: AtomicU32::new(publishers),
            failed: AtomicBool::new(false),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// Waits until `deliveries` more may be under way, and counts them as sent.
    pub(crate) fn reserve(&self, deliveries: u64) -> Result<()> {
        let sent = self.sent.fetch_add(deliveries, SeqCst) + deliveries;
        if sent.saturating_sub(self.received.load(SeqCst)) <= self.window {
            return self.check();
        }
        let low = (self.window / 2).max(deliveries);
        let target = sent.saturating_sub(low);
        self.wait("the subscribers", || {
            // Registered before looking, while the receiver stores before looking at this: one of
            // the two sees the other.
            self.wake_at.fetch_min(target, SeqCst);
            self.received.load(SeqCst) >= target
        })
    }

    /// The receiver has got `total` deliveries so far in this phase.
    pub(crate) fn received(&self, total: u64) {
        self.received.store(total, SeqCst);
        if total >= self.wake_at.load(SeqCst) {
            self.wake();
        }
    }

    /// A publisher has had the server's confirmation of everything it sent.
    pub(crate) fn publisher_done(&self) {
        self.publishing.fetch_sub(1, SeqCst);
        self.wake();
    }

    /// Waits until every publisher is done.
    pub(crate) fn wait_for_publishers(&self) -> Result<()> {
        self.wait("the publishers", || self.publishing.load(SeqCst) == 0)
    }

    /// Ends the run for every thread that takes part.
    pub(crate) fn fail(&self) {
        self.failed.store(true, SeqCst);
        self.wake();
    }

    /// An error if another thread of the run has failed.
    pub(crate) fn check(&self) -> Result<()> {
        if self.failed.load(SeqCst) {
            return Err(Failure::new(ELSEWHERE));
        }
        Ok(())
    }

    fn wake(&self) {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.wake_at.store(u64::MAX, SeqCst);
        drop(guard);
        self.changed.notify_all();
    }

    fn wait(&self, whom: &str, done: impl Fn() -> bool) -> Result<()> {
        let start = Instant::now();
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.check()?;
            if done() {
                return Ok(());
            }
            if start.elapsed() > STALL {
                return Err(Failure::new(format!("waited {STALL:?} for {whom}")));
            }
            guard = self
                .changed
                .wait_timeout(guard, LOOK)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

/// The text of a failure that only follows another one.
pub(crate) const ELSEWHERE: &str = "stopped because another part of the run failed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_window_holds_the_publisher_until_half_is_free() {
        let flow = Flow::new(100, 1);
        flow.reserve(100).expect("fits");
        std::thread::scope(|scope| {
            let publisher = scope.spawn(|| flow.reserve(10));
            while flow.wake_at.load(SeqCst) == u64::MAX {
                std::thread::yield_now();
            }
            flow.received(59);
            flow.received(60);
            assert_eq!(publisher.join().expect("no panic"), Ok(()));
        });
        assert_eq!(flow.sent.load(SeqCst), 110);
    }

    #[test]
    fn a_failure_releases_everyone() {
        let flow = Flow::new(1, 1);
        std::thread::scope(|scope| {
            let publisher = scope.spawn(|| {
                flow.reserve(1)?;
                flow.reserve(1)
            });
            let receiver = scope.spawn(|| flow.wait_for_publishers());
            flow.fail();
            assert!(publisher.join().expect("no panic").is_err());
            assert!(receiver.join().expect("no panic").is_err());
        });
    }

    #[test]
    fn the_receiver_waits_for_the_last_publisher() {
        let flow = Flow::new(1, 2);
        flow.publisher_done();
        std::thread::scope(|scope| {
            let receiver = scope.spawn(|| flow.wait_for_publishers());
            flow.publisher_done();
            assert_eq!(receiver.join().expect("no panic"), Ok(()));
        });
    }
}
