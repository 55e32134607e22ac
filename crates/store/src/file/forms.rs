//! The ways in which messages are stored, for tests: plain, compressed, encrypted, both.

use crate::disk::sim::SimDisk;
use crate::{Algorithm, FileStore, FileStoreOptions, Keys, OpenReport, Vault};

/// How messages are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    Packed,
    Sealed,
    Both,
}

impl Form {
    /// Each in turn.
    pub(super) fn of(seed: u64) -> Self {
        [Form::Plain, Form::Packed, Form::Sealed, Form::Both][seed as usize % 4]
    }

    pub(super) fn is_sealed(self) -> bool {
        matches!(self, Form::Sealed | Form::Both)
    }

    /// The disk with what this form needs; it keeps its own keys.
    pub(super) fn on(self, disk: &SimDisk) -> SimDisk {
        if !self.is_sealed() {
            return disk.with_vault(None);
        }
        let keys = Keys {
            algorithm: Algorithm::ChaCha20Poly1305,
            current: b"a key".to_vec(),
            previous: None,
        };
        let mut random = |bytes: &mut [u8]| bytes.fill(disk.boot() as u8);
        let opened = Vault::open(disk, Some(&keys), &mut random);
        disk.with_vault(opened.expect("one copy of the keys is well").0)
    }

    pub(super) fn open(self, disk: &SimDisk) -> (FileStore<SimDisk>, OpenReport) {
        let options = FileStoreOptions {
            compress: matches!(self, Form::Packed | Form::Both),
            // No index but the last one stays in memory, or some of them do.
            index_cache_bytes: if self.is_sealed() { 48 << 10 } else { 4 << 10 },
            // Some segments are full of messages, and some of what removes them.
            segment_index_bytes: if self == Form::Packed {
                2 << 20
            } else {
                12 << 10
            },
            ..small(disk)
        };
        FileStore::open(self.on(disk), options).expect("damage is no error")
    }
}

pub(super) fn small(disk: &SimDisk) -> FileStoreOptions {
    FileStoreOptions {
        boot: disk.boot(),
        segment_bytes: 64 << 10,
        block_cache_bytes: 1,
        index_cache_bytes: 4 << 10,
        buffer_bytes: 8 << 10,
        open_files: 4,
        ..FileStoreOptions::new(7, 11)
    }
}
