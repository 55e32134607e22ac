//! Making a group's changes durable, and knowing how far that has come.
//!
//! The store and the consumers' journal are written at the end of every step; a sync of both runs on
//! another thread, one at a time. What may leave follows from the policy.

use std::time::Duration;

use cognate_model::{MessageStore, StoreError, Timestamp, WriteMark};
use cognate_store::disk::{Disk, DiskError, SyncTicket};

use crate::effects::Marks;
use crate::group::Group;

/// Bytes of housekeeping at a time: a millisecond or so.
const CARE_BYTES: usize = 256 * 1024;

/// How long the store must have been quiet before it says on the disk what is durable: that takes
/// syncs of their own, for which the next publish would wait.
const QUIET: Duration = Duration::from_millis(250);

/// How long what nobody waits for (removals by limits, age and purges) waits for something else to be
/// synced with.
const UNHURRIED: Duration = Duration::from_millis(25);

/// How long is waited for a full disk to have room again before it is tried once more.
pub(crate) const RETRY_FULL: Duration = Duration::from_millis(250);

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
    /// step, for which [`next_timeout`](Group::next_timeout) asks; any other failure is final and
    /// told by [`failure`](Group::failure).
    pub fn flush(&mut self, now: Timestamp, is_syncing: bool) -> Option<SyncWork<D>> {
        self.keep_snapshot_if_due();
        let may_confirm = self.let_forgettable_go();
        let written = self.written();
        if may_confirm {
            self.effects.seal(written);
        }
        self.origins.seal(written.store, self.store.state().last);
        let result = match self.store.file() {
            Some(store) => store.flush(),
            None => Ok(()),
        };
        let mut is_full = false;
        match result {
            Ok(()) => self.flushed.store = written.store,
            Err(StoreError::Full) => is_full = true,
            Err(error) => self.fail_store(&error),
        }
        match self.journal.flush() {
            Ok(()) => self.flushed.journal = written.journal,
            Err(StoreError::Full) => is_full = true,
            Err(error) => self.fail_journal(&error),
        }
        // A snapshot that is still wanted found no room.
        is_full |= self.journal.wants_snapshot() && !self.failed.journal;
        self.retry_at = is_full.then(|| now.after(RETRY_FULL));
        if std::mem::take(&mut self.has_synced) {
            self.gather
                .end(now, self.store.durable().0, written.store.0);
            self.quiet_at = Some(now.after(QUIET));
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
        let is_awaited = self.effects.awaits_journal(self.journal.durable());
        if !is_awaited && self.policy == Policy::Synced && self.gather.holds(now, written.store.0) {
            return None;
        }
        if self.may_wait_for_others(is_awaited, now) {
            return None;
        }
        let store = self.store.file().and_then(|store| store.begin_sync());
        if store.is_some() {
            self.gather.begin(now, self.store.durable().0);
        }
        let journal = self.journal.begin_sync(now, is_awaited);
        (store.is_some() || journal.is_some()).then_some(SyncWork { store, journal })
    }

    /// Whether what is written may wait a moment for something to come that somebody waits for: a sync
    /// of removals alone is one that the next publish would have to wait for.
    fn may_wait_for_others(&mut self, is_awaited: bool, now: Timestamp) -> bool {
        let until = self.unhurried.take().unwrap_or(now.after(UNHURRIED));
        let is_wanted = is_awaited || !self.effects.is_empty() || self.policy != Policy::Synced;
        let is_pending = self.flushed.store > self.store.durable() && self.failure.is_none();
        let waits = !is_wanted && is_pending && now < until;
        self.unhurried = waits.then_some(until);
        waits
    }

    /// Hands what consumers did to the system; to be called before what they deliver leaves, so that
    /// a restart knows of every delivery that anybody saw.
    pub fn write_journal(&mut self) {
        match self.journal.flush() {
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => self.fail_journal(&error),
        }
    }

    /// Writes the states of all consumers, if entries are to be replaced by them.
    pub(crate) fn keep_snapshot_if_due(&mut self) {
        if !self.journal.wants_snapshot() {
            return;
        }
        let kept = self.members.iter().filter(|member| member.is_kept);
        let mut snapshots: Vec<_> = kept
            .map(|member| {
                let mut snapshot = Vec::new();
                member.consumer.snapshot(&mut snapshot);
                (member.spec.place, snapshot)
            })
            .collect();
        let positions = self.origins.positions().snapshot();
        snapshots.extend(positions.map(|positions| (crate::origins::PLACE, positions)));
        let snapshots = snapshots.iter().map(|(place, bytes)| (*place, &bytes[..]));
        match self.journal.snapshot(snapshots) {
            // Without space it is tried again with the next step.
            Ok(()) | Err(StoreError::Full) => {}
            Err(error) => self.fail_journal(&error),
        }
    }

    /// Takes the outcome of a sync.
    pub fn finish_sync(&mut self, finished: Finished<D>) {
        if let (Some((ticket, result)), Some(store)) = (finished.store, self.store.file()) {
            let synced = store.finish_sync(ticket, result);
            (self.needs_care, self.has_synced) = (true, true);
            if let Err(error) = synced {
                self.fail_store(&error);
            }
        }
        if let Some((ticket, result)) = finished.journal
            && let Err(error) = self.journal.finish_sync(ticket, result)
        {
            self.fail_journal(&error);
        }
    }

    /// Says on the disk what is durable, if the store has been quiet for a while.
    pub(crate) fn settle_if_quiet(&mut self, now: Timestamp) {
        if self.quiet_at.is_none_or(|at| at > now) {
            return;
        }
        self.quiet_at = None;
        if let Some(store) = self.store.file()
            && let Err(error) = store.settle()
        {
            self.fail_store(&error);
        }
    }

    /// Does some of the store's housekeeping, if there is any: checkpoints, files that hold nothing
    /// any more, compaction. Returns whether there is more.
    pub fn maintain(&mut self) -> bool {
        let Some(store) = self.store.file() else {
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
        // What a log that failed for good has to say leaves at once: refusals.
        let or_nothing = |mark, has_failed: bool| if has_failed { WriteMark(0) } else { mark };
        Marks {
            store: or_nothing(self.store.written(), self.failed.store),
            journal: or_nothing(self.journal.written(), self.failed.journal),
        }
    }

    /// Up to where effects may leave.
    pub(crate) fn releasable(&self) -> Marks {
        match self.policy {
            Policy::Synced => Marks {
                store: self.store.durable(),
                journal: self.journal.durable(),
            },
            Policy::Written { .. } => self.flushed,
        }
    }

    /// The message log takes nothing any more. Nobody is told of what it may not have.
    fn fail_store(&mut self, error: &StoreError) {
        self.failed.store = true;
        self.fail(error);
    }

    /// The same for the consumers' journal.
    fn fail_journal(&mut self, error: &StoreError) {
        self.failed.journal = true;
        self.effects.lose_journal();
        self.fail(error);
    }

    fn fail(&mut self, error: &StoreError) {
        if self.failure.is_none() {
            self.effects.give_up();
        }
        self.failure.get_or_insert_with(|| error.to_string());
    }
}
