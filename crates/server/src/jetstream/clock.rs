//! The calendar as JetStream sees it: it never goes back.

use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::SystemTime;

use cognate_model::Timestamp;

/// A clock that all streams of a server share.
#[derive(Default)]
pub(crate) struct Clock(AtomicI64);

impl Clock {
    /// The time now; not before any time that was told earlier.
    pub(crate) fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let now = i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(self.0.fetch_max(now, Relaxed).max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let clock = Clock::default();
        let ahead = Timestamp(i64::MAX - 1);
        clock.0.store(ahead.0, Relaxed);
        assert_eq!(clock.now(), ahead);
    }
}
