//! What a consumer is told of the world: messages stored and removed, listeners come and gone.
//!
//! The notes on messages are only for those that the consumer's filters match. Absent: what is
//! delivered because of it.

use cognate_model::{Sequence, Timestamp};

use crate::consumer::Consumer;
use crate::host::ConsumerHost;
use crate::journal::Entry;

/// The last sequence that there can be; the journal has no larger numbers.
const LAST: Sequence = Sequence::MAX >> 1;

/// How messages left a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// One by one: by limits, by age, or deleted. What was pending is told to be terminated.
    Deleted,
    /// By a purge, without a word.
    Purged,
}

impl<C> Consumer<C> {
    /// A message that the filters match is stored and may be seen.
    #[inline]
    pub fn note_stored(&mut self, sequence: Sequence) {
        self.selection.note_stored(sequence);
    }

    /// Messages are gone: all that the filters match from `first` to `last`, in one call if they went
    /// in one sweep.
    pub fn note_removed<H: ConsumerHost>(
        &mut self,
        first: Sequence,
        last: Sequence,
        removal: Removal,
        host: &mut H,
    ) {
        let last = last.min(LAST);
        self.selection.note_removed(first, last);
        if self.ledger.holds_any(first, last) {
            if removal == Removal::Deleted {
                let lost = self.ledger.pending_in(first, last);
                lost.iter()
                    .for_each(|&sequence| self.tell_lost(sequence, host));
            }
            self.commit(&Entry::Removed { first, last }, host);
        }
        let delivered = self.ledger.delivered.stream;
        let last = last.min(self.selection.visible());
        if removal == Removal::Purged && first <= delivered.saturating_add(1) && last > delivered {
            self.commit(&Entry::Skipped { last }, host);
        }
    }

    /// Somebody listens on the deliver subject of a push consumer, or nobody does any more.
    pub fn handle_interest(&mut self, is_there: bool, now: Timestamp) {
        let Some(push) = &mut self.push else {
            return;
        };
        push.active = is_there;
        if is_there {
            self.activity.suspend();
        } else {
            self.activity.resume(now);
        }
    }
}
