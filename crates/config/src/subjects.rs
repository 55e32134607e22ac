//! Subjects in permissions, mappings, exports and imports.
//!
//! The one place where this crate asks `cognate_subject`, so that the rest reads as rules of the
//! configuration.

use cognate_subject::transform::{Transform, with_placeholders};
use cognate_subject::validate::{self, is_valid_config_subject};

/// Whether text is a subject that may hold wildcards.
pub(crate) fn is_filter(text: &str) -> bool {
    // What only text beyond ASCII can be refused for need not be looked for in most.
    match text.is_ascii() && !text.contains('\0') {
        true => validate::is_valid_filter(text.as_bytes()),
        false => is_valid_config_subject(text.as_bytes()),
    }
}

/// Whether text is a subject without wildcards.
pub(crate) fn is_literal(text: &str) -> bool {
    is_filter(text) && !has_wildcard(text)
}

/// Whether a token of the text is a wildcard.
pub(crate) fn has_wildcard(text: &str) -> bool {
    validate::has_wildcard(text.as_bytes())
}

/// Whether every subject that `other` matches is matched by `filter`.
pub(crate) fn covers(filter: &str, other: &str) -> bool {
    validate::covers(filter.as_bytes(), other.as_bytes())
}

/// Whether a subject is matched by both.
pub(crate) fn overlaps(a: &str, b: &str) -> bool {
    validate::overlaps(a.as_bytes(), b.as_bytes())
}

/// Why a mapping from `source` to `destination` is impossible, if it is: in the words that
/// nats-server has for it, and in words that say what to do.
pub(crate) fn transform_error(source: &str, destination: &str) -> Option<(String, String)> {
    Transform::new_mapping(source, destination)
        .err()
        .map(|error| (error.wire_text(), error.to_string()))
}

/// Why what matches `exported` can not be called `local`, if it can't: as for [`transform_error`].
/// Wildcards of `local` stand for those of `exported` in turn.
pub(crate) fn rename_error(exported: &str, local: &str) -> Option<(String, String)> {
    let local = with_placeholders(local);
    match Transform::new_strict(exported, &local) {
        Err(error) => Some((error.wire_text(), error.to_string())),
        Ok(transform) if transform.reversed().is_none() => Some((
            "invalid mapping destination".to_owned(),
            format!("use each wildcard of {exported:?} once"),
        )),
        Ok(_) => None,
    }
}

/// The filter that a local subject with `$1` or `{{wildcard(1)}}` in it stands for.
pub(crate) fn without_placeholders(subject: &str) -> String {
    let tokens: Vec<&str> = subject.split('.').map(plain_token).collect();
    tokens.join(".")
}

fn plain_token(token: &str) -> &str {
    let numbered = token
        .strip_prefix('$')
        .is_some_and(|rest| matches!(rest.as_bytes().first(), Some(b'1'..=b'9')));
    let function = token
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map(str::trim)
        .and_then(|call| {
            call.get(..8)
                .filter(|name| name.eq_ignore_ascii_case("wildcard"))
        });
    if numbered || function.is_some() {
        "*"
    } else {
        token
    }
}

#[cfg(test)]
mod tests {
    use super::{rename_error, without_placeholders};

    #[test]
    fn placeholders_stand_for_wildcards() {
        for (subject, filter) in [
            ("a.b", "a.b"),
            ("a.$1.$2", "a.*.*"),
            ("$JS.{{wildcard(1)}}", "$JS.*"),
            ("{{ Wildcard(1) }}.$x.$0", "*.$x.$0"),
        ] {
            assert_eq!(without_placeholders(subject), filter);
        }
    }

    #[test]
    fn renames_use_every_wildcard_once() {
        for (exported, local, works) in [
            ("a.*.*", "b.$2.$1", true),
            ("a.*.*", "b.*.*", true),
            ("a.*.*", "b.$1", false),
            ("a.*", "b.$1.$1", false),
            ("a.>", "b.>", true),
            ("a.>", "b", false),
        ] {
            assert_eq!(rename_error(exported, local).is_none(), works, "{local}");
        }
    }
}
