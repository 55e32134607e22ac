//! A stream as the server holds it: its group, its inbox, and what leads there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use cognate_group::{Group, Place, kind};
use cognate_model::{AckPolicy, ConsumerConfig, StorageType, StreamConfig};
use cognate_router::Subscription;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::api::unsaid::Unsaid;
use super::disk::Directory;
use super::inbox::Inbox;
use super::origin::{OriginSubscriptions, READERS, read_subjects};
use super::silence::Silence;
use super::usage::{Share, Usage};
use crate::data::{Account, Connection};

type Sub = Arc<Subscription<Connection>>;

/// What leads to a consumer: its subscriptions, and the deliver subject that is watched for it.
type Led = (Place, Vec<Sub>, Option<String>);

/// A stream of an account.
pub(crate) struct StreamHandle {
    /// Its name.
    pub name: String,
    /// Where its messages are kept.
    pub storage: StorageType,
    /// Where messages for it wait.
    pub inbox: Inbox,
    /// The stream itself.
    pub group: Mutex<Group<Directory>>,
    /// The stream's directory; none for a stream in memory whose consumers are too.
    pub files: super::meta::StreamFiles,
    /// The number of the next consumer.
    next_place: AtomicU64,
    subscriptions: Mutex<Vec<Sub>>,
    /// What leads here from other streams.
    pub origins: OriginSubscriptions,
    consumers: Mutex<Vec<Led>>,
    /// What it counts for in limits of account and server.
    pub share: Share,
    /// Its configuration, to be read without the lock of the group.
    config: RwLock<Arc<StreamConfig>>,
    /// How many consumers it has, as noted last.
    consumer_count: AtomicU64,
    /// How long its disk has not answered.
    pub silence: Silence,
    /// Answers to requests that wait for it.
    pub unsaid: Unsaid,
    /// How often somebody who is not its task has done something with the group: a sign of life.
    pub touched: AtomicU64,
    /// Whether the stream's task has ended.
    pub closed: watch::Sender<bool>,
}

impl StreamHandle {
    /// A stream that nothing leads to yet.
    pub(crate) fn new(
        group: Group<Directory>,
        inbox: Inbox,
        files: super::meta::StreamFiles,
    ) -> Self {
        let config = Arc::new(group.config().clone());
        StreamHandle {
            name: config.name.clone(),
            storage: config.storage,
            share: Share::new(config.storage),
            inbox,
            group: Mutex::new(group),
            files,
            next_place: AtomicU64::new(1),
            subscriptions: Mutex::default(),
            origins: OriginSubscriptions::default(),
            consumers: Mutex::default(),
            config: RwLock::new(config),
            consumer_count: AtomicU64::new(0),
            silence: Silence::default(),
            unsaid: Unsaid::default(),
            touched: AtomicU64::new(0),
            closed: watch::Sender::new(false),
        }
    }

    /// Takes note of its configuration, and leads what that says here, and nothing else.
    pub(crate) fn subscribe(&self, account: &Account, config: &StreamConfig) {
        *self.config.write() = Arc::new(config.clone());
        let old = std::mem::take(&mut *self.subscriptions.lock());
        let mut new = Vec::new();
        for subject in &config.subjects {
            // What is in both configurations stays, so that nothing published meanwhile is lost.
            let kept = old.iter().find(|sub| sub.subject() == subject.as_bytes());
            new.push(kept.cloned().unwrap_or_else(|| {
                self.inbox
                    .subscribe(account, subject.as_bytes(), None, &[kind::PUBLISH])
            }));
        }
        if config.allow_direct {
            for (subject, kind) in read_subjects(&self.name) {
                let kept = old.iter().find(|sub| sub.subject() == subject.as_bytes());
                new.push(kept.cloned().unwrap_or_else(|| {
                    self.inbox
                        .subscribe(account, subject.as_bytes(), Some(READERS), &[kind])
                }));
            }
        }
        for sub in &old {
            if !new.iter().any(|kept| Arc::ptr_eq(kept, sub)) {
                account.unsubscribe(sub);
            }
        }
        *self.subscriptions.lock() = new;
    }

