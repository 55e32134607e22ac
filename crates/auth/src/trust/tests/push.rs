//! Which tokens may be stored, and which accounts deleted.

use super::*;
use crate::jwt::GenericClaims;
use serde_json::json;

#[test]
fn pushed_accounts_must_be_valid_and_trusted() {
    let trust = trust();
    let check = |token: &str, account: Option<&str>, expected: Result<(), &str>| {
        let pushed = trust.check_push(token, account);
        match (pushed, expected) {
            (Ok(pushed), Ok(())) => assert_eq!(pushed.subject(), Some(key(&super::account()))),
            (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
            (pushed, expected) => panic!("{pushed:?} {expected:?}"),
        }
    };
    let token = account_token(|_| {});
    check(&token, None, Ok(()));
    check(&token, Some(&id(&account())), Ok(()));
    let other = Err("jwt update resulted in error - subject does not match jwt content");
    check(&token, Some(&id(&other_account())), other);
    check(
        "junk",
        None,
        Err("jwt update resulted in error - expected 3 chunks"),
    );
    let invalid = account_token(|a| a.nats.cluster_traffic = "x".to_owned());
    check(
        &invalid,
        None,
        Err("jwt validation failed - validation errors: unknown cluster"),
    );
    // The time is not looked at.
    check(&account_token(|a| a.registered.expires = 1), None, Ok(()));
    let stranger = account_claims()
        .encode(&pair(Kind::Operator, 99), ISSUED)
        .unwrap();
    check(
        &stranger,
        None,
        Err("jwt validation failed - issuer is not"),
    );
    check(
        &account_claims().encode(&account(), ISSUED).unwrap(),
        None,
        Err("jwt validation"),
    );
}

#[test]
fn strict_operators_must_push_with_a_signing_key() {
    let config = TrustConfig {
        operators: vec![operator_token(|o| o.nats.strict_signing_key_usage = true)],
        ..trust_config()
    };
    let trust = Trust::new(config).unwrap();
    let error = trust.check_push(&account_token(|_| {}), None).unwrap_err();
    let text = "jwt update resulted in error - operator requires issuer to be a signing key";
    assert_eq!(
        (error.to_string().as_str(), error.account),
        (text, id(&account()))
    );
    let token = account_claims()
        .encode(&operator_signing_key(), ISSUED)
        .unwrap();
    assert!(trust.check_push(&token, None).is_ok());
}

#[test]
fn deletions_are_signed_by_the_operator_for_itself() {
    let config = TrustConfig {
        system_account: Some(id(&other_account())),
        ..trust_config()
    };
    let trust = Trust::new(config).unwrap();
    let request = |signer: &KeyPair, subject: &KeyPair, accounts: serde_json::Value| {
        let mut claims = GenericClaims::new(id(subject));
        claims.nats.fields.insert("accounts".to_owned(), accounts);
        claims.encode(signer, ISSUED).unwrap()
    };
    let check = |token: String, expected: Result<Vec<PublicKey>, &str>| {
        let deleted = trust.check_delete(&token);
        match expected {
            Ok(keys) => assert_eq!(deleted, Ok(keys)),
            Err(text) => {
                let error = deleted.unwrap_err();
                assert!(error.ends_with(&format!(" failed - {text}")), "{error}");
            }
        }
    };
    let (one, two) = (operator(), operator_signing_key());
    let list = json!([id(&account())]);
    check(request(&one, &one, list.clone()), Ok(vec![key(&account())]));
    check(request(&two, &two, list.clone()), Ok(vec![key(&account())]));
    check(request(&one, &two, list.clone()), Err("not self signed"));
    let stranger = pair(Kind::Operator, 99);
    check(request(&stranger, &stranger, list), Err("not trusted"));
    for malformed in [json!("x"), json!([1]), json!(["x"]), json!([id(&user())])] {
        check(request(&one, &one, malformed), Err("malformed request"));
    }
    let system = json!([id(&account()), id(&other_account())]);
    check(
        request(&one, &one, system),
        Err("not allowed to delete system account"),
    );
    check("junk".to_owned(), Err("expected 3 chunks"));
}
