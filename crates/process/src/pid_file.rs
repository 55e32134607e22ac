//! The pid file (`pid_file`): the process id in decimal, without a line end, readable by its
//! owner alone, as NATS writes it.
//!
//! Invariant: [`PidFile::remove`] removes only a file that still holds this process's id, so a
//! server that is slow to stop does not take away its successor's. NATS leaves the file behind
//! at shutdown; whether to remove it is the caller's choice.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::text::io_error_text;

/// What NATS creates its own files with; a file that exists keeps its mode.
const PID_FILE_MODE: u32 = 0o600;

/// A pid file that was written.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes this process's id, replacing what the file held.
    ///
    /// # Errors
    /// What the system said; the message names the file. NATS words it `Could not write pidfile:
    /// …` and does not start.
    pub fn write(path: &Path) -> io::Result<PidFile> {
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(PID_FILE_MODE)
            .open(path)
            .and_then(|mut file| file.write_all(std::process::id().to_string().as_bytes()));
        match written {
            Ok(()) => Ok(PidFile {
                path: path.to_path_buf(),
            }),
            Err(error) => Err(io::Error::new(
                error.kind(),
                format!("open {}: {}", path.display(), io_error_text(&error)),
            )),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the file if it still holds this process's id; says whether it did.
    ///
    /// # Errors
    /// What the system said when removing; a file that is gone or unreadable is not an error.
    pub fn remove(self) -> io::Result<bool> {
        let ours = fs::read(&self.path)
            .is_ok_and(|content| content.trim_ascii() == std::process::id().to_string().as_bytes());
        if ours {
            fs::remove_file(&self.path)?;
        }
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_holds_the_bare_pid_and_only_its_owner_reads_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nats.pid");
        fs::write(&path, "an older and much longer content").unwrap();
        fs::remove_file(&path).unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            std::process::id().to_string()
        );
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(file.remove().unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn writing_again_replaces_and_removing_spares_a_successor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nats.pid");
        fs::write(&path, "an older and much longer content").unwrap();
        let file = PidFile::write(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            std::process::id().to_string()
        );
        fs::write(&path, "1").unwrap();
        assert!(!file.remove().unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
    }

    #[test]
    fn an_unwritable_place_is_an_error_that_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let error = PidFile::write(&directory.path().join("no/such/dir.pid")).unwrap_err();
        assert!(error.to_string().contains("no/such/dir.pid"), "{error}");
    }
}
