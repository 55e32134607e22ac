//! The TLS of a listener: loaded from options, shared by its connections.
//!
//! Owns the rustls configurations. Invariants: immutable; tickets of one [`ServerTls`] mean
//! nothing to another, nor do those of the listener that asks for no certificates to the one
//! that does, so that nobody resumes around a check. Made by the server at start and on each
//! reload. Absent: what changed between two of them.

use crate::authorities::{self, Hints};
use crate::handshake::HandshakeError;
use crate::peer::{self, PeerDetail};
use crate::resolver::Certificates;
use crate::stream::TlsStream;
use crate::{FileKind, Inquiry, TlsError, crypto, files, ocsp, tickets};
use cognate_config::options::{CertificatePair, HandshakeFirst, TlsOptions};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CommonState, HandshakeKind, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};

/// Tickets sent after a TLS 1.3 handshake. Each costs the client a read; clients of NATS
/// reconnect one at a time.
const TICKETS: usize = 1;

/// Certificates between a client's own and the authority, at most.
const MAX_LINKS: usize = 10;

/// The TLS of a listener. Immutable: shared by an [`Arc`], replaced as a whole on reload.
pub struct ServerTls {
    closed: Arc<ServerConfig>,
    open: Arc<ServerConfig>,
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    maps_users: bool,
    /// Digests in hexadecimal, sorted.
    pins: Vec<String>,
    handshake_first: HandshakeFirst,
    timeout: Duration,
    not_after: Option<SystemTime>,
    warnings: Vec<String>,
    certificates: Arc<Certificates>,
    /// For the issuer of the certificate.
    ca_file: Option<String>,
    provider: Arc<CryptoProvider>,
}

impl ServerTls {
    /// Reads and checks all files that the options name. Reads files, so it blocks shortly.
    ///
    /// # Errors
    /// The first thing that is wrong, with the file and what to do about it. A certificate that
    /// expired is a [warning](Self::warnings), since NATS starts with it.
    pub fn load(options: &TlsOptions) -> Result<ServerTls, TlsError> {
        let now = SystemTime::now();
        let mut warnings = Vec::new();
        let provider = Arc::new(crypto::provider(options)?);
        let (mut keys, mut not_after) = (Vec::new(), None::<SystemTime>);
        for pair in &options.certificates {
            let (key, expiry) = certified_key(pair, &provider, now, &mut warnings)?;
            keys.push(key);
            not_after = match (not_after, expiry) {
                (Some(earliest), Some(expiry)) => Some(earliest.min(expiry)),
                (known, None) | (None, known) => known,
            };
        }
        let certificates = Arc::new(Certificates::new(keys).ok_or(TlsError::NoCertificates)?);
        let verifier = verifier(options, &provider, &mut warnings)?;
        let closed = match &verifier {
            Some(verifier) => Arc::clone(verifier),
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let open = WebPkiClientVerifier::no_client_auth();
        let closed = server_config(options, &provider, &certificates, closed)?;
        let open = server_config(options, &provider, &certificates, open)?;
        let mut pins: Vec<_> = options
            .pinned_certs
            .iter()
            .map(|pin| peer::hex(pin))
            .collect();
        pins.sort_unstable();
        Ok(ServerTls {
            closed,
            open,
            verifier,
            maps_users: options.verify_and_map,
            pins,
            handshake_first: options.handshake_first,
            timeout: options.timeout,
            not_after,
            warnings,
            certificates,
            ca_file: options.ca_file.clone(),
            provider,
        })
    }

    /// Whether the first of the certificates demands that an OCSP answer comes with it (RFC 7633).
    #[must_use]
    pub fn must_staple(&self) -> bool {
        let leaf = self.certificates.first().cert.first();
        leaf.and_then(|leaf| peer::parse(leaf).ok())
            .is_some_and(|leaf| ocsp::must_staple(&leaf))
    }

    /// What to ask about the first of the certificates. Its issuer is the second of its chain or, if
    /// it has none, one of `ca_file` or of the system's authorities. Reads files, so it blocks shortly.
    ///
    /// # Errors
    /// If there is no such issuer.
    pub fn inquiry(&self) -> Result<Inquiry, String> {
        let chain = &self.certificates.first().cert;
        let algorithms = self.provider.signature_verification_algorithms;
        let leaf = chain.first().ok_or("no certificate found")?;
        let issued = |issuer: &CertificateDer<'_>| ocsp::is_issued_by(leaf, issuer, algorithms);
        let issuer = match (chain.get(1), &self.ca_file) {
            (Some(next), _) => Some(next.clone()).filter(|next| issued(next)),
            (None, Some(path)) => {
                let all = files::certificates(FileKind::Authorities, path);
                let all = all.map_err(|error| error.to_string())?;
                all.into_iter().find(issued)
            }
            (None, None) => {
                let all = rustls_native_certs::load_native_certs().certs;
                all.into_iter().find(issued)
            }
        };
        let issuer = issuer.ok_or("no issuers found")?;
        if !ocsp::is_authority(&peer::parse(&issuer)?) {
            let issuer = peer::describe(&issuer);
            return Err(format!("{issuer} invalid ca basic constraints: is not ca"));
        }
        Inquiry::new(leaf, &issuer, algorithms)
    }

    /// What to ask about the certificates of a client, its own first, up to the authority that is
    /// trusted; those that name no responder are left out. `shown` are those that the client showed.
    /// Reads files if the authorities are the system's, so it blocks shortly.
    ///
    /// # Errors
    /// If a certificate in between is missing, or cannot be read.
    pub fn links(&self, shown: &[Vec<u8>]) -> Result<Vec<Inquiry>, String> {
        let algorithms = self.provider.signature_verification_algorithms;
        let authorities = match &self.ca_file {
            Some(path) => files::certificates(FileKind::Authorities, path)
                .map_err(|error| error.to_string())?,
            None => rustls_native_certs::load_native_certs().certs,
        };
        let shown: Vec<_> = shown
            .iter()
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let mut links = Vec::new();
        let mut leaf = shown.first().cloned().ok_or("no certificate found")?;
        for _ in 0..MAX_LINKS {
            if authorities.contains(&leaf) {
                return Ok(links);
            }
            let issued =
                |issuer: &&CertificateDer<'_>| ocsp::is_issued_by(&leaf, issuer, algorithms);
            let trusted = authorities.iter().find(issued);
            // What a client shows has to be what it claims to be: another copy of an authority's
            // certificate, vouched for by some client, would hide whom to ask about the real one.
            let may_issue = |shown: &&CertificateDer<'_>| {
                peer::parse(shown).is_ok_and(|read| ocsp::is_authority(&read)) && issued(shown)
            };
            let issuer = trusted.or_else(|| shown.iter().find(may_issue));
            let issuer = issuer.cloned().ok_or("no issuers found")?;
            let inquiry = Inquiry::new(&leaf, &issuer, algorithms)?;
            if !inquiry.responders().is_empty() {
                links.push(inquiry);
            }
            leaf = issuer;
        }
        Err("the chain of certificates is too long".to_owned())
    }

