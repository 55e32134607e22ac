//! The journal: what happened to a consumer, in small entries.
//!
//! ```text
//! entry    = kind (1 byte) fields
//! number   = LEB128, time = 8 bytes little-endian (nanoseconds)
//!
//! kind  name         fields
//!   1   delivered    consumer sequence of the first, time, runs until the end: (gap, length)…
//!                    a run begins `gap` after the sequence that ended the run before (0 at first)
//!   2   redelivered  sequence, consumer sequence, time
//!   3   acked        sequence, time
//!   4   acked to     sequence, consumer sequence, time
//!   5   progressed   sequence, time its deadline counts from
//!   6   delayed      sequence, time its deadline counts from
//!   7   queued       sequence
//!   8   exhausted    sequence
//!   9   removed      first sequence, last sequence
//!  10   reset        next sequence
//!  11   condemned    sequence, time, reason (length, bytes)
//!  12   buried       sequence
//!  13   skipped      last sequence
//! ```
//!
//! An entry that makes no sense is `None`; a kind added later is refused by older software. Entries
//! may be applied again: what they say of the past changes nothing.
//!
//! Called by everything that changes the `ledger`. Absent: where the entries are kept, checksums,
//! and when a snapshot replaces them.

use cognate_model::{Sequence, Timestamp};

use crate::binary::{Reader, put_bytes, put_number, put_time};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// Messages were delivered for the first time.
    Delivered {
        consumer: u64,
        time: Timestamp,
        runs: Runs<'a>,
    },
    /// A message was delivered once more.
    Redelivered {
        sequence: Sequence,
        consumer: u64,
        time: Timestamp,
    },
    /// A message was acknowledged or terminated.
    Acked { sequence: Sequence, time: Timestamp },
    /// All messages up to one were acknowledged.
    AckedTo {
        sequence: Sequence,
        consumer: u64,
        time: Timestamp,
    },
    /// A client is still at work on a message.
    Progressed { sequence: Sequence, time: Timestamp },
    /// A message is to be delivered again later.
    Delayed { sequence: Sequence, time: Timestamp },
    /// A message is to be delivered again.
    Queued { sequence: Sequence },
    /// A message was delivered as often as it may be.
    Exhausted { sequence: Sequence },
    /// Messages are no longer in the stream.
    Removed { first: Sequence, last: Sequence },
    /// The consumer begins anew.
    Reset { next: Sequence },
    /// A message was terminated and is to become a dead letter.
    Condemned {
        sequence: Sequence,
        time: Timestamp,
        reason: &'a [u8],
    },
    /// A dead letter is stored.
    Buried { sequence: Sequence },
    /// Messages went away before they were delivered.
    Skipped { last: Sequence },
}

impl<'a> Entry<'a> {
    /// Appends the entry. Deliveries are written by [`RunWriter`].
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Entry::Delivered {
                consumer,
                time,
                runs,
            } => {
                head(out, 1, consumer, Some(time));
                out.extend_from_slice(runs.0.0);
            }
            Entry::Redelivered {
                sequence,
                consumer,
                time,
            } => {
                head(out, 2, sequence, None);
                put_number(out, consumer);
                put_time(out, time);
            }
            Entry::Acked { sequence, time } => head(out, 3, sequence, Some(time)),
            Entry::AckedTo {
                sequence,
                consumer,
                time,
            } => {
                head(out, 4, sequence, None);
                put_number(out, consumer);
                put_time(out, time);
            }
            Entry::Progressed { sequence, time } => head(out, 5, sequence, Some(time)),
            Entry::Delayed { sequence, time } => head(out, 6, sequence, Some(time)),
            Entry::Queued { sequence } => head(out, 7, sequence, None),
            Entry::Exhausted { sequence } => head(out, 8, sequence, None),
            Entry::Removed { first, last } => {
                head(out, 9, first, None);
                put_number(out, last);
            }
            Entry::Reset { next } => head(out, 10, next, None),
            Entry::Condemned {
                sequence,
                time,
                reason,
            } => {
                head(out, 11, sequence, Some(time));
                put_bytes(out, reason);
            }
            Entry::Buried { sequence } => head(out, 12, sequence, None),
            Entry::Skipped { last } => head(out, 13, last, None),
        }
    }

    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let kind = reader.byte()?;
        let sequence = reader.number()?;
        let entry = match kind {
            1 => {
                let time = reader.time()?;
                let runs = Runs(std::mem::replace(&mut reader, Reader(&[])));
                runs.is_valid().then_some(())?;
                Entry::Delivered {
                    consumer: sequence,
                    time,
                    runs,
                }
            }
            2 => Entry::Redelivered {
                sequence,
                consumer: reader.number()?,
                time: reader.time()?,
            },
            3 => Entry::Acked {
                sequence,
                time: reader.time()?,
            },
            4 => Entry::AckedTo {
                sequence,
                consumer: reader.number()?,
                time: reader.time()?,
            },
            5 => Entry::Progressed {
                sequence,
                time: reader.time()?,
            },
            6 => Entry::Delayed {
                sequence,
                time: reader.time()?,
            },
            7 => Entry::Queued { sequence },
            8 => Entry::Exhausted { sequence },
            9 => Entry::Removed {
                first: sequence,
                last: reader.number()?,
            },
            10 => Entry::Reset { next: sequence },
            11 => Entry::Condemned {
                sequence,
                time: reader.time()?,
                reason: reader.bytes()?,
            },
            12 => Entry::Buried { sequence },
            13 => Entry::Skipped { last: sequence },
            _ => return None,
        };
        reader.is_empty().then_some(entry)
    }
}

