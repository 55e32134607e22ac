//! Questions and answers as tables: what a service may say, and who gets in.

use super::{
    CalloutConfig, CalloutDenial, CalloutRequest, CalloutTarget, CalloutUser, Expected, Placing,
    Sealing, without_asking,
};
use crate::jwt::{
    AuthorizationRequest, AuthorizationResponseClaims, ClientInformation, ConnectOptions, ServerId,
    Signed, UserClaims, UserPermissionLimits,
};
use crate::nkey::{CurveKeyPair, KeyPair, Kind, SealError};
use crate::permissions::{Permissions, PermissionsConfig, SubjectRules};
use crate::proxy::ProxyCheck;
use crate::trust::tests::{
    ISSUED, NOW, accepted, account, id, key, moment, other_account, pair, scoped_key, signing_key,
    user,
};
use crate::trust::{Admission, JwtDenial, TrustedAccount};
use crate::users::ConnectionType;
use jiff::tz::TimeZone;
use std::sync::{Arc, LazyLock};

fn server() -> KeyPair {
    pair(Kind::Server, 20)
}

fn curve(seed: u8) -> CurveKeyPair {
    CurveKeyPair::from_bytes([seed; 32]).unwrap()
}

/// A user as the service makes it, signed by `signer`.
fn user_token(signer: &KeyPair, edit: impl FnOnce(&mut UserClaims)) -> String {
    let mut claims = UserClaims::new(id(&user()));
    claims.registered.audience = "TARGET".to_owned();
    claims.nats.allowed = UserPermissionLimits::unlimited();
    edit(&mut claims);
    claims.encode(signer, ISSUED).unwrap()
}

/// The answer with a user in it.
fn answer(token: String, edit: impl FnOnce(&mut AuthorizationResponseClaims)) -> String {
    signed_answer(&account(), token, edit)
}

fn signed_answer(
    signer: &KeyPair,
    token: String,
    edit: impl FnOnce(&mut AuthorizationResponseClaims),
) -> String {
    let mut claims = AuthorizationResponseClaims::new(id(&user()));
    claims.registered.audience = id(&server());
    claims.nats.jwt = token;
    edit(&mut claims);
    claims.encode(signer, ISSUED).unwrap()
}

fn read<'a>(
    message: &[u8],
    edit: impl FnOnce(&mut Expected<'a>),
) -> Result<CalloutUser, CalloutDenial> {
    static SERVER_ID: LazyLock<String> = LazyLock::new(|| id(&server()));
    let mut expected = Expected {
        user_nkey: key(&user()),
        server_id: &SERVER_ID,
        account: "AUTH",
        placing: Placing::Configured(key(&account())),
        sealing: None,
        proxy: ProxyCheck::NotProxied,
        proxy_required: false,
    };
    edit(&mut expected);
    CalloutUser::read(message, &expected, NOW)
}

fn admit(user: &CalloutUser, target: &CalloutTarget<'_>) -> Result<Admission, CalloutDenial> {
    let address = Some("10.1.2.3".parse().unwrap());
    let zone = TimeZone::UTC;
    user.admit(
        target,
        "shown",
        ConnectionType::Standard,
        address,
        moment(&zone),
    )
}

fn configured(message: &str) -> Result<Admission, CalloutDenial> {
    let user = read(message.as_bytes(), |_| {})?;
    admit(&user, &CalloutTarget::Configured("TARGET", None))
}

#[track_caller]
fn refused(message: &str, text: &str) {
    let denial = configured(message).unwrap_err().to_string();
    assert!(denial.starts_with(text), "{denial}");
}

#[test]
fn who_is_asked_about() {
    let config = |allowed: &[&str]| CalloutConfig {
        issuer: key(&account()),
        account: "AUTH".to_owned(),
        auth_users: vec!["auth".to_owned()],
        allowed_accounts: allowed.iter().map(|name| (*name).to_owned()).collect(),
        xkey: None,
    };
    let open = config(&[]);
    assert!(open.decides(None, ""));
    assert!(open.decides(None, "eve"));
    assert!(open.decides(Some("A"), "joe"));
    assert!(!open.decides(Some("AUTH"), "auth"));
    assert!(
        !open.decides(None, "auth"),
        "a wrong password is no reason to ask"
    );
    let limited = config(&["A"]);
    assert!(limited.decides(Some("A"), "joe"));
    assert!(!limited.decides(Some("B"), "joe"));
    assert!(limited.decides(Some("$G"), "joe") && limited.decides(None, "joe"));
}

