//! The log: a cheap handle that many tasks write to, and the sinks behind it.
//!
//! ```text
//! info!(log, "…") ─▶ bounded queue ─▶ one writer thread ─▶ stderr | file | syslog
//!               └──▶ closure (in the caller's own thread)
//! ```
//!
//! Invariants: a line is exactly `[pid] 2026/01/02 15:04:05.000000 [INF] message`, whatever the
//! message contains (control characters are escaped, so a client cannot forge a line); a caller
//! waits at most [`FULL_QUEUE_WAIT`] for a sink that is stuck, then its lines are dropped, counted
//! and the count is reported once the sink works again; each handle is independent of every
//! other. Every part of the server calls it. Absent: exiting on a fatal line (the caller decides),
//! rate limiting, and any global logger.

mod file;
mod line;
mod queue;
mod sink;
mod syslog;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime};

use self::line::LineFormat;
use self::queue::{Custom, Entry, Queue};
pub use self::queue::{FULL_QUEUE_WAIT, QUEUE_LIMIT_BYTES};
use self::sink::Sink;

/// How long dropping the last handle waits for the queued lines to be written.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

/// The severity of a line, as NATS labels it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// `[INF]`: what an operator wants to read.
    Info,
    /// `[DBG]`: shown with `debug: true`.
    Debug,
    /// `[WRN]`: works, but somebody should look.
    Warn,
    /// `[ERR]`: something asked for did not happen.
    Error,
    /// `[FTL]`: the server cannot go on.
    Fatal,
    /// `[TRC]`: protocol traffic, shown with `trace: true`.
    Trace,
}

impl Level {
    /// The three letters between the brackets.
    pub fn label(self) -> &'static str {
        match self {
            Level::Info => "INF",
            Level::Debug => "DBG",
            Level::Warn => "WRN",
            Level::Error => "ERR",
            Level::Fatal => "FTL",
            Level::Trace => "TRC",
        }
    }
}

/// One line on its way to a closure sink ([`LogTarget::Custom`]).
#[derive(Debug)]
pub struct LogRecord<'a> {
    /// The severity.
    pub level: Level,
    /// The message alone, control characters escaped.
    pub message: &'a str,
    /// The whole line as a file would hold it, without the line end.
    pub line: &'a str,
}

/// What an embedder's closure looks like. It runs in the thread that logs; a panic in it is
/// caught and the line counts as lost.
pub type LogClosure = Arc<dyn Fn(&LogRecord<'_>) + Send + Sync>;

/// Where the lines go.
#[derive(Clone, Default)]
pub enum LogTarget {
    /// Standard error, coloured when it is a terminal.
    #[default]
    Stderr,
    /// A file, appended to, created with mode 0640.
    File {
        /// Its path; a device or pipe such as `/dev/stdout` is written to but never rotated.
        path: PathBuf,
        /// Rotate once the file is larger than this many bytes; 0 never rotates.
        size_limit: u64,
        /// Files to keep in total, the active one included; 0 keeps all.
        max_files: usize,
    },
    /// The machine's syslog socket.
    Syslog,
    /// A syslog daemon at `udp://host:port`, `tcp://host:port`, `unix:///path` or `host:port`
    /// (UDP); without a port, 514.
    RemoteSyslog(String),
    /// A closure of the embedding program.
    Custom(LogClosure),
    /// Nowhere: messages are not even formatted.
    Null,
}

impl LogTarget {
    /// The target that NATS's options select, in NATS's order of precedence: `log_file`, then
    /// `remote_syslog`, then `syslog`, then standard error.
    pub fn select(
        log_file: Option<(&Path, u64, usize)>,
        remote_syslog: Option<&str>,
        syslog: bool,
    ) -> LogTarget {
        match (log_file, remote_syslog) {
            (Some((path, size_limit, max_files)), _) => LogTarget::File {
                path: path.to_path_buf(),
                size_limit,
                max_files,
            },
            (None, Some(address)) => LogTarget::RemoteSyslog(address.to_owned()),
            (None, None) if syslog => LogTarget::Syslog,
            (None, None) => LogTarget::Stderr,
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, LogTarget::Null)
    }
}

impl fmt::Debug for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogTarget::Stderr => f.write_str("Stderr"),
            LogTarget::File {
                path,
                size_limit,
                max_files,
            } => f
                .debug_struct("File")
                .field("path", path)
                .field("size_limit", size_limit)
                .field("max_files", max_files)
                .finish(),
            LogTarget::Syslog => f.write_str("Syslog"),
            LogTarget::RemoteSyslog(address) => {
                f.debug_tuple("RemoteSyslog").field(address).finish()
            }
            LogTarget::Custom(_) => f.write_str("Custom(..)"),
            LogTarget::Null => f.write_str("Null"),
        }
    }
}

