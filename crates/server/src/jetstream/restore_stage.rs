//! Where a stream from elsewhere is put together before it takes its place.
//!
//! ```text
//! <store_dir>/jetstream/<account>/restoring/<number>/    as a stream's directory
//!         ── rename ──▶  streams/<stream>
//! ```
//!
//! Messages go straight into a message log, so that a stream is on the disk once, and memory is
//! bounded whatever its size. Invariants: what stands under `streams` is whole and durable; what is
//! not finished is removed when the stage is dropped, and after a crash when the server starts.
//!
//! Called by restores over the API and by the import of a Go server's directory. Absent: which
//! streams may be made, and the server.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use cognate_consumer::{PendingMessage, Position, Progress};
use cognate_gostore::{ConsumerMeta, ConsumerState, Sink, StoredMessage, StreamMeta};
use cognate_group::{MemberSpec, Place, journal_snapshot};
use cognate_model::{
    AccountLimits, AckPolicy, Compression, ConsumerConfig, ConsumerContext, MessageStore as _,
    NewMessage, ServerLimits, StoreError, StreamConfig, Timestamp, is_valid_name,
};
use cognate_store::disk::Disk as _;
use cognate_store::{FileStore, FileStoreOptions, Journal};
use cognate_stream::Adoption;

use super::assets::JOURNAL;
use super::disk::Directory;
use super::meta::{StreamDocument, StreamFiles};
use super::recover;
use super::sealing::Sealing;

/// The directory of stages, beside `streams`.
const STAGES: &str = "restoring";

/// Bytes of messages after which they are synced, and the store does its housekeeping.
const SYNC_EVERY: u64 = 64 * 1024 * 1024;

/// Bytes that all consumers' states may have together: what one snapshot of the journal holds.
const MAX_STATES: usize = 60 * 1024 * 1024;

/// Why a stage takes no more.
#[derive(Debug)]
pub(super) enum StageError {
    /// The store cannot take it.
    Store(StoreError),
    /// The disk failed.
    Disk(io::Error),
    /// More than the server may store.
    Room,
    /// The stream or a consumer cannot be made here, in words.
    Refused(String),
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StageError::Store(error) => error.fmt(f),
            StageError::Disk(error) => error.fmt(f),
            StageError::Room => f.write_str("insufficient storage resources available"),
            StageError::Refused(reason) => f.write_str(reason),
        }
    }
}

impl From<StoreError> for StageError {
    fn from(error: StoreError) -> Self {
        StageError::Store(error)
    }
}

impl From<io::Error> for StageError {
    fn from(error: io::Error) -> Self {
        StageError::Disk(error)
    }
}

/// What becomes of a consumer that cannot be made here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// The whole stream is refused.
    Refuse,
    /// It is left out, and told.
    LeaveOut,
}

/// What a stage is told.
pub(super) struct Plan {
    /// Where the account's streams are.
    pub streams: PathBuf,
    /// Two random numbers: the stream's, and one that nobody knows.
    pub numbers: (u64, u64),
    /// Bytes that may be stored.
    pub room: u64,
    /// What the server allows consumers.
    pub limits: ServerLimits,
    /// The time.
    pub now: Timestamp,
    /// What becomes of consumers that cannot be made here.
    pub unfit: Unfit,
    /// How it is encrypted.
    pub sealing: Sealing,
}

/// Turns what the copy says of the stream into what it is to be.
type Decide = Box<dyn FnOnce(StreamMeta) -> Result<(StreamConfig, Timestamp), String> + Send>;

/// A stream that is being put together.
pub(super) struct Stage {
    plan: Plan,
    path: PathBuf,
    decide: Option<Decide>,
    open: Option<Open>,
    /// Consumers that were left out, and why.
    pub(super) left_out: Vec<String>,
}

/// The files, once it is known what the stream is.
struct Open {
    config: StreamConfig,
    adoption: Adoption,
    files: StreamFiles,
    store: FileStore<Directory>,
    journal: Directory,
    /// The sequence of the next message.
    next: u64,
    last_time: Timestamp,
    bytes: u64,
    unsynced: u64,
    consumers: Vec<(Place, Vec<u8>)>,
    /// Bytes of their states.
    states: usize,
}

/// Removes what restores and imports left behind when the server ended.
pub(super) fn clear(streams: &Path) -> io::Result<()> {
    Directory::remove_all(&stages(streams))
}

