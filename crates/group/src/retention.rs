//! Letting messages go that no consumer needs any more.
//!
//! Under work-queue retention a message goes when its consumer is done with it; under interest
//! retention, when the last consumer that wants it is. Consumers say what they are done with; here
//! it is found out whether anybody else is not.
//!
//! A step looks at a bounded number of messages ([`LOOKS`]), so that no publish waits for a million of
//! them; what is left over is looked at by later steps, which [`Group::advance`] asks for.

use cognate_model::{MessageStore, RetentionPolicy, Sequence};
use cognate_store::disk::Disk;

use crate::group::Group;
use crate::interest::Place;

/// Messages that a step looks at. The first of each range is looked at in any case: ranges of one
/// message are as many as acknowledgements came.
const LOOKS: u64 = 2048;

/// What one consumer no longer needs, of what its filters match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) place: Place,
    /// The consumers' journal remembers that it is not needed.
    pub(crate) is_kept: bool,
    pub(crate) first: Sequence,
    pub(crate) last: Sequence,
}

/// A walk over messages that may have lost whoever wanted them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sweep {
    next: Sequence,
    last: Sequence,
}

impl<D: Disk> Group<D> {
    /// Lets some go of what consumers are done with; returns whether there may be more.
    pub(crate) fn let_settled_go(&mut self) -> bool {
        let mut looks = LOOKS;
        while let Some(&Settled {
            place, first, last, ..
        }) = self.settled.front()
        {
            match self.let_go(Some(place), first, last, &mut looks) {
                None => {
                    self.settled.pop_front();
                }
                Some(next) => {
                    if let Some(range) = self.settled.front_mut() {
                        range.first = next;
                    }
                    return true;
                }
            }
        }
        self.go_on_sweeping(&mut looks)
    }

    /// Before acknowledgements are confirmed: lets some go of what consumers in memory are done with,
    /// because nothing but its removal says so after a restart. Returns whether there is no more of it.
    pub(crate) fn let_forgettable_go(&mut self) -> bool {
        let is_forgettable = |settled: &Settled| !settled.is_kept;
        if !self.effects.is_confirming() || !self.settled.iter().any(is_forgettable) {
            return true;
        }
        self.let_settled_go();
        !self.settled.iter().any(is_forgettable)
    }

    /// After a consumer was removed or its filters changed: what nobody needs any more goes, some of
    /// it at once.
    pub(crate) fn let_unwanted_go(&mut self) {
        let state = self.store.state();
        self.sweep = Some(Sweep {
            next: state.first,
            last: state.last,
        });
        self.go_on_sweeping(&mut { LOOKS });
    }

    fn go_on_sweeping(&mut self, looks: &mut u64) -> bool {
        let Some(Sweep { next, last }) = self.sweep.take() else {
            return false;
        };
        let next = self.let_go(None, next, last, looks);
        self.sweep = next.map(|next| Sweep { next, last });
        self.sweep.is_some()
    }

    /// After all consumers were recovered: lets go what they were done with when the process ended
    /// before the removal was written. Not to be called if a consumer that exists could not be
    /// recovered, because nobody would speak for what it needs.
    pub fn let_recovered_go(&mut self) {
        let retention = self.stream.config().retention;
        let given = self
            .members
            .iter()
            .map(|member| member.consumer.last_given());
        let (Some(given), false) = (given.max(), retention == RetentionPolicy::Limits) else {
            return;
        };
        let last = given.min(self.store.state().last);
        let mut at = self.store.state().first;
        while at <= last {
            let sequence = match self.store.next(&mut self.everything, at) {
                Ok(Some(sequence)) if sequence <= last => sequence,
                _ => return,
            };
            at = sequence + 1;
            if self.is_done_with(sequence) {
                // A store that failed says so elsewhere; the message merely stays.
                let _ = self.stream.acknowledged(sequence, &mut self.store);
            }
        }
    }

    /// Whether somebody wanted a message and nobody needs it any more.
    fn is_done_with(&mut self, sequence: Sequence) -> bool {
        let Ok(Some(message)) = self.store.load(sequence) else {
            return false;
        };
        let (mut is_wanted, mut is_needed) = (false, false);
        let members = &self.members;
        members.interest.for_each(message.subject, |place| {
            is_wanted = true;
            is_needed |= members
                .get(place)
                .is_none_or(|member| member.consumer.needs(sequence));
        });
        is_wanted && !is_needed
    }

    /// Lets go what is not needed of a range. Returns where to go on, if it has not come to the end.
    fn let_go(
        &mut self,
        place: Option<Place>,
        first: Sequence,
        last: Sequence,
        looks: &mut u64,
    ) -> Option<Sequence> {
        let retention = self.stream.config().retention;
        if retention == RetentionPolicy::Limits {
            return None;
        }
        let state = self.store.state();
        let mut at = first.max(state.first);
        let last = last.min(state.last);
        while at <= last {
            let sequence = match self.store.next(&mut self.everything, at) {
                Ok(Some(sequence)) if sequence <= last => sequence,
                _ => return None,
            };
            at = sequence + 1;
            if self.is_unneeded(place, sequence, retention) {
                // A store that failed says so elsewhere; the message merely stays.
                let _ = self.stream.acknowledged(sequence, &mut self.store);
            }
            if at > last {
                return None;
            }
            if *looks == 0 {
                return Some(at);
            }
            *looks -= 1;
        }
        None
    }

    /// Whether a message that `place` is done with is needed by nobody.
    fn is_unneeded(
        &mut self,
        place: Option<Place>,
        sequence: Sequence,
        retention: RetentionPolicy,
    ) -> bool {
        let Ok(Some(message)) = self.store.load(sequence) else {
            return false;
        };
        let (mut is_wanted, mut is_its_own, mut is_needed) = (false, false, false);
        let members = &self.members;
        members.interest.for_each(message.subject, |other| {
            is_wanted = true;
            if Some(other) == place {
                is_its_own = true;
            } else if retention == RetentionPolicy::Interest || place.is_none() {
                let member = members.get(other);
                is_needed |= member.is_some_and(|member| member.consumer.needs(sequence));
            }
        });
        match (place, retention) {
            (Some(_), _) => is_its_own && !is_needed,
            // A work queue keeps what no consumer has a filter for.
            (None, RetentionPolicy::WorkQueue) => is_wanted && !is_needed,
            (None, _) => !is_needed,
        }
    }
}
