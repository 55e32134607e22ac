//! TLS for a NATS server's listeners: from the `tls {}` options to an accepted connection. And, as
//! far as a server opens connections itself, for those ([`ClientTls`]).
//!
//! Owns the reading and checking of certificates, keys and authorities, the choice of a
//! certificate by the client's SNI, the handshake within its timeout, and what is then known
//! about the peer (for `connz`, `verify_and_map` and pins). Invariants: a [`ServerTls`] never
//! changes, so that a reload replaces it as a whole or leaves it; a connection that
//! [`ServerTls::accept`] returned has passed every check that the options ask for, resumed
//! sessions included. Called by the server, once per start or reload and once per connection.
//!
//! Absent: INFO and what comes before the handshake, counting and logging of failures, users; of OCSP
//! the asking (which answers are believed is here, [`Inquiry`]).
//!
//! # What an idle connection costs
//!
//! 2.7 KiB of heap without a client certificate and about 4.1 KiB with one, the [`PeerDetail`]
//! included (`tests/memory.rs` measures and bounds it; the socket's buffers in the kernel come on
//! top, and the cipher contexts that aws-lc allocates itself). All of that is the state of the
//! connection: an idle one holds no buffer ([`TlsStream`]). Sessions are resumed by tickets that the
//! client keeps, so the server holds no session cache.

mod authorities;
mod client_tls;
mod crypto;
mod error;
mod files;
mod handshake;
mod ocsp;
mod p521;
mod peer;
mod rate;
mod resolver;
mod server_tls;
mod stream;
mod tickets;

pub use client_tls::ClientTls;
pub use error::{FileKind, TlsError};
pub use handshake::HandshakeError;
pub use ocsp::{Answer, Inquiry, MAX_ANSWER, Status};
pub use peer::{PeerCertificate, PeerDetail, names_of};
pub use rate::RateLimit;
pub use server_tls::ServerTls;
pub use stream::TlsStream;
