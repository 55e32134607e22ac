//! A consumer's whole durable state in one block, from which and the journal's later entries it
//! comes back.
//!
//! ```text
//! version (1 byte, 1)
//! delivered and floor: consumer sequence, stream sequence each
//! time of the last delivery, of the last acknowledgement (8 bytes each; the greatest: never)
//! end of the skip list (0: none)
//! pending:   count, then each: sequence and consumer sequence (each less the one before), time,
//!            redeliveries
//! queued:    count, then each: sequence, in the order of redelivery
//! dead:      count, then each: sequence (less the one before), deliveries,
//!            0 or 1 and a reason (length, bytes)
//! ```
//!
//! Numbers are as in `journal`. What does not read back whole is no snapshot. Absent: checksums and
//! second copies, which are for whoever keeps it.

use cognate_model::{Sequence, Timestamp};

use crate::binary::{Reader, put_bytes, put_number, put_time};
use crate::journal::Entry;
use crate::ledger::{Dead, Ledger, Position};

const VERSION: u8 = 1;

/// Stands for "never" among times.
const NEVER: Timestamp = Timestamp(i64::MAX);

pub(crate) fn write(ledger: &Ledger, skip_end: Sequence, out: &mut Vec<u8>) {
    out.push(VERSION);
    for position in [ledger.delivered, ledger.floor] {
        put_number(out, position.consumer);
        put_number(out, position.stream);
    }
    put_time(out, ledger.last_delivered.unwrap_or(NEVER));
    put_time(out, ledger.last_acked.unwrap_or(NEVER));
    put_number(out, skip_end);
    put_number(out, ledger.pending.len() as u64);
    let mut before = Position::default();
    for slot in ledger.pending.iter() {
        put_number(out, slot.sequence - before.stream);
        put_number(out, slot.first_delivery() - before.consumer);
        put_time(out, slot.time);
        put_number(out, u64::from(slot.redeliveries));
        before = Position {
            consumer: slot.first_delivery(),
            stream: slot.sequence,
        };
    }
    put_number(out, ledger.redelivery.len() as u64);
    ledger.redelivery.iter().for_each(|s| put_number(out, s));
    put_number(out, ledger.dead.len() as u64);
    let mut before = 0;
    for (&sequence, dead) in &ledger.dead {
        put_number(out, sequence - before);
        put_number(out, dead.deliveries);
        put_number(out, u64::from(dead.reason.is_some()));
        if let Some(reason) = &dead.reason {
            put_bytes(out, reason);
        }
        before = sequence;
    }
}

/// Fills a new ledger; returns the end of the skip list. After `None` the ledger is of no use.
pub(crate) fn read(bytes: &[u8], ledger: &mut Ledger) -> Option<Sequence> {
    let mut reader = Reader(bytes);
    (reader.byte()? == VERSION).then_some(())?;
    let mut position = || {
        Some(Position {
            consumer: reader.number()?,
            stream: reader.number()?,
        })
    };
    (ledger.delivered, ledger.floor) = (position()?, position()?);
    ledger.last_delivered = time(&mut reader)?;
    ledger.last_acked = time(&mut reader)?;
    let skip_end = reader.number()?;
    let mut before = Position::default();
    for _ in 0..reader.number()? {
        before.stream = before.stream.checked_add(reader.number()?)?;
        before.consumer = before.consumer.checked_add(reader.number()?)?;
        let time = reader.time()?;
        let redeliveries = u32::try_from(reader.number()?).ok()?;
        let delivered = ledger.delivered;
        let known = before.stream <= delivered.stream && before.consumer <= delivered.consumer;
        let added = ledger
            .pending
            .restore(before.stream, before.consumer, time, redeliveries);
        (known && added).then_some(())?;
    }
    for _ in 0..reader.number()? {
        let sequence = reader.number()?;
        ledger.apply(&Entry::Queued { sequence });
    }
    let mut sequence = 0u64;
    for _ in 0..reader.number()? {
        sequence = sequence.checked_add(reader.number()?)?;
        let deliveries = reader.number()?;
        let reason = match reader.number()? {
            0 => None,
            _ => Some(reader.bytes()?.into()),
        };
        ledger.dead.insert(sequence, Dead { deliveries, reason });
    }
    reader.is_empty().then_some(skip_end)
}

fn time(reader: &mut Reader<'_>) -> Option<Option<Timestamp>> {
    let time = reader.time()?;
    Some((time != NEVER).then_some(time))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::AckMode;
    use crate::pending::AckWaits;

    fn ledger() -> Ledger {
        Ledger::new(AckMode::Explicit, AckWaits::default(), 1)
    }

    fn example() -> Vec<u8> {
        let mut before = ledger();
        for sequence in [2, 3, 5, 8] {
            before.deliver(sequence, Timestamp(1_700_000_000_000_000_000));
        }
        before.apply(&Entry::Queued { sequence: 5 });
        before.apply(&Entry::Queued { sequence: 2 });
        before.apply(&Entry::Exhausted { sequence: 3 });
        let reason = b"why";
        let time = Timestamp(5);
        before.apply(&Entry::Condemned {
            sequence: 8,
            time,
            reason,
        });
        let mut out = Vec::new();
        write(&before, 9, &mut out);
        out
    }

    #[test]
    fn comes_back_as_it_was() {
        let bytes = example();
        let mut ledger = ledger();
        assert_eq!(read(&bytes, &mut ledger), Some(9));
        assert_eq!(ledger.redelivery.iter().collect::<Vec<_>>(), [5, 2]);
        assert_eq!(ledger.dead.keys().copied().collect::<Vec<_>>(), [3, 8]);
        let mut again = Vec::new();
        write(&ledger, 9, &mut again);
        assert_eq!(again, bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// What is damaged is refused or read as something; it never panics, and what was read can be
        /// worked with.
        #[test]
        fn damage_does_no_harm(
            at in 0usize..80, value in any::<u8>(), cut in 0usize..80, entry in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = example();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(40)));
            let mut ledger = ledger();
            let _ = read(&bytes, &mut ledger);
            ledger.limit = Some(100);
            if let Some(entry) = Entry::read(&entry) {
                ledger.apply(&entry);
            }
            ledger.deliver(ledger.delivered.stream.saturating_add(1), Timestamp(1));
            let mut again = Vec::new();
            write(&ledger, 0, &mut again);
        }
    }
}
