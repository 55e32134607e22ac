//! What the crossings of one pass share: buffers, the time, the way they took last, and the imports
//! on the way of the message that is crossing.
//!
//! A worker has one [`Journey`], so that a request to a service of another account asks neither the
//! allocator nor the clock. What refers to an account is forgotten when the pass ends, and a buffer
//! that a large message has grown is not kept. Used by [`super::crossing`].

use std::sync::Arc;
use std::time::Duration;

use cognate_router::{Matched, Tie};

use super::connection::Connection;
use super::delivery::{Sub, Watch};
use super::passage::Service;

/// Bytes that a buffer may have to be kept.
const KEEP_BYTES: usize = 64 * 1024;

/// Imports that one message may cross, one after the other: far more than a configuration has, and so
/// few that a thread's stack has room for all of them, each of which takes some of it.
const MAX_IMPORTS: usize = 128;

/// What the crossings of one pass share.
#[derive(Default)]
pub(super) struct Journey {
    now: Option<Duration>,
    passages: Vec<Sub>,
    buffers: Buffers,
    /// The way of the message that is crossing; empty between messages.
    pub trail: Trail,
}

/// The imports that a message has crossed, as the places where they are, each of which lives as long
/// as it is here. (What counts references to them is shared with whoever answers, on another core.)
#[derive(Default)]
pub(super) struct Trail {
    places: Vec<usize>,
    /// Where the way of the present message begins. Those before it are of the message on whose way
    /// the server publishes one of its own.
    start: usize,
}

impl Trail {
    /// Adds an import, unless it was crossed or the way is too long; returns whether it did.
    pub(super) fn enter(&mut self, service: &Arc<Service>) -> bool {
        let place = Arc::as_ptr(service).addr();
        let way = self.places.get(self.start..).unwrap_or_default();
        if way.contains(&place) || self.places.len() >= MAX_IMPORTS {
            return false;
        }
        self.places.push(place);
        true
    }

    /// Takes the last one out.
    pub(super) fn leave(&mut self) {
        self.places.pop();
    }

    /// Imports crossed.
    pub(super) fn len(&self) -> usize {
        self.places.len().saturating_sub(self.start)
    }

    /// Begins the way of a message of the server's own; what it returns takes up the old one again.
    pub(super) fn begin(&mut self) -> usize {
        std::mem::replace(&mut self.start, self.places.len())
    }

    /// Goes on with the way that was left for that of a message of the server's own.
    pub(super) fn go_on(&mut self, start: usize) {
        self.start = start;
    }
}

/// Memory for one message that crosses.
#[derive(Default)]
pub(super) struct Buffers {
    /// The subject beyond.
    pub name: Vec<u8>,
    /// The reply subject beyond.
    pub reply: Vec<u8>,
    /// The headers and the payload beyond.
    pub payload: Vec<u8>,
    /// What follows the sid in its frame.
    pub tail: Vec<u8>,
}

impl Journey {
    /// Ends a pass.
    pub(super) fn end(&mut self) {
        self.now = None;
        self.passages.clear();
    }

    /// The time, once per pass: good for what ends after seconds, not for measuring.
    pub(super) fn now(&mut self, watch: &impl Watch) -> Duration {
        *self.now.get_or_insert_with(|| watch.now())
    }

    /// The passages among what a subject reaches, to be given back with
    /// [`keep_passages`](Self::keep_passages). Messages tend to take the way of the one before, and
    /// then no reference is counted, which would be shared with whoever answers on another core.
    pub(super) fn take_passages(&mut self, matched: &Matched<Connection>) -> Vec<Sub> {
        let mut kept = std::mem::take(&mut self.passages);
        let mut found = passages(matched);
        let same = kept.iter().all(|sub| {
            let next = found.next();
            next.is_some_and(|next| Arc::ptr_eq(sub, next))
        });
        if !same || found.next().is_some() {
            kept.clear();
            kept.extend(passages(matched).cloned());
        }
        kept
    }

    /// Keeps passages for the next message.
    pub(super) fn keep_passages(&mut self, passages: Vec<Sub>) {
        self.passages = passages;
    }

    /// Buffers, to be given back with [`keep_buffers`](Self::keep_buffers). Whoever asks while they
    /// are away gets new ones.
    pub(super) fn take_buffers(&mut self) -> Buffers {
        std::mem::take(&mut self.buffers)
    }

    /// Keeps buffers for the next message.
    pub(super) fn keep_buffers(&mut self, mut buffers: Buffers) {
        let Buffers {
            name,
            reply,
            payload,
            tail,
        } = &mut buffers;
        for buffer in [name, reply, payload, tail] {
            buffer.clear();
            if buffer.capacity() > KEEP_BYTES {
                *buffer = Vec::new();
            }
        }
        self.buffers = buffers;
    }
}

/// The passages among what a subject reaches.
pub(super) fn passages(matched: &Matched<Connection>) -> impl Iterator<Item = &Sub> {
    let tied = matched.tied().iter();
    tied.filter(|sub| matches!(sub.tie(), Some(Tie::Passage)))
}

/// Whether any of what a subject reaches leads to another account.
pub(super) fn leads_on(matched: &Matched<Connection>) -> bool {
    passages(matched).next().is_some()
}

#[cfg(test)]
mod tests {
    //! A way has an end, and ways within ways have one together.

    use cognate_auth::account_spec::ResponseType;

    use super::{MAX_IMPORTS, Trail};
    use crate::data::passage::tests::service;

    #[test]
    fn no_import_is_crossed_twice_and_no_way_is_endless() {
        let imports = std::iter::repeat_with(|| service(ResponseType::Singleton));
        let imports: Vec<_> = imports.take(MAX_IMPORTS + 1).collect();
        let mut trail = Trail::default();
        for import in &imports[..MAX_IMPORTS] {
            assert!(trail.enter(import));
            assert!(!trail.enter(import), "a second time");
        }
        assert!(!trail.enter(&imports[MAX_IMPORTS]), "one too many");
        trail.leave();
        assert!(trail.enter(&imports[MAX_IMPORTS]));
        assert_eq!(trail.len(), MAX_IMPORTS);
    }

    #[test]
    fn messages_of_the_server_go_ways_of_their_own_within_the_bound() {
        let import = service(ResponseType::Singleton);
        let mut trail = Trail::default();
        for _ in 0..MAX_IMPORTS {
            assert!(trail.enter(&import));
            assert_eq!(trail.len(), 1);
            trail.begin();
        }
        assert!(!trail.enter(&import));
    }
}
