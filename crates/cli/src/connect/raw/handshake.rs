//! From a URL to a connection that is logged in: TCP, INFO, TLS, CONNECT, the first PONG.

use std::io::Write;
use std::net::TcpStream;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cognate_auth::nkey::KeyPair;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::secret::Credentials;
use super::super::settings::Settings;
use super::super::target::Target;
use super::super::tls;
use super::Raw;
use super::socket::Socket;
use crate::error::{Context, Error, Result};

/// Bytes of an INFO line.
const MAX_INFO_BYTES: usize = 1 << 20;

/// What a server says about itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerInfo {
    /// Its id.
    pub(crate) server_id: String,
    /// Its version.
    pub(crate) version: String,
    /// Bytes of the largest message.
    pub(crate) max_payload: usize,
    /// Whether TLS is demanded.
    tls_required: bool,
    /// What a signature is made of.
    nonce: String,
}

/// Connects and reads INFO, with TLS where it is demanded.
pub(super) fn connect(settings: &Settings, server: &str) -> Result<(Socket, ServerInfo)> {
    let target = Target::parse(server)?;
    let tcp = target.dial(settings)?;
    keep_in_cache(&tcp)?;
    if settings.context.tls_first {
        let mut socket = secure(tcp, &target.host, settings)?;
        let info = read_info(&mut socket)?;
        return Ok((socket, info));
    }
    let mut socket = Socket::Plain(tcp);
    let info = read_info(&mut socket).context(&target.shown)?;
    let wants_tls = info.tls_required || target.wants_tls;
    match socket {
        Socket::Plain(tcp) if wants_tls => Ok((secure(tcp, &target.host, settings)?, info)),
        socket => Ok((socket, info)),
    }
}

/// Bytes that may wait in the system for a server on this machine.
const LOCAL_SEND_BYTES: usize = 64 * 1024;

/// Has a connection to this machine use few buffers again and again. Left alone, the system lets
/// megabytes wait on loopback, and every page of them is cold in the processor's caches when it is
/// written and when it is read: sending costs twice as much then, and receiving three times. Over a
/// network a small buffer would limit the rate, so there it stays as it is.
fn keep_in_cache(tcp: &TcpStream) -> Result<()> {
    if tcp.peer_addr()?.ip().is_loopback() {
        rustix::net::sockopt::set_socket_send_buffer_size(tcp, LOCAL_SEND_BYTES)?;
    }
    Ok(())
}

fn secure(tcp: TcpStream, host: &str, settings: &Settings) -> Result<Socket> {
    let name = ServerName::try_from(host.to_owned())?;
    let (config, witness) = tls::witnessed_config(settings)?;
    let session = ClientConnection::new(config, name)?;
    Ok(Socket::Tls(
        Box::new(StreamOwned::new(session, tcp)),
        witness,
    ))
}

/// Reads one byte at a time: what follows the line may be a TLS handshake, which is not ours to read.
fn read_info(socket: &mut Socket) -> Result<ServerInfo> {
    socket.set_timeout(Some(super::PATIENCE))?;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.last() != Some(&b'\n') && line.len() < MAX_INFO_BYTES {
        if socket
            .read(&mut byte)
            .context("no greeting from the server")?
            == 0
        {
            return Err(Error::new("the server closed the connection"));
        }
        line.extend_from_slice(&byte);
    }
    socket.set_timeout(None)?;
    let text = line
        .strip_prefix(b"INFO ")
        .context("what answers there is no NATS server")?;
    Ok(serde_json::from_slice(text)?)
}

/// Sends CONNECT and waits until the server has accepted it.
pub(super) fn log_in(raw: &mut Raw, settings: &Settings, server: &str) -> Result<()> {
    let mut connect = json!({
        "verbose": false, "pedantic": false, "tls_required": matches!(raw.socket, Socket::Tls(..)),
        "name": settings.connection_name, "lang": "rust", "version": env!("CARGO_PKG_VERSION"),
        "protocol": 1, "echo": true, "headers": true, "no_responders": true,
    });
    if let Some(fields) = connect.as_object_mut() {
        add_credentials(fields, settings, &raw.info.nonce)?;
    }
    raw.out.extend_from_slice(b"CONNECT ");
    serde_json::to_writer(&mut raw.out, &connect)?;
    raw.out.write_all(b"\r\n")?;
    raw.round_trip().map(drop).map_err(|error| {
        Error::new(format!(
            "{} refused the login: {}",
            super::super::redact(server),
            error.message()
        ))
    })
}

fn add_credentials(
    fields: &mut Map<String, Value>,
    settings: &Settings,
    nonce: &str,
) -> Result<()> {
    let mut set = |key: &str, value: &str| {
        fields.insert(key.to_owned(), Value::from(value));
    };
    let sign = |seed: &str| -> Result<(String, String)> {
        let key = KeyPair::from_seed(seed).context("the user's seed")?;
        Ok((
            key.public_key().to_string(),
            URL_SAFE_NO_PAD.encode(key.sign(nonce.as_bytes())),
        ))
    };
    match settings.credentials()? {
        Credentials::None => {}
        Credentials::User(user, password) => {
            set("user", &user);
            set("pass", &password);
        }
        Credentials::Token(token) => set("auth_token", &token),
        Credentials::Nkey(seed) => {
            let (public, signature) = sign(&seed)?;
            set("nkey", &public);
            set("sig", &signature);
        }
        Credentials::Jwt(jwt, seed) => {
            set("jwt", &jwt);
            if let Some(seed) = seed {
                set("sig", &sign(&seed)?.1);
            }
        }
    }
    Ok(())
}
