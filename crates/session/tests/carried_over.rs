//! What a session may not carry over: acts past its end, subscriptions to another identity.

use std::time::Duration;

use cognate_session::{
    Access, Close, Fed, Host, Report, Session, Settings, SubscribeRequest, Verdict,
};
use cognate_wire::{CloseReason, ConnectOptions, Publish};

/// Counts what the session does; lets everybody in who sends CONNECT.
#[derive(Default)]
struct Counter {
    acts: usize,
    subscriptions: usize,
    /// Whether there is a user for clients that do not send CONNECT.
    silent_user: bool,
    /// What each CONNECT said.
    heard: Vec<ConnectOptions>,
}

impl Host for Counter {
    type Sub = ();

    fn publish(&mut self, _: &Publish<'_>, _: bool) -> bool {
        self.acts += 1;
        true
    }

    fn no_responders(&mut self, _: &[u8], _: &[u8]) {
        self.acts += 1;
    }

    fn subscribe(&mut self, _: SubscribeRequest<'_>) {
        self.acts += 1;
        self.subscriptions += 1;
    }

    fn unsubscribe(&mut self, (): &()) {
        self.acts += 1;
        self.subscriptions -= 1;
    }

    fn limit(&mut self, (): &(), _: u64) -> bool {
        self.acts += 1;
        false
    }

    fn is_spent(&self, (): &()) -> bool {
        false
    }

    fn send(&mut self, _: &[u8]) {
        self.acts += 1;
    }

    fn send_connect_info(&mut self) {
        self.acts += 1;
    }

    fn recall(&self, known: &mut ConnectOptions) {
        if let Some(before) = self.heard.last() {
            known.user.clone_from(&before.user);
            known.name.clone_from(&before.name);
        }
    }

    fn authenticate(&mut self, options: &ConnectOptions, _: bool) -> Verdict {
        self.acts += 1;
        self.heard.push(options.clone());
        Verdict::Accepted(Access::default())
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        self.silent_user.then(Access::default)
    }

    fn may_respond(&mut self, _: &[u8]) -> bool {
        self.acts += 1;
        false
    }

    fn report(&mut self, _: Report<'_>) {
        self.acts += 1;
    }

    fn trace(&mut self, _: &[u8]) {
        self.acts += 1;
    }
}

const SETTINGS: Settings = Settings {
    max_control_line: 4096,
    max_payload: 100,
    max_subscriptions: None,
    max_sub_tokens: None,
    headers: true,
    auth_required: false,
    ping_interval: Duration::from_secs(120),
    ping_max: 2,
    trace: true,
};

#[track_caller]
fn check(settings: Settings, ending: &[u8], reason: CloseReason) {
    let now = Duration::from_secs(1);
    let mut session = Session::new(settings, now, 1);
    let mut host = Counter::default();
    let closed = Fed::Closed(Close(reason));
    assert_eq!(session.feed(ending, now, &mut host), closed);
    let acts = host.acts;
    for frame in [
        &b"PING\r\n"[..],
        b"CONNECT {}\r\n",
        b"SUB a 1\r\n",
        b"PUB a 0\r\n\r\n",
        b"x",
        b"",
    ] {
        assert_eq!(session.feed(frame, now, &mut host), closed);
    }
    let resumed = session.resume(Verdict::Accepted(Access::default()), &mut host);
    assert_eq!(resumed, Err(Close(reason)));
    assert_eq!(host.acts, acts, "acts after its end");
}

#[test]
fn nothing_is_acted_on_after_the_end() {
    check(SETTINGS, b"nonsense", CloseReason::ProtocolViolation);
    check(SETTINGS, b"PUB a 101\r\n", CloseReason::MaxPayloadExceeded);
    check(SETTINGS, b"-ERR 'bye'\r\nPING\r\n", CloseReason::ParseError);
    // What is refused only after the client was let in.
    let refused = b"CONNECT {\"protocol\":7}\r\n";
    check(SETTINGS, refused, CloseReason::BadClientProtocolVersion);
    let strict = Settings {
        auth_required: true,
        ..SETTINGS
    };
    check(strict, b"PING\r\n", CloseReason::AuthenticationFailure);
}

#[test]
fn a_new_identity_starts_without_subscriptions() {
    let now = Duration::from_secs(1);
    let subscriptions_after = |auth_required: bool, input: &[u8]| {
        let settings = Settings {
            auth_required,
            ..SETTINGS
        };
        let mut host = Counter {
            silent_user: true,
            ..Counter::default()
        };
        let fed = Session::new(settings, now, 1).feed(input, now, &mut host);
        assert_eq!(
            fed,
            Fed::More {
                consumed: input.len(),
                total: None
            }
        );
        host.subscriptions
    };
    // Where nobody has to say who they are, the first CONNECT changes no identity.
    assert_eq!(subscriptions_after(false, b"SUB a 1\r\nCONNECT {}\r\n"), 1);
    assert_eq!(
        subscriptions_after(false, b"CONNECT {}\r\nSUB a 1\r\nCONNECT {}\r\n"),
        0
    );
    assert_eq!(subscriptions_after(true, b"SUB a 1\r\n"), 1);
    assert_eq!(subscriptions_after(true, b"SUB a 1\r\nCONNECT {}\r\n"), 0);
}

#[test]
fn a_second_connect_keeps_what_it_does_not_name_but_secrets() {
    let mut host = Counter::default();
    let now = Duration::from_secs(1);
    let input = b"CONNECT {\"verbose\":false,\"user\":\"u\",\"pass\":\"p\",\"name\":\"n\"}\r\n\
        CONNECT {\"name\":\"m\",\"echo\":false}\r\nCONNECT {\"user\":\"\"}\r\n";
    let fed = Session::new(SETTINGS, now, 1).feed(input, now, &mut host);
    assert!(matches!(fed, Fed::More { .. }), "{fed:?}");
    let heard = host.heard.iter();
    let heard: Vec<_> = heard
        .map(|said| {
            (
                &*said.user,
                &*said.pass,
                &*said.name,
                said.verbose,
                said.echo,
            )
        })
        .collect();
    let expected = [
        ("u", "p", "n", false, true),
        ("u", "", "m", false, false),
        ("", "", "m", false, false),
    ];
    assert_eq!(heard, expected);
}
