//! Log files: rotation by size, pruning by count, opening again.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use cognate_process::info;
use support::{file_target, flush, lines, open};

/// The backups of a log file, oldest first.
fn backups(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(path.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|candidate| {
            candidate
                .to_str()
                .unwrap()
                .starts_with(path.to_str().unwrap())
        })
        .filter(|candidate| candidate != path)
        .collect();
    found.sort();
    found
}

#[test]
fn a_file_over_its_limit_is_rotated_between_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let log = open(file_target(&path, 200, 0));
    (0..20).for_each(|n| info!(log, "line {n:04} {}", "x".repeat(60)));
    flush(&log);
    let backups = backups(&path);
    assert!(backups.len() >= 5, "{backups:?}");
    let mut numbers = Vec::new();
    for file in backups.iter().chain([&path]) {
        assert!(fs::metadata(file).unwrap().len() < 200 + 100, "{file:?}");
        for line in lines(file) {
            match line.strip_prefix("[pid] [INF] line ") {
                Some(rest) => numbers.push(rest[..4].parse::<u32>().unwrap()),
                None => assert!(
                    line.starts_with("[pid] [INF] Rotated log, backup saved as \""),
                    "{line}"
                ),
            }
        }
    }
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    let saved = backups.last().unwrap().display();
    assert_eq!(
        lines(&path)[0],
        format!("[pid] [INF] Rotated log, backup saved as \"{saved}\"")
    );
}

#[test]
fn the_oldest_backups_go_and_other_files_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    let old = directory.path().join("n.log.2020.01.02.03.04.05.000000006");
    let strangers = ["n.log.gz", "n.log.1", "m.log.2020.01.02.03.04.05.000000006"];
    fs::write(&old, "old").unwrap();
    strangers
        .iter()
        .for_each(|name| fs::write(directory.path().join(name), "kept").unwrap());
    let log = open(file_target(&path, 50, 3));
    info!(log, "first {}", "x".repeat(60));
    flush(&log);
    assert!(old.exists(), "two backups are allowed");
    info!(log, "second {}", "x".repeat(60));
    flush(&log);
    assert!(!old.exists());
    let purged = "[pid] [INF] Purged log file \"n.log.2020.01.02.03.04.05.000000006\"";
    assert_eq!(lines(&path)[1], purged);
    (0..10).for_each(|n| info!(log, "{n} {}", "x".repeat(60)));
    flush(&log);
    let stamped = backups(&path)
        .iter()
        .filter(|path| path.to_str().unwrap().len() > 40)
        .count();
    assert!(
        strangers
            .iter()
            .all(|name| directory.path().join(name).exists())
    );
    assert_eq!(
        backups(&path).len(),
        2 + 2,
        "two backups and two strangers of {stamped}"
    );
}

#[test]
fn a_file_that_is_too_large_at_the_start_is_rotated_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("n.log");
    fs::write(&path, format!("{}\n", "x".repeat(300))).unwrap();
    let log = open(file_target(&path, 200, 0));
    info!(log, "fresh");
    flush(&log);
    let backup = backups(&path).pop().unwrap();
    assert_eq!(lines(&backup)[1], "[pid] [INF] Rotating logfile...");
    assert_eq!(lines(&path)[1], "[pid] [INF] fresh");
}

#[test]
fn rotation_that_cannot_be_done_keeps_every_line() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("logs");
    fs::create_dir(&base).unwrap();
    // A name that leaves no room for the stamp: the rename fails, even for a superuser.
    let path = base.join("n".repeat(250));
    let log = open(file_target(&path, 100, 0));
    (0..10).for_each(|n| info!(log, "line {n} {}", "x".repeat(40)));
    flush(&log);
    let written = lines(&path);
    assert_eq!(
        written
            .iter()
            .filter(|line| line.contains("[INF] line "))
            .count(),
        10
    );
    let complaints: Vec<&String> = written
        .iter()
        .filter(|line| line.contains("[ERR] Unable to rotate logfile ("))
        .collect();
    assert!((1..5).contains(&complaints.len()), "{written:?}");
    assert!(
        complaints[0].contains("will attempt next rotation at size "),
        "{complaints:?}"
    );
}

#[test]
fn reopen_follows_a_file_that_was_moved_away() {
    let directory = tempfile::tempdir().unwrap();
    let (path, moved) = (
        directory.path().join("n.log"),
        directory.path().join("moved"),
    );
    let log = open(file_target(&path, 0, 0));
    info!(log, "before");
    flush(&log);
    fs::rename(&path, &moved).unwrap();
    info!(log, "between");
    log.reopen();
    info!(log, "after");
    flush(&log);
    assert_eq!(lines(&moved), ["[pid] [INF] before", "[pid] [INF] between"]);
    assert_eq!(
        lines(&path),
        ["[pid] [INF] File log re-opened", "[pid] [INF] after"]
    );
}

#[test]
fn reopen_that_fails_keeps_the_old_file_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, moved) = (
        directory.path().join("logs"),
        directory.path().join("moved"),
    );
    fs::create_dir(&logs).unwrap();
    let log = open(file_target(&logs.join("n.log"), 0, 0));
    fs::rename(&logs, &moved).unwrap();
    log.reopen();
    info!(log, "still written");
    flush(&log);
    let written = lines(&moved.join("n.log"));
    assert!(written[0].starts_with("[pid] [ERR] File log not re-opened: error opening log file"));
    assert_eq!(written[1], "[pid] [INF] still written");
}
