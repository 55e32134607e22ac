//! JSON web tokens of NATS: who an operator, an account or a user is, in their own words and
//! signed with an nkey.
//!
//! ```text
//! base64url(header) . base64url(claims) . base64url(signature)        without padding
//!   header   {"typ":"JWT","alg":"ed25519-nkey"}
//!   claims   {"jti","iat","iss","name","sub","exp",…,"nats":{…,"type":"user","version":2}}
//! ```
//!
//! Owns the format: reading, checking the signature, writing, and the rules which claims are
//! valid ([`Claims::validate`]). The claims are plain data as they stand in the token, so that
//! what was read can be shown and written again, byte for byte as the Go library writes it;
//! [`AccountClaims::to_spec`] and [`crate::trust`] turn them into what the server works with.
//!
//! Invariants: a [`Signed`] was signed by the key it names as its issuer, and that key is of a
//! kind that may issue such claims. That the issuer is *trusted* it does not say. Base64 is read
//! strictly, so one signature has one text. Time is an argument, in seconds since 1970.
//!
//! Version 1 tokens (type beside `nats`, only the claims signed) are read and turned into the
//! current form; they are not written.

mod account;
mod activation;
mod authorization;
mod codec;
mod error;
mod exports;
mod fields;
mod generic;
mod imports;
mod limits;
mod migrate;
mod operator;
mod signing_keys;
pub(crate) mod spec;
mod user;
mod validation;

pub use account::{
    Account, ExternalAuthorization, MsgTrace, TRAFFIC_OWNER, TRAFFIC_SYSTEM, WeightedMapping,
};
pub use activation::Activation;
pub use authorization::{
    AuthorizationRequest, AuthorizationResponse, ClientInformation, ClientTls, ConnectOptions,
    ServerId,
};
pub use codec::{MAX_TOKEN_BYTES, kind_of};
pub use error::JwtError;
pub use exports::{Export, ExportKind, Latency};
pub use fields::{Permission, Permissions, ResponsePermission, TimeRange};
pub use generic::Generic;
pub use imports::Import;
pub use limits::{JetStreamTier, NatsLimits, OperatorLimits, Quotas};
pub use operator::Operator;
pub use signing_keys::{SigningKeys, UserScope};
pub use spec::SpecProblem;
pub use user::{User, UserPermissionLimits};
pub use validation::{Issue, IssueLevel, Issues};

use crate::nkey::{KeyPair, Kind, PublicKey};
use fields::{is_empty, is_zero};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A number that stands for "no limit".
pub const NO_LIMIT: i64 = -1;

/// What stands beside `nats` in every token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Registered {
    /// Whom the token is for.
    #[serde(rename = "aud", skip_serializing_if = "is_empty")]
    pub audience: String,
    /// When it expires, in seconds since 1970; 0 is never.
    #[serde(rename = "exp", skip_serializing_if = "is_zero")]
    pub expires: i64,
    /// A digest of the other fields here; set by [`Claims::encode`].
    #[serde(rename = "jti", skip_serializing_if = "is_empty")]
    pub id: String,
    /// When it was issued, in seconds since 1970; set by [`Claims::encode`].
    #[serde(rename = "iat", skip_serializing_if = "is_zero")]
    pub issued_at: i64,
    /// The public nkey that signed it; set by [`Claims::encode`].
    #[serde(rename = "iss", skip_serializing_if = "is_empty")]
    pub issuer: String,
    /// What people call the subject.
    #[serde(skip_serializing_if = "is_empty")]
    pub name: String,
    /// When it becomes valid, in seconds since 1970; 0 is always.
    #[serde(rename = "nbf", skip_serializing_if = "is_zero")]
    pub not_before: i64,
    /// Whom it is about: a public nkey.
    #[serde(rename = "sub", skip_serializing_if = "is_empty")]
    pub subject: String,
}

/// The claims of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Claims<T> {
    /// What every token has.
    #[serde(flatten)]
    pub registered: Registered,
    /// What this kind of token has.
    pub nats: T,
}

