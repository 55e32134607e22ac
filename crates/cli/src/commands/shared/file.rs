//! Files that are written as a whole or not at all.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Context, Result};

/// Permissions of files that only their owner may read.
pub(crate) const SECRET: u32 = 0o600;

/// Permissions of all others, before the user's mask.
pub(crate) const ORDINARY: u32 = 0o666;

/// Replaces a file, or makes it: whoever reads sees the old one or the new one, never half of one.
pub(crate) fn replace(path: &Path, contents: &[u8], mode: u32) -> Result<()> {
    let mut name = path
        .file_name()
        .context("a file name is needed")?
        .to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(contents)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The failure is told; what is left behind is of no use.
        let _ = fs::remove_file(&temporary);
    }
    written.context(path.display())
}
