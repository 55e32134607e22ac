//! Nkeys: Ed25519 keys with a text form whose first letter tells what they identify.
//!
//! ```text
//! public key   kind(8) ‖ key(32 bytes) ‖ crc16(LE)                  56 characters
//! seed         10010(5 bits: S) ‖ kind(8) ‖ 000 ‖ seed(32) ‖ crc16  58 characters
//! ```
//!
//! Owns parsing, formatting, signing and verifying. Invariants: a [`PublicKey`] came from a text
//! with a good checksum and kind; a [`KeyPair`] never shows its seed except through
//! [`KeyPair::seed`], and wipes it when dropped. Callers: [`crate::users`] for logins, the driver
//! for the server's identity and nonces.
//!
//! Curve keys (`X`) neither sign nor verify: they seal, see [`CurveKeyPair`].

mod curve;
mod text;

pub use curve::{CurveKeyPair, SEAL_NONCE_BYTES, SealError};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use std::fmt;
use std::str::FromStr;
use zeroize::{Zeroize as _, Zeroizing};

/// Random bytes in a nonce before encoding.
pub const NONCE_RANDOM_BYTES: usize = 11;
/// Characters of a nonce as it stands in INFO, and as it is signed.
pub const NONCE_CHARS: usize = 15;
/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// The longest signature text looked at: 64 bytes of base64 with padding.
const MAX_SIGNATURE_CHARS: usize = 88;
/// The five bits that put an `S` in front of every seed.
const SEED_PREFIX: u8 = 18 << 3;

/// What a key identifies; the first letter of a public key's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `N`: a server.
    Server,
    /// `C`: a cluster.
    Cluster,
    /// `O`: an operator.
    Operator,
    /// `A`: an account.
    Account,
    /// `U`: a user.
    User,
    /// `X`: a curve (encryption) key.
    Curve,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Server,
        Kind::Cluster,
        Kind::Operator,
        Kind::Account,
        Kind::User,
        Kind::Curve,
    ];

    /// The prefix byte: five bits of the letter's base32 value, then zeros.
    const fn prefix(self) -> u8 {
        match self {
            Kind::Account => 0,
            Kind::Cluster => 2 << 3,
            Kind::Server => 13 << 3,
            Kind::Operator => 14 << 3,
            Kind::User => 20 << 3,
            Kind::Curve => 23 << 3,
        }
    }

    fn from_prefix(prefix: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.prefix() == prefix)
    }
}

/// Why a text or a pair of bytes is no usable nkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NkeyError {
    /// Not base32, wrong length, or the checksum does not match.
    Malformed,
    /// The prefix names no kind of key this crate knows.
    UnknownKind,
    /// A seed was given where a public key is expected, or the other way round.
    WrongForm,
    /// Curve keys encrypt; they cannot sign.
    CannotSign,
    /// Only curve keys seal and open.
    CannotSeal,
    /// The signature does not belong to this message and key.
    BadSignature,
}

impl fmt::Display for NkeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NkeyError::Malformed => "not an nkey: bad length, characters or checksum",
            NkeyError::UnknownKind => "nkey of an unknown kind (expected N, C, O, A, U or X)",
            NkeyError::WrongForm => "expected the other half of the nkey (seeds start with S)",
            NkeyError::CannotSign => "curve nkeys (X) encrypt, they cannot sign or verify",
            NkeyError::CannotSeal => "only curve nkeys (X) can seal and open",
            NkeyError::BadSignature => "signature does not match the message and the nkey",
        })
    }
}

impl std::error::Error for NkeyError {}

/// A public nkey: its kind and 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey {
    kind: Kind,
    bytes: [u8; 32],
}

impl PublicKey {
    /// A key from its raw bytes.
    pub const fn from_bytes(kind: Kind, bytes: [u8; 32]) -> Self {
        PublicKey { kind, bytes }
    }

    /// Parses the text form, e.g. `UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4`.
    pub fn parse(text: &str) -> Result<Self, NkeyError> {
        let payload = text::decode(text).ok_or(NkeyError::Malformed)?;
        let (&prefix, key) = payload.split_first().ok_or(NkeyError::Malformed)?;
        if prefix & 0xf8 == SEED_PREFIX {
            return Err(NkeyError::WrongForm);
        }
        let bytes = key.try_into().map_err(|_| NkeyError::Malformed)?;
        let kind = Kind::from_prefix(prefix).ok_or(NkeyError::UnknownKind)?;
        Ok(PublicKey { kind, bytes })
    }

