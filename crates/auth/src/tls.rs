//! Certificates as identities: what a client certificate is called, and which of its names
//! select a user (`verify_and_map`), and which certificates are pinned.
//!
//! Owns the search order and distinguished-name matching. The driver reads the certificate and
//! hands over its names once per handshake; [`crate::users`] compares. Invariant: a
//! [`DistinguishedName`] is never empty, so a certificate without a subject maps to nobody.
//!
//! Absent: certificate parsing and chain verification.

use aws_lc_rs::digest::{SHA256, digest};
use std::fmt::Write as _;

/// `0.9.2342.19200300.100.1.25`, a domain component.
const DC: &str = "0.9.2342.19200300.100.1.25";

/// The attribute types with a short name, in the order in which the subject's text lists them
/// backwards. `DC` comes last because that text leaves it out.
const ATTRIBUTE_NAMES: [(&str, &str); 10] = [
    ("2.5.4.6", "C"),
    ("2.5.4.8", "ST"),
    ("2.5.4.7", "L"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.17", "POSTALCODE"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    (DC, "DC"),
];

/// The names found in a client certificate, each list in the certificate's order.
#[derive(Clone, Copy, Debug, Default)]
pub struct CertificateNames<'a> {
    /// E-mail addresses of the subject alternative name.
    pub emails: &'a [String],
    /// DNS names of the subject alternative name.
    pub dns_names: &'a [String],
    /// URIs of the subject alternative name.
    pub uris: &'a [String],
    /// The subject: its relative distinguished names, each with one attribute or several.
    pub subject: &'a [Vec<SubjectAttribute>],
}

/// One attribute of a certificate's subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectAttribute {
    /// The dotted object identifier, e.g. `2.5.4.3`.
    pub oid: String,
    /// The value, if it is a string.
    pub value: Option<String>,
}

/// One name by which a certificate may select a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsIdentity {
    /// Compared with user names as it stands.
    Name(String),
    /// Compared with user names that are distinguished names.
    DistinguishedName(DistinguishedName),
}

impl TlsIdentity {
    /// The names to try, in NATS's order: e-mail, DNS and URI alternative names; the subject as
    /// a distinguished name; the subject's text with domain components; the subject's text.
    pub fn from_certificate(names: &CertificateNames<'_>) -> Vec<TlsIdentity> {
        let alternative = names
            .emails
            .iter()
            .chain(names.dns_names)
            .chain(names.uris)
            .cloned();
        let mut identities: Vec<_> = alternative.map(TlsIdentity::Name).collect();
        identities.extend(
            DistinguishedName::from_subject(names.subject).map(TlsIdentity::DistinguishedName),
        );
        let text = subject_text(names.subject);
        let domain = domain_components(names.subject);
        if !domain.is_empty() {
            identities.push(TlsIdentity::Name(format!("{text},{domain}")));
        }
        identities.push(TlsIdentity::Name(text));
        // An empty name must not find a user who happens to have one.
        identities.retain(|identity| *identity != TlsIdentity::Name(String::new()));
        identities
    }
}

/// A distinguished name (RFC 4514) as a list of relative names, most specific first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName {
    rdns: Vec<RelativeName>,
}

/// The attributes of one relative name, sorted, since their order means nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RelativeName {
    attributes: Vec<(String, Vec<u8>)>,
}

impl RelativeName {
    fn new(mut attributes: Vec<(String, Vec<u8>)>) -> Self {
        attributes.sort_unstable();
        attributes.dedup();
        RelativeName { attributes }
    }
}

