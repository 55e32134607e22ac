//! Randomness from the operating system, for keys, nonces and seeds.
//!
//! Asked directly: the TLS library's generator is as good, but its first use takes 25 ms, which a
//! server without TLS need not spend.

use rustix::rand::{GetRandomFlags, getrandom};

/// `N` random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        // The call is interrupted at worst; without random numbers nothing here would be safe.
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty()).unwrap_or(0);
    }
    bytes
}

/// A random number.
pub(crate) fn number() -> u64 {
    u64::from_ne_bytes(bytes())
}
