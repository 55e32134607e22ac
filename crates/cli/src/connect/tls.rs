//! TLS settings as rustls wants them, for connections that async-nats doesn't make, and for our own
//! listener.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};

use super::secret::expand_home;
use super::settings::Settings;
use crate::error::{Context, Result};

/// The client's TLS configuration: the authorities of `--tlsca`, else the system's; the certificate
/// of `--tlscert`, if any.
pub(crate) fn client_config(settings: &Settings) -> Result<Arc<ClientConfig>> {
    Ok(witnessed_config(settings)?.0)
}

/// The same, with who remembers what the server showed besides its certificates.
pub(crate) fn witnessed_config(settings: &Settings) -> Result<(Arc<ClientConfig>, Arc<Witness>)> {
    let mut roots = RootCertStore::empty();
    let authorities = authorities(settings)?.into_iter().map(CertificateDer::from);
    if settings.context.ca.is_empty() {
        roots.add_parsable_certificates(authorities);
    } else {
        for certificate in authorities {
            roots.add(certificate)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let witness = Arc::new(Witness {
        inner: inner.build()?,
        ocsp: Mutex::default(),
    });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone());
    let config = if settings.context.cert.is_empty() {
        builder.with_no_client_auth()
    } else {
        let key = PrivateKeyDer::from_pem_file(expand_home(&settings.context.key))
            .context(&settings.context.key)?;
        builder.with_client_auth_cert(certificates(&settings.context.cert)?, key)?
    };
    Ok((Arc::new(config), witness))
}

/// The authorities that servers are verified with, in DER: those of `--tlsca`, else the system's.
pub(crate) fn authorities(settings: &Settings) -> Result<Vec<Vec<u8>>> {
    let found = match settings.context.ca.as_str() {
        "" => rustls_native_certs::load_native_certs().certs,
        file => certificates(file)?,
    };
    Ok(found
        .iter()
        .map(|certificate| certificate.to_vec())
        .collect())
}

/// The verifier of rustls, unchanged, which keeps the answer of OCSP that a server staples to its
/// certificate; rustls does not hand it out otherwise.
#[derive(Debug)]
pub(crate) struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    ocsp: Mutex<Vec<u8>>,
}

impl Witness {
    /// The answer of OCSP, in DER; empty if the server showed none.
    pub(crate) fn ocsp(&self) -> Vec<u8> {
        let ocsp = self.ocsp.lock().unwrap_or_else(PoisonError::into_inner);
        ocsp.clone()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let mut ocsp = self.ocsp.lock().unwrap_or_else(PoisonError::into_inner);
        ocsp_response.clone_into(&mut ocsp);
        self.inner
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// TLS of a listener that asks nobody for a certificate.
pub(crate) fn server_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let chain = certificates(&certificate.display().to_string())?;
    let key = PrivateKeyDer::from_pem_file(key).context(key.display())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context(certificate.display())?;
    Ok(Arc::new(config))
}

/// The certificates of a PEM file.
pub(crate) fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(expand_home(path)).context(path)?;
    read.collect::<std::result::Result<Vec<_>, _>>()
        .context(path)
}
