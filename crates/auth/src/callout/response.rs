//! The answer: opened, checked against the question, and turned into a user or a refusal.

use super::Sealing;
use crate::jwt::{AuthorizationResponse, JwtError, Signed, User as UserBody};
use crate::nkey::{Kind, PublicKey, SealError};
use crate::permissions::Permissions;
use crate::proxy::ProxyCheck;
use crate::source_net;
use crate::time_window::{self, Moment, TimeVerdict};
use crate::trust::{Admission, JwtDenial, TrustedAccount};
use crate::trust::{connection_types, expiry, token_user};
use crate::users::{ConnectionType, UserId};
use core::net::IpAddr;
use std::fmt;
use std::sync::Arc;

/// What an answer must fit.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The user key that the question named.
    pub user_nkey: PublicKey,
    /// This server's id.
    pub server_id: &'a str,
    /// The name of the account in which the question was asked.
    pub account: &'a str,
    /// Who may place users.
    pub placing: Placing<'a>,
    /// The keys that the question was sealed with, if it was.
    pub sealing: Option<Sealing<'a>>,
    /// What the client's `proxy_sig` proved.
    pub proxy: ProxyCheck,
    /// Whether the client must come through a proxy, whatever the answer says.
    pub proxy_required: bool,
}

/// Who may place users.
#[derive(Clone, Copy, Debug)]
pub enum Placing<'a> {
    /// The configured issuer, anywhere.
    Configured(PublicKey),
    /// The account that was asked, in itself and where it is allowed to.
    Operator(&'a TrustedAccount),
}

/// The account that an answer names, looked up.
#[derive(Clone, Debug)]
pub enum CalloutTarget<'a> {
    /// One of the configuration: its name and default permissions.
    Configured(&'a str, Option<Arc<Permissions>>),
    /// One of operator mode.
    Operator(&'a TrustedAccount),
}

/// A user whom the service lets in, before the account it is placed in was asked.
#[derive(Clone)]
pub struct CalloutUser {
    user: Signed<UserBody>,
    placement: String,
}

impl fmt::Debug for CalloutUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CalloutUser")
            .field("placement", &self.placement)
            .finish_non_exhaustive()
    }
}

/// Why an answer lets nobody in. For the log; the client is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalloutDenial {
    /// The service cannot be asked: the driver says why.
    Unasked(String),
    /// An empty answer, which is how a service refuses without a reason.
    NoReason(String),
    /// The answer cannot be opened: (account, why).
    Sealed(String, SealError),
    /// It is no readable response token.
    Response(JwtError),
    /// The response has claims that are not valid.
    ResponseInvalid(String),
    /// It answers another question.
    OtherUser,
    /// It is for another server.
    OtherServer,
    /// The service refuses, and says why.
    Refused(String),
    /// Nobody who may answer signed it.
    ResponseIssuer,
    /// The user token is malformed.
    User(JwtError),
    /// The client did not come through a trusted proxy.
    ProxyRequired,
    /// The user token has claims that are not valid.
    UserInvalid(String),
    /// The user token is about somebody else: (expected, found, account).
    WrongSubject(String, String, String),
    /// Only operator mode has `issuer_account`. Names the account.
    IssuerAccount(String),
    /// The user token was not signed by the configured issuer: (account, expected, found).
    WrongIssuer(String, String, String),
    /// The service may not place users there: (placement, account).
    NotAllowed(String, String),
    /// The account the user is placed in could not be had: the driver says why.
    Placement(String),
    /// That account does not let the user in.
    Account(JwtDenial),
}

