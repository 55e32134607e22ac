//! Making a group's changes durable, and knowing how far that has come.
//!
//! The store and the consumers' journal are written at the end of every step; a sync of both runs on
//! another thread, one at a time. What may leave follows from the policy.

use std::time::Duration;

use cognate_model::{StoreError, Timestamp};
use cognate_store::disk::{Disk, DiskError, SyncTicket};

use crate::any_store::AnyStore;
use crate::effects::Marks;
use crate::group::Group;

/// Bytes of housekeeping at a time: a millisecond or so.
const CARE_BYTES: usize = 512 * 1024;

/// When changes count as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Once they are on the disk.
    Synced,
    /// Once the system has them; it is made to put them on the disk every so often.
    Written {
        /// How often.
        sync_interval: Duration,
    },
}

/// A sync to be run on a thread that may wait.
pub struct SyncWork<D: Disk> {
    store: Option<SyncTicket<D>>,
    journal: Option<SyncTicket<D>>,
}

/// A sync that has run.
pub struct Finished<D: Disk> {
    store: Option<(SyncTicket<D>, Result<(), DiskError>)>,
    journal: Option<(SyncTicket<D>, Result<(), DiskError>)>,
}

impl<D: Disk> SyncWork<D> {
    /// Syncs; returns when everything is on the disk, or could not be brought there.
    #[must_use]
    pub fn run(self) -> Finished<D> {
        let run = |ticket: SyncTicket<D>| {
            let result = ticket.run();
            (ticket, result)
        };
        Finished {
            store: self.store.map(run),
            journal: self.journal.map(run),
        }
    }
}

impl<D: Disk> Group<D> {
    /// Ends the step's batch: what was changed is written, what it brought about waits for its turn.
    /// Returns a sync to run, unless one is under way. No space left is tried again with the next
    /// step; any other failure is final and told by [`failure`](Group::failure).
    pub fn flush(&mut self, now: Timestamp, is_syncing: bool) -> Option<SyncWork<D>> {
        self.keep_snapshot_if_due();
        let written = self.written();
        self.effects.seal(written);
        let result = match &mut self.store {
            AnyStore::File(store) => store.flush(),
            AnyStore::Memory(_) => Ok(()),
        };
        match result {
            Ok(()) => self.flushed.store = written.store,
            Err(StoreError::Full) => {}
            Err(error) => self.fail(&error.to_string()),
        }
        match self.journal.flush() {
            Ok(()) => self.flushed.journal = written.journal,
            Err(StoreError::Full) => {}
            Err(error) => self.fail(&error.to_string()),
        }
        if is_syncing {
            return None;
        }
        if let Policy::Written { sync_interval } = self.policy {
            if now < self.next_sync {
                return None;
            }
            self.next_sync = now.after(sync_interval);
        }
        let store = match &mut self.store {
            AnyStore::File(store) => store.begin_sync(),
            AnyStore::Memory(_) => None,
        };
        let is_awaited = self.effects.awaits_journal(self.journal.durable());
        let journal = self.journal.begin_sync(now, is_awaited);
        (store.is_some() || journal.is_some()).then_some(SyncWork { store, journal })
    }

    /// Hands what consumers did to the system; to be called before what they deliver leaves, so that
    /// a restart knows of every delivery that anybody saw.
    pub fn write_journal(&mut self) {
        match self.journal.flush() {
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Writes the states of all consumers, if entries are to be replaced by them.
    pub(crate) fn keep_snapshot_if_due(&mut self) {
        if !self.journal.wants_snapshot() {
            return;
        }
        let kept = self.members.iter().filter(|member| member.is_kept);
        let snapshots: Vec<_> = kept
            .map(|member| {
                let mut snapshot = Vec::new();
                member.consumer.snapshot(&mut snapshot);
                (member.spec.place, snapshot)
            })
            .collect();
        let snapshots = snapshots.iter().map(|(place, bytes)| (*place, &bytes[..]));
        match self.journal.snapshot(snapshots) {
            // Without space it is tried again with the next step.
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => self.fail(&error.to_string()),
        }
    }

    /// Takes the outcome of a sync.
    pub fn finish_sync(&mut self, finished: Finished<D>) {
        let mut failure = None;
        if let (Some((ticket, result)), AnyStore::File(store)) = (finished.store, &mut self.store) {
            failure = store.finish_sync(ticket, result).err();
            self.needs_care = true;
        }
        if let Some((ticket, result)) = finished.journal {
            failure = failure.or(self.journal.finish_sync(ticket, result).err());
        }
        if let Some(error) = failure {
            self.fail(&error.to_string());
        }
    }

    /// Does some of the store's housekeeping, if there is any: checkpoints, files that hold nothing
    /// any more, compaction. Returns whether there is more.
    pub fn maintain(&mut self) -> bool {
        let AnyStore::File(store) = &mut self.store else {
            return false;
        };
        if !std::mem::take(&mut self.needs_care) {
            return false;
        }
        match store.maintain(CARE_BYTES) {
            Ok(more) => {
                self.needs_care = more;
                more
            }
            // It is tried again after the next sync; a failure for good shows when writing.
            Err(_) => false,
        }
    }

    pub(crate) fn written(&self) -> Marks {
        Marks {
            store: self.store_written(),
            journal: self.journal.written(),
        }
    }

    /// Up to where effects may leave.
    pub(crate) fn releasable(&self) -> Marks {
        match self.policy {
            Policy::Synced => Marks {
                store: self.store_durable(),
                journal: self.journal.durable(),
            },
            Policy::Written { .. } => self.flushed,
        }
    }

    fn fail(&mut self, reason: &str) {
        self.failure.get_or_insert_with(|| reason.to_owned());
    }
}
