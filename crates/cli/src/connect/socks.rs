//! Connections through a SOCKS5 proxy (RFC 1928, with the logins of RFC 1929).
//!
//! ```text
//! greeting: 5, count, methods…        ─▶ ◀─ 5, method
//! login:    1, len, user, len, password ─▶ ◀─ 1, status        (method 2 only)
//! request:  5, 1, 0, type, address, port ─▶ ◀─ 5, reply, 0, type, address, port
//! ```
//!
//! A client's side of the protocol is these three questions, asked over a blocking socket. Libraries
//! were looked at: docs/dependencies.md says why none of them does it. Invariant: no byte beyond the
//! proxy's last answer is read, because what follows is the server's, which speaks first. Names are
//! resolved by the proxy, because only it may know them. Absent: the other commands (BIND, UDP), GSSAPI,
//! SOCKS4.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use async_nats::ServerAddr;

use super::client::redact;
use super::target::tcp;
use crate::error::{Context, Error, Result};

const VERSION: u8 = 5;
const CONNECT: u8 = 1;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NO_METHOD: u8 = 0xff;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

const DEFAULT_PORT: u16 = 1080;

/// A proxy and how to log in to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    host: String,
    port: u16,
    login: Option<(String, String)>,
    /// The proxy's URL, without the password.
    shown: String,
}

impl Proxy {
    /// Reads `socks5://[user:password@]host[:port]`; the scheme may be left out, or be `socks5h`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let shown = shown(text);
        let wrong = || {
            Error::new(format!("{shown} is no SOCKS5 proxy")).hint(
                "Write it as socks5://user:password@host:1080; user and password may be left out.",
            )
        };
        let (scheme, rest) = text.split_once("://").unwrap_or(("socks5", text));
        if !matches!(scheme, "socks5" | "socks5h") {
            return Err(wrong());
        }
        let url = format!("nats://{rest}");
        let address: ServerAddr = url.parse().map_err(|_| wrong())?;
        let host = address.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        let login = cognate_natsconf::url_credentials(&url)
            .map(|(user, password)| (user, password.unwrap_or_default()));
        if let Some((user, password)) = &login {
            // The protocol has a byte for the length of each.
            if user.len() > 255 || password.len() > 255 {
                return Err(wrong());
            }
        }
        Ok(Proxy {
            host,
            port: address.into_inner().port().unwrap_or(DEFAULT_PORT),
            login,
            shown,
        })
    }

    /// A connection to `host`, which the proxy made. Every wait takes `timeout` at most.
    pub(super) fn connect(&self, host: &str, port: u16, timeout: Duration) -> Result<TcpStream> {
        let attempt = || format!("SOCKS proxy {}", self.shown);
        let mut socket = tcp(&self.host, self.port, timeout).context(attempt())?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_write_timeout(Some(timeout))?;
        self.converse(&mut socket, host, port).context(attempt())?;
        socket.set_read_timeout(None)?;
        socket.set_write_timeout(None)?;
        Ok(socket)
    }

    fn converse(&self, socket: &mut (impl Read + Write), host: &str, port: u16) -> Result<()> {
        let methods: &[u8] = match &self.login {
            Some(_) => &[VERSION, 2, NO_LOGIN, PASSWORD],
            None => &[VERSION, 1, NO_LOGIN],
        };
        socket.write_all(methods)?;
        match (answer(socket)?, &self.login) {
            ([VERSION, NO_LOGIN], _) => {}
            ([VERSION, PASSWORD], Some((user, password))) => log_in(socket, user, password)?,
            ([VERSION, NO_METHOD | PASSWORD], None) => {
                return Err(Error::new("it wants a user and a password")
                    .hint("Give them as socks5://user:password@host:port."));
            }
            ([VERSION, _], _) => return Err(Error::new("it takes no login that we can give")),
            _ => return Err(Error::new("what answers there speaks no SOCKS5")),
        }
        socket.write_all(&request(host, port)?)?;
        let [version, reply, _, kind] = answer(socket)?;
        if version != VERSION {
            return Err(Error::new("what answers there speaks no SOCKS5"));
        }
        if reply != 0 {
            let reason = refusal(reply);
            return Err(Error::new(format!(
                "no connection to {host}:{port}: {reason}"
            )));
        }
        // The address that the proxy speaks from, and its port; nobody wants to know them.
        let rest = 2 + match kind {
            IPV4 => 4,
            IPV6 => 16,
            NAME => usize::from(answer::<1>(socket)?[0]),
            _ => return Err(Error::new("what answers there speaks no SOCKS5")),
        };
        Ok(socket.read_exact(&mut vec![0; rest])?)
    }
}

