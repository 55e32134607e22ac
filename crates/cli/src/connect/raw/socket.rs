//! A blocking socket, plain or with TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::super::tls::Witness;

/// What is known about a connection's TLS.
pub(crate) struct Peer {
    /// The protocol's version.
    pub(crate) version: String,
    /// The cipher suite.
    pub(crate) cipher: String,
    /// The server's certificates, its own first, as DER.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// The answer of OCSP that it showed, as DER; empty if there was none.
    pub(crate) ocsp: Vec<u8>,
}

/// The two kinds.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>, Arc<Witness>),
}

impl Socket {
    fn tcp(&self) -> &TcpStream {
        match self {
            Socket::Plain(tcp) => tcp,
            Socket::Tls(tls, _) => &tls.sock,
        }
    }

    /// What the other side of a TLS connection proved.
    pub(super) fn peer(&self) -> Option<Peer> {
        let Socket::Tls(tls, witness) = self else {
            return None;
        };
        let session = &tls.conn;
        let certificates = session.peer_certificates().unwrap_or_default();
        let name = |value: Option<String>| value.unwrap_or_default();
        Some(Peer {
            version: name(
                session
                    .protocol_version()
                    .map(|version| format!("{version:?}")),
            ),
            cipher: name(
                session
                    .negotiated_cipher_suite()
                    .map(|suite| format!("{:?}", suite.suite())),
            ),
            certificates: certificates.iter().map(|der| der.to_vec()).collect(),
            ocsp: witness.ocsp(),
        })
    }

    /// How long a read waits.
    pub(super) fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        // Zero would mean "for ever" to the system.
        self.tcp()
            .set_read_timeout(timeout.map(|timeout| timeout.max(Duration::from_micros(1))))
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.read(buffer),
            Socket::Tls(tls, _) => tls.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Plain(tcp) => tcp.write(bytes),
            Socket::Tls(tls, _) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Socket::Plain(tcp) => tcp.flush(),
            Socket::Tls(tls, _) => tls.flush(),
        }
    }
}
