//! The consumer: its parts, how it is made, and how it comes back.
//!
//! The parts know nothing of each other; what happens to a consumer is in the other modules that
//! implement [`Consumer`], each by the kind of event: `deliver`, `pull`, `ack`, `timeout`, `notes`,
//! `admin` and `info`.
//!
//! Invariant: a change of what outlives a restart is journalled before or in the same call as its
//! effects.

use std::time::Duration;

use cognate_model::{ConsumerConfig, MessageStore, Sequence, StoreError, Timestamp};

use crate::ack_subject::AckSubject;
use crate::activity::Activity;
use crate::host::ConsumerHost;
use crate::journal::{Entry, RunWriter};
use crate::ledger::{AckMode, Ledger, Position};
use crate::pace::Pace;
use crate::pin::Pin;
use crate::pull_queue::PullQueue;
use crate::push::Push;
use crate::random::Random;
use crate::selection::Selection;
use crate::settings::Settings;
use crate::snapshot;
use crate::start::{Beginning, SkipList};

/// Where a consumer belongs.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The stream's name.
    pub stream: Box<[u8]>,
    /// The consumer's name.
    pub consumer: Box<[u8]>,
    /// The stream lets messages go that nobody needs any more (retention by interest or as a work
    /// queue), so the consumer says which it no longer needs.
    pub tracks_interest: bool,
    /// The largest message, headers and payload, in bytes: what a limited rate may send at once.
    pub max_message: u64,
    /// Makes ids differ; any number.
    pub seed: u64,
}

/// What a recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The snapshot was there and whole. If not, the consumer began as a new one would, and the
    /// journal was applied to that.
    pub from_snapshot: bool,
    /// Entries that made no sense and were passed over.
    pub unreadable_entries: u64,
}

/// A consumer of a stream whose messages are in a store with cursors of type `C`.
#[derive(Debug)]
pub struct Consumer<C> {
    pub(crate) identity: Identity,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) selection: Selection<C>,
    pub(crate) pull: PullQueue,
    pub(crate) push: Option<Push>,
    pub(crate) pace: Pace,
    pub(crate) pin: Pin,
    pub(crate) activity: Activity,
    pub(crate) reply: AckSubject,
    pub(crate) runs: RunWriter,
    pub(crate) random: Random,
    /// When a pause ends whose end was not told yet.
    pub(crate) pause_end: Option<Timestamp>,
    /// When the queue was last swept because it was full.
    pub(crate) full_sweep: Option<Timestamp>,
    pub(crate) scratch: Vec<u8>,
}

impl<C> Consumer<C> {
    /// A new consumer. `visible` is the last message it may see until
    /// [`note_stored`](Self::note_stored) says more. Where it begins depends on what the stream
    /// holds now, so its [`snapshot`](Self::snapshot) is to be kept before its journal.
    ///
    /// # Errors
    /// If the store cannot tell where to begin.
    pub fn new<S>(
        identity: Identity,
        config: &ConsumerConfig,
        visible: Sequence,
        now: Timestamp,
        store: &mut S,
    ) -> Result<Self, StoreError>
    where
        S: MessageStore<Cursor = C>,
    {
        let mut beginning = Beginning::new(config, store)?;
        beginning.go_on(store, usize::MAX);
        Ok(Self::begun(
            identity, config, beginning, visible, now, store,
        ))
    }

    /// The same, once it was found out where it begins.
    pub fn begun<S>(
        identity: Identity,
        config: &ConsumerConfig,
        beginning: Beginning,
        visible: Sequence,
        now: Timestamp,
        store: &mut S,
    ) -> Self
    where
        S: MessageStore<Cursor = C>,
    {
        let settings = Settings::new(config);
        let (next, skip) = beginning.into_parts();
        let ledger = Ledger::new(settings.mode, settings.waits.clone(), next);
        Self::assemble(identity, settings, ledger, skip, visible, now, store)
    }

