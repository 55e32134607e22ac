//! Hostile input on many connections at once: a healthy pair goes on exchanging messages, and
//! memory stays bounded. Held against the binary, whose memory is its own.

mod common;
#[path = "common/process.rs"]
mod process;

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use common::random::Random;
use common::{Client, until, within};
use process::Process;

/// Connections of each kind of attacker.
const EACH: usize = 4;

/// Connections that each attacker opens, one after the other.
const ATTEMPTS: usize = 150;

/// Requests that the healthy pair exchanges at least while the attacks go on: few, because client
/// and attackers share the cores with the server.
const REQUESTS: usize = 20;

/// The most memory the process may ever have had. Unfinished payloads of up to 1 MiB on as many
/// connections as there are attackers are legitimate.
const MOST_KIB: u64 = 128 * 1024;

/// What an attacker sends once it is connected.
type Attack = fn(&mut Random) -> Vec<u8>;

/// Each attack by the name of what it is.
const ATTACKS: [(&str, Attack); 10] = [
    ("random bytes", |random| random.bytes(4000)),
    ("random lines", |random| {
        let letters = b" \t\r\nPUBSHMINFO+-'{}\"09.*>";
        let mut bytes = random.bytes(4000);
        for byte in &mut bytes {
            *byte = letters[usize::from(*byte) % letters.len()];
        }
        bytes
    }),
    ("a line that does not end", |_| vec![b'A'; 300_000]),
    ("a subject that does not end", |_| {
        [b"SUB ".to_vec(), vec![b'a'; 300_000]].concat()
    }),
    ("a payload that does not end", |_| {
        [
            b"CONNECT {}\r\nPUB a 1048576\r\n".to_vec(),
            vec![b'x'; 900_000],
        ]
        .concat()
    }),
    ("a payload longer than it said", |_| {
        [b"CONNECT {}\r\nPUB a 5\r\n".to_vec(), vec![b'x'; 100_000]].concat()
    }),
    ("sizes that no number holds", |random| {
        let sizes = [
            "99999999999999999999",
            "-1",
            "4294967296",
            "9223372036854775807",
            "0x10",
        ];
        format!(
            "CONNECT {{}}\r\nPUB a {}\r\n",
            sizes[random.below(sizes.len())]
        )
        .into_bytes()
    }),
    ("headers that overlap", |_| {
        b"CONNECT {\"headers\":true}\r\nHPUB a 100 5\r\nhello\r\n".to_vec()
    }),
    ("CONNECT without an end", |random| {
        let brackets = ["[", "{\"a\":", "\"", "{\"user\":\"\\u"][random.below(4)];
        format!("CONNECT {}\r\nPING\r\n", brackets.repeat(1000)).into_bytes()
    }),
    ("subscriptions without number", |random| {
        let start = random.number();
        let subs = (0..5000u64).map(|n| format!("SUB x.{}.{n}.* {n}\r\n", start % 1000));
        [
            b"CONNECT {\"verbose\":false}\r\n".to_vec(),
            subs.collect::<String>().into_bytes(),
        ]
        .concat()
    }),
];

/// Attacks again and again. An attack may end with the server closing, or with the attacker
/// leaving in the middle of what it sends.
async fn attack_repeatedly(to: SocketAddr, attack: Attack, seed: u64) {
    let mut random = Random::new(seed);
    for _ in 0..ATTEMPTS {
        let bytes = attack(&mut random);
        let stream = within("a connection", TcpStream::connect(to)).await;
        let (mut reading, mut writing) = stream.expect("the server accepts").into_split();
        let stays = random.below(2) == 0;
        // What the server makes of it is not looked at: it may close at any byte.
        let writing = async {
            for piece in bytes.chunks(1 + random.below(60_000)) {
                if writing.write_all(piece).await.is_err() {
                    return;
                }
            }
            if stays {
                let _ = writing.write_all(b"\r\nNONSENSE\r\n").await;
                let _ = writing.shutdown().await;
            }
        };
        let reading = async {
            let mut buffer = [0; 4096];
            while stays && matches!(reading.read(&mut buffer).await, Ok(1..)) {}
        };
        within("an attack", async { tokio::join!(writing, reading) }).await;
    }
}

/// Sends every request back.
async fn answer(mut responder: Client<TcpStream>) {
    while let Some(request) = responder.incoming.next().await {
        let reply = request.reply.expect("a request has one");
        let head = format!("PUB {reply} {}\r\n", request.payload.len());
        responder
            .send([head.as_bytes(), &request.payload, b"\r\n"].concat())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_pair_and_memory_survive_hostile_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let configuration = directory.path().join("nats.conf");
    std::fs::write(&configuration, "max_closed_clients: 100\n").expect("a file");
    let process = Process::start(&configuration);
    let connect = || async {
        let stream = TcpStream::connect(process.clients)
            .await
            .expect("the server accepts");
        Client::over(stream).await
    };
    let mut responder = connect().await;
    responder.send("SUB echo 1\r\n").await;
    responder.sync().await;
    let answering = tokio::spawn(answer(responder));
    let mut requester = connect().await;
    requester.send("SUB inbox.* 1\r\n").await;
    requester.sync().await;
    let subscriptions = process.number("/subsz", "num_subscriptions").await;

    let mut attackers = JoinSet::new();
    for (n, (_, attack)) in ATTACKS.into_iter().enumerate() {
        for seed in 0..EACH as u64 {
            attackers.spawn(attack_repeatedly(
                process.clients,
                attack,
                seed * 100 + n as u64,
            ));
        }
    }
    let mut random = Random::new(77);
    let mut exchanged = 0;
    while !attackers.is_empty() {
        let payload = random.bytes(1 + exchanged % 2000);
        let head = format!("PUB echo inbox.{exchanged} {}\r\n", payload.len());
        requester
            .send([head.as_bytes(), &payload, b"\r\n"].concat())
            .await;
        let answer = requester.message().await;
        assert_eq!(answer.subject, format!("inbox.{exchanged}"));
        assert!(answer.payload == payload, "answer {exchanged} is altered");
        exchanged += 1;
        while let Some(ended) = attackers.try_join_next() {
            ended.expect("no attack hangs");
        }
    }
    assert!(
        exchanged >= REQUESTS,
        "only {exchanged} requests were answered"
    );
    requester.sync().await;
    let connections = async || process.number("/varz", "connections").await;
    until("the attackers to be gone", connections, |n| *n == 2).await;
    let left = async || process.number("/subsz", "num_subscriptions").await;
    until("their subscriptions to be gone", left, |n| {
        *n == subscriptions
    })
    .await;
    let peak = process.memory_kib("VmHWM");
    assert!(peak < MOST_KIB, "the server had {peak} KiB");
    drop(requester);
    answering.abort();
}
