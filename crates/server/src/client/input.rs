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

/// Room for new bytes that a read must at least have.
const MIN_READ: usize = READ_BYTES / 2;

/// Bytes of an incomplete frame.
#[derive(Default)]
pub(crate) struct Carry {
    bytes: Vec<u8>,
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
        let needed = (self.bytes.len() + MIN_READ).max(READ_BYTES);
        if buffer.len() < needed {
            buffer.resize(needed, 0);
        }
        let carried = self.bytes.len();
        let count = ready!(transport.poll_read(cx, &mut buffer[carried..]))?;
        if count == 0 {
            return Poll::Ready(Ok(Filled::End));
        }
        buffer[..carried].copy_from_slice(&self.bytes);
        self.clear();
        Poll::Ready(Ok(Filled::Buffer(carried + count)))
    }

    /// Keeps `rest` until more arrives.
    pub(crate) fn keep(&mut self, rest: &[u8], total: Option<usize>) {
        self.total = total;
        if let Some(total) = total.filter(|&total| total > READ_BYTES) {
            self.bytes.reserve_exact(total);
        }
        self.bytes.extend_from_slice(rest);
    }

    /// Takes everything that is carried.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.total = None;
        std::mem::take(&mut self.bytes)
    }

    fn clear(&mut self) {
        self.total = None;
        if self.bytes.capacity() > MIN_READ {
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
        while self.bytes.len() < total {
            let have = self.bytes.len();
            // Grows with what really arrives: an announcement alone commits no memory.
            let chunk = (total - have).min(READ_BYTES * 4);
            self.bytes.resize(have + chunk, 0);
            let read = transport.poll_read(cx, &mut self.bytes[have..]);
            let count = match &read {
                Poll::Ready(Ok(count)) => *count,
                _ => 0,
            };
            self.bytes.truncate(have + count);
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(Filled::End));
            }
        }
        self.total = None;
        Poll::Ready(Ok(Filled::Own(std::mem::take(&mut self.bytes))))
    }
}
