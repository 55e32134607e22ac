//! Logins as tables: a configuration, what a client presents, and who it becomes.

mod certificates;
mod config;
mod credentials;
mod proxies;
mod reload;

use super::{
    AuthConfig, Authenticator, ConnectionType, ConnectionTypes, Credential, Decision, DenyCause,
    Login, UserConfig, UserId, UserPassword,
};
use crate::nkey::{KeyPair, Kind};
use crate::password::Secret;

fn login<'a>(user: &'a str, pass: &'a str) -> Login<'a> {
    Login {
        user,
        pass,
        ..Login::default()
    }
}

fn password(name: &str, password: &str) -> UserPassword {
    UserPassword {
        name: name.to_owned(),
        password: Secret::from_config(password),
    }
}

fn with(credential: Credential) -> UserConfig {
    let connection_types = ConnectionTypes::NONE;
    UserConfig {
        credential,
        permissions: None,
        connection_types,
        account: None,
        proxy_required: false,
    }
}

fn named(name: &str, secret: &str) -> UserConfig {
    with(Credential::Password(password(name, secret)))
}

fn key_pair(seed: u8) -> KeyPair {
    KeyPair::from_bytes(Kind::User, [seed; 32]).unwrap()
}

fn nkey_user(seed: u8) -> UserConfig {
    with(Credential::Nkey(key_pair(seed).public_key()))
}

fn only(mut user: UserConfig, kind: ConnectionType) -> UserConfig {
    user.connection_types = [kind].into_iter().collect();
    user
}

fn users(users: Vec<UserConfig>) -> AuthConfig {
    AuthConfig {
        users: Some(users),
        ..AuthConfig::default()
    }
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash_with_salt(password, 4, [7; 16])
        .unwrap()
        .to_string()
}

fn authenticator(config: &AuthConfig) -> Authenticator {
    Authenticator::new(config.clone()).unwrap()
}

fn name(id: &str) -> Result<UserId, DenyCause> {
    Ok(UserId::Name(id.to_owned()))
}

/// Decides, running bcrypt if asked to.
fn decide(authenticator: &Authenticator, login: &Login<'_>) -> Result<UserId, DenyCause> {
    let user = match authenticator.begin(login) {
        Decision::Allowed(user) => Ok(user),
        Decision::Denied(cause) => Err(cause),
        Decision::NeedsBcrypt(login) => login.run(),
    };
    user.map(|user| user.id.clone())
}

fn check(config: &AuthConfig, login: &Login<'_>, expected: Result<UserId, DenyCause>) {
    assert_eq!(
        decide(&authenticator(config), login),
        expected,
        "{login:?} {config:?}"
    );
}

const WRONG: Result<UserId, DenyCause> = Err(DenyCause::WrongUserOrPassword);
