//! What a [`super::LocalClient`] logs in with, and the CONNECT that says so.
//!
//! Invariant: no secret is printed. A key's signature is made over the nonce of the server's INFO,
//! which is why INFO is read before anything is sent.

use std::fmt;

use cognate_auth::nkey::{KeyPair, NkeyError, encode_signature};
use zeroize::Zeroizing;

use crate::shared::COGNATE_VERSION;

/// Bytes of an nkey signature.
const SIGNATURE_BYTES: usize = 64;

type Sign = Box<dyn Fn(&[u8]) -> [u8; SIGNATURE_BYTES] + Send + Sync>;

/// What a [`super::LocalClient`] logs in with; nothing by default.
///
/// ```no_run
/// # async fn example(server: cognate_server::Server) -> Result<(), Box<dyn std::error::Error>> {
/// use cognate_server::LocalLogin;
/// let client = server.connect_local_with(LocalLogin::token("s3cret")).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct LocalLogin(Proof);

#[derive(Default)]
enum Proof {
    #[default]
    Nothing,
    Password {
        user: String,
        password: Zeroizing<String>,
    },
    Token(Zeroizing<String>),
    Nkey {
        key: String,
        sign: Sign,
    },
}

impl LocalLogin {
    /// As a user with a password.
    #[must_use]
    pub fn user(user: &str, password: &str) -> Self {
        LocalLogin(Proof::Password {
            user: user.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        })
    }

    /// With a token.
    #[must_use]
    pub fn token(token: &str) -> Self {
        LocalLogin(Proof::Token(Zeroizing::new(token.to_owned())))
    }

    /// As the user of an nkey, whose seed (`SU…`) is at hand.
    ///
    /// # Errors
    /// If the text is not a seed that can sign.
    pub fn seed(seed: &str) -> Result<Self, NkeyError> {
        let pair = KeyPair::from_seed(seed)?;
        let key = pair.public_key().to_string();
        Ok(LocalLogin::nkey(&key, move |nonce| pair.sign(nonce)))
    }

    /// As the user of the public nkey `key` (`U…`), whose seed is kept elsewhere: `sign` makes an
    /// Ed25519 signature of the bytes it is given.
    #[must_use]
    pub fn nkey(
        key: &str,
        sign: impl Fn(&[u8]) -> [u8; SIGNATURE_BYTES] + Send + Sync + 'static,
    ) -> Self {
        LocalLogin(Proof::Nkey {
            key: key.to_owned(),
            sign: Box::new(sign),
        })
    }

    /// The CONNECT that answers the frame `info`.
    pub(super) fn connect_line(&self, info: &[u8]) -> String {
        let mut fields = String::from(
            r#""verbose":false,"pedantic":false,"headers":true,"no_responders":true,"lang":"rust","name":"local""#,
        );
        let mut add = |key: &str, text: &str| {
            // An empty text is as good as none, and is not sent.
            if !text.is_empty() {
                fields += &format!(",\"{key}\":{}", json_string(text));
            }
        };
        match &self.0 {
            Proof::Nothing => {}
            Proof::Password { user, password } => {
                add("user", user);
                add("pass", password);
            }
            Proof::Token(token) => add("auth_token", token),
            Proof::Nkey { key, sign } => {
                add("nkey", key);
                add("sig", &encode_signature(&sign(nonce_of(info))));
            }
        }
        format!("CONNECT {{{fields},\"version\":\"{COGNATE_VERSION}\"}}\r\n")
    }
}

impl fmt::Debug for LocalLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = match &self.0 {
            Proof::Nothing => "nobody",
            Proof::Password { user, .. } => user,
            Proof::Token(_) => "token [REDACTED]",
            Proof::Nkey { key, .. } => key,
        };
        write!(f, "LocalLogin({who})")
    }
}

/// The challenge in a server's INFO; empty if it has none. It is base64url, and a quote within any
/// other text is escaped, so that this finds nothing else.
fn nonce_of(info: &[u8]) -> &[u8] {
    const KEY: &[u8] = b"\"nonce\":\"";
    let start = info.windows(KEY.len()).position(|bytes| bytes == KEY);
    let rest = start.map_or(&[][..], |at| &info[at + KEY.len()..]);
    let end = rest.iter().position(|&byte| byte == b'"');
    &rest[..end.unwrap_or(0)]
}

/// A text in quotes, with what JSON does not take as it is escaped.
fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
