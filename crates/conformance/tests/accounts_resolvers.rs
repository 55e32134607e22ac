//! Resolvers that ask other servers for accounts, and what they tell them: over the system account,
//! where a client can stand in for the others.
//!
//! What a single server does with accounts that are pushed, preloaded or fetched over HTTP is in
//! `accounts_jwt.rs`.

#[path = "accounts_resolvers/directory.rs"]
mod directory;
#[path = "accounts_jwt/web.rs"]
mod web;

use std::collections::BTreeMap;
use std::ffi::OsStr;

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::{Client, Server, cli, wait};
use serde_json::{Value, json};

/// The keys of one operator with the accounts `SYS` and `A`, and one user in each.
struct Hierarchy {
    operator: Key,
    system: Key,
    account: Key,
}

impl Hierarchy {
    fn new() -> Self {
        Self {
            operator: Key::new(Role::Operator, "OP"),
            system: Key::new(Role::Account, "SYS"),
            account: Key::new(Role::Account, "A"),
        }
    }

    /// The token of an account.
    fn token(&self, account: &Key, nats: Value) -> String {
        jwt::encode(&self.operator, jwt::account(account, "name", nats))
    }

    /// A configuration with this resolver, where only the system account is known.
    fn server(&self, resolver: &str) -> Server {
        let system = self.system.public();
        let operator = jwt::operator(&self.operator, json!({"system_account": system}));
        let operator = jwt::encode(&self.operator, operator);
        let token = self.token(&self.system, json!({}));
        start(&format!(
            "operator: \"{operator}\"\nsystem_account: {system}\nresolver: {resolver}\n\
             resolver_preload: {{ {system}: {token} }}"
        ))
    }

    /// What a user of `account` says to be let in.
    fn connect(&self, client: &Client, account: &Key) -> String {
        let user = Key::new(Role::User, "u");
        let token = jwt::encode(account, jwt::user(&user, "u", json!({})));
        let nonce = client.info()["nonce"].as_str().unwrap_or_default();
        let options = json!({"verbose": false, "pedantic": false, "headers": true,
            "no_responders": true, "jwt": token, "sig": user.sign(nonce)});
        format!("CONNECT {options}\r\n")
    }

    fn login(&self, server: &Server, account: &Key) -> Client {
        let mut client = server.connect();
        let connect = self.connect(&client, account);
        client.send(connect).sync();
        client
    }

    /// A client of the system account that hears `subject`.
    fn other(&self, server: &Server, subject: &str) -> Client {
        let mut other = self.login(server, &self.system);
        other.send(format!("SUB {subject} 1\r\n")).sync();
        other
    }
}

/// A server whose configuration may name its directory.
fn start(config: &str) -> Server {
    let builder = Server::builder();
    let dir = builder.dir().display().to_string();
    builder.config(&config.replace("{dir}", &dir)).start()
}

fn publish(client: &mut Client, subject: &str, payload: &str) {
    client.send(format!("PUB {subject} {}\r\n{payload}\r\n", payload.len()));
}

fn request(client: &mut Client, subject: &str, payload: &[u8]) {
    client.send(format!("PUB {subject} inbox {}\r\n", payload.len()));
    client.send([payload, b"\r\n"].concat());
}

/// What a request to the system account is answered with.
fn answer(client: &mut Client, subject: &str, payload: &str) -> Value {
    request(client, subject, payload.as_bytes());
    serde_json::from_str(&client.message().payload).expect("JSON")
}

/// Answers the first question for an account with `token` while somebody logs in to it.
fn log_in_while_asked(server: &Server, keys: &Hierarchy, token: &str) -> Client {
    let subject = format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP", keys.account.public());
    let mut other = keys.other(server, &subject);
    let mut client = server.connect();
    let connect = keys.connect(&client, &keys.account);
    client.send(connect).send("PING\r\n");
    let asked = other.message();
    assert_eq!(
        (asked.subject.as_str(), asked.payload.as_str()),
        (&*subject, "")
    );
    publish(&mut other, &asked.reply.expect("a reply subject"), token);
    client
}

#[test]
fn a_full_resolver_asks_others_for_what_it_lacks() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: full, dir: \"{dir}/jwt\", interval: \"1h\" }");
    let token = keys.token(&keys.account, json!({}));
    log_in_while_asked(&server, &keys, &token).expect("PONG\r\n");
    // From now on it is known here.
    let mut other = keys.other(&server, "inbox");
    let list = answer(&mut other, "$SYS.REQ.CLAIMS.LIST", "");
    let known = list["data"].as_array().expect("a list");
    assert!(known.contains(&json!(keys.account.public())), "{list}");
    keys.login(&server, &keys.account);
}

