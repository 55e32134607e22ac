//! A compressed block: what stands before it, and how it is opened.
//!
//! ```text
//! "cmp", algorithm (1 byte, 1 = S2), length when plain (varint)
//! S2 stream of all but the last 8 bytes
//! the last 8 bytes, the sum of the last record, as they are
//! ```

use crate::MAX_FILE_BYTES;
use crate::number::Numbers;
use crate::s2;

const S2: u8 = 1;
const NONE: u8 = 0;
/// Bytes at the end that are not compressed.
const TAIL: usize = 8;

/// The plain contents of a block, and whether all of it could be read. What could not is zeros where
/// it is known how much that was, and missing at the end otherwise.
pub(crate) fn open(bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let Some((algorithm, stream)) = parts(&bytes) else {
        return (bytes, true);
    };
    match algorithm {
        S2 => {}
        NONE => return (stream.to_vec(), true),
        _ => return (Vec::new(), false),
    }
    let Some((stream, tail)) = stream
        .len()
        .checked_sub(TAIL)
        .and_then(|len| stream.split_at_checked(len))
    else {
        return (Vec::new(), false);
    };
    let (mut plain, is_whole) = s2::decode_over_damage(stream, MAX_FILE_BYTES);
    plain.extend_from_slice(tail);
    (plain, is_whole)
}

/// Which algorithm, and what follows; `None` for a block that is not compressed.
fn parts(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut numbers = Numbers::new(bytes.strip_prefix(b"cmp")?);
    let algorithm = numbers.u8()?;
    numbers.varint()?;
    Some((algorithm, numbers.rest()))
}
