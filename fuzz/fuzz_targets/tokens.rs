//! Tokens: reading, judging, signing and using whatever claims an input makes.
//!
//! The first byte chooses what the rest is. As a raw token it must be refused or be one that was
//! really signed. As the JSON of claims it is signed here, so that the fuzzer gets past the
//! signature: then what is read must be written and read again as the same; validation is the
//! same twice and bounded; an account that is accepted names its own subject and its spec holds
//! only checked subjects; a user is admitted only by an account that has its issuer, and never with
//! permissions of its own under a scope; nothing that prints shows a bearer's token.
#![no_main]

use cognate_auth::jwt::{
    Account, Activation, AuthorizationRequest, AuthorizationResponse, Body, Generic, Operator,
    Signed, User, kind_of,
};
use cognate_auth::nkey::{KeyPair, Kind, encode_signature};
use cognate_auth::time_window::Moment;
use cognate_auth::trust::{JwtLogin, Trust, TrustConfig, TrustedAccount};
use cognate_fuzz::{choose, sections};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

const NOW: i64 = 1_900_000_000;

struct Keys {
    operator: KeyPair,
    account: KeyPair,
    signing: KeyPair,
    user: KeyPair,
    server: KeyPair,
}

static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let pair = |kind, seed| KeyPair::from_bytes(kind, [seed; 32]).expect("a key");
    Keys {
        operator: pair(Kind::Operator, 1),
        account: pair(Kind::Account, 3),
        signing: pair(Kind::Account, 4),
        user: pair(Kind::User, 7),
        server: pair(Kind::Server, 9),
    }
});

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    let check: fn(&str) = choose(
        which,
        [
            raw,
            |text| drop(claims::<Operator>(text, &KEYS.operator, &KEYS.operator)),
            |text| drop(account(text)),
            |text| drop(claims::<User>(text, &KEYS.account, &KEYS.user)),
            |text| drop(claims::<Activation>(text, &KEYS.account, &KEYS.account)),
            |text| {
                drop(claims::<AuthorizationRequest>(
                    text,
                    &KEYS.server,
                    &KEYS.user,
                ))
            },
            |text| {
                drop(claims::<AuthorizationResponse>(
                    text,
                    &KEYS.account,
                    &KEYS.user,
                ))
            },
            login,
        ],
    );
    check(&text);
});

fn raw(text: &str) {
    let kind = kind_of(text);
    let signed = [
        Signed::<Operator>::decode(text).is_ok(),
        Signed::<Account>::decode(text).is_ok(),
        Signed::<User>::decode(text).is_ok(),
        Signed::<Activation>::decode(text).is_ok(),
        Signed::<AuthorizationRequest>::decode(text).is_ok(),
        Signed::<AuthorizationResponse>::decode(text).is_ok(),
    ];
    let types = signed.iter().filter(|signed| **signed).count();
    assert!(types <= 1, "a token has one type");
    assert!(types == 0 || kind.is_ok());
    let _ = Signed::<Generic>::decode(text);
}

/// Signs the JSON under `nats` as claims about `subject`. `None` if it is no such claims.
fn claims<T: Body + PartialEq + std::fmt::Debug + Clone>(
    nats: &str,
    signer: &KeyPair,
    subject: &KeyPair,
) -> Option<String> {
    let mut claims = cognate_auth::jwt::Claims::<T>::new(subject.public_key().to_string());
    claims.nats = serde_json::from_str(nats).ok()?;
    claims.registered.name = "n".to_owned();
    let token = claims.encode(signer, NOW - 1).ok()?;
    let read = Signed::<T>::decode(&token).expect("what was signed is read");
    assert_eq!(read.issuer(), signer.public_key());
    let again = read.claims().clone().encode(signer, NOW - 1);
    let again = again.expect("what was read is written");
    let reread = Signed::<T>::decode(&again).expect("and read again");
    assert_eq!(read.claims().nats, reread.claims().nats);
    let issues = read.claims().validate(NOW);
    assert_eq!(issues, reread.claims().validate(NOW));
    assert!(issues.as_slice().len() <= cognate_auth::jwt::Issues::MAX);
    Some(token)
}

fn trust() -> Trust {
    let operator = cognate_auth::jwt::OperatorClaims::new(KEYS.operator.public_key().to_string());
    let token = operator.encode(&KEYS.operator, 1).expect("an operator");
    Trust::new(TrustConfig {
        operators: vec![token],
        ..TrustConfig::default()
    })
    .expect("it is trusted")
}

fn account(nats: &str) -> Option<TrustedAccount> {
    let token = claims::<Account>(nats, &KEYS.operator, &KEYS.account)?;
    let accepted = trust().accept_account(&token, None, NOW).ok()?;
    assert_eq!(accepted.id, KEYS.account.public_key());
    assert_eq!(accepted.spec.name, KEYS.account.public_key().to_string());
    assert!(accepted.has_issuer(&accepted.id));
    for export in &accepted.spec.service_exports {
        let found = accepted.spec.service_export(export.subject.as_bytes());
        assert!(found.is_some(), "an export is found by its own subject");
    }
    for import in &accepted.spec.stream_imports {
        let same = import.rename.is_same();
        assert!(!same || import.rename.exported() == import.rename.local());
    }
    Some(accepted)
}

/// The account's claims, then a user's, signed by the account or by a signing key in its name.
fn login(text: &str) {
    let mut parts = sections(text);
    let (Some(nats), Some(user)) = (parts.next(), parts.next()) else {
        return;
    };
    let Some(account) = account(nats) else {
        return;
    };
    let trust = trust();
    for signer in [&KEYS.account, &KEYS.signing] {
        let Some(token) = claims::<User>(user, signer, &KEYS.user) else {
            continue;
        };
        let sig = encode_signature(&KEYS.user.sign(b"nonce"));
        let login = JwtLogin {
            jwt: &token,
            sig: &sig,
            nonce: b"nonce",
            ..JwtLogin::default()
        };
        let Ok(claimed) = trust.begin(&login, NOW) else {
            continue;
        };
        let now = Timestamp::from_second(NOW).expect("a time");
        let moment = Moment {
            now,
            zone: &TimeZone::UTC,
        };
        let Ok(admission) = claimed.admit(&trust, &account, &login, moment) else {
            continue;
        };
        assert!(account.has_issuer(&signer.public_key()));
        assert!(!account.is_revoked(&KEYS.user.public_key(), NOW - 1));
        assert!(admission.expires.is_none_or(|expires| expires >= now));
        let printed = format!("{claimed:?} {admission:?}");
        assert!(!printed.contains(&token) && !printed.contains(&sig));
        let fate = account.fate_of(&admission.user, NOW);
        assert!(
            matches!(fate, cognate_auth::trust::UserFate::Unchanged),
            "nothing changed: {fate:?}"
        );
    }
}
