//! The keys of `ocsp {}`, `ocsp_cache {}` and `ocsp_peer {}`.

use super::Reload::Live;
use super::{Row, row};
use crate::check::{OcspDraft, cache_kind, ocsp_mode, ocsp_url, peer_time, save_interval};
use crate::options::{OcspCacheOptions, OcspPeerOptions};

/// Keys of `ocsp {}`.
#[rustfmt::skip]
pub(crate) const OCSP: &[Row<OcspDraft>] = &[
    row(&["mode"], "auto, must, always or never", "auto", Live,
        "when OCSP responses are stapled", ocsp_mode),
    row(&["url"], "URL", "the certificate's", Live,
        "responder that is asked", ocsp_url),
];

/// Keys of `ocsp_cache {}`.
#[rustfmt::skip]
pub(crate) const OCSP_CACHE: &[Row<OcspCacheOptions>] = &[
    row(&["type"], "local or none", "local", Live,
        "whether OCSP responses are kept", cache_kind),
    row(&["local_store"], "path", "_rc_", Live,
        "directory in which they are kept", |c, v, o| {
            if let Some(path) = c.string(v) { o.local_store = path.to_owned(); }
        }),
    row(&["preserve_revoked"], "boolean", "false", Live,
        "keep \"revoked\" for good", |c, v, o| c.bool_into(v, &mut o.preserve_revoked)),
    row(&["save_interval"], "seconds or duration", "5m", Live,
        "time between savings", save_interval),
];

/// Keys of `ocsp_peer {}`.
#[rustfmt::skip]
pub(crate) const OCSP_PEER: &[Row<OcspPeerOptions>] = &[
    row(&["verify"], "boolean", "false", Live,
        "check client certificates with OCSP", |c, v, o| c.bool_into(v, &mut o.verify)),
    row(&["allowed_clockskew"], "seconds or duration", "30s", Live,
        "how wrong clocks may be", |c, v, o| peer_time(c, v, &mut o.allowed_clockskew)),
    row(&["ca_timeout"], "seconds or duration", "2s", Live,
        "how long a responder may take", |c, v, o| peer_time(c, v, &mut o.ca_timeout)),
    row(&["cache_ttl_when_next_update_unset"], "seconds or duration", "1h", Live,
        "how long a response without an expiry is kept",
        |c, v, o| peer_time(c, v, &mut o.cache_ttl_when_next_update_unset)),
    row(&["warn_only"], "boolean", "false", Live,
        "only warn about clients that fail", |c, v, o| c.bool_into(v, &mut o.warn_only)),
    row(&["unknown_is_good"], "boolean", "false", Live,
        "take \"unknown\" for \"good\"", |c, v, o| c.bool_into(v, &mut o.unknown_is_good)),
    row(&["allow_when_ca_unreachable"], "boolean", "false", Live,
        "let clients in when no responder can be reached",
        |c, v, o| c.bool_into(v, &mut o.allow_when_ca_unreachable)),
];