    /// Staples an OCSP answer to the first of the certificates. After `until` handshakes with it fail
    /// until another one is stapled.
    pub fn staple(&self, answer: Vec<u8>, until: Option<SystemTime>) {
        self.certificates.staple(answer, until);
    }

    /// Whether clients must show a certificate that an accepted authority issued.
    #[must_use]
    pub fn verifies_clients(&self) -> bool {
        self.verifier.is_some()
    }

    /// Whether the user is found by the certificate.
    #[must_use]
    pub fn maps_users(&self) -> bool {
        self.maps_users
    }

    /// When the handshake happens relative to INFO.
    #[must_use]
    pub fn handshake_first(&self) -> HandshakeFirst {
        self.handshake_first
    }

    /// How long a handshake may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// When the first of the listener's own certificates expires (`tls_cert_not_after` of
    /// `varz`). `None` if that cannot be told as a time.
    #[must_use]
    pub fn not_after(&self) -> Option<SystemTime> {
        self.not_after
    }

    /// What the operator should know although the options can be used: certificates outside of
    /// their validity, unreadable entries of `ca_file`.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether `pinned_certs` allow a peer. After a reload, connections that it does not allow
    /// any more are closed.
    #[must_use]
    pub fn allows(&self, peer: &PeerDetail) -> bool {
        self.pins.is_empty()
            || peer.peers.first().is_some_and(|peer| {
                let pin = self.pins.binary_search(&peer.spki_sha256);
                pin.is_ok()
            })
    }

