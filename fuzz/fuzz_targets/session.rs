//! A whole client session on arbitrary bytes, under varying settings and verdicts.
//!
//! The first bytes choose settings, permissions, verdicts and where the input is cut into reads; a
//! recording host stands for the server and is fed as the server feeds: what was not consumed is
//! kept and offered again with what comes next.
//!
//! Checks: never panics; the same bytes have the same effects however they are cut; nothing but
//! CONNECT is acted on before the client is let in, nothing while its credentials are being
//! verified, nothing after the end; permissions and limits hold for all that reaches the server;
//! what is sent is whole protocol lines, and bounded; subscriptions are told apart and ended once;
//! what a reader must keep is bounded.
#![no_main]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cognate_auth::permissions::{
    DenyFilter, Permissions, PermissionsConfig, ResponseLimits, SubjectRules,
};
use cognate_fuzz::{choose, naive_filter, naive_match, settings};
use cognate_session::{
    Access, Close, Fed, Host, PingAction, Report, Session, Settings, SubscribeRequest, Verdict,
};
use cognate_subject::validate::overlaps;
use cognate_wire::{CloseReason, ConnectOptions, Publish};
use libfuzzer_sys::fuzz_target;

const NOW: Duration = Duration::from_secs(1000);
const PUBLISH_ALLOW: [&str; 3] = ["a.>", "b.*", "c"];
const PUBLISH_DENY: [&str; 2] = ["a.secret.>", "b.no"];
const SUBSCRIBE_DENY: [&str; 2] = ["a.secret.>", "d.*"];

/// What the first bytes choose.
#[derive(Clone, Copy)]
struct Plan {
    line: u8,
    payload: u8,
    limits: u8,
    auth: u8,
    verdicts: u8,
    cuts: u8,
}

fuzz_target!(|data: &[u8]| {
    let Some((&[line, payload, limits, auth, verdicts, cuts], input)) = settings(data) else {
        return;
    };
    let plan = Plan {
        line,
        payload,
        limits,
        auth,
        verdicts,
        cuts,
    };
    let whole = Run::new(plan).feed_all(input, usize::MAX);
    let pieces = Run::new(plan).feed_all(input, 1 + usize::from(plan.cuts.wrapping_sub(b'0')));
    assert_eq!(whole.0, pieces.0, "the end depends on the cuts");
    assert_eq!(whole.1, pieces.1, "the effects depend on the cuts");
});

