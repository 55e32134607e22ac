//! What is believed of what is read.
//!
//! Invariant: nothing is returned whose sum was not right.

use cognate_model::{Deadline, Message, Sequence, Timestamp};

use super::{
    Control, Decoded, FLAG_ERASE, FLAG_ID, FLAG_PACKED, FLAG_SEALED, Fold, Head, KIND_DEADLINE,
    KIND_ERASED, KIND_FLOOR, KIND_MESSAGE, KIND_REMOVE, KIND_SKIP, KIND_SYNCED, LONGEST, MAGIC,
    MESSAGE_HEAD, SHORTEST, SUMMED, deadline_kind, fold_len, message_len,
};
use crate::bytes::{Reader, crc32c};
use crate::vault::NONCE;

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
pub(super) fn head_len(bytes: &[u8]) -> Option<usize> {
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
