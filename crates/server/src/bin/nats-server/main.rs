//! The `nats-server` binary: command line, configuration file, signals and files around a server.
//!
//! ```text
//! arguments ─▶ command ─▶ options (file, then flags) ─▶ Server ◀─ signals
//! ```
//!
//! Everything a NATS server does is in the library; this is its manners as a process. Exit codes
//! are those of nats-server (0 after a graceful stop, 1 when it cannot start, 2 after SIGQUIT).

mod files;
mod import;
mod memory;
mod options;
mod run;

use std::process::ExitCode;

use cognate_config::flags::{self, Command, FlagError, Signal};
use cognate_process::signal_command;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    cognate_process::redact::hide_arguments();
    match flags::parse_args(&arguments) {
        Ok(Command::Run(flags)) => run::run(&flags),
        Ok(Command::ImportStore { directory, flags }) => import::run(&directory, &flags),
        Ok(Command::TestConfig(flags)) => options::test(&flags),
        Ok(Command::Help) => print(&flags::help()),
        Ok(Command::HelpTls) => print(&flags::help_tls()),
        Ok(Command::Version) => print(&version()),
        Ok(Command::Signal { signal, target }) => send_signal(signal, &target),
        Err(error) => refuse(&error),
    }
}

fn version() -> String {
    let (compatible, own) = (
        cognate_server::COMPATIBLE_VERSION,
        cognate_server::COGNATE_VERSION,
    );
    format!("nats-server: v{compatible} (Cognate {own})\n")
}

fn print(text: &str) -> ExitCode {
    use std::io::Write;
    // A reader that went away (`nats-server --help | head -1`) is no reason to fail.
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

/// Says what is wrong with the command line. The status is nats-server's, which is 0 after usage.
fn refuse(error: &FlagError) -> ExitCode {
    if error.usage {
        eprintln!("{}", error.message);
        print(&flags::help());
    } else {
        eprintln!("nats-server: {}", error.message);
    }
    ExitCode::from(u8::try_from(error.exit_status()).unwrap_or(1))
}

fn send_signal(signal: Signal, target: &str) -> ExitCode {
    let name = match signal {
        Signal::Stop => "stop",
        Signal::Quit => "quit",
        Signal::Term => "term",
        Signal::Reopen => "reopen",
        Signal::Reload => "reload",
        Signal::LameDuck => "ldm",
    };
    let argument = if target.is_empty() {
        name.to_owned()
    } else {
        format!("{name}={target}")
    };
    match signal_command::send(&argument) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("nats-server: {error}");
            ExitCode::FAILURE
        }
    }
}
