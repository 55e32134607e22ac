//! Credentials files (`.creds`): a user's token and the seed that proves who uses it.
//!
//! ```text
//! -----BEGIN NATS USER JWT-----
//! eyJ0eXAiOiJKV1Qi…
//! ------END NATS USER JWT------
//!
//! -----BEGIN USER NKEY SEED-----
//! SUAM…
//! ------END USER NKEY SEED------
//! ```
//!
//! Owns the format, which files of operators and accounts share. What stands between the lines
//! of dashes counts, not the words in them. Reading follows the official libraries: a token may
//! stand alone, and so may a seed. Called with a file's contents, by whoever read it.

use crate::jwt::{JwtError, Signed, User, kind_of};
use crate::nkey::{KeyPair, Kind, NkeyError};
use std::fmt;
use zeroize::Zeroizing;

/// The largest file that is looked at, in bytes.
pub const MAX_BYTES: usize = 2 << 20;

/// Why a file is no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredsError {
    /// Larger than [`MAX_BYTES`], or not text.
    NotText,
    /// There is no seed in it.
    NoSeed,
    /// The seed is malformed.
    Seed(NkeyError),
    /// The token is malformed.
    Token(JwtError),
    /// The seed does not belong to the token's subject.
    Mismatch,
}

impl fmt::Display for CredsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CredsError::NotText => write!(f, "not text of at most {MAX_BYTES} bytes"),
            CredsError::NoSeed => f.write_str("no nkey seed found"),
            CredsError::Seed(error) => write!(f, "the seed is {error}"),
            CredsError::Token(error) => write!(f, "the JWT is not valid: {error}"),
            CredsError::Mismatch => f.write_str("nkey seed does not match the jwt subject"),
        }
    }
}

impl std::error::Error for CredsError {}

/// The token in a file: what stands between the first two lines of dashes, else all of it.
///
/// # Errors
/// If the contents are not text. Whether that is a token, reading it tells.
pub fn token_of(contents: &[u8]) -> Result<&str, CredsError> {
    let text = as_text(contents)?;
    Ok(blocks(text).next().unwrap_or(text.trim()))
}

/// The key whose seed is in a file: what stands between the second two lines of dashes, else
/// the first line that looks like a seed of a user, account or operator.
///
/// # Errors
/// If there is none, or it is malformed.
pub fn key_of(contents: &[u8]) -> Result<KeyPair, CredsError> {
    let text = as_text(contents)?;
    let looks_like_seed = |line: &&str| {
        let kind = line.get(..2).unwrap_or_default();
        matches!(kind, "SO" | "SA" | "SU")
    };
    let seed = match blocks(text).nth(1) {
        Some(seed) => Some(seed).filter(looks_like_seed),
        None => text.lines().map(str::trim).find(looks_like_seed),
    };
    let seed = seed.ok_or(CredsError::NoSeed)?;
    KeyPair::from_seed(seed).map_err(CredsError::Seed)
}

/// A file with a user's token and key. Wiped when dropped.
///
/// # Errors
/// If the token is none of a user, or of another user than the key.
pub fn format_user(token: &str, key: &KeyPair) -> Result<Zeroizing<String>, CredsError> {
    let user = Signed::<User>::decode(token).map_err(CredsError::Token)?;
    if user.subject() != Some(key.public_key()) {
        return Err(CredsError::Mismatch);
    }
    let seed = format_seed(key)?;
    let token = format_token(token)?;
    // Sized up front, because growing would leave copies of the seed behind.
    let mut text = String::with_capacity(token.len() + seed.len());
    text.push_str(&token);
    text.push_str(&seed);
    Ok(Zeroizing::new(text))
}

/// A token between lines that say what it is.
///
/// # Errors
/// If it is malformed.
pub fn format_token(token: &str) -> Result<String, CredsError> {
    let token = token.trim();
    let kind = kind_of(token).map_err(CredsError::Token)?.to_uppercase();
    Ok(format!(
        "-----BEGIN NATS {kind} JWT-----\n{token}\n------END NATS {kind} JWT------\n\n"
    ))
}

