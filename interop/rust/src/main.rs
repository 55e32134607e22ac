//! Exercises a NATS server with async-nats.
//!
//! Runs the named checks of `../runner/checks.py` in order and prints one line
//! for each: `ok rust <check>` or `FAIL rust <check>: why`. Addresses and
//! secrets come from `INTEROP_*` variables; see `../README.md`. With a role as its argument it
//! takes part in `../orders.py` instead.

mod auth;
mod consumers;
mod core;
mod harness;
mod jetstream;
mod lifecycle;
mod mirror;
mod orders;
mod stores;
mod tls;

use std::process::ExitCode;

use harness::{Report, Result};

#[tokio::main]
async fn main() -> ExitCode {
    if let Some(role) = std::env::args().nth(1) {
        return match orders::play(&role).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut report = Report::default();
    core::run(&mut report).await;
    lifecycle::run(&mut report).await;
    auth::run(&mut report).await;
    tls::run(&mut report).await;
    jetstream::run(&mut report).await;
    consumers::run(&mut report).await;
    stores::run(&mut report).await;
    report.exit_code()
}
