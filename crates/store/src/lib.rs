//! The message store: the log on disk, the store in memory, the index of subjects.

mod bytes;
pub mod cursor;
pub mod disk;
mod file;
mod journal;
mod log;
mod memory;
mod pair;
pub mod subjects;

pub use self::file::{FileCursor, FileStore, FileStoreOptions, OpenReport};
pub use self::journal::{Journal, Recovered};
pub use self::memory::{MemoryCursor, MemoryStore};
pub use self::pair::{Pair, PairContent};

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
