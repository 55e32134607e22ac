//! Certificates in a directory of their own, and handshakes with a rustls client.

#![allow(dead_code, reason = "each test program uses a part of this")]

use cognate_config::options::{CertificatePair, TlsOptions};
use cognate_tls::{HandshakeError, PeerDetail, ServerTls};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// An authority, and a directory for what it issues.
pub(crate) struct Authority {
    pub(crate) dir: TempDir,
    pub(crate) ca_file: String,
    issuer: Issuer<'static, KeyPair>,
    /// For `localhost`.
    listener: Option<CertificatePair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Authorities of one name would pass for each other until signatures are compared.
        let name = format!("Authority {}", dir.path().display());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&key).unwrap();
        let ca_file = write(dir.path(), "ca.pem", ca.pem().as_bytes());
        let mut authority = Authority {
            dir,
            ca_file,
            issuer: Issuer::new(params, key),
            listener: None,
        };
        authority.listener = Some(authority.issue(&["localhost"]));
        authority
    }

    /// Issues a certificate for hosts, with an ECDSA key. The first is the file's name too.
    pub(crate) fn issue(&self, hosts: &[&str]) -> CertificatePair {
        self.issue_with(hosts, &KeyPair::generate().unwrap(), |_| {})
    }

    pub(crate) fn issue_with(
        &self,
        hosts: &[&str],
        key: &KeyPair,
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificatePair {
        let names: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, hosts[0]);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        change(&mut params);
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        let name = hosts[0].replace('*', "any");
        let file = self.dir.path().join(format!("{name}.pem"));
        assert!(!file.exists(), "{name} has a certificate already");
        CertificatePair {
            cert_file: self.file(&format!("{name}.pem"), certificate.pem().as_bytes()),
            key_file: self.file(&format!("{name}.key"), key.serialize_pem().as_bytes()),
        }
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        write(self.dir.path(), name, content)
    }

    /// Options of a listener whose certificate is for `localhost`.
    pub(crate) fn options(&self) -> TlsOptions {
        TlsOptions {
            certificates: self.listener.iter().cloned().collect(),
            ca_file: Some(self.ca_file.clone()),
            // Long enough for any machine: what must time out has a time of its own.
            timeout: Duration::from_secs(60),
            ..TlsOptions::default()
        }
    }

    /// A client that trusts this authority, and shows a certificate if it has one.
    pub(crate) fn client(&self, certificate: Option<&CertificatePair>) -> ClientConfig {
        self.client_with(default_provider(), ALL_VERSIONS, certificate)
    }

    pub(crate) fn client_with(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
        certificate: Option<&CertificatePair>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(&self.ca_file).unwrap())
            .unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match certificate {
            Some(pair) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from_pem_file(&pair.cert_file).unwrap()],
                    PrivateKeyDer::from_pem_file(&pair.key_file).unwrap(),
                )
                .unwrap(),
            None => builder.with_no_client_auth(),
        }
    }
}

fn write(dir: &Path, name: &str, content: &[u8]) -> String {
    let path = dir.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// What a handshake gave: to the server, and to the client the first bytes or why there are none.
pub(crate) struct Outcome {
    pub(crate) server: Result<PeerDetail, HandshakeError>,
    pub(crate) client: Result<TlsStream<DuplexStream>, String>,
}

impl Outcome {
    /// The failure as the server logs it.
    pub(crate) fn logged(&self) -> String {
        match &self.server {
            Ok(_) => "accepted".to_owned(),
            Err(error) => error.to_string(),
        }
    }
}

/// Connects a client to `localhost` and sends a line in each direction.
pub(crate) async fn connect(server: &ServerTls, client: &Arc<ClientConfig>) -> Outcome {
    connect_to("localhost", server, client).await
}

pub(crate) async fn connect_to(
    host: &str,
    server: &ServerTls,
    client: &Arc<ClientConfig>,
) -> Outcome {
    let (near, far) = duplex(1 << 16);
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let client = TlsConnector::from(Arc::clone(client)).connect(name, near);
    let server = async {
        let (mut stream, detail) = server.accept(far).await?;
        let mut line = [0; 6];
        stream.write_all(b"INFO\r\n").await.unwrap();
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"PING\r\n");
        Ok(detail)
    };
    let client = async {
        let mut stream = client.await.map_err(|error| error.to_string())?;
        let mut line = [0; 6];
        let read = stream.read_exact(&mut line).await;
        read.map_err(|error| error.to_string())?;
        assert_eq!(&line, b"INFO\r\n");
        stream.write_all(b"PING\r\n").await.unwrap();
        Ok(stream)
    };
    let (server, client) = tokio::join!(server, client);
    Outcome { server, client }
}
