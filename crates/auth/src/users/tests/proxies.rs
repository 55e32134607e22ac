//! Users who must come through a proxy, and proxies that nobody trusts.

use super::*;
use crate::proxy::ProxyCheck;

fn required(mut user: UserConfig) -> UserConfig {
    user.proxy_required = true;
    user
}

fn through(proxy: ProxyCheck, user: &'static str, pass: &'static str) -> Login<'static> {
    Login {
        proxy,
        ..login(user, pass)
    }
}

fn trusted() -> ProxyCheck {
    ProxyCheck::Trusted(
        KeyPair::from_bytes(Kind::Server, [40; 32])
            .unwrap()
            .public_key(),
    )
}

#[test]
fn users_may_be_required_to_come_through_a_proxy() {
    let config = users(vec![
        required(named("joe", "pw")),
        required(named("ann", &bcrypt("pw"))),
        named("eve", "pw"),
    ]);
    let required = Err(DenyCause::ProxyRequired);
    for user in ["joe", "ann"] {
        check(&config, &through(trusted(), user, "pw"), name(user));
        check(
            &config,
            &through(ProxyCheck::NotProxied, user, "pw"),
            required.clone(),
        );
        check(&config, &through(trusted(), user, "x"), WRONG);
    }
    check(&config, &through(ProxyCheck::NotProxied, "joe", "x"), WRONG);
    check(
        &config,
        &through(ProxyCheck::NotProxied, "eve", "pw"),
        name("eve"),
    );
}

#[test]
fn a_wrong_password_is_not_told_from_a_missing_proxy_by_its_cost() {
    let config = users(vec![required(named("ann", &bcrypt("pw")))]);
    for pass in ["pw", "x"] {
        let decision = authenticator(&config).begin(&through(ProxyCheck::NotProxied, "ann", pass));
        assert!(matches!(decision, Decision::NeedsBcrypt(_)), "{decision:?}");
    }
}

#[test]
fn an_untrusted_proxy_keeps_everybody_out() {
    let untrusted = || Err(DenyCause::ProxyNotTrusted);
    let through = |user, pass| through(ProxyCheck::NotTrusted, user, pass);
    check(
        &users(vec![named("joe", "pw")]),
        &through("joe", "pw"),
        untrusted(),
    );
    check(&AuthConfig::default(), &through("", ""), untrusted());
}

#[test]
fn the_authorization_block_may_require_a_proxy_of_everybody() {
    let blocks = [
        AuthConfig {
            user: Some(password("joe", "pw")),
            ..AuthConfig::default()
        },
        AuthConfig {
            token: Some(Secret::from_config("tk")),
            ..AuthConfig::default()
        },
        users(vec![named("joe", "pw")]),
    ];
    for block in blocks {
        let config = AuthConfig {
            proxy_required: true,
            ..block
        };
        let login = |proxy| Login {
            token: "tk",
            ..through(proxy, "joe", "pw")
        };
        let direct = decide(&authenticator(&config), &login(ProxyCheck::NotProxied));
        assert_eq!(direct, Err(DenyCause::ProxyRequired), "{config:?}");
        assert!(
            decide(&authenticator(&config), &login(trusted())).is_ok(),
            "{config:?}"
        );
    }
    let open = AuthConfig {
        proxy_required: true,
        ..AuthConfig::default()
    };
    check(&open, &login("", ""), Ok(UserId::Anonymous));
}
