//! Which message comes next, and how many are still to come.
//!
//! Walks the store with a cursor that holds the consumer's filters, so that many filters cost what
//! one costs. A consumer that begins with the last message of each subject first works through a
//! list of those. Messages above `visible` are stored but not yet to be seen.
//!
//! The number of messages to come is counted once and then kept by adding what is stored and taking
//! off what is delivered or removed; only the removal of a range makes it uncertain, and then it is
//! counted again when next asked for.
//!
//! Called by `deliver` and by the notes on what the stream did. Absent: redelivery.

use std::collections::VecDeque;

use cognate_model::{MessageStore, Sequence, StoreError};
use cognate_subject::Filter;

/// See the module.
#[derive(Debug)]
pub(crate) struct Selection<C> {
    cursor: C,
    next: Sequence,
    /// `next` is known to be the next message.
    found: bool,
    skip_list: VecDeque<Sequence>,
    /// Where the walk goes on after the skip list; 0 if there is none.
    skip_end: Sequence,
    visible: Sequence,
    to_come: u64,
    /// Up to where stored messages are in `to_come` without a note.
    counted: Sequence,
    uncertain: bool,
}

impl<C> Selection<C> {
    pub(crate) fn new<S>(
        filters: &[Filter],
        next: Sequence,
        visible: Sequence,
        store: &mut S,
    ) -> Self
    where
        S: MessageStore<Cursor = C>,
    {
        Self {
            cursor: store.cursor(filters),
            next,
            found: false,
            skip_list: VecDeque::new(),
            skip_end: 0,
            visible,
            to_come: 0,
            counted: 0,
            uncertain: true,
        }
    }

    /// Puts a list of messages before the walk, which then begins after `end`.
    pub(crate) fn skip_through(&mut self, list: VecDeque<Sequence>, end: Sequence) {
        self.next = list.front().copied().unwrap_or(end.saturating_add(1));
        self.skip_end = if list.is_empty() { 0 } else { end };
        self.skip_list = list;
        (self.found, self.uncertain) = (false, true);
    }

    /// Begins anew at `next`.
    pub(crate) fn restart(&mut self, next: Sequence) {
        self.skip_through(VecDeque::new(), next.saturating_sub(1));
        self.next = next;
    }

    /// Changes the filters; the place stays.
    pub(crate) fn refilter<S>(&mut self, filters: &[Filter], store: &mut S)
    where
        S: MessageStore<Cursor = C>,
    {
        self.cursor = store.cursor(filters);
        (self.found, self.uncertain) = (false, true);
    }

    /// The lowest sequence that was not yet looked at.
    pub(crate) fn position(&self) -> Sequence {
        self.next
    }

    /// The end of the skip list while there is one, else 0.
    pub(crate) fn skip_end(&self) -> Sequence {
        self.skip_end
    }

    pub(crate) fn visible(&self) -> Sequence {
        self.visible
    }

    /// The next message to deliver, which stays the next until [`take`](Self::take).
    pub(crate) fn peek<S>(&mut self, store: &mut S) -> Result<Option<Sequence>, StoreError>
    where
        S: MessageStore<Cursor = C>,
    {
        if self.next > self.visible {
            return Ok(None);
        }
        if !self.found && self.skip_list.is_empty() {
            match store.next(&mut self.cursor, self.next)? {
                Some(sequence) if sequence <= self.visible => self.next = sequence,
                Some(_) => return Ok(None),
                None => {
                    self.ended();
                    return Ok(None);
                }
            }
        }
        self.found = true;
        Ok(Some(self.next))
    }

    /// The message that was peeked at was delivered, or turned out to be gone.
    pub(crate) fn take(&mut self) {
        self.found = false;
        self.to_come = self.to_come.saturating_sub(1);
        if self.skip_list.pop_front().is_none() {
            self.next += 1;
        } else if let Some(&next) = self.skip_list.front() {
            self.next = next;
        } else {
            self.next = self.skip_end.saturating_add(1);
            self.skip_end = 0;
        }
    }

    /// How many messages are still to come.
    pub(crate) fn remaining<S>(&mut self, store: &mut S) -> u64
    where
        S: MessageStore<Cursor = C>,
    {
        if self.uncertain {
            let from = if self.skip_end > 0 {
                self.skip_end.saturating_add(1)
            } else {
                self.next
            };
            let counted = store.state().last;
            // What cannot be counted now is counted at the next question.
            if let Ok(count) = store.count(&mut self.cursor, from, false) {
                self.to_come = count + self.skip_list.len() as u64;
                self.counted = counted;
                self.uncertain = false;
            }
        }
        self.to_come
    }

    /// The same with what is stored and not yet to be seen, which a note would tell of later.
    pub(crate) fn remaining_stored<S>(&mut self, store: &mut S) -> u64
    where
        S: MessageStore<Cursor = C>,
    {
        let remaining = self.remaining(store);
        let last = store.state().last;
        let known = self.counted.max(self.visible);
        if !self.uncertain
            && last > known
            && let Ok(more) = store.count(&mut self.cursor, known + 1, false)
        {
            self.to_come = remaining + more;
            self.counted = last;
        }
        self.to_come
    }

    /// A message that the filters match may now be seen.
    pub(crate) fn note_stored(&mut self, sequence: Sequence) {
        self.visible = self.visible.max(sequence);
        if sequence > self.counted && !self.uncertain {
            self.to_come += 1;
        }
    }

    /// Messages that the filters match are gone.
    pub(crate) fn note_removed(&mut self, first: Sequence, last: Sequence) {
        if last < self.next || first > last {
            return;
        }
        if self.next >= first {
            self.found = false;
        }
        if self.skip_end > 0 {
            self.skip_list
                .retain(|&sequence| sequence < first || sequence > last);
            self.next = self.skip_list.front().copied().unwrap_or(self.skip_end + 1);
            self.skip_end = if self.skip_list.is_empty() {
                0
            } else {
                self.skip_end
            };
            self.uncertain = true;
            return;
        }
        if first == last {
            if last <= self.counted.max(self.visible) {
                self.to_come = self.to_come.saturating_sub(1);
            }
            return;
        }
        self.uncertain = true;
        if first <= self.next {
            self.next = last.min(self.visible).saturating_add(1).max(self.next);
        }
    }

    fn ended(&mut self) {
        self.next = self.visible.saturating_add(1);
        if self.counted <= self.visible {
            // Damaged messages may have been counted.
            self.to_come = 0;
        }
    }
}
