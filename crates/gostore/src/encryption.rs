//! Encryption at rest: how keys follow from the configured one, and what is opened with them.
//!
//! ```text
//! key file    nonce, seed (32 bytes) sealed with HMAC-SHA256(configured key, account · context)
//! sealed file nonce, contents sealed with the seed
//! block       contents, XORed with the cipher's stream of the seed and the key file's nonce
//!
//! context     stream's meta.key      <stream>
//!             a block's <n>.key      <stream>:<n>
//!             consumer's meta.key    <stream>.<consumer>
//! cipher      ChaCha20-Poly1305 with a nonce of 24 bytes, or AES-256-GCM with one of 16;
//!             for blocks its stream alone, AES counting in all 128 bits
//! ```
//!
//! Which cipher a key file was made with shows in its length.

use aes_gcm::AesGcm;
use aes_gcm::aead::consts::U16;
use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::aes::Aes256;
use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20poly1305::XChaCha20Poly1305;
use ctr::Ctr128BE;
use sha2::{Digest, Sha256};

type Aes256Gcm16 = AesGcm<Aes256, U16>;

/// Bytes of a seed, and of what a seal adds.
const SEED: usize = 32;
const SEAL: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cipher {
    ChaCha,
    Aes,
}

impl Cipher {
    fn nonce_len(self) -> usize {
        match self {
            Cipher::ChaCha => 24,
            Cipher::Aes => 16,
        }
    }

    fn open(self, key: &[u8; SEED], sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(self.nonce_len())?;
        match self {
            Cipher::ChaCha => {
                let cipher = XChaCha20Poly1305::new_from_slice(key).ok()?;
                cipher.decrypt(nonce.into(), sealed).ok()
            }
            Cipher::Aes => {
                let cipher = Aes256Gcm16::new_from_slice(key).ok()?;
                cipher.decrypt(nonce.into(), sealed).ok()
            }
        }
    }
}

/// What a key file holds.
#[derive(Clone)]
pub(crate) struct AssetKey {
    cipher: Cipher,
    seed: [u8; SEED],
    nonce: Vec<u8>,
}

impl AssetKey {
    /// Opens a key file with one of the configured keys.
    pub(crate) fn open(
        file: &[u8],
        configured: &[&str],
        account: &str,
        context: &str,
    ) -> Option<Self> {
        let sealed_len = SEED + SEAL;
        let ciphers = [Cipher::ChaCha, Cipher::Aes];
        let cipher = ciphers
            .into_iter()
            .find(|cipher| file.len() == cipher.nonce_len() + sealed_len)?;
        let opened = configured.iter().find_map(|key| {
            let key = hmac_sha256(key.as_bytes(), &[account.as_bytes(), context.as_bytes()]);
            cipher.open(&key, file)
        })?;
        Some(Self {
            cipher,
            seed: opened.try_into().ok()?,
            nonce: file.get(..cipher.nonce_len())?.to_vec(),
        })
    }

    /// Opens a sealed file.
    pub(crate) fn open_file(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.cipher.open(&self.seed, sealed)
    }

    /// Makes a block plain. Nothing tells whether it was the right key; the sums of its records do.
    pub(crate) fn open_block(&self, block: &mut [u8]) -> Option<()> {
        match self.cipher {
            Cipher::ChaCha => XChaCha20::new_from_slices(&self.seed, &self.nonce)
                .ok()?
                .try_apply_keystream(block)
                .ok(),
            Cipher::Aes => Ctr128BE::<Aes256>::new_from_slices(&self.seed, &self.nonce)
                .ok()?
                .try_apply_keystream(block)
                .ok(),
        }
    }
}

/// HMAC by RFC 2104.
fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    const BLOCK: usize = 64;
    let mut padded = [0; BLOCK];
    let hashed = Sha256::digest(key);
    let key = if key.len() > BLOCK { &hashed[..] } else { key };
    padded[..key.len()].copy_from_slice(key);
    let mut inner = Sha256::new_with_prefix(padded.map(|byte| byte ^ 0x36));
    for part in parts {
        inner.update(part);
    }
    let mut outer = Sha256::new_with_prefix(padded.map(|byte| byte ^ 0x5c));
    outer.update(inner.finalize());
    outer.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test cases 2 and 6 of RFC 4231.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let hex = |bytes: [u8; 32]| -> String {
            bytes.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        assert_eq!(
            hex(hmac_sha256(
                b"Jefe",
                &[b"what do ya want ", b"for nothing?"]
            )),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(
            hex(hmac_sha256(&[0xaa; 131], &[text])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    #[test]
    fn what_is_no_key_file_opens_nothing() {
        for len in [0, 10, 64, 72, 80] {
            assert!(AssetKey::open(&vec![1; len], &["key"], "$G", "S").is_none());
        }
    }
}
