//! Clients that are slow, greedy, malformed or many.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cognate_monitor::limits;
use parking_lot::{Condvar, Mutex};

use crate::support::{DEADLINE, Facts, Response, Site, Subscription, connection, server_facts};

fn site() -> Site {
    Site::of(Facts {
        server: server_facts(),
        ..Facts::default()
    })
}

/// The bytes until the site closes; a reset counts as a close.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "not closed in time"
        );
    }
    bytes
}

#[test]
fn heads_have_a_size_and_a_time() {
    let site = site();
    let mut long = b"GET /varz?".to_vec();
    long.resize(limits::HEAD_BYTES * 2, b'a');
    let mut stream = site.connect();
    // The site may close before it has read all.
    let _ = stream.write_all(&long);
    let answer = rest(stream);
    if !answer.is_empty() {
        assert!([400, 414, 431].contains(&Response::parse(&answer).status));
    }

    let many = "x: y\r\n".repeat(limits::HEADERS + 1);
    let request = format!("GET /varz HTTP/1.1\r\n{many}\r\n");
    assert_eq!(site.send(request.as_bytes()).status, 431);

    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"[..],
        b"hello\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(site.send(garbage).status, 400, "{garbage:?}");
    }

    // A head that never ends, no head at all, and none after the first answer.
    let started = Instant::now();
    let mut partial = site.connect();
    partial
        .write_all(b"GET /varz HTTP/1.1\r\nHost:")
        .expect("sent");
    let silent = site.connect();
    let mut idle = site.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        .expect("sent");
    for stream in [partial, silent] {
        let answer = rest(stream);
        assert!(answer.is_empty() || Response::parse(&answer).status == 408);
    }
    assert!(rest(idle).ends_with(b"{\"status\":\"ok\"}"));
    assert!(started.elapsed() >= limits::HEAD_TIMEOUT - Duration::from_millis(100));
    assert!(started.elapsed() < DEADLINE);
    assert_eq!(site.get("/healthz").status, 200);
}

#[test]
fn requests_follow_each_other_on_a_connection() {
    let site = site();
    let mut stream = site.connect();
    let request = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream
        .write_all(format!("{request}{request}{last}").as_bytes())
        .expect("sent");
    let answers = String::from_utf8(rest(stream)).expect("text");
    assert_eq!(
        answers.matches("{\"status\":\"ok\"}").count(),
        3,
        "{answers}"
    );

    // As `printf 'GET …' | nc` does it: nothing follows, but the answer is awaited.
    let mut stream = site.connect();
    stream.write_all(request.as_bytes()).expect("sent");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("half closed");
    assert!(rest(stream).ends_with(b"{\"status\":\"ok\"}"));
}

#[test]
fn more_connections_than_slots_wait_their_turn() {
    let site = site();
    let held: Vec<TcpStream> = (0..limits::CONNECTIONS).map(|_| site.connect()).collect();
    // Every slot is taken by a client that says nothing. It loses it when its time is up.
    assert_eq!(site.get("/healthz").status, 200);
    drop(held);
}

/// Two documents that together exceed the room for unread ones: while a client leaves the first
/// unread, the second is refused and small ones are served.
#[test]
fn unread_documents_are_bounded() {
    const COUNT: usize = 20_000;
    let subject = "s".repeat(limits::UNREAD_BYTES * 6 / 10 / COUNT);
    let subscriptions = (0..COUNT).map(|sid| Subscription {
        account: "$G",
        subject: subject.clone(),
        sid: sid.to_string(),
        ..Subscription::default()
    });
    let site = Site::of(Facts {
        subscriptions: subscriptions.collect(),
        ..Facts::default()
    });
    let large = "/subsz?subs=1&limit=20000";
    let mut unread = site.connect();
    let request = format!("GET {large} HTTP/1.1\r\nHost: a\r\n\r\n");
    unread.write_all(request.as_bytes()).expect("sent");
    // Its head is there: it is built and has its room.
    let mut start = [0; 15];
    unread.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    assert_eq!(site.get(large).status, 503);
    assert_eq!(site.get("/varz").status, 200);
    drop(unread);
    let end = Instant::now() + DEADLINE;
    let read = loop {
        let read = site.get(large);
        if read.status == 200 {
            break read;
        }
        assert!(
            Instant::now() < end,
            "the room of a client that left is not freed"
        );
    };
    assert_eq!(read.header("content-length"), read.body.len().to_string());
    let list = read.json()["subscriptions_list"].take();
    assert_eq!(list.as_array().map(Vec::len), Some(COUNT));
}

#[test]
fn a_stuck_source_holds_up_no_probe_and_no_shutdown() {
    let stuck = Arc::new((Mutex::new(true), Condvar::new()));
    let facts = Facts {
        stuck: Arc::clone(&stuck),
        ..Facts::default()
    };
    let asked = Arc::clone(&facts.asked);
    let mut site = Site::of(facts);
    let mut waiting = Vec::new();
    for _ in 0..limits::BUILDERS {
        let mut stream = site.connect();
        stream
            .write_all(b"GET /connz HTTP/1.1\r\nHost: a\r\n\r\n")
            .expect("sent");
        waiting.push(stream);
    }
    let end = Instant::now() + DEADLINE;
    while asked.load(Ordering::SeqCst) < limits::BUILDERS {
        assert!(Instant::now() < end, "nobody asks for connections");
        assert_eq!(site.get("/healthz").status, 200);
    }
    // Both slots are taken: who comes next is told so.
    let next = site.get("/varz");
    assert_eq!(next.status, 503);
    assert!(next.body.contains("busy"), "{}", next.body);
    assert!(site.stop() < Duration::from_secs(10));
    *stuck.0.lock() = false;
    stuck.1.notify_all();
}

#[test]
fn a_panic_of_the_source_is_one_answer() {
    let facts = Facts {
        broken: true,
        open: vec![connection(1)],
        ..Facts::default()
    };
    let site = Site::of(facts);
    let broken = site.get("/subsz");
    assert_eq!(broken.status, 500);
    assert!(broken.body.contains("bug"), "{}", broken.body);
    assert_eq!(site.get("/connz").status, 200);
}

#[test]
fn shutdown_ends_idle_connections_and_frees_the_port() {
    let mut site = site();
    let idle = site.connect();
    assert_eq!(site.get("/healthz").status, 200);
    assert!(site.stop() < Duration::from_secs(10));
    assert!(rest(idle).is_empty());
    assert!(TcpStream::connect(site.addr).is_err());
}
