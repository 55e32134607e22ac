//! The three parts of a token: base64, header, JSON as Go writes it, and the signature.

use super::{Body, Claims, JwtError, Registered, Signed, migrate};
use crate::nkey::{KeyPair, Kind, PublicKey, SIGNATURE_BYTES};
use aws_lc_rs::digest::{SHA512_256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

/// The longest token that is looked at.
pub const MAX_TOKEN_BYTES: usize = 1 << 20;

/// The newest version of claims that is known.
pub(super) const VERSION: i64 = 2;

/// Characters of a signature.
const SIGNATURE_CHARS: usize = 86;

/// `{"typ":"JWT","alg":"ed25519-nkey"}`
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ";

/// The parts of a token, decoded but not yet trusted.
struct Parts<'a> {
    claims: Map<String, Value>,
    /// The header's algorithm is the one of version 1 tokens.
    old_algorithm: bool,
    signature: [u8; SIGNATURE_BYTES],
    /// What version 1 signs.
    claims_text: &'a str,
    /// What version 2 signs.
    signed_text: &'a str,
}

/// The `type` of a token, without any check of its signature: for tools that show tokens.
///
/// # Errors
/// If it is malformed.
pub fn kind_of(token: &str) -> Result<String, JwtError> {
    split(token).map(|parts| migrate::type_of(&parts.claims).to_owned())
}

pub(super) fn decode<T: Body>(token: &str) -> Result<Signed<T>, JwtError> {
    let mut parts = split(token)?;
    let generic = T::TYPE.is_empty();
    let found = migrate::type_of(&parts.claims);
    if !generic && found != T::TYPE {
        return Err(JwtError::WrongType(T::TYPE, found.to_owned()));
    }
    let version = migrate::version_of(&parts.claims);
    // Claims of an unknown type have no version of ours; their header says how they are signed.
    let old = if generic {
        parts.old_algorithm
    } else {
        match version {
            1 => true,
            VERSION => false,
            other => return Err(JwtError::Version(other)),
        }
    };
    let issuer = text_field(&parts.claims, "iss");
    let issuer = PublicKey::parse(issuer).map_err(|_| JwtError::Issuer(issuer.to_owned()))?;
    let signed = if old {
        parts.claims_text
    } else {
        parts.signed_text
    };
    issuer
        .verify(signed.as_bytes(), &parts.signature)
        .map_err(|_| JwtError::Signature)?;
    check_issuer(&issuer, T::ISSUERS)?;
    let subject = check_subject(text_field(&parts.claims, "sub"), T::SUBJECT)?;
    if old {
        migrate::to_version_2(&mut parts.claims)?;
    }
    let nats = parts.claims.remove("nats").unwrap_or_default();
    let nats = match nats {
        Value::Null => Value::Object(Map::new()),
        nats => nats,
    };
    let mut claims = Claims::<T> {
        registered: from_json(Value::Object(parts.claims))?,
        nats: from_json(nats)?,
    };
    claims.nats.settle();
    Ok(Signed {
        claims,
        issuer,
        subject,
    })
}

fn split(token: &str) -> Result<Parts<'_>, JwtError> {
    // Files end with a line break, which base64 in Go does not mind.
    let token = token.trim_ascii();
    if token.len() > MAX_TOKEN_BYTES {
        return Err(JwtError::TooLarge(token.len()));
    }
    let (signed_text, signature) = token.rsplit_once('.').ok_or(JwtError::Parts)?;
    let (header, claims_text) = signed_text.split_once('.').ok_or(JwtError::Parts)?;
    if claims_text.contains('.') {
        return Err(JwtError::Parts);
    }
    let old_algorithm = check_header(header)?;
    let claims = match json_part("claims", claims_text)? {
        Value::Object(claims) => claims,
        _ => return Err(JwtError::Json("claims", "expected an object".to_owned())),
    };
    let signature = base64("signature", signature)?;
    let signature = signature.try_into().map_err(|_| JwtError::Signature)?;
    Ok(Parts {
        claims,
        old_algorithm,
        signature,
        claims_text,
        signed_text,
    })
}

