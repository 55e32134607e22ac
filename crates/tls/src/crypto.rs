//! Cipher suites and key exchange groups: from NATS's names to what rustls uses.
//!
//! Owns the order in which they are preferred. Invariants: TLS 1.3 suites are always on, as in
//! Go, whatever `cipher_suites` says; TLS 1.2 suites are those that it names, in its order, or
//! all. If it names none of TLS 1.2, that version is off. Of the groups that both sides have,
//! rustls takes the one that the client prefers. Called while options are loaded, and by
//! [`crate::peer`] for the name of a suite. Absent: suites without forward secrecy or with CBC,
//! RC4 or 3DES, which rustls does not have.

use crate::TlsError;
use crate::p521::SECP521R1;
use cognate_config::options::{CurvePreference, TlsOptions, TlsVersion};
use rustls::crypto::aws_lc_rs::{cipher_suite as suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

/// All suites with the names that Go and IANA give them, in the order in which a server with
/// AES instructions prefers them.
static SUITES: [(&str, SupportedCipherSuite); 9] = [
    ("TLS_AES_128_GCM_SHA256", suite::TLS13_AES_128_GCM_SHA256),
    ("TLS_AES_256_GCM_SHA384", suite::TLS13_AES_256_GCM_SHA384),
    (
        "TLS_CHACHA20_POLY1305_SHA256",
        suite::TLS13_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    ),
    (
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
    (
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ),
];

/// The suites and groups that the options ask for.
pub(crate) fn provider(options: &TlsOptions) -> Result<CryptoProvider, TlsError> {
    let chosen = |name: &&'static str| {
        let find = SUITES.iter().find(|(known, _)| known == name);
        find.map(|(_, suite)| *suite)
            .ok_or_else(|| TlsError::CipherSuite {
                name: (*name).to_owned(),
            })
    };
    let named: Vec<_> = options
        .cipher_suites
        .iter()
        .map(chosen)
        .collect::<Result<_, _>>()?;
    let all = || SUITES.iter().map(|(_, suite)| *suite);
    let mut cipher_suites: Vec<_> = all().filter(|suite| suite.tls13().is_some()).collect();
    if named.is_empty() {
        cipher_suites.extend(all().filter(|suite| suite.tls13().is_none()));
    } else {
        cipher_suites.extend(named.iter().filter(|suite| suite.tls13().is_none()));
    }
    Ok(CryptoProvider {
        cipher_suites,
        kx_groups: groups(&options.curve_preferences),
        ..default_provider()
    })
}

/// The protocol versions that the options allow and the suites leave possible.
pub(crate) fn versions(
    options: &TlsOptions,
    provider: &CryptoProvider,
) -> &'static [&'static SupportedProtocolVersion] {
    let tls12_suite = |suite: &SupportedCipherSuite| suite.tls13().is_none();
    let tls12 =
        options.min_version == TlsVersion::Tls12 && provider.cipher_suites.iter().any(tls12_suite);
    static ALL: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    let (newest, _) = ALL.split_at(1);
    if tls12 { &ALL } else { newest }
}

/// The name that Go and IANA give to a suite.
pub(crate) fn suite_name(suite: CipherSuite) -> &'static str {
    SUITES
        .iter()
        .find(|(_, known)| known.suite() == suite)
        .map_or("", |(name, _)| *name)
}

/// Key exchange groups in the order of the options, or the default order.
fn groups(preferences: &[CurvePreference]) -> Vec<&'static dyn SupportedKxGroup> {
    let group = |preference: CurvePreference| match preference {
        CurvePreference::X25519MlKem768 => kx_group::X25519MLKEM768,
        CurvePreference::X25519 => kx_group::X25519,
        CurvePreference::P256 => kx_group::SECP256R1,
        CurvePreference::P384 => kx_group::SECP384R1,
        CurvePreference::P521 => SECP521R1,
    };
    if preferences.is_empty() {
        CurvePreference::ALL
            .map(|(_, preference)| group(preference))
            .to_vec()
    } else {
        preferences.iter().copied().map(group).collect()
    }
}
