//! What the writer thread writes to.
//!
//! Invariants: a sink never panics and never waits without end (see [`Patience`]); a line it
//! could not write is counted, and the count is written as a `[WRN]` line before the next line
//! that goes through; a line torn by a failed write is ended before the next one begins. The
//! writer thread of `queue` owns the sink in force.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::file::LogFile;
use super::line::LineFormat;
use super::queue::{Entry, Patience};
use super::syslog::Syslog;
use super::{Level, LogError, LogTarget};

/// Text gathered before it is written out, so that a burst needs few system calls.
const BUFFER_LIMIT_BYTES: usize = 64 << 10;

/// POSIX's least `PIPE_BUF`, rounded up to Linux's: a pipe that polls as writable takes this much
/// without blocking.
const PIPE_CHUNK_BYTES: usize = 4096;

/// How often a writer that waits for a stuck descriptor looks whether it should give up.
const PATIENCE_SLICE: Duration = Duration::from_millis(50);

/// A sink of the writer thread.
pub(crate) enum Sink {
    Null,
    Stream(Stream),
    File(LogFile),
    Syslog(Syslog),
}

impl Sink {
    /// Opens a target; closures have no sink and open as `Null`.
    pub(crate) fn open(target: &LogTarget, format: LineFormat) -> Result<Sink, LogError> {
        Ok(match target {
            LogTarget::Stderr => {
                let terminal = io::IsTerminal::is_terminal(&io::stderr());
                Sink::Stream(Stream::new(Output::Stderr, format.colored(terminal)))
            }
            LogTarget::File {
                path,
                size_limit,
                max_files,
            } => Sink::File(LogFile::open(
                path,
                *size_limit,
                *max_files,
                format.colored(false),
            )?),
            LogTarget::Syslog => Sink::Syslog(Syslog::local()?),
            LogTarget::RemoteSyslog(address) => Sink::Syslog(Syslog::remote(address)?),
            LogTarget::Custom(_) | LogTarget::Null => Sink::Null,
        })
    }

    /// Called when the sink comes into force, after the last line of the one before it.
    pub(crate) fn activate(&mut self) {
        if let Sink::File(file) = self {
            file.activate();
        }
    }

    /// Takes a line, and writes it now or at `finish`.
    pub(crate) fn append(&mut self, entry: &Entry, patience: &Patience) {
        match self {
            Sink::Null => {}
            Sink::Stream(stream) => stream.append(entry, patience),
            Sink::File(file) => file.append(entry, patience),
            Sink::Syslog(syslog) => syslog.append(entry),
        }
    }

    /// Writes out what is gathered.
    pub(crate) fn finish(&mut self, patience: &Patience) {
        match self {
            Sink::Null | Sink::Syslog(_) => {}
            Sink::Stream(stream) => stream.finish(patience),
            Sink::File(file) => file.finish(patience),
        }
    }

    /// Lines lost and not yet reported; none are left here.
    pub(crate) fn take_losses(&mut self) -> Losses {
        self.losses().map(std::mem::take).unwrap_or_default()
    }

    /// Counts lines lost before they reached this sink.
    pub(crate) fn add_lost(&mut self, lost: Losses) {
        if let Some(losses) = self.losses() {
            losses.count = losses.count.saturating_add(lost.count);
            losses.cause = lost.cause.or(losses.cause.take());
        }
    }

    fn losses(&mut self) -> Option<&mut Losses> {
        match self {
            Sink::Null => None,
            Sink::Stream(stream) => Some(stream.losses()),
            Sink::File(file) => Some(file.losses()),
            Sink::Syslog(syslog) => Some(&mut syslog.losses),
        }
    }
}

/// Lines lost since the last report.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    count: u64,
    cause: Option<io::Error>,
}

impl Losses {
    /// Lines dropped because the queue was full.
    pub(crate) fn dropped(count: u64) -> Losses {
        Losses { count, cause: None }
    }

    /// Lines that a write took with it.
    pub(crate) fn add_failed(&mut self, count: u64, cause: io::Error) {
        self.count = self.count.saturating_add(count);
        self.cause = Some(cause);
    }

    /// The line that reports the losses, if there are any.
    pub(crate) fn report(&self) -> Option<Entry> {
        if self.count == 0 {
            return None;
        }
        let cause = match &self.cause {
            Some(error) => error.to_string(),
            None => "the log did not take them fast enough".to_owned(),
        };
        let message = format!("Log lines lost: {} ({cause})", self.count);
        Some(Entry::now(Level::Warn, message))
    }

    pub(crate) fn clear(&mut self) {
        *self = Losses::default();
    }
}

/// Where the bytes of a stream go.
pub(crate) enum Output {
    Stderr,
    File(File),
}

