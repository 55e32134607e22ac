//! Accounts, users, operator mode and OCSP against nats-server 2.14.5: what it takes, what it
//! refuses, and why.
//!
//! The rows are in `tests/verdicts`, each a verdict and a configuration. Every verdict was
//! recorded by running `nats-server -t -c` on it, and the server itself where that passed. With
//! `@name@` stands a key or token of `keys.txt`, a directory that does not exist (`@tmp@`) or a
//! file that does (`@file@`).
//!
//! | verdict | nats-server | we |
//! |---|---|---|
//! | `good` | takes it | take it, without a warning |
//! | `refused` | `-t` refuses it | refuse it, with the message |
//! | `no-start` | `-t` takes it, the server does not start | refuse it, with the message |
//! | `stricter` | takes it, though it can not work as written | refuse it, with the message |
//! | `warned` | warns | warn, with the message |
//! | `warns` | takes it and does nothing | warn, with the message |
//! | `random` | takes it or not, as its maps are ordered | refuse it, with the message |

use cognate_config::{ConfigError, Loaded, MemorySource, Missing, load_with};
use std::collections::BTreeMap;

const KEYS: &str = include_str!("verdicts/keys.txt");

struct Row {
    line: usize,
    verdict: String,
    message: String,
    text: String,
}

fn placeholders() -> BTreeMap<&'static str, &'static str> {
    let keys = KEYS.lines().filter_map(|line| line.split_once(" = "));
    keys.chain([("tmp", "no_such_dir"), ("file", "a_file")])
        .collect()
}

fn rows(table: &str) -> Vec<Row> {
    let values = placeholders();
    let fill = |text: &str| {
        let mut filled = text.to_owned();
        for (name, value) in &values {
            filled = filled.replace(&format!("@{name}@"), value);
        }
        filled
    };
    let mut rows: Vec<Row> = Vec::new();
    for (at, line) in table.lines().enumerate() {
        if let Some(header) = line.strip_prefix("## ") {
            let (verdict, message) = header.split_once(": ").unwrap_or((header, ""));
            rows.push(Row {
                line: at + 1,
                verdict: verdict.to_owned(),
                message: fill(message),
                text: String::new(),
            });
        } else if let Some(row) = rows.last_mut().filter(|_| !line.starts_with('#')) {
            row.text.push_str(&fill(line));
            row.text.push('\n');
        }
    }
    rows
}

fn read(text: &str) -> Result<Loaded, ConfigError> {
    let source = MemorySource::new()
        .with_file("f", text)
        .with_file("a_file", "x");
    load_with("f", &source, Missing::Accept)
}

/// What is wrong about one row, if anything.
fn fault(row: &Row) -> Option<String> {
    let found = read(&row.text);
    let say = |what: &str| {
        Some(format!(
            "line {}, {}: {what}\n{}",
            row.line, row.verdict, row.text
        ))
    };
    match (row.verdict.as_str(), found) {
        ("good", Ok(loaded)) if loaded.warnings.is_empty() => {
            // What passes here passes after flags, too, and is the same in whatever order.
            let broken = loaded.options.validate().err()?;
            say(&format!("not valid: {broken:?}"))
        }
        ("warned" | "warns", Ok(loaded)) => {
            let mut warnings = loaded.warnings.iter();
            if warnings.any(|warning| warning.message.contains(&row.message)) {
                return None;
            }
            say(&format!("warned {:?}", loaded.warnings))
        }
        ("refused" | "no-start" | "stricter" | "random", Err(error)) => {
            let mut errors = error.errors.iter();
            if errors.any(|e| e.message.contains(&row.message) && e.line > 0) {
                return None;
            }
            say(&format!("refused with {error}, not {:?}", row.message))
        }
        (_, Ok(loaded)) => say(&format!("accepted, warnings {:?}", loaded.warnings)),
        (_, Err(error)) => say(&format!("refused with {error}")),
    }
}

fn check(table: &str, at_least: usize) {
    let rows = rows(table);
    assert!(rows.len() >= at_least, "{} rows", rows.len());
    let faults: Vec<String> = rows.iter().filter_map(fault).collect();
    assert!(
        faults.is_empty(),
        "{} rows:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn accounts() {
    check(include_str!("verdicts/accounts.txt"), 75);
}

#[test]
fn users_callout_and_proxies() {
    check(include_str!("verdicts/users.txt"), 60);
}

#[test]
fn exports() {
    check(include_str!("verdicts/exports.txt"), 50);
}

#[test]
fn imports() {
    check(include_str!("verdicts/imports.txt"), 65);
}

#[test]
fn operator_mode_and_ocsp() {
    check(include_str!("verdicts/operator.txt"), 80);
}
