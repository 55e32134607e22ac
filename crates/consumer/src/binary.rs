//! Numbers in the consumer's own binary formats.
//!
//! Counts and sequences are LEB128 (7 bits per byte, lowest first, the top bit says that more
//! follow) and below 2^63, so that counting on from what was read cannot overflow; times are 8 bytes,
//! little-endian. Reading never panics: what is cut short or too large is `None`.
//!
//! Called by `journal` and `snapshot`. Absent: what the numbers mean.

use cognate_model::Timestamp;

pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads from the front of what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn time(&mut self) -> Option<Timestamp> {
        let (bytes, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(Timestamp(i64::from_le_bytes(*bytes)))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX >> 1];
        let mut out = Vec::new();
        numbers.iter().for_each(|&n| put_number(&mut out, n));
        put_time(&mut out, Timestamp(-7));
        put_bytes(&mut out, b"why");
        let mut reader = Reader(&out);
        let back: Vec<_> = numbers.iter().map(|_| reader.number()).collect();
        assert_eq!(back, numbers.map(Some));
        assert_eq!(reader.time(), Some(Timestamp(-7)));
        assert_eq!(reader.bytes(), Some(&b"why"[..]));
        assert!(reader.is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        assert_eq!(Reader(&[0xff; 10]).number(), None);
        assert_eq!(Reader(&[0x80]).number(), None);
        assert_eq!(Reader(&[9, 1]).bytes(), None);
        assert_eq!(Reader(&[1; 7]).time(), None);
    }
}
