//! A running server: start, reload, lame duck mode, shutdown.
//!
//! ```text
//! Running ──enter_lame_duck──▶ LameDuck ──(duration)──▶ ShuttingDown ──▶ Stopped
//!    └──────────────shutdown──────────────────────────────▲
//! ```
//!
//! The binary and embedding programs are the callers. A [`Server`] is a handle; dropping it
//! without [`Server::shutdown`] stops the server in the background.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cognate_config::Options;
use cognate_process::{Logger, info, warn};
use cognate_wire::CloseReason;
use tokio::io::DuplexStream;

use crate::client::serve_in_process;
use crate::reload_requests::ReloadRequest;
use crate::shared::{Shared, Stage};
use crate::system::Event;

/// Bytes that an in-process connection holds in each direction.
const IN_PROCESS_BUFFER: usize = 256 * 1024;

/// How long a shutdown waits for connections to say goodbye.
/// How long the end may wait for the last event to be heard of.
const LAST_EVENTS: Duration = Duration::from_millis(250);

const SHUTDOWN_WAIT: Duration = Duration::from_secs(2);

/// The longest pause between two disconnects in lame duck mode.
const MAX_LAME_DUCK_PAUSE: Duration = Duration::from_secs(1);

/// A running NATS server.
pub struct Server {
    pub(crate) shared: Arc<Shared>,
}

impl Server {
    /// Where clients connect; `None` if the server has no client port.
    pub fn client_addr(&self) -> Option<SocketAddr> {
        self.shared.facts.client_addr.get().copied()
    }

    /// The URL for clients on this machine; `None` if the server has no client port.
    pub fn client_url(&self) -> Option<String> {
        let address = self.client_addr()?;
        let scheme = if self.shared.tls().is_some() {
            "tls"
        } else {
            "nats"
        };
        let host = match address.ip() {
            ip if ip.is_unspecified() => "127.0.0.1".to_owned(),
            std::net::IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(v4) => v4.to_string(),
                None => format!("[{ip}]"),
            },
            ip => ip.to_string(),
        };
        Some(format!("{scheme}://{host}:{}", address.port()))
    }

    /// Where monitoring listens; `None` if it does not.
    pub fn monitor_addr(&self) -> Option<SocketAddr> {
        self.shared.facts.monitor_addr.get().copied()
    }

    /// The server's public nkey.
    pub fn id(&self) -> &str {
        &self.shared.facts.server_id
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.shared.facts.server_name
    }

    /// The number of clients connected now.
    pub fn connections(&self) -> usize {
        self.shared.registry.len()
    }

    /// The options in force.
    pub fn options(&self) -> Arc<Options> {
        self.shared.options()
    }

    /// The server's log.
    pub fn logger(&self) -> &Logger {
        &self.shared.log
    }

    /// A connection without a socket: the client's end of a pipe that speaks the NATS protocol.
    /// Must be called within a tokio runtime.
    pub fn connect_in_process(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(IN_PROCESS_BUFFER);
        let arriving = self.shared.registry.listeners.enter();
        tokio::spawn(serve_in_process(Arc::clone(&self.shared), server, arriving));
        client
    }

    /// Takes no new clients, tells those connected to go elsewhere, and after the grace period
    /// closes them one by one over `lame_duck_duration`; then the server stops by itself.
    pub fn enter_lame_duck(&self) {
        let entered = self.shared.stage.send_if_modified(|stage| {
            let running = *stage == Stage::Running;
            if running {
                *stage = Stage::LameDuck;
            }
            running
        });
        if entered {
            tokio::spawn(lame_duck(Arc::clone(&self.shared)));
        }
    }

    /// Requests to read the configuration again that come over NATS go to whoever called this
    /// last; without that they are refused.
    pub fn reload_requests(&self) -> tokio::sync::mpsc::Receiver<ReloadRequest> {
        self.shared.reload_requests.listen()
    }

    /// Whether the server is in lame duck mode.
    pub fn is_lame_duck(&self) -> bool {
        self.shared.stage() == Stage::LameDuck
    }

    /// Closes every connection and stops. Ready when nothing is left and the ports are free.
    pub async fn shutdown(&self) {
        shut_down(&self.shared).await;
    }

    /// Ready when the server has stopped, for whatever reason.
    pub async fn stopped(&self) {
        let mut stage = self.shared.stage.subscribe();
        // An error means that the sender is gone, which it cannot be while `shared` lives.
        let _ = stage.wait_for(|stage| *stage == Stage::Stopped).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stage.send_replace(Stage::Stopped);
        for connection in self.shared.registry.shut() {
            connection.close(CloseReason::ServerShutdown);
        }
        if let Some(jetstream) = self.shared.jetstream.write().take() {
            jetstream.abandon();
        }
    }
}

