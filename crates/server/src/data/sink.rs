//! Writing without waiting: what takes bytes, what has them, and how far one gets.
//!
//! Called by [`super::outbound`], whose invariant is that one party writes at a time. Absent:
//! what happens to the bytes that are left.

use std::io::{self, IoSlice};

use super::backlog::{Backlog, Blocks};

/// Pieces of a backlog written at a time.
const PIECES: usize = 16;

/// Where bytes go without waiting.
pub(crate) trait Sink: Send + Sync {
    /// Writes what the other side takes at once; `WouldBlock` if that is nothing.
    fn try_write_vectored(&self, parts: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// A batch of frames as gathered pieces, in order.
pub(crate) trait Batch {
    /// Length of all pieces.
    fn total(&self) -> usize;
    /// Appends the pieces from byte `skip` on to `out`.
    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks);
    /// Writes from byte `skip` on; returns what `sink` took.
    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize>;
}

/// Writes until all is gone or the socket takes no more.
pub(super) fn write_batch(batch: &impl Batch, sink: &dyn Sink) -> io::Result<usize> {
    let mut written = 0;
    while written < batch.total() {
        match attempt(|| batch.write_to(sink, written))? {
            0 => break,
            count => written += count,
        }
    }
    Ok(written)
}

/// The same for bytes that had to wait; what was written is taken off.
pub(super) fn write_backlog(
    backlog: &mut Backlog,
    sink: &dyn Sink,
    pool: &Blocks,
) -> io::Result<usize> {
    let mut written = 0;
    while !backlog.is_empty() {
        let mut parts = [IoSlice::new(&[]); PIECES];
        let count = backlog.pieces(&mut parts);
        match attempt(|| sink.try_write_vectored(&parts[..count]))? {
            0 => break,
            count => {
                backlog.advance(count, pool);
                written += count;
            }
        }
    }
    Ok(written)
}

/// One write; 0 if the socket takes nothing now.
fn attempt(mut write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

impl Batch for &[u8] {
    fn total(&self) -> usize {
        self.len()
    }

    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks) {
        out.push(&self[skip..], pool);
    }

    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize> {
        sink.try_write_vectored(&[IoSlice::new(&self[skip..])])
    }
}
