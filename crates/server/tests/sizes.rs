//! Messages of every size around the thresholds inside the server arrive byte for byte: small
//! ones are copied, large ones written from the read buffer, what waits is kept in blocks.

mod common;

use cognate_server::Server;
use common::random::Random;
use common::{Client, Stream, start};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

const MAX_PAYLOAD: usize = 1024 * 1024;

/// The sizes in bytes at which something changes inside: tails are cut instead of copied, blocks
/// are full, stages are handed over, the read buffer is full, the largest message.
const THRESHOLDS: [usize; 7] = [
    0,
    4 * 1024,
    8 * 1024,
    64 * 1024,
    128 * 1024,
    256 * 1024,
    MAX_PAYLOAD,
];

/// How far around a threshold: frames have up to this many bytes beside their payload.
const AROUND: [usize; 8] = [0, 1, 2, 3, 11, 12, 16, 40];

/// All sizes, each threshold from both sides, in an order that mixes them.
fn sizes(random: &mut Random) -> Vec<usize> {
    let mut sizes: Vec<usize> = THRESHOLDS
        .iter()
        .flat_map(|at| {
            AROUND
                .iter()
                .flat_map(move |by| [at.saturating_sub(*by), at + by])
        })
        .filter(|size| *size <= MAX_PAYLOAD)
        .collect();
    for last in (1..sizes.len()).rev() {
        sizes.swap(last, random.below(last + 1));
    }
    sizes
}

/// What is published, and what a subscriber to it must receive.
struct Published {
    frames: Vec<u8>,
    payloads: Vec<Vec<u8>>,
}

/// Some messages have headers, replies or blanks that the server must not pass on as they are.
fn published(random: &mut Random) -> Published {
    let mut frames = Vec::new();
    let mut payloads = Vec::new();
    for (n, size) in sizes(random).into_iter().enumerate() {
        let head = b"NATS/1.0\r\nA: b\r\n\r\n";
        let mut payload = random.bytes(size);
        let line = match n % 4 {
            0 => format!("PUB a.{n} {size}\r\n"),
            1 => format!("PUB a.{n} re.ply {size}\r\n"),
            2 if size >= head.len() => {
                payload[..head.len()].copy_from_slice(head);
                format!("HPUB a.{n} {} {size}\r\n", head.len())
            }
            _ => format!("pub  a.{n}\t0{size} \r\n"),
        };
        frames.extend_from_slice(line.as_bytes());
        frames.extend_from_slice(&payload);
        frames.extend_from_slice(b"\r\n");
        payloads.push(payload);
    }
    Published { frames, payloads }
}

/// Sends `bytes` in pieces that end anywhere.
async fn send_in_pieces(client: &mut Client<TcpStream>, bytes: &[u8], random: &mut Random) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let most = [8, 600, 9_000, 70_000, 400_000][random.below(5)];
        let (piece, later) = rest.split_at((1 + random.below(most)).min(rest.len()));
        client.send(piece).await;
        client.outgoing.flush().await.expect("the server reads");
        rest = later;
    }
}

async fn expect_all<S: Stream>(
    mut client: Client<S>,
    who: &str,
    payloads: &[Vec<u8>],
) -> Client<S> {
    for (n, payload) in payloads.iter().enumerate() {
        let message = client.message().await;
        assert_eq!(message.subject, format!("a.{n}"), "{who}");
        assert_eq!(
            message.payload.len(),
            payload.len(),
            "{who}: {}",
            message.subject
        );
        assert!(
            message.payload == *payload,
            "{who}: {} arrives altered",
            message.subject
        );
    }
    client
}

async fn subscribed<S: Stream>(stream: S) -> Client<S> {
    let mut client = Client::over(stream).await;
    client.send("SUB a.* 1\r\n").await;
    client.sync().await;
    client
}

/// A connection that takes little at a time.
async fn narrow(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(8 * 1024).expect("SO_RCVBUF");
    let address = server.client_addr().expect("it listens");
    socket.connect(address).await.expect("the server accepts")
}

/// Publishes everything with the randomness of `seed`: two receivers read all the time, one over
/// a narrow connection, one inside the process, and one starts when everything was published.
async fn check(seed: u64) {
    let server = start(|builder| builder).await;
    let mut random = Random::new(seed);
    let Published { frames, payloads } = published(&mut random);
    let payloads: std::sync::Arc<Vec<Vec<u8>>> = payloads.into();
    let reader = |who: &'static str| {
        let payloads = std::sync::Arc::clone(&payloads);
        move |client| async move { expect_all(client, who, &payloads).await }
    };
    let plain = subscribed(common::socket(&server).await).await;
    let thin = subscribed(narrow(&server).await).await;
    let late = subscribed(narrow(&server).await).await;
    let inside = subscribed(server.connect_in_process()).await;
    let inside_payloads = std::sync::Arc::clone(&payloads);
    let reading = [
        tokio::spawn(reader("plain")(plain)),
        tokio::spawn(reader("thin")(thin)),
    ];
    let reading_inside =
        tokio::spawn(async move { expect_all(inside, "inside", &inside_payloads).await });
    let mut publisher = Client::connect(&server).await;
    send_in_pieces(&mut publisher, &frames, &mut random).await;
    publisher.sync().await;
    let mut late = expect_all(late, "late", &payloads).await;
    late.sync().await;
    for task in reading {
        task.await.expect("everything arrived").sync().await;
    }
    reading_inside
        .await
        .expect("everything arrived")
        .sync()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_around_thresholds_arrive_whole_seed_1() {
    check(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_around_thresholds_arrive_whole_seed_2() {
    check(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sizes_around_thresholds_arrive_whole_seed_3() {
    check(3).await;
}

#[tokio::test]
async fn the_largest_message_passes_and_one_byte_more_does_not() {
    let server = start(|builder| builder).await;
    let mut receiver = subscribed(common::socket(&server).await).await;
    let mut publisher = Client::connect(&server).await;
    let payload = Random::new(9).bytes(MAX_PAYLOAD);
    publisher.send(format!("PUB a.b {MAX_PAYLOAD}\r\n")).await;
    publisher.send(&payload).await;
    publisher.send("\r\n").await;
    assert!(receiver.message().await.payload == payload);
    publisher
        .send(format!("PUB a.b {}\r\n", MAX_PAYLOAD + 1))
        .await;
    assert_eq!(
        publisher.rest().await,
        "-ERR 'Maximum Payload Violation'\r\n"
    );
    receiver.sync().await;
}