    /// Leads acknowledgements, pull requests and answers to flow control of a consumer here, and
    /// follows the interest in its deliver subject.
    pub(crate) fn subscribe_consumer(
        &self,
        account: &Account,
        place: Place,
        name: &str,
        config: &ConsumerConfig,
    ) {
        self.unsubscribe_consumer(account, place);
        let stream = &self.name;
        let mut subjects = vec![(
            format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"),
            kind::NEXT,
        )];
        // Who acknowledges where nothing is to be acknowledged hears that nobody listens.
        if !matches!(config.ack_policy, AckPolicy::None | AckPolicy::FlowControl) {
            subjects.push((format!("$JS.ACK.{stream}.{name}.>"), kind::ACK));
        }
        if config.flow_control {
            subjects.push((format!("$JS.FC.{stream}.{name}.*"), kind::FLOW));
        }
        if config
            .metadata
            .contains_key(cognate_consumer::DEAD_LETTER_SUBJECT)
        {
            let prefix = super::letter_prefix(stream);
            subjects.push((format!("{prefix}.{place}.*"), kind::LETTER));
        }
        let subscriptions = subjects
            .iter()
            .map(|(subject, kind)| {
                let mut sid = vec![*kind];
                sid.extend_from_slice(place.to_string().as_bytes());
                self.inbox
                    .subscribe(account, subject.as_bytes(), None, &sid)
            })
            .collect();
        let watched = config.is_push().then(|| config.deliver_subject.clone());
        if let Some(subject) = &watched {
            account.watch(subject.as_bytes(), self.inbox.connection());
        }
        self.consumers.lock().push((place, subscriptions, watched));
    }

    /// Ends what leads to a consumer.
    pub(crate) fn unsubscribe_consumer(&self, account: &Account, place: Place) {
        let mut consumers = self.consumers.lock();
        let Some(at) = consumers.iter().position(|(other, ..)| *other == place) else {
            return;
        };
        let (_, subscriptions, watched) = consumers.swap_remove(at);
        drop(consumers);
        account.unsubscribe_all(&subscriptions);
        if let Some(subject) = watched {
            account.unwatch(subject.as_bytes(), self.inbox.connection());
        }
    }

    /// Ends everything that leads here.
    pub(crate) fn unsubscribe_all(&self, account: &Account) {
        let places: Vec<_> = self
            .consumers
            .lock()
            .iter()
            .map(|(place, ..)| *place)
            .collect();
        for place in places {
            self.unsubscribe_consumer(account, place);
        }
        let subscriptions = std::mem::take(&mut *self.subscriptions.lock());
        account.unsubscribe_all(&subscriptions);
        self.origins.end(account);
    }

    /// A number for a new consumer. Numbers are not used twice while the journal could hold entries
    /// of the one before.
    pub(crate) fn next_place(&self) -> Place {
        self.next_place.fetch_add(1, Relaxed)
    }

    /// Keeps the number of a recovered consumer from being given again.
    pub(crate) fn reserve_place(&self, place: Place) {
        self.next_place.fetch_max(place.saturating_add(1), Relaxed);
    }

    /// Notes what others see without the lock, which the caller holds.
    pub(crate) fn note_state(&self, usages: [&Usage; 2], group: &Group<Directory>) {
        self.share.note(usages, group.state().bytes);
        let consumers = group.consumer_count() as u64;
        self.consumer_count.store(consumers, Relaxed);
    }

    /// Its configuration, without waiting for a step that may be under way.
    pub(crate) fn config(&self) -> Arc<StreamConfig> {
        Arc::clone(&self.config.read())
    }

    /// How many consumers it has, likewise.
    pub(crate) fn consumer_count(&self) -> u64 {
        self.consumer_count.load(Relaxed)
    }
}
