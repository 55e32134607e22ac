//! Lengths of time as requests state them: whole nanoseconds, which may be nonsense until checked.

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::json::{Decode, Decoder, IsEmpty, Json};

/// A signed number of nanoseconds, as in the JSON of configurations. Zero stands for "not set".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time; "not set".
    pub const ZERO: Self = Self(0);

    /// Whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }

    /// Whole milliseconds.
    #[must_use]
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }

    /// Whether it is set.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As a duration; none if it is negative.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0).unwrap_or(0))
    }

    /// As a duration, unless it is not set (or negative).
    #[must_use]
    pub fn if_set(self) -> Option<Duration> {
        (self.0 > 0).then(|| self.duration())
    }
}

impl From<Duration> for Nanos {
    /// As long as can be told.
    fn from(duration: Duration) -> Self {
        Self(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }
}

impl IsEmpty for Nanos {
    fn is_empty(&self) -> bool {
        self.is_zero()
    }
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl Decode for Nanos {
    const GO_TYPE: &'static str = "time.Duration";

    fn decode_into(&mut self, value: &Json, decoder: &mut Decoder) {
        match value {
            Json::Null => {}
            Json::Unsigned(number) if i64::try_from(*number).is_ok() => {
                self.0 = i64::try_from(*number).unwrap_or(i64::MAX);
            }
            Json::Negative(number) => self.0 = *number,
            other => decoder.mismatch(other, Self::GO_TYPE),
        }
    }
}
