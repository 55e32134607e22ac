//! Tables of inputs and outcomes, each confirmed with nats-server 2.14.5
//! unless `parse`'s documentation names it as a difference.

use super::*;

const LIMITS: Limits = Limits {
    max_control_line: 64,
    max_payload: 1000,
    headers: true,
};

fn text(bytes: &[u8]) -> String {
    bytes
        .escape_ascii()
        .to_string()
        .replace("\\'", "'")
        .replace("\\\"", "\"")
}

fn optional(bytes: Option<&[u8]>) -> String {
    bytes.map_or("-".into(), text)
}

/// Everything a step says, in one line.
fn render(step: Step<'_>) -> String {
    let (op, len) = match step {
        Step::Op { op, len } => (op, len),
        Step::Incomplete { total: None } => return "incomplete".into(),
        Step::Incomplete { total: Some(total) } => return format!("incomplete of {total}"),
        Step::Fault(fault) => {
            let error = fault.error_text().unwrap_or("-");
            return format!("{fault} / {error} / {}", fault.close_reason());
        }
    };
    let op = match op {
        ClientOp::Pub(message) => format!(
            "PUB {} {} hdr={} [{}] tail={}",
            text(message.subject),
            optional(message.reply),
            message.header_len.map_or("-".into(), |len| len.to_string()),
            text(message.payload),
            optional(message.tail),
        ),
        ClientOp::Sub {
            subject,
            queue,
            sid,
        } => {
            format!("SUB {} {} {}", text(subject), optional(queue), text(sid))
        }
        ClientOp::Unsub { sid, max } => format!("UNSUB {} {max:?}", text(sid)),
        ClientOp::Connect(json) => format!("CONNECT {}", text(json)),
        ClientOp::Info(json) => format!("INFO {}", text(json)),
        ClientOp::Err(message) => format!("-ERR {}", text(message)),
        ClientOp::Ping => "PING".into(),
        ClientOp::Pong => "PONG".into(),
        ClientOp::Ok => "+OK".into(),
    };
    format!("{op} @{len}")
}

/// The fast reader must agree with the general one wherever it answers.
#[track_caller]
fn check_with(limits: Limits, input: &[u8], expected: &str) {
    let step = parse_client(input, &limits);
    assert_eq!(render(step), expected, "{}", text(input));
    assert_eq!(
        step,
        parse_any(input, &limits),
        "two readers: {}",
        text(input)
    );
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &str) {
    check_with(LIMITS, input.as_ref(), expected);
}

const UNKNOWN: &str =
    "unknown protocol operation / Unknown Protocol Operation / Protocol Violation";
const LINE: &str =
    "maximum control line exceeded / maximum control line exceeded / Maximum Control Line Exceeded";
const UNTERMINATED: &str =
    "payload is not followed by CR LF / Unknown Protocol Operation / Protocol Violation";
const BAD_SIZE: &str = "payload size is not a number of 1 to 9 digits / - / Protocol Violation";
const BAD_HEADER: &str = "header size is not a number of 1 to 9 digits / - / Protocol Violation";

fn bad_arguments(verb: &str) -> String {
    format!("{verb}: wrong number or form of arguments / - / Protocol Violation")
}

#[test]
fn publishes() {
    check(
        "PUB foo 5\r\nhello\r\n",
        r"PUB foo - hdr=- [hello] tail=5\r\nhello\r\n @18",
    );
    check(
        "pUb foo 0\r\n\r\nPING\r\n",
        r"PUB foo - hdr=- [] tail=0\r\n\r\n @13",
    );
    check(
        "PUB foo bar.baz 2\r\n\r\n\r\n",
        r"PUB foo bar.baz hdr=- [\r\n] tail=bar.baz 2\r\n\r\n\r\n @23",
    );
    check(
        "PUB foo 5 0\r\n\r\n",
        r"PUB foo 5 hdr=- [] tail=5 0\r\n\r\n @15",
    );
    check(
        "PUB foo 5x 0\r\n\r\n",
        r"PUB foo 5x hdr=- [] tail=5x 0\r\n\r\n @16",
    );
    check(
        "PUB a.subject.longer.than.eight 1\r\nx\r\n",
        r"PUB a.subject.longer.than.eight - hdr=- [x] tail=1\r\nx\r\n @38",
    );
    check(
        "PUB gr\u{fc}\u{df}e.\u{4e16} 1\r\nx\r\n",
        r"PUB gr\xc3\xbc\xc3\x9fe.\xe4\xb8\x96 - hdr=- [x] tail=1\r\nx\r\n @22",
    );
    check(
        b"PUB fo\0o 1\r\nx\r\n",
        r"PUB fo\x00o - hdr=- [x] tail=1\r\nx\r\n @15",
    );
}

