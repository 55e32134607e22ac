//! [`SubjectEntry`]: what the index holds for one subject, packed into 24 bytes.

use cognate_model::{Sequence, SubjectState};

/// The bit of the count that says that `first` is a lower bound only.
const STALE: u64 = 1 << 63;

/// First, last and number of the messages of one subject.
///
/// A fresh entry (see [`SubjectIndex::entry_or_insert`](super::SubjectIndex::entry_or_insert)) has
/// no messages and both sequences are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubjectEntry {
    /// The first message; only a lower bound of it while [`is_first_stale`](Self::is_first_stale).
    pub first: Sequence,
    /// The last message.
    pub last: Sequence,
    /// The count, with [`STALE`] in its highest bit.
    count: u64,
}

impl SubjectEntry {
    /// How many messages.
    #[inline]
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.count & !STALE
    }

    /// Sets the number of messages, which is below 2⁶³.
    #[inline]
    pub fn set_messages(&mut self, messages: u64) {
        self.count = self.count & STALE | messages & !STALE;
    }

    /// Counts a message with a higher sequence than all before.
    #[inline]
    pub fn push(&mut self, sequence: Sequence) {
        if self.messages() == 0 {
            self.first = sequence;
            self.count = 0;
        }
        self.last = sequence;
        self.count += 1;
    }

    /// Whether the first message was removed and the next one has not been looked for yet.
    #[inline]
    #[must_use]
    pub fn is_first_stale(&self) -> bool {
        self.count & STALE != 0
    }

    /// Marks `first` as a lower bound (`true`) or as exact.
    #[inline]
    pub fn set_first_stale(&mut self, stale: bool) {
        self.count = self.messages() | if stale { STALE } else { 0 };
    }

    /// The same for those who ask the store.
    #[must_use]
    pub fn state(&self) -> SubjectState {
        SubjectState {
            first: self.first,
            last: self.last,
            messages: self.messages(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_and_flag_do_not_disturb_each_other() {
        assert_eq!(size_of::<SubjectEntry>(), 24);
        let mut entry = SubjectEntry::default();
        entry.push(7);
        entry.push(9);
        entry.set_first_stale(true);
        entry.set_messages(1);
        assert!(entry.is_first_stale());
        assert_eq!((entry.first, entry.last, entry.messages()), (7, 9, 1));
        entry.push(12);
        entry.set_first_stale(false);
        assert!(!entry.is_first_stale());
        assert_eq!((entry.first, entry.last, entry.messages()), (7, 12, 2));
        entry.set_messages(0);
        entry.set_first_stale(true);
        entry.push(20);
        assert_eq!(
            entry.state(),
            SubjectState {
                first: 20,
                last: 20,
                messages: 1
            }
        );
        assert!(!entry.is_first_stale());
    }
}
