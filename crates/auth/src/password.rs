//! Passwords and tokens as configured, and their comparison with what a client sent.
//!
//! Owns the split between the cheap comparison, done at once, and bcrypt, which takes tens of
//! milliseconds and is handed back as a [`BcryptJob`] for the driver to run off its I/O threads.
//!
//! Invariants: a plaintext secret is kept as a SHA-256 digest only, so it cannot be printed and
//! comparing takes the same time whatever the lengths and contents; nothing here prints a secret.
//! Called by [`crate::users`], and by listeners with credentials of their own.
//!
//! Absent: making bcrypt hashes, and the thread that runs a job.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use std::fmt;
use zeroize::Zeroizing;

/// Bcrypt reads no more than this many bytes of a password. The Go server cuts longer ones
/// silently when comparing; so does a [`BcryptJob`].
pub const BCRYPT_MAX_PASSWORD_BYTES: usize = 72;

/// Bcrypt's 16 bytes of salt and the 23 of 24 hash bytes that its text form keeps.
const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 23;
const SALT_CHARS: usize = 22;
const HASH_CHARS: usize = 31;

/// A configured password or token.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// Written in the clear in the configuration.
    Plain(PlainSecret),
    /// Written as a bcrypt hash.
    Bcrypt(BcryptSecret),
}

/// The digest of a secret that was configured in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainSecret {
    digest: [u8; 32],
    empty: bool,
}

/// A secret configured as a bcrypt hash. A hash that looks like one but is broken stays a secret
/// that nothing matches, as in the Go server; [`BcryptSecret::is_usable`] lets the driver warn.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptSecret {
    hash: Option<BcryptHash>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct BcryptHash {
    /// Binary logarithm of the number of rounds, 4 to 31.
    cost: u32,
    salt: [u8; SALT_BYTES],
    hash: [u8; HASH_BYTES],
}

/// The answer to "is this the password?".
#[derive(Debug)]
pub enum PasswordCheck {
    /// It is.
    Match,
    /// It is not.
    Mismatch,
    /// Only running the job tells.
    NeedsBcrypt(BcryptJob),
}

/// A bcrypt comparison waiting to be run. `Send`, self-contained, wiped when dropped.
pub struct BcryptJob {
    hash: BcryptHash,
    password: Zeroizing<Vec<u8>>,
}

impl Secret {
    /// Reads a value of the configuration: `$2a$10$…` (also `2b`, `2x`, `2y`) is a bcrypt hash,
    /// anything else is the secret itself.
    pub fn from_config(value: &str) -> Secret {
        if is_bcrypt(value) {
            Secret::Bcrypt(BcryptSecret {
                hash: BcryptHash::parse(value),
            })
        } else {
            Secret::Plain(PlainSecret {
                digest: sha256(value.as_bytes()),
                empty: value.is_empty(),
            })
        }
    }

    /// Compares with what the client sent.
    pub fn check(&self, offered: &str) -> PasswordCheck {
        match self {
            Secret::Plain(plain) => {
                let offered = sha256(offered.as_bytes());
                match verify_slices_are_equal(&plain.digest, &offered) {
                    Ok(()) => PasswordCheck::Match,
                    Err(_) => PasswordCheck::Mismatch,
                }
            }
            Secret::Bcrypt(BcryptSecret { hash: None }) => PasswordCheck::Mismatch,
            Secret::Bcrypt(BcryptSecret { hash: Some(hash) }) => {
                PasswordCheck::NeedsBcrypt(BcryptJob::new(*hash, offered))
            }
        }
    }

    /// Whether the secret stands in the clear in the configuration.
    pub fn is_plaintext(&self) -> bool {
        matches!(self, Secret::Plain(_))
    }

    /// Whether the configured value is the empty string.
    pub fn is_empty(&self) -> bool {
        matches!(self, Secret::Plain(PlainSecret { empty: true, .. }))
    }

