//! One client connection's protocol state, without its socket.
//!
//! [`Session`] is given the bytes a client sent and acts through a [`Host`]: it parses, checks
//! order, permissions and limits, keeps the client's subscriptions by sid and its keep-alive, and
//! says when the connection must end and why. Time is an argument.
//!
//! ```text
//! AwaitConnect ──CONNECT──▶ Verifying ──▶ Open          (authentication required)
//!      │                        └───────▶ closed
//! Open ──CONNECT──▶ Verifying ─▶ Open                   (not required, or sent again)
//! ```
//!
//! Invariants: nothing but CONNECT is acted on before the client is known, where that is required;
//! after an error that closes, nothing more is acted on.
//!
//! Absent: sockets, clocks, the router (the host hides it), JSON of INFO, other servers'
//! protocols. The server's connection task is the caller.

mod host;
mod keepalive;
mod publish;
mod session;
mod subscribe;
mod subscriptions;
mod tracing;

pub use host::{Access, Context, Host, Report, Rewritten, SubscribeRequest, Verdict};
pub use keepalive::{Keepalive, PingAction};
pub use session::{Close, Fed, Session, Settings};
pub use subscriptions::Subscriptions;