/// Everything about a log that configuration decides; all of it can change while it runs.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Where lines go.
    pub target: LogTarget,
    /// Show `[DBG]` lines.
    pub debug: bool,
    /// Show `[TRC]` lines.
    pub trace: bool,
    /// Trace the system account too (`trace_verbose`); read with [`Logger::trace_verbose`].
    pub trace_verbose: bool,
    /// Put date and time on the line (`logtime`, default true). Syslog has its own.
    pub time: bool,
    /// The time is UTC rather than local (`logtime_utc`).
    pub utc: bool,
    /// Colour the labels when standard error is a terminal.
    pub colors: bool,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            target: LogTarget::Stderr,
            debug: false,
            trace: false,
            trace_verbose: false,
            time: true,
            utc: false,
            colors: true,
        }
    }
}

/// Why a log could not be opened.
#[derive(Debug)]
pub enum LogError {
    /// The log file could not be opened.
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The syslog daemon could not be reached.
    Syslog {
        /// Where it was looked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// `remote_syslog` is not an address.
    BadAddress {
        /// The value.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The writer thread could not be started.
    Thread(io::Error),
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::File { path, source } => {
                write!(f, "error opening log file \"{}\": {source}", path.display())
            }
            LogError::Syslog { address, source } => {
                write!(f, "error connecting to syslog at {address}: {source}")
            }
            LogError::BadAddress { address, reason } => write!(
                f,
                "invalid remote_syslog address \"{address}\": {reason}; use udp://host:port, \
                 tcp://host:port, unix:///path or host:port"
            ),
            LogError::Thread(source) => write!(f, "error starting the log writer: {source}"),
        }
    }
}

impl std::error::Error for LogError {}

/// A handle on one log; clones share it. The last handle to go waits briefly for its lines.
#[derive(Clone)]
pub struct Logger(Arc<Shared>);

struct Shared {
    /// [`Flags`], read with one relaxed load on the hot path.
    flags: AtomicU8,
    queue: Arc<Queue>,
    /// What is in force; also serialises `reconfigure` and `reopen`.
    options: parking_lot::Mutex<LogOptions>,
}

/// Bits of `Shared::flags`.
struct Flags;

impl Flags {
    const ON: u8 = 1;
    const DEBUG: u8 = 2;
    const TRACE: u8 = 4;
    const VERBOSE: u8 = 8;

    fn of(options: &LogOptions) -> u8 {
        if options.target.is_null() {
            return 0;
        }
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        Flags::ON
            | bit(options.debug, Flags::DEBUG)
            | bit(options.trace, Flags::TRACE)
            | bit(options.trace_verbose, Flags::VERBOSE)
    }
}

impl Logger {
    /// Opens the target (and, for what may block, starts the writer thread).
    ///
    /// # Errors
    /// [`LogError`] when the file, the syslog daemon or the thread cannot be had.
    pub fn open(options: LogOptions) -> Result<Logger, LogError> {
        let logger = Logger::null();
        logger.reconfigure(options)?;
        Ok(logger)
    }

    /// A log that goes nowhere.
    pub fn null() -> Logger {
        let options = LogOptions {
            target: LogTarget::Null,
            ..LogOptions::default()
        };
        Logger(Arc::new(Shared {
            flags: AtomicU8::new(Flags::of(&options)),
            queue: Arc::new(Queue::new()),
            options: parking_lot::Mutex::new(options),
        }))
    }

    /// A log into a closure, with debug and trace on: for tests and embedders.
    pub fn custom(sink: impl Fn(&LogRecord<'_>) + Send + Sync + 'static) -> Logger {
        let logger = Logger::null();
        let options = LogOptions {
            target: LogTarget::Custom(Arc::new(sink)),
            debug: true,
            trace: true,
            ..LogOptions::default()
        };
        // A closure needs neither a file nor a thread, so nothing here can fail.
        let _ = logger.reconfigure(options);
        logger
    }

    /// Whether `[DBG]` lines are shown: one relaxed load.
    #[inline]
    pub fn debug_enabled(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) & Flags::DEBUG != 0
    }

