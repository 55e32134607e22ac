//! Monitoring over TLS serves the same documents, and a peer that does not speak TLS harms nobody.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::support::{Facts, Response, Site, server_facts};

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[test]
fn documents_are_served_over_tls() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("issued");
    let certificate = issued.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate and its key");
    let facts = Facts {
        server: server_facts(),
        ..Facts::default()
    };
    let site = Site::start(facts, "", Some(Arc::new(server)));

    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let connection = ClientConnection::new(Arc::new(client), name).expect("a client");
    let mut stream = StreamOwned::new(connection, site.connect());
    stream
        .write_all(b"GET /varz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an orderly end");
    let response = Response::parse(&bytes);
    assert_eq!(
        (response.status, &response.json()["version"]),
        (200, &"2.14.5".into())
    );

    // Without TLS there is no answer, and the next client is served all the same.
    let mut plain = site.connect();
    plain
        .write_all(b"GET /varz HTTP/1.1\r\n\r\n")
        .expect("sent");
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes);
    assert!(!bytes.starts_with(b"HTTP/"), "{bytes:?}");
}
