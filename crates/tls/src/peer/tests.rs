//! What is read from a client's certificate, checked on certificates made here and on damaged ones.

use super::*;
use proptest::prelude::*;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair, SanType};

/// The certificate of a client whose subject has every kind of attribute, in the order in which
/// a directory would write it, and every kind of alternative name.
fn certificate() -> CertificateDer<'static> {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]),
        DnValue::PrintableString("example".try_into().unwrap()),
    );
    name.push(DnType::OrganizationName, "Acme, Inc");
    name.push(DnType::OrganizationalUnitName, "Eng");
    name.push(DnType::CustomDnType(vec![2, 5, 4, 12]), "Dr");
    name.push(DnType::CommonName, "derek");
    name.push(
        DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]),
        DnValue::Utf8String("derek@example.com".into()),
    );
    let mut params = CertificateParams::default();
    params.distinguished_name = name;
    params.subject_alt_names = vec![
        SanType::DnsName("host.example.com".try_into().unwrap()),
        SanType::Rfc822Name("derek@example.com".try_into().unwrap()),
        SanType::URI("spiffe://example.com/derek".try_into().unwrap()),
    ];
    let key = KeyPair::generate().unwrap();
    params.self_signed(&key).unwrap().der().clone()
}

/// The expected text is what `connz?auth=1` of nats-server 2.14.5 showed for such a subject.
#[test]
fn a_subject_reads_as_in_connz() {
    let der = certificate();
    let subject = subject_text(parse(&der).unwrap().subject());
    assert_eq!(
        subject,
        "CN=derek,OU=Eng,O=Acme\\, Inc,\
         1.2.840.113549.1.9.1=#0c11646572656b406578616d706c652e636f6d,2.5.4.12=#13024472,\
         0.9.2342.19200300.100.1.25=#13076578616d706c65"
    );
}

#[test]
fn users_are_looked_up_by_all_names() {
    let der = certificate();
    let identities = identities_of(&parse(&der).unwrap()).unwrap();
    let name = |name: &str| TlsIdentity::Name(name.to_owned());
    assert_eq!(
        identities,
        [
            name("derek@example.com"),
            name("host.example.com"),
            name("spiffe://example.com/derek"),
            name("CN=derek,OU=Eng,O=Acme\\, Inc,DC=example"),
            name("CN=derek,OU=Eng,O=Acme\\, Inc"),
        ]
    );
}

#[test]
fn a_subject_without_short_names_is_only_numbers() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let dc = DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 25]);
    params.distinguished_name.push(dc, "x".repeat(200));
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let subject = subject_text(parse(&der).unwrap().subject());
    let value = "78".repeat(200);
    assert_eq!(
        subject,
        format!("0.9.2342.19200300.100.1.25=#1381c8{value}")
    );
}

#[test]
fn control_characters_do_not_reach_the_log() {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "a\r\n[ERR] forged");
    let key = KeyPair::generate().unwrap();
    let der = params.self_signed(&key).unwrap().der().clone();
    let text = describe(&der);
    assert!(text.starts_with("CN=a[ERR] forged SHA-256: "), "{text}");
}

#[test]
fn old_string_types_are_read() {
    let value = |tag: u8, bytes: &[u8]| {
        let der = [&[tag, bytes.len() as u8], bytes].concat();
        let (_, any) = Any::from_der(&der).unwrap();
        text_of(&any)
    };
    assert_eq!(value(0x14, b"Andr\xe9").as_deref(), Some("André"));
    assert_eq!(value(0x1e, &[0x26, 0x3a, 0, b'x']).as_deref(), Some("☺x"));
    assert_eq!(value(0x1e, &[0x26]), None);
    assert_eq!(value(0x0c, &[0xff]), None);
    for tag in (0..0x1f).filter(|tag| ![0x0c, 0x12, 0x13, 0x14, 0x16, 0x1e].contains(tag)) {
        assert_eq!(value(tag, b"x"), None, "{tag}");
    }
}

proptest! {
    /// A client chooses the bytes of its certificate.
    #[test]
    fn any_certificate_can_be_described(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut der = CERTIFICATE.with(|der| der.to_vec());
        for (at, byte) in changes {
            let at = at.index(der.len());
            der[at] = byte;
        }
        let der = CertificateDer::from(der);
        prop_assert!(!describe(&der).is_empty());
        if let Ok(certificate) = parse(&der) {
            let _ = identities_of(&certificate);
        }
    }
}

thread_local! {
    static CERTIFICATE: CertificateDer<'static> = certificate();
}
