//! Order and completeness under load: publishers at full speed, subscriptions that come and go,
//! consumers that are cut off, receivers that end after a number of messages.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use cognate_server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;

use common::random::Random;
use common::{Client, start, within};

/// Publishers, and messages of each.
const PUBLISHERS: usize = 4;
const MESSAGES: u64 = 15_000;

/// Messages of one publisher that healthy receivers may be behind, so that the limit for slow
/// consumers is out of their reach however slow the machine is.
const WINDOW: usize = 300;

/// Bytes of padding: most messages are small, some are above what is copied between buffers.
const PADDING: [usize; 4] = [10, 100, 1000, 9000];

const MAX_PENDING: u64 = 8 * 1024 * 1024;

/// What a healthy receiver has seen: everything, in order.
struct Seen {
    next: Vec<[u64; PUBLISHERS]>,
}

impl Seen {
    /// For receivers with `subscriptions`, whose ids are counted from 0.
    fn new(subscriptions: usize) -> Self {
        Seen {
            next: vec![[0; PUBLISHERS]; subscriptions],
        }
    }

    /// Notes a message; it must be the next of its publisher on this subscription.
    fn note(&mut self, who: &str, sid: &str, payload: &[u8]) -> usize {
        let (publisher, sequence) = parse(payload);
        let sid: usize = sid.parse().expect("the ids here are numbers");
        let next = &mut self.next[sid][publisher];
        assert_eq!(
            sequence, *next,
            "{who}: publisher {publisher}, subscription {sid}"
        );
        *next += 1;
        publisher
    }
}

fn parse(payload: &[u8]) -> (usize, u64) {
    let text = String::from_utf8_lossy(payload);
    let mut words = text.split(' ');
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .expect("a number")
    };
    (number() as usize, number())
}

/// Publishes all messages of one publisher, each once there is room in the window.
async fn publish(mut client: Client<TcpStream>, publisher: usize, window: Arc<Semaphore>) {
    let mut random = Random::new(publisher as u64 + 1);
    let mut sequence = 0;
    while sequence < MESSAGES {
        let count = (1 + random.below(64) as u64).min(MESSAGES - sequence);
        let room = window.acquire_many(count as u32 * RECEIVERS as u32);
        within("room in the window", room)
            .await
            .expect("open")
            .forget();
        let mut frames = Vec::new();
        for _ in 0..count {
            let padding = "x".repeat(PADDING[random.below(64) % 10 / 3]);
            let payload = format!("{publisher} {sequence} {padding}");
            let frame = format!("PUB load.p{publisher} {}\r\n{payload}\r\n", payload.len());
            frames.extend_from_slice(frame.as_bytes());
            sequence += 1;
        }
        client.send(frames).await;
    }
    client.sync().await;
}

/// The healthy receivers by their subscriptions. Each sees every message once per subscription.
const HEALTHY: [&[&str]; 4] = [
    &["load.>"],
    &["load.*"],
    &["load.p0", "load.p1", "load.p2", "load.p3"],
    &["load.*", "*.p1", ">"],
];

const RECEIVERS: usize = HEALTHY.len();

/// How many messages a healthy receiver gets for one of `publisher`.
fn copies(filters: &[&str], publisher: usize) -> u64 {
    let literal = format!("p{publisher}");
    let matches = |filter: &&&str| filter.ends_with(['*', '>']) || filter.ends_with(&literal);
    filters.iter().filter(matches).count() as u64
}

async fn receive(
    mut client: Client<TcpStream>,
    who: &str,
    filters: &[&str],
    windows: &[Arc<Semaphore>],
) {
    let mut seen = Seen::new(filters.len());
    let expected: u64 = (0..PUBLISHERS)
        .map(|publisher| copies(filters, publisher) * MESSAGES)
        .sum();
    let mut counts = [0; PUBLISHERS];
    for _ in 0..expected {
        let message = client.message().await;
        let publisher = seen.note(who, &message.sid, &message.payload);
        counts[publisher] += 1;
        if counts[publisher] % copies(filters, publisher) == 0 {
            windows[publisher].add_permits(1);
        }
    }
    client.sync().await;
}

