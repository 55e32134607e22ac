//! The messages that were delivered and wait for their acknowledgement.
//!
//! First deliveries ascend, so the messages are kept as one ascending run of 32-byte slots: adding
//! is a push, the lowest is the front, and a message is found at its distance from the front or by
//! bisection. Acknowledged slots die in place; the run is closed up when most of it is dead.
//!
//! Deadlines are not stored. A slot's deadline follows from its time and how often its message was
//! delivered again. Slots that were delivered once and not touched since are due in the order of
//! the run; all others have an entry in a heap that is believed only if it still agrees with the
//! slot. So adding, acknowledging and finding the next deadline cost O(log n) at most.
//!
//! Invariants: slots ascend by sequence and by consumer sequence; the front is alive; a slot that is
//! queued for redelivery has no deadline.
//!
//! Called by `ledger`. Absent: what is written to the journal, and what follows from a deadline.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use cognate_model::{Sequence, Timestamp};

use crate::redelivery::FIRST_TICKET;

/// The deadline is found by the slot's place in the run.
const IN_ORDER: u32 = 0;
/// The deadline has an entry in the heap.
const IN_HEAP: u32 = 1;

/// Fewer dead slots or outdated heap entries than this are not worth closing up.
const SLACK: usize = 64;

/// A message that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) sequence: Sequence,
    /// The consumer sequence of its first delivery; 0 in a dead slot.
    delivery: u64,
    /// When it was delivered or last touched; a delay of a negative acknowledgement shifts it.
    pub(crate) time: Timestamp,
    /// How often it was delivered after the first time.
    pub(crate) redeliveries: u32,
    /// How its deadline is found, or its place in the line for redelivery.
    place: u32,
}

impl Slot {
    pub(crate) fn first_delivery(&self) -> u64 {
        self.delivery
    }

    pub(crate) fn deliveries(&self) -> u64 {
        u64::from(self.redeliveries) + 1
    }

    /// Its ticket, if it is queued for redelivery.
    pub(crate) fn ticket(&self) -> Option<u32> {
        (self.place >= FIRST_TICKET).then_some(self.place)
    }

    fn is_alive(&self) -> bool {
        self.delivery != 0
    }
}

/// How long an acknowledgement may take, by the number of deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct AckWaits {
    /// Without a backoff; nothing means for ever.
    pub(crate) wait: Option<Duration>,
    pub(crate) backoff: Vec<Duration>,
}

impl AckWaits {
    /// How long a message may take that was delivered again `redeliveries` times.
    pub(crate) fn after(&self, redeliveries: u32) -> Option<Duration> {
        let index = (redeliveries as usize).min(self.backoff.len().saturating_sub(1));
        self.backoff.get(index).copied().or(self.wait)
    }
}

/// The messages that wait for their acknowledgement.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    waits: AckWaits,
    slots: VecDeque<Slot>,
    alive: usize,
    redelivered: usize,
    /// Slots before this one are not due in order: dead, queued or in the heap.
    in_order: usize,
    heap: BinaryHeap<Reverse<(Timestamp, Sequence)>>,
}

