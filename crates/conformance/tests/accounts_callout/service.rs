//! The deciding side of an auth callout: the server under test, a connection that subscribes to its
//! questions, and the tokens to answer with.

use cognate_conformance::jetstream::{JetStream as Session, Subscription};
use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::xkey::CurveKey;
use cognate_conformance::{Client, Message, Server, cli};
use serde_json::{Value, json};

pub(crate) const VIOLATION: &str = "-ERR 'Authorization Violation'\r\n";

/// Makes the answer to a request.
pub(crate) type Answer = Box<dyn Fn(&Tokens, &Request) -> String>;

/// A question of the server.
pub(crate) struct Request {
    message: Message,
    /// The claims of its token.
    pub(crate) claims: Value,
}

impl Request {
    /// The key that the server made for the user.
    pub(crate) fn user_key(&self) -> &str {
        self.claims["nats"]["user_nkey"]
            .as_str()
            .unwrap_or_default()
    }

    /// Where the answer goes.
    pub(crate) fn reply(&self) -> &str {
        self.message.reply.as_deref().expect("a question")
    }

    fn server(&self) -> &str {
        self.claims["nats"]["server_id"]["id"]
            .as_str()
            .unwrap_or_default()
    }
}

/// Makes what the service says.
pub(crate) struct Tokens {
    /// The key that the server trusts.
    pub(crate) issuer: Key,
}

impl Tokens {
    /// Claims of the user asked about, placed in an account (configuration mode).
    pub(crate) fn user_claims(&self, request: &Request, account: &str, nats: Value) -> Value {
        let unused = Key::new(Role::User, "unused");
        let mut claims = jwt::user(&unused, "allowed", nats);
        claims["sub"] = json!(request.user_key());
        if !account.is_empty() {
            claims["aud"] = json!(account);
        }
        claims
    }

    /// The token of the user asked about.
    pub(crate) fn user(&self, request: &Request, account: &str, nats: Value) -> String {
        jwt::encode(&self.issuer, self.user_claims(request, account, nats))
    }

    /// Claims of a response around a user's token.
    pub(crate) fn response_claims(&self, request: &Request, user: &str) -> Value {
        self.claims(request, json!({"jwt": user}))
    }

    /// A response around a user's token.
    pub(crate) fn response(&self, request: &Request, user: &str) -> String {
        jwt::encode(&self.issuer, self.response_claims(request, user))
    }

    /// A response that refuses.
    pub(crate) fn error(&self, request: &Request, why: &str) -> String {
        jwt::encode(&self.issuer, self.claims(request, json!({"error": why})))
    }

    fn claims(&self, request: &Request, nats: Value) -> Value {
        let subject = request.user_key();
        let mut claims = jwt::claims("authorization_response", subject, json!({}), nats);
        claims["aud"] = json!(request.server());
        claims
    }
}

/// A server that asks, and who answers.
pub(crate) struct Callout {
    /// The server under test.
    pub(crate) server: Server,
    /// What the service says.
    pub(crate) tokens: Tokens,
    session: Session,
    questions: Subscription,
    refusals: Option<Subscription>,
}

fn config(issuer: &str, callout: &str, timeout: &str) -> String {
    let callout = callout.replace("{issuer}", issuer);
    format!(
        "accounts {{\n\
         AUTH {{ users: [{{user: auth, password: p}}] }}\n\
         APP {{ users: [{{user: app, password: p}}] }}\n\
         SYS {{ }} }}\n\
         system_account: SYS\n\
         authorization {{ {timeout}\n auth_callout {{ {callout} }} }}"
    )
}

/// What the server says of a wrong `auth_callout` block before it ends.
pub(crate) fn refused(callout: &str) -> String {
    let issuer = Key::new(Role::Account, "ISSUER").public();
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("server.conf");
    std::fs::write(&path, config(&issuer, callout, "")).expect("a writable file");
    let path = path.to_str().expect("a UTF-8 path");
    let done = cli::run(["-a", "127.0.0.1", "-p", "-1", "-c", path]);
    assert_ne!(done.code, Some(0), "{callout}");
    done.stderr
}

