//! The seam between a stream and the place its messages are kept.
//!
//! A store owns the messages, the order of their sequences and the index of their subjects. It is
//! used by one owner at a time and never waits: a write goes to memory first, and what makes it
//! durable is driven from outside (see [`WriteMark`]). Limits, duplicates and expectations are the
//! stream's business.
//!
//! Invariants every store keeps: sequences only ascend and none is given twice, also across a
//! restart; what was removed is never returned; the index agrees with the messages; a message that
//! cannot be read back as it was written is reported as damaged and never returned.

use std::fmt;
use std::ops::ControlFlow;

use cognate_subject::Filter;
use cognate_subject::validate::matches;

use crate::{Deadline, Message, NewMessage, Sequence, Timestamp};

/// A position in the order of all changes of a store. A change is durable once the store's durable
/// mark has reached the mark read after making it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteMark(pub u64);

/// What a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreState {
    /// Messages.
    pub messages: u64,
    /// What the messages count for in limits; see [`stored_bytes`](crate::MessageStore::stored_bytes).
    pub bytes: u64,
    /// The first message's sequence; when there is none, the one after the last.
    pub first: Sequence,
    /// When the first message was stored.
    pub first_time: Timestamp,
    /// The last sequence that was given, 0 if none was.
    pub last: Sequence,
    /// When the last sequence was given.
    pub last_time: Timestamp,
    /// Distinct subjects.
    pub subjects: u64,
    /// Sequences between first and last that hold no message.
    pub deleted: u64,
}

/// What a store holds for one subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubjectState {
    /// Its first message.
    pub first: Sequence,
    /// Its last message.
    pub last: Sequence,
    /// How many messages.
    pub messages: u64,
}

/// What a removal took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Messages.
    pub messages: u64,
    /// Bytes, counted as in [`StoreState::bytes`].
    pub bytes: u64,
}

/// Sequences whose messages were stored and cannot be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// The first of them.
    pub first: Sequence,
    /// The last of them.
    pub last: Sequence,
}

/// Messages that another one has taken the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Those whose subject this matches.
    pub subject: Filter,
    /// And only below this.
    pub below: Sequence,
}

impl Replaced {
    /// Whether a message is one of them.
    #[must_use]
    pub fn covers(&self, sequence: Sequence, subject: &[u8]) -> bool {
        sequence < self.below && matches(self.subject.as_bytes(), subject)
    }
}

/// Why a store could not do what it was asked.
#[derive(Debug)]
pub enum StoreError {
    /// There is no room; reading goes on, and writing again once there is.
    Full,
    /// The message was stored, and what is there now is not it.
    Damaged(DamagedRange),
    /// The disk failed; the store takes no more writes.
    Failed(String),
    /// Subject, headers and payload together are larger than a record can be.
    TooLarge,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full => f.write_str("no space left for messages"),
            StoreError::Damaged(range) if range.first == range.last => {
                write!(f, "message {} is damaged", range.first)
            }
            StoreError::Damaged(range) => {
                write!(f, "messages {} to {} are damaged", range.first, range.last)
            }
            StoreError::Failed(reason) => write!(f, "message store failed: {reason}"),
            StoreError::TooLarge => f.write_str("message too large to store"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Where a stream's messages are kept.
pub trait MessageStore {
    /// Remembers a set of filters and how far a walk with them has come; made by
    /// [`cursor`](Self::cursor). Holding one costs bounded memory and blocks nothing.
    type Cursor;

    /// What is held.
    fn state(&self) -> StoreState;

    /// What a message counts for in [`StoreState::bytes`] and in `max_bytes`: the figure nats-server
    /// uses for this kind of storage, so that a limit means the same.
    fn stored_bytes(&self, subject: usize, headers: usize, payload: usize) -> u64;

    // --- reading ---

    /// The message with this sequence, if it is held.
    fn load(&mut self, sequence: Sequence) -> Result<Option<Message<'_>>, StoreError>;

    /// What is held for one subject.
    fn subject(&mut self, subject: &[u8]) -> Option<SubjectState>;

    /// Visits the subjects that match `filter`, in an order that does not change while nothing is
    /// written. Costs by what matches, not by what is held.
    fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    );

    /// Visits the subjects that match `filter` and come after `after` by their bytes, each with the
    /// sequence of its last message, so that a long walk can be made in steps. What changes between
    /// two steps may be seen or not.
    fn for_each_last(
        &mut self,
        filter: &[u8],
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Sequence) -> ControlFlow<()>,
    ) {
        let mut later = std::collections::BTreeMap::new();
        self.for_each_subject(filter, &mut |subject, state| {
            if after.is_none_or(|after| subject > after) {
                later.insert(subject.to_vec(), state.last);
            }
            ControlFlow::Continue(())
        });
        for (subject, last) in later {
            if visit(&subject, last).is_break() {
                return;
            }
        }
    }