fn stages(streams: &Path) -> PathBuf {
    streams.with_file_name(STAGES)
}

impl Stage {
    /// An empty stage.
    pub(super) fn new(plan: Plan, decide: Decide) -> Self {
        Stage {
            path: stages(&plan.streams).join(format!("{:016x}", plan.numbers.0)),
            plan,
            decide: Some(decide),
            open: None,
            left_out: Vec::new(),
        }
    }

    /// What the stream is to be, once that is known.
    pub(super) fn config(&self) -> Option<&StreamConfig> {
        self.open.as_ref().map(|open| &open.config)
    }

    fn open(&mut self) -> Result<&mut Open, StageError> {
        let missing = || StageError::Refused("the stream's configuration is missing".to_owned());
        self.open.as_mut().ok_or_else(missing)
    }

    /// Gives the stream its place, durably. Returns where that is.
    ///
    /// # Errors
    /// If something is there already, or the disk failed.
    pub(super) fn finish(mut self) -> Result<PathBuf, StageError> {
        let Some(mut open) = self.open.take() else {
            return Err(StageError::Refused("there is no stream in it".to_owned()));
        };
        open.store.sync()?;
        open.store.close()?;
        let snapshots = open.consumers.iter();
        let body = journal_snapshot(snapshots.map(|(place, bytes)| (*place, &bytes[..])));
        let (mut journal, _) = Journal::open(open.journal, JOURNAL, self.plan.numbers.0)?;
        journal.snapshot(&body)?;
        journal.sync()?;
        let target = self.plan.streams.join(&open.config.name);
        let streams = Directory::open(&self.plan.streams)?;
        if target.exists() {
            let reason = format!("{} is there already", target.display());
            return Err(StageError::Refused(reason));
        }
        std::fs::rename(&self.path, &target)?;
        let synced = streams.sync_dir();
        synced.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(target)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.open = None;
        // After a rename there is nothing; what cannot be removed now is at the next start.
        let _ = Directory::remove_all(&self.path);
    }
}

impl Sink for Stage {
    type Error = StageError;

    fn stream(&mut self, meta: StreamMeta) -> Result<(), StageError> {
        let Some(decide) = self.decide.take() else {
            return Err(StageError::Refused("it says twice what it is".to_owned()));
        };
        let (config, created) = decide(meta).map_err(StageError::Refused)?;
        let (id, seed) = self.plan.numbers;
        let adoption = Adoption::new(&config, self.plan.now)
            .map_err(|error| StageError::Refused(error.description.into_owned()))?;
        let document = StreamDocument {
            config: config.clone(),
            created,
            id,
        };
        let (files, messages, journal) =
            StreamFiles::create(&self.path, &document, &self.plan.sealing)?;
        let options = FileStoreOptions {
            boot: recover::boot(),
            compress: config.compression != Compression::None,
            ..FileStoreOptions::new(id, seed)
        };
        let (store, _) = FileStore::open(messages, options)?;
        self.open = Some(Open {
            config,
            adoption,
            files,
            store,
            journal,
            next: 1,
            last_time: Timestamp(0),
            bytes: 0,
            unsynced: 0,
            consumers: Vec::new(),
            states: 0,
        });
        Ok(())
    }

    fn message(&mut self, message: &StoredMessage<'_>) -> Result<(), StageError> {
        let room = self.plan.room;
        let open = self.open()?;
        let &StoredMessage {
            sequence,
            timestamp,
            subject,
            headers,
            payload,
        } = message;
        if sequence > open.next {
            open.store.skip_to(sequence, open.last_time)?;
        }
        let (deadline, has_id) = open.adoption.message(headers, timestamp);
        let len = open
            .store
            .stored_bytes(subject.len(), headers.len(), payload.len());
        open.bytes = open.bytes.saturating_add(len);
        if open.bytes > room {
            return Err(StageError::Room);
        }
        open.store.append(&NewMessage {
            timestamp,
            subject,
            headers,
            payload,
            deadline,
            has_id,
        })?;
        open.next = sequence.saturating_add(1);
        open.last_time = timestamp;
        open.unsynced += len;
        if open.unsynced > SYNC_EVERY {
            open.unsynced = 0;
            open.store.sync()?;
            open.store.maintain(usize::MAX)?;
        }
        Ok(())
    }

