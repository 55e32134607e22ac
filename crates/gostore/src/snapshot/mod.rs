//! Snapshots as the API sends them: an archive in an S2 stream.
//!
//! ```text
//! meta.inf, meta.sum              what the stream is
//! msgs/<n>.blk                    its blocks, in the clear
//! msgs/index.db                   what they held; may be left out
//! obs/<consumer>/meta.inf, meta.sum, o.dat
//! errors.txt                      in place of the rest, if something went wrong
//! ```

mod reader;
mod writer;

pub use self::reader::{SnapshotError, SnapshotReader};
pub use self::writer::{SnapshotWriter, snapshot_of};
