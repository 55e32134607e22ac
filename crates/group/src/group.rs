//! [`Group`]: the parts of a stream together, and the order of a step.
//!
//! ```text
//! handle_frames, handle_timeouts ─▶ flush ─▶ advance (release, deliver) ─▶ next_timeout
//! ```

use std::collections::VecDeque;

use cognate_consumer::{Consumer, Removal, Turn};
use cognate_model::{ApiError, MessageStore, Sequence, StoreState, StreamConfig, Timestamp};
use cognate_store::{FileStore, Journal, Recovered, disk::Disk};
use cognate_stream::{DirectGet, Stream, Surroundings};

use crate::any_store::{AnyCursor, AnyStore};
use crate::effects::{Effect, Effects, Marks};
use crate::gather::Gather;
use crate::hosts::{ConsumerSide, StreamSide, Wake};
use crate::interest::Place;
use crate::journal::Keeper;
use crate::members::Members;
use crate::origins::{Origins, PLACE, Positions};
use crate::outlet::{Outgoing, Outlet};
use crate::retention::{Settled, Sweep};
use crate::scrub::Scrub;
use crate::sync::Policy;

/// Messages that one consumer delivers at most before others get their turn.
const DELIVER_BUDGET: usize = 512;

/// The same if there are so many consumers that it would be less: what they read then lies close enough
/// together to be read once for all of them.
const DELIVER_LEAST: usize = 32;

/// Messages that all consumers deliver in a round, if that leaves each of them enough.
const ROUND_BUDGET: usize = 4096;

/// Rounds over consumers that have more to deliver, per step.
const DELIVER_ROUNDS: usize = 2;

/// Bytes that may still be stored before a limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// By all accounts of the server.
    pub server: u64,
    /// By the stream's account.
    pub account: u64,
    /// Whether the account has limits for streams of this kind at all; nothing is stored without.
    pub is_allowed: bool,
}

impl Room {
    /// No limit.
    pub const UNLIMITED: Self = Room {
        server: u64::MAX,
        account: u64::MAX,
        is_allowed: true,
    };
}

/// What a group is made of.
pub struct Specification<D: Disk> {
    /// The stream's checked configuration.
    pub config: StreamConfig,
    /// The name of its account, which origins are told.
    pub account: String,
    /// When it was created.
    pub created: Timestamp,
    /// What the stream knows besides.
    pub surroundings: Surroundings,
    /// Where messages are; none for memory.
    pub store: Option<FileStore<D>>,
    /// Where consumers' states are, and what was found there; none for memory.
    pub journal: Option<(Journal<D>, Recovered)>,
    /// When changes count as durable.
    pub policy: Policy,
    /// A random number.
    pub seed: u64,
    /// Bytes that may wait for one client, which bounds answers that set no bound themselves.
    pub max_pending: u64,
}

/// How consumers see a group.
pub(crate) type GroupConsumer<D> = Consumer<AnyCursor<D>>;

/// A direct get under way: where its answers go, and how far it is.
pub(crate) type Direct<D> = (Box<[u8]>, DirectGet<AnyCursor<D>>);

/// Which logs take nothing any more.
#[derive(Clone, Copy, Default)]
pub(crate) struct FailedLogs {
    /// The message log.
    pub(crate) store: bool,
    /// The consumers' journal.
    pub(crate) journal: bool,
}