#[test]
fn publishes_in_unusual_spelling() {
    check(
        "PUB  foo 1\r\nx\r\n",
        r"PUB foo - hdr=- [x] tail=1\r\nx\r\n @15",
    );
    check(
        "PUB\tfoo\t1\r\nx\r\n",
        r"PUB foo - hdr=- [x] tail=1\r\nx\r\n @14",
    );
    check("PUB foo r  1\r\nx\r\n", "PUB foo r hdr=- [x] tail=- @17");
    check("PUB foo r\t1\r\nx\r\n", "PUB foo r hdr=- [x] tail=- @16");
    check("PUB foo 1 \r\nx\r\n", "PUB foo - hdr=- [x] tail=- @15");
    check("PUB foo 1\nx\r\n", "PUB foo - hdr=- [x] tail=- @13");
    check("PUB foo 01\r\nx\r\n", "PUB foo - hdr=- [x] tail=- @15");
    check("PUB foo 00\r\n\r\n", "PUB foo - hdr=- [] tail=- @14");
    check(
        "PUB foo 000000001\r\nx\r\n",
        "PUB foo - hdr=- [x] tail=- @22",
    );
    check(" PUB foo 1\r\nx\r\n", UNKNOWN);
}

#[test]
fn publishes_with_headers() {
    check(
        "HPUB foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        r"PUB foo - hdr=12 [NATS/1.0\r\n\r\nhi] tail=12 14\r\nNATS/1.0\r\n\r\nhi\r\n @32",
    );
    check(
        "hpub foo r 12 12\r\nNATS/1.0\r\n\r\n\r\n",
        r"PUB foo r hdr=12 [NATS/1.0\r\n\r\n] tail=r 12 12\r\nNATS/1.0\r\n\r\n\r\n @32",
    );
    check("HPUB foo 1  2\r\nab\r\n", "PUB foo - hdr=1 [ab] tail=- @19");
    check("HPUB foo 01 2\r\nab\r\n", "PUB foo - hdr=1 [ab] tail=- @19");
    check("HPUB foo 1 2 \r\nab\r\n", "PUB foo - hdr=1 [ab] tail=- @19");
    // Without a header block it is the message that PUB would make.
    check(
        "HPUB foo 0 2\r\nab\r\n",
        r"PUB foo - hdr=- [ab] tail=2\r\nab\r\n @18",
    );
    check(
        "HPUB foo r 0 2\r\nab\r\n",
        "PUB foo r hdr=- [ab] tail=- @20",
    );
    check(
        "HPUB foo 13 12\r\n",
        "header size exceeds the total size / - / Protocol Violation",
    );
    check("HPUB foo x 12\r\n", BAD_HEADER);
    check("HPUB foo -1 12\r\n", BAD_HEADER);
    check("HPUB foo 12 x\r\n", BAD_SIZE);
    check("HPUB foo x x\r\n", BAD_HEADER);
    check("HPUB foo 12\r\n", &bad_arguments("HPUB"));
    check("HPUB a b c 1 2\r\n", &bad_arguments("HPUB"));
}

#[test]
fn headers_must_be_negotiated() {
    let limits = Limits {
        headers: false,
        ..LIMITS
    };
    let refused = "message headers not supported / - / Protocol Violation";
    check_with(limits, b"HPUB", "incomplete");
    check_with(limits, b"HPUB foo 1 2", "incomplete");
    check_with(limits, b"HPUB foo 1 2\r\n", refused);
    check_with(limits, b"HPUB foo 1 2\r\nab\r\n", refused);
    check_with(limits, b"HPUB x\r\n", refused);
    check_with(limits, b"HPUB foo 1 2000\r\n", refused);
}

