//! Every file says what it is.

use crate::{expect_none, sources};

#[test]
fn every_file_opens_with_a_sentence() {
    let silent = sources().iter().filter(|file| !has_sentence(&file.text));
    expect_none(
        "Every file opens with `//!` and at least one full sentence.",
        "the first lines tell a reader what the file owns, what always holds and what is absent; \
         without them a file is understood only by reading all of it",
        silent.map(|file| file.path.clone()),
    );
}

fn has_sentence(text: &str) -> bool {
    let docs = text.lines().map_while(|line| line.strip_prefix("//!"));
    let docs = docs.collect::<Vec<_>>().join(" ");
    docs.split_whitespace().count() >= 4 && docs.contains(['.', ':'])
}

#[test]
fn a_title_is_no_sentence() {
    assert!(has_sentence(
        "//! The client listener:\n//! accepts sockets.\nuse a::b;"
    ));
    for text in [
        "//! Helpers.\n",
        "// Not a module comment, but long enough.\n",
        "use a::b;\n",
    ] {
        assert!(!has_sentence(text), "{text}");
    }
}
