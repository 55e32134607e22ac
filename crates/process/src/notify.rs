//! Telling the service manager how far the server is (`sd_notify`'s protocol, without its
//! library): one datagram of `KEY=value` lines to the socket named by `NOTIFY_SOCKET`.
//!
//! Invariants: without the variable every call does nothing; a call waits at most
//! [`SEND_LIMIT`]; the environment is read once and never changed. The binary calls it; an
//! embedded server does not. Absent: the watchdog.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long one notification may take.
pub const SEND_LIMIT: Duration = Duration::from_secs(1);

/// The way to the service manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    address: Option<SocketAddr>,
}

impl Notifier {
    /// The service manager that started this process, by `NOTIFY_SOCKET`.
    ///
    /// # Errors
    /// The variable is set to something that is not a unix socket address.
    pub fn from_env() -> io::Result<Notifier> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(name) if !name.is_empty() => Notifier::to(&name),
            _ => Ok(Notifier::default()),
        }
    }

    /// A socket by its `NOTIFY_SOCKET` name: a path, or `@name` for an abstract one.
    ///
    /// # Errors
    /// The name is not a unix socket address.
    pub fn to(name: &OsStr) -> io::Result<Notifier> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => abstract_address(name)?,
            None if name.as_bytes().starts_with(b"/") => SocketAddr::from_pathname(name)?,
            None => {
                let text = format!(
                    "NOTIFY_SOCKET is \"{}\": expected an absolute path or @name",
                    name.display()
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
        };
        Ok(Notifier {
            address: Some(address),
        })
    }

    /// Whether anybody listens.
    pub fn is_active(&self) -> bool {
        self.address.is_some()
    }

    /// The server serves (after start-up, and again after each reload).
    ///
    /// # Errors
    /// What the system said; nothing of the server depends on it.
    pub fn ready(&self) -> io::Result<()> {
        self.send(&format!("READY=1\nMAINPID={}", std::process::id()))
    }

    /// A reload begins; [`ready`](Self::ready) ends it, even if it failed.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn reloading(&self) -> io::Result<()> {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"))
    }

    /// The shutdown begins.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn stopping(&self) -> io::Result<()> {
        self.send("STOPPING=1")
    }

    /// A word on what the server does, for `systemctl status`; only its first line is sent.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn status(&self, text: &str) -> io::Result<()> {
        self.send(&format!(
            "STATUS={}",
            text.lines().next().unwrap_or_default()
        ))
    }

    fn send(&self, state: &str) -> io::Result<()> {
        let Some(address) = &self.address else {
            return Ok(());
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_LIMIT))?;
        socket.send_to_addr(state.as_bytes(), address).map(drop)
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "abstract sockets exist on Linux only",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let count = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    fn check(socket: &UnixDatagram, notifier: &Notifier) {
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        assert!(notifier.is_active());
        notifier.ready().unwrap();
        assert_eq!(
            received(socket),
            format!("READY=1\nMAINPID={}", std::process::id())
        );
        notifier.reloading().unwrap();
        let reloading = received(socket);
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(micros.parse::<u64>().unwrap() > 0, "{reloading}");
        notifier.status("two\nlines").unwrap();
        assert_eq!(received(socket), "STATUS=two");
        notifier.stopping().unwrap();
        assert_eq!(received(socket), "STOPPING=1");
    }

    #[test]
    fn a_path_socket_hears_every_state() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        check(&socket, &Notifier::to(path.as_os_str()).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_hears_every_state() {
        let name = format!("cognate-notify-{}", std::process::id());
        let address = abstract_address(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        check(
            &socket,
            &Notifier::to(OsStr::new(&format!("@{name}"))).unwrap(),
        );
    }

    #[test]
    fn nobody_listening_is_an_error_and_no_variable_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let gone = Notifier::to(directory.path().join("gone").as_os_str()).unwrap();
        assert!(gone.ready().is_err());
        assert!(Notifier::to(OsStr::new("relative")).is_err());
        assert!(Notifier::to(OsStr::new(&"/x".repeat(200))).is_err());
        let nobody = Notifier::default();
        assert!(!nobody.is_active());
        nobody.ready().unwrap();
    }
}
