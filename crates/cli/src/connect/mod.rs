//! How a server is reached: flags, environment, contexts and credentials become a connection.
//!
//! ```text
//! flags, NATS_* ─┐
//! context file ──┼─▶ Settings ─▶ client: async-nats  (every command)
//! --config-file ─┘           └─▶ raw: plain sockets  (bench)
//! ```
//!
//! Flags win over the environment, which wins over the context or `--config-file`. A credential given
//! by flag puts all credentials of the context aside.

mod client;
mod context;
mod flags;
pub(crate) mod raw;
mod secret;
mod settings;
pub(crate) mod tls;

pub(crate) use client::{connect, redact};
pub(crate) use context::{ContextFile, Store, check_name};
pub(crate) use flags::ConnectFlags;
pub(crate) use secret::{is_reference, resolve};
pub(crate) use settings::Settings;
