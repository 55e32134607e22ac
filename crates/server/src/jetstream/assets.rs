//! Making, changing and removing streams and consumers.
//!
//! Each returns when the change is on disk. Configurations come checked; what they mean for others
//! (overlapping subjects, limits of the account) was checked by the API, which has a claim on the
//! stream's name as long as it takes.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use cognate_group::{Group, MemberSpec, Specification};
use cognate_model::{
    ApiError, Compression, ConsumerConfig, StorageType, StreamConfig, Timestamp, error,
};
use cognate_process::{error as log_error, warn};
use cognate_store::{FileStore, FileStoreOptions, Journal, OpenReport, Recovered};
use parking_lot::MutexGuard;
use tokio::time::Instant;

use super::claim::Claim;
use super::disk::Directory;
use super::meta::{self, StreamDocument, StreamFiles};
use super::outlet::GroupOutlet;
use super::stream::StreamHandle;
use super::{AccountJetStream, account_path, recover, stream_task};

/// How long a stream may take to close: a client waits five seconds for an answer.
pub(super) const CLOSE_WAIT: Duration = Duration::from_millis(if cfg!(test) { 400 } else { 4000 });

/// The directory of an account's streams, in the account's.
pub(super) const STREAMS_DIR: &str = "streams";

/// The name of the journal's files.
pub(super) const JOURNAL: &str = "consumers";

/// A journal and what was in it.
type FoundJournal = (Journal<Directory>, Recovered);

/// An error of the disk, for the client and the log.
fn disk_failed(what: &str, cause: &dyn std::fmt::Display) -> ApiError {
    error::stream_create(format!("{what}: {cause}"))
}

/// What opening a store found, for the log.
fn report_lines(report: &OpenReport) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(cut) = report.cut {
        lines.push(format!(
            "messages {} to {} were being written and not acknowledged when the server stopped",
            cut.first, cut.last
        ));
    }
    if report.holes > 0 {
        lines.push(format!(
            "{} places of the message log are damaged",
            report.holes
        ));
    }
    if report.skipped_to > 0 {
        lines.push(format!(
            "the end of the message log is damaged; sequences go on with {}",
            report.skipped_to
        ));
    }
    for file in &report.foreign {
        lines.push(format!(
            "file {file} belongs to another stream and was left alone"
        ));
    }
    lines
}

impl AccountJetStream {
    /// Where a stream's files are.
    fn stream_path(&self, name: &str) -> std::path::PathBuf {
        self.streams_path().join(name)
    }

    /// Where the account's streams are.
    pub(super) fn streams_path(&self) -> std::path::PathBuf {
        let account = account_path::directory(&self.account.name);
        self.server.directory.join(account).join(STREAMS_DIR)
    }

    /// Makes a stream, whose name the caller has claimed. It is on disk, subscribed and running when
    /// this returns.
    pub(crate) fn create_stream(
        self: &Arc<Self>,
        config: StreamConfig,
        now: Timestamp,
    ) -> Result<Arc<StreamHandle>, ApiError> {
        if let Some(stream) = self.stream(&config.name) {
            return Ok(stream);
        }
        let id = self.server.shared.fresh_seed();
        let (files, store, journal) = match config.storage {
            StorageType::Memory => (StreamFiles::none(), None, None),
            StorageType::File => {
                let path = self.stream_path(&config.name);
                if meta::is_of_go_server(&path) {
                    let text = "it holds a stream of another nats-server; see --import-store";
                    return Err(disk_failed("store directory", &text));
                }
                // Something that could not be recovered may be left under this name.
                Directory::remove_all(&path).map_err(|e| disk_failed("store directory", &e))?;
                let document = StreamDocument {
                    config: config.clone(),
                    created: now,
                    id,
                };
                let (files, messages, journal) =
                    StreamFiles::create(&path, &document, &self.server.sealing)
                        .map_err(|e| disk_failed("store directory", &e))?;
                let store = self.open_store(messages, id, &config)?;
                let journal = self.open_journal(journal, id, &config.name)?;
                (files, Some(store), Some(journal))
            }
        };
        let first_seq = config.first_seq;
        let specification = self.specification(config, now, store, journal);
        let mut group = Group::new(specification, now)?;
        if first_seq > 1 {
            group.begin_at(first_seq, now)?;
        }
        group.begin_journal();
        let inbox = self.stream_inbox(&group.config().name);
        let stream = StreamHandle::new(group, inbox, files);
        let stream = self.enter(stream)?;
        self.hurry_origins(Some(&stream.name));
        Ok(stream)
    }

