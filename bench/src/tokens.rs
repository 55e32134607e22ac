//! Keys and tokens of NATS's decentralised security, as far as an operator's set-up needs them.
//!
//! A key is base32 without padding of prefix byte, 32-byte key and a CRC-16/XMODEM in little endian; a
//! token is header, claims and Ed25519 signature in base64url without padding. Absent: reading of
//! either.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA512_256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

use crate::failure::{Context, Failure, Result};

/// Whose key it is; the number is the place of the key's first letter in base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// `O…`
    Operator = 14,
    /// `A…`
    Account = 0,
    /// `U…`
    User = 20,
}

/// A key pair.
pub(crate) struct Key {
    public: String,
    pair: Ed25519KeyPair,
}

impl Key {
    /// The key of a role that belongs to a name.
    pub(crate) fn new(role: Role, name: &str) -> Result<Self> {
        let seed = digest(&SHA512_256, name.as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref());
        let pair = pair.map_err(|_| Failure::new("making a key"))?;
        let mut raw = vec![(role as u8) << 3];
        raw.extend_from_slice(pair.public_key().as_ref());
        raw.extend_from_slice(&crc16(&raw).to_le_bytes());
        let public = digits(&raw, 5, BASE32);
        Ok(Self { public, pair })
    }

    /// The public key, as claims name it.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// A signature as CONNECT and tokens carry it.
    pub(crate) fn sign(&self, text: &str) -> String {
        digits(self.pair.sign(text.as_bytes()).as_ref(), 6, BASE64URL)
    }
}

/// What a user logs in with.
#[derive(Clone)]
pub(crate) struct Credentials {
    /// The user's token.
    pub(crate) token: String,
    /// The user's key.
    pub(crate) key: Arc<Key>,
}

/// A token about `subject`; `nats` is the part that is about NATS, as JSON.
pub(crate) fn token(issuer: &Key, subject: &str, nats: &str) -> Result<String> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.context("reading the clock")?.as_secs();
    let rest = format!(
        r#""iat":{now},"iss":"{}","sub":"{subject}","name":"bench","nats":{nats}}}"#,
        issuer.public()
    );
    let id = digits(digest(&SHA512_256, rest.as_bytes()).as_ref(), 5, BASE32);
    let encoded = |text: &str| digits(text.as_bytes(), 6, BASE64URL);
    let header = encoded(r#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let body = format!("{header}.{}", encoded(&format!(r#"{{"jti":"{id}",{rest}"#)));
    let signature = issuer.sign(&body);
    Ok(format!("{body}.{signature}"))
}

/// A user of an account, who may do everything.
pub(crate) fn user(account: &Key, name: &str) -> Result<Credentials> {
    const NATS: &str =
        r#"{"pub":{},"sub":{},"subs":-1,"data":-1,"payload":-1,"type":"user","version":2}"#;
    let key = Arc::new(Key::new(Role::User, name)?);
    let token = token(account, key.public(), NATS)?;
    Ok(Credentials { token, key })
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

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Cuts the bits of `bytes` into digits of `width` bits, without padding.
fn digits(bytes: &[u8], width: u32, alphabet: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / width as usize + 1);
    let (mut window, mut held) = (0_u32, 0);
    let mask = (1 << width) - 1;
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
        let last = (window << (width - held)) & mask;
        text.push(char::from(alphabet[last as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_rfc() {
        assert_eq!(digits(b"foobar", 5, BASE32), "MZXW6YTBOI");
        assert_eq!(digits(b"fooba", 6, BASE64URL), "Zm9vYmE");
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn keys_begin_with_their_role() {
        for (role, letter) in [
            (Role::Operator, 'O'),
            (Role::Account, 'A'),
            (Role::User, 'U'),
        ] {
            let key = Key::new(role, "x").expect("a key");
            assert!(key.public().starts_with(letter) && key.public().len() == 56);
        }
    }
}
