//! The body of an answer on its way to a client that may read slowly or not at all.
//!
//! Invariants: the bytes a body holds are counted against [`limits::UNREAD_BYTES`] from before it
//! is sent until its last piece is handed to the connection; pieces are copies, so that a piece in
//! flight does not keep the whole document alive.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

/// Bytes handed to the connection at a time.
const PIECE: usize = 64 << 10;

/// A document being sent.
pub(crate) struct Unread {
    bytes: Vec<u8>,
    sent: usize,
    _room: Option<OwnedSemaphorePermit>,
}

impl Unread {
    /// A body that holds `room` while it is being sent.
    pub(crate) fn new(bytes: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Self {
        Unread {
            bytes,
            sent: 0,
            _room: room,
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }
}

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let rest = self.rest();
        if rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = Bytes::copy_from_slice(rest.get(..PIECE).unwrap_or(rest));
        self.sent += piece.len();
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest().len() as u64)
    }
}
