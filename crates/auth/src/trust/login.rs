//! A user who logs in with a token.

use super::{Trust, TrustedAccount};
use crate::account_spec::AccountLimits;
use crate::jwt::{self, JwtError, Signed, UserClaims, UserPermissionLimits};
use crate::nkey::{PublicKey, decode_signature};
use crate::permissions::{
    Permissions, PermissionsConfig, is_valid_publish_entry, is_valid_subscribe_entry,
};
use crate::proxy::ProxyCheck;
use crate::source_net;
use crate::template::{self, TemplateError, TemplateValues};
use crate::time_window::{self, Moment, TimeVerdict};
use crate::users::{
    ConnectionType, ConnectionTypes, TokenText, TokenUser, User, UserId, UserLimits,
};
use core::net::IpAddr;
use jiff::Timestamp;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a client presents. Absent fields are empty, which NATS treats alike.
#[derive(Clone, Copy, Default)]
pub struct JwtLogin<'a> {
    /// `jwt` of CONNECT.
    pub jwt: &'a str,
    /// `pass` of an MQTT client, which may be a token.
    pub mqtt_password: &'a str,
    /// `sig` of CONNECT.
    pub sig: &'a str,
    /// The nonce of this connection's INFO.
    pub nonce: &'a [u8],
    /// How the client is connected.
    pub connection_type: ConnectionType,
    /// Where it comes from, if it has an address.
    pub address: Option<IpAddr>,
    /// What its `proxy_sig` proved.
    pub proxy: ProxyCheck,
}

impl fmt::Debug for JwtLogin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtLogin")
            .field("connection_type", &self.connection_type)
            .field("address", &self.address)
            .field("proxy", &self.proxy)
            .finish_non_exhaustive()
    }
}

/// A user as its token has it, before its account was asked.
#[derive(Clone)]
pub struct ClaimedUser {
    user: Signed<jwt::User>,
    subject: PublicKey,
    account: PublicKey,
    token: Zeroizing<String>,
}

impl fmt::Debug for ClaimedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token itself may be all that is needed to log in.
        f.debug_struct("ClaimedUser")
            .field("subject", &self.subject)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

/// Somebody who is let in.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Who it is.
    pub user: Arc<User>,
    /// When it must go: its token expires or its time of day is over.
    pub expires: Option<Timestamp>,
    /// Whether an auth callout decides instead: who passes here is not let in yet.
    pub delegated: bool,
}

/// Why a login was refused. For the log; the client is not told. Texts follow nats-server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwtDenial {
    /// No token, or none that could be read.
    NoToken,
    /// It came through a proxy that is not trusted.
    ProxyNotTrusted,
    /// It did not come through a trusted proxy.
    ProxyRequired,
    /// The token is malformed.
    NotValid(JwtError),
    /// What the token says is not valid, or not now.
    NoLongerValid(String),
    /// The account may not be used here.
    NotPinned(PublicKey),
    /// The account could not be had: the driver says why.
    AccountLookup(String),
    /// The account's issuer is not trusted (any more).
    AccountNotTrusted,
    /// The account does not know who signed the user.
    UnknownIssuer,
    /// A user of a scoped signing key has permissions of its own.
    NotEmpty,
    /// The scope's templates cannot be filled in.
    Template(TemplateError),
    /// The account's claims expired.
    AccountExpired,
    /// The account does not allow bearer tokens.
    BearerNotAllowed,
    /// None of the connection types allowed is known.
    UnknownConnectionTypes(Vec<String>),
    /// The user may not use this type of connection.
    ConnectionTypeNotAllowed,
    /// No signature of the nonce.
    SignatureMissing,
    /// The signature is no base64 of 64 bytes.
    SignatureMalformed,
    /// The signature is not of this nonce by this user.
    SignatureInvalid,
    /// The account revoked the token.
    Revoked,
    /// The user may not come from there.
    BadSource(Option<IpAddr>),
    /// Not at this time of day.
    OutsideTimes,
    /// A permission cannot be applied.
    Permissions(String),
}

