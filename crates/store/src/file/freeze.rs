//! What a store holds at one moment, to be read while the store goes on.
//!
//! A [`Frozen`] has the segments' files open and knows which of their messages were there. Segments
//! are only appended to, and rewritten under other names, so what was there stays readable: whatever
//! is stored, removed or compacted meanwhile changes nothing. Only what is erased goes from here,
//! too. It costs an open file for every segment, and a bit for every sequence that was given.

use std::ops::ControlFlow;
use std::sync::Arc;

use cognate_model::{DamagedRange, Message, Sequence, StoreError, StoreState};

use super::FileStore;
use crate::disk::Disk;
use crate::log::bits::Bits;
use crate::log::failed;
use crate::log::header::{self, HEADER_LEN};
use crate::log::record::Decoded;
use crate::log::scan::{Event, Verdict, scan};
use crate::vault::Vault;

/// Ranges that are told of what could not be read.
const MAX_RANGES: usize = 1000;

/// What a store held at one moment.
pub struct Frozen<D: Disk> {
    state: StoreState,
    segments: Vec<Segment<D::File>>,
    /// What reads encrypted messages.
    vault: Option<Arc<Vault>>,
}

struct Segment<F> {
    file: F,
    salt: u32,
    base: Sequence,
    end: Sequence,
    data_end: u64,
    gone: Bits,
}

impl<D: Disk> FileStore<D> {
    /// Keeps hold of what is stored now. Takes no longer than opening the segments' files.
    ///
    /// # Errors
    /// If what waits cannot be written, or a file not be opened.
    pub fn freeze(&mut self) -> Result<Frozen<D>, StoreError> {
        self.flush()?;
        let mut segments = Vec::with_capacity(self.log.segments.len());
        for at in 0..self.log.segments.len() {
            let segment = &self.log.segments[at];
            if segment.live == 0 {
                continue;
            }
            let file = match &segment.file {
                Some(file) => file.clone(),
                None => {
                    // Not through the log, which would close others for it.
                    let name = header::log_name(segment.number, segment.generation);
                    let mode = crate::disk::OpenMode::Existing;
                    let opened = self.log.disk.open(&name, mode).map_err(failed)?;
                    opened.ok_or_else(|| StoreError::Failed(format!("{name} is missing")))?
                }
            };
            segments.push(Segment {
                file,
                salt: segment.salt,
                base: segment.base,
                end: segment.end,
                data_end: segment.data_end,
                gone: segment.gone.clone(),
            });
        }
        Ok(Frozen {
            state: self.state_now(),
            segments,
            vault: self.log.folder.vault.clone(),
        })
    }
}

impl<D: Disk> Frozen<D> {
    /// What was held.
    #[must_use]
    pub fn state(&self) -> StoreState {
        self.state
    }

    /// Visits the messages in order until `visit` breaks off. Returns what could not be read, which
    /// is damaged or was erased since; some of it, if it is very much.
    ///
    /// # Errors
    /// If the disk failed.
    pub fn for_each(
        &self,
        visit: &mut dyn FnMut(&Message<'_>) -> ControlFlow<()>,
    ) -> Result<Vec<DamagedRange>, StoreError> {
        let mut unread = Vec::new();
        for segment in &self.segments {
            let mut left = segment.gone.clone();
            let mut next = segment.base;
            let mut is_over = false;
            let keys = (segment.salt, self.vault.as_deref());
            let scanned = scan(&segment.file, HEADER_LEN, keys, |event| {
                let (offset, record) = match event {
                    Event::Record { offset, record } => (offset, record),
                    Event::BadBody { offset, .. } => (offset, Decoded::Invalid),
                    Event::Hole { start, .. } => (start, Decoded::Invalid),
                };
                if offset >= segment.data_end {
                    return Verdict::Cut;
                }
                let Decoded::Message {
                    body: Some(message),
                    ..
                } = record
                else {
                    return Verdict::GoOn;
                };
                let sequence = message.sequence;
                let is_held = (next..segment.end).contains(&sequence)
                    && !segment.gone.contains(sequence - segment.base);
                if is_held {
                    next = sequence + 1;
                    left.insert(sequence - segment.base);
                    is_over = visit(&message).is_break();
                }
                if is_over { Verdict::Cut } else { Verdict::GoOn }
            });
            scanned.map_err(failed)?;
            if is_over {
                break;
            }
            note_unread(&left, segment.base, segment.end, &mut unread);
        }
        Ok(unread)
    }
}

fn note_unread(left: &Bits, base: Sequence, end: Sequence, out: &mut Vec<DamagedRange>) {
    let mut at = 0;
    while let Some(first) = left.first_absent(at, end - base) {
        if out.len() >= MAX_RANGES {
            return;
        }
        let after = left.first_present(first, end - base);
        out.push(DamagedRange {
            first: base + first,
            last: base + after - 1,
        });
        at = after;
    }
}

#[cfg(test)]
mod tests {
    use cognate_model::{MessageStore as _, NewMessage, Timestamp};

    use super::*;
    use crate::disk::sim::SimDisk;
    use crate::file::FileStoreOptions;

    fn append<D: Disk>(store: &mut FileStore<D>, from: u64, count: u64) {
        for n in from..from + count {
            let payload = format!("message {n} ").repeat(20);
            let message = NewMessage {
                timestamp: Timestamp(n as i64),
                subject: b"s",
                headers: b"",
                payload: payload.as_bytes(),
                deadline: None,
                has_id: false,
            };
            store.append(&message).expect("there is room");
        }
    }

    fn sequences<D: Disk>(frozen: &Frozen<D>) -> Vec<u64> {
        let mut found = Vec::new();
        let unread = frozen.for_each(&mut |message| {
            assert!(
                message
                    .payload
                    .starts_with(format!("message {} ", message.sequence).as_bytes())
            );
            found.push(message.sequence);
            ControlFlow::Continue(())
        });
        assert_eq!(unread.expect("the disk works"), []);
        found
    }

    #[test]
    fn what_happens_later_changes_nothing() {
        let options = FileStoreOptions {
            segment_bytes: 64 << 10,
            ..FileStoreOptions::new(1, 2)
        };
        let (mut store, _) = FileStore::open(SimDisk::new(1), options).expect("the disk is empty");
        append(&mut store, 1, 2000);
        for sequence in (1..=2000).step_by(7) {
            store.remove(sequence, false).expect("there is room");
        }
        let expected: Vec<u64> = (1..=2000).filter(|n| n % 7 != 1).collect();
        let frozen = store.freeze().expect("the disk works");
        assert_eq!(frozen.state(), store.state());
        assert_eq!(sequences(&frozen), expected);
        append(&mut store, 2001, 500);
        store.remove_below(1990).expect("there is room");
        store.sync().expect("the disk works");
        for _ in 0..200 {
            store.settle().expect("the disk works");
            store.maintain(1 << 20).expect("the disk works");
            store.sync().expect("the disk works");
        }
        assert_eq!(sequences(&frozen), expected);
        let mut seen = 0;
        let stopped = frozen.for_each(&mut |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((stopped.expect("the disk works"), seen), (Vec::new(), 1));
    }
}
