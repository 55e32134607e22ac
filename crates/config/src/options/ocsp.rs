//! OCSP as the configuration describes it: stapling, the cache of responses, and checks of peers.
//!
//! Owns the typed forms of `ocsp`, `ocsp_cache` and `tls { ocsp_peer }`. Read by the server.
//! Absent: asking anybody.

use std::time::Duration;

/// Stapling of OCSP responses to the server's own certificates (`ocsp`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OcspOptions {
    /// When a response is stapled.
    pub mode: OcspMode,
    /// Ask this responder instead of the one the certificate names.
    pub url: Option<String>,
}

/// When a response is stapled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OcspMode {
    /// When the certificate demands it (must-staple).
    #[default]
    Auto,
    /// As `Auto`, and the server stops when the certificate is revoked.
    Must,
    /// Always, and the server stops when the certificate is revoked.
    Always,
    /// Never.
    Never,
}

/// Where OCSP responses about peers are kept (`ocsp_cache`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspCacheOptions {
    /// Whether they are kept at all.
    pub kind: OcspCacheKind,
    /// Directory of the cache.
    pub local_store: String,
    /// Keep "revoked" for good.
    pub preserve_revoked: bool,
    /// Time between savings; at least a second. Default 5 minutes.
    pub save_interval: Duration,
}

impl Default for OcspCacheOptions {
    fn default() -> Self {
        Self {
            kind: OcspCacheKind::Local,
            local_store: "_rc_".to_owned(),
            preserve_revoked: false,
            save_interval: Duration::from_secs(300),
        }
    }
}

/// Whether OCSP responses are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OcspCacheKind {
    /// In memory, and in a file between runs.
    #[default]
    Local,
    /// Not at all.
    None,
}

/// How peers' certificates are checked with OCSP (`ocsp_peer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OcspPeerOptions {
    /// Check them at all.
    pub verify: bool,
    /// How wrong clocks may be. Default 30 seconds.
    pub allowed_clockskew: Duration,
    /// How long a responder may take. Default 2 seconds.
    pub ca_timeout: Duration,
    /// How long a response without an expiry is kept. Default 1 hour.
    pub cache_ttl_when_next_update_unset: Duration,
    /// Only warn about peers that fail.
    pub warn_only: bool,
    /// Take "unknown" for "good".
    pub unknown_is_good: bool,
    /// Let peers in when no responder can be reached.
    pub allow_when_ca_unreachable: bool,
}

impl Default for OcspPeerOptions {
    fn default() -> Self {
        Self {
            verify: false,
            allowed_clockskew: Duration::from_secs(30),
            ca_timeout: Duration::from_secs(2),
            cache_ttl_when_next_update_unset: Duration::from_secs(3600),
            warn_only: false,
            unknown_is_good: false,
            allow_when_ca_unreachable: false,
        }
    }
}
