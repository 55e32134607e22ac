//! Which certificate a client gets.
//!
//! Owns the certificates of a listener, each with its key. Invariant: there is at least one.
//! Among several, the first is chosen that is valid for the name in the client's SNI and that
//! the client can verify; if the client gave no name or an unknown one, the first that it can
//! verify. Called by rustls in each handshake. Absent: wildcards and name constraints of its
//! own, rustls compares names; the common name, which no longer counts as a host's name.
//!
//! An OCSP answer is stapled to the first certificate. Once one was, handshakes with that certificate
//! fail rather than go without a current answer: clients that ask for one must not be led to believe
//! that there is none.

use rustls::client::verify_server_name;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::ServerName;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// The certificates of a listener in the order of the options.
#[derive(Debug)]
pub(crate) struct Certificates {
    first: Arc<CertifiedKey>,
    others: Vec<Arc<CertifiedKey>>,
    /// The first certificate with an answer, and until when that holds.
    stapled: RwLock<Option<Stapled>>,
}

#[derive(Clone, Debug)]
struct Stapled {
    key: Arc<CertifiedKey>,
    until: Option<SystemTime>,
}

impl Certificates {
    /// `None` if there are none.
    pub(crate) fn new(keys: Vec<CertifiedKey>) -> Option<Self> {
        let mut keys = keys.into_iter().map(Arc::new);
        Some(Certificates {
            first: keys.next()?,
            others: keys.collect(),
            stapled: RwLock::default(),
        })
    }

    /// The first certificate, with those that it came with.
    pub(crate) fn first(&self) -> &CertifiedKey {
        &self.first
    }

    /// Staples an answer to the first certificate, until it holds no more.
    pub(crate) fn staple(&self, answer: Vec<u8>, until: Option<SystemTime>) {
        let mut key = CertifiedKey::clone(&self.first);
        key.ocsp = Some(answer);
        let stapled = Stapled {
            key: Arc::new(key),
            until,
        };
        // Nothing that could panic is done under the lock.
        let mut current = self.stapled.write().unwrap_or_else(PoisonError::into_inner);
        *current = Some(stapled);
    }

    /// The first certificate as it is shown now.
    fn shown(&self) -> Option<Arc<CertifiedKey>> {
        let stapled = self.stapled.read().unwrap_or_else(PoisonError::into_inner);
        match &*stapled {
            None => Some(Arc::clone(&self.first)),
            Some(Stapled { key, until }) => {
                let holds = until.is_none_or(|until| SystemTime::now() <= until);
                holds.then(|| Arc::clone(key))
            }
        }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if self.others.is_empty() {
            return self.shown();
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
        match chosen.unwrap_or(&self.first) {
            first if Arc::ptr_eq(first, &self.first) => self.shown(),
            other => Some(Arc::clone(other)),
        }
    }
}

fn is_valid_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let leaf = key.cert.first();
    leaf.and_then(|leaf| ParsedCertificate::try_from(leaf).ok())
        .is_some_and(|leaf| verify_server_name(&leaf, name).is_ok())
}
