//! Loading options: kinds of keys, warnings, and the text of every error.

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cognate_config::options::{CertificatePair, TlsOptions};
use cognate_tls::ServerTls;
use common::{Authority, connect};
use proptest::prelude::*;
use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The text of the error, with the directory left out.
fn error_of(authority: &Authority, options: &TlsOptions) -> String {
    let dir = format!("{}/", authority.dir.path().display());
    let error = ServerTls::load(options).expect_err("these options are wrong");
    error.to_string().replace(&dir, "")
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let body = BASE64.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").into_bytes()
}

/// Checks the text of the error when one of the listener's files has this content.
fn check(file: &str, content: &[u8], expected: &str) {
    let authority = Authority::new();
    let mut options = authority.options();
    let path = authority.file(file, content);
    let pair = &mut options.certificates[0];
    match file {
        "bad.pem" => pair.cert_file = path,
        "bad.key" => pair.key_file = path,
        _ => options.ca_file = Some(path),
    }
    assert_eq!(error_of(&authority, &options), expected);
}

#[test]
fn no_certificate_at_all() {
    let authority = Authority::new();
    let options = TlsOptions {
        certificates: Vec::new(),
        ..authority.options()
    };
    assert_eq!(
        error_of(&authority, &options),
        "tls has no certificate: give cert_file and key_file, or a list of them as certs"
    );
}

#[test]
fn files_that_are_not_there() {
    let authority = Authority::new();
    let missing = authority.dir.path().join("none.pem").display().to_string();
    let base = authority.options();
    let CertificatePair {
        cert_file,
        key_file,
    } = base.certificates[0].clone();
    let pair = |cert_file: &str, key_file: &str| TlsOptions {
        certificates: vec![CertificatePair {
            cert_file: cert_file.to_owned(),
            key_file: key_file.to_owned(),
        }],
        ..base.clone()
    };
    let no_ca = TlsOptions {
        ca_file: Some(missing.clone()),
        ..base.clone()
    };
    for (kind, options) in [
        ("cert_file", pair(&missing, &key_file)),
        ("key_file", pair(&cert_file, &missing)),
        ("ca_file", no_ca),
    ] {
        assert_eq!(
            error_of(&authority, &options),
            format!(
                "cannot read {kind} \"none.pem\": No such file or directory (os error 2); check \
                 the path and that the server's user may read the file"
            )
        );
    }
    let directory = authority.dir.path().display().to_string();
    let text = ServerTls::load(&pair(&directory, &key_file))
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with(&format!("cannot read cert_file {directory:?}: ")),
        "{text}"
    );
}

#[test]
fn a_file_that_is_too_large() {
    let authority = Authority::new();
    let mut options = authority.options();
    let path = authority.file("bad.pem", b"");
    std::fs::File::create(&path)
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    options.certificates[0].cert_file = path;
    assert_eq!(
        error_of(&authority, &options),
        "cert_file \"bad.pem\" is larger than 16777216 bytes: name a PEM file"
    );
}

#[test]
fn certificate_files_without_a_usable_certificate() {
    check(
        "bad.pem",
        b"",
        "cert_file \"bad.pem\" has no certificate; it must be PEM, with a block \
         -----BEGIN CERTIFICATE-----",
    );
    check(
        "bad.pem",
        &pem("PRIVATE KEY", b"key"),
        "cert_file \"bad.pem\" has no certificate; it has a private key: are cert_file and \
         key_file exchanged?",
    );
    check(
        "bad.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n",
        "cert_file \"bad.pem\" is damaged: a block has no -----END line; write it again as PEM",
    );
    check(
        "bad.pem",
        b"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
        "cert_file \"bad.pem\" is damaged: a block is not valid base64; write it again as PEM",
    );
    check(
        "bad.pem",
        b"-----BEGIN CERTIFICATE\nAAAA\n",
        "cert_file \"bad.pem\" is damaged: a -----BEGIN line does not end in five dashes; write \
         it again as PEM",
    );
    let text = {
        let authority = Authority::new();
        let mut options = authority.options();
        let path = authority.file("bad.pem", &pem("CERTIFICATE", b"no certificate"));
        options.certificates[0].cert_file = path;
        error_of(&authority, &options)
    };
    assert!(
        text.starts_with(
            "certificate 1 of cert_file \"bad.pem\" cannot be used: the certificate cannot be read"
        ) && text.ends_with("; have it issued again"),
        "{text}"
    );
}

