//! Writing S2 streams: what is put in gathers until it fills a chunk. Called by the writer of snapshots.

use super::{COMPRESSED, IDENTIFIER, PLAIN, masked_sum};

/// Bytes of a chunk before it is compressed.
pub(super) const BLOCK: usize = 256 * 1024;

/// Encodes a stream from pieces.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    gathered: Vec<u8>,
    is_begun: bool,
}

impl Encoder {
    /// Takes more, and appends the chunks that are full to `out`.
    pub(crate) fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = BLOCK - self.gathered.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.gathered.extend_from_slice(now);
            bytes = later;
            if self.gathered.len() == BLOCK {
                self.put_chunk(out);
            }
        }
    }

    /// Ends the stream.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.gathered.is_empty() || !self.is_begun {
            self.put_chunk(out);
        }
    }

    fn put_chunk(&mut self, out: &mut Vec<u8>) {
        if !self.is_begun {
            out.extend_from_slice(IDENTIFIER);
            self.is_begun = true;
        }
        if self.gathered.is_empty() {
            return;
        }
        let sum = masked_sum(&self.gathered);
        let packed = minlz::encode(&self.gathered);
        let (kind, body) = if packed.len() < self.gathered.len() {
            (COMPRESSED, &packed)
        } else {
            (PLAIN, &self.gathered)
        };
        // Below 2^24, because a block is.
        let len = (body.len() + 4) as u32;
        out.push(kind);
        out.extend_from_slice(&len.to_le_bytes()[..3]);
        out.extend_from_slice(&sum.to_le_bytes());
        out.extend_from_slice(body);
        self.gathered.clear();
    }
}
