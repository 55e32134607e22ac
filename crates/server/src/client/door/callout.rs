//! Asking an auth callout service about a client.
//!
//! ```text
//! prepare (at CONNECT) ─▶ a turn ─▶ publish in the callout account ─▶ first answer ─▶ judge
//!                                        └─ a reply subject of this question alone
//! ```
//!
//! All of it within the time for a login. Nothing is shared between questions: each has an inbox,
//! a reply subject that cannot be guessed, and a user key of its own, so that an answer that comes
//! late, twice or to another question finds nobody. Bound: so many questions are open at a time
//! ([`Shared::questions`]).
//!
//! Absent: what makes an answer good, which is `cognate_auth::callout`'s.

use std::net::IpAddr;
use std::sync::Arc;

use cognate_auth::callout::{
    CalloutDenial, CalloutRequest, CalloutTarget, CalloutUser, Expected, Placing, SUBJECT, Sealing,
    XKEY_HEADER,
};
use cognate_auth::jwt::{self, ClientInformation, ClientTls, ServerId};
use cognate_auth::nkey::{KeyPair, Kind, PublicKey};
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::time_window::Moment;
use cognate_auth::trust::{Admission, TrustedAccount};
use cognate_auth::users::{Authenticator, ConnectionType, DenyCause, User};
use cognate_wire::{ConnectOptions, error_text};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use zeroize::Zeroizing;

use super::admission::{Admitted, Login, Outcome, Refusal};
use super::entrant::Entrant;
use super::identity;
use crate::convert;
use crate::data::{Account, Outgoing, Outlet, Totals};
use crate::operator::{Delegated, end_of};
use crate::replies::Replies;
use crate::shared::{COMPATIBLE_VERSION, Shared};
use crate::watching::Watching;

/// Who asks.
enum Asker {
    /// The configuration.
    Configured,
    /// This account, about the owner of one of its tokens.
    Account(PublicKey, Arc<User>),
}

/// What a service is asked about a client.
pub(super) struct Question {
    shared: Arc<Shared>,
    asker: Asker,
    client: ClientInformation,
    connect: jwt::ConnectOptions,
    tls: Option<ClientTls>,
    connection_type: ConnectionType,
    address: Option<IpAddr>,
    proxy: ProxyCheck,
    proxy_required: bool,
}

/// What an answer is judged by.
struct Asked {
    account: Arc<Account>,
    /// The asking account's claims.
    claims: Option<Arc<TrustedAccount>>,
    /// Who is to read the question, if nobody else is.
    xkey: Option<PublicKey>,
    /// Whom the question is for.
    recipient: PublicKey,
}

impl Question {
    /// What a service would be asked about a client, in the configuration's name.
    pub(super) fn new(entrant: &Entrant, options: &ConnectOptions) -> Self {
        let Entrant {
            shared,
            connection,
            nonce,
            connection_type,
            address,
            proxy,
        } = entrant;
        let tls = connection.detail().tls.map(|tls| tls.peer);
        let verified = shared.tls().is_some_and(|tls| tls.verifies_clients());
        Question {
            shared: Arc::clone(shared),
            asker: Asker::Configured,
            client: ClientInformation {
                host: address.map(|ip| ip.to_string()).unwrap_or_default(),
                id: connection.cid,
                user: identity::tried(options),
                name: options.name.clone(),
                kind: "Client".to_owned(),
                client_type: "nats".to_owned(),
                nonce: nonce.to_string(),
                ..ClientInformation::default()
            },
            connect: identity::connect(options),
            tls: tls.map(|peer| identity::tls(&peer, verified)),
            connection_type: *connection_type,
            address: *address,
            proxy: *proxy,
            proxy_required: shared.options().authorization.proxy_required,
        }
    }

    /// The question, if it is to be asked, given what the configuration's users say of the client.
    pub(super) fn about(mut self, result: &Result<Arc<User>, DenyCause>) -> Option<Self> {
        let callout = self.shared.callout.as_ref()?;
        let (account, proxy_required) = match result {
            Ok(user) => {
                // A certificate may have said it, or nobody.
                self.client.user = user.display_name().unwrap_or_default();
                (user.account.as_deref(), user.proxy_required)
            }
            Err(cause) => (None, *cause == DenyCause::ProxyRequired),
        };
        self.proxy_required |= proxy_required;
        callout.decides(account, &self.client.user).then_some(self)
    }

