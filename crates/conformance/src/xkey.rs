//! Curve keys (`X…`) and the boxes sealed with them, as auth callout encrypts its messages:
//! `xkv1`, a nonce of 24 bytes, and NaCl's `crypto_box` (X25519, XSalsa20, Poly1305).
//!
//! Written out because nothing else here needs it; that it agrees with others is seen by opening
//! what a server has sealed. Not constant in time, and not for secrets outside of tests.

use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use aws_lc_rs::digest::{SHA512_256, digest};

use crate::jwt::{checked, from_base32};

const VERSION: &[u8] = b"xkv1";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// The first letter of a curve key.
const PREFIX: u8 = 23 << 3;

/// A key pair of Curve25519.
pub struct CurveKey(PrivateKey);

impl CurveKey {
    /// The key whose secret is the digest of `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let secret = digest(&SHA512_256, name.as_bytes());
        let key = PrivateKey::from_private_key(&X25519, secret.as_ref());
        Self(key.expect("any 32 bytes are a secret"))
    }

    /// The public key: `X…`.
    #[must_use]
    pub fn public(&self) -> String {
        let public = self.0.compute_public_key().expect("a complete key");
        let mut raw = vec![PREFIX];
        raw.extend_from_slice(public.as_ref());
        checked(raw)
    }

    /// Seals `plain` for `to`, with a nonce of one repeated byte.
    #[must_use]
    pub fn seal(&self, to: &str, nonce: u8, plain: &[u8]) -> Vec<u8> {
        let nonce = [nonce; NONCE_BYTES];
        let mut stream = Stream::new(&self.shared(to), &nonce);
        let one_time: [u8; 32] = stream.take();
        let sealed: Vec<u8> = plain.iter().map(|byte| byte ^ stream.next()).collect();
        let tag = poly1305(&one_time, &sealed);
        [VERSION, &nonce, &tag, &sealed].concat()
    }

    /// Opens what `from` has sealed; `None` if it is not a box between the two.
    #[must_use]
    pub fn open(&self, from: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        opened(sealed, |nonce| Stream::new(&self.shared(from), nonce))
    }

    /// Whether a box opens without any key: sealed with zeros where a key belongs, in any of the
    /// places where a key is derived from another.
    #[must_use]
    pub fn opens_without_keys(sealed: &[u8]) -> bool {
        let zeros = [0; 32];
        let derived = hsalsa20(&zeros, &[0; 16]);
        let raw = |key| move |nonce: &[u8; NONCE_BYTES]| Stream::under(&key, nonce);
        opened(sealed, raw(zeros)).is_some() || opened(sealed, raw(derived)).is_some()
    }

    /// The secret shared with the owner of a public key.
    fn shared(&self, other: &str) -> [u8; 32] {
        let raw = from_base32(other).expect("a public key");
        let other = UnparsedPublicKey::new(&X25519, &raw[1..33]);
        let failed = "two keys make a secret";
        agree(&self.0, other, failed, |secret| {
            secret.try_into().map_err(|_| failed)
        })
        .expect(failed)
    }
}

/// Opens a box with the key stream that belongs to its nonce.
fn opened(sealed: &[u8], stream: impl Fn(&[u8; NONCE_BYTES]) -> Stream) -> Option<Vec<u8>> {
    let rest = sealed.strip_prefix(VERSION)?;
    let (nonce, rest) = rest.split_at_checked(NONCE_BYTES)?;
    let (tag, sealed) = rest.split_at_checked(TAG_BYTES)?;
    let mut stream = stream(nonce.try_into().ok()?);
    let one_time: [u8; 32] = stream.take();
    let plain = sealed.iter().map(|byte| byte ^ stream.next()).collect();
    (poly1305(&one_time, sealed) == tag).then_some(plain)
}

/// The key stream of XSalsa20 between two parties.
struct Stream {
    key: [u8; 32],
    nonce: [u8; 8],
    block: [u8; 64],
    position: u64,
}

impl Stream {
    fn new(shared: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> Self {
        Self::under(&hsalsa20(shared, &[0; 16]), nonce)
    }

    /// The key stream under the key that was derived from a shared secret.
    fn under(key: &[u8; 32], nonce: &[u8; NONCE_BYTES]) -> Self {
        let (first, second) = nonce.split_at(16);
        Self {
            key: hsalsa20(key, first.try_into().expect("16 bytes")),
            nonce: second.try_into().expect("8 bytes"),
            block: [0; 64],
            position: 0,
        }
    }

    fn next(&mut self) -> u8 {
        let (block, at) = (self.position / 64, self.position % 64);
        if at == 0 {
            let mut input = [0; 16];
            input[..8].copy_from_slice(&self.nonce);
            input[8..].copy_from_slice(&block.to_le_bytes());
            let start = state(&self.key, &input);
            let end = twenty_rounds(start);
            for (bytes, (a, b)) in self.block.chunks_mut(4).zip(start.iter().zip(&end)) {
                bytes.copy_from_slice(&a.wrapping_add(*b).to_le_bytes());
            }
        }
        self.position += 1;
        self.block[usize::try_from(at).expect("below 64")]
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next())
    }
}

fn hsalsa20(key: &[u8; 32], input: &[u8; 16]) -> [u8; 32] {
    let end = twenty_rounds(state(key, input));
    let words = [0, 5, 10, 15, 6, 7, 8, 9].map(|at| end[at].to_le_bytes());
    words.concat().try_into().expect("eight words")
}

