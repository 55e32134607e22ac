//! The client listener: accepts sockets and starts a task for each.
//!
//! Errors of `accept` (too many open files, for example) are reported and retried with a growing
//! pause, since they say nothing about the listener itself. Stops when the server leaves the
//! running stage. [`Listeners`] counts what listens and who came through it but is not in the
//! registry yet, so that a shutdown returns only when the ports are free again and nobody is left
//! at the door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cognate_process::error;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;

use crate::client::serve_tcp;
use crate::shared::{Shared, Stage};

/// The first and the longest pause after an error of `accept`.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

/// The listeners of one server that are open, and the clients between them and the registry.
#[derive(Default)]
pub(crate) struct Listeners(watch::Sender<usize>);

/// Counts as one open listener, or one client that is arriving; whoever owns that drops this
/// after it.
pub(crate) struct Listening(watch::Sender<usize>);

impl Listeners {
    /// Counts one more.
    pub(crate) fn enter(&self) -> Listening {
        self.0.send_modify(|open| *open += 1);
        Listening(self.0.clone())
    }

    /// Ready when none is open.
    pub(crate) async fn closed(&self) {
        // An error means that the sender is gone, which it cannot be while `self` lives.
        let _ = self.0.subscribe().wait_for(|open| *open == 0).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// How `host` and `port` are written as one: an IPv6 address in brackets.
pub(crate) fn place(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        return format!("[{host}]:{port}");
    }
    format!("{host}:{port}")
}

/// Binds a listener to the first address of `host` that can be had.
pub(crate) async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    // Every interface, over both protocol families where the machine has them.
    let host = match host {
        "" | "0.0.0.0" => "::",
        host => host.trim_matches(['[', ']']),
    };
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut addresses: Vec<SocketAddr> = lookup_host((host, port)).await?.collect();
    if host == "::" {
        addresses.push(SocketAddr::from(([0, 0, 0, 0], port)));
    }
    for address in addresses {
        match bind_to(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Accepts clients until the server stops taking new ones.
pub(crate) async fn accept_clients(
    shared: Arc<Shared>,
    listener: TcpListener,
    listening: Listening,
) {
    accept_until_stopped(&shared, &listener).await;
    drop(listener);
    drop(listening);
}

async fn accept_until_stopped(shared: &Arc<Shared>, listener: &TcpListener) {
    let mut stage = shared.stage.subscribe();
    let mut pause = PAUSES.0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage > Stage::Running) => return,
        };
        match accepted {
            Ok((socket, peer)) => {
                pause = PAUSES.0;
                spawn_client(shared, socket, peer);
            }
            Err(problem) => {
                error!(
                    shared.log,
                    "Client accept error: {problem}; trying again in {pause:?}"
                );
                let stopping = stage.wait_for(|stage| *stage > Stage::Running);
                if tokio::time::timeout(pause, stopping).await.is_ok() {
                    return;
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}

fn spawn_client(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    let peer = SocketAddr::new(crate::info::plain_ip(peer.ip()), peer.port());
    let arriving = shared.registry.listeners.enter();
    tokio::spawn(serve_tcp(Arc::clone(shared), socket, peer, arriving));
}
