//! Who enters which account: users and nkeys of accounts, default permissions, `no_auth_user`, the
//! global account beside others, and what monitoring, INFO and the log say of it. The scenes are in
//! `accounts_users/`.

use cognate_conformance::jwt::{Key, Role};
use cognate_conformance::stage::{Scenes, play};

#[test]
fn logins() {
    play("accounts_users/logins");
}

#[test]
fn permissions() {
    play("accounts_users/permissions");
}

#[test]
fn monitoring() {
    play("accounts_users/monitoring");
}

#[test]
fn user_info() {
    play("accounts_users/user_info");
}

#[test]
fn refused() {
    play("accounts_users/refused");
}

#[test]
fn limits() {
    play("accounts_users/limits");
}

#[test]
fn proxies() {
    let mut scenes = Scenes::read("accounts_users/proxies");
    for (name, user, proxy) in [
        ("direct", "free", None),
        ("wanted", "proxied", None),
        ("through", "proxied", Some("ONE")),
        ("freely", "free", Some("TWO")),
        ("stranger", "free", Some("OTHER")),
    ] {
        let login = move |nonce: &str| {
            let signature = proxy.map(|proxy| Key::new(Role::Server, proxy).sign(nonce));
            let signature = signature.map(|it| format!(r#","proxy_sig":"{it}""#));
            let signature = signature.unwrap_or_default();
            format!(r#"{{"verbose":false,"user":"{user}","pass":"p"{signature}}}"#)
        };
        scenes = scenes.login(name, Box::new(login));
    }
    for name in ["ONE", "TWO"] {
        scenes = scenes.with(name, &Key::new(Role::Server, name).public());
    }
    scenes.play();
}

#[test]
fn nkeys() {
    let mut scenes = Scenes::read("accounts_users/nkeys");
    for (name, signs) in [
        ("a", "a"),
        ("b", "b"),
        ("thief", "b"),
        ("unknown", "unknown"),
    ] {
        let claimed = if name == "thief" { "a" } else { name };
        let public = Key::new(Role::User, claimed).public();
        let key = Key::new(Role::User, signs);
        scenes = scenes.with(&format!("{name}.key"), &public);
        let login = move |nonce: &str| {
            let signature = key.sign(nonce);
            format!(r#"{{"verbose":false,"nkey":"{public}","sig":"{signature}"}}"#)
        };
        scenes = scenes.login(name, Box::new(login));
    }
    scenes.play();
}
