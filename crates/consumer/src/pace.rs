//! When the next message may be sent, of consumers that do not send as fast as they can.
//!
//! Two reasons to hold back: a limit on the rate, a bucket of the size of the largest message that
//! fills at the configured rate; and replaying messages with the pauses they were stored with, until
//! the consumer has caught up with what there was when it began.
//!
//! Called by `deliver`. Absent: the timer.

use std::time::Duration;

use cognate_model::{Sequence, Timestamp};

/// Pauses shorter than this are not kept.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    rate: Option<RateLimit>,
    replay: Option<Replay>,
    /// Nothing is sent before.
    held_until: Option<Timestamp>,
}

#[derive(Debug)]
struct RateLimit {
    bytes_per_second: u64,
    burst: u64,
    /// When the bucket is, or was, empty.
    empty_at: Timestamp,
}

#[derive(Debug)]
struct Replay {
    /// The last message that is replayed.
    end: Sequence,
    /// When the message before was stored, and sent.
    before: Option<(Timestamp, Timestamp)>,
}

impl Pace {
    pub(crate) fn limit_rate(&mut self, bytes_per_second: Option<u64>, burst: u64) {
        self.rate = bytes_per_second.map(|bytes_per_second| RateLimit {
            bytes_per_second,
            burst,
            empty_at: Timestamp(i64::MIN),
        });
    }

    pub(crate) fn replay_until(&mut self, end: Sequence) {
        self.replay = Some(Replay { end, before: None });
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.held_until
    }

    /// Forgets a hold that is over.
    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.held_until = self.held_until.filter(|&until| until > now);
    }

    pub(crate) fn is_held(&self, now: Timestamp) -> bool {
        self.held_until.is_some_and(|until| until > now)
    }

    /// Whether a message may be sent now; if not, [`next_timeout`](Self::next_timeout) says when.
    #[inline]
    pub(crate) fn admits(&mut self, now: Timestamp, stored: Timestamp, size: u64) -> bool {
        if self.rate.is_none() && self.replay.is_none() {
            return true;
        }
        let replay = self.replay.as_ref().and_then(|replay| replay.due(stored));
        let rate = self.rate.as_mut().map(|rate| rate.due(now, size));
        let due = [replay, rate].into_iter().flatten().max();
        self.held_until = due.filter(|&due| due > now);
        self.held_until.is_none()
    }

    /// A message was sent.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        now: Timestamp,
        sequence: Sequence,
        stored: Timestamp,
        size: u64,
    ) {
        if let Some(rate) = &mut self.rate {
            rate.empty_at = rate.empty_at.after(rate.cost(size));
        }
        if let Some(replay) = &mut self.replay {
            replay.before = Some((stored, now));
            if sequence >= replay.end {
                self.replay = None;
            }
        }
    }
}

impl RateLimit {
    fn cost(&self, size: u64) -> Duration {
        let nanos = u128::from(size) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// A message larger than the bucket waits for a full one.
    fn due(&mut self, now: Timestamp, size: u64) -> Timestamp {
        let full = now.before(self.cost(self.burst));
        self.empty_at = self.empty_at.max(full);
        self.empty_at.after(self.cost(size.min(self.burst)))
    }
}

impl Replay {
    fn due(&self, stored: Timestamp) -> Option<Timestamp> {
        let (stored_before, sent_before) = self.before?;
        let pause = stored.since(stored_before);
        (pause > SHORTEST_PAUSE).then(|| sent_before.after(pause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_then_the_rate() {
        let mut pace = Pace::default();
        pace.limit_rate(Some(1000), 500);
        let mut now = Timestamp(1_000_000_000_000);
        let mut sent = Vec::new();
        for n in 0..4 {
            while !pace.admits(now, now, 300) {
                now = pace.next_timeout().expect("held for a while");
            }
            pace.sent(now, n, now, 300);
            sent.push((now.0 - 1_000_000_000_000) / 1_000_000);
        }
        assert_eq!(sent, [0, 100, 400, 700]);
        // Larger than the bucket: goes when it is full, and is paid for afterwards.
        let _ = pace.admits(now, now, 5000);
        assert_eq!(
            pace.next_timeout(),
            Some(now.after(Duration::from_millis(500)))
        );
    }

    #[test]
    fn pauses_are_kept_until_caught_up() {
        let mut pace = Pace::default();
        pace.replay_until(3);
        let ms = |n: i64| Timestamp(n * 1_000_000);
        assert!(pace.admits(ms(900), ms(10), 1));
        pace.sent(ms(900), 1, ms(10), 1);
        assert!(!pace.admits(ms(900), ms(60), 1));
        assert_eq!(pace.next_timeout(), Some(ms(950)));
        assert!(pace.admits(ms(950), ms(60), 1));
        pace.sent(ms(950), 3, ms(60), 1);
        assert!(pace.admits(ms(950), ms(600), 1));
    }
}