    /// What a group is made of.
    pub(super) fn specification(
        &self,
        config: StreamConfig,
        created: Timestamp,
        store: Option<FileStore<Directory>>,
        journal: Option<FoundJournal>,
    ) -> Specification<Directory> {
        Specification {
            config,
            account: self.account.name.to_string(),
            created,
            surroundings: self.server.surroundings(),
            store,
            journal,
            policy: self.server.policy(),
            seed: self.server.shared.fresh_seed(),
            max_pending: self.server.shared.options().max_pending,
        }
    }

    /// Opens a stream's messages, and says in the log what was found to be damaged.
    pub(super) fn open_store(
        &self,
        messages: Directory,
        id: u64,
        config: &StreamConfig,
    ) -> Result<FileStore<Directory>, ApiError> {
        let name = &config.name;
        let options = FileStoreOptions {
            boot: recover::boot(),
            prewrite: self.server.policy() == cognate_group::Policy::Synced,
            compress: config.compression != Compression::None,
            ..FileStoreOptions::new(id, self.server.shared.fresh_seed())
        };
        let (store, report) =
            FileStore::open(messages, options).map_err(|e| disk_failed("message store", &e))?;
        for line in report_lines(&report) {
            warn!(
                self.server.shared.log,
                "Stream '{} > {name}': {line}", self.account.name
            );
        }
        Ok(store)
    }

    /// Opens the journal of a stream's consumers, and says in the log what was found to be damaged.
    pub(super) fn open_journal(
        &self,
        directory: Directory,
        id: u64,
        name: &str,
    ) -> Result<FoundJournal, ApiError> {
        let (journal, recovered) = Journal::open(directory, JOURNAL, id)
            .map_err(|e| disk_failed("consumer journal", &e))?;
        if recovered.damaged > 0 || recovered.snapshot_lost {
            warn!(
                self.server.shared.log,
                "Stream '{} > {name}': the journal of its consumers is damaged; what they did last \
                 may be forgotten and messages delivered again",
                self.account.name
            );
        }
        Ok((journal, recovered))
    }

    /// Puts a stream in service.
    pub(super) fn enter(
        self: &Arc<Self>,
        stream: StreamHandle,
    ) -> Result<Arc<StreamHandle>, ApiError> {
        let stream = Arc::new(stream);
        self.add(&stream)?;
        stream.note_state(self.usages(), &stream.group.lock());
        stream.subscribe(&self.account, &stream.config());
        if self.is_over() {
            // Whoever ended it may have done so before anything led to the stream.
            stream.unsubscribe_all(&self.account);
            stream.inbox.close();
        }
        tokio::spawn(stream_task::drive(Arc::clone(self), Arc::clone(&stream)));
        // It may have something to do that nobody will tell it.
        stream.inbox.signal();
        Ok(stream)
    }

    /// Changes the configuration of a stream whose name the caller has claimed.
    pub(crate) fn update_stream(
        &self,
        stream: &Arc<StreamHandle>,
        config: StreamConfig,
    ) -> Result<(), ApiError> {
        let (created, old) = {
            let group = stream.group.lock();
            (group.created(), group.config().clone())
        };
        self.with_group(stream, |group, _, outlet| {
            group.update(config.clone(), outlet)
        })?;
        let document = StreamDocument {
            config,
            created,
            id: stream.files.stream_id(),
        };
        if let Err(cause) = stream.files.store_stream(&document) {
            // What is not kept must not be in force: a restart would undo it.
            self.with_group(stream, |group, _, outlet| group.update(old, outlet))?;
            return Err(disk_failed("store directory", &cause));
        }
        stream.subscribe(&self.account, &document.config);
        Ok(())
    }

