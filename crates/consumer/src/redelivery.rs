//! The messages that wait to be delivered again, in the order in which they came to wait.
//!
//! A message is named by its sequence and holds a ticket, its place in the line, so that it leaves
//! the line from anywhere in constant time; a place that was left stays as a hole until the line has
//! moved past it. Invariants: the first place is never a hole; a ticket is at least
//! [`FIRST_TICKET`], so that smaller values can mean something else to whoever keeps it.
//!
//! Called by `ledger`. Absent: why a message waits, and whether it may be delivered.

use std::collections::VecDeque;

use cognate_model::Sequence;

/// The smallest ticket.
pub(crate) const FIRST_TICKET: u32 = 2;

/// A hole; no message has this sequence.
const HOLE: Sequence = 0;

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Redelivery {
    places: VecDeque<Sequence>,
    /// How many places were left at the front, modulo the number of tickets.
    passed: u32,
    waiting: usize,
}

impl Redelivery {
    pub(crate) fn len(&self) -> usize {
        self.waiting
    }

    /// Adds a message at the end and returns its ticket.
    pub(crate) fn push(&mut self, sequence: Sequence) -> u32 {
        debug_assert_ne!(sequence, HOLE);
        // The line is bounded by the messages that wait for an acknowledgement, far below 2^32.
        let ticket = ticket(self.passed, self.places.len());
        self.places.push_back(sequence);
        self.waiting += 1;
        ticket
    }

    /// The first in the line.
    pub(crate) fn first(&self) -> Option<Sequence> {
        self.places.front().copied()
    }

    /// Takes the holder of a ticket out of the line.
    pub(crate) fn leave(&mut self, ticket: u32) {
        let index = index(self.passed, ticket);
        let Some(place) = self.places.get_mut(index) else {
            return;
        };
        if *place != HOLE {
            *place = HOLE;
            self.waiting -= 1;
        }
        while self.places.front() == Some(&HOLE) {
            self.places.pop_front();
            self.passed = advance(self.passed);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Those who wait, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Sequence> {
        self.places.iter().copied().filter(|&place| place != HOLE)
    }
}

/// How many tickets there are before they are given again.
const TICKETS: u64 = u32::MAX as u64 - FIRST_TICKET as u64;

fn ticket(passed: u32, index: usize) -> u32 {
    let place = (u64::from(passed) + index as u64) % TICKETS;
    // The remainder is below the number of tickets, so the sum fits.
    place as u32 + FIRST_TICKET
}

fn index(passed: u32, ticket: u32) -> usize {
    let place = u64::from(ticket.saturating_sub(FIRST_TICKET));
    ((place + TICKETS - u64::from(passed)) % TICKETS) as usize
}

fn advance(passed: u32) -> u32 {
    ((u64::from(passed) + 1) % TICKETS) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_from_anywhere_and_keeps_the_order() {
        let mut line = Redelivery::default();
        let tickets: Vec<_> = (1..=5).map(|sequence| line.push(sequence)).collect();
        line.leave(tickets[2]);
        line.leave(tickets[0]);
        assert_eq!(line.iter().collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!(line.first(), Some(2));
        line.leave(tickets[1]);
        let six = line.push(6);
        assert_eq!((line.first(), line.len()), (Some(4), 3));
        line.leave(six);
        line.leave(tickets[3]);
        line.leave(tickets[4]);
        assert_eq!((line.first(), line.len()), (None, 0));
    }

    #[test]
    fn tickets_are_used_again_after_the_last() {
        let mut line = Redelivery {
            passed: TICKETS as u32 - 2,
            ..Redelivery::default()
        };
        let tickets: Vec<_> = (1..=4).map(|sequence| line.push(sequence)).collect();
        assert!(tickets[3] < tickets[0]);
        line.leave(tickets[2]);
        line.leave(tickets[0]);
        assert_eq!(line.iter().collect::<Vec<_>>(), [2, 4]);
        line.leave(tickets[1]);
        assert_eq!(line.first(), Some(4));
    }
}