    /// The cost of a usable bcrypt secret.
    pub(crate) fn bcrypt_cost(&self) -> Option<u32> {
        match self {
            Secret::Bcrypt(secret) => secret.hash.map(|hash| hash.cost),
            Secret::Plain(_) => None,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Secret::Plain(_) => "Plain([REDACTED])",
            Secret::Bcrypt(_) => "Bcrypt([REDACTED])",
        })
    }
}

impl fmt::Debug for PlainSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl BcryptSecret {
    /// False if the hash is broken (length, cost outside 4–31, characters): nothing matches it.
    pub fn is_usable(&self) -> bool {
        self.hash.is_some()
    }
}

impl fmt::Debug for BcryptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl BcryptHash {
    /// Reads `$2b$cc$<22 salt characters><31 hash characters>`; what follows is ignored, as in
    /// the Go server.
    fn parse(text: &str) -> Option<Self> {
        // The salt's last character carries spare bits that implementations ignore; the hash's
        // must be exact, because they compare its text.
        let cost = text
            .get(4..6)?
            .parse()
            .ok()
            .filter(|cost| (4..=31).contains(cost))?;
        let rest = text.get(7..)?;
        let salt = rest.get(..SALT_CHARS)?;
        let hash = rest.get(SALT_CHARS..SALT_CHARS + HASH_CHARS)?;
        let salt = bcrypt::BASE_64
            .decode(lenient_salt(salt)?)
            .ok()?
            .try_into()
            .ok()?;
        let hash = bcrypt::BASE_64.decode(hash).ok()?.try_into().ok()?;
        Some(BcryptHash { cost, salt, hash })
    }
}

/// Clears the four spare bits of the last salt character.
fn lenient_salt(salt: &str) -> Option<String> {
    const ALPHABET: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (head, last) = salt.split_at_checked(SALT_CHARS - 1)?;
    let value = ALPHABET.find(last)?;
    Some(format!(
        "{head}{}",
        ALPHABET.get(value & 0b11_0000..)?.chars().next()?
    ))
}

impl BcryptJob {
    fn new(hash: BcryptHash, offered: &str) -> Self {
        // Cutting here bounds the memory of queued jobs: a CONNECT may carry much more.
        let password = offered.as_bytes();
        let password = &password[..password.len().min(BCRYPT_MAX_PASSWORD_BYTES)];
        BcryptJob {
            hash,
            password: Zeroizing::new(password.to_vec()),
        }
    }

    /// A job that costs as much as a real one and compares with nothing in particular. It hides
    /// whether a user exists; the caller must ignore its answer.
    pub(crate) fn decoy(cost: u32, offered: &str) -> Self {
        let hash = BcryptHash {
            cost,
            salt: [0; SALT_BYTES],
            hash: [0; HASH_BYTES],
        };
        BcryptJob::new(hash, offered)
    }

    /// The cost to be paid, as the binary logarithm of rounds; 10 takes about 50 ms.
    pub fn cost(&self) -> u32 {
        self.hash.cost
    }

    /// Runs the comparison. Slow (tens of milliseconds and up) and busy: call it from a thread
    /// meant for that.
    pub fn run(self) -> bool {
        let mut key = Zeroizing::new([0; BCRYPT_MAX_PASSWORD_BYTES]);
        // The key is the password with its terminating zero, cut at 72 bytes.
        let len = (self.password.len() + 1).min(BCRYPT_MAX_PASSWORD_BYTES);
        for (to, from) in key.iter_mut().zip(self.password.iter()) {
            *to = *from;
        }
        let output = bcrypt::bcrypt(self.hash.cost, self.hash.salt, &key[..len]);
        verify_slices_are_equal(&output[..HASH_BYTES], &self.hash.hash).is_ok()
    }
}

impl fmt::Debug for BcryptJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BcryptJob(cost {}, [REDACTED])", self.hash.cost)
    }
}

