//! Subscriptions of many connections that differ in nothing but their connection: each gets every
//! message in order, whatever comes in between.
//!
//! A publisher sends everything in a few large writes, so that the server works through many
//! messages at a time. What each receiver must get is known from a list of who subscribed to what.

mod common;

use std::collections::BTreeMap;

use cognate_server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use common::random::Random;
use common::{Client, Message, start};

const RECEIVERS: usize = 6;

/// Subjects, and the filters that match each.
const SUBJECTS: [(&str, &[&str]); 4] = [
    ("a.x", &["a.x", "a.*", ">"]),
    ("a.y", &["a.*", ">"]),
    ("b", &["b", ">"]),
    ("c", &["c", ">"]),
];

const FILTERS: [&str; 6] = ["a.x", "a.*", "b", ">", "c", "a.*"];

/// Bytes of a payload: what is gathered in a row is copied or referred to, and the largest are
/// written from where they were read.
const SIZES: [usize; 6] = [3, 3, 40, 40, 1500, 9000];

/// Receivers, the publisher being the last of them: filters by sid.
type Interest = Vec<BTreeMap<u64, &'static str>>;

/// What is sent, and what everybody must get of it.
struct Script {
    bytes: Vec<u8>,
    expected: Vec<Vec<Message>>,
}

fn subscribes(
    random: &mut Random,
    to: &mut BTreeMap<u64, &'static str>,
) -> Option<(u64, &'static str)> {
    // Few sids, so that most are the same.
    let sid = [1, 1, 1, 2, 17][random.below(5)];
    let filter = FILTERS[random.below(FILTERS.len())];
    (!to.contains_key(&sid)).then(|| {
        to.insert(sid, filter);
        (sid, filter)
    })
}

impl Script {
    fn publish(
        &mut self,
        interest: &Interest,
        subject: usize,
        payload: String,
        with_headers: bool,
    ) {
        let (subject, filters) = SUBJECTS[subject];
        let (head, body) = match with_headers {
            true => {
                let body = format!("NATS/1.0\r\nA: b\r\n\r\n{payload}");
                (format!("HPUB {subject} 18 {}", body.len()), body)
            }
            false => (format!("PUB {subject} {}", payload.len()), payload),
        };
        self.bytes
            .extend_from_slice(format!("{head}\r\n{body}\r\n").as_bytes());
        for (expected, subscribed) in self.expected.iter_mut().zip(interest) {
            for (sid, _) in subscribed
                .iter()
                .filter(|(_, filter)| filters.contains(filter))
            {
                expected.push(Message {
                    subject: subject.to_owned(),
                    sid: sid.to_string(),
                    reply: None,
                    payload: body.clone().into_bytes(),
                });
            }
        }
    }

    /// The publisher comes to want something itself, or no longer.
    fn change_own(&mut self, random: &mut Random, interest: &mut Interest) {
        let own = &mut interest[RECEIVERS];
        if let Some((sid, filter)) = subscribes(random, own) {
            self.bytes
                .extend_from_slice(format!("SUB {filter} {sid}\r\n").as_bytes());
        } else if let Some((sid, _)) = own.pop_first() {
            self.bytes
                .extend_from_slice(format!("UNSUB {sid}\r\n").as_bytes());
        }
    }
}

fn script(random: &mut Random, interest: &mut Interest) -> Script {
    let mut script = Script {
        bytes: Vec::new(),
        expected: vec![Vec::new(); RECEIVERS + 1],
    };
    for part in 0..40 {
        if random.below(8) == 0 {
            script.change_own(random, interest);
        }
        let subject = random.below(SUBJECTS.len());
        // Some rows are one message long, and some are more than a stage holds.
        let count = [1, 1, 2, 5, 30, 400][random.below(6)];
        let size = SIZES[random.below(if count > 30 { 5 } else { SIZES.len() })];
        let with_headers = random.below(4) == 0;
        for n in 0..count {
            let payload = format!("{part} {n} {}", "x".repeat(size));
            script.publish(interest, subject, payload, with_headers);
        }
    }
    script
}

async fn world(server: &Server, seed: u64) {
    let mut random = Random::new(seed);
    let mut interest: Interest = vec![BTreeMap::new(); RECEIVERS + 1];
    let mut clients: Vec<Client<TcpStream>> = Vec::new();
    for subscribed in &mut interest {
        let mut client = Client::connect(server).await;
        for _ in 0..=random.below(2) {
            if let Some((sid, filter)) = subscribes(&mut random, subscribed) {
                client.send(format!("SUB {filter} {sid}\r\n")).await;
            }
        }
        client.sync().await;
        clients.push(client);
    }
    let Script { bytes, expected } = script(&mut random, &mut interest);
    let mut publisher = clients.pop().expect("the publisher is the last");
    let mut outgoing = publisher.outgoing;
    let sending = tokio::spawn(async move {
        outgoing
            .write_all(&bytes)
            .await
            .expect("the server reads on");
        outgoing
    });
    // One after the other, so that what is for the later ones has to wait in the server.
    let receivers = clients.iter_mut().map(|client| &mut client.incoming);
    let all = receivers.chain([&mut publisher.incoming]);
    for (n, (incoming, expected)) in all.zip(&expected).enumerate() {
        let mut received = Vec::new();
        for _ in expected {
            received.push(incoming.message().await);
        }
        let (received, expected) = (by_sid(&received), by_sid(expected));
        assert!(received == expected, "seed {seed}, receiver {n}");
    }
    publisher.outgoing = sending.await.expect("it was sent");
    publisher.sync().await;
    for client in &mut clients {
        client.sync().await;
    }
}

/// Order is promised within a subscription only.
fn by_sid(messages: &[Message]) -> BTreeMap<&str, Vec<&Message>> {
    let mut by_sid: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
    for message in messages {
        by_sid.entry(&message.sid).or_default().push(message);
    }
    by_sid
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_gets_everything_in_order() {
    let server = start(|builder| builder).await;
    for seed in 1..=30 {
        world(&server, seed).await;
    }
}