/// A stream and its consumers.
pub struct Group<D: Disk> {
    pub(crate) stream: Stream,
    pub(crate) store: AnyStore<D>,
    pub(crate) journal: Keeper<D>,
    pub(crate) members: Members<AnyCursor<D>>,
    pub(crate) effects: Effects,
    /// What consumers are done with and nobody has looked at yet.
    pub(crate) settled: VecDeque<Settled>,
    /// Messages that may have lost whoever wanted them.
    pub(crate) sweep: Option<Sweep>,
    /// Direct gets that take several steps, and where their answers go.
    pub(crate) directs: VecDeque<Direct<D>>,
    /// Walks over all messages.
    pub(crate) everything: AnyCursor<D>,
    /// The last message that consumers may see.
    pub(crate) visible: Sequence,
    pub(crate) policy: Policy,
    pub(crate) flushed: Marks,
    pub(crate) next_sync: Timestamp,
    pub(crate) failure: Option<String>,
    pub(crate) failed: FailedLogs,
    /// The disk was full: when to try again.
    pub(crate) retry_at: Option<Timestamp>,
    /// The store may have housekeeping to do.
    pub(crate) needs_care: bool,
    /// A sync of the store has ended since the last step's.
    pub(crate) has_synced: bool,
    /// Whether the next sync waits for more.
    pub(crate) gather: Gather,
    /// Until when what is written and nobody waits for is not synced.
    pub(crate) unhurried: Option<Timestamp>,
    /// When the store will have been quiet for a while.
    pub(crate) quiet_at: Option<Timestamp>,
    /// Reads old messages now and then.
    pub(crate) scrub: Scrub,
    pub(crate) max_pending: u64,
    pub(crate) max_payload: u64,
    pub(crate) seed: u64,
    /// Bytes that may still be stored, as the server said last.
    pub(crate) room: Room,
    /// Where its messages come from, if not from publishers.
    pub(crate) origins: Origins,
    turns: Vec<Place>,
}

impl<D: Disk> Group<D> {
    /// Puts a group together over what its store holds, without consumers.
    ///
    /// # Errors
    /// If the stream cannot be made of its configuration and store.
    pub fn new(specification: Specification<D>, now: Timestamp) -> Result<Self, ApiError> {
        let Specification {
            config,
            account,
            created,
            surroundings,
            store,
            journal,
            policy,
            seed,
            max_pending,
        } = specification;
        let mut store = AnyStore::new(store, seed);
        let max_payload = surroundings.max_payload as u64;
        let domain = surroundings.domain.clone();
        let mut journal = Keeper::new(journal);
        let positions = Positions::new(&journal.take_recovered(PLACE));
        let origins = Origins::new(&config, account, domain, seed, positions);
        let stream = Stream::recover(config, created, surroundings, &mut store, now)?;
        let StoreState { first, last, .. } = store.state();
        let scrub = Scrub::new(stream.config(), first, last, seed);
        let everything = store.cursor(&[]);
        let visible = store.state().last;
        let next_sync = match policy {
            Policy::Synced => now,
            Policy::Written { sync_interval } => now.after(sync_interval),
        };
        Ok(Group {
            stream,
            store,
            journal,
            members: Members::new(seed),
            effects: Effects::default(),
            settled: VecDeque::new(),
            sweep: None,
            directs: VecDeque::new(),
            everything,
            visible,
            policy,
            flushed: Marks::default(),
            next_sync,
            failure: None,
            failed: FailedLogs::default(),
            retry_at: None,
            needs_care: false,
            has_synced: false,
            gather: Gather::default(),
            unhurried: None,
            quiet_at: None,
            scrub,
            max_pending,
            max_payload,
            seed,
            room: Room::UNLIMITED,
            turns: Vec::new(),
            origins,
        })
    }

    /// How many bytes may still be stored before an account or server limit is reached; to be told
    /// before each step.
    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// Does what time asks for.
    pub fn handle_timeouts<O: Outlet>(&mut self, now: Timestamp, outlet: &mut O) {
        self.settle_if_quiet(now);
        self.scrub_if_due(now);
        let due = self.stream.next_timeout(&mut self.store);
        if due.is_some_and(|due| due <= now) {
            let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
            stream.handle_timeout(now, store, &mut host);
        }
        self.origins.poll(self.store.state().last, now);
        let mut due = std::mem::take(&mut self.turns);
        self.members.due(now, &mut due);
        for &place in &due {
            self.with_member(place, now, outlet, |consumer, turn| {
                consumer.handle_timeout(turn);
            });
            self.members.touch(place);
        }
        due.clear();
        self.turns = due;
    }

    /// Lets go what is durable, and lets consumers deliver. Returns whether more could be delivered
    /// at once.
    pub fn advance<O: Outlet>(&mut self, now: Timestamp, outlet: &mut O) -> bool {
        self.release(outlet);
        let mut more = self.continue_directs(outlet) | self.look_back(now);
        self.keep_positions();
        for _ in 0..DELIVER_ROUNDS {
            more |= self.deliver(now, outlet);
            if !self.members.has_dirty() {
                break;
            }
        }
        more |= self.let_settled_go();
        more || self.members.has_dirty()
    }

