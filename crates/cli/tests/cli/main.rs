//! The real `nats` against a real server: every command once on its main path and once on an error.
//!
//! The server is the `nats-server` of this workspace's build, or the one `NATS_SERVER_BIN` names.
//! Everything goes over loopback; every test has a server and a home directory of its own.

mod account;
mod audit;
mod auth;
mod auth_accounts;
mod bench;
mod buckets;
mod catalogue;
mod check;
mod cluster;
mod connect;
mod consumers;
mod consumers_asked;
mod context;
mod counter;
mod elsewhere;
mod help;
mod identity;
mod live;
mod messages;
mod proxied;
mod replicas;
mod schemas;
mod server;
mod services;
mod stapled;
mod streamed;
mod streams;
mod streams_asked;
mod streams_backup;
mod streams_changed;
mod support;
mod terminal;
mod tour;
mod wrong;
