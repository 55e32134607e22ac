//! Rollups: a message takes the place of those before it.
//!
//! ```text
//! few ─▶ all at once
//! many ─▶ message stored, due at once ─▶ some go with each step ─▶ due no more ─▶ answered
//! ```
//!
//! So that no publish waits for a million removals, a step takes out [`MAX_REMOVALS`] of them. The
//! others count as gone from the beginning: the store [conceals](MessageStore::conceal) them. That
//! the message is not done stands in its own record, as a deadline, so that it goes on after a
//! restart whatever the publisher knew. The answer waits for the end, since the stream's counts are
//! right only then.

use std::collections::VecDeque;

use cognate_model::{
    ApiError, Deadline, DeadlineKind, MessageStore, Replaced, Sequence, Timestamp,
};
use cognate_subject::Filter;
use cognate_subject::validate::has_wildcard;

use crate::context::{Context, Memory, store_failed};
use crate::expect::{Rollup, rollup_of};
use crate::header::Headers;
use crate::host::StreamHost;
use crate::keep::Draft;
use crate::limits::MAX_REMOVALS;

/// The deadline of a message that is not done. No schedule and no time to live is due then.
pub(crate) const UNFINISHED: Deadline = Deadline {
    at: Timestamp(0),
    kind: DeadlineKind::Schedule,
};

/// How many rollups may go on at a time; one more is done at once.
const MAX_ROLLING: usize = 64;

/// A rollup that goes on.
#[derive(Debug)]
pub(crate) struct Rolling {
    /// The message that replaces the others.
    sequence: Sequence,
    replaced: Replaced,
    /// Below this nothing is left to do.
    from: Sequence,
    /// What is to be answered when it is done, and to whom.
    answers: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All that go on, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Rollups {
    all: VecDeque<Rolling>,
    /// One of them began in this call: its answers wait.
    has_begun: bool,
}

impl Rollups {
    /// Whether none goes on.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// A call begins, whose answers have nothing to do with what went on before.
    pub(crate) fn begin_call(&mut self) {
        self.has_begun = false;
    }

    /// Keeps an answer of a call in which a rollup began that goes on; false if there is none.
    pub(crate) fn keep_answer(&mut self, reply: &[u8], body: &[u8]) -> bool {
        match self.all.back_mut().filter(|_| self.has_begun) {
            Some(rolling) => {
                rolling.answers.push((reply.to_vec(), body.to_vec()));
                true
            }
            None => false,
        }
    }

    fn knows(&self, sequence: Sequence) -> bool {
        self.all.iter().any(|rolling| rolling.sequence == sequence)
    }

    fn replaced(&self) -> Vec<Replaced> {
        let all = self.all.iter();
        all.map(|rolling| rolling.replaced.clone()).collect()
    }
}

/// Goes on with a rollup that is known from its message only, after a restart. Returns whether it is
/// one.
pub(crate) fn resume<S: MessageStore>(
    memory: &mut Memory,
    store: &mut S,
    sequence: Sequence,
) -> bool {
    let from = store.state().first;
    let Ok(Some(message)) = store.load(sequence) else {
        return false;
    };
    let headers = Headers::parse(message.headers);
    let is_rollup = rollup_of(headers.rollup) == Some(Rollup::Subject);
    let Ok(subject) = Filter::try_from(message.subject) else {
        return false;
    };
    if !is_rollup || !headers.schedule.is_empty() {
        return false;
    }
    memory.rollups.all.push_back(Rolling {
        sequence,
        replaced: Replaced {
            subject,
            below: sequence,
        },
        from,
        answers: Vec::new(),
    });
    store.conceal(memory.rollups.replaced());
    true
}

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Whether a message that is about to be stored may replace more than a step removes.
    pub(crate) fn rolls_up_many(&mut self, draft: &Draft<'_>) -> bool {
        if draft.rollup != Some(Rollup::Subject) || !draft.parsed.schedule.is_empty() {
            return false;
        }
        let held = if has_wildcard(draft.subject) {
            self.state().messages
        } else {
            let of_subject = self.store.subject(draft.subject);
            of_subject.map_or(0, |of_subject| of_subject.messages)
        };
        held > MAX_REMOVALS
    }

