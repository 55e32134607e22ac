//! The directory of accounts that were pushed: how many it takes, what a deletion leaves there, and
//! when the import that an activation token grants is over.

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::{Client, Server, wait};
use serde_json::{Value, json};

use super::{Hierarchy, answer, publish};

/// The names of the accounts' files, `name` standing for the key of an account.
fn files(server: &Server, accounts: &[&Key]) -> Vec<String> {
    let entries = std::fs::read_dir(server.dir().join("jwt")).expect("the directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names
        .map(|name| {
            let mut name = name.to_string_lossy().into_owned();
            for (number, account) in accounts.iter().enumerate() {
                name = name.replace(&account.public(), &number.to_string());
            }
            name
        })
        .collect();
    names.sort();
    names
}

/// What the operator's wish to delete accounts is answered with.
fn delete(system: &mut Client, keys: &Hierarchy, accounts: &Value) -> Value {
    let claims = json!({"sub": keys.operator.public(), "nats": {
        "accounts": accounts, "type": "generic", "version": 2}});
    let wish = jwt::encode(&keys.operator, claims);
    answer(system, "$SYS.REQ.CLAIMS.DELETE", &wish)
}

fn push(system: &mut Client, token: &str) -> Value {
    let answer = answer(system, "$SYS.REQ.CLAIMS.UPDATE", token);
    let what = |part: &str, text: &str| answer[part][text].clone();
    match what("data", "message") {
        Value::Null => what("error", "description"),
        message => message,
    }
}

#[test]
fn a_deletion_leaves_the_file_aside_or_nothing() {
    for (hard, left) in [(false, &["0.jwt", "1.jwt.deleted"][..]), (true, &["0.jwt"])] {
        let keys = Hierarchy::new();
        let server = keys.server(&format!(
            "{{ type: full, dir: \"{{dir}}/jwt\", allow_delete: true, hard_delete: {hard}, interval: \"1h\" }}"
        ));
        let mut system = keys.other(&server, "inbox");
        let token = keys.token(&keys.account, json!({}));
        assert_eq!(push(&mut system, &token), "jwt updated");
        let mut client = keys.login(&server, &keys.account);
        let named = [&keys.system, &keys.account];
        assert_eq!(files(&server, &named), ["0.jwt", "1.jwt"]);
        // Nothing is deleted for a wish that is not whole.
        for (accounts, problem) in [
            (json!("all"), "malformed request"),
            (json!([keys.account.public(), 5]), "malformed request"),
            (json!([keys.account.public(), "../x"]), "malformed request"),
            (
                json!([keys.system.public()]),
                "not allowed to delete system account",
            ),
        ] {
            let refused = delete(&mut system, &keys, &accounts);
            let text = refused["error"]["description"].as_str().unwrap_or_default();
            assert!(text.ends_with(problem), "{accounts}: {refused}");
        }
        assert_eq!(files(&server, &named), ["0.jwt", "1.jwt"]);
        let done = delete(&mut system, &keys, &json!([keys.account.public()]));
        assert_eq!(done["data"]["message"], "deleted 1 accounts");
        assert_eq!(files(&server, &named), left, "hard_delete: {hard}");
        client.expect("-ERR 'Account Authentication Expired'\r\n");
        // It may come back.
        assert_eq!(push(&mut system, &token), "jwt updated");
        assert!(files(&server, &named).contains(&"1.jwt".to_owned()));
    }
}

#[test]
fn a_full_directory_takes_changes_and_what_fits_after_a_deletion() {
    let keys = Hierarchy::new();
    let server = keys.server(
        "{ type: full, dir: \"{dir}/jwt\", allow_delete: true, limit: 3, interval: \"1h\" }",
    );
    let mut system = keys.other(&server, "inbox");
    let [one, two, three] = ["1", "2", "3"].map(|name| Key::new(Role::Account, name));
    let [mut first, mut second, mut third] =
        [&one, &two, &three].map(|account| keys.token(account, json!({})));
    assert_eq!(push(&mut system, &first), "jwt updated");
    assert_eq!(push(&mut system, &second), "jwt updated");
    let full = "jwt update resulted in error - jwt store is full";
    assert_eq!(push(&mut system, &third), full);
    assert!(!files(&server, &[&keys.system, &one, &two, &three]).contains(&"3.jwt".to_owned()));
    for (token, account) in [
        (&mut first, &one),
        (&mut second, &two),
        (&mut third, &three),
    ] {
        *token = keys.token(account, json!({"limits": {"conn": 5}}));
    }
    assert_eq!(push(&mut system, &first), "jwt updated", "it is in already");
    assert_eq!(push(&mut system, &third), full);
    delete(&mut system, &keys, &json!([two.public()]));
    assert_eq!(push(&mut system, &third), "jwt updated");
    assert_eq!(push(&mut system, &second), full);
    keys.login(&server, &three);
}

/// The import is cut off while both clients stay: at first it is granted for long, then for seconds.
#[test]
fn an_import_ends_with_its_activation() {
    let keys = Hierarchy::new();
    let server =
        keys.server("{ type: full, dir: \"{dir}/jwt\", allow_delete: true, interval: \"1h\" }");
    let mut system = keys.other(&server, "inbox");
    let importer = Key::new(Role::Account, "IMPORTER");
    let export = |kind: &str, subject: &str| json!({"name": kind, "subject": subject, "type": kind, "token_req": true});
    let exports = json!({"exports": [export("stream", "s.>"), export("service", "q")]});
    let importing_until = |end: u64| {
        let import = |kind: &str, subject: &str| {
            let claims = json!({"sub": importer.public(), "exp": end, "nats": {
                "subject": subject, "kind": kind, "type": "activation", "version": 2}});
            json!({"name": kind, "subject": subject, "type": kind,
                "account": keys.account.public(), "token": jwt::encode(&keys.account, claims)})
        };
        let imports = [import("stream", "s.>"), import("service", "q")];
        keys.token(&importer, json!({"imports": imports}))
    };
    for token in [
        keys.token(&keys.account, exports),
        importing_until(jwt::now() + 3600),
    ] {
        assert_eq!(push(&mut system, &token), "jwt updated");
    }
    let mut exporting = keys.login(&server, &keys.account);
    exporting.send("SUB q 1\r\n").sync();
    let mut importing = keys.login(&server, &importer);
    importing.send("SUB s.x 1\r\nSUB inbox 2\r\n").sync();
    publish(&mut exporting, "s.x", "granted");
    assert_eq!(importing.message().payload, "granted");
    importing.send("PUB q inbox 2\r\nhi\r\n");
    assert_eq!(exporting.message().payload, "hi");

    assert_eq!(
        push(&mut system, &importing_until(jwt::now() + 2)),
        "jwt updated"
    );
    wait::until("the stream to be cut off", || {
        publish(&mut exporting, "s.x", "late");
        exporting.sync();
        importing.messages_until_pong().is_empty().then_some(())
    });
    importing.send("PUB q inbox 2\r\nhi\r\n");
    let unserved = importing.message();
    let status = unserved.headers.unwrap_or_default();
    assert!(status.starts_with("NATS/1.0 503"), "{status}");
    exporting.sync();
    // It is still told of, as one that is not in force.
    let question = format!("{{\"account\":\"{}\"}}", importer.public());
    let answer = answer(&mut system, "$SYS.REQ.SERVER.PING.ACCOUNTZ", &question);
    let detail = &answer["data"]["account_detail"];
    let exporter = keys.account.public();
    let shown = detail["imports"].as_array().into_iter().flatten();
    let mut shown: Vec<_> = shown
        .filter(|import| import["account"] == *exporter)
        .map(|import| (import["subject"].clone(), import["invalid"].clone()))
        .collect();
    shown.sort_by_key(|(subject, _)| subject.to_string());
    let invalid = [(json!("q"), json!(true)), (json!("s.>"), json!(true))];
    assert_eq!(shown, invalid, "{detail}");
}
