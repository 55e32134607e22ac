//! How records are written: always whole, with their sums, and padded.

use cognate_model::{Deadline, NewMessage, Sequence, StoreError, Timestamp};

use super::decode::{claimed_len, head_len};
use super::{
    Control, FLAG_ERASE, FLAG_ID, Fold, KIND_DEADLINE, KIND_ERASED, KIND_FLOOR, KIND_MESSAGE,
    KIND_REMOVE, KIND_SKIP, KIND_SYNCED, LONGEST, MAGIC, MESSAGE_HEAD, SUMMED, flags, fold_len,
    message_len, padded,
};
use crate::bytes::{Put, Reader, crc32c};
use crate::log::fold::EXTRA;
use crate::vault::TAG;

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
