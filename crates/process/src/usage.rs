//! What the process uses: CPU time, resident memory, cores (`/varz`: `cpu`, `mem`, `cores`).
//!
//! Invariant: reading never fails; a figure the system does not give is 0 (or 1 core). Monitoring
//! calls it.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The least time over which a CPU percentage means something.
const CPU_WINDOW: Duration = Duration::from_secs(1);

/// CPU time (user and system) of the whole process so far.
pub fn cpu_time() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(used.tv_sec).unwrap_or(0);
    let nanos = u32::try_from(used.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanos)
}

/// Resident memory in bytes; 0 where there is no `/proc`.
pub fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_ascii_whitespace()
        .nth(1)
        .and_then(|field| field.parse::<u64>().ok());
    pages
        .unwrap_or(0)
        .saturating_mul(rustix::param::page_size() as u64)
}

/// Cores this process may run on, whatever share of them it is granted (for that, see
/// `std::thread::available_parallelism`); at least 1.
pub fn cores() -> usize {
    affinity_cores()
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
        .max(1)
}

#[cfg(target_os = "linux")]
fn affinity_cores() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    usize::try_from(set.count()).ok()
}

#[cfg(not(target_os = "linux"))]
fn affinity_cores() -> Option<usize> {
    None
}

/// Turns CPU times into a percentage of one core (so 200 on two busy cores), over the time since
/// the last sample and never less than a second.
#[derive(Debug)]
pub struct CpuMeter {
    at: Instant,
    used: Duration,
    percent: f64,
}

impl CpuMeter {
    /// Starts measuring.
    pub fn start() -> CpuMeter {
        CpuMeter {
            at: Instant::now(),
            used: cpu_time(),
            percent: 0.0,
        }
    }

    /// The percentage, to one decimal.
    pub fn percent(&mut self) -> f64 {
        self.sample(Instant::now(), cpu_time())
    }

    fn sample(&mut self, now: Instant, used: Duration) -> f64 {
        let elapsed = now.saturating_duration_since(self.at);
        if elapsed >= CPU_WINDOW {
            let busy = used.saturating_sub(self.used);
            self.percent = (busy.as_secs_f64() / elapsed.as_secs_f64() * 1_000.0).round() / 10.0;
            self.at = now;
            self.used = used;
        }
        self.percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu_time();
        let deadline = Instant::now() + Duration::from_secs(30);
        while cpu_time() < before + Duration::from_millis(20) {
            assert!(
                Instant::now() < deadline,
                "30 seconds of spinning used no CPU time"
            );
        }
    }

    #[test]
    fn memory_counts_what_is_touched() {
        let before = resident_bytes();
        assert!(before > 100_000, "{before}");
        let block = vec![1_u8; 64 << 20];
        let after = resident_bytes();
        assert!(
            after > before + (32 << 20),
            "{before} {after} {}",
            block.len()
        );
    }

    #[test]
    fn there_is_a_core() {
        assert!(cores() >= 1);
        assert!(cores() >= std::thread::available_parallelism().map_or(1, usize::from));
    }

    #[test]
    fn percentages_are_over_at_least_a_second() {
        let mut meter = CpuMeter::start();
        let (at, used) = (meter.at, meter.used);
        let mut check = |millis: u64, busy_millis: u64, expected: f64| {
            let now = at + Duration::from_millis(millis);
            let sampled = meter.sample(now, used + Duration::from_millis(busy_millis));
            assert!((sampled - expected).abs() < 1e-9, "{sampled} {expected}");
        };
        check(500, 500, 0.0);
        check(2_000, 500, 25.0);
        check(2_900, 1_400, 25.0);
        check(3_000, 2_500, 200.0);
        check(6_000, 2_501, 0.0);
        check(5_000, 2_000, 0.0);
    }
}
