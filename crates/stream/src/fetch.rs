//! How one origin is followed: when it is asked for a consumer, which delivery is the next, and when
//! to begin anew.
//!
//! ```text
//! Resting ──poll_ask──▶ Asking ──handle_created──▶ Following ──gap, silence, nothing stored──┐
//!    ▲                    │ refused, no answer                                               │
//!    └────────────────────┴─────────────── later, by the number of failures ◀────────────────┘
//! ```
//!
//! Invariants: a delivery is taken only if it is the next one of the consumer that was asked for
//! last, so nothing is passed over; what was taken before is not taken again; an origin that is not
//! there is asked ever more seldom. Called by the group that takes the messages. Absent: requests,
//! subscriptions, the messages themselves, and what of them is stored.

use std::time::Duration;

use cognate_model::{ApiError, Sequence, Timestamp};

/// An origin is not asked more often than this.
const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// The first wait is between this and twice of it, so that not all streams ask at once.
const SPREAD: Duration = Duration::from_millis(100);
/// For each failure in a row so much longer is waited.
const WAIT_PER_FAILURE: Duration = Duration::from_secs(10);
/// The longest wait because of failures.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// How long an origin may be silent, which sends a heartbeat every second.
pub const SILENCE: Duration = Duration::from_secs(10);

/// No stream comes near this sequence; an origin that says so is not believed.
pub const NO_SEQUENCE: Sequence = 1 << 60;

/// What the subject of a delivery says about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// How often it was delivered.
    pub deliveries: u64,
    /// Its sequence at the origin.
    pub sequence: Sequence,
    /// Its number among the consumer's deliveries.
    pub delivered: u64,
    /// How many messages of the origin follow.
    pub pending: u64,
}

/// What is to become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the next message.
    Next,
    /// It was taken before.
    Taken,
    /// It means nothing here.
    Foreign,
    /// Something before it is missing.
    Gap,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing happens before this time.
    Resting(Timestamp),
    /// An answer is awaited until then.
    Asking(Timestamp),
    /// The consumer of this name delivers.
    Following(Box<str>),
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Fetch {
    phase: Phase,
    attempt: u64,
    asked: Option<Timestamp>,
    failures: u32,
    heard: Option<Timestamp>,
    taken: Sequence,
    delivered: u64,
    /// `taken` and `delivered` before the last delivery.
    before: (Sequence, u64),
    lag: u64,
    error: Option<ApiError>,
}

impl Fetch {
    /// An origin of which everything up to `taken` is here. `random` is any number.
    #[must_use]
    pub fn new(taken: Sequence, now: Timestamp, random: u64) -> Self {
        Self {
            phase: Phase::Resting(now.after(spread(random))),
            attempt: 0,
            asked: None,
            failures: 0,
            heard: None,
            taken,
            delivered: 0,
            before: (taken, 0),
            lag: 0,
            error: None,
        }
    }

    /// The origin's sequence up to which everything was taken.
    #[must_use]
    pub fn taken(&self) -> Sequence {
        self.taken
    }

