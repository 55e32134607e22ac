//! Messages that ask for a trace: which are traced and where to, and which are not delivered.

use std::sync::Arc;
use std::time::Duration;

use cognate_auth::permissions::{Permissions, PermissionsConfig, SubjectRules};
use cognate_session::{
    Access, Context, Host, Report, Rewritten, Session, Settings, SubscribeRequest, Verdict,
};
use cognate_wire::tracing::Ask;
use cognate_wire::{ConnectOptions, Publish};

const SETTINGS: Settings = Settings {
    max_control_line: 4096,
    max_payload: 200,
    max_subscriptions: None,
    max_sub_tokens: None,
    headers: true,
    auth_required: false,
    ping_interval: Duration::from_secs(120),
    ping_max: 2,
    trace: false,
};

/// Writes down what the session does about a message.
#[derive(Default)]
struct Scribe {
    lines: Vec<String>,
    context: Option<Context>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace("\r\n", "|")
}

impl Scribe {
    fn note(&mut self, line: String) {
        self.lines.push(line);
    }
}

impl Host for Scribe {
    type Sub = ();

    fn rewrites(&self) -> bool {
        true
    }

    fn rewrite(&mut self, message: &Publish<'_>, out: &mut Vec<u8>) -> Rewritten {
        if message.subject != b"old" {
            return Rewritten::Same;
        }
        out.extend_from_slice(b"new");
        Rewritten::Other
    }

    fn publish(&mut self, message: &Publish<'_>, _: bool) -> bool {
        self.note(format!("publish {}", text(message.payload)));
        true
    }

    fn trace_context(&mut self) -> Context {
        self.context.clone().unwrap_or(Context::Untraced)
    }

    fn begin_trace(&mut self, ask: &Ask<'_>, message: &Publish<'_>, destination: &[u8]) {
        let (subject, destination) = (text(message.subject), text(destination));
        self.note(format!(
            "begin {subject} to {destination} only={}",
            ask.only
        ));
    }

    fn trace_size(&mut self, size: usize) {
        self.note(format!("size {size}"));
    }

    fn trace_mapping(&mut self, subject: &[u8]) {
        self.note(format!("mapped {}", text(subject)));
    }

    fn trace_error(&mut self, why: &str) {
        self.note(format!("error {why}"));
    }

    fn publish_traced(&mut self, message: &Publish<'_>, _: bool) -> bool {
        self.note(format!("traced {}", text(message.subject)));
        true
    }

    fn end_trace(&mut self) {
        self.note("end".to_owned());
    }

    fn no_responders(&mut self, _: &[u8], _: &[u8]) {}

    fn subscribe(&mut self, _: SubscribeRequest<'_>) {}

    fn unsubscribe(&mut self, (): &()) {}

    fn limit(&mut self, (): &(), _: u64) -> bool {
        false
    }

    fn is_spent(&self, (): &()) -> bool {
        false
    }

    fn send(&mut self, said: &[u8]) {
        self.note(text(said));
    }

    fn send_connect_info(&mut self) {}

    fn authenticate(&mut self, _: &ConnectOptions, _: bool) -> Verdict {
        let config = PermissionsConfig {
            publish: SubjectRules {
                allow: ["new", "x", "t"].into(),
                ..SubjectRules::default()
            },
            ..PermissionsConfig::default()
        };
        Verdict::Accepted(Access {
            permissions: Some(Arc::new(Permissions::compile(config).expect("valid"))),
            may_respond: true,
        })
    }

    fn authenticate_silent(&mut self) -> Option<Access> {
        None
    }

    fn may_respond(&mut self, _: &[u8]) -> bool {
        self.note("asked to respond".to_owned());
        false
    }

    fn report(&mut self, _: Report<'_>) {}

    fn trace(&mut self, _: &[u8]) {}
}

/// What the session does with a message of these headers.
#[track_caller]
fn check(context: Option<Context>, subject: &str, headers: &str, expected: &[&str]) {
    let mut host = Scribe {
        context,
        ..Scribe::default()
    };
    let mut session = Session::new(SETTINGS, Duration::ZERO, 1);
    let connect = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true}\r\n";
    session.feed(connect, Duration::ZERO, &mut host);
    let block = format!("NATS/1.0\r\n{headers}\r\n\r\n");
    let len = block.len();
    let frame = format!("HPUB {subject} {len} {}\r\n{block}p\r\n", len + 1);
    session.feed(frame.as_bytes(), Duration::ZERO, &mut host);
    assert_eq!(host.lines, expected, "{subject} {headers}");
}

#[test]
fn what_asks_for_a_trace_is_traced_if_it_may_be() {
    let denied = "-ERR 'Permissions Violation for Publish to \"u\"'|";
    let off = "publish NATS/1.0|traceparent: 00-1-2-01|Nats-Trace-Dest: trace disabled||p";
    check(
        None,
        "x",
        "Nats-Trace-Dest: t",
        &["begin x to t only=false", "traced x", "end"],
    );
    check(
        None,
        "old",
        "Nats-Trace-Dest: t\r\nNats-Trace-Only: 1",
        &[
            "begin old to t only=true",
            "mapped new",
            "traced new",
            "end",
        ],
    );
    // A permission to respond is none for a trace, but it is one for the message.
    check(None, "x", "Nats-Trace-Dest: u", &[denied]);
    check(
        None,
        "u",
        "Nats-Trace-Dest: t",
        &[
            "begin u to t only=false",
            "asked to respond",
            "error Permissions Violation for Publish to \"u\"",
            denied,
            "end",
        ],
    );
    check(
        None,
        "x",
        "traceparent: 00-1-2-01",
        &["publish NATS/1.0|traceparent: 00-1-2-01||p"],
    );
    check(
        Some(Context::Unsampled),
        "x",
        "traceparent: 00-1-2-01",
        &[off],
    );
    check(
        Some(Context::Traced(b"t".to_vec())),
        "x",
        "traceparent: 00-1-2-01",
        &["begin x to t only=false", "traced x", "end"],
    );
}

#[test]
fn what_is_only_to_be_traced_is_never_delivered() {
    for headers in [
        "Nats-Trace-Dest: *\r\nNats-Trace-Only: 1",
        "Nats-Trace-Dest: t\r\nNats-Trace-Origin-Account: A\r\nNats-Trace-Only: 1",
    ] {
        check(None, "x", headers, &[]);
    }
    let same = "publish NATS/1.0|Nats-Trace-Dest: *||p";
    check(None, "x", "Nats-Trace-Dest: *", &[same]);
}

#[test]
fn what_is_too_large_is_told_of() {
    let fill = format!("Nats-Trace-Dest: t\r\nA: {}", "a".repeat(200));
    let expected = [
        "begin x to t only=false",
        "size 238",
        "error maximum payload exceeded",
        "end",
        "-ERR 'Maximum Payload Violation'|",
    ];
    check(None, "x", &fill, &expected);
}
