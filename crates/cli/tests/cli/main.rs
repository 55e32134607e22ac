//! The real `nats` against a real server: every command once on its main path and once on an error.
//!
//! The server is the `nats-server` of this workspace's build, or the one `NATS_SERVER_BIN` names.
//! Everything goes over loopback; every test has a server and a home directory of its own.

mod bench;
mod buckets;
mod connect;
mod context;
mod counter;
mod help;
mod identity;
mod messages;
mod streamed;
mod support;
mod terminal;
