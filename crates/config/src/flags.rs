//! The command line: arguments to a command, and overrides for the options.
//!
//! Owns the rules of Go's `flag` package as far as users of nats-server rely on them (one dash or
//! two, `-x v` and `-x=v`, booleans only with `=`, parsing stops at the first word), and what each
//! flag does to the options. The flags themselves are one table in `table`. Pure: arguments in,
//! [`Command`] out; printing, signalling and exiting are the caller's.

mod apply;
mod help;
mod parse;
mod table;

pub use help::{help, help_tls};
pub use parse::parse_args;

use crate::options::{Port, Secret};
use std::fmt;

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start the server.
    Run(Flags),
    /// Check the configuration file (`Flags::config` is set), report, and exit.
    TestConfig(Flags),
    /// Take the streams of a Go server's store into ours, say what was taken, and exit.
    ImportStore {
        /// Where the Go server's JetStream store is.
        directory: String,
        /// Where ours is, and the rest.
        flags: Flags,
    },
    /// Print [`help`] on standard output; exit with 0.
    Help,
    /// Print [`help_tls`] on standard output; exit with 0.
    HelpTls,
    /// Print the version on standard output; exit with 0.
    Version,
    /// Signal a running server; exit with 0.
    Signal {
        /// Which signal.
        signal: Signal,
        /// What followed `=`: a process id, a path of a pid file, or the beginning of process ids
        /// and `*`. Empty is "the one server that runs".
        target: String,
    },
}

/// What `--signal` can ask of a running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `stop`: kill at once (SIGKILL).
    Stop,
    /// `quit`: shut down gracefully (SIGINT).
    Quit,
    /// `term`: shut down gracefully (SIGTERM).
    Term,
    /// `reopen`: close and open the log file (SIGUSR1).
    Reopen,
    /// `reload`: read the configuration again (SIGHUP).
    Reload,
    /// `ldm`: lame duck mode (SIGUSR2).
    LameDuck,
}

impl Signal {
    const ALL: [(&'static str, Self); 6] = [
        ("stop", Self::Stop),
        ("quit", Self::Quit),
        ("term", Self::Term),
        ("reopen", Self::Reopen),
        ("reload", Self::Reload),
        ("ldm", Self::LameDuck),
    ];
}

/// Options given on the command line; each is `None` unless its flag was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flags {
    /// `-c`, `--config`.
    pub config: Option<String>,
    /// `-a`, `--addr`, `--net`.
    pub host: Option<String>,
    /// `-p`, `--port`.
    pub port: Option<Port>,
    /// `-n`, `--name`, `--server_name`.
    pub server_name: Option<String>,
    /// `--client_advertise`.
    pub client_advertise: Option<String>,
    /// `-P`, `--pid`.
    pub pid_file: Option<String>,
    /// `--ports_file_dir`.
    pub ports_file_dir: Option<String>,
    /// `-m`, `--http_port`; the inner `None` is port 0, no monitoring.
    pub http_port: Option<Option<Port>>,
    /// `-ms`, `--https_port`; the inner `None` is port 0, no monitoring.
    pub https_port: Option<Option<Port>>,
    /// `-D`, `--debug`, and the combinations.
    pub debug: Option<bool>,
    /// `-V`, `--trace`, and the combinations.
    pub trace: Option<bool>,
    /// `-VV`, `-DVV`.
    pub trace_verbose: Option<bool>,
    /// `-T`, `--logtime`.
    pub logtime: Option<bool>,
    /// `--logtime_utc`.
    pub logtime_utc: Option<bool>,
    /// `-l`, `--log`.
    pub log_file: Option<String>,
    /// `--log_size_limit`.
    pub log_size_limit: Option<u64>,
    /// `--max_traced_msg_len`.
    pub max_traced_msg_len: Option<usize>,
    /// `-s`, `--syslog`.
    pub syslog: Option<bool>,
    /// `-r`, `--remote_syslog`.
    pub remote_syslog: Option<String>,
    /// `-js`, `--jetstream`.
    pub jetstream: Option<bool>,
    /// `-sd`, `--store_dir`.
    pub store_dir: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--pass`.
    pub password: Option<Secret>,
    /// `--auth`.
    pub token: Option<Secret>,
    /// `--tls`.
    pub tls: Option<bool>,
    /// `--tlsverify`.
    pub tls_verify: Option<bool>,
    /// `--tlscert`.
    pub tls_cert: Option<String>,
    /// `--tlskey`.
    pub tls_key: Option<String>,
    /// `--tlscacert`.
    pub tls_ca_cert: Option<String>,
}

/// Why a command line cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagError {
    /// What is wrong, for standard error. A message with usage stands alone; one without follows
    /// `nats-server: `.
    pub message: String,
    /// Whether [`help`] is printed after the message.
    pub usage: bool,
}

impl FlagError {
    /// The exit status. It is 0 for a malformed command line, because nats-server's usage function
    /// exits with 0 and scripts have come to expect it (config.md §12).
    #[must_use]
    pub fn exit_status(&self) -> i32 {
        i32::from(!self.usage)
    }

    fn with_usage(message: String) -> Self {
        Self {
            message,
            usage: true,
        }
    }

    fn plain(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            usage: false,
        }
    }
}

impl fmt::Display for FlagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FlagError {}
