//! Starts, watches and stops one server process on loopback.
//!
//! Every server gets a free port, a scratch directory for its log and, for the TLS rows, a
//! configuration file with a throw-away certificate; for the JetStream rows, a store in the same
//! directory. Invariant: dropping a [`Server`] ends the process and removes the directory. Absent:
//! anything about what the server is asked to do.

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::conn::{Conn, Login, Target};
use crate::failure::{Context, Failure, Result};
use crate::procfs::{CpuReading, Memory};

/// A configuration of a hundred megabytes takes a server half a minute.
const READY_WITHIN: Duration = Duration::from_secs(120);
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks whether the server is ready. Bounds the error of the start-up time.
const POLL: Duration = Duration::from_micros(200);

/// A running server.
pub(crate) struct Server {
    child: Child,
    command: Invocation,
    target: Target,
    scratch: Scratch,
    start_to_ready: Duration,
    version: String,
}

/// How a server is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Plain TCP, no configuration file.
    Plain,
    /// TLS required, with a configuration file.
    Tls,
}

/// When a server with JetStream brings its files to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// As the server does by itself: no configuration file.
    Default,
    /// `sync_interval: 2m`.
    Periodic,
    /// `sync_interval: always`.
    Always,
}

/// What it takes to start the process, once more if need be.
struct Invocation {
    binary: PathBuf,
    args: Vec<OsString>,
}

impl Invocation {
    fn spawn(&self, log: &Path) -> Result<Child> {
        let log = File::options().create(true).append(true).open(log);
        let log = log.context("creating the server's log")?;
        let copy = log.try_clone().context("creating the server's log")?;
        Command::new(&self.binary)
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .spawn()
            .context(format!("starting {}", self.binary.display()))
    }
}

