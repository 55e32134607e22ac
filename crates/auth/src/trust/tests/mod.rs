//! Operator mode as tables: keys, tokens, and who gets in.

mod config;
mod imports;
mod live;
mod login;
mod push;

use super::{Trust, TrustConfig, TrustedAccount};
use crate::jwt::{
    Account, AccountClaims, Claims, OperatorClaims, OperatorLimits, UserClaims,
    UserPermissionLimits, UserScope,
};
use crate::nkey::{KeyPair, Kind, PublicKey};
use crate::time_window::Moment;
use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) const NOW: i64 = 1_900_000_000;
pub(crate) const ISSUED: i64 = 1_800_000_000;

pub(crate) fn pair(kind: Kind, seed: u8) -> KeyPair {
    KeyPair::from_bytes(kind, [seed; 32]).unwrap()
}

pub(crate) fn operator() -> KeyPair {
    pair(Kind::Operator, 1)
}

pub(crate) fn operator_signing_key() -> KeyPair {
    pair(Kind::Operator, 2)
}

pub(crate) fn account() -> KeyPair {
    pair(Kind::Account, 3)
}

pub(crate) fn signing_key() -> KeyPair {
    pair(Kind::Account, 4)
}

pub(crate) fn scoped_key() -> KeyPair {
    pair(Kind::Account, 5)
}

pub(crate) fn other_account() -> KeyPair {
    pair(Kind::Account, 6)
}

pub(crate) fn user() -> KeyPair {
    pair(Kind::User, 7)
}

pub(crate) fn id(pair: &KeyPair) -> String {
    pair.public_key().to_string()
}

pub(crate) fn operator_token(edit: impl FnOnce(&mut OperatorClaims)) -> String {
    let mut claims = OperatorClaims::new(id(&operator()));
    claims.nats.signing_keys = vec![id(&operator_signing_key())];
    edit(&mut claims);
    claims.encode(&operator(), ISSUED).unwrap()
}

pub(crate) fn trust_config() -> TrustConfig {
    TrustConfig {
        operators: vec![operator_token(|_| {})],
        server_version: [2, 14, 5],
        ..TrustConfig::default()
    }
}

pub(crate) fn trust() -> Trust {
    Trust::new(trust_config()).unwrap()
}

pub(crate) fn scope() -> UserScope {
    let mut scope = UserScope {
        key: id(&scoped_key()),
        role: "reader".to_owned(),
        ..UserScope::default()
    };
    let publish = &mut scope.template.permissions.publish;
    publish.allow = vec!["in.{{name()}}".to_owned()];
    scope.template.limits.payload = 64;
    scope
}

/// An account with a signing key and a scoped one.
pub(crate) fn account_claims() -> AccountClaims {
    let mut claims = AccountClaims::new(id(&account()));
    claims.registered.name = "Shop".to_owned();
    claims.nats.limits = OperatorLimits::unlimited();
    let keys = &mut claims.nats.signing_keys.0;
    keys.insert(id(&signing_key()), None);
    keys.insert(id(&scoped_key()), Some(scope()));
    claims
}

pub(crate) fn account_token(edit: impl FnOnce(&mut Claims<Account>)) -> String {
    let mut claims = account_claims();
    edit(&mut claims);
    claims.encode(&operator(), ISSUED).unwrap()
}

pub(crate) fn accepted(edit: impl FnOnce(&mut Claims<Account>)) -> TrustedAccount {
    trust()
        .accept_account(&account_token(edit), None, NOW)
        .unwrap()
}

pub(crate) fn user_claims() -> UserClaims {
    let mut claims = UserClaims::new(id(&user()));
    claims.registered.name = "joe".to_owned();
    claims.nats.allowed = UserPermissionLimits::unlimited();
    claims
}

/// A user of the account, signed by `signer`: in the account's name if it is another key.
pub(crate) fn user_token(signer: &KeyPair, edit: impl FnOnce(&mut UserClaims)) -> String {
    let mut claims = user_claims();
    if signer.public_key() != account().public_key() {
        claims.nats.issuer_account = id(&account());
    }
    if signer.public_key() == scoped_key().public_key() {
        claims.nats.allowed = UserPermissionLimits::default();
    }
    edit(&mut claims);
    claims.encode(signer, ISSUED).unwrap()
}

pub(crate) fn moment(zone: &TimeZone) -> Moment<'_> {
    Moment {
        now: Timestamp::from_second(NOW).unwrap(),
        zone,
    }
}

pub(crate) fn key(pair: &KeyPair) -> PublicKey {
    pair.public_key()
}
