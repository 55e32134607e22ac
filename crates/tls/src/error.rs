//! Why TLS options cannot be used. Every text names the file and says what to do.
//!
//! Owns the texts only. Made by the modules that read files; shown by the server at start-up
//! and when a reload fails. Absent: failed handshakes, see [`crate::HandshakeError`].

use std::fmt;
use std::io;

/// What a file is for, by the key of `tls {}` that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// `cert_file`
    Certificate,
    /// `key_file`
    Key,
    /// `ca_file`
    Authorities,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Certificate => "cert_file",
            FileKind::Key => "key_file",
            FileKind::Authorities => "ca_file",
        })
    }
}

/// Why TLS options cannot be used. Paths are as the options give them.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsError {
    /// The options name no certificate.
    NoCertificates,
    /// A file cannot be read.
    Unreadable {
        /// What the file is for.
        kind: FileKind,
        /// The file.
        path: String,
        /// What the system said.
        error: io::Error,
    },
    /// A file is larger than any that makes sense.
    TooLarge {
        /// What the file is for.
        kind: FileKind,
        /// The file.
        path: String,
        /// The most bytes that are read.
        limit: u64,
    },
    /// A file is not well-formed PEM.
    Malformed {
        /// What the file is for.
        kind: FileKind,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file has no certificate.
    CertificateMissing {
        /// What the file is for.
        kind: FileKind,
        /// The file.
        path: String,
        /// Whether it has a private key instead.
        has_key: bool,
    },
    /// A certificate cannot be read, or not be used.
    BadCertificate {
        /// What the file is for.
        kind: FileKind,
        /// The file.
        path: String,
        /// Which certificate of the file, from 1.
        position: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A key file has no private key.
    KeyMissing {
        /// The file.
        path: String,
        /// Whether it has a certificate instead.
        has_certificate: bool,
    },
    /// A private key is protected by a passphrase.
    KeyEncrypted {
        /// The file.
        path: String,
    },
    /// A private key is damaged or of a kind that is not offered.
    KeyUnusable {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate was made for another key.
    KeyMismatch {
        /// The certificate.
        cert_file: String,
        /// The key that is not its own.
        key_file: String,
    },
    /// Client certificates are to be verified with the system's authorities, but it has none.
    NoSystemAuthorities {
        /// What went wrong, or nothing.
        reason: String,
    },
    /// A cipher suite that this server does not offer.
    CipherSuite {
        /// Its name.
        name: String,
    },
    /// The TLS library refuses a combination of options.
    Refused(String),
}

impl fmt::Display for TlsError {
    // tidy: long-function: the table of texts, one arm per error
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TlsError::NoCertificates => f.write_str(
                "tls has no certificate: give cert_file and key_file, or a list of them as certs",
            ),
            TlsError::Unreadable { kind, path, error } => write!(
                f,
                "cannot read {kind} {path:?}: {error}; check the path and that the server's user \
                 may read the file"
            ),
            TlsError::TooLarge { kind, path, limit } => write!(
                f,
                "{kind} {path:?} is larger than {limit} bytes: name a PEM file"
            ),
            TlsError::Malformed { kind, path, reason } => {
                write!(
                    f,
                    "{kind} {path:?} is damaged: {reason}; write it again as PEM"
                )
            }
            TlsError::CertificateMissing {
                kind,
                path,
                has_key,
            } => {
                let advice = if *has_key {
                    "it has a private key: are cert_file and key_file exchanged?"
                } else {
                    "it must be PEM, with a block -----BEGIN CERTIFICATE-----"
                };
                write!(f, "{kind} {path:?} has no certificate; {advice}")
            }
            TlsError::BadCertificate {
                kind,
                path,
                position,
                reason,
            } => write!(
                f,
                "certificate {position} of {kind} {path:?} cannot be used: {reason}; have it \
                 issued again"
            ),
            TlsError::KeyMissing {
                path,
                has_certificate,
            } => {
                let advice = if *has_certificate {
                    "it has a certificate: are cert_file and key_file exchanged?"
                } else {
                    "it must be PEM, with a block -----BEGIN PRIVATE KEY-----, \
                     -----BEGIN RSA PRIVATE KEY----- or -----BEGIN EC PRIVATE KEY-----"
                };
                write!(f, "key_file {path:?} has no private key; {advice}")
            }
            TlsError::KeyEncrypted { path } => write!(
                f,
                "the private key in key_file {path:?} is encrypted: write it without a \
                 passphrase, e.g. with \"openssl pkey -in {path} -out server.key\", and let only \
                 the server's user read it"
            ),
            TlsError::KeyUnusable { path, reason } => write!(
                f,
                "the private key in key_file {path:?} cannot be used: {reason}; use an RSA key of \
                 2048 to 8192 bits, an ECDSA key (P-256, P-384, P-521) or an Ed25519 key"
            ),
            TlsError::KeyMismatch {
                cert_file,
                key_file,
            } => write!(
                f,
                "the private key in key_file {key_file:?} does not belong to the certificate in \
                 cert_file {cert_file:?}: the first certificate of cert_file must be the server's \
                 own, made for this key"
            ),
            TlsError::NoSystemAuthorities { reason } => write!(
                f,
                "no system authorities to verify client certificates with{reason}; name a PEM \
                 file of authorities as ca_file"
            ),
            TlsError::CipherSuite { name } => write!(
                f,
                "cipher suite {name} is not offered; use any of {}",
                cognate_config::offered_cipher_suites().join(", ")
            ),
            TlsError::Refused(reason) => write!(f, "the TLS options cannot be used: {reason}"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TlsError::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}