#[test]
fn a_question_says_who_asks_and_about_whom() {
    let (server_key, service) = (curve(1), curve(2));
    let service_key = service.public_key();
    let sealing = Sealing {
        server: &server_key,
        service: &service_key,
    };
    let request = |sig: &str| CalloutRequest {
        recipient: key(&account()),
        user_nkey: key(&user()),
        server: ServerId {
            name: "s1".to_owned(),
            id: id(&server()),
            ..ServerId::default()
        },
        client: ClientInformation {
            nonce: "nonce".to_owned(),
            ..ClientInformation::default()
        },
        connect: ConnectOptions {
            username: "joe".to_owned(),
            password: "hunter2".to_owned().into(),
            signed_nonce: sig.to_owned(),
            ..ConnectOptions::default()
        },
        tls: None,
        expires: NOW + 2,
    };
    assert!(!format!("{:?}", request("")).contains("hunter2"));
    let token = request("").encode(&server(), Some(sealing), NOW).unwrap();
    let sealed = sealing.seal(&token, [7; 24]).unwrap();
    let opened = service.open(&sealed, &server_key.public_key()).unwrap();
    let opened = std::str::from_utf8(&opened).unwrap();
    let read = Signed::<AuthorizationRequest>::decode(opened).unwrap();
    let claims = read.claims();
    assert!(claims.validate(NOW).is_empty());
    assert_eq!(claims.registered.audience, "nats-authorization-request");
    assert_eq!(claims.registered.subject, id(&account()));
    assert_eq!(claims.registered.expires, NOW + 2);
    assert_eq!(
        claims.nats.server_id.xkey,
        server_key.public_key().to_string()
    );
    assert_eq!(claims.nats.connect_opts.password.as_str(), "hunter2");
    assert_eq!(claims.nats.client_info.nonce, "");
    let token = request("signed").encode(&server(), None, NOW).unwrap();
    let read = Signed::<AuthorizationRequest>::decode(&token).unwrap();
    assert_eq!(read.claims().nats.client_info.nonce, "nonce");
    assert_eq!(read.claims().nats.server_id.xkey, "");
}

#[test]
fn the_configured_issuer_places_users_anywhere() {
    let admission = configured(&answer(user_token(&account(), |_| {}), |_| {})).unwrap();
    assert_eq!(admission.user.account.as_deref(), Some("TARGET"));
    assert_eq!(admission.user.display_name().as_deref(), Some("shown"));
    assert!(!admission.delegated && admission.expires.is_none());
    let named = user_token(&account(), |u| {
        u.registered.name = "joe".to_owned();
        u.registered.expires = NOW + 30;
    });
    let admission = configured(&answer(named, |_| {})).unwrap();
    assert_eq!(admission.user.display_name().as_deref(), Some("joe"));
    assert_eq!(admission.expires.unwrap().as_second(), NOW + 30);
    // Who signs the answer does not matter here, who signs the user does.
    let token = user_token(&account(), |_| {});
    assert!(configured(&signed_answer(&other_account(), token, |_| {})).is_ok());
    let token = user_token(&other_account(), |_| {});
    refused(
        &answer(token, |_| {}),
        "Wrong issuer for auth callout response on account \"AUTH\"",
    );
    let token = user_token(&account(), |u| u.nats.issuer_account = id(&account()));
    refused(
        &answer(token, |_| {}),
        "Error non operator mode account \"AUTH\": attempted",
    );
}

#[test]
fn answers_count_for_one_question_of_one_server() {
    let token = || user_token(&account(), |_| {});
    let other_user = id(&pair(Kind::User, 33));
    refused(
        "",
        "Auth callout violation: \"no reason supplied\" on account \"AUTH\"",
    );
    refused("junk", "Auth callout response: expected 3 chunks");
    refused(
        &token(),
        "Auth callout response: not authorization_response claim",
    );
    refused(
        &answer(token(), |a| a.registered.subject = other_user.clone()),
        "Auth callout violation: auth callout response is not for expected user",
    );
    refused(
        &answer(token(), |a| {
            a.registered.audience = id(&pair(Kind::Server, 34))
        }),
        "Auth callout violation: auth callout response is not for server",
    );
    refused(
        &answer(String::new(), |a| a.nats.error = "go away".to_owned()),
        "Auth callout service returned an error: go away",
    );
    let invalid = "Authorization response had validation errors: ";
    refused(&answer(token(), |a| a.nats.error = "x".to_owned()), invalid);
    refused(&answer(String::new(), |_| {}), invalid);
    refused(&answer(token(), |a| a.registered.expires = 1), invalid);
    refused(
        &answer("junk".to_owned(), |_| {}),
        "Auth callout user JWT not valid: expected 3",
    );
    let replayed = user_token(&account(), |u| u.registered.subject = other_user);
    refused(&answer(replayed, |_| {}), "Expected authorized user of \"U");
    let expired = user_token(&account(), |u| u.registered.expires = 1);
    refused(
        &answer(expired, |_| {}),
        "Error validating user JWT: claim is expired",
    );
}

