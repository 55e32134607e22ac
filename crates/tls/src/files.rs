//! Reading PEM files: certificate chains, private keys, authorities.
//!
//! Owns the only file accesses of this crate. Invariants: no file beyond [`MAX_FILE_BYTES`] is
//! read, key material is wiped from the buffers made here, and arbitrary bytes give an error
//! that names the file. Called by [`crate::server_tls`] and [`crate::authorities`] while options
//! are loaded.

use crate::{FileKind, TlsError};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::Read;
use zeroize::Zeroizing;

/// The most that is read of a file. Bundles of all public authorities have 200–300 KiB.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// All certificates of a file, at least one.
pub(crate) fn certificates(
    kind: FileKind,
    path: &str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read(kind, path)?;
    let certificates = CertificateDer::pem_slice_iter(&content)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(kind, path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::CertificateMissing {
            kind,
            path: path.to_owned(),
            has_key: holds(&content, "PRIVATE KEY-----"),
        });
    }
    Ok(certificates)
}

/// The first private key of a file: PKCS #8, PKCS #1 (RSA) or SEC 1 (EC).
pub(crate) fn private_key(path: &str) -> Result<PrivateKeyDer<'static>, TlsError> {
    let content = read(FileKind::Key, path)?;
    PrivateKeyDer::from_pem_slice(&content).map_err(|error| {
        // An encrypted key is either a kind of block that the reader skips (PKCS #8) or has
        // headers that it takes for base64 (the older form).
        let encrypted = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "4,ENCRYPTED"];
        let path = path.to_owned();
        match error {
            _ if encrypted.iter().any(|mark| holds(&content, mark)) => {
                TlsError::KeyEncrypted { path }
            }
            pem::Error::NoItemsFound => TlsError::KeyMissing {
                path,
                has_certificate: holds(&content, "-----BEGIN CERTIFICATE-----"),
            },
            error => malformed(FileKind::Key, &path, &error),
        }
    })
}

/// The content of a file. Wiped when dropped, since it may have a key whatever the file is for.
fn read(kind: FileKind, path: &str) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |error| TlsError::Unreadable {
        kind,
        path: path.to_owned(),
        error,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Growing the buffer would leave copies behind.
    let length = file.metadata().map_err(unreadable)?.len();
    let capacity = usize::try_from(length.min(MAX_FILE_BYTES)).unwrap_or_default() + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(unreadable)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(TlsError::TooLarge {
            kind,
            path: path.to_owned(),
            limit: MAX_FILE_BYTES,
        });
    }
    Ok(content)
}

fn malformed(kind: FileKind, path: &str, error: &pem::Error) -> TlsError {
    let reason = match error {
        pem::Error::MissingSectionEnd { .. } => "a block has no -----END line".to_owned(),
        pem::Error::IllegalSectionStart { .. } => {
            "a -----BEGIN line does not end in five dashes".to_owned()
        }
        pem::Error::Base64Decode(_) => "a block is not valid base64".to_owned(),
        other => other.to_string(),
    };
    TlsError::Malformed {
        kind,
        path: path.to_owned(),
        reason,
    }
}

fn holds(content: &[u8], text: &str) -> bool {
    content
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
