//! Subjects and filters, as far as a client looks at them.

/// Whether a filter (`*` and `>`) matches a subject.
pub(crate) fn matches(filter: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for part in filter.split('.') {
        match (part, tokens.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (part, Some(token)) if part == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// A subject for `value_parser`: what is sent as it is must not be more than one word of the protocol.
pub(crate) fn arg(text: &str) -> std::result::Result<String, String> {
    let is_bad = |c: char| c.is_whitespace() || c.is_control();
    match text.contains(is_bad) || text.split('.').any(str::is_empty) {
        true => Err("a subject is words with dots between them: no blanks, and no dot at an end or beside another".to_owned()),
        false => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_word() {
        assert_eq!(arg("a.b").as_deref(), Ok("a.b"));
        for text in ["", "a b", "a\r\nPUB b 0", "a.", ".a", "a..b", "a\tb"] {
            assert!(arg(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn filters_match() {
        for (filter, subject, expected) in [
            ("a.b", "a.b", true),
            ("a.*", "a.b", true),
            ("a.>", "a.b.c", true),
            (">", "a", true),
            ("a.>", "a", false),
            ("a.*", "a.b.c", false),
            ("a", "b", false),
        ] {
            assert_eq!(matches(filter, subject), expected, "{filter} {subject}");
        }
    }
}
