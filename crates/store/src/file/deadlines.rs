//! When the stream wants to attend to single messages.

use std::collections::{BTreeMap, BTreeSet};

use cognate_model::{Deadline, Sequence};

/// Deadlines by message and by time. Invariant: both hold the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadlines {
    by_sequence: BTreeMap<Sequence, Deadline>,
    by_time: BTreeSet<(Deadline, Sequence)>,
    /// Those that are not what the message was stored with.
    changed: BTreeMap<Sequence, Option<Deadline>>,
}

impl Deadlines {
    pub(super) fn set(&mut self, sequence: Sequence, deadline: Option<Deadline>) {
        if let Some(old) = self.by_sequence.remove(&sequence) {
            self.by_time.remove(&(old, sequence));
        }
        if let Some(deadline) = deadline {
            self.by_sequence.insert(sequence, deadline);
            self.by_time.insert((deadline, sequence));
        }
    }

    /// Sets one that its message was not stored with.
    pub(super) fn change(&mut self, sequence: Sequence, deadline: Option<Deadline>) {
        self.set(sequence, deadline);
        self.changed.insert(sequence, deadline);
    }

    pub(super) fn changed(&self) -> &BTreeMap<Sequence, Option<Deadline>> {
        &self.changed
    }

    #[inline]
    pub(super) fn remove(&mut self, sequence: Sequence) {
        if self.by_sequence.is_empty() && self.changed.is_empty() {
            return;
        }
        self.changed.remove(&sequence);
        if let Some(old) = self.by_sequence.remove(&sequence) {
            self.by_time.remove(&(old, sequence));
        }
    }

    pub(super) fn remove_below(&mut self, floor: Sequence) {
        self.changed = self.changed.split_off(&floor);
        let kept = self.by_sequence.split_off(&floor);
        let dropped = std::mem::replace(&mut self.by_sequence, kept);
        if self.by_sequence.is_empty() {
            self.by_time.clear();
            return;
        }
        for (sequence, deadline) in dropped {
            self.by_time.remove(&(deadline, sequence));
        }
    }

    pub(super) fn next(&self) -> Option<(Sequence, Deadline)> {
        self.by_time
            .first()
            .map(|(deadline, sequence)| (*sequence, *deadline))
    }
}
