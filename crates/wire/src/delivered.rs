//! MSG and HMSG as this server writes them, read back.
//!
//! Parts of the server that subscribe (streams, the JetStream API) get the frames that a client
//! would get. They are always whole and canonical; whatever is not is declined, and nothing here
//! panics. Callers: the server's inboxes.

use crate::publish::{canonical_number, find_control};

/// A message as it was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered<'a> {
    /// The subject it was published on.
    pub subject: &'a [u8],
    /// The subscription it came by.
    pub sid: &'a [u8],
    /// Where answers go.
    pub reply: Option<&'a [u8]>,
    /// The header block; empty if there is none.
    pub headers: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
}

/// The frame at the start of `buf` and its length; `None` if there is no whole, canonical one.
#[inline]
pub fn parse_delivered(buf: &[u8]) -> Option<(Delivered<'_>, usize)> {
    let (start, has_headers) = match buf.first()? {
        b'M' => (4, false),
        b'H' => (5, true),
        _ => return None,
    };
    let subject_end = blank_after(buf, start)?;
    let sid_end = blank_after(buf, subject_end + 1)?;
    let third = sid_end + 1;
    let (reply, header_len, size, line_end) = match sizes(buf, third, has_headers) {
        Some((header_len, size, end)) => (None, header_len, size, end),
        None => {
            let reply_end = blank_after(buf, third)?;
            let (header_len, size, end) = sizes(buf, reply_end + 1, has_headers)?;
            (Some(&buf[third..reply_end]), header_len, size, end)
        }
    };
    let body = line_end + 2;
    let len = body.checked_add(size)?.checked_add(2)?;
    let (headers, payload) = buf.get(body..len - 2)?.split_at_checked(header_len)?;
    if buf.get(len - 2..len)? != b"\r\n" {
        return None;
    }
    let delivered = Delivered {
        subject: &buf[start..subject_end],
        sid: &buf[subject_end + 1..sid_end],
        reply,
        headers,
        payload,
    };
    Some((delivered, len))
}

/// Where the token that starts at `from` ends in a blank.
#[inline]
fn blank_after(buf: &[u8], from: usize) -> Option<usize> {
    let end = find_control(buf, from)?;
    (end > from && buf[end] == b' ').then_some(end)
}

/// Header size (0 without headers), total size, and where the line end after them is.
#[inline]
fn sizes(buf: &[u8], at: usize, has_headers: bool) -> Option<(usize, usize, usize)> {
    let (first, end) = canonical_number(buf, at)?;
    let (header_len, size, end) = if has_headers {
        if buf.get(end) != Some(&b' ') {
            return None;
        }
        let (total, end) = canonical_number(buf, end + 1)?;
        (first, total, end)
    } else {
        (0, first, end)
    };
    (buf.get(end..end + 2)? == b"\r\n").then_some((header_len, size, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::write_msg;

    #[test]
    fn what_is_written_is_read_back_and_no_prefix_is() {
        type Case = (Option<&'static [u8]>, Option<usize>, &'static [u8]);
        let cases: [Case; 6] = [
            (None, None, b"hello"),
            (None, None, b""),
            (Some(b"_INBOX.x.1"), None, b"hello"),
            (None, Some(12), b"NATS/1.0\r\n\r\nhi"),
            (Some(b"r"), Some(12), b"NATS/1.0\r\n\r\nhi"),
            (Some(b"17"), None, b"a reply that looks like a size"),
        ];
        for (reply, header_len, body) in cases {
            let mut frame = Vec::new();
            write_msg(&mut frame, b"a.b", b"7", reply, header_len, body);
            for cut in 0..frame.len() {
                assert_eq!(parse_delivered(&frame[..cut]), None);
            }
            let len = frame.len();
            frame.extend_from_slice(b"MSG next");
            let (headers, payload) = body.split_at(header_len.unwrap_or(0));
            let expected = Delivered {
                subject: b"a.b",
                sid: b"7",
                reply,
                headers,
                payload,
            };
            assert_eq!(parse_delivered(&frame), Some((expected, len)));
        }
    }

    #[test]
    fn what_is_no_delivery_is_declined() {
        for text in [
            "",
            "PING\r\n",
            "MSG a 1 2\r\nabc\r\n",
            "HMSG a 1 5 2\r\nhi\r\n",
            "MSG  1 2\r\nhi\r\n",
            "MSG a 1 r 2 3\r\nhi\r\n",
        ] {
            assert_eq!(parse_delivered(text.as_bytes()), None, "{text:?}");
        }
    }
}
