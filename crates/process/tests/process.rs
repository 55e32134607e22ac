//! Signals and standard error, with real child processes.
//!
//! The harness is this file's own `main`: it starts itself again, under a name of its own, as
//! the child.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cognate_process::notify::Notifier;
use cognate_process::signals::{ProcessSignal, Signals};
use cognate_process::{LogOptions, Logger, info, signal_command, warn};
use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(60);

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "child-signals" => return child_signals(),
        "child-stderr" => return child_stderr(),
        "child-notify" => return Notifier::from_env().unwrap().ready().unwrap(),
        "child-broken-stderr" => return child_broken_stderr(),
        _ => {}
    }
    let tests: [(&str, Test); 6] = [
        ("every_signal_is_an_event", every_signal_is_an_event),
        (
            "a_pattern_reaches_several_servers",
            a_pattern_reaches_several_servers,
        ),
        ("stop_kills", stop_kills),
        (
            "stderr_lines_are_plain_and_local",
            stderr_lines_are_plain_and_local,
        ),
        (
            "a_broken_stderr_does_not_kill",
            a_broken_stderr_does_not_kill,
        ),
        ("the_service_manager_is_found", the_service_manager_is_found),
    ];
    for (number, (name, test)) in tests.into_iter().enumerate() {
        test(&Program::new(number));
        println!("test {name} ... ok");
    }
}

type Test = fn(&Program);

/// This test under a process name that nothing else on the machine has.
struct Program {
    directory: tempfile::TempDir,
    name: String,
}

impl Program {
    fn new(number: usize) -> Program {
        let directory = tempfile::tempdir().unwrap();
        let name = format!("cgt{number}-{}", std::process::id());
        std::os::unix::fs::symlink(
            std::env::current_exe().unwrap(),
            directory.path().join(&name),
        )
        .unwrap();
        Program { directory, name }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn start(&self, mode: &str) -> Running {
        self.start_with(mode, &[], Stdio::inherit())
    }

    fn start_with(&self, mode: &str, env: &[(&str, &str)], stderr: Stdio) -> Running {
        let mut child = Command::new(self.path())
            .arg(mode)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Running { child, lines }
    }
}

/// A child, killed at the latest when the test ends.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn line(&self) -> String {
        self.lines
            .recv_timeout(DEADLINE)
            .expect("the child says something in time")
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().unwrap()
    }

    fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the child does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn child_signals() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut signals = Signals::install().unwrap();
        println!("ready");
        loop {
            let signal = signals.next().await;
            println!("{signal:?} {}", signal.description());
            if signal == ProcessSignal::Abort {
                std::process::exit(2);
            }
        }
    });
}

fn child_stderr() {
    for utc in [false, true] {
        let log = Logger::open(LogOptions {
            utc,
            ..LogOptions::default()
        })
        .unwrap();
        info!(log, "utc {utc}");
        assert!(log.flush(DEADLINE));
    }
}

fn child_broken_stderr() {
    let log = Logger::open(LogOptions::default()).unwrap();
    println!("ready");
    let mut go = String::new();
    // The parent closes its end of stderr, then makes this file.
    let signal_file = PathBuf::from(std::env::var_os("GO_FILE").unwrap());
    let deadline = Instant::now() + DEADLINE;
    while go.is_empty() {
        assert!(Instant::now() < deadline);
        go = std::fs::read_to_string(&signal_file).unwrap_or_default();
        std::thread::yield_now();
    }
    for n in 0..1_000 {
        warn!(log, "nobody reads line {n}");
    }
    assert!(log.flush(DEADLINE));
    println!("alive");
}

fn every_signal_is_an_event(program: &Program) {
    let child = program.start("child-signals");
    assert_eq!(child.line(), "ready");
    let id = child.child.id();
    let check = |command: &str, expected: &str| {
        assert_eq!(
            signal_command::send_to(&program.name, command).unwrap(),
            [id]
        );
        assert_eq!(child.line(), expected, "{command}");
    };
    check("reopen", "Reopen user defined signal 1");
    check("ldm", "LameDuck user defined signal 2");
    check("reload", "Reload hangup");
    check("term", "Term terminated");
    check("quit", "Quit interrupt");
    check(&format!("reload={id}"), "Reload hangup");
    let pid_file = program.directory().join("pid");
    std::fs::write(&pid_file, format!("{id}\n")).unwrap();
    check(&format!("reload={}", pid_file.display()), "Reload hangup");
    child.signal(Signal::PIPE);
    check("reopen=*", "Reopen user defined signal 1");
    child.signal(Signal::QUIT);
    assert_eq!(child.line(), "Abort quit");
    assert_eq!(child.wait().code(), Some(2));
}

