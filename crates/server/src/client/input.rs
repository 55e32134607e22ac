//! The part of a frame that has arrived, kept between reads.
//!
//! Whole frames are worked through in the read buffer of the pass. What is left at its end is
//! carried over: a short rest is put in front of the next read; a frame too large for the read
//! buffer is collected in a buffer of its own, which is read into directly. An idle connection
//! holds no buffer.

use std::io;
use std::task::{Context, Poll, ready};

use super::transport::Transport;
use crate::data::READ_BYTES;

/// A larger buffer is given back when what it carried has been worked through.
const KEEP_BYTES: usize = 1024;

/// Room for new bytes that a read must at least have.
const MIN_READ: usize = READ_BYTES / 2;

/// Bytes read ahead while a login is decided elsewhere.
const AHEAD_BYTES: usize = 4096;

/// Bytes of an incomplete frame.
#[derive(Default)]
pub(crate) struct Carry {
    /// The first `filled` bytes have arrived; the rest is room.
    bytes: Vec<u8>,
    filled: usize,
    /// Length of the frame, once its control line said so.
    total: Option<usize>,
}

/// Bytes ready to be worked through.
pub(crate) enum Filled {
    /// The read buffer holds this many.
    Buffer(usize),
    /// A large frame is complete in a buffer of its own.
    Own(Vec<u8>),
    /// The client is gone.
    End,
}

impl Carry {
    /// Reads into `buffer` behind what was carried over, or into the large frame being collected.
    pub(crate) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
        buffer: &mut Vec<u8>,
    ) -> Poll<io::Result<Filled>> {
        if let Some(total) = self.total.filter(|&total| total > READ_BYTES) {
            return self.poll_collect(cx, transport, total);
        }
        let needed = (self.filled + MIN_READ).max(READ_BYTES);
        if buffer.len() < needed {
            buffer.resize(needed, 0);
        }
        let carried = self.filled;
        let count = ready!(transport.poll_read(cx, &mut buffer[carried..]))?;
        if count == 0 {
            return Poll::Ready(Ok(Filled::End));
        }
        buffer[..carried].copy_from_slice(&self.bytes[..carried]);
        self.clear();
        Poll::Ready(Ok(Filled::Buffer(carried + count)))
    }

    /// Keeps `rest` until more arrives.
    pub(crate) fn keep(&mut self, rest: &[u8], total: Option<usize>) {
        self.total = total;
        self.bytes.truncate(self.filled);
        self.bytes.extend_from_slice(rest);
        self.filled = self.bytes.len();
    }

    /// Reads a little ahead while nothing may be worked through, to notice the end, at which it is
    /// ready. What a client sends beyond that stays in its socket.
    pub(crate) fn poll_ahead(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
    ) -> Poll<io::Result<()>> {
        while self.filled < AHEAD_BYTES {
            self.bytes.resize(AHEAD_BYTES, 0);
            let count = ready!(transport.poll_read(cx, &mut self.bytes[self.filled..]))?;
            if count == 0 {
                return Poll::Ready(Ok(()));
            }
            self.filled += count;
        }
        Poll::Pending
    }

    /// Takes everything that is carried.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(self.filled);
        self.total = None;
        self.filled = 0;
        bytes
    }

    fn clear(&mut self) {
        self.total = None;
        self.filled = 0;
        if self.bytes.capacity() > KEEP_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    fn poll_collect(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut Transport,
        total: usize,
    ) -> Poll<io::Result<Filled>> {
        while self.filled < total {
            if self.bytes.len() == self.filled {
                // Grows with what really arrives: an announcement alone commits no memory.
                let more = self.filled.max(READ_BYTES).min(total - self.filled);
                self.bytes.resize(self.filled + more, 0);
            }
            let count = ready!(transport.poll_read(cx, &mut self.bytes[self.filled..]))?;
            if count == 0 {
                return Poll::Ready(Ok(Filled::End));
            }
            self.filled += count;
        }
        Poll::Ready(Ok(Filled::Own(self.take())))
    }
}
