//! What time does to a stream: messages become too old, their own time to live ends, schedules come
//! due, message ids leave the window, removals that a limit asked for go on.
//!
//! Everything is done in bounded steps; [`next_timeout`](crate::Stream::next_timeout) says when the
//! next is due, which may be at once.

use std::ops::ControlFlow;
use std::time::Duration;

use cognate_model::{ApiError, DeadlineKind, MessageStore, Sequence, StoreState, Timestamp};

use crate::context::{Context, Memory, store_failed};
use crate::edit::Edits;
use crate::expect::Rollup;
use crate::header::Headers;
use crate::host::StreamHost;
use crate::keep::{Draft, write_marker};
use crate::limits::MAX_REMOVALS;
use crate::rollup::UNFINISHED;
use crate::rules::Rules;
use crate::time::Ttl;

/// How many messages one step looks at that may be there to stay.
const MAX_VISITS: usize = 1024;

/// How many subjects are noted to be looked at. A walk over all subjects cannot be done in steps, so
/// this has to be large: what does not fit needs another walk.
const MAX_CROWDS: usize = 1 << 20;

/// How long is waited after something failed before it is tried again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl<S: MessageStore, H: StreamHost> Context<'_, S, H> {
    /// Does what is due.
    pub(crate) fn expire(&mut self) -> Result<(), ApiError> {
        if let Some(window) = self.rules.window {
            let limit = usize::try_from(MAX_REMOVALS).unwrap_or(usize::MAX);
            self.memory.dedupe.expire(self.now, window, limit);
        }
        if self.memory.over_limits {
            self.memory.over_limits = false;
            self.enforce_stream_limits()?;
        }
        self.thin_crowds()?;
        self.continue_rollups()?;
        self.expire_by_deadline()?;
        match self.rules.max_age {
            // A mirror lets go of what its origin lets go of, and by its own limits.
            Some(max_age) if self.rules.ttls || self.rules.marker_ttl_secs.is_some() => {
                self.expire_by_age_singly(max_age)
            }
            Some(max_age) => self.expire_by_age(max_age),
            None => Ok(()),
        }
    }

    /// Lets go of what is too old where nothing else has to be asked.
    fn expire_by_age(&mut self, max_age: Duration) -> Result<(), ApiError> {
        let state = self.state();
        if state.messages == 0 || state.first_time.after(max_age) > self.now {
            return Ok(());
        }
        let cutoff = Timestamp(self.now.before(max_age).0.saturating_add(1));
        let young = self
            .store
            .sequence_at(cutoff)
            .map_err(|e| store_failed(&e))?;
        // At least the first goes, or this would be due for ever.
        let below = young.clamp(
            state.first.saturating_add(1),
            state.first.saturating_add(8 * MAX_REMOVALS),
        );
        self.remove_below(below).map(|_| ())
    }

    /// The same where some messages are to stay, or to leave a marker.
    fn expire_by_age_singly(&mut self, max_age: Duration) -> Result<(), ApiError> {
        let mut cursor = self.store.cursor(&[]);
        let mut from = self.memory.age_floor.max(self.state().first);
        for _ in 0..MAX_VISITS {
            let found = self.store.next(&mut cursor, from);
            let Some(sequence) = found.map_err(|e| store_failed(&e))? else {
                // Whatever comes next is stored now or later.
                self.memory.age_due = Some(self.now.after(max_age));
                return Ok(());
            };
            let Some(found) = self.visit(sequence)? else {
                from = sequence.saturating_add(1);
                continue;
            };
            let due = found.stored.after(max_age);
            if due > self.now {
                self.memory.age_due = Some(due);
                return Ok(());
            }
            if found.ttl != Ttl::Never {
                self.let_go(sequence, found.is_marker)?;
            }
            from = sequence.saturating_add(1);
            self.memory.age_floor = from;
        }
        self.memory.age_due = Some(self.now);
        Ok(())
    }

    /// Attends to the messages whose own deadline has come.
    fn expire_by_deadline(&mut self) -> Result<(), ApiError> {
        for _ in 0..MAX_VISITS {
            let Some((sequence, deadline)) = self.store.next_deadline() else {
                return Ok(());
            };
            if deadline.at > self.now || (deadline == UNFINISHED && self.is_rolling(sequence)) {
                return Ok(());
            }
            let Some(found) = self.visit(sequence)? else {
                // It cannot be read, so nothing can be done for it.
                let unset = self.store.set_deadline(sequence, None);
                unset.map_err(|e| store_failed(&e))?;
                continue;
            };
            let expiry = found.ttl.expiry(found.stored).filter(|_| self.rules.ttls);
            if expiry.is_some_and(|at| at <= self.now) {
                self.let_go(sequence, found.is_marker)?;
            } else if deadline.kind == DeadlineKind::Schedule {
                self.fire(sequence, deadline.at)?;
            } else {
                let unset = self.store.set_deadline(sequence, None);
                unset.map_err(|e| store_failed(&e))?;
            }
        }
        Ok(())
    }

    /// What has to be known of a message to let it go; its subject is in the scratch buffer.
    fn visit(&mut self, sequence: Sequence) -> Result<Option<Visited>, ApiError> {
        match self.store.load(sequence) {
            Ok(Some(message)) => {
                let headers = Headers::parse(message.headers);
                self.scratch.subject.clear();
                self.scratch.subject.extend_from_slice(message.subject);
                Ok(Some(Visited {
                    stored: message.timestamp,
                    ttl: Ttl::parse(headers.ttl).unwrap_or(Ttl::None),
                    is_marker: headers.is_delete_marker(),
                }))
            }
            Ok(None) | Err(cognate_model::StoreError::Damaged(_)) => Ok(None),
            Err(cause) => Err(store_failed(&cause)),
        }
    }

    /// Removes a visited message. If it was its subject's last, a marker takes its place where
    /// markers are wanted.
    fn let_go(&mut self, sequence: Sequence, is_marker: bool) -> Result<(), ApiError> {
        let subject = std::mem::take(&mut self.scratch.subject);
        let of_subject = self.store.subject(&subject);
        let is_last = of_subject.is_some_and(|of| of.messages == 1);
        let result = match self.rules.marker_ttl_secs {
            Some(ttl) if is_last && !is_marker => self.mark(&subject, ttl),
            _ => self.remove(sequence, &subject).map(|_| ()),
        };
        self.scratch.subject = subject;
        result
    }

    /// Stores a delete marker, which replaces what its subject has.
    fn mark(&mut self, subject: &[u8], ttl_secs: u64) -> Result<(), ApiError> {
        let mut block = Vec::new();
        write_marker(&mut block, ttl_secs);
        let parsed = Headers::parse(&block);
        let draft = Draft {
            subject,
            headers: &block,
            payload: &[],
            parsed: &parsed,
            rollup: Some(Rollup::Subject),
            is_checked: true,
        };
        self.keep(&draft, &mut Edits::default()).map(|_| ())
    }

    /// Goes on where subjects may hold more than they should.
    fn thin_crowds(&mut self) -> Result<(), ApiError> {
        if self.memory.has_unknown_crowds {
            self.memory.has_unknown_crowds = false;
            self.find_crowds();
        }
        // What is removed counts for all subjects together: each may hold as much too much.
        let mut budget = MAX_REMOVALS;
        for _ in 0..MAX_VISITS {
            if budget == 0 {
                break;
            }
            let Some(subject) = self.memory.crowded.pop() else {
                break;
            };
            self.enforce_subject_limit(&subject, &mut budget)?;
        }
        Ok(())
    }

    /// Notes the subjects that hold too much, at most [`MAX_CROWDS`] at a time.
    fn find_crowds(&mut self) {
        let Some(max) = self.rules.max_per_subject else {
            return;
        };
        let crowded = &mut self.memory.crowded;
        self.store.for_each_subject(b">", &mut |subject, state| {
            if state.messages > max {
                crowded.push(subject.to_vec());
            }
            if crowded.len() < MAX_CROWDS {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        self.memory.has_unknown_crowds = self.memory.crowded.len() >= MAX_CROWDS;
    }
}

/// When [`Context::expire`] has something to do by age.
pub(crate) fn age_timeout(rules: &Rules, memory: &Memory, state: &StoreState) -> Option<Timestamp> {
    let max_age = rules.max_age?;
    if state.messages == 0 {
        return None;
    }
    if memory.age_floor > state.first {
        return memory.age_due;
    }
    Some(state.first_time.after(max_age))
}

struct Visited {
    stored: Timestamp,
    ttl: Ttl,
    is_marker: bool,
}
