//! The answer to a publish.
//!
//! Written by hand, without a formatter: it is sent for every message that is published. The bytes
//! are those of the Go server, a space before `true` included.

use cognate_model::{ApiError, json};
use serde::Serialize;

/// What was done with a published message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PubAck<'a> {
    /// The stream that has it.
    pub stream: &'a str,
    /// Its sequence; of a duplicate, that of the first.
    pub sequence: u64,
    /// The domain of the stream's server, if it has one.
    pub domain: &'a str,
    /// It had been published before, and was not stored again.
    pub duplicate: bool,
    /// The new total of a counter.
    pub value: Option<&'a str>,
    /// The batch it completed, by id, and how many messages that had.
    pub batch: Option<(&'a str, u64)>,
}

/// Appends a PubAck. Allocates only if a name has to be escaped, or `out` has no room.
pub fn write_pub_ack(out: &mut Vec<u8>, ack: &PubAck<'_>) {
    out.extend_from_slice(b"{\"stream\":");
    json::write_string(out, ack.stream);
    if !ack.domain.is_empty() {
        out.extend_from_slice(b",\"domain\":");
        json::write_string(out, ack.domain);
    }
    out.extend_from_slice(b",\"seq\":");
    write_number(out, ack.sequence);
    if ack.duplicate {
        out.extend_from_slice(b",\"duplicate\": true");
    }
    if let Some((id, count)) = ack.batch {
        out.extend_from_slice(b",\"batch\":");
        json::write_string(out, id);
        out.extend_from_slice(b",\"count\":");
        write_number(out, count);
    } else if let Some(value) = ack.value {
        out.extend_from_slice(b",\"val\":");
        json::write_string(out, value);
    }
    out.push(b'}');
}

/// Appends the answer to a publish that was refused; `sequence` is 0 unless the message is there.
pub fn write_pub_ack_error(out: &mut Vec<u8>, stream: &str, sequence: u64, error: &ApiError) {
    #[derive(Serialize)]
    struct Refused<'a> {
        error: &'a ApiError,
        stream: &'a str,
        seq: u64,
    }
    let refused = Refused {
        error,
        stream,
        seq: sequence,
    };
    out.extend_from_slice(&json::to_vec(&refused));
}

fn write_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        // A remainder by ten is one digit.
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ack: PubAck<'_>, expected: &str) {
        let mut out = Vec::new();
        write_pub_ack(&mut out, &ack);
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }

    #[test]
    fn pub_acks_are_those_of_the_go_server() {
        let plain = PubAck {
            stream: "S1",
            sequence: 3,
            ..PubAck::default()
        };
        check(plain, r#"{"stream":"S1","seq":3}"#);
        let domain = "hub";
        check(
            PubAck { domain, ..plain },
            r#"{"stream":"S1","domain":"hub","seq":3}"#,
        );
        let duplicate = true;
        check(
            PubAck { duplicate, ..plain },
            r#"{"stream":"S1","seq":3,"duplicate": true}"#,
        );
        let value = Some("-12");
        check(
            PubAck { value, ..plain },
            r#"{"stream":"S1","seq":3,"val":"-12"}"#,
        );
        let batch = Some(("b\"1", 9));
        let expected = r#"{"stream":"S1","seq":3,"batch":"b\"1","count":9}"#;
        check(PubAck { batch, ..plain }, expected);
        let sequence = u64::MAX;
        let expected = r#"{"stream":"S1","seq":18446744073709551615}"#;
        check(PubAck { sequence, ..plain }, expected);
    }

    #[test]
    fn refusals_name_error_and_stream() {
        let mut out = Vec::new();
        let error = cognate_model::error::stream_wrong_last_sequence(7);
        write_pub_ack_error(&mut out, "S1", 0, &error);
        let expected = concat!(
            r#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 7"},"#,
            r#""stream":"S1","seq":0}"#
        );
        assert_eq!(String::from_utf8(out).expect("text"), expected);
    }
}
