//! Key exchange on the NIST curve P-521, which rustls leaves to its users.
//!
//! Owns nothing but the glue between rustls' trait and aws-lc-rs' ECDH. Invariant: only
//! uncompressed points are accepted (RFC 8446 §4.2.8.2), aws-lc-rs checks that they are on the
//! curve. Used when a client offers no better group, and when `curve_preferences` names it.

use aws_lc_rs::agreement::{
    ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral,
};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The length of an uncompressed point: a tag and two coordinates of 521 bits.
const POINT_LEN: usize = 133;

/// The group `secp521r1`.
pub(crate) static SECP521R1: &dyn SupportedKxGroup = &P521;

#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new())
            .map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer_pub_key: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = PeerMisbehaved::InvalidKeyShare;
        if peer_pub_key.len() != POINT_LEN || peer_pub_key.first() != Some(&4) {
            return Err(invalid.into());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer_pub_key);
        agree_ephemeral(self.private, peer, Error::from(invalid), |secret| {
            Ok(SharedSecret::from(secret))
        })
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_agree() {
        let (ours, theirs) = (SECP521R1.start().unwrap(), SECP521R1.start().unwrap());
        let (our_point, their_point) = (ours.pub_key().to_vec(), theirs.pub_key().to_vec());
        assert_ne!(our_point, their_point);
        let our_secret = ours.complete(&their_point).unwrap();
        let their_secret = theirs.complete(&our_point).unwrap();
        assert_eq!(our_secret.secret_bytes(), their_secret.secret_bytes());
        // RFC 8446 §7.4.2: the whole coordinate, leading zeros included.
        assert_eq!(our_secret.secret_bytes().len(), 66);
    }

    #[test]
    fn what_is_no_uncompressed_point_of_the_curve_is_refused() {
        let good = SECP521R1.start().unwrap().pub_key().to_vec();
        let mut off_curve = good.clone();
        off_curve[POINT_LEN - 1] ^= 1;
        let mut compressed = good[..67].to_vec();
        compressed[0] = 2 + (good[POINT_LEN - 1] & 1);
        let mut hybrid = good.clone();
        hybrid[0] = 6 + (good[POINT_LEN - 1] & 1);
        for bad in [
            off_curve,
            compressed,
            hybrid,
            Vec::new(),
            vec![4; POINT_LEN],
        ] {
            let result = SECP521R1.start().unwrap().complete(&bad);
            let error = result.err().map(|error| error.to_string());
            assert_eq!(
                error.as_deref(),
                Some("peer misbehaved: InvalidKeyShare"),
                "{bad:?}"
            );
        }
    }
}
