//! What building an authenticator refuses, fills in and warns about.

use super::*;
use crate::permissions::{PermissionError, PermissionsConfig, SubjectList, SubjectRules};
use crate::users::AuthConfigError;

#[test]
fn default_permissions_are_for_users_without_their_own() {
    let deny = |subject: &str| PermissionsConfig {
        publish: SubjectRules {
            allow: SubjectList::default(),
            deny: [subject].into(),
        },
        ..Default::default()
    };
    let own = UserConfig {
        permissions: Some(deny("own")),
        ..named("own", "p")
    };
    let elsewhere = UserConfig {
        account: Some("A".to_owned()),
        ..named("elsewhere", "p")
    };
    let default_permissions = Some(deny("default"));
    let list = vec![own, elsewhere, named("plain", "p")];
    let authenticator = authenticator(&AuthConfig {
        default_permissions,
        ..users(list)
    });
    for (user, expected) in [
        ("own", Some(deny("own"))),
        ("elsewhere", None),
        ("plain", Some(deny("default"))),
    ] {
        let Decision::Allowed(user) = authenticator.begin(&login(user, "p")) else {
            panic!("{user} cannot log in");
        };
        assert_eq!(
            user.permissions.as_ref().map(|p| p.config().clone()),
            expected,
            "{user:?}"
        );
    }
}

#[test]
fn plaintext_passwords_are_noticed() {
    let warns = |config: AuthConfig| authenticator(&config).has_plaintext_secrets();
    let single = |secret: &str| AuthConfig {
        user: Some(password("u", secret)),
        ..Default::default()
    };
    let tls_map = [ConnectionType::Standard].into_iter().collect();
    assert!(!warns(AuthConfig::default()));
    assert!(warns(single("p")) && !warns(single("")) && !warns(single(&bcrypt("p"))));
    assert!(!warns(AuthConfig {
        token: Some(Secret::from_config("t")),
        ..Default::default()
    }));
    assert!(warns(users(vec![
        named("a", &bcrypt("p")),
        named("b", "p")
    ])));
    assert!(!warns(users(vec![named("a", &bcrypt("p")), nkey_user(1)])));
    assert!(warns(users(vec![named("a", "")])));
    assert!(!warns(AuthConfig {
        tls_map,
        ..users(vec![named("a", "")])
    }));
}

#[test]
fn broken_hashes_are_noticed() {
    let config = users(vec![named("a", "$2a$10$oops"), named("b", &bcrypt("p"))]);
    let authenticator = authenticator(&config);
    let broken: Vec<_> = authenticator
        .users_with_broken_hashes()
        .map(UserId::to_string)
        .collect();
    assert_eq!(broken, ["a"]);
    assert_eq!(decide(&authenticator, &login("a", "$2a$10$oops")), WRONG);
}

#[test]
fn wrong_configurations_are_refused() {
    let check = |config, expected| assert_eq!(Authenticator::new(config).err(), Some(expected));
    let twice = || AuthConfigError::DuplicateUser("a".to_owned());
    check(users(vec![named("a", "1"), named("a", "2")]), twice());
    let server = KeyPair::from_bytes(Kind::Server, [1; 32])
        .unwrap()
        .public_key();
    let user = with(Credential::Nkey(server));
    check(
        users(vec![user]),
        AuthConfigError::NotAUserNkey(server.to_string()),
    );
    let no_auth_user = Some("x".to_owned());
    let config = AuthConfig {
        no_auth_user,
        ..users(vec![named("a", "1")])
    };
    check(
        config.clone(),
        AuthConfigError::NoAuthUserUnknown("x".to_owned()),
    );
    let config = AuthConfig {
        users: None,
        ..config
    };
    check(
        config,
        AuthConfigError::NoAuthUserWithoutUsers("x".to_owned()),
    );
    let deny = SubjectRules {
        allow: SubjectList::default(),
        deny: [".."].into(),
    };
    let permissions = Some(PermissionsConfig {
        publish: deny,
        ..Default::default()
    });
    let error = PermissionError::Subject {
        list: "publish deny",
        text: "..".to_owned(),
    };
    let user = UserConfig {
        permissions,
        ..named("a", "1")
    };
    check(
        users(vec![user]),
        AuthConfigError::Permissions("a".to_owned(), error),
    );
}

#[test]
fn nothing_prints_a_credential() {
    let config = AuthConfig {
        token: Some(Secret::from_config("hidden-token")),
        ..users(vec![named("a", "hidden-pass")])
    };
    let sent = Login {
        token: "hidden-sent",
        sig: "hidden-sig",
        ..login("a", "hidden-try")
    };
    let authenticator = authenticator(&config);
    let printed = format!(
        "{config:?} {authenticator:?} {sent:?} {:?}",
        authenticator.begin(&sent)
    );
    assert!(!printed.contains("hidden"), "{printed}");
    assert_eq!(
        authenticator.token.unwrap().user.display_name().as_deref(),
        Some("[REDACTED]")
    );
}
