//! What a person wants to know of an X.509 certificate, read from its DER.
//!
//! The connection's TLS library has verified the certificate before; nothing is decided here. What is
//! not understood is left out.

use std::net::{Ipv4Addr, Ipv6Addr};

use jiff::Timestamp;
use jiff::civil::DateTime;

/// The id of the subject alternative names: 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// The id of the basic constraints: 2.5.29.19.
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];

/// A certificate for people.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Whose it is: `CN=localhost,O=…`.
    pub(super) subject: String,
    /// Who signed it.
    pub(super) issuer: String,
    /// Its number, in hexadecimal digits.
    pub(super) serial: String,
    /// The last moment it is valid.
    pub(super) expires: Option<Timestamp>,
    /// Names and addresses it is for.
    pub(super) names: Vec<String>,
    /// Whether it may sign others.
    pub(super) is_ca: bool,
}

impl Certificate {
    /// Reads a certificate; `None` if it is not one.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate, _) = element(der)?;
        let (_, mut rest, _) = element(certificate)?;
        let mut next = || {
            let (tag, contents, tail) = element(rest)?;
            rest = tail;
            Some((tag, contents))
        };
        let (tag, mut serial) = next()?;
        // The version is left out by the oldest ones.
        if tag == 0xa0 {
            serial = next()?.1;
        }
        next()?;
        let (_, issuer) = next()?;
        let (_, validity) = next()?;
        let (_, subject) = next()?;
        let (_, _, until) = element(validity)?;
        let mut read = Certificate {
            subject: name(subject),
            issuer: name(issuer),
            serial: serial.iter().map(|byte| format!("{byte:02x}")).collect(),
            expires: element(until).and_then(|(tag, text, _)| time(tag, text)),
            ..Certificate::default()
        };
        next()?;
        while let Some((tag, contents)) = next() {
            if tag == 0xa3 {
                read.extensions(contents);
            }
        }
        Some(read)
    }

    fn extensions(&mut self, contents: &[u8]) {
        let Some((_, list, _)) = element(contents) else {
            return;
        };
        for (_, extension) in elements(list) {
            let parts = elements(extension);
            let (Some((_, id)), Some((_, value))) = (parts.first(), parts.last()) else {
                continue;
            };
            let Some((_, value, _)) = element(value) else {
                continue;
            };
            match *id {
                ALTERNATIVE_NAMES => {
                    let names = elements(value).into_iter();
                    self.names
                        .extend(names.filter_map(|(tag, name)| alternative(tag, name)));
                }
                BASIC_CONSTRAINTS => {
                    let first = elements(value).into_iter().next();
                    self.is_ca = first.is_some_and(|(tag, value)| tag == 1 && value != [0]);
                }
                _ => {}
            }
        }
    }
}

/// The first element: its tag, its contents, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let len = digits
                .iter()
                .fold(0_usize, |len, digit| len << 8 | usize::from(*digit));
            (len, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    Some((tag, contents, rest))
}

/// All elements of a sequence, as far as they are understood.
fn elements(mut der: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((tag, contents, rest)) = element(der) {
        found.push((tag, contents));
        der = rest;
    }
    found
}

/// A distinguished name, the most specific part first.
fn name(der: &[u8]) -> String {
    let mut parts = Vec::new();
    for (_, set) in elements(der) {
        for (_, pair) in elements(set) {
            let [(_, id), (_, value)] = elements(pair)[..] else {
                continue;
            };
            let label = match id {
                [0x55, 0x04, 0x03] => "CN",
                [0x55, 0x04, 0x06] => "C",
                [0x55, 0x04, 0x07] => "L",
                [0x55, 0x04, 0x08] => "ST",
                [0x55, 0x04, 0x0a] => "O",
                [0x55, 0x04, 0x0b] => "OU",
                _ => continue,
            };
            parts.push(format!("{label}={}", String::from_utf8_lossy(value)));
        }
    }
    parts.reverse();
    parts.join(",")
}

/// `260101000000Z` (until 2049) or `20260101000000Z`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        0x17 if text < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        _ => text.to_owned(),
    };
    let at = DateTime::strptime("%Y%m%d%H%M%S", &text).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn alternative(tag: u8, name: &[u8]) -> Option<String> {
    match tag {
        0x81 | 0x82 | 0x86 => Some(String::from_utf8_lossy(name).into_owned()),
        0x87 => match name.len() {
            4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(name).ok()?).to_string()),
            16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(name).ok()?).to_string()),
            _ => None,
        },
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
            serial: "01ab".to_owned(),
            expires: "2031-02-03T00:00:00Z".parse().ok(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            is_ca: true,
        };
        assert_eq!(read, expected);
        for end in 0..made.der().len() {
            assert_eq!(Certificate::read(&made.der()[..end]), None);
        }
    }
}