    /// The server's side of a handshake, within the configured time, and the checks of the
    /// client's certificate. Cancel safe in that dropping the future drops the stream.
    ///
    /// # Errors
    /// Why there is no connection; the stream is closed.
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, PeerDetail), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let handshake = TlsStream::accept(Arc::clone(&self.closed), stream);
        let handshake = tickets::bound_to_certificate(authorities::noting_refusals(handshake));
        let (result, refused) = tokio::time::timeout(self.timeout, handshake)
            .await
            .map_err(|_| HandshakeError::Timeout)?;
        let stream = result.map_err(|error| HandshakeError::new(&error, refused))?;
        self.recheck(stream.state())?;
        let detail = PeerDetail::read(stream.state()).map_err(HandshakeError::Failed)?;
        if !self.allows(&detail) {
            return Err(HandshakeError::NotPinned);
        }
        Ok((stream, detail))
    }

    /// For monitoring over HTTPS: the same certificates and protocol options, but clients are
    /// not asked for a certificate.
    #[must_use]
    pub fn without_client_certificates(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.open)
    }

    /// Verifies the certificate of a resumed session again: an intermediate one may have expired
    /// since. (If the client's own has, nothing is resumed: see [`tickets`].)
    fn recheck(&self, connection: &CommonState) -> Result<(), HandshakeError> {
        let Some(verifier) = &self.verifier else {
            return Ok(());
        };
        let chain = connection.peer_certificates().unwrap_or_default();
        let Some((leaf, intermediates)) = chain.split_first() else {
            let reason = "the client showed no certificate";
            return Err(HandshakeError::Failed(reason.to_owned()));
        };
        if connection.handshake_kind() != Some(HandshakeKind::Resumed) {
            return Ok(());
        }
        match verifier.verify_client_cert(leaf, intermediates, UnixTime::now()) {
            Ok(_) => Ok(()),
            Err(error) => Err(HandshakeError::Failed(format!(
                "{error} ({})",
                peer::describe(leaf)
            ))),
        }
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("verifies_clients", &self.verifies_clients())
            .field("maps_users", &self.maps_users)
            .field("pins", &self.pins)
            .field("handshake_first", &self.handshake_first)
            .field("timeout", &self.timeout)
            .field("not_after", &self.not_after)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Reads a chain and its key, and checks that they belong together. Returns them with the time
/// when the leaf expires.
pub(crate) fn certified_key(
    pair: &CertificatePair,
    provider: &CryptoProvider,
    now: SystemTime,
    warnings: &mut Vec<String>,
) -> Result<(CertifiedKey, Option<SystemTime>), TlsError> {
    let CertificatePair {
        cert_file,
        key_file,
    } = pair;
    let chain = files::certificates(FileKind::Certificate, cert_file)?;
    let key = files::private_key(key_file)?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| TlsError::KeyUnusable {
            path: key_file.clone(),
            reason: error.to_string(),
        })?;
    let mut expiry = None;
    for (index, der) in chain.iter().enumerate() {
        let certificate = peer::parse(der).map_err(|reason| TlsError::BadCertificate {
            kind: FileKind::Certificate,
            path: cert_file.clone(),
            position: index + 1,
            reason,
        })?;
        if index > 0 {
            continue;
        }
        let fits = |key: rustls_pki_types::SubjectPublicKeyInfoDer<'_>| {
            key.as_ref() == certificate.public_key().raw
        };
        if !key.public_key().is_none_or(fits) {
            return Err(TlsError::KeyMismatch {
                cert_file: cert_file.clone(),
                key_file: key_file.clone(),
            });
        }
        let validity = certificate.validity();
        expiry = time(validity.not_after.timestamp());
        let starts = time(validity.not_before.timestamp());
        if expiry.is_some_and(|expiry| expiry < now) {
            warnings.push(format!(
                "the certificate in cert_file {cert_file:?} expired on {}: clients will refuse \
                 it; renew it",
                validity.not_after
            ));
        } else if starts.is_some_and(|starts| starts > now) {
            warnings.push(format!(
                "the certificate in cert_file {cert_file:?} is not valid before {}: clients will \
                 refuse it until then; check the clock",
                validity.not_before
            ));
        }
    }
    Ok((CertifiedKey::new(chain, key), expiry))
}

/// A time given in seconds since 1970. `None` if it is outside of what the system can tell.
fn time(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    }
}

/// Reads the authorities, which must be readable even if nothing is verified with them.
fn verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    warnings: &mut Vec<String>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    let verify = options.verify || options.verify_and_map;
    let (roots, hints): (RootCertStore, _) = match &options.ca_file {
        Some(path) => (authorities::of_file(path, warnings)?, Hints::Send),
        None if verify => (authorities::of_system()?, Hints::Hide),
        None => return Ok(None),
    };
    if !verify {
        return Ok(None);
    }
    authorities::verifier(roots, hints, Arc::clone(provider)).map(Some)
}

fn server_config(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
    certificates: &Arc<Certificates>,
    verifier: Arc<dyn ClientCertVerifier>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let refused = |error: rustls::Error| TlsError::Refused(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(crypto::versions(options, provider))
        .map_err(refused)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::clone(certificates) as _);
    config.ignore_client_order = true;
    // Tickets hold the session at the client; a cache would hold it here as well.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets::tickets().map_err(refused)?;
    config.send_tls13_tickets = TICKETS;
    // Early data can be replayed, and a replayed publish is a second message.
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}
