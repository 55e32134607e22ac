//! Frames for one destination as pieces in several places, in order.
//!
//! ```text
//! bytes  | MSG a 1 5\r\nhello\r\n | MSG b 2 |               | MSG a 1 2\r\nhi\r\n |
//! cuts                                      ^ input[120..33000]
//! ```
//!
//! Most bytes are copied side by side; a cut is a place at which bytes from elsewhere come in
//! between: from the read buffer of the pass, or from what was gathered once for several
//! destinations. Invariant: cuts are in ascending order of `at`. Called by [`super::stage`], which
//! keeps what cuts refer to until the pieces have been handed over.

use std::io::{self, IoSlice};

use super::backlog::{Backlog, Blocks};
use super::sink::{Batch, Sink};

/// Pieces per gathered write; the kernel takes at most 1024.
const MAX_PIECES: usize = 256;

/// What was gathered for several is copied up to this size: a piece of its own would cost more.
const COPIED_BYTES: usize = 1024;

/// Where a cut's bytes are.
#[derive(Clone, Copy)]
enum Source {
    /// In the read buffer.
    Input,
    /// In what was gathered for several destinations.
    Shared,
}

#[derive(Clone, Copy)]
struct Cut {
    at: usize,
    from: Source,
    start: usize,
    len: usize,
}

/// Pieces, and memory for more.
#[derive(Default)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    cuts: Vec<Cut>,
    /// Sum of the lengths of all cuts.
    elsewhere: usize,
}

impl Pieces {
    /// Length of all of them.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.bytes.len() + self.elsewhere
    }

    /// Where to append what is copied.
    #[inline]
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Bytes of memory for what is copied.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Appends `len` bytes of the read buffer.
    pub(super) fn refer_to_input(&mut self, start: usize, len: usize) {
        self.refer(Source::Input, start, len);
    }

    /// Appends what lies from `start` on in `shared`.
    pub(super) fn refer_to_shared(&mut self, start: usize, shared: &[u8]) {
        let len = shared.len() - start;
        if len <= COPIED_BYTES {
            self.bytes.extend_from_slice(&shared[start..]);
        } else {
            self.refer(Source::Shared, start, len);
        }
    }

    /// Forgets all pieces, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cuts.clear();
        self.elsewhere = 0;
    }

    fn refer(&mut self, from: Source, start: usize, len: usize) {
        self.cuts.push(Cut {
            at: self.bytes.len(),
            from,
            start,
            len,
        });
        self.elsewhere += len;
    }
}

/// Pieces together with what their cuts refer to.
pub(super) struct Gathered<'a> {
    pieces: &'a Pieces,
    input: &'a [u8],
    shared: &'a [u8],
}

impl<'a> Gathered<'a> {
    /// The pieces with the read buffer and what was gathered for several.
    pub(super) fn new(pieces: &'a Pieces, input: &'a [u8], shared: &'a [u8]) -> Self {
        Gathered {
            pieces,
            input,
            shared,
        }
    }

    /// The pieces in order, without the first `skip` bytes.
    pub(super) fn pieces(&self, skip: usize) -> impl Iterator<Item = &'a [u8]> {
        let Gathered {
            pieces,
            input,
            shared,
        } = *self;
        let mut from = 0;
        let mut skip = skip;
        let copied = pieces.cuts.iter().flat_map(move |cut| {
            let before = &pieces.bytes[from..cut.at];
            from = cut.at;
            let source = match cut.from {
                Source::Input => input,
                Source::Shared => shared,
            };
            [before, &source[cut.start..cut.start + cut.len]]
        });
        let last = pieces.cuts.last().map_or(0, |cut| cut.at);
        copied
            .chain(std::iter::once(&pieces.bytes[last..]))
            .filter_map(move |piece| {
                let skipped = skip.min(piece.len());
                skip -= skipped;
                Some(&piece[skipped..]).filter(|piece| !piece.is_empty())
            })
    }
}

impl Batch for Gathered<'_> {
    fn total(&self) -> usize {
        self.pieces.total()
    }

    fn copy_from(&self, skip: usize, out: &mut Backlog, pool: &Blocks) {
        self.pieces(skip).for_each(|piece| out.push(piece, pool));
    }

    fn write_to(&self, sink: &dyn Sink, skip: usize) -> io::Result<usize> {
        if self.pieces.cuts.is_empty() {
            return sink.try_write_vectored(&[IoSlice::new(&self.pieces.bytes[skip..])]);
        }
        let mut parts = [IoSlice::new(&[]); MAX_PIECES];
        let mut count = 0;
        for (part, piece) in parts.iter_mut().zip(self.pieces(skip)) {
            *part = IoSlice::new(piece);
            count += 1;
        }
        sink.try_write_vectored(&parts[..count])
    }
}