impl JwtDenial {
    /// Whether nats-server logs it as an error; the others are for debugging.
    pub fn is_logged_as_error(&self) -> bool {
        matches!(self, JwtDenial::BadSource(_) | JwtDenial::OutsideTimes)
    }
}

impl fmt::Display for JwtDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JwtDenial::NoToken => f.write_str("Authentication requires a user JWT"),
            JwtDenial::ProxyNotTrusted => f.write_str("proxy is not trusted"),
            JwtDenial::ProxyRequired => f.write_str("proxy connection required"),
            JwtDenial::NotValid(error) => write!(f, "User JWT not valid: {error}"),
            JwtDenial::NoLongerValid(issues) => write!(f, "User JWT no longer valid: {issues}"),
            JwtDenial::NotPinned(account) => {
                write!(f, "Account {account} not listed as operator pinned account")
            }
            JwtDenial::AccountLookup(error) => write!(f, "Account JWT lookup error: {error}"),
            JwtDenial::AccountNotTrusted => {
                f.write_str("Account JWT not signed by trusted operator")
            }
            JwtDenial::UnknownIssuer => f.write_str("User JWT issuer is not known"),
            JwtDenial::NotEmpty => f.write_str(
                "User JWT is not valid: scoped users require no permissions or limits set",
            ),
            JwtDenial::Template(error) => {
                write!(f, "User JWT generated invalid permissions: {error}")
            }
            JwtDenial::AccountExpired => f.write_str("Account JWT has expired"),
            JwtDenial::BearerNotAllowed => f.write_str("Account does not allow bearer tokens"),
            JwtDenial::UnknownConnectionTypes(types) => {
                write!(f, "invalid connection types {types:?}")
            }
            JwtDenial::ConnectionTypeNotAllowed => f.write_str("Connection type not allowed"),
            JwtDenial::SignatureMissing => f.write_str("Signature missing"),
            JwtDenial::SignatureMalformed => f.write_str("Signature not valid base64"),
            JwtDenial::SignatureInvalid => f.write_str("Signature not verified"),
            JwtDenial::Revoked => f.write_str("User authentication revoked"),
            JwtDenial::BadSource(Some(address)) => write!(f, "Bad src Ip {address}"),
            JwtDenial::BadSource(None) => f.write_str("Bad src Ip"),
            JwtDenial::OutsideTimes => f.write_str("Outside connect times"),
            JwtDenial::Permissions(entry) => {
                write!(
                    f,
                    "User JWT has permissions that cannot be applied: {entry}"
                )
            }
        }
    }
}

impl std::error::Error for JwtDenial {}

impl Trust {
    /// Reads the token that a client logs in with, before its account is asked.
    ///
    /// # Errors
    /// If there is none, or it is not valid now, or it needs a proxy, or its account is not
    /// pinned.
    pub fn begin(&self, login: &JwtLogin<'_>, now: i64) -> Result<ClaimedUser, JwtDenial> {
        if login.proxy == ProxyCheck::NotTrusted {
            return Err(JwtDenial::ProxyNotTrusted);
        }
        let sentinel = self.sentinel.as_deref().unwrap_or_default();
        // A password that is no token, or a token that cannot be read, counts as none.
        let mut offered = [login.mqtt_password, login.jwt, sentinel].into_iter();
        let found = offered.find_map(|token| {
            let user = Signed::<jwt::User>::decode(token).ok()?;
            Some((user, Zeroizing::new(token.trim().to_owned())))
        });
        let (user, token) = found.ok_or(JwtDenial::NoToken)?;
        let claims = user.claims();
        if claims.nats.allowed.proxy_required && !login.proxy.is_trusted() {
            return Err(JwtDenial::ProxyRequired);
        }
        let issues = claims.validate(now);
        if issues.is_blocking() {
            return Err(JwtDenial::NoLongerValid(issues.to_string()));
        }
        let account = match claims.nats.issuer_account.as_str() {
            "" => user.issuer(),
            account => key(account)?,
        };
        if !self.is_pinned(&account) {
            return Err(JwtDenial::NotPinned(account));
        }
        let subject = user.subject().ok_or_else(|| {
            JwtDenial::NotValid(JwtError::Subject(claims.registered.subject.clone()))
        })?;
        Ok(ClaimedUser {
            user,
            subject,
            account,
            token,
        })
    }
}

