//! The log through its public face, on real files, pipes and sockets.

mod support;

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cognate_process::{
    Level, LogError, LogOptions, LogTarget, Logger, debug, error, fatal, info, trace, warn,
};
use support::{DEADLINE, file_target, flush, lines, open};

#[test]
fn every_level_has_its_label_and_switch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let log = open(file_target(&path, 0, 0));
    let all = || {
        info!(log, "i {}", 1);
        debug!(log, "d");
        warn!(log, "w");
        error!(log, "e");
        fatal!(log, "f");
        trace!(log, "t");
    };
    all();
    let options = LogOptions {
        debug: true,
        trace: true,
        trace_verbose: true,
        ..log.options()
    };
    assert!(!log.debug_enabled() && !log.trace_enabled() && !log.trace_verbose());
    log.reconfigure(options).unwrap();
    assert!(log.debug_enabled() && log.trace_enabled() && log.trace_verbose());
    all();
    flush(&log);
    let quiet = [
        "[pid] [INF] i 1",
        "[pid] [WRN] w",
        "[pid] [ERR] e",
        "[pid] [FTL] f",
    ];
    let loud = [
        "[pid] [INF] i 1",
        "[pid] [DBG] d",
        "[pid] [WRN] w",
        "[pid] [ERR] e",
        "[pid] [FTL] f",
        "[pid] [TRC] t",
    ];
    assert_eq!(lines(&path), [&quiet[..], &loud[..]].concat());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777 & !0o640,
        0
    );
}

#[test]
fn a_timed_line_is_exactly_nats_format() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let log = open(LogTarget::Null);
    let target = file_target(&path, 0, 0);
    log.reconfigure(LogOptions {
        target,
        ..LogOptions::default()
    })
    .unwrap();
    info!(log, "Server is ready");
    flush(&log);
    let shape: String = fs::read_to_string(&path)
        .unwrap()
        .replace(&std::process::id().to_string(), "pid")
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(
        shape,
        "[pid] 0000/00/00 00:00:00.000000 [INF] Server is ready\n"
    );
}

#[test]
fn arguments_are_not_evaluated_unless_shown() {
    let evaluated = AtomicUsize::new(0);
    let costly = || evaluated.fetch_add(1, Ordering::Relaxed);
    let null = Logger::null();
    info!(null, "{}", costly());
    fatal!(null, "{}", costly());
    let log = Logger::custom(|_| {});
    log.reconfigure(LogOptions {
        debug: false,
        trace: false,
        ..log.options()
    })
    .unwrap();
    debug!(log, "{}", costly());
    trace!(&log, "{}", costly());
    assert_eq!(evaluated.load(Ordering::Relaxed), 0);
    info!(&log, "{}", costly());
    assert_eq!(evaluated.load(Ordering::Relaxed), 1);
}

#[test]
fn a_client_cannot_forge_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let log = open(file_target(&path, 0, 0));
    let name = "nice\r\n[1] 2026/01/02 15:04:05.000000 [INF] Server is ready\n\x1b[1A";
    error!(log, "client {name:?} / {name}");
    log.log_lines(Level::Error, "our own\n  text\n");
    flush(&log);
    let written = lines(&path);
    assert_eq!(written.len(), 3, "{written:?}");
    assert!(
        written[0].ends_with(
            "/ nice\\r\\n[1] 2026/01/02 15:04:05.000000 [INF] Server is ready\\n\\x1b[1A"
        ),
        "{written:?}"
    );
    assert_eq!(written[1..], ["[pid] [ERR] our own", "[pid] [ERR]   text"]);
}