impl DistinguishedName {
    /// Reads `CN=name,OU=unit,O=org`; several attributes of one relative name are joined by
    /// `+`, and `\` escapes a special character or starts a hexadecimal pair. `None` if the
    /// text is no distinguished name (most user names are not), or uses BER values (`#…`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut rdns = Vec::new();
        let mut attributes = Vec::new();
        let mut rest = text.as_bytes();
        loop {
            // As in the Go server, a comma at the end is no harm.
            if rest.is_empty() && attributes.is_empty() && !rdns.is_empty() {
                return Some(DistinguishedName { rdns });
            }
            let equals = rest.iter().position(|&byte| byte == b'=')?;
            let (kind, after) = rest.split_at_checked(equals)?;
            let kind = std::str::from_utf8(kind).ok()?.trim_matches(' ');
            if kind.is_empty() || kind.contains([',', '+', '\\']) {
                return None;
            }
            let (value, end, after) = parse_value(after.get(1..)?)?;
            attributes.push((kind.to_ascii_uppercase(), value));
            if end != Some(b'+') {
                rdns.push(RelativeName::new(std::mem::take(&mut attributes)));
            }
            rest = after;
            if end.is_none() {
                return Some(DistinguishedName { rdns });
            }
        }
    }

    /// The subject of a certificate. `None` if it is empty or has an attribute without a short
    /// name or a string value: leaving that one out could make two subjects look alike.
    fn from_subject(subject: &[Vec<SubjectAttribute>]) -> Option<Self> {
        let rdns: Vec<_> = subject
            .iter()
            .rev()
            .filter(|attributes| !attributes.is_empty())
            .map(|attributes| {
                let named = attributes.iter().map(|attribute| {
                    let value = attribute.value.as_ref()?;
                    Some((
                        short_name(&attribute.oid)?.to_owned(),
                        value.as_bytes().to_vec(),
                    ))
                });
                named.collect::<Option<_>>().map(RelativeName::new)
            })
            .collect::<Option<_>>()?;
        (!rdns.is_empty()).then_some(DistinguishedName { rdns })
    }

    /// Whether both consist of the same relative names in whatever order. The caller tries
    /// equality (`==`), which wants the same order, on all candidates first.
    pub fn has_same_names(&self, other: &DistinguishedName) -> bool {
        let sorted = |name: &DistinguishedName| {
            let mut rdns = name.rdns.clone();
            rdns.sort_unstable();
            rdns
        };
        self.rdns.len() == other.rdns.len() && sorted(self) == sorted(other)
    }
}

/// Reads a value up to `,`, `+` or the end. Returns it unescaped and without the spaces around
/// it, what ended it, and what follows.
fn parse_value(text: &[u8]) -> Option<(Vec<u8>, Option<u8>, &[u8])> {
    if text.first() == Some(&b'#') {
        return None;
    }
    let start = text
        .iter()
        .position(|&byte| byte != b' ')
        .unwrap_or(text.len());
    let mut rest = text.get(start..)?;
    let mut value = Vec::new();
    // How much of the value is certain, the spaces after it being trailing unless more follows.
    let mut trimmed = 0;
    loop {
        let (&byte, after) = match rest.split_first() {
            Some((&(b',' | b'+'), _)) | None => {
                value.truncate(trimmed);
                let end = rest.first().copied();
                return Some((value, end, rest.get(1..).unwrap_or_default()));
            }
            Some(split) => split,
        };
        rest = after;
        if byte == b'\\' {
            let (escaped, after) = parse_escape(rest)?;
            value.push(escaped);
            trimmed = value.len();
            rest = after;
            continue;
        }
        value.push(byte);
        if byte != b' ' {
            trimmed = value.len();
        }
    }
}

/// Reads what follows a backslash: a special character, or two hexadecimal digits.
fn parse_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&first, rest) = text.split_first()?;
    if b" \"#+,;<=>\\".contains(&first) {
        return Some((first, rest));
    }
    let (&second, rest) = rest.split_first()?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some(((digit(first)? * 16 + digit(second)?) as u8, rest))
}

