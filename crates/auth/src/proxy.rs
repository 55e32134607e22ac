//! Proxies in front of clients: whether one that the configuration trusts stands behind a
//! connection (`proxy_sig` of CONNECT, ADR-55).
//!
//! Owns the list of trusted keys and the check. A proxy signs the connection's nonce, as an nkey
//! user would. Called once per CONNECT; [`crate::users`] and [`crate::trust`] ask the outcome
//! where a user must come through a proxy.

use crate::nkey::{PublicKey, SIGNATURE_BYTES};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The keys of trusted proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    keys: Vec<PublicKey>,
}

/// What a `proxy_sig` proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyCheck {
    /// Nothing: there is none, or no proxy is trusted.
    #[default]
    NotProxied,
    /// That this proxy stands behind the connection.
    Trusted(PublicKey),
    /// There is one, and no trusted key made it: the connection must be closed.
    NotTrusted,
}

impl ProxyCheck {
    /// Whether a trusted proxy stands behind the connection.
    pub fn is_trusted(&self) -> bool {
        matches!(self, ProxyCheck::Trusted(_))
    }
}

impl TrustedProxies {
    /// Trusts these keys.
    pub fn new(keys: Vec<PublicKey>) -> Self {
        TrustedProxies { keys }
    }

    /// Whether none is trusted.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the key is trusted (still: see reloads).
    pub fn contains(&self, key: &PublicKey) -> bool {
        self.keys.contains(key)
    }

    /// Checks the `proxy_sig` of a CONNECT, empty if there is none, over the connection's nonce.
    pub fn check(&self, proxy_sig: &str, nonce: &[u8]) -> ProxyCheck {
        if proxy_sig.is_empty() || self.keys.is_empty() {
            return ProxyCheck::NotProxied;
        }
        // Unlike clients', proxies' signatures have one spelling.
        let mut signature = [0; SIGNATURE_BYTES];
        let decoded = URL_SAFE_NO_PAD.decode_slice(proxy_sig, &mut signature);
        // Signing nothing proves nothing: it could be replayed.
        if decoded != Ok(SIGNATURE_BYTES) || nonce.is_empty() {
            return ProxyCheck::NotTrusted;
        }
        let key = self
            .keys
            .iter()
            .find(|key| key.verify(nonce, &signature).is_ok());
        key.map_or(ProxyCheck::NotTrusted, |key| ProxyCheck::Trusted(*key))
    }
}

#[cfg(test)]
mod tests {
    use super::{ProxyCheck, TrustedProxies};
    use crate::nkey::{KeyPair, Kind, encode_signature};

    #[test]
    fn only_trusted_keys_vouch_for_a_connection() {
        let [trusted, other] =
            [1, 2].map(|seed| KeyPair::from_bytes(Kind::Server, [seed; 32]).unwrap());
        let proxies = TrustedProxies::new(vec![trusted.public_key()]);
        let sign = |pair: &KeyPair, nonce: &[u8]| encode_signature(&pair.sign(nonce));
        let check = |signature: &str, expected| {
            assert_eq!(proxies.check(signature, b"nonce"), expected, "{signature}");
        };
        check(
            &sign(&trusted, b"nonce"),
            ProxyCheck::Trusted(trusted.public_key()),
        );
        check(&sign(&trusted, b"other"), ProxyCheck::NotTrusted);
        check(&sign(&other, b"nonce"), ProxyCheck::NotTrusted);
        check("junk", ProxyCheck::NotTrusted);
        check(&"A".repeat(1000), ProxyCheck::NotTrusted);
        check("", ProxyCheck::NotProxied);
        assert_eq!(
            proxies.check(&sign(&trusted, b""), b""),
            ProxyCheck::NotTrusted
        );
        let nobody = TrustedProxies::default();
        assert_eq!(nobody.check("junk", b"nonce"), ProxyCheck::NotProxied);
    }
}
