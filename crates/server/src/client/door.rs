//! What a client's session reaches beyond the data path: logins, INFO texts, the log.
//!
//! A login that hangs on a bcrypt hash is computed on a thread for that, a bounded number at a
//! time; the connection's task polls for the verdict and reads nothing meanwhile.

mod report;
mod token;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use cognate_auth::permissions::{Permissions, ReplyPermissions};
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::users::{
    Authenticator, BcryptLogin, ConnectionType, Decision, DenyCause, Login, User, UserChange,
    diff_users,
};
use cognate_process::{Level, debug, error};
use cognate_router::Subscription;
use cognate_session::{Access, Report, Verdict};
use cognate_wire::{CloseReason, ConnectOptions, Publish, error_text};
use tokio::task::JoinHandle;

use crate::client_info::{Telling, latency, request_info};
use crate::data::{Account, Connection, Door, Fate, Measured, Via, Watch};
use crate::shared::Shared;
use crate::system::Event;

type Verification = JoinHandle<Result<Arc<User>, DenyCause>>;

/// The door of one connection.
pub(crate) struct ClientDoor {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    nonce: Box<str>,
    seed: u64,
    /// Who judged the user, and the user; kept to re-examine it after a reload.
    known: Option<(Arc<Authenticator>, Arc<User>)>,
    /// Who the client said it is, for the log; empty if it did not say.
    claim: Box<str>,
    /// What its label shows of that once it is let in.
    login: Box<str>,
    verification: Option<(Arc<Authenticator>, Verification)>,
    /// Whether a trusted proxy stands in front of it.
    proxy: ProxyCheck,
    /// When the user must go, and what it is told then.
    expiry: Option<(tokio::time::Instant, &'static str)>,
    /// A verdict that moves the client to another account: the session hears it once it is there.
    settled: Option<Verdict>,
    /// The account that its user is in.
    account: Arc<Account>,
    /// Whether the account counts it.
    counted: bool,
    /// Whether it was said that it is there.
    announced: bool,
    drop_for_stalled: bool,
}

impl ClientDoor {
    /// The door of a connection whose INFO carried `nonce`.
    pub(crate) fn new(
        shared: &Arc<Shared>,
        connection: &Arc<Connection>,
        nonce: String,
        seed: u64,
    ) -> Self {
        connection.set_traced(shared.log.enabled(Level::Trace));
        let silent = shared.authenticator().begin(&Login::default());
        let account = match silent {
            // Who never says CONNECT is in this account from its first word on.
            Decision::Allowed(user) => shared.accounts.of_user(user.account.as_deref()),
            _ => None,
        };
        let account = account.unwrap_or_else(|| Arc::clone(shared.accounts.global()));
        ClientDoor {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            nonce: nonce.into_boxed_str(),
            seed,
            known: None,
            claim: Box::default(),
            login: Box::default(),
            verification: None,
            proxy: ProxyCheck::NotProxied,
            expiry: None,
            settled: None,
            account,
            counted: false,
            announced: false,
            drop_for_stalled: shared.options().no_fast_producer_stall,
        }
    }

    /// The account that the client's subscriptions belong in.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// The account does not count the client any more.
    pub(crate) fn leave_account(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.account.leave();
        }
    }

    /// Whether messages to destinations that cannot keep up are dropped instead of waited for.
    pub(crate) fn drops_for_stalled(&self) -> bool {
        self.drop_for_stalled
    }

    /// When the user must go, and what it is told then.
    pub(crate) fn expiry(&self) -> Option<(tokio::time::Instant, &'static str)> {
        self.expiry
    }

    /// Whether a login is being checked elsewhere.
    pub(crate) fn is_verifying(&self) -> bool {
        self.verification.is_some() || self.settled.is_some()
    }

