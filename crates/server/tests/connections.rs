//! Tens of thousands of connections that open and close in every manner leave nothing behind:
//! no descriptor, no connection, no subscription, no memory. Held against the binary, whose
//! descriptors and memory are its own.

mod common;
#[path = "common/process.rs"]
mod process;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use common::{Client, until, within};
use process::Process;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Connections in all, in batches of so many at a time.
const CONNECTIONS: usize = 20_000;
const BATCH: usize = 400;

/// Connections after which the server has what it keeps: buffers, threads, records.
const WARM: usize = 4_000;

/// Growth after that which is no leak: a leak of half a KiB for each connection is more.
const GROWTH_KIB: u64 = 8 * 1024;

/// Connects from one of several loopback addresses, so that ports do not run out while those of
/// ended connections are still reserved.
async fn connect(to: SocketAddr, n: usize) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let from = SocketAddr::from(([127, 0, 0, 2 + (n % 8) as u8], 0));
    socket.bind(from).expect("a port");
    within("a connection", socket.connect(to))
        .await
        .expect("the server accepts")
}

/// One connection's life; the manner in which it ends depends on `n`.
async fn live(to: SocketAddr, n: usize) {
    let stream = connect(to, n).await;
    match n % 7 {
        // Without waiting for INFO.
        0 => drop(stream),
        // A reset, after INFO.
        1 => {
            let client = Client::greeted(stream).await;
            reset(client);
        }
        // The end of a connection that said nothing.
        2 => drop(Client::greeted(stream).await),
        3 => {
            let mut client = Client::greeted(stream).await;
            client.send("NONSENSE\r\n").await;
            assert_eq!(client.rest().await, "-ERR 'Unknown Protocol Operation'\r\n");
        }
        manner => {
            let mut client = Client::over(stream).await;
            client
                .send(format!("SUB a.{n}.> 1\r\nSUB all q 2\r\nUNSUB 2 5\r\n"))
                .await;
            client.sync().await;
            match manner {
                4 => drop(client),
                5 => reset(client),
                // In the middle of a frame.
                _ => client.send("PUB all 100\r\nhalf").await,
            }
        }
    }
}

/// Closes without the goodbye of TCP.
fn reset(client: Client<TcpStream>) {
    let stream = client.into_stream();
    stream.set_zero_linger().expect("SO_LINGER");
}

/// Lets the connections numbered `range` live, [`BATCH`] at a time.
async fn batches<F: Future<Output = ()> + Send + 'static>(
    range: std::ops::Range<usize>,
    live: impl Fn(usize) -> F,
) {
    let mut running = JoinSet::new();
    for n in range {
        if running.len() >= BATCH {
            running
                .join_next()
                .await
                .expect("one runs")
                .expect("a connection as expected");
        }
        running.spawn(live(n));
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("a connection as expected");
    }
}

/// Waits until the server has no client and as many subscriptions and descriptors as before.
async fn expect_nothing_left(process: &Process, subscriptions: u64, descriptors: usize) {
    let connections = async || process.number("/varz", "connections").await;
    until("the end of all connections", connections, |n| *n == 0).await;
    let left = async || process.number("/subsz", "num_subscriptions").await;
    until("the end of all subscriptions", left, |n| {
        *n == subscriptions
    })
    .await;
    let open = async || process.descriptors();
    until("the end of all sockets", open, |n| *n <= descriptors).await;
}

fn start(extra: &str) -> (Process, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let configuration = directory.path().join("nats.conf");
    // Records of ended connections are kept on purpose; here they would look like a leak.
    let text = format!("max_closed_clients: 100\n{extra}");
    std::fs::write(&configuration, text).expect("a file");
    (Process::start(&configuration), directory)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tens_of_thousands_of_connections_leave_nothing_behind() {
    let (process, _directory) = start("");
    let to = process.clients;
    let subscriptions = process.number("/subsz", "num_subscriptions").await;
    let descriptors = process.descriptors();
    batches(0..WARM, |n| live(to, n)).await;
    expect_nothing_left(&process, subscriptions, descriptors).await;
    let warm = process.memory_kib("VmRSS");
    batches(WARM..CONNECTIONS, |n| live(to, n)).await;
    expect_nothing_left(&process, subscriptions, descriptors).await;
    let grown = process.memory_kib("VmRSS").saturating_sub(warm);
    assert!(
        grown < GROWTH_KIB,
        "{grown} KiB more than after {WARM} connections ({warm} KiB)"
    );
    let seen = process.number("/varz", "total_connections").await;
    assert!(seen >= CONNECTIONS as u64, "{seen} connections were seen");
    Client::over(connect(to, 0).await).await.sync().await;
}

/// One connection to a server with TLS that ends during the handshake.
async fn live_in_handshake(to: SocketAddr, n: usize) {
    let mut stream = connect(to, n).await;
    let mut info = [0; 4];
    within("INFO", stream.read_exact(&mut info))
        .await
        .expect("INFO comes first");
    // The start of a ClientHello that announces more than comes.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let sent = &hello[..n % (hello.len() + 1)];
    // It may close early; that is looked at from the other side.
    let _ = stream.write_all(sent).await;
    match n % 3 {
        0 => {}
        1 => stream.set_zero_linger().expect("SO_LINGER"),
        _ => {
            let _ = stream
                .write_all(b"NONSENSE, as no TLS record begins\r\n")
                .await;
            let mut rest = Vec::new();
            let _ = stream.shutdown().await;
            let _ = within("the end", stream.read_to_end(&mut rest)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_end_during_the_handshake_leave_nothing_behind() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let certified = certified.expect("a certificate");
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&certificate, certified.cert.pem()).expect("a file");
    std::fs::write(&key, certified.signing_key.serialize_pem()).expect("a file");
    let tls = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}\n",
        certificate.display().to_string(),
        key.display().to_string()
    );
    let (process, _configuration) = start(&tls);
    let process = Arc::new(process);
    let to = process.clients;
    let subscriptions = process.number("/subsz", "num_subscriptions").await;
    let descriptors = process.descriptors();
    batches(0..2_000, |n| live_in_handshake(to, n)).await;
    expect_nothing_left(&process, subscriptions, descriptors).await;
}
