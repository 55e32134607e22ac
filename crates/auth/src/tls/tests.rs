//! Distinguished names against RFC 4514, and the order of a certificate's identities.

use super::{CertificateNames, DistinguishedName, PinnedCerts, SubjectAttribute, TlsIdentity};
use proptest::prelude::*;

fn attribute(oid: &str, value: &str) -> SubjectAttribute {
    SubjectAttribute {
        oid: oid.to_owned(),
        value: Some(value.to_owned()),
    }
}

/// `C=US, O=Synadia, OU=Eng, CN=ivan` in certificate order, with domain components in front.
fn subject(domain: &[&str]) -> Vec<Vec<SubjectAttribute>> {
    let domain = domain
        .iter()
        .map(|dc| attribute("0.9.2342.19200300.100.1.25", dc));
    let names = [
        ("2.5.4.6", "US"),
        ("2.5.4.10", "Synadia"),
        ("2.5.4.11", "Eng"),
        ("2.5.4.3", "ivan"),
    ]
    .map(|(oid, value)| attribute(oid, value));
    domain
        .chain(names)
        .map(|attribute| vec![attribute])
        .collect()
}

/// How a configured name compares with a certificate's: exactly, in another order, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Same {
    Equal,
    Reordered,
    No,
}

fn check(configured: &str, subject: &[Vec<SubjectAttribute>], expected: Same) {
    let certificate = DistinguishedName::from_subject(subject).unwrap();
    let found = match DistinguishedName::parse(configured) {
        Some(name) if name == certificate => Same::Equal,
        Some(name) if name.has_same_names(&certificate) => Same::Reordered,
        _ => Same::No,
    };
    assert_eq!(found, expected, "{configured:?}");
}

#[test]
fn configured_names_match_subjects() {
    let plain = subject(&[]);
    check("CN=ivan,OU=Eng,O=Synadia,C=US", &plain, Same::Equal);
    check("cn = ivan , ou= Eng,o=Synadia ,C=US", &plain, Same::Equal);
    check("C=US,O=Synadia,OU=Eng,CN=ivan", &plain, Same::Reordered);
    check("CN=Ivan,OU=Eng,O=Synadia,C=US", &plain, Same::No);
    check("CN=ivan,OU=Eng,O=Synadia", &plain, Same::No);
    check("CN=ivan,CN=ivan,O=Synadia,C=US", &plain, Same::No);
    check("CN=ivan+OU=Eng,O=Synadia,C=US", &plain, Same::No);
    check("CN=iv\\61n,OU=Eng,O=Synadia,C=US", &plain, Same::Equal);

    let domain = subject(&["com", "example"]);
    check(
        "CN=ivan,OU=Eng,O=Synadia,C=US,DC=example,DC=com",
        &domain,
        Same::Equal,
    );
    check(
        "DC=com,CN=ivan,OU=Eng,O=Synadia,C=US,DC=example",
        &domain,
        Same::Reordered,
    );

    let multi = [vec![
        attribute("2.5.4.3", "a,b"),
        attribute("2.5.4.11", " x "),
    ]];
    check("OU=\\ x\\ +CN=a\\,b", &multi, Same::Equal);
    check("CN=a\\2Cb+OU=\\20x\\20", &multi, Same::Equal);
    check("CN=a,b+OU= x ", &multi, Same::No);

    let equals = [vec![attribute("2.5.4.3", "a=b")]];
    check("CN=a=b", &equals, Same::Equal);
}

#[test]
fn what_is_no_distinguished_name_is_refused() {
    for text in [
        "", " ", "ivan", "CN", "=x", ",CN=x", "CN=x+", "CN=x,y", "CN=#04", "CN=a\\", "CN=a\\zz",
    ] {
        assert_eq!(DistinguishedName::parse(text), None, "{text:?}");
    }
    assert_eq!(DistinguishedName::from_subject(&[]), None);
    let unknown = [
        vec![attribute("1.2.3", "x")],
        vec![attribute("2.5.4.3", "ivan")],
    ];
    assert_eq!(DistinguishedName::from_subject(&unknown), None);
}

fn names(identities: &[TlsIdentity]) -> Vec<&str> {
    let mut names = Vec::new();
    for identity in identities {
        names.push(match identity {
            TlsIdentity::Name(name) => name.as_str(),
            TlsIdentity::DistinguishedName(_) => "<dn>",
        });
    }
    names
}

#[test]
fn identities_come_in_the_search_order() {
    let (emails, dns) = (
        ["i@x.com".to_owned()],
        ["a.x.com".to_owned(), "b.x.com".to_owned()],
    );
    let uris = ["spiffe://x/ivan".to_owned()];
    let subject = subject(&["com", "x"]);
    let identities = TlsIdentity::from_certificate(&CertificateNames {
        emails: &emails,
        dns_names: &dns,
        uris: &uris,
        subject: &subject,
    });
    let text = "CN=ivan,OU=Eng,O=Synadia,C=US";
    assert_eq!(
        names(&identities),
        [
            "i@x.com",
            "a.x.com",
            "b.x.com",
            "spiffe://x/ivan",
            "<dn>",
            &format!("{text},DC=com,DC=x"),
            text
        ]
    );
    assert_eq!(
        TlsIdentity::from_certificate(&CertificateNames::default()),
        []
    );
}