fn head(out: &mut Vec<u8>, kind: u8, first: u64, time: Option<Timestamp>) {
    out.push(kind);
    put_number(out, first);
    if let Some(time) = time {
        put_time(out, time);
    }
}

/// Ascending sequences as runs without gaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs<'a>(Reader<'a>);

impl Runs<'_> {
    /// The runs as first and last sequence.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Sequence, Sequence)> + '_ {
        let mut reader = self.0;
        let mut end: Sequence = 0;
        std::iter::from_fn(move || {
            let first = end.checked_add(reader.number()?)?;
            let last = first.checked_add(reader.number()?.checked_sub(1)?)?;
            end = last;
            Some((first, last))
        })
    }

    fn is_valid(&self) -> bool {
        let mut out = Vec::new();
        let mut end = 0;
        for (first, last) in self.iter() {
            put_number(&mut out, first - end);
            put_number(&mut out, last - first + 1);
            end = last;
        }
        out == self.0.0
    }
}

/// Gathers the first deliveries of one turn into one entry.
#[derive(Debug, Default)]
pub(crate) struct RunWriter {
    out: Vec<u8>,
    end: Sequence,
    first: Sequence,
    last: Sequence,
    open: bool,
}

impl RunWriter {
    /// Notes a delivery; the first one since [`take`](Self::take) sets consumer sequence and time.
    pub(crate) fn push(&mut self, sequence: Sequence, consumer: u64, time: Timestamp) {
        if !self.open {
            self.out.clear();
            head(&mut self.out, 1, consumer, Some(time));
            (self.end, self.first, self.open) = (0, sequence, true);
        } else if sequence != self.last + 1 {
            self.close();
            self.first = sequence;
        }
        self.last = sequence;
    }

    /// The entry, if there was a delivery.
    pub(crate) fn take(&mut self) -> Option<&[u8]> {
        if !std::mem::take(&mut self.open) {
            return None;
        }
        self.close();
        Some(&self.out)
    }

    fn close(&mut self) {
        put_number(&mut self.out, self.first - self.end);
        put_number(&mut self.out, self.last - self.first + 1);
        self.end = self.last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn check(entry: Entry<'_>) {
        let mut out = Vec::new();
        entry.write(&mut out);
        assert_eq!(Entry::read(&out), Some(entry));
        for cut in 0..out.len() {
            assert_ne!(Entry::read(&out[..cut]), Some(entry));
        }
    }

    #[test]
    fn entries_come_back() {
        let (sequence, consumer, time) = (300, 7, NOW);
        check(Entry::Redelivered {
            sequence,
            consumer,
            time,
        });
        check(Entry::Acked { sequence, time });
        check(Entry::AckedTo {
            sequence,
            consumer,
            time,
        });
        check(Entry::Progressed { sequence, time });
        check(Entry::Delayed { sequence, time });
        check(Entry::Queued { sequence });
        check(Entry::Exhausted { sequence });
        check(Entry::Removed { first: 1, last: 9 });
        check(Entry::Reset { next: 4 });
        let reason = b"no such order";
        check(Entry::Condemned {
            sequence,
            time,
            reason,
        });
        check(Entry::Buried { sequence });
        check(Entry::Skipped { last: 9 });
    }

    #[test]
    fn deliveries_are_runs() {
        let mut writer = RunWriter::default();
        assert_eq!(writer.take(), None);
        for sequence in [5, 6, 7, 9, 100, 101] {
            writer.push(sequence, 3, NOW);
        }
        let bytes = writer.take().expect("there were deliveries").to_vec();
        assert_eq!(bytes.len(), 1 + 1 + 8 + 6);
        let Some(Entry::Delivered {
            consumer,
            time,
            runs,
        }) = Entry::read(&bytes)
        else {
            panic!("not a delivery: {bytes:?}");
        };
        assert_eq!((consumer, time), (3, NOW));
        assert_eq!(
            runs.iter().collect::<Vec<_>>(),
            [(5, 7), (9, 9), (100, 101)]
        );
        assert_eq!(writer.take(), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for bytes in [
            &b""[..],
            &[0],
            &[99, 1],
            &[7],
            &[7, 1, 1],
            &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0],
        ] {
            assert_eq!(Entry::read(bytes), None, "{bytes:?}");
        }
    }
}
