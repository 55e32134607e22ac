//! Curve nkeys (`X`): sealing a message so that only one other key can open it.
//!
//! ```text
//! "xkv1" ‖ nonce(24) ‖ tag(16) ‖ ciphertext        X25519, XSalsa20-Poly1305: a NaCl box
//! ```
//!
//! Owns the format. Invariants: the secret is wiped when dropped and never prints; a sealed text
//! that was changed, or sealed by somebody else, does not open. Used by the auth callout. The
//! nonce is an argument: the caller draws it, and a fresh one for every message.

use super::{Kind, NkeyError, PublicKey, decode_seed, encode_seed};
use aws_lc_rs::agreement::{PrivateKey, UnparsedPublicKey, X25519, agree};
use crypto_secretbox::aead::AeadInPlace as _;
use crypto_secretbox::{Key, KeyInit as _, Nonce, Tag, XSalsa20Poly1305};
use salsa20::cipher::consts::U10;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a seal's nonce.
pub const SEAL_NONCE_BYTES: usize = 24;

const VERSION: &[u8; 4] = b"xkv1";
const TAG_BYTES: usize = 16;

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The other key is no curve key, or one with which no secret can be shared.
    UnusableKey,
    /// Not the format: too short or another version.
    Malformed,
    /// Changed on the way, or sealed by or for another key.
    CannotOpen,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SealError::UnusableKey => "not a usable curve nkey (they start with X)",
            SealError::Malformed => "encrypted input is not valid",
            SealError::CannotOpen => "could not decrypt input",
        })
    }
}

impl std::error::Error for SealError {}

/// A curve key and its public half. Prints as its public key; its seed is wiped on drop.
pub struct CurveKeyPair {
    public: PublicKey,
    seed: Zeroizing<[u8; 32]>,
}

impl CurveKeyPair {
    /// Makes a pair from 32 bytes, which the caller drew from a cryptographic source.
    ///
    /// # Errors
    /// Never, unless the cryptography library refuses to work.
    pub fn from_bytes(seed: [u8; 32]) -> Result<Self, NkeyError> {
        let seed = Zeroizing::new(seed);
        let public = private_key(&seed)
            .and_then(|private| private.compute_public_key().ok())
            .ok_or(NkeyError::Malformed)?;
        let bytes = public.as_ref().try_into();
        let bytes = bytes.map_err(|_| NkeyError::Malformed)?;
        Ok(CurveKeyPair {
            public: PublicKey::from_bytes(Kind::Curve, bytes),
            seed,
        })
    }

    /// Parses a seed text (`SX…`).
    ///
    /// # Errors
    /// If it is malformed or the seed of a key of another kind.
    pub fn from_seed(text: &str) -> Result<Self, NkeyError> {
        match decode_seed(text)? {
            (Kind::Curve, seed) => CurveKeyPair::from_bytes(*seed),
            _ => Err(NkeyError::CannotSeal),
        }
    }

    /// The public half.
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The seed text. Wiped when dropped; don't log it.
    pub fn seed(&self) -> Zeroizing<String> {
        encode_seed(Kind::Curve, &self.seed)
    }

    /// Seals `message` for `recipient`. Never use a nonce twice.
    ///
    /// # Errors
    /// If the recipient's key is unusable.
    pub fn seal(
        &self,
        message: &[u8],
        recipient: &PublicKey,
        nonce: [u8; SEAL_NONCE_BYTES],
    ) -> Result<Vec<u8>, SealError> {
        let cipher = self.cipher(recipient)?;
        let start = VERSION.len() + SEAL_NONCE_BYTES + TAG_BYTES;
        let mut sealed = Vec::with_capacity(start + message.len());
        sealed.extend_from_slice(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&[0; TAG_BYTES]);
        sealed.extend_from_slice(message);
        let (head, text) = sealed.split_at_mut(start);
        let tag = cipher
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), &[], text)
            .map_err(|_| SealError::Malformed)?;
        head[start - TAG_BYTES..].copy_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what `sender` sealed for this key.
    ///
    /// # Errors
    /// If it is malformed, was changed, or was sealed by or for somebody else.
    pub fn open(&self, sealed: &[u8], sender: &PublicKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let rest = sealed.strip_prefix(VERSION).ok_or(SealError::Malformed)?;
        let (nonce, rest) = rest
            .split_first_chunk::<SEAL_NONCE_BYTES>()
            .ok_or(SealError::Malformed)?;
        let (tag, text) = rest
            .split_first_chunk::<TAG_BYTES>()
            .ok_or(SealError::Malformed)?;
        let cipher = self.cipher(sender)?;
        let mut message = Zeroizing::new(text.to_vec());
        cipher
            .decrypt_in_place_detached(
                Nonce::from_slice(nonce),
                &[],
                &mut message,
                Tag::from_slice(tag),
            )
            .map_err(|_| SealError::CannotOpen)?;
        Ok(message)
    }

    /// The cipher that this key and `other` share: HSalsa20 of the agreed secret is its key.
    fn cipher(&self, other: &PublicKey) -> Result<XSalsa20Poly1305, SealError> {
        if other.kind() != Kind::Curve {
            return Err(SealError::UnusableKey);
        }
        let private = private_key(&self.seed).ok_or(SealError::UnusableKey)?;
        let peer = UnparsedPublicKey::new(&X25519, other.as_bytes());
        agree(&private, peer, SealError::UnusableKey, |secret| {
            let secret: &[u8; 32] = secret.try_into().map_err(|_| SealError::UnusableKey)?;
            let mut key = salsa20::hsalsa::<U10>(secret.into(), &[0; 16].into());
            let cipher = XSalsa20Poly1305::new(Key::from_slice(&key));
            key.as_mut_slice().zeroize();
            Ok(cipher)
        })
    }
}

fn private_key(seed: &[u8; 32]) -> Option<PrivateKey> {
    PrivateKey::from_private_key(&X25519, seed).ok()
}

impl fmt::Debug for CurveKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CurveKeyPair({}, seed [REDACTED])", self.public)
    }
}
