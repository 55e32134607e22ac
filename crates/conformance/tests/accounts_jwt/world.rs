//! The keys and tokens of one hierarchy: an operator, a system account with the user `sys`, and what
//! a test adds. Every key, token and user becomes a variable or a log-in of the scenes.
//!
//! `{A}` is the public key of account A, `{A.jwt}` its token, `{OP.jwt}` the operator's, and
//! `{preload}` the entries of all accounts for `resolver_preload`. User `a` logs in by its own token.

use std::collections::BTreeMap;

use cognate_conformance::jwt::{self, Key, Role};
use cognate_conformance::stage::Scenes;
use serde_json::{Value, json};

/// One hierarchy.
pub(crate) struct World {
    accounts: BTreeMap<String, String>,
    /// The key's name and the token.
    users: BTreeMap<String, (String, String)>,
    unsigned: Vec<String>,
    informed: Vec<String>,
    variables: BTreeMap<String, String>,
    zone: Option<String>,
}

impl World {
    /// An operator with a system account.
    pub(crate) fn new() -> Self {
        let mut world = Self {
            accounts: BTreeMap::new(),
            users: BTreeMap::new(),
            unsigned: Vec::new(),
            informed: Vec::new(),
            variables: BTreeMap::new(),
            zone: None,
        };
        world.account("SYS", json!({}));
        world.user("sys", "SYS", json!({}));
        let system = world.key("SYS");
        let operator = world.operator();
        let claims = jwt::operator(&operator, json!({"system_account": system}));
        world.set("OP.jwt", &jwt::encode(&operator, claims));
        let bare = jwt::encode(&operator, jwt::operator(&operator, json!({})));
        world.set("OP.bare", &bare);
        world.set("OP", &operator.public());
        world
    }

    fn operator(&self) -> Key {
        Key::new(Role::Operator, "OP")
    }

    /// A token of the operator, as the variable `name`, that has nothing signed but by a signing key.
    pub(crate) fn strict_operator(&mut self, name: &str, signing: &str) {
        let operator = self.operator();
        let signing = Key::new(Role::Operator, signing).public();
        let claims = json!({"signing_keys": [signing], "strict_signing_key_usage": true});
        let token = jwt::encode(&operator, jwt::operator(&operator, claims));
        self.set(name, &token);
    }

    /// The tokens of all accounts by their keys.
    pub(crate) fn tokens(&self) -> BTreeMap<String, String> {
        let tokens = self.accounts.iter();
        tokens
            .map(|(name, token)| (self.key(name), token.clone()))
            .collect()
    }

    /// Gives the scenes a variable.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Puts the server's machine into a time zone.
    pub(crate) fn zone(&mut self, name: &str) {
        self.zone = Some(name.to_owned());
    }

    /// The public key of an account (a name in capitals) or a user.
    pub(crate) fn key(&self, name: &str) -> String {
        let account = name.starts_with(|c: char| c.is_ascii_uppercase());
        let role = if account { Role::Account } else { Role::User };
        Key::new(role, name).public()
    }

    /// A signing key of an account.
    pub(crate) fn signing_key(&self, name: &str) -> Key {
        Key::new(Role::Account, name)
    }

    /// Adds an account signed by the operator.
    pub(crate) fn account(&mut self, name: &str, nats: Value) {
        self.account_with(name, nats, &[]);
    }

    /// Adds an account with further claims outside of `nats`.
    pub(crate) fn account_with(&mut self, name: &str, nats: Value, more: &[(&str, Value)]) {
        let token = self.account_token(name, nats, more, &self.operator());
        self.accounts.insert(name.to_owned(), token);
    }

    /// Adds an account signed by another operator.
    pub(crate) fn account_of(&mut self, name: &str, operator: &str, nats: Value) {
        let operator = Key::new(Role::Operator, operator);
        let token = self.account_token(name, nats, &[], &operator);
        self.accounts.insert(name.to_owned(), token);
    }

    fn account_token(
        &mut self,
        name: &str,
        nats: Value,
        more: &[(&str, Value)],
        issuer: &Key,
    ) -> String {
        let key = Key::new(Role::Account, name);
        self.set(name, &key.public());
        let mut claims = jwt::account(&key, name, nats);
        for (field, value) in more {
            claims[*field] = value.clone();
        }
        jwt::encode(issuer, claims)
    }

    /// Another token of an account, as the variable `name`.
    pub(crate) fn variant(&mut self, name: &str, account: &str, nats: Value) {
        let token = self.account_token(account, nats, &[], &self.operator());
        self.set(name, &token);
    }

    /// The operator's wish to delete accounts, as the variable `name`.
    pub(crate) fn deletion(&mut self, name: &str, accounts: &[&str]) {
        let keys: Vec<String> = accounts.iter().map(|account| self.key(account)).collect();
        let operator = self.operator();
        let claims = json!({"sub": operator.public(), "nats": {
            "accounts": keys, "type": "generic", "version": 2}});
        self.set(name, &jwt::encode(&operator, claims));
    }