#[test]
fn key_files_without_a_usable_key() {
    check(
        "bad.key",
        b"",
        "key_file \"bad.key\" has no private key; it must be PEM, with a block -----BEGIN PRIVATE \
         KEY-----, -----BEGIN RSA PRIVATE KEY----- or -----BEGIN EC PRIVATE KEY-----",
    );
    check(
        "bad.key",
        &pem("CERTIFICATE", b"certificate"),
        "key_file \"bad.key\" has no private key; it has a certificate: are cert_file and key_file \
         exchanged?",
    );
    let encrypted = "the private key in key_file \"bad.key\" is encrypted: write it without a \
                     passphrase, e.g. with \"openssl pkey -in bad.key -out server.key\", and let \
                     only the server's user read it";
    check("bad.key", &pem("ENCRYPTED PRIVATE KEY", b"key"), encrypted);
    check(
        "bad.key",
        b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\
          DEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
        encrypted,
    );
    check(
        "bad.key",
        &pem("PRIVATE KEY", b"no key"),
        "the private key in key_file \"bad.key\" cannot be used: unexpected error: failed to parse \
         private key as RSA, ECDSA, or EdDSA; use an RSA key of 2048 to 8192 bits, an ECDSA key \
         (P-256, P-384, P-521) or an Ed25519 key",
    );
}

#[test]
fn a_key_of_another_certificate() {
    let authority = Authority::new();
    let mut options = authority.options();
    options.certificates[0].key_file = authority.issue(&["other"]).key_file;
    assert_eq!(
        error_of(&authority, &options),
        "the private key in key_file \"other.key\" does not belong to the certificate in cert_file \
         \"localhost.pem\": the first certificate of cert_file must be the server's own, made for \
         this key"
    );
}

#[test]
fn authorities_that_are_none() {
    check(
        "ca_file",
        b"nothing",
        "ca_file \"ca_file\" has no certificate; it must be PEM, with a block \
         -----BEGIN CERTIFICATE-----",
    );
    check(
        "ca_file",
        &pem("CERTIFICATE", b"no certificate"),
        "certificate 1 of ca_file \"ca_file\" cannot be used: invalid peer certificate: \
         BadEncoding; have it issued again",
    );
}

#[test]
fn a_cipher_suite_that_is_not_offered() {
    let authority = Authority::new();
    let options = TlsOptions {
        cipher_suites: vec!["TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"],
        ..authority.options()
    };
    let text = error_of(&authority, &options);
    let expected = "cipher suite TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA is not offered; use any of \
                    TLS_AES_128_GCM_SHA256, ";
    assert!(text.starts_with(expected), "{text}");
}

/// What the configuration lets pass must be what is offered.
#[test]
fn all_cipher_suites_of_the_configuration_are_offered() {
    let authority = Authority::new();
    for suite in cognate_config::offered_cipher_suites() {
        let options = TlsOptions {
            cipher_suites: vec![suite],
            ..authority.options()
        };
        assert!(ServerTls::load(&options).is_ok(), "{suite}");
    }
}

#[tokio::test]
async fn all_kinds_of_keys_serve() {
    let authority = Authority::new();
    let client = Arc::new(authority.client(None));
    let base = authority.options();
    let rsa = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let p256 = KeyPair::generate().unwrap();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    // The older forms are what PKCS #8 wraps: it begins after a header of fixed length. In front
    // of an EC key openssl writes its parameters.
    let pkcs1 = pem("RSA PRIVATE KEY", &rsa.serialize_der()[26..]);
    let p256_der = p256.serialize_der();
    let inner = p256_der
        .windows(4)
        .position(|window| window == [0x30, 0x6b, 2, 1])
        .unwrap();
    let parameters = pem(
        "EC PARAMETERS",
        &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    );
    let sec1 = pem("EC PRIVATE KEY", &p256_der[inner..]);
    let sec1 = [parameters, sec1].concat();
    let keys = [
        ("rsa", rsa, Some(pkcs1)),
        ("p256", p256, Some(sec1)),
        ("p384", p384, None),
        ("ed25519", ed25519, None),
    ];
    for (name, key, older) in keys {
        let mut pair = authority.issue_with(&[name, "localhost"], &key, |_| {});
        let files = [
            Some(pair.key_file.clone()),
            older.map(|pem| authority.file("old.key", &pem)),
        ];
        for key_file in files.into_iter().flatten() {
            pair.key_file = key_file;
            let options = TlsOptions {
                certificates: vec![pair.clone()],
                ..base.clone()
            };
            let tls = ServerTls::load(&options).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(
                connect(&tls, &client).await.logged(),
                "accepted",
                "{}",
                pair.key_file
            );
        }
    }
}

