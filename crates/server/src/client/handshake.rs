//! From an accepted socket to a running client: INFO, and TLS before or after it.
//!
//! ```text
//! plain              INFO ─▶ task
//! TLS                INFO ─▶ handshake ─▶ task
//! handshake_first    handshake ─▶ INFO ─▶ task
//! … with fallback    wait for a first byte; none in time: as TLS
//! allow_non_tls      INFO ─▶ first byte 0x16: handshake, else plain ─▶ task
//! proxy_protocol     … before the first thing that is read: a PROXY header, if there is one
//! ```
//!
//! A connection is in the registry before its handshake, so that it counts as one, is seen by
//! monitoring, and ends when the server closes it. As with nats-server, who arrives while the
//! server goes away is sent INFO and then nothing, and who does not get through a handshake is
//! told nothing either: it would not understand.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use cognate_auth::nkey::Nonce;
use cognate_config::options::HandshakeFirst;
use cognate_process::{debug, error, warn};
use cognate_tls::{HandshakeError, PeerDetail, ServerTls};
use cognate_wire::{CloseReason, error_text};
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;

use super::door::ClientDoor;
use super::opening;
use super::task::ClientTask;
use super::throttle;
use super::transport::{Stream, TcpSink, Transport};
use crate::data::{Birth, Connection, Outbound, Pending, Sink, TlsDetail, Totals, Via};
use crate::info::plain_ip;
use crate::listen::Listening;
use crate::shared::{Shared, Stage};

/// The way from a socket to the task that serves the client; `None` if it did not get that far,
/// and its record is written.
type Greeting = Pin<Box<dyn Future<Output = Option<ClientTask>> + Send>>;

/// Serves a client that connected to the listener, to the end. `arriving` is let go once the
/// registry knows the connection.
pub(crate) fn serve_tcp(
    shared: Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    arriving: Listening,
) -> impl Future<Output = ()> + Send {
    serve(Box::pin(greet_tcp(shared, socket, peer, arriving)))
}

/// Serves a client inside this process, to the end.
pub(crate) fn serve_in_process(
    shared: Arc<Shared>,
    stream: DuplexStream,
    arriving: Listening,
) -> impl Future<Output = ()> + Send {
    serve(Box::pin(async move {
        let mut newcomer = Newcomer::new(&shared, None, Via::InProcess, None, arriving);
        newcomer.say(&newcomer.info());
        newcomer.enter();
        newcomer
            .into_task(Transport::Stream(Box::new(stream)))
            .await
    }))
}

/// The memory of a greeting is given back before the client is served: what is spawned here lives
/// as long as the connection, and is small.
async fn serve(greeting: Greeting) {
    let task = greeting.await;
    if let Some(task) = task {
        task.run().await;
    }
}

async fn greet_tcp(
    shared: Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    arriving: Listening,
) -> Option<ClientTask> {
    // Latency matters more than full packets: what is worth sending together is sent together.
    let _ = socket.set_nodelay(true);
    let proxied = shared.options().proxy_protocol;
    if !proxied && throttle::is_turned_away(&shared, peer.ip()) {
        // Too many of its logins failed: it is worth no more than a word.
        let _ = socket.try_write(&throttle::throttled());
        return None;
    }
    let (newcomer, transport) = match (shared.tls(), proxied) {
        (None, false) => greet_plain(&shared, socket, peer, arriving),
        (tls, proxied) => {
            let newcomer = Newcomer::new(&shared, Some(peer), Via::Tcp, None, arriving);
            if proxied {
                newcomer.connection.await_place();
            }
            // Apart, since it is much larger than what the others need.
            Box::pin(greet_in_steps(newcomer, socket, tls)).await?
        }
    };
    newcomer.into_task(transport).await
}

/// A client and the way to it.
type Greeted = (Newcomer, Transport);

fn greet_plain(
    shared: &Arc<Shared>,
    socket: TcpStream,
    peer: SocketAddr,
    arriving: Listening,
) -> Greeted {
    let sink = Arc::new(TcpSink(socket));
    let way = Some(Arc::clone(&sink) as _);
    let mut newcomer = Newcomer::new(shared, Some(peer), Via::Tcp, way, arriving);
    newcomer.say(&newcomer.info());
    newcomer.enter();
    (newcomer, Transport::Tcp(sink))
}

