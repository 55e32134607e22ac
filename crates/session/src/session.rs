//! The session: from bytes to acts, in order.
//!
//! Owns the phase, what CONNECT negotiated, and the client's subscriptions. The publish and the
//! subscribe sides are in files of their own.

use std::time::Duration;

use cognate_auth::permissions::PublishCache;
use cognate_wire::{
    ClientOp, CloseReason, ConnectOptions, Fault, Limits, Step, error_text, parse_client,
    parse_publish,
};

use crate::{Access, Host, Keepalive, Report, Subscriptions, Verdict};

/// What the server's options say about sessions. Changes with a reload.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest control line, in bytes.
    pub max_control_line: usize,
    /// Largest message, in bytes.
    pub max_payload: usize,
    /// Most subscriptions; `None` is unlimited.
    pub max_subscriptions: Option<usize>,
    /// Most tokens in a subscription's subject; `None` is unlimited.
    pub max_sub_tokens: Option<usize>,
    /// Whether the server supports headers.
    pub headers: bool,
    /// Whether a client must authenticate.
    pub auth_required: bool,
    /// Time between pings.
    pub ping_interval: Duration,
    /// Unanswered pings after which a client is stale.
    pub ping_max: u32,
    /// Whether frames are traced.
    pub trace: bool,
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close(pub CloseReason);

/// How far the session got with the bytes it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Everything before `consumed` is done; more bytes are needed. `total` is the length of the
    /// frame that starts there, once known.
    More {
        /// Bytes that are done.
        consumed: usize,
        /// Length of the incomplete frame.
        total: Option<usize>,
    },
    /// Waiting for [`Session::resume`]; the bytes from `consumed` on must be fed again after it.
    Paused {
        /// Bytes that are done.
        consumed: usize,
    },
    /// The connection must be closed, after what was sent has left.
    Closed(Close),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitConnect,
    Verifying,
    Open,
}

/// What CONNECT negotiated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Features {
    pub verbose: bool,
    pub pedantic: bool,
    pub echo: bool,
    pub no_responders: bool,
    protocol: i64,
}

/// The protocol state of one client connection.
pub struct Session<S> {
    pub(crate) settings: Settings,
    pub(crate) limits: Limits,
    pub(crate) features: Features,
    pub(crate) access: Access,
    pub(crate) publish_cache: Option<Box<PublishCache>>,
    pub(crate) subscriptions: Subscriptions<S>,
    phase: Phase,
    /// Whether a CONNECT was received, and its answer to be completed after verification.
    connects: u32,
    connect: Option<Box<ConnectOptions>>,
    /// Why the session ended; then nothing is acted on any more.
    closed: Option<Close>,
    first_pong_sent: bool,
    keepalive: Keepalive,
    started: Duration,
    now: Duration,
    jitter: u64,
}

impl<S> Session<S> {
    /// A session that has heard nothing yet. `seed` is random: it protects hash tables and
    /// spreads timers.
    pub fn new(settings: Settings, now: Duration, seed: u64) -> Self {
        let limits = Limits {
            max_control_line: settings.max_control_line,
            max_payload: settings.max_payload,
            headers: false,
        };
        let phase = if settings.auth_required {
            Phase::AwaitConnect
        } else {
            Phase::Open
        };
        let keepalive = Keepalive::new(now, settings.ping_interval, seed);
        Session {
            limits,
            // The protocol's defaults for a client that never sends CONNECT.
            features: Features {
                verbose: true,
                pedantic: true,
                echo: true,
                no_responders: false,
                protocol: 0,
            },
            access: Access::default(),
            publish_cache: None,
            subscriptions: Subscriptions::new(seed),
            phase,
            connects: 0,
            connect: None,
            closed: None,
            first_pong_sent: false,
            keepalive,
            started: now,
            now,
            jitter: seed,
            settings,
        }
    }

    /// Acts on what the client sent. Once closed, it does nothing but say so again.
    pub fn feed<H: Host<Sub = S>>(&mut self, input: &[u8], now: Duration, host: &mut H) -> Fed {
        if let Some(close) = self.closed {
            return Fed::Closed(close);
        }
        let fed = self.advance(input, now, host);
        if let Fed::Closed(close) = fed {
            self.closed = Some(close);
        }
        fed
    }

