//! What a sync has to do, as a value that another thread can run.
//!
//! Made by a store or a journal, run anywhere, and handed back with its outcome. It holds clones of
//! files, so the owner goes on writing meanwhile; what it writes after making the ticket is the
//! next ticket's business.

use super::{Disk, DiskError, DiskFile};

/// Files to be synced in this order, then possibly their directory.
#[must_use = "nothing becomes durable by a ticket that is not run and handed back"]
pub struct SyncTicket<D: Disk> {
    pub(crate) files: Vec<D::File>,
    pub(crate) dir: Option<D>,
    /// The mark that is durable once this has run.
    pub(crate) mark: u64,
}

impl<D: Disk> SyncTicket<D> {
    /// Syncs; returns when everything is on the disk, or at the first failure.
    pub fn run(&self) -> Result<(), DiskError> {
        // The name first: nothing in a file is durable while its name is not.
        if let Some(dir) = &self.dir {
            dir.sync_dir()?;
        }
        self.files.iter().try_for_each(D::File::sync_data)
    }
}
