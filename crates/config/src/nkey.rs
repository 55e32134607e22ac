//! The form of public nkeys.
//!
//! Owns two questions, so that a typing error in a configuration is found at start and not at the
//! first login. The keys themselves are `cognate_auth`'s.

use cognate_auth::nkey::PublicKey;

pub(crate) use cognate_auth::nkey::Kind;

/// Whether text is a public key of that kind, its checksum right.
pub(crate) fn is_public_key(text: &str, kind: Kind) -> bool {
    PublicKey::parse(text).is_ok_and(|key| key.kind() == kind)
}

/// Whether text is a public key of any kind, its checksum right.
pub(crate) fn is_any_public_key(text: &str) -> bool {
    PublicKey::parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Kind, is_any_public_key, is_public_key};

    #[test]
    fn a_user_key_with_a_right_checksum_is_accepted_and_nothing_else() {
        // The key of NATS's documentation.
        let good = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
        assert!(is_public_key(good, Kind::User) && is_any_public_key(good));
        assert!(!is_public_key(good, Kind::Account));
        let account = good.replacen('U', "A", 1);
        let typo = good.replacen("DXU", "DXV", 1);
        for bad in ["", "U", &good[1..], &good.to_lowercase(), &account, &typo] {
            assert!(!is_any_public_key(bad), "{bad}");
        }
    }
}
