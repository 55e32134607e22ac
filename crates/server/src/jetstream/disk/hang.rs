//! Disks that hang, for tests: whoever writes or syncs below a directory waits until the test is done.
//!
//! What hangs is kept per directory, so that tests that run at the same time have nothing to do with each
//! other.

use std::path::{Path, PathBuf};

use parking_lot::{Condvar, Mutex};

/// What does not return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Writes.
    Write,
    /// Syncs.
    Sync,
}

static HANGING: Mutex<Vec<(PathBuf, Call)>> = Mutex::new(Vec::new());
static WELL_AGAIN: Condvar = Condvar::new();

/// A directory in which such calls do not return, until this is dropped.
pub(crate) struct Hanging(PathBuf, Call);

impl Hanging {
    /// Lets them hang below `path`.
    pub(crate) fn below(path: &Path, call: Call) -> Self {
        HANGING.lock().push((path.to_owned(), call));
        Hanging(path.to_owned(), call)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let is_this = |(path, call): &(PathBuf, Call)| *path == self.0 && *call == self.1;
        HANGING.lock().retain(|other| !is_this(other));
        WELL_AGAIN.notify_all();
    }
}

/// Waits as long as such calls hang in a directory.
pub(super) fn wait(path: &Path, call: Call) {
    let mut hanging = HANGING.lock();
    while hanging
        .iter()
        .any(|(below, which)| *which == call && path.starts_with(below))
    {
        WELL_AGAIN.wait(&mut hanging);
    }
}
