//! Reading what was stored long ago, so that damage is known before somebody needs what it hit.
//!
//! A round reads every message once and compares its sums, a little at a time, spread over a day unless
//! the stream's metadata says otherwise ([`VERIFY_EVERY`]). It begins somewhere, because a stream that is
//! restarted every day shall not have only its first messages read. It waits while syncs are under way:
//! nothing is more urgent than what somebody waits for. What is found is in
//! [`Group::damaged`](crate::Group::damaged), and once in [`Group::take_found_damage`].
//!
//! Absent: repair, for which there is nobody to ask on one server.

use std::time::Duration;

use cognate_model::{DamagedRange, MessageStore, Sequence, StreamConfig, Timestamp};
use cognate_store::disk::Disk;

use crate::group::Group;

/// The stream's metadata that say how often everything is to be read: a duration as Go writes it; 0 for
/// never. What is no duration is as if it were not there.
pub const VERIFY_EVERY: &str = "_cognate.verify.every";

/// How often everything is read.
const USUAL: Duration = Duration::from_secs(24 * 60 * 60);

/// Bytes that are read at a time: a few milliseconds' worth.
const SLICE: u64 = 1024 * 1024;

/// The shortest pause between two slices, whatever the stream holds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// How long is waited when something more urgent is going on.
const POSTPONED: Duration = Duration::from_millis(50);

/// Where the round is.
#[derive(Debug)]
pub(crate) struct Scrub {
    every: Option<Duration>,
    next: Sequence,
    due: Option<Timestamp>,
    /// What was written when the last slice was read.
    written: u64,
}

impl Scrub {
    pub(crate) fn new(config: &StreamConfig, first: Sequence, last: Sequence, seed: u64) -> Self {
        let span = last.saturating_sub(first).saturating_add(1);
        Scrub {
            every: every(config),
            next: first.saturating_add(seed % span.max(1)),
            due: None,
            written: 0,
        }
    }

    /// The stream has another configuration.
    pub(crate) fn configure(&mut self, config: &StreamConfig) {
        (self.every, self.due) = (every(config), None);
    }

    /// When the next slice is to be read.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Plans the next slice of a stream of so many bytes.
    fn plan(&mut self, now: Timestamp, bytes: u64) {
        self.due = self.every.map(|every| {
            let slices = u32::try_from(bytes.div_ceil(SLICE)).unwrap_or(u32::MAX);
            now.after((every / slices.max(1)).max(SHORTEST_PAUSE))
        });
    }
}

fn every(config: &StreamConfig) -> Option<Duration> {
    let told = config.metadata.get(VERIFY_EVERY);
    let nanos = told.and_then(|text| cognate_consumer::parse_go_duration(text.as_bytes()));
    let told = nanos.and_then(|nanos| u64::try_from(nanos).ok());
    let every = told.map_or(USUAL, Duration::from_nanos);
    (!every.is_zero()).then_some(every)
}

impl<D: Disk> Group<D> {
    /// Reads a slice of old messages if one is due.
    pub(crate) fn scrub_if_due(&mut self, now: Timestamp) {
        let Some(store) = self.store.file() else {
            return;
        };
        let state = store.state();
        match self.scrub.due {
            None if self.scrub.every.is_some() => return self.scrub.plan(now, state.bytes),
            Some(due) if due <= now => {}
            _ => return,
        }
        if store.written() != store.durable() && self.policy == crate::sync::Policy::Synced {
            self.scrub.due = Some(now.after(POSTPONED));
            return;
        }
        // What the disk does not give now is asked for again in the next round.
        let next = store.verify(self.scrub.next, SLICE as usize);
        self.scrub.next = next.ok().flatten().unwrap_or(state.first);
        let written = store.written().0;
        if std::mem::replace(&mut self.scrub.written, written) == written {
            // Nobody writes here, so what was read for this only takes memory.
            store.release_caches();
        }
        self.scrub.plan(now, state.bytes);
    }

    /// Damage that was found since the last question, here or because somebody asked for a message.
    pub fn take_found_damage(&mut self) -> Vec<DamagedRange> {
        let store = self.store.file();
        store.map_or_else(Vec::new, |store| store.take_found_damage())
    }
}
