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
//! Invariant: nothing is returned whose sum was not right.

use cognate_model::{Deadline, DeadlineKind, Message, NewMessage, Sequence, StoreError, Timestamp};

use crate::bytes::{Put, Reader, crc32c};

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
pub(crate) const LONGEST_HEAD: usize = MESSAGE_HEAD + u16::MAX as usize + 8;
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
    /// Something else.
    Control { control: Control, len: usize },
    /// No record.
    Invalid,
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
    if body > LONGEST || message.subject.len() > usize::from(u16::MAX) {
        return Err(StoreError::TooLarge);
    }
    let len = message_len(message.subject.len(), message.deadline.is_some(), body);
    if len > LONGEST {
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
            let subject = bytes.get(36..38)?.try_into().ok().map(u16::from_le_bytes)?;
            let deadline = deadline_kind(*bytes.get(7)?).is_some();
            message_len(usize::from(subject), deadline, 0)
        } else {
            SUMMED
        };
        let crc = Reader::new(bytes).u32()?;
        Some(crc32c(bytes.get(4..end.min(len))?) ^ salt == crc)
    };
    summed().unwrap_or(false)
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
    let body_at = message_len(subject_len, kind.is_some(), 0);
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
    let payload_len = body.len().checked_sub(headers_len)?;
    let head = Head {
        sequence,
        timestamp,
        subject,
        headers_len,
        payload_len,
        deadline,
        has_id: flags & FLAG_ID != 0,
    };
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
mod tests {
    use super::*;

    fn message(deadline: bool) -> NewMessage<'static> {
        NewMessage {
            timestamp: Timestamp(77),
            subject: b"a.b.c",
            headers: b"NATS/1.0\r\nA: b\r\n\r\n",
            payload: b"payload",
            deadline: deadline.then_some(Deadline {
                at: Timestamp(99),
                kind: DeadlineKind::Expire,
            }),
            has_id: true,
        }
    }

    #[test]
    fn messages_come_back_and_a_flipped_bit_never_passes() {
        for deadline in [false, true] {
            let message = message(deadline);
            let mut bytes = Vec::new();
            put_message(&mut bytes, 5, 12, &message);
            assert_eq!(bytes.len() % ALIGN, 0);
            let len = checked_len(&message).expect("it is short");
            let Decoded::Message { head, body, .. } = decode(&bytes, 5) else {
                panic!("it is a message");
            };
            let body = body.expect("its sum is right");
            assert_eq!(
                (head.sequence, head.has_id, head.deadline),
                (12, true, message.deadline)
            );
            assert_eq!(
                (body.subject, body.headers),
                (message.subject, message.headers)
            );
            assert_eq!(
                (body.payload, body.timestamp),
                (message.payload, message.timestamp)
            );
            assert_eq!(
                decode(&bytes, 6),
                Decoded::Invalid,
                "another segment's salt"
            );
            for bit in 0..len * 8 {
                let mut harmed = bytes.clone();
                harmed[bit / 8] ^= 1 << (bit % 8);
                match decode(&harmed, 5) {
                    Decoded::Message {
                        head: left, body, ..
                    } => {
                        assert_eq!((left, body), (head, None), "bit {bit}");
                    }
                    Decoded::Control { .. } => panic!("bit {bit} makes something else of it"),
                    Decoded::Invalid => assert!(!head_is_right(&harmed, 5), "bit {bit}"),
                }
            }
        }
    }

    #[test]
    fn controls_come_back_and_a_flipped_bit_never_passes() {
        let (sequence, time) = (9, Timestamp(-4));
        let deadline = message(true).deadline;
        let controls = [
            Control::Remove {
                sequence,
                erase: false,
            },
            Control::Remove {
                sequence,
                erase: true,
            },
            Control::Floor { sequence },
            Control::Skip {
                next: sequence,
                time,
            },
            Control::Deadline { sequence, deadline },
            Control::Deadline {
                sequence,
                deadline: None,
            },
            Control::Synced { offset: 640 },
        ];
        for control in controls {
            let mut bytes = Vec::new();
            put_control(&mut bytes, 5, control);
            let len = bytes.len();
            assert_eq!(decode(&bytes, 5), Decoded::Control { control, len });
            for bit in 0..len * 8 {
                let mut harmed = bytes.clone();
                harmed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    decode(&harmed, 5),
                    Decoded::Invalid,
                    "{control:?}, bit {bit}"
                );
            }
        }
        let bytes = erased(5, sequence, time, 100);
        let control = Control::Erased { sequence, time };
        assert_eq!(decode(&bytes, 5), Decoded::Control { control, len: 100 });
    }

    #[test]
    fn whatever_stands_there_is_read_without_a_panic() {
        let mut random = 1_u64;
        for _ in 0..20_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let mut bytes = random.to_le_bytes().repeat((random >> 60) as usize);
            if let Some(magic) = bytes.get_mut(4..8) {
                magic.copy_from_slice(&[
                    0x6A,
                    0xC0,
                    (random >> 33) as u8 % 9,
                    (random >> 40) as u8,
                ]);
            }
            assert_eq!(decode(&bytes, 0), Decoded::Invalid);
            assert!(!head_is_right(&bytes, 0));
        }
    }
}