impl Server {
    /// Starts `binary` and waits until it has answered a PING.
    pub(crate) fn start(binary: &Path, transport: Transport) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (addr, mut args) = listen()?;
        let target = match transport {
            Transport::Plain => plain(addr),
            Transport::Tls => {
                let config = scratch.0.join("server.conf");
                let target = encrypted(addr, &scratch.0, &config)?;
                args.extend(["-c".into(), config.into()]);
                target
            }
        };
        Self::launch(binary, args, target, scratch)
    }

    /// Starts `binary` with JetStream on an empty directory and waits until it has answered a PING.
    ///
    /// A server that does not know `sync_interval` (before 2.10) is started without it: it syncs
    /// in the background every two minutes and has no other way.
    pub(crate) fn start_jetstream(binary: &Path, sync: Sync) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (addr, mut args) = listen()?;
        let store = scratch.0.join("jetstream");
        let interval = match sync {
            Sync::Default => None,
            Sync::Periodic => Some("2m"),
            Sync::Always => Some("always"),
        };
        let config = scratch.0.join("server.conf");
        match interval {
            Some(interval) if knows_sync_interval(binary, &config, &store, interval)? => {
                args.extend(["-c".into(), config.into()]);
            }
            _ => args.extend(["-js".into(), "-sd".into(), store.into()]),
        }
        Self::launch(binary, args, plain(addr), scratch)
    }

    /// Starts `binary` with a configuration, which gets an empty directory to refer to, and waits
    /// until it has answered a PING of this user.
    pub(crate) fn start_configured(
        binary: &Path,
        login: Login,
        configuration: impl FnOnce(&Path) -> Result<String>,
    ) -> Result<Self> {
        let scratch = Scratch::new()?;
        let (addr, mut args) = listen()?;
        let config = scratch.0.join("server.conf");
        fs::write(&config, configuration(&scratch.0)?)
            .context("writing the server's configuration")?;
        args.extend(["-c".into(), config.into()]);
        Self::launch(binary, args, plain(addr).with_login(login), scratch)
    }

    fn launch(
        binary: &Path,
        args: Vec<OsString>,
        target: Target,
        scratch: Scratch,
    ) -> Result<Self> {
        let binary = binary.to_owned();
        let command = Invocation { binary, args };
        let start = Instant::now();
        let mut server = Self {
            child: command.spawn(&scratch.log())?,
            command,
            target,
            scratch,
            start_to_ready: Duration::ZERO,
            version: String::new(),
        };
        let conn = server.wait_until_ready(start)?;
        server.start_to_ready = start.elapsed();
        server.version = conn.info_text("version").unwrap_or("unknown").to_owned();
        Ok(server)
    }

    /// Ends the process without warning (SIGKILL).
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("killing the server")?;
        Ok(())
    }

    /// Starts a killed server again, on the same port and files, and waits for its first PONG.
    /// Returns when the process was created.
    pub(crate) fn start_again(&mut self) -> Result<Instant> {
        let start = Instant::now();
        self.child = self.command.spawn(&self.scratch.log())?;
        self.wait_until_ready(start)?;
        self.start_to_ready = start.elapsed();
        Ok(start)
    }

    /// How clients reach it.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Where it keeps what it writes.
    pub(crate) fn scratch(&self) -> &Path {
        &self.scratch.0
    }

    /// From before the process was created to the first PONG.
    pub(crate) fn start_to_ready(&self) -> Duration {
        self.start_to_ready
    }

    /// The version in its INFO.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Its CPU time so far.
    pub(crate) fn cpu(&self) -> Result<CpuReading> {
        CpuReading::of(self.child.id())
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> Result<Memory> {
        Memory::of(self.child.id())
    }

    /// The last lines of its log, for the report of a failed run.
    pub(crate) fn log_tail(&self) -> String {
        let log = fs::read(self.scratch.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n    ")
    }

    fn wait_until_ready(&mut self, start: Instant) -> Result<Conn> {
        loop {
            match Conn::open(&self.target) {
                Ok(conn) => return Ok(conn),
                Err(failure) => {
                    if let Some(status) = self.child.try_wait().context("watching the server")? {
                        let log = self.log_tail();
                        return Err(Failure::new(format!("it ended with {status}:\n    {log}")));
                    }
                    if start.elapsed() > READY_WITHIN {
                        let log = self.log_tail();
                        return Err(Failure::new(format!(
                            "not ready after {READY_WITHIN:?} ({failure}):\n    {log}"
                        )));
                    }
                }
            }
            std::thread::sleep(POLL);
        }
    }

    fn stop(&mut self) {
        let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) else {
            return;
        };
        // Fails only if it has ended already.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let start = Instant::now();
        while start.elapsed() < STOP_WITHIN {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A directory that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cognate-bench-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).context(format!("creating {}", path.display()))?;
        Ok(Self(path))
    }

    fn log(&self) -> PathBuf {
        self.0.join("server.log")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it; a leftover is in the temporary directory.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A port nobody listens on. Another process could take it before the server does, which then
/// shows as a server that ends at once.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a port")?;
    Ok(listener.local_addr().context("looking for a port")?.port())
}

/// An address nobody listens on, and the flags that make a server do so.
fn listen() -> Result<(SocketAddr, Vec<OsString>)> {
    let port = free_port()?;
    let flags = ["-a", "127.0.0.1", "-p", &port.to_string()].map(OsString::from);
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok((addr, flags.to_vec()))
}

/// Writes a configuration with that `sync_interval` and asks the server (`-t`) whether it takes it.
fn knows_sync_interval(binary: &Path, config: &Path, store: &Path, interval: &str) -> Result<bool> {
    let store = store.display();
    let text =
        format!("jetstream {{\n  store_dir: \"{store}\"\n  sync_interval: \"{interval}\"\n}}\n");
    fs::write(config, text).context("writing the server's configuration")?;
    let output = Command::new(binary)
        .arg("-t")
        .arg("-c")
        .arg(config)
        .output();
    let output = output.context(format!("starting {}", binary.display()))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    match output.status.success() {
        true => Ok(true),
        false if said.contains("unknown field") => Ok(false),
        false => Err(Failure::new(format!(
            "it refuses its configuration: {said}"
        ))),
    }
}

fn plain(addr: SocketAddr) -> Target {
    Target {
        addr,
        #[cfg(feature = "tls")]
        tls: None,
        login: Login::Anonymous,
    }
}

#[cfg(not(feature = "tls"))]
fn encrypted(_: SocketAddr, _: &Path, _: &Path) -> Result<Target> {
    Err(Failure::new(
        "this benchmark was built without its `tls` feature",
    ))
}

/// Writes certificate, key and configuration, and makes the client side trust that certificate.
#[cfg(feature = "tls")]
fn encrypted(addr: SocketAddr, dir: &Path, config: &Path) -> Result<Target> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    make_certificate(&cert, &key)?;
    let text = format!(
        "tls {{\n  cert_file: \"{}\"\n  key_file: \"{}\"\n  timeout: 10\n}}\n",
        cert.display(),
        key.display()
    );
    fs::write(config, text).context("writing the server's configuration")?;
    let mut roots = rustls::RootCertStore::empty();
    let der = CertificateDer::from_pem_file(&cert).context("reading the certificate")?;
    roots.add(der).context("trusting the certificate")?;
    let client = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Target {
        addr,
        tls: Some(client.into()),
        login: Login::Anonymous,
    })
}

#[cfg(feature = "tls")]
fn make_certificate(cert: &Path, key: &Path) -> Result<()> {
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=bench"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(key)
        .arg("-out")
        .arg(cert)
        .output()
        .context("running `openssl` to make a certificate (is it installed?)")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(Failure::new(format!("`openssl req` failed: {said}")))
}
