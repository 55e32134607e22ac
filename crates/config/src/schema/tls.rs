//! The keys of a `tls {}` block for clients (config.md §10).

use super::Reload::Live;
use super::{Row, row};
use crate::check::{
    TlsDraft, certificates, check_known_urls, cipher_suites, curve_preferences, handshake_first,
    min_version, ocsp_peer, pinned_certs, tls_file,
};

/// Keys of the block.
#[rustfmt::skip]
pub(crate) const TLS: &[Row<TlsDraft>] = &[
    row(&["cert_file"], "path", "", Live,
        "PEM file with the certificate chain",
        |c, v, d| d.cert_file = tls_file(c, v, &mut d.file_missing)),
    row(&["key_file"], "path", "", Live,
        "PEM file with the private key",
        |c, v, d| d.key_file = tls_file(c, v, &mut d.file_missing)),
    row(&["ca_file"], "path", "the system's", Live,
        "PEM file with the authorities of client certificates",
        |c, v, d| d.options.ca_file = tls_file(c, v, &mut d.file_missing)),
    row(&["certs", "certificates"], "array of cert_file and key_file", "", Live,
        "several certificates, chosen by the client's server name", certificates),
    row(&["insecure"], "boolean", "false", Live,
        "do not verify the peer of outgoing connections",
        |c, v, d| c.bool_into(v, &mut d.options.insecure)),
    row(&["verify"], "boolean", "false", Live,
        "require and verify client certificates", |c, v, d| {
            // `verify_and_map` implies it, whatever the order of the two.
            c.bool_into(v, &mut d.options.verify);
            d.options.verify |= d.options.verify_and_map;
        }),
    row(&["verify_and_map"], "boolean", "false", Live,
        "require client certificates and find the user by them", |c, v, d| {
            c.bool_into(v, &mut d.options.verify_and_map);
            d.options.verify |= d.options.verify_and_map;
        }),
    row(&["verify_cert_and_check_known_urls"], "boolean", "false", Live,
        "only for connections between servers", |c, v, _| check_known_urls(c, v)),
    row(&["min_version"], "\"1.2\" or \"1.3\"", "\"1.2\"", Live,
        "the lowest TLS version accepted", min_version),
    row(&["cipher_suites"], "array of names", "the secure ones", Live,
        "cipher suites offered", cipher_suites),
    row(&["allow_insecure_cipher_suites"], "boolean", "false", Live,
        "let cipher_suites name insecure ones",
        |c, v, d| c.bool_into(v, &mut d.allow_insecure)),
    row(&["curve_preferences"], "array of names", "all", Live,
        "key exchange groups in order of preference", curve_preferences),
    row(&["timeout"], "seconds or duration", "2s", Live,
        "how long a handshake may take", |c, v, d| {
            if let Some(timeout) = c.timeout(v).filter(|timeout| !timeout.is_zero()) {
                d.options.timeout = timeout;
            }
        }),
    row(&["connection_rate_limit"], "integer", "0", Live,
        "most handshakes per second; 0 is unlimited",
        |c, v, d| c.limit_into(v, &mut d.options.connection_rate_limit)),
    row(&["pinned_certs"], "array of 64 hexadecimal digits", "", Live,
        "public keys of which a client must have one", pinned_certs),
    row(&["handshake_first", "first", "immediate"], "boolean, auto or duration", "false", Live,
        "do the handshake before INFO", handshake_first),
    row(&["ocsp_peer"], "boolean or ocsp_peer block", "false", Live,
        "check client certificates with OCSP", ocsp_peer),
];

/// Keys of an entry of `certs`.
#[rustfmt::skip]
pub(crate) const CERTIFICATE: &[Row<TlsDraft>] = &[
    row(&["cert_file"], "path", "", Live,
        "PEM file with the certificate chain",
        |c, v, d| d.cert_file = tls_file(c, v, &mut d.file_missing)),
    row(&["key_file"], "path", "", Live,
        "PEM file with the private key",
        |c, v, d| d.key_file = tls_file(c, v, &mut d.file_missing)),
];
