//! Support for black-box tests of a `nats-server` binary: it starts the binary, talks to it over
//! loopback and compares what comes back byte by byte.
//!
//! The binary under test is named by the environment variable `NATS_SERVER_BIN`; without it, the
//! `nats-server` that cargo built next to the running test is taken. So one suite can be held
//! against any server that claims to speak NATS 2.14.
//!
//! Invariants: every wait has a deadline ([`wait::DEADLINE`]) and fails with what it waited for;
//! every process started here is killed when its handle is dropped; everything written goes to a
//! temporary directory. All failures are panics, because the callers are tests.
//!
//! Absent: knowledge of the server's insides (no crate of this workspace is used), and TLS (the
//! tests bring that).

pub mod cli;
pub mod client;
pub mod crash;
pub mod http;
pub mod jetstream;
pub mod jwt;
pub mod server;
pub mod stage;
pub mod wait;
pub mod xkey;

pub use client::{Client, Message};
pub use server::{Server, ServerBuilder};
