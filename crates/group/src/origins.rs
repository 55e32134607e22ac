//! Where a stream's messages come from, if it is a mirror or has sources: which origins there are,
//! how far each is taken, and what has to be asked for.
//!
//! ```text
//! configuration ─▶ look back for the last message of each ─▶ Fetch ─▶ Wish (listen, ask) ─▶ server
//!                                    inbox ─▶ delivery ─▶ stream ─▶ position, once it is durable
//! ```
//!
//! Invariants: what the origin is told to be taken is on the disk; the position of a source is kept
//! in the journal after the messages it speaks of are durable, so that a restart goes on where they
//! end even if they are gone; one subscription per origin is wanted at a time.
//!
//! Called by [`Group`](crate::Group). Absent: subscriptions and publishing, which the server does as
//! [`Wish`] says.

mod arrive;
mod ask;
mod position;
#[cfg(test)]
mod tests;

use std::time::Duration;

use cognate_model::{ApiError, Sequence, StreamConfig, StreamSource, Timestamp, WriteMark};
use cognate_store::disk::Disk;
use cognate_stream::{Fetch, SourceScan, source_identity};

pub(crate) use self::position::{PLACE, Positions};
use crate::group::Group;

/// Something that the server is to do for a stream, in the order in which it was wished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Lead messages to `subject` to the inbox with this `sid`. What was led there for this origin
    /// before is over.
    Listen {
        /// The number of the origin.
        origin: u64,
        /// The subject.
        subject: String,
        /// The sid.
        sid: Vec<u8>,
    },
    /// Lead nothing more of this origin to the inbox.
    Leave {
        /// The number of the origin.
        origin: u64,
    },
    /// Publish a request. If nobody gets it, [`Group::origin_unanswered`](crate::Group) is told.
    Ask {
        /// The number of the origin.
        origin: u64,
        /// The number of the attempt.
        attempt: u64,
        /// The subject.
        subject: String,
        /// Where the answer goes; empty for nowhere.
        reply: String,
        /// The header block; may be empty.
        headers: &'static [u8],
        /// The payload.
        body: Vec<u8>,
    },
    /// Lead direct reads of this stream to the inbox, too; none if it is to end.
    ReadFor(Option<String>),
}

/// How an origin is followed, to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct OriginState {
    /// How it is configured.
    pub source: StreamSource,
    /// How many of its messages are missing.
    pub lag: u64,
    /// How long ago it was heard of; none if it never was.
    pub active: Option<Duration>,
    /// Why it is not followed.
    pub error: Option<ApiError>,
}

/// One origin.
pub(crate) struct Followed {
    source: StreamSource,
    identity: String,
    /// Tells its subscriptions from those of others, also of one that was configured before.
    number: u64,
    /// None while it is looked for what is here.
    fetch: Option<Fetch>,
    /// Up to where its position was told, or was known at the beginning.
    sealed: Sequence,
    /// The origin does not know what `sourcing` means.
    is_old: bool,
}

/// See the module.
pub(crate) struct Origins {
    stream: String,
    account: String,
    domain: String,
    is_mirror: bool,
    answers_reads: bool,
    followed: Vec<Followed>,
    next_number: u64,
    scan: Option<SourceScan>,
    positions: Positions,
    wishes: Vec<Wish>,
    /// Direct reads of this stream are answered.
    reads_for: Option<String>,
    random: u64,
}

impl Origins {
    /// The origins in a configuration. `kept` is what the journal says about positions.
    pub(crate) fn new(
        config: &StreamConfig,
        account: String,
        domain: String,
        seed: u64,
        positions: Positions,
    ) -> Self {
        let mut origins = Origins {
            stream: config.name.clone(),
            account,
            domain,
            is_mirror: false,
            answers_reads: false,
            followed: Vec::new(),
            next_number: 0,
            scan: None,
            positions,
            wishes: Vec::new(),
            reads_for: None,
            random: seed | 1,
        };
        origins.configure(config);
        origins
    }

    /// Takes on a configuration: what stays the same goes on, what is gone ends.
    pub(crate) fn configure(&mut self, config: &StreamConfig) {
        self.is_mirror = config.mirror.is_some();
        self.answers_reads = self.is_mirror && config.mirror_direct;
        let mut before = std::mem::take(&mut self.followed);
        for source in config.mirror.iter().chain(&config.sources) {
            let identity = source_identity(source);
            let known = before.iter().position(|old| old.identity == identity);
            let followed = match known {
                Some(at) => Followed {
                    source: source.clone(),
                    ..before.swap_remove(at)
                },
                None => self.begin(source.clone(), identity),
            };
            self.followed.push(followed);
        }
        for gone in before {
            self.end(&gone);
        }
        if !self.answers_reads && self.reads_for.take().is_some() {
            self.wishes.push(Wish::ReadFor(None));
        }
        let followed = &self.followed;
        self.positions
            .keep_only(|identity| followed.iter().any(|one| one.identity == identity));
        // Places in the configuration have changed, and so has what is looked for.
        self.scan = None;
    }

    fn begin(&mut self, source: StreamSource, identity: String) -> Followed {
        self.next_number += 1;
        Followed {
            source,
            identity,
            number: self.next_number,
            fetch: None,
            sealed: 0,
            is_old: false,
        }
    }

