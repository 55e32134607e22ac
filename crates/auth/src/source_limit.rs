//! How often logins and handshakes from one source may fail before it is turned away for a while.
//!
//! Owns a count per source over windows of a minute: a window begins with the source's first failure.
//! Invariants: who never fails is never turned away, and who is turned away is so until its window
//! ends, not longer, however often it tries. A source is an IPv4 address, or the first 64 bits of an
//! IPv6 address, which one host can have all of. Bound: [`MAX_SOURCES`] are counted; when more fail
//! within a minute all of them are forgotten, since no limit on single sources helps then. Pure: the
//! driver tells the time, says what failed, and asks before it spends anything on a connection.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

/// The length of a window.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Sources that are counted at a time.
pub const MAX_SOURCES: usize = 65_536;

/// A limit on failures per source.
#[derive(Clone, Debug, Default)]
pub struct SourceLimit {
    /// Most failures in a window; 0 is unlimited.
    max: u32,
    sources: BTreeMap<u128, Count>,
}

#[derive(Clone, Copy, Debug)]
struct Count {
    /// When the window began, by the driver's clock.
    since: Duration,
    failures: u32,
    turned_away: u32,
}

/// What a source may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceVerdict {
    /// Try.
    Welcome,
    /// Nothing, until its window ends. How often it was turned away in this window, this time
    /// included, for the log.
    TurnedAway(u32),
}

impl SourceLimit {
    /// A limit of so many failures per source and minute; 0 is unlimited.
    #[must_use]
    pub fn new(max: u32) -> Self {
        SourceLimit {
            max,
            sources: BTreeMap::new(),
        }
    }

    /// Changes the limit. What was counted still counts.
    pub fn set_max(&mut self, max: u32) {
        self.max = max;
    }

    /// A login or handshake from there failed at `now`.
    pub fn note_failure(&mut self, source: IpAddr, now: Duration) {
        if self.max == 0 {
            return;
        }
        let key = key(source);
        if !self.sources.contains_key(&key) && self.sources.len() >= MAX_SOURCES {
            self.sources.retain(|_, count| !count.is_over(now));
            if self.sources.len() >= MAX_SOURCES {
                self.sources.clear();
            }
        }
        let new = Count {
            since: now,
            failures: 0,
            turned_away: 0,
        };
        let count = self.sources.entry(key).or_insert(new);
        if count.is_over(now) {
            *count = new;
        }
        count.failures = count.failures.saturating_add(1);
    }

    /// Whether somebody from there may try at `now`.
    pub fn ask(&mut self, source: IpAddr, now: Duration) -> SourceVerdict {
        let max = self.max;
        match self.sources.get_mut(&key(source)) {
            Some(count) if max > 0 && count.failures >= max && !count.is_over(now) => {
                count.turned_away = count.turned_away.saturating_add(1);
                SourceVerdict::TurnedAway(count.turned_away)
            }
            _ => SourceVerdict::Welcome,
        }
    }
}

impl Count {
    fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.since) >= WINDOW
    }
}

/// What stands for a source: one address, or the network of one host.
fn key(source: IpAddr) -> u128 {
    match source {
        IpAddr::V4(ip) => u128::from(ip.to_ipv6_mapped()),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(_) => u128::from(ip),
            None => u128::from(ip) >> 64 << 64,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_SOURCES, SourceLimit, SourceVerdict, WINDOW};
    use core::net::{IpAddr, Ipv4Addr};
    use core::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_that_fails_too_often_waits_for_the_end_of_its_minute() {
        let mut limit = SourceLimit::new(2);
        let (bad, good) = (ip("192.0.2.7"), ip("192.0.2.8"));
        limit.note_failure(bad, SECOND);
        assert_eq!(limit.ask(bad, 2 * SECOND), SourceVerdict::Welcome);
        limit.note_failure(bad, 3 * SECOND);
        assert_eq!(limit.ask(bad, 4 * SECOND), SourceVerdict::TurnedAway(1));
        assert_eq!(
            limit.ask(bad, SECOND + WINDOW - SECOND / 2),
            SourceVerdict::TurnedAway(2)
        );
        assert_eq!(limit.ask(good, 4 * SECOND), SourceVerdict::Welcome);
        assert_eq!(limit.ask(bad, SECOND + WINDOW), SourceVerdict::Welcome);
        // A new window, a new count.
        limit.note_failure(bad, SECOND + WINDOW);
        assert_eq!(limit.ask(bad, 2 * SECOND + WINDOW), SourceVerdict::Welcome);
    }

    #[test]
    fn one_host_is_one_source() {
        let mut limit = SourceLimit::new(1);
        limit.note_failure(ip("2001:db8:1:2::1"), SECOND);
        let mut barred = |text: &str| limit.ask(ip(text), SECOND) != SourceVerdict::Welcome;
        assert!(barred("2001:db8:1:2:ffff::9") && !barred("2001:db8:1:3::1"));
        limit.note_failure(ip("::ffff:192.0.2.7"), SECOND);
        let mut barred = |text: &str| limit.ask(ip(text), SECOND) != SourceVerdict::Welcome;
        assert!(barred("192.0.2.7") && !barred("192.0.2.8"));
    }

    #[test]
    fn zero_is_unlimited_and_a_limit_can_change() {
        let mut limit = SourceLimit::new(0);
        let source = ip("192.0.2.7");
        (0..1000).for_each(|_| limit.note_failure(source, SECOND));
        assert_eq!(limit.ask(source, SECOND), SourceVerdict::Welcome);
        limit.set_max(1);
        limit.note_failure(source, SECOND);
        assert_eq!(limit.ask(source, SECOND), SourceVerdict::TurnedAway(1));
        limit.set_max(0);
        assert_eq!(limit.ask(source, SECOND), SourceVerdict::Welcome);
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let mut limit = SourceLimit::new(1);
        let source = |n: usize| IpAddr::V4(Ipv4Addr::from(u32::try_from(n).unwrap()));
        for n in 0..MAX_SOURCES {
            limit.note_failure(source(n), SECOND);
        }
        assert_eq!(limit.ask(source(0), SECOND), SourceVerdict::TurnedAway(1));
        // Those whose minute is over make room.
        limit.note_failure(source(MAX_SOURCES), SECOND + WINDOW);
        assert_eq!(limit.sources.len(), 1);
        for n in 0..MAX_SOURCES {
            limit.note_failure(source(n), 2 * SECOND + WINDOW);
            assert!(limit.sources.len() <= MAX_SOURCES);
        }
    }
}
