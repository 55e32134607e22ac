//! `nats-server --signal COMMAND[=TARGET]`: the sending side.
//!
//! The target is a process id, a file that holds one, or either followed by `*`: then every
//! running `nats-server` whose id begins so is meant (`*` alone: all). Without a target there
//! must be exactly one. Texts of errors are NATS's. Invariants: never signals itself, a process
//! group or "every process" (ids below 1 are refused). The binary calls it. Processes are found
//! by reading `/proc`; where there is none, an id must be given.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// The process name that is looked for, as `pgrep` would: anywhere in the command name.
pub const SERVER_PROCESS_NAME: &str = "nats-server";

/// The longest content a pid file may have; a log file given by mistake is not read whole.
const PID_FILE_LIMIT_BYTES: u64 = 64;

/// Why a signal was not sent. `Display` gives NATS's texts, which the binary prints after
/// `nats-server: `.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalCommandError {
    /// More than one `=`.
    Parameters(Vec<String>),
    /// The target is not a process id.
    InvalidPid(String),
    /// The command is none of stop, quit, term, reopen, reload, ldm.
    UnknownCommand(String),
    /// No process of this name runs.
    NoProcess(String),
    /// Several run and none was chosen.
    SeveralProcesses(String, Vec<u32>),
    /// `/proc` cannot be read.
    Unresolvable,
    /// Sending failed, for these processes with these reasons.
    Failed(String, Vec<(u32, String)>),
}

impl fmt::Display for SignalCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameters(extra) => {
                write!(f, "invalid signal parameters: [{}]", extra.join(" "))
            }
            Self::InvalidPid(text) => write!(f, "invalid pid: {text}"),
            Self::UnknownCommand(command) => write!(
                f,
                "unknown signal \"{command}\" (known: stop, quit, term, reopen, reload, ldm)"
            ),
            Self::NoProcess(name) => write!(f, "no {name} processes running"),
            Self::SeveralProcesses(name, pids) => {
                write!(f, "multiple {name} processes running:")?;
                pids.iter().try_for_each(|pid| write!(f, "\n{pid}"))
            }
            Self::Unresolvable => f.write_str("unable to resolve pid, try providing one"),
            Self::Failed(command, failures) => failures
                .iter()
                .try_for_each(|(pid, reason)| write!(f, "\nsignal \"{command}\" {pid}: {reason}")),
        }
    }
}

impl std::error::Error for SignalCommandError {}

/// Does what `--signal argument` asks for, and returns the ids signalled. That can be none: NATS
/// takes a pattern that matches no server for a success.
///
/// # Errors
/// [`SignalCommandError`]; when sending fails for some processes, the others were signalled.
pub fn send(argument: &str) -> Result<Vec<u32>, SignalCommandError> {
    send_to(SERVER_PROCESS_NAME, argument)
}

/// [`send`] for processes of another name.
///
/// # Errors
/// As [`send`].
pub fn send_to(process_name: &str, argument: &str) -> Result<Vec<u32>, SignalCommandError> {
    let (command, target) = split(argument)?;
    let target = Target::parse(&read_pid_file(target))?;
    let pids = match target {
        Target::Pid(pid) => vec![pid],
        Target::Only | Target::Prefix(_) => select(&target, process_name, running(process_name)?)?,
    };
    let signal =
        signal_of(command).ok_or_else(|| SignalCommandError::UnknownCommand(command.to_owned()))?;
    let mut failures = Vec::new();
    for pid in &pids {
        if let Err(error) = kill(*pid, signal) {
            failures.push((*pid, error_text(error)));
        }
    }
    match failures.is_empty() {
        true => Ok(pids),
        false => Err(SignalCommandError::Failed(command.to_owned(), failures)),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// The one server that runs.
    Only,
    Pid(u32),
    /// Every server whose id begins with this text.
    Prefix(String),
}

impl Target {
    fn parse(text: &str) -> Result<Target, SignalCommandError> {
        if text.is_empty() {
            return Ok(Target::Only);
        }
        let (digits, glob) = match text.strip_suffix('*') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        if glob && digits.is_empty() {
            return Ok(Target::Prefix(String::new()));
        }
        match digits.parse::<u32>() {
            Ok(pid) if pid > 0 && glob => Ok(Target::Prefix(pid.to_string())),
            Ok(pid) if pid > 0 => Ok(Target::Pid(pid)),
            _ => Err(SignalCommandError::InvalidPid(digits.to_owned())),
        }
    }
}

fn split(argument: &str) -> Result<(&str, &str), SignalCommandError> {
    let mut parts = argument.split('=');
    let command = parts.next().unwrap_or_default();
    let target = parts.next().unwrap_or_default();
    let extra: Vec<String> = parts.map(str::to_owned).collect();
    match extra.is_empty() {
        true => Ok((command, target)),
        false => Err(SignalCommandError::Parameters(extra)),
    }
}

/// The content of the file `target` if it is one, else `target` itself.
fn read_pid_file(target: &str) -> String {
    let mut content = String::new();
    let read = fs::metadata(target)
        .and_then(|metadata| match metadata.is_file() {
            true => fs::File::open(target),
            false => Err(io::ErrorKind::InvalidInput.into()),
        })
        .and_then(|file| {
            io::Read::read_to_string(
                &mut io::Read::take(file, PID_FILE_LIMIT_BYTES),
                &mut content,
            )
        });
    match read {
        Ok(_) => content.trim().to_owned(),
        Err(_) => target.to_owned(),
    }
}

fn select(
    target: &Target,
    process_name: &str,
    running: Vec<u32>,
) -> Result<Vec<u32>, SignalCommandError> {
    if running.is_empty() {
        return Err(SignalCommandError::NoProcess(process_name.to_owned()));
    }
    match target {
        Target::Prefix(prefix) => Ok(running
            .into_iter()
            .filter(|pid| pid.to_string().starts_with(prefix))
            .collect()),
        Target::Only if running.len() > 1 => Err(SignalCommandError::SeveralProcesses(
            process_name.to_owned(),
            running,
        )),
        Target::Only => Ok(running),
        Target::Pid(pid) => Ok(vec![*pid]),
    }
}

/// The ids, in ascending order, of the live processes with `name` in their command name, without
/// this one.
fn running(name: &str) -> Result<Vec<u32>, SignalCommandError> {
    let entries = fs::read_dir("/proc").map_err(|_| SignalCommandError::Unresolvable)?;
    let own = std::process::id();
    let mut pids: Vec<u32> = entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own && is_live_and_named(*pid, name))
        .collect();
    pids.sort_unstable();
    match pids.is_empty() && !Path::new("/proc/self/stat").exists() {
        true => Err(SignalCommandError::Unresolvable),
        false => Ok(pids),
    }
}