    /// Lets `importer` import `subject` of `exporter`.
    pub(crate) fn activation(
        &self,
        exporter: &str,
        importer: &str,
        subject: &str,
        kind: &str,
    ) -> String {
        self.activation_with(
            exporter,
            importer,
            json!({"subject": subject, "kind": kind}),
            &[],
        )
    }

    /// Let `importer` import `subject` of `exporter` until a while ago.
    pub(crate) fn expired_activation(
        &self,
        exporter: &str,
        importer: &str,
        subject: &str,
        kind: &str,
    ) -> String {
        let past = [("exp", json!(jwt::now() - 10))];
        let nats = json!({"subject": subject, "kind": kind});
        self.activation_with(exporter, importer, nats, &past)
    }

    fn activation_with(
        &self,
        exporter: &str,
        importer: &str,
        nats: Value,
        more: &[(&str, Value)],
    ) -> String {
        let issuer = Key::new(Role::Account, exporter);
        let mut claims = jwt::claims("activation", &self.key(importer), json!({}), nats);
        for (field, value) in more {
            claims[*field] = value.clone();
        }
        jwt::encode(&issuer, claims)
    }

    /// Adds a user signed by the account itself.
    pub(crate) fn user(&mut self, name: &str, account: &str, nats: Value) {
        self.user_with_key(name, name, account, nats);
    }

    /// Adds a user whose key is that of `key`.
    pub(crate) fn user_with_key(&mut self, name: &str, key: &str, account: &str, nats: Value) {
        let issuer = Key::new(Role::Account, account);
        self.add_user(name, key, &issuer, nats, &[]);
    }

    /// Adds a user with further claims outside of `nats`.
    pub(crate) fn claims(
        &mut self,
        name: &str,
        account: &str,
        nats: Value,
        more: &[(&str, Value)],
    ) {
        let issuer = Key::new(Role::Account, account);
        self.add_user(name, name, &issuer, nats, more);
    }

    /// Adds a user of `account` signed by a signing key.
    pub(crate) fn by_signing_key(&mut self, name: &str, signer: &Key, account: &str, nats: Value) {
        let mut nats = nats;
        nats["issuer_account"] = json!(self.key(account));
        self.add_user(name, name, signer, nats, &[]);
    }

    /// Adds a user of `account` under a scope: nothing but what `nats` says.
    pub(crate) fn scoped(&mut self, name: &str, signer: &Key, account: &str, nats: Value) {
        self.by_signing_key(name, signer, account, nats);
    }

    /// Adds a user who claims to be of `account`, signed by the key of another account.
    pub(crate) fn signed_by(&mut self, name: &str, account: &str, signer: &str, nats: Value) {
        let signer = Key::new(Role::Account, signer);
        self.by_signing_key(name, &signer, account, nats);
    }

    /// Adds a user of an account that nobody knows.
    pub(crate) fn unknown(&mut self, name: &str, account: &str) {
        self.add_user(
            name,
            name,
            &Key::new(Role::Account, account),
            json!({}),
            &[],
        );
    }

    /// Lets a user log in without a signature.
    pub(crate) fn unsigned(&mut self, name: &str) {
        self.unsigned.push(name.to_owned());
    }

    /// Lets a user ask for the INFO after his CONNECT.
    pub(crate) fn informed(&mut self, name: &str) {
        self.informed.push(name.to_owned());
    }

    fn add_user(
        &mut self,
        name: &str,
        key: &str,
        issuer: &Key,
        nats: Value,
        more: &[(&str, Value)],
    ) {
        let key_name = key.to_owned();
        let key = Key::new(Role::User, key);
        let mut claims = jwt::user(&key, name, nats);
        for (field, value) in more {
            claims[*field] = value.clone();
        }
        let token = jwt::encode(issuer, claims);
        self.set(name, &key.public());
        self.set(&format!("{name}.jwt"), &token);
        self.users.insert(name.to_owned(), (key_name, token));
    }

    /// Plays the scenes of `accounts_jwt/<file>.txt`.
    #[track_caller]
    pub(crate) fn play(mut self, file: &str) {
        let mut preload = String::new();
        for (name, token) in std::mem::take(&mut self.accounts) {
            let key = self.key(&name);
            preload += &format!("{key}: {token}\n");
            self.set(&format!("{name}.jwt"), &token);
        }
        self.set("preload", &preload);
        let mut scenes = Scenes::read(&format!("accounts_jwt/{file}"));
        for (name, value) in &self.variables {
            scenes = scenes.with(name, value);
        }
        if let Some(zone) = &self.zone {
            scenes = scenes.env("TZ", zone);
        }
        for (name, (key, token)) in self.users {
            let unsigned = self.unsigned.contains(&name);
            let protocol = u8::from(self.informed.contains(&name));
            let key = Key::new(Role::User, &key);
            let login = move |nonce: &str| {
                let signature = if unsigned {
                    String::new()
                } else {
                    key.sign(nonce)
                };
                json!({"verbose": false, "pedantic": false, "headers": true,
                    "no_responders": true, "protocol": protocol, "jwt": token, "sig": signature})
                .to_string()
            };
            scenes = scenes.login(&name, Box::new(login));
        }
        scenes.play();
    }
}