    fn advance<H: Host<Sub = S>>(&mut self, input: &[u8], now: Duration, host: &mut H) -> Fed {
        self.now = now;
        self.keepalive.handle_activity(now);
        let mut at = 0;
        while at < input.len() {
            if self.phase == Phase::Verifying {
                return Fed::Paused { consumed: at };
            }
            let rest = &input[at..];
            if self.phase == Phase::AwaitConnect
                && let Err(close) = self.admit_silent(rest[0], host)
            {
                return Fed::Closed(close);
            }
            if let Some((message, len)) = parse_publish(rest, &self.limits) {
                at += len;
                if self.settings.trace {
                    host.trace(&rest[..len]);
                }
                self.handle_publish(&message, host);
                continue;
            }
            match parse_client(rest, &self.limits) {
                Step::Op { op, len } => {
                    at += len;
                    if self.settings.trace {
                        host.trace(&rest[..len]);
                    }
                    if let Err(close) = self.handle_op(op, host) {
                        return Fed::Closed(close);
                    }
                }
                Step::Incomplete { total } => {
                    return Fed::More {
                        consumed: at,
                        total,
                    };
                }
                Step::Fault(fault) => return Fed::Closed(self.fail(fault, rest, host)),
            }
        }
        if self.phase == Phase::Verifying {
            return Fed::Paused { consumed: at };
        }
        Fed::More {
            consumed: at,
            total: None,
        }
    }

    /// Goes on after [`Verdict::Pending`] with the verdict.
    pub fn resume<H: Host<Sub = S>>(
        &mut self,
        verdict: Verdict,
        host: &mut H,
    ) -> Result<(), Close> {
        if let Some(close) = self.closed {
            return Err(close);
        }
        let options = self.connect.take().unwrap_or_default();
        let concluded = self.conclude(&options, verdict, host);
        self.closed = concluded.err();
        concluded
    }

