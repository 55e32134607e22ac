//! The way through a proxy for async-nats, which can dial nothing but TCP addresses itself.
//!
//! ```text
//! async-nats ─ loopback ─▶ Forwarder ─ SOCKS5 ─▶ proxy ─▶ server
//!               plain        │ TLS, if wanted, is made here, with the server's own name
//!                            └ which server is next, discovered ones included
//! ```
//!
//! Every connection that async-nats makes, the first and each later one, is one to the next server of
//! the pool. INFO is passed on without what async-nats would act on by itself (`tls_required`,
//! `connect_urls`); everything after CONNECT is passed on as it is. Invariants: no name is resolved
//! here, and nothing goes around the proxy; only a client that names our key in its CONNECT gets
//! through, so other users of this machine cannot borrow the proxy or a client certificate;
//! [`Forwarder::drain`] returns when all that the client had written is in the way's far socket.
//! Absent: servers that are told of later than in the first INFO of a connection, as in async-nats.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{RecvFlags, recv};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::settings::Settings;
use super::target::Target;
use super::tls;
use crate::error::{Context, Error, Result};

/// Bytes of an INFO or CONNECT line.
const MAX_LINE_BYTES: usize = 1 << 20;

/// Bytes passed on at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Servers that are remembered.
const MAX_SERVERS: usize = 256;

/// How long what was written may take to get on its way when the command has ended.
const DRAIN: Duration = Duration::from_secs(5);

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A way that is open. Dropping it ends the listening; connections in use go on.
pub(crate) struct Forwarder {
    address: SocketAddr,
    listening: AbortHandle,
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    /// What a client has to call itself in its CONNECT.
    key: String,
    pool: Mutex<VecDeque<Target>>,
    has_tls: AtomicBool,
    /// Who asks the connections in use to pass on what waits.
    relays: Mutex<Vec<mpsc::Sender<oneshot::Sender<()>>>>,
}

/// A connection to a server that has said its INFO.
struct Upstream {
    reader: Reader,
    writer: Writer,
    info: Value,
}

impl Forwarder {
    /// Opens the way to the first server that answers.
    pub(super) async fn start(settings: &Settings, key: String) -> Result<Self> {
        let servers = settings.servers();
        let targets = servers.iter().map(|server| Target::parse(server));
        let shared = Arc::new(Shared {
            settings: settings.clone(),
            key,
            pool: Mutex::new(targets.collect::<Result<_>>()?),
            has_tls: AtomicBool::new(false),
            relays: Mutex::default(),
        });
        let mut first = Err(Error::new("there is no server to connect to"));
        for _ in &servers {
            first = shared.connect().await;
            if first.is_ok() {
                break;
            }
        }
        let first = first?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let listening = tokio::spawn(serve(listener, shared.clone(), first)).abort_handle();
        Ok(Forwarder {
            address,
            listening,
            shared,
        })
    }

    /// Where async-nats has to connect to.
    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Whether the latest connection has TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.shared.has_tls.load(Ordering::Relaxed)
    }

    /// Waits until what the client wrote has left this process, a few seconds at most.
    pub(crate) async fn drain(&self) {
        let relays = lock(&self.shared.relays).clone();
        for relay in relays {
            let (done, waiting) = oneshot::channel();
            if relay.send(done).await.is_ok() {
                // An error says that the connection has ended: then nothing waits.
                let _ = tokio::time::timeout(DRAIN, waiting).await;
            }
        }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, first: Upstream) {
    let mut first = Some(first);
    while let Ok((client, _)) = listener.accept().await {
        tokio::spawn(attend(client, shared.clone(), first.take()));
    }
}

/// Serves a connection to its end, and says why it could not be served.
async fn attend(client: TcpStream, shared: Arc<Shared>, upstream: Option<Upstream>) {
    let served = async {
        let upstream = match upstream {
            Some(upstream) => upstream,
            None => shared.connect().await?,
        };
        pass_on(client, &shared, upstream).await
    };
    if let Err(error) = served.await {
        crate::note!("Connection: {}", error.message());
    }
}