    /// What the key identifies.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The raw 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Checks an Ed25519 `signature` over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NkeyError> {
        if self.kind == Kind::Curve {
            return Err(NkeyError::CannotSign);
        }
        UnparsedPublicKey::new(&ED25519, &self.bytes)
            .verify(message, signature)
            .map_err(|_| NkeyError::BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut payload = [self.kind.prefix(); 33];
        payload[1..].copy_from_slice(&self.bytes);
        f.write_str(&text::encode(&payload))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = NkeyError;

    fn from_str(text: &str) -> Result<Self, NkeyError> {
        PublicKey::parse(text)
    }
}

/// A signing key and its public half. Prints as its public key; its seed is wiped on drop.
pub struct KeyPair {
    public: PublicKey,
    seed: [u8; 32],
    signer: Ed25519KeyPair,
}

impl KeyPair {
    /// Makes a pair from 32 bytes, which the caller drew from a cryptographic source.
    pub fn from_bytes(kind: Kind, seed: [u8; 32]) -> Result<Self, NkeyError> {
        let seed = Zeroizing::new(seed);
        if kind == Kind::Curve {
            return Err(NkeyError::CannotSign);
        }
        let signer =
            Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|_| NkeyError::Malformed)?;
        let bytes = signer
            .public_key()
            .as_ref()
            .try_into()
            .map_err(|_| NkeyError::Malformed)?;
        Ok(KeyPair {
            public: PublicKey { kind, bytes },
            seed: *seed,
            signer,
        })
    }

    /// Parses a seed text (`S…`).
    pub fn from_seed(text: &str) -> Result<Self, NkeyError> {
        let (kind, seed) = decode_seed(text)?;
        KeyPair::from_bytes(kind, *seed)
    }

    /// The public half.
    pub const fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The seed text. Wiped when dropped; don't log it.
    pub fn seed(&self) -> Zeroizing<String> {
        encode_seed(self.public.kind, &self.seed)
    }

    /// Signs `message` with Ed25519.
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        let mut signature = [0; SIGNATURE_BYTES];
        signature.copy_from_slice(self.signer.sign(message).as_ref());
        signature
    }
}

impl Drop for KeyPair {
    fn drop(&mut self) {
        // The signer's own copy is wiped by the crypto library when it frees the key.
        self.seed.zeroize();
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPair({}, seed [REDACTED])", self.public)
    }
}

fn encode_seed(kind: Kind, seed: &[u8; 32]) -> Zeroizing<String> {
    let kind = kind.prefix();
    let mut payload = Zeroizing::new([0; 34]);
    payload[0] = SEED_PREFIX | (kind >> 5);
    payload[1] = kind << 3;
    payload[2..].copy_from_slice(seed);
    Zeroizing::new(text::encode(&*payload))
}

fn decode_seed(text: &str) -> Result<(Kind, Zeroizing<[u8; 32]>), NkeyError> {
    let payload = text::decode(text).ok_or(NkeyError::Malformed)?;
    let (&[first, second], seed) = payload
        .split_first_chunk::<2>()
        .ok_or(NkeyError::Malformed)?;
    if first & 0xf8 != SEED_PREFIX {
        return Err(NkeyError::WrongForm);
    }
    if second & 0x07 != 0 {
        return Err(NkeyError::Malformed);
    }
    let kind = Kind::from_prefix((first << 5) | (second >> 3)).ok_or(NkeyError::UnknownKind)?;
    let seed = seed.try_into().map_err(|_| NkeyError::Malformed)?;
    Ok((kind, Zeroizing::new(seed)))
}

/// The challenge of one connection, as printed in INFO and signed by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce([u8; NONCE_CHARS]);

impl Nonce {
    /// Encodes random bytes, drawn by the caller, as unpadded base64url.
    pub fn new(random: [u8; NONCE_RANDOM_BYTES]) -> Self {
        let mut chars = [0; NONCE_CHARS];
        let written = URL_SAFE_NO_PAD.encode_slice(random, &mut chars);
        debug_assert_eq!(
            written,
            Ok(NONCE_CHARS),
            "11 bytes are 15 base64 characters"
        );
        Nonce(chars)
    }

    /// The bytes that clients sign.
    pub const fn as_bytes(&self) -> &[u8; NONCE_CHARS] {
        &self.0
    }

    /// The text for INFO.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Encodes a signature as the `sig` of a CONNECT: unpadded base64url.
pub fn encode_signature(signature: &[u8; SIGNATURE_BYTES]) -> String {
    URL_SAFE_NO_PAD.encode(signature)
}

/// Decodes the `sig` of a CONNECT: base64url or standard base64, padded or not, as clients in
/// the field send all of them. `None` if it is neither or not 64 bytes long.
pub fn decode_signature(text: &str) -> Option<[u8; SIGNATURE_BYTES]> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

    if text.len() > MAX_SIGNATURE_CHARS {
        return None;
    }
    let bytes = URL_SAFE
        .decode(text)
        .or_else(|_| STANDARD.decode(text))
        .ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
