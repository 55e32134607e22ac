//! [`Stream`]: the front of this crate. It holds a stream's state apart from its messages, and hands
//! each call to the file that knows about it.

use cognate_model::{ApiError, Message, MessageStore, Sequence, StreamConfig, Timestamp};

use crate::batch_atomic::{self, AtomicBatches};
use crate::batch_fast::{self, FastBatches};
use crate::context::{Context, Memory, Scratch};
use crate::dedupe::Dedupe;
use crate::direct::{self, DirectGet, DirectRequest};
use crate::expire::RETRY_AFTER;
use crate::get::{self, GetRequest};
use crate::header::{self, Headers};
use crate::host::{Publish, StreamHost, Surroundings};
use crate::purge::{Purge, PurgeRequest};
use crate::reply::Replies;
use crate::rollup::{self, Rollups, UNFINISHED};
use crate::rules::Rules;
use crate::source::{self, SourceScan, Taken};

/// A stream without its messages, which are in the store that most calls are given.
///
/// It is always given the same store, and nothing else changes what is in it. The same calls with
/// the same times give the same state and the same effects.
pub struct Stream {
    config: StreamConfig,
    created: Timestamp,
    rules: Rules,
    surroundings: Surroundings,
    memory: Memory,
    replies: Replies,
    scratch: Scratch,
    atomic: AtomicBatches,
    fast: FastBatches,
    /// Something failed: nothing is tried again before this.
    retry_at: Option<Timestamp>,
}

