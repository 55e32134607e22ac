//! Running the binary as a command that is expected to end by itself: `--help`, `-t`, `--signal`.
//!
//! Invariant: a command that does not end within the deadline is killed and fails the test.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::wait;

/// What a finished command left behind.
#[derive(Debug)]
pub struct Finished {
    /// Exit status; `None` when a signal ended the process.
    pub code: Option<i32>,
    /// Everything written to standard output.
    pub stdout: String,
    /// Everything written to standard error.
    pub stderr: String,
}

/// The binary under test: `NATS_SERVER_BIN`, or the `nats-server` of the workspace's own build.
///
/// # Panics
/// When there is no such file, saying how to get one.
#[must_use]
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        let path = PathBuf::from(path);
        assert!(
            path.is_file(),
            "NATS_SERVER_BIN names {}, which is not a file",
            path.display()
        );
        return path;
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    // Tests live in target/<profile>/deps, binaries one level above.
    let profile = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("cargo's target layout");
    let path = profile.join(format!("nats-server{}", std::env::consts::EXE_SUFFIX));
    assert!(
        path.is_file(),
        "no server to test at {}: run `cargo build` first, or set NATS_SERVER_BIN to a binary",
        path.display()
    );
    path
}

/// Runs the binary with `args` and waits for its end.
pub fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Finished {
    let mut command = Command::new(binary());
    command.args(args);
    finish(command)
}

/// Runs any command and waits for its end.
pub fn finish(mut command: Command) -> Finished {
    let shown = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {shown}: {error}"));
    let mut out = child.stdout.take().expect("piped above");
    let mut err = child.stderr.take().expect("piped above");
    // Both pipes are drained while waiting, or a long help text would block the command.
    let stdout = std::thread::spawn(move || drain(&mut out));
    let stderr = std::thread::spawn(move || drain(&mut err));
    let end = std::time::Instant::now() + wait::DEADLINE;
    let status = loop {
        match child.try_wait().expect("a child can be waited for") {
            Some(status) => break Some(status),
            None if std::time::Instant::now() > end => break None,
            None => wait::a_moment(),
        }
    };
    if status.is_none() {
        // Nothing more can be done about a process that cannot be killed.
        let _ = child.kill();
        let _ = child.wait();
    }
    let stdout = stdout.join().expect("reading a pipe does not panic");
    let stderr = stderr.join().expect("reading a pipe does not panic");
    let Some(status) = status else {
        panic!("{shown} did not end by itself\nstdout: {stdout}\nstderr: {stderr}");
    };
    Finished {
        code: status.code(),
        stdout,
        stderr,
    }
}

fn drain(pipe: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    // A pipe that breaks has given what it had.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}
