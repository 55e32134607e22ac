//! What restarting needs to know about messages that are gone, apart from the records that say so.
//!
//! Two alternating copies, `state.a` and `state.b`. Each covers all records of segments below a
//! number; together they allow such a segment to be dropped when nothing lives in it, though it
//! holds removals of messages elsewhere. Without either, the records themselves tell.
//!
//! Invariant: a copy is written only when everything it tells is durable in the log, and counts
//! only once it is durable itself.

use cognate_model::{DamagedRange, Deadline, Sequence, Timestamp};

use super::deadlines::Deadlines;
use crate::bytes::{Put, Reader};
use crate::disk::{Disk, DiskError};
use crate::log::Log;
use crate::log::bits::Bits;
use crate::log::sidecar::{put_deadline, read_deadline};
use crate::pair::{Side, read_copies, write_copy};

/// The document's name, without the endings of its copies.
const NAME: &str = "state";

/// What a copy tells.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// All records of segments below this number are taken into account.
    pub(super) covers: u64,
    pub(super) floor: Sequence,
    pub(super) last: Sequence,
    pub(super) last_time: Timestamp,
    pub(super) segments: Vec<SegmentState>,
    pub(super) damage: Vec<DamagedRange>,
    /// Deadlines that are not those the messages were stored with.
    pub(super) changed: Vec<(Sequence, Option<Deadline>)>,
}

/// What is gone of one segment.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentState {
    pub(super) number: u64,
    pub(super) base: Sequence,
    pub(super) end: Sequence,
    pub(super) gone: Bits,
}

/// Who may forget what.
pub(super) struct Checkpoints {
    generation: u64,
    older: Side,
    /// Up to where the copies on disk cover the log; A and B.
    covers: [u64; 2],
    /// Waits until the log is as durable as it tells: the mark, what it covers, the bytes.
    pending: Option<(u64, u64, Vec<u8>)>,
    /// Written, to be synced.
    written: Option<(Side, u64)>,
    syncing: Option<(Side, u64)>,
    /// Bytes of the last copy.
    pub(super) last_len: u64,
}

impl Checkpoints {
    /// Reads the copies; the newest that can be read comes back too.
    pub(super) fn open<D: Disk>(disk: &D, stream: u64) -> Result<(Self, Option<State>), DiskError> {
        let mut this = Self {
            generation: 0,
            older: Side::A,
            covers: [0; 2],
            pending: None,
            written: None,
            syncing: None,
            last_len: 0,
        };
        let mut newest: Option<State> = None;
        for copy in read_copies(disk, NAME)? {
            let Some(state) = decode(&copy.body, stream) else {
                continue;
            };
            this.covers[copy.side as usize] = state.covers;
            if copy.generation >= this.generation {
                this.generation = copy.generation;
                this.older = copy.side.other();
                this.last_len = copy.body.len() as u64;
                newest = Some(state);
            }
        }
        Ok((this, newest))
    }

    /// Both copies cover all records of segments below this number.
    pub(super) fn settled(&self) -> u64 {
        self.covers[0].min(self.covers[1])
    }

    /// Whether one is on its way.
    pub(super) fn is_busy(&self) -> bool {
        self.pending.is_some() || self.written.is_some() || self.syncing.is_some()
    }

    /// Keeps what is so now, to be written once everything up to `mark` is durable.
    pub(super) fn take(&mut self, mark: u64, covers: u64, bytes: Vec<u8>) {
        self.last_len = bytes.len() as u64;
        self.pending = Some((mark, covers, bytes));
    }

    /// Writes what waited for `durable`; the file must be synced then.
    pub(super) fn write_due<D: Disk>(
        &mut self,
        disk: &D,
        durable: u64,
    ) -> Result<Option<D::File>, DiskError> {
        let due = self.pending.take_if(|(mark, _, _)| *mark <= durable);
        let Some((_, covers, bytes)) = due else {
            return Ok(None);
        };
        let side = self.older;
        // Until it is durable, that side covers nothing.
        self.covers[side as usize] = 0;
        let file = write_copy(disk, NAME, side, self.generation + 1, &bytes)?;
        self.generation += 1;
        self.older = side.other();
        self.written = Some((side, covers));
        Ok(Some(file))
    }

    pub(super) fn sync_begins(&mut self) {
        self.syncing = self.written.take();
    }

    pub(super) fn sync_ends(&mut self) {
        if let Some((side, covers)) = self.syncing.take() {
            self.covers[side as usize] = covers;
        }
    }
}

/// What is so now.
pub(super) fn encode<D: Disk>(
    log: &Log<D>,
    last: Sequence,
    damage: &[DamagedRange],
    deadlines: &Deadlines,
) -> Vec<u8> {
    let mut out = Vec::new();
    let covers = log.segments.last().map_or(0, |segment| segment.number);
    out.put_u64(log.stream);
    out.put_u64(covers);
    out.put_u64(log.floor);
    out.put_u64(last);
    out.put_i64(log.last_time.0);
    out.put_u32(log.segments.len() as u32);
    for segment in &log.segments {
        out.put_u64(segment.number);
        out.put_u64(segment.base);
        out.put_u64(segment.end);
        let words = segment.gone.words();
        out.put_u32(words.len() as u32);
        for word in words {
            out.put_u64(*word);
        }
    }
    out.put_u32(damage.len() as u32);
    for range in damage {
        out.put_u64(range.first);
        out.put_u64(range.last);
    }
    out.put_u32(deadlines.changed().len() as u32);
    for (sequence, deadline) in deadlines.changed() {
        out.put_u64(*sequence);
        put_deadline(&mut out, *deadline);
    }
    out
}

fn decode(bytes: &[u8], stream: u64) -> Option<State> {
    let mut reader = Reader::new(bytes);
    if reader.u64()? != stream {
        return None;
    }
    let mut state = State {
        covers: reader.u64()?,
        floor: reader.u64()?,
        last: reader.u64()?,
        last_time: Timestamp(reader.i64()?),
        ..State::default()
    };
    for _ in 0..reader.u32()? {
        let (number, base, end) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let mut words = Vec::new();
        for _ in 0..reader.u32()? {
            words.push(reader.u64()?);
        }
        state.segments.push(SegmentState {
            number,
            base,
            end,
            gone: Bits::from_words(words),
        });
    }
    for _ in 0..reader.u32()? {
        let (first, last) = (reader.u64()?, reader.u64()?);
        state.damage.push(DamagedRange { first, last });
    }
    for _ in 0..reader.u32()? {
        let sequence = reader.u64()?;
        state.changed.push((sequence, read_deadline(&mut reader)?));
    }
    Some(state)
}