fn a_pattern_reaches_several_servers(program: &Program) {
    let children = [
        program.start("child-signals"),
        program.start("child-signals"),
    ];
    children
        .iter()
        .for_each(|child| assert_eq!(child.line(), "ready"));
    let mut ids = children.each_ref().map(|child| child.child.id());
    ids.sort_unstable();
    let name = &program.name;
    let error = signal_command::send_to(name, "reload")
        .unwrap_err()
        .to_string();
    let expected = format!("multiple {name} processes running:\n{}\n{}", ids[0], ids[1]);
    assert_eq!(error, expected);
    assert_eq!(signal_command::send_to(name, "reload=*").unwrap(), ids);
    children
        .iter()
        .for_each(|child| assert_eq!(child.line(), "Reload hangup"));
    let first = children[0].child.id();
    assert!(
        signal_command::send_to(name, &format!("ldm={first}*"))
            .unwrap()
            .contains(&first)
    );
    assert_eq!(children[0].line(), "LameDuck user defined signal 2");
}

fn stop_kills(program: &Program) {
    let child = program.start("child-signals");
    assert_eq!(child.line(), "ready");
    signal_command::send_to(&program.name, "stop").unwrap();
    assert_eq!(child.wait().signal(), Some(Signal::KILL.as_raw()));
    let error = signal_command::send_to(&program.name, "stop")
        .unwrap_err()
        .to_string();
    assert_eq!(error, format!("no {} processes running", program.name));
}

/// The minute of the day on a log line.
fn minute(line: &str) -> i32 {
    let time = line.split(' ').nth(2).unwrap();
    let mut parts = time
        .split(':')
        .map(|part| part.parse::<f64>().unwrap() as i32);
    parts.next().unwrap() * 60 + parts.next().unwrap()
}

fn stderr_lines_are_plain_and_local(program: &Program) {
    let zone = [("TZ", "ABC-05:30")];
    let mut child = program.start_with("child-stderr", &zone, Stdio::piped());
    let mut text = String::new();
    child.stderr().read_to_string(&mut text).unwrap();
    let prefix = format!("[{}] 2", child.child.id());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines.iter().all(|line| line.starts_with(&prefix)), "{text}");
    assert!(lines[0].ends_with(" [INF] utc false") && lines[1].ends_with(" [INF] utc true"));
    let ahead = (minute(lines[0]) - minute(lines[1])).rem_euclid(24 * 60);
    // The minute may turn between the two lines.
    assert!((5 * 60 + 29..=5 * 60 + 30).contains(&ahead), "{text}");
    assert!(child.wait().success());
}

fn a_broken_stderr_does_not_kill(program: &Program) {
    let go = program.directory().join("go");
    let environment = [("GO_FILE", go.to_str().unwrap())];
    let mut child = program.start_with("child-broken-stderr", &environment, Stdio::piped());
    assert_eq!(child.line(), "ready");
    drop(child.stderr());
    std::fs::write(&go, "go").unwrap();
    assert_eq!(child.line(), "alive");
    assert!(child.wait().success());
}

fn the_service_manager_is_found(program: &Program) {
    let path = program.directory().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap())];
    let child = program.start_with("child-notify", &environment, Stdio::inherit());
    let mut buffer = [0; 256];
    let count = manager.recv(&mut buffer).unwrap();
    let expected = format!("READY=1\nMAINPID={}", child.child.id());
    assert_eq!(str::from_utf8(&buffer[..count]).unwrap(), expected);
    assert!(child.wait().success());
    // Without the variable, or with an empty one, there is nobody to tell.
    let environment = [("NOTIFY_SOCKET", "")];
    let child = program.start_with("child-notify", &environment, Stdio::inherit());
    assert!(child.wait().success());
}
