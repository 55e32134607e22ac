//! The records of a segment: how they are written, and what is believed of what is read.
//!
//! ```text
//! message                                     control
//!  0  head_crc u32  over 4..body               0  crc u32   over 4..len, 32 at most
//!  4  magic u16                                4  magic u16
//!  6  kind u8 = 1                              6  kind u8
//!  7  flags u8                                 7  flags u8
//!  8  len u32       without padding            8  len u32   24 or 32
//! 12  headers_len u32                         12  aux u32
//! 16  sequence u64                            16  value u64
//! 24  timestamp i64                           24  time i64  if len is 32
//! 32  body_crc u32  over headers and payload
//! 36  subject_len u16
//! 38  subject, deadline i64 if flagged, headers, payload
//! ```
//!
//! Records start at multiples of 8, and are padded with zeros. Both sums are XORed with the
//! segment's salt, so that what another segment, stream or a payload holds is no record here. Two
//! sums, so that damage in a body does not hide whose body it is.
//!
//! A message that is compressed or encrypted has flags 32 or 16, and what stands after its deadline
//! is as `fold.rs` draws it.
//!
//! Here is what both sides share; [`encode`](self::encode) and [`decode`](self::decode) are the sides.

mod decode;
mod encode;

use cognate_model::{Deadline, DeadlineKind, Message, Sequence, Timestamp};

pub(crate) use self::decode::{claimed_len, decode, head_is_right, sequence_and_time};
pub(crate) use self::encode::{
    begin_folded, checked_len, erased, put_control, put_copy, put_folded, put_message,
};
use crate::vault::NONCE;

/// Where records start.
pub(crate) const ALIGN: usize = 8;
/// What every record starts with, after its sum.
pub(crate) const MAGIC: u16 = 0xC06A;
/// Bytes of a message before its subject.
pub(crate) const MESSAGE_HEAD: usize = 38;
/// Bytes of the shortest record.
pub(crate) const SHORTEST: usize = 24;
/// Bytes of the longest record.
pub(crate) const LONGEST: usize = 256 << 20;

/// The kind of messages.
pub(crate) const KIND_MESSAGE: u8 = 1;
/// Bytes of the longest head: what [`head_is_right`] needs at most.
pub(crate) const LONGEST_HEAD: usize = MESSAGE_HEAD + u16::MAX as usize + 8 + 4 + NONCE;
/// Bytes of a control that are summed, at most.
const SUMMED: usize = 32;

const KIND_REMOVE: u8 = 2;
const KIND_FLOOR: u8 = 3;
const KIND_SKIP: u8 = 4;
const KIND_DEADLINE: u8 = 5;
const KIND_SYNCED: u8 = 6;
const KIND_ERASED: u8 = 7;

const FLAG_ID: u8 = 1;
const FLAG_EXPIRE: u8 = 2;
const FLAG_SCHEDULE: u8 = 4;
const FLAG_ERASE: u8 = 8;
const FLAG_SEALED: u8 = 16;
const FLAG_PACKED: u8 = 32;

/// What is not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// One message is removed.
    Remove { sequence: Sequence, erase: bool },
    /// Everything below is removed.
    Floor { sequence: Sequence },
    /// The next message has this sequence.
    Skip { next: Sequence, time: Timestamp },
    /// A message's deadline is this now.
    Deadline {
        sequence: Sequence,
        deadline: Option<Deadline>,
    },
    /// Everything before this offset of this segment is on the disk, and all segments before.
    Synced { offset: u64 },
    /// A message stood here whose bytes were overwritten.
    Erased { sequence: Sequence, time: Timestamp },
}

/// What is known of a message from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) sequence: Sequence,
    pub(crate) timestamp: Timestamp,
    pub(crate) subject: &'a [u8],
    pub(crate) headers_len: usize,
    pub(crate) payload_len: usize,
    pub(crate) deadline: Option<Deadline>,
    pub(crate) has_id: bool,
    /// It is compressed or encrypted, so that its lengths do not tell the record's.
    pub(crate) is_folded: bool,
}

/// How a message is stored, if not as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    /// Headers and payload are compressed.
    pub(crate) is_packed: bool,
    /// Subject, and headers and payload, are encrypted with this.
    pub(crate) nonce: Option<[u8; NONCE]>,
    /// Bytes of headers and payload as they were given.
    pub(crate) body_len: u32,
}

impl Fold {
    fn flags(&self) -> u8 {
        let sealed = if self.nonce.is_some() { FLAG_SEALED } else { 0 };
        let packed = if self.is_packed { FLAG_PACKED } else { 0 };
        sealed | packed
    }
}

/// Bytes between deadline and body of a message with these flags.
fn fold_len(flags: u8) -> usize {
    match (flags & FLAG_SEALED != 0, flags & FLAG_PACKED != 0) {
        (true, _) => 4 + NONCE,
        (false, true) => 4,
        (false, false) => 0,
    }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded<'a> {
    /// A message; without a body if that is damaged.
    Message {
        head: Head<'a>,
        body: Option<Message<'a>>,
        len: usize,
    },
    /// A message that is compressed or encrypted: subject and body are as they are stored.
    Folded {
        head: Head<'a>,
        fold: Fold,
        /// The fixed part of the head.
        about: &'a [u8],
        body: Option<&'a [u8]>,
        len: usize,
    },
    /// Something else.
    Control { control: Control, len: usize },
    /// No record.
    Invalid,
}

impl Decoded<'_> {
    /// Whether it takes a key to read it.
    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self, Decoded::Folded { fold, .. } if fold.nonce.is_some())
    }
}

/// `len` up to the next start of a record.
#[inline]
pub(crate) fn padded(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Bytes of a message's record without padding.
#[inline]
pub(crate) fn message_len(subject: usize, deadline: bool, body: usize) -> usize {
    MESSAGE_HEAD + subject + if deadline { 8 } else { 0 } + body
}

/// The flags that say what a deadline is for.
pub(crate) fn flags(deadline: Option<Deadline>) -> u8 {
    match deadline.map(|deadline| deadline.kind) {
        None => 0,
        Some(DeadlineKind::Expire) => FLAG_EXPIRE,
        Some(DeadlineKind::Schedule) => FLAG_SCHEDULE,
    }
}

/// The reverse of [`flags`].
pub(crate) fn deadline_kind(flags: u8) -> Option<DeadlineKind> {
    match flags & (FLAG_EXPIRE | FLAG_SCHEDULE) {
        FLAG_EXPIRE => Some(DeadlineKind::Expire),
        FLAG_SCHEDULE => Some(DeadlineKind::Schedule),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
