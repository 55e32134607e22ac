//! What the crossings of one pass share: buffers, the time, and the way they took last.
//!
//! A worker has one [`Journey`], so that a request to a service of another account asks neither the
//! allocator nor the clock. What refers to an account is forgotten when the pass ends, and a buffer
//! that a large message has grown is not kept. Used by [`super::crossing`].

use std::sync::Arc;
use std::time::Duration;

use cognate_router::{Matched, Tie};

use super::connection::Connection;
use super::delivery::{Sub, Watch};

/// Bytes that a buffer may have to be kept.
const KEEP_BYTES: usize = 64 * 1024;

/// What the crossings of one pass share.
#[derive(Default)]
pub(super) struct Journey {
    now: Option<Duration>,
    passages: Vec<Sub>,
    buffers: Buffers,
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
