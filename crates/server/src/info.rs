//! What the server tells about itself: INFO, and the facts behind it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use cognate_auth::nkey::{CurveKeyPair, KeyPair, Kind};
use cognate_config::Options;
use cognate_model::level;
use cognate_wire::ServerInfo;

use crate::data::{Connection, GLOBAL, Via};
use crate::shared::{COGNATE_VERSION, COMPATIBLE_VERSION, Shared, Stage};

/// What `go` says in INFO: the field is always there, and some tools print it.
pub(crate) const RUNTIME: &str = "rust";

/// Facts that do not change while the server runs.
pub(crate) struct Facts {
    /// Public server nkey.
    pub server_id: String,
    /// The key behind it, with which the server signs what it asks.
    pub keys: KeyPair,
    /// Configured name, or the id.
    pub server_name: String,
    /// Public curve nkey, with which others seal what only this server is to read.
    pub xkey: String,
    /// The key behind it.
    pub curve: CurveKeyPair,
    /// The arguments of the process, where it is the server's own; monitoring hides secrets.
    pub command_line: Vec<String>,
    /// The client listener, once bound.
    pub client_addr: OnceLock<SocketAddr>,
    /// The monitoring listener, once bound.
    pub monitor_addr: OnceLock<SocketAddr>,
}

/// Features that can be switched, and whether they are on. Those of nats-server are off here, unless
/// configured.
pub(crate) fn feature_flags(options: &Options) -> BTreeMap<String, bool> {
    let known = ["js_ack_fc_v2", "js_raft_delete_range"];
    let mut flags: BTreeMap<_, _> = known.map(|name| (name.to_owned(), false)).into();
    flags.extend(options.feature_flags.clone());
    flags
}

impl Facts {
    /// The facts of a server that is about to start, with a new identity.
    ///
    /// # Errors
    /// If there is no key to be had.
    pub(crate) fn new(options: &Options, command_line: Vec<String>) -> Result<Self, String> {
        let keys = KeyPair::from_bytes(Kind::Server, crate::random::bytes())
            .map_err(|error| format!("the server's key: {error}"))?;
        let curve = CurveKeyPair::from_bytes(crate::random::bytes())
            .map_err(|error| format!("the server's curve key: {error}"))?;
        let server_id = keys.public_key().to_string();
        let name = options.server_name.clone();
        Ok(Facts {
            server_name: name.unwrap_or_else(|| server_id.clone()),
            server_id,
            keys,
            xkey: curve.public_key().to_string(),
            curve,
            command_line,
            client_addr: OnceLock::new(),
            monitor_addr: OnceLock::new(),
        })
    }
}

impl Shared {
    /// The INFO frame for one connection.
    pub(crate) fn info_for(&self, connection: &Connection, nonce: &str) -> Vec<u8> {
        self.fitted(self.info(), connection, nonce, false)
    }

    /// The INFO frame that follows the first PONG: in which account the client is, and what holds
    /// for it there.
    pub(crate) fn connect_info_for(&self, connection: &Connection, max_payload: usize) -> Vec<u8> {
        let mut info = self.info();
        info.max_payload = i64::try_from(max_payload).unwrap_or(i64::MAX);
        self.fitted(info, connection, "", true)
    }

    /// The INFO frame that asks one client to go to another server.
    pub(crate) fn lame_duck_info_for(&self, connection: &Connection, nonce: &str) -> Vec<u8> {
        let mut info = self.info();
        info.ldm = true;
        self.fitted(info, connection, nonce, false)
    }

    fn fitted(
        &self,
        mut info: ServerInfo,
        connection: &Connection,
        nonce: &str,
        answer: bool,
    ) -> Vec<u8> {
        let in_process = connection.via == Via::InProcess;
        if in_process && info.tls_required {
            info.tls_required = false;
            info.tls_available = true;
        }
        info.client_id = connection.cid;
        // Before a proxy has said who the client is, its own address is nobody's business.
        let peer = connection.peer().filter(|_| !connection.is_unplaced());
        info.client_ip = peer
            .map(|peer| plain_ip(peer.ip()).to_string())
            .unwrap_or_default();
        info.nonce = nonce.to_owned();
        if answer {
            // Nothing is to be signed any more.
            info.nonce.clear();
            info.connect_info = true;
            let system = self.accounts.system();
            let account = connection.account();
            info.acc_is_sys = match (&system, &account) {
                (Some(system), Some(account)) => Arc::ptr_eq(system, account),
                _ => false,
            };
            let account = connection.account();
            info.remote_account = account.map_or_else(|| GLOBAL.to_owned(), |a| a.name.clone());
        }
        let mut frame = Vec::with_capacity(512);
        info.write_info(&mut frame);
        frame
    }

    /// INFO without what differs between connections.
    pub(crate) fn info(&self) -> ServerInfo {
        let options = self.options();
        let tls = self.tls();
        let (host, port) = self.advertised();
        let lame_duck = self.stage() >= Stage::LameDuck;
        // The domain, if JetStream is on.
        let jetstream = self.jetstream.read().as_ref().map(|jetstream| {
            let domain = jetstream.options.domain.clone();
            domain.unwrap_or_default()
        });
        ServerInfo {
            server_id: self.facts.server_id.clone(),
            server_name: self.facts.server_name.clone(),
            xkey: self.facts.xkey.clone(),
            version: COMPATIBLE_VERSION.to_owned(),
            cognate_version: COGNATE_VERSION.to_owned(),
            proto: 1,
            go: RUNTIME.to_owned(),
            host,
            port,
            headers: !options.no_header_support,
            auth_required: self.authenticator().advertises_auth_required()
                || self.operator().is_some(),
            tls_required: tls.is_some() && !options.allow_non_tls,
            tls_verify: tls.as_ref().is_some_and(|tls| tls.verifies_clients()),
            tls_available: tls.is_some() && options.allow_non_tls,
            max_payload: i64::from(options.max_payload),
            jetstream: jetstream.is_some(),
            domain: jetstream.unwrap_or_default(),
            api_lvl: i32::try_from(level::API_LEVEL).unwrap_or(i32::MAX),
            connect_urls: if lame_duck {
                Vec::new()
            } else {
                self.connect_urls()
            },
            ldm: lame_duck,
            ..ServerInfo::default()
        }
    }

    /// Host and port that clients are told.
    fn advertised(&self) -> (String, u16) {
        let options = self.options();
        let port = self.facts.client_addr.get().map_or(0, |addr| addr.port());
        match options
            .client_advertise
            .as_deref()
            .filter(|text| !text.is_empty())
        {
            Some(text) => split_host_port(text, port),
            None => (options.host.clone(), port),
        }
    }

    /// Addresses under which clients can reach this server.
    ///
    /// A server that is not part of a cluster advertises none, unless it was told what to.
    pub(crate) fn connect_urls(&self) -> Vec<String> {
        Vec::new()
    }

    /// Sends the current INFO to every client that understands it.
    pub(crate) fn broadcast_info(&self) {
        for connection in self.registry.living() {
            if connection.async_info.load(Relaxed) {
                connection.request(crate::data::Control::SendInfo);
            }
        }
    }
}

/// An address without the IPv6 wrapping of IPv4.
pub(crate) fn plain_ip(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn split_host_port(text: &str, default_port: u16) -> (String, u16) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') => match port.parse() {
            Ok(port) => (host.trim_matches(['[', ']']).to_owned(), port),
            Err(_) => (text.to_owned(), default_port),
        },
        _ => (text.to_owned(), default_port),
    }
}
