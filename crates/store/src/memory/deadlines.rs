//! [`Deadlines`]: when the stream must attend to which message.
//!
//! Memory follows the deadlines that there are: one that is removed leaves nothing behind. Called
//! by the store alone.

use std::collections::{BTreeMap, BTreeSet};

use cognate_model::{Deadline, Sequence};

#[derive(Default)]
pub(super) struct Deadlines {
    by_sequence: BTreeMap<Sequence, Deadline>,
    by_time: BTreeSet<(Deadline, Sequence)>,
}

impl Deadlines {
    pub(super) fn set(&mut self, sequence: Sequence, deadline: Deadline) {
        self.remove(sequence);
        self.by_sequence.insert(sequence, deadline);
        self.by_time.insert((deadline, sequence));
    }

    pub(super) fn remove(&mut self, sequence: Sequence) {
        if let Some(deadline) = self.by_sequence.remove(&sequence) {
            self.by_time.remove(&(deadline, sequence));
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The earliest; of several at one time, that of the lowest sequence and kind.
    pub(super) fn next(&self) -> Option<(Sequence, Deadline)> {
        let (deadline, sequence) = self.by_time.first()?;
        Some((*sequence, *deadline))
    }
}
