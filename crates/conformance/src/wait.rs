//! Waiting for a condition with a deadline: the one place of the suite that lets time pass.
//!
//! Called by every other module. Nothing here knows about servers.

use std::time::{Duration, Instant};

/// How long any single expectation may take. Generous, because test machines are shared; a test
/// that passes never waits this long.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(3);

/// Polls `condition` until it yields a value, or panics naming `what` after [`DEADLINE`].
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_within(DEADLINE, what, condition)
}

/// Like [`until`], with its own deadline.
pub fn until_within<T>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < end,
            "gave up after {deadline:?} waiting for {what}"
        );
        a_moment();
    }
}

/// Lets one polling interval pass.
pub(crate) fn a_moment() {
    std::thread::sleep(INTERVAL);
}
