//! Appenders for the frames of the data path.
//!
//! Each appends one whole frame to a byte buffer and allocates nothing beyond
//! that buffer's growth. Called by `router` for deliveries and `session` for
//! answers. Invariant: sizes written are the lengths of what is appended, so a
//! frame is always consistent. Absent: checks of subjects and sids (they come
//! from the parser, which leaves no blank or line end inside a token).

/// The answer to PING.
pub const PONG: &[u8] = b"PONG\r\n";
/// The server's own PING.
pub const PING: &[u8] = b"PING\r\n";
/// The acknowledgement of verbose mode.
pub const OK: &[u8] = b"+OK\r\n";

/// Longest decimal form of a `u64`.
const MAX_DECIMAL: usize = 20;

/// Appends `value` in decimal digits.
#[inline]
pub fn write_decimal(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; MAX_DECIMAL];
    let mut rest = value;
    let mut start = MAX_DECIMAL;
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        // Truncation is exact: a remainder of ten fits any integer.
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        start = index;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a delivery: `MSG`, or `HMSG` when `header_len` is given and not 0.
///
/// `payload` is the header block, if any, followed by the body; `header_len`
/// is at most its length (a larger one is taken as the whole).
pub fn write_msg(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header_len: Option<usize>,
    payload: &[u8],
) {
    let header_len = header_len.filter(|&len| len > 0);
    let reply_len = reply.map_or(0, |reply| reply.len() + 1);
    let sizes_and_marks = 2 * (MAX_DECIMAL + 1) + 12;
    out.reserve(subject.len() + sid.len() + reply_len + payload.len() + sizes_and_marks);
    out.extend_from_slice(if header_len.is_some() {
        b"HMSG "
    } else {
        b"MSG "
    });
    out.extend_from_slice(subject);
    out.push(b' ');
    out.extend_from_slice(sid);
    out.push(b' ');
    if let Some(reply) = reply {
        out.extend_from_slice(reply);
        out.push(b' ');
    }
    if let Some(header_len) = header_len {
        write_decimal(out, header_len.min(payload.len()) as u64);
        out.push(b' ');
    }
    write_decimal(out, payload.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends a delivery for a receiver without headers: `MSG` with the body
/// alone, the first `header_len` bytes of `payload` left out.
pub fn write_msg_stripped(
    out: &mut Vec<u8>,
    subject: &[u8],
    sid: &[u8],
    reply: Option<&[u8]>,
    header_len: usize,
    payload: &[u8],
) {
    let body = payload.get(header_len..).unwrap_or_default();
    write_msg(out, subject, sid, reply, None, body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals() {
        let mut values: Vec<u64> = (0..1200).chain([u64::MAX, u64::MAX - 1]).collect();
        for power in 0..20 {
            let value = 10u64.pow(power);
            values.extend([value - 1, value, value + 1]);
        }
        for value in values {
            let mut out = b"x".to_vec();
            write_decimal(&mut out, value);
            assert_eq!(String::from_utf8_lossy(&out), format!("x{value}"));
        }
    }

    #[test]
    fn deliveries() {
        let check = |reply: Option<&[u8]>, header_len, payload: &[u8], expected: &str| {
            let mut out = Vec::new();
            write_msg(&mut out, b"foo", b"9", reply, header_len, payload);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(None, None, b"hello", "MSG foo 9 5\r\nhello\r\n");
        check(None, None, b"", "MSG foo 9 0\r\n\r\n");
        check(Some(b"r"), None, b"hello", "MSG foo 9 r 5\r\nhello\r\n");
        check(
            None,
            Some(12),
            b"NATS/1.0\r\n\r\nhi",
            "HMSG foo 9 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        );
        check(Some(b"r"), Some(0), b"hi", "MSG foo 9 r 2\r\nhi\r\n");
        check(None, Some(99), b"hi", "HMSG foo 9 2 2\r\nhi\r\n");
    }

    #[test]
    fn stripped_deliveries() {
        let check = |reply: Option<&[u8]>, header_len, payload: &[u8], expected: &str| {
            let mut out = Vec::new();
            write_msg_stripped(&mut out, b"foo", b"9", reply, header_len, payload);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check(None, 12, b"NATS/1.0\r\n\r\nhi", "MSG foo 9 2\r\nhi\r\n");
        check(Some(b"r"), 0, b"hi", "MSG foo 9 r 2\r\nhi\r\n");
        check(None, 3, b"hi", "MSG foo 9 0\r\n\r\n");
    }
}
