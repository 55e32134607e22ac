//! A running server: started on free loopback ports, ready when the handle is returned, killed
//! and cleaned up when it is dropped.
//!
//! Ports are chosen by the server (`-p -1`, `-m -1`) and read from the file it writes into
//! `--ports_file_dir`, so that tests never race for a port. Standard error goes to a file, which
//! is the log unless the configuration says otherwise; a failing test prints its end.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::http::{self, Response};
use crate::{cli, wait};

/// How a server is to be started.
pub struct ServerBuilder {
    dir: TempDir,
    config: Option<PathBuf>,
    args: Vec<String>,
    env: Vec<(String, String)>,
    port: bool,
    binary: Option<PathBuf>,
}

impl ServerBuilder {
    /// Writes `text` as the configuration file and starts with it.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        let path = self.dir.path().join("server.conf");
        std::fs::write(&path, text).expect("a temporary file can be written");
        self.config = Some(path);
        self
    }

    /// Adds command-line arguments.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    /// Listens for monitoring requests on a free port.
    #[must_use]
    pub fn monitored(self) -> Self {
        self.args(&["-m", "-1"])
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, key: &str, value: &str) -> Self {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Starts this binary instead of the one under test.
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
        self
    }

    /// Leaves address and port to the configuration file.
    #[must_use]
    pub fn without_port_flag(mut self) -> Self {
        self.port = false;
        self
    }

    /// The directory of the server's files; it lives as long as the server.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts the server and waits until it accepts clients.
    #[must_use]
    pub fn start(self) -> Server {
        let log_path = self.dir.path().join("stderr.log");
        let log = File::create(&log_path).expect("a temporary file can be created");
        let mut command = Command::new(self.binary.unwrap_or_else(cli::binary));
        command.args(["--ports_file_dir".as_ref(), self.dir.path().as_os_str()]);
        if self.port {
            command.args(["-a", "127.0.0.1", "-p", "-1"]);
        }
        if let Some(config) = &self.config {
            command.arg("-c").arg(config);
        }
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(k, v)| (k, v)));
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the binary under test can be run");
        let mut server = Server {
            child,
            dir: self.dir,
            log_path,
            ports: Value::Null,
            status: None,
        };
        server.ports = server.wait_for_ports();
        server
    }
}

/// A running server.
pub struct Server {
    child: Child,
    dir: TempDir,
    log_path: PathBuf,
    ports: Value,
    status: Option<ExitStatus>,
}

impl Server {
    /// A server to be described further.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            dir: tempfile::tempdir().expect("a temporary directory"),
            config: None,
            args: Vec::new(),
            env: Vec::new(),
            port: true,
            binary: None,
        }
    }

    /// A server with defaults.
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with defaults and monitoring.
    #[must_use]
    pub fn monitored() -> Self {
        Self::builder().monitored().start()
    }

    /// A server with monitoring and this configuration.
    #[must_use]
    pub fn with_config(text: &str) -> Self {
        Self::builder().monitored().config(text).start()
    }

    /// Where clients connect.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener("nats")
            .expect("the ports file has a client port")
    }

    /// Where monitoring requests go.
    #[must_use]
    pub fn monitor_addr(&self) -> SocketAddr {
        self.listener("monitoring")
            .expect("the server was started with monitoring")
    }

    /// The ports file as JSON.
    #[must_use]
    pub fn ports(&self) -> &Value {
        &self.ports
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The directory of the server's files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Replaces the configuration file, without telling the server.
    pub fn write_config(&self, text: &str) {
        std::fs::write(self.dir.path().join("server.conf"), text).expect("a writable file");
    }

    /// A new connection that has read INFO.
    #[must_use]
    pub fn connect(&self) -> Client {
        Client::connect(self.addr())
    }

    /// A new ordinary client, see [`Client::quiet`].
    #[must_use]
    pub fn quiet(&self) -> Client {
        Client::quiet(self.addr())
    }

    /// GETs a monitoring path.
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        http::get(self.monitor_addr(), path)
    }

    /// GETs a monitoring path and reads its JSON; the status must be 200.
    #[must_use]
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.body);
        response.json()
    }

    /// What the server wrote to standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log_path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log contains `text`, and returns the log.
    #[track_caller]
    pub fn wait_log(&self, text: &str) -> String {
        let what = format!("{text:?} in the log");
        wait::until(&what, || Some(self.log()).filter(|log| log.contains(text)))
    }

    /// Waits until no client is connected.
    #[track_caller]
    pub fn until_empty(&self) {
        wait::until("all connections to be gone", || {
            (self.json("/varz")["connections"] == 0).then_some(())
        });
    }

    /// Waits until connection `cid` is among the closed ones, and returns why it was closed.
    #[track_caller]
    pub fn close_reason(&self, cid: u64) -> String {
        let path = format!("/connz?state=closed&cid={cid}");
        wait::until(&format!("connection {cid} to be closed"), || {
            let connz = self.json(&path);
            connz["connections"][0]["reason"]
                .as_str()
                .map(str::to_owned)
        })
    }

    /// Sends a Unix signal by its short name, such as `HUP`.
    pub fn signal(&self, name: &str) {
        // The shell's own `kill` exists wherever there is a shell.
        let mut command = Command::new("sh");
        command
            .arg("-c")
            .arg(format!("kill -{name} {}", self.pid()));
        let done = cli::finish(command);
        assert_eq!(done.code, Some(0), "cannot send {name}: {}", done.stderr);
    }

    /// Reloads the configuration `text` and waits until the server says how it went; returns the
    /// log lines written since.
    #[track_caller]
    pub fn reload(&self, text: &str) -> String {
        let before = self.log().len();
        self.write_config(text);
        self.signal("HUP");
        wait::until("the outcome of the reload in the log", || {
            let log = self.log();
            let new = log.get(before..)?.to_owned();
            (new.contains("Reloaded server configuration") || new.contains("Failed to reload"))
                .then_some(new)
        })
    }

    /// Kills the process as `kill -9` does, and waits until it is gone.
    pub fn kill(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        self.status = self.child.wait().ok();
    }

    /// Waits for the process to end by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        let status = wait::until("the server to end", || self.child.try_wait().ok().flatten());
        self.status = Some(status);
        status
    }

    fn listener(&self, kind: &str) -> Option<SocketAddr> {
        let url = self.ports.get(kind)?.get(0)?.as_str()?;
        let (_, addr) = url.split_once("://")?;
        addr.parse().ok()
    }

    fn wait_for_ports(&mut self) -> Value {
        let dir = self.dir.path().to_owned();
        let suffix = format!("_{}.ports", self.pid());
        wait::until("the ports file", || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!(
                    "the server ended at start-up with {status}:\n{}",
                    self.log()
                );
            }
            let entry = std::fs::read_dir(&dir)
                .ok()?
                .flatten()
                .find(|entry| entry.file_name().to_string_lossy().ends_with(&suffix))?;
            let ports: Value = serde_json::from_slice(&std::fs::read(entry.path()).ok()?).ok()?;
            ports.get("nats")?.get(0)?;
            Some(ports)
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.status.is_none() {
            // The process may have ended on its own between these calls; either way it is gone.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            eprintln!("--- end of the server's log ---\n{}\n---", tail.join("\n"));
        }
    }
}
