//! When to ping a client, and when to give it up.
//!
//! The first ping comes early to learn the round-trip time; later ones are left out while the
//! client is heard from anyway, except once an hour for the round-trip time. A client that leaves
//! `ping_max` pings unanswered is stale. Times are durations since any fixed start, given by the
//! caller.

use std::time::Duration;

/// The first ping is sent this long after CONNECT, or after `ping_interval` if that is shorter.
const FIRST_PING: Duration = Duration::from_secs(2);

/// The round-trip time is measured anew after this long.
const RTT_REFRESH: Duration = Duration::from_secs(3600);

/// What the ping timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PingAction {
    /// The client was heard from; nothing to do.
    Wait,
    /// Send PING.
    Ping,
    /// Too many pings are unanswered: close.
    Stale,
}

/// The keep-alive of one connection.
#[derive(Clone, Debug)]
pub struct Keepalive {
    next: Duration,
    outstanding: u32,
    last_heard: Duration,
    ping_sent: Option<Duration>,
    rtt: Option<Duration>,
    /// When a PONG last told the round-trip time.
    rtt_measured: Option<Duration>,
}

impl Keepalive {
    /// Starts at `now`; `jitter` is a random number that spreads first pings by up to a fifth.
    pub fn new(now: Duration, interval: Duration, jitter: u64) -> Self {
        Keepalive {
            next: now + first_delay(interval, jitter),
            outstanding: 0,
            last_heard: now,
            ping_sent: None,
            rtt: None,
            rtt_measured: None,
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Duration {
        self.next
    }

    /// The CONNECT arrived: a first estimate of the round-trip time since `started`.
    pub fn handle_connect(
        &mut self,
        now: Duration,
        started: Duration,
        interval: Duration,
        jitter: u64,
    ) {
        self.rtt = Some(now.saturating_sub(started).max(Duration::from_nanos(1)));
        self.next = now + first_delay(interval, jitter);
    }

    /// The client sent something.
    pub fn handle_activity(&mut self, now: Duration) {
        self.last_heard = now;
    }

    /// A PONG arrived.
    pub fn handle_pong(&mut self, now: Duration) {
        self.outstanding = 0;
        if let Some(sent) = self.ping_sent.take() {
            self.rtt = Some(now.saturating_sub(sent).max(Duration::from_nanos(1)));
            self.rtt_measured = Some(now);
        }
    }

    /// The timer fired.
    pub fn handle_timeout(
        &mut self,
        now: Duration,
        interval: Duration,
        ping_max: u32,
    ) -> PingAction {
        if now < self.next {
            return PingAction::Wait;
        }
        self.next = now + interval;
        // The estimate made at CONNECT does not count.
        let measured = self
            .rtt_measured
            .is_some_and(|then| now.saturating_sub(then) <= RTT_REFRESH);
        if now.saturating_sub(self.last_heard) < interval && measured {
            return PingAction::Wait;
        }
        if self.outstanding >= ping_max {
            return PingAction::Stale;
        }
        self.outstanding += 1;
        self.ping_sent = Some(now);
        PingAction::Ping
    }

    /// The last measured round-trip time.
    pub fn rtt(&self) -> Option<Duration> {
        self.rtt
    }
}

fn first_delay(interval: Duration, jitter: u64) -> Duration {
    let base = interval.min(FIRST_PING);
    let fifth = (base / 5).as_nanos() as u64;
    base + Duration::from_nanos(if fifth == 0 { 0 } else { jitter % fifth })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(120);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_client_is_pinged_and_then_given_up() {
        let mut keepalive = Keepalive::new(at(10), INTERVAL, 0);
        assert_eq!(keepalive.next_timeout(), at(12));
        assert_eq!(
            keepalive.handle_timeout(at(12), INTERVAL, 2),
            PingAction::Ping
        );
        assert_eq!(
            keepalive.handle_timeout(at(132), INTERVAL, 2),
            PingAction::Ping
        );
        assert_eq!(
            keepalive.handle_timeout(at(252), INTERVAL, 2),
            PingAction::Stale
        );
    }

    #[test]
    fn an_active_client_is_left_alone_until_its_round_trip_is_old() {
        let mut keepalive = Keepalive::new(at(10), INTERVAL, 0);
        assert_eq!(
            keepalive.handle_timeout(at(12), INTERVAL, 2),
            PingAction::Ping
        );
        keepalive.handle_pong(at(13));
        assert_eq!(keepalive.rtt(), Some(at(1)));
        keepalive.handle_activity(at(130));
        assert_eq!(
            keepalive.handle_timeout(at(132), INTERVAL, 2),
            PingAction::Wait
        );
        keepalive.handle_activity(at(3700));
        assert_eq!(
            keepalive.handle_timeout(at(3701), INTERVAL, 2),
            PingAction::Ping
        );
    }

    #[test]
    fn short_intervals_bring_the_first_ping_forward() {
        let keepalive = Keepalive::new(at(0), Duration::from_millis(100), 19_999_999);
        assert!(keepalive.next_timeout() < Duration::from_millis(120));
        assert!(keepalive.next_timeout() >= Duration::from_millis(100));
    }
}
