//! When to begin a sync: at once, or when those who were just answered have published again.
//!
//! Publishers with a bounded number of publishes in flight come in two halves otherwise: one waits for
//! the sync that is under way and the other for the next one, so that each sync covers half of what it
//! could, and everybody waits for two. So after a sync it is waited, for a fraction of what a sync takes,
//! until about as much is there as had been in flight. Where that does not come (publishers that do not
//! wait for answers, or are done) the wait was in vain, and it is tried less and less often.
//!
//! Amounts are changes of the store, by its marks. Absent: the sync itself.

use std::time::Duration;

use cognate_model::Timestamp;

/// The longest wait.
const LONGEST: Duration = Duration::from_millis(2);

/// After waits in vain at most so many syncs begin at once before another wait is tried.
const MOST_SKIPPED: u32 = 255;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gather {
    /// When the sync that is under way began, and up to where everything was durable then.
    begun: Option<(Timestamp, u64)>,
    /// What is to be written before the next sync, and until when that is waited for.
    awaited: Option<(u64, Timestamp)>,
    /// So many syncs begin at once.
    skip: u32,
    /// How many were skipped after the last wait in vain.
    penalty: u32,
}

impl Gather {
    /// A sync begins.
    pub(crate) fn begin(&mut self, now: Timestamp, durable: u64) {
        self.begun = Some((now, durable));
        self.awaited = None;
    }

    /// The sync has ended: everything up to `durable` is on the disk, of what is `written`.
    pub(crate) fn end(&mut self, now: Timestamp, durable: u64, written: u64) {
        let Some((at, before)) = self.begun.take() else {
            return;
        };
        let released = durable.saturating_sub(before);
        if written <= durable || released == 0 {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        // Those who wait for an answer each have something here, or got it just now. An eighth may
        // have something better to do.
        let target = written + released - (written - durable + released) / 8;
        if target > written {
            let wait = now.since(at) / 2;
            self.awaited = Some((target, now.after(wait.min(LONGEST))));
        }
    }

    /// Whether the next sync is still to wait, now that so much is `written`.
    pub(crate) fn holds(&mut self, now: Timestamp, written: u64) -> bool {
        let Some((target, until)) = self.awaited else {
            return false;
        };
        if written < target && now < until {
            return true;
        }
        self.awaited = None;
        self.penalty = match written < target {
            true => (self.penalty * 2 + 1).min(MOST_SKIPPED),
            false => 0,
        };
        self.skip = self.penalty;
        false
    }

    /// Until when is waited.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.awaited.map(|(_, until)| until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp(micros * 1000)
    }

    /// A sync of 400 µs from `start` that takes what lies between `durable` and `flushed`.
    fn sync(gather: &mut Gather, start: i64, (durable, flushed, written): (u64, u64, u64)) {
        gather.begin(at(start), durable);
        gather.end(at(start + 400), flushed, written);
    }

    #[test]
    fn both_halves_of_what_is_in_flight_are_waited_for() {
        let mut gather = Gather::default();
        // 512 were synced while 512 others came: of 1,024, an eighth may be late.
        sync(&mut gather, 0, (0, 512, 1024));
        assert!(gather.holds(at(410), 1024));
        assert_eq!(gather.until(), Some(at(600)));
        assert!(gather.holds(at(500), 1407));
        assert!(!gather.holds(at(510), 1408));
        assert_eq!(gather.until(), None);
        assert!(!gather.holds(at(511), 1408));
    }

    #[test]
    fn the_wait_is_bounded() {
        let mut gather = Gather::default();
        gather.begin(at(0), 0);
        gather.end(at(50_000), 10, 20);
        assert_eq!(gather.until(), Some(at(52_000)));
        assert!(gather.holds(at(51_999), 20));
        assert!(!gather.holds(at(52_000), 20));
    }

    #[test]
    fn waits_in_vain_become_rare_and_a_good_one_brings_them_back() {
        let mut gather = Gather::default();
        let mut waits = Vec::new();
        for number in 0..1000_u64 {
            let base = number * 20;
            sync(
                &mut gather,
                number as i64 * 1000,
                (base, base + 10, base + 20),
            );
            if gather.holds(at(number as i64 * 1000 + 400), base + 20) {
                waits.push(number);
                assert!(!gather.holds(at(number as i64 * 1000 + 600), base + 20));
            }
        }
        assert_eq!(waits, [0, 2, 6, 14, 30, 62, 126, 254, 510, 766]);
        let mut gather = Gather {
            penalty: 255,
            ..Gather::default()
        };
        sync(&mut gather, 0, (0, 10, 20));
        assert!(gather.holds(at(400), 20));
        assert!(!gather.holds(at(410), 30));
        sync(&mut gather, 1000, (20, 30, 40));
        assert!(gather.holds(at(1400), 40));
    }

    #[test]
    fn one_who_publishes_alone_is_not_waited_for() {
        let mut gather = Gather::default();
        sync(&mut gather, 0, (0, 1, 1));
        assert!(!gather.holds(at(400), 1));
        // Changes that nobody made while nothing was synced either.
        sync(&mut gather, 1000, (1, 1, 5));
        assert!(!gather.holds(at(1400), 5));
    }
}