#[test]
fn the_subject_text_is_gos() {
    let subject = [
        vec![attribute("2.5.4.3", "first")],
        vec![attribute("2.5.4.11", "two, too"), attribute("2.5.4.5", "7")],
        vec![attribute("1.2.840.113549.1.9.1", "i@x.com")],
        vec![attribute("2.5.4.11", "#one ")],
        vec![attribute("2.5.4.3", "last")],
        vec![attribute("2.5.4.9", "st")],
        vec![attribute("2.5.4.17", "99")],
        vec![attribute("2.5.4.8", "CA")],
        vec![attribute("2.5.4.7", "SF")],
        vec![attribute("2.5.4.6", "US")],
        vec![attribute("2.5.4.10", "org")],
    ];
    // Printed by crypto/x509/pkix for the same attributes.
    let expected = "SERIALNUMBER=7,CN=last,OU=two\\, too+OU=\\#one\\ ,O=org,\
                    POSTALCODE=99,STREET=st,L=SF,ST=CA,C=US";
    assert_eq!(super::subject_text(&subject), expected);
}

#[test]
fn pinned_certificates_are_compared_by_public_key() {
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let pinned = PinnedCerts::parse([abc, &"0".repeat(64)]).unwrap();
    assert!(pinned.allow(Some(b"abc")));
    assert!(!pinned.allow(Some(b"abd")));
    assert!(!pinned.allow(None));
    assert_eq!(
        PinnedCerts::parse([abc.to_uppercase().as_str(), &"0".repeat(64)]),
        Ok(pinned)
    );
    for bad in ["", "ba", &"g".repeat(64), &"0".repeat(65), &"é".repeat(32)] {
        assert_eq!(PinnedCerts::parse([abc, bad]), Err(bad.to_owned()));
    }
    assert!(PinnedCerts::default().allow(None));
}

/// Values of every kind of difficulty.
fn rdns() -> impl Strategy<Value = Vec<Vec<SubjectAttribute>>> {
    let oids = prop::sample::select(vec!["2.5.4.3", "2.5.4.10", "2.5.4.11", "2.5.4.6"]);
    let attribute = (oids, "[a ,+=#\\\\\"é]{1,4}").prop_map(|(oid, v)| attribute(oid, &v));
    prop::collection::vec(prop::collection::vec(attribute, 1..3), 1..4)
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "([A-Z]{1,2}=)?[ a-z0-9#,+=\\\\é]*", any in "\\PC*") {
        let _ = DistinguishedName::parse(&text);
        let _ = DistinguishedName::parse(&any);
    }

    #[test]
    fn an_escaped_subject_parses_to_itself(subject in rdns()) {
        let rdn = |attributes: &Vec<SubjectAttribute>| {
            let texts = attributes.iter().map(|attribute| {
                let mut text = format!("{}=", super::short_name(&attribute.oid).unwrap());
                super::push_escaped(&mut text, attribute.value.as_ref().unwrap());
                text
            });
            texts.collect::<Vec<_>>().join("+")
        };
        let text = subject.iter().rev().map(rdn).collect::<Vec<_>>().join(",");
        prop_assert_eq!(DistinguishedName::parse(&text), DistinguishedName::from_subject(&subject));
    }
}

/// What nats-server reads from the same texts (`testdata/server.json`), and where we differ.
#[test]
fn names_are_read_as_in_the_go_server() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../testdata/server.json")).unwrap();
    for vector in vectors["dns"].as_array().unwrap() {
        let text = vector["text"].as_str().unwrap();
        // To the Go server the last of several equals signs ends the type, a text without any
        // value is a name without parts, and a backslash at the end is nothing.
        if ["CN=a=b", "CN=a;O=b", "CN=", "CN=a+", "", "CN=a\\"].contains(&text) {
            continue;
        }
        let rdns: Option<Vec<Vec<(String, String)>>> =
            serde_json::from_value(vector["rdns"].clone()).unwrap();
        let expected = rdns.map(|rdns| DistinguishedName {
            rdns: rdns
                .into_iter()
                .map(|attributes| {
                    let attributes = attributes.into_iter();
                    let attributes = attributes
                        .map(|(kind, value)| (kind.to_ascii_uppercase(), value.into_bytes()));
                    super::RelativeName::new(attributes.collect())
                })
                .collect(),
        });
        assert_eq!(DistinguishedName::parse(text), expected, "{text:?}");
    }
}

#[test]
fn dns_names_stand_for_hosts() {
    for (name, host, expected) in [
        ("a.example.com", "A.example.COM", true),
        ("a.example.com", "b.example.com", false),
        ("*.example.com", "b.example.com", true),
        ("*.example.com", "b.c.example.com", false),
        ("*.example.com", "example.com", false),
        ("a.*.com", "a.b.com", false),
        ("*", "localhost", true),
        ("*", "a.b", false),
        ("", "a", false),
    ] {
        assert_eq!(
            super::dns_name_matches(name, host),
            expected,
            "{name} {host}"
        );
    }
}

#[test]
fn peers_are_named_without_distinguished_names() {
    let subject = [vec![attribute("2.5.4.3", "joe")]];
    let emails = ["joe@example.com".to_owned()];
    let identities = TlsIdentity::from_certificate(&CertificateNames {
        emails: &emails,
        subject: &subject,
        ..CertificateNames::default()
    });
    for (user, expected) in [
        ("joe@example.com", true),
        ("CN=joe", true),
        ("cn=joe", false),
        ("joe", false),
        ("", false),
    ] {
        assert_eq!(super::names_user(&identities, user), expected, "{user}");
    }
}
