//! Cuts what a server sends into frames.
//!
//! Pure: bytes in, at most one frame out. The server at the other end is our own, but nothing
//! here panics or grows on any input. Called by [`super::link`].

use super::LocalMessage;

/// One frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// `MSG` or `HMSG` for the subscription `sid`.
    Message {
        /// The subscription's id.
        sid: u64,
        /// The message.
        message: LocalMessage,
    },
    /// `PING`.
    Ping,
    /// `PONG`.
    Pong,
    /// `-ERR`, without its quotes.
    Error(String),
    /// `INFO`, `+OK`: nothing to act on.
    Other,
}

/// Bytes that are no frame of a server.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The frame at the start of `bytes` and its length; `None` if it has not arrived in full.
pub(super) fn decode(bytes: &[u8]) -> Result<Option<(Frame, usize)>, Malformed> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let line = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed)?;
    let start = end + 2;
    let (verb, arguments) = line.split_once(' ').unwrap_or((line, ""));
    let frame = match verb {
        "MSG" | "HMSG" => return message(verb == "HMSG", arguments, bytes, start),
        "PING" => Frame::Ping,
        "PONG" => Frame::Pong,
        "-ERR" => Frame::Error(arguments.trim_matches('\'').to_owned()),
        "INFO" | "+OK" => Frame::Other,
        _ => return Err(Malformed),
    };
    Ok(Some((frame, start)))
}

fn message(
    has_headers: bool,
    arguments: &str,
    bytes: &[u8],
    start: usize,
) -> Result<Option<(Frame, usize)>, Malformed> {
    let number = |word: &str| word.parse::<usize>().map_err(|_| Malformed);
    let mut words: Vec<&str> = arguments.split(' ').collect();
    let size = number(words.pop().ok_or(Malformed)?)?;
    let header_len = match has_headers {
        true => number(words.pop().ok_or(Malformed)?)?,
        false => 0,
    };
    let (subject, sid, reply) = match words[..] {
        [subject, sid] => (subject, sid, None),
        [subject, sid, reply] => (subject, sid, Some(reply.to_owned())),
        _ => return Err(Malformed),
    };
    let end = start
        .checked_add(size)
        .and_then(|end| end.checked_add(2))
        .ok_or(Malformed)?;
    let Some(body) = bytes.get(start..end) else {
        return Ok(None);
    };
    let body = body.strip_suffix(b"\r\n").ok_or(Malformed)?;
    let (headers, payload) = body.split_at_checked(header_len).ok_or(Malformed)?;
    let message = LocalMessage {
        subject: subject.to_owned(),
        reply,
        headers: has_headers.then(|| headers.to_vec()),
        payload: payload.to_vec(),
    };
    let sid = sid.parse().map_err(|_| Malformed)?;
    Ok(Some((Frame::Message { sid, message }, end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(reply: Option<&str>, headers: Option<&[u8]>) -> Frame {
        let message = LocalMessage {
            subject: "a.b".to_owned(),
            reply: reply.map(str::to_owned),
            headers: headers.map(<[u8]>::to_vec),
            payload: b"hi".to_vec(),
        };
        Frame::Message { sid: 7, message }
    }

    #[test]
    fn frames_are_cut_whole_wherever_they_are_split() {
        let head = b"NATS/1.0\r\n\r\n";
        let cases: [(&str, Frame); 7] = [
            ("PING\r\n", Frame::Ping),
            ("PONG\r\n", Frame::Pong),
            ("INFO {}\r\n", Frame::Other),
            ("-ERR 'Some Text'\r\n", Frame::Error("Some Text".to_owned())),
            ("MSG a.b 7 2\r\nhi\r\n", message(None, None)),
            ("MSG a.b 7 r 2\r\nhi\r\n", message(Some("r"), None)),
            (
                "HMSG a.b 7 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
                message(Some("r"), Some(head)),
            ),
        ];
        for (text, frame) in cases {
            for cut in 0..text.len() {
                assert_eq!(
                    decode(&text.as_bytes()[..cut]),
                    Ok(None),
                    "{text} cut at {cut}"
                );
            }
            let followed = format!("{text}PING\r\n");
            assert_eq!(decode(followed.as_bytes()), Ok(Some((frame, text.len()))));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let cases = [
            "NONSENSE\r\n",
            "MSG a 7\r\n",
            "MSG a 7 x\r\n",
            "MSG a b c d 1\r\n",
            "MSG a seven 2\r\nhi\r\n",
            "MSG a 7 2\r\nhi!!",
            "MSG a 7 18446744073709551615\r\n",
            "HMSG a 7 5 2\r\nhi\r\n",
            "\r\n",
        ];
        for text in cases {
            assert_eq!(decode(text.as_bytes()), Err(Malformed), "{text}");
        }
    }
}