impl Callout {
    /// Configuration mode; `auth` in the account AUTH is the service. `more` is a field of
    /// `auth_callout`, or the `timeout` of `authorization`.
    pub(crate) fn start(more: &str) -> Self {
        let issuer = Key::new(Role::Account, "ISSUER");
        let (timeout, more) = if more.starts_with("timeout") {
            (more, "")
        } else {
            ("", more)
        };
        let callout = format!("issuer: {{issuer}}, account: AUTH, auth_users: [auth]{more}");
        let config = config(&issuer.public(), &callout, timeout);
        let server = Server::with_config(&config);
        let session = Session::login(&server, "auth", "p");
        Self::over(server, session, issuer)
    }

    /// Configuration mode with encrypted messages; the service's curve key is that of `name`.
    pub(crate) fn sealed(name: &str) -> Self {
        Self::start(&format!(", xkey: {}", CurveKey::new(name).public()))
    }

    /// Operator mode; the account AUTH delegates to its user `auth`, into the account APP.
    pub(crate) fn operator() -> Self {
        let operator = Key::new(Role::Operator, "OP");
        let account = |name: &str| Key::new(Role::Account, name);
        let service = Key::new(Role::User, "auth");
        let rules = json!({"authorization": {
            "auth_users": [service.public()], "allowed_accounts": [account("APP").public()]}});
        let mut preload = String::new();
        for (name, nats) in [
            ("AUTH", rules),
            ("APP", json!({})),
            ("OTHER", json!({})),
            ("SYS", json!({})),
        ] {
            let key = account(name);
            let token = jwt::encode(&operator, jwt::account(&key, name, nats));
            preload += &format!("{}: {token}\n", key.public());
        }
        let system = account("SYS").public();
        let claims = jwt::operator(&operator, json!({"system_account": system}));
        let server = Server::with_config(&format!(
            "operator: \"{}\"\nsystem_account: {system}\nresolver: MEMORY\n\
             authorization {{ timeout: 0.3 }}\n\
             resolver_preload: {{\n{preload}}}\n",
            jwt::encode(&operator, claims)
        ));
        let token = jwt::encode(&account("AUTH"), jwt::user(&service, "auth", json!({})));
        let session = Session::by_nonce(&server, |nonce| {
            format!(r#""jwt":"{token}","sig":"{}""#, service.sign(nonce))
        });
        Self::over(server, session, account("AUTH"))
    }

    fn over(server: Server, mut session: Session, issuer: Key) -> Self {
        let questions = session.subscribe("$SYS.REQ.USER.AUTH");
        Self {
            server,
            tokens: Tokens { issuer },
            session,
            questions,
            refusals: None,
        }
    }

    /// The service hears of everybody who is refused.
    pub(crate) fn hear_refusals(&mut self) {
        self.refusals = Some(self.session.subscribe("$SYS.ACCOUNT.CLIENT.AUTH.ERR"));
    }

    /// What it hears next.
    #[track_caller]
    pub(crate) fn refusal(&mut self) -> Value {
        let refusals = self.refusals.expect("the service hears of refusals");
        let event = self.session.next(refusals).payload;
        serde_json::from_str(&event).unwrap_or_else(|error| panic!("{error}: {event}"))
    }

    /// Whether nobody was asked about yet that was not answered.
    pub(crate) fn is_unasked(&mut self) -> bool {
        self.session.arrived(self.questions).is_empty()
    }

    /// The CONNECT of a bearer who may do nothing (operator mode).
    pub(crate) fn sentinel(&self) -> String {
        let key = Key::new(Role::User, "sentinel");
        let nats = json!({"bearer_token": true, "pub": {"deny": [">"]}, "sub": {"deny": [">"]}});
        let token = jwt::encode(&self.tokens.issuer, jwt::user(&key, "sentinel", nats));
        format!(r#"{{"verbose":false,"jwt":"{token}"}}"#)
    }

    /// The server's id.
    pub(crate) fn server_id(&mut self) -> String {
        let info = self.session.client().info();
        info["server_id"].as_str().unwrap_or_default().to_owned()
    }

    /// A client that has said CONNECT and does not know yet.
    pub(crate) fn connect(&self, options: &str) -> Client {
        let mut client = self.server.connect();
        client.send(format!("CONNECT {options}\r\n"));
        client
    }

    /// A client for whom the service is not needed, or says yes.
    pub(crate) fn login(&mut self, user: &str) -> Client {
        let mut client = self.connect(&format!(
            r#"{{"verbose":false,"user":"{user}","pass":"p"}}"#
        ));
        if user != "auth" {
            let request = self.request();
            self.allow(&request, "APP", json!({}));
        }
        client.sync();
        client
    }

    /// The server's next question.
    #[track_caller]
    pub(crate) fn request(&mut self) -> Request {
        let message = self.session.next(self.questions);
        let claims = jwt::decode(&message.payload);
        Request { message, claims }
    }

    /// The server's next question, sealed for the owner of `key`; and the key that the server has
    /// sealed it with.
    #[track_caller]
    pub(crate) fn sealed_request(&mut self, key: &CurveKey) -> (Request, String) {
        let (mut message, sealed, server) = self.next_sealed();
        let plain = key.open(&server, &sealed).expect("sealed for the service");
        message.payload = String::from_utf8(plain).expect("a token");
        let claims = jwt::decode(&message.payload);
        (Request { message, claims }, server)
    }

    /// The bytes of the server's next question, and the key that it has sealed them with.
    #[allow(dead_code, reason = "the tests of advisories use it")]
    #[track_caller]
    pub(crate) fn sealed_bytes(&mut self) -> (Vec<u8>, String) {
        let (_, sealed, server) = self.next_sealed();
        (sealed, server)
    }

    /// The next question without its payload, the payload, and the server's curve key.
    #[track_caller]
    fn next_sealed(&mut self) -> (Message, Vec<u8>, String) {
        let client = self.session.client();
        let line = client.line();
        let words: Vec<&str> = line.split(' ').collect();
        let [sizes @ .., header_len, total] = words.as_slice() else {
            panic!("not a message: {line}");
        };
        let size = |word: &str| -> usize { word.parse().expect("a size") };
        let body = client.take(size(total) + 2);
        let (headers, payload) = body[..size(total)].split_at(size(header_len));
        let headers = String::from_utf8_lossy(headers).into_owned();
        let server = headers
            .lines()
            .find_map(|line| line.strip_prefix("Nats-Server-Xkey: "))
            .expect("the server's curve key")
            .to_owned();
        let message = Message {
            subject: words[1].to_owned(),
            sid: words[2].to_owned(),
            reply: sizes.get(3).map(|&reply| reply.to_owned()),
            headers: Some(headers),
            payload: String::new(),
        };
        (message, payload.to_vec(), server)
    }

    /// Answers with any bytes.
    pub(crate) fn answer_bytes(&mut self, request: &Request, bytes: &[u8]) {
        let reply = request.reply();
        let head = format!("PUB {reply} {}\r\n", bytes.len());
        let client = self.session.client();
        client.send([head.as_bytes(), bytes, b"\r\n"].concat());
    }

    /// Answers with any text.
    pub(crate) fn answer(&mut self, request: &Request, text: &str) {
        let reply = request.reply();
        self.session.send(reply, "", &[], text);
    }

    /// Lets the user in.
    pub(crate) fn allow(&mut self, request: &Request, account: &str, nats: Value) {
        let user = self.tokens.user(request, account, nats);
        let text = self.tokens.response(request, &user);
        self.answer(request, &text);
    }

    /// Turns the user away.
    pub(crate) fn refuse(&mut self, request: &Request) {
        let text = self.tokens.error(request, "not today");
        self.answer(request, &text);
    }
}