fn key(text: &str) -> Result<PublicKey, JwtDenial> {
    let error = || JwtDenial::NotValid(JwtError::Subject(text.to_owned()));
    PublicKey::parse(text).map_err(|_| error())
}

impl ClaimedUser {
    /// The user's public key.
    pub fn subject(&self) -> PublicKey {
        self.subject
    }

    /// The account that is to be looked up.
    pub fn account(&self) -> PublicKey {
        self.account
    }

    /// The token that counts: the one sent, or the default sentinel. Don't log it.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The name in the token.
    pub fn name(&self) -> &str {
        &self.user.claims().registered.name
    }

    /// Decides, knowing the account. `login` is the one that [`Trust::begin`] was given.
    ///
    /// # Errors
    /// See [`JwtDenial`].
    pub fn admit(
        &self,
        trust: &Trust,
        account: &TrustedAccount,
        login: &JwtLogin<'_>,
        moment: Moment<'_>,
    ) -> Result<Admission, JwtDenial> {
        if account.id != self.account {
            return Err(JwtDenial::AccountLookup("another account".to_owned()));
        }
        if !trust.is_trusted(&account.issuer) {
            return Err(JwtDenial::AccountNotTrusted);
        }
        let claims = self.user.claims();
        let (allowed, scope) = account.allowed(&self.user)?;
        if account.is_expired(moment.seconds()) {
            return Err(JwtDenial::AccountExpired);
        }
        if allowed.bearer_token && account.spec.limits.disallow_bearer {
            return Err(JwtDenial::BearerNotAllowed);
        }
        let types = connection_types(&allowed.allowed_connection_types)
            .map_err(JwtDenial::UnknownConnectionTypes)?;
        if !types.allows(login.connection_type) {
            return Err(JwtDenial::ConnectionTypeNotAllowed);
        }
        // A scope may ask for a proxy where the token could not.
        if allowed.proxy_required && !login.proxy.is_trusted() {
            return Err(JwtDenial::ProxyRequired);
        }
        if !allowed.bearer_token {
            self.check_signature(login)?;
        }
        if account.is_revoked(&self.subject, claims.registered.issued_at) {
            return Err(JwtDenial::Revoked);
        }
        if !source_net::allows(&allowed.src, login.address) {
            return Err(JwtDenial::BadSource(login.address));
        }
        let window = time_window::check(&allowed.times, &allowed.locale, moment);
        if window == TimeVerdict::Outside {
            return Err(JwtDenial::OutsideTimes);
        }
        let expires = expiry(claims, window);
        let user = token_user(
            UserId::Jwt(self.subject),
            &self.user,
            &allowed,
            account.spec.name.clone(),
            account.default_permissions.clone(),
        );
        let mut user = user.map_err(JwtDenial::Permissions)?;
        user.connection_types = types;
        user.limits = user.limits.min_account(&account.spec.limits);
        if let Some(token) = &mut user.token {
            token.scope = scope;
            token.ends = expires;
            token.text = TokenText::new(&self.token);
        }
        let callout = account.callout.as_ref();
        Ok(Admission {
            user: Arc::new(user),
            expires,
            delegated: callout.is_some_and(|callout| !callout.auth_users.contains(&self.subject)),
        })
    }

    fn check_signature(&self, login: &JwtLogin<'_>) -> Result<(), JwtDenial> {
        if login.sig.is_empty() {
            return Err(JwtDenial::SignatureMissing);
        }
        let signature = decode_signature(login.sig).ok_or(JwtDenial::SignatureMalformed)?;
        // Signing nothing proves nothing: it could be replayed.
        if login.nonce.is_empty() || self.subject.verify(login.nonce, &signature).is_err() {
            return Err(JwtDenial::SignatureInvalid);
        }
        Ok(())
    }
}

