//! What the JetStream API does with a group: facts to show, and changes by request.
//!
//! Changes take effect at once; their answers belong behind them in the order of effects
//! ([`Group::answer`]), so that nobody is told of a change that a crash could take back. The caller
//! has a step follow each change.

use std::ops::ControlFlow;
use std::sync::Arc;

use cognate_consumer::{Beginning, Consumer, ConsumerState, Identity, Removal, ResetError};
use cognate_model::{
    ApiError, Compression, ConsumerConfig, DamagedRange, Message, MessageStore, RetentionPolicy,
    Sequence, StoreState, StreamConfig, SubjectState, Timestamp, error,
};
use cognate_store::disk::Disk;
use cognate_stream::{GetRequest, Purge, PurgeRequest};

use crate::any_store::AnyCursor;
use crate::effects::Ticket;
use crate::group::{Group, GroupConsumer};
use crate::hosts::ConsumerSide;
use crate::interest::Place;
use crate::members::MemberSpec;
use crate::outlet::Outlet;

/// Subjects that are looked at in one step to find out where a consumer begins: a millisecond or two.
const BEGINNING_SUBJECTS: usize = 16 * 1024;

/// A purge of a group that goes on; see [`Group::continue_purge`].
pub struct GroupPurge<D: Disk>(Purge<AnyCursor<D>>);

impl<D: Disk> GroupPurge<D> {
    /// Whether there is nothing more to remove.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.is_done()
    }

    /// How many messages were removed.
    #[must_use]
    pub fn removed(&self) -> u64 {
        self.0.removed()
    }
}

/// What a recovery found of a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRecovery {
    /// Its state was there. If not, it begins as a new one would.
    pub is_whole: bool,
    /// Entries that made no sense and were passed over.
    pub unreadable_entries: u64,
}

// --- the stream ---

