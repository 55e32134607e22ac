//! What a client's session reaches beyond the data path: logins, INFO texts, the log.
//!
//! A login that hangs on a bcrypt hash is computed on a thread for that, a bounded number at a
//! time; the connection's task polls for the verdict and reads nothing meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};
use std::time::Duration;

use cognate_auth::permissions::{Permissions, ReplyPermissions};
use cognate_auth::users::{
    Authenticator, BcryptLogin, ConnectionType, Decision, DenyCause, Login, User, UserChange,
    diff_users,
};
use cognate_process::{Level, debug, error, info};
use cognate_router::Subscription;
use cognate_session::{Access, Report, Verdict};
use cognate_wire::{CloseReason, ConnectOptions, Fault, Publish, error_text};
use tokio::task::JoinHandle;

use crate::data::{Connection, Door, Via, Watch};
use crate::shared::Shared;

/// Bytes of a faulty frame that a log line repeats.
const MAX_SHOWN: usize = 32;

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
        ClientDoor {
            shared: Arc::clone(shared),
            connection: Arc::clone(connection),
            nonce: nonce.into_boxed_str(),
            seed,
            known: None,
            claim: Box::default(),
            login: Box::default(),
            verification: None,
            drop_for_stalled: shared.options().no_fast_producer_stall,
        }
    }

    /// Whether messages to destinations that cannot keep up are dropped instead of waited for.
    pub(crate) fn drops_for_stalled(&self) -> bool {
        self.drop_for_stalled
    }

    /// Whether a login is being checked elsewhere.
    pub(crate) fn is_verifying(&self) -> bool {
        self.verification.is_some()
    }

    /// The permissions of the user.
    pub(crate) fn permissions(&self) -> Option<Arc<Permissions>> {
        self.known.as_ref()?.1.permissions.clone()
    }

    /// The verdict of a login that was checked elsewhere, once it is there.
    pub(crate) fn poll_verified(&mut self, cx: &mut Context<'_>) -> Option<Verdict> {
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
        let Some((old, user)) = self.known.take() else {
            return self.authenticate_silent().map_or(
                Verdict::Refused(
                    error_text::AUTHORIZATION_VIOLATION,
                    CloseReason::AuthenticationFailure,
                ),
                Verdict::Accepted,
            );
        };
        let change = diff_users(&old, &new).change(&user.id, self.connection_type());
        match change {
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
        self.shared.info_for(&self.connection, &self.nonce, false)
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
        })
    }

    fn admit(&mut self, authenticator: Arc<Authenticator>, user: Arc<User>) -> Verdict {
        let permissions = user.permissions.clone();
        let responses = permissions
            .as_ref()
            .and_then(|permissions| permissions.responses());
        let name = user.display_name().unwrap_or_default();
        self.connection.update_detail(|detail| {
            detail.user = name;
            str::clone_into(&self.login, &mut detail.login);
        });
        self.connection.set_replies(
            responses.map(|limits| Box::new(ReplyPermissions::new(limits, self.seed))),
        );
        self.known = Some((authenticator, user));
        Verdict::Accepted(Access {
            permissions,
            may_respond: responses.is_some(),
        })
    }

    fn refuse(&self, cause: DenyCause) -> Verdict {
        debug!(
            self.shared.log,
            "{} - Authentication failed: {cause}",
            self.connection.label()
        );
        Verdict::Refused(
            error_text::AUTHORIZATION_VIOLATION,
            CloseReason::AuthenticationFailure,
        )
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
}

impl Door for ClientDoor {
    fn authenticate(&mut self, options: &ConnectOptions, _first: bool) -> Verdict {
        self.claim = claim(options).into_boxed_str();
        self.login = login(options).into_boxed_str();
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
        let authenticator = self.shared.authenticator();
        match self.begin(&authenticator, options) {
            Decision::Allowed(user) => self.admit(authenticator, user),
            Decision::Denied(cause) => self.refuse(cause),
            Decision::NeedsBcrypt(login) => self.verify(authenticator, login),
        }
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        let authenticator = self.shared.authenticator();
        match self.begin(&authenticator, &ConnectOptions::default()) {
            Decision::Allowed(user) => match self.admit(authenticator, user) {
                Verdict::Accepted(access) => Some(access),
                _ => None,
            },
            _ => None,
        }
    }

    fn connect_info(&mut self) -> Vec<u8> {
        self.shared.info_for(&self.connection, &self.nonce, true)
    }