/// `None` if the client is gone; its record is written then.
async fn greet_in_steps(
    mut newcomer: Newcomer,
    mut socket: TcpStream,
    tls: Option<Arc<ServerTls>>,
) -> Option<Greeted> {
    let mode = tls
        .as_ref()
        .map_or(HandshakeFirst::Off, |tls| tls.handshake_first());
    let mut greeted = mode == HandshakeFirst::Off;
    if greeted && socket.write_all(&newcomer.info()).await.is_err() {
        return newcomer.leave(CloseReason::WriteError);
    }
    if !newcomer.enter() {
        return Some((newcomer, Transport::Tcp(Arc::new(TcpSink(socket)))));
    }
    let negotiated = tokio::select! {
        reason = newcomer.closed() => Err(reason),
        negotiated = async {
            if newcomer.connection.is_unplaced() {
                place(&newcomer, &mut socket, mode, &mut greeted).await?;
            }
            match &tls {
                None => Ok(newcomer.plain(socket)),
                Some(tls) => negotiate(&newcomer, socket, tls, greeted).await,
            }
        } => negotiated,
    };
    match negotiated {
        Ok(transport) => Some((newcomer, transport)),
        Err(reason) => newcomer.leave(reason),
    }
}

/// Hears where the client is, if a proxy may say so. A client that has not been greeted, and may be
/// waiting for that, is.
async fn place(
    newcomer: &Newcomer,
    socket: &mut TcpStream,
    mode: HandshakeFirst,
    greeted: &mut bool,
) -> Result<(), CloseReason> {
    let connection = &newcomer.connection;
    if let HandshakeFirst::Fallback(wait) = mode
        && !opening::speaks_within(socket, wait).await
    {
        newcomer.greet(socket).await?;
        *greeted = true;
    }
    match opening::take_proxy_header(socket).await {
        Ok(source) => {
            let plain = |source: SocketAddr| SocketAddr::new(plain_ip(source.ip()), source.port());
            connection.place(source.map(plain));
            let proxied = source.is_some();
            let label = connection.label();
            debug!(
                newcomer.shared.log,
                "{label} - Placed, through a proxy: {proxied}"
            );
            let peer = connection.peer().map(|peer| peer.ip());
            if peer.is_some_and(|peer| throttle::is_turned_away(&newcomer.shared, peer)) {
                let _ = socket.write_all(&throttle::throttled()).await;
                return Err(CloseReason::MaxConnectionsExceeded);
            }
            Ok(())
        }
        Err(problem) => {
            let peer = connection.peer().map(|peer| peer.to_string());
            let peer = peer.unwrap_or_default();
            warn!(
                newcomer.shared.log,
                "Error reading PROXY protocol header from {peer}: {problem}"
            );
            Err(CloseReason::ProtocolViolation)
        }
    }
}

/// What is left to be said before the client is served, and the handshake if there is to be one.
/// `greeted` says whether it has been sent INFO.
async fn negotiate(
    newcomer: &Newcomer,
    mut socket: TcpStream,
    tls: &ServerTls,
    greeted: bool,
) -> Result<Transport, CloseReason> {
    let shared = &newcomer.shared;
    let first = !greeted && opening::begins_with_handshake(&socket, tls.handshake_first()).await;
    if !first {
        if !greeted {
            newcomer.greet(&mut socket).await?;
        }
        if shared.options().allow_non_tls && !opening::looks_like_tls(&socket, tls.timeout()).await
        {
            return Ok(newcomer.plain(socket));
        }
    }
    if !throttle::admit_handshake(shared) {
        let _ = socket.write_all(&throttle::throttled()).await;
        return Err(CloseReason::MaxConnectionsExceeded);
    }
    let label = newcomer.connection.label();
    debug!(
        shared.log,
        "{label} - Starting TLS client connection handshake"
    );
    match shake_hands(socket, shared, tls).await {
        Ok((stream, peer)) => {
            debug!(shared.log, "{label} - TLS handshake complete");
            let (version, suite) = (&peer.version, &peer.cipher_suite);
            debug!(
                shared.log,
                "{label} - TLS version {version}, cipher suite {suite}"
            );
            let mut peer = peer;
            if shared.callout.is_none() && shared.operator().is_none() {
                // Nobody will ask for the certificates themselves.
                peer.chain = Vec::new();
            }
            newcomer.connection.update_detail(|detail| {
                detail.tls = Some(TlsDetail { peer, first });
            });
            if first {
                newcomer.say(&newcomer.info());
            }
            Ok(Transport::Stream(stream))
        }
        Err(problem) => {
            if problem.is_probe() {
                debug!(shared.log, "{label} - {problem}");
            } else {
                error!(shared.log, "{label} - {problem}");
            }
            Err(CloseReason::TlsHandshakeFailure)
        }
    }
}