impl fmt::Display for CalloutDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CalloutDenial::Unasked(problem) => write!(f, "Auth callout: {problem}"),
            CalloutDenial::NoReason(account) => write!(
                f,
                "Auth callout violation: \"no reason supplied\" on account {account:?}"
            ),
            CalloutDenial::Sealed(account, error) => write!(
                f,
                "Error decrypting auth callout response on account {account:?}: {error}"
            ),
            CalloutDenial::Response(error) => write!(f, "Auth callout response: {error}"),
            CalloutDenial::ResponseInvalid(issues) => {
                write!(f, "Authorization response had validation errors: {issues}")
            }
            CalloutDenial::OtherUser => f.write_str(
                "Auth callout violation: auth callout response is not for expected user",
            ),
            CalloutDenial::OtherServer => {
                f.write_str("Auth callout violation: auth callout response is not for server")
            }
            // The text is the service's: it may not forge lines of the log.
            CalloutDenial::Refused(reason) => write!(
                f,
                "Auth callout service returned an error: {}",
                reason.escape_debug()
            ),
            CalloutDenial::ResponseIssuer => f.write_str("Auth callout signing key is unknown"),
            CalloutDenial::User(error) => write!(f, "Auth callout user JWT not valid: {error}"),
            CalloutDenial::ProxyRequired => f.write_str("Proxy connection required"),
            CalloutDenial::UserInvalid(issues) => {
                write!(f, "Error validating user JWT: {issues}")
            }
            CalloutDenial::WrongSubject(expected, found, account) => write!(
                f,
                "Expected authorized user of {expected:?} but got {found:?} on account {account:?}"
            ),
            CalloutDenial::IssuerAccount(account) => write!(
                f,
                "Error non operator mode account {account:?}: attempted to use issuer_account"
            ),
            CalloutDenial::WrongIssuer(account, expected, found) => write!(
                f,
                "Wrong issuer for auth callout response on account {account:?}, expected \
                 {expected:?} got {found:?}"
            ),
            CalloutDenial::NotAllowed(placement, account) => write!(
                f,
                "Account {placement:?} not permitted as valid account option for auth callout \
                 for account {account:?}"
            ),
            CalloutDenial::Placement(problem) => {
                write!(f, "No valid account for auth callout response: {problem}")
            }
            CalloutDenial::Account(denial) => denial.fmt(f),
        }
    }
}

impl std::error::Error for CalloutDenial {}

impl CalloutUser {
    /// Reads an answer's payload at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// See [`CalloutDenial`].
    pub fn read(message: &[u8], expected: &Expected<'_>, now: i64) -> Result<Self, CalloutDenial> {
        let response = read_response(message, expected, now)?;
        let user = Signed::<UserBody>::decode(&response.claims().nats.jwt);
        let user = user.map_err(CalloutDenial::User)?;
        let claims = user.claims();
        let proxy_required = expected.proxy_required || claims.nats.allowed.proxy_required;
        if proxy_required && !expected.proxy.is_trusted() {
            return Err(CalloutDenial::ProxyRequired);
        }
        // Here even a warning is too much, as in the Go server.
        let issues = claims.validate(now);
        if !issues.is_empty() {
            return Err(CalloutDenial::UserInvalid(issues.to_string()));
        }
        if user.subject() != Some(expected.user_nkey) {
            return Err(CalloutDenial::WrongSubject(
                expected.user_nkey.to_string(),
                claims.registered.subject.clone(),
                expected.account.to_owned(),
            ));
        }
        let placement = placement(&user, expected)?;
        Ok(CalloutUser { user, placement })
    }

    /// The account that the user is placed in, which is to be looked up: a configured name, or a
    /// public key in operator mode.
    pub fn placement(&self) -> &str {
        &self.placement
    }

    /// Decides, knowing the account.
    ///
    /// `shown_as` is what the client says it is, for users to whom the service gives no name.
    ///
    /// # Errors
    /// If that account does not know the user's issuer, or the user may not connect like this,
    /// from there, or now.
    pub fn admit(
        &self,
        target: &CalloutTarget<'_>,
        shown_as: &str,
        connection_type: ConnectionType,
        address: Option<IpAddr>,
        moment: Moment<'_>,
    ) -> Result<Admission, CalloutDenial> {
        let admission = self.decide(target, shown_as, connection_type, address, moment);
        admission.map_err(CalloutDenial::Account)
    }

    fn decide(
        &self,
        target: &CalloutTarget<'_>,
        shown_as: &str,
        connection_type: ConnectionType,
        address: Option<IpAddr>,
        moment: Moment<'_>,
    ) -> Result<Admission, JwtDenial> {
        let claims = self.user.claims();
        let name = match target {
            CalloutTarget::Configured(name, _) => *name,
            CalloutTarget::Operator(account) => account.spec.name.as_str(),
        };
        if name != self.placement {
            return Err(JwtDenial::AccountLookup("another account".to_owned()));
        }
        let (allowed, scope) = match target {
            CalloutTarget::Configured(..) => (claims.nats.allowed.clone(), None),
            CalloutTarget::Operator(account) => {
                if account.is_expired(moment.seconds()) {
                    return Err(JwtDenial::AccountExpired);
                }
                account.allowed(&self.user)?
            }
        };
        let types = connection_types(&allowed.allowed_connection_types)
            .map_err(JwtDenial::UnknownConnectionTypes)?;
        // The Go server stores the types and networks of an answer without looking at them.
        if !types.allows(connection_type) {
            return Err(JwtDenial::ConnectionTypeNotAllowed);
        }
        if !source_net::allows(&allowed.src, address) {
            return Err(JwtDenial::BadSource(address));
        }
        let window = time_window::check(&allowed.times, &allowed.locale, moment);
        if window == TimeVerdict::Outside {
            return Err(JwtDenial::OutsideTimes);
        }
        let defaults = match target {
            CalloutTarget::Configured(_, defaults) => defaults.clone(),
            CalloutTarget::Operator(account) => account.default_permissions(),
        };
        let shown_as = match claims.registered.name.as_str() {
            "" => shown_as,
            name => name,
        };
        let id = UserId::Callout(shown_as.to_owned());
        let user = token_user(id, &self.user, &allowed, name.to_owned(), defaults);
        let mut user = user.map_err(JwtDenial::Permissions)?;
        user.connection_types = types;
        if let CalloutTarget::Operator(account) = target {
            user.limits = user.limits.min_account(&account.spec.limits);
        }
        if let Some(token) = &mut user.token {
            token.scope = scope;
            // Nobody can show this token, so it bears nothing.
            token.is_bearer = false;
        }
        Ok(Admission {
            user: Arc::new(user),
            expires: expiry(claims, window),
            delegated: false,
        })
    }
}

