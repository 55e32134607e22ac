//! Timestamps as text, in the form of Go's RFC3339Nano, always in UTC.
//!
//! Go's zero time, 0001-01-01T00:00:00Z, is outside of what a [`Timestamp`] can tell; the earliest
//! timestamp stands for it. Times beyond the range are taken to its ends.

use serde::{Serialize, Serializer};

use crate::Timestamp;
use crate::json::{Decode, DecodeError, Decoder, Json};

/// Go's zero time, which stands for "none".
const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

impl Timestamp {
    /// Go's zero time.
    pub const ZERO_TIME: Self = Self(i64::MIN);

    /// Whether this is Go's zero time.
    #[must_use]
    pub fn is_zero_time(self) -> bool {
        self == Self::ZERO_TIME
    }

    /// As `2024-05-06T07:08:09.123Z`, with as many decimals as needed.
    #[must_use]
    pub fn rfc3339(self) -> String {
        if self.is_zero_time() {
            return ZERO_TIME.to_owned();
        }
        jiff::Timestamp::from_nanosecond(i128::from(self.0))
            .map_or_else(|_| ZERO_TIME.to_owned(), |time| time.to_string())
    }

    /// Reads what [`rfc3339`](Self::rfc3339) writes, and other offsets.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let shape = bytes.len() >= 20 && bytes[10] == b'T' && bytes[16] == b':';
        if !shape || !(text.ends_with('Z') || bytes[19..].iter().any(|b| matches!(b, b'+' | b'-')))
        {
            return None;
        }
        let time: jiff::Timestamp = text.parse().ok()?;
        let nanos = time.as_nanosecond();
        Some(Self(i64::try_from(nanos).unwrap_or(if nanos < 0 {
            i64::MIN
        } else {
            i64::MAX
        })))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

impl Decode for Timestamp {
    const GO_TYPE: &'static str = "time.Time";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Null => {}
            Json::String(text) => match Self::parse_rfc3339(text) {
                Some(time) => *self = time,
                None => decoder.fail(DecodeError::new(format!(
                    "parsing time {} as \"2006-01-02T15:04:05Z07:00\": cannot parse {} as \"2006\"",
                    crate::text::quoted(text),
                    crate::text::quoted(text)
                ))),
            },
            _ => decoder.fail(DecodeError::new(
                "Time.UnmarshalJSON: input is not a JSON string",
            )),
        }
    }
}
