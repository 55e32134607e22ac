//! Bytes from a client → operations.
//!
//! [`parse_client`] looks at the start of a contiguous buffer and keeps no
//! state, so a frame may arrive split at any byte: the caller appends and asks
//! again. Invariants: the same bytes give the same operations however they are
//! split; a fault is reported as soon as the bytes at hand prove it; the
//! answer for a prefix is never contradicted by more bytes; at most one
//! control line is scanned per call. Called by `session`. Absent: servers'
//! verbs (R*, L*, A*, MSG, HMSG), which a client may not send.
//!
//! The decisions, each compared with nats-server 2.14.5:
//!
//! | input | outcome |
//! |---|---|
//! | verb in any case | accepted |
//! | unknown verb, verbs of servers, empty line, leading blank | [`Fault::UnknownOperation`] at the first impossible byte |
//! | PUB, HPUB, SUB, UNSUB, -ERR without a blank after the verb | [`Fault::UnknownOperation`] |
//! | PUB, HPUB, SUB, UNSUB with no arguments after the blank, or a wrong number | [`Fault::BadArguments`] (closed without -ERR) |
//! | CONNECT and INFO directly followed by their text (`CONNECT{}`) | accepted |
//! | text after PING, PONG, +OK, even without a blank | ignored |
//! | `\n` without `\r` after a control line | accepted |
//! | runs of blanks and tabs between arguments, and at their end | accepted |
//! | text after the verb longer than `max_control_line` (CR LF and the blanks after the verb not counted) | [`Fault::MaxControlLine`], also before the line is complete |
//!
//! A server that awaits CONNECT answers any other first byte than `C` or `c`
//! with an authorization violation, even one that is a fault here: the caller
//! looks at it before asking the parser.
//!
//! Where we differ, on input that no client sends: nats-server takes a line
//! end directly after `VERB ` for part of the arguments and swallows the next
//! line, we see a line without arguments; it accepts HMSG from clients as an
//! empty message to no subject, we call it unknown; it puts no bound on blanks
//! after a verb and on text after PING, PONG and +OK, we apply
//! `max_control_line` to either; a CR inside the arguments of PUB is part of
//! a subject or cuts its end off depending on how it was split, here it is
//! [`Fault::BadArguments`].

use memchr::memchr;

use crate::publish::{self, Kind};
use crate::{ClientOp, Fault, Limits, Step};

/// Reads one operation from the start of `buf`.
///
/// The operation borrows from `buf`; drop [`Step::Op`]'s `len` bytes and call
/// again. After [`Step::Fault`] the connection must be closed: what follows
/// has no meaning.
#[inline]
pub fn parse_client<'a>(buf: &'a [u8], limits: &Limits) -> Step<'a> {
    match publish::parse_publish(buf, limits) {
        Some((message, len)) => Step::Op {
            op: ClientOp::Pub(message),
            len,
        },
        None => parse_any(buf, limits),
    }
}

/// The client's verbs; none is the beginning of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Pub,
    Hpub,
    Sub,
    Unsub,
    Ping,
    Pong,
    Connect,
    Info,
    Ok,
    Err,
}

const VERBS: [(&[u8], Verb); 10] = [
    (b"PUB", Verb::Pub),
    (b"HPUB", Verb::Hpub),
    (b"SUB", Verb::Sub),
    (b"UNSUB", Verb::Unsub),
    (b"PING", Verb::Ping),
    (b"PONG", Verb::Pong),
    (b"CONNECT", Verb::Connect),
    (b"INFO", Verb::Info),
    (b"+OK", Verb::Ok),
    (b"-ERR", Verb::Err),
];

/// The text after a verb up to its line end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Without leading blanks and line end.
    pub(crate) args: &'a [u8],
    /// Where `args` starts in the buffer.
    pub(crate) start: usize,
    /// Where the next line (or the payload) starts in the buffer.
    pub(crate) next: usize,
}

/// Every operation in every spelling.
#[cold]
#[inline(never)]
fn parse_any<'a>(buf: &'a [u8], limits: &Limits) -> Step<'a> {
    match parse_line(buf, limits) {
        Ok((verb, line)) => parse_operation(buf, verb, line, limits),
        Err(step) => step,
    }
}

