//! Which directory below the store's an account has: one per account, and never outside.
//!
//! ```text
//! <store_dir>/jetstream/<directory of the account>/streams/…
//! ```
//!
//! Names of letters, digits, `$`, `-`, `_` and dots are their own directories, as in nats-server. In
//! others every other byte is written as `%` and two digits, and long ones as `%long-` and their
//! digest. Invariant: no two accounts have the same directory.

use std::fmt::Write as _;

use super::disk::DOOMED;
use super::recover::LOCK;

/// The longest name that is kept readable: file systems allow 255 bytes, and a removal needs some.
const MAX_BYTES: usize = 200;

/// The directory of an account.
pub(super) fn directory(account: &str) -> String {
    let mut name = String::with_capacity(account.len());
    // A name that something else in the store has, and hidden ones, are escaped at the beginning.
    let is_taken = account == LOCK || account.ends_with(DOOMED);
    for (at, byte) in account.bytes().enumerate() {
        let is_plain = byte.is_ascii_alphanumeric() || b"$-_.".contains(&byte);
        let is_first = at == 0 && (byte == b'.' || is_taken);
        if is_plain && !is_first {
            name.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.is_empty() {
        return "%".to_owned();
    }
    if name.len() <= MAX_BYTES {
        return name;
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, account.as_bytes());
    let mut name = "%long-".to_owned();
    for byte in digest.as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(account: &str, expected: &str) {
        assert_eq!(directory(account), expected);
        let path = std::path::Path::new(expected);
        let mut parts = path.components();
        let first = parts.next();
        assert!(matches!(first, Some(std::path::Component::Normal(_))));
        assert!(parts.next().is_none());
    }

    #[test]
    fn ordinary_names_are_directories() {
        check("$G", "$G");
        check("A", "A");
        check("team-1_x.y", "team-1_x.y");
        let key = "ABQA4YKXDYQP5IKDJZOGDJFNA57YTE3K7EWVUDVHMXU43QW4OQ7EELLS";
        check(key, key);
    }

    #[test]
    fn no_name_leads_out_of_the_store_or_to_something_else_in_it() {
        check("..", "%2E.");
        check(".", "%2E");
        check("", "%");
        check("../../etc", "%2E.%2F..%2Fetc");
        check("a/b", "a%2Fb");
        check("a%2Fb", "a%252Fb");
        check("a b", "a%20b");
        check("a\0b", "a%00b");
        check("ü", "%C3%BC");
        check("LOCK", "%4COCK");
        check("x.removed", "%78.removed");
    }

    #[test]
    fn long_names_differ_too() {
        let (a, b) = ("a".repeat(300), "a".repeat(301));
        assert_ne!(directory(&a), directory(&b));
        assert!(directory(&a).len() < MAX_BYTES);
        assert_eq!(directory(&"a".repeat(MAX_BYTES)), "a".repeat(MAX_BYTES));
    }
}
