//! The consumers' journal, if the group keeps one: who an entry belongs to, and when a snapshot is
//! due.
//!
//! ```text
//! entry    = place of the consumer (8 bytes, little-endian) | kind (1 byte) | bytes
//!            kind 0: an entry of the consumer, 1: the consumer begins with this snapshot, 2: it ends
//! snapshot = for each consumer: place (8) | length (4) | its own snapshot
//! ```
//!
//! Invariants: a generation starts with the snapshots of all consumers; an entry that could not be
//! kept because there was no space is made up for by the next snapshot, and until then nothing that
//! depends on it counts as written.

use std::collections::BTreeMap;

use cognate_model::{StoreError, Timestamp, WriteMark};
use cognate_store::disk::{Disk, DiskError, SyncTicket};
use cognate_store::{Journal, Recovered};

use crate::interest::Place;

/// Bytes of entries after which a snapshot may take their place.
const SNAPSHOT_AFTER: u64 = 4 * 1024 * 1024;

/// How long entries that nobody waits for may stay unsynced.
const LAZY_SYNC: std::time::Duration = std::time::Duration::from_secs(1);

const ENTRY: u8 = 0;
const BEGIN: u8 = 1;
const END: u8 = 2;

/// A journal, or none for a group that is in memory.
pub(crate) struct Keeper<D: Disk> {
    journal: Option<Journal<D>>,
    recovered: BTreeMap<Place, Kept>,
    scratch: Vec<u8>,
    /// Entries are kept, from the next snapshot on.
    is_begun: bool,
    /// An entry could not be kept.
    missed: bool,
    /// Bytes of entries since the last snapshot.
    since_snapshot: u64,
    /// When entries that nobody waits for are synced.
    lazy_at: Option<Timestamp>,
}

/// What was kept of a consumer.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) snapshot: Option<Vec<u8>>,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl<D: Disk> Keeper<D> {
    /// A keeper over what a journal holds.
    pub(crate) fn new(journal: Option<(Journal<D>, Recovered)>) -> Self {
        let (journal, recovered) = match journal {
            Some((journal, recovered)) => (Some(journal), sort(recovered)),
            None => (None, BTreeMap::new()),
        };
        Keeper {
            journal,
            recovered,
            scratch: Vec::new(),
            is_begun: false,
            missed: false,
            since_snapshot: 0,
            lazy_at: None,
        }
    }

    /// All consumers are there: what happens to them is kept from now on, after a snapshot.
    pub(crate) fn begin_keeping(&mut self) {
        self.is_begun = true;
        self.missed = true;
    }

    /// Keeps an entry of a consumer.
    #[inline]
    pub(crate) fn append(&mut self, place: Place, entry: &[u8]) {
        self.put(place, ENTRY, entry);
    }

    /// A consumer is there from now on.
    pub(crate) fn begin(&mut self, place: Place, snapshot: &[u8]) {
        self.put(place, BEGIN, snapshot);
    }

    /// A consumer is gone.
    pub(crate) fn end(&mut self, place: Place) {
        self.put(place, END, &[]);
    }

    fn put(&mut self, place: Place, kind: u8, bytes: &[u8]) {
        let Some(journal) = self.journal.as_mut().filter(|_| self.is_begun) else {
            return;
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(&place.to_le_bytes());
        self.scratch.push(kind);
        self.scratch.extend_from_slice(bytes);
        self.since_snapshot += self.scratch.len() as u64;
        // A failure for good shows at the next flush.
        self.missed |= journal.append(&self.scratch).is_err();
    }

    /// Takes what was kept of a consumer.
    pub(crate) fn take_recovered(&mut self, place: Place) -> Kept {
        self.recovered.remove(&place).unwrap_or_default()
    }

    /// Whether the snapshots of all consumers should be given to [`snapshot`](Self::snapshot) now.
    pub(crate) fn wants_snapshot(&self) -> bool {
        let Some(journal) = &self.journal else {
            return false;
        };
        let is_long = self.since_snapshot > SNAPSHOT_AFTER && journal.wants_snapshot();
        self.is_begun && (self.missed || is_long)
    }

    /// Begins a new generation with the snapshots of all consumers.
    pub(crate) fn snapshot<'s>(
        &mut self,
        consumers: impl Iterator<Item = (Place, &'s [u8])>,
    ) -> Result<(), StoreError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        journal.snapshot(&crate::freeze::journal_snapshot(consumers))?;
        self.missed = false;
        self.since_snapshot = 0;
        self.recovered = BTreeMap::new();
        Ok(())
    }

    pub(crate) fn flush(&mut self) -> Result<(), StoreError> {
        self.journal.as_mut().map_or(Ok(()), Journal::flush)
    }

    /// A sync, if somebody waits for one (`is_awaited`) or it is time.
    pub(crate) fn begin_sync(&mut self, now: Timestamp, is_awaited: bool) -> Option<SyncTicket<D>> {
        let journal = self.journal.as_mut()?;
        if journal.durable() == journal.written() {
            self.lazy_at = None;
            return None;
        }
        let due = *self.lazy_at.get_or_insert(now.after(LAZY_SYNC));
        if !is_awaited && now < due {
            return None;
        }
        self.lazy_at = None;
        journal.begin_sync()
    }

    pub(crate) fn finish_sync(
        &mut self,
        ticket: SyncTicket<D>,
        result: Result<(), DiskError>,
    ) -> Result<(), StoreError> {
        match &mut self.journal {
            Some(journal) => journal.finish_sync(ticket, result),
            None => Ok(()),
        }
    }

    /// When entries are to be synced that nobody waits for.
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        self.lazy_at
    }

    pub(crate) fn written(&self) -> WriteMark {
        match &self.journal {
            None => WriteMark(0),
            // What is missing comes with the next change, a snapshot.
            Some(journal) => WriteMark(journal.written().0 + u64::from(self.missed)),
        }
    }

    pub(crate) fn durable(&self) -> WriteMark {
        self.journal.as_ref().map_or(WriteMark(0), Journal::durable)
    }

    pub(crate) fn close(&mut self) {
        if let Some(journal) = &mut self.journal {
            // What cannot be written now was not confirmed to anybody.
            let _ = journal.sync();
        }
    }
}

/// What was kept, by consumer. What makes no sense is left out: the consumer then lacks it, and
/// delivers a message once more rather than never.
fn sort(recovered: Recovered) -> BTreeMap<Place, Kept> {
    let mut all = BTreeMap::new();
    let mut rest = recovered.snapshot.as_deref().unwrap_or_default();
    while let Some((place, after)) = take_place(rest) {
        let Some((len, after)) = after.split_first_chunk() else {
            break;
        };
        let Some((snapshot, after)) = after.split_at_checked(u32::from_le_bytes(*len) as usize)
        else {
            break;
        };
        let kept = Kept {
            snapshot: Some(snapshot.to_vec()),
            entries: Vec::new(),
        };
        all.insert(place, kept);
        rest = after;
    }
    for entry in recovered.entries {
        let Some((place, [kind, bytes @ ..])) = take_place(&entry) else {
            continue;
        };
        match *kind {
            BEGIN => {
                let kept = Kept {
                    snapshot: Some(bytes.to_vec()),
                    entries: Vec::new(),
                };
                all.insert(place, kept);
            }
            END => {
                all.remove(&place);
            }
            ENTRY => {
                let kept: &mut Kept = all.entry(place).or_default();
                kept.entries.push(bytes.to_vec());
            }
            _ => {}
        }
    }
    all
}

fn take_place(bytes: &[u8]) -> Option<(Place, &[u8])> {
    let (place, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*place), rest))
}