/// A seed between lines that say what it is, below a warning.
///
/// # Errors
/// If it is the seed of neither a user, an account nor an operator.
pub fn format_seed(key: &KeyPair) -> Result<Zeroizing<String>, CredsError> {
    let kind = match key.public_key().kind() {
        Kind::User => "USER",
        Kind::Account => "ACCOUNT",
        Kind::Operator => "OPERATOR",
        _ => return Err(CredsError::NoSeed),
    };
    let seed = key.seed();
    let mut text = Zeroizing::new(String::with_capacity(512));
    for part in [
        "************************* IMPORTANT *************************\n\
         NKEY Seed printed below can be used to sign and prove identity.\n\
         NKEYs are sensitive and should be treated as secrets.\n\n-----BEGIN ",
        kind,
        " NKEY SEED-----\n",
        seed.as_str(),
        "\n------END ",
        kind,
        " NKEY SEED------\n\n\
         *************************************************************\n",
    ] {
        text.push_str(part);
    }
    Ok(text)
}

fn as_text(contents: &[u8]) -> Result<&str, CredsError> {
    if contents.len() > MAX_BYTES {
        return Err(CredsError::NotText);
    }
    std::str::from_utf8(contents).map_err(|_| CredsError::NotText)
}

/// The lines that stand between two lines of dashes.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            // Something may stand before the dashes that begin.
            let opens = line.find("---").is_some_and(|at| is_ruler(&line[at..]));
            let content = lines.peek().filter(|line| opens && is_content(line));
            let Some(content) = content.copied() else {
                continue;
            };
            lines.next();
            if lines.peek().is_some_and(|line| is_ruler(line)) {
                lines.next();
                return Some(content);
            }
        }
    })
}

/// `-----BEGIN …-----`
fn is_ruler(line: &str) -> bool {
    line.len() >= 6 && line.starts_with("---") && line.ends_with("---")
}

fn is_content(line: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.=".contains(&byte);
    !line.is_empty() && line.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::{CredsError, format_seed, format_token, format_user, key_of, token_of};
    use crate::nkey::{KeyPair, Kind};
    use proptest::prelude::*;
    use serde_json::Value;

    fn vectors() -> (String, String, String) {
        let vectors: Value = serde_json::from_str(include_str!("../testdata/tokens.json")).unwrap();
        let field = |name: &str| vectors["creds"][name].as_str().unwrap().to_owned();
        (field("jwt"), field("seed"), field("text"))
    }

    /// The token and the seed found in a text.
    fn parts(text: &str) -> (String, Option<String>) {
        let key = key_of(text.as_bytes()).ok();
        let seed = key.map(|key| key.seed().as_str().to_owned());
        (token_of(text.as_bytes()).unwrap().to_owned(), seed)
    }

    #[test]
    fn files_of_the_go_library_are_read_and_written() {
        let (token, seed, text) = vectors();
        assert_eq!(parts(&text), (token.clone(), Some(seed.clone())));
        let key = KeyPair::from_seed(&seed).unwrap();
        assert_eq!(format_user(&token, &key).unwrap().as_str(), text);
    }

    #[test]
    fn line_ends_dashes_and_words_may_differ() {
        let (token, seed, text) = vectors();
        let expected = (token.clone(), Some(seed.clone()));
        assert_eq!(parts(&text.replace('\n', "\r\n")), expected);
        let odd = format!("x ---A---\n{token}\n---B---\n---C---\n{seed}\n---D---");
        assert_eq!(parts(&odd), expected);
        assert_eq!(parts(&format!("\n{token}\n")), (token.clone(), None));
        assert_eq!(
            parts(&format!("# mine\n  {seed}  \n")).1,
            Some(seed.clone())
        );
        let joined = format!("---A---\n{token}\n---B---\n{seed}\n---C---\n");
        assert_eq!(parts(&joined), (token, Some(seed)));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let (token, _, text) = vectors();
        let other = KeyPair::from_bytes(Kind::User, [9; 32]).unwrap();
        assert_eq!(format_user(&token, &other), Err(CredsError::Mismatch));
        let server = KeyPair::from_bytes(Kind::Server, [9; 32]).unwrap();
        assert_eq!(format_seed(&server), Err(CredsError::NoSeed));
        assert!(matches!(format_token("junk"), Err(CredsError::Token(_))));
        assert!(matches!(key_of(b""), Err(CredsError::NoSeed)));
        assert!(matches!(key_of(b"SUNONSENSE"), Err(CredsError::Seed(_))));
        assert!(matches!(key_of(b"\xff"), Err(CredsError::NotText)));
        let damaged = text.replace("SUA", "SUB");
        assert!(matches!(
            key_of(damaged.as_bytes()),
            Err(CredsError::Seed(_))
        ));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(text in "(-{0,4}[A-Z ]{0,3}-{0,4}\\r?\\n?|[a-z.=]{0,5}\\n|SU\\PC{0,60})*") {
            let _ = (token_of(text.as_bytes()), key_of(text.as_bytes()).is_ok());
        }
    }
}
