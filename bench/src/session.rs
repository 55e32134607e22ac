//! A raw client session for the JetStream rows: messages of any length, and API requests.
//!
//! [`Frames`] cuts what was read into messages without copying them; [`Session`] adds the
//! connection, one inbox subscription (id 1) and requests with JSON answers. Nothing here waits
//! for more than a read. Absent: knowledge of streams and consumers (see `scenario::js`), JSON
//! beyond finding one number.

use crate::conn::{Conn, Target, not_now};
use crate::failure::{Context, Failure, Result};

/// How much one read may bring.
const READ_BYTES: usize = 256 * 1024;
/// Longest message accepted.
const MAX_MESSAGE: usize = 4 << 20;

/// One delivered message, borrowed from the read buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Its subject.
    pub(crate) subject: &'a [u8],
    /// The subscription it came for.
    pub(crate) sid: u32,
    /// Where to answer; empty if nowhere.
    pub(crate) reply: &'a [u8],
    /// The header block, empty if there is none.
    pub(crate) header: &'a [u8],
    /// What follows the header.
    pub(crate) payload: &'a [u8],
}

/// Read buffer that is cut into messages.
pub(crate) struct Frames {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    pings: usize,
    pongs: usize,
}

impl Frames {
    fn new() -> Self {
        Self {
            buffer: vec![0; READ_BYTES],
            start: 0,
            end: 0,
            pings: 0,
            pongs: 0,
        }
    }

    /// The next whole message, if it has been read.
    pub(crate) fn next(&mut self) -> Result<Option<Message<'_>>> {
        loop {
            let bytes = &self.buffer[self.start..self.end];
            let Some(line_end) = bytes.iter().position(|byte| *byte == b'\n') else {
                return Ok(None);
            };
            let line = bytes[..line_end].trim_ascii_end();
            if let Some(head) = Head::parse(line) {
                let whole = line_end + 1 + head.total + 2;
                if bytes.len() < whole {
                    return Ok(None);
                }
                let start = self.start;
                self.start += whole;
                return message(&self.buffer[start..start + whole], line_end).map(Some);
            }
            match line {
                b"PING" => self.pings += 1,
                b"PONG" => self.pongs += 1,
                b"+OK" => {}
                info if info.starts_with(b"INFO ") => {}
                other => {
                    let shown = String::from_utf8_lossy(other);
                    return Err(Failure::new(format!("the server sent {shown:?}")));
                }
            }
            self.start += line_end + 1;
        }
    }

    /// Reads once; nothing there is no error.
    fn fill(&mut self, conn: &mut Conn) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.buffer.len() {
            if self.end >= MAX_MESSAGE {
                return Err(Failure::new("a message of more than 4 MiB arrived"));
            }
            self.buffer.resize(self.end * 2, 0);
        }
        match conn.read(&mut self.buffer[self.end..]) {
            Ok(0) => return Err(Failure::new("the server closed a connection")),
            Ok(read) => self.end += read,
            Err(error) if not_now(&error) => return Err(Failure::new("nothing came for 30 s")),
            Err(error) => return Err(error).context("reading"),
        }
        Ok(())
    }
}

/// The parts of a `MSG` or `HMSG` line.
struct Head<'a> {
    subject: &'a [u8],
    sid: u32,
    reply: &'a [u8],
    header: usize,
    total: usize,
}

impl<'a> Head<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        // Some releases put two spaces where there is no reply subject.
        let mut tokens = line.split(|byte| *byte == b' ').filter(|it| !it.is_empty());
        let sizes = match tokens.next()? {
            b"MSG" => 1,
            b"HMSG" => 2,
            _ => return None,
        };
        let (subject, sid) = (tokens.next()?, number(tokens.next()?)? as u32);
        let rest = [tokens.next(), tokens.next(), tokens.next()];
        let found = rest.iter().flatten().count();
        let (reply, first) = match found.checked_sub(sizes)? {
            0 => (b"".as_slice(), 0),
            1 => (rest[0]?, 1),
            _ => return None,
        };
        let total = number(rest[first + sizes - 1]?)? as usize;
        let header = if sizes == 2 {
            number(rest[first]?)? as usize
        } else {
            0
        };
        (header <= total && total <= MAX_MESSAGE).then_some(Self {
            subject,
            sid,
            reply,
            header,
            total,
        })
    }
}

fn message(frame: &[u8], line_end: usize) -> Result<Message<'_>> {
    let (line, body) = frame.split_at(line_end + 1);
    let (Some(head), Some(body)) = (
        Head::parse(line.trim_ascii_end()),
        body.strip_suffix(b"\r\n"),
    ) else {
        return Err(Failure::new("a message without its line end arrived"));
    };
    let (header, payload) = body.split_at(head.header);
    Ok(Message {
        subject: head.subject,
        sid: head.sid,
        reply: head.reply,
        header,
        payload,
    })
}

/// A decimal number, all of `digits`.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    digits.iter().try_fold(0, |sum: u64, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u64::from(digit - b'0'))
    })
}

/// Eight decimal digits of `number`, the lowest ones.
pub(crate) fn eight_digits(number: u64) -> [u8; 8] {
    let mut digits = [b'0'; 8];
    let mut left = number;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    digits
}

