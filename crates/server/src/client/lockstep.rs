//! Looking again instead of sleeping, for a client that waits for each answer before it sends the next
//! message.
//!
//! The rate of such a client is that of round trips, and hardly any of that is work: a publish to a stream
//! in memory takes the server five microseconds. The rest is waking whoever sleeps, which costs
//! both sides some ten more, and several times that where it takes an interrupt to an idle virtual
//! processor. So while a client has been going on in lockstep with its answers, its task looks for the next
//! message for [`LOOK`] before it sleeps. Other tasks have their turn between two looks.
//!
//! ```text
//! one message in, answered, next within LOOK but not QUICK ─▶ ... as often as wanted ─▶ credit
//!         credit left ─▶ look ─┬─▶ found: credit + 1
//!                              └─▶ in vain: credit − VAIN; none left: wanted × 2
//! ```
//!
//! Looking costs processor time that the client itself may need, where both share a core. There it is no
//! use either, because nobody is asleep; such rounds are quick ones, and do not count. Bounds: one task of a
//! server looks at a time ([`Looker`]), none where there is one core only, and the longer it is in vain the
//! less it is tried.
//!
//! Called by the task of a connection after each pass and whenever it would sleep. Absent: what is
//! published and what the answers are; that somebody was sent something since is answer enough.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Context;
use std::time::Duration;

/// How long a task looks for the next message. A client on the same machine needs a third of that.
const LOOK: Duration = Duration::from_micros(100);

/// A round in less was one in which nobody slept.
const QUICK: Duration = Duration::from_micros(20);

/// Rounds in lockstep before the first look.
const FEWEST: u32 = 16;

/// Rounds before another look if all were in vain.
const MOST: u32 = 16 * 1024;

/// What a look in vain costs of the credit, which each one that was not adds one to.
const VAIN: u32 = 8;

/// The most credit.
const CREDIT: u32 = 4 * VAIN;

/// The right to look, of which a server has one.
#[derive(Debug, Default)]
pub(crate) struct Looker {
    is_taken: Arc<AtomicBool>,
    /// There is a core for others meanwhile.
    has_room: bool,
}

impl Looker {
    /// For a machine of so many cores.
    pub(crate) fn new(cores: usize) -> Self {
        Looker {
            is_taken: Arc::default(),
            has_room: cores > 1,
        }
    }

    fn take(&self) -> Option<Looking> {
        let is_mine = self.has_room && !self.is_taken.swap(true, Relaxed);
        is_mine.then(|| Looking(Arc::clone(&self.is_taken)))
    }
}