#[test]
fn an_account_that_nobody_has_lets_nobody_in() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: full, dir: \"{dir}/jwt\", interval: \"1h\" }");
    let mut client = log_in_while_asked(&server, &keys, "");
    client
        .expect("-ERR 'Authorization Violation'\r\n")
        .expect_close();
}

#[test]
fn a_token_that_is_not_trusted_is_not_taken_from_others() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: full, dir: \"{dir}/jwt\", interval: \"1h\" }");
    let stranger = Key::new(Role::Operator, "STRANGER");
    let token = jwt::encode(&stranger, jwt::account(&keys.account, "A", json!({})));
    let mut client = log_in_while_asked(&server, &keys, &token);
    client
        .expect("-ERR 'Authorization Violation'\r\n")
        .expect_close();
}

#[test]
fn a_cache_keeps_what_others_have() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: cache, dir: \"{dir}/jwt\", ttl: \"1h\", limit: 10 }");
    let token = keys.token(&keys.account, json!({}));
    let mut client = log_in_while_asked(&server, &keys, &token);
    client.expect("PONG\r\n");
    let mut other = keys.other(&server, "inbox");
    let update = answer(&mut other, "$SYS.REQ.CLAIMS.UPDATE", &token);
    assert_eq!(update["data"]["message"], "jwt updated cache", "{update}");
    let unused = Key::new(Role::Account, "UNUSED");
    let unused = keys.token(&unused, json!({}));
    let update = answer(&mut other, "$SYS.REQ.CLAIMS.UPDATE", &unused);
    assert_eq!(
        update["data"]["message"], "jwt update cache skipped",
        "{update}"
    );
    // What is pushed is in force at once.
    let limits = json!({"limits": {"conn": 0}});
    let none = keys.token(&keys.account, limits);
    let update = answer(&mut other, "$SYS.REQ.CLAIMS.UPDATE", &none);
    assert_eq!(update["data"]["message"], "jwt updated cache", "{update}");
    client.expect("-ERR 'maximum account active connections exceeded'\r\n");
    assert!(
        server
            .dir()
            .join("jwt")
            .join(format!("{}.jwt", keys.account.public()))
            .is_file()
    );
}

#[test]
fn servers_compare_what_they_have() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: full, dir: \"{dir}/jwt\", interval: \"200ms\" }");
    let mut other = keys.other(&server, "$SYS.REQ.CLAIMS.PACK");
    let asked = other.message();
    let reply = asked.reply.expect("a reply subject");
    // One line with what it lacks, then the end.
    let token = keys.token(&keys.account, json!({}));
    let pack = format!("{}|{token}", keys.account.public());
    publish(&mut other, &reply, &pack);
    publish(&mut other, &reply, "");
    other.sync();
    let mut listener = keys.other(&server, "inbox");
    let known = |list: Value| list["data"].as_array().map_or(0, Vec::len);
    wait::until("the account to be taken over", || {
        (known(answer(&mut listener, "$SYS.REQ.CLAIMS.LIST", "")) == 2).then_some(())
    });
    keys.login(&server, &keys.account);
}

#[test]
fn what_a_server_has_is_sent_to_whoever_has_something_else() {
    let keys = Hierarchy::new();
    let server = keys.server("{ type: full, dir: \"{dir}/jwt\", interval: \"1h\" }");
    let token = keys.token(&keys.account, json!({}));
    let mut other = keys.other(&server, "inbox");
    let update = answer(&mut other, "$SYS.REQ.CLAIMS.UPDATE", &token);
    assert_eq!(update["data"]["message"], "jwt updated", "{update}");
    request(&mut other, "$SYS.REQ.CLAIMS.PACK", &[0; 32]);
    let mut packs = [other.message().payload, other.message().payload];
    packs.sort_by_key(|pack| !pack.starts_with(&keys.account.public()));
    assert_eq!(packs[0], format!("{}|{token}", keys.account.public()));
    let (system, rest) = packs[1].split_once('|').expect("two parts");
    assert_eq!(system, keys.system.public());
    assert_eq!(other.message().payload, "");
    // Who has the same is told nothing but the end.
    let sum = |token: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        digest.as_ref().to_vec()
    };
    let both: Vec<u8> = sum(&token)
        .iter()
        .zip(sum(rest))
        .map(|(a, b)| a ^ b)
        .collect();
    request(&mut other, "$SYS.REQ.CLAIMS.PACK", &both);
    assert_eq!(other.message().payload, "");
    assert!(other.messages_until_pong().is_empty());
}

#[test]
fn the_system_account_can_be_pushed_before_anything_is_known() {
    let keys = Hierarchy::new();
    let system = keys.system.public();
    let operator = jwt::operator(&keys.operator, json!({"system_account": system}));
    let operator = jwt::encode(&keys.operator, operator);
    let server = start(&format!(
        "operator: \"{operator}\"\nsystem_account: {system}\n\
         resolver: {{ type: full, dir: \"{{dir}}/jwt\", interval: \"1h\" }}"
    ));
    let mut first = keys.other(&server, "inbox");
    for account in [&keys.system, &keys.account] {
        let token = keys.token(account, json!({}));
        let update = answer(&mut first, "$SYS.REQ.CLAIMS.UPDATE", &token);
        assert_eq!(update["data"]["message"], "jwt updated", "{update}");
    }
    keys.login(&server, &keys.account);
}