/// The Go server's test: `^\$2[abxy]\$\d{2}\$`.
fn is_bcrypt(value: &str) -> bool {
    matches!(
        value.as_bytes(),
        [
            b'$',
            b'2',
            b'a' | b'b' | b'x' | b'y',
            b'$',
            b'0'..=b'9',
            b'0'..=b'9',
            b'$',
            ..
        ]
    )
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::{PasswordCheck, Secret, is_bcrypt};
    use proptest::prelude::*;

    /// The cheapest cost there is.
    const COST: u32 = 4;

    fn hash(password: &str) -> String {
        let salt = *b"0123456789abcdef";
        bcrypt::hash_with_salt(password, COST, salt)
            .unwrap()
            .to_string()
    }

    /// Runs the whole comparison, bcrypt included.
    fn check(configured: &str, offered: &str) -> bool {
        match Secret::from_config(configured).check(offered) {
            PasswordCheck::Match => true,
            PasswordCheck::Mismatch => false,
            PasswordCheck::NeedsBcrypt(job) => job.run(),
        }
    }

    #[test]
    fn plain_secrets_match_exactly() {
        for (configured, offered, expected) in [
            ("s3cret", "s3cret", true),
            ("s3cret", "s3cre", false),
            ("s3cret", "s3crett", false),
            ("s3cret", "", false),
            ("", "", true),
            ("", "x", false),
            ("$2a$1", "$2a$1", true),
            ("$2z$10$abc", "$2z$10$abc", true),
        ] {
            assert_eq!(
                check(configured, offered),
                expected,
                "{configured:?} {offered:?}"
            );
        }
    }

    #[test]
    fn bcrypt_hashes_match_their_password() {
        let long = "x".repeat(72);
        for (password, offered, expected) in [
            ("s3cret", "s3cret", true),
            ("s3cret", "s3crets", false),
            ("s3cret", "", false),
            ("", "", true),
            ("pässwörd", "pässwörd", true),
            (long.as_str(), long.as_str(), true),
            // Only 72 bytes count, as in the Go server.
            (long.as_str(), &format!("{long}yz"), true),
            (long.as_str(), &long[1..], false),
        ] {
            let text = hash(password);
            for version in ["2a", "2b", "2x", "2y"] {
                let text = text.replacen("2b", version, 1);
                assert_eq!(check(&text, offered), expected, "{text} {offered:?}");
            }
        }
    }

    #[test]
    fn a_published_hash_matches() {
        let text = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        assert!(check(text, "a"));
        assert!(!check(text, "b"));
    }

    #[test]
    fn a_broken_hash_matches_nothing() {
        let good = hash("s3cret");
        for text in [
            good.replacen("$04$", "$03$", 1),
            good.replacen("$04$", "$32$", 1),
            good[..59].to_owned(),
            good[..20].to_owned(),
            "$2a$10$".to_owned(),
            format!("{}!{}", &good[..20], &good[21..]),
            format!("{}é{}", &good[..40], &good[42..]),
        ] {
            let secret = Secret::from_config(&text);
            assert!(!secret.is_plaintext(), "{text}");
            assert!(!check(&text, "s3cret"), "{text}");
            assert!(!check(&text, &text), "{text}");
        }
    }

    #[test]
    fn nothing_prints_a_secret() {
        for text in ["s3cret".to_owned(), hash("s3cret")] {
            let secret = Secret::from_config(&text);
            let printed = format!("{secret:?} {:?}", secret.check("offered"));
            assert!(
                !printed.contains("s3cret") && !printed.contains("offered"),
                "{printed}"
            );
            assert!(!printed.contains(&text), "{printed}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_a_secret(value in "(\\$2[abxy]\\$[0-9]{2}\\$)?\\PC*") {
            let secret = Secret::from_config(&value);
            prop_assert_eq!(secret.is_plaintext(), !is_bcrypt(&value));
            prop_assert_eq!(secret.is_empty(), value.is_empty());
        }

        #[test]
        fn plain_comparison_is_equality(a in "[ab]{0,3}", b in "[ab]{0,3}") {
            prop_assert_eq!(check(&a, &b), a == b);
        }
    }
}
