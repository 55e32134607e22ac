//! Client certificates and the users that they stand for (`verify_and_map`).
//!
//! Raw DER must be refused or be read the same twice, within bounds. Names that the fuzzer chooses are
//! put into a certificate here: then exactly those names come out of it, in NATS's order, so that no
//! spelling of a string and no repetition selects somebody else; and what monitoring shows has no
//! control characters that a name did not have. The text is lines: `oid=value` is an attribute of the
//! subject, an empty line begins a relative name, `@`, `:` and others are e-mail, URI and DNS names.
#![no_main]

use cognate_auth::tls::{CertificateNames, SubjectAttribute, TlsIdentity};
use cognate_fuzz::choose;
use cognate_tls::PeerCertificate;
use libfuzzer_sys::fuzz_target;

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let check: fn(&[u8]) = choose(which, [raw, from_names]);
    check(rest);
});

fn raw(der: &[u8]) {
    let first = PeerCertificate::read(der);
    assert_eq!(first, PeerCertificate::read(der));
    if let Ok((shown, identities)) = first {
        assert!(shown.subject.len() <= 8 * der.len() + 64);
        assert!(identities.len() <= der.len());
        assert!(!identities.contains(&TlsIdentity::Name(String::new())));
        assert_eq!((shown.cert_sha256.len(), shown.spki_sha256.len()), (64, 64));
    }
}

fn from_names(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let mut subject = vec![Vec::new()];
    let (mut emails, mut dns_names, mut uris) = (Vec::new(), Vec::new(), Vec::new());
    for line in text.split('\n').take(48) {
        let attribute = line
            .split_once('=')
            .and_then(|(oid, value)| Some((encoded_oid(oid)?, oid, value)));
        match attribute {
            Some((_, oid, value)) => subject.last_mut().expect("one").push(SubjectAttribute {
                oid: oid.to_owned(),
                value: Some(value.to_owned()),
            }),
            None if line.is_empty() => subject.push(Vec::new()),
            None if !line.is_ascii() => {}
            None if line.contains('@') => emails.push(line.to_owned()),
            None if line.contains(':') => uris.push(line.to_owned()),
            None => dns_names.push(line.to_owned()),
        }
    }
    subject.retain(|names| !names.is_empty());
    let names = CertificateNames {
        emails: &emails,
        dns_names: &dns_names,
        uris: &uris,
        subject: &subject,
    };
    let der = certificate(&names);
    // Alternative names that cannot be URIs or the like may be refused, but never read as others.
    let Ok((_, identities)) = PeerCertificate::read(&der) else {
        return;
    };
    assert_eq!(identities, TlsIdentity::from_certificate(&names));
}

/// A certificate with these names and nothing else of interest.
fn certificate(names: &CertificateNames<'_>) -> Vec<u8> {
    let algorithm = der(SEQUENCE, &[&der(0x06, &[&[0x2b, 0x65, 0x70]])]);
    let rdns: Vec<Vec<u8>> = names.subject.iter().map(|rdn| relative_name(rdn)).collect();
    let subject = der(
        SEQUENCE,
        &rdns.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
    let time = der(0x17, &[b"260101000000Z"]);
    let validity = der(SEQUENCE, &[&time, &time]);
    let key = der(SEQUENCE, &[&algorithm, &der(0x03, &[&[0; 33]])]);
    let general = |tag: u8, list: &[String]| -> Vec<u8> {
        let each = list.iter().map(|name| der(tag, &[name.as_bytes()]));
        each.collect::<Vec<_>>().concat()
    };
    let alternative = der(
        SEQUENCE,
        &[
            &general(0x81, names.emails),
            &general(0x82, names.dns_names),
            &general(0x86, names.uris),
        ],
    );
    let extension = der(
        SEQUENCE,
        &[
            &der(0x06, &[&[0x55, 0x1d, 0x11]]),
            &der(0x04, &[&alternative]),
        ],
    );
    let extensions = der(0xa3, &[&der(SEQUENCE, &[&extension])]);
    let has_names = names.emails.len() + names.dns_names.len() + names.uris.len() > 0;
    let body = der(
        SEQUENCE,
        &[
            &der(0xa0, &[&der(0x02, &[&[2]])]),
            &der(0x02, &[&[1]]),
            &algorithm,
            &subject,
            &validity,
            &subject,
            &key,
            if has_names { &extensions } else { &[] },
        ],
    );
    der(SEQUENCE, &[&body, &algorithm, &der(0x03, &[&[0; 65]])])
}

fn relative_name(names: &[SubjectAttribute]) -> Vec<u8> {
    let attributes = names.iter().map(|name| {
        let oid = encoded_oid(&name.oid).expect("it was read before");
        let text = name.value.as_deref().unwrap_or_default();
        let printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
        // Several spellings of one text mean the same.
        let tag = match text.len() % 3 {
            0 if text.bytes().all(printable) => PRINTABLE_STRING,
            1 if text.is_ascii() => IA5_STRING,
            _ => UTF8_STRING,
        };
        der(
            SEQUENCE,
            &[&der(0x06, &[&oid]), &der(tag, &[text.as_bytes()])],
        )
    });
    der(SET, &[&attributes.collect::<Vec<_>>().concat()])
}

/// An object identifier's content; `None` if the text is none that is written the only way.
fn encoded_oid(text: &str) -> Option<Vec<u8>> {
    let mut numbers = Vec::new();
    for part in text.split('.') {
        let number: u32 = part.parse().ok()?;
        (number.to_string() == part && number < 1 << 28).then(|| numbers.push(number))?;
    }
    let [first, second, rest @ ..] = numbers.as_slice() else {
        return None;
    };
    (*first < 3 && *second < 40 && rest.len() < 16).then_some(())?;
    let mut content = vec![u8::try_from(first * 40 + second).ok()?];
    for number in rest {
        let digits = (0..4).rev().map(|at| (number >> (7 * at)) & 0x7f);
        let digits: Vec<u32> = digits.skip_while(|digit| *digit == 0).collect();
        let digits = if digits.is_empty() { vec![0] } else { digits };
        for (at, digit) in digits.iter().enumerate() {
            let more = if at + 1 < digits.len() { 0x80 } else { 0 };
            content.push(u8::try_from(digit | more).ok()?);
        }
    }
    Some(content)
}

/// A value with its tag and length.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let length = u32::try_from(content.len()).expect("a small certificate");
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            out.push(0x80 | u8::try_from(4 - zeros).expect("at most four"));
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
    out.extend_from_slice(&content);
    out
}
