//! The options of `tls {}` as reload sees them.
//!
//! Owns their part of the table in [`super`], one row for each thing that the log tells of.

use std::time::Duration;

use super::{Field, Shown as _};
use crate::options::{HandshakeFirst, Options, TlsOptions};

#[rustfmt::skip]
pub(super) const FIELDS: &[Field] = &[
    Field {
        name: "TLSConfig",
        key: "tls",
        changed: |old, new| old.tls.is_some() || new.tls.is_some(),
        may_change: |_, _| true,
        show: |options| if options.tls.is_some() { "enabled" } else { "disabled" }.to_owned(),
    },
    Field {
        name: "TLSMap",
        key: "verify_and_map",
        changed: |old, new| tls_map(old) != tls_map(new),
        may_change: |_, _| false,
        show: |options| tls_map(options).shown(),
    },
    Field {
        name: "TLSRateLimit",
        key: "connection_rate_limit",
        changed: |old, new| tls_rate_limit(old) != tls_rate_limit(new),
        may_change: |_, _| false,
        show: |options| tls_rate_limit(options).shown(),
    },
    Field {
        name: "TLSTimeout",
        key: "tls timeout",
        changed: |old, new| timeout(old) != timeout(new),
        may_change: |_, _| true,
        show: |options| timeout(options).as_secs_f64().to_string(),
    },
    Field {
        name: "TLSPinnedCerts",
        key: "pinned_certs",
        changed: |old, new| pinned(old) != pinned(new),
        may_change: |_, _| true,
        show: |options| pinned(options).len().to_string(),
    },
    Field {
        name: "TLSHandshakeFirst",
        key: "handshake_first",
        changed: |old, new| is_first(old) != is_first(new),
        may_change: |_, _| true,
        show: |options| is_first(options).shown(),
    },
    Field {
        name: "TLSHandshakeFirstFallback",
        key: "handshake_first fallback",
        changed: |old, new| fallback(old) != fallback(new),
        may_change: |_, _| true,
        show: |options| fallback(options).shown(),
    },
];

fn tls_map(options: &Options) -> bool {
    options.tls.as_ref().is_some_and(|tls| tls.verify_and_map)
}

fn tls_rate_limit(options: &Options) -> u64 {
    options
        .tls
        .as_ref()
        .map_or(0, |tls| tls.connection_rate_limit)
}

fn timeout(options: &Options) -> Duration {
    let default = || TlsOptions::default().timeout;
    options.tls.as_ref().map_or_else(default, |tls| tls.timeout)
}

fn pinned(options: &Options) -> &[[u8; 32]] {
    options.tls.as_ref().map_or(&[], |tls| &tls.pinned_certs)
}

fn handshake_first(options: &Options) -> HandshakeFirst {
    options
        .tls
        .as_ref()
        .map_or(HandshakeFirst::Off, |tls| tls.handshake_first)
}

fn is_first(options: &Options) -> bool {
    handshake_first(options) != HandshakeFirst::Off
}

fn fallback(options: &Options) -> Duration {
    match handshake_first(options) {
        HandshakeFirst::Fallback(delay) => delay,
        HandshakeFirst::Off | HandshakeFirst::On => Duration::ZERO,
    }
}
