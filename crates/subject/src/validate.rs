//! What is a valid subject or filter, and how filters relate.
//!
//! Owns the byte-level rules and nothing else; no function here allocates. A token is what stands
//! between dots. `*` and `>` are wildcards only as whole tokens: `foo*`, `>bar` and `**` are
//! ordinary tokens. Sessions, the router and the configuration call these functions; what was
//! checked once is carried as [`crate::Subject`] or [`crate::Filter`].
//!
//! Absent: length and token-count limits, which are the session's and the account's.

use std::fmt;

use memchr::memchr2;

pub use crate::relate::{covers, matches, overlaps};

/// Why bytes are not a valid subject or filter, with the byte offset of the offence.
///
/// It doesn't carry the subject: the caller has it and knows how much of it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// There are no bytes at all.
    Empty,
    /// A token is empty: a leading, trailing or doubled dot.
    EmptyToken {
        /// Offset at which a token should start.
        at: usize,
    },
    /// A space, tab, line feed, carriage return or form feed.
    Whitespace {
        /// Offset of the byte.
        at: usize,
    },
    /// `>` is followed by further tokens.
    TailNotLast {
        /// Offset of the `>`.
        at: usize,
    },
    /// A wildcard token where only a literal subject makes sense.
    Wildcard {
        /// Offset of the wildcard.
        at: usize,
    },
    /// A NUL byte (configuration and JetStream subjects only).
    Nul {
        /// Offset of the byte.
        at: usize,
    },
    /// Not UTF-8, or U+FFFD, which marks text that was damaged before (configuration and JetStream
    /// subjects only).
    NotText {
        /// Offset of the first damaged byte.
        at: usize,
    },
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the subject is empty: give at least one token"),
            Self::EmptyToken { at } => write!(
                f,
                "empty token at byte {at}: remove the leading, trailing or doubled '.'"
            ),
            Self::Whitespace { at } => write!(
                f,
                "white space at byte {at}: a subject has no spaces, tabs or line ends"
            ),
            Self::TailNotLast { at } => write!(
                f,
                "'>' at byte {at} is not the last token: use '*' for one token in the middle"
            ),
            Self::Wildcard { at } => write!(
                f,
                "wildcard at byte {at}: this must be a literal subject, without '*' or '>' tokens"
            ),
            Self::Nul { at } => write!(f, "NUL at byte {at}: remove it"),
            Self::NotText { at } => {
                write!(
                    f,
                    "byte {at} is not valid UTF-8 text: remove or re-encode it"
                )
            }
        }
    }
}

impl std::error::Error for SubjectError {}

/// Whether `subject` is valid and literal: what a publisher should publish to.
#[must_use]
pub fn is_valid_literal(subject: &[u8]) -> bool {
    check_literal(subject).is_ok()
}

/// Whether `filter` is valid for SUB: as a literal, and whole-token `*` and a last `>` are allowed.
#[must_use]
pub fn is_valid_filter(filter: &[u8]) -> bool {
    check_filter(filter).is_ok()
}

/// Whether `filter` is valid in a configuration or a JetStream request: as [`is_valid_filter`],
/// and neither NUL nor damaged text.
#[must_use]
pub fn is_valid_config_subject(filter: &[u8]) -> bool {
    check_config_subject(filter).is_ok()
}

/// As [`is_valid_literal`], saying what is wrong.
///
/// # Errors
/// The first offence from the left.
pub fn check_literal(subject: &[u8]) -> Result<(), SubjectError> {
    check(subject, |token, at, _last| match token {
        b"*" | b">" => Err(SubjectError::Wildcard { at }),
        _ => Ok(()),
    })
}

/// As [`is_valid_filter`], saying what is wrong.
///
/// # Errors
/// The first offence from the left.
pub fn check_filter(filter: &[u8]) -> Result<(), SubjectError> {
    check(filter, |token, at, last| match token {
        b">" if !last => Err(SubjectError::TailNotLast { at }),
        _ => Ok(()),
    })
}

/// As [`is_valid_config_subject`], saying what is wrong.
///
/// # Errors
/// The first offence: NUL and damaged text before the rest.
pub fn check_config_subject(filter: &[u8]) -> Result<(), SubjectError> {
    if let Some(at) = memchr::memchr(0, filter) {
        return Err(SubjectError::Nul { at });
    }
    match std::str::from_utf8(filter) {
        Err(error) => {
            return Err(SubjectError::NotText {
                at: error.valid_up_to(),
            });
        }
        Ok(text) => {
            if let Some(at) = text.find(char::REPLACEMENT_CHARACTER) {
                return Err(SubjectError::NotText { at });
            }
        }
    }
    check_filter(filter)
}

/// Whether any token is a wildcard. Needs no valid input.
#[must_use]
pub fn has_wildcard(filter: &[u8]) -> bool {
    let mut from = 0;
    while let Some(found) = filter
        .get(from..)
        .and_then(|rest| memchr2(b'*', b'>', rest))
    {
        let at = from + found;
        let opens = at == 0 || filter[at - 1] == b'.';
        let closes = filter.get(at + 1).is_none_or(|next| *next == b'.');
        if opens && closes {
            return true;
        }
        from = at + 1;
    }
    false
}

