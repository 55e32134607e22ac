//! Making, changing and removing streams and consumers.
//!
//! Each returns when the change is on disk. Configurations come checked; what they mean for others
//! (overlapping subjects, limits of the account) was checked by the API under the same lock.

use std::sync::Arc;

use cognate_group::{Group, MemberSpec, Specification};
use cognate_model::{ApiError, ConsumerConfig, StorageType, StreamConfig, Timestamp, error};
use cognate_process::{error as log_error, warn};
use cognate_store::{FileStore, FileStoreOptions, Journal, OpenReport, Recovered};

use super::disk::Directory;
use super::inbox::Inbox;
use super::meta::{StreamDocument, StreamFiles};
use super::stream::StreamHandle;
use super::{JetStream, stream_task};

/// The name of the journal's files.
const JOURNAL: &str = "consumers";

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

impl JetStream {
    /// Where a stream's files are.
    fn stream_path(&self, name: &str) -> std::path::PathBuf {
        self.streams_path().join(name)
    }

    /// Where the account's streams are.
    pub(super) fn streams_path(&self) -> std::path::PathBuf {
        self.directory.join(&self.account.name).join("streams")
    }

    /// Makes a stream. It is on disk, subscribed and running when this returns.
    pub(crate) fn create_stream(
        self: &Arc<Self>,
        config: StreamConfig,
        now: Timestamp,
    ) -> Result<Arc<StreamHandle>, ApiError> {
        let _changing = self.changing.lock();
        if let Some(stream) = self.stream(&config.name) {
            return Ok(stream);
        }
        let id = self.shared.fresh_seed();
        let (files, store, journal) = match config.storage {
            StorageType::Memory => (StreamFiles::none(), None, None),
            StorageType::File => {
                let path = self.stream_path(&config.name);
                // Something that could not be recovered may be left under this name.
                Directory::remove_all(&path).map_err(|e| disk_failed("store directory", &e))?;
                let document = StreamDocument {
                    config: config.clone(),
                    created: now,
                    id,
                };
                let (files, messages, journal) = StreamFiles::create(&path, &document)
                    .map_err(|e| disk_failed("store directory", &e))?;
                let store = self.open_store(messages, id, &config.name)?;
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
        let stream = StreamHandle::new(group, Inbox::new(&self.shared), files);
        Ok(self.enter(stream))
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
            created,
            surroundings: self.surroundings(),
            store,
            journal,
            policy: self.policy(),
            seed: self.shared.fresh_seed(),
            max_pending: self.shared.options().max_pending,
        }
    }

    /// Opens a stream's messages, and says in the log what was found to be damaged.
    pub(super) fn open_store(
        &self,
        messages: Directory,
        id: u64,
        name: &str,
    ) -> Result<FileStore<Directory>, ApiError> {
        let options = FileStoreOptions::new(id, self.shared.fresh_seed());
        let (store, report) =
            FileStore::open(messages, options).map_err(|e| disk_failed("message store", &e))?;
        for line in report_lines(&report) {
            warn!(
                self.shared.log,
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
                self.shared.log,
                "Stream '{} > {name}': the journal of its consumers is damaged; what they did last \
                 may be forgotten and messages delivered again",
                self.account.name
            );
        }
        Ok((journal, recovered))
    }

    /// Puts a stream in service.
    pub(super) fn enter(self: &Arc<Self>, stream: StreamHandle) -> Arc<StreamHandle> {
        let stream = Arc::new(stream);
        let config = stream.group.lock().config().clone();
        self.streams
            .write()
            .insert(stream.name.clone(), Arc::clone(&stream));
        stream.subscribe(&self.account, &config);
        tokio::spawn(stream_task::drive(Arc::clone(self), Arc::clone(&stream)));
        stream
    }

    /// Changes a stream's configuration.
    pub(crate) fn update_stream(
        &self,
        stream: &Arc<StreamHandle>,
        config: StreamConfig,
    ) -> Result<(), ApiError> {
        let _changing = self.changing.lock();
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

    /// Removes a stream with everything in it.
    pub(crate) async fn delete_stream(&self, stream: &Arc<StreamHandle>) -> Result<(), ApiError> {
        let removed = self.streams.write().remove(&stream.name).is_some();
        if !removed {
            return Err(error::STREAM_NOT_FOUND);
        }
        stream.unsubscribe_all(&self.account);
        self.close_stream(stream, b"409 Consumer Deleted").await;
        stream.files.remove().map_err(|e| error::stream_delete(&e))
    }

    /// Ends a stream's task; `code` is the status for waiting pull requests.
    pub(super) async fn close_stream(&self, stream: &Arc<StreamHandle>, code: &[u8]) {
        self.with_group(stream, |group, now, outlet| {
            group.end_pulls(code, now, outlet);
        });
        let closed = stream.closed.notified();
        tokio::pin!(closed);
        closed.as_mut().enable();
        stream.inbox.close();
        closed.await;
    }

    /// Makes a consumer.
    pub(crate) fn create_consumer(
        &self,
        stream: &Arc<StreamHandle>,
        name: String,
        config: ConsumerConfig,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let spec = MemberSpec {
            place: stream.next_place(),
            name,
            config,
            created: now,
        };
        stream
            .files
            .store_consumer(&spec)
            .map_err(|e| error::consumer_store_failed(&e))?;
        let kept = spec.clone();
        // Before it is there, so that nothing that is sent to it at once goes astray.
        stream.subscribe_consumer(&self.account, spec.place, &spec.name, &spec.config);
        let added = self.with_group(stream, |group, now, outlet| {
            group.add_consumer(spec, now, outlet)
        });
        if let Err(cause) = added {
            stream.unsubscribe_consumer(&self.account, kept.place);
            self.forget_consumer(stream, &kept);
            return Err(cause);
        }
        Ok(())
    }

    /// Changes a consumer's configuration.
    pub(crate) fn update_consumer(
        &self,
        stream: &Arc<StreamHandle>,
        name: &str,
        config: ConsumerConfig,
        _now: Timestamp,
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
        _now: Timestamp,
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
        let _ = self.delete_consumer(stream, name, self.clock.now());
        super::advisory::consumer_deleted(self, &stream.name, name);
    }

    fn forget_consumer(&self, stream: &StreamHandle, spec: &MemberSpec) {
        if let Err(cause) = stream.files.remove_consumer(spec.place) {
            log_error!(
                self.shared.log,
                "Consumer '{} > {} > {}': its configuration could not be removed: {cause}",
                self.account.name,
                stream.name,
                spec.name
            );
        }
    }
}
