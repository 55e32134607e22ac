//! What delivery changes about a message's headers.
//!
//! Without its payload a message tells how long that was; a message for a pinned client tells it its
//! id. Absent: the decision that it does.

use cognate_model::Message;

use crate::ack_subject::push_decimal;

const FIRST_LINE: &[u8] = b"NATS/1.0\r\n";

/// Everything of a header block but the blank line that ends it; the first line alone if there is
/// none.
pub(crate) fn open_block(headers: &[u8]) -> &[u8] {
    headers
        .strip_suffix(b"\r\n")
        .filter(|open| !open.is_empty())
        .unwrap_or(FIRST_LINE)
}

/// The message without its payload, whose length is in a header. The block is made in `block`.
pub(crate) fn headers_only<'a>(block: &'a mut Vec<u8>, message: &Message<'a>) -> Message<'a> {
    block.clear();
    block.extend_from_slice(open_block(message.headers));
    block.extend_from_slice(b"Nats-Msg-Size: ");
    push_decimal(block, message.payload.len() as u64);
    block.extend_from_slice(b"\r\n\r\n");
    Message {
        headers: block,
        payload: &[],
        ..*message
    }
}

/// A header block with the id of the pinned client.
pub(crate) struct Pinned(Vec<u8>);

pub(crate) fn pinned(message: &Message<'_>, id: Option<&[u8]>) -> Pinned {
    let Some(id) = id else {
        return Pinned(message.headers.to_vec());
    };
    let name = b"Nats-Pin-Id: ";
    Pinned([open_block(message.headers), name, id, b"\r\n\r\n"].concat())
}

impl Pinned {
    pub(crate) fn message<'a>(&'a self, message: &Message<'a>) -> Message<'a> {
        Message {
            headers: &self.0,
            ..*message
        }
    }
}
