//! A server of fixed facts, the monitoring site in front of it, and a plain HTTP client.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use cognate_monitor::{
    AccountDetail, AccountFacts, ClosedSubscription, ConnectionFacts, Counts, Health, JetStream,
    Monitored, ServerFacts, StreamDetails, StreamFacts, SubscriptionFacts, SubscriptionStats,
    WantedConsumers,
};
use parking_lot::{Condvar, Mutex};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// How long a single expectation may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// 2026-01-02T15:04:05Z and a fraction: the time at which the facts are taken.
pub(crate) fn at(seconds: i64) -> SystemTime {
    let base = SystemTime::UNIX_EPOCH + Duration::new(1_767_366_245, 123_456_789);
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 {
        base - distance
    } else {
        base + distance
    }
}

/// A living subscription.
#[derive(Clone, Default)]
pub(crate) struct Subscription {
    pub(crate) account: &'static str,
    pub(crate) subject: String,
    pub(crate) queue: &'static str,
    pub(crate) sid: String,
    pub(crate) msgs: u64,
    pub(crate) max: u64,
    pub(crate) cid: u64,
}

/// A server of fixed facts.
#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) server: ServerFacts,
    pub(crate) open: Vec<ConnectionFacts>,
    pub(crate) closed: Vec<ConnectionFacts>,
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) error: Option<String>,
    pub(crate) jetstream: JetStream,
    /// Streams in short, all of account `$G`.
    pub(crate) streams: Vec<StreamFacts<'static>>,
    /// Streams of account `$G` in detail.
    pub(crate) details: Vec<StreamDetails>,
    pub(crate) accounts: Vec<AccountDetail>,
    /// While true, asking for connections takes for ever.
    pub(crate) stuck: Arc<(Mutex<bool>, Condvar)>,
    /// How often it was asked for connections.
    pub(crate) asked: Arc<AtomicUsize>,
    /// Asking for the interest's figures panics.
    pub(crate) broken: bool,
}

impl Monitored for Facts {
    fn server(&self) -> ServerFacts {
        self.server.clone()
    }

    fn connections(&self) -> Vec<ConnectionFacts> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (stuck, changed) = &*self.stuck;
        changed.wait_while(&mut stuck.lock(), |stuck| *stuck);
        self.open.clone()
    }

    fn closed_connections(&self) -> (Vec<ConnectionFacts>, u64) {
        (self.closed.clone(), self.closed.len() as u64)
    }

    fn subscriptions(&self, visit: &mut dyn FnMut(SubscriptionFacts<'_>)) {
        for one in &self.subscriptions {
            visit(SubscriptionFacts {
                account_tag: one.account,
                is_shadow: false,
                account: one.account,
                subject: &one.subject,
                queue: one.queue,
                sid: &one.sid,
                msgs: one.msgs,
                max: one.max,
                cid: one.cid,
            });
        }
    }

    fn subscription_stats(&self, account: Option<&str>) -> SubscriptionStats {
        assert!(!self.broken, "a panic of the source");
        let wanted = |one: &&Subscription| account.is_none_or(|name| name == one.account);
        SubscriptionStats {
            num_subscriptions: self.subscriptions.iter().filter(wanted).count() as u64,
            num_cache: 5,
            num_inserts: 7,
            num_removes: 1,
            num_matches: 9,
            cache_hit_rate: 0.25,
            max_fanout: 3,
            avg_fanout: 1.0,
        }
    }

    fn accounts(&self) -> Vec<AccountFacts> {
        self.accounts
            .iter()
            .map(|detail| detail.facts.clone())
            .collect()
    }

    fn account(&self, name: &str) -> Option<AccountDetail> {
        let mut accounts = self.accounts.iter();
        accounts.find(|detail| detail.facts.name == name).cloned()
    }

    fn health(&self) -> Health {
        Health {
            error: self.error.clone(),
        }
    }

    fn jetstream(&self) -> JetStream {
        self.jetstream.clone()
    }

    fn streams(&self, visit: &mut dyn FnMut(StreamFacts<'_>)) {
        self.streams.iter().for_each(|stream| visit(*stream));
    }

    fn stream_details(
        &self,
        account: &str,
        wanted: WantedConsumers,
        visit: &mut dyn FnMut(StreamDetails),
    ) {
        for stream in self.details.iter().filter(|_| account == "$G") {
            let mut stream = stream.clone();
            if wanted == WantedConsumers::None {
                stream.consumers.clear();
            }
            if wanted != WantedConsumers::All {
                stream.direct_consumers.clear();
            }
            visit(stream);
        }
    }

    fn has_consumer(&self, account: &str, stream: &str, consumer: &str) -> bool {
        (account, stream, consumer) == ("$G", "S", "C")
    }
}

/// The facts of a server as it is right after its start, as the Go server would be configured.
pub(crate) fn server_facts() -> ServerFacts {
    ServerFacts {
        server_id: "NBGUWSMPDLOCTXLBWW3OHNOXLMNXMBRE5L4QZNLSHPQGWGHU2EABG3V7".into(),
        server_name: "orc".into(),
        version: "2.14.5".into(),
        cognate_version: "0.1.0".into(),
        go: "rust".into(),
        host: "127.0.0.1".into(),
        port: 4222,
        max_connections: 65_536,
        ping_interval: Duration::from_secs(120),
        ping_max: 2,
        http_host: "127.0.0.1".into(),
        http_port: 8222,
        auth_timeout: Duration::from_secs(2),
        max_control_line: 4096,
        max_payload: 1 << 20,
        max_pending: 64 << 20,
        tls_timeout: Duration::from_millis(2_500),
        write_deadline: Duration::from_secs(10),
        start: at(-93_784),
        now: at(0),
        mem: 15_679_488,
        cores: 2,
        worker_threads: 2,
        cpu: 1.5,
        cpu_time: Duration::from_millis(12_250),
        connections: 3,
        total_connections: 9,
        in_msgs: Counts::of_clients(11),
        in_bytes: Counts::of_clients(12),
        out_msgs: Counts::of_clients(13),
        out_bytes: Counts::of_clients(14),
        slow_consumers: 4,
        stale_connections: 5,
        stalled_clients: 6,
        subscriptions: 62,
        config_load_time: at(-100),
        config_digest: "sha256:00".into(),
        ..ServerFacts::default()
    }
}

/// A connection with its number in every figure, so that no two agree by chance.
pub(crate) fn connection(cid: u64) -> ConnectionFacts {
    ConnectionFacts {
        cid,
        ip: "127.0.0.1".into(),
        port: 40_000,
        start: at(-300),
        last_activity: at(-60),
        account: "$G".into(),
        ..ConnectionFacts::default()
    }
}

/// A connection that ended a minute after it came.
pub(crate) fn closed(cid: u64, reason: &'static str) -> ConnectionFacts {
    let subscription = ClosedSubscription {
        subject: "z.>".into(),
        sid: "9".into(),
        msgs: 3,
        ..Default::default()
    };
    ConnectionFacts {
        stop: Some(at(-240)),
        last_activity: at(-270),
        reason,
        subscriptions: 1,
        closed_subscriptions: [subscription].into(),
        ..connection(cid)
    }
}

/// A monitoring site, stopped when it is dropped.
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: std::sync::mpsc::Receiver<()>,
    runtime: Option<Runtime>,
}

