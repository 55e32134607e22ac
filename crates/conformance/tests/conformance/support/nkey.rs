//! A user nkey made from a fixed seed, to answer a server's challenge.
//!
//! The encoding is that of NATS: base32 without padding of prefix byte, 32-byte key and a
//! CRC-16/XMODEM in little endian.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

const USER_PREFIX: u8 = 20 << 3;

/// A key pair of a user.
pub(crate) struct UserKey(Ed25519KeyPair);

impl UserKey {
    /// The key pair of a 32-byte seed.
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes make a seed"))
    }

    /// The public key as configurations and CONNECT name it: `U…`.
    pub(crate) fn public(&self) -> String {
        let mut raw = vec![USER_PREFIX];
        raw.extend_from_slice(self.0.public_key().as_ref());
        raw.extend_from_slice(&crc16(&raw).to_le_bytes());
        base32(&raw)
    }

    /// The signature of a nonce as CONNECT carries it.
    pub(crate) fn sign(&self, nonce: &str) -> String {
        base64url(self.0.sign(nonce.as_bytes()).as_ref())
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

fn base32(bytes: &[u8]) -> String {
    encode(bytes, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

fn base64url(bytes: &[u8]) -> String {
    encode(
        bytes,
        6,
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    )
}

/// Cuts the bits of `bytes` into digits of `width` bits, without padding.
fn encode(bytes: &[u8], width: u32, alphabet: &[u8]) -> String {
    let mask = (1_u32 << width) - 1;
    let (mut text, mut window, mut held) = (String::new(), 0_u32, 0);
    for byte in bytes {
        window = (window << 8) | u32::from(*byte);
        held += 8;
        while held >= width {
            held -= width;
            text.push(char::from(alphabet[((window >> held) & mask) as usize]));
        }
        window &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(char::from(
            alphabet[((window << (width - held)) & mask) as usize],
        ));
    }
    text
}
