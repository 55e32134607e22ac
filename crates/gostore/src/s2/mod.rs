//! S2 streams: the framing of Snappy with larger blocks, over the block codec of `minlz`.
//!
//! ```text
//! stream = identifier (ff 06 00 00 "S2sTwO", or "sNaPpY"), chunks
//! chunk  = type (1 byte), length (3 bytes, little-endian), bytes
//!          00 compressed: sum of what it decodes to (4 bytes), block
//!          01 as it is:   sum (4 bytes), bytes
//!          80…fe:         to be passed over
//! ```
//!
//! The sum is CRC-32C, rotated and shifted so that sums of what holds sums are not weak. Invariants:
//! no more than [`MAX_BLOCK`] bytes come out of a chunk, and memory is not taken before a chunk that
//! says how much it needs has arrived.

mod reader;
mod writer;

use crc_fast::{CrcAlgorithm, checksum};

pub(crate) use self::reader::{Decoder, decode_over_damage};
pub(crate) use self::writer::Encoder;

/// The most that a chunk decodes to.
const MAX_BLOCK: usize = 4 * 1024 * 1024;
/// The chunk that begins a stream.
const IDENTIFIER: &[u8; 10] = b"\xff\x06\x00\x00S2sTwO";
const SNAPPY: &[u8; 10] = b"\xff\x06\x00\x00sNaPpY";
const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;

/// The sum of what a chunk decodes to.
fn masked_sum(bytes: &[u8]) -> u32 {
    // The algorithm has 32 bits; the library's type fits all of its algorithms.
    let sum = checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32;
    sum.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(len: usize) -> Vec<u8> {
        let mut state = 1u32;
        let noise = move |at: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if at % 1000 < 500 {
                b'a'
            } else {
                (state >> 24) as u8
            }
        };
        (0..len).map(noise).collect()
    }

    fn encoded(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::default();
        let mut out = Vec::new();
        for piece in bytes.chunks(7001) {
            encoder.write(piece, &mut out);
        }
        encoder.finish(&mut out);
        out
    }

    #[test]
    fn streams_come_back_whatever_the_pieces() {
        for len in [0, 1, 1000, 300_000, 1_500_000] {
            let bytes = example(len);
            let stream = encoded(&bytes);
            for piece in [1, 777, stream.len()] {
                if piece == 1 && len > 10_000 {
                    continue;
                }
                let (mut decoder, mut out) = (Decoder::default(), Vec::new());
                for piece in stream.chunks(piece) {
                    decoder.push(piece);
                    while let Some(block) = decoder.next_block().expect("the stream is whole") {
                        out.extend_from_slice(&block);
                    }
                }
                assert!(decoder.is_at_end());
                assert_eq!(out, bytes);
            }
            assert_eq!(decode_over_damage(&stream, usize::MAX), (bytes, true));
        }
    }

    #[test]
    fn a_bad_chunk_costs_itself() {
        let bytes = example(1_000_000);
        let mut stream = encoded(&bytes);
        let middle = stream.len() / 2;
        stream[middle] ^= 1;
        let (out, is_whole) = decode_over_damage(&stream, usize::MAX);
        assert_eq!((out.len(), is_whole), (bytes.len(), false));
        let wrong = out.iter().zip(&bytes).filter(|(a, b)| a != b).count();
        assert!(wrong > 0 && wrong <= writer::BLOCK, "{wrong}");
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        for bad in [
            &b"not a stream at all"[..],
            b"\x00\x04\x00\x00abcd",
            b"\xff\x06\x00\x00S2sTwO\x02\x01\x00\x00a",
            b"\xff\x06\x00\x00S2sTwO\x01\x05\x00\x00abcde",
            b"\xff\x06\x00\x00S2sTwO\x00\x09\x00\x00abcd\xff\xff\xff\xff\x0f",
        ] {
            let mut decoder = Decoder::default();
            decoder.push(bad);
            let refused = loop {
                match decoder.next_block() {
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            assert!(refused, "{bad:?}");
        }
    }
}
