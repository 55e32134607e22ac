//! How filters relate to subjects and to each other, token by token.
//!
//! These are the obviously right definitions: the tree's tests use [`matches`], [`covers`] and
//! [`overlaps`] as their oracle. All arguments are valid (see [`crate::validate`]) unless said
//! otherwise; for others the answer is unspecified, but nothing panics. Nothing here allocates.
//!
//! Absent: wildcards by first character. The Go server's set comparisons (not its matching) take a
//! token like `*foo` for a wildcard; here only whole tokens are, as in matching.

use crate::validate::has_empty_token;

/// Whether `subject` is matched by `filter`.
///
/// `subject` may be anything a client can publish to. With an empty token in it, nothing matches.
/// A `*` or `>` token in it is an ordinary token: it is matched by wildcards of the filter only,
/// since no filter can contain it as a literal.
#[must_use]
pub fn matches(filter: &[u8], subject: &[u8]) -> bool {
    if has_empty_token(subject) {
        return false;
    }
    let mut subject = tokens(subject);
    for token in tokens(filter) {
        match (token, subject.next()) {
            (_, None) => return false,
            (b">", Some(_)) => return true,
            (b"*", Some(_)) => {}
            (literal, Some(found)) if literal == found => {}
            _ => return false,
        }
    }
    subject.next().is_none()
}

/// Whether every subject matched by `other` is matched by `filter`.
#[must_use]
pub fn covers(filter: &[u8], other: &[u8]) -> bool {
    let mut other = tokens(other);
    for token in tokens(filter) {
        match (token, other.next()) {
            (_, None) => return false,
            (b">", Some(_)) => return true,
            (_, Some(b">")) => return false,
            (b"*", Some(_)) => {}
            (literal, Some(found)) if literal == found => {}
            _ => return false,
        }
    }
    other.next().is_none()
}

/// Whether some subject is matched by both `a` and `b`.
#[must_use]
pub fn overlaps(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (tokens(a), tokens(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) | (Some(b">"), Some(_)) | (Some(_), Some(b">")) => return true,
            (Some(x), Some(y)) if x == b"*" || y == b"*" || x == y => {}
            _ => return false,
        }
    }
}

/// The tokens between dots; one empty token for no bytes.
pub(crate) fn tokens(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(filter: &str, subject: &str, expected: bool) {
        assert_eq!(
            matches(filter.as_bytes(), subject.as_bytes()),
            expected,
            "{filter:?} matching {subject:?}"
        );
    }

    #[test]
    fn filters_match_subjects() {
        check("foo", "foo", true);
        check("foo", "bar", false);
        check("foo", "foo.bar", false);
        check("*", "foo", true);
        check("*", "foo.bar", false);
        check(">", "foo.bar", true);
        check("foo.>", "foo", false);
        check("foo.>", "foo.bar.baz", true);
        check("foo.*.>", "foo.bar", false);
        check("foo.*.baz", "foo.bar.baz", true);
        check("foo*", "foobar", false);
        check("foo*", "foo*", true);
    }

    #[test]
    fn odd_publish_subjects_match_wildcards_only_and_never_with_empty_tokens() {
        check("foo.*", "foo.*", true);
        check("foo.*", "foo.>", true);
        check("foo.>", "foo.>", true);
        check("foo.bar", "foo.*", false);
        for subject in ["", ".", ".foo", "foo.", "foo..bar"] {
            for filter in [">", "*", "*.*", "*.>", "foo.>"] {
                check(filter, subject, false);
            }
        }
    }

    #[track_caller]
    fn check_pair(a: &str, b: &str, a_covers_b: bool, overlapping: bool) {
        let (x, y) = (a.as_bytes(), b.as_bytes());
        assert_eq!(covers(x, y), a_covers_b, "{a:?} covers {b:?}");
        assert_eq!(overlaps(x, y), overlapping, "{a:?} overlaps {b:?}");
        assert_eq!(overlaps(y, x), overlapping, "{b:?} overlaps {a:?}");
    }

    #[test]
    fn filters_relate_to_filters() {
        check_pair("foo", "foo", true, true);
        check_pair("foo", "*", false, true);
        check_pair("*", ">", false, true);
        check_pair(">", "*.>", true, true);
        check_pair("*.>", ">", false, true);
        check_pair("foo.>", "foo", false, false);
        check_pair("foo.*", "foo.*.bar.>", false, false);
        check_pair("foo.*", "*.foo", false, true);
        check_pair("foo.bar.>", "*.bar.foo", false, true);
        check_pair("foo.*.baz", "foo.bar.*", false, true);
        check_pair("a.*", "a.*.c", false, false);
        // Only whole tokens are wildcards.
        check_pair("foo.*bar", "foo.baz", false, false);
    }
}
