//! What a client's session reaches beyond the data path: logins, INFO texts, the log.
//!
//! Whichever way a client proves who it is, a login has one shape ([`admission`]): decided at once, or
//! under way elsewhere, where the connection's task polls for it and works through nothing
//! meanwhile. What an outcome brings about is the same for all of them ([`entry`]).

mod admission;
mod callout;
mod configured;
mod entrant;
mod entry;
mod examine;
mod identity;
mod report;
mod token;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Context;
use std::time::Duration;

use cognate_auth::permissions::Permissions;
use cognate_auth::proxy::ProxyCheck;
use cognate_auth::users::{Authenticator, ConnectionType, User};
use cognate_process::Level;
use cognate_router::Subscription;
use cognate_session::{Access, Report, Verdict};
use cognate_wire::{ConnectOptions, Publish, error_text};

use self::admission::{Login, Refusal};
use self::examine::AtReload;
pub(crate) use self::examine::Change;
use self::identity::Claim;
use crate::client_info::{latency, write_request_info};
use crate::data::{Account, Asks, Connection, Door, Fate, Measured, Trace, Via, Watch};
use crate::info::plain_ip;
use crate::shared::Shared;

/// The door of one connection.
pub(crate) struct ClientDoor {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    nonce: Box<str>,
    seed: u64,
    /// Who judged the user, and the user; kept to re-examine it after a reload.
    known: Option<(Arc<Authenticator>, Arc<User>)>,
    /// Who the client said it is.
    claim: Claim,
    /// What its label shows of that once it is let in.
    login: Box<str>,
    /// A login that is under way.
    under_way: Option<Login>,
    /// What becomes of it at a reload, if a service let it in.
    guest: Option<AtReload>,
    /// The service is asked again, while the client goes on.
    asked_again: Option<Login>,
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
        let mut door = ClientDoor {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            nonce: nonce.into_boxed_str(),
            seed,
            known: None,
            claim: Claim::default(),
            login: Box::default(),
            under_way: None,
            guest: None,
            asked_again: None,
            proxy: ProxyCheck::NotProxied,
            expiry: None,
            settled: None,
            account: Arc::clone(shared.accounts.global()),
            counted: false,
            announced: false,
            drop_for_stalled: shared.options().no_fast_producer_stall,
        };
        // Who never says CONNECT is in this account from its first word on.
        let silent = door.silent_user(&shared.authenticator());
        let account = silent.and_then(|user| shared.accounts.of_user(user.account.as_deref()));
        if let Some(account) = account {
            door.account = account;
        }
        door
    }

    /// The account that the client's subscriptions belong in.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
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
        self.under_way.is_some() || self.settled.is_some()
    }

    /// Whether a service is asked, which has a time limit of its own.
    pub(crate) fn is_asking(&self) -> bool {
        self.under_way.as_ref().is_some_and(Login::is_asking)
    }

    /// Whether the login need not be finished if the client goes away.
    pub(crate) fn may_be_given_up(&self) -> bool {
        self.under_way.as_ref().is_some_and(Login::may_be_given_up)
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
        match self.under_way.take()?.poll(cx) {
            Ok(outcome) => Some(self.conclude(outcome)),
            Err(login) => {
                self.under_way = Some(login);
                None
            }
        }
    }

    /// Takes over options that changed with a reload.
    pub(crate) fn refresh(&mut self) {
        self.drop_for_stalled = self.shared.options().no_fast_producer_stall;
        self.connection
            .set_traced(self.shared.log.enabled(Level::Trace));
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

    /// Where the client comes from, if it has an address.
    fn address(&self) -> Option<IpAddr> {
        self.connection.peer().map(|peer| plain_ip(peer.ip()))
    }

    fn refuse(&self, refusal: &Refusal) -> Verdict {
        refusal.report(&self.shared.log, &self.connection.label());
        self.tell_of(refusal);
        Verdict::Refused(error_text::AUTHORIZATION_VIOLATION, refusal.reason())
    }
}

impl Watch for ClientDoor {
    fn now(&self) -> Duration {
        self.shared.now()
    }

    fn trace_message(&self, sub: &Subscription<Connection>, subject: &[u8], message: &Publish<'_>) {
        super::trace::trace_message(&self.shared, sub, subject, message);
    }

    fn write_request_info(&self, asks: &Asks<'_>, out: &mut Vec<u8>) {
        write_request_info(&self.shared, Some(&self.connection), asks, out);
    }

    fn latency(&self, measured: &Measured, fate: Fate, responder: Option<&Connection>) -> String {
        latency(&self.shared, measured, fate, responder)
    }
}

impl Door for ClientDoor {
    fn recall(&self, known: &mut ConnectOptions) {
        let detail = self.connection.detail();
        known.name = detail.name;
        known.lang = detail.lang;
        known.version = detail.version;
        known.nkey = self.claim.nkey.to_string();
        known.user = self.claim.user.to_string();
    }

    fn authenticate(&mut self, options: &ConnectOptions, first: bool) -> Verdict {
        self.connection.update_detail(|detail| {
            detail.name.clone_from(&options.name);
            detail.lang.clone_from(&options.lang);
            detail.version.clone_from(&options.version);
        });
        let headers = options.headers && !self.shared.options().no_header_support;
        self.connection.set_takes_headers(headers);
        self.connection
            .async_info
            .store(options.protocol >= 1, Relaxed);
        let before = Arc::clone(&self.account);
        if !first
            && self.claim.is_said_again(options)
            && let Some((authenticator, user)) = self.known.clone()
        {
            let verdict = self.let_in(authenticator, user);
            return self.settle(verdict, &before);
        }
        self.claim = Claim::from(options);
        self.login = identity::login(options).into_boxed_str();
        let tried = identity::tried(options);
        self.connection.update_detail(|detail| detail.user = tried);
        self.proxy = self
            .shared
            .proxies()
            .check(&options.proxy_sig, self.nonce.as_bytes());
        if let ProxyCheck::Trusted(key) = &self.proxy {
            let key = key.to_string();
            self.connection.update_detail(|detail| detail.proxy = key);
        }
        let login = match self.shared.operator() {
            Some(operator) => self.begin_with_token(&operator, options),
            None => self.begin_configured(options),
        };
        let Login::Decided(outcome) = login else {
            self.under_way = Some(login);
            return Verdict::Pending;
        };
        let verdict = self.conclude(outcome);
        self.settle(verdict, &before)
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        let authenticator = self.shared.authenticator();
        let user = self.silent_user(&authenticator)?;
        match self.admit(authenticator, user) {
            Verdict::Accepted(access) => Some(access),
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

    fn traced(&mut self, trace: Trace) {
        self.shared.events.note_trace(&self.shared, trace);
    }

    fn trace_end(&self, sid: &[u8]) {
        super::trace::trace_end(&self.shared, &self.connection, sid);
    }
}
