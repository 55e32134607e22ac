//! What a person wants to know of an X.509 certificate.
//!
//! The connection's TLS library has verified the certificate before; nothing is decided here, but who of
//! some authorities is the issuer. Names are as `cognate-tls` shows them everywhere else.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Signature algorithms that authorities use, by the names that Go gives them.
const ALGORITHMS: [(&str, &str); 10] = [
    ("1.2.840.113549.1.1.5", "SHA1-RSA"),
    ("1.2.840.113549.1.1.11", "SHA256-RSA"),
    ("1.2.840.113549.1.1.12", "SHA384-RSA"),
    ("1.2.840.113549.1.1.13", "SHA512-RSA"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.2.840.10045.4.1", "ECDSA-SHA1"),
    ("1.2.840.10045.4.3.2", "ECDSA-SHA256"),
    ("1.2.840.10045.4.3.3", "ECDSA-SHA384"),
    ("1.2.840.10045.4.3.4", "ECDSA-SHA512"),
    ("1.3.101.112", "Ed25519"),
];

/// A certificate for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Whose it is: `CN=localhost,O=…`.
    pub(super) subject: String,
    /// Who signed it.
    pub(super) issuer: String,
    /// Its number, in decimal digits.
    pub(super) serial: String,
    /// The last moment it is valid.
    pub(super) expires: Option<Timestamp>,
    /// Names and addresses it is for, by the kind of name.
    pub(super) names: Vec<(&'static str, Vec<String>)>,
    /// Whether it may sign others.
    pub(super) is_ca: bool,
    /// How it is signed.
    pub(super) algorithm: String,
}

impl Certificate {
    /// Reads a certificate; `None` if it is not one.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(der).ok()?;
        let (subject, issuer) = cognate_tls::names_of(der);
        let algorithm = read.signature_algorithm.algorithm.to_id_string();
        let known = ALGORITHMS.iter().find(|(id, _)| *id == algorithm);
        Some(Certificate {
            subject,
            issuer,
            serial: read.serial.to_string(),
            expires: Timestamp::from_second(read.validity().not_after.timestamp()).ok(),
            names: names(&read),
            is_ca: read.is_ca(),
            algorithm: known.map_or(algorithm.clone(), |(_, name)| (*name).to_owned()),
        })
    }
}

/// The authority that signed the last certificate of a chain, if it is not in the chain itself.
pub(super) fn root_of<'a>(last: &[u8], authorities: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    if authorities.iter().any(|authority| authority == last) {
        return None;
    }
    let (_, issuer) = cognate_tls::names_of(last);
    let is_issuer = |der: &&Vec<u8>| cognate_tls::names_of(der).0 == issuer;
    authorities.iter().find(is_issuer).map(Vec::as_slice)
}

fn names(certificate: &X509Certificate<'_>) -> Vec<(&'static str, Vec<String>)> {
    let found = certificate.subject_alternative_name().ok().flatten();
    let all = found.map_or(&[][..], |found| found.value.general_names.as_slice());
    let of = |pick: fn(&GeneralName<'_>) -> Option<String>| all.iter().filter_map(pick).collect();
    let kinds: [(&str, Vec<String>); 4] = [
        (
            "DNS Names",
            of(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                _ => None,
            }),
        ),
        (
            "IP Addresses",
            of(|name| match name {
                GeneralName::IPAddress(bytes) => address(bytes),
                _ => None,
            }),
        ),
        (
            "URIs",
            of(|name| match name {
                GeneralName::URI(name) => Some((*name).to_owned()),
                _ => None,
            }),
        ),
        (
            "Email Addresses",
            of(|name| match name {
                GeneralName::RFC822Name(name) => Some((*name).to_owned()),
                _ => None,
            }),
        ),
    ];
    kinds
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_read() {
        let mut params =
            rcgen::CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
                .expect("names");
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a server");
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        params.serial_number = Some(vec![1, 0xab].into());
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let made = params.self_signed(&key).expect("a certificate");
        let read = Certificate::read(made.der()).expect("it is one");
        let expected = Certificate {
            subject: "CN=a server".to_owned(),
            issuer: "CN=a server".to_owned(),
            serial: "427".to_owned(),
            expires: "2031-02-03T00:00:00Z".parse().ok(),
            names: vec![
                ("DNS Names", vec!["localhost".to_owned()]),
                ("IP Addresses", vec!["127.0.0.1".to_owned()]),
            ],
            is_ca: true,
            algorithm: "ECDSA-SHA256".to_owned(),
        };
        assert_eq!(read, expected);
        for end in 0..made.der().len() {
            assert_eq!(Certificate::read(&made.der()[..end]), None);
        }
    }

    #[test]
    fn an_authority_is_found_by_its_name() {
        let named = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params
                .distinguished_name
                .push(rcgen::DnType::CommonName, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
        };
        let key = || rcgen::KeyPair::generate().expect("a key");
        let authority =
            rcgen::CertifiedIssuer::self_signed(named("root"), key()).expect("a certificate");
        let leaf = named("leaf")
            .signed_by(&key(), &authority)
            .expect("a certificate");
        let root = authority.der().to_vec();
        let authorities = [root.clone()];
        assert_eq!(root_of(leaf.der(), &authorities), Some(root.as_slice()));
        assert_eq!(root_of(&root, &authorities), None);
        assert_eq!(root_of(leaf.der(), &[]), None);
    }
}
