//! What the streams of an account, and all streams of a server, use together, as running totals.
//!
//! A stream's task notes what its stream holds after every step; what changed since the last time is
//! added here, so that asking costs one load. Invariant: each stream that is counted counts for what it
//! noted last, and one that was removed for nothing, whoever still steps it.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use cognate_model::StorageType;
use cognate_stream::BatchKind;

/// Atomic batches in progress in all streams, unless the configuration says otherwise.
const MAX_ATOMIC_BATCHES: usize = 1000;

/// Fast batches in progress in all streams, unless the configuration says otherwise.
const MAX_FAST_BATCHES: usize = 50_000;

/// Totals of an account or a server.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    memory: AtomicU64,
    file: AtomicU64,
}

impl Usage {
    /// Bytes that streams of this kind hold.
    pub(crate) fn bytes(&self, storage: StorageType) -> u64 {
        self.of(storage).load(Relaxed)
    }

    fn of(&self, storage: StorageType) -> &AtomicU64 {
        match storage {
            StorageType::Memory => &self.memory,
            StorageType::File => &self.file,
        }
    }
}

/// What one stream counts for.
#[derive(Debug)]
pub(crate) struct Share {
    storage: StorageType,
    bytes: AtomicU64,
    is_counted: AtomicBool,
}

impl Share {
    /// The share of a stream that holds nothing yet.
    pub(crate) fn new(storage: StorageType) -> Self {
        Share {
            storage,
            bytes: AtomicU64::new(0),
            is_counted: AtomicBool::new(true),
        }
    }

    /// What it counts for now.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// The stream holds this many bytes. Called by one thread at a time: whoever holds the stream's
    /// lock.
    pub(crate) fn note(&self, usages: [&Usage; 2], bytes: u64) {
        let bytes = if self.is_counted.load(Relaxed) {
            bytes
        } else {
            0
        };
        let before = self.bytes.load(Relaxed);
        if bytes == before {
            return;
        }
        self.bytes.store(bytes, Relaxed);
        // Totals wrap like the numbers they are made of, and come out right.
        for usage in usages {
            let total = usage.of(self.storage);
            total.fetch_add(bytes.wrapping_sub(before), Relaxed);
        }
    }

    /// The stream counts for nothing from now on. Called like [`note`](Self::note).
    pub(crate) fn retire(&self, usages: [&Usage; 2]) {
        self.is_counted.store(false, Relaxed);
        self.note(usages, 0);
    }
}

/// Places for batches in progress, of all streams together.
#[derive(Debug)]
pub(crate) struct BatchPlaces {
    max_atomic: usize,
    max_fast: usize,
    atomic: AtomicUsize,
    fast: AtomicUsize,
}

impl BatchPlaces {
    /// As many as `max_inflight_total` says, of each kind.
    pub(crate) fn new(max: Option<u64>) -> Self {
        let max = max.map(|max| usize::try_from(max).unwrap_or(usize::MAX));
        BatchPlaces {
            max_atomic: max.unwrap_or(MAX_ATOMIC_BATCHES),
            max_fast: max.unwrap_or(MAX_FAST_BATCHES),
            atomic: AtomicUsize::new(0),
            fast: AtomicUsize::new(0),
        }
    }

    /// Takes a place; false if there is none.
    pub(crate) fn take(&self, kind: BatchKind) -> bool {
        let (taken, max) = match kind {
            BatchKind::Atomic => (&self.atomic, self.max_atomic),
            BatchKind::Fast => (&self.fast, self.max_fast),
        };
        let more = |taken: usize| (taken < max).then_some(taken + 1);
        taken.fetch_update(Relaxed, Relaxed, more).is_ok()
    }

    /// Gives a place back.
    pub(crate) fn give_back(&self, kind: BatchKind) {
        let taken = match kind {
            BatchKind::Atomic => &self.atomic,
            BatchKind::Fast => &self.fast,
        };
        let fewer = |taken: usize| Some(taken.saturating_sub(1));
        // It always succeeds.
        let _ = taken.fetch_update(Relaxed, Relaxed, fewer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_follow_the_streams() {
        let (account, usage) = (Usage::default(), Usage::default());
        let both = [&account, &usage];
        let (a, b) = (Share::new(StorageType::File), Share::new(StorageType::File));
        let memory = Share::new(StorageType::Memory);
        a.note(both, 100);
        b.note(both, 20);
        memory.note(both, 7);
        a.note(both, 30);
        assert_eq!(usage.bytes(StorageType::File), 50);
        assert_eq!(usage.bytes(StorageType::Memory), 7);
        a.retire(both);
        // Its task may be in the midst of a last step.
        a.note(both, 500);
        assert_eq!(usage.bytes(StorageType::File), 20);
        assert_eq!(account.bytes(StorageType::File), 20);
    }

    #[test]
    fn places_for_batches_run_out_and_come_back() {
        let places = BatchPlaces::new(Some(1));
        assert!(places.take(BatchKind::Atomic));
        assert!(!places.take(BatchKind::Atomic));
        assert!(places.take(BatchKind::Fast), "each kind has its own");
        places.give_back(BatchKind::Atomic);
        assert!(places.take(BatchKind::Atomic));
    }
}
