//! Mirrors and sources on the data path: the subscriptions by which origins answer and deliver, and
//! the requests to them.
//!
//! A group says what it wants ([`Wish`]); here it is done, after the step that wanted it. Origins in
//! this server are reached by the same subjects as those elsewhere. Invariant: a stream that was
//! unsubscribed from everything subscribes to nothing again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cognate_api::SourceInfo;
use cognate_group::{Group, OriginState, Wish, kind};
use cognate_model::{Nanos, StreamConfig};
use cognate_router::Subscription;
use parking_lot::Mutex;

use super::AccountJetStream;
use super::disk::Directory;
use super::inbox::{Bounds, Inbox, NoRefuser};
use super::stream::StreamHandle;
use crate::data::{Account, Connection, Outgoing, Outlet, Totals};

type Sub = Arc<Subscription<Connection>>;

/// A source that nothing was ever heard of.
const NEVER: Nanos = Nanos(-1);

/// How long it is waited for a stream that might hurry: one that does not answer cannot.
const HURRY_WAIT: Duration = Duration::from_millis(100);

/// What may wait of what all origins of a stream deliver. Each sends no more than 32 MiB before it has
/// an answer to its flow control; what gets lost beyond is asked for again.
const BOUNDS: Bounds = Bounds {
    bytes: 1 << 30,
    messages: u64::MAX,
};

/// What leads from a stream's origins to its inbox.
#[derive(Default)]
pub(crate) struct OriginSubscriptions(Mutex<Subscriptions>);

#[derive(Default)]
struct Subscriptions {
    /// Where what origins deliver waits; none for a stream that never had any.
    inbox: Option<Arc<Inbox>>,
    /// By the number of the origin.
    origins: BTreeMap<u64, Sub>,
    /// Direct reads of the mirrored stream.
    reads: Vec<Sub>,
    is_over: bool,
}

impl OriginSubscriptions {
    /// Ends all, and lets no new ones be made.
    pub(crate) fn end(&self, account: &Account) {
        let mut subscriptions = self.0.lock();
        subscriptions.is_over = true;
        let origins = std::mem::take(&mut subscriptions.origins);
        for sub in origins.into_values() {
            account.unsubscribe(&sub);
        }
        account.unsubscribe_all(&std::mem::take(&mut subscriptions.reads));
        if let Some(inbox) = subscriptions.inbox.take() {
            inbox.close();
        }
    }

    /// Where what origins deliver waits, if there are any.
    pub(crate) fn inbox(&self) -> Option<Arc<Inbox>> {
        self.0.lock().inbox.clone()
    }

    fn listen(&self, jetstream: &AccountJetStream, origin: u64, subject: &str, sid: &[u8]) {
        let mut subscriptions = self.0.lock();
        if subscriptions.is_over {
            return;
        }
        let account = &jetstream.account;
        let inbox = subscriptions.inbox.get_or_insert_with(|| {
            let inbox = Inbox::bounded(&jetstream.server.shared, BOUNDS, Box::new(NoRefuser));
            Arc::new(inbox)
        });
        let sub = inbox.subscribe(account, subject.as_bytes(), None, sid);
        if let Some(old) = subscriptions.origins.insert(origin, sub) {
            account.unsubscribe(&old);
        }
    }

    /// Whether the stream ever asked an origin for anything.
    fn are_used(&self) -> bool {
        self.0.lock().inbox.is_some()
    }

    fn leave(&self, account: &Account, origin: u64) {
        if let Some(old) = self.0.lock().origins.remove(&origin) {
            account.unsubscribe(&old);
        }
    }

    fn read_for(&self, account: &Account, inbox: &Inbox, stream: Option<&str>) {
        let mut subscriptions = self.0.lock();
        account.unsubscribe_all(&std::mem::take(&mut subscriptions.reads));
        if let Some(stream) = stream.filter(|_| !subscriptions.is_over) {
            subscriptions.reads = read_subjects(stream)
                .map(|(subject, kind)| {
                    let queue = Some(READERS);
                    inbox.subscribe(account, subject.as_bytes(), queue, &[kind])
                })
                .into();
        }
    }
}

