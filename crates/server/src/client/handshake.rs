//! From an accepted socket to a running client: INFO, and TLS before or after it.
//!
//! ```text
//! plain              INFO ─▶ task
//! TLS                INFO ─▶ handshake ─▶ task
//! handshake_first    handshake ─▶ INFO ─▶ task
//! … with fallback    wait for a first byte; none in time: as TLS
//! allow_non_tls      INFO ─▶ first byte 0x16: handshake, else plain ─▶ task
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cognate_auth::nkey::Nonce;
use cognate_config::options::HandshakeFirst;
use cognate_process::{debug, error};
use cognate_tls::ServerTls;
use cognate_wire::{CloseReason, error_text};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

use super::door::ClientDoor;
use super::task::ClientTask;
use super::transport::{TcpSink, Transport};
use crate::data::{Birth, Connection, Outbound, Sink, TlsDetail, Totals, Via};
use crate::shared::{Shared, Stage};

/// The first byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Serves a client that connected to the listener, to the end.
pub(crate) async fn serve_tcp(shared: Arc<Shared>, socket: TcpStream, peer: SocketAddr) {
    // Latency matters more than full packets: what is worth sending together is sent together.
    let _ = socket.set_nodelay(true);
    let ready = match shared.tls() {
        None => Some(greet_plain(&shared, socket, peer)),
        // The memory of a handshake is given back before the client is served.
        Some(tls) => Box::pin(greet_tls(&shared, socket, peer, tls)).await,
    };
    if let Some((newcomer, transport)) = ready {
        newcomer.serve(transport).await;
    }
}

/// Serves a client inside this process, to the end.
pub(crate) async fn serve_in_process(shared: Arc<Shared>, stream: DuplexStream) {
    let newcomer = Newcomer::new(&shared, None, Via::InProcess, None);
    newcomer.say(&newcomer.info());
    newcomer.serve(Transport::Stream(Box::new(stream))).await;
}

fn greet_plain(shared: &Arc<Shared>, socket: TcpStream, peer: SocketAddr) -> (Newcomer, Transport) {
    let sink = Arc::new(TcpSink(socket));
    let newcomer = Newcomer::new(shared, Some(peer), Via::Tcp, Some(Arc::clone(&sink) as _));
    newcomer.say(&newcomer.info());
    (newcomer, Transport::Tcp(sink))
}

/// `None` if the client is gone; its record is written then.
async fn greet_tls(
    shared: &Arc<Shared>,
    mut socket: TcpStream,
    peer: SocketAddr,
    tls: Arc<ServerTls>,
) -> Option<(Newcomer, Transport)> {
    let first = begins_with_handshake(&socket, tls.handshake_first()).await;
    let newcomer = Newcomer::new(shared, Some(peer), Via::Tcp, None);
    let info = newcomer.info();
    if !first {
        if socket.write_all(&info).await.is_err() {
            return newcomer.leave(CloseReason::WriteError);
        }
        if shared.options().allow_non_tls && !looks_like_tls(shared, &socket).await {
            let sink = Arc::new(TcpSink(socket));
            newcomer.connection.outbound.attach(Arc::clone(&sink) as _);
            return Some((newcomer, Transport::Tcp(sink)));
        }
    }
    if !shared.admit_handshake() {
        let text = error_text::CONNECTION_THROTTLING;
        let _ = socket
            .write_all(format!("-ERR '{text}'\r\n").as_bytes())
            .await;
        return newcomer.leave(CloseReason::MaxConnectionsExceeded);
    }
    match tls.accept(socket).await {
        Ok((stream, peer)) => {
            newcomer.connection.update_detail(|detail| {
                detail.tls = Some(TlsDetail { peer, first });
            });
            if first {
                newcomer.say(&info);
            }
            Some((newcomer, Transport::Stream(Box::new(stream))))
        }
        Err(problem) => {
            let label = newcomer.connection.label();
            if problem.is_probe() {
                debug!(shared.log, "{label} - {problem}");
            } else {
                error!(shared.log, "{label} - {problem}");
            }
            newcomer.leave(CloseReason::TlsHandshakeFailure)
        }
    }
}

