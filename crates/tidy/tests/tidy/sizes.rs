//! Files and functions stay small enough to be read in one go.

use std::io::Write;

use cognate_tidy::{Function, SourceFile, functions};

use crate::{expect_none, sources};

/// Lines of a file at which to ask what the two things in it are.
const FILE_WARNING: usize = 500;

/// Lines that no file reaches.
const FILE_LIMIT: usize = 800;

/// Lines that no function reaches, from `fn` to its closing brace.
const FUNCTION_LIMIT: usize = 70;

#[test]
fn files_are_under_the_limit() {
    let lines = |file: &SourceFile| file.text.lines().count();
    for file in sources().iter().filter(|file| lines(file) > FILE_WARNING) {
        // Written past the capture of test output, so that it is seen when nothing fails.
        let warning = format!("\nnote: {} has {} lines\n", file.path, lines(file));
        std::io::stderr()
            .write_all(warning.as_bytes())
            .expect("standard error takes a line");
    }
    let too_long = sources().iter().filter(|file| lines(file) >= FILE_LIMIT);
    expect_none(
        &format!("A file has fewer than {FILE_LIMIT} lines."),
        "the central file that grew to thousands of lines is what went wrong in every server of \
         this kind; ask what the two things in it are",
        too_long.map(|file| format!("{}: {} lines", file.path, lines(file))),
    );
}

#[test]
fn functions_are_under_the_limit() {
    expect_none(
        &format!("A function has fewer than {FUNCTION_LIMIT} lines."),
        "a function is read as a whole or not understood; split it by what it does, or, if it is a \
         table, say so above it: // tidy: long-function: <reason>",
        sources().iter().flat_map(long_functions),
    );
}

fn long_functions(file: &SourceFile) -> Vec<String> {
    let lines = |function: &Function| file.text[function.span.clone()].lines().count();
    let excused = |start| file.exception("long-function", start).is_some();
    let mut long = functions(&file.masked);
    long.retain(|function| lines(function) >= FUNCTION_LIMIT && !excused(function.span.start));
    let describe = |function: Function| {
        format!(
            "{} {}: {} lines",
            file.place(function.span.start),
            function.name,
            lines(&function)
        )
    };
    long.into_iter().map(describe).collect()
}

#[test]
fn a_long_function_needs_a_reason() {
    let function = |above: &str, lines: usize| {
        let text = format!("{above}fn f() {{{}}}\n", "\n".repeat(lines - 1));
        long_functions(&SourceFile::new("crates/wire/src/a.rs", &text))
    };
    assert_eq!(function("", 70), ["crates/wire/src/a.rs:1 f: 70 lines"]);
    assert_eq!(function("", 69), [""; 0]);
    assert_eq!(
        function("// tidy: long-function: one row per flag\n#[test]\n", 70),
        [""; 0]
    );
    assert_eq!(function("// tidy: long-function: because\n", 70).len(), 1);
}