    /// A cursor over the messages that match one of `filters`; over all if there is none.
    fn cursor(&mut self, filters: &[Filter]) -> Self::Cursor;

    /// The first held message at or after `from` that the cursor's filters match. Damaged messages
    /// are passed over.
    fn next(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
    ) -> Result<Option<Sequence>, StoreError>;

    /// How many held messages at or after `from` the cursor's filters match; with `last_only`, only
    /// the last message of each subject counts.
    fn count(
        &mut self,
        cursor: &mut Self::Cursor,
        from: Sequence,
        last_only: bool,
    ) -> Result<u64, StoreError>;

    /// The first held message stored at `time` or later; one after the last if there is none.
    fn sequence_at(&mut self, time: Timestamp) -> Result<Sequence, StoreError>;

    /// Sequences without a message between first and last, as ranges, at most `limit` of them.
    fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)>;

    /// What is known to be damaged.
    fn damaged(&self) -> &[DamagedRange];

    /// What the damaged messages counted for in [`StoreState::bytes`], of those whose size is known.
    fn damaged_bytes(&self) -> u64 {
        0
    }

    // --- writing ---

    /// Stores a message under the next sequence.
    fn append(&mut self, message: &NewMessage<'_>) -> Result<Sequence, StoreError>;

    /// Makes `next` the sequence of the next message; it must not be below that. What lies between
    /// counts as deleted. On an empty store it also moves the first sequence.
    fn skip_to(&mut self, next: Sequence, now: Timestamp) -> Result<(), StoreError>;

    /// Removes one message; with `erase` its bytes are overwritten. Returns what that took away,
    /// nothing if it was not held.
    fn remove(&mut self, sequence: Sequence, erase: bool) -> Result<Option<Removed>, StoreError>;

    /// Removes one message and puts its subject into `subject`, which is left empty if that is not known.
    /// Returns whether it was held.
    fn take_out(&mut self, sequence: Sequence, subject: &mut Vec<u8>) -> Result<bool, StoreError> {
        subject.clear();
        if let Ok(Some(message)) = self.load(sequence) {
            subject.extend_from_slice(message.subject);
        }
        Ok(self.remove(sequence, false)?.is_some())
    }

    /// Removes everything below `sequence` (all, if it is beyond the last). Costs by files and
    /// subjects, not by messages, where it can.
    fn remove_below(&mut self, sequence: Sequence) -> Result<Removed, StoreError>;

    /// Messages that count as gone while they are being removed in steps, in place of those that it
    /// was told before: [`load`](Self::load), [`subject`](Self::subject) and walks over subjects
    /// pass them over. Counts and cursors may still know of them. To be ignored by a store that
    /// nobody else reads between two steps.
    fn conceal(&mut self, replaced: Vec<Replaced>) {
        drop(replaced);
    }

    // --- deadlines of single messages ---

    /// Sets when the stream wants to attend to a held message again; durable like any change.
    fn set_deadline(
        &mut self,
        sequence: Sequence,
        deadline: Option<Deadline>,
    ) -> Result<(), StoreError>;

    /// The earliest deadline of any held message.
    fn next_deadline(&mut self) -> Option<(Sequence, Deadline)>;

    /// Visits the messages stored at `since` or later that have an id, in order; for rebuilding the
    /// duplicate window after a restart.
    fn for_each_id(
        &mut self,
        since: Timestamp,
        visit: &mut dyn FnMut(&Message<'_>),
    ) -> Result<(), StoreError>;

    // --- durability ---

    /// Where the last change is in the order of changes.
    fn written(&self) -> WriteMark;

    /// Up to where changes are durable. A store in memory is as durable as it ever gets at once.
    fn durable(&self) -> WriteMark;
}