/// A receiver of everything with small buffers.
async fn slow_consumer(server: &Server) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("SO_RCVBUF");
    let address = server.client_addr().expect("it listens");
    let stream = socket.connect(address).await.expect("the server accepts");
    let mut client = Client::over(stream).await;
    client.send("SUB load.> 1\r\n").await;
    client.sync().await;
    client
}

/// Whether the connection ended before all messages arrived.
async fn was_cut(mut client: Client<TcpStream>) -> bool {
    let all = MESSAGES * PUBLISHERS as u64;
    let mut received = 0;
    while received < all && within("the end", client.incoming.next()).await.is_some() {
        received += 1;
    }
    received < all
}

/// Subscribes and unsubscribes without pause; what it receives on a subscription is in order.
async fn churn(
    mut client: Client<TcpStream>,
    seed: u64,
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
) {
    let mut random = Random::new(seed);
    let filters = [
        "load.>",
        "load.p1",
        "load.*",
        "other.*",
        "load.p2 workers",
        "*.p3",
    ];
    for sid in 0u64.. {
        if stop.load(Relaxed) {
            return;
        }
        let filter = filters[random.below(filters.len())];
        client.send(format!("SUB {filter} {sid}\r\nPING\r\n")).await;
        let mut last = [None; PUBLISHERS];
        client
            .drain(|message| {
                if message.sid == sid.to_string() {
                    let (publisher, sequence) = parse(&message.payload);
                    let consecutive = last[publisher].is_none_or(|last| match filter {
                        // A queue group shares its messages.
                        "load.p2 workers" => sequence > last,
                        _ => sequence == last + 1,
                    });
                    assert!(
                        consecutive,
                        "{filter}: {sequence} after {last:?} of {publisher}"
                    );
                    last[publisher] = Some(sequence);
                }
            })
            .await;
        client.send(format!("UNSUB {sid}\r\nPING\r\n")).await;
        client.drain(|_| {}).await;
        rounds.fetch_add(1, Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn order_is_kept_while_slow_consumers_are_cut_and_subscriptions_churn() {
    let server = start(|builder| builder.configure(|options| options.max_pending = MAX_PENDING));
    let server = Arc::new(server.await);
    let windows: Vec<Arc<Semaphore>> = (0..PUBLISHERS)
        .map(|_| Arc::new(Semaphore::new(WINDOW * RECEIVERS)))
        .collect();

    let mut healthy = Vec::new();
    for (n, filters) in HEALTHY.into_iter().enumerate() {
        let mut client = Client::connect(&server).await;
        for (sid, filter) in filters.iter().enumerate() {
            client.send(format!("SUB {filter} {sid}\r\n")).await;
        }
        client.sync().await;
        let windows = windows.clone();
        healthy.push(tokio::spawn(async move {
            receive(client, &format!("receiver {n}"), filters, &windows).await;
        }));
    }
    // They read nothing until everything is published.
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(slow_consumer(&server).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let mut churning = Vec::new();
    for seed in 1..=2 {
        let client = Client::connect(&server).await;
        churning.push(tokio::spawn(churn(
            client,
            seed,
            Arc::clone(&stop),
            Arc::clone(&rounds),
        )));
    }
    let mut publishing = Vec::new();
    for (publisher, window) in windows.iter().enumerate() {
        let client = Client::connect(&server).await;
        publishing.push(tokio::spawn(publish(client, publisher, Arc::clone(window))));
    }
    for task in publishing.into_iter().chain(healthy) {
        task.await.expect("every message arrived in order");
    }
    stop.store(true, Relaxed);
    for task in churning {
        task.await.expect("what arrived was in order");
    }
    for client in slow {
        assert!(
            was_cut(client).await,
            "a consumer that reads nothing is cut off"
        );
    }
    assert!(
        rounds.load(Relaxed) > 10,
        "only {rounds:?} rounds of subscribing"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_with_a_maximum_receives_exactly_that_from_many_publishers() {
    const EACH: usize = 100;
    let server = start(|builder| builder).await;
    let mut publishers = Vec::new();
    for _ in 0..8 {
        publishers.push(Client::connect(&server).await);
    }
    let mut receiver = Client::connect(&server).await;
    let mut other = Client::connect(&server).await;
    let total = publishers.len() * EACH;
    for (round, max) in [1, 2, 99, 100, 101, 500, 799, 800, 801, 1000]
        .into_iter()
        .enumerate()
    {
        let subject = format!("s.{round}");
        receiver
            .send(format!("SUB {subject} {round}\r\nUNSUB {round} {max}\r\n"))
            .await;
        receiver.sync().await;
        // A queue group of which one member ends on the way: the other takes the rest.
        receiver
            .send(format!(
                "SUB {subject} group q{round}\r\nUNSUB q{round} 50\r\n"
            ))
            .await;
        receiver.sync().await;
        other.send(format!("SUB {subject} group {round}\r\n")).await;
        other.sync().await;
        let frame = format!("PUB {subject} 2\r\nhi\r\n");
        let mut tasks = Vec::new();
        for mut publisher in publishers.drain(..) {
            let frame = frame.clone();
            tasks.push(tokio::spawn(async move {
                for piece in [1, 7, 32, EACH - 40] {
                    publisher.send(frame.repeat(piece)).await;
                }
                publisher.sync().await;
                publisher
            }));
        }
        for task in tasks {
            publishers.push(task.await.expect("no panic"));
        }
        let (mut own, mut member, mut rest) = (0, 0, 0);
        receiver.send("PING\r\n").await;
        receiver
            .drain(|message| match message.sid.starts_with('q') {
                true => member += 1,
                false => own += 1,
            })
            .await;
        other.send(format!("UNSUB {round}\r\nPING\r\n")).await;
        other.drain(|_| rest += 1).await;
        assert_eq!(own, max.min(total), "round {round}");
        assert_eq!(member + rest, total, "round {round}: {member} and {rest}");
        assert!(member <= 50, "round {round}: {member}");
        receiver
            .send(format!("UNSUB {round}\r\nUNSUB q{round}\r\n"))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_with_many_responders_get_the_answers_they_asked_for() {
    let server = Arc::new(start(|builder| builder).await);
    let mut responders = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(&server).await;
        client.send("SUB service 1\r\n").await;
        client.sync().await;
        responders.push(tokio::spawn(async move {
            while let Some(request) = client.incoming.next().await {
                let reply = request.reply.expect("a request has one");
                let answers = format!("PUB {reply} 2\r\nok\r\n").repeat(2);
                // Answers that nobody waits for any more may meet the end of the server.
                if client.outgoing.write_all(answers.as_bytes()).await.is_err() {
                    return;
                }
            }
        }));
    }
    let mut requesters = Vec::new();
    for n in 0..8u64 {
        let mut client = Client::connect(&server).await;
        requesters.push(tokio::spawn(async move {
            for request in 0..100u64 {
                // Six answers come; every number up to that is asked for.
                let max = 1 + (n + request) % 6;
                let inbox = format!("_INBOX.{n}.{request}");
                let ask = format!(
                    "SUB {inbox} {request}\r\nUNSUB {request} {max}\r\nPUB service {inbox} 0\r\n\r\n"
                );
                client.send(ask).await;
                for answer in 0..max {
                    let message = client.message().await;
                    // An answer too many would be one to a former request.
                    assert_eq!(message.subject, inbox, "{n}: answer {answer} of {max}");
                }
            }
            client.sync().await;
        }));
    }
    for task in requesters {
        task.await.expect("as many answers as asked for");
    }
    within("shutdown", server.shutdown()).await;
    for task in responders {
        within("the end of a responder", task)
            .await
            .expect("no panic");
    }
}
