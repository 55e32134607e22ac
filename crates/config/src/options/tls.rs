//! TLS settings of a listener, as the configuration says them.
//!
//! Owns the typed form of `tls {}`. Invariants: certificate and key files come in pairs, names of
//! cipher suites and curves are known ones, pinned certificates are 32-byte digests. Read by the
//! server, which opens the files and builds the TLS configuration. Absent: reading any file.

use super::OcspPeerOptions;
use std::time::Duration;

/// A `tls {}` block or the `--tls…` flags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptions {
    /// Certificate chains with their keys: `cert_file`/`key_file`, or each entry of `certs`
    /// (the client's SNI chooses). Never empty in options that passed validation.
    pub certificates: Vec<CertificatePair>,
    /// PEM file with the authorities that client certificates are checked against; the system's
    /// when absent.
    pub ca_file: Option<String>,
    /// Require and verify a client certificate.
    pub verify: bool,
    /// Require and verify a client certificate, and find the user by it. Implies `verify`.
    pub verify_and_map: bool,
    /// Do not verify the peer of outgoing connections.
    pub insecure: bool,
    /// How long a handshake may take.
    pub timeout: Duration,
    /// The lowest protocol version accepted.
    pub min_version: TlsVersion,
    /// Names of cipher suites (as in Go and IANA), in the order given; empty is the default set.
    pub cipher_suites: Vec<&'static str>,
    /// Key exchange groups in order of preference; empty is the default order.
    pub curve_preferences: Vec<CurvePreference>,
    /// Digests one of which a client's certificate must have; empty accepts any.
    pub pinned_certs: Vec<PinnedCert>,
    /// Whether the handshake comes before INFO.
    pub handshake_first: HandshakeFirst,
    /// Most handshakes per second; 0 is unlimited.
    pub connection_rate_limit: u64,
    /// Check of client certificates with OCSP, when configured.
    pub ocsp_peer: Option<OcspPeerOptions>,
}

impl Default for TlsOptions {
    fn default() -> Self {
        Self {
            certificates: Vec::new(),
            ca_file: None,
            verify: false,
            verify_and_map: false,
            insecure: false,
            timeout: Duration::from_secs(2),
            min_version: TlsVersion::Tls12,
            cipher_suites: Vec::new(),
            curve_preferences: Vec::new(),
            pinned_certs: Vec::new(),
            handshake_first: HandshakeFirst::Off,
            connection_rate_limit: 0,
            ocsp_peer: None,
        }
    }
}

/// A certificate chain and its private key, both PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificatePair {
    /// Path of the certificate chain.
    pub cert_file: String,
    /// Path of the private key.
    pub key_file: String,
}

/// SHA-256 of a certificate's DER-encoded SubjectPublicKeyInfo.
pub type PinnedCert = [u8; 32];

/// Versions of TLS that may be the lowest accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2, the default.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Key exchange groups that can be named in `curve_preferences`, in the default order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CurvePreference {
    /// The hybrid post-quantum group.
    X25519MlKem768,
    /// X25519.
    X25519,
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl CurvePreference {
    /// All groups in the default order, with the names the configuration uses.
    pub const ALL: [(&'static str, Self); 5] = [
        ("X25519MLKEM768", Self::X25519MlKem768),
        ("X25519", Self::X25519),
        ("CurveP256", Self::P256),
        ("CurveP384", Self::P384),
        ("CurveP521", Self::P521),
    ];
}

/// When the TLS handshake happens relative to INFO (`handshake_first`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HandshakeFirst {
    /// INFO first, then the handshake: the classic NATS order.
    #[default]
    Off,
    /// Handshake first, always.
    On,
    /// Wait this long for the client to begin a handshake, then send INFO.
    Fallback(Duration),
}
