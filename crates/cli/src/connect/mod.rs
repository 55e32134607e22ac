//! How a server is reached: flags, environment, contexts and credentials become a connection.
//!
//! ```text
//! flags, NATS_* ─┐
//! context file ──┼─▶ Settings ─▶ client: async-nats  (every command) ─▶ forward, if there is a proxy ─▶ target
//! --config-file ─┘           └─▶ raw: plain sockets  (bench) ──────────────────────────────────────▶ target
//! ```
//!
//! Flags win over the environment, which wins over the context or `--config-file`. A credential given
//! by flag puts all credentials of the context aside. `target` dials, directly or through a SOCKS proxy.

mod client;
mod context;
mod flags;
mod forward;
pub(crate) mod raw;
mod secret;
mod settings;
pub(crate) mod socks;
mod target;
pub(crate) mod tls;

pub(crate) use client::{connect, redact};
pub(crate) use context::{ContextFile, Store, check_name};
pub(crate) use flags::ConnectFlags;
pub(crate) use forward::Forwarder;
pub(crate) use secret::{is_reference, resolve};
pub(crate) use settings::Settings;