#[test]
fn users_are_limited_as_if_they_logged_in_themselves() {
    let of = |edit: fn(&mut UserPermissionLimits)| {
        answer(
            user_token(&account(), |u| edit(&mut u.nats.allowed)),
            |_| {},
        )
    };
    refused(
        &of(|u| u.src = vec!["11.0.0.0/8".to_owned()]),
        "Bad src Ip 10.1.2.3",
    );
    refused(
        &of(|u| u.allowed_connection_types = vec!["MQTT".to_owned()]),
        "Connection type not allowed",
    );
    let proxied = of(|u| u.proxy_required = true);
    refused(&proxied, "Proxy connection required");
    let proxy = ProxyCheck::Trusted(key(&server()));
    assert!(read(proxied.as_bytes(), |e| e.proxy = proxy).is_ok());
    let plain = of(|_| {});
    let denial = read(plain.as_bytes(), |e| e.proxy_required = true).unwrap_err();
    assert_eq!(denial, CalloutDenial::ProxyRequired);
    // Default permissions are those of the account the user is placed in.
    let defaults = Arc::new(Permissions::nothing());
    let user = read(plain.as_bytes(), |_| {}).unwrap();
    let target = CalloutTarget::Configured("TARGET", Some(defaults));
    let admission = admit(&user, &target).unwrap();
    assert!(
        !admission
            .user
            .permissions
            .as_ref()
            .unwrap()
            .can_publish(b"a")
    );
    // It is not placed anywhere else.
    let denial = admit(&user, &CalloutTarget::Configured("OTHER", None)).unwrap_err();
    assert!(
        matches!(denial, CalloutDenial::Account(JwtDenial::AccountLookup(_))),
        "{denial}"
    );
}

#[test]
fn sealed_answers_are_opened_and_clear_ones_still_read() {
    let (server_key, service, eve) = (curve(1), curve(2), curve(3));
    let service_key = service.public_key();
    let sealing = Sealing {
        server: &server_key,
        service: &service_key,
    };
    let token = answer(user_token(&account(), |_| {}), |_| {});
    let seal = |by: &CurveKeyPair| {
        by.seal(token.as_bytes(), &server_key.public_key(), [3; 24])
            .unwrap()
    };
    let read_sealed = |message: &[u8]| read(message, |e| e.sealing = Some(sealing));
    assert!(read_sealed(&seal(&service)).is_ok());
    assert!(read_sealed(token.as_bytes()).is_ok());
    let denial = read_sealed(&seal(&eve)).unwrap_err();
    assert_eq!(
        denial,
        CalloutDenial::Sealed("AUTH".to_owned(), SealError::CannotOpen)
    );
    // Nobody seals what was asked in the clear.
    assert!(read(&seal(&service), |_| {}).is_err());
}

/// The callout account of operator mode, which may place users where `allowed` says.
fn operator_account(allowed: &[String]) -> TrustedAccount {
    let allowed = allowed.to_vec();
    accepted(|a| {
        a.nats.authorization.auth_users = vec![id(&pair(Kind::User, 40))];
        a.nats.authorization.allowed_accounts = allowed;
    })
}

fn in_operator_mode(message: &str, asked: &TrustedAccount) -> Result<Admission, CalloutDenial> {
    let user = read(message.as_bytes(), |e| {
        e.account = &asked.spec.name;
        e.placing = Placing::Operator(asked);
    })?;
    admit(&user, &CalloutTarget::Operator(asked))
}

