//! Which certificate a client gets.
//!
//! Owns the certificates of a listener, each with its key. Invariant: there is at least one.
//! Among several, the first is chosen that is valid for the name in the client's SNI and that
//! the client can verify; if the client gave no name or an unknown one, the first that it can
//! verify. Called by rustls in each handshake. Absent: wildcards and name constraints of its
//! own, rustls compares names; the common name, which no longer counts as a host's name.

use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use std::sync::Arc;

/// The certificates of a listener in the order of the options.
#[derive(Debug)]
pub(crate) struct Certificates {
    first: Arc<CertifiedKey>,
    others: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// `None` if there are none.
    pub(crate) fn new(keys: Vec<CertifiedKey>) -> Option<Self> {
        let mut keys = keys.into_iter().map(Arc::new);
        Some(Certificates {
            first: keys.next()?,
            others: keys.collect(),
        })
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.others.is_empty() {
            return Some(Arc::clone(&self.first));
        }
        let all = || std::iter::once(&self.first).chain(&self.others);
        let usable = |key: &&Arc<CertifiedKey>| {
            let scheme = key.key.choose_scheme(hello.signature_schemes());
            scheme.is_some()
        };
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| all().filter(usable).find(|key| is_valid_for(key, &name)));
        let chosen = named.or_else(|| all().find(usable));
        Some(Arc::clone(chosen.unwrap_or(&self.first)))
    }
}

fn is_valid_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first();
    leaf.and_then(|leaf| ParsedCertificate::try_from(leaf).ok())
        .is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
}
