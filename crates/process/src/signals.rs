//! The signals a NATS server acts on, as a stream of events.
//!
//! Invariants: once installed, none of these signals ends the process by itself, and SIGPIPE
//! never does (a reader that went away is an error on that descriptor). The binary installs it
//! first thing; an embedding program usually does not. Absent: what each signal does, which is
//! the server's business.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal, named by what NATS does on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProcessSignal {
    /// SIGINT: shut down, exit 0.
    Quit,
    /// SIGTERM: shut down, exit 0; ignored while lame duck mode is already on its way there.
    Term,
    /// SIGUSR1: open the log file again.
    Reopen,
    /// SIGUSR2: enter lame duck mode.
    LameDuck,
    /// SIGHUP: reload the configuration.
    Reload,
    /// SIGQUIT: end at once, without a shutdown, exit 2. (NATS's server leaves this one to its
    /// language's runtime, which shows what every task is doing and exits so.)
    Abort,
}

impl ProcessSignal {
    /// The name in the log line `Trapped "interrupt" signal`.
    pub fn description(self) -> &'static str {
        match self {
            ProcessSignal::Quit => "interrupt",
            ProcessSignal::Term => "terminated",
            ProcessSignal::Reopen => "user defined signal 1",
            ProcessSignal::LameDuck => "user defined signal 2",
            ProcessSignal::Reload => "hangup",
            ProcessSignal::Abort => "quit",
        }
    }
}

/// The stream of signals.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    user1: Signal,
    user2: Signal,
    hangup: Signal,
    quit: Signal,
    /// Held so that SIGPIPE is handled even where the embedding program has it end the process.
    _pipe: Signal,
}

impl Signals {
    /// Installs the handlers, for the rest of the process's life. Needs a tokio runtime with its
    /// I/O driver on.
    ///
    /// # Errors
    /// What the system said.
    pub fn install() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            _pipe: signal(SignalKind::pipe())?,
        })
    }

    /// The next signal; equal signals that came meanwhile are one. Cancel safe.
    pub async fn next(&mut self) -> ProcessSignal {
        tokio::select! {
            Some(()) = self.interrupt.recv() => ProcessSignal::Quit,
            Some(()) = self.terminate.recv() => ProcessSignal::Term,
            Some(()) = self.user1.recv() => ProcessSignal::Reopen,
            Some(()) = self.user2.recv() => ProcessSignal::LameDuck,
            Some(()) = self.hangup.recv() => ProcessSignal::Reload,
            Some(()) = self.quit.recv() => ProcessSignal::Abort,
            // Only if the runtime's signal driver is gone, and then there is nothing to wait for.
            else => std::future::pending().await,
        }
    }
}