#[test]
fn sizes() {
    let too_large = |size: usize| {
        format!(
            "maximum payload exceeded: {size} bytes / Maximum Payload Violation / Maximum Message Payload Exceeded"
        )
    };
    check("PUB foo 1000\r\n", "incomplete of 1016");
    check("PUB foo 1001\r\n", &too_large(1001));
    check("PUB foo 999999999\r\n", &too_large(999_999_999));
    check("HPUB foo 5 1001\r\n", &too_large(1001));
    check(
        "HPUB foo 1002 1001\r\n",
        "header size exceeds the total size / - / Protocol Violation",
    );
    for size in [
        "x",
        "-1",
        "+5",
        "1.0",
        "0x1",
        "5a",
        "1000000000",
        "0000000005",
        "18446744073709551617",
    ] {
        check(format!("PUB foo {size}\r\nhello\r\n"), BAD_SIZE);
        check(format!("PUB foo reply {size}\r\nhello\r\n"), BAD_SIZE);
    }
    let unlimited = Limits {
        max_payload: usize::MAX,
        ..LIMITS
    };
    check_with(
        unlimited,
        b"PUB foo 999999999\r\n",
        "incomplete of 1000000020",
    );
}

#[test]
fn payloads_are_awaited_and_checked() {
    check("PUB foo 5\r\n", "incomplete of 18");
    check("PUB foo 5\r\nhell", "incomplete of 18");
    check("PUB foo 5\r\nhello", "incomplete of 18");
    check("PUB foo 5\r\nhello\r", "incomplete of 18");
    check("PUB foo 5\r\nhello\n", UNTERMINATED);
    check("PUB foo 5\r\nhelloX", UNTERMINATED);
    check("PUB foo 5\r\nhello\rX", UNTERMINATED);
    check("PUB foo 4\r\nhello\r\n", UNTERMINATED);
    check("PUB foo 0\r\nPING\r\n", UNTERMINATED);
    check("PUB foo 6\r\nhello\r\n", UNTERMINATED);
}

#[test]
fn argument_counts() {
    check("PUB \r\n", &bad_arguments("PUB"));
    check("PUB foo\r\n", &bad_arguments("PUB"));
    check("PUB a b c 5\r\n", &bad_arguments("PUB"));
    check("PUB a b c d e 5\r\n", &bad_arguments("PUB"));
    check("PUB foo\r 5\r\nhello\r\n", &bad_arguments("PUB"));
    check("PUB foo 5\r\r\nhello\r\n", BAD_SIZE);
    check("SUB \r\n", &bad_arguments("SUB"));
    check("SUB a\r\n", &bad_arguments("SUB"));
    check("SUB a b c d\r\n", &bad_arguments("SUB"));
    check("UNSUB \r\n", &bad_arguments("UNSUB"));
    check("UNSUB \t\n", &bad_arguments("UNSUB"));
    check("UNSUB 1 2 3\r\n", &bad_arguments("UNSUB"));
}

#[test]
fn subscriptions() {
    check("SUB foo 1\r\n", "SUB foo - 1 @11");
    check("sub foo.* 90\r\n", "SUB foo.* - 90 @14");
    check("Sub > q sid-x\r\nPING\r\n", "SUB > q sid-x @15");
    check("SUB \t foo\t q  1 \t\n", "SUB foo q 1 @18");
    check("SUB foo\r1\r\r\n", "SUB foo - 1 @12");
    check("UNSUB 1\r\n", "UNSUB 1 None @9");
    check("unsub abc 5\n", "UNSUB abc Some(5) @12");
    check("UNSUB 1 0\r\n", "UNSUB 1 Some(0) @11");
    check("UNSUB 1 x\r\n", "UNSUB 1 Some(-1) @11");
    check("UNSUB 1 -5\r\n", "UNSUB 1 Some(-1) @12");
    check("UNSUB 1 0000000005\r\n", "UNSUB 1 Some(-1) @20");
}

