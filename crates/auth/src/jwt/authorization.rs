//! The question to an auth callout service and its answer.

use super::fields::{is_empty, is_zero, prepare_generic};
use super::validation::Issues;
use super::{Body, Registered};
use crate::nkey::{Kind, PublicKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// Which server asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ServerId {
    /// Its name.
    pub name: String,
    /// The host it listens on.
    pub host: String,
    /// Its id, a public server nkey.
    pub id: String,
    /// Its version.
    #[serde(skip_serializing_if = "is_empty")]
    pub version: String,
    /// Its cluster.
    #[serde(skip_serializing_if = "is_empty")]
    pub cluster: String,
    /// Its tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Its public curve nkey, if the request is sealed.
    #[serde(skip_serializing_if = "is_empty")]
    pub xkey: String,
}

/// What the server knows of the client's connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientInformation {
    /// Its address.
    #[serde(skip_serializing_if = "is_empty")]
    pub host: String,
    /// The connection's number.
    #[serde(skip_serializing_if = "is_zero")]
    pub id: u64,
    /// What it would be shown as.
    #[serde(skip_serializing_if = "is_empty")]
    pub user: String,
    /// The name that the client gave itself.
    #[serde(skip_serializing_if = "is_empty")]
    pub name: String,
    /// Tags of its user token.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The name in its user token.
    #[serde(skip_serializing_if = "is_empty")]
    pub name_tag: String,
    /// `Client` or `Leafnode`.
    #[serde(skip_serializing_if = "is_empty")]
    pub kind: String,
    /// `nats`, `mqtt` or `websocket`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub client_type: String,
    /// The MQTT client's id.
    #[serde(skip_serializing_if = "is_empty")]
    pub mqtt_id: String,
    /// The connection's nonce, if the client signed it.
    #[serde(skip_serializing_if = "is_empty")]
    pub nonce: String,
}

/// What the client sent to log in. Does not print its secrets, and wipes them when dropped.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectOptions {
    /// A user token.
    #[serde(skip_serializing_if = "is_empty")]
    pub jwt: Zeroizing<String>,
    /// A public nkey.
    #[serde(skip_serializing_if = "is_empty")]
    pub nkey: String,
    /// A signature of the nonce.
    #[serde(rename = "sig", skip_serializing_if = "is_empty")]
    pub signed_nonce: String,
    /// A token.
    #[serde(rename = "auth_token", skip_serializing_if = "is_empty")]
    pub token: Zeroizing<String>,
    /// A user name.
    #[serde(rename = "user", skip_serializing_if = "is_empty")]
    pub username: String,
    /// A password.
    #[serde(rename = "pass", skip_serializing_if = "is_empty")]
    pub password: Zeroizing<String>,
    /// The name that the client gave itself.
    #[serde(skip_serializing_if = "is_empty")]
    pub name: String,
    /// The client's language.
    #[serde(skip_serializing_if = "is_empty")]
    pub lang: String,
    /// The client library's version.
    #[serde(skip_serializing_if = "is_empty")]
    pub version: String,
    /// The protocol version.
    pub protocol: i64,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("nkey", &self.nkey)
            .field("username", &self.username)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The client's TLS connection. Certificates are PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientTls {
    /// The protocol's version.
    #[serde(skip_serializing_if = "is_empty")]
    pub version: String,
    /// The cipher suite.
    #[serde(skip_serializing_if = "is_empty")]
    pub cipher: String,
    /// What the client showed, if it was not verified.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certs: Vec<String>,
    /// Verified chains, each beginning with the client's own certificate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verified_chains: Vec<Vec<String>>,
}

/// The question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationRequest {
    /// Which server asks.
    pub server_id: ServerId,
    /// The user nkey that the answer must be about. Made for this question alone.
    pub user_nkey: String,
    /// What is known of the connection.
    pub client_info: ClientInformation,
    /// What the client sent.
    pub connect_opts: ConnectOptions,
    /// Its TLS connection, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_tls: Option<ClientTls>,
    /// Unused by servers so far.
    #[serde(skip_serializing_if = "is_empty")]
    pub request_nonce: String,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `authorization_request`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

impl Body for AuthorizationRequest {
    const TYPE: &'static str = "authorization_request";
    const ISSUERS: &'static [Kind] = &[Kind::Server];
    const SUBJECT: Option<Kind> = None;

    fn validate(&self, _: &Registered, issues: &mut Issues) {
        let key = &self.user_nkey;
        if key.is_empty() {
            issues.error("User nkey is required");
        } else if !is_key(key, Kind::User) {
            issues.error(format!("User nkey {key:?} is not a valid user public key"));
        }
    }

    fn prepare(&mut self) {
        prepare_generic!(self);
    }
}

/// The answer. The token's subject is the user nkey of the question, its audience the server.
/// Does not print the user token.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationResponse {
    /// The user token to go on with.
    #[serde(skip_serializing_if = "is_empty")]
    pub jwt: String,
    /// Or why the client is refused.
    #[serde(skip_serializing_if = "is_empty")]
    pub error: String,
    /// The account, if a signing key issued the answer.
    #[serde(skip_serializing_if = "is_empty")]
    pub issuer_account: String,
    /// Tags in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `authorization_response`.
    #[serde(rename = "type", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Of the format.
    #[serde(skip_serializing_if = "is_zero")]
    pub version: i64,
}

impl fmt::Debug for AuthorizationResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationResponse")
            .field("error", &self.error)
            .field("issuer_account", &self.issuer_account)
            .finish_non_exhaustive()
    }
}

impl Body for AuthorizationResponse {
    const TYPE: &'static str = "authorization_response";
    const ISSUERS: &'static [Kind] = &[Kind::Account];
    const SUBJECT: Option<Kind> = None;

    fn validate(&self, registered: &Registered, issues: &mut Issues) {
        if !is_key(&registered.subject, Kind::User) {
            issues.error("Subject must be a user public key");
        }
        if !is_key(&registered.audience, Kind::Server) {
            issues.error("Audience must be a server public key");
        }
        if self.error.is_empty() && self.jwt.is_empty() {
            issues.error("Error or Jwt is required");
        }
        if !self.error.is_empty() && !self.jwt.is_empty() {
            issues.error("Only Error or Jwt can be set");
        }
        if !self.issuer_account.is_empty() && !is_key(&self.issuer_account, Kind::Account) {
            issues.error("issuer_account is not an account public key");
        }
    }

    fn prepare(&mut self) {
        prepare_generic!(self);
    }
}

fn is_key(text: &str, kind: Kind) -> bool {
    PublicKey::parse(text).is_ok_and(|key| key.kind() == kind)
}
