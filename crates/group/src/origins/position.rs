//! How far the sources of a stream are, kept in its journal.
//!
//! ```text
//! entry    = origin's sequence (8 bytes, little-endian) | stream's last sequence then (8) | identity
//! snapshot = for each source: length of its entry (4) | the entry
//! ```
//!
//! The messages themselves say where they come from. But they may be gone: consumed from a work
//! queue, too old, purged, or never stored because nobody wanted them. Without this, what is gone
//! would be taken once more.
//!
//! Invariant: an entry is written when all it speaks of is durable in the store; so it may say less
//! than the store knows, and never more.

use std::collections::VecDeque;

use cognate_model::{Sequence, WriteMark};
use cognate_stream::FoundSource;

use crate::interest::Place;
use crate::journal::Kept;

/// The place of a stream's sources in the journal; consumers begin with 1.
pub(crate) const PLACE: Place = 0;

/// Positions that wait to become durable. When there are more, the oldest are not written: a later
/// one says more.
const MAX_WAITING: usize = 1024;

/// One source's position.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    identity: String,
    /// Everything up to here was taken.
    origin: Sequence,
    /// Nothing of it came after this one of the stream's own.
    last: Sequence,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Positions {
    known: Vec<Position>,
    waiting: VecDeque<(WriteMark, Position)>,
}

impl Positions {
    /// What the journal says.
    pub(crate) fn new(kept: &Kept) -> Self {
        let mut positions = Positions::default();
        let mut rest = kept.snapshot.as_deref().unwrap_or_default();
        while let Some((len, after)) = rest.split_first_chunk() {
            let len = u32::from_le_bytes(*len) as usize;
            let Some((entry, after)) = after.split_at_checked(len) else {
                break;
            };
            positions.note(Position::read(entry));
            rest = after;
        }
        for entry in &kept.entries {
            positions.note(Position::read(entry));
        }
        positions
    }

    fn note(&mut self, position: Option<Position>) {
        let Some(position) = position else {
            return;
        };
        let mut known = self.known.iter_mut();
        match known.find(|known| known.identity == position.identity) {
            Some(known) => *known = position,
            None => self.known.push(position),
        }
    }

    /// Forgets sources that are not configured any more.
    pub(crate) fn keep_only(&mut self, is_wanted: impl Fn(&str) -> bool) {
        self.known.retain(|position| is_wanted(&position.identity));
        self.waiting
            .retain(|(_, position)| is_wanted(&position.identity));
    }

    /// What is known of a source.
    pub(crate) fn of(&self, identity: &str) -> Option<FoundSource> {
        let mut known = self.known.iter();
        let position = known.find(|known| known.identity == identity)?;
        Some(FoundSource {
            origin: position.origin,
            sequence: position.last,
        })
    }

    /// A batch was written up to `written`.
    pub(crate) fn seal(
        &mut self,
        identity: &str,
        origin: Sequence,
        last: Sequence,
        written: WriteMark,
    ) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        let position = Position {
            identity: identity.to_owned(),
            origin,
            last,
        };
        self.waiting.push_back((written, position));
    }

    /// The store is durable up to `durable`: hands the entries that may be kept to `keep`.
    pub(crate) fn release(&mut self, durable: WriteMark, mut keep: impl FnMut(&[u8])) {
        while let Some((_, position)) = self.waiting.pop_front_if(|(mark, _)| *mark <= durable) {
            let mut entry = Vec::new();
            position.write(&mut entry);
            keep(&entry);
            self.note(Some(position));
        }
    }

    /// All that is known; nothing if that is nothing.
    pub(crate) fn snapshot(&self) -> Option<Vec<u8>> {
        let (mut out, mut entry) = (Vec::new(), Vec::new());
        for position in &self.known {
            entry.clear();
            position.write(&mut entry);
            out.extend_from_slice(&(entry.len() as u32).to_le_bytes());
            out.extend_from_slice(&entry);
        }
        (!out.is_empty()).then_some(out)
    }
}

impl Position {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.origin.to_le_bytes());
        out.extend_from_slice(&self.last.to_le_bytes());
        out.extend_from_slice(self.identity.as_bytes());
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (origin, rest) = bytes.split_first_chunk()?;
        let (last, identity) = rest.split_first_chunk()?;
        Some(Position {
            identity: String::from_utf8(identity.to_vec()).ok()?,
            origin: u64::from_le_bytes(*origin),
            last: u64::from_le_bytes(*last),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(origin: Sequence, sequence: Sequence) -> Option<FoundSource> {
        Some(FoundSource { origin, sequence })
    }

    #[test]
    fn positions_are_kept_when_they_are_durable() {
        let mut positions = Positions::default();
        positions.seal("A > >", 5, 2, WriteMark(2));
        positions.seal("B > >", 7, 3, WriteMark(3));
        let mut entries = Vec::new();
        positions.release(WriteMark(2), |entry| entries.push(entry.to_vec()));
        assert_eq!((entries.len(), positions.of("A > >")), (1, found(5, 2)));
        assert_eq!(positions.of("B > >"), None);
        let snapshot = positions.snapshot();
        positions.release(WriteMark(9), |entry| entries.push(entry.to_vec()));
        let last = entries.pop().expect("an entry");
        let read = |snapshot, entries| Positions::new(&Kept { snapshot, entries });
        let mut again = read(snapshot.clone(), vec![last, b"torn".to_vec()]);
        assert_eq!(again.of("A > >"), found(5, 2));
        assert_eq!(again.of("B > >"), found(7, 3));
        again.keep_only(|identity| identity == "B > >");
        assert_eq!((again.of("A > >"), again.of("B > >")), (None, found(7, 3)));
        let torn = snapshot.map(|bytes| bytes[..bytes.len() - 1].to_vec());
        assert_eq!(read(torn, entries).of("A > >"), found(5, 2));
    }

    #[test]
    fn positions_that_wait_are_bounded() {
        let mut positions = Positions::default();
        for at in 1..=2 * MAX_WAITING as u64 {
            positions.seal("A > >", at, at, WriteMark(at));
        }
        assert_eq!(positions.waiting.len(), MAX_WAITING);
    }
}