impl<D: Disk> Group<D> {
    /// The stream's configuration.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        self.stream.config()
    }

    /// When the stream was created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.stream.created()
    }

    /// What the stream holds.
    #[must_use]
    pub fn state(&self) -> StoreState {
        self.store.state()
    }

    /// What is known to be damaged.
    #[must_use]
    pub fn damaged(&self) -> &[DamagedRange] {
        self.store.damaged()
    }

    /// What the damaged messages counted for, of those whose size is known.
    #[must_use]
    pub fn damaged_bytes(&self) -> u64 {
        self.store.damaged_bytes()
    }

    /// Sequences without a message between first and last, as ranges, at most `limit` of them.
    pub fn deleted(&mut self, limit: usize) -> Vec<(Sequence, Sequence)> {
        self.store.deleted(limit)
    }

    /// Visits the subjects that match `filter`.
    pub fn for_each_subject(
        &mut self,
        filter: &[u8],
        visit: &mut dyn FnMut(&[u8], SubjectState) -> ControlFlow<()>,
    ) {
        self.store.for_each_subject(filter, visit);
    }

    /// Sends `body` to `reply` once everything up to now is durable; at once if a log failed and
    /// nothing more becomes durable. It is said only if `ticket` is still to be had then.
    pub fn answer(&mut self, reply: &[u8], body: &[u8], ticket: Arc<Ticket>) {
        if self.failure.is_some() {
            self.effects.answer(reply, body, ticket);
        } else {
            self.effects.confirm_answer(reply, body, ticket);
        }
    }

    /// Makes `first` the sequence of the first message of a stream that holds none yet.
    ///
    /// # Errors
    /// If the store failed.
    pub fn begin_at(&mut self, first: Sequence, now: Timestamp) -> Result<(), ApiError> {
        let moved = self.store.skip_to(first, now);
        self.visible = self.store.state().last;
        moved.map_err(|cause| error::stream_store_failed(&cause))
    }

    /// Takes on a new configuration, which was checked against the old one.
    ///
    /// # Errors
    /// If it has a transform that does not compile; nothing changes then.
    pub fn update<O: Outlet>(
        &mut self,
        config: StreamConfig,
        outlet: &mut O,
    ) -> Result<(), ApiError> {
        let tracks_interest = config.retention != RetentionPolicy::Limits;
        let (stream, _, mut host) = self.stream_side(outlet, Removal::Deleted);
        stream.update(config, &mut host)?;
        self.origins.configure(self.stream.config());
        self.scrub.configure(self.stream.config());
        if let Some(store) = self.store.file() {
            store.set_compress(self.stream.config().compression != Compression::None);
        }
        for place in self.members.places() {
            if let Some(member) = self.members.get_mut(place) {
                member.consumer.track_interest(tracks_interest);
            }
        }
        self.let_unwanted_go();
        Ok(())
    }

    /// Begins to remove messages. One that is not done is to be given to
    /// [`continue_purge`](Self::continue_purge) until it is; others may have their turn in between.
    ///
    /// # Errors
    /// If the stream does not allow it, the request contradicts itself, or the store failed.
    pub fn start_purge<O: Outlet>(
        &mut self,
        request: &PurgeRequest<'_>,
        now: Timestamp,
        outlet: &mut O,
    ) -> Result<GroupPurge<D>, ApiError> {
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Purged);
        stream
            .start_purge(request, now, store, &mut host)
            .map(GroupPurge)
    }

    /// Removes some more messages.
    ///
    /// # Errors
    /// If the store failed.
    pub fn continue_purge<O: Outlet>(
        &mut self,
        purge: &mut GroupPurge<D>,
        now: Timestamp,
        outlet: &mut O,
    ) -> Result<(), ApiError> {
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Purged);
        stream.continue_purge(&mut purge.0, now, store, &mut host)
    }

    /// Whether a rollup goes on: what it replaces is not seen any more, and counted still.
    #[must_use]
    pub fn is_rolling_up(&self) -> bool {
        self.stream.is_rolling_up()
    }

    /// Goes on with a message that replaces more than one step removes, if there is one; whoever
    /// counts or copies what the stream holds calls this before until there is none. Returns whether
    /// there is more to do.
    ///
    /// # Errors
    /// If the store failed.
    pub fn continue_rollups<O: Outlet>(
        &mut self,
        now: Timestamp,
        outlet: &mut O,
    ) -> Result<bool, ApiError> {
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
        stream.continue_rollups(now, store, &mut host)
    }

    /// Removes one message; with `erase` its bytes are overwritten.
    ///
    /// # Errors
    /// If the stream does not allow it, or has no such message.
    pub fn delete_message<O: Outlet>(
        &mut self,
        sequence: Sequence,
        erase: bool,
        now: Timestamp,
        outlet: &mut O,
    ) -> Result<(), ApiError> {
        let (stream, store, mut host) = self.stream_side(outlet, Removal::Deleted);
        stream.delete_message(sequence, erase, now, store, &mut host)
    }

    /// One message.
    ///
    /// # Errors
    /// If the request contradicts itself, or there is no such message.
    pub fn message(&mut self, request: &GetRequest<'_>) -> Result<Message<'_>, ApiError> {
        self.stream.message(request, &mut self.store)
    }
}

// --- its consumers ---

