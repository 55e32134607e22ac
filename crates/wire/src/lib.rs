//! The NATS wire protocol: bytes to operations and back.
//!
//! Owns the client protocol's grammar ([`parse_client`]), the frames a server
//! sends ([`encode`], [`ServerInfo`], [`error_text`]), the CONNECT document
//! ([`ConnectOptions`]), header blocks ([`headers`]), what proxies say in front
//! of a connection ([`parse_proxy`]), the closed list of
//! reasons for which a connection ends ([`CloseReason`]), and the events of
//! message tracing ([`tracing`]).
//!
//! Invariants: nothing here performs I/O, reads a clock, keeps state between
//! calls or panics on any input; the parser and the encoders of the data path
//! do not allocate beyond the buffer they append to.
//!
//! Called by `session` (one client connection), `router` (delivery frames) and
//! `server` (monitoring texts). Absent: what an operation *means*, subject
//! validation (`cognate-subject`), credentials (`cognate-auth`), and the
//! protocols between servers.

mod close;
mod connect;
mod delivered;
pub mod encode;
pub mod error_text;
mod fault;
pub mod headers;
mod info;
mod op;
mod parse;
mod proxy;
mod publish;
mod redact;
pub mod tracing;

pub use close::CloseReason;
pub use connect::{ConnectError, ConnectOptions, SubjectPermission};
pub use delivered::{Delivered, parse_delivered};
pub use fault::Fault;
pub use info::ServerInfo;
pub use op::{ClientOp, Limits, Publish, Step};
pub use parse::parse_client;
pub use proxy::{MAX_PROXY_BYTES, ProxyError, ProxyStep, begins_tls, parse_proxy};
pub use publish::parse_publish;
pub use redact::redact_connect;
