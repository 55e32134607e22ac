//! The log file: appended to, rotated by size, pruned by count, opened again on request.
//!
//! ```text
//! server.log                                   the active file
//! server.log.2026.01.02.15.04.05.000000123     a backup: local time of its rotation
//! ```
//!
//! Invariants: a line is never split over two files; only a regular file is rotated; if rotation
//! fails the lines still go to a file, and the next attempt comes at twice the size; a backup is
//! removed only if its name has exactly the shape above. The writer thread owns it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use super::line::{LineFormat, backup_stamp};
use super::queue::{Entry, Patience};
use super::sink::{Losses, Output, Stream};
use super::{Level, LogError};

/// Owner writes, group reads: what NATS gives its log files.
const LOG_FILE_MODE: u32 = 0o640;

/// The shape of [`backup_stamp`], `0` standing for any digit.
const STAMP_SHAPE: &[u8] = b"0000.00.00.00.00.00.000000000";

/// See the module's documentation.
pub(crate) struct LogFile {
    path: PathBuf,
    stream: Stream,
    /// The configured limit in bytes; 0 never rotates.
    size_limit: u64,
    /// The limit of the next attempt.
    next_limit: u64,
    max_files: usize,
}

impl LogFile {
    pub(crate) fn open(
        path: &Path,
        size_limit: u64,
        max_files: usize,
        format: LineFormat,
    ) -> Result<LogFile, LogError> {
        let file = open_file(path).map_err(|source| LogError::File {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(LogFile {
            path: path.to_path_buf(),
            stream: Stream::new(Output::File(file), format),
            size_limit,
            next_limit: size_limit,
            max_files,
        })
    }

    /// Opens the path once more: since `open`, the sink before this one may have rotated it. A
    /// file that is over the limit already is rotated at once.
    pub(crate) fn activate(&mut self) {
        if let Ok(file) = open_file(&self.path) {
            self.stream.redirect(Output::File(file));
        }
        if self.rotation_due() {
            self.note(Level::Info, "Rotating logfile...".to_owned());
            self.rotate();
        }
    }

    pub(crate) fn losses(&mut self) -> &mut Losses {
        self.stream.losses()
    }

    pub(crate) fn append(&mut self, entry: &Entry, patience: &Patience) {
        self.stream.append(entry, patience);
        if self.rotation_due() {
            self.stream.finish(patience);
            // Decided again by what really went to the disk.
            if self.rotation_due() {
                self.rotate();
            }
        }
    }

    pub(crate) fn finish(&mut self, patience: &Patience) {
        self.stream.finish(patience);
    }

    fn rotation_due(&self) -> bool {
        self.size_limit > 0 && self.stream.is_regular() && self.stream.size() > self.next_limit
    }

    fn rotate(&mut self) {
        let mut backup = self.path.clone().into_os_string();
        backup.push(".");
        backup.push(backup_stamp(SystemTime::now()));
        let backup = PathBuf::from(backup);
        let renamed = fs::rename(&self.path, &backup);
        let moved_away = matches!(&renamed, Err(e) if e.kind() == io::ErrorKind::NotFound);
        if let (Err(error), false) = (&renamed, moved_away) {
            return self.postpone(error);
        }
        match open_file(&self.path) {
            Ok(file) => {
                self.stream.redirect(Output::File(file));
                self.next_limit = self.size_limit;
            }
            Err(error) => {
                // The old descriptor still works; give the file its name back if possible.
                if renamed.is_ok() {
                    let _ = fs::rename(&backup, &self.path);
                }
                return self.postpone(&error);
            }
        }
        if renamed.is_ok() {
            let backup = backup.display();
            self.note(
                Level::Info,
                format!("Rotated log, backup saved as \"{backup}\""),
            );
        }
        if self.max_files > 0 {
            self.prune();
        }
    }

    fn postpone(&mut self, error: &io::Error) {
        self.next_limit = self.stream.size().max(self.next_limit).saturating_mul(2);
        let next = self.next_limit;
        self.note(
            Level::Error,
            format!(
                "Unable to rotate logfile ({error}), will attempt next rotation at size {next}"
            ),
        );
    }

    /// Removes the oldest backups, so that `max_files` are left with the active file.
    fn prune(&mut self) {
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let mut backups = match self.backups(&directory) {
            Ok(backups) => backups,
            Err(error) => {
                let directory = directory.display();
                return self.note(
                    Level::Error,
                    format!(
                        "Unable to read directory \"{directory}\" for log purge ({error}), will \
                         attempt next rotation"
                    ),
                );
            }
        };
        backups.sort();
        let excess = backups.len().saturating_sub(self.max_files - 1);
        for name in backups.into_iter().take(excess) {
            let shown = name.display().to_string();
            if let Err(error) = fs::remove_file(directory.join(&name)) {
                return self.note(
                    Level::Error,
                    format!(
                        "Unable to remove backup log file \"{shown}\" ({error}), will attempt \
                         next rotation"
                    ),
                );
            }
            self.note(Level::Info, format!("Purged log file \"{shown}\""));
        }
    }

    fn backups(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let base = self.path.file_name().unwrap_or_default();
        let mut names = Vec::new();
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_backup_of(base, &name) && !entry.file_type()?.is_dir() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Writes a line about the log itself, without starting another rotation.
    fn note(&mut self, level: Level, message: String) {
        let patience = Patience::default();
        self.stream.append(&Entry::now(level, message), &patience);
        self.stream.finish(&patience);
    }
}

/// Opens for appending. Non-blocking, so that a named pipe without a reader is an error rather
/// than a server that does not start; on regular files the flag does nothing.
fn open_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(LOG_FILE_MODE)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)
}

fn is_backup_of(base: &OsStr, name: &OsStr) -> bool {
    let stamp = name
        .as_bytes()
        .strip_prefix(base.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"."));
    stamp.is_some_and(|stamp| {
        stamp.len() == STAMP_SHAPE.len()
            && stamp
                .iter()
                .zip(STAMP_SHAPE)
                .all(|(byte, shape)| match shape {
                    b'.' => *byte == b'.',
                    _ => byte.is_ascii_digit(),
                })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_with_a_full_stamp_are_backups() {
        let check = |name: &str, expected: bool| {
            assert_eq!(
                is_backup_of(OsStr::new("n.log"), OsStr::new(name)),
                expected,
                "{name}"
            );
        };
        check("n.log.2026.01.02.15.04.05.000000123", true);
        check("n.log", false);
        check("n.log.1", false);
        check("n.log.gz", false);
        check("n.log.2026.01.02.15.04.05.000000123.gz", false);
        check("n.log.2026.01.02.15.04.05.00000012x", false);
        check("other.log.2026.01.02.15.04.05.000000123", false);
        check("n.log2026.01.02.15.04.05.000000123", false);
    }

    #[test]
    fn a_backup_stamp_has_the_shape_pruning_looks_for() {
        let name = format!("n.log.{}", backup_stamp(SystemTime::now()));
        assert!(
            is_backup_of(OsStr::new("n.log"), OsStr::new(&name)),
            "{name}"
        );
    }
}