impl<D: Disk> Group<D> {
    /// How many consumers there are, without those of mirrors and sources.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.members.shown()
    }

    /// The consumers, by name.
    #[must_use]
    pub fn consumers(&self) -> Vec<&MemberSpec> {
        let mut specs: Vec<_> = self.members.iter().map(|member| &member.spec).collect();
        specs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        specs
    }

    /// The consumer of a name.
    #[must_use]
    pub fn consumer(&self, name: &str) -> Option<&MemberSpec> {
        let place = self.members.find(name)?;
        Some(&self.members.get(place)?.spec)
    }

    /// Begins to find out where a new consumer begins. What is not done is to be given to
    /// [`continue_consumer`](Self::continue_consumer) until it is; others may have their turn in between.
    ///
    /// # Errors
    /// If the store cannot tell.
    pub fn start_consumer(&mut self, config: &ConsumerConfig) -> Result<Beginning, ApiError> {
        Beginning::new(config, &mut self.store).map_err(|cause| error::stream_store_failed(&cause))
    }

    /// Goes on with that for a bounded number of subjects.
    pub fn continue_consumer(&mut self, beginning: &mut Beginning) {
        beginning.go_on(&mut self.store, BEGINNING_SUBJECTS);
    }

    /// Adds a new consumer, once it is known where it begins.
    pub fn add_consumer<O: Outlet>(
        &mut self,
        spec: MemberSpec,
        beginning: Beginning,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let identity = self.identity(&spec);
        let config = &spec.config;
        let visible = self.visible;
        let consumer = Consumer::begun(identity, config, beginning, visible, now, &mut self.store);
        self.enter(spec, consumer, now, outlet);
    }

    /// To be called once after all consumers were recovered, and for a new group: from then on their
    /// changes are kept.
    pub fn begin_journal(&mut self) {
        self.journal.begin_keeping();
        self.keep_snapshot_if_due();
    }

    /// Adds a consumer that was there before a restart; its state comes from the journal.
    ///
    /// # Errors
    /// If there is no state and the store cannot tell where it begins.
    pub fn recover_consumer<O: Outlet>(
        &mut self,
        spec: MemberSpec,
        now: Timestamp,
        outlet: &mut O,
    ) -> Result<MemberRecovery, ApiError> {
        let identity = self.identity(&spec);
        let kept = self.journal.take_recovered(spec.place);
        let entries = kept.entries.iter().map(Vec::as_slice);
        let (consumer, recovered) = Consumer::recover(
            identity,
            &spec.config,
            kept.snapshot.as_deref(),
            entries,
            self.visible,
            now,
            &mut self.store,
        )
        .map_err(|cause| error::stream_store_failed(&cause))?;
        let place = spec.place;
        self.enter(spec, consumer, now, outlet);
        self.with_member(place, now, outlet, |consumer, turn| {
            consumer.offer_dead_letters(turn);
        });
        Ok(MemberRecovery {
            is_whole: recovered.from_snapshot,
            unreadable_entries: recovered.unreadable_entries,
        })
    }

    fn enter<O: Outlet>(
        &mut self,
        spec: MemberSpec,
        consumer: GroupConsumer<D>,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let place = spec.place;
        // One that is for a mirror or source is made anew after a restart.
        let is_kept = !spec.config.mem_storage && !spec.config.direct;
        if is_kept {
            let mut snapshot = Vec::new();
            consumer.snapshot(&mut snapshot);
            self.journal.begin(place, &snapshot);
        }
        self.members.insert(spec, consumer, is_kept);
        self.members.update_timeout(place);
        self.check_interest_of(place, now, outlet);
    }

    /// Removes a consumer. Its waiting pull requests are told, and what only it needed goes.
    pub fn remove_consumer<O: Outlet>(
        &mut self,
        name: &str,
        now: Timestamp,
        outlet: &mut O,
    ) -> Option<MemberSpec> {
        let place = self.members.find(name)?;
        self.with_member(place, now, outlet, |consumer, turn| {
            consumer.end_pulls(b"409 Consumer Deleted", turn.host);
        });
        let member = self.members.remove(place)?;
        self.journal.end(place);
        self.let_unwanted_go();
        Some(member.spec)
    }

    /// Takes on a consumer's new configuration, which was checked against the old one.
    pub fn update_consumer<O: Outlet>(
        &mut self,
        name: &str,
        config: ConsumerConfig,
        now: Timestamp,
        outlet: &mut O,
    ) {
        let Some(place) = self.members.find(name) else {
            return;
        };
        self.with_member(place, now, outlet, |consumer, turn| {
            consumer.update(&config, turn);
        });
        self.members.reconfigure(place, config);
        self.check_interest_of(place, now, outlet);
        self.members.touch(place);
        self.let_unwanted_go();
    }

    /// A consumer's state.
    pub fn consumer_state<O: Outlet>(
        &mut self,
        name: &str,
        now: Timestamp,
        outlet: &mut O,
    ) -> Option<ConsumerState> {
        self.call_consumer(name, now, outlet, |consumer, turn| consumer.info(turn))
    }

    /// Pauses a consumer, or lets it go on. The caller keeps `pause_until` in the configuration.
    pub fn pause_consumer<O: Outlet>(
        &mut self,
        name: &str,
        until: Option<Timestamp>,
        now: Timestamp,
        outlet: &mut O,
    ) {
        self.call_consumer(name, now, outlet, |consumer, turn| {
            consumer.pause(until, now, turn.host);
        });
    }

    /// Unpins the client of a consumer's priority group.
    pub fn unpin_consumer<O: Outlet>(&mut self, name: &str, now: Timestamp, outlet: &mut O) {
        self.call_consumer(name, now, outlet, |consumer, turn| {
            consumer.unpin(turn.host);
        });
    }

    /// Makes a consumer begin anew. Returns where; none if there is no such consumer.
    ///
    /// # Errors
    /// If its deliver policy does not allow it, or the store failed.
    pub fn reset_consumer<O: Outlet>(
        &mut self,
        name: &str,
        sequence: Sequence,
        now: Timestamp,
        outlet: &mut O,
    ) -> Option<Result<Sequence, ResetError>> {
        let config = self.consumer(name)?.config.clone();
        self.call_consumer(name, now, outlet, |consumer, turn| {
            consumer.reset(&config, sequence, turn)
        })
    }

    /// Ends all waiting pull requests with a status line, because the server stops.
    pub fn end_pulls<O: Outlet>(&mut self, code: &[u8], now: Timestamp, outlet: &mut O) {
        for place in self.members.places() {
            self.with_member(place, now, outlet, |consumer, turn| {
                consumer.end_pulls(code, turn.host);
            });
        }
    }

    /// Interest somewhere may have changed: push consumers look whether somebody listens.
    pub fn check_interest<O: Outlet>(&mut self, now: Timestamp, outlet: &mut O) {
        for place in self.members.places() {
            self.check_interest_of(place, now, outlet);
        }
    }

    fn check_interest_of<O: Outlet>(&mut self, place: Place, now: Timestamp, outlet: &mut O) {
        let Some(member) = self.members.get_mut(place) else {
            return;
        };
        let config = &member.spec.config;
        if !config.is_push() {
            return;
        }
        let queue = Some(config.deliver_group.as_bytes()).filter(|name| !name.is_empty());
        let is_there = outlet.has_interest(config.deliver_subject.as_bytes(), queue);
        if member.is_heard == Some(is_there) {
            return;
        }
        member.is_heard = Some(is_there);
        member.consumer.handle_interest(is_there, now);
        self.members.update_timeout(place);
        self.members.touch(place);
    }

    fn call_consumer<O: Outlet, R>(
        &mut self,
        name: &str,
        now: Timestamp,
        outlet: &mut O,
        call: impl FnOnce(
            &mut GroupConsumer<D>,
            &mut cognate_consumer::Turn<'_, crate::any_store::AnyStore<D>, ConsumerSide<'_, D, O>>,
        ) -> R,
    ) -> Option<R> {
        let place = self.members.find(name)?;
        let mut result = None;
        self.with_member(place, now, outlet, |consumer, turn| {
            result = Some(call(consumer, turn));
        });
        self.members.touch(place);
        result
    }

    fn identity(&self, spec: &MemberSpec) -> Identity {
        let config = self.stream.config();
        Identity {
            stream: config.name.as_bytes().into(),
            consumer: spec.name.as_bytes().into(),
            tracks_interest: config.retention != RetentionPolicy::Limits,
            max_message: u64::try_from(config.max_msg_size).unwrap_or(self.max_payload),
            seed: self.seed ^ spec.place.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        }
    }
}
