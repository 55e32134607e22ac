//! The `nats-server` binary as a process of its own, looked at from outside.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::within;

/// A running binary with monitoring; killed when dropped.
pub(crate) struct Process {
    child: Child,
    /// Where clients connect.
    pub(crate) clients: SocketAddr,
    monitor: SocketAddr,
}

impl Process {
    /// Starts the binary with a configuration file, on free ports of this machine.
    pub(crate) fn start(configuration: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nats-server"))
            .args(["-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-c"])
            .arg(configuration)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built with this test");
        let log = child.stderr.take().expect("a pipe was asked for");
        let mut lines = BufReader::new(log).lines().map_while(Result::ok);
        let (mut clients, mut monitor) = (None, None);
        for line in &mut lines {
            let address = || line.rsplit(' ').next().and_then(|place| place.parse().ok());
            if line.contains("Starting http monitor on ") {
                monitor = address();
            } else if line.contains("Listening for client connections on ") {
                clients = address();
            } else if line.contains("Server is ready") {
                break;
            }
        }
        // A log that nobody reads would hold the server up.
        std::thread::spawn(move || lines.for_each(drop));
        let clients = clients.expect("the log says where clients connect");
        let monitor = monitor.expect("the log says where monitoring listens");
        Process {
            child,
            clients,
            monitor,
        }
    }

    /// The number after `"field":` in a document of monitoring.
    pub(crate) async fn number(&self, path: &str, field: &str) -> u64 {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        within("monitoring", async {
            let mut stream = TcpStream::connect(self.monitor).await.expect("it accepts");
            stream
                .write_all(request.as_bytes())
                .await
                .expect("it reads");
            stream
                .read_to_string(&mut answer)
                .await
                .expect("it answers in text");
        })
        .await;
        let start = answer.find(&format!("\"{field}\":")).expect("the field") + field.len() + 3;
        let rest = answer[start..].trim_start();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        rest[..end]
            .parse()
            .unwrap_or_else(|_| panic!("{field} is no number: {rest:.20}"))
    }

    /// Open files and sockets.
    #[allow(dead_code, reason = "each test program uses a part of it")]
    pub(crate) fn descriptors(&self) -> usize {
        let directory = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(directory)
            .expect("the process lives")
            .count()
    }

    /// A field of `/proc/PID/status` in KiB, such as `VmRSS` or `VmHWM`.
    pub(crate) fn memory_kib(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the process lives");
        let line = status
            .lines()
            .find(|line| line.starts_with(field))
            .expect("the field");
        let number = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok());
        number.expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
