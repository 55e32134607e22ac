//! Tests run always, wait for conditions, and stay on this machine.

use cognate_tidy::{SourceFile, literal_at, words};

use crate::{expect_none, sources};

#[test]
fn no_test_is_ignored() {
    let ignored = sources()
        .iter()
        .flat_map(|file| ["#[ignore", "ignore = "].map(|token| (file, token)));
    expect_none(
        "No test is ignored.",
        "an ignored test proves nothing and looks as if it did; mend it or delete it",
        ignored.flat_map(|(file, token)| places(file, token)),
    );
}

#[test]
fn tests_do_not_sleep() {
    expect_none(
        "Tests do not sleep.",
        "a sleep is too short on a loaded machine and too long on every other; wait for the \
         condition, with a deadline that says what it waited for",
        sources().iter().flat_map(|file| places(file, "sleep(")),
    );
}

#[test]
fn tests_stay_on_loopback() {
    expect_none(
        "Tests connect to and listen on loopback addresses only.",
        "a test that reaches another machine fails without a network and surprises its owner",
        sources().iter().flat_map(foreign_targets),
    );
}

fn test_words<'a>(file: &'a SourceFile, token: &'a str) -> impl Iterator<Item = usize> + 'a {
    words(&file.masked, token).filter(|offset| file.is_test_at(*offset))
}

fn places(file: &SourceFile, token: &str) -> Vec<String> {
    test_words(file, token)
        .map(|offset| file.place(offset))
        .collect()
}

fn foreign_targets(file: &SourceFile) -> Vec<String> {
    let calls = ["connect(", "connect_timeout(", "bind("].into_iter();
    let target = |offset: usize| {
        let arguments = offset + file.masked[offset..].find('(')?;
        let target = first_literal(file, arguments)?;
        leaves_machine(target).then(|| format!("{} {target}", file.place(offset)))
    };
    calls
        .flat_map(|call| test_words(file, call))
        .filter_map(target)
        .collect()
}

/// The first string literal of the call whose parenthesis is at `open`, if it begins with one.
fn first_literal(file: &SourceFile, open: usize) -> Option<&str> {
    let before = |c: char| c.is_whitespace() || matches!(c, '(' | '&');
    let rest = &file.masked[open..];
    let quote = open + (rest.len() - rest.trim_start_matches(before).len());
    literal_at(&file.text, &file.masked, quote)
}

/// Whether a literal names a numeric address that is not loopback. Names of hosts are not looked
/// at: what looks like one may be a path.
fn leaves_machine(target: &str) -> bool {
    let host = target.rsplit("//").next().unwrap_or(target);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let address: Result<std::net::IpAddr, _> = host.trim_matches(['[', ']']).parse();
    address.is_ok_and(|address| !address.is_loopback())
}

#[test]
fn bad_manners_are_found() {
    let text = "#[test]\nfn a() {\n thread::sleep(x);\n connect(\"127.0.0.1:1\");\n \
                TcpStream::connect((\"10.0.0.1\", 1));\n bind(\"[::1]:0\");\n \
                connect(&\"nats://1.2.3.4:4222\");\n}\n";
    let file = SourceFile::new("crates/wire/tests/a.rs", text);
    assert_eq!(places(&file, "sleep("), ["crates/wire/tests/a.rs:3"]);
    assert_eq!(
        foreign_targets(&file),
        [
            "crates/wire/tests/a.rs:5 10.0.0.1",
            "crates/wire/tests/a.rs:7 nats://1.2.3.4:4222"
        ]
    );
}