    /// What the server, the account and the user allow a session.
    pub(crate) fn settings(&self) -> cognate_session::Settings {
        let mut settings = self.shared.session_settings();
        let user = self
            .known
            .as_ref()
            .map(|(_, user)| user.limits)
            .unwrap_or_default();
        let spec = self.account.spec();
        let lowest = |own: Option<u32>, all: Option<u32>| own.into_iter().chain(all).min();
        if let Some(max) = lowest(user.max_payload, spec.limits.max_payload) {
            settings.max_payload = settings.max_payload.min(max as usize);
        }
        if let Some(max) = lowest(user.max_subscriptions, spec.limits.max_subscriptions) {
            let max = max as usize;
            settings.max_subscriptions =
                Some(settings.max_subscriptions.map_or(max, |m| m.min(max)));
        }
        settings
    }

    /// The permissions of the user.
    pub(crate) fn permissions(&self) -> Option<Arc<Permissions>> {
        self.known.as_ref()?.1.permissions.clone()
    }

    /// The verdict of a login that was checked elsewhere, once it is there.
    pub(crate) fn poll_verified(&mut self, cx: &mut Context<'_>) -> Option<Verdict> {
        if let Some(verdict) = self.settled.take() {
            return Some(verdict);
        }
        let (_, job) = self.verification.as_mut()?;
        let Poll::Ready(result) = Pin::new(job).poll(cx) else {
            return None;
        };
        let (authenticator, _) = self.verification.take()?;
        Some(match result {
            Ok(Ok(user)) => self.admit(authenticator, user),
            Ok(Err(cause)) => self.refuse(cause),
            Err(_) => self.refuse(DenyCause::WrongUserOrPassword),
        })
    }

    /// Takes over options that changed with a reload.
    pub(crate) fn refresh(&mut self) {
        self.drop_for_stalled = self.shared.options().no_fast_producer_stall;
        self.connection
            .set_traced(self.shared.log.enabled(Level::Trace));
    }

    /// Judges the user anew after a reload.
    pub(crate) fn reexamine(&mut self) -> Verdict {
        let new = self.shared.authenticator();
        if let ProxyCheck::Trusted(key) = &self.proxy
            && !self.shared.proxies().contains(key)
        {
            return self.refuse(DenyCause::ProxyNotTrusted);
        }
        if let Some(operator) = self.shared.operator() {
            return self.reexamine_token(&operator, new);
        }
        let Some((old, user)) = self.known.take() else {
            return self.authenticate_silent().map_or(
                Verdict::Refused(
                    error_text::AUTHORIZATION_VIOLATION,
                    CloseReason::AuthenticationFailure,
                ),
                Verdict::Accepted,
            );
        };
        let diff = diff_users(&old, &new);
        if diff.is_gone(&user.id) {
            return Verdict::Refused("", CloseReason::ClientClosed);
        }
        match diff.change(&user.id, self.connection_type()) {
            UserChange::Unchanged => self.admit(new, user),
            UserChange::Updated(user) => self.admit(new, user),
            UserChange::Revoked => {
                self.report_refusal();
                self.refuse(DenyCause::WrongUserOrPassword)
            }
        }
    }

    /// An INFO sent outside the first exchange.
    pub(crate) fn async_info(&self) -> Vec<u8> {
        self.shared.info_for(&self.connection, &self.nonce)
    }

    /// An INFO that asks this client alone to go to another server.
    pub(crate) fn lame_duck_info(&self) -> Vec<u8> {
        self.shared
            .lame_duck_info_for(&self.connection, &self.nonce)
    }

    fn connection_type(&self) -> ConnectionType {
        match self.connection.via {
            Via::Tcp => ConnectionType::Standard,
            Via::InProcess => ConnectionType::InProcess,
        }
    }

    fn begin(&self, authenticator: &Authenticator, options: &ConnectOptions) -> Decision {
        let detail = self.connection.detail();
        let identities = detail
            .tls
            .map(|tls| tls.peer.identities)
            .unwrap_or_default();
        authenticator.begin(&Login {
            user: &options.user,
            pass: &options.pass,
            token: &options.auth_token,
            nkey: &options.nkey,
            sig: &options.sig,
            nonce: self.nonce.as_bytes(),
            connection_type: self.connection_type(),
            tls_identities: &identities,
            proxy: self.proxy,
        })
    }

