//! What the kernel says about a server process: CPU time and memory.
//!
//! CPU time is user plus system of all threads. `/proc/PID/stat` counts in ticks of 10 ms and
//! includes threads that have ended; `/proc/PID/task/*/schedstat` counts in nanoseconds but only
//! has the living ones. The difference of two [`CpuReading`]s uses the precise one unless it is
//! plainly missing something. The generator's own time comes from the process clock. Linux only.

use std::fs;
use std::path::Path;

use crate::failure::{Context, Failure, Result};

/// Ticks per second in `/proc/PID/stat`: 100 on every Linux architecture in use.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of one process at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuReading {
    /// User and system time, to 10 ms, threads that ended included.
    coarse_seconds: f64,
    /// Time on a CPU of the threads alive now, to the nanosecond.
    precise_seconds: f64,
}

impl CpuReading {
    /// Reads the CPU time of process `pid`.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/stat");
        let stat = fs::read_to_string(&path).context(&path)?;
        let coarse_seconds = ticks(&stat)
            .map(|ticks| ticks as f64 / TICKS_PER_SECOND)
            .ok_or_else(|| Failure::new(format!("{path} has no CPU times: {stat:?}")))?;
        let precise_seconds = thread_seconds(Path::new(&format!("/proc/{pid}/task")))?;
        Ok(Self {
            coarse_seconds,
            precise_seconds,
        })
    }

    /// CPU seconds since the process was created.
    pub(crate) fn total_seconds(&self) -> f64 {
        self.coarse_seconds.max(self.precise_seconds)
    }

    /// CPU seconds spent from `earlier` to `self`.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        let coarse = self.coarse_seconds - earlier.coarse_seconds;
        let precise = self.precise_seconds - earlier.precise_seconds;
        // Two ticks of rounding are normal; more means that a thread took its time with it.
        if precise + 2.5 / TICKS_PER_SECOND < coarse {
            coarse
        } else {
            precise
        }
    }
}

/// `utime + stime` of a stat line. The command name may contain anything, so fields are counted
/// from its closing parenthesis.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn thread_seconds(tasks: &Path) -> Result<f64> {
    let mut nanos = 0u64;
    for task in fs::read_dir(tasks).context(tasks.display())? {
        let path = task.context(tasks.display())?.path().join("schedstat");
        // A thread may end between listing and reading; `since` notices the missing time.
        if let Ok(text) = fs::read_to_string(&path)
            && let Some(on_cpu) = text.split_ascii_whitespace().next()
        {
            nanos += on_cpu.parse::<u64>().context(path.display())?;
        }
    }
    Ok(nanos as f64 / 1e9)
}

/// Memory of a process in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident_kib: u64,
    /// The most that was ever resident.
    pub(crate) peak_kib: u64,
}

impl Memory {
    /// Reads the memory of process `pid`.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).context(&path)?;
        let field = |name: &str| {
            kib_field(&status, name)
                .ok_or_else(|| Failure::new(format!("{path} has no {name}; has the server ended?")))
        };
        Ok(Self {
            resident_kib: field("VmRSS:")?,
            peak_kib: field("VmHWM:")?,
        })
    }
}

fn kib_field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// CPU seconds this process, the generator, has used so far.
pub(crate) fn own_cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_an_awkward_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 3 0 0 0 120 34 0 0 20 0 9 0";
        assert_eq!(ticks(stat), Some(154));
        assert_eq!(ticks("7 (x) S 1"), None);
        assert_eq!(ticks(""), None);
    }

    #[test]
    fn memory_fields_are_in_kib() {
        let status = "Name:\tx\nVmHWM:\t    9000 kB\nVmRSS:\t    8123 kB\n";
        assert_eq!(kib_field(status, "VmRSS:"), Some(8123));
        assert_eq!(kib_field(status, "VmSwap:"), None);
    }

    #[test]
    fn the_precise_time_is_used_unless_a_thread_ended() {
        let start = CpuReading {
            coarse_seconds: 1.0,
            precise_seconds: 1.001,
        };
        let usual = CpuReading {
            coarse_seconds: 2.01,
            precise_seconds: 2.0,
        };
        assert!((usual.since(&start) - 0.999).abs() < 1e-9);
        let ended = CpuReading {
            coarse_seconds: 2.0,
            precise_seconds: 1.2,
        };
        assert!((ended.since(&start) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn this_process_can_be_read_and_spends_time() {
        let pid = std::process::id();
        let before = CpuReading::of(pid).expect("own stat");
        let own_before = own_cpu_seconds();
        let mut value = 0u64;
        while own_cpu_seconds() < own_before + 0.05 {
            value = std::hint::black_box(value + 1);
        }
        let spent = CpuReading::of(pid).expect("own stat").since(&before);
        assert!(spent > 0.02, "only {spent} s");
        let memory = Memory::of(pid).expect("own status");
        assert!(memory.resident_kib > 0 && memory.peak_kib >= memory.resident_kib);
    }
}
