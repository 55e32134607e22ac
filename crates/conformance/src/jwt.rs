//! Keys and tokens of NATS's decentralised security, made on the spot: nkeys of every role and
//! signed JWTs, so that tests need no prepared files and can make every mistake on purpose.
//!
//! The encoding is that of NATS: a key is base32 without padding of prefix byte, 32-byte key and a
//! CRC-16/XMODEM in little endian; a token is header, claims and Ed25519 signature in base64url
//! without padding.
//!
//! Invariants: a key depends on its role and name alone; [`encode`] fills in what every token has
//! (`iss`, `iat`, `jti`) and leaves alone what the claims bring. Nothing is validated: tests want
//! wrong tokens too.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA512_256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

/// Whose key it is; the discriminant is the first letter's place in base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `O…`
    Operator = 14,
    /// `A…`
    Account = 0,
    /// `U…`
    User = 20,
    /// `N…`
    Server = 13,
}

/// Marks a seed: `S`, followed by the letter of its role.
const SEED_PREFIX: u8 = 18 << 3;

/// A key pair.
pub struct Key {
    role: Role,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl Key {
    /// The key of a role whose seed is the digest of `name`.
    #[must_use]
    pub fn new(role: Role, name: &str) -> Self {
        let digest = digest(&SHA512_256, name.as_bytes());
        let seed: [u8; 32] = digest.as_ref().try_into().expect("a digest of 32 bytes");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("32 bytes make a seed");
        Self { role, seed, pair }
    }

    /// The public key, as configurations and claims name it.
    #[must_use]
    pub fn public(&self) -> String {
        let mut raw = vec![(self.role as u8) << 3];
        raw.extend_from_slice(self.pair.public_key().as_ref());
        checked(raw)
    }

    /// The seed, as creds files keep it.
    #[must_use]
    pub fn seed(&self) -> String {
        let role = (self.role as u8) << 3;
        let mut raw = vec![SEED_PREFIX | (role >> 5), (role & 31) << 3];
        raw.extend_from_slice(&self.seed);
        checked(raw)
    }

    /// The signature of a nonce, as CONNECT carries it.
    #[must_use]
    pub fn sign(&self, nonce: &str) -> String {
        base64url(self.pair.sign(nonce.as_bytes()).as_ref())
    }
}

/// A token with `claims`, signed by `issuer`. Claims that are not there yet: `iss`, `iat` (now)
/// and `jti`.
#[must_use]
pub fn encode(issuer: &Key, mut claims: Value) -> String {
    for (field, value) in [("iss", json!(issuer.public())), ("iat", json!(now()))] {
        if claims.get(field).is_none() {
            claims[field] = value;
        }
    }
    claims["jti"] = json!(base32(
        digest(&SHA512_256, claims.to_string().as_bytes()).as_ref()
    ));
    let header = base64url(br#"{"typ":"JWT","alg":"ed25519-nkey"}"#);
    let body = format!("{header}.{}", base64url(claims.to_string().as_bytes()));
    let signature = issuer.sign(&body);
    format!("{body}.{signature}")
}

/// The claims of a token, unverified.
#[must_use]
pub fn decode(token: &str) -> Value {
    let body = token.split('.').nth(1).unwrap_or_default();
    let bytes = from_base64url(body).unwrap_or_else(|| panic!("not a token: {token}"));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {token}"))
}

/// Claims of an operator.
#[must_use]
pub fn operator(key: &Key, nats: Value) -> Value {
    claims("operator", &key.public(), json!({}), nats)
}

/// Claims of an account without limits.
#[must_use]
pub fn account(key: &Key, name: &str, nats: Value) -> Value {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1,
    });
    let defaults = json!({"limits": limits, "default_permissions": {"pub": {}, "sub": {}}});
    let mut claims = claims("account", &key.public(), defaults, nats);
    claims["name"] = json!(name);
    claims
}

/// Claims of a user without limits.
#[must_use]
pub fn user(key: &Key, name: &str, nats: Value) -> Value {
    let defaults = json!({"pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1});
    let mut claims = claims("user", &key.public(), defaults, nats);
    claims["name"] = json!(name);
    claims
}

/// Claims of any kind: `defaults` with `nats` over them, object by object.
#[must_use]
pub fn claims(kind: &str, subject: &str, mut defaults: Value, nats: Value) -> Value {
    merge(&mut defaults, nats);
    defaults["type"] = json!(kind);
    defaults["version"] = json!(2);
    json!({"sub": subject, "nats": defaults})
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A key in the form of NATS: base32 of prefix, key and checksum.
pub(crate) fn checked(mut raw: Vec<u8>) -> String {
    raw.extend_from_slice(&crc16(&raw).to_le_bytes());
    base32(&raw)
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

fn base32(bytes: &[u8]) -> String {
    digits(bytes, 5, BASE32)
}

fn base64url(bytes: &[u8]) -> String {
    digits(bytes, 6, BASE64URL)
}

/// Cuts the bits of `bytes` into digits of `width` bits, without padding.
fn digits(bytes: &[u8], width: u32, alphabet: &[u8]) -> String {
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
        let last = (window << (width - held)) & mask;
        text.push(char::from(alphabet[last as usize]));
    }
    text
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    from_digits(text, 6, BASE64URL)
}

/// The bytes of base32, checksums included.
pub(crate) fn from_base32(text: &str) -> Option<Vec<u8>> {
    from_digits(text, 5, BASE32)
}

fn from_digits(text: &str, width: u32, alphabet: &[u8]) -> Option<Vec<u8>> {
    let (mut bytes, mut window, mut held) = (Vec::new(), 0_u32, 0);
    for digit in text.bytes() {
        let value = alphabet.iter().position(|known| *known == digit)?;
        window = (window << width) | u32::try_from(value).ok()?;
        held += width;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((window >> held) & 0xff).ok()?);
            window &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Key, Role, account, decode, encode};

    #[test]
    fn keys_begin_with_their_role() {
        for (role, letter) in [
            (Role::Operator, "O"),
            (Role::Account, "A"),
            (Role::User, "U"),
            (Role::Server, "N"),
        ] {
            let key = Key::new(role, "x");
            assert!(key.public().starts_with(letter), "{}", key.public());
            let seed = key.seed();
            assert!(seed.starts_with(&format!("S{letter}")), "{seed}");
            assert_eq!((key.public().len(), seed.len()), (56, 58));
        }
    }

    #[test]
    fn claims_lie_over_their_defaults() {
        let key = Key::new(Role::Account, "a");
        let token = encode(&key, account(&key, "A", json!({"limits": {"conn": 5}})));
        let claims = decode(&token);
        assert_eq!(claims["nats"]["limits"]["conn"], 5);
        assert_eq!(claims["nats"]["limits"]["subs"], -1);
        assert_eq!(
            (&claims["iss"], &claims["name"]),
            (&json!(key.public()), &json!("A"))
        );
    }
}