    /// Whether the client has still to authenticate.
    pub fn awaits_authentication(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whether the client has sent a CONNECT that was accepted.
    pub fn is_connected(&self) -> bool {
        self.connects > 0 && self.phase == Phase::Open
    }

    /// Whether the client understands an INFO at any time.
    pub fn takes_async_info(&self) -> bool {
        self.connects > 0 && self.features.protocol >= 1
    }

    /// Whether headers were negotiated.
    pub fn has_headers(&self) -> bool {
        self.limits.headers
    }

    /// The keep-alive.
    pub fn keepalive(&mut self) -> &mut Keepalive {
        &mut self.keepalive
    }

    /// The client's subscriptions.
    pub fn subscriptions(&mut self) -> &mut Subscriptions<S> {
        &mut self.subscriptions
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Takes over new settings after a reload.
    pub fn update_settings(&mut self, settings: Settings) {
        self.limits.max_control_line = settings.max_control_line;
        self.limits.max_payload = settings.max_payload;
        self.settings = settings;
    }

    /// Takes over new permissions after a reload.
    pub fn update_access(&mut self, access: Access) {
        self.access = access;
        self.publish_cache = None;
    }

    /// A client that may not stay silent sent something: only CONNECT is heard, unless there is a
    /// user for those who do not say who they are.
    fn admit_silent<H: Host<Sub = S>>(&mut self, first: u8, host: &mut H) -> Result<(), Close> {
        if matches!(first, b'C' | b'c') {
            return Ok(());
        }
        match host.authenticate_silent() {
            Some(access) => {
                self.access = access;
                self.phase = Phase::Open;
                Ok(())
            }
            None => {
                host.report(Report::AuthorizationViolation);
                self.refuse(
                    error_text::AUTHORIZATION_VIOLATION,
                    CloseReason::AuthenticationFailure,
                    host,
                )
            }
        }
    }

    fn handle_op<H: Host<Sub = S>>(&mut self, op: ClientOp<'_>, host: &mut H) -> Result<(), Close> {
        match op {
            ClientOp::Pub(message) => self.handle_publish(&message, host),
            ClientOp::Sub {
                subject,
                queue,
                sid,
            } => self.handle_subscribe(subject, queue, sid, host),
            ClientOp::Unsub { sid, max } => self.handle_unsubscribe(sid, max, host),
            ClientOp::Ping => self.handle_ping(host),
            ClientOp::Pong => self.keepalive.handle_pong(self.now),
            ClientOp::Connect(json) => return self.handle_connect(json, host),
            ClientOp::Ok => {}
            // Of no use from a client, but it must be what it claims to be.
            ClientOp::Info(json) => {
                if ConnectOptions::parse(json).is_err() {
                    return Err(Close(CloseReason::ProtocolViolation));
                }
            }
            ClientOp::Err(text) => {
                host.report(Report::ClientError(text));
                return Err(Close(CloseReason::ParseError));
            }
        }
        Ok(())
    }

    fn handle_ping<H: Host<Sub = S>>(&mut self, host: &mut H) {
        host.send(b"PONG\r\n");
        if self.connects == 0 || self.first_pong_sent {
            return;
        }
        self.first_pong_sent = true;
        if self.features.protocol >= 1 {
            host.send_connect_info();
        }
    }

    fn handle_connect<H: Host<Sub = S>>(&mut self, json: &[u8], host: &mut H) -> Result<(), Close> {
        let options = match self.known_options(host).updated(json) {
            Ok(options) => options,
            Err(error) => {
                host.report(Report::BadConnect(&error.to_string()));
                return Err(Close(CloseReason::ProtocolViolation));
            }
        };
        let (settings, jitter) = (&self.settings, self.jitter);
        self.keepalive
            .handle_connect(self.now, self.started, settings.ping_interval, jitter);
        let first = self.connects == 0;
        self.connects += 1;
        self.features = Features {
            verbose: options.verbose,
            pedantic: options.pedantic,
            echo: options.echo,
            no_responders: options.no_responders,
            protocol: options.protocol,
        };
        self.limits.headers = self.settings.headers && options.headers;
        if !first || self.settings.auth_required {
            // A client may not carry subscriptions from one identity over to another, and where
            // clients must say who they are, the one that has not is the silent user.
            self.subscriptions
                .drain()
                .for_each(|sub| host.unsubscribe(&sub));
        }
        let verdict = host.authenticate(&options, first);
        if matches!(verdict, Verdict::Pending) {
            self.phase = Phase::Verifying;
            self.connect = Some(Box::new(options));
            return Ok(());
        }
        self.conclude(&options, verdict, host)
    }

    /// What a CONNECT that leaves keys out falls back on: the defaults, or the CONNECT before it, but
    /// for its secrets.
    fn known_options<H: Host<Sub = S>>(&self, host: &H) -> ConnectOptions {
        let mut known = ConnectOptions::default();
        if self.connects > 0 {
            host.recall(&mut known);
        }
        known.verbose = self.features.verbose;
        known.pedantic = self.features.pedantic;
        known.echo = self.features.echo;
        known.no_responders = self.features.no_responders;
        known.protocol = self.features.protocol;
        known.headers = self.limits.headers;
        known
    }

    fn conclude<H: Host<Sub = S>>(
        &mut self,
        options: &ConnectOptions,
        verdict: Verdict,
        host: &mut H,
    ) -> Result<(), Close> {
        let access = match verdict {
            Verdict::Accepted(access) => access,
            Verdict::Refused(text, reason) => {
                host.report(Report::AuthorizationViolation);
                return self.refuse(text, reason, host);
            }
            // A second opinion that is still out is a driver's mistake; nobody gets in by it.
            Verdict::Pending => {
                let reason = CloseReason::AuthenticationFailure;
                return self.refuse(error_text::AUTHORIZATION_VIOLATION, reason, host);
            }
        };
        if options.new_account || !options.account.is_empty() {
            host.report(Report::AuthorizationViolation);
            let reason = CloseReason::AuthenticationFailure;
            return self.refuse(error_text::AUTHORIZATION_VIOLATION, reason, host);
        }
        self.update_access(access);
        self.phase = Phase::Open;
        if !(0..=1).contains(&options.protocol) {
            let reason = CloseReason::BadClientProtocolVersion;
            return self.refuse(error_text::INVALID_CLIENT_PROTOCOL, reason, host);
        }
        if options.no_responders && !self.limits.headers {
            let reason = CloseReason::NoRespondersRequiresHeaders;
            return self.refuse(error_text::NO_RESPONDERS_REQUIRES_HEADERS, reason, host);
        }
        self.acknowledge(host);
        Ok(())
    }

    /// Sends `+OK` to a client that wants to hear it.
    pub(crate) fn acknowledge<H: Host<Sub = S>>(&self, host: &mut H) {
        if self.features.verbose {
            host.send(b"+OK\r\n");
        }
    }

    /// Tells the client what it did wrong and lets it stay.
    pub(crate) fn complain<H: Host<Sub = S>>(&self, text: &str, host: &mut H) {
        let mut line = Vec::with_capacity(text.len() + 10);
        error_text::write_err(&mut line, text);
        host.send(&line);
    }

    fn refuse<H: Host<Sub = S>>(
        &self,
        text: &str,
        reason: CloseReason,
        host: &mut H,
    ) -> Result<(), Close> {
        self.complain(text, host);
        Err(Close(reason))
    }

    pub(crate) fn cache_seed(&self) -> u64 {
        self.jitter
    }

    fn fail<H: Host<Sub = S>>(&mut self, fault: Fault, rest: &[u8], host: &mut H) -> Close {
        if let Fault::MaxPayload { size } = fault {
            self.trace_refused(rest, size, host);
        }
        host.report(Report::Fault(fault, rest));
        if let Some(text) = fault.error_text() {
            self.complain(text, host);
        }
        Close(fault.close_reason())
    }
}
