//! Answers of an auth callout service, sealed boxes and credentials files.
//!
//! Checks: an answer in whatever bytes is refused unless the configured issuer signed the user in
//! it, about the key of this very question; claims that the fuzzer writes are signed here, so
//! that it gets behind the signatures; a box opens only unchanged; a credentials file that we
//! write is read again as the same, and no two texts around it change what is in it.
#![no_main]

use cognate_auth::callout::{CalloutTarget, CalloutUser, Expected, Placing, Sealing};
use cognate_auth::creds;
use cognate_auth::jwt::{AuthorizationResponseClaims, UserClaims};
use cognate_auth::nkey::{CurveKeyPair, KeyPair, Kind};
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::time_window::Moment;
use cognate_auth::users::ConnectionType;
use cognate_fuzz::{choose, sections};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_900_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((&which, rest)) = data.split_first() else {
        return;
    };
    let check: fn(&[u8]) = choose(which, [|bytes| drop(answer(bytes)), signed, sealed, file]);
    check(rest);
});

fn pair(kind: Kind, seed: u8) -> KeyPair {
    KeyPair::from_bytes(kind, [seed; 32]).expect("a key")
}

fn curve(seed: u8) -> CurveKeyPair {
    CurveKeyPair::from_bytes([seed; 32]).expect("a key")
}

/// Reads an answer, and lets its user in if it may.
fn answer(message: &[u8]) -> Option<CalloutUser> {
    let (server_key, service_key) = (curve(1), curve(2).public_key());
    let server_id = pair(Kind::Server, 9).public_key().to_string();
    let expected = Expected {
        user_nkey: pair(Kind::User, 7).public_key(),
        server_id: &server_id,
        account: "AUTH",
        placing: Placing::Configured(pair(Kind::Account, 3).public_key()),
        sealing: Some(Sealing {
            server: &server_key,
            service: &service_key,
        }),
        proxy: ProxyCheck::NotProxied,
        proxy_required: false,
    };
    let user = CalloutUser::read(message, &expected, NOW).ok()?;
    let moment = Moment {
        now: Timestamp::from_second(NOW).expect("a time"),
        zone: &TimeZone::UTC,
    };
    let target = CalloutTarget::Configured(user.placement(), None);
    let admitted = user.admit(&target, "", ConnectionType::Standard, None, moment);
    if let Ok(admission) = admitted {
        assert_eq!(admission.user.account.as_deref(), Some(user.placement()));
        let token = admission.user.token.as_ref().expect("a token made it");
        assert_eq!(token.issuer, pair(Kind::Account, 3).public_key());
        assert_eq!(token.subject, Some(pair(Kind::User, 7).public_key()));
    }
    Some(user)
}

/// The claims of a user, then those of the answer, as JSON under `nats`.
fn signed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut parts = sections(&text);
    let (user, response) = (parts.next().unwrap_or("{}"), parts.next().unwrap_or("{}"));
    let subject = pair(Kind::User, 7).public_key().to_string();
    let issuer = pair(Kind::Account, 3);
    let mut claims = UserClaims::new(subject.clone());
    let (Ok(user), Ok(response)) = (serde_json::from_str(user), serde_json::from_str(response))
    else {
        return;
    };
    claims.nats = user;
    claims.registered.audience = "TARGET".to_owned();
    let Ok(token) = claims.encode(&issuer, NOW) else {
        return;
    };
    let mut answer_claims = AuthorizationResponseClaims::new(subject);
    answer_claims.nats = response;
    answer_claims.nats.jwt = token;
    answer_claims.registered.audience = pair(Kind::Server, 9).public_key().to_string();
    let Ok(message) = answer_claims.encode(&issuer, NOW) else {
        return;
    };
    let clear = answer(message.as_bytes());
    let sealed = curve(2).seal(message.as_bytes(), &curve(1).public_key(), [1; 24]);
    let opened = answer(&sealed.expect("it can be sealed"));
    assert_eq!(clear.is_some(), opened.is_some(), "sealing changes nothing");
    if let Some(user) = clear {
        assert_eq!(user.placement(), "TARGET");
    }
}

fn sealed(bytes: &[u8]) {
    let (alice, bob) = (curve(1), curve(2));
    // Nobody has the key to make one that opens.
    assert!(bob.open(bytes, &alice.public_key()).is_err());
    let sealed = alice
        .seal(bytes, &bob.public_key(), [5; 24])
        .expect("sealed");
    let opened = bob.open(&sealed, &alice.public_key()).expect("opened");
    assert_eq!(opened.as_slice(), bytes);
    let mut changed = sealed;
    if let Some(byte) = changed.get_mut(4 + bytes.len() % 40) {
        *byte ^= 1;
        assert!(bob.open(&changed, &alice.public_key()).is_err());
    }
}

fn file(bytes: &[u8]) {
    if let Ok(token) = creds::token_of(bytes) {
        let inside = String::from_utf8_lossy(bytes);
        assert!(inside.contains(token));
    }
    if let Ok(key) = creds::key_of(bytes) {
        let seed = key.seed();
        assert!(String::from_utf8_lossy(bytes).contains(seed.as_str()));
    }
    // Whatever stands before a file that we write, as long as it has no dashes, is not read.
    let around = String::from_utf8_lossy(bytes).replace('-', "");
    let key = pair(Kind::User, 7);
    let mut claims = UserClaims::new(key.public_key().to_string());
    claims.registered.name = around.chars().take(100).collect();
    let token = claims.encode(&pair(Kind::Account, 3), NOW).expect("signed");
    let written = creds::format_user(&token, &key).expect("they belong together");
    let text = format!("{around}\n{}{around}", written.as_str());
    if text.len() <= creds::MAX_BYTES {
        assert_eq!(creds::token_of(text.as_bytes()), Ok(token.as_str()));
        let read = creds::key_of(text.as_bytes()).expect("the key is in it");
        assert_eq!(read.public_key(), key.public_key());
    }
}