    fn report(&mut self, report: Report<'_>) {
        let log = &self.shared.log;
        let label = self.connection.label();
        let text = String::from_utf8_lossy;
        match report {
            Report::PublishViolation(subject) => {
                error!(
                    log,
                    "{label} - Publish Violation - Subject {:?}",
                    text(subject)
                );
            }
            Report::ReplyViolation(reply) => {
                error!(log, "{label} - Publish Violation - Reply {:?}", text(reply));
            }
            Report::SubscribeViolation {
                subject,
                queue: None,
                sid,
            } => {
                let (subject, sid) = (text(subject), text(sid));
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {subject:?}, SID {sid}"
                );
            }
            Report::SubscribeViolation {
                subject,
                queue: Some(queue),
                sid,
            } => {
                let (subject, queue, sid) = (text(subject), text(queue), text(sid));
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {subject:?}, Queue: {queue:?}, SID {sid}"
                );
            }
            Report::TooManyTokens(subject) => {
                error!(
                    log,
                    "{label} - Subscription Violation - Subject {:?}, too many tokens",
                    text(subject)
                );
            }
            Report::MaxSubscriptions => error!(log, "{label} - maximum subscriptions exceeded"),
            Report::AuthorizationViolation => self.report_refusal(),
            Report::Fault(fault, rest) => self.report_fault(&label, fault, rest),
            Report::BadConnect(problem) => {
                error!(log, "{label} - CONNECT not understood: {problem}")
            }
            Report::ClientError(problem) => error!(log, "{label} - Client Error {}", text(problem)),
        }
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

impl ClientDoor {
    /// Says that a subscription was removed because its user may no longer have it.
    pub(crate) fn report_removed(&self, sub: &Subscription<Connection>) {
        let text = String::from_utf8_lossy;
        let (subject, sid) = (text(sub.subject()), text(sub.sid()));
        let who = if self.claim.is_empty() {
            "User \"N/A\""
        } else {
            &self.claim
        };
        let group = sub.queue().map_or_else(String::new, |queue| {
            format!(" using queue {:?}", text(queue))
        });
        info!(
            self.shared.log,
            "Removed sub {subject:?}{group} (sid {sid:?}) for {who} - not authorized"
        );
    }

    fn report_refusal(&self) {
        let (label, claim) = (self.connection.label(), &self.claim);
        let dash = if claim.is_empty() { "" } else { " - " };
        error!(
            self.shared.log,
            "{label} - authentication error{dash}{claim}"
        );
    }

    /// Says what was wrong with a frame in the words of nats-server, which people search for. The
    /// offending text is repeated only where it holds no secrets, and shortened.
    fn report_fault(&self, label: &str, fault: Fault, rest: &[u8]) {
        let log = &self.shared.log;
        let (verb, arguments) = super::trace::split_verb(super::trace::line_of(rest));
        let arguments = shortened(arguments);
        let by = match verb.as_str() {
            "PUB" => "processPub",
            "HPUB" => "processHeaderPub",
            "SUB" => "processSub",
            _ => "processUnsub",
        };
        match fault {
            Fault::UnknownOperation | Fault::PayloadNotTerminated => {
                return error!(
                    log,
                    "{label} - Client parser ERROR, {fault}: proto={:?}...",
                    shortened(rest)
                );
            }
            Fault::MaxControlLine => return error!(log, "{label} - {fault}"),
            _ => {
                super::trace::trace_in(&self.shared, &self.connection, super::trace::line_of(rest))
            }
        }
        match fault {
            Fault::MaxPayload { size } => {
                let max = self.shared.options().max_payload;
                error!(log, "{label} - maximum payload exceeded: {size} vs {max}");
            }
            Fault::BadArguments { .. } => error!(log, "{label} - {by} Parse Error: {arguments:?}"),
            Fault::BadSize if verb == "HPUB" => {
                error!(
                    log,
                    "{label} - {by} Bad or Missing Total Size: {arguments:?}"
                );
            }
            Fault::BadSize => error!(log, "{label} - {by} Bad or Missing Size: {arguments:?}"),
            Fault::BadHeaderSize => {
                error!(
                    log,
                    "{label} - {by} Bad or Missing Header Size: {arguments:?}"
                );
            }
            Fault::HeaderLargerThanTotal => {
                error!(
                    log,
                    "{label} - {by} Header Size larger then TotalSize: {arguments:?}"
                );
            }
            _ => error!(log, "{label} - {fault}"),
        }
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

/// The beginning of a text for a log line.
fn shortened(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_SHOWN)]).into_owned()
}
