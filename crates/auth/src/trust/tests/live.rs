//! What new claims of an account do to its connected users.

use super::*;
use crate::nkey::encode_signature;
use crate::trust::{CloseCause, JwtLogin, UserFate};
use crate::users::User;
use std::sync::Arc;

fn connected(signer: &KeyPair, edit: impl FnOnce(&mut UserClaims)) -> Arc<User> {
    let token = user_token(signer, edit);
    let sig = encode_signature(&user().sign(b"nonce"));
    let login = JwtLogin {
        jwt: &token,
        sig: &sig,
        nonce: b"nonce",
        ..JwtLogin::default()
    };
    let (trust, account) = (trust(), accepted(|_| {}));
    let claimed = trust.begin(&login, NOW).unwrap();
    let admission = claimed.admit(&trust, &account, &login, moment(&TimeZone::UTC));
    admission.unwrap().user
}

#[track_caller]
fn closed(user: &Arc<User>, edit: impl FnOnce(&mut Claims<Account>), expected: CloseCause) {
    match accepted(edit).fate_of(user, NOW) {
        UserFate::Closed(cause) => assert_eq!(cause, expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unchanged(user: &Arc<User>, edit: impl FnOnce(&mut Claims<Account>)) {
    let fate = accepted(edit).fate_of(user, NOW);
    assert!(matches!(fate, UserFate::Unchanged), "{fate:?}");
}

#[test]
fn what_does_not_concern_a_user_leaves_it_alone() {
    for signer in [account(), signing_key(), scoped_key()] {
        let user = connected(&signer, |_| {});
        unchanged(&user, |_| {});
        unchanged(&user, |a| a.nats.description = "new".to_owned());
        unchanged(&user, |a| {
            a.nats.revocations.insert(id(&pair(Kind::User, 90)), NOW);
        });
        unchanged(&user, |a| {
            a.nats.revocations.insert("*".to_owned(), ISSUED - 1);
        });
        unchanged(&user, |a| a.nats.limits.account.disallow_bearer = true);
    }
}

#[test]
fn revocations_cut_users_off() {
    let user = connected(&account(), |_| {});
    for who in [id(&super::user()), "*".to_owned()] {
        let revoke = |a: &mut Claims<Account>| {
            a.nats.revocations.insert(who, ISSUED);
        };
        closed(&user, revoke, CloseCause::Revoked);
    }
}

#[test]
fn signing_keys_that_go_or_change_cut_their_users_off() {
    let violation = CloseCause::SigningKey;
    let user = connected(&signing_key(), |_| {});
    closed(&user, |a| a.nats.signing_keys.0.clear(), violation);
    let user = connected(&scoped_key(), |_| {});
    closed(&user, |a| a.nats.signing_keys.0.clear(), violation);
    let widen = |a: &mut Claims<Account>| {
        let mut scope = scope();
        scope
            .template
            .permissions
            .publish
            .allow
            .push("more".to_owned());
        a.nats.signing_keys.0.insert(id(&scoped_key()), Some(scope));
    };
    closed(&user, widen, violation);
    let unscope = |a: &mut Claims<Account>| {
        a.nats.signing_keys.0.insert(id(&scoped_key()), None);
    };
    closed(&user, unscope, violation);
    // The account's own key needs no listing.
    unchanged(&connected(&account(), |_| {}), |a| {
        a.nats.signing_keys.0.clear()
    });
}

#[test]
fn bearers_go_when_they_are_no_longer_allowed() {
    let user = connected(&account(), |u| u.nats.allowed.bearer_token = true);
    let disallow = |a: &mut Claims<Account>| a.nats.limits.account.disallow_bearer = true;
    closed(&user, disallow, CloseCause::AuthenticationViolation);
}

#[test]
fn an_account_that_expires_takes_its_users_along() {
    let user = connected(&account(), |_| {});
    let account = accepted(|a| a.registered.expires = NOW + 10);
    assert!(matches!(
        account.fate_of(&user, NOW + 9),
        UserFate::Unchanged
    ));
    let fate = account.fate_of(&user, NOW + 10);
    assert!(
        matches!(fate, UserFate::Closed(CloseCause::AccountExpired)),
        "{fate:?}"
    );
}

#[test]
fn limits_and_default_permissions_change_under_a_user() {
    let user = connected(&account(), |u| u.nats.allowed.limits.payload = 100);
    let account = accepted(|a| {
        a.nats.limits.nats.payload = 50;
        a.nats.limits.nats.subs = 9;
        a.nats.default_permissions.subscribe.deny = vec!["x".to_owned()];
    });
    let UserFate::Updated(user) = account.fate_of(&user, NOW) else {
        panic!("nothing changed");
    };
    assert_eq!(
        (user.limits.max_payload, user.limits.max_subscriptions),
        (Some(50), Some(9))
    );
    let permissions = user.permissions.as_ref().unwrap();
    assert_eq!(permissions.config().subscribe.deny, ["x"].into());
    // And back again.
    let UserFate::Updated(user) = accepted(|_| {}).fate_of(&user, NOW) else {
        panic!("nothing changed");
    };
    assert_eq!(
        (user.limits.max_payload, user.limits.max_subscriptions),
        (Some(100), None)
    );
    assert!(user.permissions.is_none());
    // Users with permissions of their own keep them.
    let own = connected(&super::account(), |u| {
        u.nats.allowed.permissions.publish.allow = vec!["a".to_owned()];
    });
    unchanged(&own, |a| {
        a.nats.default_permissions.publish.deny = vec!["a".to_owned()]
    });
}
