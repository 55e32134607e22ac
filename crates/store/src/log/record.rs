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
//! Invariant: nothing is returned whose sum was not right.

use cognate_model::{Deadline, DeadlineKind, Message, NewMessage, Sequence, StoreError, Timestamp};

use super::fold::EXTRA;
use crate::bytes::{Put, Reader, crc32c};
use crate::vault::{NONCE, TAG};

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

/// The length of a message's record, if it may be stored at all.
pub(crate) fn checked_len(message: &NewMessage<'_>) -> Result<usize, StoreError> {
    let body = message.headers.len().saturating_add(message.payload.len());
    if body > LONGEST || message.subject.len() + TAG > usize::from(u16::MAX) {
        return Err(StoreError::TooLarge);
    }
    let len = message_len(message.subject.len(), message.deadline.is_some(), body);
    if len + EXTRA > LONGEST {
        return Err(StoreError::TooLarge);
    }
    Ok(len)
}

/// Appends a message's record with its padding; `message` passed [`checked_len`].
#[inline]
pub(crate) fn put_message(
    out: &mut Vec<u8>,
    salt: u32,
    sequence: Sequence,
    message: &NewMessage<'_>,
) {
    let start = out.len();
    let body_len = message.headers.len() + message.payload.len();
    let len = message_len(message.subject.len(), message.deadline.is_some(), body_len);
    out.reserve(padded(len));
    let mut fixed = [0; MESSAGE_HEAD];
    fixed[4..6].copy_from_slice(&MAGIC.to_le_bytes());
    fixed[6] = KIND_MESSAGE;
    fixed[7] = flags(message.deadline) | if message.has_id { FLAG_ID } else { 0 };
    // These fit: the length was checked.
    fixed[8..12].copy_from_slice(&(len as u32).to_le_bytes());
    fixed[12..16].copy_from_slice(&(message.headers.len() as u32).to_le_bytes());
    fixed[16..24].copy_from_slice(&sequence.to_le_bytes());
    fixed[24..32].copy_from_slice(&message.timestamp.0.to_le_bytes());
    fixed[36..38].copy_from_slice(&(message.subject.len() as u16).to_le_bytes());
    out.extend_from_slice(&fixed);
    out.extend_from_slice(message.subject);
    if let Some(deadline) = message.deadline {
        out.put_i64(deadline.at.0);
    }
    let body_at = out.len();
    out.extend_from_slice(message.headers);
    out.extend_from_slice(message.payload);
    let body_crc = crc32c(&out[body_at..]) ^ salt;
    out[start + 32..start + 36].copy_from_slice(&body_crc.to_le_bytes());
    let head_crc = crc32c(&out[start + 4..body_at]) ^ salt;
    out[start..start + 4].copy_from_slice(&head_crc.to_le_bytes());
    out.resize(start + padded(len), 0);
}

/// The fixed part of the head of a folded message; `lens` are those of subject and body as stored.
pub(crate) fn begin_folded(
    sequence: Sequence,
    message: &NewMessage<'_>,
    fold: &Fold,
    (subject, body): (usize, usize),
) -> [u8; MESSAGE_HEAD] {
    let mut fixed = [0; MESSAGE_HEAD];
    let flags = flags(message.deadline) | if message.has_id { FLAG_ID } else { 0 } | fold.flags();
    let len = message_len(subject, message.deadline.is_some(), body) + fold_len(flags);
    fixed[4..6].copy_from_slice(&MAGIC.to_le_bytes());
    fixed[6] = KIND_MESSAGE;
    fixed[7] = flags;
    // These fit: the length was checked with room for what folding adds.
    fixed[8..12].copy_from_slice(&(len as u32).to_le_bytes());
    fixed[12..16].copy_from_slice(&(message.headers.len() as u32).to_le_bytes());
    fixed[16..24].copy_from_slice(&sequence.to_le_bytes());
    fixed[24..32].copy_from_slice(&message.timestamp.0.to_le_bytes());
    fixed[36..38].copy_from_slice(&(subject as u16).to_le_bytes());
    fixed
}

/// Appends the record of a folded message that [`begin_folded`] began: subject and body are as
/// they are to be stored.
pub(crate) fn put_folded(
    out: &mut Vec<u8>,
    salt: u32,
    fixed: [u8; MESSAGE_HEAD],
    (subject, deadline, fold, body): (&[u8], Option<Deadline>, &Fold, &[u8]),
) {
    let start = out.len();
    out.extend_from_slice(&fixed);
    out.extend_from_slice(subject);
    if let Some(deadline) = deadline {
        out.put_i64(deadline.at.0);
    }
    out.put_u32(fold.body_len);
    if let Some(nonce) = fold.nonce {
        out.extend_from_slice(&nonce);
    }
    let body_at = out.len();
    out.extend_from_slice(body);
    let body_crc = crc32c(body) ^ salt;
    out[start + 32..start + 36].copy_from_slice(&body_crc.to_le_bytes());
    let head_crc = crc32c(&out[start + 4..body_at]) ^ salt;
    out[start..start + 4].copy_from_slice(&head_crc.to_le_bytes());
    let len = out.len() - start;
    out.resize(start + padded(len), 0);
}