async fn lame_duck(shared: Arc<Shared>) {
    shared.events.note(&shared, Event::LameDuck);
    let options = shared.options();
    info!(
        shared.log,
        "Entering lame duck mode, stop accepting new clients"
    );
    shared.broadcast_info();
    if shared.registry.len() == 0 {
        return shut_down(&shared).await;
    }
    let grace = options.lame_duck_grace_period;
    wait_or_stop(&shared, grace).await;
    let mut leaving = shared.registry.living();
    if !leaving.is_empty() {
        info!(shared.log, "Closing existing clients");
    }
    let window = options.lame_duck_duration.saturating_sub(grace);
    let share = window / u32::try_from(leaving.len().max(1)).unwrap_or(u32::MAX);
    let pause = share.min(MAX_LAME_DUCK_PAUSE);
    while let Some(connection) = leaving.pop() {
        if shared.stage() > Stage::LameDuck {
            return;
        }
        connection.close(CloseReason::ServerShutdown);
        if !leaving.is_empty() {
            // Between half and the whole of the pause, so that reconnects spread out.
            let jitter = (shared.fresh_seed() % 512 + 512) as u32;
            wait_or_stop(&shared, pause * jitter / 1024).await;
        }
    }
    shut_down(&shared).await;
}

async fn wait_or_stop(shared: &Shared, time: Duration) {
    let mut stage = shared.stage.subscribe();
    let _ = tokio::time::timeout(time, stage.wait_for(|stage| *stage > Stage::LameDuck)).await;
}

/// Closes every connection and stops; ready when that is done, whoever began it.
pub(crate) async fn shut_down(shared: &Shared) {
    let first = shared.stage.send_if_modified(|stage| {
        let before = *stage < Stage::ShuttingDown;
        if before {
            *stage = Stage::ShuttingDown;
        }
        before
    });
    if !first {
        let _ = shared
            .stage
            .subscribe()
            .wait_for(|stage| *stage == Stage::Stopped)
            .await;
        return;
    }
    info!(shared.log, "Initiating Shutdown...");
    let (told, heard) = tokio::sync::oneshot::channel();
    shared.events.note(shared, Event::Shutdown(told));
    let _ = tokio::time::timeout(LAST_EVENTS, heard).await;
    let jetstream = shared.jetstream.write().take();
    if let Some(jetstream) = jetstream {
        info!(shared.log, "Initiating JetStream Shutdown...");
        jetstream.stop().await;
        info!(shared.log, "JetStream Shutdown");
    }
    for connection in shared.registry.shut() {
        connection.close(CloseReason::ServerShutdown);
    }
    let gone = async {
        loop {
            let left = shared.registry.left.notified();
            if shared.registry.len() == 0 {
                break;
            }
            left.await;
        }
        shared.registry.listeners.closed().await;
    };
    if tokio::time::timeout(SHUTDOWN_WAIT, gone).await.is_err() {
        warn!(
            shared.log,
            "{} connections did not close in time",
            shared.registry.len()
        );
    }
    shared.accounts.dissolve();
    shared.peers.save(shared);
    info!(shared.log, "Server Exiting..");
    shared.stage.send_replace(Stage::Stopped);
}
