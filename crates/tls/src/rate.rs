//! `connection_rate_limit`: how many TLS handshakes may begin per second.
//!
//! Owns a counter over windows of one second, which is how NATS counts: a window begins with the
//! first handshake after the last one ended, so twice the limit may fall into one second that
//! straddles two windows. Pure; the server asks before each handshake and reports what was
//! refused. Absent: a clock and a lock.

use std::time::{Duration, Instant};

/// The length of a window.
const WINDOW: Duration = Duration::from_secs(1);

/// A limit on the handshakes of a listener.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Most handshakes in a window; 0 is unlimited.
    limit: u64,
    window_start: Option<Instant>,
    allowed: u64,
    refused: u64,
}

impl RateLimit {
    /// A limit of so many handshakes per second; 0 is unlimited.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        RateLimit {
            limit,
            window_start: None,
            allowed: 0,
            refused: 0,
        }
    }

    /// Whether a handshake may begin now. A time before the last one counts as in its window.
    pub fn allow(&mut self, now: Instant) -> bool {
        if self.limit == 0 {
            return true;
        }
        let in_window = self
            .window_start
            .is_some_and(|start| now.saturating_duration_since(start) <= WINDOW);
        if !in_window {
            self.window_start = Some(now);
            self.allowed = 0;
        }
        if self.allowed < self.limit {
            self.allowed += 1;
            true
        } else {
            self.refused = self.refused.saturating_add(1);
            false
        }
    }

    /// How many handshakes were refused since [`Self::take_refused`].
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// How many handshakes were refused since this was last asked, for the server's warning.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_over_windows_of_a_second() {
        let start = Instant::now();
        let mut limit = RateLimit::new(2);
        let millis = [0, 10, 20, 1000, 1001, 1500, 2001, 2002, 2002];
        let allowed = millis.map(|ms| limit.allow(start + Duration::from_millis(ms)));
        assert_eq!(
            allowed,
            [true, true, false, false, true, true, false, true, true]
        );
        assert_eq!(limit.refused(), 3);
        assert_eq!((limit.take_refused(), limit.take_refused()), (3, 0));
    }

    #[test]
    fn zero_is_unlimited_and_time_may_go_back() {
        let start = Instant::now() + Duration::from_secs(5);
        let mut unlimited = RateLimit::new(0);
        assert!((0..1000).all(|_| unlimited.allow(start)));
        assert_eq!(unlimited.take_refused(), 0);

        let mut limit = RateLimit::new(1);
        assert!(limit.allow(start));
        assert!(!limit.allow(start - Duration::from_secs(3)));
    }
}
