//! A small log of changes with snapshots: where a consumer's state is kept.
//!
//! ```text
//! <name>.<generation, 16 hex digits>.jnl
//!  0  magic "CGNTJNL\0"   8 crc u32 over 12..40   12 version u16 = 1   14 0 u16
//! 16  owner u64          24 generation u64        32 0 u64
//! 40  records: crc u32 over 4.., kind u16 (1 snapshot, 2 entry, 3 synced), flags u16 (1: bytes are
//!     encrypted: nonce, sealed bytes, tag), len u32, 0 u32, bytes; each padded with zeros to a multiple of 8
//! ```
//!
//! A generation starts with a snapshot; entries follow. A new generation is written beside the old
//! one, which stays until the next: should a snapshot be damaged, the old one and its entries say
//! the same. Entries are opaque, and are to be such that those that are left still make sense when
//! one is damaged (each names the message it is about).
//!
//! Invariant: what is recovered is what was written, in its order, with nothing in between but what
//! is reported as lost. Called by the one owner of the consumer; syncs like the store, by tickets.

mod codec;
mod recover;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use cognate_model::{StoreError, WriteMark};

use self::codec::{HEADER, Kind};
use crate::disk::{Disk, DiskError, DiskFile, OpenMode, SyncTicket};
use crate::log::failed;
use crate::vault::Vault;

pub use self::recover::Recovered;

/// Space is taken in such steps.
const STEP: u64 = 16 << 10;
/// Bytes of the largest snapshot or entry.
const LIMIT: usize = 64 << 20;

/// A journal.
pub struct Journal<D: Disk> {
    disk: D,
    name: String,
    vault: Option<Arc<Vault>>,
    /// What the owner is; records of another owner of the same name are not taken for its.
    owner: u64,
    generation: u64,
    file: Option<D::File>,
    /// Where the buffer goes in the file.
    at: u64,
    allocated: u64,
    buffer: Vec<u8>,
    /// Bytes of the snapshot at the start of this generation.
    snapshot_len: u64,
    written: u64,
    flushed: u64,
    durable: u64,
    dirty: bool,
    dir_dirty: bool,
    syncing: bool,
    /// Up to where the file was synced, and was when the ticket that is out was made.
    synced_to: u64,
    syncing_to: (u64, u64),
    marked: u64,
    /// Generations to be removed once the newest is durable, and the mark for that.
    stale: Vec<u64>,
    failure: Option<String>,
}

impl<D: Disk> Journal<D> {
    /// Opens the journal `name`, or makes an empty one. `owner` is a random number that was drawn
    /// when what it is about was created. Waits for the disk.
    ///
    /// If the disk has a vault its records are encrypted; one that is encrypted cannot be opened
    /// without.
    pub fn open(disk: D, name: &str, owner: u64) -> Result<(Self, Recovered), StoreError> {
        let vault = disk.vault();
        let found = recover::recover(&disk, name, owner, vault.as_deref());
        let (files, recovered) = found.map_err(failed)?;
        let newest = files.iter().map(|file| file.generation).max();
        let journal = Self {
            disk,
            vault,
            name: name.to_owned(),
            owner,
            generation: newest.unwrap_or(0),
            file: None,
            at: 0,
            allocated: 0,
            buffer: Vec::new(),
            snapshot_len: 0,
            written: 0,
            flushed: 0,
            durable: 0,
            dirty: false,
            dir_dirty: false,
            syncing: false,
            synced_to: 0,
            syncing_to: (0, 0),
            marked: 0,
            stale: files.iter().map(|file| file.generation).collect(),
            failure: None,
        };
        Ok((journal, recovered))
    }

