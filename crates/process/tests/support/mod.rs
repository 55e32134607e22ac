//! What the log tests share.

use std::fs;
use std::path::Path;
use std::time::Duration;

use cognate_process::{LogOptions, LogTarget, Logger};

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) fn file_target(path: &Path, size_limit: u64, max_files: usize) -> LogTarget {
    LogTarget::File {
        path: path.to_path_buf(),
        size_limit,
        max_files,
    }
}

/// A log without times into a file.
pub(crate) fn open(target: LogTarget) -> Logger {
    Logger::open(LogOptions {
        target,
        time: false,
        ..LogOptions::default()
    })
    .unwrap()
}

/// The lines of a file, with the process id replaced.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let pid = format!("[{}] ", std::process::id());
    let text = fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:?}");
    text.lines()
        .map(|line| line.replace(&pid, "[pid] "))
        .collect()
}

pub(crate) fn flush(log: &Logger) {
    assert!(log.flush(DEADLINE), "not written in time");
}
