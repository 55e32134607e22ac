//! Numbers as Go's `encoding/binary` writes them: little-endian, and in bytes of seven bits.

/// Takes numbers from the front; `None` at the end or if there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers<'a> {
    rest: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        Some(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    /// A number without sign in bytes of seven bits, the lowest first.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for at in 0..10 {
            let byte = self.u8()?;
            // The tenth byte has room for one bit.
            if at == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    /// A number with sign, whose sign is its lowest bit.
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let folded = self.varint()?;
        // Halved, it fits.
        Some((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }
}

/// Appends what [`Numbers::varint`] reads.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends what [`Numbers::signed`] reads.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, u64::MAX >> 1, u64::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Numbers::new(&out).varint(), Some(value));
            assert_eq!(Numbers::new(&out[..out.len() - 1]).varint(), None);
        }
        for value in [0, 1, -1, 63, -64, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            put_signed(&mut out, value);
            assert_eq!(Numbers::new(&out).signed(), Some(value));
        }
    }

    #[test]
    fn what_is_too_long_is_no_number() {
        assert_eq!(Numbers::new(&[0xff; 11]).varint(), None);
        let mut long = [0x80; 10];
        long[9] = 2;
        assert_eq!(Numbers::new(&long).varint(), None);
    }
}
