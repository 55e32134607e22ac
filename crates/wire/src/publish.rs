//! PUB and HPUB: the operations that carry a payload.
//!
//! Two readers give the same answers: [`parse_publish`] takes the spelling
//! that every client library writes (single blanks, CR LF, no leading zeros,
//! whole frame at hand) and declines everything else; [`parse_any`] takes the
//! rest and finds the faults. Invariants: neither allocates; a size is at most
//! nine digits, so no sum of offsets overflows. Called by `parse`.
//!
//! Decisions, as in nats-server 2.14.5: the order of checks is control line,
//! headers negotiated, number of arguments, header size, total size, header
//! size over total, `max_payload`; all of them before the payload arrives. A
//! size of ten digits or more is malformed even if it is small ("0000000005"),
//! nine digits with leading zeros are fine. A header
//! size of 0 makes HPUB the same message as PUB: it is delivered as MSG.

use crate::parse::{Line, is_blank};
use crate::{ClientOp, Fault, Limits, Publish, Step};

/// Longest size in digits.
const MAX_SIZE_DIGITS: usize = 9;

/// Which of the two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Pub,
    Hpub,
}

/// A whole, faultless PUB or HPUB in canonical spelling and its length; `None` for all else.
///
/// The usual case apart, so that a message is handed on where it was made: copying it through the
/// larger [`crate::Step`] costs more than reading it.
#[inline(always)]
pub fn parse_publish<'a>(buf: &'a [u8], limits: &Limits) -> Option<(Publish<'a>, usize)> {
    // Setting bit 5 makes letters lower case, and maps nothing else on a
    // letter but its upper case; the blank is compared as it is.
    let word = u32::from_le_bytes(*buf.first_chunk()?);
    if word | 0x0020_2020 == u32::from_le_bytes(*b"pub ") {
        canonical::<4, false>(buf, limits)
    } else if word | 0x2020_2020 == u32::from_le_bytes(*b"hpub") && buf.get(4) == Some(&b' ') {
        canonical::<5, true>(buf, limits)
    } else {
        None
    }
}

/// The arguments start at `START`, after verb and blank.
#[inline(always)]
fn canonical<'a, const START: usize, const HEADERS: bool>(
    buf: &'a [u8],
    limits: &Limits,
) -> Option<(Publish<'a>, usize)> {
    if HEADERS && !limits.headers {
        return None;
    }
    let subject_end = find_control(buf, START)?;
    if subject_end == START || buf[subject_end] != b' ' {
        return None;
    }
    let second = subject_end + 1;
    let (reply, header_len, size, line_end) = match canonical_sizes::<HEADERS>(buf, second) {
        Some((header_len, size, end)) => (None, header_len, size, end),
        None => {
            let reply_end = find_control(buf, second)?;
            if reply_end == second || buf[reply_end] != b' ' {
                return None;
            }
            let (header_len, size, end) = canonical_sizes::<HEADERS>(buf, reply_end + 1)?;
            (Some(&buf[second..reply_end]), header_len, size, end)
        }
    };
    let body = line_end + 2;
    let end = body + size;
    let len = end + 2;
    if line_end - START > limits.max_control_line
        || size > limits.max_payload
        || header_len > size
        || (HEADERS && header_len == 0)
        || buf.get(end..len)? != b"\r\n"
    {
        return None;
    }
    let message = Publish {
        subject: &buf[START..subject_end],
        reply,
        header_len: HEADERS.then_some(header_len),
        payload: &buf[body..end],
        tail: Some(&buf[second..len]),
    };
    Some((message, len))
}

/// Header size (0 without headers), total size, and where the CR LF after
/// them is.
#[inline]
fn canonical_sizes<const HEADERS: bool>(buf: &[u8], at: usize) -> Option<(usize, usize, usize)> {
    let (first, end) = canonical_number(buf, at)?;
    let (header_len, size, end) = match HEADERS {
        false => (0, first, end),
        true => {
            if buf.get(end) != Some(&b' ') {
                return None;
            }
            let (total, end) = canonical_number(buf, end + 1)?;
            (first, total, end)
        }
    };
    (buf.get(end..end + 2)? == b"\r\n").then_some((header_len, size, end))
}

/// A number of one to nine digits without leading zeros, and its end.
#[inline(always)]
pub(crate) fn canonical_number(buf: &[u8], at: usize) -> Option<(usize, usize)> {
    let digits = buf.get(at..)?;
    let mut value = 0usize;
    let mut count = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        count += 1;
        if count > MAX_SIZE_DIGITS {
            return None;
        }
        value = value * 10 + usize::from(digit);
    }
    let leading_zero = count > 1 && digits.first() == Some(&b'0');
    (count > 0 && !leading_zero).then_some((value, at + count))
}

