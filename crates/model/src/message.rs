//! A stored message, borrowed from wherever it is.

use crate::Timestamp;

/// A message's number in its stream. The first is 1; 0 stands for "none".
pub type Sequence = u64;

/// A message as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its number.
    pub sequence: Sequence,
    /// When it was stored.
    pub timestamp: Timestamp,
    /// The subject it is stored under.
    pub subject: &'a [u8],
    /// The header block (`NATS/1.0\r\n…\r\n\r\n`); empty if it has none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Bytes of headers and payload together.
    #[must_use]
    pub fn body_len(&self) -> usize {
        self.headers.len() + self.payload.len()
    }
}

/// A message to be stored under the next sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMessage<'a> {
    /// When it is stored.
    pub timestamp: Timestamp,
    /// The subject to store it under; valid and literal.
    pub subject: &'a [u8],
    /// The header block; empty if it has none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// When something is to happen with it.
    pub deadline: Option<Deadline>,
    /// Whether it has a message id that a restart must remember for the duplicate window.
    pub has_id: bool,
}

/// A time at which the stream must attend to one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// When.
    pub at: Timestamp,
    /// What for.
    pub kind: DeadlineKind,
}

/// Why a stream must attend to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadlineKind {
    /// Its own time to live is over.
    Expire,
    /// It is a schedule that is due.
    Schedule,
}
