//! `tls {}` of a listener for clients.
//!
//! Owns the names of cipher suites and the rules between the keys of the block. Files are only
//! checked to exist; the server reads them. Cipher suites that Go has but this server's TLS does
//! not offer are dropped with a warning as long as another one of the list is offered.

use super::Check;
use crate::duration;
use crate::options::{
    CertificatePair, CurvePreference, HandshakeFirst, Options, PinnedCert, TlsOptions, TlsVersion,
};
use crate::schema::{CERTIFICATE, TLS};
use crate::syntax::{Problem, Value, ValueKind};
use std::time::Duration;

/// What `handshake_first: auto` waits before it sends INFO.
const AUTO_FALLBACK: Duration = Duration::from_millis(50);

/// Cipher suites this server offers.
const OFFERED: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Cipher suites with known weaknesses that NATS accepts without asking.
const CBC: [&str; 4] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
];

/// Cipher suites that NATS accepts only with `allow_insecure_cipher_suites`.
const INSECURE: [&str; 12] = [
    "TLS_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
];

/// The cipher suites that `cipher_suites` may name and this server offers.
#[must_use]
pub fn offered_cipher_suites() -> &'static [&'static str] {
    &OFFERED
}

/// A `tls {}` block while its keys are being read.
#[derive(Default)]
pub(crate) struct TlsDraft {
    pub(crate) options: TlsOptions,
    pub(crate) cert_file: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) certificates: Vec<CertificatePair>,
    pub(crate) allow_insecure: bool,
    pub(crate) insecure_suites: Vec<&'static str>,
    /// A named file is missing, which has been reported.
    pub(crate) file_missing: bool,
}

/// Reads the whole block.
pub(crate) fn tls(check: &mut Check<'_>, value: &Value, target: &mut Options) {
    target.tls = Some(tls_block(check, value, &mut TlsDraft::default()));
}

/// Reads a block of any listener or connection.
pub(crate) fn tls_block(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) -> TlsOptions {
    check.block(value, "tls", TLS, draft);
    let TlsDraft {
        mut options,
        cert_file,
        key_file,
        certificates,
        allow_insecure,
        insecure_suites,
        file_missing,
    } = std::mem::take(draft);
    let mut fail = |message: String| check.error(Problem::new(value.span, message));
    let both = !certificates.is_empty() && cert_file.is_some();
    options.certificates = certificates;
    match (cert_file, key_file) {
        _ if both => {
            fail(
                "error parsing tls config, cannot combine 'cert_file' option with 'certs' option"
                    .into(),
            );
        }
        (Some(cert_file), Some(key_file)) => {
            options.certificates.push(CertificatePair {
                cert_file,
                key_file,
            });
        }
        _ if file_missing => {}
        (Some(_), None) => fail("missing 'key_file' in TLS configuration".into()),
        (None, Some(_)) => fail("missing 'cert_file' in TLS configuration".into()),
        (None, None) => {}
    }
    if !allow_insecure && !insecure_suites.is_empty() {
        let names = insecure_suites.join(", ");
        fail(format!(
            "insecure cipher suites configured without 'allow_insecure_cipher_suites' option set: \
             {names}"
        ));
    }
    options
}

/// A key of the block that names a file.
pub(crate) fn tls_file(check: &mut Check<'_>, value: &Value, missing: &mut bool) -> Option<String> {
    let file = check.file(value);
    *missing |= file.is_none();
    file.filter(|path| !path.is_empty())
}

/// `certs`: pairs of files.
pub(crate) fn certificates(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    let ValueKind::Array(items) = &value.kind else {
        check.wrong_type(value, "an array: [ { cert_file: …, key_file: … } ]");
        return;
    };
    for item in items {
        let mut pair = TlsDraft::default();
        check.block(item, "certs", CERTIFICATE, &mut pair);
        draft.file_missing |= pair.file_missing;
        match (pair.cert_file, pair.key_file) {
            (Some(cert_file), Some(key_file)) => {
                draft.certificates.push(CertificatePair {
                    cert_file,
                    key_file,
                });
            }
            _ if pair.file_missing => {}
            _ => check.error(
                Problem::new(item.span, "error parsing certificates config")
                    .expected("both 'cert_file' and 'key_file'"),
            ),
        }
    }
}