#[test]
fn in_operator_mode_the_account_places_users_with_its_keys() {
    let asked = operator_account(&[]);
    let named = |u: &mut UserClaims| u.nats.issuer_account = id(&account());
    let check = |message: String, expected: Result<(), &str>| {
        let admitted = in_operator_mode(&message, &asked);
        match (admitted, expected) {
            (Ok(admission), Ok(())) => {
                assert_eq!(admission.user.account, Some(asked.spec.name.clone()));
            }
            (Err(denial), Err(text)) => {
                assert!(denial.to_string().starts_with(text), "{denial}");
            }
            (admitted, expected) => panic!("{admitted:?} {expected:?}"),
        }
    };
    check(answer(user_token(&account(), |_| {}), |_| {}), Ok(()));
    check(answer(user_token(&signing_key(), named), |_| {}), Ok(()));
    let by_signing_key = |edit: fn(&mut AuthorizationResponseClaims)| {
        signed_answer(&signing_key(), user_token(&account(), |_| {}), edit)
    };
    check(by_signing_key(|_| {}), Ok(()));
    check(
        by_signing_key(|a| a.nats.issuer_account = id(&account())),
        Ok(()),
    );
    let unknown = Err("Auth callout signing key is unknown");
    check(
        by_signing_key(|a| a.nats.issuer_account = id(&other_account())),
        unknown,
    );
    let stranger = pair(Kind::Account, 96);
    let token = user_token(&account(), |_| {});
    check(signed_answer(&stranger, token.clone(), |_| {}), unknown);
    let pretends = |a: &mut AuthorizationResponseClaims| a.nats.issuer_account = id(&account());
    check(signed_answer(&stranger, token, pretends), unknown);
    check(
        answer(user_token(&stranger, |_| {}), |_| {}),
        Err("Account \"A"),
    );
    check(
        answer(user_token(&stranger, named), |_| {}),
        Err("User JWT issuer is not known"),
    );
    check(
        answer(user_token(&signing_key(), |_| {}), |_| {}),
        Err("Account \"A"),
    );
}

#[test]
fn scopes_hold_for_users_of_a_callout() {
    let asked = operator_account(&[]);
    let scoped = |edit: fn(&mut UserClaims)| {
        let token = user_token(&scoped_key(), |u| {
            u.nats.allowed = UserPermissionLimits::default();
            u.nats.issuer_account = id(&account());
            u.registered.name = "joe".to_owned();
            edit(u);
        });
        in_operator_mode(&answer(token, |_| {}), &asked)
    };
    let user = scoped(|_| {}).unwrap().user;
    let permissions = user.permissions.as_ref().unwrap();
    assert!(permissions.can_publish(b"in.joe") && !permissions.can_publish(b"in.eve"));
    let denial = scoped(|u| u.nats.allowed.bearer_token = true).unwrap_err();
    assert_eq!(denial, CalloutDenial::Account(JwtDenial::NotEmpty));
}

#[test]
fn users_are_placed_in_other_accounts_where_that_is_allowed() {
    let other = other_account();
    let token = user_token(&other, |_| {});
    let message = answer(token, |_| {});
    let placement = |allowed: &[String]| {
        let asked = operator_account(allowed);
        let user = read(message.as_bytes(), |e| {
            e.placing = Placing::Operator(&asked)
        });
        user.map(|user| user.placement().to_owned())
    };
    assert!(matches!(placement(&[]), Err(CalloutDenial::NotAllowed(..))));
    assert!(matches!(
        placement(&[id(&account())]),
        Err(CalloutDenial::NotAllowed(..))
    ));
    assert_eq!(placement(&[id(&other)]), Ok(id(&other)));
    assert_eq!(placement(&["*".to_owned()]), Ok(id(&other)));
}

#[test]
fn only_the_server_asks_questions() {
    let mut user = configured(&answer(user_token(&account(), |_| {}), |_| {}))
        .unwrap()
        .user;
    let permissions = without_asking(&user).permissions.clone().unwrap();
    assert!(!permissions.can_publish(b"$SYS.REQ.USER.AUTH"));
    assert!(permissions.can_publish(b"$SYS.REQ.USER.INFO") && permissions.can_publish(b"a"));
    let config = PermissionsConfig {
        publish: SubjectRules {
            allow: ["$SYS.>"].into(),
            deny: ["$SYS.x"].into(),
        },
        ..PermissionsConfig::default()
    };
    Arc::make_mut(&mut user).permissions = Some(Arc::new(Permissions::compile(config).unwrap()));
    let permissions = without_asking(&user).permissions.clone().unwrap();
    for (subject, allowed) in [
        ("$SYS.REQ.USER.AUTH", false),
        ("$SYS.x", false),
        ("$SYS.y", true),
        ("a", false),
    ] {
        assert_eq!(
            permissions.can_publish(subject.as_bytes()),
            allowed,
            "{subject}"
        );
    }
}