#[test]
fn accounts_that_are_used_can_be_updated_without_being_kept() {
    let keys = Hierarchy::new();
    let server = keys.server("MEMORY");
    let mut other = keys.other(&server, "inbox");
    let update = |key: &Key| format!("$SYS.REQ.ACCOUNT.{}.CLAIMS.UPDATE", key.public());
    let token = keys.token(&keys.account, json!({}));
    let answered = answer(&mut other, &update(&keys.account), &token);
    assert_eq!(
        answered["data"]["message"], "jwt update skipped",
        "{answered}"
    );
    let token = keys.token(&keys.system, json!({"limits": {"conn": 5}}));
    let answered = answer(&mut other, &update(&keys.system), &token);
    assert_eq!(answered["data"]["message"], "jwt updated", "{answered}");
    let answered = answer(&mut other, &update(&keys.account), &token);
    let problem = &answered["error"]["description"];
    assert_eq!(
        problem, "jwt update resulted in error - subject does not match jwt content",
        "{answered}"
    );
}

/// A server that fetches accounts from a web server with `tokens`, and the further configuration.
fn fetching(keys: &Hierarchy, url: &str, more: &str) -> Server {
    let system = keys.system.public();
    let operator = jwt::operator(&keys.operator, json!({"system_account": system}));
    let operator = jwt::encode(&keys.operator, operator);
    start(&format!(
        "operator: \"{operator}\"\nsystem_account: {system}\nresolver: URL({url})\n{more}"
    ))
}

fn tokens(keys: &Hierarchy, more: &[(&Key, String)]) -> BTreeMap<String, String> {
    let system = keys.token(&keys.system, json!({}));
    let mut tokens = BTreeMap::from([(keys.system.public(), system)]);
    tokens.extend(
        more.iter()
            .map(|(key, token)| (key.public(), token.clone())),
    );
    tokens
}

#[test]
fn exporters_are_fetched_with_those_who_import_from_them() {
    let keys = Hierarchy::new();
    let exporter = Key::new(Role::Account, "EXPORTER");
    let exports = json!({"exports": [{"name": "e", "subject": "e.>", "type": "stream"}]});
    let imports = json!({"imports": [{"name": "e", "subject": "e.>", "type": "stream",
        "account": exporter.public(), "local_subject": "from.e.>"}]});
    let url = web::serve(tokens(
        &keys,
        &[
            (&keys.account, keys.token(&keys.account, imports)),
            (&exporter, keys.token(&exporter, exports)),
        ],
    ));
    let server = fetching(&keys, &url, "");
    let mut importer = keys.login(&server, &keys.account);
    importer.send("SUB from.e.> 1\r\n").sync();
    let mut publisher = keys.login(&server, &exporter);
    publish(&mut publisher, "e.x", "m");
    assert_eq!(importer.message().subject, "from.e.x");
}

#[test]
fn an_account_server_that_is_silent_holds_nobody_else_up() {
    let keys = Hierarchy::new();
    let slow = Key::new(Role::Account, "SLOW");
    let token = keys.token(&keys.account, json!({}));
    let silence = web::SILENCE.to_owned();
    let url = web::serve(tokens(&keys, &[(&keys.account, token), (&slow, silence)]));
    let server = fetching(&keys, &url, "");
    let mut inside = keys.login(&server, &keys.account);
    inside.send("SUB x 1\r\n").sync();
    let mut waiting = server.connect();
    let connect = keys.connect(&waiting, &slow);
    waiting.send(connect);
    // Others come in and speak meanwhile.
    keys.login(&server, &keys.account);
    for _ in 0..100 {
        publish(&mut inside, "x", "m");
        assert_eq!(inside.message().payload, "m");
    }
    let line = waiting.line_or_end().unwrap_or_default();
    assert!(line.starts_with("-ERR 'Auth"), "{line}");
}

#[test]
fn redirects_are_followed() {
    let keys = Hierarchy::new();
    let token = keys.token(&keys.account, json!({}));
    let mut tokens = tokens(&keys, &[(&keys.account, web::MOVED.to_owned())]);
    tokens.insert(format!("{}.moved", keys.account.public()), token);
    let server = fetching(&keys, &web::serve(tokens), "");
    keys.login(&server, &keys.account);
}