/// The first byte from `from` on that is a blank or a control character.
///
/// Eight bytes at a time: a byte below 0x21 borrows when 0x21 is subtracted,
/// which sets its top bit; bytes that had it set already (UTF-8) are masked
/// out. A borrow can spill into higher bytes only, so the lowest hit is exact.
#[inline]
pub(crate) fn find_control(buf: &[u8], from: usize) -> Option<usize> {
    const LOW: u64 = 0x2121_2121_2121_2121;
    const TOP: u64 = 0x8080_8080_8080_8080;
    let mut at = from;
    while let Some(chunk) = buf.get(at..).and_then(|rest| rest.first_chunk()) {
        let word = u64::from_le_bytes(*chunk);
        let hits = word.wrapping_sub(LOW) & !word & TOP;
        if hits != 0 {
            return Some(at + (hits.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = buf.get(at..)?;
    rest.iter().position(|&b| b <= b' ').map(|index| at + index)
}

/// Any spelling, and every fault.
pub(crate) fn parse_any<'a>(
    buf: &'a [u8],
    line: Line<'a>,
    kind: Kind,
    limits: &Limits,
) -> Step<'a> {
    let checked = match kind {
        Kind::Hpub if !limits.headers => Err(Fault::HeadersNotSupported),
        _ => Arguments::parse(line.args, kind),
    };
    match checked {
        Err(fault) => Step::Fault(fault),
        Ok(args) if args.size > limits.max_payload => {
            Step::Fault(Fault::MaxPayload { size: args.size })
        }
        Ok(args) => with_payload(buf, line, args),
    }
}

/// Arguments of PUB or HPUB; `tail_start` is where the ones that a delivery
/// repeats start within them, if those are written canonically.
struct Arguments<'a> {
    subject: &'a [u8],
    reply: Option<&'a [u8]>,
    header_len: Option<usize>,
    size: usize,
    tail_start: Option<usize>,
}

impl<'a> Arguments<'a> {
    fn parse(args: &'a [u8], kind: Kind) -> Result<Arguments<'a>, Fault> {
        let (verb, sizes) = match kind {
            Kind::Pub => ("PUB", 1),
            Kind::Hpub => ("HPUB", 2),
        };
        let bad = Fault::BadArguments { verb };
        let mut starts = [0usize; 4];
        let mut tokens: [&[u8]; 4] = [&[]; 4];
        let mut count = 0;
        let mut rest = args;
        loop {
            let blanks = rest.iter().take_while(|b| is_blank(b)).count();
            rest = &rest[blanks..];
            if rest.is_empty() {
                break;
            }
            let len = rest.iter().position(is_blank).unwrap_or(rest.len());
            // More tokens than the longest form has are a fault.
            let slot = tokens.get_mut(count).ok_or(bad)?;
            starts[count] = args.len() - rest.len();
            *slot = &rest[..len];
            rest = &rest[len..];
            count += 1;
        }
        let reply = match count.checked_sub(sizes) {
            Some(1) => None,
            Some(2) => Some(tokens[1]),
            _ => return Err(bad),
        };
        let header_len = match kind {
            Kind::Pub => None,
            Kind::Hpub => Some(parse_size(tokens[count - 2]).ok_or(Fault::BadHeaderSize)?),
        };
        let size = parse_size(tokens[count - 1]).ok_or(Fault::BadSize)?;
        if header_len.is_some_and(|header_len| header_len > size) {
            return Err(Fault::HeaderLargerThanTotal);
        }
        if args.contains(&b'\r') {
            return Err(bad);
        }
        let header_len = header_len.filter(|&len| len > 0);
        // The delivery frame's arguments after the sid: without a header
        // block the header size is left out, which a reply before it (then
        // not adjacent to the size) makes impossible to do by slicing.
        let dropped = usize::from(kind == Kind::Hpub && header_len.is_none());
        let first = 1 + dropped;
        let canonical = (dropped == 0 || reply.is_none())
            && is_canonical(&args[starts[first]..], &tokens[first..count])
            && tokens[count - sizes..count]
                .iter()
                .all(|size| is_minimal(size));
        let tail_start = canonical.then_some(starts[first]);
        Ok(Arguments {
            subject: tokens[0],
            reply,
            header_len,
            size,
            tail_start,
        })
    }
}

/// Whether `text` is exactly these tokens joined by single blanks.
fn is_canonical(text: &[u8], tokens: &[&[u8]]) -> bool {
    text.split(|&b| b == b' ').eq(tokens.iter().copied())
}

/// Whether a size has no leading zero.
fn is_minimal(size: &[u8]) -> bool {
    size.len() == 1 || size.first() != Some(&b'0')
}

/// One to nine digits, leading zeros allowed.
pub(crate) fn parse_size(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > MAX_SIZE_DIGITS {
        return None;
    }
    text.iter().try_fold(0usize, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + usize::from(byte - b'0'))
    })
}

fn with_payload<'a>(buf: &'a [u8], line: Line<'a>, args: Arguments<'a>) -> Step<'a> {
    let body = line.next;
    let end = body + args.size;
    let len = end + 2;
    let Some(payload) = buf.get(body..end) else {
        return Step::Incomplete { total: Some(len) };
    };
    let terminator = &buf[end..buf.len().min(len)];
    if !b"\r\n".starts_with(terminator) {
        return Step::Fault(Fault::PayloadNotTerminated);
    }
    if terminator.len() < 2 {
        return Step::Incomplete { total: Some(len) };
    }
    let line_end = line.start + line.args.len();
    let tail_start = args.tail_start.filter(|_| body == line_end + 2);
    let op = ClientOp::Pub(Publish {
        subject: args.subject,
        reply: args.reply,
        header_len: args.header_len,
        payload,
        tail: tail_start.map(|start| &buf[line.start + start..len]),
    });
    Step::Op { op, len }
}