    /// The question about the owner of a token, in its account's name.
    pub(super) fn about_token(mut self, user: Arc<User>, delegated: Delegated) -> Self {
        self.connect.jwt = delegated.token;
        self.client.user = user.display_name().unwrap_or_default();
        if let Some(token) = &user.token {
            self.client.tags.clone_from(&token.tags);
            self.client.name_tag.clone_from(&token.name);
        }
        self.proxy_required |= user.proxy_required;
        self.asker = Asker::Account(delegated.account, user);
        self
    }

    /// What the client is called, if it said that or was given a name: its nkey or a user name.
    pub(super) fn name(&self) -> Option<&str> {
        let jwt::ConnectOptions { nkey, username, .. } = &self.connect;
        [nkey, username]
            .into_iter()
            .map(String::as_str)
            .find(|name| !name.is_empty())
    }

    /// Whether it is asked in the configuration's name.
    pub(super) fn is_configured(&self) -> bool {
        matches!(self.asker, Asker::Configured)
    }

    /// Whether the service decides about the client as long as it is in `account`.
    pub(super) fn is_asked_in(&self, account: &str) -> bool {
        let callout = self.shared.callout.as_ref();
        callout.is_some_and(|callout| callout.decides(Some(account), &self.client.user))
    }

    /// The same question at a reload: who was given a name is called by it alone.
    fn again(mut self, user: &User) -> Box<Self> {
        let given = user.token.as_ref().map(|token| token.name.as_str());
        if let Some(given) = given.filter(|name| !name.is_empty()) {
            given.clone_into(&mut self.client.user);
            given.clone_into(&mut self.connect.username);
            self.connect.nkey.clear();
            self.connect.token = Zeroizing::default();
        }
        Box::new(self)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(self, authenticator: Arc<Authenticator>) -> Login {
        Login::Asking(Box::pin(self.answered_in_time(authenticator)))
    }

    async fn answered_in_time(self, authenticator: Arc<Authenticator>) -> Outcome {
        let timeout = self.shared.options().auth_timeout();
        let bearer = match &self.asker {
            Asker::Configured => None,
            Asker::Account(_, bearer) => Some(Arc::clone(bearer)),
        };
        let asked = match self.asked() {
            Ok(asked) => asked,
            Err(denial) => return Err(Refusal::Callout(denial, bearer)),
        };
        match tokio::time::timeout(timeout, self.answered(&asked)).await {
            Ok(Ok((user, expires))) => Ok(Admitted {
                question: Some(self.again(&user)),
                user,
                expires,
                authenticator,
            }),
            Ok(Err(denial)) => Err(Refusal::Callout(denial, bearer)),
            Err(_) => Err(Refusal::Unanswered(asked.account.name.clone(), bearer)),
        }
    }

    async fn answered(&self, asked: &Asked) -> Result<Found, CalloutDenial> {
        // Nobody closes it.
        let _turn = self.shared.questions.acquire().await;
        let user_key = KeyPair::from_bytes(Kind::User, crate::random::bytes());
        let user_key = user_key.map_err(|error| CalloutDenial::Unasked(error.to_string()))?;
        let user_key = user_key.public_key();
        let replies = Replies::open(&self.shared, &asked.account);
        self.publish(asked, user_key, &replies.subject)?;
        let answer = replies.next().await;
        self.judge(asked, user_key, &answer).await
    }

    /// By whom, where and for whom the question is asked.
    fn asked(&self) -> Result<Asked, CalloutDenial> {
        let shared = &self.shared;
        let unasked = |problem: String| CalloutDenial::Unasked(problem);
        let account = |name: &str| {
            let account = shared.accounts.get(name);
            account.ok_or_else(|| unasked(format!("the account {name:?} is not there")))
        };
        match (&self.asker, &shared.callout) {
            (Asker::Configured, Some(callout)) => Ok(Asked {
                account: account(&callout.account)?,
                claims: None,
                xkey: callout.xkey,
                recipient: callout.issuer,
            }),
            (Asker::Configured, None) => Err(unasked("no service is configured".to_owned())),
            (Asker::Account(key, _), _) => {
                let operator = shared.operator();
                let claims = operator.and_then(|operator| operator.account(key));
                let claims =
                    claims.ok_or_else(|| unasked(format!("the account {key} is not known")))?;
                Ok(Asked {
                    account: account(&claims.spec.name)?,
                    xkey: claims.callout.as_ref().and_then(|callout| callout.xkey),
                    recipient: claims.id,
                    claims: Some(claims),
                })
            }
        }
    }

    fn publish(
        &self,
        asked: &Asked,
        user_nkey: PublicKey,
        reply: &str,
    ) -> Result<(), CalloutDenial> {
        let shared = &self.shared;
        let unasked = |error: &dyn std::fmt::Display| CalloutDenial::Unasked(error.to_string());
        let now = Timestamp::now().as_second();
        let wait = i64::try_from(shared.options().auth_timeout().as_secs()).unwrap_or(i64::MAX);
        let request = CalloutRequest {
            recipient: asked.recipient,
            user_nkey,
            server: server_id(shared),
            client: self.client.clone(),
            connect: self.connect.clone(),
            tls: self.tls.clone(),
            // A service that looks at a fraction of a second must not find it over.
            expires: now.saturating_add(wait).saturating_add(1),
        };
        let sealing = sealing(shared, asked.xkey.as_ref());
        let token = request.encode(&shared.facts.keys, sealing, now);
        let token = token.map_err(|error| unasked(&error))?;
        let sealed = sealing.map(|keys| keys.seal(&token, crate::random::bytes()));
        let sealed = sealed.transpose().map_err(|error| unasked(&error))?;
        let headers = sealed.as_ref().map_or_else(String::new, |_| {
            format!("NATS/1.0\r\n{XKEY_HEADER}: {}\r\n\r\n", shared.facts.xkey)
        });
        let message = Outgoing {
            reply: Some(reply.as_bytes()),
            headers: headers.as_bytes(),
            ..Outgoing::to(
                SUBJECT.as_bytes(),
                sealed.as_deref().unwrap_or(token.as_bytes()),
            )
        };
        let mut desk = shared.workers.borrow();
        let watch = Watching::new(shared);
        let mut outlet = Outlet::new(&asked.account, desk.worker(), &watch);
        // Whoever does not listen yet is waited for as well: a service may be about to come, but it
        // will be asked only when the client tries again.
        outlet.publish(&message);
        let sent = outlet.finish();
        desk.count(Totals::default(), sent);
        Ok(())
    }

    async fn judge(
        &self,
        asked: &Asked,
        user_nkey: PublicKey,
        answer: &[u8],
    ) -> Result<Found, CalloutDenial> {
        let shared = &self.shared;
        // Claims may have changed while the service thought about it.
        let Asked { claims, xkey, .. } = &self.asked()?;
        let placing = match claims {
            Some(claims) => Placing::Operator(claims),
            None => Placing::Configured(asked.recipient),
        };
        let expected = Expected {
            user_nkey,
            server_id: &shared.facts.server_id,
            account: &asked.account.name,
            placing,
            sealing: sealing(shared, xkey.as_ref()),
            proxy: self.proxy,
            proxy_required: self.proxy_required,
        };
        let user = CalloutUser::read(answer, &expected, Timestamp::now().as_second())?;
        let name = user.placement();
        let missing = || CalloutDenial::Placement(format!("there is no account {name:?}"));
        if shared.accounts.get(name).is_none()
            && let (Ok(key), true) = (PublicKey::parse(name), claims.is_some())
        {
            let found = crate::operator::bring(shared, key).await;
            found.map_err(CalloutDenial::Placement)?;
        }
        shared.accounts.get(name).ok_or_else(missing)?;
        if claims.is_none() {
            let defaults = convert::default_permissions(&shared.options(), name);
            let found = self.admit(&user, &CalloutTarget::Configured(name, defaults))?;
            let end = found.expires;
            let end = end.map(|at| (at, error_text::USER_AUTHENTICATION_EXPIRED));
            return Ok((found.user, end));
        }
        let target = PublicKey::parse(name).ok().zip(shared.operator());
        let target = target.and_then(|(key, operator)| operator.account(&key));
        let target = target.ok_or_else(missing)?;
        let found = self.admit(&user, &CalloutTarget::Operator(&target))?;
        Ok((found.user, end_of(found.expires, &target)))
    }

    fn admit(
        &self,
        user: &CalloutUser,
        target: &CalloutTarget<'_>,
    ) -> Result<Admission, CalloutDenial> {
        let zone = TimeZone::system();
        let moment = Moment {
            now: Timestamp::now(),
            zone: &zone,
        };
        user.admit(
            target,
            &self.client.user,
            self.connection_type,
            self.address,
            moment,
        )
    }
}

/// A user and when it must go.
type Found = (Arc<User>, Option<(Timestamp, &'static str)>);

fn sealing<'a>(shared: &'a Shared, xkey: Option<&'a PublicKey>) -> Option<Sealing<'a>> {
    xkey.map(|service| Sealing {
        server: &shared.facts.curve,
        service,
    })
}

fn server_id(shared: &Shared) -> ServerId {
    ServerId {
        name: shared.facts.server_name.clone(),
        host: shared.info().host,
        id: shared.facts.server_id.clone(),
        version: COMPATIBLE_VERSION.to_owned(),
        tags: shared.options().server_tags.clone(),
        ..ServerId::default()
    }
}
