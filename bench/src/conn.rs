//! One client connection as the generator uses it: a blocking socket, plain or TLS.
//!
//! Owns connecting, the INFO/CONNECT exchange and waiting for PONG. Invariant: once
//! [`Conn::confirm`] has returned, every byte received before its PONG has been read, so what
//! follows belongs to the run. Absent: parsing of messages (see `check`), reconnecting, timing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};

use crate::failure::{Context, Failure, Result};
use crate::flow::LOOK;

/// Without what a login adds, and without the closing brace.
const CONNECT: &str = r#"CONNECT {"verbose":false,"pedantic":false,"name":"bench","lang":"rust","version":"1","protocol":1,"headers":true,"no_responders":true"#;
/// Longest protocol line accepted while no messages are expected.
const MAX_LINE: usize = 256 * 1024;

/// How to reach a server.
#[derive(Clone)]
pub(crate) struct Target {
    /// Its client port.
    pub(crate) addr: SocketAddr,
    /// How to encrypt, if the server wants that.
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<std::sync::Arc<rustls::ClientConfig>>,
    /// Who it is.
    pub(crate) login: Login,
}

impl Target {
    /// The same server, as somebody else.
    pub(crate) fn with_login(&self, login: Login) -> Self {
        Self {
            login,
            ..self.clone()
        }
    }
}

/// Who logs in.
#[derive(Clone)]
pub(crate) enum Login {
    /// Nobody in particular.
    Anonymous,
    /// A user of the configuration.
    Password {
        /// The name.
        user: String,
        /// The password.
        pass: &'static str,
    },
    /// A user with a token.
    #[cfg(feature = "tls")]
    Token(crate::tokens::Credentials),
}

impl Login {
    /// What CONNECT has to say about it.
    fn fields(&self, info: &str) -> String {
        match (self, text_field(info, "nonce")) {
            (Self::Anonymous, _) => String::new(),
            (Self::Password { user, pass }, _) => format!(r#","user":"{user}","pass":"{pass}""#),
            #[cfg(feature = "tls")]
            (Self::Token(credentials), nonce) => {
                let sig = credentials.key.sign(nonce.unwrap_or_default());
                format!(r#","jwt":"{}","sig":"{sig}""#, credentials.token)
            }
        }
    }
}

/// The value of a text field of INFO.
fn text_field<'a>(info: &'a str, field: &str) -> Option<&'a str> {
    let (_, rest) = info.split_once(&format!("\"{field}\":"))?;
    rest.trim_start().strip_prefix('"')?.split('"').next()
}

/// A connection that has finished its handshake.
pub(crate) struct Conn {
    stream: Stream,
    /// The server's INFO line, as JSON text.
    info: String,
}

enum Stream {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>),
}

impl Conn {
    /// Connects and exchanges INFO, CONNECT, PING and PONG.
    pub(crate) fn open(target: &Target) -> Result<Self> {
        let addr = target.addr;
        let mut tcp = TcpStream::connect(addr).context(format!("connecting to {addr}"))?;
        tcp.set_nodelay(true).context("TCP_NODELAY")?;
        tcp.set_read_timeout(Some(crate::flow::STALL))
            .context("a read timeout")?;
        let first = read_line(&mut tcp).context(format!("waiting for INFO from {addr}"))?;
        let info = first
            .strip_prefix("INFO ")
            .ok_or_else(|| Failure::new(format!("{addr} sent {first:?} instead of INFO")))?
            .to_owned();
        let mut conn = Self {
            stream: secure(tcp, target)?,
            info,
        };
        let login = target.login.fields(&conn.info);
        conn.write_all(format!("{CONNECT}{login}}}\r\n").as_bytes())
            .context("sending CONNECT")?;
        conn.confirm()?;
        Ok(conn)
    }

    /// The value of a text field of INFO, such as `version`.
    pub(crate) fn info_text(&self, field: &str) -> Option<&str> {
        text_field(&self.info, field)
    }

    /// Sends PING and reads up to its PONG. Messages are not expected here.
    pub(crate) fn confirm(&mut self) -> Result<()> {
        self.write_all(b"PING\r\n").context("sending PING")?;
        loop {
            let line = read_line(&mut self.stream).context("waiting for PONG")?;
            match line.as_str() {
                "PONG" => return Ok(()),
                "PING" => self.write_all(b"PONG\r\n").context("answering PING")?,
                "+OK" => {}
                info if info.starts_with("INFO ") => {}
                other => {
                    return Err(Failure::new(format!("the server sent {other:?}, not PONG")));
                }
            }
        }
    }

    /// Sends all of `bytes`.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write_all(bytes),
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.write_all(bytes).and_then(|()| tls.flush()),
        }
    }

    /// Reads what has arrived. Zero means that the server closed the connection.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }

    /// Makes reads return at least this often, so that a thread can look for failures elsewhere.
    pub(crate) fn look_around(&self) -> Result<()> {
        self.tcp()
            .set_read_timeout(Some(LOOK))
            .context("a read timeout")
    }

    /// Makes reads and writes return at once.
    pub(crate) fn nonblocking(&self, on: bool) -> Result<()> {
        self.tcp()
            .set_nonblocking(on)
            .context("setting non-blocking mode")
    }

    /// A second handle with which another thread can end this connection.
    pub(crate) fn closer(&self) -> Result<Closer> {
        self.tcp()
            .try_clone()
            .map(Closer)
            .context("duplicating a socket")
    }

    fn tcp(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(tcp) => tcp,
            #[cfg(feature = "tls")]
            Stream::Tls(tls) => tls.get_ref(),
        }
    }
}

impl AsFd for Conn {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.tcp().as_fd()
    }
}

/// Ends a connection when dropped, which makes its blocked reader return.
pub(crate) struct Closer(TcpStream);

impl Drop for Closer {
    fn drop(&mut self) {
        // It may be closed already, which is what we want.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

/// Whether a read or write should just be tried again later.
pub(crate) fn not_now(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(feature = "tls")]
fn secure(tcp: TcpStream, target: &Target) -> Result<Stream> {
    match &target.tls {
        None => Ok(Stream::Plain(tcp)),
        Some(config) => {
            let name = rustls::pki_types::ServerName::from(target.addr.ip());
            let client = rustls::ClientConnection::new(config.clone(), name).context("TLS")?;
            Ok(Stream::Tls(Box::new(rustls::StreamOwned::new(client, tcp))))
        }
    }
}

#[cfg(not(feature = "tls"))]
fn secure(tcp: TcpStream, _: &Target) -> Result<Stream> {
    Ok(Stream::Plain(tcp))
}

/// One line without its line end, read byte by byte so that nothing behind it is taken.
fn read_line(stream: &mut impl Read) -> Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        match stream.read(&mut byte) {
            Ok(0) if line.is_empty() => {
                return Err(Failure::new("the server closed the connection"));
            }
            Ok(0) => break,
            Ok(_) => line.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::new(error.to_string())),
        }
        if line.len() > MAX_LINE {
            return Err(Failure::new("a protocol line of more than 256 KiB"));
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_what_follows() {
        let mut bytes: &[u8] = b"PONG\r\nMSG a 1 2\r\n";
        assert_eq!(read_line(&mut bytes).as_deref(), Ok("PONG"));
        assert_eq!(bytes, b"MSG a 1 2\r\n");
    }

    #[test]
    fn an_error_before_closing_is_kept() {
        let mut bytes: &[u8] = b"-ERR 'Slow Consumer'";
        assert_eq!(read_line(&mut bytes).as_deref(), Ok("-ERR 'Slow Consumer'"));
        assert!(read_line(&mut bytes).is_err());
    }
}