/// Checks the header; true if it names the algorithm of version 1 tokens.
fn check_header(header: &str) -> Result<bool, JwtError> {
    if header == HEADER {
        return Ok(false);
    }
    let header = json_part("header", header)?;
    let field = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or_default();
    if !field("typ").eq_ignore_ascii_case("JWT") {
        return Err(JwtError::HeaderType(field("typ").to_owned()));
    }
    let algorithm = field("alg");
    if algorithm.eq_ignore_ascii_case("ed25519") {
        return Ok(true);
    }
    match algorithm.eq_ignore_ascii_case("ed25519-nkey") {
        true => Ok(false),
        false => Err(JwtError::Algorithm(algorithm.to_owned())),
    }
}

fn base64(part: &'static str, text: &str) -> Result<Vec<u8>, JwtError> {
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.map_err(|_| JwtError::Base64(part))
}

fn json_part(part: &'static str, text: &str) -> Result<Value, JwtError> {
    let bytes = base64(part, text)?;
    let mut value = serde_json::from_slice(&bytes).map_err(|e| json_error(part, &e))?;
    strip_nulls(&mut value);
    Ok(value)
}

/// Go reads `null` as "not given", whatever the field. (JSON nests 128 levels at most here.)
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}

fn from_json<V: serde::de::DeserializeOwned>(value: Value) -> Result<V, JwtError> {
    serde_json::from_value(value).map_err(|error| json_error("claims", &error))
}

fn json_error(part: &'static str, error: &serde_json::Error) -> JwtError {
    JwtError::Json(part, error.to_string())
}

fn text_field<'a>(claims: &'a Map<String, Value>, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn check_issuer(issuer: &PublicKey, allowed: &[Kind]) -> Result<(), JwtError> {
    match allowed.is_empty() || allowed.contains(&issuer.kind()) {
        true => Ok(()),
        false => Err(JwtError::Issuer(issuer.to_string())),
    }
}

/// Parses the subject, which must be a key of that kind if one is given.
pub(super) fn check_subject(
    subject: &str,
    kind: Option<Kind>,
) -> Result<Option<PublicKey>, JwtError> {
    let key = PublicKey::parse(subject).ok();
    match kind {
        Some(kind) if key.is_none_or(|key| key.kind() != kind) => {
            Err(JwtError::Subject(subject.to_owned()))
        }
        _ => Ok(key),
    }
}

/// `jti`: base32 of the SHA-512/256 of the fields beside `nats`.
pub(super) fn digest_of(registered: &Registered) -> Result<String, JwtError> {
    let json = go_json(registered)?;
    Ok(base32(digest(&SHA512_256, json.as_bytes()).as_ref()))
}

pub(super) fn sign<T: Serialize>(claims: &Claims<T>, signer: &KeyPair) -> Result<String, JwtError> {
    // A question to an auth callout holds the client's credentials.
    let json = Zeroizing::new(go_json(claims)?);
    let claims = Zeroizing::new(URL_SAFE_NO_PAD.encode(json.as_bytes()));
    // Sized up front, because growing would leave a copy behind.
    let mut token = String::with_capacity(HEADER.len() + claims.len() + 1 + 1 + SIGNATURE_CHARS);
    token.push_str(HEADER);
    token.push('.');
    token.push_str(&claims);
    let signature = URL_SAFE_NO_PAD.encode(signer.sign(token.as_bytes()));
    token.push('.');
    token.push_str(&signature);
    match token.len() > MAX_TOKEN_BYTES {
        true => Err(JwtError::TooLarge(token.len())),
        false => Ok(token),
    }
}

/// JSON with the escapes that Go's encoder adds for the sake of HTML. The characters occur in
/// strings only.
pub(super) fn go_json<V: Serialize>(value: &V) -> Result<String, JwtError> {
    let json = serde_json::to_string(value).map_err(|error| json_error("claims", &error))?;
    let json = Zeroizing::new(json);
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}

/// RFC 4648 base32 without padding.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = bytes.len() * 8;
    let bit = |at: usize| {
        let byte = bytes.get(at / 8).copied().unwrap_or_default();
        usize::from(byte >> (7 - at % 8) & 1)
    };
    let symbol = |start: usize| {
        let value = (0..5).fold(0, |value, offset| value << 1 | bit(start + offset));
        char::from(ALPHABET[value % 32])
    };
    (0..bits).step_by(5).map(symbol).collect()
}
