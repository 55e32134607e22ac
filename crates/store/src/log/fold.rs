//! Messages that are not stored as they are: packed, sealed, or both.
//!
//! ```text
//! 38  subject                   sealed: and a tag of 16 bytes; its length counts the tag
//!     deadline i64, if flagged
//!     body_len u32              headers and payload as they were given
//!     nonce [12]                if sealed
//!     headers and payload       packed: one block of S2; sealed: and a tag of 16 bytes
//! ```
//!
//! First it is packed, and then sealed. Sums are over what is stored, so that damage is found
//! without a key. What is sealed is bound to bytes 6 to 32 of its record: sequence, time, lengths.

use std::sync::Arc;

use cognate_model::{Deadline, Message, NewMessage, Sequence, Timestamp};

use super::record::{self, Decoded, Fold, Head, LONGEST};
use crate::vault::{Domain, NONCE, TAG, Vault};

/// Bytes that a folded record may be longer than a plain one.
pub(crate) const EXTRA: usize = 4 + NONCE + 2 * TAG;
/// Bodies below are not packed: there is nothing to gain.
const SMALL: usize = 48;

/// How messages are stored.
#[derive(Clone, Default)]
pub(crate) struct Folder {
    pub(crate) vault: Option<Arc<Vault>>,
    /// Whether bodies are packed, where that makes them smaller.
    pub(crate) packs: bool,
    /// Room to work in.
    scratch: Vec<u8>,
}

impl Folder {
    pub(crate) fn new(vault: Option<Arc<Vault>>, packs: bool) -> Self {
        Self {
            vault,
            packs,
            scratch: Vec::new(),
        }
    }

    /// Whether messages are stored as they are.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        !self.packs && self.vault.is_none()
    }

    /// Appends a message's record, and says whether it is folded.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        salt: u32,
        sequence: Sequence,
        message: &NewMessage<'_>,
    ) -> bool {
        let packed = self.pack(message);
        if packed.is_none() && self.vault.is_none() {
            record::put_message(out, salt, sequence, message);
            return false;
        }
        let is_packed = packed.is_some();
        let body = &mut self.scratch;
        body.clear();
        match packed {
            Some(packed) => body.extend_from_slice(&packed),
            None => {
                body.extend_from_slice(message.headers);
                body.extend_from_slice(message.payload);
            }
        }
        let fold = Fold {
            is_packed,
            nonce: self.vault.as_deref().map(Vault::nonce),
            body_len: (message.headers.len() + message.payload.len()) as u32,
        };
        let tag = if fold.nonce.is_some() { TAG } else { 0 };
        let lens = (message.subject.len() + tag, body.len() + tag);
        let about = record::begin_folded(sequence, message, &fold, lens);
        let mut subject = message.subject.to_vec();
        if let (Some(vault), Some(nonce)) = (self.vault.as_deref(), fold.nonce) {
            vault.seal(Domain::Subject, nonce, bound(&about), &mut subject, 0);
            vault.seal(Domain::Body, nonce, bound(&about), body, 0);
        }
        record::put_folded(out, salt, about, (&subject, message.deadline, &fold, body));
        true
    }

    fn pack(&self, message: &NewMessage<'_>) -> Option<Vec<u8>> {
        let len = message.headers.len() + message.payload.len();
        if !self.packs || len < SMALL {
            return None;
        }
        let packed = if message.headers.is_empty() {
            minlz::encode(message.payload)
        } else {
            minlz::encode(&[message.headers, message.payload].concat())
        };
        (packed.len() + 4 < len).then_some(packed)
    }
}

/// What of a record's head is bound to what is sealed in it.
fn bound(head: &[u8]) -> &[u8] {
    head.get(6..32).unwrap_or_default()
}

/// Where in its scratch space an unfolded message stands.
pub(crate) struct Unfolded {
    sequence: Sequence,
    timestamp: Timestamp,
    deadline: Option<Deadline>,
    has_id: bool,
    headers_len: usize,
    payload_len: usize,
    subject_len: usize,
    /// Nothing if the body is damaged.
    body_at: Option<usize>,
    len: usize,
}

