//! What a stream is given and what it tells its surroundings.
//!
//! Effects come in the order in which they happened. None of them may be seen from outside before
//! the changes made to the store up to then are durable; holding them back is the caller's part.

use std::time::Duration;

use cognate_model::{ApiError, Message, Sequence};

/// A message that somebody published to one of a stream's subjects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publish<'a> {
    /// The subject; valid and literal.
    pub subject: &'a [u8],
    /// Where the acknowledgement is to go; empty if nobody waits for one.
    pub reply: &'a [u8],
    /// The header block; empty if it has none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// A fresh random number, for subject transforms that ask for one.
    pub random: u64,
}

/// Where a stream's effects go, and what it asks of its surroundings.
pub trait StreamHost {
    /// An answer to a publish: a PubAck, an error or a message of flow control.
    fn respond(&mut self, reply: &[u8], headers: &[u8], body: &[u8]);

    /// A stored message to be published again.
    fn publish(&mut self, subject: &[u8], headers: &[u8], payload: &[u8]);

    /// A message was stored: consumers may want it.
    fn stored(&mut self, message: &Message<'_>);

    /// A single message was removed, by a limit, a rollup, a purge or on request.
    fn removed(&mut self, sequence: Sequence, subject: &[u8]);

    /// Everything below `sequence` was removed.
    fn removed_below(&mut self, sequence: Sequence);

    /// Something the account's operators may want to know.
    fn advisory(&mut self, advisory: Advisory<'_>);

    /// Whether any consumer wants messages of this subject. Asked only under interest retention.
    fn has_interest(&mut self, subject: &[u8]) -> bool;

    /// Whether server and account have room for a message that counts for `bytes`.
    ///
    /// # Errors
    /// The error the publisher is to get if they have not.
    fn admit(&mut self, bytes: u64) -> Result<(), ApiError> {
        let _ = bytes;
        Ok(())
    }

    /// Takes one of the server's places for batches in progress; false if there is none.
    fn begin_batch(&mut self, kind: BatchKind) -> bool {
        let _ = kind;
        true
    }

    /// Gives back what [`begin_batch`](Self::begin_batch) took.
    fn end_batch(&mut self, kind: BatchKind) {
        let _ = kind;
    }
}

/// The two ways to publish several messages as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchKind {
    /// All or nothing, `allow_atomic`.
    Atomic,
    /// With flow control, `allow_batched`.
    Fast,
}

/// Something the account's operators may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advisory<'a> {
    /// An atomic batch was given up.
    BatchAbandoned {
        /// Its id.
        batch: &'a [u8],
        /// Why.
        reason: AbandonReason,
    },
}

/// Why an atomic batch was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbandonReason {
    /// Nothing came for too long.
    Timeout,
    /// It had too many messages.
    Large,
    /// A message was missing or could not be kept.
    Incomplete,
    /// It asked for a newer server.
    Unsupported,
}

impl AbandonReason {
    /// The word in the advisory.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            AbandonReason::Timeout => "timeout",
            AbandonReason::Large => "large",
            AbandonReason::Incomplete => "incomplete",
            AbandonReason::Unsupported => "unsupported",
        }
    }
}

/// What a stream knows besides its configuration.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The JetStream domain, named in acknowledgements; empty if there is none.
    pub domain: String,
    /// For the hash table of message ids, which publishers choose: they must not know it.
    pub seed: u64,
    /// The largest message the server takes, in bytes of headers and payload. Messages that the
    /// stream writes itself (counters) keep to it, too.
    pub max_payload: usize,
    /// Limits for batches.
    pub batches: BatchLimits,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            domain: String::new(),
            seed: 0,
            max_payload: 1 << 20,
            batches: BatchLimits::default(),
        }
    }
}

/// Limits for batches, `jetstream { limits { … } }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Atomic batches in progress per stream.
    pub max_atomic_inflight: usize,
    /// Fast batches in progress per stream.
    pub max_fast_inflight: usize,
    /// Messages of an atomic batch.
    pub max_size: u64,
    /// How long a batch may pause.
    pub timeout: Duration,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self {
            max_atomic_inflight: 50,
            max_fast_inflight: 1000,
            max_size: 1000,
            timeout: Duration::from_secs(10),
        }
    }
}