/// Whether the client begins with a handshake, where it may or must.
async fn begins_with_handshake(socket: &TcpStream, mode: HandshakeFirst) -> bool {
    match mode {
        HandshakeFirst::Off => false,
        HandshakeFirst::On => true,
        HandshakeFirst::Fallback(wait) => {
            let mut byte = [0];
            let first = tokio::time::timeout(wait, socket.peek(&mut byte)).await;
            matches!(first, Ok(Ok(1))) && byte[0] == TLS_HANDSHAKE
        }
    }
}

/// Whether the client answers INFO with a handshake; one that stays silent is not made to.
async fn looks_like_tls(shared: &Shared, socket: &TcpStream) -> bool {
    let mut byte = [0];
    let limit = shared.options().auth_timeout();
    let first = tokio::time::timeout(limit, socket.peek(&mut byte)).await;
    matches!(first, Ok(Ok(1))) && byte[0] == TLS_HANDSHAKE
}

/// A connection that is not being served yet.
struct Newcomer {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    nonce: String,
    seed: u64,
}

impl Newcomer {
    fn new(
        shared: &Arc<Shared>,
        peer: Option<SocketAddr>,
        via: Via,
        sink: Option<Arc<dyn Sink>>,
    ) -> Self {
        let max_pending = usize::try_from(shared.options().max_pending).unwrap_or(usize::MAX);
        let birth = Birth {
            cid: shared.registry.next_cid(),
            outbound: Outbound::new(sink, max_pending, Arc::clone(&shared.blocks)),
            peer,
            via,
            started_at: SystemTime::now(),
        };
        let connection = Arc::new(Connection::new(birth, &shared.registry.slots));
        let nonce = if shared.authenticator().nonce_required() {
            Nonce::new(crate::random::bytes()).as_str().to_owned()
        } else {
            String::new()
        };
        Newcomer {
            shared: Arc::clone(shared),
            connection,
            nonce,
            seed: shared.fresh_seed(),
        }
    }

    fn info(&self) -> Vec<u8> {
        self.shared.info_for(&self.connection, &self.nonce, false)
    }

    /// Enters the connection in the registry and serves it.
    async fn serve(self, mut transport: Transport) {
        let Newcomer {
            shared,
            connection,
            nonce,
            seed,
        } = self;
        let max = shared.options().max_connections as usize;
        let limit = if shared.stage() > Stage::Running {
            0
        } else {
            max
        };
        if !shared.registry.enter(&connection, limit) {
            return Box::pin(turn_away(&shared, &connection, &mut transport)).await;
        }
        debug!(
            shared.log,
            "{} - Client connection created",
            connection.label()
        );
        let door = ClientDoor::new(&shared, &connection, nonce, seed);
        ClientTask::new(shared, connection, transport, door, seed)
            .run()
            .await;
    }

    fn say(&self, text: &[u8]) {
        self.connection.outbound.deliver(&text, Totals::default());
    }

    /// Writes the record of a client that did not get further.
    fn leave<T>(self, reason: CloseReason) -> Option<T> {
        super::record_end(&self.shared, &self.connection, &[], reason);
        None
    }
}

/// Tells a client that there is no room for it.
async fn turn_away(shared: &Shared, connection: &Arc<Connection>, transport: &mut Transport) {
    let text = error_text::MAX_CONNECTIONS;
    error!(shared.log, "{} - {text}", connection.label());
    let line = format!("-ERR '{text}'\r\n");
    connection
        .outbound
        .shut(CloseReason::MaxConnectionsExceeded);
    let goodbye = async {
        match transport {
            Transport::Tcp(sink) => {
                let _ = sink.0.writable().await;
                let _ = sink.0.try_write(line.as_bytes());
            }
            Transport::Stream(stream) => {
                let _ = stream.write_all(line.as_bytes()).await;
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0]).await;
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(500), goodbye).await;
    super::record_end(shared, connection, &[], CloseReason::MaxConnectionsExceeded);
}