    /// Whether `[TRC]` lines are shown: one relaxed load.
    #[inline]
    pub fn trace_enabled(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) & Flags::TRACE != 0
    }

    /// Whether the system account's traffic is traced too: one relaxed load.
    #[inline]
    pub fn trace_verbose(&self) -> bool {
        self.0.flags.load(Ordering::Relaxed) & Flags::VERBOSE != 0
    }

    /// Whether a line of this level would be written: one relaxed load.
    #[inline]
    pub fn enabled(&self, level: Level) -> bool {
        let bit = match level {
            Level::Debug => Flags::DEBUG,
            Level::Trace => Flags::TRACE,
            Level::Info | Level::Warn | Level::Error | Level::Fatal => Flags::ON,
        };
        self.0.flags.load(Ordering::Relaxed) & bit != 0
    }

    /// Writes one line if its level is enabled; the macros ([`info!`](crate::info) and the
    /// others) read better. Newlines and other control characters in the message are escaped, so
    /// that it stays one line; one newline at its end is taken off.
    pub fn log(&self, level: Level, message: fmt::Arguments<'_>) {
        if self.enabled(level) {
            self.push(level, fmt::format(message));
        }
    }

    /// Writes a text of the server's own, such as a configuration error with its excerpt, as one
    /// log line per line of text.
    pub fn log_lines(&self, level: Level, text: &str) {
        if self.enabled(level) {
            for line in text.lines() {
                self.push(level, line.to_owned());
            }
        }
    }

    /// What is in force.
    pub fn options(&self) -> LogOptions {
        self.0.options.lock().clone()
    }

    /// Changes everything at once; lines already queued still go to the old target.
    ///
    /// # Errors
    /// [`LogError`] when the new target cannot be opened; then the old one stays in force.
    pub fn reconfigure(&self, options: LogOptions) -> Result<(), LogError> {
        let mut current = self.0.options.lock();
        self.install(&options)?;
        self.0.flags.store(Flags::of(&options), Ordering::Relaxed);
        *current = options;
        Ok(())
    }

    /// Closes and opens the log file again, after somebody moved it away (SIGUSR1), and says so
    /// in the log. When it cannot be opened the old file stays in use and the log says that.
    pub fn reopen(&self) {
        let current = self.0.options.lock();
        let opened = match current.target {
            LogTarget::File { .. } => self.install(&current),
            _ => {
                drop(current);
                crate::info!(self, "File log re-open ignored, not a file logger");
                return;
            }
        };
        drop(current);
        match opened {
            Ok(()) => crate::info!(self, "File log re-opened"),
            Err(error) => crate::error!(self, "File log not re-opened: {error}"),
        }
    }

    /// Waits until every line logged before is written; false if that took longer than `limit`.
    /// Call it before the process ends.
    pub fn flush(&self, limit: Duration) -> bool {
        self.0.queue.flush(limit)
    }

    fn push(&self, level: Level, message: String) {
        self.0.queue.push(Entry {
            time: SystemTime::now(),
            level,
            message,
        });
    }

    fn install(&self, options: &LogOptions) -> Result<(), LogError> {
        let format = LineFormat::new(options);
        let queue = &self.0.queue;
        if let LogTarget::Custom(closure) = &options.target {
            queue.install_custom(Custom::new(closure.clone(), format));
            return Ok(());
        }
        let sink = Sink::open(&options.target, format)?;
        queue.install_sink(sink).map_err(LogError::Thread)
    }
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("options", &*self.0.options.lock())
            .finish()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close(CLOSE_WAIT);
    }
}

/// Logs an `[INF]` line: `info!(log, "Listening on {}", address)`.
#[macro_export]
macro_rules! info {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Info, $($message)+) };
}

/// Logs a `[DBG]` line; the arguments are evaluated only if debug is on.
#[macro_export]
macro_rules! debug {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Debug, $($message)+) };
}

/// Logs a `[TRC]` line; the arguments are evaluated only if trace is on.
#[macro_export]
macro_rules! trace {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Trace, $($message)+) };
}

/// Logs a `[WRN]` line.
#[macro_export]
macro_rules! warn {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Warn, $($message)+) };
}

/// Logs an `[ERR]` line.
#[macro_export]
macro_rules! error {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Error, $($message)+) };
}

/// Logs an `[FTL]` line. It does not end the process: the caller does, after
/// [`Logger::flush`](crate::Logger::flush).
#[macro_export]
macro_rules! fatal {
    ($log:expr, $($message:tt)+) => { $crate::log_line!($log, Fatal, $($message)+) };
}

/// What the level macros expand to.
#[doc(hidden)]
#[macro_export]
macro_rules! log_line {
    ($log:expr, $level:ident, $($message:tt)+) => {{
        let log: &$crate::Logger = &$log;
        if log.enabled($crate::Level::$level) {
            log.log($crate::Level::$level, ::core::format_args!($($message)+));
        }
    }};
}