/// Whoever holds it looks.
#[derive(Debug)]
struct Looking(Arc<AtomicBool>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

/// What a connection's task remembers of its client's rounds.
#[derive(Debug)]
pub(super) struct Lockstep {
    /// When the last message came, since the server started.
    last: Duration,
    /// How much the client had been sent by then.
    answered: u64,
    /// How often in a row it was one message, and an answer, and no quick round.
    rounds: u32,
    /// How often that must be before the next look.
    wanted: u32,
    /// It is looked while there is some.
    credit: u32,
    looking: Option<Looking>,
}

impl Default for Lockstep {
    fn default() -> Self {
        Lockstep {
            last: Duration::ZERO,
            answered: 0,
            rounds: 0,
            wanted: FEWEST,
            credit: 0,
            looking: None,
        }
    }
}

impl Lockstep {
    /// A read at `now` had so many messages in it; `answered` tells how many the client was sent ever.
    pub(super) fn note_read(
        &mut self,
        messages: u64,
        now: Duration,
        answered: impl FnOnce() -> u64,
    ) {
        let was_found = self.looking.take().is_some();
        let round = now.saturating_sub(std::mem::replace(&mut self.last, now));
        if messages != 1 || round > LOOK {
            self.rounds /= 2;
            return;
        }
        let before = std::mem::replace(&mut self.answered, answered());
        if self.answered == before {
            (self.rounds, self.credit) = (0, 0);
        } else if was_found {
            self.credit = (self.credit + 1).min(CREDIT);
            self.wanted = (self.wanted / 2).max(FEWEST);
        } else if round < QUICK {
            self.rounds = 0;
        } else {
            self.rounds += 1;
            if self.rounds >= self.wanted {
                (self.rounds, self.credit) = (0, VAIN);
            }
        }
    }

    /// Whether the task should look again at `now` rather than sleep.
    pub(super) fn looks(&mut self, looker: &Looker, now: impl FnOnce() -> Duration) -> bool {
        if self.credit == 0 {
            return false;
        }
        let is_late = now().saturating_sub(self.last) > LOOK;
        if self.looking.is_none() && !is_late {
            self.looking = looker.take();
        } else if is_late && self.looking.take().is_some() {
            self.credit = self.credit.saturating_sub(VAIN);
            if self.credit == 0 {
                self.wanted = (self.wanted * 2).min(MOST);
            }
        }
        self.looking.is_some()
    }
}

/// Has the task polled again when others had their turn and the sockets were asked.
pub(super) fn poll_soon(cx: &mut Context<'_>) {
    // Polled once, it has said that it wants that.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client, the time, and what it was sent.
    struct Rounds {
        lockstep: Lockstep,
        looker: Looker,
        now: Duration,
        answered: u64,
    }

    impl Rounds {
        fn new(cores: usize) -> Self {
            Rounds {
                lockstep: Lockstep::default(),
                looker: Looker::new(cores),
                now: Duration::from_secs(1),
                answered: 0,
            }
        }

        fn looks(&mut self) -> bool {
            let now = self.now;
            self.lockstep.looks(&self.looker, || now)
        }

        /// So many messages after so many microseconds, and answers; returns whether it looks then.
        fn read(&mut self, messages: u64, micros: u64, answers: u64) -> bool {
            self.now += Duration::from_micros(micros);
            let answered = self.answered;
            self.lockstep.note_read(messages, self.now, || answered);
            self.answered += answers;
            self.looks()
        }

        /// After how many rounds in lockstep it looks, if it does within a thousand.
        fn until_it_looks(&mut self, micros: u64) -> Option<u32> {
            (1..1000).find(|_| self.read(1, micros, 1))
        }

        /// Nothing comes.
        fn wait_in_vain(&mut self) {
            self.now += LOOK + Duration::from_micros(1);
            assert!(!self.looks());
        }
    }

    #[test]
    fn it_looks_for_a_client_in_lockstep() {
        let mut rounds = Rounds::new(2);
        // The first is no round yet.
        assert_eq!(rounds.until_it_looks(60), Some(FEWEST + 1));
        for _ in 0..100 {
            assert!(rounds.read(1, 25, 1), "what was found is looked for again");
        }
        assert!(rounds.read(1, 5, 1), "and once that it came at once");
    }

    #[test]
    fn it_does_not_look_for_others() {
        for (messages, micros, answers) in [(1, 5, 1), (1, 60, 0), (2, 60, 2), (1, 150, 1)] {
            let mut rounds = Rounds::new(2);
            let looked = (0..1000).any(|_| rounds.read(messages, micros, answers));
            assert!(
                !looked,
                "{messages} messages, {micros} µs, {answers} answers"
            );
        }
        assert_eq!(Rounds::new(1).until_it_looks(60), None, "one core");
    }

    #[test]
    fn what_is_in_vain_is_tried_less_and_less() {
        let mut rounds = Rounds::new(2);
        assert_eq!(rounds.until_it_looks(60), Some(FEWEST + 1));
        for times in [2, 4, 8] {
            rounds.wait_in_vain();
            assert!(!rounds.looks(), "it is over");
            assert!(!rounds.read(1, 0, 1), "and the next came late");
            assert_eq!(rounds.until_it_looks(60), Some(FEWEST * times));
        }
        let mut used = Rounds::new(2);
        used.until_it_looks(60);
        (0..CREDIT).for_each(|_| assert!(used.read(1, 25, 1)));
        used.wait_in_vain();
        assert!(used.read(1, 0, 1), "once is forgiven");
    }

    #[test]
    fn one_looks_at_a_time() {
        let mut rounds = Rounds::new(2);
        let other = rounds.looker.take();
        assert_eq!(rounds.until_it_looks(60), None);
        drop(other);
        assert!(rounds.read(1, 60, 1));
        assert!(rounds.looker.take().is_none());
        rounds.lockstep = Lockstep::default();
        assert!(rounds.looker.take().is_some(), "a task that ends lets go");
    }
}