/// A descriptor that lines are written to, with its buffer and its losses.
pub(crate) struct Stream {
    output: Output,
    /// A regular file: never makes a writer wait the way a pipe or terminal does.
    regular: bool,
    format: LineFormat,
    buffer: String,
    losses: Losses,
    /// The last write ended within a line.
    torn: bool,
    /// Bytes written, or that were there at the start.
    size: u64,
}

impl Stream {
    pub(crate) fn new(output: Output, format: LineFormat) -> Stream {
        let mut stream = Stream {
            output: Output::Stderr,
            regular: false,
            format,
            buffer: String::new(),
            losses: Losses::default(),
            torn: false,
            size: 0,
        };
        stream.redirect(output);
        stream
    }

    /// Goes on with another descriptor; what is buffered goes there.
    pub(crate) fn redirect(&mut self, output: Output) {
        let metadata = match &output {
            Output::File(file) => file.metadata().ok(),
            Output::Stderr => None,
        };
        self.regular = metadata.as_ref().is_some_and(|metadata| metadata.is_file());
        self.size = if self.regular {
            metadata.map_or(0, |metadata| metadata.len())
        } else {
            0
        };
        self.torn = false;
        self.output = output;
    }

    /// Whether the descriptor is a regular file.
    pub(crate) fn is_regular(&self) -> bool {
        self.regular
    }

    /// The size in bytes once the buffer is written.
    pub(crate) fn size(&self) -> u64 {
        self.size.saturating_add(self.buffer.len() as u64)
    }

    pub(crate) fn losses(&mut self) -> &mut Losses {
        &mut self.losses
    }

    pub(crate) fn append(&mut self, entry: &Entry, patience: &Patience) {
        self.format.append(&mut self.buffer, entry);
        if self.buffer.len() >= BUFFER_LIMIT_BYTES {
            self.finish(patience);
        }
    }

    /// Writes the report of losses, if one is due, and then the buffer.
    pub(crate) fn finish(&mut self, patience: &Patience) {
        if self.buffer.is_empty() {
            return;
        }
        let buffer = std::mem::take(&mut self.buffer);
        if let Err(failure) = self
            .write_report(patience)
            .and_then(|()| self.write_all(buffer.as_bytes(), patience))
        {
            let unwritten = buffer.as_bytes().get(failure.written..).unwrap_or_default();
            let lines = unwritten.iter().filter(|byte| **byte == b'\n').count();
            self.losses.add_failed(lines as u64, failure.error);
        }
        self.buffer = buffer;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_LIMIT_BYTES);
    }

    fn write_report(&mut self, patience: &Patience) -> Result<(), Failure> {
        let Some(report) = self.losses.report() else {
            return Ok(());
        };
        let mut line = String::new();
        self.format.append(&mut line, &report);
        // None of the buffered lines is written if this fails.
        self.write_all(line.as_bytes(), patience)
            .map_err(|failure| Failure {
                written: 0,
                ..failure
            })?;
        self.losses.clear();
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8], patience: &Patience) -> Result<(), Failure> {
        if self.torn {
            self.write_some(b"\n", patience)
                .map_err(|error| Failure { written: 0, error })?;
            self.torn = false;
        }
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.write_some(rest, patience) {
                Ok(count) => written += count,
                Err(error) => {
                    let before = bytes.get(..written).and_then(<[u8]>::last);
                    self.torn = before.is_some_and(|byte| *byte != b'\n');
                    return Err(Failure { written, error });
                }
            }
        }
        Ok(())
    }

    fn write_some(&mut self, bytes: &[u8], patience: &Patience) -> io::Result<usize> {
        loop {
            let chunk = if self.regular {
                bytes
            } else {
                wait_writable(self.output.fd(), patience)?;
                bytes.get(..PIPE_CHUNK_BYTES).unwrap_or(bytes)
            };
            match rustix::io::write(self.output.fd(), chunk) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.size = self.size.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(rustix::io::Errno::INTR) => {}
                // Somebody else filled the pipe between the poll and the write.
                Err(rustix::io::Errno::AGAIN) if !self.regular => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A write that did not finish.
struct Failure {
    written: usize,
    error: io::Error,
}

impl Output {
    fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Output::Stderr => rustix::stdio::stderr(),
            Output::File(file) => file.as_fd(),
        }
    }
}

/// Waits until the descriptor takes bytes (or is in error, which the write then reports).
fn wait_writable(fd: BorrowedFd<'_>, patience: &Patience) -> io::Result<()> {
    let slice = Timespec {
        tv_sec: 0,
        tv_nsec: PATIENCE_SLICE.subsec_nanos().into(),
    };
    loop {
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::OUT)];
        match poll(&mut fds, Some(&slice)) {
            Ok(0) if patience.exhausted() => return Err(io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
