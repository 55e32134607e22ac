//! What is known about the other side of an accepted connection.
//!
//! Owns the reading of client certificates into the fields that `connz` shows and the names by
//! which `verify_and_map` finds a user. Invariant: a certificate that cannot be read gives no
//! identity but an error, since leaving names out could select another user. Called once per
//! handshake. Absent: which name wins, see `cognate_auth::tls`.

use crate::crypto;
use aws_lc_rs::digest::{SHA256, digest};
use cognate_auth::tls::{CertificateNames, SubjectAttribute, TlsIdentity};
use rustls::{CommonState, ProtocolVersion};
use rustls_pki_types::CertificateDer;
use std::fmt::Write as _;
use x509_parser::asn1_rs::{Any, Tag};
use x509_parser::prelude::{
    AttributeTypeAndValue, FromDer, GeneralName, X509Certificate, X509Name,
};

/// What a handshake told about the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerDetail {
    /// The protocol version as `connz` shows it: `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite by the name that Go and IANA give it.
    pub cipher_suite: &'static str,
    /// The certificates that the client showed, its own first. Empty unless asked for.
    pub peers: Vec<PeerCertificate>,
    /// The names of the client's own certificate in the order in which users are looked up.
    pub identities: Vec<TlsIdentity>,
    /// The certificates themselves, in DER, for an auth callout; whoever asks none may let them go.
    pub chain: Vec<Vec<u8>>,
}

/// A certificate as `connz?auth=1` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The subject's distinguished name, as Go's standard library prints it.
    pub subject: String,
    /// SHA-256 of the SubjectPublicKeyInfo (DER) in lower-case hexadecimal: what
    /// `pinned_certs` lists.
    pub spki_sha256: String,
    /// SHA-256 of the certificate (DER) in lower-case hexadecimal.
    pub cert_sha256: String,
}

impl PeerDetail {
    /// Reads what a completed handshake left. The error is a reason to refuse the peer.
    pub(crate) fn read(connection: &CommonState) -> Result<Self, String> {
        let chain = connection.peer_certificates().unwrap_or_default();
        let suite = connection.negotiated_cipher_suite();
        let mut peers = Vec::with_capacity(chain.len());
        let mut identities = Vec::new();
        for (index, der) in chain.iter().enumerate() {
            let certificate = parse(der)?;
            if index == 0 {
                identities = identities_of(&certificate)?;
            }
            peers.push(PeerCertificate::of(&certificate, der));
        }
        Ok(PeerDetail {
            version: match connection.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "1.3",
                _ => "1.2",
            },
            cipher_suite: suite.map_or("", |suite| crypto::suite_name(suite.suite())),
            peers,
            identities,
            chain: chain.iter().map(|der| der.to_vec()).collect(),
        })
    }
}

/// The distinguished names in a certificate (DER), of its subject and of its issuer, as Go's standard
/// library prints them; empty if it cannot be read.
#[must_use]
pub fn names_of(der: &[u8]) -> (String, String) {
    let der = CertificateDer::from(der);
    parse(&der).map_or_else(
        |_| Default::default(),
        |read| (subject_text(read.subject()), subject_text(read.issuer())),
    )
}

impl PeerCertificate {
    /// Reads any certificate (DER): how it is shown, and the names of users that it may stand for, in
    /// the order in which they are looked up.
    ///
    /// # Errors
    /// What about it cannot be read.
    pub fn read(der: &[u8]) -> Result<(Self, Vec<TlsIdentity>), String> {
        let der = CertificateDer::from(der);
        let certificate = parse(&der)?;
        let identities = identities_of(&certificate)?;
        Ok((Self::of(&certificate, &der), identities))
    }

    fn of(certificate: &X509Certificate<'_>, der: &[u8]) -> Self {
        PeerCertificate {
            subject: subject_text(certificate.subject()),
            spki_sha256: sha256_hex(certificate.public_key().raw),
            cert_sha256: sha256_hex(der),
        }
    }
}

/// Names a certificate in a log line: its subject if it can be read, and its digest.
pub(crate) fn describe(der: &CertificateDer<'_>) -> String {
    let subject = parse(der).map(|certificate| subject_text(certificate.subject()));
    let mut subject = subject.unwrap_or_default();
    // Nobody vouches for this text: it must not begin a line of its own in the log.
    subject.retain(|c| !c.is_control());
    format!("{subject} SHA-256: {}", sha256_hex(der))
}