/// A session, its host, and what the driver keeps.
struct Run {
    session: Session<u32>,
    host: Recorder,
    kept: Vec<u8>,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let settings = Settings {
            max_control_line: choose(plan.line, [4096, 64, 16, 0]),
            max_payload: choose(plan.payload, [1 << 20, 64, 8, 0, 1000, usize::MAX]),
            max_subscriptions: choose(plan.limits, [None, Some(0), Some(1), Some(3)]),
            max_sub_tokens: choose(plan.limits >> 2, [None, Some(1), Some(2), Some(16)]),
            headers: choose(plan.auth >> 2, [true, false]),
            auth_required: choose(plan.auth, [false, true]),
            ping_interval: Duration::from_secs(120),
            ping_max: 2,
            trace: choose(plan.auth >> 3, [false, true]),
        };
        let host = Recorder::new(settings.clone(), plan);
        Run {
            session: Session::new(settings, NOW, 7),
            host,
            kept: Vec::new(),
        }
    }

    /// Feeds in reads of `size` bytes; returns how it ended and everything that happened.
    fn feed_all(mut self, input: &[u8], size: usize) -> (Option<Close>, String) {
        let mut end = None;
        for read in input.chunks(size) {
            self.kept.extend_from_slice(read);
            end = self.feed_kept();
            self.check_books();
            if end.is_some() {
                break;
            }
        }
        if let Some(close) = end {
            self.check_is_over(close);
        }
        self.check_timer();
        let left: Vec<u32> = self.session.subscriptions().drain().collect();
        left.iter().for_each(|id| self.host.unsubscribe(id));
        assert!(self.host.live.is_empty());
        (end, self.host.log)
    }

    /// Feeds what is kept until nothing is left to be done.
    fn feed_kept(&mut self) -> Option<Close> {
        loop {
            let before = self.host.sent;
            match self.session.feed(&self.kept, NOW, &mut self.host) {
                Fed::More { consumed, total } => {
                    self.check_sent(before);
                    self.kept.drain(..consumed);
                    self.check_kept(total);
                    return None;
                }
                Fed::Paused { consumed } => {
                    self.check_sent(before);
                    self.kept.drain(..consumed);
                    assert!(self.host.verifying && self.session.awaits_authentication());
                    self.host.verifying = false;
                    let verdict = self.host.second_verdict();
                    if let Err(close) = self.session.resume(verdict, &mut self.host) {
                        return Some(close);
                    }
                }
                Fed::Closed(close) => return Some(close),
            }
        }
    }

    /// Answers are as long as what they answer, times a factor for escapes and fixed texts.
    fn check_sent(&self, before: usize) {
        let sent = self.host.sent - before;
        assert!(
            sent <= 200 + 30 * self.kept.len(),
            "{sent} bytes for {}",
            self.kept.len()
        );
    }

    fn check_kept(&self, total: Option<usize>) {
        let Settings {
            max_control_line,
            max_payload,
            ..
        } = *self.session.settings();
        let line = b"CONNECT".len() + 2 * max_control_line + 2;
        match total {
            None => assert!(self.kept.len() <= line),
            Some(total) => {
                assert!(total > self.kept.len());
                assert!(total - 2 <= line.saturating_add(max_payload));
            }
        }
    }

    fn check_books(&mut self) {
        let held = self.session.subscriptions().len();
        assert_eq!(held, self.host.live.len());
        assert!(
            self.session
                .settings()
                .max_subscriptions
                .is_none_or(|max| held <= max)
        );
        assert!(self.session.is_connected() <= self.host.admitted);
    }

    /// After the end nothing is acted on, whatever is fed.
    fn check_is_over(&mut self, close: Close) {
        let before = self.host.log.len();
        for frame in [
            &b"PING\r\n"[..],
            b"CONNECT {}\r\n",
            b"SUB x 1\r\n",
            b"PUB x 0\r\n\r\n",
            b"x",
        ] {
            assert_eq!(
                self.session.feed(frame, NOW, &mut self.host),
                Fed::Closed(close)
            );
        }
        assert_eq!(self.host.log[before..], *"", "acted on after the end");
    }

    /// A client that stays silent is pinged, then stale.
    fn check_timer(&mut self) {
        let (mut now, interval) = (NOW, Duration::from_secs(120));
        let mut pings = 0;
        loop {
            now = self.session.keepalive().next_timeout().max(now);
            match self.session.keepalive().handle_timeout(now, interval, 2) {
                PingAction::Wait => {}
                PingAction::Ping => pings += 1,
                PingAction::Stale => break,
            }
            assert!(now < NOW + 60 * interval, "never stale");
        }
        assert_eq!(pings, 2);
    }
}

/// The server, as far as a session sees it: writes down what happens, and protests.
struct Recorder {
    settings: Settings,
    plan: Plan,
    log: String,
    /// Bytes sent to the client.
    sent: usize,
    live: BTreeMap<u32, Live>,
    next: u32,
    /// How many verdicts were given.
    asked: u32,
    admitted: bool,
    restricted: bool,
    verifying: bool,
    /// The subject that a response permission was just used for.
    granted: Option<Vec<u8>>,
}

/// A subscription in force.
struct Live {
    subject: Vec<u8>,
    sid: Vec<u8>,
    deny: Option<Arc<DenyFilter>>,
    delivered: u64,
    max: Option<u64>,
}

