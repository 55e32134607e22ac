//! The keys of a `resolver {}` and of `proxies {}`. The others of operator mode are at the top
//! level.

use super::Reload::Live;
use super::{Row, row};
use crate::check::{
    ProxiesDraft, ProxyDraft, ResolverDraft, proxy_key, resolver_time, trusted_proxies,
};

/// Keys of `resolver {}`.
#[rustfmt::skip]
pub(crate) const RESOLVER: &[Row<ResolverDraft>] = &[
    row(&["type"], "full, cache or memory", "", Live,
        "which JWTs are kept, and where", |c, v, d| {
            d.kind = c.string(v).map(str::to_ascii_lowercase);
        }),
    row(&["dir"], "path", "", Live,
        "directory of the JWTs; made if it does not exist",
        |c, v, d| c.string_into(v, &mut d.dir)),
    row(&["allow_delete"], "boolean", "false", Live,
        "accounts can be deleted", |c, v, d| c.bool_into(v, &mut d.allow_delete)),
    row(&["hard_delete"], "boolean", "false", Live,
        "remove files of deleted accounts instead of renaming them",
        |c, v, d| d.hard_delete = c.bool(v)),
    row(&["limit"], "integer", "unlimited; 1000 in a cache", Live,
        "most JWTs kept", |c, v, d| d.limit = c.int(v)),
    row(&["ttl"], "duration", "unlimited", Live,
        "how long a cache keeps a JWT", |c, v, d| d.ttl = resolver_time(c, v)),
    row(&["interval"], "duration", "1m", Live,
        "time between comparisons with other servers",
        |c, v, d| d.interval = resolver_time(c, v)),
    row(&["timeout"], "duration", "1.9s", Live,
        "how long another server may take to send a JWT",
        |c, v, d| d.timeout = resolver_time(c, v)),
];

/// Keys of `proxies {}`.
#[rustfmt::skip]
pub(crate) const PROXIES: &[Row<ProxiesDraft>] = &[
    row(&["trusted"], "array of { key }", "", Live,
        "proxies whose signature is trusted", trusted_proxies),
];

/// Keys of an entry of `trusted`.
#[rustfmt::skip]
pub(crate) const PROXY: &[Row<ProxyDraft>] = &[
    row(&["key", "public_key"], "public nkey", "", Live,
        "key that the proxy signs with", proxy_key),
];
