//! `--throughput` and `--duration`: a steady rate instead of one message right after the other.
//!
//! A client is due to have done so many messages at a time; one that is ahead sleeps until then, and
//! one that fell behind catches up. Invariant: without a rate nothing reads the clock.

use std::time::{Duration, Instant};

use super::job::CommonArgs;
use crate::error::{Context, Error, Result};
use crate::output::duration;

/// A client that is ahead by less goes on: sleeping takes longer than asked for.
const SHORTEST_SLEEP: Duration = Duration::from_micros(200);

/// Flags about how fast to publish.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct PaceArgs {
    /// Publish about so many messages a second, all clients together (0 for as many as possible)
    #[arg(long, default_value_t = 0)]
    throughput: u64,
    /// Run for about this long instead of for a number of messages (needs --throughput)
    #[arg(long, value_parser = duration::arg)]
    duration: Option<Duration>,
}

impl PaceArgs {
    /// The common flags, with the rate and with as many messages as fit into the time.
    pub(super) fn applied_to(&self, common: &CommonArgs) -> Result<CommonArgs> {
        let mut common = common.clone();
        common.throughput = self.throughput;
        if let Some(duration) = self.duration.filter(|duration| !duration.is_zero()) {
            if self.throughput == 0 {
                return Err(Error::new("--duration requires --throughput to be set"));
            }
            let msgs = u128::from(self.throughput).checked_mul(duration.as_nanos());
            common.msgs = msgs
                .and_then(|msgs| u64::try_from(msgs / 1_000_000_000).ok())
                .context("--duration is too long for that --throughput")?;
        }
        Ok(common)
    }

    /// What is shown at the start.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let duration = self.duration.filter(|duration| !duration.is_zero());
        let duration = duration.map(|it| ("duration", duration::human(it)));
        let rate = (self.throughput > 0).then(|| ("throughput", self.throughput.to_string()));
        duration.into_iter().chain(rate).collect()
    }
}

/// One client's share of the rate.
pub(super) struct Pace {
    /// Seconds per message; none without a rate.
    each: Option<f64>,
    done: u64,
}

impl Pace {
    /// The share of one of so many clients.
    pub(super) fn of(throughput: u64, clients: u64) -> Self {
        Pace {
            each: (throughput > 0).then(|| clients as f64 / throughput as f64),
            done: 0,
        }
    }

    /// Whether there is a rate to keep.
    pub(super) fn is_set(&self) -> bool {
        self.each.is_some()
    }

    /// Takes note of messages that are done; how long to sleep at `now`, when it is worth it.
    pub(super) fn ahead(
        &mut self,
        msgs: u64,
        started: Instant,
        now: impl FnOnce() -> Instant,
    ) -> Option<Duration> {
        let each = self.each?;
        self.done += msgs;
        let due = Duration::try_from_secs_f64(each * self.done as f64).ok()?;
        let ahead = due.checked_sub(now().duration_since(started))?;
        (ahead >= SHORTEST_SLEEP).then_some(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_sleeps() {
        let started = Instant::now();
        let ms = Duration::from_millis;
        let mut pace = Pace::of(200, 2);
        assert_eq!(pace.ahead(5, started, || started), Some(ms(50)));
        assert_eq!(pace.ahead(5, started, || started + ms(60)), Some(ms(40)));
        assert_eq!(pace.ahead(1, started, || started + ms(110)), None);
        assert_eq!(pace.ahead(1, started, || started + ms(500)), None);
        assert_eq!(Pace::of(0, 2).ahead(5, started, || started), None);
    }

    #[test]
    fn a_duration_is_a_number_of_messages() {
        let common = CommonArgs {
            clients: 1,
            msgs: 5,
            no_progress: true,
            csv: None,
            histogram: false,
            size: 1,
            sleep: None,
            throughput: 0,
        };
        let applied = |throughput, duration| {
            let args = PaceArgs {
                throughput,
                duration,
            };
            args.applied_to(&common).map(|common| common.msgs).ok()
        };
        let second = Duration::from_secs(1);
        assert_eq!(applied(0, None), Some(5));
        assert_eq!(applied(100, Some(second * 3 / 2)), Some(150));
        assert_eq!(applied(100, Some(Duration::ZERO)), Some(5));
        assert_eq!(applied(0, Some(second)), None);
        assert_eq!(applied(u64::MAX, Some(Duration::MAX)), None);
    }
}
