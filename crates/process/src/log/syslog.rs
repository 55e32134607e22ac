//! Syslog, as NATS speaks it: the machine's own socket, or a daemon over UDP, TCP or a socket.
//!
//! ```text
//! local:  <29>Jan  2 15:04:05 nats-server[1234]: message\n
//! remote: <5>2026-01-02T15:04:05+01:00 host nats-server[1234]: message\n
//! ```
//!
//! Facility `daemon` locally and 0 remotely; trace lines have severity `notice` (both as NATS
//! does). Invariants: connecting and sending are bounded in time; a failed send is tried once more
//! on a new connection, then the line counts as lost and the daemon is left alone for
//! [`RETRY_PAUSE`]. The writer thread owns it. Absent: RFC 5424 framing and TLS.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::line::{append_escaped, local_zone};
use super::queue::Entry;
use super::sink::Losses;
use super::{Level, LogError};
use crate::ports_file::program_name;

/// How long connecting, and one send, may take.
const IO_LIMIT: Duration = Duration::from_secs(2);
/// How long to leave a daemon alone that cannot be reached.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// The port of a remote daemon given without one.
const DEFAULT_PORT: u16 = 514;
/// Addresses of one name that are tried.
const ADDRESSES_LIMIT: usize = 4;
/// What fits a UDP datagram with room for the header; longer messages are cut.
const MESSAGE_LIMIT_BYTES: usize = 60_000;
/// Where systems keep their syslog socket.
const LOCAL_SOCKETS: [&str; 3] = ["/dev/log", "/var/run/syslog", "/var/run/log"];

const FACILITY_DAEMON: u8 = 3 << 3;

/// Where a daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Local(Vec<PathBuf>),
    Unix(PathBuf),
    Udp(String),
    Tcp(String),
}

enum Connection {
    UnixDatagram(UnixDatagram),
    UnixStream(UnixStream),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

/// See the module's documentation.
pub(crate) struct Syslog {
    address: Address,
    connection: Option<Connection>,
    retry_at: Instant,
    facility: u8,
    /// `nats-server[1234]`.
    tag: String,
    /// Present in remote messages only.
    hostname: Option<String>,
    zone: TimeZone,
    pub(crate) losses: Losses,
}

impl Syslog {
    /// Connects to the machine's own daemon.
    pub(crate) fn local() -> Result<Syslog, LogError> {
        let address = Address::Local(LOCAL_SOCKETS.map(PathBuf::from).into());
        Syslog::connected(address, FACILITY_DAEMON)
    }

    /// Connects to the daemon at `remote_syslog`'s value.
    pub(crate) fn remote(address: &str) -> Result<Syslog, LogError> {
        Syslog::connected(Address::parse(address)?, 0)
    }

    fn connected(address: Address, facility: u8) -> Result<Syslog, LogError> {
        let connection = address.connect().map_err(|source| LogError::Syslog {
            address: address.text(),
            source,
        })?;
        let remote = matches!(address, Address::Udp(_) | Address::Tcp(_));
        Ok(Syslog {
            address,
            connection: Some(connection),
            retry_at: Instant::now(),
            facility,
            tag: format!("{}[{}]", program_name(), std::process::id()),
            hostname: remote.then(hostname),
            zone: local_zone(),
            losses: Losses::default(),
        })
    }

    /// Sends a line now.
    pub(crate) fn append(&mut self, entry: &Entry) {
        if let Some(report) = self.losses.report() {
            match self.send(&report) {
                Ok(()) => self.losses.clear(),
                Err(error) => return self.losses.add_failed(1, error),
            }
        }
        if let Err(error) = self.send(entry) {
            self.losses.add_failed(1, error);
        }
    }

