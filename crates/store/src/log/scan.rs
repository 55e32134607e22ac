//! Reads a segment from one end to the other, over damage if there is any.
//!
//! What is no record is passed in steps of 8 bytes until one begins again. Each stretch that is
//! passed is reported with whether it looks torn: a write that a loss of power cut short leaves
//! whole sectors as they were, which is zeros here, while other damage leaves what it did not hit.
//! Memory is bounded by the longest record.

use super::fold::unfold;
use super::record::{self, ALIGN, Decoded, Head};
use crate::bytes::Reader;
use crate::disk::{DiskError, DiskFile};
use crate::vault::Vault;

const WINDOW: usize = 1 << 20;
/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// What a scan comes by.
pub(crate) enum Event<'a> {
    /// A record at `offset`.
    Record { offset: u64, record: Decoded<'a> },
    /// A message whose body is damaged.
    BadBody {
        offset: u64,
        head: Head<'a>,
        torn: bool,
    },
    /// No records between `start` and the next event.
    Hole { start: u64, torn: bool },
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// After the last record.
    pub(crate) offset: u64,
    /// Whether anything but zeros stands behind it, or less than there always is.
    pub(crate) dirty: bool,
    /// Whether that looks like a write that was cut short.
    pub(crate) torn: bool,
    /// The highest sequence that it mentions in what may have been heads of messages.
    pub(crate) rumoured: u64,
}

impl End {
    /// A scan that came to the end of the file.
    fn after(offset: u64, size: u64, hole: Option<Hole>) -> Self {
        Self {
            offset,
            // A segment has zeros behind its last record; none at all means that it was cut.
            dirty: hole.is_some_and(|hole| hole.dirty) || offset >= size,
            torn: hole.is_some_and(|hole| hole.torn_inside),
            rumoured: hole.map_or(0, |hole| hole.rumoured),
        }
    }

    fn cut(offset: u64) -> Self {
        Self {
            offset,
            dirty: true,
            torn: true,
            rumoured: 0,
        }
    }
}

/// Whether to go on.
pub(crate) enum Verdict {
    GoOn,
    /// The segment ends before what was reported.
    Cut,
}

struct Window<'f, F> {
    file: &'f F,
    size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<F: DiskFile> Window<'_, F> {
    /// What stands at `offset`: `len` bytes, or what there is of them.
    fn at(&mut self, offset: u64, len: usize) -> Result<&[u8], DiskError> {
        let want = self.size.saturating_sub(offset).min(len as u64) as usize;
        let held =
            offset >= self.start && offset + want as u64 <= self.start + self.bytes.len() as u64;
        if !held {
            let fill = self.size.saturating_sub(offset).min(len.max(WINDOW) as u64);
            self.bytes.clear();
            self.bytes.resize(fill as usize, 0);
            let read = self.file.read_at(&mut self.bytes, offset)?;
            self.bytes.truncate(read);
            self.start = offset;
        }
        let from = (offset - self.start) as usize;
        let end = (from + want).min(self.bytes.len());
        Ok(self.bytes.get(from..end).unwrap_or_default())
    }
}

/// Follows a stretch without records.
#[derive(Clone, Copy)]
struct Hole {
    start: u64,
    sector: u64,
    sector_is_zero: bool,
    torn: bool,
    /// The same, but only where something that is not zero follows.
    torn_inside: bool,
    dirty: bool,
    rumoured: u64,
}

impl Hole {
    fn at(start: u64) -> Self {
        Self {
            start,
            sector: start / SECTOR,
            sector_is_zero: true,
            torn: false,
            torn_inside: false,
            dirty: false,
            rumoured: 0,
        }
    }

    /// Passes the first word of `bytes`, which may go on for the head of a message.
    fn pass(&mut self, offset: u64, bytes: &[u8]) {
        let word = bytes.get(..ALIGN).unwrap_or(bytes);
        if offset / SECTOR != self.sector {
            self.torn |= self.sector_is_zero;
            self.sector = offset / SECTOR;
            self.sector_is_zero = true;
        }
        if word.iter().any(|byte| *byte != 0) {
            self.sector_is_zero = false;
            self.dirty = true;
            self.torn_inside |= self.torn;
            self.rumoured = self.rumoured.max(rumoured_sequence(bytes).unwrap_or(0));
        }
    }

