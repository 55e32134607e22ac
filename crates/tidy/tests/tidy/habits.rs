//! Habits of the code that clippy has no lint for, or none that takes a reason.

use cognate_tidy::{SourceFile, literal_at, texts, tier_of, words};

use crate::{expect_none, sources};

/// Marks of unfinished work. Spelled so that this file does not contain them.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

#[test]
fn nothing_is_unwrapped_in_the_product() {
    expect_none(
        "The product calls no `unwrap()`; `expect` takes a sentence.",
        "what comes from the network, a disk or a user must not end the process, and what cannot \
         fail has a reason why not, which is the next reader's only proof",
        product().flat_map(unwraps),
    );
}

#[test]
fn expectations_are_reasons() {
    expect_none(
        "The text of an `expect` says why it cannot fail.",
        "whoever meets the panic, or doubts the call, needs the invariant and not the type's name",
        product().flat_map(weak_expectations),
    );
}

#[test]
fn nothing_is_left_unfinished() {
    let extensions = [
        "rs", "md", "toml", "py", "go", "mjs", "java", "sh", "yml", "conf", "service",
    ];
    let violations = texts(&extensions).into_iter().flat_map(|(path, text)| {
        let marked = |line: &str| MARKS.iter().any(|mark| words(line, mark).next().is_some());
        let lines = text.lines().enumerate().filter(|(_, line)| marked(line));
        lines
            .map(|(at, _)| format!("{path}:{}", at + 1))
            .collect::<Vec<_>>()
    });
    expect_none(
        "No file holds a mark of unfinished work.",
        "such marks are never read again; what is missing is refused with a message to the user, \
         or stands in an issue",
        violations,
    );
}

/// The files of tiers 0 to 3.
fn product() -> impl Iterator<Item = &'static SourceFile> {
    let is_product = |name: &str| tier_of(name).is_some_and(|tier| tier.is_product());
    sources()
        .iter()
        .filter(move |file| file.crate_name().is_some_and(is_product))
}

fn unwraps(file: &SourceFile) -> Vec<String> {
    let calls = [".unwrap()", ".unwrap_unchecked()"].map(|call| words(&file.masked, call));
    let calls = calls
        .into_iter()
        .flatten()
        .filter(|offset| file.is_product_at(*offset));
    calls.map(|offset| file.place(offset)).collect()
}

fn weak_expectations(file: &SourceFile) -> Vec<String> {
    let calls = words(&file.masked, ".expect(").filter(|offset| file.is_product_at(*offset));
    let weak = calls.filter(|offset| {
        let reason = literal_at(&file.text, &file.masked, offset + ".expect(".len());
        reason.is_some_and(|reason| reason.split_whitespace().count() < 3)
    });
    weak.map(|offset| file.place(offset)).collect()
}

#[test]
fn calls_that_panic_are_found() {
    let text = "fn a() {\n b.unwrap();\n b.expect(\"valid\");\n b.expect(\"checked when parsed\");\n}\n\
                #[cfg(test)]\nmod tests { fn a() { b.unwrap(); } }\n";
    let file = SourceFile::new("crates/wire/src/a.rs", text);
    assert_eq!(unwraps(&file), ["crates/wire/src/a.rs:2"]);
    assert_eq!(weak_expectations(&file), ["crates/wire/src/a.rs:3"]);
    assert_eq!(
        unwraps(&SourceFile::new("crates/wire/tests/a.rs", text)),
        [""; 0]
    );
}
