//! Who stays connected after a reload.

use super::*;
use crate::permissions::{PermissionsConfig, ResponseLimits};
use crate::users::{UserChange, diff_users};

/// `=` stays as it is, `~` gets other permissions, `-` is cut off.
fn check_reload(old: &AuthConfig, new: &AuthConfig, id: &UserId, expected: char) {
    let (old_users, new_users) = (authenticator(old), authenticator(new));
    let found = match diff_users(&old_users, &new_users).change(id, ConnectionType::Standard) {
        UserChange::Unchanged => '=',
        UserChange::Updated(_) => '~',
        UserChange::Revoked => '-',
    };
    assert_eq!(found, expected, "{id} {old:?} {new:?}");
}

#[test]
fn a_reload_keeps_users_whose_credential_is_unchanged() {
    let a = UserId::Name("a".to_owned());
    let old = users(vec![named("a", "1"), nkey_user(1)]);
    check_reload(&old, &old, &a, '=');
    check_reload(&old, &old, &UserId::Nkey(key_pair(1).public_key()), '=');
    check_reload(&old, &users(vec![named("a", "2")]), &a, '-');
    check_reload(&old, &users(vec![named("b", "1")]), &a, '-');
    check_reload(
        &old,
        &users(vec![only(named("a", "1"), ConnectionType::Mqtt)]),
        &a,
        '-',
    );
    check_reload(
        &old,
        &users(vec![only(named("a", "1"), ConnectionType::Standard)]),
        &a,
        '=',
    );
    let moved = UserConfig {
        account: Some("A".to_owned()),
        ..named("a", "1")
    };
    check_reload(&old, &users(vec![moved]), &a, '-');
    let responses = Some(ResponseLimits::default());
    let limited = Some(PermissionsConfig {
        responses,
        ..Default::default()
    });
    let permitted = UserConfig {
        permissions: limited.clone(),
        ..named("a", "1")
    };
    check_reload(&old, &users(vec![permitted]), &a, '~');
    let defaults = AuthConfig {
        default_permissions: limited,
        ..old.clone()
    };
    check_reload(&old, &defaults, &a, '~');
    let single = AuthConfig {
        user: Some(password("a", "1")),
        ..Default::default()
    };
    check_reload(&old, &single, &a, '=');
    check_reload(&old, &AuthConfig::default(), &a, '~');
    let tls_map = [ConnectionType::Standard].into_iter().collect();
    check_reload(
        &old,
        &AuthConfig {
            tls_map,
            ..old.clone()
        },
        &a,
        '-',
    );

    let token = |text| AuthConfig {
        token: Some(Secret::from_config(text)),
        ..Default::default()
    };
    check_reload(&token("t"), &token("t"), &UserId::Token, '=');
    check_reload(&token("t"), &token("u"), &UserId::Token, '-');
}

#[test]
fn a_reload_cuts_off_who_proved_nothing() {
    let open = AuthConfig::default();
    let closed = users(vec![named("a", "1")]);
    let anybody = AuthConfig {
        no_auth_user: Some("a".to_owned()),
        ..closed.clone()
    };
    let a = UserId::Name("a".to_owned());
    check_reload(&open, &open, &UserId::Anonymous, '=');
    check_reload(&open, &closed, &UserId::Anonymous, '-');
    check_reload(&open, &anybody, &UserId::Anonymous, '~');
    check_reload(&anybody, &anybody, &a, '=');
    check_reload(&anybody, &closed, &a, '-');
    check_reload(&closed, &anybody, &a, '=');
}