impl Live {
    fn is_spent(&self) -> bool {
        self.max.is_some_and(|max| self.delivered >= max)
    }
}

impl Recorder {
    fn new(settings: Settings, plan: Plan) -> Self {
        Recorder {
            admitted: !settings.auth_required,
            settings,
            plan,
            log: String::new(),
            sent: 0,
            live: BTreeMap::new(),
            next: 0,
            asked: 0,
            restricted: false,
            verifying: false,
            granted: None,
        }
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        assert!(
            !self.verifying,
            "acts while credentials are verified: {what}"
        );
        // Writing to a String cannot fail.
        let _ = writeln!(self.log, "{what}");
    }

    /// The next of the verdicts that the plan holds, two bits each.
    fn next_verdict(&mut self) -> u8 {
        let verdict = self.plan.verdicts >> (2 * (self.asked % 4)) & 3;
        self.asked += 1;
        verdict
    }

    fn second_verdict(&mut self) -> Verdict {
        match self.next_verdict() {
            0 => Verdict::Accepted(self.admit(false)),
            1 => Verdict::Accepted(self.admit(true)),
            2 => Verdict::Pending,
            _ => REFUSED,
        }
    }

    fn admit(&mut self, restricted: bool) -> Access {
        self.admitted = true;
        self.restricted = restricted;
        match restricted {
            true => Access {
                permissions: Some(permissions()),
                may_respond: true,
            },
            false => Access::default(),
        }
    }
}

const REFUSED: Verdict = Verdict::Refused(
    "Authorization Violation",
    CloseReason::AuthenticationFailure,
);

fn permissions() -> Arc<Permissions> {
    static COMPILED: OnceLock<Arc<Permissions>> = OnceLock::new();
    let list = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let compile = || {
        let publish = SubjectRules {
            allow: list(&PUBLISH_ALLOW),
            deny: list(&PUBLISH_DENY),
        };
        let subscribe = SubjectRules {
            allow: list(&[]),
            deny: list(&SUBSCRIBE_DENY),
        };
        let responses = Some(ResponseLimits::default());
        let config = PermissionsConfig {
            publish,
            subscribe,
            responses,
        };
        Arc::new(Permissions::compile(config).expect("good permissions"))
    };
    Arc::clone(COMPILED.get_or_init(compile))
}

fn any_matches(list: &[&str], subject: &[u8]) -> bool {
    list.iter()
        .any(|filter| naive_match(filter.as_bytes(), subject))
}

impl Host for Recorder {
    type Sub = u32;

    fn publish(&mut self, message: &Publish<'_>, echo: bool) -> bool {
        self.note(format_args!("publish {message:?} {echo}"));
        assert!(self.admitted && message.payload.len() <= self.settings.max_payload);
        assert!(message.header_len.is_none() || self.settings.headers);
        let Publish { subject, reply, .. } = *message;
        assert!(!subject.starts_with(b"$NRG.") && !subject.starts_with(b"_GR_."));
        assert!(reply.is_none_or(|reply| !reply.starts_with(b"_R_.")));
        let granted = self.granted.take();
        if self.restricted && granted.as_deref() != Some(subject) {
            assert!(any_matches(&PUBLISH_ALLOW, subject) && !any_matches(&PUBLISH_DENY, subject));
        }
        let mut delivered = false;
        for live in self
            .live
            .values_mut()
            .filter(|live| echo && !live.is_spent())
        {
            let denied = live
                .deny
                .as_ref()
                .is_some_and(|deny| deny.denies(subject, None));
            if naive_match(&live.subject, subject) && !denied {
                live.delivered += 1;
                delivered = true;
            }
        }
        delivered
    }

    fn no_responders(&mut self, subject: &[u8], reply: &[u8]) {
        assert!(self.settings.headers);
        self.note(format_args!("no responders {subject:?} {reply:?}"));
    }