    /// Removes a stream with everything in it. If its disk does not answer, an error says so, and the
    /// rest is done when it does; the name stays claimed until then.
    pub(crate) async fn delete_stream(
        self: &Arc<Self>,
        stream: &Arc<StreamHandle>,
        claim: Claim,
    ) -> Result<(), ApiError> {
        if !self.remove(&stream.name) {
            return Err(error::STREAM_NOT_FOUND);
        }
        self.end_origins(stream);
        stream.unsubscribe_all(&self.account);
        if self.close_stream(stream, b"409 Consumer Deleted").await {
            return self.remove_closed(stream);
        }
        let (jetstream, stream) = (Arc::clone(self), Arc::clone(stream));
        tokio::spawn(async move {
            let mut closed = stream.closed.subscribe();
            // An error means that the sender is gone, which it cannot be while `stream` lives.
            let _ = closed.wait_for(|closed| *closed).await;
            let removed = tokio::task::spawn_blocking(move || {
                let removed = jetstream.remove_closed(&stream);
                if let Err(cause) = &removed {
                    log_error!(
                        jetstream.server.shared.log,
                        "Stream '{} > {}' could not be removed: {}",
                        jetstream.account.name,
                        stream.name,
                        cause.description
                    );
                }
            });
            let _ = removed.await;
            drop(claim);
        });
        Err(error::stream_delete(format_args!(
            "its disk has not answered for {CLOSE_WAIT:?}; the stream is closed, and its files are \
             removed when the disk answers"
        )))
    }

    /// Removes the files of a stream whose task has ended.
    fn remove_closed(&self, stream: &StreamHandle) -> Result<(), ApiError> {
        let group = stream.group.lock();
        stream.share.retire(self.usages());
        drop(group);
        stream.files.remove().map_err(|e| error::stream_delete(&e))
    }

    /// Ends a stream's task; `code` is the status for waiting pull requests. Returns whether it ended
    /// in time: a disk that does not answer can hold it up for ever.
    pub(super) async fn close_stream(&self, stream: &Arc<StreamHandle>, code: &[u8]) -> bool {
        let deadline = Instant::now() + CLOSE_WAIT;
        let is_told = self.end_pulls(stream, code, deadline).await;
        stream.inbox.close();
        let mut closed = stream.closed.subscribe();
        is_told
            && tokio::time::timeout_at(deadline, closed.wait_for(|closed| *closed))
                .await
                .is_ok()
    }

    /// Tells waiting pull requests that it is over; false if the stream does not answer until `deadline`.
    async fn end_pulls(&self, stream: &StreamHandle, code: &[u8], deadline: Instant) -> bool {
        /// How often it is tried.
        const TRY: Duration = Duration::from_millis(10);
        loop {
            // No thread waits for a lock that somebody may hold for ever.
            if let Some(mut group) = stream.group.try_lock() {
                let now = self.server.clock.now();
                self.with_locked(stream, &mut group, now, |group, now, outlet| {
                    group.end_pulls(code, now, outlet);
                });
                return true;
            }
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(TRY).await;
        }
    }

    /// Brings messages that replace many others to their end, in steps.
    pub(crate) fn finish_rollups(&self, stream: &Arc<StreamHandle>) -> Result<(), ApiError> {
        while self.with_group(stream, |group, now, outlet| {
            group.continue_rollups(now, outlet)
        })? {}
        Ok(())
    }