impl Shared {
    /// Connects to the server whose turn it is.
    async fn connect(&self) -> Result<Upstream> {
        let target = {
            let mut pool = lock(&self.pool);
            pool.rotate_left(1);
            pool.back()
                .cloned()
                .context("there is no server to connect to")?
        };
        let (sender, dialled) = oneshot::channel();
        let (settings, to) = (self.settings.clone(), target.clone());
        // A thread that nobody waits for: an answer that does not come must not hold up the end.
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(to.dial(&settings));
        });
        let tcp = dialled.await.context("the connection was given up")??;
        tcp.set_nonblocking(true)?;
        let tcp = TcpStream::from_std(tcp)?;
        let greeted = self.greet(tcp, &target);
        let upstream = tokio::time::timeout(self.settings.timeout, greeted)
            .await
            .map_err(|_| Error::new(format!("no answer from {} in time", target.shown)))?
            .context(&target.shown)?;
        self.discover(&upstream.info, &target);
        Ok(upstream)
    }

    /// Reads INFO, and makes TLS before or after it.
    async fn greet(&self, mut tcp: TcpStream, target: &Target) -> Result<Upstream> {
        let tls_first = self.settings.context.tls_first;
        let mut info = None;
        if !tls_first {
            info = Some(read_info(&mut tcp).await?);
        }
        let demanded = info
            .as_ref()
            .is_some_and(|info| info["tls_required"] == true);
        let has_tls = tls_first || target.wants_tls || demanded;
        self.has_tls.store(has_tls, Ordering::Relaxed);
        let (mut reader, writer): (Reader, Writer) = if has_tls {
            let name = ServerName::try_from(target.host.clone())?;
            let connector = TlsConnector::from(tls::client_config(&self.settings)?);
            let stream = connector.connect(name, tcp).await.context("TLS failed")?;
            let (reader, writer) = tokio::io::split(stream);
            (Box::new(reader), Box::new(writer))
        } else {
            let (reader, writer) = tcp.into_split();
            (Box::new(reader), Box::new(writer))
        };
        let info = match info {
            Some(info) => info,
            None => read_info(&mut reader).await?,
        };
        Ok(Upstream {
            reader,
            writer,
            info,
        })
    }

    /// Remembers the servers that a server tells of; what it wants of TLS holds for them too.
    fn discover(&self, info: &Value, from: &Target) {
        let urls = info["connect_urls"].as_array().into_iter().flatten();
        let mut pool = lock(&self.pool);
        for url in urls.filter_map(Value::as_str) {
            let Ok(mut target) = Target::parse(url) else {
                continue;
            };
            target.wants_tls |= from.wants_tls;
            let is_known =
                |known: &Target| (&known.host, known.port) == (&target.host, target.port);
            if pool.len() < MAX_SERVERS && !pool.iter().any(is_known) {
                pool.push_back(target);
            }
        }
    }
}

/// INFO and CONNECT with what is ours put in, then everything as it comes.
async fn pass_on(mut client: TcpStream, shared: &Shared, upstream: Upstream) -> Result<()> {
    let Upstream {
        mut reader,
        mut writer,
        mut info,
    } = upstream;
    client.set_nodelay(true)?;
    if let Some(fields) = info.as_object_mut() {
        fields.insert("tls_required".to_owned(), json!(false));
        fields.remove("connect_urls");
    }
    client
        .write_all(format!("INFO {info}\r\n").as_bytes())
        .await?;
    let line = tokio::time::timeout(shared.settings.timeout, read_line(&mut client))
        .await
        .context("no CONNECT came")??;
    let Some(mut connect) = line
        .strip_prefix(b"CONNECT ")
        .and_then(|text| serde_json::from_slice::<Value>(text).ok())
        .filter(|connect| connect["name"] == *shared.key)
    else {
        return Err(Error::new(
            "another program tried to use the way through the proxy",
        ));
    };
    connect["name"] = json!(shared.settings.connection_name);
    connect["tls_required"] = json!(shared.has_tls.load(Ordering::Relaxed));
    writer
        .write_all(format!("CONNECT {connect}\r\n").as_bytes())
        .await?;
    writer.flush().await?;
    let (sender, asked) = mpsc::channel(1);
    lock(&shared.relays).push(sender);
    let (mut from, mut to) = client.into_split();
    // Either side's end is the connection's; why it ended, async-nats tells.
    tokio::select! {
        _ = tokio::io::copy(&mut reader, &mut to) => {}
        _ = outward(&mut from, &mut writer, asked) => {}
    }
    lock(&shared.relays).retain(|relay| !relay.is_closed());
    Ok(())
}

/// Passes on what the client writes, until it closes or the server takes no more.
async fn outward(
    from: &mut OwnedReadHalf,
    to: &mut Writer,
    mut asked: mpsc::Receiver<oneshot::Sender<()>>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (count, done) = tokio::select! {
            biased;
            count = from.read(&mut buffer) => match count? {
                0 => return to.shutdown().await,
                count => (count, None),
            },
            // What the client has written before it asks is there, though tokio may not know yet.
            Some(done) = asked.recv() => (waiting(from, &mut buffer), Some(done)),
        };
        let mut count = count;
        while count > 0 {
            to.write_all(buffer.get(..count).unwrap_or_default())
                .await?;
            count = if done.is_some() {
                waiting(from, &mut buffer)
            } else {
                0
            };
        }
        to.flush().await?;
        if let Some(done) = done {
            // Who asked may have lost patience.
            let _ = done.send(());
        }
    }
}

/// Reads what waits in a socket, without waiting; 0 when there is nothing.
fn waiting(from: &OwnedReadHalf, buffer: &mut [u8]) -> usize {
    recv(from.as_ref(), buffer, RecvFlags::DONTWAIT).map_or(0, |(count, _)| count)
}

async fn read_info(reader: &mut (impl AsyncRead + Unpin)) -> Result<Value> {
    let line = read_line(reader).await?;
    let text = line
        .strip_prefix(b"INFO ")
        .context("what answers there is no NATS server")?;
    Ok(serde_json::from_slice(text)?)
}

/// Reads one byte at a time: what follows the line may be a TLS handshake, which is not ours to read.
async fn read_line(reader: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        if line.len() == MAX_LINE_BYTES {
            return Err(Error::new("a line is too long"));
        }
        line.push(reader.read_u8().await.context("the connection ended")?);
    }
    Ok(line)
}