/// Salsa20's square of words: constants on the diagonal, key, and input.
fn state(key: &[u8; 32], input: &[u8; 16]) -> [u32; 16] {
    let word = |bytes: &[u8], at: usize| {
        let bytes = bytes[4 * at..4 * at + 4].try_into().expect("four bytes");
        u32::from_le_bytes(bytes)
    };
    let (k, i) = (|at| word(key, at), |at| word(input, at));
    let c = |at| word(b"expand 32-byte k", at);
    [
        c(0),
        k(0),
        k(1),
        k(2),
        k(3),
        c(1),
        i(0),
        i(1),
        i(2),
        i(3),
        c(2),
        k(4),
        k(5),
        k(6),
        k(7),
        c(3),
    ]
}

fn twenty_rounds(mut x: [u32; 16]) -> [u32; 16] {
    const QUARTERS: [[usize; 4]; 8] = [
        [0, 4, 8, 12],
        [5, 9, 13, 1],
        [10, 14, 2, 6],
        [15, 3, 7, 11],
        [0, 1, 2, 3],
        [5, 6, 7, 4],
        [10, 11, 8, 9],
        [15, 12, 13, 14],
    ];
    for _ in 0..10 {
        for [a, b, c, d] in QUARTERS {
            x[b] ^= x[a].wrapping_add(x[d]).rotate_left(7);
            x[c] ^= x[b].wrapping_add(x[a]).rotate_left(9);
            x[d] ^= x[c].wrapping_add(x[b]).rotate_left(13);
            x[a] ^= x[d].wrapping_add(x[c]).rotate_left(18);
        }
    }
    x
}

/// The tag of a message under a one-time key: arithmetic modulo 2^130 - 5 in limbs of 44, 44 and
/// 42 bits.
fn poly1305(key: &[u8; 32], message: &[u8]) -> [u8; TAG_BYTES] {
    let half = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    let limbs = |bytes: &[u8]| {
        let (low, high) = (half(&bytes[..8]), half(&bytes[8..16]));
        [low & LIMB, ((low >> 44) | (high << 20)) & LIMB, high >> 24]
    };
    let mut clamped: [u8; 16] = key[..16].try_into().expect("16 bytes");
    for at in [3, 7, 11, 15] {
        clamped[at] &= 15;
    }
    for at in [4, 8, 12] {
        clamped[at] &= 252;
    }
    let r = limbs(&clamped);
    let mut h = [0_u64; 3];
    for chunk in message.chunks(16) {
        let mut block = [0; 17];
        block[..chunk.len()].copy_from_slice(chunk);
        block[chunk.len()] = 1;
        let add = limbs(&block[..16]);
        for (limb, more) in h.iter_mut().zip(add) {
            *limb += more;
        }
        h[2] += u64::from(block[16]) << 40;
        h = reduced_product(h, r);
    }
    let number = reduced(h);
    let pad = u128::from_le_bytes(key[16..].try_into().expect("16 bytes"));
    number.wrapping_add(pad).to_le_bytes()
}

const LIMB: u64 = (1 << 44) - 1;
const TOP: u64 = (1 << 42) - 1;

/// `h * r` modulo 2^130 - 5, up to a small multiple.
fn reduced_product(h: [u64; 3], r: [u64; 3]) -> [u64; 3] {
    let mul = |a: u64, b: u64| u128::from(a) * u128::from(b);
    // What leaves at the top comes in again five times, two bits higher.
    let (s1, s2) = (r[1] * 20, r[2] * 20);
    let low = mul(h[0], r[0]) + mul(h[1], s2) + mul(h[2], s1);
    let middle = mul(h[0], r[1]) + mul(h[1], r[0]) + mul(h[2], s2) + (low >> 44);
    let high = mul(h[0], r[2]) + mul(h[1], r[1]) + mul(h[2], r[0]) + (middle >> 44);
    let cut = |value: u128, mask: u64| (value & u128::from(mask)) as u64;
    let first = u128::from(cut(low, LIMB)) + (high >> 42) * 5;
    [
        cut(first, LIMB),
        cut(middle, LIMB) + (first >> 44) as u64,
        cut(high, TOP),
    ]
}

/// The number modulo 2^130 - 5, its lower 128 bits.
fn reduced(mut h: [u64; 3]) -> u128 {
    let carry = |h: &mut [u64; 3]| {
        h[1] += h[0] >> 44;
        h[0] &= LIMB;
        h[2] += h[1] >> 44;
        h[1] &= LIMB;
        let over = h[2] >> 42;
        h[2] &= TOP;
        over
    };
    for _ in 0..2 {
        let over = carry(&mut h);
        h[0] += over * 5;
    }
    carry(&mut h);
    // Subtract the modulus if that stays above zero: add five, and look for the 131st bit.
    let mut less = [h[0] + 5, h[1], h[2]];
    if carry(&mut less) > 0 {
        h = less;
    }
    u128::from(h[0]) | u128::from(h[1]) << 44 | u128::from(h[2]) << 88
}

#[cfg(test)]
mod tests {
    use super::{CurveKey, poly1305};

    #[test]
    fn what_is_sealed_can_be_opened_by_the_other_side_alone() {
        let (one, other) = (CurveKey::new("one"), CurveKey::new("other"));
        let sealed = one.seal(&other.public(), 7, b"hello");
        let opened = other.open(&one.public(), &sealed);
        assert_eq!(opened.as_deref(), Some(&b"hello"[..]));
        assert_eq!(CurveKey::new("x").open(&one.public(), &sealed), None);
    }

    /// The example of RFC 8439, section 2.5.2.
    #[test]
    fn the_tag_of_the_standard_s_example() {
        let key = [
            0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33, 0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5,
            0x06, 0xa8, 0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd, 0x4a, 0xbf, 0xf6, 0xaf,
            0x41, 0x49, 0xf5, 0x1b,
        ];
        let tag = poly1305(&key, b"Cryptographic Forum Research Group");
        let wanted = [
            0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6, 0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01,
            0x27, 0xa9,
        ];
        assert_eq!(tag, wanted);
    }
}
