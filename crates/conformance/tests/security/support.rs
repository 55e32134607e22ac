//! What the tests of this area share: log-ins, hierarchies of tokens, and the look whether the server
//! is still well.

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::{Client, Message, Server, wait};
use serde_json::{Value, json};

/// A quiet client that logs in as `user` with the password `p`.
#[track_caller]
pub(crate) fn login(server: &Server, user: &str) -> Client {
    let options = json!({"verbose": false, "headers": true, "user": user, "pass": "p"});
    Client::with_options(server.addr(), &options.to_string())
}

/// Says CONNECT with `options` and PING, and returns everything until the connection ends or PONG.
#[track_caller]
pub(crate) fn knock(server: &Server, options: &str) -> String {
    let mut client = server.connect();
    // A server that turns somebody away may close before it has read everything.
    let _ = client.try_send(format!("CONNECT {options}\r\nPING\r\n"));
    let mut seen = String::new();
    while let Some(line) = client.line_or_end() {
        seen += &line;
        if line == "PONG" {
            break;
        }
        seen.push('\n');
    }
    seen
}

/// Whether CONNECT with `options` lets a client in.
#[track_caller]
pub(crate) fn lets_in(server: &Server, options: &str) -> bool {
    let seen = knock(server, options);
    assert!(
        seen.ends_with("PONG") || seen.contains("-ERR") || seen.is_empty(),
        "{seen}"
    );
    seen.ends_with("PONG")
}

/// The server still takes connections and says INFO.
#[track_caller]
pub(crate) fn well(server: &Server) {
    let client = server.connect();
    assert!(client.info()["server_id"].is_string());
}

/// What `client` has received by now: the subjects and payloads of all messages.
#[track_caller]
pub(crate) fn arrived(client: &mut Client) -> Vec<(String, String)> {
    let messages = client.messages_until_pong();
    let pair = |message: Message| (message.subject, message.payload);
    messages.into_iter().map(pair).collect()
}

/// Everything that `publisher` has sent so far has reached the server's other connections once both
/// have been heard.
#[track_caller]
pub(crate) fn settled(publisher: &mut Client, receivers: &mut [&mut Client]) {
    publisher.send("PING\r\n");
    while publisher.line() != "PONG" {}
    for receiver in receivers {
        // What is written to one connection is written in order.
        receiver.send("PING\r\n");
    }
}

/// A message with headers on the wire.
pub(crate) fn hpub(subject: &str, reply: &str, headers: &str, payload: &str) -> String {
    let head = format!("NATS/1.0\r\n{headers}\r\n");
    let total = head.len() + payload.len();
    let reply = if reply.is_empty() {
        String::new()
    } else {
        format!("{reply} ")
    };
    format!(
        "HPUB {subject} {reply}{} {total}\r\n{head}{payload}\r\n",
        head.len()
    )
}

/// An operator with a system account, and accounts whose tokens are in the configuration.
pub(crate) struct Hierarchy {
    operator: Key,
    preload: String,
}

impl Hierarchy {
    /// An operator with the accounts SYS and `accounts` (name and claims).
    pub(crate) fn new(accounts: &[(&str, Value)]) -> Self {
        let mut it = Self {
            operator: Key::new(Role::Operator, "OP"),
            preload: String::new(),
        };
        it.preload += &it.entry("SYS", json!({}));
        for (name, nats) in accounts {
            it.preload += &it.entry(name, nats.clone());
        }
        it
    }

    fn entry(&self, name: &str, nats: Value) -> String {
        format!("{}: {}\n", account(name).public(), self.token(name, nats))
    }

    /// The token of an account.
    pub(crate) fn token(&self, name: &str, nats: Value) -> String {
        let key = account(name);
        jwt::encode(&self.operator, jwt::account(&key, name, nats))
    }

    /// The configuration; `resolver` is its `resolver`.
    pub(crate) fn config(&self, resolver: &str) -> String {
        let system = account("SYS").public();
        let claims = jwt::operator(&self.operator, json!({"system_account": system}));
        format!(
            "operator: \"{}\"\nsystem_account: {system}\nresolver: {resolver}\n\
             resolver_preload: {{\n{}}}\n",
            jwt::encode(&self.operator, claims),
            self.preload
        )
    }

    /// A server that knows the accounts from its configuration.
    pub(crate) fn start(&self) -> Server {
        Server::with_config(&self.config("MEMORY"))
    }

    /// A server that accounts can be pushed to; its directory is `jwt` below its own.
    pub(crate) fn start_full(&self) -> Server {
        let builder = Server::builder().monitored();
        let dir = builder.dir().join("jwt");
        let resolver = format!(
            "{{ type: full, dir: \"{}\", allow_delete: true, interval: \"2m\" }}",
            dir.display()
        );
        builder.config(&self.config(&resolver)).start()
    }
}

/// The key of an account by its name.
pub(crate) fn account(name: &str) -> Key {
    Key::new(Role::Account, name)
}

/// The token of user `name`, signed by an account.
pub(crate) fn user_token(account_name: &str, name: &str, nats: Value) -> String {
    let key = Key::new(Role::User, name);
    jwt::encode(&account(account_name), jwt::user(&key, name, nats))
}

/// A connection that presents `token`, with the signature of user `name`.
#[track_caller]
pub(crate) fn present(server: &Server, token: &str, name: &str) -> Client {
    let mut client = server.connect();
    let nonce = client.info()["nonce"].as_str().unwrap_or_default();
    let options = json!({"verbose": false, "headers": true, "jwt": token,
        "sig": Key::new(Role::User, name).sign(nonce)});
    client.send(format!("CONNECT {options}\r\n"));
    client
}

/// Whether the server lets in who presents `token`, with the signature of user `name`.
#[track_caller]
pub(crate) fn admits(server: &Server, token: &str, name: &str) -> bool {
    let mut client = present(server, token, name);
    let _ = client.try_send("PING\r\n");
    client.line_or_end().as_deref() == Some("PONG")
}

/// Waits until `/varz` shows that nothing moves any more, and returns how many messages came in.
#[track_caller]
pub(crate) fn quiet_again(server: &Server) -> u64 {
    let mut before = None;
    wait::until("messages to stop", || {
        let varz = server.json("/varz");
        let now = (varz["in_msgs"].as_u64(), varz["out_msgs"].as_u64());
        let same = before == Some(now);
        before = Some(now);
        same.then(|| now.0.unwrap_or_default())
    })
}
