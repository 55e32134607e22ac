//! Messages that another server stored, about to be stored as they are: what their headers mean for
//! when they are looked at again.

use cognate_model::{ApiError, Deadline, DeadlineKind, StreamConfig, Timestamp};

use crate::cron::{self, Schedule};
use crate::header::Headers;
use crate::rules::Rules;
use crate::time::Ttl;

/// The rules of a stream whose messages come from elsewhere.
pub struct Adoption {
    rules: Rules,
    now: Timestamp,
}

impl Adoption {
    /// For a stream with this configuration.
    ///
    /// # Errors
    /// If it has a transform that does not compile.
    pub fn new(config: &StreamConfig, now: Timestamp) -> Result<Self, ApiError> {
        let rules = Rules::new(config)?;
        Ok(Self { rules, now })
    }

    /// When a message with these headers that was stored at `stored` is to be looked at next, and
    /// whether it has an id that the duplicate window needs.
    #[must_use]
    pub fn message(&self, headers: &[u8], stored: Timestamp) -> (Option<Deadline>, bool) {
        if headers.is_empty() {
            return (None, false);
        }
        let headers = Headers::parse(headers);
        let ttl = Ttl::parse(headers.ttl).unwrap_or(Ttl::None);
        let expire = ttl.expiry(stored).filter(|_| self.rules.ttls);
        let expire = expire.map(|at| Deadline {
            at,
            kind: DeadlineKind::Expire,
        });
        let schedule = self.firing(&headers, stored).map(|at| Deadline {
            at,
            kind: DeadlineKind::Schedule,
        });
        let has_id = !headers.msg_id.is_empty() && self.rules.window.is_some();
        (expire.into_iter().chain(schedule).min(), has_id)
    }

    /// When a schedule is due next. One that repeats does not make up for what it missed.
    fn firing(&self, headers: &Headers<'_>, stored: Timestamp) -> Option<Timestamp> {
        if !self.rules.schedules || headers.schedule.is_empty() {
            return None;
        }
        let zone = match headers.schedule_time_zone {
            None => None,
            Some(name) => Some(cron::zone(name)?),
        };
        Schedule::parse(headers.schedule, zone)?.next(stored, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[track_caller]
    fn check(headers: &str, expected: Option<(i64, DeadlineKind)>, has_id: bool) {
        let config = StreamConfig {
            name: "S".into(),
            allow_msg_ttl: true,
            allow_msg_schedules: true,
            duplicate_window: cognate_model::Nanos(SECOND),
            ..StreamConfig::default()
        };
        let adoption =
            Adoption::new(&config, Timestamp(100 * SECOND)).expect("it has no transform");
        let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
        let found = adoption.message(block.as_bytes(), Timestamp(10 * SECOND));
        let expected = expected.map(|(seconds, kind)| Deadline {
            at: Timestamp(seconds * SECOND),
            kind,
        });
        assert_eq!(found, (expected, has_id), "{headers}");
    }

    #[test]
    fn headers_say_when() {
        check("A: b", None, false);
        check("Nats-Msg-Id: x", None, true);
        check("Nats-TTL: 5", Some((15, DeadlineKind::Expire)), false);
        check("Nats-TTL: never", None, false);
        let due = Some((100, DeadlineKind::Schedule));
        check("Nats-Schedule: @at 1970-01-01T00:01:40Z", due, false);
        check("Nats-Schedule: nonsense", None, false);
    }
}
