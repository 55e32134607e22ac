//! A server, a home directory, and `nats` run against them.
//!
//! [`World::nats`] runs a command to its end; [`World::spawn`] starts one that goes on, and waits for
//! what it prints. Both see no NATS_* variable of the outside.

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cognate_conformance::{Client, Server, wait};
use serde_json::Value;
use tempfile::TempDir;

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The command must have worked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(
            self.code, 0,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self
    }

    /// The command must have failed with 1, saying `text`.
    #[track_caller]
    pub(crate) fn fails_with(self, text: &str) {
        assert_eq!(
            self.code, 1,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        assert!(self.stderr.contains("nats: "), "{}", self.stderr);
        assert!(
            self.stderr.contains(text),
            "{text:?} is not in {}",
            self.stderr
        );
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// A server and a home.
pub(crate) struct World {
    server: Server,
    home: TempDir,
}

impl World {
    /// A server with JetStream.
    pub(crate) fn new() -> Self {
        let builder = Server::builder();
        let store = builder.dir().join("store");
        let store = store.to_str().expect("a path that is text").to_owned();
        Self::with(builder.args(&["-js", "-sd", &store]).start())
    }

    /// A server with JetStream and a system account, whose user [`World::sys`] is.
    pub(crate) fn with_system() -> Self {
        let builder = Server::builder();
        let store = builder.dir().join("store");
        let config = format!(
            "server_name: n1\njetstream {{ store_dir: \"{}\" }}\nsystem_account: SYS\n\
             accounts {{ SYS: {{ users: [{{ user: sys, password: secret }}] }} }}\n",
            store.display()
        );
        Self::with(builder.config(&config).start())
    }

    /// Runs `nats` to its end as the user of the system account.
    pub(crate) fn sys(&self, args: &[&str]) -> Ended {
        let login = ["--user", "sys", "--password", "secret"];
        self.nats(&[args, &login].concat())
    }

    /// A server with this configuration.
    pub(crate) fn configured(text: &str) -> Self {
        Self::with(Server::builder().config(text).start())
    }

    /// A server that runs already.
    pub(crate) fn with(server: Server) -> Self {
        World {
            server,
            home: tempfile::tempdir().expect("a temporary directory"),
        }
    }

    /// The server's URL.
    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.server.addr())
    }

    /// The server's address.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill_server(&mut self) {
        self.server.kill();
    }

    /// A directory for files.
    pub(crate) fn dir(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file and returns its path as text.
    pub(crate) fn file(&self, name: &str, contents: &[u8]) -> String {
        let path = self.dir().join(name);
        std::fs::write(&path, contents).expect("a temporary file can be written");
        path.to_str().expect("a path that is text").to_owned()
    }

    /// Waits until the server has this many connections that would get a message on `subject`.
    ///
    /// What a command says of its subscription comes before the server has heard of it.
    #[track_caller]
    pub(crate) fn wait_for_interest(&self, subject: &str, connections: u64) {
        let mut client = Client::quiet(self.addr());
        client.send("SUB answers 1\r\n");
        let question = serde_json::json!({ "filter_subject": subject }).to_string();
        let length = question.len();
        let ask = format!("PUB $SYS.REQ.ACCOUNT.PING.CONNZ answers {length}\r\n{question}\r\n");
        let what = format!("{connections} connections with interest in {subject}");
        wait::until(&what, || {
            let answer = client.send(&ask).message().payload;
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            (answer["data"]["num_connections"].as_u64() >= Some(connections)).then_some(())
        });
    }

    /// `nats`, set up but not started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nats"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("NATS_")) {
            command.env_remove(name);
        }
        command
            .args(args)
            .current_dir(self.dir())
            .env("XDG_CONFIG_HOME", self.dir().join("config"))
            .env("XDG_DATA_HOME", self.dir().join("data"))
            .env("HOME", self.dir())
            .env("NATS_URL", self.url())
            .env("COLUMNS", "120")
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        command
    }

    /// Runs `nats` to its end.
    pub(crate) fn nats(&self, args: &[&str]) -> Ended {
        end(self.command(args), b"")
    }

    /// Runs `nats` with something on its standard input.
    pub(crate) fn nats_with_input(&self, args: &[&str], input: &[u8]) -> Ended {
        end(self.command(args), input)
    }

    /// Starts `nats` and lets it run.
    pub(crate) fn spawn(&self, args: &[&str]) -> Running {
        let mut names = (0..).map(|at| self.dir().join(format!("spawned-{at}.txt")));
        let path = names
            .find(|path| !path.exists())
            .expect("numbers do not end");
        let file = File::create(&path).expect("a temporary file can be created");
        let errors = file.try_clone().expect("a file can be shared");
        let child = self
            .command(args)
            .stdout(file)
            .stderr(errors)
            .spawn()
            .expect("nats can be run");
        Running { child, path }
    }
}

/// A command that goes on.
pub(crate) struct Running {
    child: Child,
    path: PathBuf,
}

impl Running {
    /// Waits until it has printed `text`, and returns everything it has printed.
    #[track_caller]
    pub(crate) fn wait_for(&self, text: &str) -> String {
        wait::until(&format!("{text:?} from nats"), || {
            Some(self.printed()).filter(|out| out.contains(text))
        })
    }

    /// Waits for its end, and returns everything it printed.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> String {
        self.wait_within(wait::DEADLINE)
    }

    /// Like [`Running::wait`], for what would come later all the same if it were wrong.
    #[track_caller]
    pub(crate) fn wait_within(&mut self, deadline: Duration) -> String {
        let code = wait::until_within(deadline, "the end of nats", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        assert!(code.success(), "{}", self.printed());
        self.printed()
    }

    /// Interrupts it where that is how it is meant to end; the exit code must be 0.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> String {
        self.press_ctrl_c();
        self.wait()
    }

    /// Waits for the end that an interruption brings, which has code 130, and returns everything it
    /// printed.
    #[track_caller]
    pub(crate) fn interrupted(&mut self) -> String {
        let code = wait::until("the end of nats", || {
            self.child.try_wait().expect("a child can be waited for")
        });
        assert_eq!(code.code(), Some(130), "{}", self.printed());
        self.printed()
    }

    /// Interrupts it, without waiting for what becomes of it.
    pub(crate) fn press_ctrl_c(&self) {
        let pid = i32::try_from(self.child.id()).expect("a process id is small");
        let pid = rustix::process::Pid::from_raw(pid).expect("a process id is not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::INT)
            .expect("a child can be signalled");
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .is_some()
    }

    /// What it has printed until now.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.path).expect("its output is text")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn end(mut command: Command, input: &[u8]) -> Ended {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().expect("nats can be run");
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input).expect("nats reads its input");
    }
    let output = child.wait_with_output().expect("nats can be waited for");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("nats prints text");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Replaces what differs between runs: times by `<time>`, clock times by `<clock>`.
pub(crate) fn normalise(text: &str) -> String {
    const TIME: &str = "9999-99-99 99:99:99";
    const CLOCK: &str = "99:99:99";
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let fits = |shape: &str| {
            let start = rest.get(..shape.len())?;
            let same = |(c, s): (char, char)| if s == '9' { c.is_ascii_digit() } else { c == s };
            start
                .chars()
                .zip(shape.chars())
                .all(same)
                .then_some(shape.len())
        };
        match (fits(TIME), fits(CLOCK)) {
            (Some(len), _) => {
                out.push_str("<time>             ");
                rest = &rest[len..];
            }
            (_, Some(len)) => {
                out.push_str("<clock>");
                rest = &rest[len..];
            }
            _ => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}
