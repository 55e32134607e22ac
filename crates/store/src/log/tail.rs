//! The end of the segment being written: what the file does not have yet, and a little before it.
//!
//! Consumers at the end of a stream read what was just written, so some of it is kept after the
//! write. Invariant: what is not written yet is always here.

/// Bytes kept after they were written.
const KEEP: usize = 256 << 10;

/// A stretch of a file that ends where the next record goes.
#[derive(Default)]
pub(crate) struct Tail {
    buffer: Vec<u8>,
    /// Where in the file the buffer starts.
    start: u64,
    /// How much of the buffer the file has.
    written: usize,
}

impl Tail {
    /// Of a file that has everything before `offset`.
    pub(crate) fn at(offset: u64, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self {
            buffer,
            start: offset,
            written: 0,
        }
    }

    /// Where the next record goes.
    #[inline]
    pub(crate) fn end(&self) -> u64 {
        self.start + self.buffer.len() as u64
    }

    /// Up to where the file has it.
    #[inline]
    pub(crate) fn written_end(&self) -> u64 {
        self.start + self.written as u64
    }

    /// Where records are put.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// What the file does not have.
    #[inline]
    pub(crate) fn unwritten(&self) -> &[u8] {
        self.buffer.get(self.written..).unwrap_or_default()
    }

    /// The file has all of it now.
    pub(crate) fn mark_written(&mut self) {
        self.written = self.buffer.len();
        if self.written > 3 * KEEP {
            self.drop_written(KEEP);
        }
    }

    /// Forgets what the file has, but for the last `keep` bytes of it.
    pub(crate) fn drop_written(&mut self, keep: usize) {
        let drop = self.written.saturating_sub(keep);
        self.buffer.drain(..drop);
        self.start += drop as u64;
        self.written -= drop;
        if keep == 0 {
            self.buffer.shrink_to_fit();
        }
    }

    /// The bytes at `offset`, if they are here.
    #[inline]
    pub(crate) fn slice(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.buffer.get(from..from.checked_add(len)?)
    }

    /// The bytes from `offset` on that are here, at most `len`; `None` if the first is not.
    pub(crate) fn slice_upto(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        let rest = self.buffer.get(from..)?;
        Some(rest.get(..len).unwrap_or(rest))
    }

    /// Replaces bytes that are here, if they are.
    pub(crate) fn overwrite(&mut self, offset: u64, bytes: &[u8]) {
        let from = offset.checked_sub(self.start);
        let from = from.and_then(|from| usize::try_from(from).ok());
        let place = from.and_then(|from| self.buffer.get_mut(from..from.checked_add(bytes.len())?));
        if let Some(place) = place {
            place.copy_from_slice(bytes);
        }
    }

    /// Takes the buffer to use it again.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }
}
