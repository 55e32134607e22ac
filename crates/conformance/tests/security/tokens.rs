//! Advisories about tokens and keys: what a tenant or a stranger can write into them, when they end,
//! and how what is encrypted is encrypted.

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::xkey::CurveKey;
use cognate_conformance::{Client, Server};
use rcgen::DnType;
use serde_json::{Value, json};

use crate::callout::Callout;
use crate::support::{Hierarchy, account, admits, present, user_token, well};
use crate::tls::{Authority, upgrade};

/// Claims of users that no tool writes, properly signed by an account.
#[test]
fn cve_2020_26521_odd_claims_of_a_user_are_survived() {
    let server = Hierarchy::new(&[("A", json!({}))]).start();
    let key = Key::new(Role::User, "u");
    let good = jwt::user(&key, "u", json!({}));
    let sign = |claims: Value| jwt::encode(&account("A"), claims);
    assert!(admits(&server, &sign(good.clone()), "u"));
    let odd = [
        json!(null),
        json!([]),
        json!({}),
        json!(""),
        json!(-1),
        json!(1e300),
        json!([null]),
        json!({"allow": null}),
        json!({"allow": [null]}),
        json!({"allow": [""]}),
    ];
    for field in [
        "nats", "name", "iat", "exp", "nbf", "sub", "iss", "aud", "jti",
    ] {
        for value in &odd {
            let mut claims = good.clone();
            claims[field] = value.clone();
            let _ = admits(&server, &sign(claims), "u");
        }
        well(&server);
    }
    for field in [
        "pub",
        "sub",
        "resp",
        "src",
        "times",
        "times_location",
        "subs",
        "data",
        "payload",
        "bearer_token",
        "allowed_connection_types",
        "issuer_account",
        "type",
        "version",
        "tags",
        "limits",
        "permissions",
    ] {
        for value in &odd {
            let mut claims = good.clone();
            claims["nats"][field] = value.clone();
            let _ = admits(&server, &sign(claims), "u");
        }
        well(&server);
    }
    assert!(admits(&server, &sign(good), "u"));
}

/// Text that is no token, or half of one.
#[test]
fn cve_2020_26521_what_is_no_token_is_survived() {
    let server = Hierarchy::new(&[("A", json!({}))]).start();
    let good = user_token("A", "u", json!({}));
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = parts.as_slice() else {
        panic!("a token has three parts");
    };
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        format!("{header}.{body}"),
        format!("{header}.{body}."),
        format!("{header}..{signature}"),
        format!(".{body}.{signature}"),
        format!("{header}.{body}.{}", &signature[..10]),
        format!("{header}.{body}.{signature}{signature}"),
        format!("{header}.{}.{signature}", &body[..body.len() - 4]),
        format!("e30.{body}.{signature}"),
        format!("bnVsbA.{body}.{signature}"),
        format!("{header}.bnVsbA.{signature}"),
        format!("{header}.W10.{signature}"),
    ] {
        assert!(!admits(&server, &token, "u"), "{token}");
    }
    well(&server);
    assert!(admits(&server, &good, "u"));
}

/// Keys that are cut short, however good their checksum is.
#[test]
fn ghsa_g33f_6538_grxh_truncated_keys_in_tokens_are_refused() {
    let server = Hierarchy::new(&[("A", json!({}))]).start();
    let good = jwt::user(&Key::new(Role::User, "u"), "u", json!({}));
    for bytes in [0, 1, 2, 16, 30, 31, 33, 64] {
        for prefix in [0_u8, 14 << 3, 20 << 3] {
            let short = checked(prefix, bytes);
            for field in ["iss", "sub"] {
                let mut claims = good.clone();
                claims[field] = json!(short);
                let token = jwt::encode(&account("A"), claims);
                assert!(!admits(&server, &token, "u"), "{field} {short}");
            }
            let mut claims = good.clone();
            claims["nats"]["issuer_account"] = json!(short);
            let token = jwt::encode(&account("A"), claims);
            assert!(!admits(&server, &token, "u"), "issuer_account {short}");
        }
    }
    well(&server);
    // The same where a key is typed: without a token, as a user's nkey.
    for bytes in [0, 1, 31, 33] {
        let short = checked(20 << 3, bytes);
        let options = json!({"nkey": short, "sig": "AAAA"}).to_string();
        assert!(!crate::support::lets_in(&server, &options), "{short}");
    }
    well(&server);
}

/// A key of another length than 32 bytes, with its checksum.
fn checked(prefix: u8, bytes: usize) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut raw = vec![prefix];
    raw.extend(std::iter::repeat_n(7, bytes));
    let crc = raw.iter().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    });
    raw.extend_from_slice(&crc.to_le_bytes());
    let bits: Vec<u8> = raw
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| (byte >> at) & 1))
        .collect();
    let digit = |bits: &[u8]| {
        let value = (0..5).fold(0, |value, at| {
            value << 1 | bits.get(at).copied().unwrap_or(0)
        });
        char::from(DIGITS[usize::from(value)])
    };
    bits.chunks(5).map(digit).collect()
}