#[test]
fn an_account_server_with_tls_is_verified() {
    let keys = Hierarchy::new();
    let token = keys.token(&keys.account, json!({}));
    let (url, authority) = web::serve_tls(tokens(&keys, &[(&keys.account, token)]));
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("ca.pem");
    std::fs::write(&file, authority).expect("a file");
    let tls = format!("resolver_tls {{ ca_file: \"{}\" }}", file.display());
    let server = fetching(&keys, &url, &tls);
    keys.login(&server, &keys.account);
}

#[test]
fn an_account_server_of_an_unknown_authority_is_none() {
    let keys = Hierarchy::new();
    let (url, _) = web::serve_tls(tokens(&keys, &[]));
    let builder = Server::builder();
    let system = keys.system.public();
    let operator = jwt::operator(&keys.operator, json!({"system_account": system}));
    let operator = jwt::encode(&keys.operator, operator);
    let config = builder.dir().join("own.conf");
    let text = format!(
        "listen: \"127.0.0.1:-1\"\noperator: \"{operator}\"\nsystem_account: {system}\n\
         resolver: URL({url})\n"
    );
    std::fs::write(&config, text).expect("a file");
    let ended = cli::run([OsStr::new("-c"), config.as_os_str()]);
    assert_ne!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("could not fetch"), "{}", ended.stderr);
}

#[test]
fn accounts_can_come_from_elsewhere_after_a_reload() {
    let keys = Hierarchy::new();
    let late = Key::new(Role::Account, "LATE");
    let system = keys.system.public();
    let operator = jwt::operator(&keys.operator, json!({"system_account": system}));
    let operator = jwt::encode(&keys.operator, operator);
    let pushed = keys.token(&keys.account, json!({}));
    let fetched = keys.token(&late, json!({}));
    let own = keys.token(&keys.system, json!({}));
    let url = web::serve(tokens(
        &keys,
        &[(&late, fetched), (&keys.account, pushed.clone())],
    ));
    let builder = Server::builder().monitored();
    let dir = builder.dir().display().to_string();
    let config = |resolver: &str, preload: &str| {
        format!(
            "operator: \"{operator}\"\nsystem_account: {system}\nresolver: {resolver}\n{preload}"
        )
    };
    let preload = format!("resolver_preload: {{ {system}: {own} }}");
    let full = |dir: &str| format!("{{ type: full, dir: \"{dir}\", interval: \"1h\" }}");
    let first = config(&full(&format!("{dir}/one")), &preload);
    let server = builder.config(&first).start();
    let mut admin = keys.other(&server, "inbox");
    let update = answer(&mut admin, "$SYS.REQ.CLAIMS.UPDATE", &pushed);
    assert_eq!(update["data"]["message"], "jwt updated", "{update}");
    let mut inside = keys.login(&server, &keys.account);
    // What is in use goes on, and what is not known yet comes from where it is now to come from.
    for resolver in [full(&format!("{dir}/two")), format!("URL({url})")] {
        let preload = if resolver.starts_with("URL") {
            ""
        } else {
            &preload
        };
        let said = server.reload(&config(&resolver, preload));
        assert!(said.contains("Reloaded server configuration"), "{said}");
        inside.sync();
        admin.sync();
        keys.login(&server, &keys.account);
    }
    keys.login(&server, &late);
    // In memory is what is preloaded, and nothing else.
    let said = server.reload(&config("MEMORY", &preload));
    assert!(said.contains("Reloaded server configuration"), "{said}");
    admin.sync();
    let mut client = server.connect();
    let connect = keys.connect(&client, &late);
    client.send(connect);
    client
        .expect("-ERR 'Authorization Violation'\r\n")
        .expect_close();
}

#[test]
fn operators_and_names_of_accounts_are_shown() {
    let keys = Hierarchy::new();
    let server = keys.server("MEMORY");
    let mut other = keys.other(&server, "inbox");
    let varz = answer(&mut other, "$SYS.REQ.SERVER.PING.VARZ", "");
    let varz = &varz["data"];
    assert_eq!(varz["auth_required"], true, "{varz}");
    let token = varz["trusted_operators_jwt"][0]
        .as_str()
        .unwrap_or_default();
    let claims = jwt::decode(token);
    assert_eq!(claims["sub"], keys.operator.public(), "{varz}");
    let shown = &varz["trusted_operators_claim"][0];
    assert_eq!(shown["sub"], claims["sub"], "{varz}");
    assert_eq!(
        shown["nats"]["system_account"],
        keys.system.public(),
        "{varz}"
    );
    let options = json!({"subscriptions": true, "account": keys.system.public()});
    let subsz = answer(
        &mut other,
        "$SYS.REQ.SERVER.PING.SUBSZ",
        &options.to_string(),
    );
    let shown = &subsz["data"]["subscriptions_list"][0];
    assert_eq!(shown["account"], keys.system.public(), "{shown}");
    assert_eq!(shown["account_tag"], "name", "{shown}");
}