    fn send(&mut self, entry: &Entry) -> io::Result<()> {
        let packet = self.packet(entry);
        if let Some(connection) = &mut self.connection {
            if connection.send(packet.as_bytes()).is_ok() {
                return Ok(());
            }
            self.connection = None;
        } else if Instant::now() < self.retry_at {
            return Err(io::ErrorKind::NotConnected.into());
        }
        let retried = self.address.connect().and_then(|mut connection| {
            connection.send(packet.as_bytes())?;
            Ok(connection)
        });
        match retried {
            Ok(connection) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(error) => {
                self.retry_at = Instant::now() + RETRY_PAUSE;
                Err(error)
            }
        }
    }

    fn packet(&self, entry: &Entry) -> String {
        let priority = self.facility | severity(entry.level);
        let time = self.time_text(entry.time);
        let tag = &self.tag;
        let mut packet = match &self.hostname {
            Some(hostname) => format!("<{priority}>{time} {hostname} {tag}: "),
            None => format!("<{priority}>{time} {tag}: "),
        };
        append_escaped(&mut packet, &entry.message);
        packet.truncate(packet.floor_char_boundary(MESSAGE_LIMIT_BYTES));
        packet.push('\n');
        packet
    }

    fn time_text(&self, time: SystemTime) -> String {
        let timestamp = Timestamp::try_from(time).unwrap_or_default();
        let zoned = timestamp.to_zoned(self.zone.clone());
        match (&self.hostname, zoned.offset().is_zero()) {
            (None, _) => zoned.strftime("%b %e %H:%M:%S").to_string(),
            (Some(_), true) => zoned.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            (Some(_), false) => zoned.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
        }
    }
}

impl Address {
    fn parse(text: &str) -> Result<Address, LogError> {
        let bad = |reason| LogError::BadAddress {
            address: text.to_owned(),
            reason,
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("udp", text));
        if scheme == "unix" {
            return match rest {
                "" => Err(bad("the path is missing")),
                path => Ok(Address::Unix(PathBuf::from(path))),
            };
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || (host.starts_with(':') && host.parse::<IpAddr>().is_err()) {
            return Err(bad("the host is missing"));
        }
        let host_port = with_port(host).ok_or_else(|| bad("the port is not a number"))?;
        match scheme {
            "udp" => Ok(Address::Udp(host_port)),
            "tcp" => Ok(Address::Tcp(host_port)),
            _ => Err(bad("unknown network")),
        }
    }

    fn text(&self) -> String {
        match self {
            Address::Local(paths) => paths
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
            Address::Unix(path) => format!("unix://{}", path.display()),
            Address::Udp(host_port) => format!("udp://{host_port}"),
            Address::Tcp(host_port) => format!("tcp://{host_port}"),
        }
    }

    fn connect(&self) -> io::Result<Connection> {
        match self {
            Address::Local(paths) => {
                first_success(paths, unix_datagram).or_else(|_| first_success(paths, unix_stream))
            }
            Address::Unix(path) => unix_stream(path),
            Address::Udp(host_port) => first_success(resolve(host_port)?, udp),
            Address::Tcp(host_port) => first_success(resolve(host_port)?, tcp),
        }
    }
}

impl Connection {
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Connection::UnixDatagram(socket) => socket.send(packet).map(drop),
            Connection::Udp(socket) => socket.send(packet).map(drop),
            Connection::UnixStream(stream) => stream.write_all(packet),
            Connection::Tcp(stream) => stream.write_all(packet),
        }
    }
}

fn severity(level: Level) -> u8 {
    match level {
        Level::Fatal => 2,
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info | Level::Trace => 5,
        Level::Debug => 7,
    }
}