/// Certificate, key and the chain's authority in one file, with text around them.
#[test]
fn one_file_may_have_everything() {
    let authority = Authority::new();
    let mut options = authority.options();
    let pair = &mut options.certificates[0];
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let (key, leaf) = (read(&pair.key_file), read(&pair.cert_file));
    let all = format!(
        "Bag Attributes\n{key}subject=/CN=x\n{leaf}\n{}",
        read(&authority.ca_file)
    );
    pair.cert_file = authority.file("all.pem", all.as_bytes());
    pair.key_file.clone_from(&pair.cert_file);
    assert!(ServerTls::load(&options).is_ok());
}

#[test]
fn validity_is_told_and_warned_about() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let expired = authority.issue_with(&["old"], &key, |params| {
        params.not_before = rcgen::date_time_ymd(1960, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 2);
    });
    let future = authority.issue_with(&["new"], &key, |params| {
        params.not_before = rcgen::date_time_ymd(4000, 1, 1);
        params.not_after = rcgen::date_time_ymd(4001, 1, 1);
    });
    let options = TlsOptions {
        certificates: vec![future, expired],
        ..authority.options()
    };
    let tls = ServerTls::load(&options).unwrap();
    let expiry = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_923_200);
    assert_eq!(tls.not_after(), Some(expiry));
    let dir = format!("{}/", authority.dir.path().display());
    let warnings: Vec<_> = tls
        .warnings()
        .iter()
        .map(|text| text.replace(&dir, ""))
        .collect();
    assert_eq!(
        warnings,
        [
            "the certificate in cert_file \"new.pem\" is not valid before Jan  1 00:00:00 4000 \
             +00:00: clients will refuse it until then; check the clock",
            "the certificate in cert_file \"old.pem\" expired on Jan  2 00:00:00 2020 +00:00: \
             clients will refuse it; renew it",
        ]
    );
}

#[test]
fn a_bundle_with_a_bad_authority_serves_with_a_warning() {
    let authority = Authority::new();
    let good = std::fs::read(&authority.ca_file).unwrap();
    let bundle = [pem("CERTIFICATE", b"no certificate"), good].concat();
    let ca_file = Some(authority.file("bundle.pem", &bundle));
    let options = TlsOptions {
        verify: true,
        ca_file,
        ..authority.options()
    };
    let tls = ServerTls::load(&options).unwrap();
    let [warning] = tls.warnings() else {
        panic!("{:?}", tls.warnings())
    };
    assert!(warning.starts_with("certificate 1 of ca_file"), "{warning}");
}

/// PEM of any structure with anything in it, or anything at all.
fn files() -> impl Strategy<Value = Vec<u8>> {
    let labels = [
        "CERTIFICATE",
        "PRIVATE KEY",
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "X",
    ];
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let block = (prop::sample::select(labels.to_vec()), bytes()).prop_map(|(l, der)| pem(l, &der));
    let damage = |mut file: Vec<u8>, at: prop::sample::Index, byte: u8| {
        if let Some(target) = file.len().checked_sub(1).map(|_| at.index(file.len())) {
            file[target] = byte;
        }
        file
    };
    let damaged = (block.clone(), any::<prop::sample::Index>(), any::<u8>())
        .prop_map(move |(file, at, byte)| damage(file, at, byte));
    prop_oneof![
        bytes(),
        block.clone(),
        damaged,
        (block.clone(), block).prop_map(|(a, b)| [a, b].concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever is in the files, loading ends, and with an error that names one of them.
    #[test]
    fn arbitrary_files_give_errors(file in files(), which in 0..3) {
        let authority = Authority::new();
        let mut options = authority.options();
        let path = authority.file("arbitrary", &file);
        match which {
            0 => options.certificates[0].cert_file = path,
            1 => options.certificates[0].key_file = path,
            _ => options.ca_file = Some(path),
        }
        let error = ServerTls::load(&options).unwrap_err().to_string();
        prop_assert!(error.contains("arbitrary"), "{}", error);
    }

    /// A certificate with one byte changed either loads or is refused.
    #[test]
    fn damaged_certificates_do_not_panic(at: prop::sample::Index, byte: u8) {
        let authority = Authority::new();
        let mut options = authority.options();
        let text = std::fs::read_to_string(&options.certificates[0].cert_file).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let mut der = BASE64.decode(body).unwrap();
        let at = at.index(der.len());
        der[at] = byte;
        let path = authority.file("damaged", &pem("CERTIFICATE", &der));
        options.certificates[0].cert_file = path;
        if let Err(error) = ServerTls::load(&options) {
            prop_assert!(error.to_string().contains("damaged"), "{}", error);
        }
    }
}
