//! TLS settings as rustls wants them, for connections that async-nats doesn't make, and for our own
//! listener.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::secret::expand_home;
use super::settings::Settings;
use crate::error::{Context, Result};

/// The client's TLS configuration: the authorities of `--tlsca`, else the system's; the certificate
/// of `--tlscert`, if any.
pub(crate) fn client_config(settings: &Settings) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if settings.context.ca.is_empty() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    } else {
        for certificate in certificates(&settings.context.ca)? {
            roots.add(certificate)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    if settings.context.cert.is_empty() {
        return Ok(Arc::new(builder.with_no_client_auth()));
    }
    let key = PrivateKeyDer::from_pem_file(expand_home(&settings.context.key))
        .context(&settings.context.key)?;
    Ok(Arc::new(builder.with_client_auth_cert(
        certificates(&settings.context.cert)?,
        key,
    )?))
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
