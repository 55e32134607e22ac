//! Names, passwords, tokens, nkeys and the absence of all.

use super::*;
use crate::nkey::Nonce;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;

#[test]
fn without_configured_credentials_everybody_is_anonymous() {
    let config = AuthConfig::default();
    check(&config, &Login::default(), Ok(UserId::Anonymous));
    check(&config, &login("who", "ever"), Ok(UserId::Anonymous));
    assert!(!authenticator(&config).auth_required());
}

#[test]
fn single_credentials() {
    for secret in ["s3cret", &bcrypt("s3cret")] {
        let config = AuthConfig {
            user: Some(password("u", secret)),
            ..Default::default()
        };
        check(&config, &login("u", "s3cret"), name("u"));
        check(&config, &login("u", "other"), WRONG);
        check(&config, &login("x", "s3cret"), WRONG);
        check(&config, &login("", "s3cret"), Err(DenyCause::NoCredentials));
        check(&config, &Login::default(), Err(DenyCause::NoCredentials));

        let token = Some(Secret::from_config(secret));
        let config = AuthConfig {
            token,
            ..Default::default()
        };
        let with_token = |token| Login {
            token,
            ..Login::default()
        };
        check(&config, &with_token("s3cret"), Ok(UserId::Token));
        check(&config, &with_token("other"), Err(DenyCause::WrongToken));
        check(
            &config,
            &login("s3cret", "s3cret"),
            Err(DenyCause::WrongToken),
        );
    }
}

#[test]
fn several_users() {
    let config = users(vec![
        named("plain", "p"),
        named("hashed", &bcrypt("h")),
        named("no", ""),
    ]);
    check(&config, &login("plain", "p"), name("plain"));
    check(&config, &login("hashed", "h"), name("hashed"));
    check(&config, &login("no", ""), name("no"));
    check(&config, &login("plain", "h"), WRONG);
    check(&config, &login("hashed", "p"), WRONG);
    check(&config, &login("hashed", ""), WRONG);
    check(&config, &login("other", "p"), WRONG);
    check(&config, &Login::default(), Err(DenyCause::NoCredentials));
    // An empty list locks everybody out.
    check(
        &users(vec![]),
        &Login::default(),
        Err(DenyCause::NoCredentials),
    );
    check(
        &users(vec![]),
        &login("a", "a"),
        Err(DenyCause::NoCredentials),
    );
}

#[test]
fn a_token_beside_users_serves_who_gives_no_user() {
    let token = Some(Secret::from_config("t"));
    let config = AuthConfig {
        token,
        ..users(vec![named("u", "p")])
    };
    check(
        &config,
        &Login {
            token: "t",
            ..Login::default()
        },
        Ok(UserId::Token),
    );
    check(
        &config,
        &Login {
            token: "t",
            ..login("u", "p")
        },
        name("u"),
    );
    check(
        &config,
        &Login {
            token: "t",
            ..login("x", "p")
        },
        WRONG,
    );
}

/// Time must not tell which users exist: every wrong name or password costs one hash.
#[test]
fn every_wrong_password_costs_the_same_once_bcrypt_is_used() {
    let config = users(vec![named("plain", "p"), named("hashed", &bcrypt("h"))]);
    let authenticator = authenticator(&config);
    for user in ["plain", "hashed", "other"] {
        match authenticator.begin(&login(user, "wrong")) {
            Decision::NeedsBcrypt(login) => assert_eq!(login.run().err(), WRONG.err()),
            decision => panic!("{user}: {decision:?}"),
        }
    }
    let plain_only = Authenticator::new(users(vec![named("plain", "p")])).unwrap();
    assert!(matches!(
        plain_only.begin(&login("other", "p")),
        Decision::Denied(_)
    ));
}

#[test]
fn a_bcrypt_login_can_be_sent_to_another_thread() {
    let config = users(vec![named("hashed", &bcrypt("h"))]);
    let Decision::NeedsBcrypt(job) = authenticator(&config).begin(&login("hashed", "h")) else {
        panic!("bcrypt must not be computed at once");
    };
    let user = std::thread::spawn(move || job.run()).join().unwrap();
    assert_eq!(user.map(|user| user.id.clone()), name("hashed"));
}