    /// The stream goes for good: its origins need nothing for it any more.
    pub(crate) fn end_all(&mut self) {
        for gone in std::mem::take(&mut self.followed) {
            self.end(&gone);
        }
    }

    /// What the server is to do.
    pub(crate) fn take_wishes(&mut self) -> Vec<Wish> {
        std::mem::take(&mut self.wishes)
    }

    /// When time alone is a reason for [`poll`](Self::poll).
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        let fetches = self.followed.iter().filter_map(|one| one.fetch.as_ref());
        fetches.map(Fetch::next_timeout).min()
    }

    /// Does what time asks for. `last` is the stream's last sequence.
    pub(crate) fn poll(&mut self, last: Sequence, now: Timestamp) {
        for at in 0..self.followed.len() {
            let random = self.random();
            let Some(fetch) = self.fetch(at) else {
                continue;
            };
            let was_following = fetch.consumer().is_some();
            if fetch.poll_ask(now, random) {
                self.ask(at, last);
            } else if was_following && fetch.consumer().is_none() {
                self.leave(at);
            }
        }
    }

    /// The stream `name` appeared in this account, or anything may have (without a name): who waits
    /// for it asks soon.
    pub(crate) fn hurry(&mut self, name: Option<&str>, now: Timestamp) {
        for at in 0..self.followed.len() {
            let random = self.random();
            let Some(followed) = self.followed.get_mut(at) else {
                continue;
            };
            let source = &followed.source;
            if name.is_some_and(|name| source.external.is_some() || source.name != name) {
                continue;
            }
            if let Some(fetch) = &mut followed.fetch {
                let was_following = fetch.consumer().is_some();
                if name.is_some() && !self.is_mirror {
                    // All that it will have is new. (A mirror keeps to the numbers it has.)
                    fetch.rewind(0);
                }
                if was_following && name.is_some() {
                    // Whatever delivered went with the stream that had the name before.
                    fetch.restart(now, random);
                    self.leave(at);
                } else {
                    fetch.hurry(now, random);
                }
            }
        }
    }

    /// Nobody got the request to an origin.
    fn unanswered(&mut self, at: usize, now: Timestamp) {
        let random = self.random();
        if let Some(fetch) = self.fetch(at)
            && fetch.is_asking()
        {
            fetch.handle_failure(None, now, random);
            self.leave(at);
        }
    }

    /// How all are followed.
    pub(crate) fn states(&self, now: Timestamp) -> Vec<OriginState> {
        let state = |followed: &Followed| {
            let fetch = followed.fetch.as_ref();
            let heard = fetch.and_then(Fetch::heard);
            OriginState {
                source: followed.source.clone(),
                lag: fetch.map_or(0, Fetch::lag),
                active: heard.map(|heard| now.since(heard)),
                error: fetch.and_then(Fetch::error).cloned(),
            }
        };
        self.followed.iter().map(state).collect()
    }

    /// The changes of this batch are written up to `written`; `last` is the stream's last sequence.
    pub(crate) fn seal(&mut self, written: WriteMark, last: Sequence) {
        if self.is_mirror {
            return;
        }
        for followed in &mut self.followed {
            let taken = followed.fetch.as_ref().map_or(0, Fetch::taken);
            if taken != followed.sealed {
                followed.sealed = taken;
                let identity = &followed.identity;
                self.positions.seal(identity, taken, last, written);
            }
        }
    }

    /// How far sources are.
    pub(crate) fn positions(&mut self) -> &mut Positions {
        &mut self.positions
    }

    fn fetch(&mut self, at: usize) -> Option<&mut Fetch> {
        self.followed.get_mut(at)?.fetch.as_mut()
    }

    /// The origin of this number, if `attempt` is its last.
    fn current(&self, number: u64, attempt: u64) -> Option<usize> {
        let mut all = self.followed.iter();
        all.position(|followed| {
            let fetch = followed.fetch.as_ref();
            followed.number == number && fetch.is_some_and(|fetch| fetch.attempt() == attempt)
        })
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl<D: Disk> Group<D> {
    /// What the server is to do so that messages come from the stream's origins; to be asked after
    /// each step.
    pub fn take_wishes(&mut self) -> Vec<Wish> {
        self.origins.take_wishes()
    }

    /// Nobody got the request of a [`Wish::Ask`].
    pub fn origin_unanswered(&mut self, origin: u64, attempt: u64, now: Timestamp) {
        if let Some(at) = self.origins.current(origin, attempt) {
            self.origins.unanswered(at, now);
        }
    }

    /// The stream `name` was created in this account, or anything may have become reachable (without
    /// a name): whoever waits for it asks soon.
    pub fn hurry_origins(&mut self, name: Option<&str>, now: Timestamp) {
        self.origins.hurry(name, now);
    }

    /// The stream goes for good: consumers at its origins are not needed any more.
    pub fn end_origins(&mut self) {
        self.origins.end_all();
    }

    /// How the stream's origins are followed, in the order of its configuration.
    #[must_use]
    pub fn origins(&self, now: Timestamp) -> Vec<OriginState> {
        self.origins.states(now)
    }
}