impl Site {
    /// Monitors `facts` below `/`.
    pub(crate) fn of(facts: Facts) -> Self {
        Site::start(facts, "", None)
    }

    /// Monitors `facts` below `base_path`, over TLS if it is given.
    pub(crate) fn start(
        facts: Facts,
        base_path: &str,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)))
            .expect("a free port on loopback");
        let addr = listener.local_addr().expect("a bound listener");
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = std::sync::mpsc::channel();
        let base_path = base_path.to_owned();
        runtime.spawn(async move {
            let shutdown = async { drop(stopped.await) };
            cognate_monitor::serve(listener, tls, base_path, Arc::new(facts), shutdown).await;
            drop(ending);
        });
        Site {
            addr,
            stop: Some(stop),
            ended,
            runtime: Some(runtime),
        }
    }

    /// A connection to the site.
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).expect("the site listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// GETs `path` on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Response {
        let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        self.send(head.as_bytes())
    }

    /// The JSON document at `path`.
    pub(crate) fn json(&self, path: &str) -> Value {
        let response = self.get(path);
        assert_eq!(response.status, 200, "{path}: {}", response.body);
        response.json()
    }

    /// The text of the 400 at `path`.
    pub(crate) fn refusal(&self, path: &str) -> String {
        let response = self.get(path);
        let kind = response.header("content-type");
        assert_eq!(
            (response.status, kind),
            (400, "text/plain; charset=utf-8"),
            "{path}"
        );
        response.body
    }

    /// Sends bytes and reads until the site closes.
    pub(crate) fn send(&self, request: &[u8]) -> Response {
        let mut stream = self.connect();
        stream
            .write_all(request)
            .expect("a request fits the socket");
        let mut bytes = Vec::new();
        stream
            .read_to_end(&mut bytes)
            .expect("an answer and an end");
        Response::parse(&bytes)
    }

    /// Stops the site and says how long its end took.
    pub(crate) fn stop(&mut self) -> Duration {
        let started = std::time::Instant::now();
        drop(self.stop.take());
        let end = self.ended.recv_timeout(DEADLINE);
        assert_eq!(end, Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
        started.elapsed()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    /// Reads an answer that is followed by the end of the connection.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no head: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1))
            .expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Response {
            status: status.parse().expect("a number"),
            headers,
            body: body.to_owned(),
        }
    }

    /// The value of a header, empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }
}

/// The fields of an indented JSON document at a depth, in order, each with the kind of its value:
/// `name:s` (text), `:n` (number), `:b` (boolean), `:o` (object), `:a` (array).
pub(crate) fn fields(document: &str, depth: usize) -> String {
    let indent = "  ".repeat(depth) + "\"";
    let fields = document.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix(&indent)?.split_once("\": ")?;
        let kind = match value.as_bytes().first()? {
            b'"' => 's',
            b'{' => 'o',
            b'[' => 'a',
            b't' | b'f' => 'b',
            b'-' | b'0'..=b'9' => 'n',
            other => panic!("{name}: unexpected {other}"),
        };
        Some(format!("{name}:{kind}"))
    });
    fields.collect::<Vec<_>>().join(" ")
}

/// The values of one field of each item of a list.
pub(crate) fn column(list: &Value, field: &str) -> Vec<String> {
    let items = list.as_array().expect("a list").iter();
    items
        .map(|item| item[field].to_string().trim_matches('"').to_owned())
        .collect()
}
