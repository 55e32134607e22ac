//! Certificates made for a test, and a client that speaks TLS.

use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use cognate_conformance::Client;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, SanType,
};
use rustls::client::WantsClientCert;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

/// An authority that issues the certificates of one test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Identity {
    /// The certificate.
    pub(crate) cert: rcgen::Certificate,
    /// Its key.
    pub(crate) key: KeyPair,
}

impl Authority {
    /// A new authority.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a self-signed certificate"))
    }

    /// A certificate of this authority for 127.0.0.1 with a common name and an e-mail address.
    pub(crate) fn issue(&self, name: &str, email: Option<&str>) -> Identity {
        let email = email.map(|email| email.try_into().expect("an ASCII address"));
        let names = email.map(SanType::Rfc822Name).into_iter().collect();
        self.sign(&[(DnType::CommonName, name)], names)
    }

    /// A certificate of this authority for 127.0.0.1 with any subject and further names.
    pub(crate) fn sign(&self, subject: &[(DnType, &str)], names: Vec<SanType>) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in subject {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.subject_alt_names = vec![SanType::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]))];
        params.subject_alt_names.extend(names);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let cert = params
            .signed_by(&key, &self.0)
            .expect("a signed certificate");
        Identity { cert, key }
    }

    /// Writes `ca.pem`, and `server.pem` with `server-key.pem` for a new identity named `name`.
    pub(crate) fn write_server_files(&self, dir: &Path, name: &str) -> Identity {
        let identity = self.issue(name, None);
        let write = |file: &str, text: String| {
            std::fs::write(dir.join(file), text).expect("a temporary file can be written");
        };
        write("ca.pem", self.0.as_ref().pem());
        write("server.pem", identity.cert.pem());
        write("server-key.pem", identity.key.serialize_pem());
        identity
    }

    /// What a client that trusts this authority is configured with; `identity` is what it shows.
    pub(crate) fn client_config(&self, identity: Option<&Identity>) -> Arc<ClientConfig> {
        let config = self.trusting(rustls::ALL_VERSIONS);
        Arc::new(match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(vec![identity.der()], identity.key_der())
                .expect("the key belongs to the certificate"),
        })
    }

    /// Like [`Authority::client_config`] without a certificate, limited to some TLS versions.
    pub(crate) fn client_config_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        Arc::new(self.trusting(versions).with_no_client_auth())
    }

    fn trusting(
        &self,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        let mut roots = RootCertStore::empty();
        roots
            .add(self.0.as_ref().der().clone())
            .expect("a valid authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider has TLS 1.2 and 1.3")
            .with_root_certificates(roots)
    }
}

impl Identity {
    /// The certificate in DER.
    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.cert.der().clone()
    }

    fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.serialize_der().into())
    }

    /// SHA-256 of the public key (SPKI), in hexadecimal, as `pinned_certs` wants it.
    pub(crate) fn pin(&self) -> String {
        use rcgen::PublicKeyData as _;
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            &self.key.subject_public_key_info(),
        );
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Starts TLS on a connection.
pub(crate) fn wrap(tcp: TcpStream, config: Arc<ClientConfig>) -> Client {
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let session = ClientConnection::new(config, name).expect("a valid configuration");
    let io = tcp.try_clone().expect("a second handle of the socket");
    Client::over(tcp, Box::new(StreamOwned::new(session, io)))
}

/// Connects, reads the plain INFO, then starts TLS.
pub(crate) fn upgrade(addr: SocketAddr, config: Arc<ClientConfig>) -> Client {
    wrap(Client::connect(addr).into_tcp(), config)
}

/// What a client that starts TLS is refused with.
pub(crate) fn refusal(addr: SocketAddr, config: Arc<ClientConfig>) -> String {
    let name = ServerName::from(std::net::IpAddr::from([127, 0, 0, 1]));
    let session = ClientConnection::new(config, name).expect("a valid configuration");
    let mut io = StreamOwned::new(session, Client::connect(addr).into_tcp());
    // With TLS 1.3 a client learns only from the first read that it was refused.
    let refused = io.read_exact(&mut [0]).expect_err("the handshake fails");
    refused.to_string()
}

/// Connects and starts TLS at once.
pub(crate) fn immediate(addr: SocketAddr, config: Arc<ClientConfig>) -> Client {
    wrap(
        TcpStream::connect(addr).expect("the server listens"),
        config,
    )
}
