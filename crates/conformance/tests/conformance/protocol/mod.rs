//! The client protocol: every verb, every error, exact bytes.

mod delivery;
mod errors;
mod framing;
mod handshake;
mod headers;
mod no_responders;
