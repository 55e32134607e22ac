//! Subject transforms: compiling arbitrary rules and applying them to arbitrary subjects.
//!
//! The input is a source, a destination and subjects, one per line.
//!
//! Checks: never panics; a rule applies exactly to the literal subjects that its source matches and
//! leaves nothing behind where it doesn't; the result is bounded; it is a valid subject where that
//! is promised; reversing a reversible rule gives the subject back; placeholders rewrite a subject
//! to itself.
#![no_main]

use cognate_fuzz::{naive_filter, naive_literal, naive_match};
use cognate_subject::transform::{MAX_RULE_BYTES, with_placeholders};
use cognate_subject::{Transform, TransformError};
use libfuzzer_sys::fuzz_target;

type Rule = fn(&str, &str) -> Result<Transform, TransformError>;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (Some(source), Some(destination)) = (lines.next(), lines.next()) else {
        return;
    };
    let subjects: Vec<&str> = lines.take(8).collect();
    let rules: [Rule; 3] = [
        Transform::new,
        Transform::new_strict,
        Transform::new_mapping,
    ];
    for rule in rules {
        match rule(source, destination) {
            Ok(transform) => subjects
                .iter()
                .for_each(|subject| apply(&transform, subject)),
            Err(error) => assert!(error.to_string().len() <= 400 + 8 * MAX_RULE_BYTES),
        }
    }
    placeholders(source, &subjects);
});

fn apply(transform: &Transform, subject: &str) {
    let subject = subject.as_bytes();
    let mut out = b"left from before".to_vec();
    let applied = transform.apply(subject, 0x1234_5678_9abc_def0, &mut out);
    let literal = |subject: &[u8]| {
        subject
            .split(|&byte| byte == b'.')
            .all(|token| !matches!(token, b"" | b"*" | b">"))
    };
    let keeps_all = transform.source() == ">" && matches!(transform.destination(), "" | ">");
    let source = transform.source().as_bytes();
    assert_eq!(
        applied,
        keeps_all || (literal(subject) && naive_match(source, subject))
    );
    if !applied {
        return assert!(out.is_empty());
    }
    // A token of the destination yields at most twice a token of the subject, or ten digits.
    let tokens = transform.destination().split('.').count();
    assert!(
        out.len()
            <= transform.destination().len() + tokens * (2 * subject.len() + 12) + subject.len()
    );
    let plain = !transform
        .destination()
        .contains(['{', ' ', '\t', '\r', '\x0c']);
    if plain && naive_literal(subject) {
        assert!(naive_literal(&out), "{out:?}");
    }
    if let Some(reverse) = transform.reversed() {
        let mut back = Vec::new();
        assert!(
            reverse.apply(&out, 0, &mut back),
            "{reverse:?} does not take {out:?} back"
        );
        assert_eq!(back, subject);
    }
}

fn placeholders(filter: &str, subjects: &[&str]) {
    let functions = filter.contains('$') || filter.contains("{{");
    if functions || !naive_filter(filter.as_bytes()) || filter.len() > MAX_RULE_BYTES / 8 {
        return;
    }
    let transform = Transform::new_strict(filter, &with_placeholders(filter)).expect("a rule");
    for subject in subjects.iter().map(|subject| subject.as_bytes()) {
        let mut out = Vec::new();
        if transform.apply(subject, 0, &mut out) {
            assert_eq!(out, subject);
        }
    }
}