    fn admit(&mut self, authenticator: Arc<Authenticator>, user: Arc<User>) -> Verdict {
        if let Err(refusal) = self.enter_account(user.account.as_deref()) {
            return refusal;
        }
        let permissions = user.permissions.clone();
        let responses = permissions
            .as_ref()
            .and_then(|permissions| permissions.responses());
        let name = user.display_name().unwrap_or_default();
        self.connection.update_detail(|detail| {
            detail.user = name;
            detail.permissions.clone_from(&permissions);
            str::clone_into(&self.login, &mut detail.login);
        });
        self.connection.set_replies(
            responses.map(|limits| Box::new(ReplyPermissions::new(limits, self.seed))),
        );
        if self.known.replace((authenticator, user)).is_none() && !self.announced {
            self.announced = true;
            let event = Event::Connected(Arc::clone(&self.connection));
            self.shared.events.note(&self.shared, event);
        }
        Verdict::Accepted(Access {
            permissions,
            may_respond: responses.is_some(),
        })
    }

    /// Has the user's account count the client, instead of the one it was in.
    fn enter_account(&mut self, name: Option<&str>) -> Result<(), Verdict> {
        let Some(account) = self.shared.accounts.of_user(name) else {
            let (text, reason) = (
                error_text::AUTHORIZATION_VIOLATION,
                CloseReason::MissingAccount,
            );
            return Err(Verdict::Refused(text, reason));
        };
        if self.counted && Arc::ptr_eq(&account, &self.account) {
            return Ok(());
        }
        if !account.enter() {
            let text = error_text::MAX_ACCOUNT_CONNECTIONS;
            error!(self.shared.log, "{} - {text}", self.connection.label());
            let reason = CloseReason::MaxAccountConnectionsExceeded;
            return Err(Verdict::Refused(text, reason));
        }
        self.leave_account();
        self.counted = true;
        self.account = account;
        self.connection.set_account(&self.account);
        Ok(())
    }

    /// The verdict for the session, unless it moves the client to another account than `before`:
    /// then what the session has read is worked through only once the client is there.
    fn settle(&mut self, verdict: Verdict, before: &Arc<Account>) -> Verdict {
        match verdict {
            Verdict::Accepted(_) if !Arc::ptr_eq(before, &self.account) => {
                self.settled = Some(verdict);
                Verdict::Pending
            }
            verdict => verdict,
        }
    }

    fn refuse(&self, cause: DenyCause) -> Verdict {
        debug!(
            self.shared.log,
            "{} - Authentication failed: {cause}",
            self.connection.label()
        );
        let reason = match cause {
            DenyCause::ProxyRequired => CloseReason::ProxyRequired,
            DenyCause::ProxyNotTrusted => CloseReason::ProxyNotTrusted,
            _ => CloseReason::AuthenticationFailure,
        };
        Verdict::Refused(error_text::AUTHORIZATION_VIOLATION, reason)
    }

    /// Has the hash computed where it disturbs nobody.
    fn verify(&mut self, authenticator: Arc<Authenticator>, login: BcryptLogin) -> Verdict {
        let permits = Arc::clone(&self.shared.verifications);
        let job = tokio::spawn(async move {
            let _permit = permits.acquire_owned().await;
            match tokio::task::spawn_blocking(move || login.run()).await {
                Ok(result) => result,
                Err(_) => Err(DenyCause::WrongUserOrPassword),
            }
        });
        self.verification = Some((authenticator, job));
        Verdict::Pending
    }
}

impl Watch for ClientDoor {
    fn now(&self) -> Duration {
        self.shared.now()
    }

    fn trace_message(&self, sub: &Subscription<Connection>, subject: &[u8], message: &Publish<'_>) {
        super::trace::trace_message(&self.shared, sub, subject, message);
    }

    fn request_info(
        &self,
        share: bool,
        to_system: bool,
        from: &str,
        earlier: Option<&[u8]>,
    ) -> String {
        let telling = Telling::of(share, to_system);
        request_info(&self.shared, Some(&self.connection), telling, from, earlier)
    }

