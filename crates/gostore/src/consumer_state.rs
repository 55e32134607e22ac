//! `o.dat`: how far a consumer is.
//!
//! ```text
//! 22, version (1 or 2)
//! floor: consumer sequence, stream sequence; delivered: the same
//! pending: how many; if any: a time in seconds (signed), then each:
//!     stream sequence less the floor's, [consumer sequence less the floor's,]
//!     version 2: the seconds by which it was delivered before that time (signed)
//!     version 1: after it
//! redelivered: how many; each: stream sequence less the floor's, redeliveries
//! ```
//!
//! Numbers are of seven bits a byte. In version 1 what was delivered is counted from the floor, if
//! there is one.

use crate::number::{Numbers, put_signed, put_varint};

const MAGIC: u8 = 22;
const VERSION: u8 = 2;
const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// Sequences above this were never given.
const HIGHEST: u64 = u64::MAX >> 1;

/// How far a consumer is, in its own count and in the stream's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Deliveries.
    pub consumer: u64,
    /// The stream's sequence.
    pub stream: u64,
}

/// A message that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Its sequence.
    pub sequence: u64,
    /// The consumer sequence of its first delivery; 0 if that is not known.
    pub delivery: u64,
    /// When it was delivered last, in nanoseconds since 1970; whole seconds.
    pub time: i64,
}

/// How far a consumer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerState {
    /// Everything up to here is done.
    pub floor: Position,
    /// The last delivery.
    pub delivered: Position,
    /// What waits for an acknowledgement, ascending.
    pub pending: Vec<Pending>,
    /// What was delivered more than once, ascending: the sequence, and how often after the first
    /// time. Also what was delivered as often as allowed, and is no longer pending.
    pub redelivered: Vec<(u64, u64)>,
}

impl ConsumerState {
    /// Reads an `o.dat`; `None` if it is none.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut numbers = Numbers::new(bytes);
        let (magic, version) = (numbers.u8()?, numbers.u8()?);
        (magic == MAGIC && (1..=VERSION).contains(&version)).then_some(())?;
        let mut position = || {
            Some(Position {
                consumer: numbers.varint()?,
                stream: numbers.varint()?,
            })
        };
        let (floor, mut delivered) = (position()?, position()?);
        if version == 1 {
            let counted = |floor: u64| floor.saturating_sub(1);
            delivered.consumer = delivered.consumer.checked_add(counted(floor.consumer))?;
            delivered.stream = delivered.stream.checked_add(counted(floor.stream))?;
        }
        (floor.stream <= HIGHEST && delivered.stream <= HIGHEST).then_some(())?;
        let mut state = Self {
            floor,
            delivered,
            ..Self::default()
        };
        state.read_pending(version, &mut numbers)?;
        for _ in 0..numbers.varint()? {
            let (sequence, count) = (numbers.varint()?, numbers.varint()?);
            if sequence > 0 && count > 0 {
                let sequence = sequence.checked_add(floor.stream)?;
                state.redelivered.push((sequence, count));
            }
        }
        state.redelivered.sort_unstable();
        state.redelivered.dedup_by_key(|(sequence, _)| *sequence);
        Some(state)
    }

    fn read_pending(&mut self, version: u8, numbers: &mut Numbers<'_>) -> Option<()> {
        let count = numbers.varint()?;
        if count == 0 {
            return Some(());
        }
        let base = numbers.signed()?;
        for _ in 0..count {
            let sequence = numbers.varint()?.checked_add(self.floor.stream)?;
            let delivery = match version {
                1 => 0,
                _ => numbers.varint()?.checked_add(self.floor.consumer)?,
            };
            let shift = numbers.signed()?;
            let seconds = match version {
                1 => base.checked_add(shift)?,
                _ => base.checked_sub(shift)?,
            };
            (sequence > 0).then_some(())?;
            self.pending.push(Pending {
                sequence,
                delivery,
                time: seconds.saturating_mul(NANOS_PER_SECOND),
            });
        }
        self.pending
            .sort_unstable_by_key(|pending| pending.sequence);
        self.pending.dedup_by_key(|pending| pending.sequence);
        Some(())
    }

    /// As an `o.dat`. What lies below the floor is left out.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![MAGIC, VERSION];
        for position in [self.floor, self.delivered] {
            put_varint(&mut out, position.consumer);
            put_varint(&mut out, position.stream);
        }
        let pending = || {
            let above = |pending: &&Pending| {
                pending.sequence >= self.floor.stream && pending.delivery >= self.floor.consumer
            };
            self.pending.iter().filter(above)
        };
        put_varint(&mut out, pending().count() as u64);
        let newest = pending().map(|pending| seconds(pending.time)).max();
        if let Some(base) = newest {
            put_signed(&mut out, base);
            for pending in pending() {
                put_varint(&mut out, pending.sequence - self.floor.stream);
                put_varint(&mut out, pending.delivery - self.floor.consumer);
                put_signed(&mut out, base - seconds(pending.time));
            }
        }
        let redelivered = || {
            self.redelivered
                .iter()
                .filter(|(s, _)| *s >= self.floor.stream)
        };
        put_varint(&mut out, redelivered().count() as u64);
        for (sequence, count) in redelivered() {
            put_varint(&mut out, sequence - self.floor.stream);
            put_varint(&mut out, *count);
        }
        out
    }
}

fn seconds(nanos: i64) -> i64 {
    nanos.div_euclid(NANOS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> ConsumerState {
        ConsumerState {
            floor: Position {
                consumer: 3,
                stream: 10,
            },
            delivered: Position {
                consumer: 9,
                stream: 20,
            },
            pending: vec![
                Pending {
                    sequence: 11,
                    delivery: 4,
                    time: 1_700_000_000_000_000_000,
                },
                Pending {
                    sequence: 20,
                    delivery: 8,
                    time: 1_700_000_005_000_000_000,
                },
            ],
            redelivered: vec![(11, 2), (15, 4)],
        }
    }

    #[test]
    fn states_come_back() {
        for state in [example(), ConsumerState::default()] {
            assert_eq!(ConsumerState::read(&state.write()), Some(state));
        }
    }

    #[test]
    fn version_one_counts_from_the_floor() {
        let mut bytes = vec![MAGIC, 1, 2, 5, 3, 4, 1];
        put_signed(&mut bytes, 1_700_000_000);
        bytes.push(1);
        put_signed(&mut bytes, 7);
        bytes.push(0);
        let state = ConsumerState::read(&bytes).expect("it is whole");
        assert_eq!(
            state.delivered,
            Position {
                consumer: 4,
                stream: 8
            }
        );
        let pending = Pending {
            sequence: 6,
            delivery: 0,
            time: 1_700_000_007_000_000_000,
        };
        assert_eq!(state.pending, [pending]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn damage_does_no_harm(at in 0usize..40, value in any::<u8>(), cut in 0usize..40) {
            let mut bytes = example().write();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            bytes.truncate(cut.max(1));
            if let Some(state) = ConsumerState::read(&bytes) {
                let _ = state.write();
            }
        }
    }
}