/// Number of tokens, empty ones included; 0 for no bytes.
#[must_use]
pub fn token_count(subject: &[u8]) -> usize {
    if subject.is_empty() {
        0
    } else {
        1 + memchr::memchr_iter(b'.', subject).count()
    }
}

/// Whether any token is empty. Such a subject matches no filter at all, not even `>`.
#[must_use]
pub fn has_empty_token(subject: &[u8]) -> bool {
    let (Some(first), Some(last)) = (subject.first(), subject.last()) else {
        return true;
    };
    // One pass without an early exit: the compiler makes vector code of it.
    let doubled = subject
        .iter()
        .zip(&subject[1..])
        .fold(false, |found, (a, b)| found | ((*a == b'.') & (*b == b'.')));
    *first == b'.' || *last == b'.' || doubled
}

/// Walks the tokens; `rule` judges each one by its bytes, its offset and whether it is the last.
fn check(
    bytes: &[u8],
    rule: impl Fn(&[u8], usize, bool) -> Result<(), SubjectError>,
) -> Result<(), SubjectError> {
    if bytes.is_empty() {
        return Err(SubjectError::Empty);
    }
    let token = |start: usize, end: usize| {
        if start == end {
            return Err(SubjectError::EmptyToken { at: start });
        }
        rule(&bytes[start..end], start, end == bytes.len())
    };
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'.' => {
                token(start, at)?;
                start = at + 1;
            }
            b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' => return Err(SubjectError::Whitespace { at }),
            _ => {}
        }
    }
    token(start, bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `valid` is (as a literal, as a filter, in a configuration).
    #[track_caller]
    fn check(subject: impl AsRef<[u8]>, valid: (bool, bool, bool), wildcard: bool) {
        let subject = subject.as_ref();
        let found = (
            is_valid_literal(subject),
            is_valid_filter(subject),
            is_valid_config_subject(subject),
        );
        let shown = subject.escape_ascii().to_string();
        assert_eq!(found, valid, "validity of {shown:?}");
        assert_eq!(has_wildcard(subject), wildcard, "wildcards of {shown:?}");
    }

    #[test]
    fn empty_tokens_and_white_space_are_never_valid() {
        for subject in [
            "", ".", ".foo", "foo.", "foo..bar", "a b", "a\t", "\n", "a.\r.b", "\x0c",
        ] {
            check(subject, (false, false, false), false);
        }
        for subject in ["a b.*", "foo..>", "*."] {
            check(subject, (false, false, false), true);
        }
    }

    #[test]
    fn wildcards_are_whole_tokens_and_a_tail_is_last() {
        for filter in ["*", ">", "foo.*", "foo.>", "*.bar", "*.*.>", "foo.*.bar"] {
            check(filter, (false, true, true), true);
        }
        for filter in [">.bar", "foo.>.bar", ">.>", ">.*"] {
            check(filter, (false, false, false), true);
        }
    }

    #[test]
    fn wildcard_characters_inside_longer_tokens_are_literal() {
        for subject in [
            "foo",
            "foo*",
            "foo**",
            "foo.**",
            "foo*bar",
            "foo.*bar",
            "foo*.bar",
            "*bar",
            "foo>",
            "foo.>>",
            "foo>bar",
            ">bar",
            "foo.*>",
            "$SYS.a-b_c/d",
            "ü.ö",
        ] {
            check(subject, (true, true, true), false);
        }
    }

    #[test]
    fn nul_and_damaged_text_are_refused_in_a_configuration_only() {
        check(b"foo.\0", (true, true, false), false);
        check(b"foo.\xff.*", (false, true, false), true);
        check("foo.\u{fffd}", (true, true, false), false);
    }

    #[test]
    fn errors_say_where() {
        assert_eq!(
            check_filter(b"a..b"),
            Err(SubjectError::EmptyToken { at: 2 })
        );
        assert_eq!(
            check_filter(b"a.>.b"),
            Err(SubjectError::TailNotLast { at: 2 })
        );
        assert_eq!(
            check_literal(b"a.b.*"),
            Err(SubjectError::Wildcard { at: 4 })
        );
        assert_eq!(
            check_literal(b"a.b c"),
            Err(SubjectError::Whitespace { at: 3 })
        );
        assert_eq!(check_literal(b""), Err(SubjectError::Empty));
        assert_eq!(
            check_config_subject(b"ab\0"),
            Err(SubjectError::Nul { at: 2 })
        );
        assert_eq!(
            check_config_subject(b"ab\xff"),
            Err(SubjectError::NotText { at: 2 })
        );
    }

    #[test]
    fn tokens_are_counted_and_empty_ones_found() {
        for (subject, count, empty) in [
            ("", 0, true),
            (".", 2, true),
            ("a", 1, false),
            ("a.b.c", 3, false),
            ("a..c", 3, true),
            (".a", 2, true),
            ("a.", 2, true),
        ] {
            assert_eq!(
                token_count(subject.as_bytes()),
                count,
                "tokens of {subject:?}"
            );
            assert_eq!(
                has_empty_token(subject.as_bytes()),
                empty,
                "emptiness in {subject:?}"
            );
        }
    }
}
