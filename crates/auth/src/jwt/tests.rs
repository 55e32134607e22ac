//! Tokens made and judged by the official Go library (`testdata/tokens.json`): what it accepts
//! we accept and read alike, what it refuses we refuse, what it signs we sign alike.

use super::{
    Account, Activation, AuthorizationRequest, AuthorizationResponse, Body, Generic, Issues,
    JwtError, Operator, Signed, User, codec, kind_of,
};
use crate::nkey::KeyPair;
use proptest::prelude::*;
use serde_json::Value;

/// A time at which the vectors are valid, unless they expired long ago.
const NOW: i64 = 1_900_000_000;

fn vectors() -> Vec<Value> {
    let text = include_str!("../../testdata/tokens.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    vectors["tokens"].as_array().unwrap().clone()
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap_or_default()
}

pub(crate) fn vector(name: &str) -> String {
    let vectors = vectors();
    let found = vectors.iter().find(|vector| text(vector, "name") == name);
    text(found.unwrap_or_else(|| panic!("no vector {name}")), "token").to_owned()
}

/// What reading a token of any type gives: its JSON as Go would write it, and its findings.
fn read<T: Body>(token: &str) -> Result<(String, Issues), JwtError> {
    let signed = Signed::<T>::decode(token)?;
    let json = codec::go_json(signed.claims()).unwrap();
    Ok((json, signed.claims().validate(NOW)))
}

fn read_any(token: &str) -> Result<(String, Issues), JwtError> {
    match kind_of(token)?.as_str() {
        Operator::TYPE => read::<Operator>(token),
        Account::TYPE => read::<Account>(token),
        User::TYPE => read::<User>(token),
        Activation::TYPE => read::<Activation>(token),
        AuthorizationRequest::TYPE => read::<AuthorizationRequest>(token),
        AuthorizationResponse::TYPE => read::<AuthorizationResponse>(token),
        "generic" => read::<Generic>(token),
        other => Err(JwtError::WrongType("known", other.to_owned())),
    }
}

/// The levels of the findings, sorted, each once: texts differ in detail.
fn levels(vector: &Value) -> Vec<String> {
    let issues = vector["issues"].as_array().cloned().unwrap_or_default();
    let level = |issue: &Value| match (issue["blocking"] == true, issue["time"] == true) {
        (true, _) => "Error".to_owned(),
        (_, true) => "Time".to_owned(),
        _ => "Warning".to_owned(),
    };
    let mut levels: Vec<_> = issues.iter().map(level).collect();
    levels.sort();
    levels.dedup();
    levels
}

#[test]
fn tokens_are_judged_as_the_go_library_judges_them() {
    for vector in vectors() {
        let name = text(&vector, "name");
        let expected = text(&vector, "error");
        let read = read_any(text(&vector, "token"));
        let Ok((json, issues)) = &read else {
            assert!(!expected.is_empty(), "{name}: {read:?}");
            continue;
        };
        assert_eq!(expected, "", "{name} is accepted");
        let mut found: Vec<_> = issues
            .as_slice()
            .iter()
            .map(|i| format!("{:?}", i.level))
            .collect();
        found.sort();
        found.dedup();
        assert_eq!(found, levels(&vector), "{name}: {issues}");
        let claims = text(&vector, "claims");
        assert_eq!(json, claims, "{name}");
    }
}

/// Signs the claims again with the same key at the same time.
fn sign_again<T: Body>(token: &str, seed: &str) -> String {
    let claims = Signed::<T>::decode(token).unwrap().into_claims();
    let issued_at = claims.registered.issued_at;
    let signer = KeyPair::from_seed(seed).unwrap();
    claims.encode(&signer, issued_at).unwrap()
}

#[test]
fn tokens_are_written_byte_for_byte_as_the_go_library_writes_them() {
    let mut seen = 0;
    for vector in vectors() {
        let (token, seed) = (text(&vector, "token"), text(&vector, "signer"));
        // Tiers make other limits disappear when they are read.
        if vector["v2"] != true || text(&vector, "name") == "account_tiers_and_limits" {
            continue;
        }
        let again = match text(&vector, "kind") {
            "operator" => sign_again::<Operator>(token, seed),
            "account" => sign_again::<Account>(token, seed),
            "user" => sign_again::<User>(token, seed),
            "activation" => sign_again::<Activation>(token, seed),
            "authorization_request" => sign_again::<AuthorizationRequest>(token, seed),
            "authorization_response" => sign_again::<AuthorizationResponse>(token, seed),
            other => panic!("{other}"),
        };
        assert_eq!(again, token, "{}", text(&vector, "name"));
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn a_token_of_another_type_is_refused() {
    let token = vector("user_small");
    let error = Signed::<Account>::decode(&token).unwrap_err();
    assert_eq!(error, JwtError::WrongType("account", "user".to_owned()));
    assert!(Signed::<Generic>::decode(&token).is_ok());
}

#[test]
fn keys_sign_only_what_they_may() {
    let claims = Signed::<User>::decode(&vector("user_small"));
    let claims = claims.unwrap().into_claims();
    let operator = KeyPair::from_bytes(crate::nkey::Kind::Operator, [1; 32]).unwrap();
    let error = claims.clone().encode(&operator, 1).unwrap_err();
    assert!(matches!(error, JwtError::Issuer(_)), "{error}");
    let account = KeyPair::from_bytes(crate::nkey::Kind::Account, [1; 32]).unwrap();
    let mut nobody = claims;
    nobody.registered.subject = account.public_key().to_string();
    let error = nobody.encode(&account, 1).unwrap_err();
    assert!(matches!(error, JwtError::Subject(_)), "{error}");
}

#[test]
fn long_tokens_are_not_looked_at() {
    let long = "a".repeat(super::MAX_TOKEN_BYTES + 1);
    let error = Signed::<User>::decode(&long).unwrap_err();
    assert_eq!(error, JwtError::TooLarge(super::MAX_TOKEN_BYTES + 1));
    let error = Signed::<User>::decode(&long[1..]).unwrap_err();
    assert_eq!(error, JwtError::Parts);
}

#[test]
fn secrets_of_a_callout_do_not_print() {
    let request = Signed::<AuthorizationRequest>::decode(&vector("request_full")).unwrap();
    let mut claims = request.into_claims();
    claims.nats.connect_opts.password = "hunter2".to_owned().into();
    claims.nats.connect_opts.token = "hunter3".to_owned().into();
    claims.nats.connect_opts.jwt = "hunter4".to_owned().into();
    let printed = format!("{claims:?}");
    assert!(!printed.contains("hunter"), "{printed}");
}

proptest! {
    #[test]
    fn a_token_with_one_bit_flipped_is_refused(at in any::<proptest::sample::Index>(), bit in 0u8..8) {
        for name in ["user_full", "account_full", "operator_full", "activation", "v1_user"] {
            let token = vector(name);
            let mut bytes = token.clone().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // The header of version 1 is not signed: its spelling may change, its meaning not.
            let unsigned = name == "v1_user" && at < token.find('.').unwrap();
            if !unsigned {
                prop_assert!(read_any(&changed).is_err(), "{} at {}", name, at);
            }
        }
    }

    #[test]
    fn anything_is_read_or_refused(token in "[A-Za-z0-9_.-]{0,200}|\\PC*") {
        prop_assert!(read_any(&token).is_err());
    }
}
