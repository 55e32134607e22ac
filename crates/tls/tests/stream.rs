//! What an accepted connection is as a stream of bytes: nothing lost or reordered however the bytes
//! are cut, ends that can be told apart, and mistakes of the peer that end it in order.

mod common;

use cognate_config::options::TlsOptions;
use cognate_tls::{ServerTls, TlsStream};
use common::Authority;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};

/// Long enough for any machine.
const PATIENT: Duration = Duration::from_secs(60);

/// Application data as TLS 1.3 frames it, sealed with no key that anybody agreed on.
const FORGED: [u8; 29] = *b"\x17\x03\x03\x00\x18sealed with no known key";

type ClientStream = tokio_rustls::client::TlsStream<DuplexStream>;

struct Sides {
    tls: ServerTls,
    client: Arc<ClientConfig>,
}

impl Sides {
    fn speaking(version: &'static SupportedProtocolVersion, timeout: Duration) -> Self {
        let authority = Authority::new();
        let client = authority.client_with(default_provider(), &[version], None);
        let options = TlsOptions {
            timeout,
            ..authority.options()
        };
        Sides {
            tls: ServerTls::load(&options).unwrap(),
            client: Arc::new(client),
        }
    }

    async fn connect(&self) -> (TlsStream<Sliced>, ClientStream) {
        self.connect_sliced(usize::MAX).await
    }

    /// A connection of whose ciphertext the server reads and writes `slice` bytes at a time.
    async fn connect_sliced(&self, slice: usize) -> (TlsStream<Sliced>, ClientStream) {
        // Room for a handshake: the client waits for that in ways of its own.
        let (near, pipe) = duplex(16 << 10);
        let far = Sliced { pipe, slice };
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&self.client));
        let client = connector.connect("localhost".try_into().unwrap(), near);
        let (server, client) = tokio::join!(self.tls.accept(far), client);
        (server.unwrap().0, client.unwrap())
    }
}

/// A pipe that takes and gives little at a time.
struct Sliced {
    pipe: DuplexStream,
    slice: usize,
}

impl AsyncRead for Sliced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut part = vec![0; self.slice.min(out.remaining())];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(&mut self.pipe).poll_read(cx, &mut part))?;
        out.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sliced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let slice = &bytes[..self.slice.min(bytes.len())];
        Pin::new(&mut self.pipe).poll_write(cx, slice)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.pipe).poll_shutdown(cx)
    }
}

/// Bytes that tell where they belong.
fn numbered(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ (at >> 8)) as u8).collect()
}

async fn write_in_pieces(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8], piece: usize) {
    for piece in bytes.chunks(piece) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
    }
}

async fn read_in_pieces(
    stream: &mut (impl AsyncRead + Unpin),
    length: usize,
    piece: usize,
) -> Vec<u8> {
    let mut read = Vec::new();
    let mut buffer = vec![0; piece];
    while read.len() < length {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "ended after {} of {length} bytes", read.len());
        read.extend_from_slice(&buffer[..count]);
    }
    read
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Both directions at once, with reads and writes of any size on both sides of TLS.
#[test]
fn nothing_is_lost_however_the_bytes_are_cut() {
    let pieces = || prop_oneof![1..40_usize, 1000..2000_usize, 60_000..200_000_usize];
    let cases = (pieces(), pieces(), pieces(), any::<bool>());
    let sides = [&TLS12, &TLS13].map(|version| Sides::speaking(version, PATIENT));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    let outcome = runner.run(&cases, |(slice, write, read, newer)| {
        let smallest = slice.min(write).min(read);
        let bytes = numbered((smallest * 2000).clamp(5_000, 400_000));
        runtime().block_on(async {
            let (server, client) = sides[usize::from(newer)].connect_sliced(slice).await;
            let (mut server_in, mut server_out) = tokio::io::split(server);
            let (mut client_in, mut client_out) = tokio::io::split(client);
            let (_, _, at_server, at_client) = tokio::join!(
                write_in_pieces(&mut server_out, &bytes, write),
                write_in_pieces(&mut client_out, &bytes, write),
                read_in_pieces(&mut server_in, bytes.len(), read),
                read_in_pieces(&mut client_in, bytes.len(), read),
            );
            assert!(at_server == bytes && at_client == bytes);
        });
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn a_goodbye_is_an_end_and_a_cut_is_not() {
    for version in [&TLS12, &TLS13] {
        let sides = Sides::speaking(version, PATIENT);
        let (mut server, mut client) = sides.connect().await;
        client.write_all(b"last words").await.unwrap();
        client.shutdown().await.unwrap();
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"last words");
        // It stays the end, and the other direction is still open.
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"farewell").await.unwrap();
        server.shutdown().await.unwrap();
        read.clear();
        client.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, b"farewell");
        let error = server.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);

        let (mut server, mut client) = sides.connect().await;
        server.shutdown().await.unwrap();
        client.get_mut().0.write_all(&FORGED).await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);

        let (mut server, mut client) = sides.connect().await;
        client.write_all(b"cut").await.unwrap();
        client.flush().await.unwrap();
        drop(client);
        let mut read = [0; 3];
        server.read_exact(&mut read).await.unwrap();
        let error = server.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!((&read, error.kind()), (b"cut", ErrorKind::UnexpectedEof));
    }
}

