//! Who gets in with a token, as tables and as one property about keys.

use super::*;
use crate::jwt::{SigningKeys, TimeRange};
use crate::nkey::encode_signature;
use crate::proxy::ProxyCheck;
use crate::trust::{Admission, JwtDenial, JwtLogin};
use crate::users::ConnectionType;
use proptest::prelude::*;

const NONCE: &[u8] = b"the-nonce-of-it";

fn sign(pair: &KeyPair) -> String {
    encode_signature(&pair.sign(NONCE))
}

/// Logs in with a token, as the user who holds its key.
struct Attempt {
    token: String,
    account: TrustedAccount,
    trust: Trust,
}

impl Attempt {
    fn new(token: String) -> Self {
        Attempt {
            token,
            account: accepted(|_| {}),
            trust: trust(),
        }
    }

    fn with_account(mut self, edit: impl FnOnce(&mut Claims<Account>)) -> Self {
        self.account = accepted(edit);
        self
    }

    fn run(&self, edit: impl FnOnce(&mut JwtLogin<'_>)) -> Result<Admission, JwtDenial> {
        let sig = sign(&user());
        let mut login = JwtLogin {
            jwt: &self.token,
            sig: &sig,
            nonce: NONCE,
            address: Some("10.1.2.3".parse().unwrap()),
            ..JwtLogin::default()
        };
        edit(&mut login);
        let claimed = self.trust.begin(&login, NOW)?;
        assert_eq!(claimed.account(), self.account.id);
        claimed.admit(&self.trust, &self.account, &login, moment(&TimeZone::UTC))
    }

    #[track_caller]
    fn admitted(&self) -> Admission {
        self.run(|_| {}).unwrap_or_else(|denial| panic!("{denial}"))
    }

    #[track_caller]
    fn denied(&self, text: &str) {
        let denial = self.run(|_| {}).unwrap_err().to_string();
        assert!(denial.starts_with(text), "{denial}");
    }
}

fn simple(edit: impl FnOnce(&mut UserClaims)) -> Attempt {
    Attempt::new(user_token(&account(), edit))
}

#[test]
fn users_of_the_account_and_its_signing_keys_get_in() {
    for signer in [account(), signing_key()] {
        let admission = Attempt::new(user_token(&signer, |_| {})).admitted();
        let user = &admission.user;
        assert_eq!(user.display_name(), Some(id(&super::user())));
        assert_eq!(user.account, Some(id(&account())));
        assert!(user.permissions.is_none() && !admission.delegated);
        assert_eq!(admission.expires, None);
        let token = user.token.as_ref().unwrap();
        assert_eq!((token.name.as_str(), token.issuer), ("joe", key(&signer)));
        assert_eq!(token.issued_at, ISSUED);
    }
}

#[test]
fn the_signature_proves_who_it_is() {
    let attempt = simple(|_| {});
    let with = |edit: &dyn Fn(&mut JwtLogin<'_>)| attempt.run(|l| edit(l)).unwrap_err();
    assert_eq!(with(&|l| l.sig = ""), JwtDenial::SignatureMissing);
    assert_eq!(with(&|l| l.sig = "!"), JwtDenial::SignatureMalformed);
    assert_eq!(with(&|l| l.nonce = b"another"), JwtDenial::SignatureInvalid);
    let other = sign(&pair(Kind::User, 99));
    let denial = attempt.run(|l| l.sig = Box::leak(other.into_boxed_str()));
    assert_eq!(denial.unwrap_err(), JwtDenial::SignatureInvalid);
    let nothing = encode_signature(&user().sign(b""));
    let denial = attempt.run(|l| {
        l.nonce = b"";
        l.sig = Box::leak(nothing.into_boxed_str());
    });
    assert_eq!(denial.unwrap_err(), JwtDenial::SignatureInvalid);
}

#[test]
fn a_token_is_needed_and_must_be_readable() {
    for token in ["", "junk", &account_token(|_| {})] {
        Attempt::new(token.to_owned()).denied("Authentication requires a user JWT");
    }
    let expired = simple(|u| u.registered.expires = NOW - 1);
    expired.denied("User JWT no longer valid: claim is expired");
    let early = simple(|u| u.registered.not_before = NOW + 1);
    early.denied("User JWT no longer valid: claim is not yet valid");
    simple(|u| u.nats.allowed.src = vec!["x".to_owned()]).denied("User JWT no longer valid: inv");
}

#[test]
fn the_account_must_know_and_allow_the_user() {
    let stranger = pair(Kind::Account, 98);
    Attempt::new(user_token(&stranger, |_| {})).denied("User JWT issuer is not known");
    let revoked = |until| {
        simple(|_| {}).with_account(move |a| {
            a.nats.revocations.insert(id(&user()), until);
        })
    };
    revoked(ISSUED).denied("User authentication revoked");
    revoked(ISSUED - 1).admitted();
    let all = simple(|_| {}).with_account(|a| {
        a.nats.revocations.insert("*".to_owned(), ISSUED);
    });
    all.denied("User authentication revoked");
    let mut expired = simple(|_| {});
    expired.account.expires = Some(NOW);
    expired.denied("Account JWT has expired");
    let mut untrusted = simple(|_| {});
    untrusted.account.issuer = key(&pair(Kind::Operator, 99));
    untrusted.denied("Account JWT not signed by trusted operator");
}

#[test]
fn pinned_accounts_keep_others_out() {
    let mut attempt = simple(|_| {});
    let pin = |account: &KeyPair| {
        let config = TrustConfig {
            pinned_accounts: vec![id(account)],
            system_account: Some(id(&pair(Kind::Account, 77))),
            ..trust_config()
        };
        Trust::new(config).unwrap()
    };
    attempt.trust = pin(&other_account());
    attempt.denied("Account A");
    assert!(
        attempt.trust.is_pinned(&key(&pair(Kind::Account, 77))),
        "the system account's users"
    );
    attempt.trust = pin(&account());
    attempt.admitted();
}

#[test]
fn bearers_need_no_signature_where_they_are_allowed() {
    let bearer = || simple(|u| u.nats.allowed.bearer_token = true);
    let admission = bearer().run(|l| l.sig = "").unwrap();
    assert!(admission.user.token.as_ref().unwrap().is_bearer);
    let disallowed = bearer().with_account(|a| a.nats.limits.account.disallow_bearer = true);
    disallowed.denied("Account does not allow bearer tokens");
}

#[test]
fn places_times_and_ways_to_connect_are_limited() {
    simple(|u| u.nats.allowed.src = vec!["10.0.0.0/8".to_owned()]).admitted();
    simple(|u| u.nats.allowed.src = vec!["11.0.0.0/8".to_owned()]).denied("Bad src Ip 10.1.2.3");
    // 1,900,000,000 is 17:46:40 on 2030-03-17.
    let during = |start: &str, end: &str| {
        let range = TimeRange {
            start: start.to_owned(),
            end: end.to_owned(),
        };
        simple(|u| u.nats.allowed.times = vec![range])
    };
    let admission = during("17:00:00", "18:00:00").admitted();
    assert_eq!(
        admission.expires.unwrap().to_string(),
        "2030-03-17T18:00:00Z"
    );
    during("18:00:00", "19:00:00").denied("Outside connect times");
    let over = simple(|u| u.registered.expires = NOW + 60).admitted();
    assert_eq!(over.expires.unwrap().as_second(), NOW + 60);

    let only = |types: &[&str]| {
        let types = types.iter().map(|name| (*name).to_owned()).collect();
        simple(|u| u.nats.allowed.allowed_connection_types = types)
    };
    only(&["standard"]).admitted();
    only(&["FUTURE", "STANDARD"]).admitted();
    only(&["MQTT"]).denied("Connection type not allowed");
    only(&["FUTURE"]).denied("invalid connection types [\"FUTURE\"]");
    let mqtt = only(&["MQTT"]).run(|l| l.connection_type = ConnectionType::Mqtt);
    assert!(mqtt.is_ok());
}

#[test]
fn proxies_are_asked_for() {
    let attempt = simple(|u| u.nats.allowed.proxy_required = true);
    attempt.denied("proxy connection required");
    let proxy = ProxyCheck::Trusted(key(&pair(Kind::Server, 50)));
    assert!(attempt.run(|l| l.proxy = proxy).is_ok());
    let untrusted = simple(|_| {}).run(|l| l.proxy = ProxyCheck::NotTrusted);
    assert_eq!(untrusted.unwrap_err(), JwtDenial::ProxyNotTrusted);
}

#[test]
fn users_of_a_scoped_key_have_its_permissions_and_none_of_their_own() {
    let admission = Attempt::new(user_token(&scoped_key(), |_| {})).admitted();
    let permissions = admission.user.permissions.as_ref().unwrap();
    assert!(permissions.can_publish(b"in.joe") && !permissions.can_publish(b"in.eve"));
    assert_eq!(admission.user.limits.max_payload, Some(64));
    assert_eq!(admission.user.limits.max_subscriptions, None);
    for edit in [
        |u: &mut UserClaims| u.nats.allowed.bearer_token = true,
        |u: &mut UserClaims| u.nats.allowed.limits.subs = -1,
        |u: &mut UserClaims| {
            u.nats
                .allowed
                .permissions
                .publish
                .allow
                .push("x".to_owned())
        },
        |u: &mut UserClaims| u.nats.allowed.src.push("10.0.0.0/8".to_owned()),
    ] {
        let attempt = Attempt::new(user_token(&scoped_key(), edit));
        attempt.denied("User JWT is not valid: scoped users require no permissions or limits set");
    }
    // Everything else of the scope counts, too.
    let scoped = |edit: fn(&mut UserScope)| {
        Attempt::new(user_token(&scoped_key(), |_| {})).with_account(|a| {
            let mut scope = scope();
            edit(&mut scope);
            let keys = [(id(&scoped_key()), Some(scope))];
            a.nats.signing_keys = SigningKeys(keys.into_iter().collect());
        })
    };
    scoped(|s| s.template.src = vec!["11.0.0.0/8".to_owned()]).denied("Bad src Ip");
    scoped(|s| s.template.allowed_connection_types = vec!["MQTT".to_owned()])
        .denied("Connection type not allowed");
    scoped(|s| s.template.proxy_required = true).denied("proxy connection required");
    scoped(|s| s.template.permissions.publish.deny = vec!["{{tag(x)}}".to_owned()])
        .denied("User JWT generated invalid permissions");
    let bearer = scoped(|s| s.template.bearer_token = true);
    assert!(bearer.run(|l| l.sig = "").is_ok());
}

#[test]
fn default_permissions_are_for_users_without_their_own() {
    let with_defaults = |attempt: Attempt| {
        attempt.with_account(|a| {
            a.nats.default_permissions.publish.allow = vec!["d".to_owned()];
            a.nats.limits.nats.subs = 3;
        })
    };
    let user = with_defaults(simple(|_| {})).admitted().user;
    assert!(!user.permissions.as_ref().unwrap().can_publish(b"x"));
    assert_eq!(user.limits.max_subscriptions, Some(3));
    let own = |u: &mut UserClaims| {
        u.nats.allowed.permissions.publish.allow = vec!["x".to_owned()];
        u.nats.allowed.limits.subs = 2;
    };
    let user = with_defaults(simple(own)).admitted().user;
    assert!(user.permissions.as_ref().unwrap().can_publish(b"x"));
    assert_eq!(user.limits.max_subscriptions, Some(2));
}

#[test]
fn permissions_that_are_no_subjects_never_widen() {
    let user = simple(|u| u.nats.allowed.permissions.publish.allow = vec!["a.>.b".to_owned()]);
    let permissions = user.admitted().user.permissions.clone().unwrap();
    assert!(!permissions.can_publish(b"a") && !permissions.can_publish(b"a.c.b"));
    let user = simple(|u| u.nats.allowed.permissions.publish.deny = vec!["a.>.b".to_owned()]);
    user.denied("User JWT has permissions that cannot be applied");
}

#[test]
fn a_default_sentinel_stands_in_for_a_missing_token() {
    let sentinel = user_token(&account(), |u| u.nats.allowed.bearer_token = true);
    let mut attempt = Attempt::new(String::new());
    attempt.trust = Trust::new(TrustConfig {
        default_sentinel: Some(sentinel.clone()),
        ..trust_config()
    })
    .unwrap();
    assert!(attempt.run(|l| l.sig = "").is_ok());
    assert!(
        attempt.run(|l| l.jwt = "junk").is_ok(),
        "as in the Go server"
    );
    // A token in an MQTT password comes first.
    let other = user_token(&signing_key(), |_| {});
    let admission = attempt.run(|l| l.mqtt_password = Box::leak(other.into_boxed_str()));
    let issuer = admission.unwrap().user.token.as_ref().unwrap().issuer;
    assert_eq!(issuer, key(&signing_key()));
}

#[test]
fn callout_accounts_delegate_all_but_their_auth_users() {
    let delegating = |users: Vec<String>| {
        simple(|_| {}).with_account(move |a| a.nats.authorization.auth_users = users)
    };
    let somebody = id(&pair(Kind::User, 60));
    assert!(delegating(vec![somebody.clone()]).admitted().delegated);
    assert!(!delegating(vec![somebody, id(&user())]).admitted().delegated);
}

#[test]
fn nothing_prints_a_token_or_a_signature() {
    let attempt = simple(|u| u.nats.allowed.bearer_token = true);
    let sig = sign(&user());
    let login = JwtLogin {
        jwt: &attempt.token,
        sig: &sig,
        nonce: NONCE,
        ..JwtLogin::default()
    };
    let claimed = attempt.trust.begin(&login, NOW).unwrap();
    assert_eq!(claimed.token(), attempt.token);
    let printed = format!("{login:?} {claimed:?}");
    let secret = attempt.token.rsplit('.').next().unwrap();
    assert!(
        !printed.contains(secret) && !printed.contains(&sig),
        "{printed}"
    );
}

proptest! {
    /// Whatever key signs whatever user in whatever name: only keys of the account let it in.
    #[test]
    fn only_the_accounts_keys_admit(signer in 1u8..12, named in 0u8..12, scoped in any::<bool>()) {
        let signer = pair(Kind::Account, signer);
        let mut claims = user_claims();
        if named > 0 {
            claims.nats.issuer_account = id(&pair(Kind::Account, named));
        }
        if scoped {
            claims.nats.allowed = UserPermissionLimits::default();
        }
        let token = claims.encode(&signer, ISSUED).unwrap();
        let (trust, account) = (trust(), accepted(|_| {}));
        let sig = sign(&user());
        let login = JwtLogin { jwt: &token, sig: &sig, nonce: NONCE, ..JwtLogin::default() };
        let claimed = trust.begin(&login, NOW).unwrap();
        let admitted = claimed.admit(&trust, &account, &login, moment(&TimeZone::UTC)).is_ok();
        let own = key(&signer) == account.id && (named == 0 || named == 3);
        let by_signing_key = named == 3
            && (key(&signer) == key(&signing_key())
                || (key(&signer) == key(&scoped_key()) && scoped));
        prop_assert_eq!(admitted, own || by_signing_key);
    }
}
