//! Which OCSP answers are believed. They are made by `openssl ocsp`.

mod common;

use cognate_config::options::{CertificatePair, TlsOptions};
use cognate_tls::{Inquiry, ServerTls, Status};
use common::Authority;
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SerialNumber};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

const GOOD: &str = "V\t491231235959Z\t\t1234\tunknown\t/CN=x\n";
const REVOKED: &str = "R\t491231235959Z\t250101000000Z\t1234\tunknown\t/CN=x\n";

/// An authority with the key that signs its answers, and an inquiry about a certificate of it.
struct Setup {
    authority: Authority,
    signer: CertificatePair,
    inquiry: Inquiry,
}

fn inquiry(authority: &Authority, certificate: CertificatePair) -> Inquiry {
    let tls = ServerTls::load(&TlsOptions {
        certificates: vec![certificate],
        ca_file: Some(authority.ca_file.clone()),
        ..TlsOptions::default()
    });
    tls.unwrap().inquiry().unwrap()
}

fn issue(authority: &Authority, name: &str, serial: u64) -> CertificatePair {
    authority.issue_with(&[name], &KeyPair::generate().unwrap(), |params| {
        params.serial_number = Some(SerialNumber::from(serial));
    })
}

/// A certificate that may sign answers, or may not.
fn delegate(authority: &Authority, name: &str, may_sign: bool) -> CertificatePair {
    authority.issue_with(&[name], &KeyPair::generate().unwrap(), |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if may_sign {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        }
    })
}

fn setup() -> Setup {
    let authority = Authority::new();
    let certificate = issue(&authority, "server", 0x1234);
    Setup {
        signer: delegate(&authority, "signer", true),
        inquiry: inquiry(&authority, certificate),
        authority,
    }
}

/// What openssl answers to a request, with its list of certificates and a signer.
fn answer(authority: &Authority, list: &str, signer: &CertificatePair, request: &[u8]) -> Vec<u8> {
    let dir = authority.dir.path();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.join(name), bytes).unwrap();
        dir.join(name)
    };
    let status = Command::new("openssl")
        .args(["ocsp", "-nmin", "60", "-noverify", "-index"])
        .arg(write("index.txt", list.as_bytes()))
        .arg("-CA")
        .arg(Path::new(&authority.ca_file))
        .args(["-rsigner", &signer.cert_file, "-rkey", &signer.key_file])
        .arg("-reqin")
        .arg(write("request.der", request))
        .arg("-respout")
        .arg(dir.join("answer.der"))
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
    std::fs::read(dir.join("answer.der")).unwrap()
}

#[test]
fn the_issuers_delegate_is_believed() {
    let Setup {
        authority,
        signer,
        inquiry,
    } = setup();
    let now = SystemTime::now();
    for (list, status) in [
        (GOOD, Status::Good),
        (REVOKED, Status::Revoked),
        ("V\t491231235959Z\t\t77\tunknown\t/CN=x\n", Status::Unknown),
    ] {
        let raw = answer(&authority, list, &signer, inquiry.request());
        let read = inquiry.read(&raw, now).unwrap();
        assert_eq!(read.status, status);
        assert_eq!(read.revoked_at.is_some(), status == Status::Revoked);
        let check = |at| read.check(at, Duration::ZERO, None);
        assert_eq!(check(SystemTime::now()), Ok(()));
        let hour = Duration::from_secs(3601);
        assert!(check(now + hour).is_err() && check(now - hour).is_err());
        assert_eq!(
            read.check(now + hour, Duration::from_secs(30), None),
            Ok(())
        );
        // A delegate whose certificate has run out is not believed.
        let later = now + Duration::from_secs(1 << 40);
        assert!(inquiry.read(&raw, later).is_err());
    }
}

#[test]
fn strangers_are_not_believed() {
    let Setup {
        authority, inquiry, ..
    } = setup();
    let other = Authority::new();
    let now = SystemTime::now();
    let refused = |signer: &CertificatePair| {
        let raw = answer(&authority, GOOD, signer, inquiry.request());
        inquiry.read(&raw, now).unwrap_err()
    };
    let said = refused(&delegate(&other, "stranger", true));
    assert!(said.contains("by a stranger"), "{said}");
    let said = refused(&delegate(&authority, "colleague", false));
    assert!(said.contains("may not sign"), "{said}");
}

#[test]
fn an_answer_is_about_one_certificate() {
    let Setup {
        authority,
        signer,
        inquiry: mine,
    } = setup();
    let theirs = inquiry(&authority, issue(&authority, "other", 0x77));
    let raw = answer(&authority, GOOD, &signer, theirs.request());
    let said = mine.read(&raw, SystemTime::now()).unwrap_err();
    assert!(said.contains("another certificate"), "{said}");
}

#[test]
fn what_was_changed_on_the_way_is_an_error() {
    let Setup {
        authority,
        signer,
        inquiry,
    } = setup();
    let now = SystemTime::now();
    let raw = answer(&authority, GOOD, &signer, inquiry.request());
    for end in 0..raw.len() {
        assert!(inquiry.read(&raw[..end], now).is_err(), "{end}");
    }
    // Every byte counts but for those of the delegate's certificate that nobody looks at.
    let mut believed = 0;
    for at in 0..raw.len() {
        let mut changed = raw.clone();
        changed[at] ^= 1;
        if let Ok(read) = inquiry.read(&changed, now) {
            assert_eq!(read.status, Status::Good, "{at}");
            believed += 1;
        }
    }
    assert!(believed < raw.len() / 20, "{believed} of {}", raw.len());
}