    fn remove(&mut self, first: u64, last: u64) -> Result<u64, StageError> {
        let open = self.open()?;
        let mut removed = 0;
        if first <= open.store.state().first {
            removed = open.store.remove_below(last.saturating_add(1))?.messages;
        } else {
            let mut cursor = open.store.cursor(&[]);
            let mut from = first;
            while let Some(sequence) = open.store.next(&mut cursor, from)? {
                if sequence > last {
                    break;
                }
                removed += u64::from(open.store.remove(sequence, false)?.is_some());
                from = sequence + 1;
            }
        }
        open.bytes = open.store.state().bytes;
        Ok(removed)
    }

    fn end_messages(&mut self, next: u64, last_time: Timestamp) -> Result<(), StageError> {
        let open = self.open()?;
        if next > open.next {
            open.store.skip_to(next, last_time)?;
            open.next = next;
        }
        Ok(())
    }

    fn consumer(
        &mut self,
        meta: ConsumerMeta,
        state: Option<ConsumerState>,
    ) -> Result<(), StageError> {
        let limits = self.plan.limits;
        let unfit = self.plan.unfit;
        let now = self.plan.now;
        let open = self.open()?;
        let name = meta.name;
        let config = match adopted(meta.config, &name, &open.config, &limits) {
            Ok(config) => config,
            Err(reason) => {
                let text = format!("consumer {name}: {reason}");
                if unfit == Unfit::Refuse {
                    return Err(StageError::Refused(text));
                }
                self.left_out.push(text);
                return Ok(());
            }
        };
        let place = open.consumers.len() as Place + 1;
        let snapshot = state.map(|state| progress(state, &config).to_snapshot());
        let spec = MemberSpec {
            place,
            name,
            config,
            created: if meta.created.is_zero_time() {
                now
            } else {
                meta.created
            },
        };
        let stored = open.files.store_consumer(&spec);
        stored.map_err(|error| io::Error::other(error.to_string()))?;
        let snapshot = snapshot.unwrap_or_default();
        open.states = open.states.saturating_add(snapshot.len());
        if open.states > MAX_STATES {
            let text = format!("the states of its consumers are larger than {MAX_STATES} bytes");
            return Err(StageError::Refused(text));
        }
        open.consumers.push((place, snapshot));
        Ok(())
    }
}

/// A consumer's configuration as it is to be here, or why it cannot be.
fn adopted(
    mut config: ConsumerConfig,
    name: &str,
    stream: &StreamConfig,
    limits: &ServerLimits,
) -> Result<ConsumerConfig, String> {
    if !is_valid_name(name) {
        return Err("its name is not valid".to_owned());
    }
    if config.direct {
        return Err("it belongs to a mirror or source of another server".to_owned());
    }
    if config.name.is_empty() {
        name.clone_into(&mut config.name);
    }
    // What is checked is what it was made with; the limits of then are not those of now.
    let account = AccountLimits::UNLIMITED;
    config
        .checked(&ConsumerContext {
            server: limits,
            account: &account,
            pedantic: false,
            stream,
        })
        .map_err(|error| error.description.into_owned())
}

/// How far a consumer is, from what the Go server kept.
fn progress(state: ConsumerState, config: &ConsumerConfig) -> Progress {
    let position = |position: cognate_gostore::Position| Position {
        consumer: position.consumer,
        stream: position.stream,
    };
    let redeliveries = |sequence: u64| {
        let found = state
            .redelivered
            .binary_search_by_key(&sequence, |(s, _)| *s);
        found.map_or(0, |at| state.redelivered[at].1)
    };
    let acks = config.ack_policy != AckPolicy::None;
    let pending = state.pending.iter().filter(|_| acks);
    let is_pending = |sequence: u64| {
        let found = state
            .pending
            .binary_search_by_key(&sequence, |p| p.sequence);
        found.is_ok()
    };
    let most = u64::try_from(config.max_deliver).unwrap_or(u64::MAX);
    let over = state.redelivered.iter().filter(|(sequence, count)| {
        let is_over = count.saturating_add(1) >= most;
        is_over && *sequence > state.floor.stream && !is_pending(*sequence)
    });
    Progress {
        delivered: position(state.delivered),
        floor: position(state.floor),
        pending: pending
            .map(|pending| PendingMessage {
                sequence: pending.sequence,
                delivery: pending.delivery,
                time: Timestamp(pending.time),
                redeliveries: redeliveries(pending.sequence),
            })
            .collect(),
        exhausted: over
            .map(|(sequence, count)| (*sequence, count.saturating_add(1)))
            .collect(),
    }
}