    fn latency(&self, measured: &Measured, fate: Fate, responder: Option<&Connection>) -> String {
        latency(&self.shared, measured, fate, responder)
    }
}

impl Door for ClientDoor {
    fn authenticate(&mut self, options: &ConnectOptions, _first: bool) -> Verdict {
        self.claim = claim(options).into_boxed_str();
        self.login = login(options).into_boxed_str();
        self.connection.update_detail(|detail| {
            detail.name.clone_from(&options.name);
            detail.lang.clone_from(&options.lang);
            detail.version.clone_from(&options.version);
            detail.user = tried(options);
        });
        let headers = options.headers && !self.shared.options().no_header_support;
        self.connection.set_takes_headers(headers);
        self.connection
            .async_info
            .store(options.protocol >= 1, Relaxed);
        let authenticator = self.shared.authenticator();
        let before = Arc::clone(&self.account);
        self.proxy = self
            .shared
            .proxies()
            .check(&options.proxy_sig, self.nonce.as_bytes());
        if let ProxyCheck::Trusted(key) = &self.proxy {
            let key = key.to_string();
            self.connection.update_detail(|detail| detail.proxy = key);
        }
        if let Some(operator) = self.shared.operator() {
            let verdict = self.begin_with_token(&operator, authenticator, options);
            return self.settle(verdict, &before);
        }
        let verdict = match self.begin(&authenticator, options) {
            Decision::Allowed(user) => self.admit(authenticator, user),
            Decision::Denied(cause) => self.refuse(cause),
            Decision::NeedsBcrypt(login) => self.verify(authenticator, login),
        };
        self.settle(verdict, &before)
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        let authenticator = self.shared.authenticator();
        if self.shared.operator().is_some() {
            // A token has to be shown, if only a default one.
            return None;
        }
        match self.begin(&authenticator, &ConnectOptions::default()) {
            Decision::Allowed(user) => match self.admit(authenticator, user) {
                Verdict::Accepted(access) => Some(access),
                _ => None,
            },
            _ => None,
        }
    }

    fn connect_info(&mut self) -> Vec<u8> {
        let max_payload = self.settings().max_payload;
        self.shared.connect_info_for(&self.connection, max_payload)
    }

    fn report(&mut self, report: Report<'_>) {
        self.log_report(report);
    }

    fn trace(&mut self, frame: &[u8]) {
        super::trace::trace_in(&self.shared, &self.connection, frame);
    }

    fn trace_text(&self, text: &[u8]) {
        super::trace::trace_text(&self.shared, &self.connection, text);
    }

    fn trace_end(&self, sid: &[u8]) {
        super::trace::trace_end(&self.shared, &self.connection, sid);
    }
}

/// Who a client says it is, as authentication errors in the log name it.
fn claim(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        jwt,
        auth_token,
        ..
    } = options;
    match (
        nkey.is_empty(),
        user.is_empty(),
        jwt.is_empty(),
        auth_token.is_empty(),
    ) {
        (false, ..) => format!("Nkey {nkey:?}"),
        (_, false, ..) => format!("User {user:?}"),
        (_, _, false, _) => "JWT User".to_owned(),
        (.., false) => "Token \"[REDACTED]\"".to_owned(),
        _ => String::new(),
    }
}

/// Who a client tries to be, as monitoring shows it until it is let in.
fn tried(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        auth_token,
        ..
    } = options;
    match (nkey.is_empty(), user.is_empty(), auth_token.is_empty()) {
        (false, ..) => nkey.clone(),
        (_, false, _) => user.clone(),
        (.., false) => "[REDACTED]".to_owned(),
        _ => String::new(),
    }
}

/// What the label of a connection shows of its login.
fn login(options: &ConnectOptions) -> String {
    let ConnectOptions {
        nkey,
        user,
        auth_token,
        ..
    } = options;
    match (nkey.is_empty(), user.is_empty(), auth_token.is_empty()) {
        (false, ..) => format!("nkey:{nkey}"),
        (_, false, _) => format!("user:{user}"),
        (.., false) => "token".to_owned(),
        _ => String::new(),
    }
}
