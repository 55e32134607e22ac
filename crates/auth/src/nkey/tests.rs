//! Vectors made with NATS's own Go nkeys library, and totality on arbitrary input.

use super::{KeyPair, Kind, NONCE_CHARS, NkeyError, Nonce, PublicKey, decode_signature};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use proptest::prelude::*;

/// What the library signed for the key made of [`raw_seed`], as CONNECT carries it.
const SIGNATURE: &str =
    "XqpqstDTS_nX36B7eV8IVlCoF6OWB7OmqHHpqz9kDqqHyTlJxtf8ceeUdmkXXDFyRhnumcu3Pa3P4j5arknhCA";
const MESSAGE: &[u8] = b"nonce-to-sign-1";
const USER_SEED: &str = "SUAACCAPCYOSIKZSHFAEOTSVLRRWU4LYP6DI3FE3UKU3BN56YXGNHWVCJA";
const USER: &str = "UDSAGCMYZ7K22FZDYFU7SVVKBOPLQYM3LGJL2YJMFL2CR26HT6G7AGME";
const CURVE: &str = "XDEP5SUBXYMWZXZMVXVL6E6ESA6XMMW44SKVVJULNZOZVXXVJYTBN7FU";

fn raw_seed() -> [u8; 32] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(7).wrapping_add(1))
}

/// Makes the pair both ways and compares texts and signature with the library's.
fn check_pair(kind: Kind, seed: &str, public: &str) {
    for pair in [
        KeyPair::from_bytes(kind, raw_seed()),
        KeyPair::from_seed(seed),
    ] {
        let pair = pair.unwrap();
        assert_eq!(pair.seed().as_str(), seed);
        assert_eq!(pair.public_key().to_string(), public);
        assert_eq!(Some(pair.sign(MESSAGE)), decode_signature(SIGNATURE));
    }
    let key: PublicKey = public.parse().unwrap();
    assert_eq!(key.kind(), kind);
    let signature = decode_signature(SIGNATURE).unwrap();
    assert_eq!(key.verify(MESSAGE, &signature), Ok(()));
    assert_eq!(
        key.verify(b"another", &signature),
        Err(NkeyError::BadSignature)
    );
    assert_eq!(
        key.verify(MESSAGE, &signature[1..]),
        Err(NkeyError::BadSignature)
    );
}

#[test]
fn keys_agree_with_the_go_library() {
    check_pair(
        Kind::Server,
        "SNAACCAPCYOSIKZSHFAEOTSVLRRWU4LYP6DI3FE3UKU3BN56YXGNHWQ6KM",
        "NDSAGCMYZ7K22FZDYFU7SVVKBOPLQYM3LGJL2YJMFL2CR26HT6G7A7QP",
    );
    check_pair(
        Kind::Cluster,
        "SCAACCAPCYOSIKZSHFAEOTSVLRRWU4LYP6DI3FE3UKU3BN56YXGNHWSTII",
        "CDSAGCMYZ7K22FZDYFU7SVVKBOPLQYM3LGJL2YJMFL2CR26HT6G7AQ5H",
    );
    check_pair(
        Kind::Operator,
        "SOAACCAPCYOSIKZSHFAEOTSVLRRWU4LYP6DI3FE3UKU3BN56YXGNHWQ56Y",
        "ODSAGCMYZ7K22FZDYFU7SVVKBOPLQYM3LGJL2YJMFL2CR26HT6G7BUT5",
    );
    check_pair(
        Kind::Account,
        "SAAACCAPCYOSIKZSHFAEOTSVLRRWU4LYP6DI3FE3UKU3BN56YXGNHWSRQQ",
        "ADSAGCMYZ7K22FZDYFU7SVVKBOPLQYM3LGJL2YJMFL2CR26HT6G7BC73",
    );
    check_pair(Kind::User, USER_SEED, USER);
}

#[test]
fn curve_keys_are_read_but_do_not_sign() {
    let key = PublicKey::parse(CURVE).unwrap();
    assert_eq!(key.kind(), Kind::Curve);
    assert_eq!(key.to_string(), CURVE);
    assert_eq!(key.verify(b"", &[0; 64]), Err(NkeyError::CannotSign));
    assert_eq!(
        KeyPair::from_bytes(Kind::Curve, raw_seed()).err(),
        Some(NkeyError::CannotSign)
    );
}

#[test]
fn wrong_texts_are_refused_with_their_reason() {
    let flipped = USER.replacen('D', "E", 1);
    for (text, reason) in [
        ("", NkeyError::Malformed),
        ("U", NkeyError::Malformed),
        (flipped.as_str(), NkeyError::Malformed),
        (&USER.to_lowercase(), NkeyError::Malformed),
        (&format!(" {USER}"), NkeyError::Malformed),
        (USER_SEED, NkeyError::WrongForm),
    ] {
        assert_eq!(PublicKey::parse(text), Err(reason), "{text:?}");
    }
    assert_eq!(KeyPair::from_seed(USER).err(), Some(NkeyError::WrongForm));
    assert_eq!(KeyPair::from_seed("").err(), Some(NkeyError::Malformed));
}

#[test]
fn a_pair_does_not_print_its_seed() {
    let printed = format!("{:?}", KeyPair::from_seed(USER_SEED).unwrap());
    assert_eq!(printed, format!("KeyPair({USER}, seed [REDACTED])"));
}

#[test]
fn a_nonce_is_fifteen_characters_of_base64url() {
    for (random, expected) in [
        ([0; 11], "AAAAAAAAAAAAAAA"),
        ([0xff; 11], "______________8"),
    ] {
        let nonce = Nonce::new(random);
        assert_eq!(nonce.as_str(), expected);
        assert_eq!(nonce.as_bytes().len(), NONCE_CHARS);
    }
}

