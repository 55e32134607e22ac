//! The texts of authentication: nkeys, signatures, secrets and distinguished names.
//!
//! Checks: never panics; a text has one key and a key one text, with arbitrary payloads behind a
//! good checksum too; a signature is read in each spelling of its base64; a configured secret
//! matches itself and nothing else, or is a bcrypt hash with a cost in bounds (whose job is not
//! run), and never prints; distinguished names equal themselves, also when their relative names
//! are turned round, and a certificate never answers to the empty name.
#![no_main]

use cognate_auth::nkey::{KeyPair, NkeyError, PublicKey, decode_signature};
use cognate_auth::password::{PasswordCheck, Secret};
use cognate_auth::tls::{CertificateNames, DistinguishedName, SubjectAttribute, TlsIdentity};
use cognate_fuzz::choose;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let check: fn(&[u8], &str) = choose(
        which,
        [
            |_, text| nkey_text(text),
            |bytes, _| nkey_payload(bytes),
            |bytes, text| signature(bytes, text),
            |_, text| secret(text),
            |_, text| distinguished_name(text),
            |_, text| certificate(text),
        ],
    );
    check(rest, &text);
});

fn nkey_text(text: &str) {
    let public = PublicKey::parse(text);
    if let Ok(key) = public {
        assert_eq!(key.to_string(), text, "two texts of one key");
    }
    if let Ok(pair) = KeyPair::from_seed(text) {
        assert_eq!(pair.seed().as_str(), text, "two texts of one seed");
        assert!(public.is_err());
        assert!(!format!("{pair:?}").contains(text));
    }
}

/// An arbitrary payload with the checksum that belongs to it.
fn nkey_payload(payload: &[u8]) {
    let text = base32(&[payload, &crc16(payload).to_le_bytes()].concat());
    nkey_text(&text);
    match PublicKey::parse(&text) {
        Ok(key) => assert_eq!(key.as_bytes()[..], payload[1..]),
        Err(NkeyError::UnknownKind) => assert_eq!(payload.len(), 33),
        Err(error) => assert!(payload.len() != 33 || error == NkeyError::WrongForm),
    }
}

fn base32(bytes: &[u8]) -> String {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let symbol = |at: usize| (0..5).fold(0, |value, offset| value << 1 | bit(at + offset));
    let symbols = (0..bytes.len() * 8).step_by(5).map(symbol);
    symbols
        .map(|value| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[usize::from(value)]))
        .collect()
}

fn crc16(bytes: &[u8]) -> u16 {
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    bits.fold(0, |crc: u16, bit| {
        let carry = (crc >> 15) as u8 ^ bit;
        (crc << 1) ^ (u16::from(carry) * 0x1021)
    })
}

fn signature(bytes: &[u8], text: &str) {
    if decode_signature(text).is_some() {
        let length = text.trim_end_matches('=').len();
        assert!(length == 86 && text.len() <= 88, "{text:?}");
    }
    let mut raw = [0; 64];
    raw.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    for (last_two, padding) in [(b"-_", ""), (b"-_", "=="), (b"+/", ""), (b"+/", "==")] {
        let text = base64(&raw, last_two) + padding;
        assert_eq!(decode_signature(&text), Some(raw), "{text}");
    }
}

fn base64(bytes: &[u8], last_two: &[u8; 2]) -> String {
    let alphabet: Vec<u8> = (b'A'..=b'Z')
        .chain(b'a'..=b'z')
        .chain(b'0'..=b'9')
        .chain(last_two.iter().copied())
        .collect();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let symbol = |at: usize| (0..6).fold(0, |value, offset| value << 1 | bit(at + offset));
    let symbols = (0..bytes.len() * 8).step_by(6).map(symbol);
    symbols
        .map(|value| char::from(alphabet[usize::from(value)]))
        .collect()
}

fn secret(text: &str) {
    let secret = Secret::from_config(text);
    assert_eq!(secret.is_empty(), text.is_empty());
    let printed = format!("{secret:?}");
    assert!(printed == "Plain([REDACTED])" || printed == "Bcrypt([REDACTED])");
    match (secret.check(text), &secret) {
        (PasswordCheck::Match, Secret::Plain(_)) => {
            let other = format!("{text}x");
            assert!(matches!(secret.check(&other), PasswordCheck::Mismatch));
        }
        (PasswordCheck::Mismatch, Secret::Bcrypt(hash)) => assert!(!hash.is_usable()),
        (PasswordCheck::NeedsBcrypt(job), Secret::Bcrypt(hash)) => {
            assert!(hash.is_usable() && (4..=31).contains(&job.cost()));
            assert!(!format!("{job:?}").contains(text));
        }
        (check, _) => panic!("{check:?}"),
    }
}

fn distinguished_name(text: &str) {
    // A comma at the end counts for nothing, and would be a beginning when turned round.
    let text = text.trim_end_matches(',');
    let Some(name) = DistinguishedName::parse(text) else {
        return;
    };
    assert!(text.contains('='));
    assert!(name.has_same_names(&name));
    // With plain characters only, turning the parts round needs no knowledge of escapes.
    if text.contains(['\\', '+']) {
        return;
    }
    let turned = text.split(',').rev().collect::<Vec<_>>().join(",");
    let turned = DistinguishedName::parse(&turned).expect("as good as before");
    assert!(name.has_same_names(&turned) && turned.has_same_names(&name));
}

/// Lines `oid=value` are attributes, an empty line starts a relative name, others are addresses.
fn certificate(text: &str) {
    let mut subject = vec![Vec::new()];
    let mut others = Vec::new();
    for line in text.split('\n').take(64) {
        match line.split_once('=') {
            Some((oid, value)) => subject.last_mut().expect("one").push(SubjectAttribute {
                oid: oid.to_owned(),
                value: (value != "?").then(|| value.to_owned()),
            }),
            None if line.is_empty() => subject.push(Vec::new()),
            None => others.push(line.to_owned()),
        }
    }
    let (emails, rest) = others.split_at(others.len() / 3);
    let (dns_names, uris) = rest.split_at(rest.len() / 2);
    let names = CertificateNames {
        emails,
        dns_names,
        uris,
        subject: &subject,
    };
    let identities = TlsIdentity::from_certificate(&names);
    assert!(identities.len() <= others.len() + 3);
    assert!(!identities.contains(&TlsIdentity::Name(String::new())));
}