    fn release<O: Outlet>(&mut self, outlet: &mut O) {
        let durable = self.releasable();
        let Group {
            effects,
            members,
            visible,
            ..
        } = self;
        let mut subject_unknown = None;
        effects.release(durable, |effect| match effect {
            Effect::Send {
                to,
                reply,
                headers,
                payload,
            } => {
                outlet.publish(&Outgoing {
                    reply,
                    ..Outgoing::to(to, headers, payload)
                });
            }
            Effect::Stored { sequence, subject } => {
                *visible = sequence;
                if subject.is_empty() {
                    subject_unknown = Some(sequence);
                } else {
                    members.note_stored(sequence, subject);
                }
            }
        });
        if let Some(sequence) = subject_unknown {
            members.note_visible(sequence);
        }
    }

    fn deliver<O: Outlet>(&mut self, now: Timestamp, outlet: &mut O) -> bool {
        let mut turns = std::mem::take(&mut self.turns);
        self.members.take_dirty(&mut turns);
        let mut more = false;
        let budget = ROUND_BUDGET / turns.len().max(1);
        let budget = budget.clamp(DELIVER_LEAST, DELIVER_BUDGET);
        for &place in &turns {
            let mut again = false;
            self.with_member(place, now, outlet, |consumer, turn| {
                again = consumer.poll_deliver(turn, budget);
            });
            if again {
                self.members.touch(place);
                more = true;
            }
        }
        turns.clear();
        self.turns = turns;
        more
    }

    /// When time alone is a reason for another step.
    pub fn next_timeout(&mut self) -> Option<Timestamp> {
        let stream = self.stream.next_timeout(&mut self.store);
        let sync = match self.policy {
            Policy::Written { .. } if self.flushed != self.durable_marks() => Some(self.next_sync),
            _ => None,
        };
        let journal = self.journal.next_timeout();
        [
            stream,
            self.members.next_timeout(),
            sync,
            journal,
            self.retry_at,
            self.quiet_at,
            self.gather.until(),
            self.unhurried,
            self.scrub.due(),
            self.origins.next_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Why the group takes no more writes, if that is so.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether so much waits for the disk that no more should be applied: the caller then leaves
    /// frames where they are until a sync has let something go.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.effects.is_full()
    }

    /// Writes what is left and gives back what it holds of the server; for a stop.
    pub fn close<O: Outlet>(&mut self, outlet: &mut O) {
        let (stream, _, mut host) = self.stream_side(outlet, Removal::Deleted);
        stream.close(&mut host);
        // What cannot be written now was not acknowledged, and is not lost by saying nothing.
        if let Some(store) = self.store.file() {
            let _ = store.close();
        }
        self.journal.close();
    }

    pub(crate) fn stream_side<'a, O: Outlet>(
        &'a mut self,
        outlet: &'a mut O,
        removal: Removal,
    ) -> (&'a mut Stream, &'a mut AnyStore<D>, StreamSide<'a, D, O>) {
        let side = StreamSide {
            members: &mut self.members,
            wake: Wake {
                effects: &mut self.effects,
                journal: &mut self.journal,
                settled: &mut self.settled,
            },
            outlet,
            removal,
            room: &mut self.room,
        };
        (&mut self.stream, &mut self.store, side)
    }

    /// Calls a consumer with what it needs around it.
    pub(crate) fn with_member<O: Outlet>(
        &mut self,
        place: Place,
        now: Timestamp,
        outlet: &mut O,
        call: impl FnOnce(&mut GroupConsumer<D>, &mut Turn<'_, AnyStore<D>, ConsumerSide<'_, D, O>>),
    ) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let mut side = ConsumerSide {
            outlet,
            effects: &mut self.effects,
            journal: &mut self.journal,
            settled: &mut self.settled,
            place,
            name: &member.spec.name,
            is_kept: member.is_kept,
        };
        let mut turn = Turn {
            now,
            store: &mut self.store,
            host: &mut side,
        };
        call(&mut member.consumer, &mut turn);
        self.members.update_timeout(place);
    }

    fn durable_marks(&self) -> Marks {
        Marks {
            store: self.store.durable(),
            journal: self.journal.durable(),
        }
    }
}
