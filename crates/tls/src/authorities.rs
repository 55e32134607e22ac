//! Client certificates: the authorities they are verified with, and the verifier.
//!
//! Owns the reading of `ca_file` or the system's authorities, and the wrapper that remembers
//! whose certificate was refused, for the log. Invariant: a verifier is built with at least one
//! authority. Called while options are loaded, then by rustls in each full handshake and by
//! [`crate::handshake`] after a resumed one.

use crate::{FileKind, TlsError, files, peer, tickets};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

tokio::task_local! {
    /// Whose certificate the handshake of this task refused.
    static REFUSED: Cell<Option<String>>;
}

/// Runs a handshake. Returns its result, and whose certificate was refused if one was.
pub(crate) async fn noting_refusals<F: Future>(handshake: F) -> (F::Output, Option<String>) {
    let noting = async {
        let result = handshake.await;
        (result, REFUSED.with(Cell::take))
    };
    REFUSED.scope(Cell::new(None), noting).await
}

/// The authorities of `ca_file`. What could not be read of it goes to `warnings`.
pub(crate) fn of_file(path: &str, warnings: &mut Vec<String>) -> Result<RootCertStore, TlsError> {
    let kind = FileKind::Authorities;
    let mut roots = RootCertStore::empty();
    let mut first_error = None;
    for (index, certificate) in files::certificates(kind, path)?.into_iter().enumerate() {
        if let Err(error) = roots.add(certificate) {
            let error = TlsError::BadCertificate {
                kind,
                path: path.to_owned(),
                position: index + 1,
                reason: error.to_string(),
            };
            warnings.push(error.to_string());
            first_error.get_or_insert(error);
        }
    }
    // As in Go: a bundle with a few bad entries serves, one without a good entry does not.
    match first_error {
        Some(error) if roots.is_empty() => Err(error),
        _ => Ok(roots),
    }
}

/// The authorities that the system trusts.
pub(crate) fn of_system() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first();
        return Err(TlsError::NoSystemAuthorities {
            reason: reason.map_or_else(String::new, |error| format!(" ({error})")),
        });
    }
    Ok(roots)
}

/// Demands a certificate that one of the authorities issued. With `hints` the client is told
/// their names, so that it can choose a certificate.
pub(crate) fn verifier(
    roots: RootCertStore,
    hints: Hints,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if hints == Hints::Hide {
        builder = builder.clear_root_hint_subjects();
    }
    let inner = builder
        .build()
        .map_err(|error| TlsError::Refused(error.to_string()))?;
    Ok(Arc::new(Verifier { inner }))
}

/// Whether clients are told which authorities are accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hints {
    /// Tell them all.
    Send,
    /// Tell none: the system's are too many for each handshake.
    Hide,
}

/// rustls' verifier, noting whose certificate it refuses.
struct Verifier {
    inner: Arc<dyn ClientCertVerifier>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

/// A certificate of an authority that only bears the name of one of ours was issued by a stranger.
/// rustls calls its signature bad, which tells the client that its own bytes were damaged.
fn as_of_a_stranger(error: Error) -> Error {
    match error {
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            Error::InvalidCertificate(CertificateError::UnknownIssuer)
        }
        error => error,
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let result = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)
            .map_err(as_of_a_stranger);
        match &result {
            Ok(_) => tickets::note_expiry(peer::expiry(end_entity)),
            Err(_) => {
                // Outside of a handshake of ours (HTTPS), nobody asks for it.
                let _ = REFUSED.try_with(|refused| refused.set(Some(peer::describe(end_entity))));
            }
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
