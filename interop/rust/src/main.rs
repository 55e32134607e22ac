//! Exercises a NATS server with async-nats.
//!
//! Runs the named checks of `../runner/checks.py` in order and prints one line
//! for each: `ok rust <check>` or `FAIL rust <check>: why`. Addresses and
//! secrets come from `INTEROP_*` variables; see `../README.md`.

mod auth;
mod core;
mod harness;
mod lifecycle;
mod tls;

use std::process::ExitCode;

use harness::{Report, Result};

#[tokio::main]
async fn main() -> ExitCode {
    let mut report = Report::default();
    core::run(&mut report).await;
    lifecycle::run(&mut report).await;
    auth::run(&mut report).await;
    tls::run(&mut report).await;
    report.exit_code()
}
