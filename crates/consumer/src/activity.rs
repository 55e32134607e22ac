//! Whether anybody still uses a consumer that is to be deleted when nobody does.
//!
//! A pull consumer is used by requests, by acknowledgements and by deliveries; a push consumer by
//! whoever listens on its deliver subject. Absent: the deletion.

use std::time::Duration;

use cognate_model::Timestamp;

/// See the module.
#[derive(Debug)]
pub(crate) struct Activity {
    threshold: Option<Duration>,
    /// When it will have been unused for too long; none while that cannot be.
    deadline: Option<Timestamp>,
}

impl Activity {
    pub(crate) fn new(threshold: Option<Duration>, now: Timestamp) -> Self {
        Self {
            threshold,
            deadline: threshold.map(|threshold| now.after(threshold)),
        }
    }

    /// It was used.
    #[inline]
    pub(crate) fn note(&mut self, now: Timestamp) {
        if self.deadline.is_some() {
            self.deadline = self.threshold.map(|threshold| now.after(threshold));
        }
    }

    /// Somebody uses it all the time, until [`resume`](Self::resume).
    pub(crate) fn suspend(&mut self) {
        self.deadline = None;
    }

    /// Time counts again, unless it did already.
    pub(crate) fn resume(&mut self, now: Timestamp) {
        if self.deadline.is_none() {
            self.deadline = self.threshold.map(|threshold| now.after(threshold));
        }
    }

    /// It may be unused until `at` and the threshold.
    pub(crate) fn wait_until(&mut self, at: Timestamp) {
        self.deadline = self.threshold.map(|threshold| at.after(threshold));
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.deadline
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}
