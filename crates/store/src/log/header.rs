//! The first 64 bytes of a segment, and the names of its two files.
//!
//! ```text
//!  0  magic "CGNTLOG\0"      8  crc u32 over 12..64
//! 12  version u16 = 1       14  codec u16 = 0 (records as they are)
//! 16  stream u64            24  number u64
//! 32  generation u32        36  0 u32              40  base u64
//! 48  floor u64             56  last time i64
//! ```
//!
//! Nothing in it is needed that is not also known otherwise: the number is in the name, the stream
//! in every segment, and records have their sequences. So a damaged header costs nothing.

use cognate_model::{Sequence, Timestamp};

use crate::bytes::{Put, Reader, crc32c};

/// Bytes of a header; where the first record starts.
pub(crate) const HEADER_LEN: u64 = 64;
const MAGIC: &[u8; 8] = b"CGNTLOG\0";
const VERSION: u16 = 1;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What was created once and is not anything else of the same name.
    pub(crate) stream: u64,
    pub(crate) number: u64,
    /// How many times it was rewritten.
    pub(crate) generation: u32,
    /// The lowest sequence it may hold.
    pub(crate) base: Sequence,
    /// Everything below was removed when it was made.
    pub(crate) floor: Sequence,
    /// When the last sequence before it was given.
    pub(crate) last_time: Timestamp,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_LEN as usize);
        out.extend_from_slice(MAGIC);
        out.put_u32(0);
        out.put_u16(VERSION);
        out.put_u16(0);
        out.put_u64(self.stream);
        out.put_u64(self.number);
        out.put_u32(self.generation);
        out.put_u32(0);
        out.put_u64(self.base);
        out.put_u64(self.floor);
        out.put_i64(self.last_time.0);
        let crc = crc32c(&out[12..]);
        out[8..12].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` for what is no header of this version.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(..HEADER_LEN as usize)?);
        let crc = crc32c(bytes.get(12..HEADER_LEN as usize)?);
        if reader.take(8)? != MAGIC || reader.u32()? != crc {
            return None;
        }
        if reader.u16()? != VERSION || reader.u16()? != 0 {
            return None;
        }
        let (stream, number, generation) = (reader.u64()?, reader.u64()?, reader.u32()?);
        reader.u32()?;
        Some(Self {
            stream,
            number,
            generation,
            base: reader.u64()?,
            floor: reader.u64()?,
            last_time: Timestamp(reader.i64()?),
        })
    }
}

/// What the sums of a segment's records are XORed with.
pub(crate) fn salt(stream: u64, number: u64, generation: u32) -> u32 {
    let mut bytes = Vec::with_capacity(20);
    bytes.put_u64(stream);
    bytes.put_u64(number);
    bytes.put_u32(generation);
    crc32c(&bytes)
}

/// The name of a segment's records.
pub(crate) fn log_name(number: u64, generation: u32) -> String {
    format!("{number:016x}.{generation}.log")
}

/// The name of a segment's index.
pub(crate) fn index_name(number: u64, generation: u32) -> String {
    format!("{number:016x}.{generation}.idx")
}

/// Number and generation of the segment whose records have this name.
pub(crate) fn parse_name(name: &str, extension: &str) -> Option<(u64, u32)> {
    let stem = name.strip_suffix(extension)?.strip_suffix('.')?;
    let (number, generation) = stem.split_once('.')?;
    if number.len() != 16 {
        return None;
    }
    let number = u64::from_str_radix(number, 16).ok()?;
    Some((number, generation.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_one_flipped_bit_is_seen() {
        let header = Header {
            stream: 7,
            number: 9,
            generation: 2,
            base: 11,
            floor: 10,
            last_time: Timestamp(-5),
        };
        let bytes = header.encode();
        assert_eq!(Header::decode(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bytes), None, "bit {bit}");
        }
    }

    #[test]
    fn names_come_back() {
        assert_eq!(parse_name(&log_name(300, 4), "log"), Some((300, 4)));
        assert_eq!(
            parse_name(&index_name(u64::MAX, 0), "idx"),
            Some((u64::MAX, 0))
        );
        assert_eq!(parse_name("000000000000012c.4.idx", "log"), None);
        assert_eq!(parse_name("12c.4.log", "log"), None);
    }
}
