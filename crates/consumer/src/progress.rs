//! How far a consumer is, in a form that other software's formats can be made from and into.
//!
//! [`Progress`] is what a [`snapshot`](crate::Consumer::snapshot) says, taken apart. What does not fit
//! together when it comes from elsewhere is made to fit: a message more is delivered again rather than
//! one too few. Absent: the end of the list that "last per subject" began with, which other formats
//! do not have.

use cognate_model::{Sequence, Timestamp};

use crate::ledger::{AckMode, Dead, Ledger, Position};
use crate::pending::AckWaits;
use crate::snapshot;

/// A message that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingMessage {
    /// Its sequence.
    pub sequence: Sequence,
    /// The consumer sequence of its first delivery; 0 if it is not known.
    pub delivery: u64,
    /// When it was delivered last.
    pub time: Timestamp,
    /// How often it was delivered after the first time.
    pub redeliveries: u64,
}

/// How far a consumer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last delivery.
    pub delivered: Position,
    /// Everything up to here is done.
    pub floor: Position,
    /// What waits for its acknowledgement, ascending.
    pub pending: Vec<PendingMessage>,
    /// What was delivered as often as it may be and is still in the stream, ascending: its sequence,
    /// and how often it was delivered.
    pub exhausted: Vec<(Sequence, u64)>,
}

impl Progress {
    /// What a consumer's snapshot says; `None` if it is none.
    #[must_use]
    pub fn of_snapshot(bytes: &[u8]) -> Option<Self> {
        let mut ledger = Ledger::new(AckMode::Explicit, AckWaits::default(), 1);
        snapshot::read(bytes, &mut ledger)?;
        let pending = ledger.pending.iter().map(|slot| PendingMessage {
            sequence: slot.sequence,
            delivery: slot.first_delivery(),
            time: slot.time,
            redeliveries: u64::from(slot.redeliveries),
        });
        let dead = ledger.dead.iter();
        Some(Self {
            delivered: ledger.delivered,
            floor: ledger.floor,
            pending: pending.collect(),
            exhausted: dead
                .map(|(sequence, dead)| (*sequence, dead.deliveries))
                .collect(),
        })
    }

    /// As a snapshot that [`Consumer::recover`](crate::Consumer::recover) takes.
    #[must_use]
    pub fn to_snapshot(&self) -> Vec<u8> {
        let mut ledger = Ledger::new(AckMode::Explicit, AckWaits::default(), 1);
        (ledger.delivered, ledger.floor) = (self.delivered, self.floor);
        let mut before = self.floor.consumer;
        for pending in &self.pending {
            // Deliveries ascend with the sequences, whatever was said.
            let delivery = pending.delivery.max(before.saturating_add(1));
            let redeliveries = u32::try_from(pending.redeliveries).unwrap_or(u32::MAX);
            if ledger
                .pending
                .restore(pending.sequence, delivery, pending.time, redeliveries)
            {
                before = delivery;
                let delivered = &mut ledger.delivered;
                delivered.consumer = delivered.consumer.max(delivery);
                delivered.stream = delivered.stream.max(pending.sequence);
            }
        }
        for &(sequence, deliveries) in &self.exhausted {
            let reason = None;
            ledger.dead.insert(sequence, Dead { deliveries, reason });
        }
        if self.pending.is_empty() {
            ledger.floor = ledger.delivered;
        }
        let mut out = Vec::new();
        snapshot::write(&ledger, 0, &mut out);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(sequence: Sequence, delivery: u64) -> PendingMessage {
        PendingMessage {
            sequence,
            delivery,
            time: Timestamp(5),
            redeliveries: sequence % 2,
        }
    }

    #[test]
    fn progress_comes_back() {
        let progress = Progress {
            delivered: Position {
                consumer: 9,
                stream: 20,
            },
            floor: Position {
                consumer: 2,
                stream: 4,
            },
            pending: vec![pending(5, 3), pending(8, 6)],
            exhausted: vec![(6, 5)],
        };
        let again = Progress::of_snapshot(&progress.to_snapshot());
        assert_eq!(again, Some(progress));
    }

    #[test]
    fn what_does_not_fit_is_made_to_fit() {
        let progress = Progress {
            delivered: Position {
                consumer: 2,
                stream: 6,
            },
            floor: Position {
                consumer: 1,
                stream: 4,
            },
            pending: vec![pending(5, 0), pending(8, 0), pending(9, 3), pending(9, 9)],
            exhausted: Vec::new(),
        };
        let again = Progress::of_snapshot(&progress.to_snapshot()).expect("it is a snapshot");
        let deliveries: Vec<_> = again
            .pending
            .iter()
            .map(|p| (p.sequence, p.delivery))
            .collect();
        assert_eq!(deliveries, [(5, 2), (8, 3), (9, 4)]);
        assert_eq!(
            again.delivered,
            Position {
                consumer: 4,
                stream: 9
            }
        );
        let fresh = Progress {
            delivered: Position {
                consumer: 0,
                stream: 7,
            },
            ..Progress::default()
        };
        let again = Progress::of_snapshot(&fresh.to_snapshot()).expect("it is a snapshot");
        assert_eq!(again.floor, fresh.delivered);
    }
}