    /// The number of the consumer's last delivery.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How many messages of the origin are missing, as it said last.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.lag
    }

    /// When anything came last from a consumer at the origin.
    #[must_use]
    pub fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    /// Why it is not followed, if that is known.
    #[must_use]
    pub fn error(&self) -> Option<&ApiError> {
        self.error.as_ref()
    }

    /// The number of the last request: what comes because of an earlier one is too late.
    #[must_use]
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// The consumer that delivers.
    #[must_use]
    pub fn consumer(&self) -> Option<&str> {
        match &self.phase {
            Phase::Following(name) => Some(name),
            _ => None,
        }
    }

    /// Whether an answer is awaited.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        matches!(self.phase, Phase::Asking(_))
    }

    /// When time alone is a reason for [`poll_ask`](Self::poll_ask).
    #[must_use]
    pub fn next_timeout(&self) -> Timestamp {
        match (&self.phase, self.heard) {
            (Phase::Resting(until) | Phase::Asking(until), _) => *until,
            (Phase::Following(_), Some(heard)) => heard.after(SILENCE),
            (Phase::Following(_), None) => Timestamp(0),
        }
    }

    /// Does what time asks for. Returns whether the origin is to be asked for a consumer that
    /// begins after [`taken`](Self::taken).
    pub fn poll_ask(&mut self, now: Timestamp, random: u64) -> bool {
        if now < self.next_timeout() {
            return false;
        }
        match self.phase {
            Phase::Resting(_) => {
                self.attempt += 1;
                self.asked = Some(now);
                self.error = None;
                self.phase = Phase::Asking(now.after(ANSWER_WAIT));
                return true;
            }
            Phase::Asking(_) => self.handle_failure(None, now, random),
            Phase::Following(_) => self.restart(now, random),
        }
        false
    }

    /// Asks once more, with another number: the answer said that the request was not understood.
    /// Returns whether one was under way.
    pub fn ask_again(&mut self, now: Timestamp) -> bool {
        let is_asking = self.is_asking();
        if is_asking {
            self.attempt += 1;
            self.phase = Phase::Asking(now.after(ANSWER_WAIT));
        }
        is_asking
    }

    /// A consumer is there; it will deliver what comes after `delivered` at the origin, of which
    /// `pending` messages are there already.
    pub fn handle_created(
        &mut self,
        name: &str,
        delivered: Sequence,
        pending: u64,
        now: Timestamp,
    ) {
        if !self.is_asking() {
            return;
        }
        self.phase = Phase::Following(name.into());
        self.failures = 0;
        self.heard = Some(now);
        self.taken = self.taken.max(delivered);
        self.delivered = 0;
        self.before = (self.taken, 0);
        self.lag = pending;
        self.error = None;
    }

    /// The origin began anew: only what it had up to `taken` is here.
    pub fn rewind(&mut self, taken: Sequence) {
        self.taken = taken;
        self.before = (taken, self.delivered);
    }

    /// Something is amiss, until a message is taken or another consumer is asked for.
    pub fn complain(&mut self, error: ApiError) {
        self.error = Some(error);
    }

    /// There is no consumer, and perhaps it is known why.
    pub fn handle_failure(&mut self, error: Option<ApiError>, now: Timestamp, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.rest(now, random);
        self.error = error;
    }

    /// Begins anew with the next message that is not here.
    pub fn restart(&mut self, now: Timestamp, random: u64) {
        self.failures = 0;
        self.rest(now, random);
    }

    /// The last delivery that was [`Next`](Verdict::Next) could not be stored: it will be asked for
    /// again.
    pub fn refuse(&mut self, error: Option<ApiError>, now: Timestamp, random: u64) {
        (self.taken, self.delivered) = self.before;
        self.restart(now, random);
        self.error = error;
    }

    /// What kept the origin from being followed may be over: it is asked soon.
    pub fn hurry(&mut self, now: Timestamp, random: u64) {
        if !matches!(self.phase, Phase::Following(_)) {
            let soon = now.after(spread(random));
            self.phase = Phase::Resting(soon.min(self.next_timeout()));
            self.failures = 0;
        }
    }

    /// Looks at a delivery.
    #[inline]
    pub fn handle_arrival(&mut self, arrival: &Arrival, now: Timestamp) -> Verdict {
        if !matches!(self.phase, Phase::Following(_)) {
            return Verdict::Foreign;
        }
        self.heard = Some(now);
        if arrival.deliveries > 1 || arrival.sequence >= NO_SEQUENCE {
            return Verdict::Foreign;
        }
        let is_next = arrival.delivered == self.delivered.saturating_add(1);
        if arrival.sequence <= self.taken {
            self.delivered += u64::from(is_next);
            return Verdict::Taken;
        }
        if !is_next {
            return match arrival.delivered > self.delivered {
                true => Verdict::Gap,
                false => Verdict::Foreign,
            };
        }
        self.before = (self.taken, self.delivered);
        self.delivered = arrival.delivered;
        self.taken = arrival.sequence;
        self.lag = arrival.pending.saturating_sub(1);
        if self.error.is_some() {
            self.error = None;
        }
        Verdict::Next
    }

    /// A heartbeat came, which says how much was delivered before it. Returns whether something of
    /// that is missing.
    pub fn handle_heartbeat(&mut self, delivered: Option<u64>, now: Timestamp) -> bool {
        if !matches!(self.phase, Phase::Following(_)) {
            return false;
        }
        self.heard = Some(now);
        delivered.is_some_and(|delivered| delivered > 0 && delivered != self.delivered)
    }

    fn rest(&mut self, now: Timestamp, random: u64) {
        let since = self.asked.map_or(ASK_INTERVAL, |asked| now.since(asked));
        let wait = WAIT_PER_FAILURE.saturating_mul(self.failures);
        let wait = wait.min(LONGEST_WAIT) + ASK_INTERVAL.saturating_sub(since) + spread(random);
        self.phase = Phase::Resting(now.after(wait));
    }
}