/// Opens and checks the response, but not the user in it.
fn read_response(
    message: &[u8],
    expected: &Expected<'_>,
    now: i64,
) -> Result<Signed<AuthorizationResponse>, CalloutDenial> {
    if message.is_empty() {
        return Err(CalloutDenial::NoReason(expected.account.to_owned()));
    }
    // Tokens begin like this, sealed answers do not. A service may answer in the clear.
    let sealing = expected.sealing.filter(|_| !message.starts_with(b"eyJ"));
    let opened = sealing.map(|keys| keys.open(message)).transpose();
    let opened =
        opened.map_err(|error| CalloutDenial::Sealed(expected.account.to_owned(), error))?;
    let token = opened.as_ref().map_or(message, |opened| opened.as_slice());
    let token = std::str::from_utf8(token)
        .map_err(|_| CalloutDenial::Response(JwtError::Base64("response")))?;
    let response = Signed::<AuthorizationResponse>::decode(token);
    let response = response.map_err(CalloutDenial::Response)?;
    let claims = response.claims();
    let issues = claims.validate(now);
    if !issues.is_empty() {
        return Err(CalloutDenial::ResponseInvalid(issues.to_string()));
    }
    if response.subject() != Some(expected.user_nkey) {
        return Err(CalloutDenial::OtherUser);
    }
    if claims.registered.audience != expected.server_id {
        return Err(CalloutDenial::OtherServer);
    }
    if !claims.nats.error.is_empty() {
        return Err(CalloutDenial::Refused(claims.nats.error.clone()));
    }
    // Who could seal it is the service; otherwise the signature must say so. (In a configuration
    // the signature of the user token is the one that counts.)
    if let (Placing::Operator(account), None) = (expected.placing, &opened) {
        let issuer = response.issuer();
        let named = &claims.nats.issuer_account;
        let known = issuer == account.id || account.has_issuer(&issuer);
        if !known || !(named.is_empty() || *named == account.spec.name) {
            return Err(CalloutDenial::ResponseIssuer);
        }
    }
    Ok(response)
}

/// Where the user is placed, if who signed it may place it there.
fn placement(user: &Signed<UserBody>, expected: &Expected<'_>) -> Result<String, CalloutDenial> {
    let claims = user.claims();
    let named = &claims.nats.issuer_account;
    let here = || expected.account.to_owned();
    match expected.placing {
        Placing::Configured(_) if !named.is_empty() => Err(CalloutDenial::IssuerAccount(here())),
        Placing::Configured(issuer) if user.issuer() != issuer => Err(CalloutDenial::WrongIssuer(
            here(),
            issuer.to_string(),
            user.issuer().to_string(),
        )),
        Placing::Configured(_) => Ok(claims.registered.audience.clone()),
        Placing::Operator(account) => {
            let target = match named.as_str() {
                "" => user.issuer(),
                named => match PublicKey::parse(named) {
                    Ok(key) if key.kind() == Kind::Account => key,
                    _ => return Err(CalloutDenial::NotAllowed(named.to_owned(), here())),
                },
            };
            let callout = account.callout.as_ref();
            let allowed = target == account.id
                || callout.is_some_and(|callout| callout.allowed_accounts.contains(&target));
            match allowed {
                true => Ok(target.to_string()),
                false => Err(CalloutDenial::NotAllowed(target.to_string(), here())),
            }
        }
    }
}