/// The queue group of all who answer direct reads of a stream.
pub(super) const READERS: &[u8] = b"_sys_";

/// The subjects of direct reads of a stream, and what frames by them are.
pub(super) fn read_subjects(stream: &str) -> [(String, u8); 2] {
    let all = format!("$JS.API.DIRECT.GET.{stream}");
    let by_subject = format!("{all}.>");
    [(all, kind::DIRECT), (by_subject, kind::DIRECT_SUBJECT)]
}

impl AccountJetStream {
    /// Does what a stream wishes of the origins of its messages.
    pub(super) fn fulfil(&self, stream: &StreamHandle, wishes: Vec<Wish>) {
        let (account, inbox, subscriptions) = (&self.account, &stream.inbox, &stream.origins);
        for wish in wishes {
            match wish {
                Wish::Listen {
                    origin,
                    subject,
                    sid,
                } => subscriptions.listen(self, origin, &subject, &sid),
                Wish::Leave { origin } => subscriptions.leave(account, origin),
                Wish::ReadFor(name) => subscriptions.read_for(account, inbox, name.as_deref()),
                Wish::Ask {
                    origin,
                    attempt,
                    subject,
                    reply,
                    headers,
                    body,
                } => {
                    if !self.ask(&subject, &reply, headers, &body) && !reply.is_empty() {
                        let now = self.server.clock.now();
                        stream.group.lock().origin_unanswered(origin, attempt, now);
                        inbox.signal();
                    }
                }
            }
        }
    }

    /// Publishes a request; returns whether anybody gets it.
    fn ask(&self, subject: &str, reply: &str, headers: &[u8], body: &[u8]) -> bool {
        let mut desk = self.server.workers.borrow();
        let watching = self.server.watching();
        let mut outlet = Outlet::new(&self.account, desk.worker(), &watching);
        let is_heard = outlet.publish(&Outgoing {
            reply: Some(reply.as_bytes()).filter(|reply| !reply.is_empty()),
            headers,
            ..Outgoing::to(subject.as_bytes(), body)
        });
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
        is_heard
    }

    /// The stream `name` was created, or (without a name) much may have become reachable: who waits
    /// for an origin need not wait any longer.
    pub(super) fn hurry_origins(&self, name: Option<&str>) {
        let now = self.server.clock.now();
        let streams = self.streams();
        for stream in streams.iter().filter(|stream| stream.origins.are_used()) {
            // One whose disk does not answer asks when its time has come.
            let Some(mut group) = stream.group.try_lock_for(HURRY_WAIT) else {
                continue;
            };
            let config = group.config();
            let mut origins = config.mirror.iter().chain(&config.sources);
            if origins.any(|origin| name.is_none_or(|name| origin.name == name)) {
                group.hurry_origins(name, now);
                drop(group);
                stream.inbox.signal();
            }
        }
    }

    /// A stream is about to be deleted: its consumers at origins are, too.
    pub(super) fn end_origins(&self, stream: &StreamHandle) {
        if !stream.origins.are_used() {
            return;
        }
        let wishes = {
            // A stream whose disk does not answer leaves them to their inactivity.
            let Some(mut group) = stream.group.try_lock_for(super::assets::CLOSE_WAIT / 4) else {
                return;
            };
            group.end_origins();
            group.take_wishes()
        };
        self.fulfil(stream, wishes);
    }

    /// How a stream follows its mirrored stream, and its sources.
    pub(super) fn origin_infos(
        &self,
        group: &Group<Directory>,
    ) -> (Option<SourceInfo>, Vec<SourceInfo>) {
        let mut infos: Vec<_> = group
            .origins(self.server.clock.now())
            .into_iter()
            .map(info)
            .collect();
        match group.config() {
            StreamConfig {
                mirror: Some(_), ..
            } => (infos.pop(), infos),
            _ => (None, infos),
        }
    }
}

fn info(state: OriginState) -> SourceInfo {
    let source = state.source;
    SourceInfo {
        name: source.name,
        external: source.external,
        lag: state.lag,
        active: state.active.map_or(NEVER, Nanos::from),
        error: state.error,
        filter_subject: source.filter_subject,
        subject_transforms: source.subject_transforms,
    }
}