fn hostname() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` or a bare IPv6 address, as `host:port`.
fn with_port(host: &str) -> Option<String> {
    if let Ok(IpAddr::V6(ip)) = host.parse() {
        return Some(format!("[{ip}]:{DEFAULT_PORT}"));
    }
    if host.ends_with(']') || !host.contains(':') {
        return Some(format!("{host}:{DEFAULT_PORT}"));
    }
    let (_, port) = host.rsplit_once(':')?;
    port.parse::<u16>().ok().map(|_| host.to_owned())
}

fn resolve(host_port: &str) -> io::Result<Vec<SocketAddr>> {
    Ok(host_port.to_socket_addrs()?.take(ADDRESSES_LIMIT).collect())
}

fn first_success<T>(
    candidates: impl IntoIterator<Item = T>,
    connect: impl Fn(T) -> io::Result<Connection>,
) -> io::Result<Connection> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "no address to connect to");
    for candidate in candidates {
        match connect(candidate) {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn unix_datagram(path: impl AsRef<Path>) -> io::Result<Connection> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(IO_LIMIT))?;
    Ok(Connection::UnixDatagram(socket))
}

fn unix_stream(path: impl AsRef<Path>) -> io::Result<Connection> {
    let stream = UnixStream::connect(path)?;
    stream.set_write_timeout(Some(IO_LIMIT))?;
    Ok(Connection::UnixStream(stream))
}

fn udp(address: SocketAddr) -> io::Result<Connection> {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(address)?;
    socket.set_write_timeout(Some(IO_LIMIT))?;
    Ok(Connection::Udp(socket))
}

fn tcp(address: SocketAddr) -> io::Result<Connection> {
    let stream = TcpStream::connect_timeout(&address, IO_LIMIT)?;
    stream.set_write_timeout(Some(IO_LIMIT))?;
    Ok(Connection::Tcp(stream))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;

    use super::*;

    const DEADLINE: Option<Duration> = Some(Duration::from_secs(10));

    fn entry(level: Level, message: &str) -> Entry {
        Entry {
            time: SystemTime::UNIX_EPOCH,
            level,
            message: message.to_owned(),
        }
    }

    /// With what differs between machines replaced.
    fn shown(packet: &str) -> String {
        let tag = format!("{}[{}]", program_name(), std::process::id());
        packet
            .replace(&tag, "tag[pid]")
            .replace(&format!(" {} ", hostname()), " host ")
    }

    fn utc(mut syslog: Syslog) -> Syslog {
        syslog.zone = TimeZone::UTC;
        syslog
    }

    #[test]
    fn addresses() {
        let check = |text: &str, expected: Option<Address>| {
            assert_eq!(Address::parse(text).ok(), expected, "{text}");
        };
        let udp = |host_port: &str| Some(Address::Udp(host_port.to_owned()));
        let tcp = |host_port: &str| Some(Address::Tcp(host_port.to_owned()));
        check("udp://127.0.0.1:514", udp("127.0.0.1:514"));
        check("udp://logs.example", udp("logs.example:514"));
        check("logs.example:1514", udp("logs.example:1514"));
        check("logs.example", udp("logs.example:514"));
        check("::1", udp("[::1]:514"));
        check("[::1]", udp("[::1]:514"));
        check("tcp://[::1]:99/", tcp("[::1]:99"));
        check("unix:///run/log", Some(Address::Unix("/run/log".into())));
        check("", None);
        check("udp://", None);
        check("udp://:514", None);
        check("udp://h:port", None);
        check("udp://h:65536", None);
        check("http://h:1", None);
        check("unix://", None);
        let error = Address::parse("http://h:1").unwrap_err().to_string();
        assert!(
            error.contains("\"http://h:1\": unknown network; use udp://host:port"),
            "{error}"
        );
    }

    #[test]
    fn the_local_socket_gets_the_short_form_with_the_daemon_facility() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        daemon.set_read_timeout(DEADLINE).unwrap();
        let address = Address::Local(vec![directory.path().join("none"), path.clone()]);
        let mut syslog = utc(Syslog::connected(address, FACILITY_DAEMON).unwrap());
        let mut buffer = [0; 1024];
        let mut check = |level, message: &str, expected: &str| {
            syslog.append(&entry(level, message));
            let count = daemon.recv(&mut buffer).unwrap();
            assert_eq!(shown(str::from_utf8(&buffer[..count]).unwrap()), expected);
        };
        check(
            Level::Info,
            "hello",
            "<29>Jan  1 00:00:00 tag[pid]: hello\n",
        );
        check(
            Level::Trace,
            "a\nb",
            "<29>Jan  1 00:00:00 tag[pid]: a\\nb\n",
        );
        check(Level::Debug, "x", "<31>Jan  1 00:00:00 tag[pid]: x\n");
        check(Level::Warn, "x", "<28>Jan  1 00:00:00 tag[pid]: x\n");
        check(Level::Error, "x", "<27>Jan  1 00:00:00 tag[pid]: x\n");
        check(Level::Fatal, "x", "<26>Jan  1 00:00:00 tag[pid]: x\n");
    }

    #[test]
    fn a_local_stream_socket_is_found_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let daemon = UnixListener::bind(&path).unwrap();
        let mut syslog = utc(Syslog::connected(Address::Local(vec![path]), 24).unwrap());
        syslog.append(&entry(Level::Info, "hello"));
        let mut line = String::new();
        let (stream, _) = daemon.accept().unwrap();
        stream.set_read_timeout(DEADLINE).unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        assert_eq!(shown(&line), "<29>Jan  1 00:00:00 tag[pid]: hello\n");
    }

    #[test]
    fn udp_gets_the_long_form_and_long_messages_are_cut() {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.set_read_timeout(DEADLINE).unwrap();
        let address = daemon.local_addr().unwrap().to_string();
        let mut syslog = utc(Syslog::remote(&address).unwrap());
        let mut buffer = vec![0; 70_000];
        let mut receive = |syslog: &mut Syslog, message: &str| {
            syslog.append(&entry(Level::Info, message));
            let count = daemon.recv(&mut buffer).unwrap();
            shown(str::from_utf8(&buffer[..count]).unwrap())
        };
        let expected = "<5>1970-01-01T00:00:00Z host tag[pid]: hello\n";
        assert_eq!(receive(&mut syslog, "hello"), expected);
        syslog.zone = TimeZone::fixed(jiff::tz::offset(-5));
        let expected = "<5>1969-12-31T19:00:00-05:00 host tag[pid]: hello\n";
        assert_eq!(receive(&mut syslog, "hello"), expected);
        let cut = receive(&mut syslog, &"ü".repeat(MESSAGE_LIMIT_BYTES));
        assert!(
            cut.ends_with("ü\n") && cut.len() <= MESSAGE_LIMIT_BYTES + 1,
            "{}",
            cut.len()
        );
    }

    #[test]
    fn tcp_reconnects_after_the_daemon_restarted_and_reports_what_was_lost() {
        let daemon = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = daemon.local_addr().unwrap();
        let mut syslog = Syslog::remote(&format!("tcp://{address}")).unwrap();
        let (stream, _) = daemon.accept().unwrap();
        drop((daemon, stream));
        let deadline = Instant::now() + Duration::from_secs(30);
        // The first sends may still fill the closed connection's buffer.
        while syslog.losses.report().is_none() {
            assert!(Instant::now() < deadline, "no loss was noticed");
            syslog.append(&entry(Level::Info, "into the void"));
        }
        let daemon = TcpListener::bind(address).unwrap();
        syslog.retry_at = Instant::now();
        syslog.append(&entry(Level::Info, "back"));
        let (stream, _) = daemon.accept().unwrap();
        stream.set_read_timeout(DEADLINE).unwrap();
        let mut lines = BufReader::new(stream).lines().map(Result::unwrap);
        let report = lines.next().unwrap();
        assert!(
            report.starts_with("<4>") && report.contains("Log lines lost: 1 ("),
            "{report}"
        );
        assert!(lines.next().unwrap().ends_with(": back"));
        assert!(syslog.losses.report().is_none());
    }

    #[test]
    fn nobody_there_is_an_error_at_once() {
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let Err(error) = Syslog::remote(&format!("tcp://{free}")) else {
            panic!("connected")
        };
        let expected = format!("error connecting to syslog at tcp://{free}: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}