impl Pending {
    pub(crate) fn new(waits: AckWaits) -> Self {
        Self {
            waits,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.alive
    }

    /// How many were delivered more than once.
    pub(crate) fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// The lowest.
    pub(crate) fn first(&self) -> Option<&Slot> {
        self.slots.front()
    }

    pub(crate) fn get(&self, sequence: Sequence) -> Option<&Slot> {
        self.find(sequence).and_then(|index| self.slots.get(index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.is_alive())
    }

    /// Adds a message above all others. Returns false, and adds nothing, if it is not above them.
    pub(crate) fn push(&mut self, sequence: Sequence, delivery: u64, time: Timestamp) -> bool {
        let is_above = |last: &Slot| last.sequence < sequence && last.delivery < delivery;
        if delivery == 0 || sequence == 0 || !self.slots.back().is_none_or(is_above) {
            return false;
        }
        self.slots.push_back(Slot {
            sequence,
            delivery,
            time,
            redeliveries: 0,
            place: IN_ORDER,
        });
        self.alive += 1;
        true
    }

    /// Adds a message as a snapshot has it; it becomes due through the heap.
    pub(crate) fn restore(
        &mut self,
        sequence: Sequence,
        delivery: u64,
        time: Timestamp,
        redeliveries: u32,
    ) -> bool {
        let added = self.push(sequence, delivery, time);
        if added {
            let index = self.slots.len() - 1;
            self.redelivered += usize::from(redeliveries > 0);
            self.slots[index].redeliveries = redeliveries;
            self.schedule(index);
        }
        added
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) -> Option<Slot> {
        let index = self.find(sequence)?;
        let slot = self.slots[index];
        self.slots[index].delivery = 0;
        self.alive -= 1;
        self.redelivered -= usize::from(slot.redeliveries > 0);
        if index == 0 {
            self.drop_dead_front();
        } else if self.slots.len() > 2 * self.alive + SLACK {
            self.close_up();
        }
        Some(slot)
    }

    /// Sets when a message was delivered or touched, and from when its deadline counts.
    pub(crate) fn touch(&mut self, sequence: Sequence, time: Timestamp) {
        if let Some(index) = self.find(sequence) {
            self.slots[index].time = time;
            if self.slots[index].ticket().is_none() {
                self.schedule(index);
            }
        }
    }

    /// Counts one more delivery; the message is no longer queued.
    pub(crate) fn redelivered_at(&mut self, sequence: Sequence, time: Timestamp) {
        if let Some(index) = self.find(sequence) {
            let slot = &mut self.slots[index];
            self.redelivered += usize::from(slot.redeliveries == 0);
            slot.redeliveries = slot.redeliveries.saturating_add(1);
            slot.time = time;
            self.schedule(index);
        }
    }

    /// Notes that a message is queued for redelivery with this ticket.
    pub(crate) fn queued(&mut self, sequence: Sequence, ticket: u32) {
        if let Some(index) = self.find(sequence) {
            self.slots[index].place = ticket;
        }
    }

    /// Notes that a message is no longer queued; it waits for its deadline again.
    pub(crate) fn unqueued(&mut self, sequence: Sequence) {
        if let Some(index) = self.find(sequence) {
            self.schedule(index);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(std::mem::take(&mut self.waits));
    }

    /// Changes how long acknowledgements may take, also those that are waited for.
    pub(crate) fn set_waits(&mut self, waits: AckWaits) {
        self.waits = waits;
        self.reschedule();
    }

    pub(crate) fn waits(&self) -> &AckWaits {
        &self.waits
    }

    /// When the next acknowledgement is overdue.
    pub(crate) fn next_deadline(&mut self) -> Option<Timestamp> {
        let in_order = self.first_in_order().and_then(|slot| self.deadline(&slot));
        let in_heap = self.first_in_heap().map(|(deadline, _)| deadline);
        [in_order, in_heap].into_iter().flatten().min()
    }

    /// The messages whose acknowledgement is overdue, ascending. Each is expected to be removed,
    /// queued or touched by the caller.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Sequence> {
        let mut due = Vec::new();
        while let Some(slot) = self.first_in_order() {
            if self.deadline(&slot).is_none_or(|deadline| deadline > now) {
                break;
            }
            due.push(slot.sequence);
            self.in_order += 1;
        }
        while let Some((deadline, sequence)) = self.first_in_heap() {
            if deadline > now {
                break;
            }
            due.push(sequence);
            self.heap.pop();
        }
        due.sort_unstable();
        due.dedup();
        due
    }

    fn deadline(&self, slot: &Slot) -> Option<Timestamp> {
        let wait = self.waits.after(slot.redeliveries)?;
        Some(slot.time.after(wait))
    }

    /// The first slot whose deadline is found by its place.
    fn first_in_order(&mut self) -> Option<Slot> {
        while let Some(slot) = self.slots.get(self.in_order) {
            if slot.is_alive() && slot.place == IN_ORDER {
                return Some(*slot);
            }
            self.in_order += 1;
        }
        None
    }

    /// The first entry of the heap that agrees with its slot; entries before it are dropped.
    fn first_in_heap(&mut self) -> Option<(Timestamp, Sequence)> {
        while let Some(&Reverse((deadline, sequence))) = self.heap.peek() {
            let agrees = self
                .get(sequence)
                .is_some_and(|slot| slot.place == IN_HEAP && self.deadline(slot) == Some(deadline));
            if agrees {
                return Some((deadline, sequence));
            }
            self.heap.pop();
        }
        None
    }

    fn schedule(&mut self, index: usize) {
        self.slots[index].place = IN_HEAP;
        let slot = self.slots[index];
        if let Some(deadline) = self.deadline(&slot) {
            self.heap.push(Reverse((deadline, slot.sequence)));
        }
        // A client may touch a message as often as it likes; outdated entries must not pile up.
        if self.heap.len() > 2 * self.alive + SLACK {
            self.reschedule();
        }
    }

    /// Builds the heap anew from the slots.
    fn reschedule(&mut self) {
        let in_heap = |slot: &&Slot| slot.is_alive() && slot.place == IN_HEAP;
        let entries = self.slots.iter().filter(in_heap);
        let entries = entries.filter_map(|slot| {
            let deadline = self.deadline(slot)?;
            Some(Reverse((deadline, slot.sequence)))
        });
        self.heap = entries.collect();
    }

    fn find(&self, sequence: Sequence) -> Option<usize> {
        let first = self.slots.front()?.sequence;
        let distance = usize::try_from(sequence.checked_sub(first)?).unwrap_or(usize::MAX);
        // Sequences ascend, so a message is at most as far from the front as its number is.
        let end = self.slots.len().min(distance.saturating_add(1));
        let guess = self.slots.get(end - 1)?;
        let index = if guess.sequence == sequence {
            end - 1
        } else {
            let search = self
                .slots
                .binary_search_by_key(&sequence, |slot| slot.sequence);
            search.ok()?
        };
        self.slots[index].is_alive().then_some(index)
    }

    fn drop_dead_front(&mut self) {
        while self.slots.front().is_some_and(|slot| !slot.is_alive()) {
            self.slots.pop_front();
            self.in_order = self.in_order.saturating_sub(1);
        }
        if self.slots.capacity() > 4 * self.slots.len() + 16 * SLACK {
            self.slots.shrink_to(2 * self.slots.len() + SLACK);
        }
    }

    fn close_up(&mut self) {
        let passed = self.slots.iter().take(self.in_order);
        self.in_order = passed.filter(|slot| slot.is_alive()).count();
        self.slots.retain(Slot::is_alive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(wait: u64) -> Pending {
        Pending::new(AckWaits {
            wait: Some(Duration::from_nanos(wait)),
            backoff: Vec::new(),
        })
    }

    fn sequences(pending: &Pending) -> Vec<Sequence> {
        pending.iter().map(|slot| slot.sequence).collect()
    }

    #[test]
    fn a_slot_is_small() {
        assert!(size_of::<Slot>() <= 32);
    }

    #[test]
    fn finds_removes_and_closes_up() {
        let mut pending = pending(10);
        for n in 1..=1000 {
            assert!(pending.push(n * 3, n, Timestamp(n as i64)));
        }
        assert!(!pending.push(3000, 1001, Timestamp(1)));
        for n in (1..=1000).filter(|n| n % 100 != 0) {
            assert!(pending.remove(n * 3).is_some());
            assert!(pending.remove(n * 3).is_none());
            assert!(pending.get(n * 3 + 1).is_none());
        }
        let left: Vec<_> = (1..=10).map(|n| n * 300).collect();
        assert_eq!(sequences(&pending), left);
        assert_eq!(pending.len(), 10);
        assert!(pending.slots.len() <= 2 * 10 + SLACK);
        assert_eq!(pending.first().map(|slot| slot.sequence), Some(300));
        assert_eq!(pending.take_due(Timestamp(410)), [300, 600, 900, 1200]);
    }

    #[test]
    fn deadlines_follow_touches_and_redeliveries() {
        let mut pending = pending(10);
        for n in 1..=4 {
            pending.push(n, n, Timestamp(n as i64));
        }
        assert_eq!(pending.next_deadline(), Some(Timestamp(11)));
        pending.touch(1, Timestamp(5));
        assert_eq!(pending.next_deadline(), Some(Timestamp(12)));
        assert_eq!(pending.take_due(Timestamp(13)), [2, 3]);
        pending.queued(2, FIRST_TICKET);
        pending.queued(3, FIRST_TICKET + 1);
        assert_eq!(pending.next_deadline(), Some(Timestamp(14)));
        pending.redelivered_at(2, Timestamp(13));
        assert_eq!(
            (pending.redelivered(), pending.get(2).map(Slot::deliveries)),
            (1, Some(2))
        );
        assert_eq!(pending.take_due(Timestamp(22)), [1, 4]);
        assert_eq!(pending.take_due(Timestamp(23)), [2]);
        assert_eq!(pending.next_deadline(), None);
    }

    #[test]
    fn touches_do_not_pile_up() {
        let mut pending = pending(1_000_000);
        pending.push(1, 1, Timestamp(0));
        for n in 0..10_000 {
            pending.touch(1, Timestamp(n));
        }
        assert!(pending.heap.len() <= SLACK + 4);
        assert_eq!(pending.next_deadline(), Some(Timestamp(1_009_999)));
    }

    #[test]
    fn backoff_goes_by_deliveries() {
        let waits = AckWaits {
            wait: Some(Duration::from_nanos(1)),
            backoff: vec![Duration::from_nanos(1), Duration::from_nanos(5)],
        };
        let all: Vec<_> = (0..3)
            .map(|n| waits.after(n).map(|d| d.as_nanos()))
            .collect();
        assert_eq!(all, [Some(1), Some(5), Some(5)]);
    }
}
