//! Reading S2 streams: as they arrive, or whole and over damage.

use super::{COMPRESSED, IDENTIFIER, MAX_BLOCK, PLAIN, SNAPPY, masked_sum};

/// Bytes of a chunk's type and length.
const CHUNK_HEAD: usize = 4;
/// Bytes of a sum.
const SUM: usize = 4;

/// Decodes a stream that arrives in pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// What arrived and was not decoded.
    waiting: Vec<u8>,
    is_begun: bool,
}

/// What a stream is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

impl Decoder {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Whether nothing of a chunk is left over.
    pub(crate) fn is_at_end(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What the next chunk decodes to, if all of it is there. May be empty.
    pub(crate) fn next_block(&mut self) -> Result<Option<Vec<u8>>, Corrupt> {
        let Some((kind, len)) = chunk_head(&self.waiting) else {
            return self.check_beginning().map(|()| None);
        };
        self.check_beginning()?;
        let may_be_long = kind == COMPRESSED || kind == PLAIN;
        if may_be_long && len > MAX_BLOCK + MAX_BLOCK / 6 + 64 {
            return Err(Corrupt);
        }
        let Some(body) = self.waiting.get(CHUNK_HEAD..CHUNK_HEAD + len) else {
            return Ok(None);
        };
        let block = match kind {
            COMPRESSED | PLAIN if !self.is_begun => return Err(Corrupt),
            COMPRESSED | PLAIN => decode_chunk(kind, body).ok_or(Corrupt)?,
            0xff => {
                self.is_begun = true;
                Vec::new()
            }
            0x80.. => Vec::new(),
            _ => return Err(Corrupt),
        };
        self.waiting.drain(..CHUNK_HEAD + len);
        Ok(Some(block))
    }

    /// A stream begins with its identifier, and so does what is put behind it.
    fn check_beginning(&self) -> Result<(), Corrupt> {
        if self.is_begun && self.waiting.first() != Some(&0xff) {
            return Ok(());
        }
        let len = self.waiting.len().min(IDENTIFIER.len());
        let matches = |identifier: &[u8]| identifier.get(..len) == self.waiting.get(..len);
        if matches(IDENTIFIER) || matches(SNAPPY) {
            Ok(())
        } else {
            Err(Corrupt)
        }
    }
}

/// Decodes a whole stream of at most `limit` bytes. A chunk that is damaged is zeros, as many as it
/// says that it decodes to; one whose length makes no sense ends the stream. Also tells whether all
/// was right.
pub(crate) fn decode_over_damage(mut stream: &[u8], limit: usize) -> (Vec<u8>, bool) {
    let (mut out, mut is_whole) = (Vec::new(), true);
    while !stream.is_empty() {
        let Some((kind, len)) = chunk_head(stream) else {
            return (out, false);
        };
        let Some(body) = stream.get(CHUNK_HEAD..CHUNK_HEAD + len) else {
            return (out, false);
        };
        match kind {
            COMPRESSED | PLAIN => {
                let Some(plain_len) = decoded_len(kind, body) else {
                    return (out, false);
                };
                if out.len().saturating_add(plain_len) > limit {
                    return (out, false);
                }
                match decode_chunk(kind, body) {
                    Some(block) => out.extend_from_slice(&block),
                    None => {
                        out.resize(out.len() + plain_len, 0);
                        is_whole = false;
                    }
                }
            }
            0x80.. => {}
            _ => return (out, false),
        }
        stream = stream.get(CHUNK_HEAD + len..).unwrap_or_default();
    }
    (out, is_whole)
}

fn chunk_head(bytes: &[u8]) -> Option<(u8, usize)> {
    let [kind, a, b, c] = bytes.first_chunk()?;
    Some((*kind, u32::from_le_bytes([*a, *b, *c, 0]) as usize))
}

/// How many bytes a chunk says that it decodes to, if that may be.
fn decoded_len(kind: u8, body: &[u8]) -> Option<usize> {
    let block = body.get(SUM..)?;
    let len = match kind {
        PLAIN => block.len(),
        _ => minlz::decode_len(block).ok()?.0,
    };
    (len <= MAX_BLOCK).then_some(len)
}

fn decode_chunk(kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    let len = decoded_len(kind, body)?;
    let (sum, block) = body.split_first_chunk()?;
    let plain = match kind {
        PLAIN => block.to_vec(),
        _ => {
            let mut plain = vec![0; len];
            let decoded = minlz::decode_into(&mut plain, block).ok()?;
            (decoded == len).then_some(plain)?
        }
    };
    (masked_sum(&plain) == u32::from_le_bytes(*sum)).then_some(plain)
}
