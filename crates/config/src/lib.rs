//! The NATS configuration file, command-line flags, options and reload differences.
//!
//! A pure core: file contents and environment variables come through [`Source`], arguments as a
//! slice; nothing here opens a file, reads a clock or prints.
//!
//! ```text
//! text ─▶ syntax (values with positions) ─▶ check (by the tables of schema) ─▶ Options
//! arguments ─▶ flags ─▶ applied to Options      two Options ─▶ reload (what changed, may it?)
//! ```
//!
//! Called by the server (start, `-t`, reload) and by programs that embed it. Invariants: no input
//! makes it panic; everything that input can grow is bounded (see `syntax`); a key is accepted
//! only if the server honours it.

mod check;
mod diagnostic;
mod duration;
pub mod flags;
mod load;
mod mask;
mod nkey;
pub mod options;
pub mod reload;
mod schema;
mod source;
mod subjects;
mod suggest;
mod syntax;

pub use check::offered_cipher_suites;
pub use diagnostic::{ConfigError, Diagnostic};
pub use load::{Loaded, Missing, load, load_with};
pub use options::Options;
pub use schema::{KeyReference, Reload, reference};
pub use source::{MemorySource, Source};
pub use syntax::{MAX_DEPTH, MAX_EXPANSION_BYTES, MAX_INCLUDES, MAX_LOAD_BYTES, MAX_SYNTAX_ERRORS};
