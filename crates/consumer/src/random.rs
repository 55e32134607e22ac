//! Numbers that differ, from a seed: for ids that nobody needs to guess and for sampling.
//!
//! SplitMix64. Absent: anything that must be secret.

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Appends `count` letters and digits.
    pub(crate) fn push_letters(&mut self, out: &mut Vec<u8>, count: usize) {
        for _ in 0..count {
            // Below 62, so it is an index.
            let digit = (self.next() % DIGITS.len() as u64) as usize;
            out.push(DIGITS[digit]);
        }
    }

    /// True for about `percent` of a hundred calls.
    pub(crate) fn chance(&mut self, percent: u8) -> bool {
        match percent {
            0 => false,
            100.. => true,
            _ => self.next() % 100 < u64::from(percent),
        }
    }
}