/// `cipher_suites`.
pub(crate) fn cipher_suites(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    let (mut suites, mut dropped) = (Vec::new(), Vec::new());
    for (name, item) in names(check, value) {
        let find = |list: &[&'static str]| list.iter().copied().find(|known| *known == name);
        if let Some(suite) = find(&OFFERED) {
            suites.push(suite);
        } else if let Some(suite) = find(&CBC) {
            dropped.push(suite);
        } else if let Some(suite) = find(&INSECURE) {
            draft.insecure_suites.push(suite);
            dropped.push(suite);
        } else {
            let mut problem = Problem::new(item.span, format!("unrecognized cipher {name}"));
            if let Some(nearest) = crate::suggest::nearest(name, OFFERED.into_iter()) {
                problem = problem.hint(format!("did you mean {nearest:?}?"));
            }
            check.error(problem);
        }
    }
    if !dropped.is_empty() {
        let names = dropped.join(", ");
        if suites.is_empty() {
            let message = format!("no cipher suite of this list is offered: {names}");
            let offered = format!("one of {}", OFFERED.join(", "));
            check.error(Problem::new(value.span, message).expected(offered));
        } else {
            check.warn(
                value.span,
                &format!("these cipher suites are not offered: {names}"),
            );
        }
    }
    draft.options.cipher_suites = suites;
}

/// `curve_preferences`.
pub(crate) fn curve_preferences(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    let mut curves = Vec::new();
    for (name, item) in names(check, value) {
        match CurvePreference::ALL
            .iter()
            .find(|(known, _)| *known == name)
        {
            Some((_, curve)) => curves.push(*curve),
            None => {
                let known = CurvePreference::ALL.map(|(name, _)| name).join(", ");
                let message = format!("unrecognized curve preference {name}");
                check.error(Problem::new(item.span, message).expected(format!("any of {known}")));
            }
        }
    }
    draft.options.curve_preferences = curves;
}

/// The strings of an array that may not be empty.
fn names<'v, 't>(check: &mut Check<'_>, value: &'v Value<'t>) -> Vec<(&'v str, &'v Value<'t>)> {
    match &value.kind {
        ValueKind::Array(items) if !items.is_empty() => items
            .iter()
            .filter_map(|item| Some((check.string(item)?, item)))
            .collect(),
        ValueKind::Array(_) => {
            let message = format!(
                "error parsing tls config, '{}' cannot be empty",
                check.key()
            );
            check.invalid(value, message);
            Vec::new()
        }
        _ => {
            check.wrong_type(value, "an array of names");
            Vec::new()
        }
    }
}

/// `pinned_certs`.
pub(crate) fn pinned_certs(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    let ValueKind::Array(items) = &value.kind else {
        check.wrong_type(
            value,
            "a list of hex-encoded sha256 of DER encoded SubjectPublicKeyInfo",
        );
        return;
    };
    for item in items {
        let Some(text) = check.string(item) else {
            continue;
        };
        match digest_of_hex(text) {
            Some(digest) => draft.options.pinned_certs.push(digest),
            None => check.error(
                Problem::new(
                    item.span,
                    "error parsing tls config, 'pinned_certs' key does not look like hex-encoded \
                     sha256 of DER encoded SubjectPublicKeyInfo",
                )
                .expected("64 hexadecimal digits"),
            ),
        }
    }
}

fn digest_of_hex(text: &str) -> Option<PinnedCert> {
    let mut digest = PinnedCert::default();
    if text.len() != 2 * digest.len() || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// `min_version`.
pub(crate) fn min_version(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    const EXPECTED: &str = "\"1.2\" or \"1.3\"";
    let ValueKind::String(text) = &value.kind else {
        check.error(
            Problem::new(
                value.span,
                "error parsing tls config: 'min_version' wrong type",
            )
            .expected(EXPECTED)
            .hint("the version needs quotes"),
        );
        return;
    };
    match &**text {
        "1.2" => draft.options.min_version = TlsVersion::Tls12,
        "1.3" => draft.options.min_version = TlsVersion::Tls13,
        _ => {
            let message = format!("error parsing tls config: unsupported TLS version: {text:?}");
            check.error(Problem::new(value.span, message).expected(EXPECTED));
        }
    }
}

/// `handshake_first`.
pub(crate) fn handshake_first(check: &mut Check<'_>, value: &Value, draft: &mut TlsDraft) {
    const EXPECTED: &str = "true, false, auto or a duration such as \"250ms\"";
    let handshake_first = match &value.kind {
        ValueKind::Bool(true) => Some(HandshakeFirst::On),
        ValueKind::Bool(false) => Some(HandshakeFirst::Off),
        ValueKind::String(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" => Some(HandshakeFirst::On),
            "false" | "off" => Some(HandshakeFirst::Off),
            "auto" | "auto_fallback" => Some(HandshakeFirst::Fallback(AUTO_FALLBACK)),
            _ => duration::parse(text).map(|delay| match (delay.negative, delay.length) {
                // Without a delay there is nothing to fall back to.
                (true, _) | (_, Duration::ZERO) => HandshakeFirst::On,
                (false, delay) => HandshakeFirst::Fallback(delay),
            }),
        },
        _ => {
            check.wrong_type(value, EXPECTED);
            return;
        }
    };
    match handshake_first {
        Some(handshake_first) => draft.options.handshake_first = handshake_first,
        None => {
            let message = format!("field {:?}'s value is invalid", check.key());
            check.error(Problem::new(value.span, message).expected(EXPECTED));
        }
    }
}

/// `verify_cert_and_check_known_urls`, which only routes and gateways may have.
pub(crate) fn check_known_urls(check: &mut Check<'_>, value: &Value) {
    if check.bool(value) == Some(true) {
        let message = "verify_cert_and_check_known_urls not supported in this context";
        check.error(Problem::new(value.span, message).hint("clients are checked by \"verify\""));
    }
}
