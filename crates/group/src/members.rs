//! The consumers of a group: found by number and by name, with what each of them waits for.
//!
//! Invariants: the interest table holds exactly the filters of the members; every member's next
//! timeout is in the table of timeouts.

use std::collections::{BTreeSet, HashMap};

use cognate_consumer::Consumer;
use cognate_model::{ConsumerConfig, Timestamp};
use cognate_subject::Filter;
use foldhash::fast::FixedState;

use crate::interest::{Interest, Place};

/// What a consumer is made of, as the server keeps it.
#[derive(Clone, Debug)]
pub struct MemberSpec {
    /// Its number, unique in the stream for ever: journal entries carry it.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Its checked configuration.
    pub config: ConsumerConfig,
    /// When it was created.
    pub created: Timestamp,
}

/// A consumer with its place in the group.
pub(crate) struct Member<C> {
    pub(crate) spec: MemberSpec,
    pub(crate) consumer: Consumer<C>,
    pub(crate) filters: Vec<Filter>,
    /// Whether its journal entries are kept.
    pub(crate) is_kept: bool,
    /// Whether somebody listens to its deliver subject, as it was told last.
    pub(crate) is_heard: Option<bool>,
    timeout: Option<Timestamp>,
}

/// The consumers of a group.
pub(crate) struct Members<C> {
    by_place: hashbrown::HashMap<Place, Member<C>, FixedState>,
    by_name: HashMap<String, Place, FixedState>,
    /// How many are those of mirrors and sources.
    hidden: usize,
    pub(crate) interest: Interest,
    timeouts: BTreeSet<(Timestamp, Place)>,
    /// Those that may have something to deliver, in the order in which they are to have their turn.
    dirty: std::collections::VecDeque<Place>,
    is_dirty: hashbrown::HashSet<Place, FixedState>,
}

impl<C> Members<C> {
    /// No consumers; `seed` is random.
    pub(crate) fn new(seed: u64) -> Self {
        Members {
            by_place: hashbrown::HashMap::with_hasher(FixedState::with_seed(seed)),
            by_name: HashMap::with_hasher(FixedState::with_seed(seed)),
            hidden: 0,
            interest: Interest::new(seed),
            timeouts: BTreeSet::new(),
            dirty: std::collections::VecDeque::new(),
            is_dirty: hashbrown::HashSet::with_hasher(FixedState::with_seed(seed)),
        }
    }

    /// How many there are without those of mirrors and sources.
    pub(crate) fn shown(&self) -> usize {
        self.by_place.len().saturating_sub(self.hidden)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    pub(crate) fn insert(&mut self, spec: MemberSpec, consumer: Consumer<C>, is_kept: bool) {
        let place = spec.place;
        let filters = spec.config.filters();
        self.interest.enter(place, &filters);
        self.by_name.insert(spec.name.clone(), place);
        self.hidden += usize::from(spec.config.direct);
        let member = Member {
            spec,
            consumer,
            filters,
            is_kept,
            is_heard: None,
            timeout: None,
        };
        self.by_place.insert(place, member);
        self.touch(place);
    }

    pub(crate) fn remove(&mut self, place: Place) -> Option<Member<C>> {
        let member = self.by_place.remove(&place)?;
        self.interest.leave(place, &member.filters);
        self.by_name.remove(&member.spec.name);
        self.hidden -= usize::from(member.spec.config.direct);
        if let Some(timeout) = member.timeout {
            self.timeouts.remove(&(timeout, place));
        }
        if self.is_dirty.remove(&place) {
            self.dirty.retain(|&other| other != place);
        }
        Some(member)
    }

    /// Takes on a new configuration.
    pub(crate) fn reconfigure(&mut self, place: Place, config: ConsumerConfig) {
        let Some(member) = self.by_place.get_mut(&place) else {
            return;
        };
        let filters = config.filters();
        self.interest.leave(place, &member.filters);
        self.interest.enter(place, &filters);
        member.filters = filters;
        self.hidden -= usize::from(member.spec.config.direct);
        self.hidden += usize::from(config.direct);
        member.spec.config = config;
    }

    pub(crate) fn find(&self, name: &str) -> Option<Place> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn get(&self, place: Place) -> Option<&Member<C>> {
        self.by_place.get(&place)
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Member<C>> {
        self.by_place.get_mut(&place)
    }

    pub(crate) fn places(&self) -> Vec<Place> {
        let mut places: Vec<_> = self.by_place.keys().copied().collect();
        places.sort_unstable();
        places
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member<C>> {
        self.by_place.values()
    }

    /// A message on `subject` may be seen: those who want it are told and get their turn.
    pub(crate) fn note_stored(&mut self, sequence: u64, subject: &[u8]) {
        let Members {
            by_place,
            interest,
            dirty,
            is_dirty,
            ..
        } = self;
        interest.for_each(subject, |place| {
            if let Some(member) = by_place.get_mut(&place) {
                member.consumer.note_stored(sequence);
                if is_dirty.insert(place) {
                    dirty.push_back(place);
                }
            }
        });
    }

    /// Messages up to `sequence` may be seen that were stored when there was no member yet: whoever
    /// came since has counted them, and gets its turn.
    pub(crate) fn note_visible(&mut self, sequence: u64) {
        for place in self.places() {
            if let Some(member) = self.by_place.get_mut(&place) {
                member.consumer.note_stored(sequence);
            }
            self.touch(place);
        }
    }

    /// A member may have something to do.
    pub(crate) fn touch(&mut self, place: Place) {
        if self.is_dirty.insert(place) {
            self.dirty.push_back(place);
        }
    }

    /// The members that may have something to deliver; they are not marked any more.
    pub(crate) fn take_dirty(&mut self, out: &mut Vec<Place>) {
        out.extend(self.dirty.drain(..));
        self.is_dirty.clear();
    }

    pub(crate) fn has_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Brings a member's entry in the table of timeouts up to date.
    pub(crate) fn update_timeout(&mut self, place: Place) {
        let Some(member) = self.by_place.get_mut(&place) else {
            return;
        };
        let next = member.consumer.next_timeout();
        if next == member.timeout {
            return;
        }
        if let Some(old) = member.timeout {
            self.timeouts.remove(&(old, place));
        }
        if let Some(new) = next {
            self.timeouts.insert((new, place));
        }
        member.timeout = next;
    }

    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.timeouts.first().map(|&(time, _)| time)
    }

    /// Members whose timeout has come.
    pub(crate) fn due(&self, now: Timestamp, out: &mut Vec<Place>) {
        let due = self.timeouts.iter().take_while(|(time, _)| *time <= now);
        out.extend(due.map(|&(_, place)| place));
    }
}