/// Claims about an operator.
pub type OperatorClaims = Claims<Operator>;
/// Claims about an account.
pub type AccountClaims = Claims<Account>;
/// Claims about a user.
pub type UserClaims = Claims<User>;
/// Permission for an account to import an export.
pub type ActivationClaims = Claims<Activation>;
/// The question to an auth callout service.
pub type AuthorizationRequestClaims = Claims<AuthorizationRequest>;
/// The answer of an auth callout service.
pub type AuthorizationResponseClaims = Claims<AuthorizationResponse>;
/// Claims of another kind.
pub type GenericClaims = Claims<Generic>;

/// The part of a token under `nats`. Implemented by the claims of this module only.
pub trait Body: Serialize + DeserializeOwned + Default + private::Sealed {
    /// Its `type`; empty for [`Generic`], which takes any.
    const TYPE: &'static str;
    /// The kinds of keys that may sign it; any if empty.
    const ISSUERS: &'static [Kind];
    /// The kind of key that its subject must be, if it must be one.
    const SUBJECT: Option<Kind>;

    /// Adds what is wrong with the claims. `registered` belongs to the same token.
    fn validate(&self, registered: &Registered, issues: &mut Issues);

    /// Sets `type` and `version`, and the order in which lists are written.
    fn prepare(&mut self);

    /// Drops what other fields of a token that was read make meaningless.
    fn settle(&mut self) {}
}

mod private {
    /// Keeps others from implementing [`super::Body`].
    pub trait Sealed {}

    impl Sealed for super::Operator {}
    impl Sealed for super::Account {}
    impl Sealed for super::User {}
    impl Sealed for super::Activation {}
    impl Sealed for super::AuthorizationRequest {}
    impl Sealed for super::AuthorizationResponse {}
    impl Sealed for super::Generic {}
}

impl<T: Body> Claims<T> {
    /// Claims about `subject` with nothing said yet.
    pub fn new(subject: impl Into<String>) -> Self {
        Claims {
            registered: Registered {
                subject: subject.into(),
                ..Registered::default()
            },
            nats: T::default(),
        }
    }

    /// Signs the claims; issuer, time, digest, type and version are filled in first.
    ///
    /// # Errors
    /// If the key may not issue such claims, or the subject is no key of the right kind.
    pub fn encode(mut self, signer: &KeyPair, issued_at: i64) -> Result<String, JwtError> {
        let issuer = signer.public_key();
        codec::check_issuer(&issuer, T::ISSUERS)?;
        codec::check_subject(&self.registered.subject, T::SUBJECT)?;
        self.registered.issuer = issuer.to_string();
        self.registered.issued_at = issued_at;
        self.registered.id = String::new();
        self.registered.id = codec::digest_of(&self.registered)?;
        self.nats.prepare();
        codec::sign(&self, signer)
    }

    /// Everything that is wrong with the claims at `now`.
    pub fn validate(&self, now: i64) -> Issues {
        let mut issues = Issues::default();
        let Registered {
            expires,
            not_before,
            ..
        } = self.registered;
        if expires > 0 && now > expires {
            issues.time("claim is expired");
        }
        if not_before > 0 && not_before > now {
            issues.time("claim is not yet valid");
        }
        self.nats.validate(&self.registered, &mut issues);
        issues
    }
}

/// Claims whose signature was checked against the issuer that they name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T> {
    claims: Claims<T>,
    issuer: PublicKey,
    subject: Option<PublicKey>,
}

impl<T: Body> Signed<T> {
    /// Reads a token and checks its signature.
    ///
    /// # Errors
    /// If it is malformed, of another type, newer than this library, not signed by its issuer,
    /// or its issuer or subject is a key of the wrong kind.
    pub fn decode(token: &str) -> Result<Self, JwtError> {
        codec::decode(token)
    }

    /// The claims.
    pub fn claims(&self) -> &Claims<T> {
        &self.claims
    }

    /// The claims, without the proof.
    pub fn into_claims(self) -> Claims<T> {
        self.claims
    }

    /// Who signed them.
    pub fn issuer(&self) -> PublicKey {
        self.issuer
    }

    /// Whom they are about; always there if [`Body::SUBJECT`] is.
    pub fn subject(&self) -> Option<PublicKey> {
        self.subject
    }
}

#[cfg(test)]
pub(crate) mod tests;