#[test]
fn closures_see_the_record_may_log_and_may_panic() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let inner: Arc<Mutex<Option<Logger>>> = Arc::default();
    let (sink_seen, sink_inner) = (seen.clone(), inner.clone());
    let log = Logger::custom(move |record| {
        let text = format!(
            "{:?} {} {}",
            record.level,
            record.message,
            record.line.len()
        );
        sink_seen.lock().unwrap().push(text);
        assert_ne!(record.message, "panic please");
        let again = sink_inner.lock().unwrap().take();
        if let Some(log) = again {
            info!(log, "nested");
        }
    });
    log.reconfigure(LogOptions {
        time: false,
        ..log.options()
    })
    .unwrap();
    *inner.lock().unwrap() = Some(log.clone());
    let prefix = format!("[{}] [WRN] ", std::process::id()).len();
    warn!(log, "a\nb");
    error!(log, "panic please");
    trace!(log, "still here");
    let expected = [
        format!("Warn a\\nb {}", prefix + 4),
        format!("Info nested {}", prefix + 6),
        format!("Error panic please {}", prefix + 12),
        format!("Trace still here {}", prefix + 10),
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn loggers_of_one_process_do_not_mix() {
    let directory = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = (0..4)
        .map(|n| directory.path().join(format!("{n}.log")))
        .collect();
    let logs: Vec<Logger> = paths
        .iter()
        .map(|path| open(file_target(path, 0, 0)))
        .collect();
    std::thread::scope(|scope| {
        for (n, log) in logs.iter().enumerate() {
            scope.spawn(move || (0..500).for_each(|line| info!(log, "{n} {line}")));
        }
    });
    // Dropping the handles writes what is queued.
    drop(logs);
    for (n, path) in paths.iter().enumerate() {
        let expected: Vec<String> = (0..500)
            .map(|line| format!("[pid] [INF] {n} {line}"))
            .collect();
        assert_eq!(lines(path), expected);
    }
}

#[test]
fn reopen_without_a_file_says_so() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let sink = seen.clone();
    let log = Logger::custom(move |record| sink.lock().unwrap().push(record.message.to_owned()));
    log.reopen();
    assert_eq!(
        *seen.lock().unwrap(),
        ["File log re-open ignored, not a file logger"]
    );
}

#[test]
fn reconfiguration_is_all_or_nothing_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let (a, b) = (
        directory.path().join("a.log"),
        directory.path().join("b.log"),
    );
    let log = open(file_target(&a, 0, 0));
    (0..100).for_each(|n| info!(log, "{n}"));
    let bad = directory.path().join("no/such/dir/n.log");
    let refused = LogOptions {
        target: file_target(&bad, 0, 0),
        debug: true,
        ..log.options()
    };
    let error = log.reconfigure(refused).unwrap_err();
    assert!(
        matches!(&error, LogError::File { path, .. } if *path == bad),
        "{error}"
    );
    assert!(!log.debug_enabled());
    (100..200).for_each(|n| info!(log, "{n}"));
    log.reconfigure(LogOptions {
        target: file_target(&b, 0, 0),
        ..log.options()
    })
    .unwrap();
    (200..300).for_each(|n| info!(log, "{n}"));
    flush(&log);
    let expected = |range: std::ops::Range<u32>| -> Vec<String> {
        range.map(|n| format!("[pid] [INF] {n}")).collect()
    };
    assert_eq!(lines(&a), expected(0..200));
    assert_eq!(lines(&b), expected(200..300));
}

#[test]
fn remote_syslog_receives_over_udp() {
    let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
    daemon.set_read_timeout(Some(DEADLINE)).unwrap();
    let address = format!("udp://{}", daemon.local_addr().unwrap());
    let log = open(LogTarget::select(None, Some(&address), true));
    error!(log, "Authentication error");
    let mut buffer = [0; 1024];
    let count = daemon.recv(&mut buffer).unwrap();
    let packet = str::from_utf8(&buffer[..count]).unwrap();
    let end = format!("[{}]: Authentication error\n", std::process::id());
    assert!(
        packet.starts_with("<3>20") && packet.ends_with(&end),
        "{packet}"
    );
}

#[test]
fn targets_are_selected_in_nats_order() {
    let file = || Some((Path::new("n.log"), 1, 2));
    let shown = |target: LogTarget| format!("{target:?}");
    let expected = "File { path: \"n.log\", size_limit: 1, max_files: 2 }";
    assert_eq!(
        shown(LogTarget::select(file(), Some("udp://h"), true)),
        expected
    );
    assert_eq!(
        shown(LogTarget::select(None, Some("h"), true)),
        "RemoteSyslog(\"h\")"
    );
    assert_eq!(shown(LogTarget::select(None, None, true)), "Syslog");
    assert_eq!(shown(LogTarget::select(None, None, false)), "Stderr");
}
