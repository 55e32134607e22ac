//! HTTP: accepts connections, reads requests, sends answers, and bounds all of it.
//!
//! ```text
//! accept ─ slot of CONNECTIONS ─▶ TLS ─▶ head (HEAD_TIMEOUT, HEAD_BYTES) ─▶ path ─▶ slot of BUILDERS
//!        ─▶ blocking thread builds the document ─▶ room among UNREAD_BYTES ─▶ client reads
//! ```
//!
//! Invariants: documents are built on blocking threads, so no client of monitoring keeps a thread
//! that serves NATS; whatever a client does or omits, its connection ends after
//! [`limits::KEEP_ALIVE`] + [`limits::LAST_ANSWER`]. The server crate calls [`serve`] once per
//! listener. Absent: what the documents say.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::answer::{Answer, Kind};
use crate::body::Unread;
use crate::facts::Monitored;
use crate::limits;
use crate::routes::{Endpoint, Routes};

/// Unread bytes are counted in units of this many.
const ROOM_UNIT: usize = 1 << 10;

/// Time that connections have to finish their answer at shutdown.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Time that a request waits for a slot before it gets a 503.
const SLOT_PATIENCE: Duration = Duration::from_secs(10);

/// Time that a large document waits for room before it is thrown away and the client gets a 503.
/// Short, because it keeps its slot meanwhile.
const ROOM_PATIENCE: Duration = Duration::from_secs(1);

/// Serves monitoring of `source` on `listener`, below `base_path` (empty for none), over TLS if
/// `tls` is given, until `shutdown`; then answers in progress get a second to finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    base_path: String,
    source: Arc<dyn Monitored>,
    shutdown: impl Future<Output = ()> + Send,
) {
    let site = Arc::new(Site::new(Routes::new(source, &base_path), tls));
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = site.accept(&listener) => accepted,
        };
        if let Some((stream, slot)) = accepted {
            let (site, stopping) = (Arc::clone(&site), stopping.clone());
            connections.spawn(async move {
                site.connection(stream, stopping).await;
                drop(slot);
            });
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // What has not ended by then is dropped with the set.
    let _ = timeout(SHUTDOWN_GRACE, all_ended).await;
}

/// What the connections of one listener share.
struct Site {
    routes: Arc<Routes>,
    tls: Option<TlsAcceptor>,
    connections: Arc<Semaphore>,
    builders: Arc<Semaphore>,
    /// Probes have slots of their own: large documents must not make a server look dead.
    probes: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Site {
    fn new(routes: Routes, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Site {
            routes: Arc::new(routes),
            tls: tls.map(TlsAcceptor::from),
            connections: Arc::new(Semaphore::new(limits::CONNECTIONS)),
            builders: Arc::new(Semaphore::new(limits::BUILDERS)),
            probes: Arc::new(Semaphore::new(limits::BUILDERS)),
            room: Arc::new(Semaphore::new(limits::UNREAD_BYTES / ROOM_UNIT)),
        }
    }

    /// The next connection, once there is a slot for it; `None` after a failure and a pause.
    async fn accept(&self, listener: &TcpListener) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        let slot = Arc::clone(&self.connections).acquire_owned().await.ok()?;
        match listener.accept().await {
            Ok((stream, _)) => Some((stream, slot)),
            Err(_) => {
                sleep(limits::ACCEPT_PAUSE).await;
                None
            }
        }
    }

    async fn connection(&self, stream: TcpStream, stopping: watch::Receiver<bool>) {
        // Only a delay of small answers is lost if it fails.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.requests(stream, stopping).await,
            Some(tls) => {
                let handshake = timeout(limits::HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
                if let Ok(Ok(stream)) = handshake {
                    self.requests(stream, stopping).await;
                }
            }
        }
    }

    async fn requests<S>(&self, stream: S, mut stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let service = service_fn(|request| self.respond(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits::HEAD_TIMEOUT)
            .max_buf_size(limits::HEAD_BYTES)
            .max_headers(limits::HEADERS)
            .half_close(true)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        // How a connection fails is the client's affair: every result only ends it.
        tokio::select! {
            _ = connection.as_mut() => return,
            () = sleep(limits::KEEP_ALIVE) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = timeout(limits::LAST_ANSWER, connection).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Unread>, Infallible> {
        let answer = match self.routes.endpoint(request.uri().path()) {
            None => (Answer::not_found(), None),
            Some(endpoint) => {
                let query = request
                    .uri()
                    .query()
                    .unwrap_or_default()
                    .as_bytes()
                    .to_vec();
                self.built(endpoint, query)
                    .await
                    .unwrap_or_else(|| (busy(), None))
            }
        };
        Ok(response(answer.0, answer.1))
    }

    /// Builds a document when there is a slot, and waits for room to keep it; `None` if either
    /// takes too long.
    async fn built(
        &self,
        endpoint: Endpoint,
        query: Vec<u8>,
    ) -> Option<(Answer, Option<OwnedSemaphorePermit>)> {
        let probe = endpoint == Endpoint::Healthz;
        let slots = Arc::clone(if probe { &self.probes } else { &self.builders });
        let slot = timeout(SLOT_PATIENCE, slots.acquire_owned())
            .await
            .ok()?
            .ok()?;
        let routes = Arc::clone(&self.routes);
        let building = spawn_blocking(move || (routes.answer(&endpoint, &query), slot));
        let (answer, slot) = match building.await {
            Ok(built) => built,
            Err(_) => return Some((broken(), None)),
        };
        // Small ones need no room, so that unread large ones keep nobody from them: together they
        // are bounded by the number of connections.
        if answer.body.len() <= limits::SMALL_DOCUMENT {
            return Some((answer, None));
        }
        // The slot is held meanwhile: unread documents are bounded by the room and the slots.
        let units = answer
            .body
            .len()
            .div_ceil(ROOM_UNIT)
            .min(limits::UNREAD_BYTES / ROOM_UNIT);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(units);
        let room = timeout(ROOM_PATIENCE, room).await.ok()?.ok()?;
        drop(slot);
        Some((answer, Some(room)))
    }
}

fn busy() -> Answer {
    let text = "monitoring is busy with other requests; try again later\n";
    Answer::text(StatusCode::SERVICE_UNAVAILABLE, text)
}

fn broken() -> Answer {
    let text = "the document could not be built; this is a bug, please report it\n";
    Answer::text(StatusCode::INTERNAL_SERVER_ERROR, text)
}

fn response(answer: Answer, room: Option<OwnedSemaphorePermit>) -> Response<Unread> {
    let Answer { status, kind, body } = answer;
    let mut response = Response::new(Unread::new(body, room));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(kind.content_type()),
    );
    match kind {
        Kind::Json => {
            let anyone = HeaderValue::from_static("*");
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, anyone);
        }
        Kind::Text => {
            let no_guessing = HeaderValue::from_static("nosniff");
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, no_guessing);
        }
        Kind::Expvar | Kind::Html | Kind::Metrics => {}
    }
    response
}
