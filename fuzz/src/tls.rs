//! What a TLS connection needs for fuzzing: a socket without a kernel, a listener's configuration and
//! clients, all within one thread and without waiting.
//!
//! Keys and groups are those whose messages always have the same length (Ed25519, X25519), so that an
//! input cuts and damages the same fields in every run although nonces and keys are random.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use cognate_config::options::{CertificatePair, CurvePreference, TlsOptions};
use cognate_tls::ServerTls;
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::{default_provider, kx_group};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The server's end of a connection without a kernel. The other end is reached through the same cell.
#[derive(Clone, Default)]
pub struct Socket(pub Rc<RefCell<Wires>>);

/// What is on its way in either direction.
#[derive(Default)]
pub struct Wires {
    /// Bytes that have arrived at the server.
    pub arrived: VecDeque<u8>,
    /// Nothing arrives behind these.
    pub ended: bool,
    /// Bytes that the server has sent.
    pub sent: VecDeque<u8>,
    /// Bytes that the server may still send.
    pub room: usize,
    /// Somebody was told to come back.
    pub awaited: bool,
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wires = self.0.borrow_mut();
        if wires.arrived.is_empty() && !wires.ended {
            wires.awaited = true;
            return Poll::Pending;
        }
        let count = wires.arrived.len().min(out.remaining());
        out.put_slice(&wires.arrived.drain(..count).collect::<Vec<_>>());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wires = self.0.borrow_mut();
        if wires.room == 0 && !bytes.is_empty() {
            wires.awaited = true;
            return Poll::Pending;
        }
        let count = wires.room.min(bytes.len());
        wires.room -= count;
        wires.sent.extend(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A listener that asks nobody for a certificate, one that does, and clients of both versions.
pub struct Parties {
    pub open: ServerTls,
    pub mutual: ServerTls,
    pub older: Arc<ClientConfig>,
    pub newer: Arc<ClientConfig>,
}

impl Parties {
    /// Issues one certificate, for everybody, and reads it as the server does: from files, which are
    /// gone again afterwards.
    pub fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.self_signed(&key).expect("a certificate");
        let directory = std::env::temp_dir().join(format!("fuzz-tls-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let file = |name: &str, text: String| {
            let path = directory.join(name);
            std::fs::write(&path, text).expect("a file");
            path.to_string_lossy().into_owned()
        };
        let pair = CertificatePair {
            cert_file: file("cert.pem", certificate.pem()),
            key_file: file("key.pem", key.serialize_pem()),
        };
        let open = TlsOptions {
            ca_file: Some(pair.cert_file.clone()),
            certificates: vec![pair],
            curve_preferences: vec![CurvePreference::X25519],
            ..TlsOptions::default()
        };
        let mutual = TlsOptions {
            verify: true,
            ..open.clone()
        };
        let parties = Parties {
            open: ServerTls::load(&open).expect("it was just written"),
            mutual: ServerTls::load(&mutual).expect("it was just written"),
            older: client(&TLS12, &certificate.pem(), &key.serialize_pem()),
            newer: client(&TLS13, &certificate.pem(), &key.serialize_pem()),
        };
        std::fs::remove_dir_all(&directory).expect("it is ours");
        parties
    }
}

impl Default for Parties {
    fn default() -> Self {
        Parties::new()
    }
}

fn client(
    version: &'static rustls::SupportedProtocolVersion,
    certificate: &str,
    key: &str,
) -> Arc<ClientConfig> {
    let mut provider = default_provider();
    provider.kx_groups = vec![kx_group::X25519];
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .expect("the provider has both")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes()).expect("a certificate")],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key"),
        )
        .expect("they belong together");
    // What one input leaves behind must not change what the next one does.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Believes every server: the server is what is under test.
#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
