//! `verify_and_map`: certificates that select users.

use super::*;
use crate::tls::{CertificateNames, SubjectAttribute, TlsIdentity};

fn certificate(emails: &[&str], dns_names: &[&str], subject: &[(&str, &str)]) -> Vec<TlsIdentity> {
    let owned = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let subject = subject.iter().map(|(oid, value)| {
        vec![SubjectAttribute {
            oid: (*oid).to_owned(),
            value: Some((*value).to_owned()),
        }]
    });
    TlsIdentity::from_certificate(&CertificateNames {
        emails: &owned(emails),
        dns_names: &owned(dns_names),
        uris: &[],
        subject: &subject.collect::<Vec<_>>(),
    })
}

const SUBJECT: [(&str, &str); 2] = [("2.5.4.10", "org"), ("2.5.4.3", "ivan")];

#[test]
fn certificates_select_users_where_the_listener_maps_them() {
    let tls_map = [ConnectionType::Standard].into_iter().collect();
    let map = |list| AuthConfig {
        tls_map,
        ..users(list)
    };
    let all = vec![
        named("O=org,CN=ivan", ""),
        named("CN=ivan,O=org", ""),
        named("a.x.com", ""),
        named("i@x.com", ""),
        named("pw@x.com", "p"),
    ];
    let config = map(all.clone());
    let present = |config: &AuthConfig, identities: &[TlsIdentity], pass: &str, expected| {
        check(
            config,
            &Login {
                tls_identities: identities,
                ..login("", pass)
            },
            expected,
        );
    };
    let subject = certificate(&[], &[], &SUBJECT);
    present(
        &config,
        &certificate(&["no@x.com", "i@x.com"], &["a.x.com"], &SUBJECT),
        "",
        name("i@x.com"),
    );
    present(
        &config,
        &certificate(&["no@x.com"], &["a.x.com"], &SUBJECT),
        "",
        name("a.x.com"),
    );
    present(&config, &subject, "", name("CN=ivan,O=org"));
    present(&map(all[..1].to_vec()), &subject, "", name("O=org,CN=ivan"));
    present(
        &config,
        &certificate(&["pw@x.com"], &[], &[]),
        "p",
        name("pw@x.com"),
    );
    present(&config, &certificate(&["pw@x.com"], &[], &[]), "", WRONG);
    let unmapped = Err(DenyCause::CertificateNotMapped);
    present(
        &config,
        &certificate(&["x@x.com"], &[], &[]),
        "",
        unmapped.clone(),
    );
    present(&config, &[], "", unmapped.clone());
    // A name and password are no way around the certificate, in-process neither.
    check(&config, &login("pw@x.com", "p"), unmapped.clone());
    let in_process = Login {
        connection_type: ConnectionType::InProcess,
        ..login("pw@x.com", "p")
    };
    check(&config, &in_process, unmapped);
}

#[test]
fn a_certificates_user_cannot_log_in_by_name_on_another_listener() {
    let tls_map = [ConnectionType::Websocket].into_iter().collect();
    let list = || vec![named("i@x.com", ""), named("u", "p")];
    let config = AuthConfig {
        tls_map,
        ..users(list())
    };
    check(
        &config,
        &login("i@x.com", ""),
        Err(DenyCause::CertificateRequired),
    );
    check(&config, &login("u", "p"), name("u"));
    let no_auth_user = Some("i@x.com".to_owned());
    let anybody = AuthConfig {
        tls_map,
        no_auth_user,
        ..users(list())
    };
    check(&anybody, &login("i@x.com", ""), name("i@x.com"));
    // Not a certificate's user if it may not use the mapping listener.
    let standard = only(named("i@x.com", ""), ConnectionType::Standard);
    let config = AuthConfig {
        tls_map,
        ..users(vec![standard])
    };
    check(&config, &login("i@x.com", ""), name("i@x.com"));
}
