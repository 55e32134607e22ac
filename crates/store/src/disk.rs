//! What a store needs of the place its files are in, as two traits.
//!
//! A [`Disk`] is one directory, of one stream or one consumer; names have no separators in them. A
//! [`DiskFile`] is an open file, cheap to clone, and may be synced on another thread while its
//! owner goes on writing. The driver implements both over real files.
//!
//! What implementations promise: a write that returned is seen by every later read; what a
//! `sync_data` that returned covers survives a loss of power; a file's name survives it once
//! `sync_dir` has returned. Nothing else is taken for granted: unsynced writes may be lost in any
//! combination. Absent: buffering, retries, and memory maps (a file that someone truncates must not
//! kill the process).

mod ticket;

#[cfg(any(test, feature = "testing"))]
pub mod sim;

use std::fmt;
use std::sync::Arc;

pub use ticket::SyncTicket;

use crate::vault::Vault;

/// Why a disk could not do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space, or no quota, is left; nothing was changed, or what was can be written again.
    NoSpace,
    /// Anything else, in the system's words.
    Other(String),
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DiskError::NoSpace => f.write_str("no space left on device"),
            DiskError::Other(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for DiskError {}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Only if it exists; as it is.
    Existing,
    /// As it is, or empty if it does not exist.
    Create,
    /// Empty, whether or not it existed.
    Truncate,
}

/// One directory.
pub trait Disk: Clone + Send + 'static {
    /// An open file.
    type File: DiskFile;

    /// Opens a file for reading and writing; `None` if it is to exist and does not.
    fn open(&self, name: &str, mode: OpenMode) -> Result<Option<Self::File>, DiskError>;

    /// Removes a file; one that is not there is removed already.
    fn remove(&self, name: &str) -> Result<(), DiskError>;

    /// Renames a file, replacing what has the new name.
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError>;

    /// The names of all files, in any order.
    fn list(&self) -> Result<Vec<String>, DiskError>;

    /// Makes creations, removals and renames durable.
    fn sync_dir(&self) -> Result<(), DiskError>;

    /// What encrypts what is kept here, if anything does. (It goes with the place, because all that
    /// is kept of a stream is encrypted, or nothing is.)
    fn vault(&self) -> Option<Arc<Vault>> {
        None
    }
}

/// An open file.
pub trait DiskFile: Clone + Send + 'static {
    /// Reads as much as there is and fits; fewer bytes than asked for only at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, DiskError>;

    /// Like [`read_at`](Self::read_at), if that does not have to wait for a disk. `None` if it has to,
    /// or if nobody can tell.
    fn read_at_once(&self, _buffer: &mut [u8], _offset: u64) -> Result<Option<usize>, DiskError> {
        Ok(None)
    }

    /// Writes all of it; a gap before it reads as zeros.
    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), DiskError>;

    /// Makes what was written, and the length, durable.
    fn sync_data(&self) -> Result<(), DiskError>;

    /// The length in bytes.
    fn size(&self) -> Result<u64, DiskError>;

    /// Cuts the file, or extends it by zeros without taking space.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;

    /// Makes the file at least `len` long, reading zeros, with its space taken, so that writing
    /// within it needs no more.
    fn allocate(&self, len: u64) -> Result<(), DiskError>;
}

/// Reads a whole file of at most `limit` bytes; `None` if it is not there or is larger.
pub(crate) fn read_all<D: Disk>(
    disk: &D,
    name: &str,
    limit: u64,
) -> Result<Option<Vec<u8>>, DiskError> {
    let Some(file) = disk.open(name, OpenMode::Existing)? else {
        return Ok(None);
    };
    let size = file.size()?;
    if size > limit {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}