impl Unfolded {
    /// Unfolds a message into `scratch`; `None` if it is not a folded one, or its subject cannot be
    /// opened.
    pub(crate) fn new(
        vault: Option<&Vault>,
        decoded: &Decoded<'_>,
        scratch: &mut Vec<u8>,
    ) -> Option<Self> {
        let Decoded::Folded {
            head,
            fold,
            about,
            body,
            len,
        } = decoded
        else {
            return None;
        };
        scratch.clear();
        scratch.extend_from_slice(head.subject);
        if let Some(nonce) = fold.nonce {
            let about = bound(about);
            let opened = vault?.open_in_place(Domain::Subject, nonce, about, scratch)?;
            scratch.truncate(opened);
        }
        let subject_len = scratch.len();
        let body_at = body.and_then(|body| unfold_body(vault, (*fold, about), body, scratch));
        Some(Self {
            sequence: head.sequence,
            timestamp: head.timestamp,
            deadline: head.deadline,
            has_id: head.has_id,
            headers_len: head.headers_len,
            payload_len: head.payload_len,
            subject_len,
            body_at,
            len: *len,
        })
    }

    /// The message, in the scratch space it was unfolded into.
    pub(crate) fn read<'a>(&self, scratch: &'a [u8]) -> Decoded<'a> {
        let subject = scratch.get(..self.subject_len).unwrap_or_default();
        let head = Head {
            sequence: self.sequence,
            timestamp: self.timestamp,
            subject,
            headers_len: self.headers_len,
            payload_len: self.payload_len,
            deadline: self.deadline,
            has_id: self.has_id,
            is_folded: true,
        };
        let body = self.body_at.and_then(|from| scratch.get(from..));
        let body = body.and_then(|body| body.split_at_checked(self.headers_len));
        let body = body.map(|(headers, payload)| Message {
            sequence: self.sequence,
            timestamp: self.timestamp,
            subject,
            headers,
            payload,
        });
        let len = self.len;
        Decoded::Message { head, body, len }
    }
}

/// A message as it was given; anything else as it is. One whose subject cannot be opened is no
/// record, one whose body cannot is damaged.
#[inline]
pub(crate) fn unfold<'a>(
    vault: Option<&Vault>,
    decoded: Decoded<'a>,
    scratch: &'a mut Vec<u8>,
) -> Decoded<'a> {
    if !matches!(decoded, Decoded::Folded { .. }) {
        return decoded;
    }
    match Unfolded::new(vault, &decoded, scratch) {
        Some(unfolded) => unfolded.read(scratch),
        None => Decoded::Invalid,
    }
}

/// Appends the body; where in the scratch it starts, to its end.
fn unfold_body(
    vault: Option<&Vault>,
    (fold, about): (Fold, &[u8]),
    body: &[u8],
    scratch: &mut Vec<u8>,
) -> Option<usize> {
    let body_len = usize::try_from(fold.body_len).ok()?;
    let start = scratch.len();
    if fold.nonce.is_none() && fold.is_packed {
        return unpack(body, body_len, scratch).then_some(start);
    }
    scratch.extend_from_slice(body);
    if let Some(nonce) = fold.nonce {
        let sealed = scratch.get_mut(start..)?;
        let opened = vault?.open_in_place(Domain::Body, nonce, bound(about), sealed)?;
        scratch.truncate(start + opened);
    }
    if !fold.is_packed {
        return (scratch.len() - start == body_len).then_some(start);
    }
    let packed = scratch.split_off(start);
    unpack(&packed, body_len, scratch).then_some(start)
}

fn unpack(packed: &[u8], len: usize, out: &mut Vec<u8>) -> bool {
    // The length is bounded by that of a record, whatever a block claims.
    let claims = minlz::decode_len(packed).map(|(claimed, _)| claimed);
    if len > LONGEST || claims.ok() != Some(len) {
        return false;
    }
    let start = out.len();
    out.resize(start + len, 0);
    let place = out.get_mut(start..).unwrap_or_default();
    minlz::decode_into(place, packed).ok() == Some(len)
}