/// A connection with an inbox.
pub(crate) struct Session {
    /// Its socket, for writing.
    pub(crate) conn: Conn,
    /// What has been read.
    pub(crate) frames: Frames,
    /// Prefix of all its inboxes, with a dot at the end.
    pub(crate) inbox: String,
}

impl Session {
    /// Connects and subscribes to everything below its inbox.
    pub(crate) fn open(target: &Target, name: u32) -> Result<Self> {
        let mut conn = Conn::open(target)?;
        let inbox = format!("_INBOX.JETSTREAMBENCHMARK{name:04}.");
        conn.write_all(format!("SUB {inbox}> 1\r\n").as_bytes())
            .context("subscribing")?;
        conn.confirm()?;
        Ok(Self {
            conn,
            frames: Frames::new(),
            inbox,
        })
    }

    /// Reads once, waiting if there is nothing, and answers the PINGs seen so far.
    pub(crate) fn read(&mut self) -> Result<()> {
        let pongs = b"PONG\r\n".repeat(std::mem::take(&mut self.frames.pings));
        if !pongs.is_empty() {
            self.conn.write_all(&pongs).context("answering PING")?;
        }
        self.frames.fill(&mut self.conn)
    }

    /// Proves that no message is left over: a PONG with nothing before it.
    pub(crate) fn confirm(&mut self) -> Result<()> {
        let before = self.frames.pongs;
        self.conn.write_all(b"PING\r\n").context("sending PING")?;
        while self.frames.pongs == before {
            if let Some(message) = self.frames.next()? {
                return Err(unexpected(&message));
            }
            if self.frames.pongs == before {
                self.read()?;
            }
        }
        Ok(())
    }

    /// Sends an API request and returns its answer, which must not be an error.
    pub(crate) fn request(&mut self, subject: &str, body: &str) -> Result<String> {
        let (inbox, size) = (&self.inbox, body.len());
        let frame = format!("PUB {subject} {inbox}api {size}\r\n{body}\r\n");
        self.conn
            .write_all(frame.as_bytes())
            .context("requesting")?;
        loop {
            if let Some(message) = self.frames.next()? {
                return answer(&message).context(subject);
            }
            self.read()?;
        }
    }
}

/// The text of an API answer, if it is none of an error.
pub(crate) fn answer(message: &Message<'_>) -> Result<String> {
    let text = String::from_utf8_lossy(message.payload).into_owned();
    let failed = text.contains("\"error\":{") || message.payload.is_empty();
    if failed || !message.subject.ends_with(b".api") {
        return Err(unexpected(message));
    }
    Ok(text)
}

/// The first number behind `"field":` in JSON text.
pub(crate) fn json_number(text: &str, field: &str) -> Result<u64> {
    text.split_once(&format!("\"{field}\":"))
        .map(|(_, rest)| rest.trim_start())
        .map(|rest| &rest[..rest.bytes().take_while(u8::is_ascii_digit).count()])
        .and_then(|digits| number(digits.as_bytes()))
        .ok_or_else(|| Failure::new(format!("no number {field:?} in {text}")))
}

/// A message that should not be, or not be like this.
pub(crate) fn unexpected(message: &Message<'_>) -> Failure {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
    let (subject, header) = (shown(message.subject), shown(message.header));
    let payload = shown(message.payload);
    Failure::new(format!(
        "an unexpected message on {subject}: {header:?} {payload:?}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(bytes: &[u8]) -> Frames {
        let mut frames = Frames::new();
        frames.buffer[..bytes.len()].copy_from_slice(bytes);
        frames.end = bytes.len();
        frames
    }

    #[test]
    fn messages_of_both_kinds_are_cut_out() {
        let bytes = b"MSG a 1  2\r\nhi\r\nPING\r\nHMSG b 12 r 3 5\r\nh\r\nxy\r\nMSG c 1 r 9\r\nabc";
        let mut frames = frames(bytes);
        let first = frames.next().expect("right").expect("whole");
        assert_eq!(
            (first.subject, first.reply, first.payload),
            (&b"a"[..], &b""[..], &b"hi"[..])
        );
        let second = frames.next().expect("right").expect("whole");
        assert_eq!((second.sid, second.reply), (12, &b"r"[..]));
        assert_eq!((second.header, second.payload), (&b"h\r\n"[..], &b"xy"[..]));
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(frames.pings, 1);
    }

    #[test]
    fn errors_and_wrong_line_ends_are_refused() {
        assert!(frames(b"-ERR 'Slow Consumer'\r\n").next().is_err());
        assert!(frames(b"MSG a 1 2\r\nhixx").next().is_err());
    }

    #[test]
    fn numbers_are_found_in_json() {
        assert_eq!(json_number(r#"{"a":1, "seq": 27}"#, "seq"), Ok(27));
        assert!(json_number(r#"{"a":1}"#, "seq").is_err());
        assert_eq!(
            (number(b"x1"), number(b""), number(b"120")),
            (None, None, Some(120))
        );
    }

    #[test]
    fn digits_count_up_and_wrap() {
        assert_eq!(&eight_digits(1_234_567), b"01234567");
        assert_eq!(&eight_digits(100_000_001), b"00000001");
    }
}