/// Appends a copy of a message's record from another segment; its sums are right.
pub(crate) fn put_copy(out: &mut Vec<u8>, salt: u32, bytes: &[u8], old_salt: u32) -> Option<()> {
    let len = claimed_len(bytes)?;
    let record = bytes.get(..len)?;
    let body_at = head_len(record)?;
    let start = out.len();
    out.extend_from_slice(record);
    let body_crc = Reader::new(record.get(32..36)?).u32()? ^ old_salt ^ salt;
    out[start + 32..start + 36].copy_from_slice(&body_crc.to_le_bytes());
    let head_crc = crc32c(out.get(start + 4..start + body_at)?) ^ salt;
    out[start..start + 4].copy_from_slice(&head_crc.to_le_bytes());
    out.resize(start + padded(len), 0);
    Some(())
}

/// Appends any other record.
pub(crate) fn put_control(out: &mut Vec<u8>, salt: u32, control: Control) {
    let (kind, flags, value, time) = match control {
        Control::Remove { sequence, erase } => {
            let flags = if erase { FLAG_ERASE } else { 0 };
            (KIND_REMOVE, flags, sequence, None)
        }
        Control::Floor { sequence } => (KIND_FLOOR, 0, sequence, None),
        Control::Skip { next, time } => (KIND_SKIP, 0, next, Some(time)),
        Control::Deadline { sequence, deadline } => {
            let time = deadline.map(|deadline| deadline.at);
            (KIND_DEADLINE, flags(deadline), sequence, time)
        }
        Control::Synced { offset } => (KIND_SYNCED, 0, offset, None),
        Control::Erased { sequence, time } => (KIND_ERASED, 0, sequence, Some(time)),
    };
    let start = out.len();
    let len: u32 = if time.is_some() { 32 } else { 24 };
    out.put_u32(0);
    out.put_u16(MAGIC);
    out.extend_from_slice(&[kind, flags]);
    out.put_u32(len);
    out.put_u32(0);
    out.put_u64(value);
    if let Some(time) = time {
        out.put_i64(time.0);
    }
    let crc = crc32c(&out[start + 4..]) ^ salt;
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// What takes the place of a message's record of `len` bytes when it is erased.
pub(crate) fn erased(salt: u32, sequence: Sequence, time: Timestamp, len: usize) -> Vec<u8> {
    // No message's record is shorter than that of a control with a time.
    let len = len.max(MESSAGE_HEAD);
    let mut out = Vec::with_capacity(padded(len));
    put_control(&mut out, salt, Control::Erased { sequence, time });
    out.resize(len, 0);
    out[8..12].copy_from_slice(&(len as u32).to_le_bytes());
    let crc = crc32c(&out[4..SUMMED]) ^ salt;
    out[..4].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The whole length that a record at the start of `bytes` claims, if it can be one.
pub(crate) fn claimed_len(bytes: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(bytes);
    reader.take(4)?;
    if reader.u16()? != MAGIC {
        return None;
    }
    reader.take(2)?;
    let len = usize::try_from(reader.u32()?).ok()?;
    (SHORTEST..=LONGEST).contains(&len).then_some(len)
}

/// Whether the head of a record at the start of `bytes` is right; they hold all of the record, or
/// [`LONGEST_HEAD`] of it.
pub(crate) fn head_is_right(bytes: &[u8], salt: u32) -> bool {
    let summed = || {
        let len = claimed_len(bytes)?;
        let end = if *bytes.get(6)? == KIND_MESSAGE {
            head_len(bytes)?
        } else {
            SUMMED
        };
        let crc = Reader::new(bytes).u32()?;
        Some(crc32c(bytes.get(4..end.min(len))?) ^ salt == crc)
    };
    summed().unwrap_or(false)
}

/// What the head of a message at the start of `bytes` says, if it is right.
pub(crate) fn sequence_and_time(bytes: &[u8], salt: u32) -> Option<(Sequence, Timestamp)> {
    if bytes.get(6) != Some(&KIND_MESSAGE) || !head_is_right(bytes, salt) {
        return None;
    }
    let mut reader = Reader::new(bytes.get(16..)?);
    Some((reader.u64()?, Timestamp(reader.i64()?)))
}

/// Bytes of a message's record before its body.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let subject = bytes.get(36..38)?.try_into().ok().map(u16::from_le_bytes)?;
    let flags = *bytes.get(7)?;
    let deadline = deadline_kind(flags).is_some();
    Some(message_len(usize::from(subject), deadline, 0) + fold_len(flags))
}

/// What stands at the start of `bytes`, which hold all of it.
#[inline]
pub(crate) fn decode(bytes: &[u8], salt: u32) -> Decoded<'_> {
    let decoded = match bytes.get(6) {
        Some(&KIND_MESSAGE) => decode_message(bytes, salt),
        Some(_) => decode_control(bytes, salt),
        None => None,
    };
    decoded.unwrap_or(Decoded::Invalid)
}