/// A proxy's URL without the password in it.
pub(crate) fn shown(text: &str) -> String {
    match text.contains("://") {
        true => redact(text),
        false => redact(&format!("socks5://{text}")),
    }
}

fn answer<const LEN: usize>(socket: &mut impl Read) -> Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    socket.read_exact(&mut bytes).context("no answer")?;
    Ok(bytes)
}

fn log_in(socket: &mut (impl Read + Write), user: &str, password: &str) -> Result<()> {
    let mut bytes = vec![1];
    push_text(&mut bytes, user)?;
    push_text(&mut bytes, password)?;
    socket.write_all(&bytes)?;
    match answer(socket)? {
        [_, 0] => Ok(()),
        [_, _] => Err(Error::new("it refused user and password")),
    }
}

fn request(host: &str, port: u16) -> Result<Vec<u8>> {
    let mut bytes = vec![VERSION, CONNECT, 0];
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => {
            bytes.push(IPV4);
            bytes.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            bytes.push(IPV6);
            bytes.extend(address.octets());
        }
        Err(_) => {
            bytes.push(NAME);
            push_text(&mut bytes, host)?;
        }
    }
    bytes.extend(port.to_be_bytes());
    Ok(bytes)
}

/// A text with its length before it.
fn push_text(bytes: &mut Vec<u8>, text: &str) -> Result<()> {
    let len = u8::try_from(text.len()).context(format!("{text:?} is too long"))?;
    bytes.push(len);
    bytes.extend(text.as_bytes());
    Ok(())
}

/// What a reply that is not 0 says.
fn refusal(reply: u8) -> &'static str {
    match reply {
        2 => "its rules forbid it",
        3 => "the network cannot be reached",
        4 => "the host cannot be reached",
        5 => "the connection was refused",
        6 => "it took too long",
        7 => "it makes no connections",
        8 => "it does not know that kind of address",
        _ => "it failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        let check = |text: &str, host: &str, port: u16, login: Option<(&str, &str)>| {
            let proxy = Proxy::parse(text).expect(text);
            let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
            assert_eq!(
                (proxy.host.as_str(), proxy.port, proxy.login),
                (host, port, login)
            );
            assert!(!proxy.shown.contains("secret"), "{}", proxy.shown);
        };
        check("socks5://proxy", "proxy", 1080, None);
        check("socks5h://10.0.0.1:99", "10.0.0.1", 99, None);
        check("proxy:4222", "proxy", 4222, None);
        check(
            "socks5://joe:secret%21@p:1",
            "p",
            1,
            Some(("joe", "secret!")),
        );
        check("joe:secret@p", "p", 1080, Some(("joe", "secret")));
        for wrong in [
            "",
            "socks5://",
            "http://proxy:80",
            "socks4://proxy",
            "socks5://p:port",
        ] {
            assert!(Proxy::parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses_are_named_as_what_they_are() {
        let check = |host: &str, expected: &[u8]| {
            assert_eq!(
                request(host, 258).expect("short enough"),
                expected,
                "{host}"
            );
        };
        check("1.2.3.4", &[5, 1, 0, 1, 1, 2, 3, 4, 1, 2]);
        check("ab", &[5, 1, 0, 3, 2, b'a', b'b', 1, 2]);
        let mut v6 = vec![5, 1, 0, 4];
        v6.extend([0; 15]);
        v6.extend([1, 1, 2]);
        check("::1", &v6);
        assert!(request(&"x".repeat(256), 1).is_err());
    }
}