impl Stream {
    /// A stream with a checked configuration over a store that may hold messages: ids that are in
    /// the duplicate window and the rest of what the store does not say itself are read back.
    ///
    /// # Errors
    /// If the configuration has a transform that does not compile, or the store cannot be read.
    pub fn recover<S: MessageStore>(
        config: StreamConfig,
        created: Timestamp,
        surroundings: Surroundings,
        store: &mut S,
        now: Timestamp,
    ) -> Result<Self, ApiError> {
        let rules = Rules::new(&config)?;
        let replies = Replies::new(&rules.name, &surroundings.domain);
        let mut stream = Self {
            memory: Memory {
                dedupe: Dedupe::new(surroundings.seed),
                last_id: Vec::new(),
                over_limits: true,
                crowded: Vec::new(),
                // A crash may have kept a message and not the removal of its predecessor.
                has_unknown_crowds: true,
                age_floor: 0,
                age_due: None,
                rollups: Rollups::default(),
            },
            config,
            created,
            rules,
            surroundings,
            replies,
            scratch: Scratch::default(),
            atomic: AtomicBatches::default(),
            fast: FastBatches::default(),
            retry_at: None,
        };
        stream.remember(store, now)?;
        Ok(stream)
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &StreamConfig {
        &self.config
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> Timestamp {
        self.created
    }

    /// How many message ids are remembered.
    #[must_use]
    pub fn remembered_ids(&self) -> u64 {
        self.memory.dedupe.len()
    }

    /// Takes a message that was published to one of the stream's subjects.
    pub fn handle_publish<S: MessageStore, H: StreamHost>(
        &mut self,
        publish: &Publish<'_>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) {
        let mut buffer = Vec::new();
        let publish = Publish {
            headers: match publish.headers {
                [] => &[],
                block => header::without_status(block, &mut buffer),
            },
            ..*publish
        };
        let headers = match publish.headers {
            [] => Headers::default(),
            block => Headers::parse(block),
        };
        let (mut context, atomic, fast) = self.split(now, store, host);
        if publish.reply.ends_with(batch_fast::SUFFIX) {
            context.accept_fast(fast, &publish, &headers);
        } else if !headers.batch_id.is_empty() {
            context.accept_atomic(atomic, &publish, &headers);
        } else {
            // Whoever published was told.
            let _ = context.accept(&publish, &headers);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn next_timeout<S: MessageStore>(&self, store: &mut S) -> Option<Timestamp> {
        let memory = &self.memory;
        let ids = self.rules.window.zip(memory.dedupe.oldest_time());
        let now_if = |due: bool| due.then_some(Timestamp(0));
        let due = [
            now_if(memory.over_limits || memory.has_unknown_crowds || !memory.crowded.is_empty()),
            now_if(!memory.rollups.is_empty()),
            ids.map(|(window, oldest)| oldest.after(window)),
            crate::expire::age_timeout(&self.rules, memory, &store.state()),
            store.next_deadline().map(|(_, deadline)| deadline.at),
            self.atomic.timeout(),
            self.fast.timeout(),
        ];
        let first = due.into_iter().flatten().min()?;
        Some(self.retry_at.map_or(first, |at| first.max(at)))
    }

    /// Does what time asks for; see [`next_timeout`](Self::next_timeout).
    pub fn handle_timeout<S: MessageStore, H: StreamHost>(
        &mut self,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) {
        self.retry_at = None;
        let (mut context, atomic, fast) = self.split(now, store, host);
        atomic.expire(now, context.host);
        fast.expire(now, context.host);
        if context.expire().is_err() {
            self.retry_at = Some(now.after(RETRY_AFTER));
        }
    }

    /// Removes one message on request; with `erase` its bytes are overwritten.
    ///
    /// # Errors
    /// If the stream does not allow it, or has no such message.
    pub fn delete_message<S: MessageStore, H: StreamHost>(
        &mut self,
        sequence: Sequence,
        erase: bool,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<(), ApiError> {
        self.context(now, store, host).delete(sequence, erase)
    }

    /// Removes a message that no consumer needs any more, under interest and work-queue retention.
    /// Returns whether it was there. The host is not told.
    ///
    /// # Errors
    /// If the store failed.
    pub fn acknowledged<S: MessageStore>(
        &mut self,
        sequence: Sequence,
        store: &mut S,
    ) -> Result<bool, ApiError> {
        let removed = store.remove(sequence, false);
        let removed = removed.map_err(|e| crate::context::store_failed(&e))?;
        Ok(removed.is_some())
    }

    /// Begins a purge. One that is not done is to be given to
    /// [`continue_purge`](Self::continue_purge) until it is.
    ///
    /// # Errors
    /// If the stream does not allow it, the request contradicts itself, or the store failed.
    pub fn start_purge<S: MessageStore, H: StreamHost>(
        &mut self,
        request: &PurgeRequest<'_>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<Purge<S::Cursor>, ApiError> {
        self.context(now, store, host).start_purge(request)
    }

    /// Goes on with a purge for a bounded number of messages.
    ///
    /// # Errors
    /// If the store failed.
    pub fn continue_purge<S: MessageStore, H: StreamHost>(
        &mut self,
        purge: &mut Purge<S::Cursor>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<(), ApiError> {
        self.context(now, store, host).continue_purge(purge)
    }

    /// Whether a message is about to take the place of others that are counted still.
    #[must_use]
    pub fn is_rolling_up(&self) -> bool {
        !self.memory.rollups.is_empty()
    }

    /// Goes on with a rollup that replaces more than one step removes, if there is one; whoever
    /// copies or counts what the stream holds calls this before until there is none. Returns whether
    /// there is more to do.
    ///
    /// # Errors
    /// If the store failed.
    pub fn continue_rollups<S: MessageStore, H: StreamHost>(
        &mut self,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<bool, ApiError> {
        self.context(now, store, host).continue_rollups()
    }

    /// Purges at once, whatever it takes. Returns how many messages were removed.
    ///
    /// # Errors
    /// As [`start_purge`](Self::start_purge).
    pub fn purge<S: MessageStore, H: StreamHost>(
        &mut self,
        request: &PurgeRequest<'_>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<u64, ApiError> {
        let mut purge = self.start_purge(request, now, store, host)?;
        while !purge.is_done() {
            self.continue_purge(&mut purge, now, store, host)?;
        }
        Ok(purge.removed())
    }

    /// One message, as `STREAM.MSG.GET` asks for it.
    ///
    /// # Errors
    /// If the request contradicts itself, or there is no such message.
    pub fn message<'s, S: MessageStore>(
        &self,
        request: &GetRequest<'_>,
        store: &'s mut S,
    ) -> Result<Message<'s>, ApiError> {
        get::message(request, store)
    }

    /// Answers a direct get by calling `send` with a header block and a payload for each message of
    /// the answer. What is returned has to be given to [`continue_direct`](Self::continue_direct)
    /// until it is done. `max_pending` limits the bytes of an answer that has no limit of its own.
    pub fn start_direct<S: MessageStore>(
        &mut self,
        request: &DirectRequest<'_>,
        max_pending: u64,
        store: &mut S,
        send: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Option<DirectGet<S::Cursor>> {
        let out = &mut self.scratch.headers;
        direct::start(&self.rules.name, request, max_pending, store, out, send)
    }

    /// Goes on with a direct get for a bounded number of messages.
    pub fn continue_direct<S: MessageStore>(
        &mut self,
        get: &mut DirectGet<S::Cursor>,
        store: &mut S,
        send: &mut dyn FnMut(&[u8], &[u8]),
    ) {
        if !get.is_done() {
            let out = &mut self.scratch.headers;
            direct::go_on(&self.rules.name, get, store, out, send);
        }
    }

    /// Takes the next message of the stream this is a mirror of, as it is there: its sequence and
    /// time, and its subject before any transform. Sequences between the last one here and this one
    /// are taken to be gone at the origin.
    ///
    /// # Errors
    /// If this is no mirror, or there is no room. The same message is to be tried again.
    pub fn handle_mirrored<S: MessageStore, H: StreamHost>(
        &mut self,
        message: &Message<'_>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<Taken, ApiError> {
        self.context(now, store, host).accept_mirrored(message)
    }

    /// Takes a message of the source at a place in the configuration, as it is at the origin. It
    /// does not know which were taken before, except by their ids.
    ///
    /// # Errors
    /// If there is no such source, or the message cannot be taken (now).
    pub fn handle_sourced<S: MessageStore, H: StreamHost>(
        &mut self,
        source: usize,
        message: &Message<'_>,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<Taken, ApiError> {
        self.context(now, store, host)
            .accept_sourced(source, message)
    }

    /// Notes that what the mirrored stream has after `sequence` is the next that will come.
    ///
    /// # Errors
    /// If the store failed.
    pub fn skip_mirrored<S: MessageStore, H: StreamHost>(
        &mut self,
        sequence: Sequence,
        now: Timestamp,
        store: &mut S,
        host: &mut H,
    ) -> Result<(), ApiError> {
        self.context(now, store, host).skip_mirrored(sequence)
    }

    /// Begins to look for the last message of each source, above the sequence `floor`.
    pub fn start_source_scan<S: MessageStore>(&self, floor: Sequence, store: &S) -> SourceScan {
        SourceScan {
            before: store.state().last.saturating_add(1),
            floor,
            found: vec![None; self.rules.origins.len()],
        }
    }

    /// Goes on looking, for a bounded number of messages, until
    /// [`is_done`](SourceScan::is_done).
    pub fn continue_source_scan<S: MessageStore>(&self, scan: &mut SourceScan, store: &mut S) {
        source::scan(&self.rules.origins, scan, store);
    }

    /// Takes on a new configuration, which was checked against the old one. What it leaves too much
    /// of goes with the next timeouts.
    ///
    /// # Errors
    /// If it has a transform that does not compile; nothing changes then.
    pub fn update<H: StreamHost>(
        &mut self,
        config: StreamConfig,
        host: &mut H,
    ) -> Result<(), ApiError> {
        self.rules = Rules::new(&config)?;
        if !self.rules.atomic_batches {
            self.atomic.clear(host);
        }
        if !self.rules.fast_batches {
            self.fast.clear(host);
        }
        self.config = config;
        self.memory.over_limits = true;
        self.memory.has_unknown_crowds = true;
        self.memory.age_floor = 0;
        if self.rules.window.is_none() {
            self.memory.dedupe.clear();
        }
        Ok(())
    }

    /// Gives back what it holds of its surroundings; to be called before it goes.
    pub fn close<H: StreamHost>(&mut self, host: &mut H) {
        self.atomic.clear(host);
        self.fast.clear(host);
    }

    /// Reads back what the store does not say itself.
    fn remember<S: MessageStore>(&mut self, store: &mut S, now: Timestamp) -> Result<(), ApiError> {
        let failed = |cause| crate::context::store_failed(&cause);
        if !self.rules.is_mirror {
            batch_atomic::undo_torn(store, self.surroundings.batches.max_size)?;
        }
        let memory = &mut self.memory;
        if let Some((sequence, UNFINISHED)) = store.next_deadline() {
            rollup::resume(memory, store, sequence);
        }
        let last = store.state().last;
        if let Ok(Some(message)) = store.load(last) {
            let id = Headers::parse(message.headers).msg_id;
            memory.last_id.extend_from_slice(id);
        }
        let Some(window) = self.rules.window else {
            return Ok(());
        };
        let mut read = |message: &Message<'_>| {
            let id = Headers::parse(message.headers).msg_id;
            if !id.is_empty() {
                memory
                    .dedupe
                    .insert(id, message.sequence, message.timestamp);
            }
        };
        store
            .for_each_id(now.before(window), &mut read)
            .map_err(failed)
    }

    pub(crate) fn context<'a, S, H>(
        &'a mut self,
        now: Timestamp,
        store: &'a mut S,
        host: &'a mut H,
    ) -> Context<'a, S, H> {
        self.split(now, store, host).0
    }

    fn split<'a, S, H>(
        &'a mut self,
        now: Timestamp,
        store: &'a mut S,
        host: &'a mut H,
    ) -> (
        Context<'a, S, H>,
        &'a mut AtomicBatches,
        &'a mut FastBatches,
    ) {
        self.memory.rollups.begin_call();
        let context = Context {
            rules: &self.rules,
            surroundings: &self.surroundings,
            memory: &mut self.memory,
            replies: &mut self.replies,
            scratch: &mut self.scratch,
            store,
            host,
            now,
        };
        (context, &mut self.atomic, &mut self.fast)
    }
}
