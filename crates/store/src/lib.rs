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
mod vault;

pub use self::file::{FileCursor, FileStore, FileStoreOptions, Frozen, OpenReport};
pub use self::journal::{Journal, Recovered};
pub use self::memory::{MemoryCursor, MemoryStore};
pub use self::pair::{Pair, PairContent};
pub use self::vault::{Algorithm, Keys, Vault, VaultError, VaultReport};

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