fn parse_operation<'a>(buf: &'a [u8], verb: Verb, line: Line<'a>, limits: &Limits) -> Step<'a> {
    let op = match verb {
        Verb::Pub => return publish::parse_any(buf, line, Kind::Pub, limits),
        Verb::Hpub => return publish::parse_any(buf, line, Kind::Hpub, limits),
        Verb::Sub => parse_sub(line.args),
        Verb::Unsub => parse_unsub(line.args),
        Verb::Ping => Ok(ClientOp::Ping),
        Verb::Pong => Ok(ClientOp::Pong),
        Verb::Connect => Ok(ClientOp::Connect(line.args)),
        Verb::Info => Ok(ClientOp::Info(line.args)),
        Verb::Ok => Ok(ClientOp::Ok),
        Verb::Err => Ok(ClientOp::Err(line.args)),
    };
    match op {
        Ok(op) => Step::Op { op, len: line.next },
        Err(fault) => Step::Fault(fault),
    }
}

/// Verb and arguments of the first line, or why there is no such line.
fn parse_line<'a>(buf: &'a [u8], limits: &Limits) -> Result<(Verb, Line<'a>), Step<'a>> {
    let (verb, after_verb) = parse_verb(buf)?;
    let rest = &buf[after_verb..];
    let blanks = match verb {
        Verb::Ping | Verb::Pong | Verb::Ok => 0,
        _ => rest.iter().take_while(|b| is_blank(b)).count(),
    };
    let blank_needed = !matches!(
        verb,
        Verb::Ping | Verb::Pong | Verb::Ok | Verb::Connect | Verb::Info
    );
    if blank_needed && blanks == 0 && !rest.is_empty() {
        return Err(Step::Fault(Fault::UnknownOperation));
    }
    if blanks > limits.max_control_line {
        return Err(Step::Fault(Fault::MaxControlLine));
    }
    let line = find_line(buf, after_verb + blanks, limits.max_control_line)?;
    Ok((verb, line))
}

fn parse_verb<'a>(buf: &'a [u8]) -> Result<(Verb, usize), Step<'a>> {
    for (name, verb) in VERBS {
        let known = name.len().min(buf.len());
        if name[..known].eq_ignore_ascii_case(&buf[..known]) {
            return match known == name.len() {
                true => Ok((verb, known)),
                // The buffer ends inside this verb, or another one that
                // starts alike: either way more bytes decide.
                false => Err(Step::Incomplete { total: None }),
            };
        }
    }
    Err(Step::Fault(Fault::UnknownOperation))
}

/// The arguments from `start` to the line end, if they fit in `max` bytes.
///
/// Looks at `max` + 2 bytes at most: one more than `max` can only be a CR, and
/// the next only the LF.
fn find_line<'a>(buf: &'a [u8], start: usize, max: usize) -> Result<Line<'a>, Step<'a>> {
    let rest = &buf[start..];
    let window = &rest[..rest.len().min(max.saturating_add(2))];
    let Some(newline) = memchr(b'\n', window) else {
        // A CR at the very end may belong to the line end.
        let text = window.strip_suffix(b"\r").unwrap_or(window);
        return match text.len() > max {
            true => Err(Step::Fault(Fault::MaxControlLine)),
            false => Err(Step::Incomplete { total: None }),
        };
    };
    let text = &window[..newline];
    let args = text.strip_suffix(b"\r").unwrap_or(text);
    if args.len() > max {
        return Err(Step::Fault(Fault::MaxControlLine));
    }
    Ok(Line {
        args,
        start,
        next: start + newline + 1,
    })
}

pub(crate) fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn parse_sub<'a>(args: &'a [u8]) -> Result<ClientOp<'a>, Fault> {
    let mut tokens = tokens(args);
    match (tokens.next(), tokens.next(), tokens.next(), tokens.next()) {
        (Some(subject), Some(sid), None, None) => Ok(ClientOp::Sub {
            subject,
            queue: None,
            sid,
        }),
        (Some(subject), Some(queue), Some(sid), None) => Ok(ClientOp::Sub {
            subject,
            queue: Some(queue),
            sid,
        }),
        _ => Err(Fault::BadArguments { verb: "SUB" }),
    }
}

fn parse_unsub<'a>(args: &'a [u8]) -> Result<ClientOp<'a>, Fault> {
    let mut tokens = tokens(args);
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(sid), None, None) => Ok(ClientOp::Unsub { sid, max: None }),
        (Some(sid), Some(max), None) => {
            // Text that is no number ends the subscription at once.
            let max = publish::parse_size(max).map_or(-1, |max| max as i64);
            Ok(ClientOp::Unsub {
                sid,
                max: Some(max),
            })
        }
        _ => Err(Fault::BadArguments { verb: "UNSUB" }),
    }
}

/// The arguments of SUB and UNSUB, which a CR separates like a blank.
fn tokens(args: &[u8]) -> impl Iterator<Item = &[u8]> {
    args.split(|b| is_blank(b) || *b == b'\r')
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