/// The handshake, within the time for it. A client that does not speak TLS is not sent an alert,
/// which it would take for a message.
async fn shake_hands(
    socket: TcpStream,
    shared: &Arc<Shared>,
    tls: &ServerTls,
) -> Result<(Box<dyn Stream>, PeerDetail), HandshakeError> {
    let handshake = async {
        if !opening::may_be_tls(&socket).await {
            return Err(HandshakeError::NotTls);
        }
        let (stream, peer) = tls.accept(socket).await?;
        let valid = crate::ocsp::peers::check(shared, tls, &peer).await;
        valid.map_err(|refused| HandshakeError::Failed(refused.to_owned()))?;
        Ok((Box::new(stream) as Box<dyn Stream>, peer))
    };
    let in_time = tokio::time::timeout(tls.timeout(), handshake).await;
    in_time.unwrap_or(Err(HandshakeError::Timeout))
}

/// A connection that is not being served yet.
struct Newcomer {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    nonce: String,
    seed: u64,
    /// Until the registry has it; for good if it does not take it.
    arriving: Option<Listening>,
}

impl Newcomer {
    fn new(
        shared: &Arc<Shared>,
        peer: Option<SocketAddr>,
        via: Via,
        sink: Option<Arc<dyn Sink>>,
        arriving: Listening,
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
        let nonce = if shared.nonce_required() {
            Nonce::new(crate::random::bytes()).as_str().to_owned()
        } else {
            String::new()
        };
        Newcomer {
            shared: Arc::clone(shared),
            connection,
            nonce,
            seed: shared.fresh_seed(),
            arriving: Some(arriving),
        }
    }

    fn info(&self) -> Vec<u8> {
        self.shared.info_for(&self.connection, &self.nonce)
    }

    /// Sends the client its INFO before anybody else may write to it.
    async fn greet(&self, socket: &mut TcpStream) -> Result<(), CloseReason> {
        let written = socket.write_all(&self.info()).await;
        written.map_err(|_| CloseReason::WriteError)
    }

    /// The client is served without TLS.
    fn plain(&self, socket: TcpStream) -> Transport {
        let sink = Arc::new(TcpSink(socket));
        self.connection.outbound.attach(Arc::clone(&sink) as _);
        Transport::Tcp(sink)
    }

    /// Enters the connection in the registry; `false` if there is no room, or no server any more.
    fn enter(&mut self) -> bool {
        let Newcomer {
            shared, connection, ..
        } = self;
        let max = shared.options().max_connections as usize;
        let running = shared.stage() == Stage::Running;
        let entered = running && shared.registry.enter(connection, max);
        if entered {
            let label = connection.label();
            debug!(shared.log, "{label} - Client connection created");
            self.arriving = None;
        }
        entered
    }

    /// Ready when somebody closed the connection.
    async fn closed(&self) -> CloseReason {
        let outbound = &self.connection.outbound;
        // Requests that are seen here need no answer: what they announce is in force when the
        // client begins to be served.
        std::future::poll_fn(|cx| match outbound.poll_pending(cx) {
            (Pending::Closed(reason), _) => Poll::Ready(reason),
            _ => Poll::Pending,
        })
        .await
    }

    /// The task that serves the client, unless the registry did not take it: then it is turned
    /// away.
    async fn into_task(self, transport: Transport) -> Option<ClientTask> {
        if self.arriving.is_some() {
            Box::pin(self.turn_away(transport)).await;
            return None;
        }
        let Newcomer {
            shared,
            connection,
            nonce,
            seed,
            ..
        } = self;
        let door = ClientDoor::new(&shared, &connection, nonce, seed);
        Some(ClientTask::new(shared, connection, transport, door, seed))
    }

    /// Tells a client that there is no room for it, unless the server goes away itself.
    async fn turn_away(self, mut transport: Transport) {
        let Newcomer {
            shared, connection, ..
        } = &self;
        let mut reason = CloseReason::ServerShutdown;
        if shared.stage() == Stage::Running {
            reason = CloseReason::MaxConnectionsExceeded;
            let text = error_text::MAX_CONNECTIONS;
            error!(shared.log, "{} - {text}", connection.label());
            if let Transport::Tcp(sink) = &transport {
                // Before a handshake nobody has let publishers, such as this one, write.
                connection.outbound.attach(Arc::clone(sink) as _);
            }
            self.say(format!("-ERR '{text}'\r\n").as_bytes());
        }
        super::parting::part(shared, connection, &mut transport, reason).await;
        super::record_end(shared, connection, &[], reason);
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