/// The subject as Go's standard library prints it, which existing user names are copied from:
/// known attributes only, grouped by type in a fixed order, values of one type joined by `+`.
fn subject_text(subject: &[Vec<SubjectAttribute>]) -> String {
    let mut text = String::new();
    for (oid, name) in ATTRIBUTE_NAMES.iter().rev().filter(|(oid, _)| *oid != DC) {
        let values = values_of(subject, oid);
        // A certificate has one common name and serial number; the last one given counts.
        let single = matches!(*name, "CN" | "SERIALNUMBER");
        let skip = if single {
            values.len().saturating_sub(1)
        } else {
            0
        };
        for (i, value) in values.into_iter().skip(skip).enumerate() {
            if single && value.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push(if i == 0 { ',' } else { '+' });
            }
            text.push_str(name);
            text.push('=');
            push_escaped(&mut text, value);
        }
    }
    text
}

/// `DC=…,DC=…` in the certificate's order, unescaped, as the Go server does it.
fn domain_components(subject: &[Vec<SubjectAttribute>]) -> String {
    let mut text = String::new();
    for value in values_of(subject, DC) {
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}DC={value}");
    }
    text
}

fn values_of<'a>(subject: &'a [Vec<SubjectAttribute>], oid: &str) -> Vec<&'a str> {
    let attributes = subject
        .iter()
        .flatten()
        .filter(|attribute| attribute.oid == oid);
    attributes
        .filter_map(|attribute| attribute.value.as_deref())
        .collect()
}

/// Escapes per RFC 2253.
fn push_escaped(text: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (i, c) in value.chars().enumerate() {
        let escape = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => i == 0 || i == last,
            '#' => i == 0,
            _ => false,
        };
        if escape {
            text.push('\\');
        }
        text.push(c);
    }
}

fn short_name(oid: &str) -> Option<&'static str> {
    ATTRIBUTE_NAMES
        .iter()
        .find(|(known, _)| *known == oid)
        .map(|(_, name)| *name)
}

/// `pinned_certs`: SHA-256 digests of the public keys (SubjectPublicKeyInfo, DER) that peers
/// may have. Empty means that any will do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PinnedCerts {
    digests: Vec<[u8; 32]>,
}

impl PinnedCerts {
    /// Reads the configured digests, 64 hexadecimal digits each in either case. The error is
    /// the entry that is not one.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let digests = entries
            .into_iter()
            .map(|entry| parse_hex(entry).ok_or(entry.to_owned()));
        let mut digests = digests.collect::<Result<Vec<_>, _>>()?;
        digests.sort_unstable();
        Ok(PinnedCerts { digests })
    }

    /// Whether nothing is pinned.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether a peer may connect whose certificate has this SubjectPublicKeyInfo (DER), or
    /// which showed no certificate.
    pub fn allow(&self, public_key_info: Option<&[u8]>) -> bool {
        self.is_empty()
            || public_key_info.is_some_and(|info| {
                let seen = digest(&SHA256, info);
                self.digests
                    .binary_search_by(|pinned| pinned[..].cmp(seen.as_ref()))
                    .is_ok()
            })
    }
}

/// Whether one of a certificate's names is this user's, compared as it stands. Routes, gateways
/// and users of the leaf node listener are mapped like this, without distinguished names.
pub fn names_user(identities: &[TlsIdentity], user: &str) -> bool {
    !user.is_empty()
        && identities.iter().any(|identity| match identity {
            TlsIdentity::Name(name) => name == user,
            TlsIdentity::DistinguishedName(_) => false,
        })
}

/// Whether a DNS name of a certificate stands for a host (RFC 6125): without regard to case, and
/// with `*` for the whole leftmost label. `verify_cert_and_check_known_urls` compares with the
/// hosts of configured URLs.
pub fn dns_name_matches(dns_name: &str, host: &str) -> bool {
    let same = |pattern: &str, label: &str| pattern.eq_ignore_ascii_case(label);
    match (dns_name.strip_prefix("*."), host.split_once('.')) {
        (Some(pattern), Some((_, rest))) => same(pattern, rest),
        (Some(_), None) => false,
        // A lone `*` is one label.
        (None, None) if dns_name == "*" => true,
        (None, _) => same(dns_name, host),
    }
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16));
    let digits = digits.collect::<Option<Vec<_>>>()?;
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair
            .iter()
            .fold(0, |value, digit| value * 16 + *digit as u8);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
