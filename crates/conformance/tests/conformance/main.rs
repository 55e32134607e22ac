//! Black-box conformance tests of a `nats-server` binary, a module per family.
//!
//! Every expectation here was verified against nats-server 2.14.5. One binary holds them all,
//! because linking is what takes long; within it tests run in parallel, each with its own server.

mod auth;
mod cli;
mod limits;
mod monitoring;
mod protocol;
mod subjects;
mod support;