/// What has expired or was revoked lets nobody in, and cuts off who is in.
#[test]
fn cve_2020_26892_what_has_expired_or_was_revoked_counts() {
    let past = jwt::now() - 5;
    let server = Hierarchy::new(&[
        ("A", json!({})),
        (
            "R",
            json!({"revocations": {Key::new(Role::User, "u").public(): jwt::now() + 100}}),
        ),
        ("ALL", json!({"revocations": {"*": jwt::now() + 100}})),
    ])
    .start_full();
    let key = Key::new(Role::User, "u");
    let mut expired = jwt::user(&key, "u", json!({}));
    expired["exp"] = json!(past);
    assert!(!admits(&server, &jwt::encode(&account("A"), expired), "u"));
    assert!(!admits(&server, &user_token("R", "u", json!({})), "u"));
    assert!(!admits(&server, &user_token("ALL", "u", json!({})), "u"));
    assert!(admits(
        &server,
        &user_token("R", "other", json!({})),
        "other"
    ));
    // Who is in when it ends.
    let mut ending = jwt::user(&key, "u", json!({}));
    ending["exp"] = json!(jwt::now() + 2);
    let mut guest = present(&server, &jwt::encode(&account("A"), ending), "u");
    guest.sync();
    let said = guest.rest();
    assert!(said.contains("-ERR"), "{said}");
    // Who is in when the account revokes him.
    let mut guest = present(&server, &user_token("A", "u", json!({})), "u");
    guest.sync();
    let mut system = present(&server, &user_token("SYS", "s", json!({})), "s");
    let revoking = Hierarchy::new(&[]).token(
        "A",
        json!({"revocations": {key.public(): jwt::now() + 100}}),
    );
    system.send("SUB inbox 1\r\n").send(format!(
        "PUB $SYS.REQ.CLAIMS.UPDATE inbox {}\r\n{revoking}\r\n",
        revoking.len()
    ));
    assert!(system.message().payload.contains("jwt updated"));
    let said = guest.rest();
    assert!(said.contains("-ERR"), "{said}");
    assert!(!admits(&server, &user_token("A", "u", json!({})), "u"));
}

/// What is asked of a callout service is encrypted with the keys of the two, not with zeros.
#[test]
fn cve_2023_46129_questions_of_a_callout_are_really_sealed() {
    let key = CurveKey::new("service");
    let mut callout = Callout::sealed("service");
    let mut sealed = Vec::new();
    for _ in 0..2 {
        let client = callout.connect(r#"{"user":"u","pass":"distinctive-password"}"#);
        let (raw, server) = callout.sealed_bytes();
        let text = String::from_utf8_lossy(&raw);
        assert!(
            !text.contains("distinctive") && !text.contains("eyJ"),
            "{text}"
        );
        assert!(key.open(&server, &raw).is_some());
        for stranger in ["stranger", ""] {
            assert!(CurveKey::new(stranger).open(&server, &raw).is_none());
        }
        assert!(
            !CurveKey::opens_without_keys(&raw),
            "sealed with a key of zeros"
        );
        sealed.push((raw, client));
    }
    // A nonce is never used twice.
    assert_ne!(sealed[0].0[4..28], sealed[1].0[4..28]);
}

/// A subject that repeats a part is not the one that has another part in its place.
#[test]
fn cve_2026_33248_repeated_parts_of_a_subject_are_counted() {
    let authority = Authority::new("ca");
    let builder = Server::builder().monitored();
    authority.write_server_files(builder.dir(), "server");
    let dir = builder.dir().display().to_string();
    let server = builder
        .config(&format!(
            "tls {{ cert_file: \"{dir}/server.pem\", key_file: \"{dir}/server-key.pem\"\n\
             ca_file: \"{dir}/ca.pem\", verify_and_map: true }}\n\
             authorization {{ users: [\n\
             {{user: \"CN=Alice,CN=Alice,O=NATS\"}}\n\
             {{user: \"O=NATS,O=NATS,CN=Bob,OU=Users\"}}\n\
             {{user: \"CN=Carol,O=NATS,OU=Users\"}} ] }}"
        ))
        .start();
    let (cn, org, unit) = (
        DnType::CommonName,
        DnType::OrganizationName,
        DnType::OrganizationalUnitName,
    );
    for (name, parts, admitted) in [
        ("Alice", vec![org.clone(), unit.clone()], false),
        ("Alice", vec![org.clone()], false),
        (
            "Bob",
            vec![org.clone(), unit.clone(), DnType::CountryName],
            false,
        ),
        ("Bob", vec![org.clone(), unit.clone()], false),
        ("Carol", vec![org, unit], true),
    ] {
        let mut subject = vec![(cn.clone(), name)];
        for part in parts {
            let value = match part {
                DnType::OrganizationName => "NATS",
                DnType::CountryName => "DE",
                _ => "Users",
            };
            subject.push((part, value));
        }
        let identity = authority.sign(&subject, vec![]);
        let mut client: Client = upgrade(server.addr(), authority.client_config(Some(&identity)));
        let _ = client.try_send("CONNECT {\"verbose\":false}\r\nPING\r\n");
        let seen = client.line();
        assert_eq!(seen == "PONG", admitted, "{subject:?}: {seen}");
    }
}

/// Wrong passwords, wrong users and missing ones get the same answer.
#[test]
fn failed_log_ins_cannot_be_told_apart() {
    let server = Server::with_config(
        "authorization { users: [\n\
         {user: plain, password: \"distinctive-password\"}\n\
         {user: hashed, password: \"$2a$04$qSbh28iTZx6KK3UrJ0EOYeQbHmXmrGMlEfhScyxWyOYLKG6dTi6Ge\"}\n\
         ] }",
    );
    let mut answers = Vec::new();
    for options in [
        json!({}),
        json!({"user": "plain"}),
        json!({"user": "plain", "pass": "wrong"}),
        json!({"user": "hashed", "pass": "wrong"}),
        json!({"user": "nobody", "pass": "wrong"}),
        json!({"auth_token": "wrong"}),
        json!({"nkey": Key::new(Role::User, "x").public(), "sig": "AAAA"}),
        json!({"jwt": user_token("A", "u", json!({}))}),
    ] {
        answers.push(crate::support::knock(&server, &options.to_string()));
    }
    assert!(answers[0].contains("Authorization Violation"));
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
}