    /// Appends an entry. After opening, a snapshot comes first.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), StoreError> {
        self.put(Kind::Entry, entry)
    }

    /// Begins a new generation with this snapshot, which takes the place of all before it.
    pub fn snapshot(&mut self, snapshot: &[u8]) -> Result<(), StoreError> {
        self.check_writable()?;
        if snapshot.len() > LIMIT {
            return Err(StoreError::TooLarge);
        }
        self.flush()?;
        let started = self.start(snapshot).map_err(failed);
        self.poison_if_failed(started)
    }

    /// Whether the entries since the snapshot are many enough for another one.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        const FEW: u64 = 64 << 10;
        self.file.is_none() || self.end() > 4 * self.snapshot_len + FEW
    }

    /// Hands everything to the file, with one write.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.check_writable()?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.synced_to > self.marked {
            let (offset, salt) = (self.synced_to.to_le_bytes(), self.salt());
            if self.end() + 64 <= self.allocated {
                codec::put(&mut self.buffer, salt, Kind::Synced, &offset);
                self.marked = self.synced_to;
            }
        }
        let written = file.write_at(&self.buffer, self.at).map_err(failed);
        if written.is_ok() {
            self.at += self.buffer.len() as u64;
            self.buffer.clear();
            self.flushed = self.written;
            self.dirty = true;
        }
        self.poison_if_failed(written)
    }

    /// What has to be done to make durable what was flushed; see
    /// [`FileStore::begin_sync`](crate::FileStore::begin_sync).
    pub fn begin_sync(&mut self) -> Option<SyncTicket<D>> {
        if self.syncing || self.failure.is_some() || !(self.dirty || self.dir_dirty) {
            return None;
        }
        self.syncing = true;
        self.syncing_to = (self.generation, self.at);
        self.dirty = false;
        let dir_dirty = std::mem::take(&mut self.dir_dirty);
        Some(SyncTicket {
            files: self.file.iter().cloned().collect(),
            dir: dir_dirty.then(|| self.disk.clone()),
            mark: self.flushed,
        })
    }

    /// Takes the outcome of a ticket.
    pub fn finish_sync(
        &mut self,
        ticket: SyncTicket<D>,
        result: Result<(), DiskError>,
    ) -> Result<(), StoreError> {
        self.syncing = false;
        if let Err(error) = result {
            let reason = format!("a sync failed: {error}");
            self.failure = Some(reason.clone());
            return Err(StoreError::Failed(reason));
        }
        self.durable = self.durable.max(ticket.mark);
        if self.syncing_to.0 == self.generation {
            self.synced_to = self.syncing_to.1;
            let removed = self.remove_stale().map_err(failed);
            return self.poison_if_failed(removed);
        }
        Ok(())
    }

    /// Flushes and syncs, waiting for the disk.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        while let Some(ticket) = self.begin_sync() {
            let result = ticket.run();
            self.finish_sync(ticket, result)?;
        }
        Ok(())
    }

    /// Where the last change is in the order of changes.
    #[must_use]
    pub fn written(&self) -> WriteMark {
        WriteMark(self.written)
    }

    /// Up to where changes are durable.
    #[must_use]
    pub fn durable(&self) -> WriteMark {
        WriteMark(self.durable)
    }

    /// Removes the journal.
    pub fn remove(self) -> Result<(), StoreError> {
        let names = self.disk.list().map_err(failed)?;
        for name in names {
            if codec::parse_name(&name, &self.name).is_some() {
                self.disk.remove(&name).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn salt(&self) -> u32 {
        codec::salt(self.owner, self.generation)
    }

    fn end(&self) -> u64 {
        self.at + self.buffer.len() as u64
    }

    fn put(&mut self, kind: Kind, bytes: &[u8]) -> Result<(), StoreError> {
        self.check_writable()?;
        if bytes.len() > LIMIT {
            return Err(StoreError::TooLarge);
        }
        let Some(file) = &self.file else {
            return Err(StoreError::Failed(
                "a journal starts with a snapshot".to_owned(),
            ));
        };
        let end = self.end() + codec::record_len(bytes.len() + codec::SEAL) as u64 + 64;
        if end > self.allocated {
            let want = (end + STEP).next_multiple_of(4096);
            let taken = file.allocate(want).map_err(failed);
            self.poison_if_failed(taken)?;
            self.allocated = want;
        }
        let salt = self.salt();
        codec::put_sealed(&mut self.buffer, salt, kind, bytes, self.vault.as_deref());
        self.written += 1;
        Ok(())
    }

    fn start(&mut self, snapshot: &[u8]) -> Result<(), DiskError> {
        let generation = self.generation + 1;
        let mut bytes = codec::header(self.owner, generation);
        let salt = codec::salt(self.owner, generation);
        codec::put_sealed(
            &mut bytes,
            salt,
            Kind::Snapshot,
            snapshot,
            self.vault.as_deref(),
        );
        let name = codec::file_name(&self.name, generation);
        let Some(file) = self.disk.open(&name, OpenMode::Truncate)? else {
            return Err(DiskError::Other(format!("{name} could not be made")));
        };
        let want = (bytes.len() as u64 + STEP).next_multiple_of(4096);
        let made = file.allocate(want).and_then(|()| file.write_at(&bytes, 0));
        if let Err(error) = made {
            let _ = self.disk.remove(&name);
            return Err(error);
        }
        // The one before that stays, in case this one's snapshot is damaged one day.
        if self.file.is_some() {
            self.stale.push(self.generation);
        }
        self.generation = generation;
        self.file = Some(file);
        self.at = bytes.len() as u64;
        self.allocated = want;
        self.snapshot_len = self.at - HEADER as u64;
        self.synced_to = 0;
        self.marked = 0;
        self.written += 1;
        self.flushed = self.written;
        self.dirty = true;
        self.dir_dirty = true;
        Ok(())
    }

    /// All generations but this one and the one before.
    fn remove_stale(&mut self) -> Result<(), DiskError> {
        let keep = self
            .stale
            .iter()
            .copied()
            .filter(|g| *g < self.generation)
            .max();
        let stale = std::mem::take(&mut self.stale);
        for generation in stale {
            if Some(generation) == keep {
                self.stale.push(generation);
            } else {
                self.disk
                    .remove(&codec::file_name(&self.name, generation))?;
            }
        }
        Ok(())
    }

    fn check_writable(&self) -> Result<(), StoreError> {
        match &self.failure {
            None => Ok(()),
            Some(reason) => Err(StoreError::Failed(reason.clone())),
        }
    }

    fn poison_if_failed<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if let Err(StoreError::Failed(reason)) = &result {
            self.failure.get_or_insert_with(|| reason.clone());
        }
        result
    }
}