    /// Removes what the message of a sequence replaces: everything of its kind below `below`. A
    /// subject that reads as a filter replaces everything it matches, as in nats-server: that is how
    /// clients purge several keys of a bucket at once.
    pub(crate) fn roll_up(
        &mut self,
        rollup: Rollup,
        subject: &[u8],
        sequence: Sequence,
        below: Sequence,
    ) -> Result<(), ApiError> {
        if rollup == Rollup::All {
            return self.remove_below(below).map(|_| ());
        }
        if !has_wildcard(subject) {
            for _ in 0..MAX_REMOVALS {
                match self.store.subject(subject) {
                    Some(state) if state.first < below => {
                        if !self.remove(state.first, subject)? {
                            return Ok(());
                        }
                    }
                    _ => return Ok(()),
                }
            }
        }
        let Ok(subject) = Filter::try_from(subject) else {
            return Ok(());
        };
        self.begin_rollup(Rolling {
            sequence,
            replaced: Replaced { subject, below },
            from: self.state().first,
            answers: Vec::new(),
        })
    }

    fn begin_rollup(&mut self, rolling: Rolling) -> Result<(), ApiError> {
        let at = self.memory.rollups.all.len();
        self.memory.rollups.all.push_back(rolling);
        loop {
            match self.roll(at) {
                Ok(true) => break,
                Ok(false) if at < MAX_ROLLING => {
                    self.memory.rollups.has_begun = true;
                    return Ok(());
                }
                Ok(false) => {}
                Err(failed) => {
                    // Its deadline brings it back.
                    self.memory.rollups.all.pop_back();
                    self.conceal();
                    return Err(failed);
                }
            }
        }
        let done = self.memory.rollups.all.pop_back();
        self.end_rollup(done)
    }

    /// Goes on with the oldest rollup. Returns whether any is left.
    pub(crate) fn continue_rollups(&mut self) -> Result<bool, ApiError> {
        if !self.memory.rollups.is_empty() && self.roll(0)? {
            let done = self.memory.rollups.all.pop_front();
            self.end_rollup(done)?;
        }
        Ok(!self.memory.rollups.is_empty())
    }

    /// Brings all rollups to their end at once: what is to be found out depends on counts.
    pub(crate) fn finish_rollups(&mut self) -> Result<(), ApiError> {
        while self.continue_rollups()? {}
        Ok(())
    }

    /// What a message is due for that has [`UNFINISHED`] for a deadline. Returns whether it is a
    /// rollup, for which everything that is due later waits.
    pub(crate) fn is_rolling(&mut self, sequence: Sequence) -> bool {
        self.memory.rollups.knows(sequence) || resume(self.memory, self.store, sequence)
    }

    /// Removes some of what the rollup at a place replaces; returns whether nothing is left.
    fn roll(&mut self, at: usize) -> Result<bool, ApiError> {
        let Some(rolling) = self.memory.rollups.all.get(at) else {
            return Ok(true);
        };
        let (replaced, mut from) = (rolling.replaced.clone(), rolling.from);
        // What is to be removed has to be looked at.
        self.store.conceal(Vec::new());
        let outcome = self.remove_replaced(&replaced, &mut from);
        if let Some(rolling) = self.memory.rollups.all.get_mut(at) {
            rolling.from = from;
        }
        self.conceal();
        outcome
    }

    fn remove_replaced(
        &mut self,
        replaced: &Replaced,
        from: &mut Sequence,
    ) -> Result<bool, ApiError> {
        let mut cursor = self.store.cursor(std::slice::from_ref(&replaced.subject));
        for _ in 0..MAX_REMOVALS {
            let found = self.store.next(&mut cursor, *from);
            match found.map_err(|e| store_failed(&e))? {
                Some(sequence) if sequence < replaced.below => {
                    self.remove_loaded(sequence, false)?;
                    *from = sequence.saturating_add(1);
                }
                _ => return Ok(true),
            }
        }
        Ok(false)
    }

    /// A rollup is over, and no longer among the others.
    fn end_rollup(&mut self, done: Option<Rolling>) -> Result<(), ApiError> {
        self.conceal();
        let Some(done) = done else {
            return Ok(());
        };
        self.set_next(done.sequence, None)?;
        for (reply, body) in done.answers {
            self.host.respond(&reply, &[], &body);
        }
        Ok(())
    }

    fn conceal(&mut self) {
        self.store.conceal(self.memory.rollups.replaced());
    }
}