#[test]
fn signatures_are_read_in_every_base64_clients_send() {
    // 0xfb.. makes both alphabets differ in the text.
    let signature: [u8; 64] = std::array::from_fn(|i| 0xfb_u8.wrapping_sub(i as u8));
    for text in [
        URL_SAFE_NO_PAD.encode(signature),
        URL_SAFE.encode(signature),
        STANDARD.encode(signature),
        STANDARD_NO_PAD.encode(signature),
    ] {
        assert_eq!(decode_signature(&text), Some(signature), "{text}");
    }
    for text in [
        "",
        "AAAA",
        "!",
        &URL_SAFE_NO_PAD.encode([0; 63]),
        &"A".repeat(10_000),
    ] {
        assert_eq!(decode_signature(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn parsing_never_panics(text in "\\PC*") {
        let _ = PublicKey::parse(&text);
        let _ = KeyPair::from_seed(&text);
        let _ = decode_signature(&text);
    }

    #[test]
    fn every_public_key_round_trips(bytes: [u8; 32], kind in 0..Kind::ALL.len()) {
        let key = PublicKey::from_bytes(Kind::ALL[kind], bytes);
        prop_assert_eq!(PublicKey::parse(&key.to_string()), Ok(key));
    }

    #[test]
    fn verifying_is_total(key: [u8; 32], message: Vec<u8>, signature: Vec<u8>) {
        let key = PublicKey::from_bytes(Kind::User, key);
        prop_assert_eq!(key.verify(&message, &signature), Err(NkeyError::BadSignature));
    }
}

/// Boxes of the official library, and ours opened by it (`testdata/tokens.json`).
mod curve {
    use crate::nkey::{CurveKeyPair, KeyPair, Kind, NkeyError, PublicKey, SealError};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn vectors() -> serde_json::Value {
        let text = include_str!("../../testdata/tokens.json");
        serde_json::from_str::<serde_json::Value>(text).unwrap()["box"].clone()
    }

    fn pair(byte: u8) -> CurveKeyPair {
        CurveKeyPair::from_bytes([byte; 32]).unwrap()
    }

    #[test]
    fn boxes_of_the_go_library_open() {
        let vectors = vectors();
        let field = |name: &str| vectors[name].as_str().unwrap();
        let (alice, bob) = (
            CurveKeyPair::from_seed(field("alice")).unwrap(),
            CurveKeyPair::from_seed(field("bob")).unwrap(),
        );
        assert_eq!(alice.public_key().to_string(), field("alice_public"));
        assert_eq!(bob.public_key().to_string(), field("bob_public"));
        assert_eq!(alice.seed().as_str(), field("alice"));
        for (sealed, message) in [("sealed", "hello"), ("sealed_empty", "")] {
            let sealed = STANDARD.decode(field(sealed)).unwrap();
            let opened = bob.open(&sealed, &alice.public_key()).unwrap();
            assert_eq!(opened.as_slice(), message.as_bytes());
            // The same nonce gives the same box.
            let nonce = sealed[4..28].try_into().unwrap();
            let again = alice.seal(message.as_bytes(), &bob.public_key(), nonce);
            assert_eq!(again.unwrap(), sealed);
        }
    }

    #[test]
    fn only_the_two_keys_open_a_box() {
        let (alice, bob, eve) = (pair(1), pair(2), pair(3));
        let sealed = alice.seal(b"secret", &bob.public_key(), [9; 24]).unwrap();
        assert!(bob.open(&sealed, &alice.public_key()).is_ok());
        // Both share the key, so the sender can open it too.
        assert!(alice.open(&sealed, &bob.public_key()).is_ok());
        for (opener, sender) in [(&eve, &alice), (&bob, &eve)] {
            let opened = opener.open(&sealed, &sender.public_key());
            assert_eq!(opened.unwrap_err(), SealError::CannotOpen);
        }
        let user = KeyPair::from_bytes(Kind::User, [1; 32])
            .unwrap()
            .public_key();
        assert_eq!(
            alice.seal(b"", &user, [0; 24]).unwrap_err(),
            SealError::UnusableKey
        );
        let zero = PublicKey::from_bytes(Kind::Curve, [0; 32]);
        assert_eq!(
            alice.seal(b"", &zero, [0; 24]).unwrap_err(),
            SealError::UnusableKey
        );
    }

    #[test]
    fn seeds_of_other_keys_are_refused_and_nothing_prints_one() {
        let user = KeyPair::from_bytes(Kind::User, [1; 32]).unwrap();
        let error = CurveKeyPair::from_seed(&user.seed()).unwrap_err();
        assert_eq!(error, NkeyError::CannotSeal);
        let pair = pair(7);
        let error = KeyPair::from_seed(&pair.seed()).unwrap_err();
        assert_eq!(error, NkeyError::CannotSign);
        assert!(!format!("{pair:?}").contains(pair.seed().as_str()));
    }

    proptest! {
        #[test]
        fn a_changed_box_does_not_open(
            message in proptest::collection::vec(any::<u8>(), 0..50),
            at in any::<proptest::sample::Index>(),
            bit in 0u8..8,
        ) {
            let (alice, bob) = (pair(1), pair(2));
            let mut sealed = alice.seal(&message, &bob.public_key(), [9; 24]).unwrap();
            let opened = bob.open(&sealed, &alice.public_key()).unwrap();
            prop_assert_eq!(opened.as_slice(), message.as_slice());
            let at = at.index(sealed.len());
            sealed[at] ^= 1 << bit;
            prop_assert!(bob.open(&sealed, &alice.public_key()).is_err());
            prop_assert!(bob.open(&sealed[..at], &alice.public_key()).is_err());
        }
    }
}
