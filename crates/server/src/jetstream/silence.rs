//! How long a stream's disk has not answered.
//!
//! A stream's task notes here when it begins something that may wait for the disk, and when that is
//! over; whoever asks (monitoring, the log) needs no lock that such a wait could hold.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// What may be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A step of the stream: its writes, and locks that others hold who write.
    Step,
    /// A sync.
    Sync,
}

/// Since when what is waited for.
#[derive(Debug, Default)]
pub(crate) struct Silence(Mutex<[Option<Instant>; 2]>);

impl Silence {
    /// Something begins.
    pub(crate) fn begin(&self, wait: Wait, at: Instant) {
        self.0.lock()[wait as usize] = Some(at);
    }

    /// It is over.
    pub(crate) fn end(&self, wait: Wait) {
        self.0.lock()[wait as usize] = None;
    }

    /// How long the longest wait has been going on by `now`, if there is one.
    pub(crate) fn so_far(&self, now: Instant) -> Option<Duration> {
        let waits = *self.0.lock();
        let since = waits.into_iter().flatten().min()?;
        Some(now.saturating_duration_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_counts() {
        let silence = Silence::default();
        let second = Duration::from_secs(1);
        let start = Instant::now();
        let so_far = |silence: &Silence| silence.so_far(start + 2 * second);
        assert_eq!(so_far(&silence), None);
        silence.begin(Wait::Sync, start);
        silence.begin(Wait::Step, start + second);
        assert_eq!(so_far(&silence), Some(2 * second));
        silence.end(Wait::Sync);
        assert_eq!(so_far(&silence), Some(second));
        silence.end(Wait::Step);
        assert_eq!(so_far(&silence), None);
    }
}