/// Until when a certificate is valid, in seconds since 1970; 0 if that cannot be read.
pub(crate) fn expiry(der: &CertificateDer<'_>) -> u64 {
    parse(der)
        .ok()
        .and_then(|certificate| certificate.validity().not_after.timestamp().try_into().ok())
        .unwrap_or_default()
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(format!("the certificate cannot be read: {error}")),
    }
}

fn identities_of(certificate: &X509Certificate<'_>) -> Result<Vec<TlsIdentity>, String> {
    let (mut emails, mut dns_names, mut uris) = (Vec::new(), Vec::new(), Vec::new());
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|error| format!("the subject alternative name cannot be read: {error}"))?;
    for name in alternative
        .iter()
        .flat_map(|names| &names.value.general_names)
    {
        match name {
            GeneralName::RFC822Name(email) => emails.push((*email).to_owned()),
            GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            _ => {}
        }
    }
    Ok(TlsIdentity::from_certificate(&CertificateNames {
        emails: &emails,
        dns_names: &dns_names,
        uris: &uris,
        subject: &attributes(certificate.subject()),
    }))
}

fn attributes(subject: &X509Name<'_>) -> Vec<Vec<SubjectAttribute>> {
    let attribute = |attribute: &AttributeTypeAndValue<'_>| SubjectAttribute {
        oid: attribute.attr_type().to_id_string(),
        value: text_of(attribute.attr_value()),
    };
    subject
        .iter()
        .map(|rdn| rdn.iter().map(attribute).collect())
        .collect()
}

/// The value of an attribute, if it is a string.
fn text_of(value: &Any<'_>) -> Option<String> {
    match value.tag() {
        // In practice this has always been used as if it were Latin-1.
        Tag::T61String => Some(value.data.iter().copied().map(char::from).collect()),
        Tag::BmpString => {
            let units = value.data.chunks(2).map(|pair| match pair {
                &[high, low] => u16::from_be_bytes([high, low]),
                // Half a character: not valid by itself either.
                _ => 0xd800,
            });
            String::from_utf16(&units.collect::<Vec<_>>()).ok()
        }
        // The library's own conversion of any string panics on other types.
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.data).ok().map(str::to_owned)
        }
        _ => None,
    }
}

/// The subject as Go's standard library prints a parsed one, which `connz` shows: the attributes
/// with a short name, as in [`TlsIdentity`], and then the others in reverse order, each by its
/// number with the value in hexadecimal DER.
fn subject_text(subject: &X509Name<'_>) -> String {
    let subject = attributes(subject);
    let names = CertificateNames {
        subject: &subject,
        ..CertificateNames::default()
    };
    // Of a certificate with nothing but a subject, the last name is that text, unless it is empty
    // and the last one is its domain components, with the comma that follows an empty text.
    let mut text = match TlsIdentity::from_certificate(&names).pop() {
        Some(TlsIdentity::Name(text)) if !text.starts_with(',') => text,
        _ => String::new(),
    };
    let others = subject.iter().flatten().rev();
    for SubjectAttribute { oid, value } in others.filter(|other| !has_short_name(&other.oid)) {
        let Some(value) = value else { continue };
        let comma = if text.is_empty() { "" } else { "," };
        let _ = write!(text, "{comma}{oid}=#{}", hex(&string_der(value)));
    }
    text
}

/// Whether Go prints an attribute by a short name.
fn has_short_name(oid: &str) -> bool {
    let number = oid.strip_prefix("2.5.4.");
    number.is_some_and(|number| ["3", "5", "6", "7", "8", "9", "10", "11", "17"].contains(&number))
}

/// A string in DER: a PrintableString if its characters allow, else a UTF8String.
fn string_der(text: &str) -> Vec<u8> {
    let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    let tag = if text.bytes().all(printable) {
        0x13
    } else {
        0x0c
    };
    let mut der = vec![tag];
    let length = text.len().to_be_bytes();
    match u8::try_from(text.len()) {
        Ok(length) if length < 0x80 => der.push(length),
        _ => {
            let zeros = length.iter().take_while(|byte| **byte == 0).count();
            let significant = length.get(zeros..).unwrap_or_default();
            der.push(0x80 | significant.len() as u8);
            der.extend_from_slice(significant);
        }
    }
    der.extend_from_slice(text.as_bytes());
    der
}

#[cfg(test)]
mod tests;
