//! Why a token cannot be read or written.

use std::fmt;

/// See the module's documentation. Texts follow the Go library where it has one, because they
/// appear in logs behind `User JWT not valid:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtError {
    /// Longer than [`super::MAX_TOKEN_BYTES`].
    TooLarge(usize),
    /// Not three parts with dots between.
    Parts,
    /// A part is not base64url without padding. Names it.
    Base64(&'static str),
    /// A part is not the JSON it should be. Names it and says where.
    Json(&'static str, String),
    /// The header's `typ` is not `JWT`.
    HeaderType(String),
    /// The header's `alg` is none of NATS's.
    Algorithm(String),
    /// The claims have a version that this library does not know.
    Version(i64),
    /// The claims are of another type than asked for: (expected, found).
    WrongType(&'static str, String),
    /// Not signed by its issuer.
    Signature,
    /// The issuer may not issue such claims.
    Issuer(String),
    /// The subject is not a key of the right kind.
    Subject(String),
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwtError::TooLarge(bytes) => write!(
                f,
                "token size {bytes} exceeds maximum of {} bytes: token too large",
                super::MAX_TOKEN_BYTES
            ),
            JwtError::Parts => f.write_str("expected 3 chunks"),
            JwtError::Base64(part) => write!(f, "the {part} is not base64url without padding"),
            JwtError::Json(part, problem) => write!(f, "the {part} is not valid JSON: {problem}"),
            JwtError::HeaderType(found) => write!(f, "not supported type {found:?}"),
            JwtError::Algorithm(found) => write!(f, "unexpected {found:?} algorithm"),
            JwtError::Version(version) => {
                write!(f, "library supports version 2 or less - received {version}")
            }
            JwtError::WrongType(expected, found) => {
                write!(f, "not {expected} claim (the token is of type {found:?})")
            }
            JwtError::Signature => f.write_str("claim failed signature verification"),
            JwtError::Issuer(issuer) => {
                write!(
                    f,
                    "unable to validate expected prefixes of issuer {issuer:?}"
                )
            }
            JwtError::Subject(subject) => {
                write!(
                    f,
                    "subject {subject:?} is not a public nkey of the right kind"
                )
            }
        }
    }
}

impl std::error::Error for JwtError {}