fn decode_message(bytes: &[u8], salt: u32) -> Option<Decoded<'_>> {
    let len = claimed_len(bytes)?;
    let record = bytes.get(..len)?;
    let mut reader = Reader::new(record);
    let head_crc = reader.u32()?;
    reader.take(3)?;
    let flags = reader.u8()?;
    reader.take(4)?;
    let headers_len = usize::try_from(reader.u32()?).ok()?;
    let sequence = reader.u64()?;
    let timestamp = Timestamp(reader.i64()?);
    let body_crc = reader.u32()?;
    let subject_len = usize::from(reader.u16()?);
    let subject = reader.take(subject_len)?;
    let kind = deadline_kind(flags);
    let body_at = message_len(subject_len, kind.is_some(), 0) + fold_len(flags);
    if crc32c(record.get(4..body_at)?) ^ salt != head_crc {
        return None;
    }
    let deadline = match kind {
        Some(kind) => Some(Deadline {
            at: Timestamp(reader.i64()?),
            kind,
        }),
        None => None,
    };
    let body = record.get(body_at..)?;
    let mut head = Head {
        sequence,
        timestamp,
        subject,
        headers_len,
        payload_len: 0,
        deadline,
        has_id: flags & FLAG_ID != 0,
        is_folded: false,
    };
    if fold_len(flags) > 0 {
        let body = (crc32c(body) ^ salt == body_crc).then_some(body);
        return decode_folded(record, head, reader, body);
    }
    head.payload_len = body.len().checked_sub(headers_len)?;
    let body = (crc32c(body) ^ salt == body_crc).then(|| {
        let (headers, payload) = body.split_at(headers_len);
        Message {
            sequence,
            timestamp,
            subject,
            headers,
            payload,
        }
    });
    Some(Decoded::Message { head, body, len })
}

/// The rest of a message that is compressed or encrypted; `reader` is behind its deadline.
#[cold]
fn decode_folded<'a>(
    record: &'a [u8],
    head: Head<'a>,
    mut reader: Reader<'a>,
    body: Option<&'a [u8]>,
) -> Option<Decoded<'a>> {
    let flags = *record.get(7)?;
    let body_len = reader.u32()?;
    let nonce = match flags & FLAG_SEALED {
        0 => None,
        _ => Some(reader.take(NONCE)?.try_into().ok()?),
    };
    let fold = Fold {
        is_packed: flags & FLAG_PACKED != 0,
        nonce,
        body_len,
    };
    let plain_len = usize::try_from(body_len).ok()?;
    Some(Decoded::Folded {
        head: Head {
            payload_len: plain_len.checked_sub(head.headers_len)?,
            is_folded: true,
            ..head
        },
        fold,
        about: record.get(..MESSAGE_HEAD)?,
        body,
        len: record.len(),
    })
}

fn decode_control(bytes: &[u8], salt: u32) -> Option<Decoded<'_>> {
    let len = claimed_len(bytes)?;
    let record = bytes.get(..len)?;
    let mut reader = Reader::new(record);
    if crc32c(record.get(4..len.min(SUMMED))?) ^ salt != reader.u32()? {
        return None;
    }
    reader.take(2)?;
    let kind = reader.u8()?;
    let flags = reader.u8()?;
    reader.take(8)?;
    let value = reader.u64()?;
    let time = reader.i64().map(Timestamp);
    let control = match kind {
        KIND_REMOVE => Control::Remove {
            sequence: value,
            erase: flags & FLAG_ERASE != 0,
        },
        KIND_FLOOR => Control::Floor { sequence: value },
        KIND_SKIP => Control::Skip {
            next: value,
            time: time?,
        },
        KIND_DEADLINE => {
            let deadline = match (deadline_kind(flags), time) {
                (Some(kind), Some(at)) => Some(Deadline { at, kind }),
                _ => None,
            };
            Control::Deadline {
                sequence: value,
                deadline,
            }
        }
        KIND_SYNCED => Control::Synced { offset: value },
        KIND_ERASED => Control::Erased {
            sequence: value,
            time: time?,
        },
        _ => return None,
    };
    Some(Decoded::Control { control, len })
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