fn spread(random: u64) -> Duration {
    SPREAD + Duration::from_nanos(random % SPREAD.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use cognate_model::error;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    fn arrival(sequence: Sequence, delivered: u64) -> Arrival {
        Arrival {
            deliveries: 1,
            sequence,
            delivered,
            pending: 3,
        }
    }

    /// One that follows, with everything up to 5 here.
    fn following() -> Fetch {
        let mut fetch = Fetch::new(5, at(0), 7);
        assert!(!fetch.poll_ask(at(0), 7));
        assert!(fetch.poll_ask(at(1), 7));
        assert!(!fetch.poll_ask(at(1), 7));
        fetch.handle_created("C", 4, 9, at(1));
        assert_eq!((fetch.consumer(), fetch.lag()), (Some("C"), 9));
        fetch
    }

    #[test]
    fn deliveries_are_taken_in_order() {
        let mut fetch = following();
        let rows = [
            (arrival(5, 1), Verdict::Taken),
            (arrival(6, 2), Verdict::Next),
            (arrival(6, 2), Verdict::Taken),
            // What lies between is gone at the origin.
            (arrival(9, 3), Verdict::Next),
            (arrival(11, 5), Verdict::Gap),
            (arrival(10, 2), Verdict::Foreign),
            (arrival(u64::MAX, 4), Verdict::Foreign),
        ];
        for (arrival, expected) in rows {
            let verdict = fetch.handle_arrival(&arrival, at(2));
            assert_eq!(verdict, expected, "{arrival:?}");
        }
        assert_eq!((fetch.taken(), fetch.delivered(), fetch.lag()), (9, 3, 2));
        assert!(!fetch.handle_heartbeat(Some(3), at(3)));
        assert!(!fetch.handle_heartbeat(Some(0), at(3)));
        assert!(fetch.handle_heartbeat(Some(4), at(3)));
    }

    #[test]
    fn what_was_not_stored_is_asked_for_again() {
        let mut fetch = following();
        assert_eq!(fetch.handle_arrival(&arrival(6, 1), at(2)), Verdict::Next);
        fetch.refuse(Some(error::STREAM_SEALED), at(2), 0);
        assert_eq!((fetch.taken(), fetch.delivered()), (5, 0));
        assert_eq!(fetch.error(), Some(&error::STREAM_SEALED));
        assert_eq!(
            fetch.handle_arrival(&arrival(7, 2), at(2)),
            Verdict::Foreign
        );
        // Two seconds after it was asked last.
        assert!(!fetch.poll_ask(Timestamp(3 * SECOND - 1), 0));
        assert!(fetch.poll_ask(Timestamp(3 * SECOND + SECOND / 10), 0));
        assert_eq!(fetch.attempt(), 2);
    }

    #[test]
    fn an_origin_that_is_not_there_is_asked_ever_more_seldom() {
        let mut fetch = Fetch::new(0, at(0), 0);
        let mut now = fetch.next_timeout();
        let mut waits = Vec::new();
        for _ in 0..15 {
            assert!(fetch.poll_ask(now, 0));
            fetch.handle_failure(Some(error::STREAM_NOT_FOUND), now, 0);
            let next = fetch.next_timeout();
            waits.push(next.since(now).as_secs());
            now = next;
        }
        assert_eq!(waits[..3], [12, 22, 32]);
        assert_eq!(waits[14], 122);
        fetch.hurry(now, 0);
        assert_eq!(fetch.next_timeout(), now);
        fetch.handle_failure(None, now, 0);
        fetch.hurry(now, 0);
        assert_eq!(fetch.next_timeout(), now.after(SPREAD));
    }

    #[test]
    fn silence_and_missing_answers_end() {
        let mut fetch = following();
        assert_eq!(fetch.next_timeout(), at(11));
        assert!(!fetch.poll_ask(at(11), 0));
        assert_eq!(fetch.consumer(), None);
        assert!(fetch.poll_ask(at(12), 0));
        assert!(fetch.ask_again(at(12)));
        assert_eq!((fetch.attempt(), fetch.next_timeout()), (3, at(42)));
        assert!(!fetch.poll_ask(at(42), 0));
        assert_eq!(fetch.next_timeout(), at(52).after(SPREAD));
        assert!(!fetch.ask_again(at(43)));
        fetch.handle_created("C", 9, 0, at(43));
        assert_eq!(fetch.consumer(), None);
    }
}