    /// The consumer that wrote `snapshot` and then `entries`. Pull requests, interest and a pinned
    /// client are not remembered. Without a snapshot it begins as a new one would.
    ///
    /// # Errors
    /// If there is no snapshot and the store cannot tell where to begin.
    pub fn recover<'e, S>(
        identity: Identity,
        config: &ConsumerConfig,
        snapshot: Option<&[u8]>,
        entries: impl IntoIterator<Item = &'e [u8]>,
        visible: Sequence,
        now: Timestamp,
        store: &mut S,
    ) -> Result<(Self, Recovered), StoreError>
    where
        S: MessageStore<Cursor = C>,
    {
        let settings = Settings::new(config);
        let mut ledger = Ledger::new(settings.mode, settings.waits.clone(), 1);
        let mut found = Recovered::default();
        let read = snapshot.and_then(|bytes| snapshot::read(bytes, &mut ledger));
        let mut skip_end = match read {
            Some(skip_end) => {
                found.from_snapshot = true;
                skip_end
            }
            None => {
                let fresh = Self::new(identity.clone(), config, visible, now, store)?;
                let skip_end = fresh.selection.skip_end();
                ledger = fresh.ledger;
                skip_end
            }
        };
        ledger.limit = Some(store.state().last);
        for bytes in entries {
            let Some(entry) = Entry::read(bytes) else {
                found.unreadable_entries += 1;
                continue;
            };
            if matches!(entry, Entry::Reset { .. }) {
                skip_end = 0;
            }
            ledger.apply(&entry);
        }
        ledger.limit = None;
        reconcile(&mut ledger, store);
        let next = ledger.delivered.stream.saturating_add(1);
        let skip = SkipList::new(&settings.filters, next, skip_end, store);
        let consumer = Self::assemble(identity, settings, ledger, skip, visible, now, store);
        Ok((consumer, found))
    }

    /// Appends the whole state that outlives a restart.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        snapshot::write(&self.ledger, self.selection.skip_end(), out);
    }

    fn assemble<S>(
        identity: Identity,
        settings: Settings,
        ledger: Ledger,
        skip: SkipList,
        visible: Sequence,
        now: Timestamp,
        store: &mut S,
    ) -> Self
    where
        S: MessageStore<Cursor = C>,
    {
        let next = ledger.delivered.stream.saturating_add(1);
        let mut selection = Selection::new(&settings.filters, next, visible, store);
        if skip.end >= next {
            selection.skip_through(skip.list, skip.end);
        }
        let mut pace = Pace::default();
        let rate = settings
            .push
            .as_ref()
            .and_then(|push| push.bytes_per_second);
        pace.limit_rate(rate, identity.max_message);
        if settings.replays_original && next <= visible {
            pace.replay_until(visible);
        }
        let push = settings.push.as_ref();
        Self {
            push: push.map(|push| Push::new(push, &identity, now)),
            activity: Activity::new(settings.inactive_threshold, now),
            reply: AckSubject::new(&identity.stream, &identity.consumer),
            pin: Pin::new(identity.seed ^ now.0.unsigned_abs()),
            random: Random(identity.seed),
            pause_end: settings.pause_until.filter(|&until| until > now),
            full_sweep: None,
            pull: PullQueue::default(),
            runs: RunWriter::default(),
            scratch: Vec::new(),
            identity,
            settings,
            ledger,
            selection,
            pace,
        }
    }

    /// What heartbeats tell: the last delivery, and the last message that was looked at.
    pub(crate) fn seen(&self) -> Position {
        Position {
            consumer: self.ledger.delivered.consumer,
            stream: self.selection.position().saturating_sub(1),
        }
    }

    pub(crate) fn is_paused(&self, now: Timestamp) -> bool {
        self.settings.pause_until.is_some_and(|until| until > now)
    }

    /// As many messages wait for their acknowledgement as may.
    pub(crate) fn is_full(&self) -> bool {
        let max = self.settings.max_ack_pending;
        max.is_some_and(|max| self.ledger.pending.len() >= max)
    }

    /// Journals an entry and applies it. Deliveries that came before are journalled before.
    pub(crate) fn commit(&mut self, entry: &Entry<'_>, host: &mut impl ConsumerHost) {
        if let Some(deliveries) = self.runs.take() {
            host.journal(deliveries);
        }
        self.scratch.clear();
        entry.write(&mut self.scratch);
        host.journal(&self.scratch);
        self.ledger.apply(entry);
    }

    /// The last sequence it was given; nothing beyond it can be done with.
    #[must_use]
    pub fn last_given(&self) -> Sequence {
        self.ledger.delivered.stream
    }

    /// Whether this consumer still needs a message that its filters match, for a stream whose
    /// retention goes by interest.
    #[must_use]
    pub fn needs(&self, sequence: Sequence) -> bool {
        let ledger = &self.ledger;
        if sequence > ledger.delivered.stream {
            return true;
        }
        match ledger.mode {
            AckMode::None => false,
            AckMode::All => sequence > ledger.floor.stream,
            AckMode::Explicit => {
                ledger.pending.get(sequence).is_some() || ledger.dead.contains_key(&sequence)
            }
        }
    }
}

/// Drops what the stream no longer has: it was removed after the last entry was kept.
fn reconcile<S: MessageStore>(ledger: &mut Ledger, store: &mut S) {
    let state = store.state();
    let last = state.first.saturating_sub(1);
    if ledger.holds_any(0, last) {
        ledger.apply(&Entry::Removed { first: 0, last });
    }
    if ledger.delivered.stream > state.last {
        // The store lost its end. What it will store there is new to this consumer.
        let first = state.last.saturating_add(1);
        ledger.apply(&Entry::Removed {
            first,
            last: Sequence::MAX,
        });
        ledger.delivered.stream = state.last;
        ledger.floor.stream = ledger.floor.stream.min(state.last);
    }
}

/// The longest that a client may work on a message without a word.
pub(crate) fn longest_wait(waits: &crate::pending::AckWaits) -> Duration {
    let backoff = waits.backoff.iter().max().copied();
    backoff.or(waits.wait).unwrap_or_default()
}