    /// A stream's group when nothing is counted any more that a message replaces, or as it is by
    /// `deadline`; none if somebody holds it until then.
    pub(crate) fn look_when_settled<'s>(
        &self,
        stream: &'s StreamHandle,
        deadline: Instant,
    ) -> Option<MutexGuard<'s, Group<Directory>>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut group = stream.look_within(left)?;
            if left.is_zero() || !group.is_rolling_up() {
                return Some(group);
            }
            let now = self.server.clock.now();
            let step = self.with_locked(stream, &mut group, now, |group, now, outlet| {
                group.continue_rollups(now, outlet)
            });
            stream.touched.fetch_add(1, Relaxed);
            stream.inbox.signal();
            if step.is_err() {
                return Some(group);
            }
            // Whoever waits for the stream goes first.
            MutexGuard::unlock_fair(group);
        }
    }

    /// Makes a consumer. `look` sees the stream in the step that adds it, before anything is delivered.
    pub(crate) fn create_consumer<R>(
        &self,
        stream: &Arc<StreamHandle>,
        name: String,
        config: ConsumerConfig,
        now: Timestamp,
        look: impl FnOnce(&mut Group<Directory>, Timestamp, &mut GroupOutlet<'_>) -> R,
    ) -> Result<R, ApiError> {
        let spec = MemberSpec {
            place: stream.next_place(),
            name,
            config,
            created: now,
        };
        let mut beginning =
            self.with_group(stream, |group, _, _| group.start_consumer(&spec.config))?;
        // In steps, because there may be very many subjects and publishes want their turn.
        while !beginning.is_done() {
            self.with_group(stream, |group, _, _| {
                group.continue_consumer(&mut beginning)
            });
        }
        // One that is for a mirror or source is made anew after a restart.
        if !spec.config.direct {
            stream
                .files
                .store_consumer(&spec)
                .map_err(|e| error::consumer_store_failed(&e))?;
        }
        // Before it is there, so that nothing that is sent to it at once goes astray.
        stream.subscribe_consumer(&self.account, spec.place, &spec.name, &spec.config);
        Ok(self.with_group(stream, |group, now, outlet| {
            group.add_consumer(spec, beginning, now, outlet);
            look(group, now, outlet)
        }))
    }

    /// Changes a consumer's configuration.
    pub(crate) fn update_consumer(
        &self,
        stream: &Arc<StreamHandle>,
        name: &str,
        config: ConsumerConfig,
    ) -> Result<(), ApiError> {
        let Some(old) = stream.group.lock().consumer(name).cloned() else {
            return Err(error::CONSUMER_NOT_FOUND);
        };
        let spec = MemberSpec { config, ..old };
        stream
            .files
            .store_consumer(&spec)
            .map_err(|e| error::consumer_store_failed(&e))?;
        stream.subscribe_consumer(&self.account, spec.place, &spec.name, &spec.config);
        self.with_group(stream, |group, now, outlet| {
            group.update_consumer(name, spec.config, now, outlet);
        });
        Ok(())
    }

    /// Removes a consumer; returns whether it was there.
    pub(crate) fn delete_consumer(
        &self,
        stream: &Arc<StreamHandle>,
        name: &str,
    ) -> Result<bool, ApiError> {
        let removed = self.with_group(stream, |group, now, outlet| {
            group.remove_consumer(name, now, outlet)
        });
        let Some(spec) = removed else {
            return Ok(false);
        };
        stream.unsubscribe_consumer(&self.account, spec.place);
        self.forget_consumer(stream, &spec);
        Ok(true)
    }

    /// Removes a consumer that nobody used for its `inactive_threshold`.
    pub(super) fn remove_inactive(&self, stream: &Arc<StreamHandle>, name: &str) {
        // The error is logged where it happens.
        let _ = self.delete_consumer(stream, name);
        super::advisory::consumer_deleted(self, &stream.name, name);
    }

    fn forget_consumer(&self, stream: &StreamHandle, spec: &MemberSpec) {
        if let Err(cause) = stream.files.remove_consumer(spec.place) {
            log_error!(
                self.server.shared.log,
                "Consumer '{} > {} > {}': its configuration could not be removed: {cause}",
                self.account.name,
                stream.name,
                spec.name
            );
        }
    }
}