#[tokio::test]
async fn keys_change_while_messages_flow() {
    let sides = Sides::speaking(&TLS13, PATIENT);
    let (mut server, mut client) = sides.connect_sliced(100).await;
    for round in 0..20_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        let exchange = async {
            client.write_all(&[round; 300]).await.unwrap();
            client.flush().await.unwrap();
            let mut answer = [0; 300];
            client.read_exact(&mut answer).await.unwrap();
            answer
        };
        let echo = async {
            let mut bytes = [0; 300];
            server.read_exact(&mut bytes).await.unwrap();
            server.write_all(&bytes).await.unwrap();
            server.flush().await.unwrap();
        };
        let (answer, ()) = tokio::join!(exchange, echo);
        assert_eq!(answer, [round; 300]);
    }
}

#[tokio::test]
async fn a_forged_record_ends_the_connection_with_an_alert() {
    let sides = Sides::speaking(&TLS13, PATIENT);
    let (mut server, mut client) = sides.connect().await;
    client.get_mut().0.write_all(&FORGED).await.unwrap();
    let error = server.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("decrypt"), "{error}");
    // Asked again, it neither reads nor writes, and can still be closed.
    let again = server.read(&mut [0; 8]).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidData);
    let write = server.write(b"more").await.unwrap_err();
    assert_eq!(write.kind(), ErrorKind::BrokenPipe);
    server.shutdown().await.unwrap();
    let told = client.read(&mut [0; 8]).await.unwrap_err();
    assert!(told.to_string().contains("BadRecordMac"), "{told}");
}

/// Flips one bit of what the client sends, anywhere in the handshake or behind it.
#[test]
fn a_flipped_bit_is_never_taken_for_data() {
    const MESSAGE: &[u8] = b"PUB subject 5\r\nhello\r\n";
    // A flipped length has both sides wait for each other.
    let impatient = Duration::from_millis(200);
    let sides = [&TLS12, &TLS13].map(|version| Sides::speaking(version, impatient));
    let intact = Cell::new(0);
    let cases = (0..700_usize, 0..8_u32, any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let outcome = runner.run(&cases, |(at, bit, newer)| {
        let Sides { tls, client } = &sides[usize::from(newer)];
        let read = runtime().block_on(async {
            let (near, middle) = duplex(1 << 16);
            let (other, far) = duplex(1 << 16);
            let connector = tokio_rustls::TlsConnector::from(Arc::clone(client));
            let client = async move {
                let name = "localhost".try_into().unwrap();
                let mut stream = connector.connect(name, near).await?;
                stream.write_all(MESSAGE).await?;
                stream.shutdown().await
            };
            let server = async {
                let mut read = Vec::new();
                if let Ok((mut stream, _)) = tls.accept(far).await {
                    let _ = stream.read_to_end(&mut read).await;
                    let _ = stream.shutdown().await;
                }
                read
            };
            let (_, read, ()) = tokio::join!(client, server, relay(middle, other, at, bit));
            read
        });
        prop_assert!(MESSAGE.starts_with(&read), "{read:?}");
        intact.set(intact.get() + usize::from(read == MESSAGE));
        Ok(())
    });
    outcome.unwrap();
    // Some flips are behind all that was sent.
    assert!(intact.get() > 0);
}

/// Carries bytes both ways until both sides have ended, and flips a bit on the way to the server.
async fn relay(client: DuplexStream, server: DuplexStream, mut at: usize, bit: u32) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let forth = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if let Some(byte) = buffer[..count].get_mut(at) {
                *byte ^= 1 << bit;
            }
            at = at.wrapping_sub(count);
            if to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        let _ = to_server.shutdown().await;
    };
    let back = async {
        let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    tokio::join!(forth, back);
}