/// `/proc/<pid>/stat` begins `pid (command) state`; the command may hold anything, so its end is
/// the last parenthesis. A zombie takes no signals.
fn is_live_and_named(pid: u32, name: &str) -> bool {
    let Ok(stat) = fs::read(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let stat = String::from_utf8_lossy(&stat);
    let Some((head, tail)) = stat.rsplit_once(')') else {
        return false;
    };
    let Some((_, command)) = head.split_once('(') else {
        return false;
    };
    command.contains(name) && !tail.trim_start().starts_with(['Z', 'X'])
}

fn signal_of(command: &str) -> Option<Signal> {
    Some(match command {
        "stop" => Signal::KILL,
        "quit" => Signal::INT,
        "term" => Signal::TERM,
        "reopen" => Signal::USR1,
        "reload" => Signal::HUP,
        "ldm" => Signal::USR2,
        _ => return None,
    })
}

fn kill(pid: u32, signal: Signal) -> Result<(), Errno> {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or(Errno::SRCH)?;
    kill_process(pid, signal)
}

/// The system's words as the tools around NATS know them.
fn error_text(error: Errno) -> String {
    match error {
        Errno::SRCH => "no such process".to_owned(),
        Errno::PERM => "operation not permitted".to_owned(),
        other => io::Error::from(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(result: Result<Vec<u32>, SignalCommandError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn errors_have_nats_texts() {
        let name = "cognate-none";
        assert_eq!(
            error(send_to(name, "stop")),
            "no cognate-none processes running"
        );
        assert_eq!(
            error(send_to(name, "stop=*")),
            "no cognate-none processes running"
        );
        assert_eq!(
            error(send_to(name, "stop=1=2")),
            "invalid signal parameters: [2]"
        );
        assert_eq!(error(send_to(name, "stop=abc")), "invalid pid: abc");
        assert_eq!(error(send_to(name, "stop=x*")), "invalid pid: x");
        let gone = format!("reload={}", i32::MAX);
        let expected = format!("\nsignal \"reload\" {}: no such process", i32::MAX);
        assert_eq!(error(send_to(name, &gone)), expected);
        let unknown = error(send_to(name, &format!("dance={}", i32::MAX)));
        assert!(unknown.starts_with("unknown signal \"dance\""), "{unknown}");
    }

    #[test]
    fn groups_and_everybody_are_never_a_target() {
        for target in ["0", "-1", "-5", "0*", "+", "99999999999"] {
            let shown = error(send_to("cognate-none", &format!("stop={target}")));
            assert!(shown.starts_with("invalid pid: "), "{target}: {shown}");
        }
    }

    #[test]
    fn several_processes_need_a_choice() {
        let running = vec![12, 123, 45];
        let pick = |target: &str| {
            select(
                &Target::parse(target).unwrap(),
                "nats-server",
                running.clone(),
            )
        };
        assert_eq!(
            error(pick("")),
            "multiple nats-server processes running:\n12\n123\n45"
        );
        assert_eq!(pick("12*").unwrap(), [12, 123]);
        assert_eq!(pick("*").unwrap(), running);
        assert_eq!(pick("9*").unwrap(), [0_u32; 0]);
        assert_eq!(select(&Target::Only, "nats-server", vec![7]).unwrap(), [7]);
    }

    #[test]
    fn a_target_may_be_a_pid_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        fs::write(&path, "4711\n").unwrap();
        assert_eq!(read_pid_file(path.to_str().unwrap()), "4711");
        assert_eq!(read_pid_file("4711"), "4711");
        assert_eq!(
            read_pid_file(directory.path().to_str().unwrap()),
            directory.path().to_str().unwrap()
        );
    }
}
