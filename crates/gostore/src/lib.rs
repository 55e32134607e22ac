//! The Go server's file store, as bytes: what nats-server 2.10 to 2.14 keeps in a stream's directory
//! and sends as a snapshot, read and written.
//!
//! ```text
//! snapshot bytes ─▶ s2 ─▶ tar ─┐
//!                              ├─▶ meta · block ─▶ record · index · consumer_state ─▶ Assembly ─▶ Sink
//! stream's directory (Files) ──┘            keys (encryption), compression
//! ```
//!
//! Two front doors: [`SnapshotReader`] takes a snapshot as it arrives, [`read_stream`] a directory;
//! both hand configurations, messages and consumers to a [`Sink`], and end with a [`Report`] of what
//! was taken and what could not be read. [`SnapshotWriter`] makes a snapshot.
//!
//! Invariants: no input panics, and memory is bounded whatever it says ([`MAX_FILE_BYTES`]); nothing
//! is handed on whose sum is not right; a bad record costs itself and is reported; no name from a
//! snapshot becomes the name of a file.
//!
//! Absent: files, sockets, time. What a configuration may say is `cognate_model`'s business, and where
//! messages go the sink's.

mod assembly;
mod block;
mod compression;
mod consumer_state;
mod directory;
mod encryption;
mod hash;
mod index;
mod meta;
mod number;
mod ranges;
mod record;
mod report;
mod s2;
mod snapshot;
mod tar;

pub use self::assembly::{Sink, StoredMessage};
pub use self::consumer_state::{ConsumerState, Pending, Position};
pub use self::directory::{Files, Keys, read_stream};
pub use self::meta::{ConsumerMeta, StreamMeta};
pub use self::report::{Lost, Report};
pub use self::snapshot::{SnapshotError, SnapshotReader, SnapshotWriter};

/// For fuzzing: the decoders by themselves, and what gets past sums.
#[doc(hidden)]
pub mod decoders {
    pub use crate::block::probe as block;
    pub use crate::index::probe as index;
    pub use crate::snapshot::snapshot_of;
    pub use crate::tar::probe as tar;
}

/// The largest file that is looked at. The Go server's blocks are 8 MiB and one message at most.
pub const MAX_FILE_BYTES: usize = 64 * 1024 * 1024;