    fn is_torn(&self) -> bool {
        self.torn || self.sector_is_zero
    }
}

/// Whether a stretch that should be a body has a sector, or its part of one, that is all zeros.
fn has_zero_sector(offset: u64, bytes: &[u8]) -> bool {
    let mut hole = Hole::at(offset);
    let mut at = offset;
    for word in bytes.chunks(ALIGN) {
        hole.pass(at, word);
        at += word.len() as u64;
    }
    hole.is_torn()
}

/// The sequence of what may have been the head of a message.
fn rumoured_sequence(bytes: &[u8]) -> Option<u64> {
    record::claimed_len(bytes)?;
    let mut reader = Reader::new(bytes);
    reader.take(6)?;
    let is_message = reader.u8()? == record::KIND_MESSAGE;
    reader.take(9)?;
    reader.u64().filter(|_| is_message)
}

/// What stands in `record`, as it was given to the store.
fn as_given<'a>(
    record: Option<&'a [u8]>,
    (salt, vault): (u32, Option<&Vault>),
    scratch: &'a mut Vec<u8>,
) -> Result<Decoded<'a>, DiskError> {
    let decoded = record.map_or(Decoded::Invalid, |bytes| record::decode(bytes, salt));
    if vault.is_none() && decoded.is_sealed() {
        return Err(DiskError::Other("messages are encrypted".to_owned()));
    }
    Ok(unfold(vault, decoded, scratch))
}

/// Visits what stands from `from` on.
pub(crate) fn scan<F: DiskFile>(
    file: &F,
    from: u64,
    (salt, vault): (u32, Option<&Vault>),
    mut visit: impl FnMut(Event<'_>) -> Verdict,
) -> Result<End, DiskError> {
    let size = file.size()?;
    let mut window = Window {
        file,
        size,
        start: 0,
        bytes: Vec::new(),
    };
    let (mut at, mut end) = (from, from);
    let mut scratch = Vec::new();
    let mut hole: Option<Hole> = None;
    while at < size {
        let bytes = window.at(at, record::SHORTEST)?;
        if bytes.is_empty() {
            break;
        }
        let claimed = record::claimed_len(bytes).filter(|len| at + *len as u64 <= size);
        // The head first: what only looks like a long record is not to be read to its end at every
        // step.
        let head_len = claimed.map_or(record::MESSAGE_HEAD, |len| len.min(record::LONGEST_HEAD));
        let believed = record::head_is_right(window.at(at, head_len)?, salt);
        let claimed = claimed.filter(|_| believed);
        let bytes = window.at(at, claimed.unwrap_or(head_len))?;
        let record = claimed.and(Some(bytes));
        let decoded = as_given(record, (salt, vault), &mut scratch)?;
        let (len, event) = match decoded {
            Decoded::Invalid => {
                let passing = hole.get_or_insert(Hole::at(at));
                if passing.start == at && head_len > record::SHORTEST {
                    // All of what should be a record is here; the write of it may not be.
                    passing.torn_inside = has_zero_sector(at, bytes);
                }
                passing.pass(at, bytes);
                at += ALIGN as u64;
                continue;
            }
            Decoded::Message { head, body, len } if body.is_none() => {
                let torn = has_zero_sector(at, bytes.get(..len).unwrap_or_default());
                let offset = at;
                (len, Event::BadBody { offset, head, torn })
            }
            // Unfolded, there are none of them.
            Decoded::Folded { len, .. }
            | Decoded::Message { len, .. }
            | Decoded::Control { len, .. } => {
                let (offset, record) = (at, decoded);
                (len, Event::Record { offset, record })
            }
        };
        if let Some(passed) = hole.take() {
            let (start, torn) = (passed.start, passed.is_torn());
            if let Verdict::Cut = visit(Event::Hole { start, torn }) {
                return Ok(End::cut(start));
            }
        }
        if let Verdict::Cut = visit(event) {
            return Ok(End::cut(at));
        }
        at += record::padded(len) as u64;
        end = at;
    }
    Ok(End::after(end, size, hole))
}