impl TrustedAccount {
    /// What the user may do: as its token says, or as the scope of the key that signed it does,
    /// which comes along.
    pub(crate) fn allowed(
        &self,
        user: &Signed<jwt::User>,
    ) -> Result<(UserPermissionLimits, Option<Arc<jwt::UserScope>>), JwtDenial> {
        let claims = user.claims();
        let scope = self.signing_keys.get(&user.issuer());
        let Some(scope) = scope.ok_or(JwtDenial::UnknownIssuer)? else {
            return Ok((claims.nats.allowed.clone(), None));
        };
        if !claims.nats.allowed.is_empty() {
            return Err(JwtDenial::NotEmpty);
        }
        let values = TemplateValues {
            name: &claims.registered.name,
            subject: &claims.registered.subject,
            tags: &claims.nats.tags,
            account_name: self.spec.name_tag.as_deref().unwrap_or_default(),
            account_subject: &claims.nats.issuer_account,
            account_tags: &self.spec.tags,
        };
        let allowed = template::expand(&scope.template, &values).map_err(JwtDenial::Template)?;
        Ok((allowed, Some(Arc::clone(scope))))
    }
}

/// When a user must go: its token expires, or its time of day is over.
pub(crate) fn expiry(claims: &UserClaims, window: TimeVerdict) -> Option<Timestamp> {
    let token = Some(claims.registered.expires).filter(|expires| *expires > 0);
    // A time that cannot be represented is not reached.
    let token = token.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match window {
        TimeVerdict::Until(end) => Some(token.map_or(end, |token| token.min(end))),
        TimeVerdict::Always | TimeVerdict::Outside => token,
    }
}

/// The connection types that a token allows. Unknown ones don't count, unless nothing else is
/// left, since nothing means everything: then they are the error.
pub(crate) fn connection_types(names: &[String]) -> Result<ConnectionTypes, Vec<String>> {
    let known = names
        .iter()
        .filter_map(|name| name.parse::<ConnectionType>().ok());
    let known: ConnectionTypes = known.collect();
    match known.is_empty() && !names.is_empty() {
        true => Err(names.to_vec()),
        false => Ok(known),
    }
}

/// Makes the user that a token describes. The error is a permission that cannot be applied.
pub(crate) fn token_user(
    id: UserId,
    user: &Signed<jwt::User>,
    allowed: &UserPermissionLimits,
    account: String,
    default_permissions: Option<Arc<Permissions>>,
) -> Result<User, String> {
    let claims = user.claims();
    let own = compile_permissions(allowed.permissions.to_config())?;
    let has_defaults = own.is_none();
    let limits = UserLimits {
        max_subscriptions: AccountLimits::from_number(allowed.limits.subs),
        max_payload: AccountLimits::from_number(allowed.limits.payload),
    };
    let name = &claims.registered.name;
    Ok(User {
        id,
        account: Some(account),
        permissions: own.or(default_permissions),
        connection_types: ConnectionTypes::NONE,
        proxy_required: allowed.proxy_required,
        limits,
        token: Some(Box::new(TokenUser {
            name: name.clone(),
            tags: claims.nats.tags.clone(),
            subject: user.subject(),
            issuer: user.issuer(),
            issued_at: claims.registered.issued_at,
            is_bearer: allowed.bearer_token,
            has_default_permissions: has_defaults,
            ends: None,
            text: TokenText::new(""),
            own_limits: limits,
            scope: None,
        })),
    })
}

/// Compiles permissions of a token. An entry to allow that is no subject allows nothing; one to
/// deny that is none cannot be applied, and is the error.
pub(crate) fn compile_permissions(
    config: Option<PermissionsConfig>,
) -> Result<Option<Arc<Permissions>>, String> {
    let Some(mut config) = config else {
        return Ok(None);
    };
    let (publish, subscribe) = (&mut config.publish, &mut config.subscribe);
    for (rules, is_valid) in [
        (publish, is_valid_publish_entry as fn(&str) -> bool),
        (subscribe, is_valid_subscribe_entry),
    ] {
        let restricted = !rules.allow.is_empty();
        rules.allow = rules.allow.iter().filter(|entry| is_valid(entry)).collect();
        if restricted && rules.allow.is_empty() {
            rules.deny = rules.deny.with(">");
        }
    }
    let compiled = Permissions::compile(config).map_err(|error| error.to_string())?;
    Ok(Some(Arc::new(compiled)))
}
