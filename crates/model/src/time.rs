//! Points in time, as stored and as shown.

use std::time::Duration;

/// Nanoseconds since 1970-01-01T00:00:00Z, the resolution of JetStream's times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The time `by` later, as late as can be told.
    #[must_use]
    pub fn after(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(by))
    }

    /// The time `by` earlier, as early as can be told.
    #[must_use]
    pub fn before(self, by: Duration) -> Self {
        let by = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_sub(by))
    }

    /// How long after `earlier` this is; nothing if it is not.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let nanos = self.0.saturating_sub(earlier.0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
    }
}
