//! What the log does when its sink does not take the lines: a full disk, a pipe nobody reads.

mod support;

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use cognate_process::{LogError, LogOptions, Logger, info};
use support::{DEADLINE, file_target, flush, lines, open};

#[test]
fn a_full_disk_is_survived_and_reported() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let log = open(file_target(Path::new("/dev/full"), 10, 2));
    (0..7).for_each(|n| info!(log, "{n}"));
    flush(&log);
    log.reconfigure(LogOptions {
        target: file_target(&path, 0, 0),
        ..log.options()
    })
    .unwrap();
    info!(log, "space again");
    flush(&log);
    let written = lines(&path);
    assert!(
        written[0].starts_with("[pid] [WRN] Log lines lost: 7 (No space left on device"),
        "{written:?}"
    );
    assert_eq!(written[1..], ["[pid] [INF] space again"]);
    assert!(
        Path::new("/dev/full").exists(),
        "a device must not be rotated away"
    );
}

fn fifo(path: &Path) -> File {
    use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
        .unwrap()
}

/// Reads what is there until `done` says the text is complete.
fn read_until(reader: &mut File, done: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    while !done(&String::from_utf8_lossy(
        &bytes[bytes.len().saturating_sub(200)..],
    )) {
        assert!(Instant::now() < deadline, "{} bytes", bytes.len());
        match reader.read(&mut chunk) {
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::yield_now();
            }
            Err(error) => panic!("{error}"),
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_reader_that_stops_reading_does_not_stop_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    let mut reader = fifo(&path);
    let log = open(file_target(&path, 0, 0));
    let filler = "x".repeat(1_000);
    // More than the queue, the writer and the pipe hold together.
    let total = 3 * cognate_process::log::QUEUE_LIMIT_BYTES / filler.len();
    let started = Instant::now();
    (0..total).for_each(|n| info!(log, "{n} {filler}"));
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(5),
        "logging to a stuck pipe took {took:?}"
    );
    assert!(!log.flush(Duration::from_millis(1)));
    let last_kept = read_until(&mut reader, |_| log.flush(Duration::ZERO));
    info!(log, "recovered");
    let rest = read_until(&mut reader, |tail| tail.ends_with("recovered\n"));
    let text = last_kept + &rest;
    let kept = text.lines().filter(|line| line.ends_with(&filler)).count();
    let report = text
        .lines()
        .find(|line| line.contains("[WRN] Log lines lost: "))
        .unwrap();
    let lost: usize = report.split(' ').nth(5).unwrap().parse().unwrap();
    assert_eq!(kept + lost, total, "{report}");
    assert!(lost > 0);
}

#[test]
fn a_stuck_sink_can_be_replaced_and_closed() {
    let directory = tempfile::tempdir().unwrap();
    let (pipe, path) = (
        directory.path().join("pipe"),
        directory.path().join("n.log"),
    );
    let _reader = fifo(&pipe);
    let log = open(file_target(&pipe, 0, 0));
    (0..300).for_each(|n| info!(log, "{n} {}", "x".repeat(1_000)));
    log.reconfigure(LogOptions {
        target: file_target(&path, 0, 0),
        ..log.options()
    })
    .unwrap();
    info!(log, "elsewhere");
    flush(&log);
    let written = lines(&path);
    assert!(written[0].contains("[WRN] Log lines lost: "), "{written:?}");
    assert_eq!(written[1..], ["[pid] [INF] elsewhere"]);
    log.reconfigure(LogOptions {
        target: file_target(&pipe, 0, 0),
        ..log.options()
    })
    .unwrap();
    (0..300).for_each(|n| info!(log, "{n} {}", "x".repeat(1_000)));
    let started = Instant::now();
    drop(log);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_pipe_nobody_reads_is_an_error_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe");
    drop(fifo(&path));
    let options = LogOptions {
        target: file_target(&path, 0, 0),
        ..LogOptions::default()
    };
    assert!(matches!(Logger::open(options), Err(LogError::File { .. })));
}
