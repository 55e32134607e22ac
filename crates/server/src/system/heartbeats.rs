//! When an account's number of connections is said again although it has not changed.
//!
//! An account that has connections is due [`INTERVAL`] after it was last spoken of; each change
//! postpones it, and an account without connections is not due at all. Time is an argument: the
//! system account's task asks when the next one is due, and tells what it published. Bound: one entry
//! per account with connections.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Time between two reports of how many connections an account has, if that does not change.
const INTERVAL: Duration = Duration::from_secs(30);

/// The accounts that are to be spoken of again.
#[derive(Default)]
pub(super) struct Heartbeats {
    by_account: HashMap<Arc<str>, Instant>,
    by_time: BTreeSet<(Instant, Arc<str>)>,
}

impl Heartbeats {
    /// Notes that an account was spoken of now, and whether it has connections.
    pub(super) fn handle_report(&mut self, account: &str, in_use: bool, now: Instant) {
        let name = match self.by_account.remove_entry(account) {
            Some((name, due)) => {
                self.by_time.remove(&(due, Arc::clone(&name)));
                name
            }
            None => Arc::from(account),
        };
        if in_use {
            let due = now + INTERVAL;
            self.by_time.insert((due, Arc::clone(&name)));
            self.by_account.insert(name, due);
        }
    }

    /// When the next account is due; `None` if none has connections.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.by_time.first().map(|(due, _)| *due)
    }

    /// An account that is due by now, and is forgotten until it was spoken of.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Arc<str>> {
        self.by_time.first().filter(|(due, _)| *due <= now)?;
        let (_, name) = self.by_time.pop_first()?;
        self.by_account.remove(&name);
        Some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is due between the steps of a story: `+A` is an account with connections that is spoken
    /// of, `-A` one without, a number lets seconds pass. Who is due is spoken of.
    fn check(story: &str, expected: &str) {
        let start = Instant::now();
        let (mut now, mut heartbeats) = (start, Heartbeats::default());
        let mut said = Vec::new();
        for step in story.split(' ') {
            match step.split_at(1) {
                ("+", name) => heartbeats.handle_report(name, true, now),
                ("-", name) => heartbeats.handle_report(name, false, now),
                _ => now += Duration::from_secs(step.parse().expect("seconds")),
            }
            while let Some(name) = heartbeats.take_due(now) {
                said.push(format!("{}{name}", (now - start).as_secs()));
                heartbeats.handle_report(&name, true, now);
            }
            assert_eq!(heartbeats.by_account.len(), heartbeats.by_time.len());
            assert!(heartbeats.next_timeout().is_none_or(|due| due > now));
        }
        assert_eq!(said.join(" "), expected, "{story}");
    }

    #[test]
    fn an_account_is_spoken_of_again_after_half_a_minute() {
        check("+A 29 1 29 1", "30A 60A");
        check("+A 10 +B 20 10 20 10", "30A 40B 60A 70B");
    }

    #[test]
    fn a_change_postpones_it() {
        check("+A 29 +A 29 1", "59A");
        check("+A 10 +B 19 +A 11 19", "40B 59A");
    }

    #[test]
    fn an_account_without_connections_is_not_spoken_of() {
        check("+A 10 -A 60", "");
        check("+A +B 10 -A 20 -B 60 -C 60", "30B");
        check("+A -A 10 +A 30", "40A");
    }

    #[test]
    fn the_next_timeout_is_the_earliest_and_nothing_stays_behind() {
        let start = Instant::now();
        let mut heartbeats = Heartbeats::default();
        assert_eq!(heartbeats.next_timeout(), None);
        heartbeats.handle_report("A", true, start + INTERVAL);
        heartbeats.handle_report("B", true, start);
        assert_eq!(heartbeats.next_timeout(), Some(start + INTERVAL));
        heartbeats.handle_report("B", false, start);
        assert_eq!(heartbeats.next_timeout(), Some(start + 2 * INTERVAL));
        assert_eq!(
            heartbeats.take_due(start + 2 * INTERVAL).as_deref(),
            Some("A")
        );
        assert_eq!(heartbeats.next_timeout(), None);
        assert!(heartbeats.by_account.is_empty());
    }
}