#[test]
fn simple_operations() {
    check("PING\r\nPONG\r\n", "PING @6");
    check("ping\n", "PING @5");
    check("PING extra\r\n", "PING @12");
    check("PINGextra\r\n", "PING @11");
    check("PoNg\r\n", "PONG @6");
    check("PONG \t\n", "PONG @7");
    check("+OK\r\n", "+OK @5");
    check("+okfoo\n", "+OK @7");
    check("-ERR 'x y'\r\n", "-ERR 'x y' @12");
    check("-err \r\n", "-ERR  @7");
    check("CONNECT {\"a\": 1}\r\n", r#"CONNECT {"a": 1} @18"#);
    check("connect \t {} \n", "CONNECT {}  @14");
    check("CONNECT{}\r\n", "CONNECT {} @11");
    check("CONNECT\r\n", "CONNECT  @9");
    check("INFO {}\r\n", "INFO {} @9");
    check("info{}\r\n", "INFO {} @8");
}

#[test]
fn impossible_bytes_are_found_at_once() {
    for input in [
        "X",
        "R",
        "RS+",
        "L",
        "A",
        "M",
        "MSG",
        "HMSG",
        "\r",
        "\n",
        "\r\n",
        " ",
        "\t",
        "\0",
        "PX",
        "PUBX",
        "PUB\r\n",
        "PUB\n",
        "HX",
        "SX",
        "SUBX",
        "SUB\r\n",
        "UNSUB\r\n",
        "UNSUBX",
        "CX",
        "CONNEX",
        "IX",
        "+X",
        "-X",
        "-ERRX",
        "-ERR\r\n",
        "HPUBX",
        "HPUB\r\n",
        "UX",
        "PIX",
        "POX",
        "\u{fc}",
    ] {
        check(input, UNKNOWN);
    }
}

#[test]
fn beginnings_are_incomplete() {
    let inputs = [
        "PUB foo r",
        "HPUB a 1 2\r",
        "SUB foo 1\r",
        "UNSUB 1 5",
        "PING\r",
        "PONG",
        "CONNECT {}\r",
        "INFO {}",
        "+OK\r",
        "-ERR 'x'\r",
    ];
    for input in inputs {
        for end in 0..=input.len() {
            check(&input[..end], "incomplete");
        }
    }
}

#[test]
fn control_lines_are_bounded() {
    // The text after the verb counts, without the blanks before it and CR LF.
    for verb in ["PUB", "HPUB", "SUB", "UNSUB", "CONNECT", "INFO", "-ERR"] {
        let line = |len: usize| format!("{verb}   {}", "a".repeat(len));
        check(line(64), "incomplete");
        check(line(64) + "\r", "incomplete");
        check(line(65), LINE);
        check(line(64) + "\ra", LINE);
        check(line(65) + "\r\n", LINE);
        check(line(65) + "\n", LINE);
        check(line(5000), LINE);
    }
    for verb in ["PING", "PONG", "+OK"] {
        check(format!("{verb}{}", "a".repeat(65)), LINE);
        check(
            format!("{verb}{}\r\n", "a".repeat(64)),
            &format!("{verb} @{}", verb.len() + 66),
        );
    }
    let subject = "a".repeat(62);
    check(
        format!("PUB {subject} 0\r\n\r\n"),
        &format!("PUB {subject} - hdr=- [] tail=0\\r\\n\\r\\n @72"),
    );
    check(format!("PUB a{subject} 0\r\n\r\n"), LINE);
    check(format!("HPUB {subject} 1 1\r\na\r\n"), LINE);
    check(
        format!("UNSUB {}\r\n", "a".repeat(64)),
        &format!("UNSUB {} None @72", "a".repeat(64)),
    );
    check(format!("PUB{}", " ".repeat(64)), "incomplete");
    check(format!("PUB{}", " ".repeat(65)), LINE);
    check(
        format!("PUB{}foo 0\r\n\r\n", " ".repeat(64)),
        r"PUB foo - hdr=- [] tail=0\r\n\r\n @76",
    );
}