    fn subscribe(&mut self, request: SubscribeRequest<'_>) -> u32 {
        let SubscribeRequest {
            subject,
            queue,
            sid,
            deny,
        } = request;
        self.note(format_args!(
            "subscribe {subject:?} {queue:?} {sid:?} {}",
            deny.is_some()
        ));
        assert!(self.admitted && naive_filter(subject));
        let tokens = subject.split(|&byte| byte == b'.').count();
        assert!(self.settings.max_sub_tokens.is_none_or(|max| tokens <= max));
        // A sid is free again once its subscription has had all that it asked for.
        self.live
            .retain(|_, live| live.sid != sid || !live.is_spent());
        assert!(
            self.live.values().all(|live| live.sid != sid),
            "the sid is taken"
        );
        if self.restricted {
            assert!(!any_matches(&SUBSCRIBE_DENY, subject));
            let filtered = SUBSCRIBE_DENY
                .iter()
                .any(|deny| overlaps(deny.as_bytes(), subject));
            assert_eq!(deny.is_some(), filtered);
        }
        self.next += 1;
        let live = Live {
            subject: subject.to_vec(),
            sid: sid.to_vec(),
            deny,
            delivered: 0,
            max: None,
        };
        self.live.insert(self.next, live);
        self.next
    }

    fn unsubscribe(&mut self, subscription: &u32) {
        // A second CONNECT ends all of them in no order, so the order is not written down.
        assert!(
            !self.verifying && self.live.remove(subscription).is_some(),
            "ended twice"
        );
    }

    fn limit(&mut self, subscription: &u32, max: u64) -> bool {
        self.note(format_args!("limit {subscription} {max}"));
        assert!(max > 0);
        let live = self.live.get_mut(subscription).expect("in force");
        live.max = Some(max);
        live.is_spent()
    }

    fn is_spent(&self, subscription: &u32) -> bool {
        self.live[subscription].is_spent()
    }

    fn send(&mut self, text: &[u8]) {
        self.note(format_args!("send {}", String::from_utf8_lossy(text)));
        let line = text.strip_suffix(b"\r\n").expect("a whole line");
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'));
        let error = line.starts_with(b"-ERR '") && line.ends_with(b"'");
        assert!(error || line == b"+OK" || line == b"PONG");
        assert!(error || self.admitted, "talks to a stranger");
        self.sent += text.len();
    }

    fn send_connect_info(&mut self) {
        assert!(self.admitted);
        self.note(format_args!("info"));
    }

    fn authenticate(&mut self, options: &ConnectOptions, first: bool) -> Verdict {
        self.note(format_args!("authenticate {options:?} {first}"));
        let anonymous = first && !self.settings.auth_required;
        assert!(
            anonymous || self.live.is_empty(),
            "keeps subscriptions of an earlier identity"
        );
        match self.next_verdict() {
            0 => Verdict::Accepted(self.admit(false)),
            1 => Verdict::Accepted(self.admit(true)),
            2 => {
                (self.verifying, self.admitted) = (true, false);
                Verdict::Pending
            }
            _ => REFUSED,
        }
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        self.note(format_args!("silent"));
        assert!(self.settings.auth_required && !self.admitted);
        let silent_user = choose(self.plan.auth >> 1, [false, true]);
        silent_user.then(|| self.admit(choose(self.plan.verdicts, [false, true])))
    }

    fn may_respond(&mut self, subject: &[u8]) -> bool {
        assert!(self.restricted);
        let granted = subject.starts_with(b"r.");
        self.granted = granted.then(|| subject.to_vec());
        granted
    }

    fn report(&mut self, report: Report<'_>) {
        // What follows a fault is shown as far as it was read, which the cuts decide.
        let report = match report {
            Report::Fault(fault, _) => Report::Fault(fault, b""),
            other => other,
        };
        self.note(format_args!("report {report:?}"));
    }

    fn trace(&mut self, frame: &[u8]) {
        assert!(self.settings.trace);
        self.note(format_args!("trace {frame:?}"));
    }
}
