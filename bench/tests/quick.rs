//! Runs the benchmark itself, shortened, against a real server.
//!
//! The server is the one named by `NATS_SERVER`, else `nats-server` from PATH. Without either the
//! tests say so on standard error and pass: they test the benchmark, and there is nothing to bench.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};

fn server() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("NATS_SERVER").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named));
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join("nats-server"))
        .find(|file| file.is_file())
}

/// The server, or a notice that the test harness does not swallow.
fn server_or_notice(test: &str) -> Option<PathBuf> {
    let found = server();
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED {test}: no nats-server; set NATS_SERVER or put one into PATH"
        );
    }
    found
}

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cognate-bench"))
        .args(args)
        .output()
        .expect("the benchmark binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_quick_run_compares_a_server_with_itself() {
    let Some(server) = server_or_notice("a_quick_run_compares_a_server_with_itself") else {
        return;
    };
    let server = server.to_str().expect("a path in UTF-8");
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let json = dir.join("quick.json");
    let output = bench(&[
        "--quick",
        "--rounds=2",
        "--scenario=1to1-16b",
        "--ours",
        server,
        "--theirs",
        server,
        "--json",
        json.to_str().expect("a path in UTF-8"),
    ]);
    let (table, progress) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{table}\n{progress}");
    let row = table
        .lines()
        .find(|line| line.starts_with("1to1-16b"))
        .expect("the row");
    let verdicts = ["pass", "MISS"]
        .into_iter()
        .filter(|verdict| row.contains(verdict));
    assert_eq!(verdicts.count(), 1, "{row}");
    assert_eq!(
        progress.lines().count(),
        4,
        "two rounds of two servers:\n{progress}"
    );
    let json = std::fs::read_to_string(json).expect("the JSON file");
    assert!(
        json.contains("\"name\": \"1to1-16b\", \"failures\": []"),
        "{json}"
    );
}

#[test]
fn request_reply_and_many_connections_run() {
    let Some(server) = server_or_notice("request_reply_and_many_connections_run") else {
        return;
    };
    let server = server.to_str().expect("a path in UTF-8");
    let only = ["--quick", "--rounds=1", "--only=theirs", "--theirs", server];
    let scenarios = [
        "--scenario=queue-128b",
        "--scenario=requests-64",
        "--scenario=broadcast-5k",
    ];
    let output = bench(&[&only[..], &scenarios].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn jetstream_rows_run_and_verify_what_was_stored() {
    let Some(server) = server_or_notice("jetstream_rows_run_and_verify_what_was_stored") else {
        return;
    };
    let server = server.to_str().expect("a path in UTF-8");
    let only = ["--quick", "--rounds=1", "--only=theirs", "--theirs", server];
    let scenarios = [
        "--scenario=js-pub-ids",
        "--scenario=js-pub-one-2m",
        "--scenario=js-pull-explicit",
        "--scenario=js-ordered",
        "--scenario=js-direct-get",
        "--scenario=js-restart",
    ];
    let output = bench(&[&only[..], &scenarios].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn rows_about_accounts_and_encryption_run() {
    let Some(server) = server_or_notice("rows_about_accounts_and_encryption_run") else {
        return;
    };
    let server = server.to_str().expect("a path in UTF-8");
    let only = ["--quick", "--rounds=1", "--only=theirs", "--theirs", server];
    let scenarios = [
        "--scenario=import-1to1-128b",
        "--scenario=import-requests-64",
        "--scenario=tls-handshakes",
        "--scenario=accounts-10k-start",
    ];
    let output = bench(&[&only[..], &scenarios].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_server_that_does_not_start_fails_the_run() {
    let output = bench(&[
        "--only=ours",
        "--ours=/bin/false",
        "--rounds=1",
        "--scenario=1to1-16b",
        "--quick",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.contains("FAILED: it ended with exit status: 1"),
        "{said}"
    );
}

#[test]
fn mistakes_on_the_command_line_are_explained() {
    for (args, code, part) in [
        (
            ["--scenario=missing"],
            1,
            "no scenario is called \"missing\"",
        ),
        (
            ["--ours=/nonexistent"],
            1,
            "there is no server at /nonexistent",
        ),
        (["--unknown"], 2, "unknown argument"),
    ] {
        let all = [&args[..], &["--theirs=/bin/false"]].concat();
        let output = bench(&all);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        assert!(
            text(&output.stderr).contains(part),
            "{args:?}: {}",
            text(&output.stderr)
        );
    }
}

/// The floor is a server as far as the rows for which it is meant can tell.
#[test]
fn the_floor_is_measured_like_a_server() {
    let floor = env!("CARGO_BIN_EXE_floor");
    let rows = ["--scenario=1to1-16b", "--scenario=1to1-16kib"];
    let output = bench(&[&["--quick", "--only=ours", "--ours", floor], &rows[..]].concat());
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for row in ["1to1-16b", "1to1-16kib"] {
        assert!(stdout.contains(row), "no row {row}:\n{stdout}\n{stderr}");
    }
}
