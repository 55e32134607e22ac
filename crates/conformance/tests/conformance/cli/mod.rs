//! The process: command line, configuration, log, files, signals and reload.

mod commands;
mod config_errors;
mod config_files;
mod log;
mod reload;
mod reload_users;
mod signals;

use std::path::PathBuf;

use cognate_conformance::cli::{self, Finished};
use tempfile::TempDir;

/// A configuration file in a directory of its own.
fn config_file(text: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("server.conf");
    std::fs::write(&path, text).expect("a temporary file can be written");
    (dir, path)
}

/// Runs `-t` on a configuration.
fn test_config(text: &str) -> (Finished, PathBuf) {
    let (_dir, path) = config_file(text);
    (
        cli::run(["-t".as_ref(), "-c".as_ref(), path.as_os_str()]),
        path,
    )
}
