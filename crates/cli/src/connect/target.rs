//! A server as it is dialled: the parts of its URL that matter, and the TCP connection to it.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use async_nats::ServerAddr;

use super::client::redact;
use super::settings::Settings;
use super::socks::Proxy;
use crate::error::{Context, Error, Result};

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its name or address, without brackets: what its certificate must be for.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// Whether the URL wants TLS, whatever the server says.
    pub(super) wants_tls: bool,
    /// The URL without a password in it.
    pub(super) shown: String,
}

impl Target {
    /// Reads a `nats://` or `tls://` URL.
    pub(super) fn parse(server: &str) -> Result<Self> {
        let shown = redact(server);
        let address: ServerAddr = server
            .parse()
            .context(format!("invalid server URL {shown:?}"))?;
        if address.is_websocket() {
            return Err(Error::new(format!(
                "{shown}: this needs a nats:// or tls:// URL"
            )));
        }
        Ok(Target {
            host: address.host().trim_matches(['[', ']']).to_owned(),
            port: address.port(),
            wants_tls: address.tls_required(),
            shown,
        })
    }

    /// Connects, through the proxy if there is one.
    pub(super) fn dial(&self, settings: &Settings) -> Result<TcpStream> {
        let timeout = settings.timeout;
        let attempt = || format!("could not connect to {}", self.shown);
        let tcp = match settings.context.socks_proxy.as_str() {
            "" => tcp(&self.host, self.port, timeout).context(attempt())?,
            proxy => Proxy::parse(proxy)?
                .connect(&self.host, self.port, timeout)
                .context(attempt())?,
        };
        tcp.set_nodelay(true)?;
        Ok(tcp)
    }
}

/// A TCP connection to the first address of a name that takes one.
pub(super) fn tcp(host: &str, port: u16, timeout: Duration) -> Result<TcpStream> {
    let mut last = Error::new("the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}
