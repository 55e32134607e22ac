//! What a client says of a message it was given.
//!
//! Read from the body of an acknowledgement as nats-server does: some kinds are whole words, some
//! are prefixes of more. Absent: what follows from it.

use cognate_model::{Nanos, json, record};

use crate::go_duration;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckKind<'a> {
    /// It is done.
    Ack,
    /// It is done, and the rest is a pull request for more.
    Next(&'a [u8]),
    /// It could not be done; to be delivered again, at once or after so many nanoseconds.
    Nak(Option<i64>),
    /// It is still being worked on.
    Progress,
    /// It is never to be delivered again; the rest says why.
    Term(&'a [u8]),
    /// Nothing known.
    Unknown,
}

record! {
    /// The long form of a delay.
    pub struct NakOptions("ConsumerNakOptions") {
        /// How long to wait.
        delay: Nanos = "delay",
    }
}

impl<'a> AckKind<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Self {
        match body {
            b"" | b"+ACK" | b"+OK" => return Self::Ack,
            b"+WPI" => return Self::Progress,
            _ => {}
        }
        if let Some(request) = body.strip_prefix(b"+NXT") {
            Self::Next(request)
        } else if let Some(delay) = body.strip_prefix(b"-NAK") {
            Self::Nak(nak_delay(delay.trim_ascii()))
        } else if let Some(reason) = body.strip_prefix(b"+TERM") {
            Self::Term(reason.trim_ascii())
        } else {
            Self::Unknown
        }
    }
}

/// A delay that cannot be read is none.
fn nak_delay(text: &[u8]) -> Option<i64> {
    if text.first() == Some(&b'{') {
        let (options, _) = json::decode::<NakOptions>(text).ok()?;
        Some(options.delay.0)
    } else {
        go_duration::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let table: [(&[u8], AckKind<'_>); 17] = [
            (b"", AckKind::Ack),
            (b"+ACK", AckKind::Ack),
            (b"+OK", AckKind::Ack),
            (b"+ACK ", AckKind::Unknown),
            (b"+WPI", AckKind::Progress),
            (b"+NXT", AckKind::Next(b"")),
            (b"+NXT 5", AckKind::Next(b" 5")),
            (b"-NAK", AckKind::Nak(None)),
            (b"-NAK 2s", AckKind::Nak(Some(2_000_000_000))),
            (b"-NAK {\"delay\": 7}", AckKind::Nak(Some(7))),
            (b"-NAK {\"delay\": \"7\"}", AckKind::Nak(None)),
            (b"-NAK {}", AckKind::Nak(Some(0))),
            (b"-NAKED", AckKind::Nak(None)),
            (b"+TERM", AckKind::Term(b"")),
            (b"+TERM  no such order ", AckKind::Term(b"no such order")),
            (b"+wpi", AckKind::Unknown),
            (b"hello", AckKind::Unknown),
        ];
        for (body, kind) in table {
            assert_eq!(
                AckKind::parse(body),
                kind,
                "{:?}",
                String::from_utf8_lossy(body)
            );
        }
    }
}