#[test]
fn nkeys_sign_the_nonce() {
    let pair = key_pair(1);
    let nonce = Nonce::new([9; 11]);
    let nkey = pair.public_key().to_string();
    let signature = pair.sign(nonce.as_bytes());
    let user = Ok(UserId::Nkey(pair.public_key()));
    let config = users(vec![nkey_user(1), named("u", "p")]);
    let (url, std) = (
        URL_SAFE_NO_PAD.encode(signature),
        STANDARD.encode(signature),
    );
    let sign = |sig| Login {
        nkey: &nkey,
        sig,
        nonce: nonce.as_bytes(),
        ..Login::default()
    };

    check(&config, &sign(&url), user.clone());
    check(&config, &sign(&std), user);
    check(&config, &sign(""), Err(DenyCause::SignatureMalformed));
    check(&config, &sign("x!"), Err(DenyCause::SignatureMalformed));
    let other = URL_SAFE_NO_PAD.encode(key_pair(2).sign(nonce.as_bytes()));
    check(&config, &sign(&other), Err(DenyCause::SignatureInvalid));
    let stale = Login {
        nonce: b"another-nonce-x",
        ..sign(&url)
    };
    check(&config, &stale, Err(DenyCause::SignatureInvalid));
    let of_nothing = URL_SAFE_NO_PAD.encode(pair.sign(b""));
    let no_nonce = Login {
        nonce: b"",
        ..sign(&of_nothing)
    };
    check(&config, &no_nonce, Err(DenyCause::SignatureInvalid));

    let unknown = key_pair(3).public_key().to_string();
    let decline = Err(DenyCause::UnknownNkey);
    check(
        &config,
        &Login {
            nkey: &unknown,
            ..sign(&url)
        },
        decline.clone(),
    );
    check(
        &config,
        &Login {
            nkey: "garbage",
            ..login("u", "p")
        },
        decline,
    );
    // Without an nkey the users are asked; without configured nkeys one is ignored.
    check(&config, &login("u", "p"), name("u"));
    let no_nkeys = users(vec![named("u", "p")]);
    check(
        &no_nkeys,
        &Login {
            nkey: &nkey,
            ..login("u", "p")
        },
        name("u"),
    );
    assert!(authenticator(&config).nonce_required());
    assert!(!authenticator(&no_nkeys).nonce_required());
}

#[test]
fn connection_types_limit_users() {
    let config = users(vec![
        only(named("u", "p"), ConnectionType::Websocket),
        only(nkey_user(1), ConnectionType::Mqtt),
    ]);
    let declined = Err(DenyCause::ConnectionTypeNotAllowed);
    check(&config, &login("u", "p"), declined.clone());
    let websocket = ConnectionType::Websocket;
    check(
        &config,
        &Login {
            connection_type: websocket,
            ..login("u", "p")
        },
        name("u"),
    );
    let nkey = key_pair(1).public_key().to_string();
    check(
        &config,
        &Login {
            nkey: &nkey,
            ..Login::default()
        },
        declined,
    );
}

#[test]
fn no_auth_user_fills_in_for_missing_credentials() {
    for secret in ["p", &bcrypt("p")] {
        let no_auth_user = Some("u".to_owned());
        let config = AuthConfig {
            no_auth_user,
            ..users(vec![named("u", secret), named("v", "v")])
        };
        check(&config, &Login::default(), name("u"));
        check(&config, &login("v", "v"), name("v"));
        check(&config, &login("u", "p"), name("u"));
        check(&config, &login("u", ""), WRONG);
        check(&config, &login("", "p"), Err(DenyCause::NoCredentials));
        let token = Login {
            token: "t",
            ..Login::default()
        };
        check(&config, &token, Err(DenyCause::NoCredentials));
        assert!(authenticator(&config).auth_required());
        assert!(!authenticator(&config).advertises_auth_required());
    }
    let nkey = key_pair(1).public_key();
    let no_auth_user = Some(nkey.to_string());
    let config = AuthConfig {
        no_auth_user,
        ..users(vec![nkey_user(1), named("u", "p")])
    };
    check(&config, &Login::default(), Ok(UserId::Nkey(nkey)));
    check(
        &config,
        &Login {
            nkey: &nkey.to_string(),
            ..Login::default()
        },
        Ok(UserId::Nkey(nkey)),
    );
    check(&config, &login("u", "p"), name("u"));
    check(&config, &login("x", ""), WRONG);

    let limited = only(named("u", "p"), ConnectionType::Mqtt);
    let config = AuthConfig {
        no_auth_user: Some("u".to_owned()),
        ..users(vec![limited])
    };
    check(
        &config,
        &Login::default(),
        Err(DenyCause::ConnectionTypeNotAllowed),
    );
}

proptest! {
    /// Only the configured pairs log in, whatever is presented.
    #[test]
    fn only_configured_users_log_in(
        user in "[abc]{0,2}", pass in "[abc]{0,2}", token in "\\PC*", nkey in "\\PC*", sig in "\\PC*"
    ) {
        let config = users(vec![named("a", "b"), named("bb", ""), nkey_user(1)]);
        let nonce = b"123456789012345";
        let login = Login { token: &token, sig: &sig, nonce, ..login(&user, &pass) };
        let configured = matches!((user.as_str(), pass.as_str()), ("a", "b") | ("bb", ""));
        let found = decide(&authenticator(&config), &login);
        prop_assert_eq!(found, if configured {
            Ok(UserId::Name(user.clone()))
        } else if user.is_empty() {
            Err(DenyCause::NoCredentials)
        } else {
            WRONG
        });
        let with_nkey = decide(&authenticator(&config), &Login { nkey: &nkey, ..login });
        prop_assert!(nkey.is_empty() || with_nkey == Err(DenyCause::UnknownNkey));
    }
}
