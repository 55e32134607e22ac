//! What waits until the changes it follows from are durable.
//!
//! While a batch is applied, its effects gather here; when the batch is sealed they get the mark
//! that must be durable before they may leave, and they leave in the order in which they came.
//! Bytes lie in one buffer, so that an effect costs no allocation.
//!
//! Bound: what one inbox can hold gathers per batch, and the next batch waits while [`MAX_BYTES`]
//! are not released (see [`Effects::is_full`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use cognate_model::{Sequence, WriteMark};

/// Bytes of unreleased effects after which no further batch is applied.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Buffer memory that is kept when nothing waits.
const KEEP_BYTES: usize = 256 * 1024;

/// The right to say an answer. Whoever takes it first says something: the group the answer, once what it
/// tells of is durable, or somebody else that this takes too long.
#[derive(Debug, Default)]
pub struct Ticket(AtomicBool);

impl Ticket {
    /// Takes it; true for the first who does.
    pub fn take(&self) -> bool {
        !self.0.swap(true, Relaxed)
    }

    /// Whether somebody took it.
    pub fn is_taken(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// How far both logs of a group are written, or durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// Of the message store.
    pub(crate) store: WriteMark,
    /// Of the consumers' journal.
    pub(crate) journal: WriteMark,
}

impl Marks {
    /// Whether everything up to `other` is covered.
    pub(crate) fn cover(self, other: Marks) -> bool {
        self.store >= other.store && self.journal >= other.journal
    }
}

/// An effect, borrowed from the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect<'a> {
    /// A message to send.
    Send {
        to: &'a [u8],
        reply: &'a [u8],
        headers: &'a [u8],
        payload: &'a [u8],
    },
    /// A message was stored: consumers may see it.
    Stored {
        sequence: Sequence,
        subject: &'a [u8],
    },
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Send([u32; 4]),
    /// The same, if the next of the tickets is to be had.
    Answer([u32; 4]),
    Stored(Sequence, u32),
}

/// Effects in order.
#[derive(Default)]
pub(crate) struct Effects {
    bytes: Vec<u8>,
    /// Where the first entry's bytes start.
    head: usize,
    entries: VecDeque<Entry>,
    /// One for each answer among them.
    tickets: VecDeque<Arc<Ticket>>,
    /// Sealed batches: what must be durable, and how many entries they have.
    batches: VecDeque<(Marks, usize)>,
    /// Entries that belong to no sealed batch yet.
    open: usize,
    /// One of them waits for the journal, too.
    open_needs_journal: bool,
    /// The journal's mark that the last batch that waits for it waits for.
    awaited: WriteMark,
    /// The journal takes nothing any more: what only it can confirm is not said.
    is_journal_lost: bool,
}

impl Effects {
    /// Adds a message to send.
    pub(crate) fn send(&mut self, to: &[u8], reply: &[u8], headers: &[u8], payload: &[u8]) {
        let parts = self.put([to, reply, headers, payload]);
        self.push(Entry::Send(parts));
    }

    fn put<const N: usize>(&mut self, parts: [&[u8]; N]) -> [u32; N] {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        parts.map(|part| part.len() as u32)
    }

    /// Adds an answer, which is said only if its ticket is still to be had then.
    pub(crate) fn answer(&mut self, to: &[u8], payload: &[u8], ticket: Arc<Ticket>) {
        let parts = self.put([to, b"", b"", payload]);
        self.tickets.push_back(ticket);
        self.push(Entry::Answer(parts));
    }

    /// Adds an answer that waits for the consumers' journal, too.
    pub(crate) fn confirm_answer(&mut self, to: &[u8], payload: &[u8], ticket: Arc<Ticket>) {
        if self.is_journal_lost {
            return;
        }
        self.answer(to, payload, ticket);
        self.open_needs_journal = true;
    }

    /// Adds a message to send once the consumers' journal is durable, too.
    pub(crate) fn confirm(&mut self, to: &[u8], payload: &[u8]) {
        if self.is_journal_lost {
            return;
        }
        self.send(to, b"", b"", payload);
        self.open_needs_journal = true;
    }

    /// Whether something of the open batch says that an acknowledgement was taken.
    pub(crate) fn is_confirming(&self) -> bool {
        self.open_needs_journal
    }

    /// Whether something waits for the journal to get further than `durable`.
    pub(crate) fn awaits_journal(&self, durable: WriteMark) -> bool {
        self.awaited > durable
    }

    /// Adds that a message was stored.
    pub(crate) fn stored(&mut self, sequence: Sequence, subject: &[u8]) {
        self.bytes.extend_from_slice(subject);
        self.push(Entry::Stored(sequence, subject.len() as u32));
    }

    fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
        self.open += 1;
    }

    /// Ends a batch: its effects leave when `marks` are durable.
    pub(crate) fn seal(&mut self, mut marks: Marks) {
        if !std::mem::take(&mut self.open_needs_journal) {
            marks.journal = WriteMark(0);
        }
        self.awaited = self.awaited.max(marks.journal);
        if self.open > 0 {
            self.batches
                .push_back((marks, std::mem::take(&mut self.open)));
        }
    }

    /// A log failed for good: what waits for it is never said, because nobody knows whether the disk
    /// has what it follows from.
    pub(crate) fn give_up(&mut self) {
        self.entries.clear();
        self.tickets.clear();
        self.batches.clear();
        self.bytes = Vec::new();
        (self.head, self.open) = (0, 0);
        self.open_needs_journal = false;
        self.awaited = WriteMark(0);
    }

    /// Nothing is confirmed any more that only the journal could keep.
    pub(crate) fn lose_journal(&mut self) {
        self.is_journal_lost = true;
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether so much waits that nothing more should be applied.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() - self.head > MAX_BYTES
    }

    /// Hands the effects of batches that are durable to `release`, in order.
    pub(crate) fn release(&mut self, durable: Marks, mut release: impl FnMut(Effect<'_>)) {
        while let Some(&(marks, count)) = self.batches.front() {
            if !durable.cover(marks) {
                return;
            }
            for _ in 0..count {
                let Some(entry) = self.entries.pop_front() else {
                    break;
                };
                let is_due = match entry {
                    Entry::Answer(_) => self.tickets.pop_front().is_some_and(|it| it.take()),
                    Entry::Send(_) | Entry::Stored(..) => true,
                };
                let effect = self.take(entry);
                if is_due {
                    release(effect);
                }
            }
            self.batches.pop_front();
        }
        if self.entries.is_empty() {
            self.bytes.clear();
            self.bytes.shrink_to(KEEP_BYTES);
            self.head = 0;
        } else if self.head > self.bytes.len() / 2 {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }

    fn take(&mut self, entry: Entry) -> Effect<'_> {
        let mut at = self.head;
        let mut part = |len: u32| {
            let start = at;
            at += len as usize;
            start..at
        };
        match entry {
            Entry::Send([to, reply, headers, payload])
            | Entry::Answer([to, reply, headers, payload]) => {
                let [to, reply, headers, payload] =
                    [part(to), part(reply), part(headers), part(payload)];
                self.head = payload.end;
                Effect::Send {
                    to: &self.bytes[to],
                    reply: &self.bytes[reply],
                    headers: &self.bytes[headers],
                    payload: &self.bytes[payload],
                }
            }
            Entry::Stored(sequence, len) => {
                let subject = part(len);
                self.head = subject.end;
                Effect::Stored {
                    sequence,
                    subject: &self.bytes[subject],
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(store: u64, journal: u64) -> Marks {
        Marks {
            store: WriteMark(store),
            journal: WriteMark(journal),
        }
    }

    fn released(effects: &mut Effects, durable: Marks) -> Vec<String> {
        let mut out = Vec::new();
        effects.release(durable, |effect| out.push(format!("{effect:?}")));
        out
    }

    #[test]
    fn effects_leave_in_order_when_both_logs_are_durable() {
        let mut effects = Effects::default();
        effects.send(b"a", b"", b"", b"1");
        effects.stored(7, b"orders.new");
        effects.seal(marks(1, 0));
        effects.confirm(b"b", b"2");
        effects.seal(marks(2, 1));
        assert_eq!(released(&mut effects, marks(0, 9)).len(), 0);
        let first = released(&mut effects, marks(2, 0));
        assert_eq!(first.len(), 2);
        assert!(first[1].starts_with("Stored { sequence: 7"), "{first:?}");
        assert_eq!(released(&mut effects, marks(2, 1)).len(), 1);
        assert!(effects.entries.is_empty());
    }

    #[test]
    fn after_a_failure_nothing_is_said_that_the_disk_may_not_have() {
        let mut effects = Effects::default();
        effects.send(b"a", b"", b"", b"stored");
        effects.seal(marks(1, 0));
        effects.send(b"b", b"", b"", b"stored");
        effects.give_up();
        effects.lose_journal();
        effects.confirm(b"c", b"acknowledged");
        effects.send(b"d", b"", b"", b"refused");
        effects.seal(marks(0, 0));
        let said = released(&mut effects, marks(0, 0));
        assert_eq!(said.len(), 1);
        assert!(said[0].contains("payload: [114, 101, 102"), "{said:?}");
    }

    #[test]
    fn an_answer_that_somebody_gave_meanwhile_is_not_said_again() {
        let mut effects = Effects::default();
        let tickets = [(); 3].map(|()| Arc::new(Ticket::default()));
        for (ticket, to) in tickets.iter().zip([b"a", b"b", b"c"]) {
            effects.confirm_answer(to, b"done", Arc::clone(ticket));
        }
        effects.seal(marks(1, 1));
        assert_eq!(released(&mut effects, marks(1, 0)).len(), 0);
        assert!(tickets[1].take(), "nobody has said anything yet");
        let said = released(&mut effects, marks(1, 1));
        assert_eq!(said.len(), 2);
        assert!(
            said[0].contains("to: [97]") && said[1].contains("to: [99]"),
            "{said:?}"
        );
        assert!(tickets.iter().all(|ticket| !ticket.take()));
    }

    #[test]
    fn too_much_that_waits_is_noticed() {
        let mut effects = Effects::default();
        effects.send(b"a", b"", b"", &vec![0; MAX_BYTES]);
        effects.seal(marks(1, 0));
        assert!(effects.is_full());
        released(&mut effects, marks(1, 0));
        assert!(!effects.is_full());
    }

    #[test]
    fn an_open_batch_is_not_released() {
        let mut effects = Effects::default();
        effects.send(b"a", b"", b"", b"1");
        assert_eq!(released(&mut effects, marks(9, 9)).len(), 0);
        effects.seal(marks(1, 0));
        assert_eq!(released(&mut effects, marks(9, 9)).len(), 1);
    }
}
