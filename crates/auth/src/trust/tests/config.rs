//! Which configurations and which accounts are trusted.

use super::*;
use crate::trust::{AccountError, TrustError};

#[track_caller]
fn refused(edit: impl FnOnce(&mut TrustConfig), expected: &str) {
    let mut config = trust_config();
    edit(&mut config);
    let error = Trust::new(config).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn configurations_are_checked() {
    refused(|c| c.operators.clear(), "neither operators");
    refused(
        |c| c.operators.push("junk".to_owned()),
        "error parsing operator JWT: expected 3",
    );
    refused(
        |c| c.trusted_keys.push(id(&operator())),
        "conflicting options for 'TrustedKeys' and 'TrustedOperators'",
    );
    refused(
        |c| {
            c.operators.clear();
            c.trusted_keys.push(id(&account()));
        },
        "trusted Keys \"A",
    );
    refused(
        |c| c.pinned_accounts.push("x".to_owned()),
        "pinned account key \"x\"",
    );
    refused(
        |c| c.system_account = Some("x".to_owned()),
        "system_account \"x\"",
    );
    let named = operator_token(|o| o.nats.system_account = id(&other_account()));
    refused(
        |c| {
            c.operators = vec![named.clone()];
            c.system_account = Some(id(&account()));
        },
        "system_account in config and operator JWT must be identical",
    );
    refused(
        |c| c.default_sentinel = Some(user_token(&account(), |_| {})),
        "default sentinel must be a bearer token",
    );
    refused(
        |c| c.default_sentinel = Some("x".to_owned()),
        "default sentinel JWT not valid",
    );
}

#[test]
fn operators_may_want_a_newer_server() {
    let check = |version: &str, fine: bool| {
        let token = operator_token(|o| o.nats.assert_server_version = version.to_owned());
        let trust = Trust::new(TrustConfig {
            operators: vec![token],
            ..trust_config()
        });
        match trust {
            Ok(_) => assert!(fine, "{version}"),
            Err(TrustError::ServerVersion(..)) => assert!(!fine, "{version}"),
            Err(other) => panic!("{other}"),
        }
    };
    for version in ["", "2.14.5", "2.14.4", "2.13.99", "1.99.99"] {
        check(version, true);
    }
    for version in ["2.14.6", "2.15.0", "3.0.0", "2.14", "x", "2.-1.0"] {
        check(version, false);
    }
}

#[test]
fn the_system_account_is_the_configured_one_or_the_operators() {
    let named = operator_token(|o| o.nats.system_account = id(&other_account()));
    let system = |operators: Vec<String>, configured: Option<String>| {
        let trust = Trust::new(TrustConfig {
            operators,
            system_account: configured,
            ..trust_config()
        });
        trust.unwrap().system_account()
    };
    let plain = operator_token(|_| {});
    assert_eq!(system(vec![plain.clone()], None), None);
    let account = Some(id(&account()));
    assert_eq!(
        system(vec![plain.clone()], account),
        Some(key(&super::account()))
    );
    assert_eq!(
        system(vec![named.clone()], None),
        Some(key(&other_account()))
    );
    let same = Some(id(&other_account()));
    assert_eq!(
        system(vec![plain, named], same),
        Some(key(&other_account()))
    );
}

#[test]
fn accounts_are_accepted_from_trusted_keys() {
    let trust = trust();
    let accept = |signer: &KeyPair| {
        let token = account_claims().encode(signer, ISSUED).unwrap();
        trust
            .accept_account(&token, None, NOW)
            .map(|account| account.id)
    };
    let account_key = key(&account());
    assert_eq!(accept(&operator()), Ok(account_key));
    assert_eq!(accept(&operator_signing_key()), Ok(account_key));
    let stranger = pair(Kind::Operator, 99);
    assert_eq!(
        accept(&stranger),
        Err(AccountError::NotTrusted(key(&stranger)))
    );
    // An account may sign itself, but that does not make anybody trust it.
    assert_eq!(
        accept(&account()),
        Err(AccountError::NotTrusted(account_key))
    );
}

#[test]
fn accounts_must_be_valid_and_the_ones_asked_for() {
    let trust = trust();
    let accept = |token: &str, expected: Option<&PublicKey>| {
        let accepted = trust.accept_account(token, expected, NOW);
        accepted
            .map(|account| account.id)
            .map_err(|e| e.to_string())
    };
    let token = account_token(|_| {});
    assert!(accept(&token, Some(&key(&account()))).is_ok());
    let error = accept(&token, Some(&key(&other_account()))).unwrap_err();
    assert!(error.starts_with("account validation failed"), "{error}");
    let expired = account_token(|a| a.registered.expires = NOW - 1);
    assert!(
        accept(&expired, None)
            .unwrap_err()
            .contains("claim is expired")
    );
    let traffic = account_token(|a| a.nats.cluster_traffic = "x".to_owned());
    assert!(
        accept(&traffic, None)
            .unwrap_err()
            .contains("cluster traffic")
    );
    assert!(accept("junk", None).unwrap_err().contains("chunks"));
}

#[test]
fn strict_operators_sign_with_signing_keys_and_so_do_their_accounts() {
    let strict = operator_token(|o| o.nats.strict_signing_key_usage = true);
    let trust = Trust::new(TrustConfig {
        operators: vec![strict],
        ..trust_config()
    });
    let trust = trust.unwrap();
    assert!(!trust.is_trusted(&key(&operator())));
    let token = account_claims()
        .encode(&operator_signing_key(), ISSUED)
        .unwrap();
    let account = trust.accept_account(&token, None, NOW).unwrap();
    assert!(!account.has_issuer(&account.id));
    assert!(account.has_issuer(&key(&signing_key())));
    let lax = super::trust().accept_account(&token, None, NOW).unwrap();
    assert!(lax.has_issuer(&lax.id));
}

#[test]
fn trusted_keys_do_without_operators() {
    let trust = Trust::new(TrustConfig {
        operators: Vec::new(),
        trusted_keys: vec![id(&operator())],
        ..trust_config()
    });
    let trust = trust.unwrap();
    assert!(trust.is_trusted(&key(&operator())) && trust.operators().is_empty());
    assert!(!trust.is_trusted(&key(&operator_signing_key())));
}

#[test]
fn an_account_becomes_a_spec_and_says_what_it_leaves_out() {
    let account = accepted(|a| {
        a.nats.exports.push(crate::jwt::Export {
            subject: "bad.>.x".to_owned(),
            kind: Some(crate::jwt::ExportKind::Stream),
            ..Default::default()
        });
        a.nats.default_permissions.publish.deny = vec!["a.>.b".to_owned()];
        a.nats.limits.account.connections = 5;
    });
    assert_eq!(account.spec.name, id(&super::account()));
    assert_eq!(account.spec.name_tag.as_deref(), Some("Shop"));
    assert_eq!(account.spec.limits.max_connections, Some(5));
    assert!(account.spec.stream_exports.is_empty());
    let problems: Vec<_> = account.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2, "{problems:?}");
    let permissions = account.default_permissions().unwrap();
    assert!(
        !permissions.can_publish(b"anything"),
        "nobody gets more than was meant"
    );
}
