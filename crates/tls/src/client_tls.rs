//! The TLS of connections that the server opens itself, to an account server.
//!
//! Owns a rustls configuration. Invariants: immutable; the peer's certificate is verified with the
//! authorities of `ca_file`, or with the system's, unless the options say `insecure`. Made by the
//! server at start and on each reload. Absent: opening of sockets, pools of connections.

use crate::server_tls::certified_key;
use crate::{TlsError, authorities, crypto};
use cognate_config::options::TlsOptions;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The TLS of outgoing connections. Shared by an [`Arc`], replaced as a whole on reload.
pub struct ClientTls {
    connector: TlsConnector,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl ClientTls {
    /// Reads and checks all files that the options name. Reads files, so it blocks shortly.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file and what to do about it.
    pub fn load(options: &TlsOptions) -> Result<Self, TlsError> {
        let refused = |error: Error| TlsError::Refused(error.to_string());
        let provider = Arc::new(crypto::provider(options)?);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(crypto::versions(options, &provider))
            .map_err(refused)?;
        let mut warnings = Vec::new();
        let builder = if options.insecure {
            let verifier = Arc::new(Anybody(Arc::clone(&provider)));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
        } else {
            let roots = match &options.ca_file {
                Some(path) => authorities::of_file(path, &mut warnings)?,
                None => authorities::of_system()?,
            };
            builder.with_root_certificates(roots)
        };
        let config = match options.certificates.first() {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let (key, _) = certified_key(pair, &provider, SystemTime::now(), &mut warnings)?;
                let own = rustls::sign::SingleCertAndKey::from(key);
                builder.with_client_cert_resolver(Arc::new(own))
            }
        };
        Ok(ClientTls {
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    /// The client's side of a handshake with `host`, a name or an address.
    ///
    /// # Errors
    /// If the name cannot be used, or the handshake fails. The stream is closed.
    pub async fn connect<S>(&self, host: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.connector.connect(name, stream).await
    }
}

/// Takes whoever answers for the one meant, as `insecure` asks for.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
